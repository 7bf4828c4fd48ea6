"""Sessions are locks: a cookie opens the vault for a while, in any process, until it is locked or time runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import select, update

from vault import bearer, choices, crypto, evenly, lock_rows, locks
from vault.db import needing_little, taking_away
from vault.devices import device
from vault.errors import DiskFull, Locked, WrongSecret
from vault.keyring import Keyring, check_newest, hold, open_keyring
from vault.models import Lock, Owner
from vault.opened import OpenVault, open_settings
from vault.turn import recover_old_copy, revision_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as SqlSession

    from vault.server import Server

LONGEST_SESSION, MINUTE = 12 * 3600, 60
FRESH = 5 * MINUTE  # for how long it counts that she has shown that it is she
OPENED_BY = ("passphrase", "recovery", "command", "passkey")


class Seat(NamedTuple):
    """Where a session runs and since when (seconds since 1970): sealed beside its lock, and bound to it."""

    began_at: int
    opened_by: str
    browser: str = ""
    system: str = ""


class Session(NamedTuple):
    """One of her sessions, for the list of them. Times are seconds since 1970."""

    lock_id: bytes
    used_at: int
    ends_at: int
    seat: Seat


def begin(
    server: Server, keyring: Keyring, opened_by: str = "passphrase", user_agent: str = ""
) -> tuple[str, OpenVault]:
    """A session is a lock; the string returned is for the browser's cookie. Runs what waits for an unlock."""
    owner, lock = keyring.owner_id, crypto.random_bytes(16)
    seat = Seat(server.now, opened_by, *device(user_agent))
    pepper = needing_little(server.keystore.database, lambda: server.keystore.make(owner, lock, "session"))
    with ended_if_refused(server, owner, lock):
        string, vault = needing_little(server.main, lambda: _begin(server, keyring, lock, pepper, seat))
        if keyring.lock_id and not lock_rows.lives(server, owner, keyring.lock_id):
            # What opened it was changed meanwhile, and that may have looked for sessions before this one was there.
            raise WrongSecret
    welcome(vault)
    return string, vault


@contextmanager
def ended_if_refused(server: Server, owner: bytes, *made: bytes) -> Iterator[None]:
    """Locks that were made for what is refused end with it. After any other failure they may be all that opens."""
    try:
        yield
    except (Locked, WrongSecret):
        end(server, owner, list(made))
        raise


def welcome(vault: OpenVault) -> None:
    """Run what waits for an unlock."""
    for room in vault.server.rooms:
        with suppress(DiskFull):  # it waits for another unlock; that there is no room must not keep her out
            if room.on_unlock is not None:
                room.on_unlock(vault)


def _begin(server: Server, keyring: Keyring, lock: bytes, pepper: bytes, seat: Seat) -> tuple[str, OpenVault]:
    """Write the lock of a session whose pepper has been made."""
    with server.main.reading() as session:
        check_newest(session, keyring)  # or her settings would seem damaged
    vault = _open_vault(server, keyring, lock, seat.opened_by, proved_at=server.now)
    with server.main.transaction() as session:
        hold(session, keyring)
        string, ends_at = add(session, vault, pepper, seat)
    return string, replace(vault, ends_at=ends_at)


def add(session: SqlSession, vault: OpenVault, pepper: bytes, seat: Seat) -> tuple[str, int]:
    """The lock of a session: its string, and when it ends by itself."""
    server, keyring, lock = vault.server, vault.keyring, vault.session_id
    string, ends_at = bearer.mint("session", vault.owner_id, lock), _ends_at(vault, seat)
    params, payload = _seal_seat(keyring, lock, seat), _payload(keyring.root, seat.opened_by, server.now)
    times = {"expires_at": ends_at, "used_at": server.now}
    lock_rows.add(session, "session", vault.owner_id, lock, string.secret, pepper, params, payload, **times)
    return string.text(server.keys.route), ends_at


def for_command(server: Server, keyring: Keyring) -> OpenVault:
    """An open vault for one command of the terminal, without a session."""
    return _open_vault(server, keyring, b"", "command", proved_at=server.now)


