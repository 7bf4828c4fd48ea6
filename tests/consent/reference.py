"""What each vendor may read, said a second time and plainly: no keys, no boxes, no database, nothing of the product.

`Main` is what a copy of the database brings back, everything else is what it cannot: who is dead, who is held, how far
a grant has come, how often it has looked.
"""

from __future__ import annotations

import calendar
import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

LOOK, ACCESS, DAY = 600, 600, 86400  # seconds
BOOKS, TASTE, PROFILE = "purchases", "preferences", "profile"


@dataclass(frozen=True)
class Item:
    """One thing a grant gives, as it was allowed. `vendor` is a number when only purchases there are meant."""

    collection: str
    fields: tuple[str, ...]
    vendor: int | None = None
    since: str = ""
    up_to: str = ""
    category: str = ""
    delay: int = 0
    gifts: bool = False

    @property
    def by_the_day(self) -> bool:
        """Does it change without her?"""
        return bool(self.delay) or "birthday.over_18" in self.fields


@dataclass
class Grant:
    """A permission as the database holds it, with what it shows at present by item and record."""

    vendor: int
    items: dict[int, Item]
    takes: int | None
    until: int
    looks: int | None
    per_day: int | None
    access: dict[str, int]
    version: int = 1
    shown: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    over_at: int | None = None

    @property
    def once(self) -> bool:
        return self.looks == 1


@dataclass
class Main:
    """What stands in the database."""

    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    waiting: dict[str, tuple[str, int, dict[str, Any]]] = field(default_factory=dict)
    trash: dict[int, tuple[dict[str, Any], int]] = field(default_factory=dict)
    aliases: dict[int, str] = field(default_factory=dict)


@dataclass
class Counter:
    """How often a grant has looked."""

    looks: int = 0
    today: int = 0
    day: int = -1
    began: int = -LOOK


