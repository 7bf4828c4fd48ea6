"""Two processes on the same files, and one or both are killed at a random moment, again and again."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from tests.consent.racing import Stage
from tests.torture.examining import Place, examine, examine_moved
from tests.torture.ledger import Ledger
from tests.torture.scenes import Scene, archive_of, moving

LINES = 60  # that both have told at most when one of them is killed: so a busy machine lets them do as much
MOMENT = 0.1  # seconds at most after that
EVERY = (
    8  # kills: once in so many she has her vault deleted, in a life of its own, and once she moves in with an archive
)


@dataclass
class Kills:
    """What came of them."""

    number: int = 0
    wrong: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)


def kill(stage: Stage, scene: Scene, into: Path, kills: Kills, *, number: int, seed: int) -> Kills:
    """So many kills: of one long life, and now and then of a short one that ends with leaving or is a moving in."""
    long, ledger, chance = scene.copied(into / "long"), scene.ledger(), Random(seed)
    place, time, archived = Place(long.directory, pause=1), datetime.fromisoformat(scene.time), b""
    for at in range(number):
        where = f"seed {seed}, kill {at}"
        if at % EVERY == EVERY - 1:
            here, short = scene.copied(into / f"short {at}"), scene.ledger()
            _one_round(stage, [_life(here, short, at, leaves=True)], short, chance)
            look = partial(examine, Place(here.directory), short, scene.shop)
            _looked_at(short, kills, f"{where}, leaving", look)
        elif at % EVERY == EVERY // 2:
            archived = archived or archive_of(scene, into)
            here, short = scene.before_everything().copied(into / f"new {at}"), scene.ledger()
            _one_round(stage, [moving(here, into, archived)], short, chance)
            look = partial(examine_moved, Place(here.directory), short, archived)
            _looked_at(short, kills, f"{where}, moving", look)
        else:
            parts = [_life(long, ledger, at, time), _life(long, ledger, at, time, role="beside")]
            _one_round(stage, parts, ledger, chance)
            _looked_at(ledger, kills, where, partial(examine, place, ledger, scene.shop))
            time = place.clock.now + timedelta(minutes=1)
    return kills


def _life(
    scene: Scene, ledger: Ledger, at: int, time: datetime | None = None, *, role: str = "killed", leaves: bool = False
) -> dict[str, Any]:
    """What a process is told that goes on with a life."""
    begins = time or datetime.fromisoformat(scene.time)
    ledger.now = int(begins.timestamp())
    more = {"time": begins.isoformat(), "passphrase": next(iter(ledger.may["passphrase"])), "leaves": leaves}
    return scene.part(role, **{**more, "seed": 2 * at + (2 if role == "beside" else 1)})


def _one_round(stage: Stage, parts: list[dict[str, Any]], ledger: Ledger, chance: Random) -> None:
    """All of them live until they are killed; what they are told is written down."""
    left, heard, timers = {each: chance.randrange(LINES) for each in stage.plays(*parts)}, 0, list[threading.Timer]()
    while "ended" not in (line := stage.hears()):
        ledger.hears(line)
        heard += 1
        for process in [each for each, lines in left.items() if lines < heard]:
            del left[process]
            timers.append(threading.Timer(chance.random() * MOMENT, _kills, (process,)))
            timers[-1].start()
    for timer in timers:
        timer.join()
    assert set(line["ended"]) <= {-signal.SIGKILL, 0}, "see what it has written to stderr"


def _kills(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return  # it came to its end before


def _looked_at(ledger: Ledger, kills: Kills, where: str, look: Callable[[], None]) -> None:
    doing = ledger.doing
    kills.number += 1
    kills.done.update(ledger.done)
    ledger.done.clear()
    try:
        look()
    except Exception as wrong:  # noqa: BLE001 - whatever it is, where it was found must be told
        kills.wrong.append(f"{type(wrong).__name__}: {wrong} ({where}, during {doing or 'nothing'})")
