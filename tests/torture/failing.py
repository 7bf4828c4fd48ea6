"""The n-th write or sync fails, for every n, until a flow gets through untouched: the loop that SQLite is tested by.

After each failure the same process goes on: what was answered is so, nothing is half, and the same again works.
"""

from __future__ import annotations

import errno
import io
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from connectors.lease import LEASE
from connectors.vendor_client import NoLongerShared, SharingError
from connectors.vendor_client.proofs import key_from_json
from tests.consent.racing import Elsewhere, Returning, tells
from tests.people import ISSUER, PURCHASES, TASTE
from tests.torture.disk import Watched, files_in, laid_out
from tests.torture.examining import Place, all_is_well, nothing_was_held, unlocks, wait_beside
from tests.torture.housekeeping import new_keys
from tests.torture.ledger import Ledger
from tests.torture.looking import looks
from tests.torture.things import ROWS, import_file, orders
from vault.errors import VaultError
from vault.worker import tick

ITEMS = [f"Failing {at}" for at in range(ROWS)]
BUTTONS = {  # what is so afterwards, which button, and its form
    "revoke": ("ended", "stop", {}),
    "pause": ("paused", "pause", {}),
    "narrow": ("narrowed", "less", {"item": "1"}),
}
IMPORTED = {"imports": "here", "undo": "gone"}  # what becomes of the things in a file
FLOWS = (*BUTTONS, "consent", "exchange", "imports", "read", "undo", "keys")
FAILURES = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC}


class Flow:
    """What she or the Bookshop does. `does` returns whether it was answered that it is done."""

    def __init__(self, name: str, ada: Returning, shop: Elsewhere, ledger: Ledger) -> None:
        self.name, self.ada, self.shop, self.ledger = name, ada, shop, ledger
        self.grant, self.kept = next(iter(ledger.tokens.items()))
        self.file = ""

    def so(self) -> dict[str, Any]:
        """What is so when it is done."""
        if self.name in BUTTONS:
            return {f"{BUTTONS[self.name][0]} {self.grant}": True}
        return {f"item {item}": IMPORTED[self.name] for item in ITEMS} if self.name in IMPORTED else {}

    def is_so(self) -> bool:
        """Was it found to be so, although it was not answered?"""
        return bool(self.so()) and all(self.ledger.may[key] == {value} for key, value in self.so().items())

    def may_be_so(self) -> None:
        """It is under way."""
        for key, value in self.so().items():
            self.ledger.may.setdefault(key, {None}).add(value)

    def is_done(self) -> None:
        """It was answered."""
        self.ledger.may |= {key: {value} for key, value in self.so().items()}

    def is_prepared(self) -> None:
        """What comes before it, on a disk that is well."""
        if self.name in {"consent", "exchange"}:
            self.pending = self.shop.asks(PURCHASES, TASTE)
            self.page = self.ada.sees_consent(self.pending.authorize_url)
        if self.name == "exchange":
            self.location = self.page.allows("item-1")
            self.ledger.may[f"ended {self.grant}"] = {True}
        if self.name == "undo" and not self.file:
            self.file = import_file(self.ada.vault, orders(ITEMS, 1)).import_id.hex()
            self.ledger.may |= {f"item {item}": {"here"} for item in ITEMS}

    def does(self) -> bool:
        """Once."""
        if self.name in BUTTONS:
            _, button, form = BUTTONS[self.name]
            return bool(self.ada.tries(f"/sharing/{self.grant}/{button}", **form).status_code == 303)
        return bool(getattr(self, f"_{self.name}")())

    def again(self) -> bool:
        """The same once more, as somebody would who was told that it did not work."""
        self.is_prepared()
        return self.does()

    def _consent(self) -> bool:
        """It takes the place of the one before."""
        self.ledger.may.setdefault(f"ended {self.grant}", {None}).add(True)
        form = {**self.page.hidden, "item-1": "yes", "answer": "yes", "days": "30"}
        answer = self.ada.tries("/authorize", **form)
        if answer.status_code != 303 or "code=" not in answer.headers["Location"]:
            return False
        self.ledger.may[f"ended {self.grant}"] = {True}
        self.ledger.asked = self.pending.to_json(), answer.headers["Location"]
        return True

    def _exchange(self) -> bool:
        """Its code may have been used by an answer that was lost: then it may be refused, and the grant ends."""
        try:
            connection = self.shop.finishes(self.pending, self.location)
        except SharingError as refusal:
            return isinstance(refusal, NoLongerShared)
        self.ledger.tokens[connection.grant_id] = connection.to_json()
        return True

    def _imports(self) -> bool:
        """Once the file was taken, it is read to its end, though perhaps only when she unlocks again."""
        file = io.BytesIO(orders(ITEMS, 1)), "orders.csv"
        answer = self.ada.tries("/imports", file=file)
        wait_beside()
        return bool(answer.status_code == 303)

    def _undo(self) -> bool:
        """Once she was answered it goes on, though perhaps only when she unlocks again."""
        answer = self.ada.tries(f"/imports/{self.file}/undo")
        wait_beside()
        return bool(answer.status_code == 303)

    def _keys(self) -> bool:
        """What is left to be sealed anew goes on when she unlocks again."""
        try:
            new_keys(self.ada, self.ledger.hears)
        except (VaultError, SQLAlchemyError, sqlite3.Error):
            return False
        return True

    def _read(self) -> bool:
        """The answer names the entry in her log."""
        kept = orjson.loads(self.kept)
        token, path = kept["tokens"]["access"], "/vendor/v1/purchases"
        proof = self.shop.proves("GET", f"{ISSUER}{path}", token=token, key=key_from_json(kept["dpop_key"]))
        answer = self.shop.looks(path, token, proof=proof)
        if answer.status_code != 200:
            return False
        self.ledger.log[self.grant] = answer.json()["access"]
        return True


