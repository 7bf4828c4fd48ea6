"""Two processes on the same files, and one or both are killed at a random moment, again and again."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from tests.consent.racing import Stage
from tests.torture.ledger import Ledger, Place, examine
from tests.torture.scenes import Scene

LONGEST = 2.5  # seconds that both live
LEAVES_EVERY = 8  # kills: then she has her vault deleted, in a life of its own


@dataclass
class Kills:
    """What came of them."""

    number: int = 0
    wrong: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)


def kill(stage: Stage, scene: Scene, into: Path, kills: Kills, *, number: int, seed: int) -> Kills:
    """So many kills: of one long life, and now and then of a short one that ends with leaving."""
    long, ledger, chance = scene.copied(into / "long"), scene.ledger(), Random(seed)
    place, time = Place(long.directory, pause=1), datetime.fromisoformat(scene.time)
    for at in range(number):
        if at % LEAVES_EVERY == LEAVES_EVERY - 1:
            here, short = scene.copied(into / f"short {at}"), scene.ledger()
            _one_round(stage, here, short, chance, seed=at, leaves=True, time=datetime.fromisoformat(scene.time))
            _looked_at(Place(here.directory), short, scene, kills, f"seed {seed}, kill {at}, leaving")
            continue
        _one_round(stage, long, ledger, chance, seed=at, leaves=False, time=time)
        _looked_at(place, ledger, scene, kills, f"seed {seed}, kill {at}")
        time = place.clock.now + timedelta(minutes=1)
    return kills


def _one_round(
    stage: Stage, scene: Scene, ledger: Ledger, chance: Random, *, seed: int, leaves: bool, time: datetime
) -> None:
    """Both live until they are killed; what they are told is written down."""
    passphrase, ledger.now = next(iter(ledger.may["passphrase"])), int(time.timestamp())
    told = {"time": time.isoformat(), "passphrase": passphrase, "leaves": leaves}
    parts = [scene.part("killed", **{**told, "seed": 2 * seed + 1})]
    if not leaves:
        parts.append(scene.part("beside", **{**told, "seed": 2 * seed + 2}))
    timers = [threading.Timer(chance.random() * LONGEST, _kills, (process,)) for process in stage.plays(*parts)]
    begun = False
    while "ended" not in (line := stage.hears()):
        ledger.hears(line)
        if not begun:
            for timer in timers:
                timer.start()
            begun = True
    for timer in timers if begun else ():
        timer.join()
    assert set(line["ended"]) <= {-signal.SIGKILL, 0}, "see what it has written to stderr"


def _kills(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return  # it came to its end before


def _looked_at(place: Place, ledger: Ledger, scene: Scene, kills: Kills, where: str) -> None:
    doing = ledger.doing
    kills.number += 1
    kills.done.update(ledger.done)
    ledger.done.clear()
    try:
        examine(place, ledger, scene.shop)
    except Exception as wrong:  # noqa: BLE001 - whatever it is, where it was found must be told
        kills.wrong.append(f"{type(wrong).__name__}: {wrong} ({where}, during {doing or 'nothing'})")
