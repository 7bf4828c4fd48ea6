"""Setting up, unlocking, locking, and changing how the vault is unlocked.

Order everywhere: what is slow (Argon2id), keystore calls that make, one transaction, keystore calls that take, answer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from vault import attempts, bearer, crypto, locks
from vault.db import taking_away
from vault.errors import N_, Busy, Closed, DiskFull, Invalid, Locked, WrongSecret
from vault.jobs import enqueue, finish
from vault.keyring import Keyring, new_keys, open_keyring
from vault.mail import seal_notice
from vault.models import Handle, Instance, Lock, Owner
from vault.opened import OpenVault, open_settings, seal_settings
from vault.turn import recover_old_copy, revision_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from vault.server import Server

IDLE, LONGEST_SESSION, MINUTE = 15 * 60, 12 * 3600, 60
OPENED_BY = ("passphrase", "recovery", "command")
_deriving = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))


@cache
def local_cost() -> crypto.Cost:
    """The cost at which this machine takes about half a second, never below the floor. Measured once per process."""
    began = time.perf_counter()
    crypto.stretch("calibration", b"\0" * 16, crypto.FLOOR)
    taken = time.perf_counter() - began
    rungs = [rung for rung in crypto.LADDER if taken * rung.memory / crypto.FLOOR.memory <= 0.5]
    return rungs[-1] if rungs else crypto.FLOOR


@contextmanager
def _turn_to_derive() -> Iterator[None]:
    """At most half the cores derive at a time; others wait three seconds."""
    if not _deriving.acquire(timeout=3):
        raise Busy
    try:
        yield
    finally:
        _deriving.release()


def _stretch(passphrase: str, params: bytes) -> bytes:
    with _turn_to_derive():
        return locks.passphrase_secret(passphrase, params)


def set_up_address(server: Server) -> str | None:
    """The path of the one-time page where the first vault is set up; None once it has been."""
    with server.main.reading() as session:
        instance = session.execute(select(Instance.id, Instance.claimed)).one()
    return None if instance.claimed else f"/setup/{crypto.tag(server.keys.tag, 'set-up', instance.id)[:20].hex()}"


def set_up(server: Server, *, handle: str, name: str, passphrase: str, notice: str | None, first: bool) -> Keyring:
    """A new vault with two ways to unlock: passphrase and recovery code. `first` claims the one-time address.

    The code stays in her sealed settings until she has shown that she has it. Raises Invalid, Closed.
    """
    owner, root = crypto.random_bytes(16), crypto.random_bytes()
    passphrase_lock, code = crypto.random_bytes(16), locks.new_recovery_code()
    params = locks.passphrase_params(local_cost())
    secret = _stretch(passphrase, params)
    pepper = server.keystore.make(owner, passphrase_lock, "lock")
    server.keystore.welcome(owner)
    keys = new_keys(owner, root)
    keyring = Keyring(owner, root, _opened(owner, root, keys))
    settings = {"name": name, "handle": handle, "recovery": locks.write_recovery_code(code)}
    with server.main.transaction() as session:
        _claim(session, server, handle, owner, first=first)
        session.execute(
            insert(Owner).values(
                owner_id=owner,
                notice_box=seal_notice(server, owner, notice),
                settings_box=seal_settings(keyring, settings),
            )
        )
        session.add_all(keys)
        _add_lock(session, "passphrase", owner, passphrase_lock, secret, pepper, params, root)
        _add_lock(session, "recovery", owner, crypto.random_bytes(16), code, None, b"", root)
    return keyring


def _opened(owner: bytes, root: bytes, keys: list[Any]) -> dict[str, tuple[int, bytes]]:
    from vault.keyring import about_key

    return {
        key.purpose: (key.key_id, crypto.open_box(root, about_key(owner, key.key_id, key.purpose), key.box))
        for key in keys
    }


def _claim(session: Session, server: Server, handle: str, owner: bytes, *, first: bool) -> None:
    tag = _handle_tag(server, handle)
    if session.get(Handle, tag) is not None:
        raise Invalid({"handle": [N_("There is a vault of this name already.")]})
    session.execute(insert(Handle).values(tag=tag, owner_id=owner))
    claimed = session.execute(update(Instance).where(Instance.claimed.is_(False)).values(claimed=True))
    if first and claimed.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has a row count
        raise Closed


def _add_lock(
    session: Session,
    kind: str,
    owner: bytes,
    lock: bytes,
    secret: bytes,
    pepper: bytes | None,
    params: bytes,
    payload: bytes,
    *,
    expires_at: int | None = None,
    used_at: int | None = None,
) -> None:
    box = locks.make(kind, owner, lock, secret, pepper, params, payload)
    row = {"owner_id": owner, "lock_id": lock, "kind": kind, "params": params, "box": box}
    session.execute(insert(Lock).values(**row, expires_at=expires_at, used_at=used_at))


def only_owner(server: Server) -> bool:
    """Is there just one vault here, so that nobody has to say its name?"""
    with server.main.reading() as session:
        return len(session.scalars(select(Handle.owner_id).order_by(Handle.tag).limit(2)).all()) == 1


def find_owner(server: Server, handle: str) -> bytes | None:
    """Whose vault is meant: by name, or the only one there is."""
    with server.main.reading() as session:
        owners = session.scalars(select(Handle.owner_id).order_by(Handle.tag).limit(2)).all()
        if len(owners) == 1 and not handle:
            return owners[0]
        found = session.get(Handle, _handle_tag(server, handle))
    return found.owner_id if found else None


def _handle_tag(server: Server, handle: str) -> bytes:
    return crypto.tag(server.keys.tag, "handle", handle.strip().casefold())


def with_passphrase(server: Server, handle: str, passphrase: str, *, address: str) -> Keyring:
    """Open a vault by passphrase. Unknown names cost the same as known ones. Raises WrongSecret, TooManyTries, Busy."""
    attempts.admit(server, address=address, handle=handle.strip().casefold())
    owner = find_owner(server, handle)
    row = _lock_row(server, owner, "passphrase") if owner else None
    params = row.params if row else locks.passphrase_params(local_cost())
    secret = _stretch(passphrase, params)
    keyring = _open_with(server, row, secret) if row else None
    if keyring is None:
        raise WrongSecret
    attempts.forget(server, address=address, handle=handle.strip().casefold())
    return keyring


def with_recovery_code(server: Server, handle: str, written: str) -> Keyring:
    """Open a vault by the printed code. Needs no keystore. Raises WrongSecret."""
    code, owner = locks.read_recovery_code(written), find_owner(server, handle)
    row = _lock_row(server, owner, "recovery") if owner and code else None
    keyring = _open_with(server, row, code) if row and code else None
    if keyring is None:
        raise WrongSecret
    return keyring


def _lock_row(server: Server, owner: bytes, kind: str) -> Any:
    """Her living lock of a kind."""
    return _living(server, _lock_rows(server, owner, kind))


def _lock_rows(server: Server, owner: bytes, kind: str) -> Sequence[Any]:
    with server.main.reading() as session:
        return session.execute(
            select(Lock.owner_id, Lock.lock_id, Lock.kind, Lock.params, Lock.box)
            .where(Lock.owner_id == owner, Lock.kind == kind)
            .order_by(Lock.lock_id)
        ).all()


def _living(server: Server, rows: Sequence[Any]) -> Any:
    """The lock that opens. While a passphrase is being replaced there may be two; the dead one has no pepper."""
    alive = [row for row in rows if row.kind == "recovery" or server.keystore.pepper(row.owner_id, row.lock_id)]
    return alive[0] if alive else None


def _open_with(server: Server, row: Any, secret: bytes) -> Keyring | None:
    pepper = server.keystore.pepper(row.owner_id, row.lock_id)
    if pepper is None and row.kind != "recovery":
        return None
    try:
        root = locks.open_lock(row.kind, row.owner_id, row.lock_id, secret, pepper, row.params, row.box)
        with server.main.reading() as session:
            keyring = open_keyring(session, row.owner_id, root)
    except crypto.Damaged:
        return None
    return replace(keyring, lock_id=row.lock_id if pepper else b"")


def begin_session(server: Server, keyring: Keyring, opened_by: str = "passphrase") -> tuple[str, OpenVault]:
    """A session is a lock; the string returned is for the browser's cookie. Runs what waits for an unlock."""
    owner, lock = keyring.owner_id, crypto.random_bytes(16)
    pepper = server.keystore.make(owner, lock, "session")
    string = bearer.mint("session", owner, lock)
    payload = keyring.root + bytes([OPENED_BY.index(opened_by)])
    with server.main.transaction() as session:
        times = {"expires_at": server.now + LONGEST_SESSION, "used_at": server.now}
        _add_lock(session, "session", owner, lock, string.secret, pepper, b"", payload, **times)
    if keyring.lock_id and server.keystore.pepper(owner, keyring.lock_id) is None:
        # The passphrase was changed meanwhile, and that may have looked for sessions before this one was there.
        end_sessions(server, owner, [lock])
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
        end_sessions(server, wanted.owner_id, [wanted.lock_id])
        raise Locked
    if server.now >= row.used_at + MINUTE:
        _touch(server, wanted.owner_id, wanted.lock_id)
    return _open_vault(server, keyring, wanted.lock_id, OPENED_BY[payload[32]])


