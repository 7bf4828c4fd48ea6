"""How often something is bought, from the days on which it was: said only where there is a rhythm."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import NamedTuple

ENOUGH = 5  # days; fewer are chance
EVEN = 0.4  # how far the usual gap may stray from the median, as a part of it
OVER = 3  # after so many gaps without a purchase the habit has ended


class Rhythm(NamedTuple):
    """So many days apart, from these days, the oldest first."""

    every: int
    days: tuple[date, ...]

    @property
    def last(self) -> date:
        """The latest day."""
        return self.days[-1]

    @property
    def due(self) -> date:
        """The day after one more gap."""
        return self.last + timedelta(days=self.every)


def rhythm(days: Iterable[date], today: date) -> Rhythm | None:
    """The median gap, if there are enough days, the gaps are much alike, and the habit has not ended.

    Median and median deviation: one holiday, or one purchase in advance, does not change what is said.
    """
    known = tuple(sorted(day for day in set(days) if day <= today))
    if len(known) < ENOUGH:
        return None
    gaps = [(later - earlier).days for earlier, later in pairwise(known)]
    usual = median(gaps)
    stray = median(abs(gap - usual) for gap in gaps)
    if stray > EVEN * usual or (today - known[-1]).days > OVER * usual:
        return None
    return Rhythm(round(usual), known)
