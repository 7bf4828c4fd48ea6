"""The segments of the access log as a chain: each names the head of the one before, so what was rewritten is noticed.

A head stands for its segment and for every earlier one. Whoever has kept a head from somewhere else (the keystore, a
mail, an earlier export) can tell later whether anything up to it has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from vault import crypto

BEGINNING = bytes(32)
MOST = 1 << 53  # segments: no number is above what JSON can carry (RFC 8259 §6)


class Head(NamedTuple):
    """The number of a segment, and the 32 bytes that stand for it; number 0 stands for none."""

    number: int
    digest: bytes

    @classmethod
    def read(cls, text: str) -> Head:
        """The other way than `str`. Raises ValueError."""
        number, _, digest = text.strip().partition(":")
        head = cls(int(number), bytes.fromhex(digest))
        if not 0 < head.number < MOST or len(head.digest) != 32:
            raise ValueError("no head")
        return head

    def __str__(self) -> str:
        return f"{self.number}:{self.digest.hex()}"


NOTHING = Head(0, BEGINNING)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the chain has found: its end, where segments are missing, and which were changed."""

    end: Head
    gaps: tuple[range, ...]
    changed: tuple[int, ...]

    @property
    def missing(self) -> int:
        """How many segments are not there."""
        return sum(map(len, self.gaps))

    @property
    def whole(self) -> bool:
        """Is everything there, as it was written?"""
        return not self.gaps and not self.changed


def head_of(owner: bytes, number: int, content: bytes) -> Head:
    """The head of a segment: SHA-256 over owner, number and content, which holds the head before it."""
    return Head(number, crypto.digest("log segment", owner, number, content))


def follow(owner: bytes, segments: Iterable[tuple[int, bytes | None]], known: Iterable[Head]) -> Verdict:
    """Walk along the segments by ascending number, None for one that does not open, and compare with known heads."""
    last, gaps, changed = 0, list[range](), set[int]()
    stands = {0: BEGINNING}
    for number, digest in known:
        if stands.setdefault(number, digest) != digest:
            changed.add(number)
    for number, content in segments:
        gaps.append(range(last + 1, number))
        last = number
        if content is None:
            changed.add(number)
            continue
        earlier = stands.get(number - 1)
        if earlier is not None and _before(content) != earlier:
            changed.add(max(number - 1, 1))
        digest = head_of(owner, number, content).digest
        if stands.setdefault(number, digest) != digest:
            changed.add(number)
    end = max(stands)
    gaps.append(range(last + 1, end + 1))
    return Verdict(Head(end, stands[end]), tuple(filter(None, gaps)), tuple(sorted(changed)))


def _before(content: bytes) -> bytes | None:
    """The head that a segment says came before it; None where it says none."""
    try:
        return bytes.fromhex(orjson.loads(content)["previous"])
    except (ValueError, KeyError, TypeError):
        return None


def read_export(log: Mapping[str, Any], known: Iterable[Head]) -> Verdict:
    """The same for the log as an export holds it (docs/format.md). Raises ValueError where it is none."""
    try:
        owner = bytes.fromhex(log["owner"])
        segments = sorted((int(each["number"]), str(each["content"]).encode()) for each in log["segments"])
        kept = Head(int(log["head"]["number"]), bytes.fromhex(log["head"]["digest"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("no log") from error
    numbers = [number for number, _content in segments]
    if (
        len(set(numbers)) < len(numbers)
        or not all(0 < number < MOST for number in numbers)
        or not 0 <= kept.number < MOST
    ):
        raise ValueError("no log")
    return follow(owner, segments, [kept, *known])
