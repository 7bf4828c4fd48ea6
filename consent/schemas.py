"""JSON Schemas of what a vendor reads, leaves and asks, made from the classes that decide what is valid. Pure."""

from __future__ import annotations

import re
import typing
from typing import Any

import marshmallow
from marshmallow import fields, validate

from consent.details import DEPOSITABLE, PLAIN, TYPES, depositable
from consent.terms import VaultData, VaultDeposit
from vault.kinds import Field, schema_field
from vault.record import Record, classes_of
from vault.values import CURRENCY, DECIMAL, WHEN

Shape = dict[str, Any]


def matching(pattern: re.Pattern[str]) -> Shape:
    """A text that is this pattern from its beginning to its end."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


def thing(properties: dict[str, Shape], *, needs: typing.Iterable[str] | None = None, **more: Any) -> Shape:
    """An object with these members and no others; all of them are always there, unless `needs` says which."""
    required = list(properties if needs is None else needs)
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
        **more,
    }


def reference(name: str) -> Shape:
    """By its name, to a schema that stands elsewhere in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


_MONEY = thing({"amount": matching(DECIMAL), "currency": matching(CURRENCY)})
_KINDS: dict[str, Shape] = {"when": matching(WHEN), "number": matching(DECIMAL), "money": _MONEY}
_ANSWERS: dict[Any, Shape] = {bool: {"type": "boolean"}, str: {"type": "string"}}


def value(field: Field) -> Shape:
    """What a field's value looks like in JSON."""
    about: Shape = {"title": field.label, **({"description": field.help} if field.help else {})}
    if field.answers is not None:
        kinds = typing.get_args(typing.get_type_hints(field.answers)["return"])
        return {**next(_ANSWERS[kind] for kind in kinds if kind in _ANSWERS), **about}
    return {**(_KINDS.get(field.kind) or _checked(schema_field(field))), **about}


def readable(collection: str) -> dict[str, Shape]:
    """One record as a vendor reads it, by the name of its class: the fields granted, those without a value left out."""
    shapes = {
        cls.__name__: {path: value(field) for path, field in cls.paths().items()} for cls in classes_of(collection)
    }
    return {
        name: thing(members, needs=(), minProperties=1, title=_title(collection, name))
        for name, members in shapes.items()
        if members
    }


def _title(collection: str, name: str) -> str:
    return next(cls.title for cls in classes_of(collection) if cls.__name__ == name)


def left(collection: str) -> Shape:
    """One record as a vendor leaves it."""
    known = depositable(collection)
    members = {path: _plain(value(field)) for path, field in known.items()}
    members = {path: shape if known[path].required else _or_null(shape) for path, shape in members.items()}
    return thing(members, needs=[path for path, field in known.items() if field.required])


def _plain(shape: Shape) -> Shape:
    """Of a text that may hold anything: what it may not hold where it is left."""
    return {**matching(PLAIN), **shape} if shape.get("type") == "string" else shape


def asked(kind: str) -> Shape:
    """One item of `authorization_details` as a request holds it, by its type."""
    shape = _schema(TYPES[kind])
    shape["properties"]["type"] = {"const": kind}
    return shape


def granted(kind: str) -> Shape:
    """One item as it was granted: those members of a request that are said back, and until when."""
    common: dict[str, Any] = {"number": 0, "collection": "", "fields": (), "purpose": "", "why": "", "duration": 1}
    told: dict[str, Any]
    if kind == "vault_data":
        always = VaultData(**common).to_json()
        told = VaultData(**common, retention="P1D", this_vendor=True).to_json()
        more = ["looks", "looks_per_day"]
    else:
        always = told = VaultDeposit(**common, per_day=1).to_json()
        more = []
    known = asked(kind)["properties"]
    members = {name: known[name] for name in (*told, *more)}
    return thing({**members, "until": {"type": "string", "format": "date"}}, needs=[*always, "until"])


def components(collections: typing.Iterable[str]) -> dict[str, Shape]:
    """All of these by name."""
    made: dict[str, Shape] = {}
    for collection in collections:
        made.update(readable(collection))
    made.update({f"{_first(collection).__name__}Left": left(collection) for collection in DEPOSITABLE})
    made.update({kind: asked(kind) for kind in TYPES})
    made.update({f"{kind}_granted": granted(kind) for kind in TYPES})
    return made


def of_deposit(collection: str) -> Shape:
    """The reference to what may be left of a collection."""
    return reference(f"{_first(collection).__name__}Left")


def _first(collection: str) -> type[Record]:
    return classes_of(collection)[0]


def _or_null(shape: Shape) -> Shape:
    words = {"title", "description"}
    bare = {name: said for name, said in shape.items() if name not in words}
    return {**{name: shape[name] for name in shape if name in words}, "anyOf": [bare, {"type": "null"}]}


def _schema(schema: marshmallow.Schema) -> Shape:
    members = {field.data_key or name: _checked(field) for name, field in schema.fields.items()}
    needs = [field.data_key or name for name, field in schema.fields.items() if field.required]
    return thing(members, needs=needs)


def _checked(field: Any) -> Shape:
    """The JSON Schema of a marshmallow field."""
    shape: Shape
    match field:
        case fields.Nested():
            return _schema(field.schema)
        case fields.List():
            shape = {"type": "array", "items": _checked(field.inner)}
        case fields.Boolean():
            shape = {"type": "boolean"}
        case fields.Integer():
            shape = {"type": "integer"}
        case fields.Date():
            shape = {"type": "string", "format": "date"}
        case _:
            shape = {"type": "string"}
    for check in field.validators:
        shape |= _bounds(check, "Items" if "items" in shape else "Length")
    return shape


def _bounds(check: Any, of: str) -> Shape:
    """What a validator says, in the words of JSON Schema. One that is a function of ours says nothing here."""
    match check:
        case validate.Length():
            low, high = (check.equal, check.equal) if check.equal is not None else (check.min, check.max)
            return {name: bound for name, bound in ((f"min{of}", low), (f"max{of}", high)) if bound}
        case validate.Range():
            return {"minimum": check.min, "maximum": check.max}
        case validate.OneOf():
            return {"enum": list(check.choices)}
        case validate.Equal():
            return {"const": check.comparable}
        case validate.Regexp():
            return matching(re.compile(str(check.regex.pattern).removesuffix(r"\Z")))
    return {}