def _touch(server: Server, owner: bytes, lock: bytes) -> None:
    """Note that a session is in use. On a full disk it runs out sooner, and she can still stop and lock."""
    mine = (Lock.owner_id == owner, Lock.lock_id == lock)
    with suppress(DiskFull), server.main.transaction() as session:
        session.execute(update(Lock).where(*mine).values(used_at=server.now))


def sessions(vault: OpenVault) -> list[Any]:
    """Her sessions that still live: lock_id, used_at, expires_at; the latest first."""
    alive = vault.server.keystore.alive(vault.owner_id, "session")
    with vault.server.main.reading() as session:
        rows = session.execute(
            select(Lock.lock_id, Lock.used_at, Lock.expires_at)
            .where(Lock.owner_id == vault.owner_id, Lock.kind == "session", Lock.used_at > vault.server.now - IDLE)
            .order_by(Lock.used_at.desc(), Lock.lock_id)
        ).all()
    return [row for row in rows if row.lock_id in alive]


def end_sessions(server: Server, owner: bytes, chosen: list[bytes]) -> None:
    """Lock: from the answer on these sessions open nothing."""
    if not chosen:
        return
    databases = (server.keystore.database, server.main)
    taking_away(databases, lambda: server.keystore.take(owner, *chosen))
    taking_away(databases, lambda: _remove_locks(server, owner, chosen))
    if not server.keystore.alive(owner, "session"):
        server.catalogues.put_away(server, owner)


