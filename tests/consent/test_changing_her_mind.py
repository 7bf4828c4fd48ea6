"""What changes when a vendor asks again, saying no for good, offering less, letting it go on, and asking to delete."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from sqlalchemy import func, select

from consent import access, denials, erasure, receipt_rows, views
from consent.details import read_details
from consent.difference import Change, changes
from consent.models import Grant, GrantLock
from consent.terms import Terms
from tests.people import BIRTHDAY, PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, Clock, details, query
from vault import merging, store
from vault.collections.vendors import Vendor
from vault.models import Job
from vault.worker import tick

NOW = 1_795_348_800


def present(*items: dict[str, Any], days: int = 30) -> Terms:
    """Terms by which everything of these items was allowed."""
    asked = read_details(details(*items))
    return replace(asked.whole(), given_at=NOW, until=NOW + days * 86400)


def would_change(before: Terms, *after: dict[str, Any]) -> list[Change]:
    asked = read_details(details(*after))
    until = NOW + asked.every[0].duration * 86400
    return [each._replace(until="") for each in changes(before, asked, until)]


PLAIN = {name: value for name, value in PURCHASES.items() if name != "optional_fields"} | {"duration": "P30D"}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (PLAIN, []),
        ({**PLAIN, "fields": ["item", "bought_on", "price"]}, [Change("new", "purchases", ("price",))]),
        ({**PLAIN, "optional_fields": ["rating"]}, [Change("optional", "purchases", ("rating",))]),
        (
            {**PLAIN, "fields": ["item", "bought_on", "price"], "optional": True},
            [Change("optional", "purchases", ("price",))],
        ),
        ({**PLAIN, "fields": ["item"]}, [Change("removed", "purchases", ("bought_on",))]),
        ({**PLAIN, "purpose": "ServiceProvision"}, [Change("purpose", "purchases")]),
        ({**PLAIN, "filter": {"vendor": "this"}}, [Change("wider", "purchases")]),
        ({**PLAIN, "filter": {"since": "2025-01-01"}}, [Change("wider", "purchases")]),
        ({**PLAIN, "filter": {"vendor": "this", "since": "2026-01-01"}}, []),
        ({**PLAIN, "filter": {"vendor": "this", "since": "2025-01-01", "category": ["books"]}}, []),
        ({**PLAIN, "duration": "P90D"}, [Change("longer")]),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_every_difference_has_a_word_of_its_own(after: dict[str, Any], expected: list[Change]) -> None:
    assert would_change(present(PLAIN), after) == expected


EVERYWHERE = {**PLAIN, "fields": ["item"], "filter": {"since": "2025-01-01"}}
PRICES_HERE = {**PLAIN, "fields": ["price"]}
CARED_FOR = {**PLAIN, "fields": ["price"], "purpose": "CustomerCare"}
LEAVING = {**RECEIPTS, "duration": "P30D", "per_day": 1}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([EVERYWHERE, PRICES_HERE], [EVERYWHERE, PRICES_HERE], []),
        ([EVERYWHERE, PRICES_HERE], [{**EVERYWHERE, "fields": ["item", "price"]}], [Change("wider", "purchases")]),
        (
            [PLAIN],
            [PLAIN, {**EVERYWHERE, "fields": ["price"]}],
            [Change("new", "purchases", ("price",)), Change("wider", "purchases")],
        ),
        (
            [{**PLAIN, "fields": ["item"]}, CARED_FOR],
            [PRICES_HERE, {**CARED_FOR, "fields": ["item"]}],
            [Change("purpose", "purchases")],
        ),
        ([{**PLAIN, "retention": "P1D"}], [{**PLAIN, "retention": "P1Y"}], [Change("kept", "purchases", days=365)]),
        ([{**PLAIN, "retention": "P1D"}], [PLAIN], [Change("kept", "purchases")]),
        ([PLAIN], [{**PLAIN, "retention": "P1Y"}], []),
        ([{**PLAIN, "looks": 2}], [{**PLAIN, "looks": 3}], [Change("often")]),
        ([{**PLAIN, "looks": 2}], [{**PLAIN, "looks": 2, "looks_per_day": 1}], []),
        ([{**PLAIN, "looks_per_day": 1}], [PLAIN], [Change("often")]),
        ([{**PLAIN, "looks_per_day": 1}], [{**PLAIN, "looks": 1}], []),
        ([LEAVING], [{**LEAVING, "per_day": 200}], [Change("wider", "purchases", leave=True)]),
        ([LEAVING], [{**LEAVING, "purpose": "CustomerCare"}], [Change("purpose", "purchases", leave=True)]),
        ([{**LEAVING, "per_day": 2}], [LEAVING], []),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_what_is_asked_is_compared_with_each_item_and_not_with_all_of_them_together(
    before: list[dict[str, Any]], after: list[dict[str, Any]], expected: list[Change]
) -> None:
    assert would_change(present(*before), *after) == expected


def test_leaving_and_whole_collections_are_compared_too() -> None:
    before = present(PLAIN, {**TASTE, "duration": "P30D"})
    found = would_change(before, PLAIN, {**RECEIPTS, "duration": "P30D"})
    paths = tuple(sorted(RECEIPTS["fields"]))
    assert found == [
        Change("optional", "purchases", paths, leave=True),
        Change("removed", "preferences", ("stance", "topic")),
    ]


def test_a_second_request_says_what_would_change_in_words(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    bookshop.tokens(authorization_details=details(PLAIN))
    page = ada.sees_consent(bookshop.consent_address(authorization_details=details(PLAIN))).html
    assert "Nothing: it asks for the same, and no longer than now." in page
    more = details({**PLAIN, "fields": ["item", "price"], "duration": "P90D"})
    page = ada.sees_consent(bookshop.consent_address(authorization_details=more)).html
    change = page[page.index("What would change") : page.index('class="ask"')]
    plain = " ".join(re.sub(r"<[^>]+>", " ", change).split())
    for words in ("New Purchases : Price", "Removed Purchases : When", "Longer up to 20 February 2027 instead of"):
        assert words.replace(" :", ":") in plain.replace(" :", ":"), (words, plain)


def test_who_was_allowed_something_before_does_not_ask_for_the_first_time(ada: Ada, bookshop: Bookshop) -> None:
    assert "First time: it can see nothing" in ada.sees_consent(bookshop.consent_address()).html
    bookshop.tokens()
    ada.presses(f"/sharing/{ada.grant()}/stop")
    page = ada.sees_consent(bookshop.consent_address()).html
    assert "Not for the first time, but it can see nothing of yours today." in page
    assert "First time" not in page


@pytest.mark.parametrize(
    ("first", "often", "again", "words"),
    [
        (PLAIN, "daily", PLAIN, "More often As often as it needs to"),
        ({**PLAIN, "retention": "P1D"}, "asked", PLAIN, "Longer Purchases · It keeps it for : not stated"),
        ({**PLAIN, "retention": "P1D"}, "asked", {**PLAIN, "retention": "P1M"}, "It keeps it for : 30 days"),
        (LEAVING, "asked", {**LEAVING, "per_day": 9}, "More of them it could leave you Purchases"),
        (LEAVING, "asked", {**LEAVING, "purpose": "CustomerCare"}, "For something else it could leave you Purchases"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_more_than_now_is_not_called_the_same(
    ada: Ada, bookshop: Bookshop, first: dict[str, Any], often: str, again: dict[str, Any], words: str
) -> None:
    ada.buys("The Salt Almanac")
    bookshop.tokens(authorization_details=details({**first, "optional": False}), often=often)
    asked = details({**again, "optional": False})
    page = ada.sees_consent(bookshop.consent_address(authorization_details=asked)).html
    plain = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("What would change") :]).split())
    assert words.replace(" :", ":") in plain.replace(" :", ":")
    assert "Nothing: it asks for the same" not in plain


def test_the_same_request_does_not_nag_for_a_week(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.buys("The Salt Almanac")
    ada.is_asked(bookshop.consent_address()).refuses()
    clock.passes(days=denials.COOL_DOWN)
    ada.unlocks()
    address = bookshop.consent_address()
    page = ada.is_asked(address)
    assert "You said no to this." in page.html
    assert "The Salt Almanac" not in page.html
    assert "error=access_denied" in page.refuses()
    address = bookshop.consent_address()
    assert "The Salt Almanac" in ada.looks_at(f"{address}&look=again")
    clock.passes(days=denials.COOL_DOWN + 1)
    ada.unlocks()
    assert "The Salt Almanac" in ada.is_asked(bookshop.consent_address()).html


def test_a_no_just_before_midnight_holds_a_whole_week_too(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    clock.passes(hours=11, minutes=59)  # 23:59
    ada.unlocks()
    ada.is_asked(bookshop.consent_address()).refuses()
    clock.passes(days=7)
    ada.unlocks()
    assert "You said no to this." in ada.is_asked(bookshop.consent_address()).html


def test_do_not_ask_again_stands_until_she_looks_again_and_allows(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.buys("The Salt Almanac")
    ada.is_asked(bookshop.consent_address()).answers("no", "never")
    clock.passes(days=300)
    ada.unlocks()
    address = bookshop.consent_address()
    assert "you did not want to be asked again" in ada.is_asked(address).html
    ada.sees_consent(address).allows()
    ada.presses(f"/sharing/{ada.grant()}/stop")
    assert "You said no" not in ada.is_asked(bookshop.consent_address()).html


def test_she_may_say_no_twice_at_once_to_what_is_asked_twice(ada: Ada, bookshop: Bookshop) -> None:
    for _time in range(3):
        pages = [ada.is_asked(bookshop.consent_address()) for _ in range(3)]
        with ThreadPoolExecutor(len(pages)) as threads:
            answered = list(threads.map(lambda page: page.refuses(), pages))
        assert all("error=access_denied" in each for each in answered)


def test_another_request_or_another_vendor_is_asked_about(ada: Ada, bookshop: Bookshop, coffee: Bookshop) -> None:
    ada.is_asked(bookshop.consent_address()).answers("no", "never")
    assert "You said no" not in ada.is_asked(bookshop.consent_address(authorization_details=details(PLAIN))).html
    assert "You said no" not in ada.is_asked(coffee.consent_address()).html
    respelt = orjson.dumps([dict(reversed(PURCHASES.items()))]).decode()
    assert "You said no" in ada.is_asked(bookshop.consent_address(authorization_details=respelt)).html


def test_she_offers_less_and_the_vendor_that_asks_for_that_is_known_again(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac", rating=5)
    page = ada.sees_consent(bookshop.consent_address(authorization_details=details(PURCHASES, TASTE, RECEIPTS)))
    less = page.answers("less", status=200).text
    assert "What would you allow instead?" in less
    assert "Nothing is ticked" in page.answers("offer", status=422).text
    said = query(page.answers("offer", "field-0-item", "item-2", days="30").headers["Location"])
    assert (said["error"], said["iss"]) == ("access_denied", "http://localhost:8400")
    offered = orjson.loads(said["counter_offer"])
    assert [(each["type"], each["fields"]) for each in offered] == [
        ("vault_data", ["item"]),
        ("vault_deposit", RECEIPTS["fields"]),
    ]
    assert offered[0]["duration"] == "P30D"
    assert ada.house.keystore.alive(ada.owner_id, "grant") == {}
    again = {**PURCHASES, "fields": ["item"], "optional_fields": [], "duration": "P30D"}
    page = ada.sees_consent(bookshop.consent_address(authorization_details=details(again)))
    assert "no more than what you offered" in page.html
    more = {**again, "fields": ["item", "price"]}
    assert "no more than" not in ada.sees_consent(bookshop.consent_address(authorization_details=details(more))).html
    longer = {**again, "duration": "P90D"}
    assert "no more than" not in ada.sees_consent(bookshop.consent_address(authorization_details=details(longer))).html


def test_a_form_cannot_offer_what_was_not_asked(ada: Ada, bookshop: Bookshop) -> None:
    page = ada.sees_consent(bookshop.consent_address())
    ticks = ("field-0-item", "field-0-note", "field-0-gift_note", "field-7-item", "item-9")
    said = query(page.answers("offer", *ticks, days="9999").headers["Location"])
    (offered,) = orjson.loads(said["counter_offer"])
    assert (offered["fields"], offered["duration"]) == (["item"], "P30D")


def offers(ada: Ada, shop: Bookshop, asked: dict[str, Any], *ticks: str) -> list[dict[str, Any]]:
    """What the shop is told that it could ask instead."""
    page = ada.sees_consent(shop.consent_address(authorization_details=details(asked)))
    return list(orjson.loads(query(page.answers("offer", *ticks).headers["Location"])["counter_offer"]))


@pytest.mark.parametrize(
    ("asked", "ticks", "fields"),
    [
        ({**PLAIN, "optional_fields": ["note"]}, ("field-0-item", "field-0-note"), (["item"], ["note"])),
        ({**PLAIN, "purpose": "DirectMarketing", "optional": True}, ("field-0-item",), (["item"], [])),
        ({**PLAIN, "looks": 3, "looks_per_day": 1, "retention": "P1D"}, ("field-0-item",), (["item"], [])),
        ({**LEAVING, "purpose": "DirectMarketing"}, ("item-0",), (RECEIPTS["fields"], [])),
    ],
    ids=["a private field", "advertising", "limits", "leaving"],
)
def test_an_offer_can_be_asked_for_as_it_is_and_is_known_again(
    ada: Ada, bookshop: Bookshop, asked: dict[str, Any], ticks: tuple[str, ...], fields: tuple[list[str], list[str]]
) -> None:
    (offered,) = offers(ada, bookshop, asked, *ticks)
    assert (offered["fields"], offered.get("optional_fields", [])) == fields
    again = details({**offered, "why": "So that we know."})
    page = ada.sees_consent(bookshop.consent_address(authorization_details=again))
    assert "no more than what you offered" in page.html


def test_what_is_private_is_not_offered_alone(ada: Ada, bookshop: Bookshop) -> None:
    asked = details({**PLAIN, "optional_fields": ["note"]})
    page = ada.sees_consent(bookshop.consent_address(authorization_details=asked))
    assert "Tick that too." in page.answers("offer", "field-0-note", status=422).text


@pytest.mark.parametrize(
    ("first", "ticks", "again"),
    [
        (PLAIN, ("field-0-item", "field-0-bought_on"), {**PLAIN, "optional_fields": ["price", "rating"]}),
        ({**PLAIN, "looks": 1}, ("field-0-item", "field-0-bought_on"), PLAIN),
        ({**PLAIN, "looks_per_day": 1}, ("field-0-item", "field-0-bought_on"), PLAIN),
        ({**PLAIN, "retention": "P1D"}, ("field-0-item", "field-0-bought_on"), {**PLAIN, "retention": "P1Y"}),
        (LEAVING, ("item-0",), {**LEAVING, "per_day": 200}),
    ],
    ids=["more to tick", "as often as it likes", "many times a day", "kept for a year", "200 a day"],
)
def test_what_asks_for_more_is_not_what_she_offered(
    ada: Ada, bookshop: Bookshop, first: dict[str, Any], ticks: tuple[str, ...], again: dict[str, Any]
) -> None:
    offers(ada, bookshop, first, *ticks)
    page = ada.sees_consent(bookshop.consent_address(authorization_details=details(again)))
    assert "no more than what you offered" not in page.html


def test_of_two_offers_the_latest_counts_though_both_are_of_one_day(ada: Ada, bookshop: Bookshop) -> None:
    for why in ("a", "b", "c", "d"):  # requests are kept in no order
        offers(ada, bookshop, {**PLAIN, "why": f"{why}: all of it"}, "field-0-item", "field-0-bought_on")
        offers(ada, bookshop, {**PLAIN, "why": f"{why}: a part"}, "field-0-item")
        page = ada.sees_consent(bookshop.consent_address(authorization_details=details(PLAIN)))
        assert "no more than what you offered" not in page.html


def until(ada: Ada) -> int:
    with ada.house.main.reading() as session:
        return session.scalar(select(GrantLock.expires_at).where(GrantLock.kind == "refresh")) or 0


def test_it_goes_on_longer_when_she_agrees_to_what_it_shows(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.buys("The Salt Almanac")
    tokens = bookshop.tokens()
    path = f"/sharing/{tokens['grant_id']}/longer"
    first = until(ada)
    clock.passes(days=25)
    ada.unlocks()
    page = ada.looks_at(path)
    assert "The Salt Almanac" in page
    digest = re.search(r'name="digest" value="(\w+)"', page)
    assert digest is not None
    ada.buys("The Weathervane")
    changed = ada.presses(path, status=409, digest=digest[1], days="30")
    fresh = re.search(r'name="digest" value="(\w+)"', changed.text)
    assert fresh is not None
    assert until(ada) == first
    ada.presses(path, digest=fresh[1], days="30")
    clock.passes(days=20)  # past its first last day
    tick(ada.house, sweep=True)
    token = bookshop.refreshes(tokens["refresh_token"]).json()["access_token"]
    assert len(bookshop.looks("/vendor/v1/purchases", token).json()["items"]) == 2
    clock.passes(days=11)
    tick(ada.house, sweep=True)
    assert bookshop.refreshes(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    with ada.house.main.reading() as session:
        assert session.scalar(select(Grant.cause)) == "expired"


def test_the_receipt_of_a_renewal_names_the_screen_on_which_she_agreed(
    ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    """And midnight changes that screen: it goes on until the day that stood there."""
    ada.buys("The Salt Almanac")
    grant = bookshop.tokens()["grant_id"]
    path = f"/sharing/{grant}/longer"
    clock.passes(days=10, hours=11, minutes=58)  # 23:58 UTC
    ada.unlocks()
    ada.buys("The Weathervane")
    seen = ada.looks_at(path)
    assert "until 1 January 2027" in seen
    clock.passes(minutes=4)
    again = ada.presses(path, status=409, digest=_digest_in(seen), days="30").text
    assert "until 2 January 2027" in again
    ada.presses(path, digest=_digest_in(again), days="30")
    with ada.house.main.reading() as session:
        kept = receipt_rows.of_grant(session, ada.vault, bytes.fromhex(grant))[-1]
        screen = receipt_rows.screen(session, ada.vault, kept.receipt_id)
    assert kept.said is not None
    assert (kept.event, kept.said["event"][0]["valid_until"][:10]) == ("renewed", "2027-01-02")
    hashed = urlsafe_b64encode(hashlib.sha256(screen).digest()).rstrip(b"=").decode()
    assert kept.said["pii_processing"]["privacy_notice"] == f"ni:///sha-256;{hashed}"
    assert "The Weathervane" in screen.decode()
    assert "until 2 January 2027" in screen.decode()


def _digest_in(page: str) -> str:
    found = re.search(r'name="digest" value="(\w+)"', page)
    assert found is not None
    return found[1]


def test_a_renewal_is_within_what_was_asked_and_only_while_it_lives(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.buys("The Salt Almanac")
    tokens = bookshop.tokens(authorization_details=details(PLAIN))
    path = f"/sharing/{tokens['grant_id']}/longer"
    ada.looks_at(path, status=404)  # it lasts as long as was asked already
    clock.passes(days=10)
    ada.unlocks()
    digest = re.search(r'name="digest" value="(\w+)"', ada.looks_at(path))
    assert digest is not None
    for days in ("90", "365", "0", "-1", "", "x", "30000"):
        assert ada.presses(path, status=404, digest=digest[1], days=days)
    ada.presses(f"/sharing/{tokens['grant_id']}/stop")
    assert ada.presses(path, status=404, digest=digest[1], days="30")
    ada.looks_at(path, status=404)


def test_what_has_run_out_is_not_let_go_on_though_the_worker_has_not_come(
    ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    ada.buys("The Salt Almanac")
    tokens = bookshop.tokens()
    path = f"/sharing/{tokens['grant_id']}/longer"
    clock.passes(days=29, hours=23, minutes=59)
    ada.unlocks()
    digest = re.search(r'name="digest" value="(\w+)"', ada.looks_at(path))
    assert digest is not None
    clock.passes(minutes=1)
    ada.presses(path, status=404, digest=digest[1], days="90")
    ada.looks_at(path, status=404)
    assert bookshop.refreshes(tokens["refresh_token"]).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(("looks", "status"), [({}, 200), ({"looks": 5}, 404)])
def test_what_was_let_end_sooner_can_be_let_go_on_unless_the_page_says_otherwise(
    ada: Ada, bookshop: Bookshop, looks: dict[str, int], status: int
) -> None:
    ada.buys("The Salt Almanac")
    bookshop.tokens(authorization_details=details({**PURCHASES, **looks}))
    said = "It can’t be made longer again" in ada.looks_at(f"/sharing/{ada.grant()}")
    assert said == (status == 404)
    ada.presses(f"/sharing/{ada.grant()}/sooner", days="7")
    ada.looks_at(f"/sharing/{ada.grant()}/longer", status=status)


def test_after_the_end_she_sees_what_was_read_and_asks_to_delete_it(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    vendor = ada.bookshop_number
    ada.edits(_stored(ada, vendor), contact="write to privacy@bookshop.example")
    ada.buys("The Salt Almanac")
    ada.lets(bookshop, PURCHASES, BIRTHDAY)
    bookshop.reads()
    grant = ada.grant()
    ada.looks_at(f"/sharing/{grant}/erasure", status=404)
    ada.presses(f"/sharing/{grant}/stop")
    page = ada.looks_at(f"/sharing/{grant}")
    assert "What it may still have" in page
    assert "What you bought, When" in page
    message = ada.looks_at(f"/sharing/{grant}/erasure")
    address = re.search(r'href="(mailto:[^"]+)"', message)
    assert address is not None
    assert urlsplit(address[1]).path == "privacy@bookshop.example"
    body = parse_qs(urlsplit(address[1].replace("&amp;", "&")).query)["body"][0]
    assert "Please delete it" in body
    assert "- Purchases: What you bought, When (22 November 2026" in body
    assert "The Salt Almanac" not in message
    ada.presses(f"/sharing/{grant}/erasure/sent")
    assert "It should answer by 22 December 2026." in ada.looks_at(f"/sharing/{grant}")
    clock.passes(days=3)
    ada.unlocks()
    ada.presses(f"/sharing/{grant}/erasure/sent")  # again: the first day counts
    assert "You asked it on 22 November 2026" in ada.looks_at(f"/sharing/{grant}")
    ada.presses(f"/sharing/{grant}/erasure/done")
    ada.presses(f"/sharing/{grant}/erasure/done", status=404)
    assert "said on 25 November 2026 that it had" in ada.looks_at(f"/sharing/{grant}")


def test_a_vendor_pushes_nothing_that_it_read_out_of_sight_nor_makes_the_page_slow_where_she_stops_it(
    ada: Ada, bookshop: Bookshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three thousand calls a minute are allowed: those that bring nothing, and those that bring one thing again."""
    ada.buys("The Salt Almanac")
    ada.lets(bookshop, PURCHASES, TASTE)
    bookshop.reads()
    grant = ada.grant()
    with ada.house.main.reading() as session:
        view = views.read(session, ada.vault, bytes.fromhex(grant))
    look = access.Look(ada.owner_id, view.grant_id, view.terms.log_key, "allowed")
    for _time in range(1000):
        access.write(ada.house, look)
        access.write(ada.house, replace(look, what={"preferences": ["topic"]}, count=1))
    assert {each.collection for each in erasure.had(ada.vault, view)} == {"purchases", "preferences"}
    monkeypatch.setattr("consent.erasure.MOST_WHILE_LIVE", 10)
    assert {each.collection for each in erasure.had(ada.vault, view)} == {"preferences"}
    ada.presses(f"/sharing/{grant}/stop")
    assert "What it may still have" in ada.looks_at(f"/sharing/{grant}")
    assert "- Purchases: What you bought, When" in ada.looks_at(f"/sharing/{grant}/erasure")


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2026-11-22", "2026-12-22"),
        ("2026-12-01", "2027-01-01"),
        ("2027-01-31", "2027-02-28"),
        ("2028-01-30", "2028-02-29"),
        ("2026-12-31", "2027-01-31"),
    ],
)
def test_an_answer_is_due_a_month_after_she_asked(asked: str, due: str) -> None:
    assert erasure.due(date.fromisoformat(asked)) == date.fromisoformat(due)


