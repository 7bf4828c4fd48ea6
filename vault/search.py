"""Search: an index of words in the image of the catalogue, and what is found by it, best first.

An entry's place in the index is its day followed by its number, so that SQLite finds the newest first and stops there:
ranking by statistics (bm25) would look at every hit, 100 ms among 100,000 records. What has no day counts as of now.
What its vendor is called is not in the index of a purchase, only the vendor's number, so that a new name costs nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vault import words

if TYPE_CHECKING:
    from vault.catalogue import Catalogue, Entry

TABLE = """
CREATE VIRTUAL TABLE words USING fts5 (
  name, rest, tags, tokenize = "unicode61 remove_diacritics 2", columnsize = 0
);
"""
SHIFT = 36  # bits of a place that are the number
NUMBER = (1 << SHIFT) - 1
FOUND = f"words JOIN entries ON number = words.rowid & {NUMBER}"
# Entries that have some letters in their title, wherever: the letters are bound, folded.
NAMED = f"number IN (SELECT rowid & {NUMBER} FROM words WHERE instr(name, ?))"  # noqa: S608 - a number of ours
BETWEEN = "words MATCH ? AND words.rowid BETWEEN ? AND ?"
NO_DAY = 99_999_999
MOST_VENDORS = 12
MANY = 1000


@dataclass(frozen=True)
class Wanted:
    """What is looked for: terms as words.terms gives them, and a collection, a vendor, days (ISO 8601, also parts)."""

    terms: Sequence[str]
    collection: str = ""
    vendor: int = 0
    begin: str = ""
    end: str = ""

    @property
    def places(self) -> tuple[int, int]:
        """The first and the last place that may be found."""
        if not self.begin and not self.end:
            return 0, (1 << 63) - 1
        last = int(self.end.replace("-", "").ljust(8, "9")) if self.end else NO_DAY - 1
        return int(self.begin.replace("-", "").ljust(8, "0")) << SHIFT, (last << SHIFT) + NUMBER


@dataclass(frozen=True)
class Hit:
    """An entry that was found, and how well it fits: 0 best."""

    tier: int
    entry: Entry

    @property
    def place(self) -> int:
        """Where it stands in the index."""
        return place(self.entry.day, self.entry.number)


def place(day: str, number: int) -> int:
    """Where an entry stands in the index."""
    return (int(day[:10].replace("-", "").ljust(8, "0")) if day else NO_DAY) << SHIFT | number


def put(image: sqlite3.Connection, entry: Entry, rest: str) -> None:
    """Add an entry's words; `rest` are those beside its title."""
    tags = f"c{entry.collection} v{entry.vendor}"
    row = (place(entry.day, entry.number), words.fold(entry.title), words.fold(rest), tags)
    image.execute("INSERT INTO words (rowid, name, rest, tags) VALUES (?,?,?,?)", row)


def take_out(image: sqlite3.Connection, number: int) -> None:
    """Remove an entry's words, if it has any."""
    for (day,) in image.execute("SELECT day FROM entries WHERE number = ?", (number,)).fetchall():
        image.execute("DELETE FROM words WHERE rowid = ?", (place(day, number),))


class Search:
    """One search in one catalogue."""

    def __init__(self, catalogue: Catalogue, wanted: Wanted) -> None:
        self.catalogue, self.wanted = catalogue, wanted
        vendors = catalogue.entries("collection = 'vendors' AND NOT damaged", order="number") if wanted.terms else []
        names = [(entry.number, f" {words.plain(entry.title)} ") for entry in vendors]
        self.anywhere = " AND ".join(_anywhere(term, names) for term in wanted.terms)

    def hits(self, limit: int, after: tuple[int, int] | None = None) -> list[Hit]:
        """What is found, best first: its title is made of the words, begins with them, or they are anywhere in it.

        Within a tier the newest comes first. `after` is tier and place of the last one already shown.
        """
        found: list[Hit] = []
        first, last = self.wanted.places
        for tier, match in enumerate(self._tiers()):
            if (after is None or tier >= after[0]) and len(found) < limit:
                end = min(last, after[1] - 1) if after and after[0] == tier else last
                found += [Hit(tier, each) for each in self._matching(match, first, end, limit - len(found))]
        return found

    def counts(self, within: str = "") -> dict[str, int]:
        """How many are found in each collection, or within one, whichever is wanted: of all, or of the first MANY."""
        chosen = f"SELECT words.rowid & {NUMBER} FROM words WHERE {BETWEEN} ORDER BY words.rowid DESC LIMIT ?"  # noqa: S608
        match = f"({self.anywhere}){_tagged('c', within)}{_tagged('v', self.wanted.vendor)}"
        where, values = f"number IN ({chosen}) AND NOT damaged", (match, *self.wanted.places, MANY)
        return self.catalogue.tally("collection", where, *values) if self.anywhere else {}

    def _tiers(self) -> list[str]:
        """Expressions of FTS5, each without what the one before it finds."""
        if not self.anywhere:
            return []
        same = f"{{name}} : ({' AND '.join(_quoted(term) for term in self.wanted.terms)})"
        like = f"{{name}} : ({' AND '.join(_phrase(term) for term in self.wanted.terms)})"
        narrow = _tagged("c", self.wanted.collection) + _tagged("v", self.wanted.vendor)
        return [f"({same}){narrow}", f"({like}){narrow} NOT ({same})", f"({self.anywhere}){narrow} NOT ({like})"]

    def _matching(self, match: str, first: int, last: int, limit: int) -> list[Entry]:
        where, order = f"{BETWEEN} AND NOT damaged", "words.rowid DESC"
        return self.catalogue.entries(where, match, first, last, order=order, limit=limit, among=FOUND)


def _anywhere(term: str, names: Iterable[tuple[int, str]]) -> str:
    """In the record itself, or in the name of its vendor; `names` are folded, between spaces."""
    begun = f" {term}" if words.begins(term) else f" {term} "
    vendors = [_quoted(f"v{number}") for number, name in names if begun in name][:MOST_VENDORS]
    itself = f"{{name rest}} : {_phrase(term)}"
    return f"({itself} OR {{tags}} : ({' OR '.join(vendors)}))" if vendors else f"({itself})"


def _quoted(term: str) -> str:
    return f'"{term}"'


def _phrase(term: str) -> str:
    return f"{_quoted(term)} *" if words.begins(term) else _quoted(term)


def _tagged(kind: str, value: str | int) -> str:
    return f" AND {{tags}} : {_quoted(f'{kind}{value}')}" if value else ""
