"""What a vendor asks for, and what it was given: `authorization_details` of type `vault_data` (RFC 9396)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from connectors.vendor_client.errors import NotUnderstood

TYPE = "vault_data"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to ask for.

    `fields` come with the item or not at all; the owner ticks `optional_fields` one by one, and may leave out an
    `optional` item altogether. `purpose` is a term of the Data Privacy Vocabulary; `why`, `without` and
    `why_duration` are shown to her word by word. Periods are ISO 8601 (`P90D`). `since` is for purchases, which are
    always those made of the vendor who asks.
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

    def detail(self) -> dict[str, Any]:
        """The JSON object that is sent; what is not said is left out."""
        detail: dict[str, Any] = {
            "type": TYPE,
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
            detail["filter"] = {"vendor": "this"} | ({"since": self.since.isoformat()} if self.since else {})
        said = {"without": self.without, "why_duration": self.why_duration}
        return detail | {name: words for name, words in said.items() if words}


@dataclass(frozen=True, slots=True)
class Granted:
    """One thing that was given: which fields, and the last day on which it may be read (None if none was named)."""

    collection: str
    fields: tuple[str, ...]
    purpose: str
    until: date | None

    @staticmethod
    def all(details: Any) -> tuple[Granted, ...]:
        """Read a whole `authorization_details` as granted. A type we did not ask for is not ours to use: left out."""
        if not isinstance(details, list) or not all(isinstance(detail, dict) for detail in details):
            raise NotUnderstood("details", "The vault did not say what it shows us.")
        return tuple(_granted(detail) for detail in details if detail.get("type") == TYPE)


def _granted(detail: Mapping[str, Any]) -> Granted:
    collection, fields, purpose = detail.get("collection"), detail.get("fields"), detail.get("purpose", "")
    if not (isinstance(collection, str) and isinstance(purpose, str) and isinstance(fields, list)):
        raise NotUnderstood("details", "The vault did not say what it shows us.")
    return Granted(collection, tuple(str(name) for name in fields), purpose, a_day(detail.get("until")))


def a_day(value: Any) -> date | None:
    """A calendar day (`2026-12-22`) or nothing; NotUnderstood for the rest."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        raise NotUnderstood("day", "The vault named a day that is none.") from None
