"""Grant Management for OAuth 2.0: query, revoke and replace by the client itself. N83, N84, N85, N86."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from consent.models import Grant
from tests.people import ISSUER, PURCHASES, TASTE, Ada, Bookshop, details, query


def gives_back(shop: Bookshop, token: str, grant: str) -> int:
    path = f"/vendor/v1/grants/{grant}"
    proof = shop.proves("DELETE", ISSUER + path, token=token)
    return shop.http.delete(path, headers={"Authorization": f"DPoP {token}", "DPoP": proof}).status_code


def test_a_client_asks_after_its_grant_and_gives_it_back(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    tokens = bookshop.tokens()
    path = f"/vendor/v1/grants/{tokens['grant_id']}"
    assert bookshop.looks(path, tokens["access_token"]).json()["grant_id"] == tokens["grant_id"]
    ada.presses(f"/sharing/{tokens['grant_id']}/pause")
    assert bookshop.looks(path, tokens["access_token"]).json()["code"] == "paused"
    assert gives_back(bookshop, tokens["access_token"], tokens["grant_id"]) == 204
    assert bookshop.looks(path, tokens["access_token"]).status_code == 401
    assert bookshop.refreshes(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    with ada.house.main.reading() as session:
        assert session.scalar(select(Grant.cause)) == "vendor"
    assert "The vendor gave it back" in ada.looks_at("/sharing")


def test_n83_the_grant_of_another_client_is_neither_shown_nor_ended_nor_replaced(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    """N83: and one that never was looks the same."""
    theirs, mine = coffee.tokens(), bookshop.tokens()
    for grant in (theirs["grant_id"], "00" * 16, "nonsense"):
        assert bookshop.looks(f"/vendor/v1/grants/{grant}", mine["access_token"]).json()["code"] == "not_found"
        assert gives_back(bookshop, mine["access_token"], grant) == 404
        address = bookshop.consent_address(grant_management_action="replace", grant_id=grant)
        asked = ada.is_asked(address)
        assert "There is no such permission to replace" in asked.html
        said = query(asked.answers("back").headers["Location"])
        assert (said["error"], said["iss"], said["state"]) == ("invalid_grant_id", ISSUER, "a-state")
    assert coffee.looks("/vendor/v1/grant", theirs["access_token"]).status_code == 200


def test_a_link_alone_leads_nobody_out_of_the_vault(ada: Ada, bookshop: Bookshop) -> None:
    """RFC 9700 §4.11.2: anybody may register an address; her browser goes there because she said so."""
    own, named = bookshop.tokens()["grant_id"], {"grant_management_action": "replace", "grant_id": "00" * 16}
    for changes in ({}, named, {**named, "grant_id": own}):
        assert ada.browser.get(bookshop.consent_address(**changes)).status_code == 200
    asked = ada.sees_consent(bookshop.consent_address(**{**named, "grant_id": own}))
    assert "There is no such permission" not in asked.html
    assert "error" not in asked.answers("back", status=200).headers.get("Location", "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"grant_management_action": "create", "grant_id": "00" * 16},
        {"grant_id": "00" * 16},
        {"grant_management_action": "replace"},
        {"grant_management_action": "merge", "grant_id": "00" * 16},
        {"grant_management_action": "delete"},
    ],
    ids=str,
)
def test_n84_actions_and_ids_that_do_not_belong_together_are_refused(bookshop: Bookshop, wrong: dict[str, str]) -> None:
    """N84."""
    answer = bookshop.pushes(**wrong)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_n85_n86_a_grant_is_replaced_by_her_decision_alone_and_its_tokens_die(ada: Ada, bookshop: Bookshop) -> None:
    """N85, N86: asking changes nothing; what she allows takes its place."""
    ada.buys("The Salt Almanac")
    old = bookshop.tokens()
    changes = {
        "grant_management_action": "replace",
        "grant_id": old["grant_id"],
        "authorization_details": details(PURCHASES, TASTE),
    }
    page = ada.sees_consent(bookshop.consent_address(**changes))
    before = bookshop.looks("/vendor/v1/grant", old["access_token"]).json()["authorization_details"]
    assert [each["collection"] for each in before] == ["purchases"]
    new = bookshop.redeems(query(page.allows("item-1"))["code"]).json()
    assert new["grant_id"] != old["grant_id"]
    assert bookshop.looks("/vendor/v1/grant", old["access_token"]).status_code == 401
    assert bookshop.refreshes(old["refresh_token"]).json()["error"] == "invalid_grant"
    assert bookshop.looks("/vendor/v1/preferences", new["access_token"]).status_code == 200
