"""What can be played in processes that were started with the half in C of the disk. Run as a program by the stage.

`killed` lives until it is, `traced` lives some days on a disk that remembers every step, and `beside` does what else is
done at the same time, for as long as it is let.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from datetime import datetime
from io import BytesIO
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import orjson

from tests.consent.racing import ROLES, Elsewhere, Returning, waits
from tests.people import Clock, house_in
from tests.torture.disk import Watched
from tests.torture.dropping import dropping
from tests.torture.failing import failing
from tests.torture.life import Life
from vault import bringing, embedded, sessions
from vault.errors import Locked
from vault.logs import configure


def born(told: dict[str, Any]) -> Life:
    """Ada and the Bookshop in this process, on a disk that remembers if there is a trace. `synchronous` can be worse
    than it is."""
    if told.get("synchronous"):
        set_up_so = (each.replace("synchronous=FULL", told["synchronous"]) for each in embedded.PRAGMAS)
        embedded.PRAGMAS = tuple(set_up_so)
    tells = aloud
    if "trace" in told:
        watched = Watched(Path(told["directory"]), Path(told["trace"]))
        tells = lambda line: watched.told(orjson.dumps(line))  # noqa: E731 - a closure
    clock = Clock(datetime.fromisoformat(told["time"])) if "time" in told else None
    house = house_in(Path(told["directory"]), clock)
    ada = Returning(house, "", bytes.fromhex(told["owner"]), told["number"], told["passphrase"])
    life = Life(ada, Elsewhere(told, ada), Random(told["seed"]), tells, str(told["seed"]))
    life.unlocks()
    return life


def aloud(line: Mapping[str, Any]) -> None:
    """To whoever started this process; small enough to be written whole or not at all."""
    os.write(1, orjson.dumps(line) + b"\n")


def killed(told: dict[str, Any]) -> None:
    """For as long as the power lasts, or until she has left."""
    life = born(told)
    if told["leaves"]:
        life.hour()
        life.leaves()
        return
    for day in count(told["seed"]):
        life.day(day)


def traced(told: dict[str, Any]) -> None:
    """An hour, some days and perhaps the end."""
    try:
        life = born(told)
        life.hour()
        for day in range(told["days"]):
            life.day(day)
        if told["leaves"]:
            life.leaves()
    finally:
        aloud({"lived": True})


def beside(told: dict[str, Any]) -> None:
    """In another process at the same time: the worker, the Bookshop asking, a backup; and her other browser, until it
    is locked by what she does in the first."""
    life = born(told)
    acts = [life.works, life.shares, life.is_asked, life.marks, life.backs_up]
    while True:
        for act in acts:
            try:
                act()
            except (Locked, AssertionError):
                if _opens(life):
                    raise
                acts = [life.works, life.is_asked, life.backs_up]


def _opens(life: Life) -> bool:
    try:
        sessions.open_session(life.ada.house, life.ada.session, looking=True)
    except Locked:
        return False
    return True


def moving(told: dict[str, Any]) -> None:
    """Into an empty vault, with an archive."""
    life = born(told)
    file = BytesIO(Path(told["archive"]).read_bytes())
    life.told("archive", {"archive": "here"}, lambda: bringing.bring_back(life.ada.vault, file))


def on_a_server(role: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Where the server of the databases is to be killed, whatever ends a life then is no failure of its own."""

    def plays(told: dict[str, Any]) -> None:
        with suppress(Exception) if told.get("on a server") else nullcontext():
            role(told)

    return plays


ROLES |= {role.__name__: on_a_server(role) for role in (killed, beside, moving)}
ROLES |= {"traced": traced, "failing": failing, "dropping": dropping}

if __name__ == "__main__":
    configure()
    waits()
