"""The repository of records: add, change, remove, read, history. Functions here never commit; her turn does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from vault import crypto
from vault.days import DAY
from vault.db import hole_of, insert_many
from vault.errors import N_, NotFound, VaultError
from vault.models import RecordRow, Version
from vault.opened import OpenVault
from vault.record import Record
from vault.stored import Stored, about_record, from_bytes, to_bytes
from vault.turn import Change, Turn, her_turn


class OnlyOne(VaultError):
    """A second record of what there is one of."""

    code, status = "only_one", 409
    sentence = N_("There is one of these already. Change that one, or remove it first.")


COLUMNS = ("owner_id", "number", "revision", "mark", "import_id", "box")
Row = tuple[bytes, int, int, bytes | None, bytes | None, bytes | None]


@contextmanager
def writing(vault: OpenVault, *, numbers: int = 0, revisions: int = 1) -> Iterator[Turn]:
    """Her turn for changing records. Every room hears of the changes before they are committed, in the transaction."""
    turns = her_turn(vault.server, vault.owner_id, numbers=numbers, revisions=revisions, keyring=vault.keyring)
    with turns as turn:
        yield turn
        for room in vault.server.rooms:
            if room.on_change is not None and turn.changes:
                room.on_change(turn, vault, turn.changes)


def add(turn: Turn, vault: OpenVault, record: Record) -> Stored:
    """A new record made by hand: everything in it is her edit. Raises OnlyOne."""
    check_only_one(vault, type(record))
    stored = Stored(turn.number(), turn.revision, type(record), {}, record.dump(), at=turn.server.now)
    insert_rows(turn, sealed_rows(vault, [(stored, None)]), [stored])
    return stored


def check_only_one(vault: OpenVault, kind: type[Record]) -> None:
    """Of a kind of which there is one, none stands yet. Raises OnlyOne."""
    if kind.single and vault.catalogue.count("collection = ? AND part = ? AND NOT damaged", kind.collection, kind.part):
        raise OnlyOne


def take_in(
    turn: Turn,
    vault: OpenVault,
    kind: type[Record],
    source: Mapping[str, Any],
    edits: Mapping[str, Any],
    origin: Mapping[str, Any],
) -> Stored:
    """A new record that somebody else wrote (`source`), with what she changed of it; `origin` says who and when."""
    stored = Stored(turn.number(), turn.revision, kind, source, {}, origin, turn.server.now).edited(edits)
    assert isinstance(stored.record, Record)  # noqa: S101 - reading it validates it before anything is written
    insert_rows(turn, sealed_rows(vault, [(stored, None)]), [stored])
    return stored


def sealed_rows(
    vault: OpenVault, new: Sequence[tuple[Stored, bytes | None]], *, import_id: bytes | None = None
) -> list[Row]:
    """Rows for new records with their marks (None for what was made by hand), sealed for the revision they carry."""
    owner = vault.owner_id
    return [(owner, stored.number, stored.revision, mark, import_id, seal(vault, stored)) for stored, mark in new]


def insert_rows(turn: Turn, rows: Sequence[Row], new: Iterable[Stored]) -> None:
    """Insert sealed rows; `new` is what they hold."""
    insert_many(turn.session.connection(), "records", COLUMNS, rows)
    turn.changes += [Change(stored.number, None, stored) for stored in new]


def change(turn: Turn, vault: OpenVault, number: int, edits: Mapping[str, Any]) -> Stored:
    """Lay her edits (JSON by field name, None to clear) over a record. Raises Invalid, NotFound, Damaged."""
    before = read(turn.session, vault, number)
    return put(turn, vault, before, before.edited(edits))


def decide(turn: Turn, vault: OpenVault, number: int, *, accept: bool) -> Stored:
    """Settle what an import proposed for a record: take it over as her own edit, or drop it."""
    before = read(turn.session, vault, number)
    after = before.edited(before.proposes) if accept else before
    return put(turn, vault, before, after.decided())


def put(turn: Turn, vault: OpenVault, before: Stored, after: Stored) -> Stored:
    """Replace a record by its next version; the earlier box goes to its history. No change writes nothing."""
    written = put_all(turn, vault, [(before, after)])
    return written[0] if written else before


def put_all(turn: Turn, vault: OpenVault, pairs: Iterable[tuple[Stored, Stored]]) -> list[Stored]:
    """The same for many, before and after; returns those that were written."""
    written: list[Stored] = []
    for before, after in pairs:
        if to_bytes(replace(before, at=after.at)) == to_bytes(after):
            continue
        written.append(replace(after, revision=turn.revision, at=turn.server.now))
        assert isinstance(written[-1].record, Record)  # noqa: S101 - reading it validates it before anything is written
        turn.changes.append(Change(after.number, before, written[-1]))
    for at in range(0, len(written), 500):
        part = written[at : at + 500]
        _keep_versions(turn, vault, [each.number for each in part])
        _write_boxes(turn, vault, part)
    return written


def remove(turn: Turn, vault: OpenVault, number: int) -> None:
    """Put a record in the trash: its last version goes to its history. Its mark keeps imports from bringing it back."""
    remove_all(turn, vault, [read(turn.session, vault, number)])


def remove_all(turn: Turn, vault: OpenVault, standing: Sequence[Stored], *, returns: bool = False) -> None:
    """The same for many, at most 500 at a time; if it `returns`, an import may bring it back."""
    numbers = [each.number for each in standing]
    _keep_versions(turn, vault, numbers)
    mine = (RecordRow.owner_id == vault.owner_id, RecordRow.number.in_(numbers))
    gone = {"revision": turn.revision, "box": None, "removed_day": vault.server.now // DAY, "returns": returns}
    turn.session.execute(update(RecordRow).where(*mine).values(**gone))
    turn.changes += [Change(each.number, each, None) for each in standing]


def read(session: Session, vault: OpenVault, number: int) -> Stored:
    """One record. Raises NotFound, or crypto.Damaged if its row has been tampered with."""
    found = read_many(session, vault, [number])
    if not found:
        raise NotFound
    return found[0]


def read_many(session: Session, vault: OpenVault, numbers: Sequence[int]) -> list[Stored]:
    """Records by number, in the order asked for; removed ones are left out."""
    found: dict[int, Stored] = {}
    for at in range(0, len(numbers), 500):
        rows = session.execute(
            select(RecordRow.number, RecordRow.revision, RecordRow.box).where(
                RecordRow.owner_id == vault.owner_id,
                RecordRow.number.in_(numbers[at : at + 500]),
                RecordRow.box.is_not(None),
            )
        )
        found.update((row[0], unseal(vault, *row)) for row in rows)
    return [found[number] for number in numbers if number in found]


def readable(session: Session, vault: OpenVault, numbers: Sequence[int]) -> list[Stored]:
    """The same without those that do not open: a page shows what it can, and an archive comes to its end."""
    try:
        return read_many(session, vault, numbers)
    except crypto.Damaged:
        if len(numbers) == 1:
            return []
        middle = len(numbers) // 2
        return [*readable(session, vault, numbers[:middle]), *readable(session, vault, numbers[middle:])]


class Known(NamedTuple):
    """A row found by its mark. No box: it was removed; by the undoing of an import if it `returns`."""

    number: int
    revision: int
    box: bytes | None
    returns: bool


def by_marks(session: Session, vault: OpenVault, marks: Sequence[bytes]) -> dict[bytes, Known]:
    """The records that carry one of these marks, also those that were removed.

    A join to a list of values: for `mark IN (…)` the planner of SQLite would walk through all her records.
    """
    if not marks:
        return {}
    connection = session.connection()
    hole = hole_of(connection)
    statement = (
        f"WITH wanted (mark) AS (VALUES {', '.join([f'({hole})'] * len(marks))}) "  # noqa: S608 - holes alone
        "SELECT records.mark, records.number, records.revision, records.box, records.returns FROM wanted "
        f"JOIN records ON records.owner_id = {hole} AND records.mark = wanted.mark"
    )
    rows = connection.exec_driver_sql(statement, (*marks, vault.owner_id))
    return {row[0]: Known(row[1], row[2], row[3], bool(row[4])) for row in rows}


def history(session: Session, vault: OpenVault, number: int) -> list[Stored]:
    """Earlier versions of a record, newest first."""
    return histories(session, vault, [number])[number]


def histories(session: Session, vault: OpenVault, numbers: Sequence[int]) -> dict[int, list[Stored]]:
    """The same for a page of records, by number."""
    found: dict[int, list[Stored]] = {number: [] for number in numbers}
    rows = session.execute(
        select(Version.number, Version.revision, Version.box)
        .where(Version.owner_id == vault.owner_id, Version.number.in_(numbers))
        .order_by(Version.number, Version.revision.desc())
    )
    for row in rows:
        found[row[0]].append(unseal(vault, *row))
    return found


def everything(session: Session, vault: OpenVault, numbers: Iterable[int]) -> Iterator[Stored]:
    """Records one after another, opened in batches, for walking through a whole vault."""
    wanted = list(numbers)
    for at in range(0, len(wanted), 500):
        yield from read_many(session, vault, wanted[at : at + 500])


def seal(vault: OpenVault, stored: Stored) -> bytes:
    """A record's box."""
    about = about_record(vault.owner_id, stored.number, stored.revision)
    return vault.keyring.rows.seal(about, to_bytes(stored))


def unseal(vault: OpenVault, number: int, revision: int, box: bytes | None) -> Stored:
    """The other way. Raises crypto.Damaged."""
    raw = vault.keyring.open_row(about_record(vault.owner_id, number, revision), box)
    return from_bytes(number, revision, raw)


def _keep_versions(turn: Turn, vault: OpenVault, numbers: Sequence[int]) -> None:
    mine = (RecordRow.owner_id == vault.owner_id, RecordRow.number.in_(numbers))
    source = select(RecordRow.owner_id, RecordRow.number, RecordRow.revision, RecordRow.box).where(*mine)
    turn.session.execute(insert(Version).from_select(["owner_id", "number", "revision", "box"], source))


def _write_boxes(turn: Turn, vault: OpenVault, written: Sequence[Stored]) -> None:
    statement = (
        update(RecordRow.__table__)  # type: ignore[arg-type]  # a mapped class has a table
        .where(RecordRow.owner_id == vault.owner_id, RecordRow.number == bindparam("which"))
        .values(revision=turn.revision, box=bindparam("sealed"))
    )
    boxes = [{"which": each.number, "sealed": seal(vault, each)} for each in written]
    turn.session.connection().execute(statement, boxes)