def _stored(ada: Ada, number: int) -> Any:
    with ada.house.main.reading() as session:
        return store.read(session, ada.vault, number)


def test_she_may_say_several_times_at_once_that_she_has_sent_it(ada: Ada, bookshop: Bookshop) -> None:
    waiting = select(func.count()).where(Job.kind == "notice")
    for _time in range(3):
        ada.lets(bookshop)
        grant = ada.grant()
        ada.presses(f"/sharing/{grant}/stop")
        with ada.house.main.reading() as session:
            before, view = session.scalar(waiting), views.read(session, ada.vault, bytes.fromhex(grant))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(erasure.ask, [ada.vault] * 8, [view] * 8))
        with ada.house.main.reading() as session:
            assert session.scalar(waiting) == (before or 0) + 1, "the vendor is told once"


def test_how_to_reach_it_is_known_also_after_two_vendors_became_one(ada: Ada, bookshop: Bookshop) -> None:
    ada.edits(_stored(ada, ada.bookshop_number), contact="privacy@bookshop.example")
    ada.lets(bookshop)
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/stop")
    other = ada.keeps(Vendor(called="The Bookshop Ltd"))
    with store.writing(ada.open) as turn:
        merging.merge(turn, ada.open, other.number, ada.bookshop_number)
    assert "privacy@bookshop.example" in ada.looks_at(f"/sharing/{grant}/erasure")


def test_a_contact_that_is_no_address_makes_no_mail_link(ada: Ada, bookshop: Bookshop) -> None:
    ada.edits(_stored(ada, ada.bookshop_number), contact='by post"><script>')
    ada.lets(bookshop)
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/stop")
    page = ada.looks_at(f"/sharing/{grant}/erasure")
    assert "mailto:" not in page
    assert "<script>" not in page
    assert ada.keeps(Vendor(called="x"))
