"""Grants: given, narrowed, paused, resumed, ended. The order in each function is the safety; see design §4.

Make: pepper, then rows. Unmake: pepper, then rows. Narrow: rows under the next version, then the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, insert, select, update

from consent import grant_boxes, grant_locks, notices, receipt_rows, reminders, views
from consent.disclosing import Row, all_shown, change_set, digest_of, reseal_set, write_set
from consent.disclosure import about_terms
from consent.models import Disclosure, Grant, GrantLock
from consent.terms import Terms
from consent.views import GrantView
from vault import crypto
from vault.db import taking_away
from vault.errors import DiskFull, NotFound
from vault.jobs import enqueue
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
    """Write a new grant within her turn: terms, the set of disclosures, the code's lock, a revocation link.

    Earlier grants to the same client are replaced: a job ends them.
    """
    server, owner, session = vault.server, vault.owner_id, turn.session
    grant, key, pepper = new
    tag = vendor_tag(server, owner, terms.client_id)
    earlier = session.scalars(
        select(Grant.grant_id).where(Grant.owner_id == owner, Grant.vendor_tag == tag, Grant.state == "live")
    ).all()
    session.execute(
        insert(Grant).values(
            owner_id=owner,
            grant_id=grant,
            vendor_tag=tag,
            state="live",
            cause=None,
            version=FIRST_VERSION,
            change=0,
            changed_day=server.now // 86400,
            ended_day=None,
            copy_box=grant_boxes.seal_copy(vault, grant, key),
            **_boxes(vault, grant, key, FIRST_VERSION, terms),
        )
    )
    write_set(turn, grant, rows)
    code = grant_locks.mint(
        session,
        server,
        "code",
        owner,
        grant,
        pepper=pepper,
        expires_at=server.now + grant_locks.CODE_LIFE,
        key=key,
        **bound,
    )
    _expire_later(session, server, owner, grant, terms.until)
    reminders.plan(session, server, owner, given_at=terms.given_at, until=terms.until)
    for replaced in earlier:
        enqueue(session, server, owner, "replace", {"grant": replaced.hex()})
    turn.memory["replaced"] = list(earlier)
    return Given(grant, code, make_link(session, server, owner, grant, pepper, terms.until))


def _boxes(vault: OpenVault, grant: bytes, key: bytes, version: int, terms: Terms) -> dict[str, bytes]:
    """Terms under one version: for the vendor's calls, for her when it has ended, and for the server to name it."""
    server, owner = vault.server, vault.owner_id
    return {
        "terms_box": crypto.seal(key, about_terms(owner, grant, version), crypto.pad(terms.to_bytes())),
        "memory_box": grant_boxes.seal_memory(vault, grant, version, terms),
        "label_box": grant_boxes.seal_label(server, owner, grant, version, terms),
    }


def make_link(session: Session, server: Server, owner: bytes, grant: bytes, pepper: bytes, until: int) -> str:
    """A revocation link's string. It opens nothing; it can only pause or end this grant."""
    return grant_locks.mint(session, server, "link", owner, grant, pepper=pepper, expires_at=_rounded(until))


def link_address(server: Server, string: str) -> str:
    """The address to click."""
    return f"{server.settings.issuer}/r/{string}"


def end(server: Server, owner: bytes, grant: bytes, cause: str) -> None:
    """End a grant for good. Needs no key: first the pepper, and at once nothing of it opens; then the rows."""
    databases = (server.keystore.database, server.main)
    taking_away(databases, lambda: server.keystore.take(owner, grant))
    try:
        taking_away(databases, lambda: _erase(server, owner, grant, cause, _bear_witness))
    except DiskFull:  # ending comes before the evidence of it, which the worker makes good when there is room
        _erase(server, owner, grant, cause)
    taking_away(databases, server.main.checkpoint)


