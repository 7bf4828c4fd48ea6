"""One look by a vendor: from the string it holds to the bytes it gets. The hot path, in the order of defence.

token -> lock, grant and owner in one statement -> pepper and floors in one -> two boxes -> held, proof, terms ->
one range of disclosure boxes, joined as bytes and never parsed -> one entry in the log -> answer.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import orjson

from consent import access, dpop, grant_locks
from consent.disclosure import about_disclosure, about_terms
from consent.grant_locks import Found
from consent.standing import Moved, standing_of, version_now
from consent.terms import Terms, VaultData
from vault import crypto
from vault.db import Line, Statement
from vault.errors import DiskFull

if TYPE_CHECKING:
    from vault.server import Server

MOST = 200
Code = Literal[
    "invalid_token", "invalid_dpop_proof", "paused", "not_granted", "start_again", "invalid", "busy", "damaged"
]

_RANGE = Statement(
    "SELECT change, item, ref, box FROM disclosures "
    "WHERE owner_id = :owner AND grant_id = :grant AND change > :after AND item IN (:a, :b, :c, :d, :e, :f) "
    "ORDER BY change LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Asking:
    """A call as it arrived. `what` is a collection, or None for the grant itself."""

    token: str = field(repr=False)
    proof: str | None = field(repr=False)
    method: str
    url: str
    what: str | None
    after: str | None = None
    limit: int = MOST
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """A refusal with its code, and a detail for the vendor's developer that holds nothing secret."""

    code: Code
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """A token that opened: its grant's row, key and terms, and the proof that came with it."""

    found: Found
    key: bytes = field(repr=False)
    terms: Terms
    bound: str
    held: str | None


def look(server: Server, asking: Asking) -> bytes | Denied:
    """Answer one call: JSON bytes, or why not. The entry in the log is committed before this returns."""
    for _attempt in range(5):
        with server.main.line(begin="BEGIN") as line:
            try:
                opening = _open(server, line, asking.token)
                if isinstance(opening, Denied):
                    return opening
                return _answer(server, line, asking, opening)
            except Moved:
                continue
            except (DiskFull, access.NoLog):
                break  # no log, and so no look
    return Denied("busy")


def _unless_moved(server: Server, found: Found) -> None:
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
        _unless_moved(server, found)
        return Denied("damaged")
    terms = Terms.from_bytes(raw)
    if terms.until <= server.now:
        return Denied("invalid_token")
    return Opening(found, opened.key, terms, str(opened.bound["jkt"]), standing.held)


def _answer(server: Server, line: Line, asking: Asking, opening: Opening) -> bytes | Denied:
    items = opening.terms.of(asking.what) if asking.what else opening.terms.items
    try:
        proof = dpop.verify(
            asking.proof, method=asking.method, url=asking.url, now=server.now, access_token=asking.token
        )
    except dpop.BadProof as error:
        return _refused(server, asking, opening, items, "wrong proof", Denied("invalid_dpop_proof", error.reason))
    if proof.thumbprint != opening.bound:
        denied = Denied("invalid_dpop_proof", "the proof is by another key")
        return _refused(server, asking, opening, items, "wrong proof", denied)
    tag = access.proof_tag(server, opening.found.string.owner_id, proof.thumbprint, proof.jti)
    denied_by_terms = _denied(opening, items, asking)
    if denied_by_terms is not None:
        return _refused(server, asking, opening, items, denied_by_terms.code, denied_by_terms, tag)
    try:
        rows = _rows(line, asking, opening, items) if asking.what else []
    except crypto.Damaged:
        _unless_moved(server, opening.found)
        return _refused(server, asking, opening, items, "damaged rows", Denied("damaged"), tag)
    try:
        number = access.write(server, _entry(asking, opening, items, "allowed", len(rows), tag))
    except access.Replayed:
        denied = Denied("invalid_dpop_proof", "the proof has been used before")
        return _refused(server, asking, opening, items, "replayed proof", denied)
    return _page(opening, asking, rows, number) if asking.what else _grant(opening, number)


