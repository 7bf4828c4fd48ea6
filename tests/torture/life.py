"""Ada's days with the Bookshop, one thing after another: each is told before it is tried and when it is answered.

Whoever listens knows at every moment what must be so, and what may be either way. Run in a process of its own, whose
power fails: `killed` lives until it is, `traced` lives some days on a disk that remembers every step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import orjson

from connectors import engine
from connectors.course import Standing
from connectors.uploads import Arriving
from connectors.vendor_client import Connection
from connectors.vendor_client.proofs import key_from_json
from consent import grants
from tests.consent.racing import Elsewhere, Returning
from tests.houses import home_of
from tests.people import ISSUER, PURCHASES, TASTE, Clock, ConsentPage, house_in
from tests.torture.disk import Watched
from vault import backup, choices, embedded, lock_rows, locks, rekeying, sessions, store, trash, unlock
from vault.errors import Locked
from vault.keyring import Keyring
from vault.opened import OpenVault
from vault.server import Server
from vault.stored import Stored
from vault.worker import tick

HEADER = "Website,Order ID,Order Date,Currency,Unit Price,Total Owed,ASIN,Quantity,Product Name\n"
ROW = "Amazon.com,111-{number:07}-0000000,2024-03-01T10:11:12Z,USD,10.00,10.80,B{number:09},1,{item}\n"
ROWS = 12  # of a file that is imported
WEEK = 8  # days after which a vault that was to be deleted is

Tells = Callable[[Mapping[str, Any]], None]
derived = cache(locks.passphrase_secret)  # Argon2id would take most of every life


def opened_by(house: Server, owner: bytes, passphrase: str) -> Keyring | None:
    """As an unlock would try it."""
    rows = lock_rows.all_living(house, lock_rows.of_kind(house, owner, "passphrase"))
    tried = (lock_rows.open_with(house, row, derived(passphrase, row.params)) for row in rows)
    return next((keyring for keyring in tried if keyring), None)


def orders(items: Sequence[str], start: int) -> bytes:
    """A file of orders, numbered from there."""
    rows = (ROW.format(number=start + at, item=item) for at, item in enumerate(items))
    return (HEADER + "".join(rows)).encode()


def import_file(vault: OpenVault, file: bytes) -> Standing:
    """Bring it in, to its end."""
    with Arriving(vault, "orders.csv") as arriving:
        arriving.write(file)
        import_id = arriving.finish()
    return engine.run(vault, import_id)


class Life:
    """What she and the Bookshop do. A name that was used once is never used again."""

    def __init__(self, ada: Returning, shop: Elsewhere, chance: Random, tells: Tells, began: str) -> None:
        self.ada, self.shop, self.chance, self.tells, self.began = ada, shop, chance, tells, began
        self.bought: list[tuple[str, Stored]] = []
        self.gifts: set[str] = set()
        self.grant, self.made = "", 0

    def told(self, act: str, so: Mapping[str, Any], work: Callable[[], Any]) -> Any:
        """Tell what will be so, do it, tell that it is."""
        now = self.ada.house.now
        self.tells({"doing": act, "so": so, "now": now})
        made = work()
        self.tells({"done": act, "so": so, "now": now})
        return made

    def name(self, what: str) -> str:
        """A new one."""
        self.made += 1
        return f"{what} {self.began}-{self.made}"

    def hour(self) -> None:
        """One grant, from its beginning to its end."""
        for act in (self.buys, self.asks, self.exchanges, self.reads, self.marks, self.narrows, self.stops):
            act()

    def day(self, number: int) -> None:
        """A round with one grant; everything at least once in four of them."""
        rare = [self.imports, self.changes_keys, self.changes_passphrase]
        ends = [self.begins_again, self.stops, self.stops_by_link, self.stops_everything]
        usual = [self.buys, self.marks, self.removes, self.puts_back, self.refreshes, self.narrows, self.pauses]
        usual += [self.resumes, self.locks, self.reads, self.works]
        self.chance.shuffle(usual)
        acts = [self.buys, self.buys, self.asks, self.exchanges, self.reads, *usual[:7]]
        for act in [*acts, rare[number % len(rare)], ends[number % len(ends)]]:
            act()

    def buys(self) -> None:
        """A book."""
        item = self.name("Book")
        self.bought.append((item, self.told("buy", {f"item {item}": "here"}, lambda: self.ada.buys(item))))

    def marks(self) -> None:
        """The latest book is for somebody else."""
        item, stored = self.bought[-1]
        self.gifts.add(item)
        self.told("gift", {f"item {item}": "gift"}, lambda: self.ada.marks_as_gift(stored))

    def removes(self) -> None:
        """One is thrown away."""
        self.buys()
        item, stored = self.bought.pop()
        self.told("remove", {f"item {item}": "gone"}, lambda: self.ada.removes(stored))
        self.thrown = item, stored

    def puts_back(self) -> None:
        """Out of the trash."""
        self.removes()
        item, stored = self.thrown
        self.told("undo", {f"item {item}": "here"}, lambda: self._put_back(stored))

    def _put_back(self, stored: Stored) -> None:
        vault = self.ada.vault
        with store.writing(vault) as turn:
            trash.restore(turn, vault, stored.number)

    def imports(self) -> None:
        """A file of a dozen orders."""
        start, mark = int(self.began) * 10_000 + self.made * ROWS, self.name("File")
        items = [f"{mark} {at}" for at in range(ROWS)]
        file = orders(items, start)
        self.told("import", {f"item {item}": "here" for item in items}, lambda: self._import(file))

    def _import(self, file: bytes) -> None:
        at = import_file(self.ada.vault, file)
        assert (at.state, at.course.new) == ("done", ROWS), at.course

    def asks(self) -> None:
        """The Bookshop asks, she allows; that takes the place of what it had before."""
        pending = self.shop.asks(PURCHASES, TASTE)
        page = self.ada.sees_consent(pending.authorize_url)
        so = {f"ended {self.grant}": True} if self.grant else {}
        location = self.told("consent", so, lambda: self._allows(page))
        self.asked = pending, location
        self.tells({"asked": pending.to_json(), "location": location})

    def _allows(self, page: ConsentPage) -> str:
        """She is shown the page again when what it shows has changed meanwhile."""
        while True:
            form = {**page.hidden, "item-1": "yes", "answer": "yes", "days": "30"}
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
        kept = orjson.loads(self.shop.connection.to_json())
        token, path = kept["tokens"]["access"], "/vendor/v1/purchases"
        proof = self.shop.proves("GET", f"{ISSUER}{path}", token=token, key=key_from_json(kept["dpop_key"]))
        answer = self.told("read", {}, lambda: self.shop.looks(path, token, proof=proof))
        if answer.status_code == 200:
            self.tells({"seen": answer.json()["access"], "grant": self.grant})

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

    def works(self) -> None:
        """The worker comes by."""
        self.told("worker", {}, lambda: tick(self.ada.house, sweep=True))

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


def born(told: Mapping[str, Any], tells: Tells) -> Life:
    """Ada and the Bookshop in this process."""
    clock = Clock(datetime.fromisoformat(told["time"])) if "time" in told else None
    house = house_in(Path(told["directory"]), clock)
    ada = Returning(house, "", bytes.fromhex(told["owner"]), told["number"], told["passphrase"])
    life = Life(ada, Elsewhere(told, ada), Random(told["seed"]), tells, str(told["seed"]))
    life.unlocks()
    return life


def aloud(line: Mapping[str, Any]) -> None:
    """To whoever started this process; small enough to be written whole or not at all."""
    os.write(1, orjson.dumps(line) + b"\n")


def killed(told: Mapping[str, Any]) -> None:
    """For as long as the power lasts, or until she has left."""
    life = born(told, aloud)
    if told["leaves"]:
        life.hour()
        life.leaves()
        return
    for day in count(told["seed"]):
        life.day(day)


def beside(told: Mapping[str, Any]) -> None:
    """In another process at the same time: her other browser, the worker, the Bookshop asking, a backup."""
    life = born(told, aloud)
    while True:
        for act in (life.works, life.buys, life.is_asked, life.marks, life.backs_up):
            try:
                act()
            except Locked:  # by what she does in the first browser
                return


def traced(told: Mapping[str, Any]) -> None:
    """An hour, some days and perhaps the end, on a disk that remembers. `synchronous` can be worse than it is."""
    if told.get("synchronous"):
        set_up_so = (each.replace("synchronous=FULL", told["synchronous"]) for each in embedded.PRAGMAS)
        embedded.PRAGMAS = tuple(set_up_so)
    watched = Watched(Path(told["directory"]), Path(told["trace"]))
    life = born(told, lambda line: watched.told(orjson.dumps(line)))
    life.hour()
    for day in range(told["days"]):
        life.day(day)
    if told["leaves"]:
        life.leaves()
    watched.rests()
