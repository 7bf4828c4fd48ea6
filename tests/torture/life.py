"""Ada's days with the Bookshop, one thing after another: each is told before it is tried and when it is answered.

Whoever listens knows at every moment what must be so, and what may be either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from joserfc.jwk import ECKey

from connectors.vendor_client import Connection
from connectors.vendor_client.proofs import key_from_json
from consent import grants, inbox
from tests.consent.racing import Returning
from tests.houses import home_of
from tests.people import ISSUER, PURCHASES, RECEIPTS, TASTE, ConsentPage, house_in
from tests.torture.things import Things, derived, opened_by
from vault import backup, choices, lock_rows, recovery, rekeying, sessions, unlock
from vault.worker import tick

WEEK = 8  # days after which a vault that was to be deleted is
REFUSED = range(400, 500)


class Life(Things):
    """What she and the Bookshop do."""

    grant = ""

    def hour(self) -> None:
        """One grant, from its beginning to its end."""
        for act in (self.buys, self.asks, self.exchanges, self.reads, self.marks, self.narrows, self.stops):
            act()

    def day(self, number: int) -> None:
        """A round with one grant; everything at least once in four of them."""
        rare = [self.returns, self.changes_keys, self.changes_passphrase, self.changes_code]
        rarer = [self.takes_off, self.merges, self.leaves_something, self.works]
        ends = [self.begins_again, self.stops, self.stops_by_link, self.stops_everything, self.gives_back]
        usual = [self.buys, self.marks, self.forgets, self.puts_back, self.refreshes, self.narrows, self.pauses]
        usual += [self.resumes, self.locks, self.reads, self.works]
        self.chance.shuffle(usual)
        between = [*usual[:7], rare[number % len(rare)], rarer[number % len(rarer)]]
        self.chance.shuffle(between)
        begin = [self.wakes, self.buys, self.buys, self.asks, self.exchanges, self.reads]
        for act in [*begin, *between, ends[number % len(ends)]]:
            act()

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
        (token, key), item = self._access(), self.name("Left")
        data = {"item": item, "bought_on": "2026-10-22"}
        so = {f"item {item}": "left"}
        answer = self.told("leave", so, lambda: self.shop.leaves(token, data, under=item, key=key), REFUSED)
        if answer.status_code == 202:
            deposit = bytes.fromhex(answer.json()["deposit"])
            self.told("keep", {f"item {item}": "here"}, lambda: inbox.accept(self.ada.vault, deposit, {}))

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

    def locks(self) -> None:
        """The cookie opens nothing any more; she unlocks again."""
        self.told("lock", {f"cookie {self.ada.session}": "dead"}, lambda: self.ada.presses("/lock"))
        self.unlocks()

    def wakes(self) -> None:
        """Some time has passed, and she unlocks: what is old in her log is folded into a segment."""
        self.ada.house.clock.passes(minutes=11)
        self.told("unlock", {}, self.unlocks)

    def unlocks(self) -> None:
        """By her passphrase."""
        keyring = opened_by(self.ada.house, self.ada.owner_id, self.ada.passphrase)
        assert keyring is not None
        self.ada.comes_with(sessions.begin(self.ada.house, keyring)[0])

    def changes_passphrase(self) -> None:
        """On the security page."""
        before, new = self.ada.passphrase, self.name("another lamp, another map")
        so = {"passphrase": new}
        self.told("passphrase", so, lambda: self.ada.presses("/security/passphrase", old=before, new=new))
        self.ada.passphrase = new

    def changes_keys(self) -> None:
        """A new root key, and every box sealed anew."""
        ended = {f"cookie {self.ada.session}": "dead"}
        code = self.told("keys", ended, self._put_keys_in_place)
        self.tells({"code": code})

    def _put_keys_in_place(self) -> str:
        house, owner, vault = self.ada.house, self.ada.owner_id, self.ada.vault
        row = lock_rows.living_of(house, owner, "passphrase")
        known = unlock.Stretched(row.params, derived(self.ada.passphrase, row.params), frozenset({row.lock_id}))
        self.tells({"new keys": True})
        string, opened = rekeying.replace_root(vault, known, sessions.Seat(house.now, "passphrase"))
        code = str(opened.settings["recovery"])
        self.tells({"code": code})
        choices.keep(opened, {"recovery": None})
        self.ada.comes_with(string)
        assert rekeying.run(opened)
        return code

    def changes_code(self) -> None:
        """A new recovery kit; the printed one opens nothing any more, nor does any other browser."""
        vault = self.ada.vault
        self.tells({"new keys": True})
        self.told("kit", {}, lambda: recovery.renew(vault))
        self.tells({"code": str(vault.settings["recovery"])})
        choices.keep(vault, {"recovery": None})

    def is_asked(self) -> None:
        """The Bookshop asks, and nobody answers."""
        self.told("ask", {}, lambda: self.shop.asks(PURCHASES))

    def backs_up(self) -> None:
        """Everything is written to a backup, which is whole."""
        self.told("backup", {}, lambda: backup.look_through(list(backup.parts(self.ada.house, "backup"))))

    def begins_again(self) -> None:
        """The server is stopped and started."""
        self.ada.house.stop()
        house = house_in(home_of(self.ada.house), self.ada.house.clock)
        self.ada = Returning(house, self.ada.session, self.ada.owner_id, self.ada.bookshop_number, self.ada.passphrase)
        kept = self.shop.connection.to_json()
        self.shop.visits(self.ada)
        self.shop.connection = Connection.from_json(self.shop.client, kept)

    def leaves(self) -> None:
        """She has her vault deleted; a week later it is."""
        so = {"vault": "leaving"} | ({f"ended {self.grant}": True} if self.grant else {})
        self.told("deletion", so, lambda: self.ada.presses("/delete", name="ada"))
        self.ada.house.clock.passes(days=WEEK)
        self.told("erasure", {"vault": "gone"}, lambda: tick(self.ada.house, sweep=True))
