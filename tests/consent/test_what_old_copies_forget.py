"""What an old copy forgets: the keystore counts neither looks nor answers. The page on threats says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.consent.racing import Returning, back, visits_again
from tests.houses import Part, home_of, keep_copy, put_copy_back
from tests.people import BIRTHDAY, PURCHASES, Ada, Bookshop, Clock, details, house_in
from vault.collections.profile import Birthday
from vault.values import When


def put_back(ada: Ada, part: Part, kept: Path) -> Returning:
    """Stop, put that database back from the copy, start."""
    ada.house.stop()
    put_copy_back(home_of(ada.house), part, kept)
    return back(ada, house_in(home_of(ada.house), ada.house.clock))


def looks(shop: Bookshop, tokens: dict[str, Any]) -> int:
    token = shop.refreshes(tokens["refresh_token"]).json()["access_token"]
    return shop.looks("/vendor/v1/purchases", token).status_code


def test_an_old_access_log_gives_back_the_looks_it_has_not_seen(
    ada: Ada, bookshop: Bookshop, clock: Clock, tmp_path: Path
) -> None:
    tokens = bookshop.tokens(authorization_details=details({**PURCHASES, "looks": 1}))
    keep_copy(ada.house, "log", tmp_path / "kept")
    assert looks(bookshop, tokens) == 200
    clock.passes(minutes=11)
    assert looks(bookshop, tokens) == 403
    later = put_back(ada, "log", tmp_path / "kept")
    visits_again(bookshop, later)
    assert looks(bookshop, tokens) == 200
    later.house.stop()


def test_answers_that_an_old_copy_has_not_seen_are_not_counted(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    two = details({**BIRTHDAY, "fields": ["birthday.over_16", "birthday.over_18"]})
    third = details({**BIRTHDAY, "fields": ["birthday.over_21"]})
    keep_copy(ada.house, "database", tmp_path / "kept")
    bookshop.tokens("item-0", authorization_details=two)
    assert "not offered to you" in ada.sees_consent(bookshop.consent_address(authorization_details=third)).html
    later = put_back(ada, "database", tmp_path / "kept")
    visits_again(bookshop, later)
    assert "not offered to you" not in later.sees_consent(bookshop.consent_address(authorization_details=third)).html
    later.house.stop()
