"""What a vendor asks for, and what it was given: `authorization_details` (RFC 9396), to see and to leave things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from connectors.vendor_client.errors import NotUnderstood

SEE, LEAVE = "vault_data", "vault_deposit"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask for.

    `fields` come with the item or not at all; the owner ticks `optional_fields` one by one, and may leave out an
    `optional` item altogether. `purpose` is a term of the Data Privacy Vocabulary; `why`, `without` and
    `why_duration` are shown to her word by word, and are in `language` (BCP 47). Periods are ISO 8601 (`P90D`).
    `since`, `up_to`, `categories` and `delay` are for purchases, which are always those made of the vendor who asks.
    `looks` and `looks_per_day` are the same in every item of a request.
    """

    collection: str
    fields: tuple[str, ...]
    purpose: str
    why: str
    retention: str
    duration: str
    optional_fields: tuple[str, ...] = ()
    since: date | None = None
    without: str | None = None
    why_duration: str | None = None
    optional: bool = False
    up_to: date | None = None
    categories: tuple[str, ...] = ()
    delay: str | None = None
    looks: int | None = None
    looks_per_day: int | None = None
    language: str | None = None

    def detail(self) -> dict[str, Any]:
        """The JSON object that is sent; what is not said is left out."""
        detail: dict[str, Any] = {
            "type": SEE,
            "collection": self.collection,
            "fields": list(self.fields),
            "actions": ["read"],
            "purpose": self.purpose,
            "why": self.why,
            "retention": self.retention,
            "duration": self.duration,
            "optional": self.optional,
        }
        if self.optional_fields:
            detail["optional_fields"] = list(self.optional_fields)
        if self.collection == "purchases":
            detail["filter"] = _said(
                vendor="this",
                since=self.since and self.since.isoformat(),
                up_to=self.up_to and self.up_to.isoformat(),
                category=list(self.categories),
                delay=self.delay,
            )
        limits = {"looks": self.looks, "looks_per_day": self.looks_per_day}
        words = {"without": self.without, "why_duration": self.why_duration, "language": self.language}
        return detail | _said(**words, **limits)


@dataclass(frozen=True, slots=True)
class Deposit:
    """To be allowed to leave records of a collection in her inbox, with these fields, at most `per_day` a day.

    `per_day` is the same in every item of a request, and all that is left counts towards it.
    """

    collection: str
    fields: tuple[str, ...]
    purpose: str
    why: str
    duration: str
    per_day: int = 20
    without: str | None = None
    why_duration: str | None = None
    optional: bool = False
    language: str | None = None

    def detail(self) -> dict[str, Any]:
        """The JSON object that is sent; what is not said is left out."""
        return {
            "type": LEAVE,
            "collection": self.collection,
            "fields": list(self.fields),
            "actions": ["add"],
            "purpose": self.purpose,
            "why": self.why,
            "duration": self.duration,
            "per_day": self.per_day,
            "optional": self.optional,
        } | _said(without=self.without, why_duration=self.why_duration, language=self.language)


def _said(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


@dataclass(frozen=True, slots=True)
class Granted:
    """One thing that was given: which fields, and the last day of it (None if none was named).

    `leave` says that it is to leave such records, and not to see any.
    """

    collection: str
    fields: tuple[str, ...]
    purpose: str
    until: date | None
    leave: bool = False

    @staticmethod
    def all(details: Any) -> tuple[Granted, ...]:
        """Read a whole `authorization_details` as granted. A type we did not ask for is not ours to use: left out."""
        if not isinstance(details, list) or not all(isinstance(detail, dict) for detail in details):
            raise NotUnderstood("details", "The vault did not say what it shows us.")
        return tuple(_granted(detail) for detail in details if detail.get("type") in {SEE, LEAVE})


def _granted(detail: Mapping[str, Any]) -> Granted:
    collection, fields, purpose = detail.get("collection"), detail.get("fields"), detail.get("purpose", "")
    if not (isinstance(collection, str) and isinstance(purpose, str) and isinstance(fields, list)):
        raise NotUnderstood("details", "The vault did not say what it shows us.")
    names = tuple(str(name) for name in fields)
    return Granted(collection, names, purpose, a_day(detail.get("until")), detail["type"] == LEAVE)


def a_day(value: Any) -> date | None:
    """A calendar day (`2026-12-22`) or nothing; NotUnderstood for the rest."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        raise NotUnderstood("day", "The vault named a day that is none.") from None
