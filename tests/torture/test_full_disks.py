"""The disk of one of the three databases is full: of main, of the keystore, of the log.

Ending, pausing, locking, unlocking and deleting work, each within a second; everything else is refused with a sentence,
nothing is lost by it, and it goes on when there is room again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import event

from connectors.vendor_client import NoLongerShared, Paused, TryLater
from consent import segments
from tests import sampled
from tests.conftest import PASSPHRASE
from tests.consent.racing import Returning
from tests.houses import embedded_only
from tests.people import ISSUER, PURCHASES, TASTE, Bookshop, Clock
from vault import crypto, sessions
from vault.app import load_rooms
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.vendors import Vendor
from vault.db import Database
from vault.doctor import dangers
from vault.embedded import BALLAST
from vault.errors import DiskFull
from vault.keyring import Keyring
from vault.server import Server, start
from vault.settings import in_directory
from vault.turn import revision_of
from vault.worker import tick

pytestmark = embedded_only
PARTS = ("main", "keystore", "log")
SMALL = "40m"
GRANTS = 100 if sampled.EVERYTHING else 3
A_MOMENT = 1.0  # seconds of this process's own time: others may be busy here


@dataclass
class Home:
    """Ada, whose databases lie in a directory each, and the one of them that can be full."""

    ada: Returning
    shop: Bookshop
    clock: Clock
    folder: Path
    part: str
    mounted: bool

    @property
    def house(self) -> Server:
        """Her server."""
        return self.ada.house

    @property
    def database(self) -> Database:
        """The one whose disk is full."""
        return dict(zip(PARTS, self.house.databases, strict=True))[self.part]

    def disk_fills_up(self) -> None:
        """To the last byte; then something is written until nothing goes in any more."""
        if self.mounted:
            with (self.folder / "somebody else's").open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(4096)):
                    pass
        else:
            self.database.dispose()
            event.listen(self.database.engine, "connect", _stays_small)
        with pytest.raises((DiskFull, TryLater)):
            self._writes_on_and_on()

    def _writes_on_and_on(self) -> None:
        for at in range(20_000):
            self._writes(at)

    def _writes(self, at: int) -> None:
        if self.part == "main":
            self.ada.keeps(Note(heading=f"Note {at}", text="and so on " * 40))
        elif self.part == "keystore":
            self.house.keystore.make(self.ada.owner_id, crypto.random_bytes(16), "lock")
        else:
            self.shop.reads()

    def somebody_tidies_up(self) -> None:
        """There is room again."""
        (self.folder / "somebody else's").unlink(missing_ok=True)
        if event.contains(self.database.engine, "connect", _stays_small):
            event.remove(self.database.engine, "connect", _stays_small)
            self.database.dispose()


def _stays_small(connection: object, _record: object) -> None:
    connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]  # never below what is there


@pytest.fixture(params=PARTS if sampled.EVERYTHING else PARTS[1:2])
def home(
    request: pytest.FixtureRequest, furnished: tuple[Path, str, Keyring], shopfront: Bookshop, tmp_path: Path
) -> Iterator[Home]:
    """The Bookshop may read two things of hers. One of the directories is a small disk, where one can be mounted."""
    folder = tmp_path / request.param
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "none", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    places = {"main": "vault/vault.db", "keystore": "keystore/keystore.db", "log": "vault/log.db"}
    urls = {}
    for part, place in places.items():
        (tmp_path / part).mkdir(exist_ok=True, mode=0o700)
        shutil.copy(furnished[0] / place, tmp_path / part)
        urls[part] = f"sqlite:///{tmp_path / part / Path(place).name}"
    settings = in_directory(tmp_path, ISSUER)
    settings = replace(settings, database_url=urls["main"], keystore_url=urls["keystore"], log_url=urls["log"])
    clock = Clock()
    house = start(settings, load_rooms(), clock=clock)
    for database in house.databases:
        database.keep_ballast()
    string, vault = sessions.begin(house, furnished[2])
    ada = Returning(house, string, vault.owner_id, 0, PASSPHRASE)
    yield Home(_at_home(ada, shopfront), shopfront, clock, folder, request.param, mounted)
    house.stop()
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _at_home(ada: Returning, shop: Bookshop) -> Returning:
    ada.bookshop_number = ada.keeps(Vendor(called="Bookshop", domains=("shop.localhost",))).number
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    shop.visits(ada)
    ada.lets(shop, PURCHASES, TASTE, ticks=("item-1",))
    return ada


@contextmanager
def within_a_moment() -> Iterator[None]:
    """What she does must not keep her waiting."""
    began = time.process_time()
    yield
    assert time.process_time() - began < A_MOMENT


def all_goes_on(home: Home) -> None:
    """There is room: nothing is damaged, everything works."""
    home.somebody_tidies_up()
    house, ada, shop = home.house, home.ada, home.shop
    tick(house, sweep=True)
    assert not list(dangers(house))
    ada.unlocks()
    assert house.keystore.floor(ada.owner_id) == revision_of(house, ada.owner_id)
    assert "The Salt Almanac" in ada.looks_at("/purchases")
    assert ada.open.catalogue.count("damaged") == 0
    ada.buys("Tides and Tables")
    ada.lets(shop, PURCHASES)
    assert {"The Salt Almanac", "Tides and Tables"} <= {row["item"] for row in shop.reads()}
    assert not segments.missing(ada.open)
    assert all(database.ballast.exists() for database in house.databases)


def test_every_permission_is_stopped(home: Home) -> None:
    almanac = home.ada.buys("Field Notes on Moss")
    links = [home.ada.shares(almanac, label=f"Link {at}") for at in range(GRANTS - 1)]
    grants = [each.hex() for each in home.house.keystore.alive(home.ada.owner_id, "grant")]
    assert len(grants) == GRANTS
    home.disk_fills_up()
    home.clock.passes(minutes=2)
    for grant in grants:
        with within_a_moment():
            home.ada.presses(f"/sharing/{grant}/stop")
    assert not home.house.keystore.alive(home.ada.owner_id, "grant")
    for _full in (True, False):
        with pytest.raises(NoLongerShared):
            home.shop.reads()
        stranger = home.ada.app.test_client()
        assert all(stranger.get(link).status_code in {404, 410, 503} for link in links)
        home.somebody_tidies_up()
    all_goes_on(home)


def test_a_permission_is_paused(home: Home) -> None:
    home.disk_fills_up()
    with within_a_moment():
        home.ada.presses(f"/sharing/{home.shop.connection.grant_id}/pause")
    with pytest.raises((Paused, TryLater)):
        home.shop.reads()
    home.somebody_tidies_up()
    with pytest.raises(Paused):
        home.shop.reads()
    all_goes_on(home)


def test_she_unlocks_stops_and_locks(home: Home) -> None:
    home.disk_fills_up()
    home.ada.browser.delete_cookie("vault", domain="localhost")
    for _ in range(2):
        home.ada.presses("/unlock", passphrase=PASSPHRASE)
    assert "The Salt Almanac" in home.ada.looks_at("/purchases")
    with within_a_moment():
        home.ada.presses(f"/sharing/{home.shop.connection.grant_id}/stop")
    with within_a_moment():
        home.ada.presses("/lock")
    home.ada.looks_at("/purchases", status=303)
    all_goes_on(home)


def test_what_could_not_be_covered_any_more_keeps_her_from_nothing(home: Home) -> None:
    """Her change is written, and then there is no room in the keystore for saying so."""
    home.disk_fills_up()
    for at in range(3):
        with suppress(DiskFull):
            home.ada.buys(f"Bought on a full disk {at}")
    assert "Who can see what" in home.ada.looks_at("/sharing")
    assert home.house.keystore.floor(home.ada.owner_id) == revision_of(home.house, home.ada.owner_id)
    home.ada.presses(f"/sharing/{home.shop.connection.grant_id}/stop")
    all_goes_on(home)


def test_who_unlocks_again_and_again_leaves_room_for_stopping(home: Home) -> None:
    home.disk_fills_up()
    for database in home.house.databases:
        while database.kind.lend_ballast():
            pass
        assert database.ballast.stat().st_size >= BALLAST // 2
    if home.mounted:  # and somebody else takes what was lent
        with (home.folder / "somebody else's").open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
    home.ada.presses(f"/sharing/{home.shop.connection.grant_id}/stop")
    with pytest.raises(NoLongerShared):
        home.shop.reads()
    all_goes_on(home)


def test_a_vault_is_deleted(home: Home) -> None:
    home.disk_fills_up()
    with within_a_moment():
        home.ada.presses("/delete", name="ada")
    with pytest.raises(NoLongerShared):
        home.shop.reads()
    home.clock.passes(days=8)
    tick(home.house, sweep=True)
    assert revision_of(home.house, home.ada.owner_id) is None
    assert not home.house.keystore.alive(home.ada.owner_id, "session")


def test_everything_else_is_refused_with_a_sentence_and_goes_on_later(home: Home) -> None:
    pending = home.shop.asks(TASTE)
    page = home.ada.sees_consent(pending.authorize_url)
    home.disk_fills_up()
    before = revision_of(home.house, home.ada.owner_id)
    form = {**page.hidden, "item-0": "yes", "answer": "yes", "days": "30"}
    if home.part == "log":
        with pytest.raises(TryLater):
            home.shop.reads()
    else:
        answer = home.ada.tries("/authorize", **form)
        assert (answer.status_code, "The disk is full" in answer.text) == (507, True)
        assert revision_of(home.house, home.ada.owner_id) == before
    all_goes_on(home)
