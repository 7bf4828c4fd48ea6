"""Search over everything in the vault, as she types or by the button."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask_babel import gettext

from vault import words
from vault.catalogue import Catalogue, Entry
from vault.opened import OpenVault
from vault.pages import session, shown
from vault.pages.listing import vendor_name
from vault.pages.vendors import options
from vault.record import CLASSES, Record, classes_of
from vault.search import MANY, Search, Wanted
from vault.store import readable
from vault.stored import Stored

pages = Blueprint("search", __name__)

PAGE = 20
CURSOR = re.compile(r"([0-2])_(\d{1,19})", re.ASCII)
DAY = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
NUMBER = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One record that was found: its marked name, what it is, and the part of its own words that was asked for."""

    entry: Entry
    kind: type[Record]
    name: words.Marked
    facts: list[words.Marked]
    label: str
    part: words.Marked


@pages.get("/search")
@session.unlocked
def search_page() -> Response:
    """Look for words in everything. A link from another site only fills in the box: it must not learn what is here."""
    vault, wanted = session.vault(), _asked()
    elsewhere = request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}
    partly = "HX-Request" in request.headers
    page = render_template(
        "search_found.html" if partly else "search.html",
        query=_query(),
        wanted=wanted,
        narrowed=bool(wanted.vendor or wanted.begin or wanted.end),
        link=_link(wanted),
        vendors=[] if partly else options(vault),
        partly=partly,
        **({} if elsewhere or not wanted.terms else _found(vault, wanted)),
    )
    response = make_response(page)
    response.headers["Vary"] = "HX-Request"
    return response


def _asked() -> Wanted:
    """What the query string looks for; what cannot be read narrows nothing."""
    collection, vendor = request.args.get("in", ""), request.args.get("vendor", "")
    begin, end = (day if DAY.fullmatch(day := request.args.get(name, "")) else "" for name in ("from", "to"))
    known = collection if classes_of(collection) else ""
    return Wanted(words.terms(_query()), known, int(vendor) if NUMBER.fullmatch(vendor) else 0, begin, end)


def _query() -> str:
    return request.args.get("q", "")[: words.LONGEST_QUERY]


def _link(wanted: Wanted) -> Callable[..., str]:
    """Makes addresses of this search, but for what is given."""
    mine = {"in": wanted.collection, "vendor": wanted.vendor, "from": wanted.begin, "to": wanted.end}

    def link(**other: Any) -> str:
        asked = {"q": _query(), **mine, **other}
        return url_for("search.search_page", **{name: value for name, value in asked.items() if value})

    return link


def _found(vault: OpenVault, wanted: Wanted) -> dict[str, Any]:
    """What the page says of what was found. Opens the rows it shows and no others."""
    catalogue = vault.catalogue
    search = Search(catalogue, wanted)
    begun = CURSOR.fullmatch(request.args.get("after", ""))
    hits, counts = search.hits(PAGE + 1, (int(begun[1]), int(begun[2])) if begun else None), search.counts()
    last = hits[PAGE - 1] if len(hits) > PAGE else None
    everything, within = sum(counts.values()), wanted.collection  # of which the first MANY are counted
    return {
        "rows": _rows(vault, catalogue, [hit.entry for hit in hits[:PAGE]], wanted),
        "counts": counts,
        "titles": {name: classes_of(name)[0].title for name, _ in CLASSES},
        "all": everything,
        "many": MANY,
        "matching": sum(search.counts(within).values()) if within else everything,
        "alone": [(term, _count(catalogue, wanted, term)) for term in wanted.terms] if not hits else [],
        "next": _link(wanted)(after=f"{last.tier}_{last.place}") if last else "",
    }


def _count(catalogue: Catalogue, wanted: Wanted, term: str) -> int:
    return sum(Search(catalogue, replace(wanted, terms=[term])).counts().values())


def _rows(vault: OpenVault, catalogue: Catalogue, entries: list[Entry], wanted: Wanted) -> list[Row]:
    titles = catalogue.titles(entry.vendor for entry in entries if entry.vendor)
    with vault.server.main.reading() as reading:
        found = {each.number: each for each in readable(reading, vault, [entry.number for entry in entries])}
    return [_row(entry, found[entry.number], titles, wanted) for entry in entries if entry.number in found]


def _row(entry: Entry, stored: Stored, titles: dict[int, str], wanted: Wanted) -> Row:
    record, kind = stored.record, stored.kind
    parts = {name: words.extract(text, wanted.terms) for name, text in record.words().items() if text != entry.title}
    label = next((name for name, part in parts.items() if part), "")
    one = gettext(kind.one)
    facts = [one[:1].upper() + one[1:], vendor_name(entry.vendor, titles), shown.money(getattr(record, "price", None))]
    return Row(
        entry=entry,
        kind=kind,
        name=words.marked(entry.title, wanted.terms),
        facts=[words.marked(fact, wanted.terms if at else ()) for at, fact in enumerate(facts) if fact],
        label=next((each.label for each in kind.fields if each.name == label), ""),
        part=parts.get(label, []),
    )
