"""Asking for less: what she would allow instead of what was asked, told to the vendor, and known again when it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from consent.details import BadDetails, Details, read_details
from consent.difference import changes
from consent.terms import VaultData, VaultDeposit, durations
from vault.days import DAY

AS_ASKED = ("optional_fields", "optional", "looks", "looks_per_day")  # told too, where a request has said them


def read_offer(details: Details, form: Mapping[str, Any], ticked: Iterable[str]) -> Details:
    """What she ticked of everything that was asked, necessary or not, and for how many days at most."""
    chosen = set(ticked)
    allowed = durations(details.every[0].duration)
    days = next((each for each in allowed if str(each) == form.get("days")), allowed[0])
    items = [_less(item, chosen, days) for item in details.items]
    deposits = [replace(item, duration=days) for item in details.deposits if f"item-{item.number}" in chosen]
    return Details(tuple(item for item in items if item.fields or item.optional_fields), tuple(deposits))


def _less(item: VaultData, chosen: set[str], days: int) -> VaultData:
    """Private fields stay hers to choose: no request may call them necessary."""
    asked = (*item.fields, *item.optional_fields)
    kept = [path for path in asked if f"field-{item.number}-{path}" in chosen]
    private = tuple(path for path in kept if item.known[path].private)
    return replace(
        item, fields=tuple(path for path in kept if path not in private), optional_fields=private, duration=days
    )


def said(offer: Details) -> bytes:
    """The offer as the vendor is told: what it could ask instead, `authorization_details` (RFC 9396) without `why`."""
    return orjson.dumps([_said(item) for item in offer.every])


def _said(item: VaultData | VaultDeposit) -> dict[str, Any]:
    also = {name: value for name in AS_ASKED if (value := getattr(item, name, None))}
    return {**item.to_json(), **also, "duration": f"P{item.duration}D"}


def within(details: Details, offer: bytes) -> bool:
    """Does a request ask for no more than what was `said`? Nothing of it may be new, or another, wider or longer."""
    try:
        offered = read_details(orjson.dumps([{**each, "why": "-"} for each in orjson.loads(offer)]).decode())
    except BadDetails:
        return False
    would_be = replace(offered.whole(), until=offered.every[0].duration * DAY)
    return all(each.kind == "removed" for each in changes(would_be, details, details.every[0].duration * DAY))
