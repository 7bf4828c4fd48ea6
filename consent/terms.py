"""What a vendor asks for and what a grant says: `authorization_details` (RFC 9396) as small frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

import vault.collections  # noqa: F401 - states the record classes
from consent.purposes import PURPOSES
from vault.errors import VaultError
from vault.record import CLASSES, Field, collection_paths

MOST_ITEMS, MOST_ALIKE, MOST_FIELDS, LONGEST = 12, 6, 40, 365  # items, of one collection, fields in one, days
DURATION = re.compile(r"P(?:(\d{1,3})D|(\d{1,2})M|(1)Y)")
UNSEEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


class BadDetails(VaultError):
    """`authorization_details` that cannot be granted: unknown type or member, wrong value (RFC 9396 §5)."""

    code, status = "invalid_authorization_details", 400
    sentence = "The request asks for something this vault does not offer."


@dataclass(frozen=True, slots=True)
class VaultData:
    """One item: to read fields of a collection, for a purpose, in the vendor's words why.

    `number` is its place in the request; `fields` are necessary, `optional_fields` hers to choose. In a grant `fields`
    are what she allowed and `optional_fields` is empty; `gifts` says that she added what is marked as a gift.
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

    @property
    def known(self) -> dict[str, Field]:
        """The fields of its collection by path."""
        return collection_paths(self.collection)

    @property
    def daily(self) -> bool:
        """Does an answer in it depend on the day?"""
        return any(self.known[path].daily for path in self.fields if path in self.known)

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
        narrowing = {"vendor": "this" if self.this_vendor else None, "since": self.since}
        if kept := {name: value for name, value in narrowing.items() if value}:
            shown["filter"] = kept
        if self.retention:
            shown["retention"] = self.retention
        return shown


class _Filter(Schema):
    vendor = fields.String(validate=validate.Equal("this"))
    since = fields.Date(format="iso")


def _plain_words(text: str) -> None:
    if UNSEEN.search(text):
        raise ValidationError("contains characters that cannot be seen")


def _words(limit: int = 300, **options: Any) -> fields.String:
    return fields.String(validate=[validate.Length(min=1, max=limit), _plain_words], **options)


class _Details(Schema):
    """Strict: an unknown member or value refuses the request; nothing is ignored into something weaker."""

    type = fields.String(required=True, validate=validate.Equal("vault_data"))
    collection = fields.String(required=True)
    fields_ = fields.List(fields.String(), data_key="fields", required=True, validate=validate.Length(1, MOST_FIELDS))
    optional_fields = fields.List(fields.String(), validate=validate.Length(0, MOST_FIELDS))
    filter = fields.Nested(_Filter(unknown=RAISE))
    actions = fields.List(fields.String(validate=validate.Equal("read")), validate=validate.Length(equal=1))
    purpose = fields.String(required=True, validate=validate.OneOf(list(PURPOSES)))
    why = _words(required=True)
    without = _words()
    duration = fields.String(required=True)
    why_duration = _words()
    retention = fields.String(validate=validate.Regexp(DURATION.pattern + "$"))
    optional = fields.Boolean(truthy={True}, falsy={False})
    locations = fields.List(fields.String(), validate=validate.Length(0, 1))

    @post_load
    def _made(self, data: dict[str, Any], **_options: Any) -> VaultData:
        return _checked(data)


def _checked(data: dict[str, Any]) -> VaultData:
    known = collection_paths(data["collection"]) if data["collection"] in {name for name, _ in CLASSES} else {}
    if not known:
        raise ValidationError({"collection": ["unknown"]})
    necessary, optional = tuple(data["fields_"]), tuple(data.get("optional_fields", ()))
    together = necessary + optional
    if len(set(together)) < len(together) or any(path not in known for path in together):
        raise ValidationError({"fields": ["unknown, or named twice"]})
    if any(known[path].private for path in necessary):
        raise ValidationError({"fields": ["private fields may only be asked for as optional_fields"]})
    narrowing = data.get("filter", {})
    if narrowing and data["collection"] != "purchases":
        raise ValidationError({"filter": ["only for purchases"]})
    since = narrowing.get("since")
    return VaultData(
        number=0,
        collection=data["collection"],
        fields=necessary,
        optional_fields=optional,
        purpose=data["purpose"],
        why=data["why"],
        without=data.get("without"),
        duration=read_duration(data["duration"]),
        why_duration=data.get("why_duration"),
        retention=data.get("retention"),
        optional=data.get("optional", False),
        since=since.isoformat() if since else None,
        this_vendor=narrowing.get("vendor") == "this",
    )


