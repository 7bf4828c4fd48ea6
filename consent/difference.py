"""What a new request would change about what a vendor can see already: in words a person compares, not in code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Literal, NamedTuple, get_args

from consent.details import Details, read_duration
from consent.terms import Terms, VaultData, VaultDeposit
from vault.days import DAY

Kind = Literal["new", "optional", "purpose", "wider", "often", "kept", "longer", "removed"]


class Change(NamedTuple):
    """One thing that would be different: fields of a collection, or only their purpose, rows, or time.

    `often` is how many looks there may be, `kept` for how many `days` the vendor keeps what it reads, 0 if it says not.
    """

    kind: Kind
    collection: str = ""
    paths: tuple[str, ...] = ()
    leave: bool = False
    until: str = ""
    days: int = 0


def changes(present: Terms, details: Details, until: int) -> list[Change]:
    """Everything that is not as it is now: what is new and wider first, then longer, then removed.

    No field is taken for the same because one item shows it and another one has the purpose, the records or the time.

    `until` is the latest end that is asked for, in seconds since 1970.
    """
    found: list[Change] = []
    for collection in dict.fromkeys(item.collection for item in (*details.items, *present.items)):
        before, after = present.of(collection), [each for each in details.items if each.collection == collection]
        found += _of(collection, before, after)
    found += _left(present.deposits, details.deposits)
    first = details.items[0] if details.items and present.items else None
    if first and any(more > now for more, now in zip(_often(first), _often(present), strict=True)):
        found.append(Change("often"))
    if until // DAY > present.until // DAY:
        found.append(Change("longer", until=datetime.fromtimestamp(until, UTC).date().isoformat()))
    return sorted(found, key=lambda change: get_args(Kind).index(change.kind))


def _of(collection: str, before: Sequence[VaultData], after: Sequence[VaultData]) -> Iterable[Change]:
    shown = {path for item in before for path in item.fields}
    needed = [path for item in after if not item.optional for path in item.fields]
    offered = [path for item in after for path in (*item.fields, *item.optional_fields)]
    yield from _fields("new", collection, [path for path in needed if path not in shown])
    yield from _fields("optional", collection, [path for path in offered if path not in shown and path not in needed])
    yield from _fields("removed", collection, sorted(shown - set(needed) - set(offered)))
    if before:
        every = [(item, path) for item in after for path in (*item.fields, *item.optional_fields)]
        showing = {path: [item for item in before if path in item.fields] or before for _, path in every}
        yield from dict.fromkeys(change for item, path in every for change in _beyond(item, showing[path]))


def _beyond(item: VaultData, before: Sequence[VaultData]) -> Iterable[Change]:
    """How an item goes beyond those that show one of its fields now: none of them alone allows as much."""
    alike = [each for each in before if each.purpose == item.purpose]
    if not alike:
        yield Change("purpose", item.collection)
    around = [each for each in alike or before if _within(item, each)]
    if not around:
        yield Change("wider", item.collection)
    kept = _kept(item)
    if all(kept > _kept(each) for each in around or alike or before):
        yield Change("kept", item.collection, days=0 if kept == inf else int(kept))


def _kept(item: VaultData) -> float:
    """For how many days a vendor says that it keeps what it reads."""
    return float(read_duration(item.retention)) if item.retention else inf


def _often(limits: Terms | VaultData) -> tuple[float, float]:
    """How many looks there may be in all, and on one day."""
    most = float(limits.looks or inf)
    return most, min(most, float(limits.looks_per_day or inf))


def _left(before: Iterable[VaultDeposit], after: Iterable[VaultDeposit]) -> Iterable[Change]:
    known = {item.collection: item for item in before}
    asked = {item.collection: set(item.fields) for item in after}
    for item in after:
        now = known.get(item.collection)
        more = sorted(set(item.fields) - set(now.fields if now else ()))
        if more:
            yield Change("optional" if item.optional else "new", item.collection, tuple(more), leave=True)
        if now and item.purpose != now.purpose:
            yield Change("purpose", item.collection, leave=True)
        if now and item.per_day > now.per_day:
            yield Change("wider", item.collection, leave=True)
    for collection, now in known.items():
        if less := sorted(set(now.fields) - asked.get(collection, set())):
            yield Change("removed", collection, tuple(less), leave=True)


def _fields(kind: Kind, collection: str, paths: list[str]) -> Iterable[Change]:
    if paths:
        yield Change(kind, collection, tuple(dict.fromkeys(paths)))


def _within(item: VaultData, other: VaultData) -> bool:
    """Are the records that an item is about among those of the other one?"""
    return (
        (item.this_vendor or not other.this_vendor)
        and (item.since or "") >= (other.since or "")
        and (item.up_to or "9999") <= (other.up_to or "9999")
        and (not other.categories or (bool(item.categories) and set(item.categories) <= set(other.categories)))
        and item.delay >= other.delay
    )
