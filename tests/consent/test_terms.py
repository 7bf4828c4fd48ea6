"""What a grant says: kept without loss, narrowed only, and told as RFC 9396 wants it told."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from consent.purposes import DANGEROUS
from consent.terms import LINK, SOONER, Terms, VaultData, VaultDeposit, by_link, durations
from vault.days import DAY

SEE = VaultData(1, "purchases", ("item", "price"), "CustomerCare", "To help.", 90)
LEAVE = VaultDeposit(2, "purchases", ("item",), "CustomerCare", "To leave receipts.", 90, per_day=20)
UNTIL = 1_793_836_799  # the last second of 4 November 2026
TERMS = Terms("https://shop.example", "Bookshop", 7, None, 1000, UNTIL, bytes(range(32)), (SEE,), (LEAVE,))

words, numbers, maybe = some.text(max_size=8), some.integers(0, 2**40), some.none()
several = some.lists(words, max_size=3).map(tuple)
VALUES: dict[str, some.SearchStrategy[Any]] = {
    "str": words,
    "int": numbers,
    "bool": some.booleans(),
    "str | None": maybe | words,
    "int | None": maybe | numbers,
    "tuple[str, ...]": several,
    "tuple[int, ...]": some.lists(numbers, max_size=3).map(tuple),
    "bytes": some.binary(min_size=32, max_size=32),
}


def any_of(kind: Any, **known: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    """Anything of a class, with a value for every field there is."""
    drawn = {each.name: VALUES[each.type] for each in fields(kind) if each.name not in known}
    return some.builds(kind, **drawn, **known)


every_terms = any_of(
    Terms,
    items=some.lists(any_of(VaultData), max_size=2).map(tuple),
    deposits=some.lists(any_of(VaultDeposit), max_size=2).map(tuple),
)


@settings(max_examples=40, deadline=None)
@given(every_terms)
def test_whatever_terms_say_is_read_back_from_their_box(terms: Terms) -> None:
    assert Terms.from_bytes(terms.to_bytes()) == terms


def test_terms_from_before_there_were_deposits_and_limits_are_read() -> None:
    old = replace(TERMS, deposits=())
    raw = (
        old.to_bytes().replace(b',"deposits":[]', b"").replace(b'"looks":null,"looks_per_day":null,"told":[],', b"", 1)
    )
    assert b"deposits" not in raw
    assert b"told" not in raw
    assert Terms.from_bytes(raw) == old


def test_terms_say_nothing_of_what_they_hold_when_they_are_printed() -> None:
    assert repr(TERMS) == "<Terms of 1 items>"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {}),
        ({"this_vendor": True}, {"filter": {"vendor": "this"}}),
        ({"since": "2026-01-01", "up_to": "2026-02-01"}, {"filter": {"since": "2026-01-01", "up_to": "2026-02-01"}}),
        ({"categories": ("Books",)}, {"filter": {"category": ["Books"]}}),
        ({"delay": 14}, {"filter": {"delay": "P14D"}}),
        ({"numbers": (4, 9)}, {"filter": {"records": 2}}),
        ({"retention": "P30D"}, {"retention": "P30D"}),
        ({"gifts": True, "why_duration": "Because.", "language": "pl", "looks": 3}, {}),
    ],
)
def test_an_item_is_told_as_it_was_granted(more: dict[str, Any], expected: dict[str, Any]) -> None:
    always = {
        "type": "vault_data",
        "collection": "purchases",
        "fields": ["item", "price"],
        "actions": ["read"],
        "purpose": "CustomerCare",
    }
    assert replace(SEE, **more).to_json() == {**always, **expected}


def test_what_was_granted_is_told_with_its_day_and_its_limits() -> None:
    limited = replace(TERMS, looks=5, looks_per_day=1)
    told = {
        "type": "vault_deposit",
        "collection": "purchases",
        "fields": ["item"],
        "actions": ["add"],
        "purpose": "CustomerCare",
        "per_day": 20,
    }
    day = {"until": "2026-11-04"}
    assert TERMS.granted() == [{**SEE.to_json(), **day}, {**told, **day}]
    assert limited.granted() == [{**SEE.to_json(), **day, "looks": 5, "looks_per_day": 1}, {**told, **day}]
    assert replace(TERMS, until=UNTIL + 1).granted()[0]["until"] == "2026-11-05"
    assert replace(TERMS, looks=0).granted()[0]["looks"] == 0


def test_she_allows_of_an_item_what_is_necessary_and_what_she_ticks_of_the_rest() -> None:
    asked = replace(SEE, optional_fields=("rating", "category"))
    some_of_it = asked.chosen(["category", "for_whom"], gifts=False)
    assert some_of_it == replace(SEE, fields=("item", "price", "category"))
    assert asked.chosen([], gifts=True) == replace(SEE, gifts=True)
    assert asked.whole() == replace(SEE, fields=("item", "price", "rating", "category"), gifts=True)


def test_an_item_depends_on_the_day_by_its_delay_or_by_an_answer() -> None:
    profile = replace(SEE, collection="profile", fields=("address.city",))
    assert SEE.daily is False
    assert replace(SEE, delay=1).daily is True
    assert profile.daily is False
    assert replace(profile, fields=("no_such_field", "address.city", "birthday.over_18")).daily is True


def test_an_item_is_sensitive_by_gifts_by_its_purpose_or_by_a_field() -> None:
    assert SEE.sensitive is False
    assert replace(SEE, fields=("no_such_field",)).sensitive is False
    assert replace(SEE, gifts=True).sensitive is True
    assert replace(SEE, fields=("no_such_field", "item", "recipient")).sensitive is True
    assert {replace(SEE, purpose=each).sensitive for each in DANGEROUS} == {True}
    assert LEAVE.known.keys() == SEE.known.keys() > {"item", "price", "recipient"}


def test_taking_an_item_away_leaves_the_others_and_what_the_vendor_has_been_told() -> None:
    other = replace(SEE, number=3, fields=("rating",))
    terms = replace(TERMS, items=(SEE, other), told=("zebra",))
    assert terms.without(1) == replace(terms, items=(other,), told=("item", "price", "zebra"))
    assert terms.without(2) == replace(terms, deposits=())
    assert terms.without(9) == terms
    assert [each.empty for each in (terms, terms.without(2), terms.without(2).without(1).without(3))] == [
        False,
        False,
        True,
    ]
    assert replace(TERMS, items=()).empty is False
    assert terms.of("purchases") == (SEE, other)
    assert terms.of("notes") == ()


def test_what_is_asked_is_necessary_unless_it_says_otherwise() -> None:
    assert (SEE.optional, LEAVE.optional, SEE.gifts, SEE.this_vendor, SEE.records) == (False, False, False, False, 0)


def test_an_end_is_only_ever_brought_nearer() -> None:
    assert TERMS.ending(UNTIL - 5).until == UNTIL - 5
    assert TERMS.ending(UNTIL + 5) == TERMS


def test_once_is_a_single_look() -> None:
    assert [replace(TERMS, looks=looks).once for looks in (1, 2, None)] == [True, False, False]


def test_a_share_link_is_known_by_its_name() -> None:
    assert LINK == "link:"
    assert by_link("link:0a1b") is replace(TERMS, client_id="link:0a1b").by_link is True
    assert by_link("https://link:8400") is TERMS.by_link is False


def test_the_days_to_choose_from_are_never_more_than_was_asked() -> None:
    assert DAY == 24 * 60 * 60
    assert SOONER == (1, 7, 30, 90)
    assert durations(365) == [30, 90, 365]
    assert durations(90) == [30, 90]
    assert durations(30) == [30]
    assert durations(5) == [5]
    assert durations(200) == [30, 90, 200]
    assert durations(366) == [30, 90, 365, 366]
