"""Everything in a vault as plain JSON, one record after another, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import select

from vault import crypto, mail, store, trash
from vault.days import DAY
from vault.fingerprint import Fingerprint
from vault.models import Owner, RecordRow, Version
from vault.stored import Stored, to_bytes
from vault.turn import last_number

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

AT_ONCE = 500  # records opened at a time
FORMAT = "vrm/1/export"
Tell = Callable[[int], None]  # how many records have gone by


class Walk:
    """One pass over everything in a snapshot, by number: entries as they are exported, and what came of it.

    A record that does not open, or that the catalogue knows as damaged, is no entry; its number is in `damaged`.
    """

    def __init__(self, session: Session, vault: OpenVault, tell: Tell | None = None) -> None:
        self._session, self._vault, self._tell = session, vault, tell
        self._running = Fingerprint()
        self.count = 0
        self.damaged = {entry.number for entry in vault.catalogue.entries("damaged", order="number")}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        after = 0
        while rows := self._rows(after):
            after = rows[-1].number
            history = self._history(rows[0].number, after)
            for row in rows:
                entry = self._entry(row, history.get(row.number, []))
                if entry is not None:
                    self._running.add(entry)
                    self.count += 1
                    yield entry
            if self._tell is not None:
                self._tell(self.count)

    @property
    def fingerprint(self) -> str:
        """Of the entries that have gone by."""
        return self._running.text()

    def _rows(self, after: int) -> Sequence[Any]:
        row = RecordRow
        mine = select(row.number, row.revision, row.mark, row.removed_day, row.returns, row.box)
        mine = mine.where(row.owner_id == self._vault.owner_id, row.number > after)
        return self._session.execute(mine.order_by(RecordRow.number).limit(AT_ONCE)).all()

    def _history(self, first: int, last: int) -> dict[int, list[Any]]:
        mine = select(Version.number, Version.revision, Version.box)
        mine = mine.where(Version.owner_id == self._vault.owner_id, Version.number.between(first, last))
        found: dict[int, list[Any]] = {}
        for row in self._session.execute(mine.order_by(Version.number, Version.revision)):
            found.setdefault(row.number, []).append(row)
        return found

    def _entry(self, row: Any, earlier: list[Any]) -> dict[str, Any] | None:
        """What is said of one record; nothing of one that was removed and has left no trace."""
        if row.number in self.damaged:
            return None
        try:
            now = _plain(store.unseal(self._vault, row.number, row.revision, row.box)) if row.box else self._gone(row)
            history = [_plain(store.unseal(self._vault, *each)) for each in earlier]
        except crypto.Damaged:
            self.damaged.add(row.number)
            return None
        marked = {"mark": row.mark.hex()} if row.mark else {}
        told = {"history": history} if history else {}
        return {"number": row.number, **now, **marked, **told} if row.box or marked or told else None

    def _gone(self, row: Any) -> dict[str, Any]:
        gone: dict[str, Any] = {"removed": True}
        if row.removed_day is not None:
            gone["removed_day"] = trash.likely(row.removed_day, self._vault.server.now // DAY)
        if row.returns and row.mark:
            gone["returns"] = True
        return gone


def export(vault: OpenVault, tell: Tell | None = None) -> Iterator[bytes]:
    """The document in parts: `{"format", "made_at", …, "records": [...], …, <each room's own part>}`."""
    with vault.server.main.reading() as session:
        yield from document(session, vault, Walk(session, vault, tell))


def document(session: Session, vault: OpenVault, walk: Walk) -> Iterator[bytes]:
    """The same, of one snapshot. Its lines are part of the format: a reader takes one record from each."""
    yield orjson.dumps(_head(session, vault))[:-1] + b',"records":[\n'
    first = True
    for entry in walk:
        yield (b"" if first else b",\n") + orjson.dumps(entry)
        first = False
    tail = {"damaged": sorted(walk.damaged), "fingerprint": walk.fingerprint}
    yield (b"" if first else b"\n") + b"]," + orjson.dumps(tail)[1:-1] + b"\n"
    for room in vault.server.rooms:
        if room.export is not None:
            yield b"," + orjson.dumps({room.name: room.export(vault)})[1:-1] + b"\n"
    yield b"}\n"


def fingerprint(vault: OpenVault) -> str:
    """The fingerprint of a vault as it stands."""
    with vault.server.main.reading() as session:
        walk = Walk(session, vault)
        for _entry in walk:
            pass
        return walk.fingerprint


def _head(session: Session, vault: OpenVault) -> dict[str, Any]:
    owner = session.get_one(Owner, vault.owner_id)
    return {
        "format": FORMAT,
        "made_at": vault.server.clock().astimezone(UTC).isoformat(timespec="seconds"),
        "owner": vault.name,
        "notice": mail.notice_or_nothing(vault.server, vault.owner_id, owner.notice_box)[0],
        "last_record": last_number(session, vault.owner_id, owner.last_record),
        "marks_key": vault.keyring["dedupe"].hex(),
    }


def _plain(stored: Stored) -> dict[str, Any]:
    """What lies in a record's box, in today's form."""
    return dict(orjson.loads(to_bytes(stored)))
