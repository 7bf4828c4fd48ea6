"""Taking a change back, and the trash: what she removed can be put back for thirty days, then it is gone for good.

A removed record has no box, so nothing that reads records finds it, and every grant has lost it in the turn that
removed it. What she could still want is its last version, which lies in its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, true, update

from vault import attachments, crypto, store
from vault.days import DAY
from vault.db import insert_many, taking_away
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
Last = tuple[int, int, bytes]  # number, revision and box of an earlier version


class Removed(NamedTuple):
    """Something in the trash: its number, its last version (None when that is damaged), and the day of its end."""

    number: int
    stored: Stored | None
    until: int


def count(session: Session, vault: OpenVault) -> int:
    """How many things are in the trash."""
    lying = select(func.count()).select_from(RecordRow)
    return session.scalar(lying.where(RecordRow.owner_id == vault.owner_id, _in_trash())) or 0


def removed(session: Session, vault: OpenVault, *, most: int) -> list[Removed]:
    """The trash, what was removed last first; what the undoing of an import put there comes after all else."""
    rows = session.execute(
        select(RecordRow.number, RecordRow.removed_day)
        .where(RecordRow.owner_id == vault.owner_id, _in_trash())
        .order_by(RecordRow.returns, RecordRow.revision.desc(), RecordRow.number)
        .limit(most)
    )
    lying = [(number, day) for number, day in rows if day is not None]
    last = last_versions(session, vault, [number for number, _ in lying])
    today = vault.server.now // DAY
    return [Removed(number, last.get(number), likely(day, today) + KEPT) for number, day in lying]


def likely(day: int, today: int) -> int:
    """Since when something is removed, where its row may have been tampered with: a day that has been."""
    return max(0, min(day, today))


def undo(turn: Turn, vault: OpenVault, revision: int) -> tuple[list[Stored], bool]:
    """Take back one change of hers: what it changed or removed is as it was before.

    What was new with it, and what has changed since, stays as it is. So does all that it changed when something that
    it removed, or that was named before, is gone for good. Returns what was put back, and whether that is all of it.
    """
    rows = turn.session.execute(
        select(RecordRow.number, RecordRow.revision, RecordRow.box, there_or_in_trash().label("there"))
        .where(RecordRow.owner_id == vault.owner_id, RecordRow.revision == revision)
        .order_by(RecordRow.number)
    ).all()
    last = _last_versions(turn.session, vault, [row.number for row in rows])
    known = [row for row in rows if row.there and row.number in last]
    back = _put_back(turn, vault, [last[row.number] for row in known if row.box is None])
    stand = [row for row in known if row.box is not None] if all(row.there for row in rows) else []
    pairs = [(store.unseal(vault, row.number, row.revision, row.box), last[row.number]) for row in stand]
    named = {number for now, before in pairs for number in before.named if number not in now.named}
    changed_since = select(Version.number).where(Version.owner_id == vault.owner_id, Version.revision == revision)
    whole = len(known) == len(rows) and turn.session.scalar(changed_since.limit(1)) is None
    if named - kept(turn.session, vault, RecordRow.number.in_(named)):
        pairs, whole = [], False
    return [*back, *store.put_all(turn, vault, pairs)], whole


def restore(turn: Turn, vault: OpenVault, number: int) -> Stored:
    """Take a record out of the trash, with its vendor if that went with an import.

    Raises NotFound, OnlyOne, crypto.Damaged.
    """
    lying = select(RecordRow.number).where(RecordRow.owner_id == vault.owner_id, _in_trash())
    numbers = turn.session.scalars(lying.where(RecordRow.number == number)).all()
    if not (last := _last_versions(turn.session, vault, numbers)):
        raise NotFound
    vendor = lying.where(RecordRow.number == last[number].record.of_vendor(), RecordRow.returns)
    back = _put_back(turn, vault, [last[number]])
    put_back(turn, vault, turn.session.scalars(vendor).all())
    return back[0]


def put_back(turn: Turn, vault: OpenVault, numbers: Sequence[int]) -> list[Stored]:
    """Take many out of the trash, of which it is known that they lie there. What does not open stays."""
    found = last_versions(turn.session, vault, numbers).values()
    return _put_back(turn, vault, [each for each in found if each is not None])


def last_versions(session: Session, vault: OpenVault, numbers: Sequence[int]) -> dict[int, Stored | None]:
    """What was removed as it was, by number; None where that is damaged. What is gone for good is not there."""
    return {row[0]: _if_it_opens(vault, row) for row in _last_boxes(session, vault, numbers)}


def say(turn: Turn, vault: OpenVault, records: Sequence[Stored]) -> None:
    """What lies in the trash says something else from now on: that is its last version, and stays where it is."""
    last = [replace(each, revision=turn.revision, at=turn.server.now) for each in records]
    boxes = [(vault.owner_id, each.number, each.revision, store.seal(vault, each)) for each in last]
    insert_many(turn.session.connection(), "versions", ("owner_id", "number", "revision", "box"), boxes)


def renew(turn: Turn, vault: OpenVault, pairs: Sequence[tuple[Stored | None, Stored]], import_id: bytes) -> None:
    """An import brings back what the undoing of one had put away: as it was, if that is still known, and as it is now.

    Where both say the same, what it was is no earlier version. The caller has seen that no row of these has a box.
    """
    same = [last for last, now in pairs if last and (last.source, last.edits) == (now.source, now.edits)]
    _forget_versions(turn, same)
    _stand(turn, vault, [now for _, now in pairs], import_id=import_id)


def lay(turn: Turn, number: int, day: int | None, *, returns: bool) -> None:
    """A record that was brought back from elsewhere lies in the trash since that day, or is gone; it may return."""
    mine = (RecordRow.owner_id == turn.owner_id, RecordRow.number == number, RecordRow.box.is_(None))
    turn.session.execute(update(RecordRow).where(*mine).values(removed_day=day, returns=returns))


def forget(server: Server, owner: bytes, number: int) -> None:
    """Remove for good what is in the trash, with its whole history. Its mark stays, so no import brings it back."""
    if not _forget(server, owner, RecordRow.number == number, returns=False):
        raise NotFound


def empty(server: Server, owner: bytes) -> int:
    """Remove for good everything that is in the trash. Returns how much it was.

    What lay there because an import was undone comes back with its file: she said nothing about each of those things.
    """
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


def there_or_in_trash() -> ColumnElement[bool]:
    """A record that stands, or that can be put back."""
    return or_(RecordRow.box.is_not(None), RecordRow.removed_day.is_not(None))


def kept(session: Session, vault: OpenVault, *which: ColumnElement[bool]) -> set[int]:
    """The numbers of her records that stand or can be put back; of some of them."""
    hers = (RecordRow.owner_id == vault.owner_id, there_or_in_trash())
    return set(session.scalars(select(RecordRow.number).where(*hers, *which)))


def _last_versions(session: Session, vault: OpenVault, numbers: Sequence[int]) -> dict[int, Stored]:
    """The newest of the earlier versions of records, by number. Raises crypto.Damaged."""
    return {row[0]: store.unseal(vault, *row) for row in _last_boxes(session, vault, numbers)}


def _if_it_opens(vault: OpenVault, row: Last) -> Stored | None:
    try:
        return store.unseal(vault, *row)
    except crypto.Damaged:
        return None


def _last_boxes(session: Session, vault: OpenVault, numbers: Sequence[int]) -> Iterator[Last]:
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
        yield from ((row.number, row.revision, row.box) for row in rows)


def _put_back(turn: Turn, vault: OpenVault, last: Sequence[Stored]) -> list[Stored]:
    """Each as it was. The caller has seen in this turn that they lie in the trash. Raises OnlyOne."""
    for kind in {each.kind for each in last}:
        store.check_only_one(vault, kind)
    _forget_versions(turn, last)
    return _stand(turn, vault, last)


def _stand(turn: Turn, vault: OpenVault, records: Sequence[Stored], **values: Any) -> list[Stored]:
    """What had no box has one again."""
    standing = [replace(each, revision=turn.revision) for each in records]
    if standing:
        mine = (RecordRow.owner_id == vault.owner_id, RecordRow.number == bindparam("which"))
        again = {"revision": turn.revision, "removed_day": None, "returns": False, "box": bindparam("sealed"), **values}
        boxes = [{"which": each.number, "sealed": store.seal(vault, each)} for each in standing]
        statement = update(RecordRow.__table__).where(*mine).values(**again)  # type: ignore[arg-type]  # it is a table
        turn.session.connection().execute(statement, boxes)
        turn.changes += [Change(each.number, None, each) for each in standing]
    return standing


def _forget_versions(turn: Turn, versions: Sequence[Stored]) -> None:
    if versions:
        this = (Version.number == bindparam("which"), Version.revision == bindparam("at"))
        statement = delete(Version.__table__).where(Version.owner_id == turn.owner_id, *this)  # type: ignore[arg-type]
        turn.session.connection().execute(statement, [{"which": each.number, "at": each.revision} for each in versions])


def _forget(server: Server, owner: bytes, which: ColumnElement[bool], **values: bool) -> int:
    """In her turn; on a full disk the ballast is given up for it, since this makes room."""

    def work() -> int:
        with her_turn(server, owner) as turn:
            mine = (RecordRow.owner_id == owner, _in_trash(), which)
            numbers = turn.session.scalars(select(RecordRow.number).where(*mine)).all()
            for at in range(0, len(numbers), 500):
                _take_away(turn, numbers[at : at + 500], **values)
            return len(numbers)

    found = taking_away((server.main, server.keystore.database), work)
    server.main.checkpoint()
    return found


def _take_away(turn: Turn, numbers: Sequence[int], **values: bool) -> None:
    turn.session.execute(delete(Version).where(Version.owner_id == turn.owner_id, Version.number.in_(numbers)))
    rows = (RecordRow.owner_id == turn.owner_id, RecordRow.number.in_(numbers))
    turn.session.execute(update(RecordRow).where(*rows).values(removed_day=None, **values))
    attachments.erase_of(turn.session, turn.owner_id, numbers)
