"""Stopping everything at once: one step for the effect, however many grants there are; clearing up comes after it.

The step is the keystore's: her epoch is raised, and no grant that was made before opens any more (decision 19). Peppers
and rows are then taken away a few at a time, the first of them before she is answered, the others by a job. Whatever a
crash leaves over, the worker's sweep finds by what the keystore still has of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from consent import grants
from vault.db import taking_away
from vault.errors import DiskFull, NotFound
from vault.jobs import enqueue

if TYPE_CHECKING:
    from vault.server import Server

AT_ONCE = 10  # cleared up in one turn of hers
ROUND = 200  # and in one job, so that others come between


def stop_all(server: Server, owner: bytes) -> None:
    """End every grant of hers for good. Needs no key. When this returns nothing of any of them opens."""
    taking_away((server.keystore.database,), lambda: server.keystore.stop_grants(owner))
    stopped = server.keystore.stopped(owner, AT_ONCE + 1)
    if not stopped:
        return
    with suppress(NotFound):  # her row was taken away: nothing of hers opens, and there is nobody to tell
        grants.end_some(server, owner, stopped[:AT_ONCE], "revoked", tell_her=True)
    if len(stopped) > AT_ONCE:
        _go_on(server, owner)


def clear(server: Server, owner: bytes, _payload: Mapping[str, Any]) -> None:
    """The job that takes away what is left of grants which were stopped all at once; she has been told of it."""
    if finish(server, owner):
        _go_on(server, owner)


def finish(server: Server, owner: bytes) -> bool:
    """Take some of them away. Are there more?"""
    for _turn in range(ROUND // AT_ONCE):
        stopped = server.keystore.stopped(owner, AT_ONCE)
        if not stopped:
            return False
        try:
            grants.end_some(server, owner, stopped, "revoked", tell_her=False)
        except NotFound:
            return False  # the owner is not in this database any more
    return True


def _go_on(server: Server, owner: bytes) -> None:
    try:
        with server.main.transaction() as session:
            enqueue(session, server, owner, "stop_all", {})
    except DiskFull:
        return  # the sweep comes by
