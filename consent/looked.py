"""Who looked when, by day: for the map of looks. Values are never in the log, and so not here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from consent import access
from consent.access import Entry

if TYPE_CHECKING:
    from vault.opened import OpenVault

WEEKS = 26
MOST = 2000  # entries opened for one map, about 30 ms
ACCEPTED = frozenset({"allowed", "left", "left again", "start_again"})


@dataclass
class Day:
    """One day's looks: how many, how many of them refused, and which collections by grant."""

    day: date
    looks: int = 0
    refused: int = 0
    what: dict[bytes, set[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Looks:
    """The looks of the last weeks: days with any, the newest first; looks by grant; `cut` if there were more."""

    days: Sequence[Day]
    by_grant: Mapping[bytes, int]
    cut: bool

    @property
    def total(self) -> int:
        """How many."""
        return sum(self.by_grant.values())


def lately(vault: OpenVault, log_keys: Mapping[bytes, bytes], today: date) -> Looks:
    """The looks of the last weeks under these grants. Days are those of the server's zone."""
    found = access.entries(vault.server, vault.owner_id, log_keys, limit=MOST)
    return by_day(found, today - timedelta(weeks=WEEKS), cut=len(found) == MOST)


def by_day(entries: Iterable[Entry], since: date, *, cut: bool = False) -> Looks:
    """Entries added up by day, from a day on."""
    days: dict[date, Day] = {}
    by_grant: dict[bytes, int] = {}
    for entry in entries:
        when = entry.at.astimezone().date()
        if when < since:
            cut = False
            continue
        day = days.setdefault(when, Day(when))
        day.looks += 1
        day.refused += entry.outcome not in ACCEPTED
        day.what.setdefault(entry.grant_id, set()).update(entry.what)
        by_grant[entry.grant_id] = by_grant.get(entry.grant_id, 0) + 1
    return Looks(sorted(days.values(), key=lambda each: each.day, reverse=True), by_grant, cut)


def weeks(looks: Looks, today: date, first_weekday: int) -> list[list[int]]:
    """Looks by weekday and week, the week of today last; -1 for days to come. `first_weekday`: 0 is Monday."""
    counted = {day.day: day.looks for day in looks.days}
    begin = first_day(today, first_weekday)
    grid = [[begin + timedelta(days=7 * week + weekday) for week in range(WEEKS)] for weekday in range(7)]
    return [[counted.get(day, 0) if day <= today else -1 for day in row] for row in grid]


def first_day(today: date, first_weekday: int) -> date:
    """The first day of the map."""
    return today - timedelta(days=(today.weekday() - first_weekday) % 7 + 7 * (WEEKS - 1))
