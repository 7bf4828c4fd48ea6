"""Unlocking by passphrase or recovery code, and changing the passphrase.

Order everywhere: what is slow (Argon2id), keystore calls that make, one transaction, keystore calls that take, answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from vault import attempts, crypto, deriving, evenly, guessing, handles, lock_rows, locks, mail, sessions
from vault.errors import N_, WrongSecret
from vault.jobs import enqueue, finish
from vault.keyring import Keyring, hold
from vault.models import Lock
from vault.opened import OpenVault

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from vault.server import Server


def with_passphrase(server: Server, handle: str, passphrase: str, *, address: str) -> Keyring:
    """Open a vault by passphrase. Unknown names cost the same as known ones. Raises WrongSecret, TooManyTries, Busy."""
    name = handles.meant(handle)
    attempts.admit(server, address=address, handle=name)
    try:
        keyring = _opened(server, handle, passphrase)
    except WrongSecret:
        guessing.note(server, name)
        raise
    attempts.forget(server, address=address, handle=name)
    return keyring


@evenly.refused
def _opened(server: Server, handle: str, passphrase: str) -> Keyring:
    began = time.monotonic()
    row = _lock_of(server, handle, "passphrase")
    evenly.wait(began)
    keyring = lock_rows.open_with(server, row, deriving.stretch(passphrase, row.params))
    if keyring is None:
        raise WrongSecret
    return keyring


@evenly.refused
def with_recovery_code(server: Server, handle: str, written: str) -> Keyring:
    """Open a vault by the printed code, which needs no pepper; no old copy of a deleted vault. Raises WrongSecret."""
    code = locks.read_recovery_code(written)
    row = _lock_of(server, handle, "recovery")
    gone = server.keystore.leaves_on(row.owner_id) == 0
    keyring = lock_rows.open_with(server, row, code) if code else None
    if keyring is None or gone:
        raise WrongSecret
    return keyring


def _lock_of(server: Server, handle: str, kind: str) -> Any:
    """The living lock of whoever is meant, or nobody's, found by the same steps."""
    owner, beside = handles.find_owner(server, handle), handles.beside(server, handle)
    return lock_rows.living_or_nobodys(server, owner, kind, beside=beside)


class Stretched(NamedTuple):
    """A passphrase that opened: the params of its lock, the secret, and which locks of the kind there were by then."""

    params: bytes
    secret: bytes
    known: frozenset[bytes]

    def __repr__(self) -> str:
        return f"Stretched({len(self.known)})"


def confirm_passphrase(vault: OpenVault, typed: str, *, address: str) -> None:
    """She shows that it is she, while the vault is open. Raises WrongSecret, TooManyTries, Busy."""
    stretched(vault, typed, address=address)


def stretched(vault: OpenVault, typed: str, *, address: str) -> Stretched:
    """What Argon2id made of her passphrase, once it has opened its lock. Raises as above."""
    server, who = vault.server, {"address": address, "session": vault.session_id.hex()}
    attempts.admit(server, **who)
    rows = lock_rows.of_kind(server, vault.owner_id, "passphrase")
    row = lock_rows.living(server, rows)
    secret = deriving.stretch(typed, row.params) if row else b""
    if row is None or lock_rows.open_with(server, row, secret) is None:
        raise WrongSecret(N_("That is not your present passphrase."))
    attempts.forget(server, **who)
    return Stretched(row.params, secret, frozenset(each.lock_id for each in rows))


def change_passphrase(vault: OpenVault, old: str | None, new: str, *, address: str) -> None:
    """Replace her passphrase; every other session ends. `old` may be None only after unlocking by recovery code.

    The new lock is made first, with jobs that unmake every earlier one, so that a crash leaves her with a way in. Of
    two changes at once the first is made and the other refused: two living passphrases would outlast each other.
    """
    server, owner = vault.server, vault.owner_id
    known = lock_rows.of_kind(server, owner, "passphrase")
    if vault.opened_by != "recovery":
        confirm_passphrase(vault, old or "", address=address)
    params, lock = locks.passphrase_params(deriving.local_cost()), crypto.random_bytes(16)
    secret = deriving.stretch(new, params)
    pepper = server.keystore.make(owner, lock, "lock")
    with server.main.transaction() as session:
        hold(session, vault.keyring)
        none_newer(session, owner, {row.lock_id for row in known})
        lock_rows.add(session, "passphrase", owner, lock, secret, pepper, params, vault.keyring.root)
        mail.queue_ways_changed(session, server, owner)
        earlier = [{"lock": row.lock_id.hex()} for row in known]
        jobs = [enqueue(session, server, owner, "unmake_lock", each) for each in earlier]
    for each, job in zip(earlier, jobs, strict=True):
        lock_rows.unmake_lock(server, owner, each)
        with server.main.transaction() as session:
            finish(session, owner, job)
    sessions.end_others(vault)


def none_newer(session: Session, owner: bytes, known: Collection[bytes]) -> None:
    """While her row is held, so that changes of the passphrase follow one another: refuse when another came first."""
    present = session.scalars(select(Lock.lock_id).where(Lock.owner_id == owner, Lock.kind == "passphrase")).all()
    if set(present) - set(known):
        raise WrongSecret(N_("That is not your present passphrase."))
