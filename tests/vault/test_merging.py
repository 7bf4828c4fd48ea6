"""Two vendors that are one become one in a single change, which one button takes back."""

from __future__ import annotations

from typing import Any, cast

from tests.conftest import PASSPHRASE
from tests.people import PURCHASES, Ada, Bookshop, Clock, hidden_in
from tests.vault.test_trash import in_trash, undone
from vault import store, trash
from vault.collections.notes import Note
from vault.collections.purchases import Order, Purchase
from vault.collections.vendors import Vendor
from vault.record import Record


def stands(ada: Ada, number: int) -> Record:
    with ada.house.main.reading() as session:
        return store.read(session, ada.vault, number).record


def another(ada: Ada, **more) -> int:
    return ada.keeps(Vendor(called="Book Shop Ltd", domains=("books.example",), note="Slow.", **more)).number


def merges(ada: Ada, kept: int, going: int, status: int = 303) -> Any:
    """She looks at what would become of two vendors, and presses the button."""
    page = f"/vendors/{kept}/merge"
    return ada.presses(page, status, **hidden_in(ada.looks_at(f"{page}?other={going}")))


def test_everything_of_the_one_becomes_the_others(ada: Ada):
    other = another(
        ada, also_called=("The Book Shop", "bookshop"), contact="desk@books.example", alias="ada.1@alias.example"
    )
    bought = ada.buys("Atlas", vendor=other)
    order = ada.keeps(Order(order="BK-1", vendor=other))
    note = ada.keeps(Note(heading="Wet parcel", text="Again.", vendor=other))
    about = ada.keeps(Note(heading="Their hours", text="Until six.", about=other))
    page = ada.looks_at(f"/vendors/{ada.bookshop_number}/merge?other={other}")
    for words in ("Book Shop Ltd becomes Bookshop", "1 goes to Bookshop", "3 go to Bookshop", "books.example"):
        assert words in page, words
    merges(ada, ada.bookshop_number, other)
    kept = cast(Vendor, stands(ada, ada.bookshop_number))
    assert kept.domains == ("shop.localhost", "books.example")
    assert kept.also_called == ("Book Shop Ltd", "The Book Shop")
    assert (kept.contact, kept.note, kept.alias) == ("desk@books.example", "Slow.", None)
    assert cast(Purchase, stands(ada, bought.number)).vendor == ada.bookshop_number
    assert cast(Order, stands(ada, order.number)).vendor == ada.bookshop_number
    assert cast(Note, stands(ada, note.number)).vendor == ada.bookshop_number
    assert cast(Note, stands(ada, about.number)).about == ada.bookshop_number
    assert in_trash(ada) == [other]


def test_one_button_takes_a_merge_back(ada: Ada):
    other = another(ada)
    bought = [ada.buys(item, vendor=other) for item in ("Atlas", "Globe")]
    answer = merges(ada, ada.bookshop_number, other)
    undone(ada, answer)
    assert cast(Vendor, stands(ada, other)).called == "Book Shop Ltd"
    assert cast(Vendor, stands(ada, ada.bookshop_number)).also_called == ()
    assert {cast(Purchase, stands(ada, each.number)).vendor for each in bought} == {other}
    assert not in_trash(ada)


def test_a_merge_stays_when_the_vendor_that_went_is_gone_for_good(ada: Ada):
    """In another window she has emptied the trash: no purchase goes back to a vendor that is not there."""
    other = another(ada)
    bought = ada.buys("Atlas", vendor=other)
    answer = merges(ada, ada.bookshop_number, other)
    trash.empty(ada.house, ada.vault.owner_id)
    assert "too-late" in undone(ada, answer)
    assert cast(Purchase, stands(ada, bought.number)).vendor == ada.bookshop_number
    assert "Book Shop Ltd" in cast(Vendor, stands(ada, ada.bookshop_number)).also_called


def test_a_merge_stays_too_when_she_put_that_vendor_back_and_removed_it_for_good(ada: Ada):
    other = another(ada)
    bought = ada.buys("Atlas", vendor=other)
    answer = merges(ada, ada.bookshop_number, other)
    ada.presses(f"/trash/{other}/restore")
    ada.presses(f"/vendors/{other}/remove")
    ada.presses("/trash/empty")
    assert "too-late" in undone(ada, answer)
    assert cast(Purchase, stands(ada, bought.number)).vendor == ada.bookshop_number
    assert "Book Shop Ltd" in cast(Vendor, stands(ada, ada.bookshop_number)).also_called


