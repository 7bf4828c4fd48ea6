"""The recovery code after set-up: trying it without changing anything, and a new one in place of the old."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete

from vault import choices, crypto, lock_rows, locks, mail, sessions
from vault.models import Lock

if TYPE_CHECKING:
    from vault.opened import OpenVault

Found = Literal["works", "slip", "other"]


def tried(vault: OpenVault, written: str) -> Found:
    """Does what she holds still open this vault? A slip of the pen is told from a code that opens something else.

    It is opened and compared, as at an unlock; nothing is written, not even that she tried.
    """
    code = locks.read_recovery_code(written)
    if code is None:
        return "slip"
    row = lock_rows.living_of(vault.server, vault.owner_id, "recovery")
    opened = lock_rows.open_with(vault.server, row, code) if row else None
    return "works" if opened is not None and crypto.same(opened.root, vault.keyring.root) else "other"


def renew(vault: OpenVault) -> None:
    """A new code; the old one opens nothing from the commit on, and no session that it may have opened lives on.

    As at set-up the new one stays in her sealed settings until she has shown that she holds it.
    """
    server, owner, code = vault.server, vault.owner_id, locks.new_recovery_code()
    written = locks.write_recovery_code(code)
    with server.main.transaction() as session:
        choices.change(session, vault, lambda settings: settings.update(recovery=written, renewed=True))
        session.execute(delete(Lock).where(Lock.owner_id == owner, Lock.kind == "recovery"))
        lock_rows.add(session, "recovery", owner, crypto.random_bytes(16), code, None, b"", vault.keyring.root)
        mail.queue_ways_changed(session, server, owner)
    server.main.checkpoint()  # the old lock needs no pepper, so its box must be gone from the files too
    sessions.end_others(vault)
