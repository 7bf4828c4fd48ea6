"""An OpenAPI document as rows for a page: calls with their parameters and answers, and schemas with their members."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from consent.schemas import Shape


class Member(NamedTuple):
    """One member of an object: its name, what it looks like, the schemas that are named in it, and a note."""

    name: str
    looks: str
    names: tuple[str, ...]
    needed: bool
    note: str


class Answer(NamedTuple):
    """One answer to a call."""

    status: str
    words: str
    media: str
    names: tuple[str, ...]
    members: tuple[Member, ...]
    headers: tuple[str, ...]
    codes: tuple[str, ...]


class Operation(NamedTuple):
    """One call: where, what for, what goes in and what comes back."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    tag: str
    secured: bool
    parameters: tuple[Member, ...]
    body: str
    names: tuple[str, ...]
    answers: tuple[Answer, ...]


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Every call of the document, in its order."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            body = said.get("requestBody", {}).get("content", {})
            yield Operation(
                anchor=anchor(method, path),
                method=method.upper(),
                path=path,
                summary=said["summary"],
                description=said.get("description", ""),
                tag=said["tags"][0],
                secured=bool(said["security"]),
                parameters=tuple(_parameter(each) for each in said.get("parameters", ())),
                body=", ".join(body),
                names=next((names(each["schema"]) for each in body.values()), ()),
                answers=tuple(_answer(status, each) for status, each in said["responses"].items()),
            )


def anchor(method: str, path: str) -> str:
    """The id of a call on the page: `get-vendor-v1-grant`."""
    return "-".join([method, *re.findall(r"[A-Za-z0-9]+", path)])


def members(shape: Shape) -> tuple[Member, ...]:
    """The members of an object, or of each of the objects it may be."""
    found = [each for alternative in (shape, *shape.get("anyOf", ())) for each in _own(alternative)]
    return tuple(found)


def _own(shape: Shape) -> Iterator[Member]:
    needed = shape.get("required", ())
    for name, each in shape.get("properties", {}).items():
        note = ". ".join(filter(None, (each.get("title", ""), each.get("description", ""))))
        yield Member(name, looks(each), names(each), name in needed, note)


def _parameter(said: Shape) -> Member:
    shape = said["schema"]
    required = said.get("required", False)
    return Member(f"{said['name']} ({said['in']})", looks(shape), names(shape), required, said.get("description", ""))


def _answer(status: str, said: Shape) -> Answer:
    content = said.get("content", {})
    shape: Shape = next((each.get("schema", {}) for each in content.values()), {})
    narrowed = [each for each in shape.get("allOf", ()) if "properties" in each]
    codes = tuple(narrowed[0]["properties"]["code"]["enum"]) if narrowed else ()
    own = () if "$ref" in shape or narrowed else members(shape)
    headers = tuple(said.get("headers", ()))
    return Answer(status, said["description"], ", ".join(content), names(shape), own, headers, codes)


def looks(shape: Shape) -> str:
    """A schema in one line."""
    if "$ref" in shape:
        return _name(shape)
    if "const" in shape:
        return json.dumps(shape["const"], ensure_ascii=False)
    if "enum" in shape:
        return " | ".join(map(str, shape["enum"]))
    if "anyOf" in shape:
        return " | ".join(looks(each) for each in shape["anyOf"])
    if "items" in shape:
        return f"array of {looks(shape['items'])}{_between(shape, 'Items')}"
    if "properties" in shape:
        return "{" + ", ".join(f"{name}: {looks(each)}" for name, each in shape["properties"].items()) + "}"
    form = shape.get("format") or shape.get("pattern", "")
    return " ".join(filter(None, (str(shape.get("type", "string")), form))) + _between(shape, "Length")


def _between(shape: Shape, of: str) -> str:
    low, high = (shape.get(f"min{of}", shape.get("minimum")), shape.get(f"max{of}", shape.get("maximum")))
    return f", {low if low is not None else 0} to {high}" if high is not None else ""


def names(shape: Any) -> tuple[str, ...]:
    """The schemas that this one names, wherever in it, each once."""
    if isinstance(shape, dict):
        found = [_name(shape)] if "$ref" in shape else [each for part in shape.values() for each in names(part)]
    else:
        found = [each for part in shape for each in names(part)] if isinstance(shape, list) else []
    return tuple(dict.fromkeys(found))


def _name(shape: Shape) -> str:
    return str(shape["$ref"]).rpartition("/")[2]