def _open_vault(
    server: Server, keyring: Keyring, lock: bytes, opened_by: str, *, proved_at: int, ends_at: int = 0
) -> OpenVault:
    _face_old_copy(server, keyring.owner_id)
    with server.main.reading() as session:
        owner = session.get(Owner, keyring.owner_id)
        if owner is None:  # her row was taken away: there is nothing to open any more
            raise Locked
        settings = _settings_or_nothing(keyring, owner.settings_box)
    return OpenVault(server, keyring, lock, opened_by, settings, owner.lost, proved_at, ends_at)


def _settings_or_nothing(keyring: Keyring, box: bytes) -> dict[str, Any]:
    """Damaged settings must not keep her from what she keeps, nor from stopping it; changing them is refused."""
    try:
        return open_settings(keyring, box)
    except crypto.Damaged:
        return {}


def _payload(root: bytes, opened_by: str, proved_at: int) -> bytes:
    return root + bytes([OPENED_BY.index(opened_by)]) + proved_at.to_bytes(8, "big")


def _seal_seat(keyring: Keyring, lock: bytes, seat: Seat) -> bytes:
    about = crypto.identity("vrm/1/seat", keyring.owner_id, lock)
    return keyring.seal("files", about, crypto.pad(orjson.dumps(seat._asdict())))


def _open_seat(keyring: Keyring, lock: bytes, params: bytes) -> Seat:
    about = crypto.identity("vrm/1/seat", keyring.owner_id, lock)
    return Seat(**orjson.loads(keyring.open("files", about, params)))


def _ends_at(vault: OpenVault, seat: Seat) -> int:
    """When a session that is used now ends by itself."""
    return _by(vault.server.now + choices.quiet(vault.settings), seat)


def _by(expires_at: int | None, seat: Seat) -> int:
    """After so many quiet minutes, and twelve hours after it began at the latest."""
    return min(expires_at or 0, seat.began_at + LONGEST_SESSION)


def _face_old_copy(server: Server, owner: bytes) -> None:
    """Notice an old copy before anything of it is shown."""
    if (revision_of(server, owner) or 0) < server.keystore.floor(owner):
        recover_old_copy(server, owner)


@evenly.refused
def open_session(server: Server, string: str, *, looking: bool = False) -> OpenVault:
    """The vault that a session's cookie opens. Raises Locked for whatever is wrong, and ends a session that ran out.

    It is used by that, and so goes on; not by just `looking` how long it has.
    """
    wanted = bearer.parse(string, "session", server.keys.route)
    if wanted is None:
        raise Locked
    with server.main.reading() as session:
        row = session.execute(
            select(Lock.expires_at, Lock.used_at, Lock.params, Lock.box).where(
                Lock.owner_id == wanted.owner_id, Lock.lock_id == wanted.lock_id, Lock.kind == "session"
            )
        ).first()
    pepper = server.keystore.pepper(wanted.owner_id, wanted.lock_id)
    if row is None or pepper is None:
        locks.open_nobodys("session", wanted.owner_id, wanted.lock_id, wanted.secret)
        raise Locked
    try:
        made = ("session", wanted.owner_id, wanted.lock_id, wanted.secret, pepper, row.params)
        payload = locks.open_lock(*made, row.box)
        with server.main.reading() as session:
            keyring = open_keyring(session, wanted.owner_id, payload[:32])
        seat = _open_seat(keyring, wanted.lock_id, row.params)
    except crypto.Damaged:
        raise Locked from None
    ends_at = _by(row.expires_at, seat)
    if server.now >= ends_at:
        end(server, wanted.owner_id, [wanted.lock_id])
        raise Locked
    times = {"proved_at": int.from_bytes(payload[33:], "big"), "ends_at": ends_at}
    vault = _open_vault(server, keyring, wanted.lock_id, OPENED_BY[payload[32]], **times)
    if looking or server.now < (row.used_at or 0) + MINUTE:
        return vault
    return _touch(vault, seat)


