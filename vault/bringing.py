"""Bringing an archive back: everything in it becomes the content of an empty vault, with its numbers and its history.

The whole file is read and checked before anything is written. It is written in batches, each her turn; if that breaks
off, the same archive goes on where it stopped. Into a vault that holds anything else it is not taken: nothing is ever
doubled or overwritten. Permissions are not read at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import update

from vault import crypto, files_along, store, trash
from vault.arrived import Entry, Head, read_entry, read_head
from vault.days import DAY
from vault.db import insert_many
from vault.errors import N_, VaultError
from vault.export import Tell, Walk, fingerprint
from vault.fingerprint import Fingerprint
from vault.keyring import about_key
from vault.models import Key
from vault.pieces import Readable
from vault.turn import position
from vault.unpacking import Archive, NotAnArchive

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.turn import Turn

AT_ONCE = 500  # boxes written in one turn


class NotEmpty(VaultError):
    """The vault holds something that is not in this archive."""

    code, status = "not_empty", 409
    sentence = N_(
        "Something was written into this vault before, if only to be removed again. An archive is only taken into an "
        "empty one, so that nothing is doubled or overwritten. Nothing was changed."
    )


@dataclass(frozen=True, slots=True)
class Came:
    """What has come: how many entries, the fingerprint of the vault now, and whether it is the archive's."""

    records: int
    fingerprint: str
    equal: bool

    @property
    def sentence(self) -> str:
        """For whoever asked."""
        if self.equal:
            return N_("Everything is there: the vault now holds exactly what the archive holds.")
        return N_("Everything is there, in the form of this release, so the fingerprint is another than the archive's.")


class _Batch(NamedTuple):
    entries: list[Entry]
    last: int
    depth: int


def bring_back(vault: OpenVault, file: Readable, tell: Tell | None = None) -> Came:
    """Take everything from an archive. Raises NotAnArchive, NotEmpty, and whatever a turn raises."""
    archive = Archive(file)
    archive.check()
    head, count = _checked(archive)
    done = _already_there(vault, archive, head)
    files_along.check(vault, archive.files.values())
    if done == 0:
        vault = _taking_over_marks_key(vault, head.marks_key)
    for batch in _batches(archive, after=done):
        _write(vault, batch, expected=done)
        done = batch.last
        if tell is not None:
            tell(count)
    _reserve(vault, head, expected=done)
    for path in archive.files:
        _offer(vault, archive, path)
    now = fingerprint(vault)
    return Came(count, now, now == archive.fingerprint)


def _checked(archive: Archive) -> tuple[Head, int]:
    """Read all of it strictly. Nothing has been written when this raises."""
    lines = archive.lines("vault.json")
    head, running, count, marks = read_head(next(lines, b"")), Fingerprint(), 0, set[bytes]()
    last = 0
    for entry in _entries(lines):
        if entry.number <= last or entry.number > head.last_record or entry.mark in marks:
            raise NotAnArchive
        last, count = entry.number, count + 1
        if entry.mark is not None:
            marks.add(entry.mark)
        running.add(entry.said)
    if running.text() != archive.fingerprint:
        raise NotAnArchive
    return head, count


def _entries(lines: Iterator[bytes]) -> Iterator[Entry]:
    for line in lines:
        if line.startswith(b"]"):
            return
        yield read_entry(line.removesuffix(b","))
    raise NotAnArchive


