"""Reading `authorization_details` (RFC 9396), strictly: an unknown member or value refuses the whole request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

import orjson
from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from consent.purposes import DANGEROUS, PURPOSES
from consent.terms import Terms, VaultData, VaultDeposit
from vault.errors import VaultError
from vault.record import CLASSES, Field, collection_paths

MOST_ITEMS, MOST_ALIKE, MOST_FIELDS, LONGEST = 12, 6, 40, 365  # items, of one collection, fields in one, days
MOST_LOOKS, MOST_DEPOSITS, USUAL_DEPOSITS = 1000, 200, 20  # in all or a day; deposits a day, and when it says nothing
DEPOSITABLE = ("purchases", "notes")
DURATION = re.compile(r"P(?:(\d{1,3})D|(\d{1,2})M|(1)Y)", re.ASCII)
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[0-9A-Za-z]{2,8}){0,3}", re.ASCII)  # BCP 47, as much of it as pages need
UNSEEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
# Without controls, and what turns the order of letters round: a price that stands after such a text is read backwards.
PLAIN = re.compile(r"[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*")


class BadDetails(VaultError):
    """`authorization_details` that cannot be granted: unknown type or member, wrong value (RFC 9396 §5)."""

    code, status = "invalid_authorization_details", 400
    sentence = "The request asks for something this vault does not offer."


class Details(NamedTuple):
    """What a request asks: to see, and to leave. Numbers run through both, in the order of the request."""

    items: tuple[VaultData, ...]
    deposits: tuple[VaultDeposit, ...]

    @property
    def every(self) -> tuple[VaultData | VaultDeposit, ...]:
        """Both sorts."""
        return (*self.items, *self.deposits)

    def whole(self) -> Terms:
        """The terms of allowing everything, to nobody yet and for no time."""
        first = self.items[0] if self.items else None
        return Terms(
            client_id="",
            client_name="",
            vendor=0,
            alias=None,
            given_at=0,
            until=0,
            log_key=b"",
            items=tuple(item.whole() for item in self.items),
            deposits=self.deposits,
            looks=first.looks if first else None,
            looks_per_day=first.looks_per_day if first else None,
        )


class _Filter(Schema):
    vendor = fields.String(validate=validate.Equal("this"))
    since = fields.Date(format="iso")
    up_to = fields.Date(format="iso")
    category = fields.List(
        fields.String(validate=[validate.Length(1, 80), lambda text: _plain_words(text)]),
        validate=validate.Length(1, 10),
    )
    delay = fields.String()


def _plain_words(text: str) -> None:
    if UNSEEN.search(text):
        raise ValidationError("contains characters that cannot be seen")


def _words(limit: int = 300, **options: Any) -> fields.String:
    return fields.String(validate=[validate.Length(min=1, max=limit), _plain_words], **options)


def _count(most: int) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(1, most))


class _Asked(Schema):
    """What both types have in common."""

    type = fields.String(required=True)
    fields_ = fields.List(fields.String(), data_key="fields", required=True, validate=validate.Length(1, MOST_FIELDS))
    purpose = fields.String(required=True, validate=validate.OneOf(list(PURPOSES)))
    why = _words(required=True)
    without = _words()
    duration = fields.String(required=True)
    why_duration = _words()
    language = fields.String(validate=validate.Regexp(LANGUAGE.pattern + r"\Z"))
    optional = fields.Boolean(truthy={True}, falsy={False})
    locations = fields.List(fields.String(), validate=validate.Length(0, 1))


class _Data(_Asked):
    collection = fields.String(required=True, validate=validate.OneOf(sorted({name for name, _ in CLASSES})))
    optional_fields = fields.List(fields.String(), validate=validate.Length(0, MOST_FIELDS))
    filter = fields.Nested(_Filter(unknown=RAISE))
    actions = fields.List(fields.String(validate=validate.Equal("read")), validate=validate.Length(equal=1))
    retention = fields.String(validate=validate.Regexp(DURATION.pattern + r"\Z"))
    looks = _count(MOST_LOOKS)
    looks_per_day = _count(MOST_LOOKS)

    @post_load
    def _made(self, data: dict[str, Any], **_options: Any) -> VaultData:
        known = collection_paths(data["collection"])
        necessary, optional = tuple(data["fields_"]), tuple(data.get("optional_fields", ()))
        _each_once(necessary + optional, known)
        if any(known[path].private for path in necessary):
            raise ValidationError({"fields": ["private fields may only be asked for as optional_fields"]})
        return VaultData(
            **_common(data),
            fields=necessary,
            optional_fields=optional,
            retention=data.get("retention"),
            looks=data.get("looks"),
            looks_per_day=data.get("looks_per_day"),
            **_narrowing(data["collection"], data.get("filter", {})),
        )


class _Deposit(_Asked):
    collection = fields.String(required=True, validate=validate.OneOf(DEPOSITABLE))
    actions = fields.List(fields.String(validate=validate.Equal("add")), validate=validate.Length(equal=1))
    per_day = _count(MOST_DEPOSITS)

    @post_load
    def _made(self, data: dict[str, Any], **_options: Any) -> VaultDeposit:
        known = depositable(data["collection"])
        _each_once(tuple(data["fields_"]), known)
        if not {path for path, field in known.items() if field.required} <= set(data["fields_"]):
            raise ValidationError({"fields": ["what a record of this collection cannot be without is missing"]})
        return VaultDeposit(**_common(data), fields=tuple(data["fields_"]), per_day=data.get("per_day", USUAL_DEPOSITS))


TYPES: dict[Any, Schema] = {"vault_data": _Data(unknown=RAISE), "vault_deposit": _Deposit(unknown=RAISE)}


def depositable(collection: str) -> dict[str, Field]:
    """The fields that may be left, by path: neither private ones nor answers."""
    known = collection_paths(collection).items()
    return {path: field for path, field in known if not field.private and not field.answers}


def _each_once(paths: tuple[str, ...], known: Mapping[str, Field]) -> None:
    if len(set(paths)) < len(paths) or any(path not in known for path in paths):
        raise ValidationError({"fields": ["unknown, or named twice"]})


def _common(data: Mapping[str, Any]) -> dict[str, Any]:
    if data["purpose"] in DANGEROUS and not data.get("optional"):
        raise ValidationError({"purpose": ["may only stand in an optional item"]})
    named = ("collection", "purpose", "why", "without", "why_duration", "language")
    return {
        "number": 0,
        "duration": read_duration(data["duration"]),
        "optional": data.get("optional", False),
        **{name: data.get(name) for name in named},
    }


def _narrowing(collection: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Which records of a collection: purchases alone can be narrowed."""
    if said and collection != "purchases":
        raise ValidationError({"filter": ["only for purchases"]})
    since, up_to = said.get("since"), said.get("up_to")
    if since and up_to and up_to < since:
        raise ValidationError({"filter": ["up_to is before since"]})
    return {
        "this_vendor": said.get("vendor") == "this",
        "since": since.isoformat() if since else None,
        "up_to": up_to.isoformat() if up_to else None,
        "categories": tuple(said.get("category", ())),
        "delay": read_duration(said["delay"]) if "delay" in said else 0,
    }