class Reference:
    """The whole house, as she would describe it."""

    def __init__(self, now: datetime) -> None:
        self.time, self.main, self.kept = now, Main(), Main()
        self.dead: set[str] = set()
        self.held: dict[str, str] = {}
        self.floors: dict[str, int] = {}
        self.counters: dict[str, Counter] = {}

    @property
    def now(self) -> int:
        return int(self.time.timestamp())

    @property
    def today(self) -> date:
        return self.time.astimezone(UTC).date()

    # What a vendor may read.
    def refuses_token(self, grant: str, token: str) -> bool:
        row = self.main.grants.get(grant)
        return row is None or not self.lives(grant) or row.access.get(token, 0) <= self.now

    def lives(self, grant: str) -> bool:
        row = self.main.grants.get(grant)
        return row is not None and grant not in self.dead and row.until > self.now

    def looks_at(self, grant: str, collection: str) -> str:
        """Count one call of a token that opens; returns the code of its refusal, or nothing."""
        row, counter = self.main.grants[grant], self.counters.setdefault(grant, Counter())
        if grant in self.held:
            return "paused"
        if not any(item.collection == collection for item in row.items.values()):
            return "not_granted"
        if (row.looks is None and row.per_day is None) or counter.began > self.now - LOOK:
            return ""
        today = counter.today if counter.day == self.now // DAY else 0
        if row.looks is not None and counter.looks >= row.looks:
            return "used_up"
        if row.per_day is not None and today >= row.per_day:
            return "over_limit"
        self.counters[grant] = Counter(counter.looks + 1, today + 1, self.now // DAY, self.now)
        if row.looks == counter.looks + 1:
            row.over_at = rounded(self.now + LOOK)
        return ""

    def reads(self, grant: str, collection: str) -> list[dict[str, Any]]:
        row = self.main.grants[grant]
        return [data for (item, _), data in row.shown.items() if row.items[item].collection == collection]

    # What she does.
    def gives(self, grant: str, row: Grant) -> None:
        for earlier, other in self.main.grants.items():
            if other.vendor == row.vendor:
                self.dead.add(earlier)
        self.main.grants[grant] = row
        self.floors[grant] = row.version
        row.shown = self._all(row)

    def writes(self, number: int, after: dict[str, Any] | None) -> None:
        """Add, change or remove a record; what its neighbours see follows."""
        before = self.main.records.pop(number, None)
        if after is not None:
            self.main.records[number] = after
        elif before is not None:
            self.main.trash[number] = before, self.now // DAY
        for grant, row in self.main.grants.items():
            if grant in self.dead or row.version < self.floors[grant]:
                continue
            for key, item in row.items.items():
                was, will = (self._shows(row, item, each) for each in (before, after))
                if was != will and not (row.once and (key, number) not in row.shown):
                    self._put(row, key, number, will)

    def keeps_address(self, vendor: int, alias: str) -> None:
        changed = self.main.aliases.get(vendor) != alias
        self.main.aliases[vendor] = alias
        for grant, row in self.main.grants.items():
            if changed and row.vendor == vendor and grant not in self.dead and row.version >= self.floors[grant]:
                self._seals_anew(grant)

    def takes_away(self, grant: str, number: int) -> None:
        row = self.main.grants[grant]
        row.items.pop(number, None)
        row.takes = None if row.takes == number else row.takes
        if row.items or row.takes is not None:
            self._seals_anew(grant)
        else:
            self.dead.add(grant)

    def shortens(self, grant: str, until: int) -> None:
        self.main.grants[grant].until = until
        self._seals_anew(grant)

    def agrees_again(self, grant: str) -> None:
        self._seals_anew(grant)
        del self.held[grant]

    def pauses(self, grant: str) -> None:
        self.held.setdefault(grant, "paused")

    def unlocks(self) -> None:
        """What the day has changed is shown from now on."""
        for grant, row in self.main.grants.items():
            if grant in self.dead or row.version < self.floors[grant] or row.once:
                continue
            for key, item in row.items.items():
                for number in self.main.records if item.by_the_day else ():
                    self._put(row, key, number, self._shows(row, item, self.main.records[number]))

    def passes(self, **how_long: float) -> None:
        self.time += timedelta(**how_long)
        for number in [each for each, (_, day) in self.main.trash.items() if day <= self.now // DAY - 30]:
            del self.main.trash[number]
        for grant, row in self.main.grants.items():
            if min(row.over_at or rounded(row.until), rounded(row.until)) <= self.now:
                self.dead.add(grant)

    def copy_is_kept(self) -> None:
        self.kept = copy.deepcopy(self.main)

    def copy_comes_back(self, *, old: bool) -> None:
        """`old`: something of hers was written since, so whatever lives is held."""
        self.main = copy.deepcopy(self.kept)
        if old:
            self.held |= dict.fromkeys(self.floors.keys() - self.dead, "old copy")

    def _seals_anew(self, grant: str) -> None:
        row = self.main.grants[grant]
        shown = self._all(row)
        row.shown = {key: data for key, data in shown.items() if key in row.shown} if row.once else shown
        row.version = self.floors[grant] = max(row.version, self.floors[grant]) + 1

    def _all(self, row: Grant) -> dict[tuple[int, int], dict[str, Any]]:
        every = {
            (key, number): self._shows(row, item, record)
            for key, item in row.items.items()
            for number, record in self.main.records.items()
        }
        return {key: data for key, data in every.items() if data is not None}

    @staticmethod
    def _put(row: Grant, key: int, number: int, data: dict[str, Any] | None) -> None:
        if data is None:
            row.shown.pop((key, number), None)
        else:
            row.shown[key, number] = data

    def _shows(self, row: Grant, item: Item, record: dict[str, Any] | None) -> dict[str, Any] | None:
        if record is None or record["in"] != item.collection:
            return None
        if item.collection == BOOKS and not self._is_meant(item, record):
            return None
        told = {name: self._value(row, name, record) for name in item.fields}
        return {name: value for name, value in told.items() if value is not None} or None

    def _is_meant(self, item: Item, record: dict[str, Any]) -> bool:
        first, last = days_of(record["bought_on"])
        return (
            (item.vendor is None or record["vendor"] == item.vendor)
            and (not item.since or first >= date.fromisoformat(item.since))
            and (not item.up_to or last <= date.fromisoformat(item.up_to))
            and (not item.category or record.get("category") == item.category)
            and (not item.delay or last + timedelta(days=item.delay) <= self.today)
            and (item.gifts or record["for_whom"] != "gift")
        )

    def _value(self, row: Grant, name: str, record: dict[str, Any]) -> Any:
        if name == "email.address" and name in record:
            return self.main.aliases.get(row.vendor) or record[name]
        if name == "birthday.over_18" and "born_on" in record:
            born = date.fromisoformat(record["born_on"])
            return self.today >= born.replace(year=born.year + 18)
        if name == "birthday.day_month" and "born_on" in record:
            return "-" + record["born_on"][4:]
        return record.get(name)


def rounded(at: int) -> int:
    """Up to the five minutes in which the worker comes by."""
    return -(-at // 300) * 300


def days_of(text: str) -> tuple[date, date]:
    """The first and the last day that a year, month or day can mean."""
    parts = [int(each) for each in text.split("-")]
    year, month = parts[0], parts[1] if len(parts) > 1 else None
    if len(parts) == 3:
        return date(*parts), date(*parts)
    return date(year, month or 1, 1), date(year, month or 12, calendar.monthrange(year, month or 12)[1])


def allowed(asked: dict[str, Any], optional: tuple[str, ...], vendor: int, *, gifts: bool) -> Item:
    """What becomes of it when she ticks it."""
    narrowing = asked.get("filter", {})
    return Item(
        asked["collection"],
        (*asked["fields"], *optional),
        vendor if "vendor" in narrowing else None,
        narrowing.get("since", ""),
        narrowing.get("up_to", ""),
        narrowing.get("category", [""])[0],
        int(narrowing.get("delay", "P0D")[1:-1]),
        gifts,
    )


def said(rows: list[dict[str, Any]]) -> list[str]:
    """Rows in an order of their own, for comparing."""
    return sorted(json.dumps(each, sort_keys=True) for each in rows)
