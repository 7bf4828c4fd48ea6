"""Purchases: the list by month and order, narrowed, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from flask import render_template, request

from vault import attachments
from vault.catalogue import Entry
from vault.collections.purchases import FOR_WHOM, Purchase
from vault.opened import OpenVault
from vault.pages import shown
from vault.pages.listing import vendor_name
from vault.pages.purchase_filter import LISTED, NOT_MINE, PROPOSED, Filter, sums
from vault.pages.vendors import BOUGHT, options
from vault.store import readable
from vault.stored import Stored

PAGE = 40
CURSOR = re.compile(r"([0-9T:Z.+-]{0,40})_(\d{1,15})")
CATEGORIES = 500  # of kinds of things to choose from
OF_AN_ORDER = 500  # things of one order that are shown and added up


@dataclass(frozen=True)
class Row:
    """Purchases of one order that stand next to each other, or a single one."""

    entries: list[Entry]
    vendor: str
    paid: str

    @property
    def first(self) -> Entry:
        """The one that gives the row its name."""
        return self.entries[0]

    @property
    def numbers(self) -> list[int]:
        """All of them."""
        return [entry.number for entry in self.entries]

    @property
    def facets(self) -> set[str]:
        """For whom they are."""
        return {entry.facet for entry in self.entries}

    @property
    def proposes(self) -> bool:
        """Is there something to decide?"""
        return any(entry.proposes for entry in self.entries)


def listing(vault: OpenVault) -> str:
    """A page of purchases, newest first. Opens the rows it shows and no others."""
    catalogue = vault.catalogue
    used = catalogue.tally("currency", "currency <> ''")
    currencies = sorted(used, key=lambda each: (-used[each], each))
    narrowed = Filter.asked(request.args, currencies)
    where, values = narrowed.where(vault)
    page, after, left = part_of(vault, where, values, PAGE)
    numbers = [entry.number for entry in page]
    with vault.server.main.reading() as reading:
        found = {each.number: each for each in readable(reading, vault, numbers)}
        files = attachments.counts(reading, vault, numbers)
    titles = catalogue.titles(entry.vendor for entry in page)
    months = [(name, grouped(entries, found, titles)) for name, entries in groupby(page, lambda each: each.day[:7])]
    counts = catalogue.tally("facet", LISTED)
    asked = narrowed != Filter()
    matching = catalogue.count(where, *values) if asked else 0
    together = sums(vault, where, values) if asked else []
    return render_template(
        "purchases.html",
        months=months,
        numbers=numbers,
        files=files,
        filter=narrowed,
        counts={name: counts[name] for name in FOR_WHOM if counts.get(name)},
        for_whom=FOR_WHOM,
        all=sum(counts.values()),
        matching=matching,
        together=[money for money, _ in together],
        unpriced=matching - sum(count for _, count in together),
        this_year=catalogue.count(f"{BOUGHT} AND day >= ?", str(shown.today().year)),
        proposed=catalogue.count(PROPOSED),
        not_mine=catalogue.count(NOT_MINE),
        vendors=options(vault),
        currencies=[(each, each) for each in currencies],
        categories=[(each, each) for each in _categories(vault)],
        following=min(PAGE, left),
        next=narrowed.link(after=after) if after else "",
        later=bool(request.args.get("after")),
    )


def _categories(vault: OpenVault) -> list[str]:
    return sorted(vault.catalogue.tally("category", "category <> ''"), key=str.casefold)[:CATEGORIES]


def part_of(vault: OpenVault, where: str, values: list[Any], most: int) -> tuple[list[Entry], str, int]:
    """One page of the catalogue, the cursor after it, and how many follow. An order is not torn apart if it fits."""
    begun = CURSOR.fullmatch(request.args.get("after", ""))
    if begun:
        where, values = f"{where} AND (day, number) < (?, ?)", [*values, begun[1], int(begun[2])]
    found = vault.catalogue.entries(where, *values, limit=most + 1)
    if len(found) <= most:
        return found, "", 0
    page, beyond = found[:most], found[most]
    while _same_order(page[-1], beyond) and not _same_order(page[0], beyond):
        page.pop()
    return page, f"{page[-1].day}_{page[-1].number}", vault.catalogue.count(where, *values) - len(page)


def _same_order(one: Entry, other: Entry) -> bool:
    return bool(one.bundle) and (one.bundle, one.vendor) == (other.bundle, other.vendor)


def grouped(entries: Iterable[Entry], found: dict[int, Stored], titles: dict[int, str]) -> list[Row]:
    """Rows of entries that stand next to each other; `found` are their records, `titles` the vendors' names."""
    return _rows(_groups(entries), found, titles)


def _groups(entries: Iterable[Entry]) -> list[list[Entry]]:
    groups: list[list[Entry]] = []
    for entry in entries:
        if groups and _same_order(groups[-1][-1], entry):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return [sorted(group, key=lambda entry: entry.number) for group in groups]


def _rows(groups: Iterable[list[Entry]], found: dict[int, Stored], titles: dict[int, str]) -> list[Row]:
    return [Row(group, vendor_name(group[0].vendor, titles), _paid(group, found)) for group in groups]


def _paid(group: list[Entry], found: dict[int, Stored]) -> str:
    records = [cast(Purchase, found[entry.number].record) for entry in group if entry.number in found]
    return shown.total(record.price for record in records)


def latest(vault: OpenVault, count: int) -> list[Row]:
    """The newest purchases as rows, for home."""
    groups = _groups(vault.catalogue.entries(LISTED, limit=OF_AN_ORDER))[:count]
    entries = [entry for group in groups for entry in group]
    with vault.server.main.reading() as reading:
        found = {each.number: each for each in readable(reading, vault, [entry.number for entry in entries])}
    return _rows(groups, found, vault.catalogue.titles(entry.vendor for entry in entries))


def usual_currency(vault: OpenVault) -> str:
    """The currency to begin a form with: the one she chose, or that of her latest purchase with a price."""
    if chosen := str(vault.settings.get("currency", "")):
        return chosen
    entries = vault.catalogue.entries(LISTED, limit=3)
    with vault.server.main.reading() as reading:
        found = [cast(Purchase, each.record).price for each in readable(reading, vault, [e.number for e in entries])]
    return next((price.currency for price in found if price), "EUR")
