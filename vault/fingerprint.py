"""The fingerprint of a vault: one hash over all records with their history and marks, the same wherever they lie.

    fingerprint = SHA-256 of every entry of an export, in the order of numbers: its JSON with sorted members and without
                  white space, and a line feed after each

Two vaults with the same fingerprint hold the same. Anybody can work it out from an export, with no key
(docs/format.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson


def canonical(entry: Mapping[str, Any]) -> bytes:
    """An entry in the one way it is hashed."""
    return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS) + b"\n"


class Fingerprint:
    """A hash that runs along with the entries."""

    def __init__(self) -> None:
        self._running = hashlib.sha256()

    def add(self, entry: Mapping[str, Any]) -> None:
        """The next entry, by number."""
        self._running.update(canonical(entry))

    def text(self) -> str:
        """64 hex digits."""
        return self._running.hexdigest()


def in_groups(text: str) -> str:
    """As it is read aloud or compared by eye: groups of eight."""
    return " ".join(text[at : at + 8] for at in range(0, len(text), 8))
