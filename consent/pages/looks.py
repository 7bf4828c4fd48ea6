"""The map of looks, and what she gives and gets by vendor: on the access log, on insights and on a vendor's page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from operator import attrgetter
from typing import Any

from babel.dates import format_date, get_day_names
from flask import render_template
from flask_babel import gettext
from markupsafe import Markup

from consent import access, looked
from consent.access import Entry
from consent.looked import WEEKS, Looks
from consent.views import GrantView
from vault import charts
from vault.opened import OpenVault
from vault.pages import shown
from vault.record import Field, classes_of, collection_paths

DAYS = 30  # of the strip on the first page
AT_HOME = 400  # entries read for it

# By vendor's number: how many purchases there, and what they came to in words.
Got = Callable[[Collection[int]], Mapping[int, tuple[int, str]]]


@dataclass
class Given:
    """A vendor: what it can see, how often it looked, and what she bought there."""

    name: str
    grant: bytes
    by_link: bool
    fields: dict[str, dict[str, Field]]
    held: bool = False
    looks: int = 0
    times: int = 0
    paid: str = ""


def keys_of(views: Iterable[GrantView]) -> dict[bytes, bytes]:
    """What opens the looks under these grants."""
    return {view.grant_id: view.terms.log_key for view in views}


def looks_map(
    views: Iterable[GrantView], said: Iterable[Entry], takes: Callable[[Entry], bool] | None = None
) -> Markup:
    """Days by weeks, and the same as a table: the looks under these grants, newest first."""
    today = shown.today()
    names = {view.grant_id: view.terms.client_name for view in views}
    looks = looked.lately(said, looked.first_day(today, shown.locale().first_week_day), takes)
    shown_map = render_template(
        "looks.html",
        looks=looks,
        names=names,
        most=_most(looks, names),
        weeks=WEEKS,
        chart=_chart(looks, today) if looks.total else None,
        narrowed=takes is not None,
        kinds=classes_of,
    )
    return Markup(shown_map)  # noqa: S704 - our own template, escaped where it prints


def strip(entries: Sequence[Entry]) -> dict[str, Any]:
    """The looks of the last days as a row of fields, and by day, the newest first; nothing unless all are here.

    For the first page: so many entries are read and no more, whoever looked how often.
    """
    today = shown.today()
    begin = today - timedelta(days=DAYS - 1)
    looks = looked.lately(entries, begin, attrgetter("is_look"))
    if not looks.total or (len(entries) > AT_HOME and entries[-1].at.astimezone().date() >= begin):
        return {}
    counted = {day.day: day.looks for day in looks.days}
    values = [counted.get(begin + timedelta(days=at), 0) for at in range(DAYS)]
    title = gettext(
        "Looks by day over the last %(days)d days, stronger for more; the table has the numbers.", days=DAYS
    )
    chart = charts.strip(values, shown.short_day(begin.isoformat()), shown.ago(today), title)
    return {"strip": chart, "days": looks.days, "total": looks.total, "of": DAYS}


def _most(looks: Looks, names: Mapping[bytes, str]) -> tuple[str, int]:
    """Who looked most, and how often."""
    by_name: dict[str, int] = {}
    for grant, times in looks.by_grant.items():
        by_name[names[grant]] = by_name.get(names[grant], 0) + times
    return max(by_name.items(), key=lambda each: each[1], default=("", 0))


def _chart(looks: Looks, today: date) -> Markup:
    locale = shown.locale()
    first = locale.first_week_day
    names = [get_day_names("abbreviated", "stand-alone", locale)[(first + day) % 7] for day in range(7)]
    rows = [(name[:1].upper(), name[1:]) for name in names]
    title = gettext("Looks by day over %(weeks)d weeks, stronger for more; the table has the numbers.", weeks=WEEKS)
    return charts.heat(rows, looked.weeks(looks, today, first), _months(today, first), title)


def _months(today: date, first_weekday: int) -> list[str]:
    """The name of each month below the week in which it begins, where there is room for it."""
    begin = looked.first_day(today, first_weekday)
    ends = [begin + timedelta(days=7 * week + 6) for week in range(WEEKS)]
    return [
        str(format_date(end, "LLL", locale=shown.locale())) if end.day <= 7 and week < WEEKS - 2 else ""
        for week, end in enumerate(ends)
    ]


def given_and_got(vault: OpenVault, views: Sequence[GrantView], got: Got) -> str:
    """By vendor: what it can see and how often it looked, beside what she bought there."""
    bought = got({view.terms.vendor for view in views})
    looks = access.counts(vault.server, vault.owner_id)
    rows: dict[int | bytes, Given] = {}
    for view in sorted(views, key=lambda view: view.terms.client_name.casefold()):
        terms = view.terms
        times, paid = bought.get(terms.vendor, (0, ""))
        mine = Given(terms.client_name, view.grant_id, terms.by_link, {}, held=True, times=times, paid=paid)
        row = rows.setdefault(terms.vendor or view.grant_id, mine)
        row.looks += looks.get(view.grant_id, 0)
        row.held = row.held and view.held is not None
        for item in terms.items:
            known = collection_paths(item.collection)
            mine_of_it = {path: known[path] for path in item.fields if path in known}
            row.fields.setdefault(item.collection, {}).update(mine_of_it)
    return render_template("given.html", rows=list(rows.values()), kinds=classes_of)
