"""The worker's part of consent: what time ends, what a crash left, what a job repeats.

Main is read first, then the keystore, so that nothing being made is taken for dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, select

from consent import access, clients, grant_boxes, grants, pushed, receipt_rows, sandbox, stopping
from consent.models import Grant, GrantLock, Receipt
from vault.days import DAY
from vault.errors import DiskFull, NotFound
from vault.logs import apart
from vault.turn import her_turn, settle

if TYPE_CHECKING:
    from vault.server import Server

SLACK = 120  # seconds: an exchange that began in time may still be under way


def expire(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job of a grant's last day; she may have renewed it since, and then another job is due on another day."""
    grant = bytes.fromhex(payload["grant"])
    if _is_over(server, owner, grant):
        _end(server, owner, grant, "expired")


def used(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job that ends a grant when its last look is over."""
    _end(server, owner, bytes.fromhex(payload["grant"]), "used")


def replace(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job that ends a grant which a newer one has replaced."""
    _end(server, owner, bytes.fromhex(payload["grant"]), "replaced")


def raise_version(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job that repeats raising a grant's version floor.

    It looks for an old copy first: a floor that moves while somebody is about to hold the grant would keep it from
    being held, and this job may itself have come back with the copy (docs/decisions/0007).
    """
    settle(server, owner)
    server.keystore.raise_version(owner, bytes.fromhex(payload["grant"]), int(payload["version"]))


def sweep(server: Server) -> None:
    """Grants whose pepper is gone, or to which nobody holds a key, are ended; tokens that ran out are removed. To what
    has run out nobody holds a key either, and often this comes before the job of its last day.

    What has ended without a receipt, on a full disk or before there were any, gets one.
    """
    with apart("sweep_failed"):
        access.write_refusals(server)
    with apart("sweep_failed"):
        sandbox.close(server)
    with apart("sweep_failed"):
        pushed.sweep(server)
        clients.sweep(server)
    with server.main.reading() as session:
        rows = session.execute(
            select(Grant.owner_id, Grant.grant_id).where(Grant.state == "live").order_by(Grant.owner_id, Grant.grant_id)
        ).all()
        leftovers = session.execute(
            select(GrantLock.owner_id, GrantLock.grant_id)
            .join(Grant, (Grant.owner_id == GrantLock.owner_id) & (Grant.grant_id == GrantLock.grant_id))
            .where(Grant.state == "ended")
            .distinct()
            .order_by(GrantLock.owner_id, GrantLock.grant_id)
        ).all()
    busy = {owner for owner in {row.owner_id for row in rows} if _busy(server, owner)}
    for owner, grant in {*map(tuple, rows), *map(tuple, leftovers)}:
        with apart("sweep_failed"):
            if owner not in busy and server.keystore.pepper(owner, grant) is None:
                _end(server, owner, grant, "ended")
    for owner, grant in _held_by_nobody(server):
        with apart("sweep_failed"):
            _end(server, owner, grant, "expired" if _is_over(server, owner, grant) else "unused")
    for owner, grant, day in _without_receipt(server):
        with apart("sweep_failed"):
            _witness(server, owner, grant, day * DAY)
    long_over = GrantLock.expires_at <= server.now - SLACK
    with server.main.transaction() as session:
        session.execute(delete(GrantLock).where(long_over, GrantLock.kind != "link"))


def _busy(server: Server, owner: bytes) -> bool:
    """Are there still grants of hers to be cleared up after all were stopped at once, or did that fail?"""
    with apart("sweep_failed"):
        return stopping.finish(server, owner)
    return True


def _held_by_nobody(server: Server) -> list[tuple[bytes, bytes]]:
    """Living grants without a code or token: the vendor never came for it, or has given its tokens back (RFC 7009)."""
    theirs = (GrantLock.owner_id == Grant.owner_id, GrantLock.grant_id == Grant.grant_id)
    usable = (GrantLock.kind != "link", GrantLock.expires_at > server.now - SLACK)
    with server.main.reading() as session:
        rows = session.execute(
            select(Grant.owner_id, Grant.grant_id)
            .where(Grant.state == "live", ~exists().where(*theirs, *usable))
            .order_by(Grant.owner_id, Grant.grant_id)
        )
        return [(owner, grant) for owner, grant in rows]


def _is_over(server: Server, owner: bytes, grant: bytes) -> bool:
    """Has its time run out, as its label says?"""
    mine = (Grant.owner_id == owner, Grant.grant_id == grant)
    with server.main.reading() as session:
        row = session.execute(select(Grant.version, Grant.label_box).where(*mine)).first()
    label = grant_boxes.label_or_nothing(server, owner, grant, *row) if row else {"until": 0}
    return bool(label["until"] <= server.now)


def _without_receipt(server: Server) -> list[tuple[bytes, bytes, int]]:
    its = (Receipt.owner_id == Grant.owner_id, Receipt.grant_id == Grant.grant_id, Receipt.kind == "end")
    with server.main.reading() as session:
        rows = session.execute(
            select(Grant.owner_id, Grant.grant_id, Grant.ended_day)
            .where(Grant.state == "ended", ~exists().where(*its))
            .order_by(Grant.owner_id, Grant.grant_id)
        )
        return [(owner, grant, day or 0) for owner, grant, day in rows]


def _witness(server: Server, owner: bytes, grant: bytes, at: int) -> None:
    try:
        with her_turn(server, owner) as turn:
            receipt_rows.ended(turn, grant, at)
    except (DiskFull, NotFound):
        return  # there is still no room, or the owner is not in this database any more


def _end(server: Server, owner: bytes, grant: bytes, cause: str) -> None:
    try:
        grants.end(server, owner, grant, cause)
    except NotFound:
        return  # the owner is not in this database any more
