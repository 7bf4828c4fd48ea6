"""The disk is full: what takes away still works, everything else is refused cleanly, and nothing is broken by it.

Where a small file system can be mounted it is really full; everywhere else, and here too, the databases may not grow.
What of this holds when the disk of one database is full stands in tests/torture/test_full_disks.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import event, select

from connectors.vendor_client import Connection, NoLongerShared, TryLater
from consent import grants
from consent.models import Grant
from tests.conftest import PASSPHRASE
from tests.consent.racing import Returning, back, visits_again
from tests.houses import copy_house, embedded_only, home_of
from tests.people import PURCHASES, TASTE, Ada, Bookshop, Clock, house_in
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.db import Database
from vault.doctor import dangers
from vault.errors import DiskFull
from vault.server import Server
from vault.turn import revision_of
from vault.worker import tick

pytestmark = embedded_only

SMALL = "40m"


@dataclass
class Disk:
    """A place that can be filled up. `mounted` says whether it is a file system of its own."""

    place: Path
    mounted: bool

    @property
    def ballast(self) -> Path:
        """What somebody else has filled it with."""
        return self.place / "somebody else's"

    def fills_up(self, ada: Ada) -> None:
        """To the last byte; then she writes until nothing goes in any more."""
        if self.mounted:
            with self.ballast.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(4096)):
                    pass
        else:
            for database in ada.house.databases:
                _may_not_grow(database)
        with pytest.raises(DiskFull):
            writes_on_and_on(ada)

    def is_emptied(self, house: Server) -> None:
        """Somebody tidies up."""
        self.ballast.unlink(missing_ok=True)
        if not self.mounted:
            for database in house.databases:
                event.remove(database.engine, "connect", _stays_small)
                database.dispose()


def writes_on_and_on(ada: Ada) -> None:
    """Notes, which nobody may see."""
    for at in range(4000):
        ada.keeps(Note(heading=f"Note {at}", text="and so on " * 40))


def again_and_again(tried: Callable[[], object]) -> None:
    """A few may still find a page with room."""
    for _ in range(300):
        tried()


def _may_not_grow(database: Database) -> None:
    database.dispose()
    event.listen(database.engine, "connect", _stays_small)


def _stays_small(connection: object, _record: object) -> None:
    connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]  # never below what is there


@pytest.fixture(params=["a full file system", "databases that may not grow"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A small one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = request.param == "a full file system" and os.geteuid() == 0 and _mount(place)
    yield Disk(place, mounted)
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _mount(place: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(place)]
    return bool(shutil.which("mount")) and subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def ready(
    furnished: tuple[Path, str], shopfront: Bookshop, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Ada, str]:
    """The Bookshop may read two things of hers. Made once; tests work on copies."""
    directory = tmp_path_factory.mktemp("ready") / "house"
    copy_house(furnished[0], directory)
    ada = Ada(house_in(directory, Clock()), PASSPHRASE)
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    shopfront.visits(ada)
    tokens = ada.lets(shopfront, PURCHASES, TASTE, ticks=("item-1",)).to_json()
    ada.house.stop()
    return directory, ada, tokens


@pytest.fixture
def home(disk: Disk, ready: tuple[Path, Ada, str], shopfront: Bookshop) -> Iterator[Returning]:
    """Ada on that disk."""
    copy_house(ready[0], disk.place / "house")
    house = house_in(disk.place / "house", Clock())
    for database in house.databases:
        database.keep_ballast()
    ada = back(ready[1], house)
    shopfront.visits(ada)
    shopfront.connection = Connection.from_json(shopfront.client, ready[2])
    yield ada
    house.stop()


def has_ended(ada: Ada, shop: Bookshop) -> bool:
    """Do its rows say so already, before the worker has made anything good?"""
    with ada.house.main.reading() as session:
        mine = (Grant.owner_id == ada.owner_id, Grant.grant_id == bytes.fromhex(shop.connection.grant_id))
        return session.scalar(select(Grant.state).where(*mine)) == "ended"


def is_sound(ada: Ada, shop: Bookshop) -> None:
    """After somebody has tidied up: nothing damaged, everything works."""
    house = ada.house
    tick(house, sweep=True)
    assert not list(dangers(house))
    assert house.keystore.floor(ada.owner_id) == revision_of(house, ada.owner_id)
    if not house.keystore.alive(ada.owner_id, "session"):
        ada.unlocks()
    assert "The Salt Almanac" in ada.looks_at("/purchases")
    assert ada.open.catalogue.count("damaged") == 0
    ada.buys("Tides and Tables")
    shop.visits(ada)
    ada.lets(shop, PURCHASES)
    assert len(shop.reads()) == 2
    assert all(database.ballast.exists() for database in house.databases)


def test_what_adds_is_refused_in_plain_words_and_changes_nothing(disk: Disk, home: Ada, shopfront: Bookshop) -> None:
    pending = shopfront.asks(TASTE)
    page = home.sees_consent(pending.authorize_url)
    disk.fills_up(home)
    before = revision_of(home.house, home.owner_id)
    assert "The disk is full" in page.answers("yes", "item-0", status=507).text
    for tried in (shopfront.reads, lambda: shopfront.asks(TASTE)):
        with pytest.raises(TryLater):
            again_and_again(tried)
    assert revision_of(home.house, home.owner_id) == before
    assert len(home.house.keystore.alive(home.owner_id, "grant")) <= 2
    disk.is_emptied(home.house)
    assert len(shopfront.reads()) == 1
    is_sound(home, shopfront)


def test_stopping_by_link_works(disk: Disk, home: Ada, shopfront: Bookshop) -> None:
    grant = bytes.fromhex(shopfront.connection.grant_id)
    pepper = home.house.keystore.pepper(home.owner_id, grant) or b""
    with home.house.main.transaction() as session:
        link = grants.make_link(session, home.house, home.owner_id, grant, pepper, 1 << 32)
    disk.fills_up(home)
    answer = home.app.test_client().post(f"/r/{link}", data={"answer": "stop"})
    assert answer.status_code == 200
    assert has_ended(home, shopfront)
    with pytest.raises(NoLongerShared):
        shopfront.reads()
    disk.is_emptied(home.house)
    is_sound(home, shopfront)


def test_a_server_that_starts_on_a_full_disk_still_stops_sharing(disk: Disk, home: Ada, shopfront: Bookshop) -> None:
    """As `vrm revoke` does it, in a process of its own, after everything was shut down."""
    disk.fills_up(home)
    directory, kept = home_of(home.house), shopfront.connection.to_json()
    home.house.stop()
    if disk.mounted:
        with disk.ballast.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
    house = house_in(directory, home.house.clock)
    ada: Returning = back(home, house)
    grants.end(house, ada.owner_id, bytes.fromhex(shopfront.connection.grant_id), "revoked")
    visits_again(shopfront, ada)
    shopfront.connection = Connection.from_json(shopfront.client, kept)
    assert has_ended(ada, shopfront)
    with pytest.raises(NoLongerShared):
        shopfront.reads()
    disk.ballast.unlink(missing_ok=True)
    is_sound(ada, shopfront)
    house.stop()
