"""Sessions are locks: a cookie opens the vault for a while, in any process, until it is locked or time runs out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from vault import bearer, crypto, lock_rows, locks
from vault.db import taking_away
from vault.errors import DiskFull, Locked, WrongSecret
from vault.keyring import Keyring, open_keyring
from vault.models import Lock, Owner
from vault.opened import OpenVault, open_settings
from vault.turn import recover_old_copy, revision_of

if TYPE_CHECKING:
    from vault.server import Server

IDLE, LONGEST_SESSION, MINUTE = 15 * 60, 12 * 3600, 60
OPENED_BY = ("passphrase", "recovery", "command")


def begin(server: Server, keyring: Keyring, opened_by: str = "passphrase") -> tuple[str, OpenVault]:
    """A session is a lock; the string returned is for the browser's cookie. Runs what waits for an unlock."""
    owner, lock = keyring.owner_id, crypto.random_bytes(16)
    pepper = server.keystore.make(owner, lock, "session")
    string = bearer.mint("session", owner, lock)
    payload = keyring.root + bytes([OPENED_BY.index(opened_by)])
    with server.main.transaction() as session:
        times = {"expires_at": server.now + LONGEST_SESSION, "used_at": server.now}
        lock_rows.add(session, "session", owner, lock, string.secret, pepper, b"", payload, **times)
    if keyring.lock_id and server.keystore.pepper(owner, keyring.lock_id) is None:
        # The passphrase was changed meanwhile, and that may have looked for sessions before this one was there.
        end(server, owner, [lock])
        raise WrongSecret
    vault = _open_vault(server, keyring, lock, opened_by)
    for room in server.rooms:
        if room.on_unlock is not None:
            room.on_unlock(vault)
    return string.text(server.keys.route), vault


def for_command(server: Server, keyring: Keyring) -> OpenVault:
    """An open vault for one command of the terminal, without a session."""
    return _open_vault(server, keyring, b"", "command")


def _open_vault(server: Server, keyring: Keyring, lock: bytes, opened_by: str) -> OpenVault:
    _face_old_copy(server, keyring.owner_id)
    with server.main.reading() as session:
        owner = session.get_one(Owner, keyring.owner_id)
        return OpenVault(server, keyring, lock, opened_by, open_settings(keyring, owner.settings_box), owner.lost)


def _face_old_copy(server: Server, owner: bytes) -> None:
    """Notice an old copy before anything of it is shown."""
    if (revision_of(server, owner) or 0) < server.keystore.floor(owner):
        recover_old_copy(server, owner)


def open_session(server: Server, string: str) -> OpenVault:
    """The vault that a session's cookie opens. Raises Locked for whatever is wrong, and ends a session that ran out."""
    wanted = bearer.parse(string, "session", server.keys.route)
    if wanted is None:
        raise Locked
    with server.main.reading() as session:
        row = session.execute(
            select(Lock.expires_at, Lock.used_at, Lock.box).where(
                Lock.owner_id == wanted.owner_id, Lock.lock_id == wanted.lock_id, Lock.kind == "session"
            )
        ).first()
    pepper = server.keystore.pepper(wanted.owner_id, wanted.lock_id)
    if row is None or pepper is None:
        raise Locked
    try:
        payload = locks.open_lock("session", wanted.owner_id, wanted.lock_id, wanted.secret, pepper, b"", row.box)
        with server.main.reading() as session:
            keyring = open_keyring(session, wanted.owner_id, payload[:32])
    except crypto.Damaged:
        raise Locked from None
    if server.now >= row.expires_at or server.now >= row.used_at + IDLE:
        end(server, wanted.owner_id, [wanted.lock_id])
        raise Locked
    if server.now >= row.used_at + MINUTE:
        _touch(server, wanted.owner_id, wanted.lock_id)
    return _open_vault(server, keyring, wanted.lock_id, OPENED_BY[payload[32]])


def _touch(server: Server, owner: bytes, lock: bytes) -> None:
    """Note that a session is in use. On a full disk it runs out sooner, and she can still stop and lock."""
    mine = (Lock.owner_id == owner, Lock.lock_id == lock)
    with suppress(DiskFull), server.main.transaction() as session:
        session.execute(update(Lock).where(*mine).values(used_at=server.now))


def living(vault: OpenVault) -> list[Any]:
    """Her sessions that still live: lock_id, used_at, expires_at; the latest first."""
    alive = vault.server.keystore.alive(vault.owner_id, "session")
    with vault.server.main.reading() as session:
        rows = session.execute(
            select(Lock.lock_id, Lock.used_at, Lock.expires_at)
            .where(Lock.owner_id == vault.owner_id, Lock.kind == "session", Lock.used_at > vault.server.now - IDLE)
            .order_by(Lock.used_at.desc(), Lock.lock_id)
        ).all()
    return [row for row in rows if row.lock_id in alive]


def end(server: Server, owner: bytes, chosen: list[bytes]) -> None:
    """Lock: from the answer on these sessions open nothing."""
    if not chosen:
        return
    databases = (server.keystore.database, server.main)
    taking_away(databases, lambda: server.keystore.take(owner, *chosen))
    taking_away(databases, lambda: lock_rows.remove(server, owner, chosen))
    if not server.keystore.alive(owner, "session"):
        server.catalogues.put_away(server, owner)
