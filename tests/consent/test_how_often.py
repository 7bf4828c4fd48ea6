"""How often a vendor may look: once, so many times, so many a day. A look is ten minutes from its first call."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from consent.models import Grant
from tests.people import PURCHASES, Ada, Bookshop, Clock, details
from vault.worker import tick


def codes(shop: Bookshop, token: str, times: int = 1) -> list[Any]:
    """Status of some looks, one after the other."""
    return [shop.looks("/vendor/v1/purchases", token).status_code for _ in range(times)]


def fresh(shop: Bookshop, tokens: dict[str, Any]) -> str:
    """A new access token: they live no longer than a look."""
    return str(shop.refreshes(tokens["refresh_token"]).json()["access_token"])


def cause(ada: Ada) -> str | None:
    with ada.house.main.reading() as session:
        return session.scalar(select(Grant.cause))


@pytest.fixture
def almanac(ada: Ada) -> None:
    ada.buys("The Salt Almanac")


@pytest.mark.usefixtures("almanac")
def test_once_is_one_look_with_its_pages_and_retries_and_then_the_grant_ends(
    ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    tokens = bookshop.tokens(often="once")
    assert codes(bookshop, tokens["access_token"], 3) == [200, 200, 200]
    assert bookshop.looks("/vendor/v1/grant", tokens["access_token"]).status_code == 200
    clock.passes(minutes=9)
    assert codes(bookshop, fresh(bookshop, tokens)) == [200]
    clock.passes(minutes=2)
    refused = bookshop.looks("/vendor/v1/purchases", fresh(bookshop, tokens))
    assert (refused.status_code, refused.json()["code"]) == (403, "used_up")
    clock.passes(minutes=5)
    tick(ada.house, sweep=False)
    assert cause(ada) == "used"
    assert bookshop.refreshes(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    ada.unlocks()
    assert "It has looked as often as you allowed" in ada.looks_at("/sharing")


def test_a_grant_for_one_look_shows_nothing_that_came_later_and_hides_what_was_taken_back(
    ada: Ada, bookshop: Bookshop
) -> None:
    kept, taken, misspelt = ada.buys("The Salt Almanac"), ada.buys("The Lantern Year"), ada.buys("Feild Notes")
    tokens = bookshop.tokens(often="once")
    ada.buys("The Weathervane")
    ada.marks_as_gift(taken)
    ada.edits(misspelt, item="Field Notes")
    ada.edits(kept, rating=5)
    items = bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).json()["items"]
    assert {each["data"]["item"] for each in items} == {"The Salt Almanac", "Field Notes"}


def test_what_she_takes_out_of_a_single_look_and_puts_back_is_in_it_again(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    marked, removed = ada.buys("The Lantern Year"), ada.buys("Field Notes")
    tokens = bookshop.tokens(often="once")
    ada.marks_as_gift(marked)
    ada.removes(removed)
    ada.edits(marked, for_whom="me")
    ada.presses(f"/trash/{removed.number}/restore")
    items = bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).json()["items"]
    assert {each["data"]["item"] for each in items} == {"The Salt Almanac", "The Lantern Year", "Field Notes"}


def test_what_came_later_stays_hidden_when_the_set_of_a_single_look_is_sealed_anew(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.buys("The Salt Almanac")
    tokens = bookshop.tokens(often="once")
    ada.buys("The Weathervane")
    ada.presses(f"/sharing/{ada.grant()}/sooner", days="7")
    items = bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).json()["items"]
    assert [each["data"]["item"] for each in items] == ["The Salt Almanac"]


def test_what_she_allows_again_of_a_single_look_is_what_it_sees(ada: Ada, bookshop: Bookshop) -> None:
    """It is held because an old copy was put back. The preview is the consent."""
    ada.buys("The Salt Almanac")
    tokens = bookshop.tokens(often="once")
    ada.buys("The Weathervane")
    grant = ada.grant()
    ada.house.keystore.raise_version(ada.owner_id, bytes.fromhex(grant), 2)
    assert bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).json()["code"] == "paused"
    page = ada.looks_at(f"/sharing/{grant}")
    would = page[page.index("What it would see if you resume") :]
    assert "The Salt Almanac" in would
    assert "The Weathervane" not in would
    digest = re.search(r'name="digest" value="(\w+)"', page)
    assert digest is not None
    ada.presses(f"/sharing/{grant}/resume", digest=digest[1])
    items = bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).json()["items"]
    assert [each["data"]["item"] for each in items] == ["The Salt Almanac"]


@pytest.mark.usefixtures("almanac")
def test_so_many_looks_a_day_and_the_refusal_says_when_there_are_more(
    ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    tokens = bookshop.tokens(authorization_details=details({**PURCHASES, "looks_per_day": 2}))
    assert codes(bookshop, tokens["access_token"]) == [200]
    clock.passes(minutes=11)
    assert codes(bookshop, fresh(bookshop, tokens)) == [200]
    clock.passes(minutes=11)
    refused = bookshop.looks("/vendor/v1/purchases", fresh(bookshop, tokens))
    assert (refused.status_code, refused.json()["code"]) == (429, "over_limit")
    wait = int(refused.headers["Retry-After"])
    assert 0 < wait <= 12 * 3600  # it is noon; the day ends at midnight, UTC
    clock.passes(seconds=wait)
    assert codes(bookshop, fresh(bookshop, tokens)) == [200]
    ada.unlocks()
    assert "Refused: no more today" in ada.looks_at("/activity")


@pytest.mark.usefixtures("almanac")
def test_so_many_looks_in_all(bookshop: Bookshop, clock: Clock) -> None:
    tokens = bookshop.tokens(authorization_details=details({**PURCHASES, "looks": 2}))
    assert [each["looks"] for each in tokens["authorization_details"]] == [2]
    for expected in (200, 200, 403):
        assert codes(bookshop, fresh(bookshop, tokens)) == [expected]
        clock.passes(minutes=11)


@pytest.mark.usefixtures("almanac")
def test_she_may_allow_fewer_looks_than_were_asked_and_never_more(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    asked = details({**PURCHASES, "looks": 1, "looks_per_day": 1})
    page = ada.sees_consent(bookshop.consent_address(authorization_details=asked)).html
    assert 'value="daily"' not in page
    tokens = bookshop.tokens(often="daily", authorization_details=asked)
    assert tokens["authorization_details"][0]["looks"] == 1
    tokens = bookshop.tokens(often="daily")
    assert tokens["authorization_details"][0]["looks_per_day"] == 1
    assert "At most once a day" in ada.looks_at(f"/sharing/{tokens['grant_id']}")
    assert codes(bookshop, tokens["access_token"]) == [200]
    clock.passes(minutes=11)
    assert codes(bookshop, fresh(bookshop, tokens)) == [429]


@pytest.mark.usefixtures("almanac")
def test_looks_that_are_refused_are_not_counted(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    tokens = bookshop.tokens(authorization_details=details({**PURCHASES, "looks": 1}))
    token, grant = tokens["access_token"], tokens["grant_id"]
    ada.presses(f"/sharing/{grant}/pause")
    assert codes(bookshop, token) == [403]
    ada.presses(f"/sharing/{grant}/resume")
    assert bookshop.looks("/vendor/v1/profile", token).json()["code"] == "not_granted"
    assert bookshop.looks("/vendor/v1/purchases", token, proof="nonsense").status_code == 401
    clock.passes(minutes=11)
    assert codes(bookshop, fresh(bookshop, tokens)) == [200]


@pytest.mark.usefixtures("almanac")
def test_sixteen_at_once_take_one_look(bookshop: Bookshop, clock: Clock) -> None:
    tokens = bookshop.tokens(authorization_details=details({**PURCHASES, "looks": 2}))
    clock.passes(minutes=1)
    token = fresh(bookshop, tokens)
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: codes(bookshop, token)[0], range(16))) == {200}
    clock.passes(minutes=11)
    assert codes(bookshop, fresh(bookshop, tokens)) == [200]
    clock.passes(minutes=11)
    assert codes(bookshop, fresh(bookshop, tokens)) == [403]


@pytest.mark.parametrize("wrong", [0, -1, 1001, "1", 1.5, True, None])
@pytest.mark.parametrize("member", ["looks", "looks_per_day"])
def test_limits_that_are_none_are_refused(bookshop: Bookshop, member: str, wrong: Any) -> None:
    pushed = bookshop.pushes(authorization_details=details({**PURCHASES, member: wrong}))
    assert pushed.json()["error"] == "invalid_authorization_details"


def test_a_program_is_told_what_is_left_of_its_looks(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    """In all and today, with the answer and with the refusal; of what is not limited, nothing."""
    asked = details({**PURCHASES, "looks": 3, "looks_per_day": 2})
    tokens = bookshop.tokens(authorization_details=asked)
    seen = []
    for _ in range(3):
        answer = bookshop.looks("/vendor/v1/purchases", fresh(bookshop, tokens))
        policy = '"look";q=3;qu="look", "look-today";q=2;qu="look";w=86400'
        assert answer.headers["RateLimit-Policy"] == policy
        seen.append((answer.status_code, answer.headers["RateLimit"]))
        clock.passes(minutes=11)
    assert seen == [
        (200, '"look";r=2, "look-today";r=1;t=43200'),
        (200, '"look";r=1, "look-today";r=0;t=42540'),
        (429, '"look";r=1, "look-today";r=0;t=41880'),
    ]
    assert "RateLimit" not in bookshop.looks("/vendor/v1/grant", fresh(bookshop, tokens)).headers
    clock.passes(hours=12)
    codes(bookshop, fresh(bookshop, tokens))
    clock.passes(minutes=11)
    answer = bookshop.looks("/vendor/v1/purchases", fresh(bookshop, tokens))
    assert (answer.json()["code"], answer.headers["RateLimit"]) == ("used_up", '"look";r=0')


@pytest.mark.usefixtures("almanac")
def test_a_look_that_lasts_past_midnight_takes_none_of_the_new_day(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    clock.passes(hours=11, minutes=55)  # 23:55
    ada.unlocks()
    tokens = bookshop.tokens(authorization_details=details({**PURCHASES, "looks_per_day": 1}))
    left = []
    for minutes in (0, 6, 5):
        clock.passes(minutes=minutes)
        left.append(bookshop.looks("/vendor/v1/purchases", fresh(bookshop, tokens)).headers["RateLimit"])
    assert left == ['"look-today";r=0;t=300', '"look-today";r=1;t=86340', '"look-today";r=0;t=86040']


@pytest.mark.usefixtures("almanac")
def test_what_is_not_limited_has_no_limits_in_its_answer(bookshop: Bookshop) -> None:
    answer = bookshop.looks("/vendor/v1/purchases", bookshop.tokens()["access_token"])
    assert not {"RateLimit", "RateLimit-Policy"} & set(answer.headers)


@pytest.mark.usefixtures("almanac")
def test_what_a_vendor_holds_already_costs_it_a_look(bookshop: Bookshop, clock: Clock) -> None:
    tokens = bookshop.tokens(authorization_details=details({**PURCHASES, "looks_per_day": 2}))
    tag = bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).headers["ETag"]
    said = []
    for _ in range(2):
        clock.passes(minutes=11)
        answer = bookshop.looks("/vendor/v1/purchases", fresh(bookshop, tokens), headers={"If-None-Match": tag})
        said.append((answer.status_code, answer.headers["RateLimit"].partition(";t")[0]))
    assert said == [(304, '"look-today";r=0'), (429, '"look-today";r=0')]


@pytest.mark.usefixtures("almanac")
def test_a_clock_that_is_set_back_keeps_no_look_open(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    clock.passes(days=2)
    ada.unlocks()
    tokens = bookshop.tokens(often="once")
    assert codes(bookshop, tokens["access_token"]) == [200]
    clock.passes(seconds=-50)
    assert codes(bookshop, fresh(bookshop, tokens)) == [200], "two clocks of one server may be as far apart as that"
    clock.passes(days=-1)
    assert codes(bookshop, fresh(bookshop, tokens)) == [403]
