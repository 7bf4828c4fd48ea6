"""Made-up records for a preview of the consent screen: they follow from the class statements, and are nobody's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from consent.asking import Preview
from consent.disclosing import Shown
from consent.disclosure import disclose, is_gift
from consent.terms import Terms, VaultData
from vault.kinds import Field
from vault.record import Record, classes_of
from vault.stored import Stored

HOW_MANY = 3  # records of each class, unless there is only ever one
VENDOR = 1  # the number of the vendor who asks
FIRST = date(1000, 1, 1)  # no record is of a day before that


def previews(whole: Terms, items: tuple[VaultData, ...], today: date, say: Callable[[str], str]) -> list[Preview]:
    """What a screen shows of made-up records. `say` translates the label of a field."""
    full = {item.number: item for item in whole.items}
    return [Preview(item, list(_shown(whole, full[item.number], today, say))) for item in items]


def _shown(whole: Terms, item: VaultData, today: date, say: Callable[[str], str]) -> Iterator[Shown]:
    for stored in _records(item, today, say):
        data = disclose(whole, item, stored, today)
        if data is not None:
            yield Shown(stored.number, item.number, data, is_gift(stored), undecided=False)


def _records(item: VaultData, today: date, say: Callable[[str], str]) -> Iterator[Stored]:
    for kind in classes_of(item.collection):
        for number in range(1 if kind.single else HOW_MANY):
            yield Stored(number + 1, 0, kind, _values(kind, item, number, today, say), {})


def _values(kind: type[Record], item: VaultData, number: int, today: date, say: Callable[[str], str]) -> dict[str, Any]:
    made = {field.name: _value(field, item, number, today, say) for field in kind.fields}
    if item.categories and "category" in made:
        made["category"] = item.categories[0]
    return made


def _value(field: Field, item: VaultData, number: int, today: date, say: Callable[[str], str]) -> Any:
    low, high = field.between or (1, 1)
    values: Mapping[str, Any] = {
        "when": _day(item, number, today).isoformat(),
        "money": {"amount": f"{12 + 5 * number}.50", "currency": "EUR"},
        "number": str(number + 1),
        "whole": min(high, low + number),
        "flag": True,
        "reference": VENDOR,
        "words": [f"{say(field.label)} {number + 1}"],
        "choice": list(field.choices)[number % len(field.choices)] if field.choices else "",
    }
    return values.get(field.kind, f"{say(field.label)} {number + 1}")


def _day(item: VaultData, number: int, today: date) -> date:
    """A day that lies in the item's window, if any does."""
    latest = today - timedelta(days=item.delay + 7 * number)
    if item.up_to:
        back = timedelta(days=number)
        latest = min(latest, max(date.fromisoformat(item.up_to), FIRST + back) - back)
    return max(latest, date.fromisoformat(item.since)) if item.since else latest