def test_it_says_so_when_the_vendor_that_stays_was_changed_since(ada: Ada):
    other = another(ada)
    bought = ada.buys("Atlas", vendor=other)
    answer = merges(ada, ada.bookshop_number, other)
    with store.writing(ada.vault) as turn:
        store.change(turn, ada.vault, ada.bookshop_number, {"note": "Nice."})
    page = ada.looks_at(undone(ada, answer))
    assert "Undone." in page
    assert "It is as it was before" not in page
    assert cast(Purchase, stands(ada, bought.number)).vendor == other
    assert "books.example" in cast(Vendor, stands(ada, ada.bookshop_number)).domains


def test_who_sees_more_or_less_after_a_merge_is_said_before_it(ada: Ada, bookshop: Bookshop):
    other = another(ada, alias="ada.1@alias.example")
    ada.buys("Atlas", vendor=other)
    ada.buys("Globe")
    ada.lets(bookshop, PURCHASES)
    widened = ada.looks_at(f"/vendors/{ada.bookshop_number}/merge?other={other}")
    assert "It will also see what you bought from Book Shop Ltd." in widened
    lost = ada.looks_at(f"/vendors/{other}/merge?other={ada.bookshop_number}")
    assert "Bookshop sees what you bought from Bookshop, and no longer will." in lost
    answer = merges(ada, other, ada.bookshop_number)
    assert bookshop.reads() == []
    undone(ada, answer)
    assert [row["item"] for row in bookshop.reads()] == ["Globe"]
    merges(ada, ada.bookshop_number, other)
    assert sorted(row["item"] for row in bookshop.reads()) == ["Atlas", "Globe"]


def test_a_vendor_is_merged_with_another_vendor_of_hers_and_nothing_else(ada: Ada):
    bought = ada.buys("Atlas")
    mine = ada.bookshop_number
    for other in ("", str(mine), str(bought.number), "99999", "x"):
        status = 200 if other == "" else 422
        ada.presses(f"/vendors/{mine}/merge", status, other=other)
        ada.looks_at(f"/vendors/{mine}/merge?other={other}", status)
    ada.looks_at(f"/vendors/{bought.number}/merge", 404)
    ada.looks_at("/vendors/99999/merge", 404)
    ada.presses(f"/vendors/{bought.number}/merge", 404, other=str(mine))
    assert not in_trash(ada)
    assert cast(Purchase, stands(ada, bought.number)).vendor == mine


def test_a_merge_that_was_not_looked_at_or_has_changed_since_is_shown_again_first(ada: Ada, bookshop: Bookshop):
    other, mine = another(ada), ada.bookshop_number
    ada.buys("Atlas", vendor=other)
    ada.presses(f"/vendors/{mine}/merge", 409, other=str(other))
    looked = hidden_in(ada.looks_at(f"/vendors/{mine}/merge?other={other}"))
    ada.lets(bookshop, PURCHASES)
    page = ada.presses(f"/vendors/{mine}/merge", 409, **looked).text
    assert "Look again: nothing was merged yet." in page
    assert "It will also see what you bought from Book Shop Ltd." in page
    looked = hidden_in(page)
    ada.buys("Globe", vendor=other)
    page = ada.presses(f"/vendors/{mine}/merge", 409, **looked).text
    assert "2 go to Bookshop" in page
    assert bookshop.reads() == []
    ada.presses(f"/vendors/{mine}/merge", **hidden_in(page))
    assert len(bookshop.reads()) == 2


def test_whoever_finds_her_browser_open_merges_nothing(ada: Ada, clock: Clock):
    other, mine = another(ada), ada.bookshop_number
    looked = hidden_in(ada.looks_at(f"/vendors/{mine}/merge?other={other}"))
    clock.passes(minutes=6)
    asking = ada.presses(f"/vendors/{mine}/merge", 403, **looked).text
    assert "Show once more that it is you." in asking
    assert not in_trash(ada)
    ada.presses(f"/vendors/{mine}/merge", **hidden_in(asking), **{"confirm-passphrase": PASSPHRASE})
    assert in_trash(ada) == [other]
