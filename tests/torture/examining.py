"""Whether the files still agree with what was told: the real product is started on them, and looked at all over."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

from connectors.course import standings
from connectors.lease import LEASE
from connectors.vendor_client import Connection, NoLongerShared, NotGranted, Paused, Pending
from consent import inbox, segments, views
from consent.models import Disclosure, Grant, GrantLock
from tests.consent.racing import Returning, shown_now, sorted_rows
from tests.people import Bookshop, Clock, house_in
from tests.torture.ledger import Ledger, Lost
from tests.torture.things import opened_by, visited
from vault import attachments, choices, rekeying, sessions, store, trash, unlock
from vault.app import create_app
from vault.bringing import bring_back
from vault.doctor import dangers
from vault.errors import Locked, WrongSecret
from vault.export import fingerprint
from vault.models import Lock
from vault.opened import OpenVault
from vault.server import Server
from vault.turn import revision_of
from vault.unpacking import Archive
from vault.worker import tick

BESIDE = {"keys", "import"}  # threads that go on beside a page


class Place:
    """A folder into which images come one after another, and the application over it, made once: that takes long."""

    def __init__(self, directory: Path, pause: float = 3) -> None:
        self.directory, self.pause, self.clock = directory, pause, Clock()
        self.made: tuple[Server, Flask] | None = None

    def begins(self, now: int) -> tuple[Server, Flask]:
        """The server is started on the files that lie here by now, when nobody's lease holds any more."""
        self.clock.now = datetime.fromtimestamp(now + LEASE + 1, UTC)
        house_in(self.directory, self.clock).stop()
        if self.made is None:
            house = house_in(self.directory, self.clock)
            self.made = house, create_app(house)
        return self.made


def examine(place: Place, ledger: Ledger, shop: Bookshop) -> None:
    """Start the real product on these files, look, let the worker work, and look again. Raises Lost or Revived."""
    house, app = place.begins(ledger.now)
    try:
        found = list(dangers(house))
        _holds(not found, f"the files are sound: {found}")
        if "gone" in ledger.may["vault"]:
            _goes(house, ledger)
            return
        ada = unlocks(house, app, ledger, shop)
        looks(ada, ledger, shop)
        tick(house, sweep=True)
        place.clock.passes(minutes=place.pause)
        tick(house, sweep=True)
        all_is_well(house, ledger.owner)
        nothing_was_held(house, ledger.owner)
        looks(ada, ledger, shop)
        ways = [each for each in ledger.may["passphrase"] if opened_by(house, ledger.owner, each)]
        _holds(len(ways) == 1, "one passphrase opens the vault")
        ledger.may["passphrase"] = set(ways)
    finally:
        house.stop()


def examine_moved(place: Place, ledger: Ledger, archived: bytes) -> None:
    """The same for a vault into which an archive was brought: whatever was missing comes by bringing it once more."""
    house, _ = place.begins(ledger.now)
    try:
        found = list(dangers(house))
        _holds(not found, f"the files are sound: {found}")
        keyring = opened_by(house, ledger.owner, *ledger.may["passphrase"])
        assert keyring is not None
        vault, there = sessions.for_command(house, keyring), Archive(BytesIO(archived)).fingerprint
        ledger.is_so("archive", "here" if fingerprint(vault) == there else None)
        _holds(bring_back(vault, BytesIO(archived)).equal, "an archive goes on where it stopped")
        _holds(vault.catalogue.count("damaged") == 0, "no record is damaged")
    finally:
        house.stop()


def _holds(so: bool, what: str) -> None:
    if not so:
        raise Lost(f"not so: {what}")


def wait_beside() -> None:
    """Wait for what an unlock has begun beside the page."""
    for thread in threading.enumerate():
        if thread.name in BESIDE:
            thread.join(timeout=60)
            _holds(not thread.is_alive(), "what goes on beside a page comes to its end")


