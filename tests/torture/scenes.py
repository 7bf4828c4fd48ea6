"""Where the tortures take place: Ada's vault and the Bookshop, and lives of hers from the first step to the last."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tests.conftest import PASSPHRASE
from tests.consent.racing import Returning, Stage, client_of
from tests.houses import copy_house, settings_in
from tests.people import ISSUER, PURCHASES, TASTE, Ada, Bookshop, Clock, house_in
from tests.torture.disk import Disk, Step, compiled, laid_out, read_trace, state_of
from tests.torture.examining import Place, examine
from tests.torture.ledger import Ledger
from tests.torture.things import import_file, opened_by, orders
from vault import sessions
from vault.archive import archive
from vault.collections.preferences import Preference
from vault.keyring import Keyring

PARTS = "tests.torture.parts"
MANY = 600  # more than are written in one turn
Looks = Callable[[Place, Ledger], None]


@dataclass
class Scene:
    """Ada has things and has dealt with the Bookshop before. The server is not running."""

    directory: Path
    shop: Bookshop
    owner: bytes
    number: int
    code: str
    time: str
    empty: Path
    begun: bool = True

    def copied(self, to: Path) -> Scene:
        """The same on a copy of the files."""
        shutil.rmtree(to, ignore_errors=True)
        copy_house(self.directory, to)
        return replace(self, directory=to)

    def before_everything(self) -> Scene:
        """When there was nothing in her vault yet."""
        return replace(self, directory=self.empty)

    def nowhere(self, to: Path, *, started: bool) -> Scene:
        """When there was not even a vault. That a server has started there is nine tenths of what is written."""
        to.mkdir()
        settings_in(to, ISSUER)  # on a server its databases are there, and empty
        if started:
            house_in(to, Clock(datetime.fromisoformat(self.time))).stop()
        return replace(self, directory=to, begun=False)

    def part(self, role: str, **more: Any) -> dict[str, Any]:
        """What a process is told that lives here."""
        place = {"directory": str(self.directory), "owner": self.owner.hex(), "number": self.number}
        return {**client_of(self.shop), **place, "role": role, "passphrase": PASSPHRASE, **more}

    def ledger(self) -> Ledger:
        """Before anybody was told anything."""
        ledger = Ledger.begun(self.owner.hex(), self.number, PASSPHRASE, self.code)
        ledger.now = int(datetime.fromisoformat(self.time).timestamp())
        if not self.begun:
            ledger.may |= {"vault": {None}, "kit": {"shown"}}
        return ledger


def furnish(furnished: tuple[Path, str, Keyring], shop: Bookshop, directory: Path, clock: Clock | None) -> Scene:
    """A scene from a vault that has just been set up. Without a clock it is in real time."""
    copy_house(furnished[0], directory)
    ada = Ada(house_in(directory, clock), PASSPHRASE, furnished[2])
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    shop.visits(ada)
    ada.presses(f"/sharing/{ada.lets(shop, PURCHASES, TASTE).grant_id}/stop")
    ada.house.stop()
    time = ada.house.clock().isoformat()
    return Scene(directory, shop, ada.owner_id, ada.bookshop_number, furnished[1], time, furnished[0])


def preloaded() -> Stage:
    """A process whose children see what they do to their disk, if there is a compiler."""
    return Stage(PARTS, LD_PRELOAD=str(compiled() or ""))


def lived(stage: Stage, scene: Scene, into: Path, *, seed: int, days: int, leaves: bool, worse: str = "") -> list[Step]:
    """All that two processes did to the disk, and what was told by both: a life, and what goes on beside it."""
    trace, here = into / f"trace {seed}", scene.copied(into / "house")
    both = {"time": scene.time, "trace": str(trace), "synchronous": worse}
    life = here.part("traced", seed=2 * seed + 1, days=days, leaves=leaves, **both)
    _life, other = stage.plays(life, here.part("beside", seed=2 * seed + 2, **both))
    while "ended" not in (line := stage.hears()):
        assert line == {"lived": True}
        os.kill(other, signal.SIGKILL)
    assert line["ended"] == [0, -signal.SIGKILL], "see what it has written to stderr"
    return read_trace(trace)


def archive_of(scene: Scene, into: Path) -> bytes:
    """What she has here and some hundred orders more, so that it takes several turns to bring it in elsewhere."""
    house = house_in(scene.copied(into / "archived").directory, Clock(datetime.fromisoformat(scene.time)))
    keyring = opened_by(house, scene.owner, PASSPHRASE)
    assert keyring is not None
    vault = sessions.for_command(house, keyring)
    import_file(vault, orders([f"Order {at}" for at in range(MANY)], 1))
    made = b"".join(archive(vault))
    house.stop()
    return made


def moved_in(stage: Stage, scene: Scene, into: Path, archived: bytes) -> list[Step]:
    """All that bringing an archive into an empty vault did to the disk, and what was told."""
    trace, here = into / "trace of moving", scene.before_everything().copied(into / "new house")
    stage.plays({**moving(here, into, archived), "trace": str(trace)})
    assert stage.ends() == [0], "see what it has written to stderr"
    return read_trace(trace)


def set_up_anew(stage: Stage, nowhere: Scene, into: Path) -> list[Step]:
    """All that setting up a vault did to the disk of an empty house, and what was told."""
    trace = into / "trace of setting up"
    stage.plays(nowhere.copied(into / "new vault").part("new", time=nowhere.time, trace=str(trace)))
    assert stage.ends() == [0], "see what it has written to stderr"
    return read_trace(trace)


def moving(here: Scene, into: Path, archived: bytes) -> dict[str, Any]:
    """What a process is told that moves in."""
    (into / "archive").write_bytes(archived)
    return here.part("moving", archive=str(into / "archive"), seed=0, time=here.time)


def with_a_grant(scene: Scene, into: Path) -> tuple[Scene, dict[str, Any]]:
    """The same, unlocked, while the Bookshop may see two things of hers; and what whoever goes on has to know."""
    here = scene.copied(into)
    clock = Clock(datetime.fromisoformat(scene.time))
    house = house_in(into, clock)
    ada = Returning(house, "", scene.owner, scene.number, PASSPHRASE)
    keyring = opened_by(house, scene.owner, PASSPHRASE)
    assert keyring is not None
    ada.comes_with(sessions.begin(house, keyring)[0])
    scene.shop.visits(ada)
    connection = ada.lets(scene.shop, PURCHASES, TASTE, ticks=("item-1",))
    house.stop()
    known = {"session": ada.session, "tokens": connection.to_json(), "grant": connection.grant_id, "code": scene.code}
    return here, {**known, "now": int(clock.now.timestamp())}


def let_fail(
    stage: Stage, scene: Scene, into: Path, *, flow: str, failure: str, nth: Sequence[int] = range(1, 2000)
) -> list[dict[str, Any]]:
    """A flow whose n-th write or sync fails, for each of these n up to the first that it never comes to."""
    return _in_a_flow(stage, scene, into, "failing", flow=flow, error=failure, nth=[*nth])


def let_drop(
    stage: Stage, scene: Scene, into: Path, *, flow: str, killed: bool, nth: Sequence[int] = range(1, 2000)
) -> list[dict[str, Any]]:
    """The same for syncs; that process goes on, or is killed and another one goes on; and then the power fails."""
    told = {"trace": str(into / "trace"), "image": str(into / "image"), "killed": killed}
    return _in_a_flow(stage, scene, into, "dropping", flow=flow, nth=[*nth], **told)


def _in_a_flow(stage: Stage, scene: Scene, into: Path, role: str, **told: Any) -> list[dict[str, Any]]:
    before, known = with_a_grant(scene, into / "before")
    part = before.part(role, before=str(before.directory), **told, **known)
    stage.plays({**part, "directory": str(into / role)})
    said = []
    while "ended" not in (line := stage.hears()):
        said.append(line)
    assert line["ended"] == [0], "see what it has written to stderr"
    return said


@dataclass
class Image:
    """What was left when the power failed, and what had been told by then."""

    files: dict[str, bytes]
    ledger: Ledger
    told: int
    place: str


def images(scene: Scene, steps: list[Step], *, number: int, seed: int) -> Iterator[Image]:
    """So many cuts of one life, at random, in their order."""
    disk, ledger, heard, chance = Disk(scene.directory, steps), scene.ledger(), 0, Random(seed)
    for at in sorted(chance.randint(0, len(steps)) for _ in range(number)):
        disk.goes_on(at)
        for line in disk.told[heard:]:
            ledger.hears(orjson.loads(line))
        heard = len(disk.told)
        keeps, files = disk.cut(chance)
        place = f"seed {seed}, step {at} of {len(steps)}, keeping {keeps}, during {ledger.doing or 'nothing'}"
        yield Image(files, ledger, heard, place)


@dataclass
class Cuts:
    """What came of many images. Those that SQLite reads alike, with as much told, are looked at once."""

    images: int = 0
    states: set[tuple[bytes, int]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @property
    def different(self) -> int:
        """How many of the images were not like another one."""
        return len(self.states)


def cut_all_over(
    scene: Scene, steps: list[Step], into: Path, cuts: Cuts, *, number: int, seed: int, looks: Looks | None = None
) -> Cuts:
    """Cut one life so often, and open what is left with the real product."""
    place, look = Place(into / "image"), looks or (lambda place, ledger: examine(place, ledger, scene.shop))
    with _nothing_old_collected():
        for image in images(scene, steps, number=number, seed=seed):
            cuts.images += 1
            state = state_of(image.files, into / "plain"), image.told
            if state not in cuts.states:
                cuts.states.add(state)
                laid_out(image.files, place.directory)
                try:
                    look(place, deepcopy(image.ledger))
                except Exception as wrong:  # noqa: BLE001 - whatever it is, where it was found must be told
                    cuts.wrong.append(f"{type(wrong).__name__}: {wrong} ({image.place})")
    return cuts


@contextmanager
def _nothing_old_collected() -> Iterator[None]:
    """What is there by now is not looked through whenever a vault was locked: that took two fifths of the time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
