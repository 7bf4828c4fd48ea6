"""The worker: does due jobs, finishes what a crash left, puts unused catalogues away. A thread, or `vrm worker`.

Jobs that wait for somebody else's server go beside it, each room's on lines of their own: whoever answers slowly, or
never, keeps no mail from being sent; and no mail server keeps a grant from ending.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from vault.jobs import call_out, give_back, run_due
from vault.logs import apart, log

if TYPE_CHECKING:
    from vault.rooms import Room
    from vault.server import Server

PAUSE, SWEEP, LAST = 1.0, 60.0, 5.0  # seconds


def tick(server: Server, *, sweep: bool, stopped: Callable[[], bool] = lambda: False) -> int:
    """One round. Returns the number of jobs done."""
    if server.catalogues.just_left():
        gc.collect()  # her keys, and what she has looked at, may hang in circles that nothing else lets go of for long
    done = run_due(server, stopped=stopped)
    if sweep:
        with apart("sweep_failed"):
            server.catalogues.tidy(server)
        for room in server.rooms:
            with apart("sweep_failed"):
                if room.sweep is not None:
                    room.sweep(server)
        for database in server.databases:
            with apart("sweep_failed"):
                database.keep_ballast()
    return done


def run(server: Server, stopped: threading.Event) -> None:
    """Round after round, until the event is set. A round that fails is logged by its kind; the next one comes."""
    for room in server.rooms:
        if room.calls:
            threading.Thread(target=_calls, args=(server, room, stopped), name="calls", daemon=True).start()
    swept = 0.0
    with ThreadPoolExecutor(1, thread_name_prefix="round") as rounds:
        while not stopped.wait(PAUSE):
            due = time.monotonic() - swept >= SWEEP
            _went(rounds.submit(tick, server, sweep=due, stopped=stopped.is_set))
            if due:
                swept = time.monotonic()


def _calls(server: Server, room: Room, stopped: threading.Event) -> None:
    """The same for what waits for others; no pause as long as somebody answers."""
    done = 0
    with ThreadPoolExecutor(1) as rounds, ThreadPoolExecutor(room.lines, thread_name_prefix="line") as lines:
        while not stopped.wait(0 if done else PAUSE):
            done = _went(rounds.submit(call_out, server, room, lines))


def _went(work: Future[int]) -> int:
    failed = work.exception()
    if failed is not None:
        log.error("worker_round_failed", reason=type(failed).__name__)
        return 0
    return work.result()


def begin(server: Server) -> threading.Event:
    """Start the worker as a daemon thread; set the event to stop it. A process that is told to end stops it first."""
    stopped = threading.Event()
    thread = threading.Thread(target=run, args=(server, stopped), name="worker", daemon=True)
    thread.start()
    Finalize(None, end, args=(server, stopped, thread), exitpriority=10)
    return stopped


def end(server: Server, stopped: threading.Event, thread: threading.Thread) -> None:
    """Let the job under way be finished, for some seconds, give back what is not, and write down what is in memory."""
    stopped.set()
    thread.join(LAST)
    if server.leases:
        give_back(server)
    server.write_down()
