"""Grants: given, narrowed, paused, resumed, ended. The order in each function is the safety; see design §4.

Make: pepper, then rows. Unmake: pepper, then rows. Narrow: rows under the next version, then the floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select, update

from consent import grant_boxes, grant_locks, mails, notices, receipt_rows, reminders
from consent.disclosing import Row, write_set
from consent.disclosure import about_terms
from consent.models import Disclosure, Grant, GrantLock
from consent.terms import Terms
from vault import crypto
from vault.days import DAY
from vault.db import line_of, taking_away
from vault.errors import DiskFull
from vault.jobs import enqueue
from vault.keystore import Held
from vault.turn import Turn, her_turn

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server


FIRST_VERSION = 1


class NewGrant(NamedTuple):
    """A grant before it is written: its id, its key, and the pepper that was made for it before her turn began."""

    grant_id: bytes
    key: bytes
    pepper: bytes

    def __repr__(self) -> str:
        return f"NewGrant({self.grant_id.hex()})"


@dataclass(frozen=True, slots=True)
class Given:
    """What giving a grant brings forth."""

    grant_id: bytes
    code: str = field(repr=False)
    link: str = field(repr=False)


def vendor_tag(server: Server, owner: bytes, client_id: str) -> bytes:
    """A client under an owner's own tag: two owners' rows cannot be joined by it."""
    return crypto.tag(server.keys.tag, "vendor", owner, client_id)


def give(
    turn: Turn, vault: OpenVault, new: NewGrant, terms: Terms, rows: Sequence[Row], bound: Mapping[str, str]
) -> Given:
    """Write a new grant to a client within her turn, with the code's lock and a revocation link.

    Earlier grants to the same client are replaced: a job ends them.
    """
    server, owner, session = vault.server, vault.owner_id, turn.session
    grant, key, pepper = new
    tag = vendor_tag(server, owner, terms.client_id)
    earlier = session.scalars(
        select(Grant.grant_id).where(Grant.owner_id == owner, Grant.vendor_tag == tag, Grant.state == "live")
    ).all()
    begin(turn, vault, new, terms, rows)
    code = grant_locks.mint(
        line_of(session),
        server,
        "code",
        owner,
        grant,
        pepper=pepper,
        expires_at=server.now + grant_locks.CODE_LIFE,
        key=key,
        **bound,
    )
    for replaced in earlier:
        enqueue(session, server, owner, "replace", {"grant": replaced.hex()})
    notices.tell(session, server, owner, grant, terms.client_id, "grant.given")
    turn.memory["replaced"] = list(earlier)
    return Given(grant, code, make_link(session, server, owner, grant, pepper, terms.until))


def begin(turn: Turn, vault: OpenVault, new: NewGrant, terms: Terms, rows: Sequence[Row]) -> None:
    """Write a new grant, its terms and its set of disclosures, within her turn. As yet it opens to nobody but her."""
    server, owner, grant = vault.server, vault.owner_id, new.grant_id
    turn.session.execute(
        insert(Grant).values(
            owner_id=owner,
            grant_id=grant,
            vendor_tag=vendor_tag(server, owner, terms.client_id),
            state="live",
            version=FIRST_VERSION,
            copy_box=grant_boxes.seal_copy(vault, grant, new.key),
            **boxes_of(vault, grant, new.key, FIRST_VERSION, terms),
        )
    )
    write_set(turn, grant, rows)
    expire_later(turn.session, server, owner, grant, terms.until)
    reminders.plan(turn.session, server, owner, given_at=terms.given_at, until=terms.until)


def boxes_of(vault: OpenVault, grant: bytes, key: bytes, version: int, terms: Terms) -> dict[str, bytes]:
    """Terms under one version: for the vendor's calls, for her when it has ended, and for the server to name it."""
    server, owner = vault.server, vault.owner_id
    return {
        "terms_box": crypto.seal(key, about_terms(owner, grant, version), crypto.pad(terms.to_bytes())),
        "memory_box": grant_boxes.seal_memory(vault, grant, version, terms),
        "label_box": grant_boxes.seal_label(server, owner, grant, version, terms),
    }


def make_link(session: Session, server: Server, owner: bytes, grant: bytes, pepper: bytes, until: int) -> str:
    """A revocation link's string. It opens nothing; it can only pause or end this grant."""
    line = line_of(session)
    return grant_locks.mint(line, server, "link", owner, grant, pepper=pepper, expires_at=rounded(until))


