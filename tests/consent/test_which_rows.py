"""Which records an item is about, and answers that stand for a value: windows, kinds, delays, budgets, purposes."""

from __future__ import annotations

from typing import Any

import pytest

from consent.budget import MOST_ANSWERS
from consent.purposes import DANGEROUS
from tests.people import BIRTHDAY, PURCHASES, TASTE, Ada, Bookshop, Clock, details
from vault import merging, store
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday
from vault.collections.vendors import Vendor
from vault.values import When


def about(**narrowing: Any) -> str:
    """A request for purchases, narrowed."""
    return details({**PURCHASES, "filter": narrowing})


def items(shop: Bookshop, token: str) -> set[str]:
    return {each["data"]["item"] for each in shop.looks("/vendor/v1/purchases", token).json()["items"]}


def test_a_window_of_dates_shows_what_lies_wholly_within_it(ada: Ada, bookshop: Bookshop) -> None:
    for item, on in (
        ("before", "2025-12-31"),
        ("first", "2026-01-01"),
        ("month", "2026-02"),
        ("last", "2026-06-30"),
        ("after", "2026-07-01"),
        ("year", "2026"),
    ):
        ada.buys(item, on=on)
    asked = about(since="2026-01-01", up_to="2026-06-30")
    page = ada.sees_consent(bookshop.consent_address(authorization_details=asked)).html
    assert "bought from 1 January 2026 to 30 June 2026" in page
    tokens = bookshop.tokens(authorization_details=asked)
    assert items(bookshop, tokens["access_token"]) == {"first", "month", "last"}
    assert tokens["authorization_details"][0]["filter"] == {"since": "2026-01-01", "up_to": "2026-06-30"}
    ada.buys("later", on="2026-11-20")
    ada.buys("within", on="2026-03-05")
    assert items(bookshop, tokens["access_token"]) == {"first", "month", "last", "within"}


