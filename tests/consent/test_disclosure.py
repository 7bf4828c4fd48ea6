"""What a grant shows of one record: `disclose` alone, at each of its edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from consent import disclosure
from consent.disclosure import disclose
from consent.terms import Terms, VaultData
from vault import crypto
from vault.record import CLASSES
from vault.stored import Stored

TODAY = date(2026, 11, 22)
ITEM = VaultData(0, "purchases", ("item",), "CustomerCare", "To help.", 90)
TERMS = Terms("https://shop.example", "Bookshop", 7, None, 0, 10**9, bytes(32), (ITEM,))
FIELDS = ("item", "bought_on", "price", "category", "for_whom", "recipient", "rating")


def bought(number: int = 1, proposes: dict[str, str] | None = None, **more: Any) -> Stored:
    """A purchase as it is stored."""
    source = {"item": "Atlas", "bought_on": "2026-05-10", "vendor": 7, **more}
    return Stored(number, 1, CLASSES["purchases", ""], source, {}, {"proposes": proposes} if proposes else {})


def of_profile(part: str, **values: Any) -> Stored:
    return Stored(2, 1, CLASSES["profile", part], values, {})


def shown(item: VaultData, stored: Stored, terms: Terms = TERMS) -> dict[str, Any] | None:
    made = disclose(terms, item, stored, TODAY)
    return None if made is None else orjson.loads(made)


def test_nothing_but_the_fields_granted_is_shown_and_of_them_what_has_a_value() -> None:
    item = replace(ITEM, fields=("item", "price", "rating"))
    assert shown(item, bought(rating=4, category="Books")) == {"item": "Atlas", "rating": 4}
    assert shown(replace(ITEM, fields=("rating",)), bought()) is None
    assert shown(replace(ITEM, fields=("item", "no_such_field")), bought()) == {"item": "Atlas"}


@settings(max_examples=50, deadline=None)
@given(some.sets(some.sampled_from(FIELDS)), some.sets(some.sampled_from(FIELDS)))
def test_whatever_is_filled_in_and_granted_only_what_is_both_is_shown(granted: set[str], filled: set[str]) -> None:
    values: dict[str, Any] = {
        "price": {"amount": "5.00", "currency": "EUR"},
        "category": "Books",
        "recipient": "Bram",
        "rating": 3,
    }
    stored = bought(**{name: values[name] for name in filled if name in values})
    item = replace(ITEM, fields=tuple(sorted(granted)))
    always = {"item", "bought_on", "for_whom"}
    assert set(shown(item, stored) or {}) == granted & (always | filled)


def test_another_collection_and_what_is_never_shared_show_nothing() -> None:
    assert shown(replace(ITEM, collection="notes"), bought()) is None
    order = Stored(3, 1, CLASSES["purchases", "order"], {"order": "BK-1", "vendor": 7}, {})
    assert shown(replace(ITEM, fields=("order", "item")), order) is None


def test_chosen_records_are_shown_and_no_others() -> None:
    chosen = replace(ITEM, numbers=(4, 6))
    assert [shown(chosen, bought(number)) is not None for number in (4, 5, 6)] == [True, False, True]


def test_an_item_about_this_vendor_shows_what_was_bought_there() -> None:
    here = replace(ITEM, this_vendor=True)
    assert shown(here, bought()) is not None
    assert shown(here, bought(vendor=8)) is None
    assert shown(here, bought(vendor=None)) is None
    assert shown(ITEM, bought(vendor=8)) is not None


@pytest.mark.parametrize(
    ("on", "window", "seen"),
    [
        ("2026-05-10", {"since": "2026-05-10"}, True),
        ("2026-05-10", {"since": "2026-05-11"}, False),
        ("2026-05-10", {"up_to": "2026-05-10"}, True),
        ("2026-05-10", {"up_to": "2026-05-09"}, False),
        ("2026-05", {"since": "2026-05-01", "up_to": "2026-05-31"}, True),
        ("2026-05", {"since": "2026-05-02"}, False),
        ("2026-05", {"up_to": "2026-05-30"}, False),
        ("2026", {"since": "2026-01-01", "up_to": "2026-12-31"}, True),
        ("2026", {"up_to": "2026-12-30"}, False),
    ],
)
def test_a_window_shows_what_lies_wholly_within_it(on: str, window: dict[str, str], seen: bool) -> None:
    assert (shown(replace(ITEM, **window), bought(bought_on=on)) is not None) == seen  # type: ignore[arg-type]


@pytest.mark.parametrize(("on", "seen"), [("2026-11-12", True), ("2026-11-13", False), ("2026-11", False)])
def test_a_delay_counts_from_the_last_day_it_can_have_been(on: str, seen: bool) -> None:
    assert (shown(replace(ITEM, delay=10), bought(bought_on=on)) is not None) == seen


def test_a_delay_of_no_days_hides_nothing_that_is_to_come() -> None:
    assert shown(ITEM, bought(bought_on="2026-11-30")) is not None
    assert shown(replace(ITEM, delay=1), bought(bought_on="2026-11-30")) is None


def test_kinds_of_things_are_whole_words_in_any_case_and_what_has_none_is_not_among_them() -> None:
    books = replace(ITEM, categories=("Books", "MAPS", "x"))
    seen = {kind: shown(books, bought(category=kind)) is not None for kind in ("books", "maps", "book", None)}
    assert seen == {"books": True, "maps": True, "book": False, None: False}


@pytest.mark.parametrize(
    ("for_whom", "proposed", "gift"),
    [("me", None, False), ("gift", None, True), ("me", "gift", True), ("household", "work", False)],
)
def test_gifts_and_what_looks_like_one_are_shown_only_where_she_added_them(
    for_whom: str, proposed: str | None, gift: bool
) -> None:
    stored = bought(for_whom=for_whom, proposes={"for_whom": proposed} if proposed else None)
    assert disclosure.is_gift(stored) is gift
    assert (shown(ITEM, stored) is None) == gift
    assert shown(replace(ITEM, gifts=True), stored) is not None


def test_what_is_no_purchase_is_no_gift_and_has_no_window() -> None:
    city = replace(ITEM, collection="profile", fields=("address.city",), since="2026-01-01", delay=5)
    home = of_profile("address", city="Ghent")
    assert disclosure.is_gift(home) is False
    assert shown(city, home) == {"address.city": "Ghent"}


def test_the_address_kept_for_this_vendor_stands_in_the_place_of_hers_and_nowhere_else() -> None:
    item = replace(ITEM, collection="profile", fields=("email.address", "name.given"))
    mine, name = of_profile("email", address="ada@home.test"), of_profile("name", given="Ada")
    aliased = replace(TERMS, alias="ada.1@alias.example")
    assert shown(item, mine) == {"email.address": "ada@home.test"}
    assert shown(item, mine, aliased) == {"email.address": "ada.1@alias.example"}
    assert shown(item, name, aliased) == {"name.given": "Ada"}


def test_the_name_of_a_record_is_of_one_grant_one_item_and_one_number() -> None:
    names = {
        disclosure.ref(key, item, number) for key in (b"k" * 32, b"j" * 32) for item in (1, 2) for number in (1, 2)
    }
    assert len(names) == 8
    assert {len(name) for name in names} == {16}
    assert disclosure.ref(b"k" * 32, 1, 2).hex() == "45dc9ae6f9ecb8c2f0cd066f4bd56f61"


def test_boxes_are_known_by_all_that_they_are() -> None:
    owner, grant = b"o" * 16, b"g" * 16
    disclosed = ("vrm/1/disclosure", owner, grant, 1, b"n" * 16, 2, 3)
    assert disclosure.about_disclosure(owner, grant, 1, b"n" * 16, 2, 3) == crypto.identity(*disclosed)
    assert disclosure.about_terms(owner, grant, 2) == crypto.identity("vrm/1/terms", owner, grant, 2)
