"""Another owner of the same server, another site in her browser, and a hand in the database: at every newer address."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from consent import inbox
from consent.models import Grant, Receipt
from tests.houses import raw
from tests.people import ISSUER, PURCHASES, RECEIPTS, Ada, Bookshop, details
from vault import choices, sessions, set_up

LEFT = {"item": "The Weathervane", "bought_on": "2026-11-20"}


@pytest.fixture
def tokens(ada: Ada, bookshop: Bookshop) -> dict[str, Any]:
    """The Bookshop may see and leave purchases, and has left one."""
    tokens = bookshop.tokens("item-1", authorization_details=details(PURCHASES, RECEIPTS))
    assert bookshop.leaves(tokens["access_token"], LEFT).status_code == 202
    return tokens


@pytest.fixture
def bram(ada: Ada) -> Ada:
    """Another owner, unlocked."""
    words = "a bridge, a heron, a bell"
    keyring = set_up.set_up(ada.house, handle="bram", name="Bram", passphrase=words, notice=None, first=False)
    choices.keep(sessions.for_command(ada.house, keyring), {"recovery": None})
    return Ada(ada.house, words, keyring)


def waiting(ada: Ada) -> list[inbox.Waiting]:
    with ada.house.main.reading() as session:
        return inbox.waiting(session, ada.open, limit=10)


def places(ada: Ada, tokens: dict[str, Any]) -> dict[str, str]:
    """What stands for each name in an address."""
    with ada.house.main.reading() as session:
        receipt = session.scalars(select(Receipt.receipt_id).where(Receipt.owner_id == ada.owner_id)).one()
    return {"deposit": waiting(ada)[0].deposit_id.hex(), "grant": tokens["grant_id"], "receipt": receipt.hex()}


@pytest.mark.parametrize("page", ["/sharing", "/help"])
def test_the_address_to_give_away_is_the_servers_own_whatever_name_it_is_called_by(ada: Ada, page: str) -> None:
    kept = ada.browser.get_cookie("vault")
    assert kept is not None
    shown = ada.app.test_client(use_cookies=False).get(
        page, headers={"Host": "evil.localhost", "Cookie": f"vault={kept.value}"}
    )
    assert shown.status_code == 200
    assert "evil.localhost" not in shown.text
    assert re.search(rf"{re.escape(ISSUER)}[ .<]", shown.text)


def addresses(ada: Ada, method: str, named: dict[str, str]) -> list[str]:
    """Every address of an owner's pages that speaks of a grant, a deposit or a receipt."""
    found = [
        re.sub(r"<(\w+)>", lambda name: named[name[1]], rule.rule)
        for rule in ada.app.url_map.iter_rules()
        if method in (rule.methods or ())
        and rule.arguments
        and rule.arguments <= set(named)
        and rule.endpoint.partition(".")[0] in {"inbox", "sharing", "receipts"}
    ]
    assert len(found) >= 6, found
    return found


def test_another_owner_finds_nothing_at_any_of_them(
    ada: Ada, bram: Ada, bookshop: Bookshop, tokens: dict[str, Any]
) -> None:
    named = places(ada, tokens)
    for address in addresses(ada, "GET", named):
        assert bram.browser.get(address).status_code == 404, address
    for address in addresses(ada, "POST", named):
        if not address.endswith("/block"):
            bram.presses(address, 404, item="1", days="7", digest="00")
    bram.browser.post(f"/inbox/from/{named['grant']}/block", headers={"Sec-Fetch-Site": "same-origin"})
    assert len(waiting(ada)) == 1
    assert bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).status_code == 200
    assert bookshop.leaves(tokens["access_token"], LEFT, under="2").status_code == 202


@pytest.mark.parametrize(
    "said", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}]
)
def test_no_other_site_presses_a_button_of_hers(
    ada: Ada, bookshop: Bookshop, tokens: dict[str, Any], said: dict[str, str]
) -> None:
    named = places(ada, tokens)
    for address in [*addresses(ada, "POST", named), "/sharing/pause-all", "/sharing/stop-all", "/authorize"]:
        assert ada.browser.post(address, data={"item": "1", "days": "7"}, headers=said).status_code == 403, address
    assert len(waiting(ada)) == 1
    assert bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).status_code == 200


@pytest.mark.usefixtures("tokens")
def test_a_deposit_or_an_inbox_moved_to_another_owner_opens_to_nobody(ada: Ada, bram: Ada, bookshop: Bookshop) -> None:
    with raw(ada.house.main) as say:
        others = ", ".join(column.name for column in Grant.__table__.columns if column.name != "owner_id")
        say(f"INSERT INTO grants (owner_id, {others}) SELECT ?, {others} FROM grants", bram.owner_id)
        say("UPDATE deposits SET owner_id = ?", bram.owner_id)
    (moved,) = waiting(bram)
    assert moved.record is None
    assert "Weathervane" not in bram.looks_at("/inbox")
    bram.presses(f"/inbox/{moved.deposit_id.hex()}/keep", 404)
    with raw(ada.house.main) as say:
        ((his,),) = say("SELECT inbox_box FROM owners WHERE owner_id = ?", bram.owner_id)
        say("UPDATE owners SET inbox_box = ? WHERE owner_id = ?", his, ada.owner_id)
    token = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))["access_token"]
    assert bookshop.leaves(token, LEFT).json()["code"] == "damaged"
    assert waiting(ada) == []
