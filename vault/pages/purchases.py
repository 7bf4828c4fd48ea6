"""Purchases: the list by month and order, one purchase with its order, and what she says about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from vault import store
from vault.catalogue import Entry
from vault.collections.purchases import FOR_WHOM, Order, Purchase
from vault.errors import NotFound
from vault.opened import OpenVault
from vault.pages import session, shown
from vault.pages.forms import Draft, changed, filled, read_form
from vault.pages.listing import readable, rows, vendor_name
from vault.pages.vendors import BOUGHT, options
from vault.stored import Stored

pages = Blueprint("purchases", __name__)

PAGE = 40
CURSOR = re.compile(r"([0-9T:Z.+-]{0,40})_(\d{1,15})")
LISTED = f"{BOUGHT} AND damaged = 0"
PROPOSED = "proposes AND damaged = 0"  # only purchases carry proposals; alone, the condition uses its own small index
TOLD_ELSEWHERE = {"item", "bought_on", "vendor", "price", "for_whom", "recipient", "gift_note", "rating", "note"}


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


@dataclass(frozen=True)
class Filter:
    """What the list is narrowed to, from the query string; what cannot be read narrows nothing."""

    whom: str = ""
    vendor: int = 0
    begin: str = ""
    end: str = ""

    @classmethod
    def asked(cls) -> Filter:
        """From this request."""
        whom, vendor = request.args.get("for", ""), request.args.get("vendor", "")
        days = [request.args.get(name, "") for name in ("from", "to")]
        begin, end = (day if re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", day) else "" for day in days)
        known = whom if whom in FOR_WHOM or whom == "proposed" else ""
        return cls(known, int(vendor) if re.fullmatch(r"\d{1,15}", vendor) else 0, begin, end)

    @property
    def narrowed(self) -> bool:
        """Is there any vendor or time?"""
        return bool(self.vendor or self.begin or self.end)

    def where(self) -> tuple[str, list[Any]]:
        """A condition on the catalogue and its values."""
        parts: list[tuple[str, list[Any]]] = [(PROPOSED if self.whom == "proposed" else LISTED, [])]
        if self.whom in FOR_WHOM:
            parts.append(("facet = ?", [self.whom]))
        if self.vendor:
            parts.append(("vendor = ?", [self.vendor]))
        if self.begin:
            parts.append(("day >= ?", [self.begin]))
        if self.end:
            parts.append(("day <= ?", [f"{self.end}~"]))
        return " AND ".join(part for part, _ in parts), [value for _, values in parts for value in values]

    def link(self, **other: Any) -> str:
        """The list narrowed likewise, but for what is given."""
        mine: dict[str, Any] = {"for": self.whom, "vendor": self.vendor, "from": self.begin, "to": self.end} | other
        return url_for("collection.purchases", **{name: value for name, value in mine.items() if value})


def listing(vault: OpenVault) -> str:
    """A page of purchases, newest first. Opens the rows it shows and no others."""
    narrowed, catalogue = Filter.asked(), vault.catalogue
    where, values = narrowed.where()
    page, after = _page(vault, where, values)
    with vault.server.main.reading() as reading:
        found = {each.number: each for each in readable(reading, vault, [entry.number for entry in page])}
    titles = catalogue.titles(entry.vendor for entry in page)
    months = [(name, grouped(entries, found, titles)) for name, entries in groupby(page, lambda entry: entry.day[:7])]
    counts = catalogue.tally("facet", LISTED)
    proposed = catalogue.count(PROPOSED)
    known = {"": sum(counts.values()), "proposed": proposed, **counts}
    return render_template(
        "purchases.html",
        months=months,
        numbers=[entry.number for entry in page],
        filter=narrowed,
        counts={name: counts[name] for name in FOR_WHOM if counts.get(name)},
        for_whom=FOR_WHOM,
        all=known[""],
        matching=catalogue.count(where, *values) if narrowed.narrowed else known.get(narrowed.whom, 0),
        this_year=catalogue.count(f"{BOUGHT} AND day >= ?", str(shown.today().year)),
        proposed=proposed,
        vendors=options(vault),
        page_size=PAGE,
        next=narrowed.link(after=after) if after else "",
        later=bool(request.args.get("after")),
    )


def _page(vault: OpenVault, where: str, values: list[Any]) -> tuple[list[Entry], str]:
    """One page of the catalogue and the cursor after it. An order is not torn apart if it fits."""
    begun = CURSOR.fullmatch(request.args.get("after", ""))
    if begun:
        where, values = f"{where} AND (day, number) < (?, ?)", [*values, begun[1], int(begun[2])]
    found = vault.catalogue.entries(where, *values, limit=PAGE + 1)
    if len(found) <= PAGE:
        return found, ""
    page, beyond = found[:PAGE], found[PAGE]
    while _same_order(page[-1], beyond) and not _same_order(page[0], beyond):
        page.pop()
    return page, f"{page[-1].day}_{page[-1].number}"


def _same_order(one: Entry, other: Entry) -> bool:
    return bool(one.bundle) and (one.bundle, one.vendor) == (other.bundle, other.vendor)


def grouped(entries: Iterable[Entry], found: dict[int, Stored], titles: dict[int, str]) -> list[Row]:
    """Rows of entries that stand next to each other; `found` are their records, `titles` the vendors' names."""
    groups: list[list[Entry]] = []
    for entry in entries:
        if groups and _same_order(groups[-1][-1], entry):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    ordered = [sorted(group, key=lambda entry: entry.number) for group in groups]
    return [Row(group, vendor_name(group[0].vendor, titles), _paid(group, found)) for group in ordered]


