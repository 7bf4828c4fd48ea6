"""How values look on pages: days as precisely as they are known, exact amounts, and the sentences after an act.

Babel formats in the page's language. Times are in the zone she has chosen, or else the server's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent, get_currency_name
from babel.units import format_unit
from flask import Flask, g, request, url_for
from flask_babel import get_locale, gettext

from vault import choices, departure
from vault.days import moment_of
from vault.pages.notices import NOTICES
from vault.pages.session import server
from vault.record import Field
from vault.rooms import Nav
from vault.values import When

BYTES = ("digital-byte", "digital-kilobyte", "digital-megabyte", "digital-gigabyte")


def install(app: Flask) -> None:
    """Filters for templates, and what every page says about itself."""
    app.jinja_env.filters.update(
        day=day,
        yearless=yearless,
        short_day=short_day,
        month=month,
        money=money,
        moment=moment,
        ago=ago,
        counted=counted,
        size=size,
        value=value,
        total=total,
    )
    app.jinja_env.globals.update(door=door)
    app.context_processor(_about_this_page)


def locale() -> Locale:
    """The page's language; plain English puts the day first, as everywhere but in one country."""
    found = get_locale() or Locale("en")
    return Locale("en", "GB") if found.language == "en" and not found.territory else found


def language() -> str:
    """The page's language as HTML and receipts name it (BCP 47)."""
    return str(get_locale() or "en").replace("_", "-")


def now() -> datetime:
    """The present moment in her zone."""
    return server().clock().astimezone(zone())


def zone() -> ZoneInfo | None:
    """The time zone she has chosen; None for the server's own."""
    vault = g.get("vault")
    return choices.zone(vault.settings) if vault is not None else None


def today() -> date:
    """Today in her zone."""
    return now().date()


def day(known: When | str | None) -> str:
    """18 November 2026, November 2026 or 2026: what is known and no more. A minute is shown if there is one."""
    if not known:
        return ""
    text = str(known)
    if len(text) == 4:
        return text
    first = date.fromisoformat((text + "-01")[:10])
    if len(text) == 7:
        return str(format_skeleton("yMMMM", first, locale=locale()))
    words = str(format_date(first, "long", locale=locale()))
    return _at(words, time.fromisoformat(text[11:16])) if len(text) > 10 else words


def _at(words: str, clock: time) -> str:
    return str(gettext("%(day)s, %(time)s", day=words, time=format_time(clock, "short", locale=locale())))


def short_day(known: When | str | None) -> str:
    """18 Nov, with the year if it is another one."""
    text = str(known or "")
    if len(text) < 7:
        return text
    first = date.fromisoformat((text + "-01")[:10])
    month_and_day = "MMM" if len(text) == 7 else "MMMd"
    year = "" if first.year == today().year else "y"
    return str(format_skeleton(year + month_and_day, first, locale=locale()))


def yearless(known: str) -> str:
    """10 December, from `--12-10`; anything else as it is."""
    if not known.startswith("--") or len(known) != 7:
        return known
    return str(format_skeleton("MMMMd", date.fromisoformat(f"2000-{known[2:]}"), locale=locale()))


def month(known: str) -> str:
    """November, with the year if it is another one; a whole year where no month is known."""
    if len(known) < 7:
        return known or str(gettext("Day not known"))
    first = date.fromisoformat(f"{known[:7]}-01")
    words = str(format_date(first, "LLLL" if first.year == today().year else "LLLL y", locale=locale()))
    return capital(words)


def capital(words: str) -> str:
    """Words that begin with a large letter."""
    return words[:1].upper() + words[1:]


def money(amount: Any) -> str:
    """€18.50 or EUR 18.50, as she has chosen, from a Money or its JSON: every digit of it, none more."""
    if not amount:
        return ""
    plain = amount if isinstance(amount, dict) else {"amount": amount.amount, "currency": amount.currency}
    amount_itself, currency = Decimal(plain["amount"]), plain["currency"]
    return str(format_currency(amount_itself, currency, _pattern(), locale=locale(), decimal_quantization=False))


def _pattern() -> str | None:
    """The language's own pattern for amounts with the currency's letters in place of its sign, if she wants those."""
    vault = g.get("vault")
    if vault is None or vault.settings.get("amounts") != "letters":
        return None
    usual = locale().currency_formats["standard"].pattern
    return str(usual).replace("¤", "¤¤\xa0" if usual.startswith("¤") else "¤¤")


def rounded(amount: Decimal, currency: str) -> str:
    """€19, to the whole unit."""
    pattern = locale().currency_formats["standard"].pattern.replace(".00", "")
    return str(format_currency(amount, currency, pattern, locale=locale(), currency_digits=False))


def brief(plain: float) -> str:
    """1,500 or 25M, from a round number."""
    if plain < 100_000:
        return str(format_decimal(plain, locale=locale()))
    return str(format_compact_decimal(plain, locale=locale(), fraction_digits=2))


def short_money(amount: Decimal, currency: str) -> str:
    """€18.50, or a long amount to the whole unit, so that there is room for a name beside it."""
    words = money({"amount": str(amount), "currency": currency})
    return words if len(words) <= 12 else rounded(amount, currency)