def read_duration(text: str) -> int:
    """Days of an ISO 8601 duration in days, months (30 days) or one year. Raises ValidationError."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValidationError({"duration": ["P1D to P1Y"]})
    days = int(match[1] or 0) + 30 * int(match[2] or 0) + 365 * int(match[3] or 0)
    if not 1 <= days <= LONGEST:
        raise ValidationError({"duration": ["P1D to P1Y"]})
    return days


def read_details(raw: str | None) -> Details:
    """What a request's `authorization_details` ask. Raises BadDetails; its detail names members, never values."""
    try:
        asked = orjson.loads(raw or "")
    except orjson.JSONDecodeError:
        raise BadDetails(detail="not JSON") from None
    if not isinstance(asked, list) or not 1 <= len(asked) <= MOST_ITEMS:
        raise BadDetails(detail=f"an array of 1 to {MOST_ITEMS} items")
    if _repeats_a_name(raw or ""):
        raise BadDetails(detail="a member is named twice")
    items = [replace(_read(each), number=number) for number, each in enumerate(asked)]
    read = Details(
        tuple(item for item in items if isinstance(item, VaultData)),
        tuple(item for item in items if isinstance(item, VaultDeposit)),
    )
    if len({item.duration for item in items}) > 1:
        raise BadDetails(detail="duration: one for the whole request")
    if len({(item.looks, item.looks_per_day) for item in read.items}) > 1:
        raise BadDetails(detail="looks, looks_per_day: the same in every item")
    if len({item.per_day for item in read.deposits}) > 1:
        raise BadDetails(detail="per_day: the same in every vault_deposit")
    _not_too_many(read)
    return read


def _read(asked: Any) -> VaultData | VaultDeposit:
    kind = asked.get("type") if isinstance(asked, dict) else None
    schema = TYPES.get(kind) if isinstance(kind, str) else None
    if schema is None:
        raise BadDetails(detail=f"type: {' or '.join(TYPES)}")
    try:
        return cast(VaultData | VaultDeposit, schema.load(asked))
    except ValidationError as error:
        named = error.messages if isinstance(error.messages, dict) else {}
        raise BadDetails(detail=", ".join(sorted(map(str, named)))) from None


def _not_too_many(read: Details) -> None:
    seen, left = [item.collection for item in read.items], [item.collection for item in read.deposits]
    if any(seen.count(each) > MOST_ALIKE for each in seen):
        raise BadDetails(detail=f"at most {MOST_ALIKE} items of one collection")
    if len(set(left)) < len(left):
        raise BadDetails(detail="at most one vault_deposit for a collection")


def _repeats_a_name(raw: str) -> bool:
    """JSON parsers differ on repeated names (RFC 8259 §4), so they are refused."""
    repeated = False

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        repeated = repeated or len({name for name, _ in members}) < len(members)
        return dict(members)

    try:
        json.loads(raw, object_pairs_hook=pairs)
    except RecursionError:  # this parser goes less deep than the one before
        raise BadDetails(detail="nested too deeply") from None
    return repeated
