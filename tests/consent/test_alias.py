"""A vendor is shown the address she keeps for it instead of her own, whatever comes in between."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.people import TASTE, Ada, Bookshop, details
from vault import store
from vault.collections.profile import Email

EMAIL: dict[str, Any] = {**TASTE, "collection": "profile", "fields": ["email.address"]}


@pytest.fixture
def token(ada: Ada, bookshop: Bookshop) -> str:
    """The Bookshop may see where to write to her, and what she likes."""
    ada.keeps(Email(address="ada@home.test"))
    keeps_for_it(ada, "books@alias.test")
    return str(bookshop.tokens("item-0", "item-1", authorization_details=details(EMAIL, TASTE))["access_token"])


def keeps_for_it(ada: Ada, alias: str) -> None:
    with store.writing(ada.open) as turn:
        store.change(turn, ada.open, ada.bookshop_number, {"alias": alias})


def seen(shop: Bookshop, token: str) -> list[str]:
    items = shop.looks("/vendor/v1/profile", token).json()["items"]
    return [each["data"]["email.address"] for each in items]


def test_a_new_address_for_it_takes_the_place_of_the_old_one(ada: Ada, bookshop: Bookshop, token: str) -> None:
    assert seen(bookshop, token) == ["books@alias.test"]
    keeps_for_it(ada, "shop@alias.test")
    assert seen(bookshop, token) == ["shop@alias.test"]


def test_throwing_the_vendors_record_away_does_not_give_it_her_own_address(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    with store.writing(ada.open) as turn:
        store.remove(turn, ada.open, ada.bookshop_number)
    assert seen(bookshop, token) == ["books@alias.test"]
    ada.presses(f"/sharing/{ada.grant()}/less", item="1")
    assert seen(bookshop, token) == ["books@alias.test"]


def test_an_address_she_chose_while_it_was_held_is_the_one_she_agrees_to(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    """The grant's row is older than the keystore knows it to be: it is held, and follows nothing until she looks."""
    grant = ada.grant()
    ada.house.keystore.raise_version(ada.owner_id, bytes.fromhex(grant), 2)
    assert bookshop.looks("/vendor/v1/profile", token).json()["code"] == "paused"
    keeps_for_it(ada, "shop@alias.test")
    page = ada.looks_at(f"/sharing/{grant}")
    assert "shop@alias.test" in page
    digest = re.search(r'name="digest" value="([0-9a-f]+)"', page)
    assert digest
    ada.presses(f"/sharing/{grant}/resume", digest=digest[1])
    assert seen(bookshop, token) == ["shop@alias.test"]
