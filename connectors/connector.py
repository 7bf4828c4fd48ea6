"""What a connector is: the frozen values it yields, and the rows of a comma-separated source.

A connector is a module in `connectors/sources/` with three names: `ABOUT`, `sniff(head)` and `read(source)`. It is
pure: bytes in, values out. Limits, the child process, dedupe and storing belong to the engine around it.

Law of every connector: units found + refused + left out = units in the source.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from vault.errors import N_

HEAD_BYTES = 64 * 1024
CELL_MOST = 64 * 1024  # characters
LINE_MOST = 256 * 1024  # bytes of one physical line
ROW_LINES = 200  # physical lines of one row: a long gift message, not a lost quote
BLOCK = 256 * 1024

NOT_CLOSED = N_("A quotation mark in this row is not closed, or stands in the wrong place.")
TOO_LONG = N_("This row is too long.")
NOT_UTF8 = N_("This row holds bytes that are not text in UTF-8.")
WRONG_WIDTH = N_("This row does not have as many columns as the first line of the file.")


class VendorHint(NamedTuple):
    """The vendor as the source names it. `domain` is lower case, or empty when the source does not say."""

    name: str
    domain: str


class Found(NamedTuple):
    """One record of `collection` (and `part` of it), ready for the schema of that collection.

    `natural` names the thing the same way in every copy of the source. `data` is JSON with strings for money and dates.
    `proposes` holds hints that only the owner may turn into facts. `units` is its count in the law above. (A named
    tuple: there is one per row, and a frozen dataclass takes three times as long to make.)
    """

    collection: str
    part: str
    natural: tuple[str, ...]
    data: dict[str, Any]
    place: str
    vendor: VendorHint | None
    proposes: dict[str, Any]
    units: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """One unit that cannot be read. The reason never quotes the source."""

    reason: str
    place: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One unit that is understood and deliberately not taken."""

    reason: str
    place: str


Outcome = Found | Refused | LeftOut


@dataclass(frozen=True, slots=True)
class About:
    """`name` is the module's own; `reads` is the collection; `version` rises when the meaning of `data` changes."""

    name: str
    title: str
    reads: str
    version: int


@dataclass(frozen=True, slots=True)
class Head:
    """The first 64 kB of a file, and the name it was offered under: a label, never a reason to recognise it."""

    data: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Match:
    """`score` from 0 to 1, and what the file is. `refuses`: why a recognised file is not read, and what to choose."""

    score: float
    title: str
    refuses: str | None = None


class Readable(Protocol):
    """Where a connector reads from: up to `size` bytes at a time, empty at the end, from front to back once."""

    def read(self, size: int, /) -> bytes: ...


class Connector(Protocol):
    ABOUT: About

    def sniff(self, head: Head) -> Match | None: ...

    def read(self, source: Readable) -> Iterator[Outcome]: ...


def first_row(data: bytes) -> list[str]:
    """The cells of the first line of a comma-separated file in UTF-8, stripped; empty when there is no such line."""
    line, end, _ = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if not end and len(data) >= HEAD_BYTES:
        return []
    try:
        return [cell.strip() for cell in next(csv.reader([line.decode()], strict=True), [])]
    except (UnicodeDecodeError, csv.Error):
        return []


class Damaged(Exception):
    """A physical line that is no text, or too much of it. `text` is what could be made of its beginning."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(reason)
        self.text, self.reason = text, reason


def _text(line: str | Damaged) -> str:
    return line if isinstance(line, str) else line.text


class Rows:
    """Rows of a comma-separated source in UTF-8. One broken row is one refusal, never the end of the reading.

    `header` holds the stripped cells of line 1. Iterating gives `(line, cells, reason)`, `line` being where the row
    starts. A whole row has as many cells as the header and no reason. A broken one has the text of its first line as
    its only cell; what follows is dropped up to the next line that is a row by itself or in which `starts` is found.
    Memory is bounded by ROW_LINES and LINE_MOST.
    """

    def __init__(self, source: Readable, *, starts: re.Pattern[str]) -> None:
        self._starts = starts
        self._fresh = _physical_lines(source)
        self._again: deque[str | Damaged] = deque()
        self._taken: list[str | Damaged] = []
        self._line = 1
        self.header = first_row(_text(next(self._fresh, "")).encode())

    def __iter__(self) -> Iterator[tuple[int, list[str], str]]:
        while True:  # once for the start and once after each broken row: a reader that failed is not trusted again
            try:
                reason = yield from self._whole_rows()
            except csv.Error:
                reason = NOT_CLOSED
            except Damaged as damage:
                reason = damage.reason
            if not reason:
                return
            yield self._give_up(reason)

    def _whole_rows(self) -> Generator[tuple[int, list[str], str], None, str]:
        width, taken = len(self.header), self._taken
        for row in csv.reader(self._feed(), strict=True):
            if row and len(row) != width:
                return WRONG_WIDTH
            if (len(taken) > 1 or len(_text(taken[0])) > CELL_MOST) and max(map(len, row)) > CELL_MOST:
                return TOO_LONG
            if row:
                yield self._line - len(taken) + 1, row, ""
            taken.clear()
        return ""

    def _feed(self) -> Iterator[str]:
        again, fresh, taken, size = self._again, self._fresh, self._taken, 0
        while True:
            if (line := again.popleft() if again else next(fresh, None)) is None:
                return
            self._line += 1
            size = size if taken else 0
            taken.append(line)
            if isinstance(line, Damaged):
                raise line
            size += len(line)
            if len(taken) > 1 and (len(taken) > ROW_LINES or size > LINE_MOST):
                raise Damaged(line, TOO_LONG)
            yield line

    def _give_up(self, reason: str) -> tuple[int, list[str], str]:
        """Step back to the line after the row's first one, and on to where a row may start."""
        first, *swallowed = self._taken
        self._taken.clear()
        self._again.extendleft(reversed(swallowed))
        start = self._line = self._line - len(swallowed)
        while (line := (self._again.popleft() if self._again else next(self._fresh, None))) is not None:
            if self._may_start(line):
                self._again.appendleft(line)
                break
            self._line += 1
        return start, [_text(first)], reason

    def _may_start(self, line: str | Damaged) -> bool:
        if self._starts.search(_text(line)):
            return True
        if isinstance(line, Damaged) or line.count(",") < len(self.header) - 1:
            return False
        try:
            return len(next(csv.reader([line], strict=True), [])) == len(self.header)
        except csv.Error:
            return False


def _physical_lines(source: Readable) -> Iterator[str | Damaged]:
    """Lines with their line ends, split at LF alone: other separators may stand inside a cell."""
    tail = b""
    while chunk := source.read(BLOCK):
        block = tail + chunk
        cut = block.rfind(b"\n") + 1
        tail = block[cut:]
        yield from _decoded(block[:cut])
        if len(tail) > LINE_MOST:
            yield Damaged(tail[:1024].decode(errors="replace"), TOO_LONG)
            tail = _after_line_end(source)
    yield from _decoded(tail)


def _after_line_end(source: Readable) -> bytes:
    while (chunk := source.read(BLOCK)) and b"\n" not in chunk:
        pass
    return chunk.partition(b"\n")[2]


def _decoded(block: bytes) -> Iterator[str | Damaged]:
    try:
        text = block.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        yield from io.StringIO(text, newline="\n")
        return
    for raw in io.BytesIO(block):
        line = raw.decode(errors="replace")
        yield line if line.encode() == raw and "\0" not in line else Damaged(line, NOT_UTF8)
