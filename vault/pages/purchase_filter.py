"""What the list of purchases is narrowed to: said in its address, answered by the catalogue alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import orjson
from flask import url_for

from vault import attachments
from vault.collections.purchases import FOR_WHOM
from vault.opened import OpenVault
from vault.pages.forms import number_of
from vault.pages.vendors import BOUGHT
from vault.values import DECIMAL, TEN_THOUSAND, whole

LISTED = f"{BOUGHT} AND damaged = 0"
# Only purchases carry a taste, and of what proposes something they alone are listed; alone, each condition uses its own
# small index, and `+` leaves it that.
PROPOSED = "proposes AND damaged = 0 AND +collection = 'purchases' AND +part = ''"
NOT_MINE = "taste <> '' AND taste = 'not_mine' AND damaged = 0"
APART = {"proposed": PROPOSED, "not_mine": NOT_MINE}
DAY = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
WITH, WITHOUT = "number IN (SELECT value FROM json_each(?))", "number NOT IN (SELECT value FROM json_each(?))"
RECEIPT = {"with": WITH, "without": WITHOUT}


@dataclass(frozen=True)
class Filter:
    """From the query string; what cannot be read narrows nothing. Amounts are as typed, and of one currency."""

    whom: str = ""
    vendor: int = 0
    category: str = ""
    begin: str = ""
    end: str = ""
    least: str = ""
    most: str = ""
    currency: str = ""
    receipt: str = ""

    @classmethod
    def asked(cls, said: Mapping[str, str], currencies: Sequence[str]) -> Filter:
        """From the members of an address. Amounts without a currency are meant in the first of these."""
        vendor = said.get("vendor", "")
        begin, end = (day if DAY.fullmatch(day) else "" for day in (said.get("from", ""), said.get("to", "")))
        least, most = (_amount(said.get(name, "")) for name in ("least", "most"))
        return cls(
            _one_of(said.get("for", ""), (*FOR_WHOM, *APART)),
            int(vendor) if re.fullmatch(r"\d{1,15}", vendor) else 0,
            said.get("category", "")[:500],
            begin,
            end,
            least,
            most,
            _one_of(said.get("currency", ""), currencies) or (currencies[0] if currencies and (least or most) else ""),
            _one_of(said.get("receipt", ""), RECEIPT),
        )

    @property
    def narrowed(self) -> bool:
        """Is there anything besides for whom it was?"""
        return self != Filter(self.whom)

    def where(self, vault: OpenVault) -> tuple[str, list[Any]]:
        """A condition on the catalogue and its values."""
        parts = [
            (APART.get(self.whom, LISTED), ()),
            ("facet = ?", [self.whom] if self.whom in FOR_WHOM else None),
            ("vendor = ?", [self.vendor] if self.vendor else None),
            ("category = ?", [self.category] if self.category else None),
            ("day >= ?", [self.begin] if self.begin else None),
            ("day <= ?", [f"{self.end}~"] if self.end else None),
            ("currency = ?", [self.currency] if self.currency else None),
            ("amount >= ?", [whole(Decimal(self.least))] if self.least else None),
            ("amount <= ?", [whole(Decimal(self.most))] if self.most else None),
            (RECEIPT.get(self.receipt, ""), self._with_files(vault)),
        ]
        said = [(part, values) for part, values in parts if values is not None]
        return " AND ".join(part for part, _ in said), [value for _, values in said for value in values]

    def _with_files(self, vault: OpenVault) -> list[str] | None:
        if not self.receipt:
            return None
        with vault.server.main.reading() as reading:
            return [orjson.dumps(list(attachments.counts(reading, vault))).decode()]

    def link(self, **other: Any) -> str:
        """The list narrowed likewise, but for what is given."""
        mine = asdict(self)
        mine["for"], mine["from"], mine["to"] = mine.pop("whom"), mine.pop("begin"), mine.pop("end")
        return url_for("collection.purchases", **{name: value for name, value in (mine | other).items() if value})


def sums(vault: OpenVault, where: str, values: Iterable[Any]) -> list[tuple[dict[str, str], int]]:
    """What lines of the catalogue come to, each currency by itself, and how many lines that is; the most first."""
    parts = "sum(amount / 1000000), sum(amount % 1000000)"  # SQLite refuses the sum of many large whole numbers
    statement = f"SELECT currency, count(*), {parts} FROM entries WHERE {where} AND currency <> '' GROUP BY 1"  # noqa: S608
    found = vault.catalogue.rows(f"{statement} ORDER BY 2 DESC, 1", *values)
    return [(_money(high * 1_000_000 + low, currency), count) for currency, count, high, low in found]


def _money(whole: int, currency: str) -> dict[str, str]:
    """As JSON of a Money, but a sum may have more digits than a price."""
    return {"amount": f"{Decimal(whole) / TEN_THOUSAND:f}", "currency": currency}


def _amount(typed: str) -> str:
    amount = number_of(typed)
    return amount if DECIMAL.fullmatch(amount) and whole(Decimal(amount)) is not None else ""


def _one_of(word: str, known: Iterable[str]) -> str:
    return word if word in known else ""
