"""Taking a change back, and the trash: what she removed can be put back for thirty days, then it is gone for good.

A removed record has no box, so nothing that reads records finds it, and every grant has lost it in the turn that
removed it. What she could still want is its last version, which lies in its history.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, true, update

from vault import attachments, crypto, store
from vault.db import taking_away
from vault.errors import DiskFull, NotFound
from vault.logs import apart
from vault.models import RecordRow, Version
from vault.stored import Stored
from vault.turn import Change, Turn, her_turn

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server

KEPT = 30  # days
DAY = 86400  # seconds


class Removed(NamedTuple):
    """Something in the trash: its number, its last version (None when that is damaged), and the day of its end."""

    number: int
    stored: Stored | None
    until: int


def count(session: Session, vault: OpenVault) -> int:
    """How many things are in the trash."""
    return len(_rows(session, vault))


def removed(session: Session, vault: OpenVault, *, most: int) -> list[Removed]:
    """The trash, what was removed last first."""
    rows, today = _rows(session, vault)[:most], vault.server.now // DAY
    return [Removed(number, _readable(session, vault, number), likely(day, today) + KEPT) for number, day in rows]


def likely(day: int, today: int) -> int:
    """Since when something is removed, where its row may have been tampered with: a day that has been."""
    return max(0, min(day, today))


def undo(turn: Turn, vault: OpenVault, revision: int) -> list[Stored]:
    """Take back one change of hers: what it changed or removed is as it was before.

    What was new with it, and what has changed since, stays as it is. Returns what was put back.
    """
    rows = turn.session.execute(
        select(RecordRow.number, RecordRow.revision, RecordRow.box)
        .where(RecordRow.owner_id == vault.owner_id, RecordRow.revision == revision, _there_or_in_trash())
        .order_by(RecordRow.number)
    ).all()
    last = _last_versions(turn.session, vault, [row.number for row in rows])
    known = [row for row in rows if row.number in last]
    back = [_put_back(turn, vault, last[row.number]) for row in known if row.box is None]
    pairs = [(store.unseal(vault, *row), last[row.number]) for row in known if row.box is not None]
    return [*back, *store.put_all(turn, vault, pairs)]


def restore(turn: Turn, vault: OpenVault, number: int) -> Stored:
    """Take a record out of the trash. Raises NotFound, crypto.Damaged."""
    last = _last_versions(turn.session, vault, [number])
    if not last:
        raise NotFound
    return _put_back(turn, vault, last[number])


def lay(turn: Turn, number: int, day: int) -> None:
    """A record that was brought back from elsewhere lies in the trash since that day."""
    mine = (RecordRow.owner_id == turn.owner_id, RecordRow.number == number, RecordRow.box.is_(None))
    turn.session.execute(update(RecordRow).where(*mine).values(removed_day=day))


def forget(server: Server, owner: bytes, number: int) -> None:
    """Remove for good what is in the trash, with its whole history. Its mark stays, so no import brings it back."""
    if not _forget(server, owner, RecordRow.number == number):
        raise NotFound


def empty(server: Server, owner: bytes) -> int:
    """Remove for good everything that is in the trash. Returns how much it was."""
    return _forget(server, owner, true())


def sweep(server: Server) -> None:
    """The worker's part: what has been in the trash for thirty days is gone for good."""
    last = server.now // DAY - KEPT
    with server.main.reading() as session:
        owners = session.scalars(
            select(RecordRow.owner_id).where(RecordRow.removed_day <= last, RecordRow.box.is_(None)).distinct()
        ).all()
    for owner in owners:
        # Erased meanwhile; or there is no room, the next round comes, and this one has more to do.
        with apart("sweep_failed"), suppress(NotFound, DiskFull):
            _forget(server, owner, RecordRow.removed_day <= last)


def _in_trash() -> ColumnElement[bool]:
    """No box, and the day noted: a row with both was tampered with, and is left alone."""
    return and_(RecordRow.box.is_(None), RecordRow.removed_day.is_not(None))


def _there_or_in_trash() -> ColumnElement[bool]:
    return or_(RecordRow.box.is_not(None), RecordRow.removed_day.is_not(None))


def _rows(session: Session, vault: OpenVault) -> list[tuple[int, int]]:
    rows = session.execute(
        select(RecordRow.number, RecordRow.removed_day)
        .where(RecordRow.owner_id == vault.owner_id, _in_trash())
        .order_by(RecordRow.revision.desc(), RecordRow.number)
    )
    return [(number, day) for number, day in rows if day is not None]


def _readable(session: Session, vault: OpenVault, number: int) -> Stored | None:
    try:
        return _last_versions(session, vault, [number]).get(number)
    except crypto.Damaged:
        return None


def _last_versions(session: Session, vault: OpenVault, numbers: Sequence[int]) -> dict[int, Stored]:
    """The newest of the earlier versions of records, by number. Raises crypto.Damaged."""
    found: dict[int, Stored] = {}
    newest = select(func.max(Version.revision)).where(
        Version.owner_id == vault.owner_id, Version.number == RecordRow.number
    )
    for at in range(0, len(numbers), 500):
        rows = session.execute(
            select(Version.number, Version.revision, Version.box)
            .join(RecordRow, (RecordRow.owner_id == Version.owner_id) & (RecordRow.number == Version.number))
            .where(
                Version.owner_id == vault.owner_id,
                Version.number.in_(numbers[at : at + 500]),
                Version.revision == newest.correlate(RecordRow).scalar_subquery(),
            )
        )
        found.update((row[0], store.unseal(vault, *row)) for row in rows)
    return found


def _put_back(turn: Turn, vault: OpenVault, last: Stored) -> Stored:
    after = replace(last, revision=turn.revision)
    values = {"revision": turn.revision, "box": store.seal(vault, after), "removed_day": None}
    mine = (RecordRow.owner_id == vault.owner_id, RecordRow.number == after.number, _in_trash())
    moved = turn.session.execute(update(RecordRow).where(*mine).values(**values))
    if moved.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has a row count
        raise NotFound
    again = (Version.owner_id == vault.owner_id, Version.number == last.number, Version.revision == last.revision)
    turn.session.execute(delete(Version).where(*again))
    turn.changes.append(Change(after.number, None, after))
    return after


def _forget(server: Server, owner: bytes, which: ColumnElement[bool]) -> int:
    """In her turn; on a full disk the ballast is given up for it, since this makes room."""

    def work() -> int:
        with her_turn(server, owner) as turn:
            mine = (RecordRow.owner_id == owner, _in_trash(), which)
            numbers = turn.session.scalars(select(RecordRow.number).where(*mine)).all()
            for at in range(0, len(numbers), 500):
                _take_away(turn, numbers[at : at + 500])
            return len(numbers)

    found = taking_away((server.main, server.keystore.database), work)
    server.main.checkpoint()
    return found


def _take_away(turn: Turn, numbers: Sequence[int]) -> None:
    turn.session.execute(delete(Version).where(Version.owner_id == turn.owner_id, Version.number.in_(numbers)))
    rows = (RecordRow.owner_id == turn.owner_id, RecordRow.number.in_(numbers))
    turn.session.execute(update(RecordRow).where(*rows).values(removed_day=None))
    attachments.erase_of(turn.session, turn.owner_id, numbers)
