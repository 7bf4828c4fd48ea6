"""What a new request would change about what a vendor can see already: in words a person compares, not in code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from consent.details import Details
from consent.terms import Terms, VaultData, VaultDeposit
from vault.days import DAY

Kind = Literal["new", "optional", "removed", "purpose", "wider", "longer"]


class Change(NamedTuple):
    """One thing that would be different: fields of a collection, or only their purpose, rows, or time."""

    kind: Kind
    collection: str = ""
    paths: tuple[str, ...] = ()
    leave: bool = False
    until: str = ""


def changes(present: Terms, details: Details, until: int) -> list[Change]:
    """Everything that is not as it is now: what is new and wider first, then longer, then removed.

    `until` is the latest end that is asked for, in seconds since 1970.
    """
    found: list[Change] = []
    for collection in dict.fromkeys(item.collection for item in (*details.items, *present.items)):
        before, after = present.of(collection), [each for each in details.items if each.collection == collection]
        found += _of(collection, before, after)
    found += _left(present.deposits, details.deposits)
    if until // DAY > present.until // DAY:
        found.append(Change("longer", until=datetime.fromtimestamp(until, UTC).date().isoformat()))
    return sorted(
        found, key=lambda change: ("new", "optional", "purpose", "wider", "longer", "removed").index(change.kind)
    )


def _of(collection: str, before: Iterable[VaultData], after: Iterable[VaultData]) -> Iterable[Change]:
    shown = {path for item in before for path in item.fields}
    needed = [path for item in after if not item.optional for path in item.fields]
    offered = [path for item in after for path in (*item.fields, *item.optional_fields)]
    yield from _fields("new", collection, [path for path in needed if path not in shown])
    yield from _fields("optional", collection, [path for path in offered if path not in shown and path not in needed])
    yield from _fields("removed", collection, sorted(shown - set(needed) - set(offered)))
    if shown and {item.purpose for item in after} - {item.purpose for item in before}:
        yield Change("purpose", collection)
    if shown and any(not any(_within(item, each) for each in before) for item in after):
        yield Change("wider", collection)


def _left(before: Iterable[VaultDeposit], after: Iterable[VaultDeposit]) -> Iterable[Change]:
    known = {item.collection: set(item.fields) for item in before}
    asked = {item.collection: set(item.fields) for item in after}
    for item in after:
        more = sorted(set(item.fields) - known.get(item.collection, set()))
        if more:
            yield Change("optional" if item.optional else "new", item.collection, tuple(more), leave=True)
    for collection, fields in known.items():
        if less := sorted(fields - asked.get(collection, set())):
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