def test_kinds_of_things_are_matched_whole_and_without_regard_to_case(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac", category="Books")
    ada.buys("A lamp", category="Bookshelves")
    moved = ada.buys("A map")
    tokens = bookshop.tokens(authorization_details=about(category=["books", "maps"]))
    assert items(bookshop, tokens["access_token"]) == {"The Salt Almanac"}
    ada.edits(moved, category="MAPS")
    assert items(bookshop, tokens["access_token"]) == {"The Salt Almanac", "A map"}


def test_delayed_rows_come_with_the_days_and_not_before(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.buys("old", on="2026-10-01")
    ada.buys("young", on="2026-11-10")
    ada.buys("this year, no more is known", on="2026")
    tokens = bookshop.tokens(authorization_details=about(vendor="this", delay="P20D"))
    assert items(bookshop, tokens["access_token"]) == {"old"}
    ada.buys("younger still", on="2026-11-22")
    clock.passes(days=8)  # 30 November
    ada.unlocks()
    token = bookshop.refreshes(tokens["refresh_token"]).json()["access_token"]
    assert items(bookshop, token) == {"old", "young"}
    clock.passes(days=12)
    ada.unlocks()
    token = bookshop.refreshes(tokens["refresh_token"]).json()["access_token"]
    assert items(bookshop, token) == {"old", "young", "younger still"}


def test_a_delayed_row_that_became_a_gift_before_it_came_leaves_no_trace(
    ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    young = ada.buys("young", on="2026-11-03")
    clock.now = clock.now.replace(hour=23, minute=59)
    ada.unlocks()
    token = bookshop.tokens(authorization_details=about(delay="P20D"))["access_token"]
    clock.passes(minutes=5)  # the day has come; the vault has been open since before
    ada.marks_as_gift(young)
    said = bookshop.looks("/vendor/v1/purchases", token).json()
    assert (said["items"], said["gone"]) == ([], [])


def test_a_gift_is_hidden_also_while_the_clock_is_set_back_to_before_its_day(
    ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    young = ada.buys("young", on="2026-11-03")
    clock.passes(days=1)
    ada.unlocks()
    tokens = bookshop.tokens(authorization_details=about(delay="P20D"))
    assert items(bookshop, tokens["access_token"]) == {"young"}
    clock.passes(days=-1)
    ada.marks_as_gift(young)
    clock.passes(days=1)
    assert items(bookshop, tokens["access_token"]) == set()


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": "2026-02-01", "up_to": "2026-01-01"},
        {"up_to": "tomorrow"},
        {"category": []},
        {"category": "books"},
        {"category": ["a\u202eb"]},
        {"category": ["x"] * 11},
        {"delay": "P0D"},
        {"delay": "P2Y"},
        {"delay": 30},
        {"kind": "books"},
    ],
)
def test_filters_that_say_nothing_sensible_refuse_the_request(bookshop: Bookshop, wrong: dict[str, Any]) -> None:
    assert bookshop.pushes(authorization_details=about(**wrong)).json()["error"] == "invalid_authorization_details"


AGE = {**BIRTHDAY, "fields": ["birthday.over_18"], "optional": False}


def test_answers_about_one_value_have_a_budget_over_all_grants(ada: Ada, bookshop: Bookshop) -> None:
    """Bisection: over 16? over 18? over 21? Enough answers are the value."""
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    assert MOST_ANSWERS == 2
    for path in ("birthday.over_16", "birthday.over_18"):
        tokens = bookshop.tokens(authorization_details=details({**AGE, "fields": [path]}))
        assert bookshop.looks("/vendor/v1/profile", tokens["access_token"]).json()["items"][0]["data"] == {path: True}
        ada.presses(f"/sharing/{tokens['grant_id']}/stop")
    third = details({**AGE, "fields": ["birthday.over_21"]}, TASTE)
    page = ada.sees_consent(bookshop.consent_address(authorization_details=third))
    assert "not offered to you: Whether you are 21 or older" in page.html
    assert page.answers("yes", status=422)
    ada.keeps(Preference(topic="maps", stance="like"))
    page = ada.sees_consent(bookshop.consent_address(authorization_details=third))
    page.allows("item-1", "item-0")
    assert "21 or older" not in ada.looks_at(f"/sharing/{ada.grant()}")


def test_who_asks_for_nothing_that_can_be_given_does_not_ask_to_leave_something(ada: Ada, bookshop: Bookshop) -> None:
    asked = details({**AGE, "fields": ["birthday.over_16", "birthday.over_18", "birthday.over_21"]})
    page = ada.sees_consent(bookshop.consent_address(authorization_details=asked)).html
    assert "Bookshop asks to see 1 thing, for up to 90 days." in page
    assert "not offered to you: Whether you are 21 or older" in page


def test_taking_an_answer_away_does_not_make_room_for_another(ada: Ada, bookshop: Bookshop) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    ada.keeps(Preference(topic="maps", stance="like"))
    first = details({**AGE, "fields": ["birthday.over_16", "birthday.over_18"]}, TASTE)
    tokens = bookshop.tokens("item-1", authorization_details=first)
    for path in (f"/sharing/{tokens['grant_id']}/less", f"/sharing/{tokens['grant_id']}/stop"):
        ada.presses(path, item="0")
        third = details({**AGE, "fields": ["birthday.over_21"]}, TASTE)
        page = ada.sees_consent(bookshop.consent_address(authorization_details=third))
        assert "not offered to you: Whether you are 21 or older" in page.html


def test_an_answer_that_was_given_before_can_be_given_again(ada: Ada, bookshop: Bookshop) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    asked = details({**AGE, "fields": ["birthday.over_16"], "optional_fields": ["birthday.over_18"]})
    for _again in range(3):
        tokens = bookshop.tokens("field-0-birthday.over_18", authorization_details=asked)
        assert len(tokens["authorization_details"][0]["fields"]) == 2


def test_a_third_answer_within_one_request_is_not_offered(ada: Ada, bookshop: Bookshop) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    more = ["birthday.over_18", "birthday.over_21", "birthday.over_65"]
    asked = details({**AGE, "fields": ["birthday.over_16"], "optional_fields": more})
    ticks = [f"field-0-{path}" for path in more]
    tokens = bookshop.tokens(*ticks, authorization_details=asked)
    assert tokens["authorization_details"][0]["fields"] == ["birthday.over_16", "birthday.over_18"]


def test_another_vendor_has_a_budget_of_its_own_and_who_knows_the_value_needs_none(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    asked = {**AGE, "fields": ["birthday.over_16", "birthday.over_18"]}
    bookshop.tokens(authorization_details=details(asked))
    assert (
        "not offered"
        not in ada.sees_consent(
            coffee.consent_address(authorization_details=details({**AGE, "fields": ["birthday.over_21"]}))
        ).html
    )
    coffee.tokens(authorization_details=details({**AGE, "fields": ["birthday.born_on"]}))
    every = ["birthday.over_16", "birthday.over_18", "birthday.over_21", "birthday.over_65"]
    tokens = coffee.tokens(authorization_details=details({**AGE, "fields": every}))
    assert tokens["authorization_details"][0]["fields"] == every


@pytest.mark.parametrize("goes", ["merged", "removed", "removed for good"])
def test_answers_to_a_vendor_that_is_gone_count_against_whoever_it_may_be(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, goes: str
) -> None:
    """Merged with another, or met anew: or there would be a fresh budget each time."""
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    cafe = ada.keeps(Vendor(called="Cafe", domains=(f"{coffee.host}.localhost",)))
    for path in ("birthday.over_16", "birthday.over_18"):
        bookshop.tokens(authorization_details=details({**AGE, "fields": [path]}))
    gone = ada.bookshop_number
    if goes == "merged":
        with store.writing(ada.open) as turn:
            merging.merge(turn, ada.open, cafe.number, gone)
    else:
        ada.presses(f"/vendors/{gone}/remove")
    if goes == "removed for good":
        ada.presses(f"/trash/{gone}/forget")
    for third, refused in (("birthday.over_21", True), ("birthday.over_18", False)):
        page = ada.sees_consent(
            coffee.consent_address(authorization_details=details({**AGE, "fields": [third]}, TASTE))
        )
        assert ("not offered to you: Whether you are 21 or older" in page.html) == refused


def test_a_value_that_a_vendor_that_is_gone_knew_opens_nothing_to_others(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    bookshop.tokens(authorization_details=details({**AGE, "fields": ["birthday.born_on"]}))
    ada.presses(f"/vendors/{ada.bookshop_number}/remove")
    every = ["birthday.over_16", "birthday.over_18", "birthday.over_21"]
    page = ada.sees_consent(coffee.consent_address(authorization_details=details({**AGE, "fields": every}, TASTE)))
    assert "not offered to you: Whether you are 21 or older" in page.html


def test_dangerous_purposes_stand_apart_and_are_off_until_she_switches_them_on(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    for purpose in DANGEROUS:
        refused = bookshop.pushes(authorization_details=details({**PURCHASES, "purpose": purpose}))
        assert refused.json()["error"] == "invalid_authorization_details", purpose
    asked = details(PURCHASES, {**TASTE, "purpose": "SellDataToThirdParties"})
    page = ada.sees_consent(bookshop.consent_address(authorization_details=asked))
    assert "Nothing you asked for needs this" in page.html
    assert 'name="item-1" value="yes" checked' not in page.html
    granted = bookshop.tokens(authorization_details=asked)["authorization_details"]
    assert [each["purpose"] for each in granted] == [PURCHASES["purpose"]]
    granted = bookshop.tokens("item-1", authorization_details=asked)["authorization_details"]
    assert [each["purpose"] for each in granted] == [PURCHASES["purpose"], "SellDataToThirdParties"]
