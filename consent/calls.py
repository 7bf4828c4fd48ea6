"""A vendor's call, up to the point where it may do something: its token opens, its proof holds, its refusal is logged.

token -> lock, grant and owner in one statement -> pepper and floors in one -> two boxes -> held, proof, terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from consent import access, alerts, dpop, grant_locks
from consent.disclosure import about_terms
from consent.grant_locks import Found
from consent.pace import Pace
from consent.problems import Code
from consent.quota import Quota
from consent.standing import Moved, standing_of, version_now
from consent.terms import Terms, VaultData, VaultDeposit
from vault import crypto
from vault.db import Line
from vault.errors import DiskFull

if TYPE_CHECKING:
    from vault.server import Server

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it arrived. `what` is a collection, or empty where it is about the grant itself."""

    token: str = field(repr=False)
    proof: str | None = field(repr=False)
    method: str
    url: str
    what: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal with its code, and a detail for the vendor's developer that holds nothing secret.

    `wait` is after how many seconds the same call may be granted, 0 when nobody can tell; `quotas` what is left of it.
    """

    code: Code
    detail: str = ""
    wait: int = 0
    quotas: tuple[Quota, ...] = ()


class Limited(NamedTuple):
    """An answer with what is left of the limits that there are, and the number of its entry if the body has none."""

    body: bytes
    quotas: Sequence[Quota] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """A token that opened: its grant's row, key and terms, the key it is bound to, and whether she holds the grant."""

    found: Found
    key: bytes = field(repr=False)
    terms: Terms
    bound: str
    held: str | None

    @property
    def owner_id(self) -> bytes:
        """Whose vault it is about."""
        return self.found.string.owner_id


class Subject(NamedTuple):
    """What a call is about, in the words of the log."""

    collection: str
    fields: tuple[str, ...]
    purposes: tuple[str, ...]


def subject(collection: str, items: Sequence[VaultData | VaultDeposit]) -> Subject:
    """The items of a grant that a call is about; of the grant itself only the purposes are said."""
    fields = tuple(path for item in items for path in item.fields) if collection else ()
    return Subject(collection, fields, tuple(dict.fromkeys(item.purpose for item in items)))


def answer(server: Server, call: Call, work: Callable[[Line, Opening], T | Denied]) -> T | Denied:
    """Open the token and let `work` answer. Whatever is logged is committed before this returns."""
    for _attempt in range(5):
        with server.main.line(snapshot=True) as line:
            try:
                opening = _open(server, line, call.token)
                if isinstance(opening, Denied):
                    return opening
                return _late(server, call, opening) or work(line, opening)
            except Moved:
                continue
            except (DiskFull, access.NoLog):
                break  # no log, and so no look
    return Denied("busy")


def about_grant(
    server: Server,
    call: Call,
    find: Callable[[Opening], Callable[[int], T] | Denied],
    *,
    paused_too: bool = False,
) -> T | Denied:
    """Answer a call that shows nothing of hers, unless she has paused it.

    `find` refuses, or makes what answers, given the number of the entry in the log.
    """

    def work(_line: Line, opening: Opening) -> T | Denied:
        about = subject("", (*opening.terms.items, *opening.terms.deposits))
        tag = prove(server, call, opening, about)
        if isinstance(tag, Denied):
            return tag
        try:
            found = Denied("paused") if opening.held and not paused_too else find(opening)
        except crypto.Damaged:
            return refuse(server, call, opening, about, "damaged rows", Denied("damaged"), tag)
        if isinstance(found, Denied):
            return refuse(server, call, opening, about, found.code, found, tag)
        try:
            written = log(server, entry(call, opening, about, "allowed", tag=tag))
        except access.Replayed:
            return replayed(server, call, opening, about)
        return found(written.number)

    return answer(server, call, work)


def log(server: Server, look: access.Look) -> access.Written:
    """Write an entry, and mail her if it is one she should hear of at once. Raises what `access.write` raises."""
    written = access.write(server, look)
    pace_of(server).counted(look.grant_id, written.calls, server.now)
    alerts.about(server, look, written)
    return written


