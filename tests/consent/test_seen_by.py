"""Her lists show what a vendor sees of them, value by value; vendors' pages tell what happened with each."""

from __future__ import annotations

import pytest

from tests.people import PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, Clock, details
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday, Email
from vault.collections.vendors import Vendor
from vault.values import When


@pytest.fixture
def tastes(ada: Ada) -> None:
    ada.keeps(Preference(topic="maps", stance="like", strength=3, note="The older the better."))
    ada.keeps(Preference(topic="crime", stance="dislike"))


def window(page: str) -> str:
    """The first window on a page."""
    return page.split('class="window"', 1)[1].split("</ul>", 1)[0]


@pytest.mark.usefixtures("tastes")
def test_her_preferences_show_what_a_vendor_sees_of_them_now(ada: Ada, bookshop: Bookshop):
    ada.lets(bookshop, PURCHASES, TASTE, ticks=("item-1",))
    page = ada.looks_at(f"/preferences?as={ada.bookshop_number}")
    assert "Bookshop sees some of it" in page
    assert "2 of 2" in page
    seen = window(page)
    assert "maps" in seen
    assert "crime" in seen
    assert "The older the better." not in seen
    assert ">3<" not in seen
    ada.presses(f"/sharing/{ada.grant()}/pause")
    paused = ada.looks_at(f"/preferences?as={ada.bookshop_number}")
    assert "Bookshop sees nothing of it" in paused
    assert "You paused it" in paused


@pytest.mark.usefixtures("tastes")
def test_of_a_vendor_that_sees_nothing_it_shows_what_there_would_be_at_most(ada: Ada):
    other = ada.keeps(Vendor(called="Halden Optics"))
    page = ada.looks_at(f"/preferences?as={other.number}")
    assert "Halden Optics sees nothing of it" in page
    assert "maps" in window(page)
    assert "The older the better." not in window(page)
    assert "Hidden unless you tick it by name: Your note" in page
    assert "What would a vendor see?" in ada.looks_at("/preferences?as=99999")


def test_each_value_of_the_profile_says_who_sees_it_where_it_came_from_and_what_it_was(
    ada: Ada, bookshop: Bookshop, clock: Clock
):
    stored = ada.keeps(Email(address="ada@old.example"))
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    clock.passes(days=2)
    ada.unlocks()
    ada.edits(stored, address="ada@porthaven.example")
    asked = {**TASTE, "collection": "profile", "fields": ["email.address"], "optional": False}
    ada.lets(bookshop, asked)
    page = ada.looks_at("/profile")
    for words in ("Written by you", "1 earlier version", "E-mail address: ada@old.example"):
        assert words in page, words
    mail, birthday = (page.split(f'id="part-{part}"', 1)[1].split("</section>")[0] for part in ("email", "birthday"))
    assert "Bookshop" in mail
    assert "Only you" in birthday
    assert "Bookshop" not in birthday


def test_a_vendors_timeline_tells_what_was_bought_noted_allowed_looked_at_and_left(
    ada: Ada, bookshop: Bookshop, clock: Clock
):
    ada.buys("Atlas", on="2026-10-01", order="BK-1")
    ada.buys("Globe", on="2026-10-01", order="BK-1")
    ada.keeps(
        Note(heading="Parcel arrived wet", text="Twice.", written_on=When("2026-11-01"), vendor=ada.bookshop_number)
    )
    connection = ada.lets(bookshop, PURCHASES, RECEIPTS, ticks=("item-1",))
    bookshop.reads()
    clock.passes(minutes=1)
    connection.leave("purchases", {"item": "Compass", "bought_on": "2026-11-20"}, key="1")
    clock.passes(days=1)
    ada.unlocks()
    bookshop.reads()
    clock.passes(minutes=1)
    ada.presses(f"/sharing/{ada.grant()}/stop")
    page = ada.looks_at(f"/vendors/{ada.bookshop_number}")
    told = page.split('class="timeline"', 1)[1].split("</ol>", 1)[0]
    order = ["You stopped it", "It looked 2 times", "It left you something", "You agreed", "Parcel arrived wet"]
    places = [told.index(words) for words in (*order, "You bought 2 things")]
    assert places == sorted(places)
    assert "Atlas, Globe" in told
    assert told.count("It looked 2 times") == 2
    assert told.rindex("It looked 2 times") < told.index("You agreed"), "the newest first, also within a second"


def test_another_vendors_timeline_has_nothing_of_it(ada: Ada, bookshop: Bookshop):
    ada.buys("Atlas")
    ada.lets(bookshop, PURCHASES)
    other = ada.keeps(Vendor(called="Halden Optics"))
    page = ada.looks_at(f"/vendors/{other.number}")
    assert "Nothing yet." in page
    assert "You agreed" not in page


def test_gifts_that_are_shown_are_not_called_hidden(ada: Ada, bookshop: Bookshop):
    ada.marks_as_gift(ada.buys("The Weathervane"))
    bookshop.tokens("gifts-0")
    for path in ("", "/longer"):
        page = ada.looks_at(f"/sharing/{ada.grant()}{path}")
        assert "The Weathervane" in page
        assert "Hidden: everything not shown here" in page


def test_notes_that_are_shown_are_not_called_hidden(ada: Ada, bookshop: Bookshop):
    ada.keeps(Note(heading="A lid is missing", text="x"))
    bookshop.tokens(
        authorization_details=details({**TASTE, "collection": "notes", "fields": ["heading"], "optional": False})
    )
    page = ada.looks_at(f"/sharing/{ada.grant()}")
    assert "A lid is missing" in page
    assert "Hidden: everything not shown here" in page


def test_a_private_note_that_is_shown_is_not_called_hidden_beside_the_thing(ada: Ada, bookshop: Bookshop):
    bought = ada.buys("The Weathervane", note="creaks a little")
    asked = details({**PURCHASES, "optional_fields": ["note"]})
    bookshop.tokens("field-0-note", authorization_details=asked)
    page = ada.looks_at(f"/purchases/{bought.number}")
    assert "creaks a little" in window(page)
    assert "Hidden: everything not shown here" in page
