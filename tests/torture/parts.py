"""What can be played in processes that were started with the half in C of the disk. Run as a program by the stage.

`killed` lives until it is, `traced` lives some days on a disk that remembers every step, and `beside` does what else is
done at the same time, for as long as it is let. `moving` brings an archive in, `new` sets a vault up.
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
from tests.people import Clock
from tests.torture.disk import Watched
from tests.torture.dropping import dropping
from tests.torture.failing import failing
from tests.torture.life import Life
from tests.torture.things import MOVING_IN, Tells, home
from vault import bringing, embedded, sessions, set_up
from vault.errors import Locked
from vault.logs import configure


def placed(told: dict[str, Any]) -> tuple[Tells, Clock | None]:
    """How it is told in this process, on a disk that remembers if there is a trace, and what time it is there.
    `synchronous` can be worse than it is."""
    if told.get("synchronous"):
        set_up_so = (each.replace("synchronous=FULL", told["synchronous"]) for each in embedded.PRAGMAS)
        embedded.PRAGMAS = tuple(set_up_so)
    tells: Tells = aloud
    if "trace" in told:
        watched = Watched(Path(told["directory"]), Path(told["trace"]))
        tells = lambda line: watched.told(orjson.dumps(line))  # noqa: E731 - a closure
    return tells, Clock(datetime.fromisoformat(told["time"])) if "time" in told else None


def born(told: dict[str, Any]) -> Life:
    """Ada and the Bookshop in this process."""
    tells, clock = placed(told)
    house = home(Path(told["directory"]), clock)
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
    for day in count(told["seed"] // 2):
        life.day(day, most=2)  # so that it comes to its end now and then


def traced(told: dict[str, Any]) -> None:
    """An hour, some days and perhaps the end."""
    try:
        life = born(told)
        life.hour()
        for day in range(told["days"]):
            life.day(2 * told["seed"] + day)
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
                break


def _opens(life: Life) -> bool:
    """While a new kit waits to be shown, every page leads there; a moment later this session has ended."""
    try:
        vault = sessions.open_session(life.ada.house, life.ada.session, looking=True)
    except Locked:
        return False
    return "recovery" not in vault.settings


def moving(told: dict[str, Any]) -> None:
    """Into an empty vault, with an archive."""
    life = born(told)
    file = BytesIO(Path(told["archive"]).read_bytes())
    life.told("archive", {"archive": "here"}, lambda: bringing.bring_back(life.ada.vault, file))


def new(told: dict[str, Any]) -> None:
    """In an empty house, with the address of its first page: a vault is set up, and its kit confirmed."""
    tells, clock = placed(told)
    house = home(Path(told["directory"]), clock)
    assert set_up.set_up_address(house)
    tells({"doing": "set-up", "so": {"vault": "here"}})
    vault = sessions.for_command(house, set_up.set_up(house, **MOVING_IN))
    tells({"done": "set-up", "so": {"vault": "here"}})
    code = str(vault.settings["recovery"])
    tells({"code": code})
    tells({"doing": "confirm kit", "so": {"kit": "confirmed"}})
    assert set_up.confirm_recovery_code(vault, dict(enumerate(code.split("-"))))
    tells({"done": "confirm kit", "so": {"kit": "confirmed"}})


def on_a_server(role: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Where the server of the databases is to be killed, whatever ends a life then is no failure of its own."""

    def plays(told: dict[str, Any]) -> None:
        with suppress(Exception) if told.get("on a server") else nullcontext():
            role(told)

    return plays


ROLES |= {role.__name__: on_a_server(role) for role in (killed, beside, moving, new)}
ROLES |= {"traced": traced, "failing": failing, "dropping": dropping}

if __name__ == "__main__":
    configure()
    waits()
