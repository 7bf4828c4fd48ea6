"""What Ada does with her things: each is told before it is tried and when it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from flask import Flask

from connectors import engine, undoing
from connectors.course import Standing
from connectors.uploads import Arriving
from consent import showing
from tests.conftest import PASSPHRASE
from tests.consent.racing import Elsewhere, Returning
from tests.people import Clock, house_in
from vault import lock_rows, locks, merging, store, trash
from vault.collections.vendors import Vendor
from vault.errors import Locked
from vault.keyring import Keyring
from vault.opened import OpenVault
from vault.server import Server
from vault.stored import Stored
from vault.worker import tick

HEADER = "Website,Order ID,Order Date,Currency,Unit Price,Total Owed,ASIN,Quantity,Product Name\n"
ROW = "Amazon.com,111-{number:07}-0000000,2024-03-01T10:11:12Z,USD,10.00,10.80,B{number:09},1,{item}\n"
MOVING_IN = {"handle": "ada", "name": "Ada", "passphrase": PASSPHRASE, "notice": None, "first": True}
ROWS = 12  # of a file that is imported

Tells = Callable[[Mapping[str, Any]], None]
derived = cache(locks.passphrase_secret)  # Argon2id would take most of every life


def home(directory: Path, clock: Clock | None) -> Server:
    """Her server as it is here: with a sandbox beside her vault."""
    return house_in(directory, clock, sandbox=True)


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


def visited(app: Flask, path: str) -> str:
    """What whoever holds a share link finds behind it."""
    return "open" if app.test_client().post(path, data={"answer": "show"}).status_code == 200 else "dead"


class Things:
    """Hers, and what she does with them. A name that was used once is never used again."""

    def __init__(self, ada: Returning, shop: Elsewhere, chance: Random, tells: Tells, began: str) -> None:
        self.ada, self.shop, self.chance, self.tells, self.began = ada, shop, chance, tells, began
        self.bought: list[tuple[str, Stored]] = []
        self.gifts: set[str] = set()
        self.made = 0

    def told(self, act: str, so: Mapping[str, Any], work: Callable[[], Any], refused: Sequence[int] = ()) -> Any:
        """Tell what will be so, do it, tell that it is, unless the answer is one of those, or that something failed."""
        now = self.ada.house.now
        self.tells({"doing": act, "so": so, "now": now})
        made = work()
        status = getattr(made, "status_code", 0)
        if status < 500 and status not in refused:
            self.tells({"done": act, "so": so, "now": now})
        return made

    def name(self, what: str) -> str:
        """A new one."""
        self.made += 1
        return f"{what} {self.began}-{self.made}"

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
        self.file = items, self.told("import", {f"item {item}": "here" for item in items}, lambda: self._import(file))

    def _import(self, file: bytes) -> Standing:
        at = import_file(self.ada.vault, file)
        assert (at.state, at.course.new) == ("done", ROWS), at.course
        return at

    def undoes(self) -> None:
        """All of a file is put away again."""
        self.imports()
        self._decides("undo import", "gone", undoing.begin, everything=False)

    def returns(self) -> None:
        """And taken back."""
        self.undoes()
        self._decides("return import", "here", undoing.bring_back)

    def _decides(self, act: str, so: str, begin: Callable[..., None], **how: Any) -> None:
        items, at = self.file

        def work() -> None:
            vault = self.ada.vault
            begin(vault, at.import_id, **how)
            undoing.run(vault, at.import_id)

        self.told(act, {f"item {item}": so for item in items}, work)

    def forgets(self) -> None:
        """Out of the trash, for good."""
        self.removes()
        item, stored = self.thrown
        self.told("forget", {f"item {item}": None}, lambda: self.ada.presses(f"/trash/{stored.number}/forget"))

    def attaches(self) -> None:
        """A receipt to a book."""
        self.buys()
        _, stored = self.bought[-1]
        file = self.name("receipt") + ".txt"
        so = {f"file {file}": "here"}
        self.attached = file, self.told("attach", so, lambda: self.ada.attaches(stored, file.encode(), file))

    def takes_off(self) -> None:
        """Two of them, and one is taken off again."""
        self.attaches()
        self.attaches()
        file, path = self.attached
        self.told("take off", {f"file {file}": None}, lambda: self.ada.presses(f"{path}/remove"))

    def merges(self) -> None:
        """Two vendors are found to be one, which takes over what was bought from the other."""
        name = self.name("Shop")
        going = self.told("vendor", {f"vendor {name}": "here"}, lambda: self.ada.keeps(Vendor(called=name)))
        item = self.name("Book")
        self.told("buy", {f"item {item}": "here"}, lambda: self.ada.buys(item, vendor=going.number))
        self.told("merge", {f"vendor {name}": "merged"}, lambda: self._merge(going))

    def _merge(self, going: Stored) -> None:
        vault = self.ada.vault
        with store.writing(vault) as turn:
            merging.merge(turn, vault, self.ada.bookshop_number, going.number)

    def shares(self) -> None:
        """A book behind a link, at which a stranger looks; then that ends."""
        self.buys()
        path = self.told("share", {}, lambda: self.ada.shares(self.bought[-1][1]))
        self.tells({"so": {f"link {path}": "open"}})
        self.told("visit", {}, lambda: visited(self.ada.app, path))
        door = showing.find(self.ada.house, path.removeprefix("/s/"))
        if door is not None:  # or somebody has stopped everything meanwhile
            stop = f"/sharing/{door.found.grant_id.hex()}/stop"
            self.told("stop link", {f"link {path}": "dead"}, lambda: self._stops(stop))

    def _stops(self, path: str) -> None:
        """It may be found to be over. Whoever was locked out meanwhile is sent elsewhere, to unlock, and has stopped
        nothing. Raises Locked."""
        answer = self.ada.tries(path)
        assert answer.status_code in {303, 404}, answer.text
        if answer.status_code == 303 and not answer.headers["Location"].startswith("/sharing"):
            raise Locked

    def works(self) -> None:
        """The worker comes by."""
        self.told("worker", {}, lambda: tick(self.ada.house, sweep=True))
