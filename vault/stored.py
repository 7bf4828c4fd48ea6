"""What lies in a record's box: `{collection, part, version, source, edits, origin, at}`.

The record is the source overlaid by her edits. An import writes only the source, so what she changed by hand stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import orjson

import vault.collections  # noqa: F401 - states the record classes
from vault import crypto
from vault.record import CLASSES, Record


@dataclass(frozen=True)
class Stored:
    """A record with its number and history. `origin` says where it came from and what it still proposes.

    `at` is the second in which this version was written, 0 where nobody noted it.
    """

    number: int
    revision: int
    kind: type[Record]
    source: Mapping[str, Any]
    edits: Mapping[str, Any]
    origin: Mapping[str, Any] = field(default_factory=dict)
    at: int = 0

    @cached_property
    def record(self) -> Record:
        """Source and edits as one record."""
        together = {**self.source, **self.edits}
        return self.kind.load({name: value for name, value in together.items() if value is not None})

    def raw(self, name: str) -> Any:
        """One stored value without reading the whole record."""
        return self.edits[name] if name in self.edits else self.source.get(name)

    @property
    def named(self) -> list[int]:
        """The numbers of the records it names."""
        return [int(number) for name in self.kind.references if (number := self.raw(name))]

    @property
    def proposes(self) -> Mapping[str, Any]:
        """What an import suggests and she has not decided yet, such as a gift mark."""
        found = self.origin.get("proposes")
        return found if isinstance(found, dict) else {}

    def edited(self, edits: Mapping[str, Any]) -> Stored:
        """With her edits on top. What equals the source again is no edit."""
        merged = {**self.edits, **edits}
        kept = {name: value for name, value in merged.items() if value != self.source.get(name)}
        return replace(self, edits=kept)

    def decided(self) -> Stored:
        """With the proposals settled. That there were some stays known: the same is not proposed again."""
        return replace(self, origin={**self.origin, "proposes": {}}) if self.proposes else self


def about_record(owner: bytes, number: int, revision: int) -> bytes:
    """The identity of a record's box."""
    return crypto.identity("vrm/1/record", owner, number, revision)


def to_bytes(stored: Stored) -> bytes:
    """JSON, padded."""
    kind = stored.kind
    content: dict[str, Any] = {"collection": kind.collection, "version": kind.version}
    if kind.part:
        content["part"] = kind.part
    if stored.source:
        content["source"] = stored.source
    if stored.edits:
        content["edits"] = stored.edits
    if stored.origin:
        content["origin"] = stored.origin
    if stored.at:
        content["at"] = stored.at
    return crypto.pad(orjson.dumps(content))


def from_bytes(number: int, revision: int, raw: bytes) -> Stored:
    """Read a box's content, upgrading an older version of its class."""
    content = orjson.loads(raw)
    kind = CLASSES[content["collection"], content.get("part", "")]
    source, edits = content.get("source", {}), content.get("edits", {})
    if content["version"] != kind.version:
        source, edits = (kind.upgrade(each, content["version"]) if each else each for each in (source, edits))
    return Stored(number, revision, kind, source, edits, content.get("origin", {}), content.get("at", 0))