def _already_there(vault: OpenVault, archive: Archive, head: Head) -> int:
    """Up to which number an earlier attempt has come; 0 for an empty vault. Raises NotEmpty for anything else."""
    with vault.server.main.reading() as session:
        at = position(session, vault.owner_id).last_record
        if at == 0:
            return 0
        if vault.keyring["dedupe"] != head.marks_key or at > head.last_record:
            raise NotEmpty
        lines = archive.lines("vault.json")
        next(lines)
        theirs = (entry.said for entry in _entries(lines) if entry.number <= at)
        walk, swept = Walk(session, vault), partial(_swept, vault.server.now // DAY - trash.KEPT)
        if any(one != other for one, other in zip_longest(swept(theirs), swept(walk))) or walk.damaged:
            raise NotEmpty
    return at


def _swept(last: int, entries: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Entries as they are once what lies in the trash since that last day is gone for good, which it may be already."""
    for said in entries:
        if said.get("removed_day", last + 1) > last:
            yield said
        elif "mark" in said:
            yield {name: value for name, value in said.items() if name not in ("removed_day", "history")}


def _batches(archive: Archive, *, after: int) -> Iterator[_Batch]:
    lines = archive.lines("vault.json")
    next(lines)
    some: list[Entry] = []
    boxes = 0
    for entry in _entries(lines):
        if entry.number <= after:
            continue
        some.append(entry)
        boxes += 1 + len(entry.history)
        if boxes >= AT_ONCE:
            yield _batch(some)
            some, boxes = [], 0
    if some:
        yield _batch(some)


def _batch(entries: list[Entry]) -> _Batch:
    return _Batch(entries, entries[-1].number, max(len(entry.history) for entry in entries))


def _write(vault: OpenVault, batch: _Batch, *, expected: int) -> None:
    """One batch, her turn: it takes as many of her revisions as its longest history needs."""
    with store.writing(vault, numbers=batch.last - expected, revisions=batch.depth + 1) as turn:
        _nobody_else(turn, expected)
        rows: list[store.Row] = []
        earlier: list[tuple[bytes, int, int, bytes]] = []
        new = []
        for entry in batch.entries:
            now = entry.stored(turn.revision)
            box = store.seal(vault, now) if now else None
            rows.append((vault.owner_id, entry.number, turn.revision, entry.mark, None, box))
            new += [now] if now else []
            history = entry.earlier(turn.revision - len(entry.history))
            earlier += [(vault.owner_id, each.number, each.revision, store.seal(vault, each)) for each in history]
        store.insert_rows(turn, rows, new)
        for entry in batch.entries:
            if entry.removed_day is not None or entry.returns:
                trash.lay(turn, entry.number, entry.removed_day, returns=entry.returns)
        insert_many(turn.session.connection(), "versions", ("owner_id", "number", "revision", "box"), earlier)


def _reserve(vault: OpenVault, head: Head, *, expected: int) -> None:
    """Numbers that were given to what is gone without a trace are not given again."""
    if head.last_record > expected:
        with store.writing(vault, numbers=head.last_record - expected) as turn:
            _nobody_else(turn, expected)


def _nobody_else(turn: Turn, expected: int) -> None:
    """Something else was written meanwhile: by hand, or by an import."""
    if turn.before.last_record != expected:
        raise NotEmpty(
            N_("Something else was written into this vault meanwhile, so the rest of the archive was not taken.")
        )


def _taking_over_marks_key(vault: OpenVault, key: bytes) -> OpenVault:
    """An empty vault has no marks yet, so its key for them can give way: what was imported once is known again.

    It gets a new id, so that whoever opened her keys before (an import that has begun) writes no mark under the other.
    """
    key_id = vault.keyring.next_id
    box = crypto.seal(vault.keyring.root, about_key(vault.owner_id, key_id, "dedupe"), key)
    with store.writing(vault) as turn:
        _nobody_else(turn, 0)
        mine = (Key.owner_id == vault.owner_id, Key.purpose == "dedupe")
        turn.session.execute(update(Key).where(*mine).values(key_id=key_id, box=box))
    keys = {**vault.keyring.keys, "dedupe": (key_id, key)}
    return replace(vault, keyring=replace(vault.keyring, keys=keys))


def _offer(vault: OpenVault, archive: Archive, path: str) -> None:
    """A file besides the records goes to the room that knows it; what no room takes stays in the archive."""
    for room in vault.server.rooms:
        if room.bring is not None and room.bring(vault, path, archive.pieces(path)):
            return
