"""What a grant says: items to see, things that may be left, until when, how often. Small frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

import vault.collections  # noqa: F401 - states the record classes
from consent.purposes import DANGEROUS
from vault.record import Field, collection_paths

SOONER = (1, 7, 30, 90)  # days from now on which she can let it end instead
LINK = "link:"  # what the client_id of a grant without a client begins with: a share link, for whoever holds it


def by_link(client_id: str) -> bool:
    """Is there no client, only somebody who holds a share link? Then nobody can be told, and nobody can ask again."""
    return client_id.startswith(LINK)


@dataclass(frozen=True, slots=True)
class VaultData:
    """One item: to read fields of a collection, for a purpose, in the vendor's words why.

    `number` is its place in the request; `fields` are necessary, `optional_fields` hers to choose. In a grant `fields`
    are what she allowed and `optional_fields` is empty; `gifts` says that she added what is marked as a gift. Of
    purchases it shows those from `since` up to `up_to` (days, ISO 8601), of the `categories`, `delay` days after they
    were bought. `looks` and `looks_per_day` are how often the vendor asks to look, None for no limit. `numbers` are the
    records that she chose for a share link; without any it is about all of them, and no request can ask for some.
    `language` is that of the vendor's words (BCP 47), if it says one.
    """

    number: int
    collection: str
    fields: tuple[str, ...]
    purpose: str
    why: str
    duration: int
    optional_fields: tuple[str, ...] = ()
    since: str | None = None
    this_vendor: bool = False
    without: str | None = None
    retention: str | None = None
    why_duration: str | None = None
    optional: bool = False
    gifts: bool = False
    up_to: str | None = None
    categories: tuple[str, ...] = ()
    delay: int = 0
    looks: int | None = None
    looks_per_day: int | None = None
    numbers: tuple[int, ...] = ()
    language: str | None = None

    @property
    def known(self) -> dict[str, Field]:
        """The fields of its collection by path."""
        return collection_paths(self.collection)

    @property
    def records(self) -> int:
        """How many records she chose; 0 where it is about all of them."""
        return len(self.numbers)

    @property
    def daily(self) -> bool:
        """Does what it shows depend on the day?"""
        return bool(self.delay) or any(self.known[path].daily for path in self.fields if path in self.known)

    @property
    def sensitive(self) -> bool:
        """Would it let somebody reach her, see what she keeps to herself, or advertise with what they see?"""
        fields = (self.known[path] for path in self.fields if path in self.known)
        return self.gifts or self.purpose in DANGEROUS or any(each.sensitive for each in fields)

    def chosen(self, optional: Sequence[str], *, gifts: bool) -> VaultData:
        """As she allows it: necessary fields, the optional ones she ticked, gifts if she said so."""
        picked = tuple(path for path in self.optional_fields if path in optional)
        return replace(self, fields=self.fields + picked, optional_fields=(), gifts=gifts)

    def whole(self) -> VaultData:
        """Everything she could allow."""
        return self.chosen(self.optional_fields, gifts=True)

    def to_json(self) -> dict[str, Any]:
        """As RFC 9396 wants it back: what was granted."""
        shown: dict[str, Any] = {
            "type": "vault_data",
            "collection": self.collection,
            "fields": list(self.fields),
            "actions": ["read"],
            "purpose": self.purpose,
        }
        narrowing = {
            "vendor": "this" if self.this_vendor else None,
            "since": self.since,
            "up_to": self.up_to,
            "category": list(self.categories),
            "delay": f"P{self.delay}D" if self.delay else None,
            "records": self.records,
        }
        if kept := {name: value for name, value in narrowing.items() if value}:
            shown["filter"] = kept
        if self.retention:
            shown["retention"] = self.retention
        return shown


@dataclass(frozen=True, slots=True)
class VaultDeposit:
    """One thing the vendor may leave in her inbox: records of a collection with these fields, so many a day."""

    number: int
    collection: str
    fields: tuple[str, ...]
    purpose: str
    why: str
    duration: int
    per_day: int
    without: str | None = None
    why_duration: str | None = None
    optional: bool = False
    language: str | None = None

    @property
    def known(self) -> dict[str, Field]:
        """The fields of its collection by path."""
        return collection_paths(self.collection)

    def to_json(self) -> dict[str, Any]:
        """As RFC 9396 wants it back: what was granted."""
        return {
            "type": "vault_deposit",
            "collection": self.collection,
            "fields": list(self.fields),
            "actions": ["add"],
            "purpose": self.purpose,
            "per_day": self.per_day,
        }


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant says, sealed under its key. `vendor` is her vendor record's number; times are seconds since 1970.

    `looks` is how many looks it allows in all and `looks_per_day` how many on one day; None for no limit. `told` are
    the paths of items that she has taken away since: what a vendor has been told it knows.
    """

    client_id: str
    client_name: str
    vendor: int
    alias: str | None
    given_at: int
    until: int
    log_key: bytes
    items: tuple[VaultData, ...]
    deposits: tuple[VaultDeposit, ...] = ()
    looks: int | None = None
    looks_per_day: int | None = None
    told: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Terms of {len(self.items)} items>"

    @property
    def by_link(self) -> bool:
        """Is it for whoever holds its share link?"""
        return by_link(self.client_id)

    @property
    def empty(self) -> bool:
        """Does it give nothing any more?"""
        return not self.items and not self.deposits

    @property
    def once(self) -> bool:
        """Is it for a single look? Then what she adds later is not of it."""
        return self.looks == 1

    def of(self, collection: str) -> tuple[VaultData, ...]:
        """Its items on one collection."""
        return tuple(item for item in self.items if item.collection == collection)

    def without(self, number: int) -> Terms:
        """With one item removed."""
        taken = {path for item in self.items if item.number == number for path in item.fields}
        return replace(
            self,
            told=tuple(sorted({*self.told, *taken})),
            items=tuple(item for item in self.items if item.number != number),
            deposits=tuple(item for item in self.deposits if item.number != number),
        )

    def ending(self, until: int) -> Terms:
        """With an earlier end, in seconds since 1970; never a later one."""
        return replace(self, until=min(self.until, until))

    def granted(self) -> list[dict[str, Any]]:
        """`authorization_details` as granted (RFC 9396 §7), with the day it ends and how often it may look."""
        until = datetime.fromtimestamp(self.until, UTC).date().isoformat()
        limits = {"looks": self.looks, "looks_per_day": self.looks_per_day}
        limited = {name: limit for name, limit in limits.items() if limit is not None}
        return [
            *({**item.to_json(), "until": until, **limited} for item in self.items),
            *({**item.to_json(), "until": until} for item in self.deposits),
        ]

    def to_bytes(self) -> bytes:
        """JSON for its box."""
        names = ("client_id", "client_name", "vendor", "alias", "given_at", "until", "looks", "looks_per_day", "told")
        shown = {name: getattr(self, name) for name in names}
        items = [{name: getattr(item, name) for name in VaultData.__slots__} for item in self.items]
        deposits = [{name: getattr(item, name) for name in VaultDeposit.__slots__} for item in self.deposits]
        return orjson.dumps({**shown, "log_key": self.log_key.hex(), "items": items, "deposits": deposits})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Terms:
        """The other way."""
        content: Mapping[str, Any] = orjson.loads(raw)
        items = tuple(VaultData(**_tuples(item)) for item in content["items"])
        deposits = tuple(VaultDeposit(**_tuples(item)) for item in content.get("deposits", ()))
        log_key = bytes.fromhex(content["log_key"])
        return cls(**{**_tuples(content), "log_key": log_key, "items": items, "deposits": deposits})


def _tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def durations(asked: int) -> list[int]:
    """The days she can choose from, the shortest first; never more than what was asked."""
    return sorted({asked, *(min(days, asked) for days in (30, 90, 365))})