def read_duration(text: str) -> int:
    """Days of an ISO 8601 duration in days, months (30 days) or one year. Raises ValidationError."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValidationError({"duration": ["P1D to P1Y"]})
    days = int(match[1] or 0) + 30 * int(match[2] or 0) + 365 * int(match[3] or 0)
    if not 1 <= days <= LONGEST:
        raise ValidationError({"duration": ["P1D to P1Y"]})
    return days


def read_details(raw: str | None) -> tuple[VaultData, ...]:
    """The items of a request's `authorization_details`. Raises BadDetails; its detail names members, never values."""
    try:
        asked = orjson.loads(raw or "")
    except orjson.JSONDecodeError:
        raise BadDetails(detail="not JSON") from None
    if not isinstance(asked, list) or not 1 <= len(asked) <= MOST_ITEMS:
        raise BadDetails(detail=f"an array of 1 to {MOST_ITEMS} items")
    if _repeats_a_name(raw or ""):
        raise BadDetails(detail="a member is named twice")
    try:
        items = [cast(VaultData, _Details(unknown=RAISE).load(each)) for each in asked]
    except ValidationError as error:
        named = error.messages if isinstance(error.messages, dict) else {}
        raise BadDetails(detail=", ".join(sorted(map(str, named)))) from None
    if len({item.duration for item in items}) > 1:
        raise BadDetails(detail="duration: one for the whole request")
    collections = [item.collection for item in items]
    if any(collections.count(each) > MOST_ALIKE for each in collections):
        raise BadDetails(detail=f"at most {MOST_ALIKE} items of one collection")
    return tuple(replace(item, number=number) for number, item in enumerate(items))


def _repeats_a_name(raw: str) -> bool:
    """JSON parsers differ on repeated names (RFC 8259 §4), so they are refused."""
    import json

    repeated = False

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        repeated = repeated or len({name for name, _ in members}) < len(members)
        return dict(members)

    json.loads(raw, object_pairs_hook=pairs)
    return repeated


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant says, sealed under its key. `vendor` is her vendor record's number; times are seconds since 1970."""

    client_id: str
    client_name: str
    vendor: int
    alias: str | None
    given_at: int
    until: int
    log_key: bytes
    items: tuple[VaultData, ...]

    def __repr__(self) -> str:
        return f"<Terms of {len(self.items)} items>"

    def of(self, collection: str) -> tuple[VaultData, ...]:
        """Its items on one collection."""
        return tuple(item for item in self.items if item.collection == collection)

    def without(self, number: int) -> Terms:
        """With one item removed."""
        return replace(self, items=tuple(item for item in self.items if item.number != number))

    def ending(self, until: int) -> Terms:
        """With an earlier end, in seconds since 1970; never a later one."""
        return replace(self, until=min(self.until, until))

    def granted(self) -> list[dict[str, Any]]:
        """`authorization_details` as granted (RFC 9396 §7), with the day it ends."""
        until = datetime.fromtimestamp(self.until, UTC).date().isoformat()
        return [{**item.to_json(), "until": until} for item in self.items]

    def to_bytes(self) -> bytes:
        """JSON for its box."""
        names = ("client_id", "client_name", "vendor", "alias", "given_at", "until")
        shown = {name: getattr(self, name) for name in names}
        items = [{name: getattr(item, name) for name in VaultData.__slots__} for item in self.items]
        return orjson.dumps({**shown, "log_key": self.log_key.hex(), "items": items})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Terms:
        """The other way."""
        content: Mapping[str, Any] = orjson.loads(raw)
        items = tuple(_item(item) for item in content["items"])
        return cls(**{**content, "log_key": bytes.fromhex(content["log_key"]), "items": items})


def _item(stored: Mapping[str, Any]) -> VaultData:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return VaultData(**values)


DAY = 86400  # seconds
SOONER = (1, 7, 30, 90)  # days from now on which she can let it end instead


def durations(asked: int) -> list[int]:
    """The days she can choose from, the shortest first; never more than what was asked."""
    return sorted({days for days in (30, 90, 365) if days < asked} | {asked})
