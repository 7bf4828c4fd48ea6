"""Her decision: what the form says, and the terms that follow from it. Nothing in a form can add what was not asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from consent.details import Details
from consent.terms import Terms, VaultData, durations
from vault.days import DAY


@dataclass(frozen=True)
class Decision:
    """What she ticked: items by number, optional fields and gifts by item, for how many days, how often."""

    items: frozenset[int]
    fields: Mapping[int, frozenset[str]]
    gifts: frozenset[int]
    days: int
    often: str = "asked"


def read_decision(details: Details, form: Mapping[str, Any], ticked: Iterable[str]) -> Decision:
    """Her choices: only ticks, days and how often are read from the form."""
    chosen = set(ticked)
    allowed = durations(details.every[0].duration)
    days = [each for each in allowed if str(each) == form.get("days")] or allowed
    return Decision(
        items=frozenset(item.number for item in details.every if not item.optional or f"item-{item.number}" in chosen),
        fields={
            item.number: frozenset(path for path in item.optional_fields if f"field-{item.number}-{path}" in chosen)
            for item in details.items
        },
        gifts=frozenset(item.number for item in details.items if f"gifts-{item.number}" in chosen),
        days=days[0],
        often=form.get("often", "asked"),
    )


def decided(whole: Terms, details: Details, decision: Decision, *, now: int, log_key: bytes) -> Terms:
    """The terms as she decided, from now on (seconds since 1970). `whole` are those of allowing everything."""
    looks, per_day = limits(whole, decision.often)
    return replace(
        whole,
        given_at=now,
        until=now + decision.days * DAY,
        log_key=log_key,
        items=items_allowed(details, decision),
        deposits=tuple(item for item in details.deposits if item.number in decision.items),
        looks=looks,
        looks_per_day=per_day,
    )


def items_allowed(details: Details, decision: Decision) -> tuple[VaultData, ...]:
    """The items to see as she decided them."""
    return tuple(
        item.chosen(tuple(decision.fields[item.number]), gifts=item.number in decision.gifts)
        for item in details.items
        if item.number in decision.items
    )


def how_often(terms: Terms) -> list[str]:
    """What she can choose from: as asked, or less often than that."""
    less = {"daily": terms.looks_per_day != 1 and terms.looks != 1, "once": terms.looks != 1}
    return ["asked", *(each for each, possible in less.items() if possible)] if terms.items else []


def limits(asked: Terms, often: str) -> tuple[int | None, int | None]:
    """Looks in all, and on one day; None for no limit. Never more than was asked."""
    if often == "once":
        return 1, asked.looks_per_day
    if often == "daily":
        return asked.looks, 1
    return asked.looks, asked.looks_per_day
