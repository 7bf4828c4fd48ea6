"""Mails at once: the first look of a permission, and calls that proved nothing. The rest she reads when she likes."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from consent import mails, pushed
from consent.access import GRANTED, Look, Written
from consent.details import LONGEST
from vault.days import DAY
from vault.db import line_of
from vault.errors import Busy, DiskFull

if TYPE_CHECKING:
    from vault.server import Server

UNUSUAL = {"wrong proof", "replayed proof"}  # a vendor's program is faulty, or somebody else has its token


class _Today:
    """Grants that have had something looked after today, so that one gone wild costs no statement each time."""

    def __init__(self) -> None:
        self._lock, self._day, self._grants = Lock(), 0, set[bytes]()

    def first(self, grant: bytes, day: int) -> bool:
        with self._lock:
            if self._day != day:
                self._day, self._grants = day, set()
            known = grant in self._grants
            self._grants.add(grant)
            return not known


_UNUSUAL, _LOOKED = _Today(), _Today()


def about(server: Server, look: Look, written: Written) -> None:
    """Mail her about an entry just written, if it is one of those. Where that cannot be, it costs no look."""
    if not server.settings.smtp_url:
        return
    with suppress(DiskFull, Busy):
        if look.outcome in UNUSUAL:
            _unusual(server, look)
        _first(server, look, written.number)


def _first(server: Server, look: Look, number: int) -> None:
    """Of the first call that got something. Where the very first was refused, that is remembered until one has."""
    granted = look.outcome in GRANTED
    if number > 1 and not (granted and _LOOKED.first(look.grant_id, server.now // DAY)):
        return
    awaited = (f"first look {look.grant_id.hex()}", "")
    with server.main.transaction() as session:
        line = line_of(session)
        if not granted:
            pushed.first(line, server, *awaited, until=server.now + LONGEST * DAY)
        elif number == 1 or pushed.taken(line, server, *awaited):
            mails.first_look(session, server, look.owner_id)


def _unusual(server: Server, look: Look) -> None:
    """Once a day for each grant, whichever process sees it."""
    day = server.now // DAY
    if not _UNUSUAL.first(look.grant_id, day):
        return
    scope = f"unusual {look.grant_id.hex()}"
    with server.main.transaction() as session:
        if pushed.first(line_of(session), server, scope, str(day), until=(day + 1) * DAY):
            mails.unusual(session, server, look.owner_id)