def _erase(
    server: Server, owner: bytes, grant: bytes, cause: str, after: Callable[[Turn, bytes, str], None] | None = None
) -> None:
    """Take the rows away; `after` is done in the same turn, if it was still alive."""
    mine = (Grant.owner_id == owner, Grant.grant_id == grant)
    with her_turn(server, owner) as turn:
        now_ended = turn.session.execute(
            update(Grant)
            .where(*mine, Grant.state == "live")
            .values(state="ended", cause=cause, ended_day=server.now // 86400)
        )
        turn.session.execute(update(Grant).where(*mine).values(terms_box=None, copy_box=None))
        for kind in (GrantLock, Disclosure):
            turn.session.execute(delete(kind).where(kind.owner_id == owner, kind.grant_id == grant))
        if after is not None and now_ended.rowcount == 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            after(turn, grant, cause)


def _bear_witness(turn: Turn, grant: bytes, cause: str) -> None:
    """The receipt for an end, and a mail unless she has just been told of what takes its place."""
    receipt_rows.ended(turn, grant, turn.server.now)
    if cause != "replaced":
        notices.ended(turn.session, turn.server, turn.owner_id)


def pause(server: Server, owner: bytes, grant: bytes) -> None:
    """Stop it for now. Needs no key, so it works from a link while the vault is locked."""
    taking_away((server.keystore.database,), lambda: server.keystore.pause(owner, grant))


def resume(vault: OpenVault, grant: bytes) -> bool:
    """Let a paused grant go on. One held as an old copy needs a new consent instead."""
    return vault.server.keystore.resume(vault.owner_id, grant, seen="paused")


def narrow(vault: OpenVault, grant: bytes, number: int) -> None:
    """Take one item away; the last one ends the grant."""
    if not _lessen(vault, grant, "narrowed", lambda terms: terms.without(number)).items:
        end(vault.server, vault.owner_id, grant, "revoked")


def shorten(vault: OpenVault, grant: bytes, until: int) -> None:
    """Let it end earlier, at `until` (seconds since 1970). A later day is no change, and so refused."""
    _lessen(vault, grant, "shortened", lambda terms: terms.ending(until))


def _lessen(vault: OpenVault, grant: bytes, event: str, less: Callable[[Terms], Terms]) -> Terms:
    """Rows under the next version, then the floor, then the answer. Raises NotFound where nothing becomes less."""
    with vault.server.main.reading() as session:
        views.settle_versions(vault, [views.read(session, vault, grant)])
    with her_turn(vault.server, vault.owner_id) as turn:
        view = views.read(turn.session, vault, grant)
        terms = less(view.terms)
        if view.old and view.held != "old copy":
            raise NotFound
        if not view.live or terms == view.terms:
            raise NotFound
        if terms.items:
            _agree(turn, vault, view, terms, event)
            notices.lessened(turn.session, vault.server, vault.owner_id)
        if terms.until < view.terms.until:
            _expire_later(turn.session, vault.server, vault.owner_id, grant, terms.until)
    return terms


def _agree(turn: Turn, vault: OpenVault, view: GrantView, terms: Terms, event: str) -> None:
    """What is agreed from now on, with its receipt."""
    reseal(turn, vault, view, terms)
    assert view.key is not None  # noqa: S101 - a live grant has its key
    receipt_rows.changed(turn, vault, view.grant_id, view.key, terms, event)


def _expire_later(session: Session, server: Server, owner: bytes, grant: bytes, until: int) -> None:
    enqueue(session, server, owner, "expire", {"grant": grant.hex()}, due_at=_rounded(until))


def reseal(turn: Turn, vault: OpenVault, view: GrantView, terms: Terms) -> None:
    """Seal terms and the whole set anew under the next version; whatever was sealed before no longer opens."""
    assert view.key is not None  # noqa: S101 - a live grant has its key
    assert view.standing is not None  # noqa: S101
    owner, grant = vault.owner_id, view.grant_id
    version = max(view.version, view.standing.version) + 1
    mine = (Grant.owner_id == owner, Grant.grant_id == grant)
    turn.session.execute(
        update(Grant)
        .where(*mine, Grant.state == "live")
        .values(version=version, **_boxes(vault, grant, view.key, version, terms))
    )
    reseal_set(turn, vault, grant, view.key, terms, version)
    turn.versions[grant] = version
    payload = {"grant": grant.hex(), "version": version}
    enqueue(turn.session, vault.server, owner, "raise_version", payload, due_at=vault.server.now + 60)


def consent_again(vault: OpenVault, grant: bytes, *, shown: bytes) -> bool:
    """Resume a grant held because an old copy was put back: a new consent to the set she was just shown.

    `shown` is the digest of that preview; False when it has changed since, and she must look again.
    """
    with her_turn(vault.server, vault.owner_id) as turn:
        view = views.read(turn.session, vault, grant)
        if not view.live or view.held != "old copy":
            raise NotFound
        if not crypto.same(digest_of(view.terms, all_shown(turn.session, vault, view.terms)), shown):
            return False
        _agree(turn, vault, view, view.terms, "renewed")
        notices.renewed(turn.session, vault.server, vault.owner_id)
    return vault.server.keystore.resume(vault.owner_id, grant, seen="old copy")


def on_change(turn: Turn, vault: OpenVault, changes: Sequence[Any]) -> None:
    """Every live grant follows her changes, in the same transaction."""
    for view in views.live(turn.session, vault):
        if view.key is None or view.standing is None or view.old:
            continue
        alias = _new_alias(view.terms, changes)
        if alias is not None:
            reseal(turn, vault, view, replace(view.terms, alias=alias or None))
        else:
            change_set(turn, vault, view.grant_id, view.key, view.terms, view.version, changes)


def _new_alias(terms: Terms, changes: Sequence[Any]) -> str | None:
    """The address she now keeps for this grant's vendor, if it has changed; empty when she removed it."""
    for change in changes:
        if change.number == terms.vendor:
            alias = getattr(change.after.record, "alias", None) if change.after else None
            return (alias or "") if alias != terms.alias else None
    return None


def on_unlock(vault: OpenVault) -> None:
    """Answers that depend on the day are given anew."""
    from consent.disclosing import refresh_daily

    with vault.server.main.reading() as session:
        daily = [view for view in views.live(session, vault) if any(item.daily for item in view.terms.items)]
    if daily:
        with her_turn(vault.server, vault.owner_id) as turn:
            for view in views.live(turn.session, vault):
                if view.key is not None and not view.old:
                    refresh_daily(turn, vault, view)


def _rounded(at: int) -> int:
    """Up to the next five minutes: times stand in clear no finer than they must."""
    return -(-at // 300) * 300