def _touch(vault: OpenVault, seat: Seat) -> OpenVault:
    """Note that a session is in use. On a full disk it runs out sooner, and she can still stop and lock."""
    mine = (Lock.owner_id == vault.owner_id, Lock.lock_id == vault.session_id)
    ends_at = _ends_at(vault, seat)
    with suppress(DiskFull):
        with vault.server.main.transaction() as session:
            session.execute(update(Lock).where(*mine).values(used_at=vault.server.now, expires_at=ends_at))
        return replace(vault, ends_at=ends_at)
    return vault


def choose_quiet(vault: OpenVault, minutes: int) -> None:
    """After so many minutes without a page her sessions end; those that are open now too."""
    with vault.server.main.transaction() as session:
        choices.change(session, vault, lambda settings: settings.update(quiet=minutes))
        hers = (Lock.owner_id == vault.owner_id, Lock.kind == "session", Lock.expires_at > vault.server.now)
        session.execute(update(Lock).where(*hers).values(expires_at=Lock.used_at + choices.quiet(vault.settings)))


def is_fresh(vault: OpenVault) -> bool:
    """Has she shown within the last minutes that it is she, not only that her browser is open?"""
    return abs(vault.server.now - vault.proved_at) < FRESH  # a clock that was set back shows nothing


def prove(vault: OpenVault, string: str) -> OpenVault:
    """She has just shown that it is she: note the moment inside this session's lock, where only its cookie reaches."""
    server, wanted = vault.server, bearer.parse(string, "session", vault.server.keys.route)
    pepper = server.keystore.pepper(vault.owner_id, vault.session_id)
    if wanted is None or wanted.lock_id != vault.session_id or pepper is None:
        raise Locked
    mine = (Lock.owner_id == vault.owner_id, Lock.lock_id == vault.session_id)
    payload = _payload(vault.keyring.root, vault.opened_by, server.now)
    with server.main.transaction() as session:
        params = session.execute(select(Lock.params).where(*mine)).scalar()
        if params is None:  # her keys were changed meanwhile, which ends every session but the one that did it
            raise Locked
        box = locks.make("session", vault.owner_id, vault.session_id, wanted.secret, pepper, params, payload)
        session.execute(update(Lock).where(*mine).values(box=box))
    return replace(vault, proved_at=server.now)


def living(vault: OpenVault) -> list[Session]:
    """Her sessions that still live; the latest first."""
    alive = vault.server.keystore.alive(vault.owner_id, "session")
    with vault.server.main.reading() as session:
        rows = session.execute(
            select(Lock.lock_id, Lock.used_at, Lock.expires_at, Lock.params)
            .where(Lock.owner_id == vault.owner_id, Lock.kind == "session", Lock.expires_at > vault.server.now)
            .order_by(Lock.used_at.desc(), Lock.lock_id)
        ).all()
    hers = [row for row in rows if row.lock_id in alive]
    seats = [(row, _seat_or_nothing(vault, row)) for row in hers]
    return [Session(row.lock_id, row.used_at or 0, _by(row.expires_at, seat), seat) for row, seat in seats]


def _seat_or_nothing(vault: OpenVault, row: Any) -> Seat:
    """A row that was tampered with opens nothing, but she must be able to end it."""
    try:
        return _open_seat(vault.keyring, row.lock_id, row.params)
    except crypto.Damaged:
        return Seat(row.used_at, "")


def end_others(vault: OpenVault) -> None:
    """End every session of hers but this one."""
    alive = vault.server.keystore.alive(vault.owner_id, "session")
    end(vault.server, vault.owner_id, [each for each in alive if each != vault.session_id])


def end(server: Server, owner: bytes, chosen: list[bytes]) -> None:
    """Lock: from the answer on these sessions open nothing."""
    if not chosen:
        return
    databases = (server.keystore.database, server.main)
    taking_away(databases, lambda: server.keystore.take(owner, *chosen))
    taking_away(databases, lambda: lock_rows.remove(server, owner, chosen))
    if lock_rows.living_of(server, owner, "session") is None:  # a pepper whose row never came is no session
        server.catalogues.put_away(server, owner)
