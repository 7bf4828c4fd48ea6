"""The whole way through the three rooms: asked, allowed, read, seen in the log, stopped."""

from __future__ import annotations

import pytest

from connectors.vendor_client import NoLongerShared, Paused
from tests.houses import raw
from tests.people import BIRTHDAY, PURCHASES, TASTE, Ada, Bookshop, query
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday
from vault.values import When


def test_a_vendor_reads_exactly_what_she_allowed(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac", "2026-10-22")
    ada.buys("Field Notes on Moss", "2026-11-18")
    ada.lets(bookshop)
    assert sorted(each["item"] for each in bookshop.reads()) == ["Field Notes on Moss", "The Salt Almanac"]
    assert all(set(each) == {"item", "bought_on"} for each in bookshop.reads())


def test_a_gift_stays_secret_from_the_bookshop(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    gift = ada.buys("The Lantern Year", for_whom="gift", gift_note="for her fortieth")
    ada.lets(bookshop)
    assert [each["item"] for each in bookshop.reads()] == ["The Salt Almanac"]
    later = ada.buys("Atlas of Quiet Places")
    assert len(bookshop.reads()) == 2
    ada.marks_as_gift(later)
    assert [each["item"] for each in bookshop.reads()] == ["The Salt Almanac"]
    assert gift.number != later.number


def test_what_she_does_not_tick_is_not_given(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    ada.lets(bookshop, PURCHASES, TASTE, BIRTHDAY, ticks=("item-2", "field-0-price"))
    assert bookshop.reads()[0]["price"] == {"amount": "18.50", "currency": "EUR"}
    assert bookshop.reads("profile") == [{"birthday.day_month": "--12-10", "birthday.over_18": True}]
    with pytest.raises(Exception, match=r"not_granted|given"):
        bookshop.reads("preferences")


def test_she_sees_the_look_in_the_log(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    bookshop.reads()
    page = ada.looks_at("/activity")
    assert "Bookshop" in page
    assert "Allowed" in page
    assert "The log is whole" in page


def test_it_stops_answering_the_moment_access_is_revoked(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    assert bookshop.reads()
    ada.presses(f"/sharing/{ada.grant()}/stop")
    with pytest.raises(NoLongerShared):
        bookshop.reads()
    assert "You stopped it" in ada.looks_at("/sharing")


def test_a_pause_can_be_taken_back(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    ada.presses(f"/sharing/{ada.grant()}/pause")
    with pytest.raises(Paused):
        bookshop.reads()
    ada.presses(f"/sharing/{ada.grant()}/resume")
    assert bookshop.reads()


def test_saying_no_gives_nothing(ada: Ada, bookshop: Bookshop) -> None:
    pending = bookshop.asks()
    sent = query(ada.sees_consent(pending.authorize_url).refuses())
    assert sent["error"] == "access_denied"
    assert sent["iss"] == "http://localhost:8400"
    assert not ada.house.keystore.alive(ada.owner_id, "grant")


def test_removing_one_item_is_seen_at_once(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.lets(bookshop, PURCHASES, TASTE, ticks=("item-1",))
    assert bookshop.reads("preferences") == [{"topic": "maps", "stance": "like"}]
    ada.presses(f"/sharing/{ada.grant()}/less", item="1")
    with pytest.raises(Exception, match=r"not_granted|given"):
        bookshop.reads("preferences")
    assert len(bookshop.reads()) == 1


def test_damage_is_told_to_the_vendor_and_stands_in_her_log(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    with raw(ada.house.main) as say:
        say("UPDATE disclosures SET box = ?", bytes(200))
    with pytest.raises(Exception, match="damaged"):
        bookshop.reads()
    assert "what it may see is damaged" in ada.looks_at("/activity")
    with raw(ada.house.main) as say:
        say("UPDATE grants SET terms_box = ?", bytes(100))
    with pytest.raises(Exception, match="damaged"):
        bookshop.reads()
