"""What the catalogue adds up: amounts by month, vendor and kind of thing, and how often the same thing was bought.

Sums follow each purchase as it enters or leaves the catalogue, so that a page reads some hundreds of lines and opens no
record. Amounts are whole ten-thousandths of a currency (ISO 4217 knows no currency with more digits), and those of two
currencies are never added together.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vault.values import TEN_THOUSAND, When

if TYPE_CHECKING:
    from vault.catalogue import Catalogue
    from vault.record import Record

SCHEMA = """
CREATE TABLE figures (
  number INTEGER PRIMARY KEY, day TEXT NOT NULL, vendor INTEGER NOT NULL, kind TEXT NOT NULL, product INTEGER NOT NULL,
  gift INTEGER NOT NULL, currency TEXT NOT NULL, amount INTEGER NOT NULL, guaranteed_until TEXT NOT NULL
);
CREATE INDEX by_product ON figures (product, day, gift);
CREATE INDEX by_kind ON figures (kind, day, gift) WHERE kind <> '';
CREATE INDEX by_guarantee ON figures (guaranteed_until, number) WHERE guaranteed_until <> '';
CREATE TABLE sums (
  axis TEXT NOT NULL, currency TEXT NOT NULL, month TEXT NOT NULL, value NOT NULL, gift INTEGER NOT NULL,
  amount INTEGER NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (axis, currency, month, value, gift)
) WITHOUT ROWID;
CREATE TRIGGER counted AFTER INSERT ON figures BEGIN
  INSERT INTO sums SELECT axis, new.currency, substr(new.day, 1, 7), value, new.gift, new.amount, 1 FROM (
    SELECT 'month' AS axis, '' AS value UNION ALL SELECT 'vendor', new.vendor UNION ALL SELECT 'kind', new.kind
  ) WHERE true ON CONFLICT DO UPDATE SET amount = amount + excluded.amount, times = times + 1;
END;
CREATE TRIGGER uncounted AFTER DELETE ON figures BEGIN
  INSERT INTO sums SELECT axis, old.currency, substr(old.day, 1, 7), value, old.gift, old.amount, 1 FROM (
    SELECT 'month' AS axis, '' AS value UNION ALL SELECT 'vendor', old.vendor UNION ALL SELECT 'kind', old.kind
  ) WHERE true ON CONFLICT DO UPDATE SET amount = amount - excluded.amount, times = times - 1;
END;
"""
MOST = 10**15  # ten-thousandths; beyond it an amount is a mistake, and thousands of them would not fit a whole number
OFTEN = 3
CANDIDATES = 40
LATEST = 24

# In two parts, because the sum of many large whole numbers is an error to SQLite.
_SUM = "sum(amount / 1000000), sum(amount % 1000000), sum(times)"
_WITHIN = "month >= ? AND month <= ? AND gift <= ? AND times > 0"


@dataclass(frozen=True, slots=True)
class Span:
    """What is counted: from one year or month to another, both included, empty for no bound; gifts if she says so."""

    begin: str = ""
    end: str = ""
    gifts: bool = False

    @property
    def values(self) -> tuple[str, str, int]:
        """As the statements want it. A tilde stands behind every month of a year."""
        return self.begin, f"{self.end}~", int(self.gifts)


class Sum(NamedTuple):
    """So much for so many purchases: of a month, a vendor's number, a kind of thing or a currency."""

    value: Any
    amount: Decimal
    times: int


def take(db: sqlite3.Connection, number: int, record: Record) -> None:
    """Add a record's figures, if it has any. A price too large to be one counts as none."""
    found = record.bought()
    if found is None:
        return
    amount = found.amount if found.amount is not None and abs(found.amount) <= MOST else None
    row = (record.day(), record.of_vendor(), plain(found.category), _product(found.product), int(found.gift))
    guaranteed = When(found.warranty_until).latest.isoformat() if found.warranty_until else ""
    more = (found.currency if amount is not None else "", amount or 0, guaranteed)
    db.execute("INSERT INTO figures VALUES (?,?,?,?,?,?,?,?,?)", (number, *row, *more))


def forget(db: sqlite3.Connection, number: int) -> None:
    """Take a record's figures away."""
    db.execute("DELETE FROM figures WHERE number = ?", (number,))


def plain(words: str) -> str:
    """Words as they are compared: small letters, single spaces."""
    return " ".join(words.split()).lower()


def _product(words: str) -> int:
    """A product's own number: 56 bits of a hash, so that the catalogue does not hold each name three times."""
    return int.from_bytes(hashlib.sha256(plain(words).encode()).digest()[:7])