def _remove_locks(server: Server, owner: bytes, chosen: list[bytes]) -> None:
    with server.main.transaction() as session:
        session.execute(delete(Lock).where(Lock.owner_id == owner, Lock.lock_id.in_(chosen)))


def change_passphrase(vault: OpenVault, old: str | None, new: str, *, address: str) -> None:
    """Replace her passphrase; every other session ends. `old` may be None only after unlocking by recovery code.

    The new lock is made first, with jobs that unmake every earlier one, so that a crash leaves her with a way in. Of
    two changes at once the first is made and the other refused: two living passphrases would outlast each other.
    """
    server, owner = vault.server, vault.owner_id
    known = _lock_rows(server, owner, "passphrase")
    before = _living(server, known)
    if vault.opened_by != "recovery":
        attempts.admit(server, address=address)
        if before is None or _open_with(server, before, _stretch(old or "", before.params)) is None:
            raise WrongSecret(N_("That is not your present passphrase."))
        attempts.forget(server, address=address)
    params, lock = locks.passphrase_params(local_cost()), crypto.random_bytes(16)
    secret = _stretch(new, params)
    pepper = server.keystore.make(owner, lock, "lock")
    with server.main.transaction() as session:
        _none_newer(session, owner, known)
        _add_lock(session, "passphrase", owner, lock, secret, pepper, params, vault.keyring.root)
        earlier = [{"lock": row.lock_id.hex()} for row in known]
        jobs = [enqueue(session, server, owner, "unmake_lock", each) for each in earlier]
    for each, job in zip(earlier, jobs, strict=True):
        unmake_lock(server, owner, each)
        with server.main.transaction() as session:
            finish(session, owner, job)
    end_sessions(server, owner, [each for each in server.keystore.alive(owner, "session") if each != vault.session_id])


def _none_newer(session: Session, owner: bytes, known: Sequence[Any]) -> None:
    """Take her row, so that changes of the passphrase follow one another; refuse when another came first."""
    session.execute(update(Owner).where(Owner.owner_id == owner).values(lost=Owner.lost))
    present = session.scalars(select(Lock.lock_id).where(Lock.owner_id == owner, Lock.kind == "passphrase")).all()
    if set(present) - {row.lock_id for row in known}:
        raise WrongSecret(N_("That is not your present passphrase."))


def unmake_lock(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """Take a lock's pepper, then its row. Also the job that finishes what a crash interrupted."""
    lock = bytes.fromhex(payload["lock"])
    server.keystore.take(owner, lock)
    _remove_locks(server, owner, [lock])


def confirm_recovery_code(vault: OpenVault, groups: Mapping[int, str]) -> bool:
    """She has shown that she holds the code: two of its groups, or all. Then the copy in her settings is removed."""
    code = str(vault.settings.get("recovery", ""))
    expected = code.split("-")
    given = {at: locks_group(text) for at, text in groups.items()}
    if not code or len(given) < 2 or any(expected[at] != text for at, text in given.items()):
        return False
    write_settings(vault, {name: value for name, value in vault.settings.items() if name != "recovery"})
    return True


def locks_group(typed: str) -> str:
    """One group of the code as it is printed, however it was typed."""
    return "".join(typed.split()).upper().translate(locks.LOOKALIKES)


def write_settings(vault: OpenVault, settings: dict[str, Any]) -> None:
    """Replace her settings box."""
    box = seal_settings(vault.keyring, settings)
    with vault.server.main.transaction() as session:
        session.execute(update(Owner).where(Owner.owner_id == vault.owner_id).values(settings_box=box))
    vault.settings.clear()
    vault.settings.update(settings)


def sweep_locks(server: Server) -> None:
    """The worker's part: rows of locks whose pepper is gone, or whose session ran out, are removed."""
    with server.main.reading() as session:
        rows = session.execute(
            select(Lock.owner_id, Lock.lock_id, Lock.expires_at)
            .where(Lock.kind != "recovery")
            .order_by(Lock.owner_id, Lock.lock_id)
        ).all()
    for owner, lock, expires_at in rows:
        if (expires_at is not None and expires_at <= server.now) or server.keystore.pepper(owner, lock) is None:
            unmake_lock(server, owner, {"lock": lock.hex()})
