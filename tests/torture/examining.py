"""Whether the files still agree with what was told: the real product is started on them, and looked at all over."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from connectors.lease import LEASE
from consent.models import Disclosure, Grant, GrantLock
from tests.conftest import PASSPHRASE
from tests.consent.racing import Returning
from tests.people import Bookshop, Clock
from tests.torture.ledger import Ledger
from tests.torture.looking import holds, looks
from tests.torture.things import MOVING_IN, home, opened_by
from vault import choices, departure, rekeying, sessions, set_up, unlock
from vault.app import create_app
from vault.bringing import bring_back
from vault.doctor import dangers
from vault.errors import Locked, WrongSecret
from vault.export import fingerprint
from vault.models import Lock, Owner
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
        home(self.directory, self.clock).stop()
        if self.made is None:
            house = home(self.directory, self.clock)
            self.made = house, create_app(house)
        return self.made


def examine(place: Place, ledger: Ledger, shop: Bookshop) -> None:
    """Start the real product on these files, look, let the worker work, and look again. Raises Lost or Revived."""
    house, app = place.begins(ledger.now)
    try:
        found = list(dangers(house))
        holds(not found, f"the files are sound: {found}")
        if "gone" in ledger.may["vault"]:
            _goes(house, ledger)
            return
        ada = unlocks(house, app, ledger, shop)
        leaving = house.keystore.leaves_on(ledger.owner) is not None
        ledger.has_become("vault", "leaving" if leaving else "here")
        looks(ada, ledger, shop)
        tick(house, sweep=True)
        place.clock.passes(minutes=place.pause)
        tick(house, sweep=True)
        all_is_well(house)
        nothing_was_held(house, ledger.owner)
        looks(ada, ledger, shop)
        if leaving:  # she goes on living here
            holds(departure.keep(ada.vault), "within the week it is kept")
            ledger.may["vault"] = {"here"}
        ways = [each for each in ledger.may["passphrase"] if opened_by(house, ledger.owner, each)]
        holds(len(ways) == 1, "one passphrase opens the vault")
        ledger.may["passphrase"] = set(ways)
    finally:
        house.stop()


def examine_moved(place: Place, ledger: Ledger, archived: bytes) -> None:
    """The same for a vault into which an archive was brought: whatever was missing comes by bringing it once more."""
    house, _ = place.begins(ledger.now)
    try:
        found = list(dangers(house))
        holds(not found, f"the files are sound: {found}")
        keyring = opened_by(house, ledger.owner, *ledger.may["passphrase"])
        assert keyring is not None
        vault, there = sessions.for_command(house, keyring), Archive(BytesIO(archived)).fingerprint
        ledger.is_so("archive", "here" if fingerprint(vault) == there else None)
        holds(bring_back(vault, BytesIO(archived)).equal, "an archive goes on where it stopped")
        holds(vault.catalogue.count("damaged") == 0, "no record is damaged")
    finally:
        house.stop()


def examine_new(place: Place, ledger: Ledger) -> None:
    """The same while a vault is set up: it is hers, with her kit to be shown or confirmed, or she can begin again."""
    house, _ = place.begins(ledger.now)
    try:
        found = list(dangers(house))
        holds(not found, f"the files are sound: {found}")
        free = set_up.set_up_address(house) is not None
        ledger.is_so("vault", None if free else "here")
        if free:
            set_up.set_up(house, **MOVING_IN)
        vault = sessions.for_command(house, unlock.with_passphrase(house, "", PASSPHRASE, address="new"))
        shown = vault.settings.get("recovery")
        ledger.is_so("kit", "shown" if shown else "confirmed")
        if shown:
            ledger.may["code"] = {shown}
            holds(set_up.confirm_recovery_code(vault, dict(enumerate(shown.split("-")))), "she has what she is shown")
        holds(_opens_by_code(house, *ledger.may["code"]), "her printed code opens the vault")
    finally:
        house.stop()


def wait_beside() -> None:
    """Wait for what an unlock has begun beside the page."""
    for thread in threading.enumerate():
        if thread.name in BESIDE:
            thread.join(timeout=60)
            holds(not thread.is_alive(), "what goes on beside a page comes to its end")


def unlocks(house: Server, app: Flask, ledger: Ledger, shop: Bookshop) -> Returning:
    """By her passphrase, and by her printed code; whatever was under way is brought to its end."""
    ledger.dead.clear()
    for key in [each for each in ledger.may if each.startswith("cookie ")]:
        ledger.is_so(key, None if _opens(house, key.removeprefix("cookie ")) else "dead")
    ways = {each: opened_by(house, ledger.owner, each) for each in ledger.may["passphrase"]}
    known = [(each, keyring) for each, keyring in ways.items() if keyring]
    holds(bool(known), "a passphrase opens the vault")
    passphrase, keyring = known[0]
    ada = Returning(house, sessions.begin(house, keyring)[0], ledger.owner, ledger.number, passphrase, app)
    wait_beside()
    vault = ada.vault
    holds(vault.keyring.earlier == {} and rekeying.progress(vault) is None, "her keys are changed to the end")
    shown = vault.settings.get("recovery")
    if shown:  # she is led to her new kit first
        holds(ledger.new_keys or shown in ledger.may["code"], "a new code is shown when there is one")
        ledger.may["code"].add(shown)
        choices.keep(vault, {"recovery": None})
    codes = [each for each in ledger.may["code"] if _opens_by_code(house, each)]
    holds(len(codes) == 1, "one recovery code opens the vault")
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


def _goes(house: Server, ledger: Ledger) -> None:
    """Her vault was being deleted: nothing of hers opens any more, or only until the worker comes by."""
    if house.keystore.leaves_on(ledger.owner) == 0:
        holds(not any(_opens_by_code(house, each) for each in ledger.may["code"]), "its code opens nothing")
    else:
        holds("leaving" in ledger.may["vault"], "a vault that was deleted is gone")
    if "leaving" in ledger.may["vault"]:
        tick(house, sweep=True)
    holds(not any(opened_by(house, ledger.owner, each) for each in ledger.may["passphrase"]), "it opens no more")
    tick(house, sweep=True)
    with house.main.reading() as session:
        left = session.scalars(select(Lock.lock_id).where(Lock.owner_id == ledger.owner)).all()
    holds(not left and revision_of(house, ledger.owner) is None, "the worker brings a deletion to its end")


def all_is_well(house: Server) -> None:
    """Nothing of anybody's is half alive."""
    with house.main.reading() as session:
        owners = session.scalars(select(Owner.owner_id)).all()
    for owner in owners:
        _is_well(house, owner)


def _is_well(house: Server, owner: bytes) -> None:
    alive = house.keystore.alive(owner, "grant")
    with house.main.reading() as session:
        rows = session.execute(select(Grant.grant_id, Grant.state, Grant.version).where(Grant.owner_id == owner)).all()
        left = session.scalars(select(Lock.lock_id).where(Lock.owner_id == owner, Lock.kind != "recovery")).all()
        of_grants = [select(kind.grant_id).where(kind.owner_id == owner).distinct() for kind in (GrantLock, Disclosure)]
        held = {each for chosen in of_grants for each in session.scalars(chosen)}
    holds(held <= set(alive), "no rows of a dead grant")
    for grant, state, version in rows:
        holds((state == "live") == (grant in alive), "a grant is dead or alive")
        holds(state != "live" or version <= alive[grant].version, "no grant is above its floor")
    holds(all(house.keystore.pepper(owner, lock) for lock in left), "every lock opens")


def nothing_was_held(house: Server, owner: bytes) -> None:
    """Nobody put an old copy back, so nobody may say so."""
    alive = house.keystore.alive(owner, "grant")
    holds(all(standing.held != "old copy" for standing in alive.values()), "nothing is held for an old copy")
