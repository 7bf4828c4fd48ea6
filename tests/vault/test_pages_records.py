"""Every collection has its pages from its class statement; what she types is kept, or given back with a reason."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.people import Ada, Clock
from vault import store
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address, Birthday
from vault.collections.vendors import Vendor
from vault.record import CLASSES
from vault.values import When

SAID = {"text": "Something", "prose": "Some words\nin two lines", "when": "2024-03", "number": "1,5", "whole": "2"}


def form_of(kind) -> dict[str, str]:
    """A form of a class, filled in completely."""
    form = {}
    for field in kind.fields:
        if field.kind == "money":
            form |= {f"{field.name}-amount": "1 018,50", f"{field.name}-currency": "eur"}
        elif field.kind == "choice":
            form[field.name] = list(field.choices)[-1]
        elif field.kind == "words":
            form[field.name] = "one.example\r\n\r\n two.example "
        elif field.kind != "reference":
            form[field.name] = SAID[field.kind]
    return form


@pytest.mark.parametrize(("collection", "part"), sorted(CLASSES))
def test_every_kind_of_record_can_be_added_seen_changed_and_removed(ada: Ada, collection: str, part: str):
    kind = CLASSES[collection, part]
    assert "<form" in ada.looks_at(f"/{collection}/new?part={part}")
    ada.presses(f"/{collection}/new?part={part}", **form_of(kind))
    entry = ada.open.catalogue.entries("collection = ? AND part = ?", collection, part, order="number DESC")[0]
    where = f"/{collection}/{entry.number}"
    for path in (f"/{collection}", where, f"{where}/edit"):
        assert "<h1>" in ada.looks_at(path), path
    unchanged = ada.presses(f"{where}/edit", **form_of(kind))
    assert "unchanged" in unchanged.headers["Location"] or collection == "profile"
    ada.presses(f"{where}/remove")
    ada.looks_at(where, 404)


def test_a_form_that_is_refused_gives_back_everything_that_was_typed(ada: Ada):
    typed = {
        "item": "",
        "bought_on": "someday",
        "price-amount": "cheap",
        "price-currency": "EUR",
        "note": "mine & <only> mine",
    }
    answer = ada.presses("/purchases/new", 422, **typed)
    assert 'id="refused"' in answer.text
    for control in ("item", "bought_on", "price"):
        assert f'href="#{control}"' in answer.text, control
        assert f'id="{control}-error"' in answer.text, control
    for words in ('value="someday"', 'value="cheap"', "mine &amp; &lt;only&gt; mine</textarea>"):
        assert words in answer.text
    assert not ada.open.catalogue.count("collection = 'purchases'")


def test_a_day_that_is_not_known_exactly_stays_inexact(ada: Ada):
    loose = ada.presses("/purchases/new", 200, item="Kettle", bought_on="", loose="yes").text
    assert 'type="date"' not in loose
    assert 'value="Kettle"' in loose
    where = ada.presses("/purchases/new", item="Kettle", bought_on="2019-03").headers["Location"]
    page = ada.looks_at(where)
    assert "March 2019" in page
    assert 'value="2019-03"' in ada.looks_at(where.split("?")[0] + "/edit")


@pytest.mark.parametrize(
    ("typed", "kept"), [("18.50", "€18.50"), ("1 018,50", "€1,018.50"), ("18,505", "€18.505"), ("100", "€100.00")]
)
def test_amounts_are_read_as_people_write_them_and_kept_to_the_last_digit(ada: Ada, typed: str, kept: str):
    form = {"item": "Kettle", "bought_on": "2024-12-03", "price-amount": typed, "price-currency": "eur"}
    assert kept in ada.looks_at(ada.presses("/purchases/new", **form).headers["Location"])


def test_a_new_vendor_comes_with_the_purchase_and_a_known_one_is_not_doubled(ada: Ada):
    for name in ("Lumen & Oak", "lumen & oak", " Bookshop"):
        ada.presses("/purchases/new", item="Lamp", bought_on="2024-12-03", **{"new-vendor": name})
    assert ada.open.catalogue.count("collection = 'vendors'") == 2
    page = ada.looks_at("/vendors")
    assert page.count("Lumen &amp; Oak") == 1


@pytest.mark.parametrize("number", ["999", "-1", "abc", "1e3"])
def test_a_purchase_cannot_name_a_vendor_that_is_not_hers(ada: Ada, number: str):
    answer = ada.presses("/purchases/new", 422, item="Lamp", bought_on="2024-12-03", vendor=number)
    assert 'href="#vendor"' in answer.text


def test_a_purchase_of_a_vendor_she_removed_still_has_its_page(ada: Ada):
    stored = ada.buys("Field Notes on Moss")
    ada.presses(f"/vendors/{ada.bookshop_number}/remove")
    where = f"/purchases/{stored.number}"
    assert "a vendor you removed" in ada.looks_at(where)
    assert "a vendor you removed" in ada.looks_at("/purchases")
    form = {"item": "Field Notes on Lichen", "bought_on": "2026-10-22", "vendor": str(ada.bookshop_number)}
    assert ada.presses(f"{where}/edit", **form, **{"price-amount": "18.50", "price-currency": "EUR"})
    assert "Field Notes on Lichen" in ada.looks_at(where)


def test_earlier_versions_say_what_was_different(ada: Ada):
    stored = ada.keeps(Preference(topic="Nuts", stance="dislike"))
    ada.presses(f"/preferences/{stored.number}/edit", topic="Nuts", stance="never", strength="3")
    page = ada.looks_at(f"/preferences/{stored.number}")
    assert "1 earlier version" in page
    stance, strength = (each.label for each in Preference.fields if each.name in ("stance", "strength"))
    assert re.search(rf"{stance}: would rather not;\s+{strength}: nothing", page)


def test_the_profile_shows_each_part_and_offers_what_is_missing(ada: Ada):
    ada.keeps(Address(city="Porthaven", use="summer"))
    ada.keeps(Birthday(born_on=When("1984-12-10")))
    page = ada.looks_at("/profile")
    assert "Porthaven" in page
    assert "10 December 1984" in page
    assert "Add your birthday" not in page
    assert "Add your name" in page
    assert "Add a postal address" in page


def test_there_is_one_birthday_whatever_is_pressed(ada: Ada):
    first = ada.keeps(Birthday(born_on=When("1984-12-10")))
    removed = ada.presses(f"/profile/{first.number}/remove").headers["Location"]
    change = re.findall(r"undo=(\d+)", removed)[0]
    ada.presses("/profile/new?part=birthday", born_on="1984-12-11")
    for path, form in (("/profile/new?part=birthday", {"born_on": "1984-12-12"}), ("/undo", {"change": change}),
                       (f"/trash/{first.number}/restore", {})):  # fmt: skip
        assert "There is one of these already." in ada.presses(path, 409, **form).text
    assert "11 December 1984" in ada.looks_at("/profile")
    assert ada.open.catalogue.count("part = 'birthday'") == 1


def test_a_record_is_found_only_under_its_own_collection(ada: Ada):
    stored = ada.buys("Field Notes on Moss")
    for path in (
        f"/notes/{stored.number}",
        f"/vendors/{stored.number}/edit",
        "/purchases/99999",
        "/purchases/new?part=x",
    ):
        ada.looks_at(path, 404)
    for path in (f"/notes/{stored.number}/remove", f"/purchases/{ada.bookshop_number}/gift", "/purchases/99999/decide"):
        ada.presses(path, 404)
    with ada.house.main.reading() as session:
        assert store.read(session, ada.vault, stored.number)


def test_nothing_she_writes_becomes_markup(ada: Ada):
    evil = "<script>alert(1)</script>"
    vendor = ada.keeps(Vendor(called=evil, note=evil, alias=evil))
    stored = ada.buys(evil, vendor=vendor.number, order=evil, for_whom="gift", recipient=evil, gift_note=evil)
    ada.keeps(Preference(topic=evil, stance="like", note=evil))
    ada.keeps(Address(city=evil))
    pages = ["/", "/purchases", "/vendors", "/profile", "/preferences", f"/purchases/{stored.number}"]
    for path in (*pages, f"/purchases/{stored.number}/edit", f"/vendors/{vendor.number}"):
        assert evil not in ada.looks_at(path), path


def test_a_note_is_shown_at_what_it_is_about_and_leads_there(ada: Ada):
    bought = ada.buys("Copper kettle")
    like = ada.keeps(Preference(topic="Copper", stance="like"))
    for about in (bought, like):
        collection = about.kind.collection
        assert f'href="/notes/new?about={about.number}"' in ada.looks_at(f"/{collection}/{about.number}")
        assert f'<option value="{about.number}" selected>' in ada.looks_at(f"/notes/new?about={about.number}")
        made = ada.presses("/notes/new", heading=f"On {about.record.name()}", text="Ask.", about=str(about.number))
        assert f"On {about.record.name()}" in ada.looks_at(f"/{collection}/{about.number}")
        assert f'href="/{collection}/{about.number}"' in ada.looks_at(made.headers["Location"])
    assert "(Copper kettle)" in ada.looks_at("/notes")
    ada.presses("/notes/new", heading="Their hours", text="Until six.", vendor=str(ada.bookshop_number))
    page = ada.looks_at(f"/vendors/{ada.bookshop_number}")
    assert "Their hours" in page
    assert "On Copper kettle" not in page


def test_a_note_cannot_be_about_what_is_not_there_and_keeps_its_words_when_that_is_removed(ada: Ada):
    for number in ("999", "-1", "abc", "²"):
        ada.looks_at(f"/notes/new?about={number}")
        answer = ada.presses("/notes/new", 422, heading="On nothing", text="Ask.", about=number)
        assert 'href="#about"' in answer.text, number
    bought = ada.buys("Copper kettle")
    where = ada.presses("/notes/new", heading="On it", text="Ask.", about=str(bought.number)).headers["Location"]
    ada.removes(bought)
    page = ada.looks_at(where)
    assert "something you removed" in page
    assert "Ask." in page


def test_every_note_is_shown_page_after_page_those_without_a_day_too(ada: Ada, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vault.pages.collection.PAGE", 2)
    for number, day in enumerate(("2026-01-01", "2026-01-02", "2026-01-02", None, None)):
        ada.keeps(Note(heading=f"Note {number}", text=".", written_on=When(day) if day else None))
    seen, path = [], "/notes?as="
    while path:
        page = ada.looks_at(path)
        seen += re.findall(r"Note \d", page)
        path = unescape(next(iter(re.findall(r'href="(/notes\?[^"]*after=[^"]+)"', page)), ""))
    assert seen == ["Note 2", "Note 1", "Note 0", "Note 4", "Note 3"]


def test_an_earlier_version_says_until_when_it_stood(ada: Ada, clock: Clock):
    stored = ada.keeps(Preference(topic="Nuts", stance="dislike"))
    clock.passes(days=3)
    ada.unlocks()
    ada.presses(f"/preferences/{stored.number}/edit", topic="Nuts", stance="never")
    clock.passes(days=3)
    ada.unlocks()
    assert "Until 25 November 2026" in ada.looks_at(f"/preferences/{stored.number}")
