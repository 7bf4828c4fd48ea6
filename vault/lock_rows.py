"""The rows of locks: adding, opening, and unmaking them. Unmake: the pepper first, then the row."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, insert, select

from vault import attempts, crypto, deriving, locks
from vault.keyring import Keyring, open_keyring
from vault.logs import apart
from vault.models import Lock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from vault.server import Server


def add(
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


def living_of(server: Server, owner: bytes, kind: str) -> Any:
    """Her living lock of a kind."""
    return living(server, of_kind(server, owner, kind))


class Nobodys(NamedTuple):
    """A lock that there is not, with all that is asked of one."""

    owner_id: bytes
    lock_id: bytes
    kind: str
    params: bytes


def living_or_nobodys(server: Server, owner: bytes | None, kind: str, *, beside: bytes | None) -> Any:
    """Her living lock of a kind, found and opened by the same steps whether or not there is one: names are not told.

    What a passphrase costs was measured when it was set, perhaps on another machine. So a guess at nobody's costs as
    much as at that of an owner `beside` it; what this machine would take now tells who is there.
    """
    params = locks.passphrase_params(_cost_of(server, beside))
    nobodys = Nobodys(crypto.random_bytes(16), crypto.random_bytes(16), kind, params)
    rows = of_kind(server, owner or nobodys.owner_id, kind)
    return living(server, rows or [nobodys]) or nobodys


def _cost_of(server: Server, owner: bytes | None) -> crypto.Cost:
    for row in of_kind(server, owner, "passphrase") if owner else ():
        with suppress(crypto.Damaged):
            return crypto.Cost.from_bytes(row.params[:12])
    return deriving.local_cost()


def of_kind(server: Server, owner: bytes, *kinds: str) -> Sequence[Lock]:
    chosen = select(Lock).where(Lock.owner_id == owner, Lock.kind.in_(kinds)).order_by(Lock.lock_id)
    with server.main.reading() as session:
        return session.scalars(chosen).all()


def living(server: Server, rows: Sequence[Any]) -> Any:
    """The lock that opens. While a passphrase is being replaced there may be two; the dead one has no pepper."""
    return next(iter(all_living(server, rows)), None)


def all_living(server: Server, rows: Sequence[Any]) -> list[Any]:
    return [row for row in rows if row.kind == "recovery" or server.keystore.pepper(row.owner_id, row.lock_id)]


def open_with(server: Server, row: Any, secret: bytes) -> Keyring | None:
    pepper = server.keystore.pepper(row.owner_id, row.lock_id)
    if isinstance(row, Nobodys) or (pepper is None and row.kind != "recovery"):
        locks.open_nobodys(row.kind, row.owner_id, row.lock_id, secret)
        return None
    try:
        root = locks.open_lock(row.kind, row.owner_id, row.lock_id, secret, pepper, row.params, row.box)
        with server.main.reading() as session:
            keyring = open_keyring(session, row.owner_id, root)
    except crypto.Damaged:
        return None
    return replace(keyring, lock_id=row.lock_id)


def lives(server: Server, owner: bytes, lock: bytes) -> bool:
    """Does it open still? A recovery code's dies with its row, every other one with its pepper."""
    with server.main.reading() as session:
        mine = (Lock.owner_id == owner, Lock.lock_id == lock)
        kind = session.scalar(select(Lock.kind).where(*mine))
    return kind is not None and (kind == "recovery" or server.keystore.pepper(owner, lock) is not None)


def remove(server: Server, owner: bytes, chosen: list[bytes]) -> None:
    with server.main.transaction() as session:
        session.execute(delete(Lock).where(Lock.owner_id == owner, Lock.lock_id.in_(chosen)))


def unmake_lock(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """Take a lock's pepper, then its row. Also the job that finishes what a crash interrupted."""
    lock = bytes.fromhex(payload["lock"])
    server.keystore.take(owner, lock)
    remove(server, owner, [lock])


def sweep_locks(server: Server) -> None:
    """The worker's part: rows of locks whose pepper is gone, or whose session ran out, are removed.

    What is a session the keystore says: an end that was written beside a passphrase takes no pepper away.
    """
    chosen = select(Lock.owner_id, Lock.lock_id, Lock.expires_at).where(Lock.kind != "recovery")
    with server.main.reading() as session:
        rows = session.execute(chosen.order_by(Lock.owner_id)).all()
    sessions_of = lru_cache(maxsize=1)(partial(server.keystore.alive, kind="session"))
    for owner, lock, expires_at in rows:
        with apart("sweep_failed"):
            over = expires_at is not None and expires_at <= server.now
            if server.keystore.pepper(owner, lock) is None or (over and lock in sessions_of(owner)):
                unmake_lock(server, owner, {"lock": lock.hex()})
    attempts.sweep(server)