def percent(part: Decimal) -> str:
    """7%, from 0.07."""
    return str(format_percent(part, locale=locale()))


def currency(code: str) -> str:
    """Euro, from EUR; the code itself where it has no name."""
    words = str(get_currency_name(code, locale=locale()))
    return words if words == code else f"{words} ({code})"


def total(amounts: Iterable[Any]) -> str:
    """Amounts added up, each currency by itself: €61.30 + CHF 5.00. Empty if there is none."""
    sums: dict[str, Decimal] = {}
    for each in amounts:
        if each is not None:
            sums[each.currency] = sums.get(each.currency, Decimal(0)) + each.decimal
    return " + ".join(money({"amount": str(number), "currency": currency}) for currency, number in sums.items())


def moment(seconds: int) -> str:
    """today, 18:12, or 18 November 2026, 18:12."""
    then = moment_of(seconds).astimezone(zone())
    words = _near(then.date()) or format_date(then.date(), "long", locale=locale())
    return _at(words, then.time())


def _near(then: date) -> str:
    days = {-1: gettext("yesterday"), 0: gettext("today"), 1: gettext("tomorrow")}
    return str(days.get((then - today()).days, ""))


def instant(seconds: int) -> str:
    """2026-11-22T18:12+01:00: a moment in her zone, ISO 8601 to the minute."""
    return moment_of(seconds).astimezone(zone()).isoformat(timespec="minutes")


def ago(known: date | str) -> str:
    """today, yesterday, in 11 days, 3 weeks ago."""
    then = known if isinstance(known, date) else date.fromisoformat(known[:10])
    if near := _near(then):
        return near
    days = (then - today()).days
    finest: Literal["day", "month"] = "day" if abs(days) < 60 else "month"
    apart = timedelta(days=days)
    return str(format_timedelta(apart, granularity=finest, threshold=9, add_direction=True, locale=locale()))


def counted(number: int | Decimal) -> str:
    """12,480, as the page's language groups it."""
    return str(format_decimal(number, locale=locale(), decimal_quantization=False))


def size(count: int) -> str:
    """1.4 MB, from bytes; 1024 of them are 1 kB."""
    power = min(max(count.bit_length() - 1, 0) // 10, len(BYTES) - 1)
    number = round(Decimal(count) / 1024**power, 1) if power else count
    length: Literal["short", "long"] = "short" if power else "long"  # "521 byte" is no English
    return str(format_unit(number, BYTES[power], length, format="#,##0.#", locale=locale()))


def value(plain: Any, field: Field) -> str:
    """Words for a field's JSON value; references are the caller's, who knows the titles."""
    if plain is None:
        return ""
    match field.kind:
        case "when":
            return day(plain)
        case "money":
            return money(plain)
        case "choice":
            return str(gettext(field.choices.get(plain, plain)))
        case "flag":
            return str(gettext("Yes") if plain else gettext("No"))
        case "words":
            return ", ".join(plain)
        case "number":
            return counted(Decimal(plain))
    return str(plain)


def door(path: str) -> bool:
    """Does any room's menu lead to this path? Pages link to other rooms only where there is one."""
    return any(url_for(entry.endpoint) == path for entry in _entries())


def _entries() -> list[Nav]:
    return [entry for room in server().rooms for entry in room.nav]


def _here() -> str:
    """The menu's entry to which this page belongs: itself, its collection, or the only entry of its blueprint."""
    endpoint, entries = request.endpoint or "", [entry.endpoint for entry in _entries()]
    if endpoint in entries:
        return endpoint
    arguments = request.view_args or {}
    blueprint = request.blueprint or ""
    if (wanted := f"collection.{arguments.get('collection', blueprint)}") in entries:
        return wanted
    same = [each for each in entries if each.split(".")[0] == blueprint]
    return same[0] if len(same) == 1 else endpoint


def _about_this_page() -> dict[str, Any]:
    vault, moment_now = g.get("vault"), now()
    name = vault.name if vault is not None else ""
    code, undo = request.args.get("notice", ""), request.args.get("undo", "")
    leaves_on = departure.planned(vault.server, vault.owner_id) if vault is not None else None
    return {
        "lang": language(),
        "vault_address": server().settings.issuer,  # never the name it was called by, which anybody may make up
        "you": name,
        "vault_name": gettext("%(name)s’s vault", name=name) if name else gettext("Vault"),
        "here": _here(),
        "leaves_on": leaves_on.isoformat() if leaves_on is not None and request.blueprint != "departure" else "",
        "notice": gettext(NOTICES[code]) if code in NOTICES else "",
        "undo": undo if code in NOTICES and re.fullmatch(r"\d{1,15}", undo) else "",
        "today_in_words": str(format_date(moment_now.date(), "full", locale=locale())),
        "weekday": str(format_skeleton("MMMMEEEEd", moment_now.date(), locale=locale())),
        "zone": moment_now.tzname() or "UTC",
        "idle_minutes": choices.quiet(vault.settings if vault is not None else {}) // 60,
        "locks_in": max(0, vault.ends_at - vault.server.now) if vault is not None else 0,
        "theme": vault.settings.get("theme", "") if vault is not None else "",
    }
