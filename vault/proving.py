"""Is it still her? A fresh passphrase before what cannot be taken back, also where a session is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault import attempts, deriving, lock_rows
from vault.errors import N_, WrongSecret

if TYPE_CHECKING:
    from vault.opened import OpenVault


def prove(vault: OpenVault, passphrase: str, *, address: str) -> None:
    """Pass if it is her present passphrase. Slowed down per address. Raises WrongSecret, TooManyTries, Busy."""
    server, owner = vault.server, vault.owner_id
    attempts.admit(server, address=address)
    row = lock_rows.living_of(server, owner, "passphrase")
    if row is None or lock_rows.open_with(server, row, deriving.stretch(passphrase, row.params)) is None:
        raise WrongSecret(N_("That is not your present passphrase."))
    attempts.forget(server, address=address)
