"""The vendor's library and the shop leave receipts in a real vault's inbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from urllib.parse import urlsplit

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from connectors.demo_shop.serving import LoopbackServer
from connectors.demo_shop.shop import create_shop
from connectors.vendor_client import Connection, Deposit, Item, NotGranted, Refused, Vault, discover, new_state
from consent import inbox
from tests.people import ISSUER, Ada, Bookshop

RECEIPTS = Deposit("purchases", ("item", "bought_on"), "CustomerOrderManagement", "To be tidy.", "P30D")
LEFT = {"item": "The Weathervane", "bought_on": "2026-11-20"}


def waiting(ada: Ada) -> list[inbox.Waiting]:
    with ada.house.main.reading() as session:
        return inbox.waiting(session, ada.open, limit=10)


@pytest.fixture
def connection(ada: Ada, bookshop: Bookshop) -> Connection:
    pending = discover(bookshop.client, ISSUER).ask([RECEIPTS], new_state())
    location = ada.sees_consent(pending.authorize_url).allows()
    return Vault(bookshop.client, pending.endpoints).finish(pending, urlsplit(location).query)


def test_a_receipt_is_left_once_and_its_fate_can_be_asked(ada: Ada, connection: Connection) -> None:
    left = connection.leave("purchases", LEFT, key="order-1")
    assert left == connection.leave("purchases", LEFT, key="order-1") == connection.became(left.deposit)
    (each,) = waiting(ada)
    assert dict(each.data) == LEFT
    ada.presses(f"/inbox/{left.deposit}/keep")
    assert connection.became(left.deposit).status == "accepted"
    assert connection.granted[0].leave
    assert connection.grant().items == connection.granted


def test_a_dead_token_is_renewed_for_leaving_too(ada: Ada, connection: Connection) -> None:
    ada.house.clock.passes(minutes=11)  # type: ignore[attr-defined]
    assert connection.leave("purchases", LEFT, key="order-1").status == "waiting"


def test_what_may_not_be_left_is_told(ada: Ada, connection: Connection) -> None:
    with pytest.raises(NotGranted):
        connection.leave("notes", {"heading": "x", "text": "y"}, key="1")
    with pytest.raises(Refused) as refused:
        connection.leave("purchases", {"item": "x"}, key="2")
    assert refused.value.code == "invalid"
    for path in ("../grant", "a/b", ""):
        with pytest.raises(ValueError, match="small letters"):
            connection.leave(path, LEFT, key="3")
        with pytest.raises(ValueError, match="small letters"):
            connection.became(path)


def test_every_member_of_a_question_is_one_the_vault_knows(bookshop: Bookshop) -> None:
    item = Item(
        "purchases",
        ("item",),
        "ServiceProvision",
        "Why.",
        "P1D",
        "P30D",
        optional_fields=("price",),
        since=date(2026, 1, 1),
        without="Less.",
        why_duration="A month.",
        optional=True,
        up_to=date(2026, 6, 30),
        categories=("books",),
        delay="P7D",
        looks=3,
        looks_per_day=1,
    )
    assert discover(bookshop.client, ISSUER).ask([item, RECEIPTS], new_state()).authorize_url


@pytest.fixture
def shop(ada: Ada) -> Iterator[FlaskClient]:
    """A visitor's browser in the demo shop, which serves its metadata for Ada's vault to read."""
    free = LoopbackServer(Flask("free"), 0)
    port = free.port
    free.stop()
    address = f"http://shop.localhost:{port}"
    app = create_shop(address, ada.house.clock, transport=httpx.WSGITransport(ada.app))
    serving = LoopbackServer(app, port)
    serving.start()
    visitor = app.test_client()
    visitor.environ_base["HTTP_HOST"] = f"shop.localhost:{port}"
    yield visitor
    serving.stop()


def test_buying_at_the_shop_brings_the_receipt_home(ada: Ada, shop: FlaskClient) -> None:
    base = f"http://{shop.environ_base['HTTP_HOST']}"
    to_vault = shop.post("/connect", base_url=base, data={"vault": ISSUER}).headers["Location"]
    page = ada.sees_consent(to_vault)
    assert "and to leave you something" in page.html
    shop.get("/callback?" + urlsplit(page.allows("item-5")).query, base_url=base)
    assert "Leave you your receipts" in shop.get("/", base_url=base).text
    for _twice in range(2):
        shop.post("/buy", base_url=base, data={"title": "The Tin Orchard", "order": "B-1"})
    assert "You have bought <em>The Tin Orchard</em>" in shop.get("/", base_url=base).text
    (each,) = waiting(ada)
    assert each.data["price"] == {"amount": "14.90", "currency": "EUR"}
