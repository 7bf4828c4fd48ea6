"""The catalogue: what is in the vault and when, so that no page opens rows to find out which to show.

A small SQLite image in memory while she is unlocked, put away sealed in a cache folder, never in the database or a
backup. It carries her revision and catches up by it; when it is missing it is rebuilt. Because it remembers each
record's revision, it notices at unlock when an older row was put back. It also holds the index that search asks.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from vault import crypto, figures, search
from vault.db import Statement, line_of
from vault.models import Owner, RecordRow
from vault.values import Bought

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.stored import Stored

SHAPE = 3
SCHEMA = """
CREATE TABLE meta (revision INTEGER NOT NULL);
INSERT INTO meta VALUES (0);
CREATE TABLE entries (
  number INTEGER PRIMARY KEY, revision INTEGER NOT NULL, collection TEXT NOT NULL, part TEXT NOT NULL,
  day TEXT NOT NULL, vendor INTEGER NOT NULL, title TEXT NOT NULL, facet TEXT NOT NULL, bundle TEXT NOT NULL,
  proposes INTEGER NOT NULL, damaged INTEGER NOT NULL, amount INTEGER, currency TEXT NOT NULL, category TEXT NOT NULL,
  taste TEXT NOT NULL, return_by TEXT NOT NULL, warranty_until TEXT NOT NULL
);
CREATE INDEX by_day ON entries (collection, part, day DESC, number DESC);
CREATE INDEX by_facet ON entries (collection, part, facet, damaged);
CREATE INDEX by_kind_and_vendor ON entries (collection, part, vendor, day DESC, number DESC);
CREATE INDEX by_bundle ON entries (bundle) WHERE bundle <> '';
CREATE INDEX by_category ON entries (category) WHERE category <> '';
CREATE INDEX by_currency ON entries (currency) WHERE currency <> '';
CREATE INDEX by_taste ON entries (taste) WHERE taste <> '';
CREATE INDEX by_return ON entries (return_by) WHERE return_by <> '';
CREATE INDEX by_warranty ON entries (warranty_until) WHERE warranty_until <> '';
CREATE INDEX by_proposal ON entries (number) WHERE proposes;
CREATE INDEX by_damage ON entries (number) WHERE damaged;
PRAGMA user_version = 3;
"""

_PRESENT = Statement("SELECT number, revision FROM records WHERE owner_id = :owner AND box IS NOT NULL ORDER BY number")


class Entry(NamedTuple):
    """One line of the catalogue. `amount` is in ten-thousandths of the currency, None where no price is known."""

    number: int
    revision: int
    collection: str
    part: str
    day: str
    vendor: int
    title: str
    facet: str
    bundle: str
    proposes: int
    damaged: int
    amount: int | None = None
    currency: str = ""
    category: str = ""
    taste: str = ""
    return_by: str = ""
    warranty_until: str = ""


COLUMNS = ", ".join(Entry._fields)
HOLES = ", ".join("?" * len(Entry._fields))


class Catalogue:
    """One owner's catalogue, for use by several threads."""

    def __init__(self, image: bytes | None = None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA temp_store = MEMORY")  # or a large sort would put titles into a file
        if image is None:
            self._db.executescript(SCHEMA + figures.SCHEMA + search.TABLE)
        else:
            self._db.deserialize(image)
            if self._db.execute("PRAGMA user_version").fetchone()[0] != SHAPE:
                raise sqlite3.DatabaseError("another shape")
        self.checked = False
        self.size = self._size()
        self.saved = self.revision if image is not None else -1

    def __del__(self) -> None:
        """Closed with the last who uses it: left alone, a connection and its cache of statements hold each other."""
        self._db.close()

    @property
    def revision(self) -> int:
        """Her revision up to which it is complete."""
        with self._lock:
            return int(self._db.execute("SELECT revision FROM meta").fetchone()[0])

    def entries(
        self, where: str, *values: Any, order: str = "day DESC, number DESC", limit: int = -1, among: str = "entries"
    ) -> list[Entry]:
        """Lines that satisfy a condition on the columns. All but the values is written in code, values are bound."""
        statement = f"SELECT {COLUMNS} FROM {among} WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        with self._lock:
            return [Entry(*row) for row in self._db.execute(statement, (*values, limit))]

    def count(self, where: str, *values: Any) -> int:
        """How many lines satisfy a condition."""
        with self._lock:
            found = self._db.execute(f"SELECT count(*) FROM entries WHERE {where}", values)  # noqa: S608
            return int(found.fetchone()[0])

    def tally(self, column: str, where: str, *values: Any) -> dict[Any, int]:
        """How many lines for each value of a column."""
        statement = f"SELECT {column}, count(*) FROM entries WHERE {where} GROUP BY {column}"  # noqa: S608
        with self._lock:
            return dict(self._db.execute(statement, values).fetchall())

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement finds. It is written in code, values are bound."""
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def titles(self, numbers: Iterable[int]) -> dict[int, str]:
        """Titles by number."""
        wanted = sorted(set(numbers))
        found: dict[int, str] = {}
        with self._lock:
            for at in range(0, len(wanted), 500):
                part = wanted[at : at + 500]
                marks = ",".join("?" * len(part))
                statement = f"SELECT number, title FROM entries WHERE number IN ({marks})"  # noqa: S608
                found.update(self._db.execute(statement, part))
        return found

    def all_titles(self) -> dict[int, str]:
        """The title of everything, by number."""
        with self._lock:
            return dict(self._db.execute("SELECT number, title FROM entries WHERE NOT damaged").fetchall())

    def catch_up(self, session: Session, vault: OpenVault) -> None:
        """Take over every row written since this image's revision, in one snapshot."""
        with self._lock:
            now = session.scalar(select(Owner.revision).where(Owner.owner_id == vault.owner_id)) or 0
            if now <= self.revision:
                return
            rows = session.execute(
                select(RecordRow.number, RecordRow.revision, RecordRow.box)
                .where(RecordRow.owner_id == vault.owner_id, RecordRow.revision > self.revision)
                .execution_options(yield_per=1000)
            )
            self._db.execute("BEGIN")
            with self._db:  # all of it or nothing
                for number, revision, box in rows:
                    self._take(vault, number, revision, box)
                self._db.execute("UPDATE meta SET revision = ?", (now,))
            self.size = self._size()

    def _take(self, vault: OpenVault, number: int, revision: int, box: bytes | None) -> None:
        search.take_out(self._db, number)
        figures.forget(self._db, number)
        if box is None:
            self._db.execute("DELETE FROM entries WHERE number = ?", (number,))
            return
        stored = _opened(vault, number, revision, box)
        entry = _line(stored) if stored else _damaged(number, revision)
        self._db.execute(f"INSERT OR REPLACE INTO entries ({COLUMNS}) VALUES ({HOLES})", entry)  # noqa: S608
        if stored:
            figures.take(self._db, number, stored.record)
            search.put(self._db, entry, _rest(stored))

    def check(self, session: Session, vault: OpenVault) -> None:
        """Compare every row with what is remembered; one that went back, is missing, or returned is damaged."""
        with self._lock:
            now = session.scalar(select(Owner.revision).where(Owner.owner_id == vault.owner_id)) or 0
            if self.revision > now:
                return  # another thread has caught up since this snapshot was taken: nothing can be said from it
            rows = _PRESENT.on(line_of(session), owner=vault.owner_id).fetchall()
            known = self._db.execute("SELECT number, revision FROM entries ORDER BY number").fetchall()
            self.checked = True
            if rows == known:
                return
            remembered, present = dict(known), dict(rows)
            wrong = [(number,) for number, revision in remembered.items() if present.get(number, -1) < revision]
            self._db.executemany("UPDATE entries SET damaged = 1 WHERE number = ?", wrong)
            returned = [_damaged(number, at) for number, at in present.items() if number not in remembered]
            self._db.executemany(f"INSERT INTO entries ({COLUMNS}) VALUES ({HOLES})", returned)  # noqa: S608
            self._db.execute("DELETE FROM figures WHERE number IN (SELECT number FROM entries WHERE damaged)")

    def _size(self) -> int:
        """Bytes of the image. Kept as a number, so that nobody waits for it while somebody else's catches up."""
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        return int(pages * self._db.execute("PRAGMA page_size").fetchone()[0])

    def image(self) -> bytes:
        """The image, to be sealed and put away."""
        with self._lock:
            return self._db.serialize()


def _opened(vault: OpenVault, number: int, revision: int, box: bytes) -> Stored | None:
    from vault.store import unseal

    try:
        return unseal(vault, number, revision, box)
    except crypto.Damaged:
        return None


def _line(stored: Stored) -> Entry:
    record = stored.record
    bought = record.bought() or Bought()
    return Entry(
        stored.number,
        stored.revision,
        record.collection,
        record.part,
        record.day(),
        record.of_vendor(),
        record.name(),
        record.facet(),
        record.bundle(),
        int(bool(stored.proposes)),
        0,
        bought.amount,
        bought.currency,
        bought.category,
        bought.taste,
        bought.return_by,
        bought.warranty_until,
    )


def _rest(stored: Stored) -> str:
    """The words in a record beside its title."""
    title = stored.record.name()
    return " ".join(text for text in stored.record.words().values() if text != title)


def _damaged(number: int, revision: int) -> Entry:
    return Entry(number, revision, "", "", "", 0, "", "", "", 0, 1)
