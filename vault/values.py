"""Values a record can hold besides text: a moment with its precision, and money. Never a float."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

# ASCII: there are digits of other scripts, which a vendor's program could not read. The API document repeats these.
CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
DAY = "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
WHEN = re.compile(f"[1-9][0-9]{{3}}(?:-(?:0[1-9]|1[0-2])|-{DAY}(?:T{CLOCK}(?::[0-5][0-9])?(?:Z|[+-]{CLOCK})?)?)?")
DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
CURRENCY = re.compile(r"[A-Z]{3}")
TEN_THOUSAND, HIGHEST = 10_000, Decimal(10) ** 14


@dataclass(frozen=True, slots=True, order=True)
class When:
    """A year, month, day, minute or instant in ISO 8601; as precise as its source and no more."""

    text: str

    def __post_init__(self) -> None:
        if WHEN.fullmatch(self.text) is None:
            raise ValueError("not a date")
        if len(self.text) > 10:
            datetime.fromisoformat(self.text)
        else:
            date.fromisoformat(self.text + ("-01-01" if len(self.text) == 4 else "-01" if len(self.text) == 7 else ""))

    def __str__(self) -> str:
        return self.text

    @property
    def earliest(self) -> date:
        """The first day it can mean."""
        return date.fromisoformat((self.text + "-01-01")[:10] if len(self.text) < 10 else self.text[:10])

    @property
    def latest(self) -> date:
        """The last day it can mean."""
        if self.exact:
            return self.earliest
        year, month = self.earliest.year, 12 if len(self.text) == 4 else self.earliest.month
        return date(year, month, monthrange(year, month)[1])

    @property
    def exact(self) -> bool:
        """Is at least the day known?"""
        return len(self.text) >= 10


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as its source wrote it, and an ISO 4217 currency."""

    amount: str
    currency: str

    def __post_init__(self) -> None:
        if not DECIMAL.fullmatch(self.amount) or not CURRENCY.fullmatch(self.currency):
            raise ValueError("not an amount")

    @property
    def decimal(self) -> Decimal:
        """The amount as a number."""
        return Decimal(self.amount)

    @classmethod
    def read(cls, raw: Any) -> Money:
        """From `{"amount": "18.50", "currency": "EUR"}`. Numbers that are not strings are refused."""
        if type(raw) is not dict or len(raw) != 2:
            raise ValueError("not an amount")
        try:
            return cls(raw["amount"], raw["currency"])  # the patterns refuse with a TypeError what is no text
        except (KeyError, TypeError):
            raise ValueError("not an amount") from None


class Bought(NamedTuple):
    """What the catalogue knows of a purchase: an amount in ten-thousandths, None where no price is known; the kind of
    thing; which product it is; days in ISO 8601 as precise as known."""

    amount: int | None = None
    currency: str = ""
    category: str = ""
    product: str = ""
    gift: bool = False
    taste: str = ""
    return_by: str = ""
    warranty_until: str = ""


def whole(amount: Decimal) -> int | None:
    """An amount in ten-thousandths, to be compared and added up; None beyond what any price can be.

    ISO 4217 knows no currency with more than four digits behind the point.
    """
    return int((amount * TEN_THOUSAND).to_integral_value()) if abs(amount) <= HIGHEST else None


def read_quantity(raw: Any) -> Decimal:
    """From a decimal string like "2" or "0.792"."""
    if not isinstance(raw, str) or not DECIMAL.fullmatch(raw):
        raise ValueError("not a number")
    try:
        return Decimal(raw)
    except InvalidOperation:
        raise ValueError("not a number") from None
