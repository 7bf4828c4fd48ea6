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
from itertools import count
from pathlib import Path
from random import Random
from time import sleep
from typing import Any, NamedTuple

from tests.consent.racing import Stage
from tests.houses import server_is_killed
from tests.torture.examining import Place, examine, examine_moved, examine_new
from tests.torture.ledger import Ledger
from tests.torture.scenes import Scene, archive_of, moving

LINES = range(1, 101)  # that both have told when one of them is killed: so a busy machine lets them do as much
LEAVING = range(1, 25)  # until she has left
SETTING_UP = range(5)  # until a vault is set up and its kit confirmed; with none of them told the house is not built
MOMENT, MOVING = 0.1, 1.0  # seconds at most after that; moving in tells nothing in between
EVERY = 8  # kills: once in so many she has her vault deleted, once she moves in with an archive, once she sets one up


class Moment(NamedTuple):
    """When one is killed: after so many lines and at most so many seconds."""

    lines: range
    seconds: float = MOMENT


@dataclass
class Kills:
    """What came of them."""

    number: int = 0
    wrong: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)


def kill(
    stage: Stage, scene: Scene, into: Path, kills: Kills, *, number: int, seed: int, server: bool = False
) -> Kills:
    """So many kills: of one long life, and now and then of a short one that is leaving, moving in, or setting a vault
    up. It is the processes that are killed, or the server of the databases below them."""
    long, ledger, chance = scene.copied(into / "long"), scene.ledger(), Random(seed)
    place, time, archived = Place(long.directory, pause=1), datetime.fromisoformat(scene.time), b""

    def once(parts: list[dict[str, Any]], known: Ledger, moment: Moment, look: Callable[[], None]) -> None:
        _one_round(stage, parts, known, chance, moment, server=server)
        _looked_at(known, kills, f"seed {seed}, kill {at}", look)

    for at in range(number):
        short = scene.ledger()
        if at % EVERY == EVERY - 1:
            here = scene.copied(into / f"short {at}")
            look = partial(examine, Place(here.directory), short, scene.shop)
            once([_life(here, short, at, leaves=True)], short, Moment(LEAVING), look)
        elif at % EVERY == EVERY // 2:
            here = scene.before_everything().copied(into / f"new {at}")
            archived = archived or archive_of(scene, into)
            look = partial(examine_moved, Place(here.directory), short, archived)
            once([moving(here, into, archived)], short, Moment(range(1, 2), MOVING), look)
        elif at % EVERY == EVERY // 4:
            here = scene.nowhere(into / f"nowhere {at}", started=False)
            short, part = here.ledger(), here.part("new", time=scene.time)
            once([part], short, Moment(SETTING_UP, MOVING), partial(examine_new, Place(here.directory), short))
        else:
            parts = [_life(long, ledger, at, time), _life(long, ledger, at, time, role="beside")]
            once(parts, ledger, Moment(LINES), partial(examine, place, ledger, scene.shop))
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


def _one_round(
    stage: Stage, parts: list[dict[str, Any]], ledger: Ledger, chance: Random, moment: Moment, *, server: bool
) -> None:
    """All of them live until they are killed; what they are told is written down."""
    processes = stage.plays(*[{**each, "on a server": server} for each in parts])
    left, timers = {each: chance.choice(moment.lines) for each in processes}, list[threading.Timer]()
    for heard in count():
        for process in [each for each, lines in left.items() if lines <= heard]:
            del left[process]
            ends = (_kills_server, processes) if server else (_kills, [process])
            timers.append(threading.Timer(chance.random() * moment.seconds, *ends))
            timers[-1].start()
            if server:
                left.clear()
                break
        if "ended" in (line := stage.hears()):
            break
        ledger.hears(line)
    for timer in timers:
        timer.join()
    assert set(line["ended"]) <= {-signal.SIGKILL, 0}, "see what it has written to stderr"


def _kills_server(*processes: int) -> None:
    """And the processes a moment after it is back, which go on by then if they can."""
    server_is_killed()
    sleep(MOMENT)
    for process in processes:
        _kills(process)


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
