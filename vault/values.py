"""Values a record can hold besides text: a moment with its precision, and money. Never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

WHEN = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?P<zone>Z|[+-]\d{2}:\d{2})?)?)?)?"
)
DECIMAL = re.compile(r"-?\d{1,15}(\.\d{1,6})?")
CURRENCY = re.compile(r"[A-Z]{3}")


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
        if not isinstance(raw, dict) or set(raw) != {"amount", "currency"}:
            raise ValueError("not an amount")
        amount, currency = raw["amount"], raw["currency"]
        if not isinstance(amount, str) or not isinstance(currency, str):
            raise ValueError("not an amount")  # noqa: TRY004 - one kind of refusal for every malformed value
        return cls(amount, currency)


def read_quantity(raw: Any) -> Decimal:
    """From a decimal string like "2" or "0.792"."""
    if not isinstance(raw, str) or not DECIMAL.fullmatch(raw):
        raise ValueError("not a number")
    try:
        return Decimal(raw)
    except InvalidOperation:
        raise ValueError("not a number") from None
