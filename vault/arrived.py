"""One line of `vault.json` as it arrives, read strictly: what a vault could not have written is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from vault.days import DAY
from vault.errors import Invalid
from vault.export import FORMAT
from vault.record import CLASSES
from vault.stored import Stored, from_bytes
from vault.turn import MOST_NUMBERS
from vault.unpacking import NotAnArchive

VERSION = {"collection", "part", "version", "source", "edits", "origin", "at"}  # the members of a record's box
ENTRY = {*VERSION, "number", "mark", "history"}
REMOVED = {"number", "removed", "removed_day", "returns", "mark", "history"}
MARK, KEY = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[a-z_]{1,40}")
LATEST = 250_000_000_000  # the last second, and day below, that is taken: every page can still write them as a date
LATEST_DAY = LATEST // DAY
TEXT_MOST, ORIGIN_MOST = 2000, 100
READ_AT_ONCE = 4 << 20  # bytes of a line, or of one version in a longer one; no record has as many
NUMBERS_TAKEN = MOST_NUMBERS // 2  # the other half is left for what she writes from then on
WRONG = (KeyError, TypeError, ValueError, AttributeError, Invalid)


class Head(NamedTuple):
    """What stands before the records."""

    last_record: int
    marks_key: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with its mark and history, or what is left of one that was removed. `said` is the line itself."""

    number: int
    mark: bytes | None
    said: Mapping[str, Any]

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """Its earlier versions, the oldest first."""
        return list(self.said.get("history", []))

    @property
    def removed_day(self) -> int | None:
        """Since when it lies in the trash (days since 1970), if it does."""
        return self.said.get("removed_day")

    @property
    def returns(self) -> bool:
        """Was it put away with a whole import, so that an import may bring it back?"""
        return "returns" in self.said

    def stored(self, revision: int) -> Stored | None:
        """The record as it stands, for a revision of this vault; None if it was removed."""
        return None if "removed" in self.said else _stored(self.number, revision, self.said)

    def earlier(self, revision: int) -> Iterator[Stored]:
        """Its history, numbered on from a revision."""
        for at, each in enumerate(self.history):
            yield _stored(self.number, revision + at, each)


def read_head(line: bytes) -> Head:
    """From the first line. Raises NotAnArchive."""
    try:
        said = _read(line + b"]}")
        last, key, records = said["last_record"], said["marks_key"], said["records"]
    except WRONG:
        raise NotAnArchive from None
    if said.get("format") != FORMAT or records != [] or not _whole(last, 0) or not KEY.fullmatch(str(key)):
        raise NotAnArchive
    return Head(last, bytes.fromhex(key))


def read_entry(line: bytes) -> Entry:
    """From one line. Raises NotAnArchive."""
    try:
        said = _read(line) if len(line) <= READ_AT_ONCE else _often_changed(line)
        mark = said.get("mark")
        entry = Entry(said["number"], bytes.fromhex(mark) if mark is not None else None, said)
        _check(entry)
    except WRONG:
        raise NotAnArchive from None
    return entry


def _read(raw: bytes) -> Any:
    if len(raw) > READ_AT_ONCE:
        raise NotAnArchive
    return orjson.loads(raw)


def _often_changed(line: bytes) -> dict[str, Any]:
    """A long line as a vault writes it. Each version is checked before the next is read: what only looks like one may
    be many times larger in memory. In no text of hers can the words stand by which it is cut: its quotes are escaped.
    """
    head, _, history = line.removesuffix(b"}]}").partition(b',"history":[{"collection":')
    said = {**_read(head + b"}"), "history": []}
    for raw in history.split(b'},{"collection":'):
        version = _read(b'{"collection":' + raw + b"}")
        _check_version(said["number"], version)
        said["history"].append(version)
    return said


def _check(entry: Entry) -> None:
    said, removed = entry.said, "removed" in entry.said
    if not said.keys() <= (REMOVED if removed else ENTRY) or not _whole(entry.number, 1):
        raise NotAnArchive
    if ("mark" in said and not MARK.fullmatch(said["mark"])) or (removed and said["removed"] is not True):
        raise NotAnArchive
    if "removed_day" in said and not (_whole(said["removed_day"], 0, LATEST_DAY) and "history" in said):
        raise NotAnArchive
    if "returns" in said and (said["returns"] is not True or "mark" not in said):
        raise NotAnArchive
    if "history" in said and (type(said["history"]) is not list or not said["history"]):
        raise NotAnArchive
    if not removed:
        _readable(entry.stored(1))
    for raw in entry.history:
        _check_version(entry.number, raw)


def _check_version(number: int, raw: Mapping[str, Any]) -> None:
    if not raw.keys() <= VERSION:
        raise NotAnArchive
    _readable(_stored(number, 1, raw))


def _readable(stored: Stored | None) -> None:
    """Its values pass the same strict reader as what is typed in; what it proposes passes it too."""
    assert stored is not None  # noqa: S101 - the caller has looked
    stored.kind.check({name: value for name, value in {**stored.source, **stored.edits}.items() if value is not None})
    for part in (stored.source, stored.edits):
        if type(part) is not dict or not part.keys() <= stored.kind.readers.keys():
            raise NotAnArchive
    if stored.proposes:
        stored.kind.check({**stored.record.dump(), **stored.proposes})
    if len(stored.origin) > ORIGIN_MOST:
        raise NotAnArchive
    for name, value in stored.origin.items():
        if not NAME.fullmatch(name) or (name != "proposes" and not _short(value)):
            raise NotAnArchive


def _stored(number: int, revision: int, said: Mapping[str, Any]) -> Stored:
    content = {name: said[name] for name in VERSION & said.keys()}
    kind = CLASSES[content["collection"], content.get("part", "")]
    if not _whole(content["version"], 1, kind.version) or not _whole(content.get("at", 0), 0, LATEST):
        raise NotAnArchive
    return from_bytes(number, revision, orjson.dumps(content))


def _short(value: Any) -> bool:
    return type(value) in (int, bool) or (type(value) is str and len(value) <= TEXT_MOST)


def _whole(value: Any, least: int, most: int = NUMBERS_TAKEN) -> bool:
    return type(value) is int and least <= value <= most
