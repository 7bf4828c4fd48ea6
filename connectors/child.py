"""The child process in which one file is read, and the words it has. It holds no secret and can reach nothing.

In: one line with the name the file was offered under, then the bytes of the file. Out: JSON, one object per line:
`recognised` or `refused_file` first; then `found`, `refused`, `left_out`, `progress` (bytes read); at last `end`.
Exit code 0, or 3 for anything else; nothing is ever written to standard error, because a traceback quotes the file.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from connectors.connector import (
    HEAD_BYTES,
    TOO_LONG,
    Connector,
    Found,
    Head,
    LeftOut,
    Match,
    Outcome,
    Refused,
    VendorHint,
)
from connectors.sources import sources
from vault.errors import N_

MEMORY = 1024**3
SAID_MOST = 256 * 1024  # bytes of one line on the way out
FLUSH = 64 * 1024
PROGRESS = 256 * 1024  # bytes of the file between two reports
UNKNOWN = N_("Nothing here knows how to read this file.")


class Untrusted(Exception):
    """The child said what no child of ours says."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """First event of a file that is read: which source, what it is in words, the collection, the source's version."""

    source: str
    title: str
    reads: str
    version: int


@dataclass(frozen=True, slots=True)
class FileRefused:
    """Last event. The sentence is for the owner. `known` is False only when nothing recognised the file."""

    sentence: str
    known: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes of the file that were read so far."""

    bytes_read: int


@dataclass(frozen=True, slots=True)
class End:
    """Last event: the whole file was read. `units` is the number of found, refused and left out units."""

    units: int
    bytes_read: int


Event = Recognised | FileRefused | Outcome | Progress | End


def main() -> None:
    """Import everything first, then give everything up, then read the first byte. `argv[1]`: CPU seconds."""
    try:
        known = sources()
        give_up(int(sys.argv[1]))
        out = Out()
        speak(known, Input(), out)
        out.flush()
    except BaseException:  # noqa: BLE001 - also MemoryError and RecursionError: whatever it was, silence and a code
        os._exit(3)
    os._exit(0)


def give_up(seconds: int) -> None:
    """Lower every limit to what reading needs. No file, socket or pipe can be opened from here on."""
    os.environ.clear()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,  # has no force over root
        resource.RLIMIT_NOFILE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


class Input:
    """Standard input as a `Readable`; `done` counts the bytes of the file that were handed on."""

    def __init__(self) -> None:
        self._ahead = b""
        self.done = 0

    def head(self) -> Head:
        """The name and the first bytes, which stay to be read."""
        while len(self._ahead) < HEAD_BYTES + 1024 and (chunk := os.read(0, HEAD_BYTES)):
            self._ahead += chunk
        name, _, self._ahead = self._ahead.partition(b"\n")
        return Head(self._ahead[:HEAD_BYTES], name.decode(errors="replace"))

    def read(self, size: int, /) -> bytes:
        chunk, self._ahead = self._ahead[:size], self._ahead[size:]
        chunk = chunk or os.read(0, size)
        self.done += len(chunk)
        return chunk


class Out:
    """Standard output, in lines, written in larger pieces."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size = 0

    def say(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size > FLUSH:
            self.flush()

    def flush(self) -> None:
        data = memoryview(b"".join(self._lines))
        while data:
            data = data[os.write(1, data) :]
        self._lines.clear()
        self._size = 0


def speak(known: tuple[Connector, ...], source: Input, out: Out) -> None:
    """The whole conversation about one file."""
    connector, match = best(known, source.head())
    if match is None or match.refuses:
        out.say(line("refused_file", [match.refuses if match else UNKNOWN, match is not None]))
        return
    about = connector.ABOUT
    out.say(line("recognised", [about.name, match.title, about.reads, about.version]))
    units, told = 0, 0
    for outcome in connector.read(source):
        out.say(line_of(outcome))
        units += outcome.units if isinstance(outcome, Found) else 1
        if source.done - told >= PROGRESS:
            told = source.done
            out.say(line("progress", told))
    out.say(line("end", [units, source.done]))


def best(known: tuple[Connector, ...], head: Head) -> tuple[Connector, Match | None]:
    """The connector with the highest score; of equals the first by file name."""
    matches = [(connector, connector.sniff(head)) for connector in known]
    return max(matches, key=lambda pair: pair[1].score if pair[1] else 0)


def line(word: str, body: object) -> bytes:
    return orjson.dumps({word: body}, option=orjson.OPT_APPEND_NEWLINE)


def line_of(it: Outcome) -> bytes:
    """One outcome as a line. What is too long, or is no text, is refused in its place."""
    if not isinstance(it, Found):
        return line("refused" if isinstance(it, Refused) else "left_out", [it.reason, it.place])
    vendor = [it.vendor.name, it.vendor.domain] if it.vendor else None
    try:
        said = line("found", [it.collection, it.part, it.natural, it.data, it.place, vendor, it.proposes, it.units])
    except orjson.JSONEncodeError:
        said = b""
    if 0 < len(said) <= SAID_MOST:
        return said
    if not it.units:
        raise ValueError("a record that counts no unit cannot be said")
    return line("refused", [TOO_LONG, it.place])


ONLY_TEXT = {str}
NATURAL_MOST, NATURAL_PARTS = 4096, 16  # characters of a natural key together, and its parts
FOUND = [[str, str, list, dict, str, vendor, dict, int] for vendor in (list, type(None))]


def _wrong() -> NoReturn:
    raise Untrusted


def _text(value: Any, most: int) -> str:
    return value if type(value) is str and len(value) <= most else _wrong()


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**53 else _wrong()


def _found(body: list[Any]) -> Found:
    collection, part, natural, data, place, vendor, proposes, units = body
    if list(map(type, body)) not in FOUND or not 0 <= units <= 1 or len(place) > 200:
        raise Untrusted
    if set(map(type, natural)) != ONLY_TEXT or sum(map(len, natural)) > NATURAL_MOST or len(natural) > NATURAL_PARTS:
        raise Untrusted
    if vendor is not None:
        name, domain = vendor
        vendor = VendorHint(_text(name, 200), _text(domain, 253))
    return Found(collection, part, tuple(natural), data, place, vendor, proposes, units)


def heard(line: bytes) -> Event:
    """What a line of the child says; raises Untrusted for whatever no child of ours says."""
    if len(line) > SAID_MOST:
        raise Untrusted
    try:
        [(word, body)] = orjson.loads(line).items()
        return READERS[word](body)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        raise Untrusted from None


READERS: dict[str, Callable[[Any], Event]] = {
    "recognised": lambda it: Recognised(_text(it[0], 40), _text(it[1], 200), _text(it[2], 40), _count(it[3])),
    "refused_file": lambda it: FileRefused(_text(it[0], 1000), it[1] is True),
    "found": _found,
    "refused": lambda it: Refused(_text(it[0], 1000), _text(it[1], 200)),
    "left_out": lambda it: LeftOut(_text(it[0], 1000), _text(it[1], 200)),
    "progress": lambda it: Progress(_count(it)),
    "end": lambda it: End(*map(_count, it)),
}


if __name__ == "__main__":
    main()
