"""Who looked when, by day: for the map of looks. Values are never in the log, and so not here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice, takewhile

from consent.access import Entry

WEEKS = 26
MOST = 2000  # entries read for one map
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


def lately(said: Iterable[Entry], since: date, takes: Callable[[Entry], bool] | None = None) -> Looks:
    """Those looks, newest first, that are not before a day (in the server's zone) and are to be taken."""
    recent = takewhile(lambda entry: entry.at.astimezone().date() >= since, said)
    found = list(islice(recent, MOST + 1))
    return by_day(filter(takes, found[:MOST]), cut=len(found) > MOST)


def by_day(entries: Iterable[Entry], *, cut: bool = False) -> Looks:
    """Entries added up by day."""
    days: dict[date, Day] = {}
    by_grant: dict[bytes, int] = {}
    for entry in entries:
        when = entry.at.astimezone().date()
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
