"""Asking for less: what she would allow instead of what was asked, told to the vendor, and known again when it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from consent.details import Details
from consent.terms import VaultData, durations


def read_offer(details: Details, form: Mapping[str, Any], ticked: Iterable[str]) -> Details:
    """What she ticked of everything that was asked, necessary or not, and for how many days at most."""
    chosen = set(ticked)
    allowed = durations(details.every[0].duration)
    days = next((each for each in allowed if str(each) == form.get("days")), allowed[0])
    items = [_less(item, chosen, days) for item in details.items]
    deposits = [replace(item, duration=days) for item in details.deposits if f"item-{item.number}" in chosen]
    return Details(tuple(item for item in items if item.fields), tuple(deposits))


def _less(item: VaultData, chosen: set[str], days: int) -> VaultData:
    asked = (*item.fields, *item.optional_fields)
    kept = tuple(path for path in asked if f"field-{item.number}-{path}" in chosen)
    return replace(item, fields=kept, optional_fields=(), duration=days)


def said(offer: Details) -> bytes:
    """The offer as the vendor is told: what it could ask instead, as `authorization_details` (RFC 9396)."""
    return orjson.dumps([{**item.to_json(), "duration": f"P{item.duration}D"} for item in offer.every])


def within(details: Details, offer: list[dict[str, Any]]) -> bool:
    """Does a request ask for no more than was offered? Purposes and filters count too."""
    return all(any(_no_more(item.to_json(), each) for each in offer) for item in details.every) and all(
        item.duration <= int(offer[0]["duration"][1:-1]) for item in details.every
    )


def _no_more(asked: Mapping[str, Any], offered: Mapping[str, Any]) -> bool:
    same = ("type", "collection", "purpose", "filter")
    return all(asked.get(name) == offered.get(name) for name in same) and set(asked["fields"]) <= set(offered["fields"])
