"""Repeats of one walk in other widths: the first two in every run, all of them where VRM_TEST_ALL is set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
EVERYTHING = bool(os.environ.get("VRM_TEST_ALL"))


def some(repeats: Sequence[T]) -> Sequence[T]:
    """Those of this run; the most different ones stand first."""
    return repeats if EVERYTHING else repeats[:2]


def many(usual: int, *, everywhere: int) -> int:
    """How many of a thing: as many as the test needs, or a crowd where VRM_TEST_ALL is set."""
    return everywhere if EVERYTHING else usual


def thinned(repeats: Sequence[T], *, first: int, then_every: int) -> Sequence[T]:
    """The first few and then every so manyth; all of them where VRM_TEST_ALL is set."""
    return repeats if EVERYTHING else [*repeats[:first], *repeats[first::then_every]]