def link_address(server: Server, string: str) -> str:
    """The address to click."""
    return f"{server.settings.issuer}/r/{string}"


def end(server: Server, owner: bytes, grant: bytes, cause: str) -> None:
    """End a grant for good. Needs no key: first the pepper, and at once nothing of it opens; then the rows."""
    end_some(server, owner, [grant], cause, tell_her=cause != "replaced")


def end_some(server: Server, owner: bytes, chosen: Sequence[bytes], cause: str, *, tell_her: bool) -> None:
    """The same for a few at once, with one mail or none."""
    databases = (server.keystore.database, server.main)
    taking_away(databases, lambda: server.keystore.take(owner, *chosen))
    try:
        taking_away(databases, lambda: _erase(server, owner, chosen, cause, witness=True, tell_her=tell_her))
    except DiskFull:  # ending comes before the evidence of it, which the worker makes good when there is room
        _erase(server, owner, chosen, cause, witness=False, tell_her=tell_her)
    taking_away(databases, server.main.checkpoint)


def _erase(server: Server, owner: bytes, chosen: Sequence[bytes], cause: str, *, witness: bool, tell_her: bool) -> None:
    """Take the rows away; of those that were still alive bear witness in the same turn."""
    with her_turn(server, owner) as turn:
        times = {grant: _ended_at(turn, grant, cause) for grant in chosen}
        ended = [grant for grant, at in times.items() if _erased(turn, grant, cause, at)]
        for grant in ended if witness else ():
            receipt_rows.ended(turn, grant, times[grant])
            notices.tell_end(turn.session, server, owner, grant, cause)
        if ended and witness and tell_her:
            mails.ended(turn.session, server, owner)


def _ended_at(turn: Turn, grant: bytes, cause: str) -> int:
    """Now; what time has ended has ended in its time, however late the worker came to it."""
    mine = (Grant.owner_id == turn.owner_id, Grant.grant_id == grant)
    row = turn.session.execute(select(Grant.version, Grant.label_box).where(*mine)).first()
    if cause != "expired" or row is None:
        return turn.server.now
    until = grant_boxes.label_or_nothing(turn.server, turn.owner_id, grant, *row)["until"]
    return min(until or turn.server.now, turn.server.now)


def _erased(turn: Turn, grant: bytes, cause: str, at: int) -> bool:
    """Take the rows of one grant away. Was it still alive?"""
    mine = (Grant.owner_id == turn.owner_id, Grant.grant_id == grant)
    ended = turn.session.execute(
        update(Grant).where(*mine, Grant.state == "live").values(state="ended", cause=cause, ended_day=at // DAY)
    )
    turn.session.execute(update(Grant).where(*mine).values(terms_box=None, copy_box=None))
    for kind in (GrantLock, Disclosure):
        turn.session.execute(delete(kind).where(kind.owner_id == turn.owner_id, kind.grant_id == grant))
    return bool(ended.rowcount == 1)  # type: ignore[attr-defined]  # an UPDATE's result has it


def end_when_used(server: Server, owner: bytes, grant: bytes, at: int) -> None:
    """Its last look has begun: end it when that is over, at `at` (seconds since 1970)."""
    with server.main.transaction() as session:
        enqueue(session, server, owner, "used", {"grant": grant.hex()}, due_at=rounded(at))


def pause(server: Server, owner: bytes, grant: bytes) -> None:
    """Stop it for now. Needs no key, so it works from a link while the vault is locked."""
    if taking_away((server.keystore.database,), lambda: server.keystore.pause(owner, grant)):
        notices.tell_after(server, owner, grant, "grant.paused")


def resume(vault: OpenVault, grant: bytes, seen: Held = "paused") -> bool:
    """Let a held grant go on. One held as an `old copy` needs a new consent first."""
    resumed = vault.server.keystore.resume(vault.owner_id, grant, seen=seen)
    if resumed:
        notices.tell_after(vault.server, vault.owner_id, grant, "grant.resumed")
    return resumed


def expire_later(session: Session, server: Server, owner: bytes, grant: bytes, until: int) -> None:
    """The job of its last day."""
    enqueue(session, server, owner, "expire", {"grant": grant.hex()}, due_at=rounded(until))


def rounded(at: int) -> int:
    """Up to the next five minutes: times stand in clear no finer than they must."""
    return -(-at // 300) * 300