def unlocks(house: Server, app: Flask, ledger: Ledger, shop: Bookshop) -> Returning:
    """By her passphrase, and by her printed code; whatever was under way is brought to its end."""
    for key in [each for each in ledger.may if each.startswith("cookie ")]:
        ledger.is_so(key, None if _opens(house, key.removeprefix("cookie ")) else "dead")
    ways = {each: opened_by(house, ledger.owner, each) for each in ledger.may["passphrase"]}
    known = [(each, keyring) for each, keyring in ways.items() if keyring]
    _holds(bool(known), "a passphrase opens the vault")
    passphrase, keyring = known[0]
    ada = Returning(house, sessions.begin(house, keyring)[0], ledger.owner, ledger.number, passphrase, app)
    wait_beside()
    vault = ada.vault
    _holds(vault.keyring.earlier == {} and rekeying.progress(vault) is None, "her keys are changed to the end")
    shown = vault.settings.get("recovery")
    if shown:  # she is led to her new kit first
        _holds(ledger.new_keys or shown in ledger.may["code"], "a new code is shown when there is one")
        ledger.may["code"].add(shown)
        choices.keep(vault, {"recovery": None})
    codes = [each for each in ledger.may["code"] if _opens_by_code(house, each)]
    _holds(len(codes) == 1, "one recovery code opens the vault")
    ledger.may["code"], ledger.new_keys = set(codes), False
    shop.visits(ada)
    return ada


def _opens(house: Server, cookie: str) -> bool:
    try:
        sessions.open_session(house, cookie, looking=True)
    except Locked:
        return False
    return True


def _opens_by_code(house: Server, code: str) -> bool:
    try:
        unlock.with_recovery_code(house, "", code)
    except WrongSecret:
        return False
    return True


def looks(ada: Returning, ledger: Ledger, shop: Bookshop) -> None:
    """Everything she has, and everything the Bookshop can see."""
    house = ada.house
    ada.looks_at("/sharing")
    _holds(house.keystore.floor(ledger.owner) == revision_of(house, ledger.owner), "she is shown nothing below a floor")
    vault = ada.open
    _her_records(vault, ledger)
    if ledger.asked is not None:
        _finishes(ledger, shop)
    for key in [each for each in ledger.may if each.startswith("link ")]:
        if visited(ada.app, key.removeprefix("link ")) == "open":  # or she has stopped everything
            ledger.is_so(key, "open")
    for grant, kept in ledger.tokens.items():
        _one_grant(ada, Connection.from_json(shop.client, kept), grant, ledger)
    _her_log(vault, ledger)


def _her_records(vault: OpenVault, ledger: Ledger) -> None:
    _holds(vault.catalogue.count("damaged") == 0, "no record is damaged")
    _holds(all(each.state in {"done", "undone"} for each in standings(vault)), "no import is stuck")
    numbers, shops = _numbers(vault, "purchases"), _numbers(vault, "vendors")
    with vault.server.main.reading() as session:
        there, vendors = store.read_many(session, vault, numbers), store.read_many(session, vault, shops)
        thrown = trash.removed(session, vault, most=1000)
        left = inbox.waiting(session, vault)
    named = Counter(each.record.name() for each in there)
    _holds(set(named.values()) <= {1}, "nothing is there twice")
    found = {f"item {each.record.name()}": "gift" if each.record.for_whom == "gift" else "here" for each in there}  # type: ignore[attr-defined]
    found |= {f"item {each.stored.record.name()}": "gone" for each in thrown if each.stored}
    found |= {f"item {each.data['item']}": "left" for each in left}
    found |= {f"file {name}": "here" for name, _number, content in attachments.each(vault) if content == name.encode()}
    found |= {f"vendor {each.record.name()}": "here" for each in vendors}
    found |= {f"vendor {name}": "merged" for each in vendors for name in each.raw("also_called") or []}
    _holds({each.raw("vendor") for each in there} <= {*shops, None}, "every purchase has a vendor that is there")
    for key in [each for each in ledger.may if each.startswith(("item ", "file ", "vendor "))]:
        ledger.has_become(key, found.get(key))


def _numbers(vault: OpenVault, collection: str) -> list[int]:
    return [entry.number for entry in vault.catalogue.entries("collection = ?", collection)]


def _finishes(ledger: Ledger, shop: Bookshop) -> None:
    """A consent that was answered can be used, once."""
    assert ledger.asked is not None
    pending, location = ledger.asked
    try:
        connection = shop.finishes(Pending.from_json(pending), location)
    except NoLongerShared:
        _holds(ledger.exchanging, "the code of a consent is good")
    else:
        ledger.tokens[connection.grant_id] = connection.to_json()
    ledger.asked = None


