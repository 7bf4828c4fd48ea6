"""The purchases page: by month and order, narrowed, page by page; and the page of one purchase."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from sqlalchemy import update

from tests.people import PURCHASES, Ada, Bookshop, Clock
from vault import store
from vault.collections.notes import Note
from vault.collections.purchases import Order, Purchase
from vault.models import RecordRow
from vault.stored import Stored
from vault.values import Money, When


def buys_many(ada: Ada, count: int, **more) -> None:
    with store.writing(ada.vault, numbers=count) as turn:
        for number in range(count):
            day = date(2026, 11, 20) - timedelta(days=number)
            record = Purchase(item=f"Thing {number:03}", bought_on=When(day.isoformat()), **more)
            store.add(turn, ada.vault, record)


def brings_a_proposal(ada: Ada, item: str = "Scarf, indigo") -> int:
    """As an import leaves it: a record with something to decide."""
    source = Purchase(item=item, bought_on=When("2026-11-19"), vendor=ada.bookshop_number).dump()
    origin = {"place": "line 212", "proposes": {"for_whom": "gift", "gift_note": "Happy birthday, Bea"}}
    with store.writing(ada.vault, numbers=1) as turn:
        stored = Stored(turn.number(), turn.revision, Purchase, source, {}, origin)
        rows = store.sealed_rows(ada.vault, [(stored, item.encode().ljust(16)[:16])])
        store.insert_rows(turn, rows, [stored])
    return stored.number


def as_it_is(page: str) -> str:
    """The page of a record without its earlier versions."""
    return page.split("earlier version")[0]


def items(page: str) -> list[str]:
    return re.findall(r'class="titled"><a href="[^"]+">([^<]+)', page)


def test_purchases_stand_under_their_month_newest_first(ada: Ada):
    ada.buys("The Salt Almanac", "2026-10-22", "19.90")
    ada.buys("Field Notes on Moss", "2026-11-18")
    ada.buys("Kettle", "2019", "30.00")
    page = ada.looks_at("/purchases")
    assert items(page) == ["Field Notes on Moss", "The Salt Almanac", "Kettle"]
    assert re.findall(r'colspan="6">([^<]+)', page) == ["November", "October", "2019"]


def test_an_order_is_one_row_with_its_sum(ada: Ada):
    for item, price, whom in (
        ("Field Notes on Moss", "18.50", "me"),
        ("Atlas", "24.90", "gift"),
        ("Ink", "13.00", "me"),
    ):
        ada.buys(item, "2026-11-18", price, order="BK-1", for_whom=whom)
    page = ada.looks_at("/purchases")
    assert items(page) == ["Field Notes on Moss"]
    assert "and 2 more" in page
    assert "€56.40" in page
    assert "Partly a gift" in page


def test_the_list_is_narrowed_by_whom_vendor_and_time(ada: Ada):
    ada.buys("Atlas", "2026-11-18", for_whom="gift")
    ada.buys("Ink", "2026-10-18")
    ada.buys("Kettle", "2025-05-01", vendor=None)
    assert items(ada.looks_at("/purchases?for=gift")) == ["Atlas"]
    assert items(ada.looks_at(f"/purchases?vendor={ada.bookshop_number}")) == ["Atlas", "Ink"]
    assert items(ada.looks_at("/purchases?from=2026-10-18&to=2026-10-18")) == ["Ink"]
    assert items(ada.looks_at("/purchases?to=2025")) == ["Kettle"]
    assert "No purchase matches." in ada.looks_at("/purchases?for=work")
    for odd in ("for='", "vendor=1;--", "from=%27", "after=%27_1", "after=_", "vendor=99999999999999999999"):
        assert len(items(ada.looks_at(f"/purchases?{odd}"))) == 3, odd


def test_the_list_is_narrowed_by_kind_amount_taste_and_receipt(ada: Ada):
    kettle = ada.buys("Kettle", "2026-11-18", "39.90", category="kitchen")
    ada.buys("Ink", "2026-11-17", "4.10", category="Paper & ink", taste="not_mine")
    francs = Purchase(item="Knife", bought_on=When("2026-11-16"), price=Money("39.90", "CHF"), category="kitchen")
    ada.keeps(francs)
    ada.keeps(Purchase(item="Jar", bought_on=When("2026-11-15")))
    ada.attaches(kettle, b"paid")
    cases = {
        "category=kitchen": ["Kettle", "Knife"],
        "category=Paper+%26+ink": ["Ink"],
        "for=not_mine": ["Ink"],
        "receipt=with": ["Kettle"],
        "receipt=without": ["Ink", "Knife", "Jar"],
        "currency=CHF": ["Knife"],
        "least=39.90&most=39,90": ["Kettle"],
        "least=5&currency=CHF": ["Knife"],
        "most=39.89": ["Ink"],
        "least=4.1&category=kitchen&from=2026-11-18": ["Kettle"],
    }
    for said, expected in cases.items():
        assert items(ada.looks_at(f"/purchases?{said}")) == expected, said
    odds = ("least=x", "most=NaN", "least=1e9", "currency='--", "currency=USD", "receipt=maybe", "for=x")
    for odd in (*odds, "least=" + "9" * 15):
        assert len(items(ada.looks_at(f"/purchases?{odd}"))) == 4, odd
    assert "With a receipt" in ada.looks_at("/purchases?receipt=with")


def test_what_is_shown_is_added_up_each_currency_by_itself(ada: Ada):
    for amount, currency in (("0.10", "EUR"), ("0.20", "EUR"), ("1000", "JPY"), ("0.001", "KWD")):
        ada.keeps(Purchase(item=currency, bought_on=When("2026-11-16"), price=Money(amount, currency)))
    ada.keeps(Purchase(item="Jar", bought_on=When("2026-11-15")))
    page = ada.looks_at("/purchases?from=2026")
    sums = re.findall(r'<span class="nowrap strong">([^<]+)', page)
    assert sums == ["€0.30", "JP¥1,000", "KWD0.001"]
    assert "5 purchases match. 1 has no price." in page
    assert "Together" not in ada.looks_at("/purchases")


def test_sums_of_the_largest_amounts_do_not_overflow(ada: Ada):
    with store.writing(ada.vault, numbers=15) as turn:
        for amount in ("99999999999999.99",) * 12 + ("999999999999999.999999", "-999999999999999", "-0.01"):
            store.add(turn, ada.vault, Purchase(item="x", bought_on=When("2026-01-01"), price=Money(amount, "EUR")))
    assert "€1,199,999,999,999,999.87" in ada.looks_at("/purchases?for=me")


def test_no_more_records_are_opened_than_are_shown(ada: Ada, monkeypatch: pytest.MonkeyPatch):
    buys_many(ada, 60, price=Money("2.00", "EUR"), category="kitchen")
    ada.looks_at("/purchases")
    opened: list[int] = []
    real = store.unseal
    monkeypatch.setattr(store, "unseal", lambda vault, *row: opened.append(row[0]) or real(vault, *row))
    page = ada.looks_at("/purchases?category=kitchen&least=1")
    assert "€120.00" in page
    assert len(opened) == len(items(page)) == 40


def test_what_can_go_back_and_what_is_guaranteed_stands_on_a_page_of_its_own_soonest_first(ada: Ada):
    ada.buys("Kettle", return_by=When("2026-11-25"), warranty_until=When("2028-11-18"))
    ada.buys("Lamp", return_by=When("2026-11-22"), warranty_until=When("2026-11"))
    ada.buys("Ink", return_by=When("2026-11-21"), warranty_until=When("2026-10"))
    ada.removes(ada.buys("Jar", return_by=When("2026-11-24")))
    page = ada.looks_at("/purchases/due")
    back, guaranteed = page.split('id="guaranteed"')
    assert items(back) == items(guaranteed) == ["Lamp", "Kettle"]
    for words in ("2 things can still go back", "25 November 2026", "in 3 days", "18 November 2028", "November 2026"):
        assert words in page, words


def test_home_says_what_is_due_soon_and_only_that(ada: Ada):
    ada.buys("Kettle", warranty_until=When("2028-11-18"), return_by=When("2026-12-30"))
    assert "Due soon" not in ada.looks_at("/")
    number = ada.buys("Lamp").number
    ada.presses(f"/purchases/{number}/until", return_by="2026-11-25", warranty_until="2026-12-10")
    home = ada.looks_at("/")
    assert "Due soon" in home
    assert "can go back until 25 Nov" in home
    assert "is guaranteed until 10 Dec" in home
    ada.presses(f"/purchases/{number}/until", 422, return_by="tomorrow", warranty_until="")
    ada.presses(f"/purchases/{number}/until", return_by="", warranty_until="")
    assert "Due soon" not in ada.looks_at("/")


def test_what_is_due_some_time_in_a_month_or_year_is_due_at_its_end(ada: Ada, clock: Clock):
    for number in range(5):
        ada.buys(f"Lamp {number}", warranty_until=When("2026"))
    ada.buys("Kettle", return_by=When("2026-12"))
    assert "Due soon" not in ada.looks_at("/")
    ada.buys("Ink", warranty_until=When("2026-11-25"))
    ada.buys("Jar", warranty_until=When("2026-11"))
    assert due_at_home(ada) == ["Ink", "Jar"]
    assert items(ada.looks_at("/purchases/due"))[:4] == ["Kettle", "Ink", "Jar", "Lamp 0"]
    clock.passes(days=9)
    ada.unlocks()
    assert due_at_home(ada) == [f"Lamp {number}" for number in range(5)]


def due_at_home(ada: Ada) -> list[str]:
    page = ada.looks_at("/").split('id="due"')[1].split("</section>")[0]
    return re.findall(r'<h3><a href="[^"]+">([^<]+)', page)


def test_page_after_page_shows_everything_once(ada: Ada):
    buys_many(ada, 95)
    seen, path = [], "/purchases"
    while path:
        page = ada.looks_at(path)
        seen += items(page)
        following = re.search(r'<a class="btn" href="([^"]*after=[^"]*)"', page)
        if following:
            assert f"Show the next {min(40, 95 - len(seen))}<" in page
        path = following[1].replace("&amp;", "&") if following else ""
    assert seen == [f"Thing {number:03}" for number in range(95)]


def test_an_order_is_not_torn_apart_between_two_pages(ada: Ada):
    buys_many(ada, 38)
    with store.writing(ada.vault, numbers=4) as turn:
        for item in ("One", "Two", "Three", "Four"):
            record = Purchase(item=item, bought_on=When("2020-01-01"), order="T-1", price=Money("1.00", "EUR"))
            store.add(turn, ada.vault, record)
    first = ada.looks_at("/purchases")
    assert len(items(first)) == 38
    following = re.search(r'href="([^"]*after=[^"]*)"', first)
    assert following
    second = ada.looks_at(following[1].replace("&amp;", "&"))
    assert items(second) == ["One"]
    assert "and 3 more" in second


def test_the_page_of_a_purchase_shows_the_whole_order(ada: Ada):
    one = ada.buys("Field Notes on Moss", "2026-11-18", "18.50", order="BK-1")
    ada.buys("Atlas", "2026-11-18", "24.90", order="BK-1", for_whom="gift", recipient="Ines")
    total = Order(order="BK-1", vendor=ada.bookshop_number, postage=Money("4.90", "EUR"), total=Money("48.30", "EUR"))
    ada.keeps(total)
    page = ada.looks_at(f"/purchases/{one.number}")
    for words in ("Atlas", "Ines", "€4.90", "€48.30", "are never shown to a vendor"):
        assert words in page, words


def test_an_order_of_many_things_is_added_up_whole_also_at_home(ada: Ada):
    buys_many(ada, 70, order="BK-1", price=Money("1.00", "EUR"))
    home = ada.looks_at("/")
    assert "€70.00" in home
    assert "€70.00" in ada.looks_at(re.findall(r"/purchases/\d+", home)[0])


def test_a_gift_is_marked_noted_and_unmarked(ada: Ada):
    stored = ada.buys("Atlas")
    where = f"/purchases/{stored.number}"
    ada.presses(f"{where}/gift", recipient="Ines", gift_note="For her fortieth.")
    page = ada.looks_at(where)
    assert "A gift for Ines" in page
    assert "For her fortieth." in page
    assert "Only you" in page
    ada.presses(f"{where}/note", note="It smells of ink.", rating="5")
    ada.presses(f"{where}/gift", gift="no")
    page = ada.looks_at(where)
    assert "A gift for Ines" not in page
    assert "It smells of ink.</textarea>" in page
    with ada.house.main.reading() as session:
        record = store.read(session, ada.vault, stored.number).record
    assert (record.for_whom, record.recipient, record.gift_note, record.rating) == ("me", None, None, 5)


def test_every_mark_can_be_undone_right_after_it(ada: Ada):
    number = brings_a_proposal(ada)
    where = f"/purchases/{number}"
    acts: tuple[tuple[str, dict[str, str], str], ...] = (
        ("gift", {"recipient": "Ines"}, "A gift for Ines"),
        ("taste", {"taste": "no"}, "Not your taste"),
        ("until", {"warranty_until": "2028-11-18"}, "18 November 2028"),
        ("note", {"note": "It smells of ink."}, "It smells of ink.</textarea>"),
    )
    for act, form, words in acts:
        page = ada.looks_at(ada.presses(f"{where}/{act}", **form).headers["Location"])
        assert words in page
        change = re.search(r'action="/undo">\s*<input type="hidden" name="change" value="(\d+)"', page)
        assert change, act
        ada.presses("/undo", change=change[1])
        assert words not in as_it_is(ada.looks_at(where)), act
    assert "Looks like a gift" in ada.looks_at(where), "what was proposed waits again"


def test_undo_takes_back_nothing_that_was_said_since(ada: Ada):
    number = ada.buys("Atlas").number
    where = f"/purchases/{number}"
    marked = ada.presses(f"{where}/taste", taste="no").headers["Location"]
    change = re.findall(r"undo=(\d+)", marked)[0]
    ada.presses(f"{where}/note", note="It smells of ink.")
    for stale in (change, "0", "x", "9" * 30):
        assert "too-late" in ada.presses("/undo", change=stale).headers["Location"]
    page = ada.looks_at(where)
    assert "It smells of ink.</textarea>" in page
    assert "Not your taste" in page
    assert "It is my taste after all" in page
    ada.presses(f"{where}/taste", taste="yes")
    assert "Not your taste" not in as_it_is(ada.looks_at(where))


def test_undoing_a_gift_mark_shows_it_to_the_bookshop_again(ada: Ada, bookshop: Bookshop):
    number = ada.buys("Atlas").number
    ada.lets(bookshop)
    marked = ada.presses(f"/purchases/{number}/gift").headers["Location"]
    assert bookshop.reads() == []
    ada.presses("/undo", change=re.findall(r"undo=(\d+)", marked)[0])
    assert [each["item"] for each in bookshop.reads()] == ["Atlas"]


def test_a_rating_out_of_range_is_refused(ada: Ada):
    stored = ada.buys("Atlas")
    ada.presses(f"/purchases/{stored.number}/note", 422, rating="9")


def test_what_an_import_proposes_is_hers_to_decide(ada: Ada):
    yes, no = brings_a_proposal(ada), brings_a_proposal(ada, "Gloves")
    assert "2 purchases look like gifts" in ada.looks_at("/")
    assert sorted(items(ada.looks_at("/purchases?for=proposed"))) == ["Gloves", "Scarf, indigo"]
    page = ada.looks_at(f"/purchases/{yes}")
    assert "Looks like a gift" in page
    assert "Happy birthday, Bea" in page
    assert "line 212" in page
    ada.presses(f"/purchases/{yes}/decide", accept="yes")
    ada.presses(f"/purchases/{no}/decide", accept="no")
    assert "Happy birthday, Bea" in ada.looks_at(f"/purchases/{yes}")
    assert "Happy birthday, Bea" not in ada.looks_at(f"/purchases/{no}")
    assert "look like gifts" not in ada.looks_at("/")


def test_what_is_proposed_of_a_note_is_no_purchase(ada: Ada):
    brings_a_proposal(ada)
    with store.writing(ada.vault, numbers=1) as turn:
        origin = {"proposes": {"heading": "Two"}}
        note = Stored(turn.number(), turn.revision, Note, Note(heading="One", text=".").dump(), {}, origin)
        store.insert_rows(turn, store.sealed_rows(ada.vault, [(note, b"its mark".ljust(16))]), [note])
    assert items(ada.looks_at("/purchases?for=proposed")) == ["Scarf, indigo"]
    assert "1 purchase looks like a gift" in ada.looks_at("/")


@pytest.mark.parametrize("accept", ["yes", "no"])
def test_what_she_decided_of_a_gift_can_be_undone_and_is_asked_again(ada: Ada, bookshop: Bookshop, accept: str):
    number = brings_a_proposal(ada)
    ada.lets(bookshop, PURCHASES)
    decided = ada.presses(f"/purchases/{number}/decide", accept=accept).headers["Location"]
    assert len(bookshop.reads()) == (accept == "no")
    page = ada.looks_at(decided)
    assert "Looks like a gift" not in page
    change = page.split('name="change" value="', 1)[1].split('"', 1)[0]
    ada.presses("/undo", change=change, next="/")
    assert "Looks like a gift" in ada.looks_at(f"/purchases/{number}")
    assert bookshop.reads() == []
    assert "undo=" in ada.presses(f"/purchases/{number}/decide", accept=accept).headers["Location"]
    assert "unchanged" in ada.presses(f"/purchases/{number}/decide", accept=accept).headers["Location"]


def test_a_damaged_record_costs_only_itself(ada: Ada):
    good, bad = ada.buys("Atlas"), ada.buys("Ink")
    ada.looks_at("/purchases")
    with ada.house.main.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.number == bad.number).values(box=b"\x02" + bytes(60)))
    broken = ada.looks_at(f"/purchases/{bad.number}", 500)
    assert "This record is damaged, and was not opened." in broken
    assert "Traceback" not in broken
    assert "€18.50" in ada.looks_at("/purchases")
    assert ada.looks_at(f"/purchases/{good.number}")
    ada.house.catalogues.rebuild(ada.house, ada.owner_id)
    assert "1 record is damaged" in ada.looks_at("/")
    assert f"Record {bad.number}" in ada.looks_at("/damaged")
    assert items(ada.looks_at("/purchases")) == ["Atlas"]