def _paid(group: list[Entry], found: dict[int, Stored]) -> str:
    records = [cast(Purchase, found[entry.number].record) for entry in group if entry.number in found]
    return shown.total(record.price for record in records)


def latest(vault: OpenVault, count: int) -> list[Row]:
    """The newest purchases as rows, for home."""
    entries = vault.catalogue.entries(LISTED, limit=3 * count)
    with vault.server.main.reading() as reading:
        found = {each.number: each for each in readable(reading, vault, [entry.number for entry in entries])}
    return grouped(entries, found, vault.catalogue.titles(entry.vendor for entry in entries))[:count]


def about(reading: Session, vault: OpenVault, stored: Stored) -> dict[str, Any]:
    """What a purchase's own page shows besides its fields: its order, its vendor, what is proposed."""
    record, catalogue = cast(Purchase, stored.record), vault.catalogue
    together = "bundle = ? AND vendor = ? AND collection = 'purchases' AND part = ? AND NOT damaged"
    same = (record.bundle(), record.of_vendor())
    siblings = catalogue.entries(together, *same, "", order="number", limit=60) if same[0] else []
    orders = catalogue.entries(together, *same, "order", limit=1) if same[0] else []
    items = readable(reading, vault, [entry.number for entry in siblings]) or [stored]
    order = readable(reading, vault, [entry.number for entry in orders])
    proposed = Purchase.fields
    return {
        "items": items,
        "order": cast(Order, order[0].record) if order else None,
        "order_number": order[0].number if order else 0,
        "sum": shown.total(cast(Purchase, item.record).price for item in items),
        "vendor": vendor_name(record.of_vendor(), catalogue.titles([record.of_vendor()])),
        "for_whom": FOR_WHOM,
        "facts": [row for row in rows(vault, record) if row[0].name not in TOLD_ELSEWHERE],
        "proposed": [
            (each, shown.value(stored.proposes[each.name], each)) for each in proposed if each.name in stored.proposes
        ],
        "draft": Draft(Purchase, filled(record)),
    }


def usual_currency(vault: OpenVault) -> str:
    """The currency to begin a form with: the one she chose, or that of her latest purchase with a price."""
    if chosen := str(vault.settings.get("currency", "")):
        return chosen
    entries = vault.catalogue.entries(LISTED, limit=3)
    with vault.server.main.reading() as reading:
        found = [cast(Purchase, each.record).price for each in readable(reading, vault, [e.number for e in entries])]
    return next((price.currency for price in found if price), "EUR")


@pages.post("/purchases/<int:number>/gift")
@session.unlocked
def gift(number: int) -> Response:
    """Mark as a gift, for whom and with a note, or take the mark away."""
    if request.form.get("gift") == "no":
        return _say(number, {"for_whom": "me", "recipient": None, "gift_note": None}, "no-gift")
    said = read_form(Purchase, request.form, only=("recipient", "gift_note"))
    return _say(number, {"for_whom": "gift", **said}, "gift")


@pages.post("/purchases/<int:number>/note")
@session.unlocked
def note(number: int) -> Response:
    """Her note and rating."""
    return _say(number, read_form(Purchase, request.form, only=("note", "rating")), "saved", settle=False)


@pages.post("/purchases/<int:number>/decide")
@session.unlocked
def decide(number: int) -> Response:
    """Take over what an import proposed, or drop it."""
    vault = session.vault()
    with store.writing(vault) as turn:
        _check_kind(store.read(turn.session, vault, number))
        store.decide(turn, vault, number, accept=request.form.get("accept") == "yes")
    default = url_for("collection.detail", collection="purchases", number=number, notice="decided")
    return cast(Response, session.step_back(default))


def _say(number: int, edits: dict[str, Any], notice: str, *, settle: bool = True) -> Response:
    """Lay edits over a purchase; a gift mark of her own also settles what was proposed."""
    vault = session.vault()
    with store.writing(vault) as turn:
        before = store.read(turn.session, vault, number)
        _check_kind(before)
        edited = before.edited(changed(before.record, edits))
        after = store.put(turn, vault, before, edited.decided() if settle else edited)
    done = {"notice": notice, "undo": after.revision} if after.revision != before.revision else {"notice": "unchanged"}
    return make_response(redirect(url_for("collection.detail", collection="purchases", number=number, **done), 303))


def _check_kind(stored: Stored) -> None:
    if stored.kind is not Purchase:
        raise NotFound