def pace_of(server: Server) -> Pace:
    """What this process knows of those who call too often."""
    return server.memory.setdefault("pace", Pace())  # type: ignore[no-any-return]


def _late(server: Server, call: Call, opening: Opening) -> Denied | None:
    """Has this permission had all calls of this minute? The first such refusal is logged: all would cost as much."""
    pace, grant = pace_of(server), opening.found.grant_id
    if not pace.late(grant, server.now):
        return None
    detail = f"more than {pace.most} calls in a minute"
    denied = Denied("over_limit", detail, wait=pace.wait(server.now), quotas=(pace.quota(),))
    if not pace.first(grant, server.now):
        return denied
    return refuse(server, call, opening, subject("", opening.terms.items), "too many calls", denied)


def unless_moved(server: Server, found: Found) -> None:
    """A row that does not open: read the grant again. If it has moved on, start over; otherwise it is damage."""
    if version_now(server, found.string.owner_id, found.grant_id) != found.version:
        raise Moved


def _open(server: Server, line: Line, token: str) -> Opening | Denied:
    found = grant_locks.find(line, server, token, "access")
    if found is None or found.state != "live" or found.terms_box is None:
        return Denied("invalid_token")
    standing = standing_of(server, found)
    if standing is None or found.expires_at <= server.now:
        return Denied("invalid_token")
    owner, grant = found.string.owner_id, found.grant_id
    try:
        opened = grant_locks.open_found(found, standing.pepper)
    except crypto.Damaged:
        access.count_refusal(server, owner, grant)
        return Denied("invalid_token")
    assert opened.key is not None  # noqa: S101 - an access token always wraps a key
    try:
        raw = crypto.open_box(opened.key, about_terms(owner, grant, found.version), found.terms_box)
    except crypto.Damaged:
        unless_moved(server, found)
        return Denied("damaged")
    terms = Terms.from_bytes(raw)
    if terms.until <= server.now:
        return Denied("invalid_token")
    return Opening(found, opened.key, terms, str(opened.bound["jkt"]), standing.held)


def prove(server: Server, call: Call, opening: Opening, about: Subject) -> bytes | Denied:
    """Check the proof; returns the tag that makes it single-use once it is logged. A refusal is logged here."""
    try:
        proof = dpop.verify(call.proof, method=call.method, url=call.url, now=server.now, access_token=call.token)
    except dpop.BadProof as error:
        return refuse(server, call, opening, about, "wrong proof", Denied("invalid_dpop_proof", error.reason))
    if proof.thumbprint != opening.bound:
        denied = Denied("invalid_dpop_proof", "the proof is by another key")
        return refuse(server, call, opening, about, "wrong proof", denied)
    return access.proof_tag(server, opening.owner_id, proof.thumbprint, proof.jti)


def refuse(
    server: Server,
    call: Call,
    opening: Opening,
    about: Subject,
    outcome: str,
    denied: Denied,
    tag: bytes | None = None,
) -> Denied:
    """Log a refusal; a proof that was used before is refused for that."""
    try:
        log(server, entry(call, opening, about, outcome, tag=tag))
    except access.Replayed:
        return replayed(server, call, opening, about)
    return denied


def replayed(server: Server, call: Call, opening: Opening, about: Subject) -> Denied:
    """The proof has been used before: logged, and refused."""
    log(server, entry(call, opening, about, "replayed proof"))
    return Denied("invalid_dpop_proof", "the proof has been used before")


def entry(
    call: Call,
    opening: Opening,
    about: Subject,
    outcome: str,
    *,
    count: int = 0,
    tag: bytes | None = None,
    limit: access.Limit | None = None,
) -> access.Look:
    """What the log will say of a call."""
    return access.Look(
        owner_id=opening.owner_id,
        grant_id=opening.found.grant_id,
        log_key=opening.terms.log_key,
        outcome=outcome,
        what={about.collection: list(about.fields)} if about.collection else {},
        purposes=about.purposes,
        count=count,
        proof_tag=tag,
        request_id=call.request_id,
        limit=limit,
    )