def _denied(opening: Opening, items: tuple[VaultData, ...], asking: Asking) -> Denied | None:
    """What the terms and her hold say."""
    if opening.held:
        return Denied("paused")
    if not items:
        return Denied("not_granted")
    if asking.after is not None and _after(asking, opening) is None:
        return Denied("start_again")
    return None


def _refused(
    server: Server,
    asking: Asking,
    opening: Opening,
    items: tuple[VaultData, ...],
    outcome: str,
    denied: Denied,
    tag: bytes | None = None,
) -> Denied:
    try:
        access.write(server, _entry(asking, opening, items, outcome, 0, tag))
    except access.Replayed:
        access.write(server, _entry(asking, opening, items, "replayed proof", 0, None))
        return Denied("invalid_dpop_proof", "the proof has been used before")
    return denied


def _entry(
    asking: Asking, opening: Opening, items: tuple[VaultData, ...], outcome: str, count: int, tag: bytes | None
) -> access.Look:
    return access.Look(
        owner_id=opening.found.string.owner_id,
        grant_id=opening.found.grant_id,
        log_key=opening.terms.log_key,
        outcome=outcome,
        collection=asking.what or "",
        fields=tuple(path for item in items for path in item.fields) if asking.what else (),
        purposes=tuple(dict.fromkeys(item.purpose for item in items)),
        count=count,
        proof_tag=tag,
        request_id=asking.request_id,
    )


def _after(asking: Asking, opening: Opening) -> int | None:
    """The change to go on after; None when `after` belongs to another version of the grant."""
    if asking.after is None:
        return 0
    version, _, change = asking.after.partition(".")
    if version != str(opening.found.version) or not change.isdecimal() or len(change) > 18:
        return None
    return int(change)


def _rows(
    line: Line, asking: Asking, opening: Opening, items: tuple[VaultData, ...]
) -> list[tuple[int, int, bytes, bytes | None]]:
    """The next rows in order of change. Raises crypto.Damaged when one does not open."""
    owner, grant = opening.found.string.owner_id, opening.found.grant_id
    numbers = [item.number for item in items]
    names = dict(zip("abcdef", (numbers + [-1] * 6)[:6], strict=True))
    values = {
        "owner": owner,
        "grant": grant,
        "after": _after(asking, opening) or 0,
        "limit": asking.limit,
    }
    sealing, rows = crypto.RowKey(opening.key), []
    for change, item, name, box in _RANGE.on(line, **values, **names):
        about = about_disclosure(owner, grant, item, name, opening.found.version, change)
        rows.append((change, item, name, sealing.open(about, box) if box is not None else None))
    return rows


def _page(opening: Opening, asking: Asking, rows: list[tuple[int, int, bytes, bytes | None]], number: int) -> bytes:
    """The answer, its rows spliced in as the bytes they were sealed as."""
    shown = b",".join(
        b'{"ref":"%s","change":%d,"data":%s}' % (_name(name), change, data.rstrip(b" "))
        for change, _item, name, data in rows
        if data is not None
    )
    gone = b",".join(
        b'{"ref":"%s","change":%d}' % (_name(name), change) for change, _item, name, data in rows if data is None
    )
    last = rows[-1][0] if rows else _after(asking, opening) or 0
    day = datetime.fromtimestamp(opening.found.changed_day * 86400, UTC).date().isoformat().encode()
    return b'{"items":[%s],"gone":[%s],"next":"%d.%d","as_of":"%s","access":%d}' % (
        shown,
        gone,
        opening.found.version,
        last,
        day,
        number,
    )


def _name(name: bytes) -> bytes:
    return urlsafe_b64encode(name).rstrip(b"=")


def _grant(opening: Opening, number: int) -> bytes:
    until = datetime.fromtimestamp(opening.terms.until, UTC).date().isoformat()
    content = {
        "grant_id": opening.found.grant_id.hex(),
        "status": "live",
        "authorization_details": opening.terms.granted(),
        "until": until,
        "access": number,
    }
    return orjson.dumps(content)
