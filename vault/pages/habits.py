"""What repeats: how often she buys the same thing, what it cost each time, and which guarantees end soon."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, cast

from flask import request
from flask_babel import gettext, ngettext
from markupsafe import Markup
from sqlalchemy.orm import Session

from vault import charts, figures
from vault.catalogue import Catalogue
from vault.collections.purchases import Purchase
from vault.opened import OpenVault
from vault.pages import shown
from vault.pages.listing import vendor_name
from vault.rhythm import Rhythm, rhythm
from vault.store import readable
from vault.values import HIGHEST, Money, When

SHOWN = 6
OFFERED = 20
YEAR = 365
SOON = 180
LONG = 60

Thing = str | int  # a kind of thing by its words, or a product by the number that stands for it


class Habit(NamedTuple):
    """Something bought again and again: its name and rhythm, its days within a year, and the rhythm in words."""

    name: str
    rhythm: Rhythm
    year: list[date]
    every: str
    sentence: str


class Paid(NamedTuple):
    """One purchase of a product: its number, day and vendor, and the price of one."""

    number: int
    day: str
    vendor: str
    price: Money


class History(NamedTuple):
    """What a product cost: which one is chosen, which can be, its purchases, a sentence on them, and a chart."""

    chosen: int
    options: list[tuple[int, str]]
    paid: list[Paid]
    sentence: str
    chart: Markup


def about(vault: OpenVault, today: date, *, gifts: bool) -> dict[str, Any]:
    """What the page says of all times, not only of the one chosen."""
    catalogue = vault.catalogue
    often = figures.products(catalogue, gifts=gifts)
    habits = _habits(catalogue, often, today, gifts=gifts)
    with vault.server.main.reading() as reading:
        soon = (today + timedelta(days=SOON)).isoformat()
        ending = figures.guarantees(catalogue, today.isoformat(), soon)
        return {
            "habits": habits,
            "habits_chart": _habits_chart(habits, today) if habits else None,
            "history": _history(reading, vault, often, gifts=gifts),
            "ending": readable(reading, vault, ending[:SHOWN]),
            "ending_more": max(len(ending) - SHOWN, 0),
        }


def _habits(catalogue: Catalogue, often: list[int], today: date, *, gifts: bool) -> list[Habit]:
    """The steadiest first; a product that is all there is of its kind is called by the kind."""
    found: dict[tuple[date, ...], tuple[Thing, Rhythm]] = {}
    things: list[Thing] = [*figures.kinds(catalogue, gifts=gifts), *often]
    for thing in things:
        regular = rhythm(_days(catalogue, thing, gifts=gifts), today)
        if regular:
            found.setdefault(regular.days, (thing, regular))
    steadiest = sorted(found.values(), key=lambda each: (-len(each[1].days), each[1].every))[:SHOWN]
    return [_habit(catalogue, thing, regular, today, gifts=gifts) for thing, regular in steadiest]


def _habit(catalogue: Catalogue, thing: Thing, regular: Rhythm, today: date, *, gifts: bool) -> Habit:
    name = thing if isinstance(thing, str) else _title(catalogue, thing, gifts=gifts)
    since = (today - timedelta(days=YEAR)).isoformat()
    year = [day for day in _days(catalogue, thing, since, gifts=gifts) if day <= today]
    return Habit(shown.capital(name), regular, year, *_in_words(name, regular.every))


def _days(catalogue: Catalogue, thing: Thing, since: str = "", *, gifts: bool) -> list[date]:
    return [date.fromisoformat(day) for day in figures.days(catalogue, thing, since, gifts=gifts)]


def _in_words(name: str, days: int) -> tuple[str, str]:
    """Every 23 days, and the whole sentence; a long time in months."""
    if days > LONG:
        months = round(days / 30.44)
        return (
            str(ngettext("about every month", "about every %(num)d months", months)),
            str(
                ngettext(
                    "You buy %(thing)s about every month",
                    "You buy %(thing)s about every %(num)d months",
                    months,
                    thing=name,
                )
            ),
        )
    return (
        str(ngettext("every day", "every %(num)d days", days)),
        str(ngettext("You buy %(thing)s every day", "You buy %(thing)s every %(num)d days", days, thing=name)),
    )


def _habits_chart(habits: list[Habit], today: date) -> Markup:
    first = today - timedelta(days=YEAR)
    rows = [(each.name, [(day - first).days / YEAR for day in reversed(each.year)]) for each in habits]
    title = gettext("Days on which you bought each, over twelve months; the table has the same days.")
    return charts.dots(rows, gettext("a year ago"), gettext("today"), title)


def _title(catalogue: Catalogue, product: int, *, gifts: bool) -> str:
    """A product by the name of its latest purchase."""
    numbers = figures.purchases(catalogue, product, gifts=gifts)[:1]
    return next(iter(catalogue.titles(numbers).values()), "")


def _history(reading: Session, vault: OpenVault, often: list[int], *, gifts: bool) -> History | None:
    """What one product cost each time, and which others can be chosen. Opens the purchases it shows, and a few more."""
    catalogue, asked = vault.catalogue, request.args.get("product", "")
    chosen = figures.product_of(catalogue, int(asked)) if re.fullmatch(r"[0-9]{1,15}", asked) else None
    bought = {
        each: figures.purchases(catalogue, each, gifts=gifts) for each in [*often[:OFFERED], *filter(None, [chosen])]
    }
    titles = catalogue.titles(numbers[0] for numbers in bought.values() if numbers)
    options = [(numbers[0], titles.get(numbers[0], "")[:60]) for numbers in bought.values() if numbers]
    for product in [chosen] if chosen is not None else often[:SHOWN]:
        numbers = bought[product]
        paid = _paid(reading, vault, numbers)
        if len(paid) >= figures.OFTEN:
            return History(numbers[0], options, paid, _change(titles[numbers[0]], paid), _history_chart(paid))
    return None


def _change(name: str, paid: list[Paid]) -> str:
    """A sentence on the first price and the last."""
    first, last = paid[0], paid[-1]
    change = round(last.price.decimal / first.price.decimal - 1, 2)
    words = {"thing": name, "percent": shown.percent(abs(change)), "month": shown.day(first.day[:7])}
    if change == 0:
        return str(gettext("%(thing)s costs as much as in %(month)s", **words))
    if change > 0:
        return str(gettext("%(thing)s costs %(percent)s more than in %(month)s", **words))
    return str(gettext("%(thing)s costs %(percent)s less than in %(month)s", **words))


def _history_chart(paid: list[Paid]) -> Markup:
    days = [When(each.day).earliest for each in paid]
    first, length = days[0], max((days[-1] - days[0]).days, 1)
    prices = [(each.price.decimal, each.price.currency) for each in paid]
    points = [
        charts.Point(
            (day - first).days / length, float(price), shown.short_money(price, currency), shown.short_day(each.day)
        )
        for day, each, (price, currency) in zip(days, paid, prices, strict=True)
    ]
    title = gettext("Price of one, from the first purchase shown to the last; the table has the numbers.")
    return charts.stairs(points, title)


def _paid(reading: Session, vault: OpenVault, numbers: list[int]) -> list[Paid]:
    """Purchases with a price, oldest first, all in the currency of the newest."""
    found = sorted(readable(reading, vault, numbers), key=lambda each: each.record.day())
    titles = vault.catalogue.titles(each.record.of_vendor() for each in found)
    paid = []
    for each in found:
        record = cast(Purchase, each.record)
        one = _of_one(record.price, record.quantity) if record.price else None
        if one is not None and one.decimal > 0:
            paid.append(Paid(each.number, record.day(), vendor_name(record.of_vendor(), titles), one))
    return [each for each in paid if each.price.currency == paid[-1].price.currency]


def _of_one(price: Money, quantity: Decimal | None) -> Money | None:
    """The price of the whole line, divided by how many there are; None beyond what any price can be."""
    if not quantity or quantity <= 0 or quantity == 1:
        return price
    one = price.decimal / quantity
    digits = Decimal("0.01") if one >= 1 else Decimal("0.0001")
    return Money(str(one.quantize(digits)), price.currency) if one <= HIGHEST else None
