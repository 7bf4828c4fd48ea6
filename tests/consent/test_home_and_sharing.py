"""Home says what needs her and who looked; the matrix can be a list, and be narrowed to what wants a second thought."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consent import pushed, waiting
from consent.pages import panels
from tests.conftest import PASSPHRASE
from tests.people import BIRTHDAY, PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, Clock, details, hidden_in, query
from vault.collections.preferences import Preference
from vault.collections.profile import Address, Birthday
from vault.values import When

STREET = {**BIRTHDAY, "fields": ["address.street", "address.city"], "optional": False}


def test_a_request_she_has_opened_and_not_answered_waits_on_home_as_long_as_it_lives(
    ada: Ada, bookshop: Bookshop, clock: Clock
):
    ada.buys("Atlas")
    pending = bookshop.asks(PURCHASES, TASTE)
    assert "asks for" not in ada.looks_at("/")
    ada.is_asked(pending.authorize_url)
    page = ada.looks_at("/")
    assert "Bookshop asks for 2 things" in page
    link = page.split('href="/authorize?', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    answered = ada.is_asked(f"http://localhost:8400/authorize?{link}")
    assert "asks for" in ada.looks_at("/")
    answered.refuses()
    assert "asks for" not in ada.looks_at("/")
    ada.sees_consent(bookshop.asks(PURCHASES).authorize_url)
    assert "Bookshop asks for 1 thing" in ada.looks_at("/")
    clock.passes(hours=1)
    ada.unlocks()
    assert "asks for" not in ada.looks_at("/")


def test_home_says_what_ends_soon_and_who_looked(ada: Ada, bookshop: Bookshop, clock: Clock):
    ada.buys("Atlas")
    ada.lets(bookshop, PURCHASES)
    assert "Nobody has looked." in ada.looks_at("/")
    bookshop.reads()
    page = ada.looks_at("/")
    assert "The latest looks" in page
    assert "stops seeing" not in page
    clock.passes(days=25)
    ada.unlocks()
    page = ada.looks_at("/")
    assert "Bookshop stops seeing anything in 5 days" in page
    assert "It has looked 2 times." in page


def test_calls_that_show_nothing_are_not_called_looks(ada: Ada, bookshop: Bookshop, clock: Clock):
    ada.buys("Atlas")
    token = bookshop.tokens()["access_token"]
    for path in ("grant", "grant", "notes", "purchases"):
        bookshop.looks(f"/vendor/v1/{path}", token)
    assert "It looked once" in ada.looks_at(f"/vendors/{ada.bookshop_number}")
    clock.passes(days=25)
    ada.unlocks()
    page = ada.looks_at("/")
    assert "It has looked 1 time." in page
    assert "1 look in the last 30 days" in page


def test_how_often_somebody_looked_who_calls_all_the_time_is_left_to_the_log(
    ada: Ada, bookshop: Bookshop, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(panels, "AT_HOME", 3)
    token = bookshop.tokens()["access_token"]
    for _time in range(4):
        bookshop.looks("/vendor/v1/purchases", token)
    clock.passes(days=25)
    ada.unlocks()
    page = ada.looks_at("/")
    assert "Do nothing and it ends." in page
    assert "It has looked" not in page


def test_who_may_only_leave_something_is_not_said_to_see_something(ada: Ada, bookshop: Bookshop, coffee: Bookshop):
    bookshop.tokens(authorization_details=details({**RECEIPTS, "optional": False}))
    assert "No vendor can see anything." in ada.looks_at("/sharing")
    coffee.tokens()
    assert "1 vendor can see something." in ada.looks_at("/sharing")


def test_the_matrix_is_a_list_too_and_can_be_narrowed(ada: Ada, bookshop: Bookshop, coffee: Bookshop, clock: Clock):
    ada.buys("Atlas")
    ada.keeps(Preference(topic="maps", stance="like"))
    year = {"duration": "P1Y"}
    ada.lets(bookshop, {**PURCHASES, **year})
    first = ada.grant()
    pending = coffee.asks({**TASTE, **year, "optional": False})
    coffee.connection = coffee.finishes(pending, ada.sees_consent(pending.authorize_url).allows(days="365"))
    ada.presses(f"/sharing/{first}/pause")
    page = ada.looks_at("/sharing?only=paused")
    assert "Bookshop" in page.split("<tbody", 1)[1]
    assert "Kettle Lane Coffee" not in page.split("<tbody", 1)[1]
    as_list = ada.looks_at("/sharing?as=list").split("<tbody", 1)[1]
    assert "Preferences: 1" in as_list
    assert "never" in as_list
    clock.passes(days=61)
    ada.unlocks()
    coffee.reads("preferences")
    unused = ada.looks_at("/sharing?only=unused&as=list").split("<tbody", 1)[1]
    assert "Bookshop" in unused
    assert "Kettle Lane Coffee" not in unused
    assert ada.looks_at("/sharing?only=nonsense")
    for _weeks in range(3):  # by then its look stands in a segment and nowhere else
        clock.passes(days=10)
        ada.unlocks()
    assert ada.looks_at("/sharing?as=list").split("<tbody", 1)[1].count("never") == 1


def test_help_is_there_for_somebody_who_cannot_unlock(ada: Ada):
    assert "I forgot my passphrase." in ada.looks_at("/help")
    stranger = ada.app.test_client().get("/help")
    assert stranger.status_code == 200
    assert "I forgot my passphrase." in stranger.text
    assert "Ada" not in stranger.text
    assert 'href="/help"' in ada.app.test_client().get("/unlock").text


def test_two_requests_opened_at_the_same_time_both_wait_on_home(ada: Ada, bookshop: Bookshop, coffee: Bookshop):
    """What the one has noted is not known yet to the vault in which the other is opened."""
    asked, before = [], ada.open
    for shop in (bookshop, coffee):
        vault = replace(before, settings=dict(before.settings))
        address = query(shop.asks(PURCHASES).authorize_url)
        found = pushed.find(ada.house, address["request_uri"], address["client_id"])
        assert found
        waiting.remember(vault, address["request_uri"], found, shop.name)
        asked.append(shop.name)
    assert {each.name for each in waiting.waiting(ada.open)} == set(asked)


def test_letting_what_is_sensitive_go_on_asks_once_more_whether_it_is_she(ada: Ada, bookshop: Bookshop, clock: Clock):
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    ada.keeps(Address(street="1 Quay Street", city="Porthaven"))
    bookshop.tokens(authorization_details=details(STREET))
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/pause")
    clock.passes(minutes=6)
    asking = ada.presses(f"/sharing/{grant}/resume", 403).text
    assert "Show once more that it is you." in asking
    assert ada.house.keystore.alive(ada.owner_id, "grant")[bytes.fromhex(grant)].held == "paused"
    ada.presses(f"/sharing/{grant}/resume", **hidden_in(asking), **{"confirm-passphrase": PASSPHRASE})
    assert ada.house.keystore.alive(ada.owner_id, "grant")[bytes.fromhex(grant)].held is None
