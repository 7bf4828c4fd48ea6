"""Insights: what her own records say about a time she chooses. Read from the catalogue's sums; no record is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from babel.dates import format_date
from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext
from markupsafe import Markup

from vault import charts, figures
from vault.catalogue import Catalogue
from vault.errors import N_
from vault.figures import Span, Sum
from vault.pages import habits, session, shown
from vault.pages.listing import vendor_name

pages = Blueprint("insights", __name__)

TOP = 8
BARS = 30
SPENT = {
    "": N_("You spent %(sum)s in the last twelve months"),
    "all": N_("You spent %(sum)s since %(year)s"),
    "this": N_("You have spent %(sum)s this year"),
    "year": N_("You spent %(sum)s in %(year)s"),
}


class Row(NamedTuple):
    """A line of a table, with what it is of, and where it leads."""

    name: str
    times: int
    paid: str
    href: str = ""


@dataclass(frozen=True)
class Part:
    """A chart and the same numbers as rows; the title says both."""

    title: str
    chart: Markup
    rows: Sequence[Row]


@dataclass(frozen=True)
class Period:
    """A time she chose: `when` is empty for the last twelve months, `all`, or a year. `buckets` are its bars."""

    when: str
    begin: str
    end: str
    buckets: Sequence[str]

    @classmethod
    def of(cls, when: str, today: date, years: Sequence[str]) -> Period:
        """What the query string asks for; what cannot be read is the last twelve months."""
        this = str(today.year)
        if when == "all":
            several = _years([*years, this])
            return cls("all", "", "", several if len(several) > 1 else _months(f"{this}-01", today))
        if re.fullmatch(r"[1-9]\d{3}", when):
            return cls(when, when, when, _months(f"{when}-01", today if when == this else date(int(when), 12, 31)))
        begin = f"{today.year - 1}-{today.month + 1:02}" if today.month < 12 else f"{today.year}-01"
        return cls("", begin, today.isoformat()[:7], _months(begin, today))

    def heading(self, paid: str, first: str, today: date) -> str:
        """What was spent in it, as a sentence. `first` is the first year of all."""
        kind = self.when if self.when in ("", "all") else "this" if self.when == str(today.year) else "year"
        return str(gettext(SPENT[kind], sum=paid, year=self.when if kind == "year" else first))


@pages.get("/insights")
@session.unlocked
def insights() -> str:
    """Spending by month, vendor and kind of thing; habits; what others can see and when they looked."""
    vault, today = session.vault(), shown.today()
    catalogue, years = vault.catalogue, figures.years(vault.catalogue)
    period = Period.of(request.args.get("when", ""), today, years)
    gifts = request.args.get("gifts") == "yes"
    span = Span(period.begin, period.end, gifts)
    found = figures.currencies(catalogue, span)
    priced = [each for each in found if each.value]
    currency = next((each.value for each in priced if each.value == request.args.get("currency")), "")
    currency = currency or (priced[0].value if priced else "")
    return render_template(
        "insights.html",
        period=period,
        years=years,
        years_before=[(year, year) for year in years if year != str(today.year)],
        this_year=str(today.year),
        today=today,
        gifts=gifts,
        left_out=_gifts(catalogue, span),
        priced=priced,
        currency=currency,
        currencies=[(each.value, shown.currency(each.value)) for each in priced],
        unpriced=sum(each.times for each in found if not each.value),
        spending=_spending(catalogue, period, span, currency, today) if priced else None,
        got=_got(catalogue, span),
        **habits.about(vault, today, gifts=gifts),
    )


def link(**other: Any) -> str:
    """This page narrowed likewise, but for what is given."""
    mine: dict[str, Any] = {name: request.args.get(name, "") for name in ("when", "gifts", "currency")} | other
    return url_for("insights.insights", **{name: value for name, value in mine.items() if value})


def _spending(catalogue: Catalogue, period: Period, span: Span, currency: str, today: date) -> dict[str, Any]:
    """Everything about one currency."""
    months = figures.spent(catalogue, "month", span, currency)
    together = sum((each.amount for each in months), Decimal(0))
    vendors = figures.spent(catalogue, "vendor", span, currency)
    titles = catalogue.titles(each.value for each in vendors)
    kinds = figures.spent(catalogue, "kind", span, currency)
    time, average = _by_time(months, period, currency), together / max(len(period.buckets), 1)
    return {
        "heading": period.heading(_money(together, currency), months[0].value[:4], today),
        "together": Row("", sum(each.times for each in months), _money(together, currency)),
        "average": "" if len(period.buckets[0]) == 4 else shown.rounded(average, currency),
        "dearest": max((each for each in months if len(each.value) == 7), key=lambda each: each.amount, default=None),
        "time": time,
        "vendors": _ranked(
            vendors,
            currency,
            lambda number: vendor_name(number, titles) or gettext("Somewhere"),
            gettext("Spending by vendor"),
            lambda number: _purchases(period, vendor=number) if number else "",
        ),
        "kinds": _ranked(
            kinds,
            currency,
            lambda kind: shown.capital(kind) or gettext("No kind given"),
            gettext("Spending by kind of thing"),
        ),
        "any_kind": any(each.value for each in kinds),
    }


def _by_time(months: Sequence[Sum], period: Period, currency: str) -> Part:
    """Months, or years where there are too many; what was bought at a time less well known has a row and no bar."""
    size = len(period.buckets[0])
    sums = {bucket: Sum(bucket, Decimal(0), 0) for bucket in period.buckets}
    for each in months:
        bucket = each.value[:size]
        before = sums.get(bucket, Sum(bucket, Decimal(0), 0))
        sums[bucket] = Sum(bucket, before.amount + each.amount, before.times + each.times)
    most = max(sums.values(), key=lambda each: each.amount)
    bars = [
        charts.Bar(float(sums[bucket].amount), *_label(bucket, sums[bucket], currency), now=sums[bucket] is most)
        for bucket in period.buckets
    ]
    title = gettext("Spending by year") if size == 4 else gettext("Spending by month")
    rows = [
        Row(
            shown.month(each.value) if len(each.value) == size else _vague(each.value),
            each.times,
            _money(each.amount, currency),
            link(when=each.value)
            if size == 4
            else _purchases(period, month=each.value)
            if len(each.value) == 7
            else "",
        )
        for each in sorted(sums.values(), key=lambda each: each.value)
    ]
    return Part(title, charts.columns(bars, _described(title, currency), shown.brief), rows)


def _label(bucket: str, found: Sum, currency: str) -> tuple[str, str, str, str]:
    """What a bar says: its label, its amount, and the words around the label that a narrow screen leaves out."""
    amount = shown.rounded(found.amount, currency)
    if len(bucket) == 4:
        return bucket[2:], amount, bucket[:2], ""
    words = str(format_date(date.fromisoformat(f"{bucket}-01"), "LLL", locale=shown.locale()))
    return words[:1].upper(), amount, "", words[1:]


def _ranked(
    sums: Sequence[Sum],
    currency: str,
    name: Callable[[Any], str],
    title: str,
    href: Callable[[Any], str] = lambda _: "",
) -> Part:
    """The largest, and the others as one."""
    top, others = list(sums[:TOP]), sums[TOP:]
    rows = [Row(name(each.value), each.times, _money(each.amount, currency), href(each.value)) for each in top]
    if others:
        rest = Sum("", sum((each.amount for each in others), Decimal(0)), sum(each.times for each in others))
        top.append(rest)
        rows.append(Row(gettext("%(n)d others", n=len(others)), rest.times, _money(rest.amount, currency)))
    bars = [
        charts.Bar(float(each.amount), row.name, shown.short_money(each.amount, currency))
        for each, row in zip(top, rows, strict=True)
    ]
    return Part(title, charts.ranks(bars, _described(title, currency)), rows)


def _gifts(catalogue: Catalogue, span: Span) -> tuple[int, str]:
    """How many gifts are in this time, and what they came to."""
    without = {each.value: each for each in figures.currencies(catalogue, Span(span.begin, span.end))}
    money, times = [], 0
    for each in figures.currencies(catalogue, Span(span.begin, span.end, gifts=True)):
        mine = without.get(each.value, Sum(each.value, Decimal(0), 0))
        times += each.times - mine.times
        if each.value and each.times > mine.times:
            money.append(_money(each.amount - mine.amount, each.value))
    return times, " + ".join(money)


def _got(catalogue: Catalogue, span: Span) -> Callable[[Collection[int]], dict[int, tuple[int, str]]]:
    """For other rooms' panels: by vendor's number, how many purchases there, and what they came to."""

    def got(vendors: Collection[int]) -> dict[int, tuple[int, str]]:
        return {
            vendor: (
                sum(each.times for _, each in sums),
                " + ".join(_money(each.amount, currency) for currency, each in sums if currency),
            )
            for vendor, sums in figures.bought_at(catalogue, span, vendors).items()
        }

    return got


def _years(known: Sequence[str]) -> list[str]:
    """Every year from the first to the last; where that is too many, the latest of those with anything in them."""
    every = [str(year) for year in range(int(min(known)), int(max(known)) + 1)]
    return every if len(every) <= BARS else sorted(set(known))[-BARS:]


def _months(begin: str, last: date) -> list[str]:
    first = int(begin[:4]) * 12 + int(begin[5:]) - 1
    return [f"{at // 12}-{at % 12 + 1:02}" for at in range(first, last.year * 12 + last.month)]


def _purchases(period: Period, *, month: str = "", **more: Any) -> str:
    """The list of purchases of this time."""
    begin, end = (month, month) if month else (period.begin, period.end)
    asked = {"from": begin, "to": end, **more}
    return url_for("collection.purchases", **{name: value for name, value in asked.items() if value})


def _vague(year: str) -> str:
    return str(gettext("%(year)s, month not known", year=year))


def _described(title: str, currency: str) -> str:
    return str(gettext("%(what)s, in %(currency)s; the table has the numbers.", what=title, currency=currency))


def _money(amount: Decimal, currency: str) -> str:
    return shown.money({"amount": str(amount), "currency": currency})
