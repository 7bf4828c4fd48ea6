"""What changes when a vendor asks again, saying no for good, offering less, letting it go on, and asking to delete."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from sqlalchemy import func, select

from consent import access, denials, erasure, views
from consent.details import read_details
from consent.difference import Change, changes
from consent.models import Grant, GrantLock
from consent.terms import Terms
from tests.people import BIRTHDAY, PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, Clock, details, query
from vault.collections.vendors import Vendor
from vault.models import Job
from vault.worker import tick

NOW = 1_795_348_800


def present(*items: dict[str, Any], days: int = 30) -> Terms:
    """Terms by which everything of these items was allowed."""
    asked = read_details(details(*items))
    whole = tuple(item.whole() for item in asked.items)
    return Terms("c", "Bookshop", 1, None, NOW, NOW + days * 86400, b"", whole, asked.deposits)


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


def test_the_same_request_does_not_nag_for_a_week(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.buys("The Salt Almanac")
    ada.is_asked(bookshop.consent_address()).refuses()
    clock.passes(days=denials.COOL_DOWN - 1)
    ada.unlocks()
    address = bookshop.consent_address()
    page = ada.is_asked(address)
    assert "You said no to this." in page.html
    assert "The Salt Almanac" not in page.html
    assert "error=access_denied" in page.refuses()
    address = bookshop.consent_address()
    assert "The Salt Almanac" in ada.looks_at(f"{address}&look=again")
    clock.passes(days=denials.COOL_DOWN)
    ada.unlocks()
    assert "The Salt Almanac" in ada.is_asked(bookshop.consent_address()).html


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


def test_a_vendor_pushes_nothing_that_it_read_out_of_sight(ada: Ada, bookshop: Bookshop) -> None:
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
    ada.presses(f"/sharing/{grant}/stop")
    assert "What it may still have" in ada.looks_at(f"/sharing/{grant}")
    assert "- Purchases: What you bought, When" in ada.looks_at(f"/sharing/{grant}/erasure")


def _stored(ada: Ada, number: int) -> Any:
    from vault import store

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


def test_a_contact_that_is_no_address_makes_no_mail_link(ada: Ada, bookshop: Bookshop) -> None:
    ada.edits(_stored(ada, ada.bookshop_number), contact='by post"><script>')
    ada.lets(bookshop)
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/stop")
    page = ada.looks_at(f"/sharing/{grant}/erasure")
    assert "mailto:" not in page
    assert "<script>" not in page
    assert ada.keeps(Vendor(called="x"))
