"""The catalogues that are open in this process, and their sealed images in the cache folder."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from vault import crypto, lock_rows
from vault.catalogue import Catalogue
from vault.errors import Locked, VaultError
from vault.keyring import hold
from vault.models import Owner
from vault.turn import position

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.server import Server

LEAVING = 3.0  # seconds


class Catalogues:
    """The catalogues of the vaults that are open in this process, within a budget of bytes."""

    def __init__(self, budget: int = 1 << 28) -> None:
        self.budget = budget
        self._open: dict[bytes, tuple[Catalogue, OpenVault]] = {}
        self._lock = threading.Lock()
        self._left_at = -LEAVING

    def of(self, vault: OpenVault) -> Catalogue:
        """Her catalogue, opened or built if need be, caught up and checked."""
        with self._lock:
            known = self._open.get(vault.owner_id)
            if known and known[1].keyring.keys["catalogue"] > vault.keyring.keys["catalogue"]:
                raise Locked  # her keys were changed under this request, which could read nothing new
            if known and _era(known[1]) != _era(vault):
                known = None
            self._open.pop(vault.owner_id, None)
            catalogue = known[0] if known else _fetch(vault)
            self._open[vault.owner_id] = catalogue, vault
            while len(self._open) > 1 and sum(each.size for each, _ in self._open.values()) > self.budget:
                self._open.pop(next(iter(self._open)))
        with vault.server.main.reading() as session:
            catalogue.catch_up(session, vault)
            if not catalogue.checked:
                catalogue.check(session, vault)
        return catalogue

    def rebuild(self, server: Server, owner: bytes) -> None:
        """Forget a catalogue that describes what an old copy no longer holds."""
        with self._lock:
            self._open.pop(owner, None)
        _file(server, owner).unlink(missing_ok=True)

    def put_away(self, server: Server, owner: bytes | None = None) -> None:
        """Seal catalogues into the cache folder and forget them: one owner's, or all."""
        with self._lock:
            leaving = [owner] if owner else list(self._open)
            known = [self._open.pop(each) for each in leaving if each in self._open]
        for catalogue, vault in known:
            _save(catalogue, vault)
            self._left_at = time.monotonic()

    def just_left(self) -> bool:
        """Has one been put away these seconds? The request that did it may still be under way."""
        return time.monotonic() - self._left_at < LEAVING

    def tidy(self, server: Server) -> None:
        """Put away the catalogues of owners who have no session left."""
        with self._lock:
            owners = list(self._open)
        for owner in owners:
            if lock_rows.living_of(server, owner, "session") is None:
                self.put_away(server, owner)


def _file(server: Server, owner: bytes) -> Path:
    name = crypto.tag(server.keys.tag, "catalogue", owner)[:16].hex()
    return server.settings.cache_dir / f"{name}.catalogue"


def _era(vault: OpenVault) -> tuple[tuple[int, bytes], int]:
    """What a catalogue is good for: until her keys are changed, or an old copy of the database has lost changes.

    What was lost is nothing again once she has seen it, so the number goes down, too.
    """
    return vault.keyring.keys["catalogue"], vault.lost


def _about(vault: OpenVault) -> bytes:
    return crypto.identity("vrm/1/catalogue", vault.owner_id)


def _fetch(vault: OpenVault) -> Catalogue:
    """Open the sealed image; whatever is wrong with it or too new for this database, build from the rows instead."""
    try:
        catalogue = Catalogue(
            vault.keyring.open("catalogue", _about(vault), _file(vault.server, vault.owner_id).read_bytes())
        )
    except (OSError, crypto.Damaged, sqlite3.DatabaseError):
        return Catalogue()
    with vault.server.main.reading() as session:
        now = session.scalar(select(Owner.revision).where(Owner.owner_id == vault.owner_id)) or 0
    return catalogue if catalogue.revision <= now else Catalogue()


def _save(catalogue: Catalogue, vault: OpenVault) -> None:
    """Put it away. Nothing is left where her keys were changed meanwhile, changes were lost, or her vault deleted."""
    if catalogue.saved == catalogue.revision:
        return
    file = _file(vault.server, vault.owner_id)
    box = vault.keyring.seal("catalogue", _about(vault), catalogue.image())
    fresh = file.with_suffix(f".{crypto.random_bytes(4).hex()}")
    with suppress(OSError, VaultError):  # the next unlock builds a new one; locking never fails for want of room
        fresh.write_bytes(box)
        with vault.server.main.transaction() as session:
            hold(session, vault.keyring)
            now = position(session, vault.owner_id)
            if now.lost == vault.lost and now.revision >= catalogue.revision:
                fresh.replace(file)
                catalogue.saved = catalogue.revision
    fresh.unlink(missing_ok=True)
