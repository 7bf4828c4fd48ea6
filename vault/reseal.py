"""Reading a column of boxes and writing it back, for whatever a room has stated to lie under her keys (rooms.Boxes)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select, tuple_, update

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from vault.keyring import Keyring
    from vault.rooms import Boxes
    from vault.server import Server
    from vault.turn import Turn


def every(server: Server, *under: str) -> Iterator[Boxes]:
    """The columns that every room has stated, under these of her keys."""
    return (boxes for room in server.rooms for boxes in room.boxes if boxes.under in under)


def hers(boxes: Boxes, owner: bytes) -> tuple[ColumnElement[bool], ...]:
    """Her rows of a column."""
    mine = boxes.column.class_.owner_id == owner
    return (mine,) if boxes.only is None else (mine, boxes.only)


def under_old(boxes: Boxes, keyring: Keyring) -> ColumnElement[bool]:
    """Does the box name another key than the newest? The id follows the byte of the suite."""
    newest: ColumnElement[bool] = func.substr(boxes.column, 2, 4) != keyring.keys[boxes.under][0].to_bytes(4, "big")
    return newest


@contextmanager
def reading(server: Server, boxes: Boxes) -> Iterator[Session]:
    """A look at the database where a column lies."""
    with (server.log if boxes.database == "log" else server.main).reading() as session:
        yield session


@contextmanager
def writing(turn: Turn, boxes: Boxes) -> Iterator[Session]:
    """A transaction of that database while her turn lasts; of main it is the turn's own."""
    if boxes.database == "main":
        yield turn.session
    else:
        with turn.server.log.transaction() as session:
            yield session


def rows(
    session: Session, boxes: Boxes, owner: bytes, keyring: Keyring | None, *, after: tuple[Any, ...] | None = None
) -> list[Any]:
    """Rows of a column, with what makes their identities and keys: all of them, or those under old keys.

    `after` asks for a few, from the key of a row on.
    """
    table = boxes.column.class_
    key = [getattr(table, column.key) for column in table.__mapper__.primary_key]
    columns = [getattr(table, name) for name in boxes.of]
    wanted = select(*columns, *(each for each in key if each.key not in boxes.of), boxes.column)
    wanted = wanted.where(*hers(boxes, owner), boxes.column.is_not(None)).order_by(*key)
    if keyring is not None:
        wanted = wanted.where(under_old(boxes, keyring))
    if after is not None:
        wanted = wanted.limit(boxes.at_once)
    if after:
        wanted = wanted.where(tuple_(*key) > tuple_(*after))
    return list(session.execute(wanted).all())


def key_of(boxes: Boxes, row: Any) -> tuple[Any, ...]:
    """The primary key of a row, to go on after it."""
    return tuple(getattr(row, column.key) for column in boxes.column.class_.__mapper__.primary_key)


def write(session: Session, boxes: Boxes, new: list[tuple[Any, bytes]]) -> None:
    """Put new boxes in the places of the old ones."""
    if not new:
        return
    table = boxes.column.class_
    names = [column.key for column in table.__mapper__.primary_key]
    where = (table.__table__.c[name] == bindparam(f"of_{name}") for name in names)
    statement = update(table.__table__).where(*where).values({boxes.column.key: bindparam("sealed")})
    values = [{f"of_{name}": getattr(row, name) for name in names} | {"sealed": box} for row, box in new]
    session.connection().execute(statement, values)