def ledger_of(told: Mapping[str, Any]) -> Ledger:
    """Before the flow: there is a grant."""
    ledger = Ledger.begun(told["owner"], told["number"], told["passphrase"], told["code"])
    ledger.hears({"tokens": told["tokens"], "grant": told["grant"], "now": told["now"]})
    return ledger


def failing(told: Mapping[str, Any]) -> None:
    """One flow, failing at those of its writes and syncs; tells of each what was answered and what was wrong."""
    directory, before = Path(told["directory"]), files_in(Path(told["before"]))
    place = Place(directory)
    for nth in told["nth"]:
        laid_out(before, directory)
        ledger = ledger_of(told)
        house, app = place.begins(ledger.now)
        ada = Returning(house, told["session"], ledger.owner, ledger.number, told["passphrase"], app)
        flow = Flow(told["flow"], ada, Elsewhere(told, ada), ledger)
        wrong, reached, answered = _fails(flow, place, nth, FAILURES[told["error"]])
        tells(nth=nth, reached=reached, answered=answered, wrong=wrong)
        house.stop()
        if not reached:
            break


def _fails(flow: Flow, place: Place, nth: int, error: int) -> tuple[str, bool, bool]:
    """What was wrong, whether there was an n-th write or sync at all, and whether it was answered that it is done."""
    reached = answered = False
    try:
        flow.ada.app.testing = False  # an error that nobody foresaw is an answer here
        flow.is_prepared()
        flow.may_be_so()
        watched = Watched(place.directory)
        watched.fails(nth, error)
        answered = flow.does()
        reached = watched.count >= nth
        watched.rests()
        again = answered or (nth % 2 == 1 and flow.again())  # at once, or after the worker
        _is_as_answered(flow, place, again)
        if not again:
            assert flow.again() or flow.is_so(), "the same again works"
            _is_as_answered(flow, place, True)
    except Exception as wrong:  # noqa: BLE001 - whatever it is, where it was found must be told
        return f"{type(wrong).__name__}: {wrong}", reached, answered
    return "", reached, answered


def _is_as_answered(flow: Flow, place: Place, answered: bool) -> None:
    """The same process goes on, and everything is as it was said to be."""
    ledger = flow.ledger
    if answered:
        flow.is_done()
    place.clock.passes(seconds=LEASE + 1)
    flow.ada = unlocks(flow.ada.house, flow.ada.app, ledger, flow.shop)
    looks(flow.ada, ledger, flow.shop)
    tick(flow.ada.house, sweep=True)
    all_is_well(flow.ada.house)
    nothing_was_held(flow.ada.house, ledger.owner)
    looks(flow.ada, ledger, flow.shop)
