"""A sync fails, that process or the one after it goes on with what it reads, and then the power fails.

What the sync was for is in the memory of the machine by then, where every process reads it, and not on the disk, and no
later sync brings it there. Whatever is shown or answered afterwards has to hold all the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import Pipe
from pathlib import Path
from random import Random
from typing import Any

from flask import Flask

from connectors.lease import LEASE
from tests.consent.racing import Elsewhere, Returning, tells
from tests.people import Clock, house_in
from tests.torture.disk import Disk, Watched, files_in, laid_out, read_trace
from tests.torture.examining import Place, examine, unlocks
from tests.torture.failing import Flow, ledger_of
from tests.torture.ledger import Ledger
from tests.torture.looking import looks
from vault.app import create_app
from vault.server import Server

LATER = "Bought afterwards"


def dropping(told: dict[str, Any]) -> None:
    """One flow, at those of its syncs; tells of each what was answered and what was wrong."""
    directory, before = Path(told["directory"]), Path(told["before"])
    for nth in told["nth"]:
        laid_out(files_in(before), directory)
        Path(told["trace"]).unlink(missing_ok=True)
        ledger, reached, answered, wrong = _in_a_process(_fails, told, ledger_of(told), nth)
        if told["killed"] and not wrong:
            ledger, *_, wrong = _in_a_process(_goes_on, told, ledger)
        if not wrong:
            _, *_, wrong = _in_a_process(_power_fails, told, ledger, Random(nth))
        tells(nth=nth, reached=reached, answered=answered, wrong=wrong)
        if not reached:
            break


def _in_a_process(work: Callable[..., tuple[bool, bool]], told: dict[str, Any], ledger: Ledger, *more: Any) -> Any:
    """The ledger afterwards, what came of it, what was wrong. At its end the process is killed: it closes nothing."""
    here, there = Pipe(duplex=False)
    if os.fork() == 0:
        try:
            there.send((ledger, *work(told, ledger, *more), ""))
        except Exception as found:  # noqa: BLE001 - whatever it is, where it was found must be told
            there.send((ledger, True, False, f"{type(found).__name__}: {found}"))
        os._exit(0)
    there.close()
    answer = here.recv()
    os.wait()
    return answer


def _fails(told: dict[str, Any], ledger: Ledger, nth: int) -> tuple[bool, bool]:
    """Was there an n-th sync, and was it answered that the flow is done?"""
    watched = Watched(Path(told["directory"]), Path(told["trace"]))
    house = _house(told, ledger.now)
    ada = Returning(house, told["session"], ledger.owner, ledger.number, told["passphrase"])
    ada.app.testing = False  # an error that nobody foresaw is an answer here
    flow = Flow(told["flow"], ada, Elsewhere(told, ada), ledger)
    flow.is_prepared()
    flow.may_be_so()
    watched.fails_to_sync(nth)
    answered, reached = flow.does(), watched.count >= nth
    watched.fails_to_sync(0)
    if answered:
        flow.is_done()
    if not told["killed"]:
        house.clock.passes(seconds=LEASE + 1)  # type: ignore[attr-defined]
        _is_used(house, ada.app, told, ledger)
    return reached, answered


def _goes_on(told: dict[str, Any], ledger: Ledger) -> tuple[bool, bool]:
    """The next process."""
    Watched(Path(told["directory"]), Path(told["trace"]))
    house = _house(told, ledger.now + LEASE + 1)
    _is_used(house, create_app(house), told, ledger)
    return True, True


def _house(told: dict[str, Any], now: int) -> Server:
    return house_in(Path(told["directory"]), Clock(datetime.fromtimestamp(now, UTC)))


def _is_used(house: Server, app: Flask, told: dict[str, Any], ledger: Ledger) -> None:
    """What she is shown is so from now on, and what is answered too."""
    shop = Elsewhere(told, Returning(house, "", ledger.owner, ledger.number, told["passphrase"], app))
    ada = unlocks(house, app, ledger, shop)
    looks(ada, ledger, shop)
    ada.buys(LATER)
    ledger.may[f"item {LATER}"] = {"here"}
    ledger.now = house.now


def _power_fails(told: dict[str, Any], ledger: Ledger, chance: Random) -> tuple[bool, bool]:
    place, steps = Place(Path(told["image"])), read_trace(Path(told["trace"]))
    disk = Disk(Path(told["before"]), steps)
    disk.goes_on(len(steps))
    laid_out(disk.cut(chance)[1], place.directory)
    house, app = place.begins(ledger.now)
    examine(place, ledger, Elsewhere(told, Returning(house, "", ledger.owner, ledger.number, "", app)))
    return True, True
