"""Imports beside the page that started them: a thread of the process that holds the open vault; stop, go on, end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from connectors import engine, undoing
from connectors.course import ENDED, Standing, mine, open_course, seal_course, standing, standings
from connectors.lease import alive
from connectors.models import Import
from connectors.uploads import drop_chunks, tidy
from vault import crypto
from vault.errors import Busy, Locked, NotFound
from vault.keyring import hold
from vault.logs import log

if TYPE_CHECKING:
    from vault.opened import OpenVault

PAUSE = 1.0  # seconds between two looks at an import that somebody else holds
UNDER_WAY = ("waiting", "running")

# Imports with a thread in this process, where a second one would only wait for the first; and the vault that somebody
# asked to go on with since that thread last looked.
_under_way: dict[bytes, OpenVault | None] = {}
_lock = threading.Lock()


def begin(vault: OpenVault, import_id: bytes) -> None:
    """Go on with an import in a thread of its own, which nobody waits for; if there is one it looks once more."""
    with _lock:
        there = import_id in _under_way
        _under_way[import_id] = vault
    if not there:
        threading.Thread(target=_while_asked, args=(import_id,), name="import", daemon=True).start()


def _while_asked(import_id: bytes) -> None:
    while (vault := _asked(import_id)) is not None:
        try:
            _until_it_ends(vault, import_id)
        except (NotFound, Locked, Busy, crypto.Damaged, SQLAlchemyError, OSError) as error:
            log.error("import_failed", reason=type(error).__name__)
        except BaseException:
            with _lock:
                del _under_way[import_id]
            raise


def _asked(import_id: bytes) -> OpenVault | None:
    """The vault to go on with. When nobody has asked, this thread is over for whoever asks next."""
    with _lock:
        vault = _under_way.pop(import_id)
        if vault is not None:
            _under_way[import_id] = None
        return vault


def goes_on(at: Standing) -> bool:
    """Is there something left to do for an import, that she has not stopped?"""
    return at.state in undoing.STATES or (at.state in UNDER_WAY and not at.course.stopped)


def _until_it_ends(vault: OpenVault, import_id: bytes) -> None:
    while alive(vault):
        at = standing(vault, import_id)
        at = undoing.run(vault, import_id) if at.state in undoing.STATES else engine.run(vault, import_id)
        if not goes_on(at):
            if alive(vault):
                vault.server.catalogues.of(vault)  # caught up here, before a page has to wait for it
            return
        time.sleep(PAUSE)


def resume(vault: OpenVault) -> None:
    """After an unlock, and whenever she looks: clear what broke off, and go on with what waits."""
    tidy(vault)
    for each in standings(vault):
        if goes_on(each):
            begin(vault, each.import_id)


def stop(vault: OpenVault, import_id: bytes) -> None:
    """Halt before the next batch, until she says otherwise."""
    _decide(vault, import_id, stopped=True)


def go_on(vault: OpenVault, import_id: bytes) -> None:
    """Go on with what she stopped."""
    _decide(vault, import_id, stopped=False)
    begin(vault, import_id)


def end(vault: OpenVault, import_id: bytes) -> None:
    """Leave the rest of the file unread. What was read stays; the sealed copy of the file goes."""
    _decide(vault, import_id, state="done", stopped=True, sentence=ENDED)
    drop_chunks(vault.server, vault.owner_id, import_id)


def undo(vault: OpenVault, import_id: bytes, *, everything: bool) -> None:
    """Put away what it added."""
    undoing.begin(vault, import_id, everything=everything)
    begin(vault, import_id)


def bring_back(vault: OpenVault, import_id: bytes) -> None:
    """Take that back."""
    undoing.bring_back(vault, import_id)
    begin(vault, import_id)


def _decide(vault: OpenVault, import_id: bytes, *, stopped: bool, state: str = "waiting", sentence: str = "") -> None:
    """Take the lease from whoever runs it and write down what she said. Whatever is over stays as it is."""
    with vault.server.main.transaction() as session:
        hold(session, vault.keyring)
        box = session.scalar(select(Import.box).where(*mine(vault, import_id), Import.state.in_(UNDER_WAY)))
        if box is None:
            return
        course = open_course(vault, import_id, box)
        course.stopped, course.sentence = stopped, sentence or course.sentence
        values = {"state": state, "lease_id": None, "lease_until": 0, "box": seal_course(vault, import_id, course)}
        session.execute(update(Import).where(*mine(vault, import_id)).values(**values))
