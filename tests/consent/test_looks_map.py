"""The map of looks, and what she gives and gets: on the access log, on insights, and on a vendor's page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html import unescape

import pytest

from consent.access import Entry
from consent.looked import WEEKS, by_day, first_day, weeks
from consent.pages import looks
from tests.people import Ada, Bookshop, Clock

SUNDAY = date(2026, 11, 22)


def entry(day: str, outcome: str = "allowed", grant: bytes = b"g") -> Entry:
    at = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC)
    return Entry(grant, 1, at, {"purchases": ["item"]}, 1, [], outcome, "")


def rows(page: str, caption: str) -> list[str]:
    """What a table of a page says, row by row."""
    table = page.split(caption, 1)[1].split("</table>", 1)[0]
    found = [re.sub(r"<[^>]+>", " ", row) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)[1:]]
    return [unescape(" ".join(row.split())) for row in found]


def given(ada: Ada, path: str = "/insights") -> list[str]:
    return rows(ada.looks_at(path), "What you give and get, by vendor")


def test_looks_are_added_up_by_day_and_the_refused_ones_are_said():
    found = by_day(map(entry, ["2026-11-20", "2026-11-20", "2026-05-01"]))
    assert [(each.day, each.looks) for each in found.days] == [(date(2026, 11, 20), 2), (date(2026, 5, 1), 1)]
    assert found.total == 3
    refused = by_day([entry("2026-11-20", "paused"), entry("2026-11-20", "left")])
    assert (refused.days[0].looks, refused.days[0].refused) == (2, 1)


def test_the_map_ends_with_this_week_and_leaves_days_to_come_empty():
    looks = by_day([entry("2026-11-22"), entry("2026-11-16")])
    grid = weeks(looks, SUNDAY, 0)
    assert {len(row) for row in grid} == {WEEKS}
    assert [row[-1] for row in grid] == [1, 0, 0, 0, 0, 0, 1]
    wednesday = date(2026, 11, 18)
    assert [row[-1] for row in weeks(looks, wednesday, 0)] == [1, 0, 0, -1, -1, -1, -1]
    assert [row[-1] for row in weeks(looks, SUNDAY, 6)] == [1, -1, -1, -1, -1, -1, -1]
    assert first_day(SUNDAY, 0) == date(2026, 5, 25)


def test_the_access_log_and_insights_show_who_looked_when(ada: Ada, bookshop: Bookshop, coffee: Bookshop, clock: Clock):
    ada.buys("Moss", "2026-11-18")
    ada.lets(bookshop)
    ada.lets(coffee)
    bookshop.reads()
    clock.passes(days=1)
    ada.unlocks()
    bookshop.reads()
    coffee.reads()
    for path in ("/activity", "/insights"):
        page = ada.looks_at(path)
        assert "Bookshop looked most, 4 times in 26 weeks" in page, path
        today, yesterday = rows(page, "Who looked at what, by day")
        assert today.startswith("23 Nov"), path
        assert "Bookshop (Purchases)" in today
        assert "Kettle Lane Coffee (Purchases)" in today
        assert yesterday == "22 Nov Bookshop (Purchases) 2 looks"
        assert page.count("heat-4") == 1
    assert "Kettle Lane Coffee looked once in 26 weeks" in ada.looks_at(f"/activity?vendor={coffee.client_id}")
    assert "0 such looks in the last 26 weeks" in ada.looks_at("/activity?outcome=refused")


def test_a_vendors_page_shows_when_that_one_looked(ada: Ada, bookshop: Bookshop, coffee: Bookshop):
    ada.lets(bookshop)
    ada.lets(coffee)
    bookshop.reads()
    page = ada.looks_at(f"/vendors/{ada.bookshop_number}")
    assert "Bookshop looked" in page
    assert "Kettle Lane" not in page.split('id="looks"')[1]


def test_it_says_what_she_gives_and_gets_by_vendor(ada: Ada, bookshop: Bookshop):
    ada.buys("Moss", "2026-11-18", "18.50")
    ada.buys("Atlas", "2026-11-18", "24.90", for_whom="gift")
    ada.lets(bookshop, ticks=("0.price",))
    bookshop.reads()
    [row] = given(ada)
    assert row.startswith("Bookshop Purchases: What you bought, When")
    assert row.endswith("looks 1 purchase €18.50")
    assert given(ada, "/insights?gifts=yes")[0].endswith("2 purchases €43.40")
    ada.presses(f"/sharing/{ada.grant()}/pause")
    assert "Paused" in given(ada)[0]


def test_with_nobody_looking_it_says_so(ada: Ada):
    page = ada.looks_at("/insights")
    assert "Nobody looked in the last 26 weeks" in page
    assert "No vendor can see anything." in page
    assert "heat" not in page
    assert 'id="looks"' not in ada.looks_at("/activity")


def test_home_shows_on_which_of_the_last_days_somebody_looked(
    ada: Ada, bookshop: Bookshop, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    ada.buys("Moss", "2026-11-18")
    ada.lets(bookshop)
    assert "heat" not in ada.looks_at("/")
    bookshop.reads()
    clock.passes(days=2)
    ada.unlocks()
    bookshop.reads()
    bookshop.reads()
    page = ada.looks_at("/")
    assert "6 looks in the last 30 days" in page
    assert (page.count("heat-4"), page.count("heat-0")) == (1, 28)
    assert rows(page, "Looks by day") == ["24 Nov 4 looks", "22 Nov 2 looks"]
    monkeypatch.setattr(looks, "AT_HOME", 2)
    assert "in the last 30 days" not in ada.looks_at("/"), "some of them only would be said to be all"
    monkeypatch.undo()
    clock.passes(days=28)
    ada.unlocks()
    assert "4 looks in the last 30 days" in ada.looks_at("/")
