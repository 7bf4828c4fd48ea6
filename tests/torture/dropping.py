"""A sync fails, the process is killed, the next one goes on with what it reads, and then the power fails.

What the sync was for is in the memory of the machine by then, where every process reads it, and not on the disk, and no
later sync brings it there. Whatever the next process shows or answers has to hold all the same.
"""

from __future__ import annotations

import os
from copy import deepcopy
from datetime import UTC, datetime
from multiprocessing import Pipe
from pathlib import Path
from random import Random
from typing import Any

from connectors.lease import LEASE
from tests.consent.racing import Elsewhere, Returning, tells
from tests.people import Clock, house_in
from tests.torture.disk import Disk, Watched, files_in, laid_out, read_trace
from tests.torture.examining import Place, examine, looks, unlocks
from tests.torture.failing import Flow, ledger_of
from tests.torture.ledger import Ledger
from vault.app import create_app

LATER = "Bought by the next process"


def dropping(told: dict[str, Any]) -> None:
    """One flow, at those of its syncs; tells of each what was answered and what was wrong."""
    directory, before = Path(told["directory"]), Path(told["before"])
    for nth in told["nth"]:
        laid_out(files_in(before), directory)
        Path(told["trace"]).unlink(missing_ok=True)
        reached, answered, ledger = _is_killed(told, nth)
        wrong = ""
        try:
            _goes_on(told, ledger)
            _power_fails(told, ledger, Random(nth))
        except Exception as found:  # noqa: BLE001 - whatever it is, where it was found must be told
            wrong = f"{type(found).__name__}: {found}"
        tells(nth=nth, reached=reached, answered=answered, wrong=wrong)
        if not reached:
            break


def _is_killed(told: dict[str, Any], nth: int) -> tuple[bool, bool, Ledger]:
    """Was there an n-th sync, was it answered that the flow is done, and what else was told by then?"""
    here, there = Pipe(duplex=False)
    if os.fork() == 0:
        there.send(_fails(told, nth))
        os._exit(0)  # nothing is closed
    there.close()
    answer: tuple[bool, bool, Ledger] = here.recv()
    os.wait()
    return answer


def _fails(told: dict[str, Any], nth: int) -> tuple[bool, bool, Ledger]:
    ledger, watched = ledger_of(told), Watched(Path(told["directory"]), Path(told["trace"]))
    house = house_in(Path(told["directory"]), Clock(datetime.fromtimestamp(ledger.now, UTC)))
    ada = Returning(house, told["session"], ledger.owner, ledger.number, told["passphrase"])
    ada.app.testing = False  # an error that nobody foresaw is an answer here
    flow = Flow(told["flow"], ada, Elsewhere(told, ada), ledger)
    flow.is_prepared()
    flow.may_be_so()
    watched.fails_to_sync(nth)
    answered = flow.does()
    if answered:
        flow.is_done()
    return watched.count >= nth, answered, ledger


def _goes_on(told: dict[str, Any], ledger: Ledger) -> None:
    """The next process: what she is shown by it is so from now on, and what it answers too."""
    watched = Watched(Path(told["directory"]), Path(told["trace"]))
    house = house_in(Path(told["directory"]), Clock(datetime.fromtimestamp(ledger.now + LEASE + 1, UTC)))
    try:
        app = create_app(house)
        shop = Elsewhere(told, Returning(house, "", ledger.owner, ledger.number, told["passphrase"], app))
        ada = unlocks(house, app, ledger, shop)
        looks(ada, ledger, shop)
        ada.buys(LATER)
        ledger.may[f"item {LATER}"] = {"here"}
        ledger.now = house.now
    finally:
        watched.rests()
        house.stop()


def _power_fails(told: dict[str, Any], ledger: Ledger, chance: Random) -> None:
    steps, place = read_trace(Path(told["trace"])), Place(Path(told["image"]))
    disk = Disk(Path(told["before"]), steps)
    disk.goes_on(len(steps))
    laid_out(disk.cut(chance)[1], place.directory)
    shop = Elsewhere(told, Returning(*place.begins(ledger.now)[:1], "", ledger.owner, ledger.number))
    examine(place, deepcopy(ledger), shop)
