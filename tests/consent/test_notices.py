"""The vendor is told: what, in which form, how often it is tried, and that nothing waits for it. N106, N107."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Response, request
from sqlalchemy import select

from connectors.vendor_client import Notice, Vault, discover, read_notice
from tests.people import ISSUER, PURCHASES, TASTE, Ada, Bookshop, calls_out
from vault.models import Job
from vault.server import Server


@dataclass(frozen=True)
class Heard:
    """One notice as it came in."""

    headers: dict[str, str]
    body: bytes


class ListeningShop(Bookshop):
    """A Bookshop that wants to be told, and answers as a test says."""

    def __init__(self, name: str, host: str) -> None:
        super().__init__(name, host)
        self.heard: list[Heard] = []
        self.fetched = 0
        self.answers: list[Response] = []
        self.more: dict[str, Any] = {}
        self.path = "/notices"
        self.app.add_url_rule("/notices", view_func=self._hears, methods=["POST"])

    def _hears(self) -> Response:
        self.heard.append(Heard(dict(request.headers), request.get_data()))
        return self.answers.pop(0) if self.answers else Response(status=202)

    def document(self) -> dict[str, Any]:
        self.fetched += 1
        return {**super().document(), "notice_endpoint": f"{self.address}{self.path}", **self.more}

    def reads_notices(self) -> list[Notice]:
        """All that it heard, checked as a vendor checks it."""
        return [self.checks(each) for each in self.heard]

    def checks(self, heard: Heard, **other: Any) -> Notice:
        """One of them."""
        usual = {"issuer": ISSUER, "client_id": self.client_id, "now": self.ada.house.clock()}
        return read_notice(heard.headers, heard.body, self.vaults_keys(), **{**usual, **other})

    def vaults_keys(self) -> dict[str, Any]:
        """The vault's public keys, found as anybody finds them."""
        vault: Vault = discover(self.client, ISSUER)
        return vault.keys()

    @property
    def told(self) -> list[str]:
        """What it was told, in a word each."""
        return [notice.what for notice in self.reads_notices()]


@pytest.fixture
def shop(ada: Ada) -> Iterator[ListeningShop]:
    """The Bookshop, which wants to be told."""
    shop = ListeningShop("Bookshop", "shop")
    shop.open()
    shop.visits(ada)
    yield shop
    shop.close()


def waiting(house: Server) -> int:
    """How many notices have not got through yet."""
    with house.main.reading() as session:
        return len(session.scalars(select(Job.job_id).where(Job.kind == "notice")).all())


def test_the_vendor_is_told_that_she_gave_paused_resumed_narrowed_and_stopped(
    ada: Ada, shop: ListeningShop, house: Server
) -> None:
    ada.lets(shop, PURCHASES, TASTE, ticks=("item-1",))
    calls_out(house)
    grant = ada.grant()
    for path, form in (("pause", {}), ("resume", {}), ("less", {"item": "1"}), ("sooner", {"days": "7"}), ("stop", {})):
        ada.presses(f"/sharing/{grant}/{path}", **form)
        calls_out(house)
    assert shop.told == [
        "grant.given",
        "grant.paused",
        "grant.resumed",
        "grant.narrowed",
        "grant.narrowed",
        "grant.revoked",
    ]
    assert {notice.grant_id for notice in shop.reads_notices()} == {grant}
    assert not waiting(house)