def currencies(catalogue: Catalogue, span: Span) -> list[Sum]:
    """What was spent in each currency, the most used first; the currency of what has no price is empty."""
    return _sums(catalogue, "currency", "axis = 'month'", span)


def spent(catalogue: Catalogue, axis: Literal["month", "vendor", "kind"], span: Span, currency: str) -> list[Sum]:
    """What was spent in one currency by month, by vendor or by kind of thing; in order of the month, or most first."""
    column = "month" if axis == "month" else "value"
    found = _sums(catalogue, column, "axis = ? AND currency = ?", span, axis, currency)
    return sorted(found, key=lambda each: str(each.value) if axis == "month" else -each.amount)


def bought_at(catalogue: Catalogue, span: Span, vendors: Collection[int]) -> dict[int, list[tuple[str, Sum]]]:
    """What was bought at some vendors, by their numbers: each currency by itself, empty for what has no price."""
    at: dict[int, list[tuple[str, Sum]]] = {}
    for each in currencies(catalogue, span) if vendors else ():
        for found in _sums(catalogue, "value", "axis = 'vendor' AND currency = ?", span, each.value):
            if found.value in vendors:
                at.setdefault(found.value, []).append((each.value, found))
    return at


def years(catalogue: Catalogue) -> list[str]:
    """Years in which something was bought, the newest first."""
    statement = "SELECT DISTINCT substr(month, 1, 4) FROM sums WHERE axis = 'month' AND times > 0 ORDER BY 1 DESC"
    return [year for (year,) in catalogue.rows(statement)]


def _sums(catalogue: Catalogue, column: str, where: str, span: Span, *values: str) -> list[Sum]:
    statement = f"SELECT {column}, {_SUM} FROM sums WHERE {where} AND {_WITHIN} GROUP BY 1 ORDER BY 4 DESC, 1"  # noqa: S608
    found = catalogue.rows(statement, *values, *span.values)
    return [
        Sum(name, Decimal(int(high) * 1_000_000 + int(low)) / TEN_THOUSAND, times) for name, high, low, times in found
    ]


def products(catalogue: Catalogue, *, gifts: bool) -> list[int]:
    """The products bought most often, by the number that stands for each."""
    statement = (
        "SELECT product FROM figures WHERE gift <= ? GROUP BY 1 HAVING count(*) >= ? ORDER BY count(*) DESC, 1 LIMIT ?"
    )
    return [found[0] for found in catalogue.rows(statement, int(gifts), OFTEN, CANDIDATES)]


def kinds(catalogue: Catalogue, *, gifts: bool) -> list[str]:
    """The kinds of things bought most often."""
    statement = (
        "SELECT value FROM sums WHERE axis = 'kind' AND value <> '' AND gift <= ? "
        "GROUP BY 1 HAVING sum(times) >= ? ORDER BY sum(times) DESC, 1 LIMIT ?"
    )
    return [found[0] for found in catalogue.rows(statement, int(gifts), OFTEN, CANDIDATES)]


def days(catalogue: Catalogue, thing: str | int, since: str = "", *, gifts: bool) -> list[str]:
    """Days on which a kind of thing or a product was bought, newest first: from a day on, or else the latest few.

    Only days that are known.
    """
    of_it = "kind <> '' AND kind = ?" if isinstance(thing, str) else "product = ?"
    statement = (
        f"SELECT DISTINCT substr(day, 1, 10) FROM figures WHERE {of_it} AND day >= ? AND gift <= ? "  # noqa: S608
        "AND length(day) >= 10 ORDER BY day DESC LIMIT ?"
    )
    most = -1 if since else LATEST
    return [found[0] for found in catalogue.rows(statement, thing, since, int(gifts), most)]


def purchases(catalogue: Catalogue, product: int, *, gifts: bool) -> list[int]:
    """The latest purchases of a product, newest first."""
    statement = "SELECT number FROM figures WHERE product = ? AND gift <= ? ORDER BY day DESC, number DESC LIMIT ?"
    return [found[0] for found in catalogue.rows(statement, product, int(gifts), LATEST)]


def product_of(catalogue: Catalogue, number: int) -> int | None:
    """Which product a purchase is of."""
    return next((found[0] for found in catalogue.rows("SELECT product FROM figures WHERE number = ?", number)), None)


def guarantees(catalogue: Catalogue, since: str, until: str) -> list[int]:
    """Purchases whose guarantee ends between two days, the soonest first."""
    statement = (
        "SELECT number FROM figures WHERE guaranteed_until <> '' AND guaranteed_until BETWEEN ? AND ? "
        "ORDER BY guaranteed_until, number LIMIT ?"
    )
    return [found[0] for found in catalogue.rows(statement, since, until, CANDIDATES)]