def _one_grant(ada: Returning, connection: Connection, grant: str, ledger: Ledger) -> None:
    """What the Bookshop is answered, and that it is what the terms make of her records."""
    ended, paused, narrowed = (f"{what} {grant}" for what in ("ended", "paused", "narrowed"))
    for key in (ended, paused, narrowed):
        ledger.may.setdefault(key, {None})
    books = _seen(connection, "purchases")
    if isinstance(books, NoLongerShared):
        ledger.has_become(ended, True)
        return
    ledger.is_so(ended, None)
    taste = _seen(connection, "preferences")
    if isinstance(books, Paused):
        _holds(isinstance(taste, Paused), "a grant is paused for everything or nothing")
        ledger.has_become(paused, True)
        return
    ledger.is_so(paused, False if False in ledger.may[paused] else None)
    ledger.has_become(narrowed, True if isinstance(taste, NotGranted) else None)
    for collection, seen in {"purchases": books, "preferences": taste}.items():
        if isinstance(seen, list):
            now = shown_now(ada, bytes.fromhex(grant), collection)
            _holds(sorted_rows(seen) == sorted_rows(now), "a vendor sees what its terms make of her records")


def _seen(connection: Connection, collection: str) -> Any:
    try:
        return [dict(shown.data) for shown in connection.read(collection).records]
    except (NoLongerShared, NotGranted, Paused) as refusal:
        return refusal


def _her_log(vault: OpenVault, ledger: Ledger) -> None:
    """No entry that was answered is missing; the chain holds."""
    _holds(segments.missing(vault) == {}, "no entry of the log is missing")
    _holds(segments.verdict(vault).whole, "the chain of the log holds")
    newest = Counter[str]()
    for entry in segments.entries(vault, views.log_keys(vault)):
        _holds(entry.outcome != "damaged", "every entry of the log opens")
        newest[entry.grant_id.hex()] = max(newest[entry.grant_id.hex()], entry.number)
    for grant, number in ledger.log.items():
        _holds(newest[grant] >= number, "the vendor's witness is in the log")


def _goes(house: Server, ledger: Ledger) -> None:
    """Her vault was being deleted: nothing of hers opens any more, or only until the worker comes by."""
    if house.keystore.leaves_on(ledger.owner) == 0:
        _holds(not any(_opens_by_code(house, each) for each in ledger.may["code"]), "its code opens nothing")
    else:
        _holds("leaving" in ledger.may["vault"], "a vault that was deleted is gone")
    if "leaving" in ledger.may["vault"]:
        tick(house, sweep=True)
    _holds(not any(opened_by(house, ledger.owner, each) for each in ledger.may["passphrase"]), "it opens no more")
    tick(house, sweep=True)
    with house.main.reading() as session:
        left = session.scalars(select(Lock.lock_id).where(Lock.owner_id == ledger.owner)).all()
    _holds(not left and revision_of(house, ledger.owner) is None, "the worker brings a deletion to its end")


def all_is_well(house: Server, owner: bytes) -> None:
    """Nothing is half alive."""
    alive = house.keystore.alive(owner, "grant")
    with house.main.reading() as session:
        rows = session.execute(select(Grant.grant_id, Grant.state, Grant.version)).all()
        left = session.scalars(select(Lock.lock_id).where(Lock.kind != "recovery")).all()
        held = {each for kind in (GrantLock, Disclosure) for each in session.scalars(select(kind.grant_id).distinct())}
    _holds(held <= set(alive), "no rows of a dead grant")
    for grant, state, version in rows:
        _holds((state == "live") == (grant in alive), "a grant is dead or alive")
        _holds(state != "live" or version <= alive[grant].version, "no grant is above its floor")
    _holds(all(house.keystore.pepper(owner, lock) for lock in left), "every lock opens")


def nothing_was_held(house: Server, owner: bytes) -> None:
    """Nobody put an old copy back, so nobody may say so."""
    alive = house.keystore.alive(owner, "grant")
    _holds(all(standing.held != "old copy" for standing in alive.values()), "nothing is held for an old copy")
