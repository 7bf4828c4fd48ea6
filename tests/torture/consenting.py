"""What the Bookshop asks for and what she answers: each is told before it is tried and when it is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import Any

import orjson
from joserfc.jwk import ECKey

from connectors.vendor_client import Connection
from connectors.vendor_client.proofs import key_from_json
from consent import grants, inbox
from tests.consent.racing import Returning
from tests.people import ISSUER, PURCHASES, RECEIPTS, TASTE, ConsentPage
from tests.torture.things import Things
from vault import sandbox
from vault.worker import tick

REFUSED = range(400, 500)
SANDBOX = "/developers/sandbox"


class Consenting(Things):
    """What the Bookshop may see, and how that ends."""

    grant = ""

    def asks(self) -> None:
        """The Bookshop asks, she allows; that takes the place of what it had before."""
        pending = self.shop.asks(PURCHASES, TASTE, RECEIPTS)
        page = self.ada.sees_consent(pending.authorize_url)
        so = {f"ended {self.grant}": True} if self.grant else {}
        location = self.told("consent", so, lambda: self._allows(page))
        self.asked = pending, location
        self.tells({"asked": pending.to_json(), "location": location})

    def _allows(self, page: ConsentPage) -> str:
        """She is shown the page again when what it shows has changed meanwhile."""
        while True:
            form = {**page.hidden, "item-1": "yes", "item-2": "yes", "answer": "yes", "days": "30"}
            answer = self.ada.tries("/authorize", **form)
            if answer.status_code == 303:
                return str(answer.headers["Location"])
            page = ConsentPage(self.ada, answer.text)

    def exchanges(self) -> None:
        """It fetches its tokens."""
        self.tells({"exchanging": True})
        self.shop.connection = self.told("exchange", {}, lambda: self.shop.finishes(*self.asked))
        self.grant = self.shop.connection.grant_id
        self.keeps_tokens()
        self.link = self._link()

    def keeps_tokens(self) -> None:
        """What the Bookshop has in hand."""
        self.tells({"tokens": self.shop.connection.to_json(), "grant": self.shop.connection.grant_id})

    def _link(self) -> str:
        house, grant = self.ada.house, bytes.fromhex(self.grant)
        pepper = house.keystore.pepper(self.ada.owner_id, grant) or b""
        with house.main.transaction() as session:
            return grants.make_link(session, house, self.ada.owner_id, grant, pepper, 1 << 32)

    def reads(self) -> None:
        """The Bookshop looks by hand; the answer names the entry in her log."""
        (token, key), path = self._access(), "/vendor/v1/purchases"
        proof = self.shop.proves("GET", f"{ISSUER}{path}", token=token, key=key)
        answer = self.told("read", {}, lambda: self.shop.looks(path, token, proof=proof))
        if answer.status_code == 200:
            self.tells({"seen": answer.json()["access"], "grant": self.grant})

    def _access(self) -> tuple[str, ECKey]:
        kept = orjson.loads(self.shop.connection.to_json())
        return kept["tokens"]["access"], key_from_json(kept["dpop_key"])

    def leaves_something(self) -> None:
        """The Bookshop leaves a receipt in her inbox, and she keeps it."""
        item, deposit = self._leaves()
        if deposit:
            so = {f"item {item}": "here"}
            self.told("keep", so, lambda: inbox.accept(self.ada.vault, bytes.fromhex(deposit), {}))

    def blocks(self) -> None:
        """One is dropped, and another too with all that the Bookshop might leave from now on."""
        item, deposit = self._leaves()
        if deposit:
            self.told("drop", {f"item {item}": None}, lambda: self.ada.presses(f"/inbox/{deposit}/drop"))
        item, _ = self._leaves()
        so = {f"item {item}": None, f"blocked {self.grant}": True}
        self.told("block", so, lambda: self.ada.presses(f"/inbox/from/{self.grant}/block"))

    def _leaves(self) -> tuple[str, str]:
        """A receipt, and where it lies; that is nowhere when it was refused."""
        (token, key), item = self._access(), self.name("Left")
        data = {"item": item, "bought_on": "2026-10-22"}
        so = {f"item {item}": "left"}
        answer = self.told("leave", so, lambda: self.shop.leaves(token, data, under=item, key=key), REFUSED)
        return item, str(answer.json()["deposit"]) if answer.status_code == 202 else ""

    def gives_back(self) -> None:
        """The Bookshop does not want it any more."""
        (token, key), path = self._access(), f"/vendor/v1/grants/{self.grant}"
        headers = {"Authorization": f"DPoP {token}"}
        headers["DPoP"] = self.shop.proves("DELETE", ISSUER + path, token=token, key=key)
        so = {f"ended {self.grant}": True}
        self.told("revoke", so, lambda: self.shop.http.delete(path, headers=headers), REFUSED)

    def refreshes(self) -> None:
        """A new access token."""
        kept = orjson.loads(self.shop.connection.to_json())
        token, key = kept["tokens"]["refresh"], key_from_json(kept["dpop_key"])
        answer = self.told("refresh", {}, lambda: self.shop.refreshes(token, key=key))
        if answer.status_code == 200:
            kept["tokens"]["access"] = answer.json()["access_token"]
            self.shop.connection = Connection.from_json(self.shop.client, orjson.dumps(kept).decode())
            self.keeps_tokens()

    def narrows(self) -> None:
        """Preferences no longer."""
        self._presses("narrow", {f"narrowed {self.grant}": True}, "less", item="1")

    def pauses(self) -> None:
        """Not for now."""
        self._presses("pause", {f"paused {self.grant}": True}, "pause")

    def resumes(self) -> None:
        """It goes on."""
        self.pauses()
        self._presses("resume", {f"paused {self.grant}": False}, "resume")

    def pauses_everything(self) -> None:
        """Nobody sees anything for now; the Bookshop goes on first."""
        so = {f"paused {self.grant}": True}
        self.told("pause all", so, lambda: self.ada.presses("/sharing/pause-all"))
        self._presses("resume", {f"paused {self.grant}": False}, "resume")

    def expires(self) -> None:
        """She lets it end tomorrow, and tomorrow comes: from then on it is over, with or without the worker."""
        sooner = {"days": "1"}
        answer = self.told("sooner", {}, lambda: self.ada.tries(f"/sharing/{self.grant}/sooner", **sooner), REFUSED)
        if answer.status_code in REFUSED:
            return
        self.ada.house.clock.passes(days=1, minutes=6)
        so = {f"ended {self.grant}": True}
        self.tells({"so": so, "now": self.ada.house.now})
        self.told("expire", so, lambda: tick(self.ada.house, sweep=True))

    def refuses(self) -> None:
        """It asks for something else, and she says no; and for another thing, about which she is never asked again."""
        for never in ({}, {"never": "yes"}):
            why = self.name("Because")
            page = self.ada.sees_consent(self.shop.asks({**TASTE, "why": why}).authorize_url)
            form = {**page.hidden, "answer": "no", **never}
            so = {f"denied {why}": "never" if never else "no"}
            self.told("deny", so, lambda form=form: self.ada.presses("/authorize", **form))

    def plays(self) -> None:
        """Somebody who builds a vendor's program is the made-up person, lets it see something, and ends that."""
        tester = Returning(self.ada.house, "", sandbox.OWNER, 0, app=self.ada.app)
        tester.comes_with(self.told("play", {}, lambda: _cookie(tester.tries(SANDBOX))))
        shop = copy(self.shop)
        shop.visits(tester)
        connection = tester.lets(shop)
        self.tells({"made up": connection.to_json(), "grant": connection.grant_id})
        so = {f"ended {connection.grant_id}": True}
        self.told("end made up", so, lambda: tester.presses(f"{SANDBOX}/{connection.grant_id}/expire"))

    def stops(self) -> None:
        """For good."""
        self._presses("revoke", {f"ended {self.grant}": True}, "stop")

    def _presses(self, act: str, so: Mapping[str, Any], button: str, **form: str) -> None:
        self.told(act, so, lambda: self.ada.tries(f"/sharing/{self.grant}/{button}", **form))

    def stops_by_link(self) -> None:
        """From a mail."""
        stranger = self.ada.app.test_client()
        so = {f"ended {self.grant}": True}
        answer = self.told("revoke", so, lambda: stranger.post(f"/r/{self.link}", data={"answer": "stop"}))
        assert answer.status_code == 200

    def stops_everything(self) -> None:
        """All that anybody can see."""
        self.told("revoke", {f"ended {self.grant}": True}, lambda: self.ada.presses("/sharing/stop-all"))

    def is_asked(self) -> None:
        """The Bookshop asks, and nobody answers."""
        self.told("ask", {}, lambda: self.shop.asks(PURCHASES))


def _cookie(answer: Any) -> str:
    """The session that a page has begun."""
    return str(re.findall(r"vault=([^;]+)", answer.headers["Set-Cookie"])[0])
