"""Errors have three voices: a stable code, a sentence for the person, a detail for the log.

Secrets and record values enter none of them. `N_` marks a sentence for translation; pages translate it when shown.
"""

from __future__ import annotations

from datetime import timedelta


def N_(message: str) -> str:  # noqa: N802 - the name that message extraction knows
    """Mark a message for translation without translating it here."""
    return message


class VaultError(Exception):
    """Something the person or the caller can be told."""

    code = "failed"
    status = 400
    sentence = N_("That did not work.")

    def __init__(self, sentence: str | None = None, *, detail: str = "") -> None:
        super().__init__(sentence or self.sentence)
        self.sentence = sentence or self.sentence
        self.detail = detail


class Invalid(VaultError):
    """Input that breaks a rule; `fields` maps a field's name to the sentences about it."""

    code, status = "invalid", 422
    sentence = N_("Some of this needs another look.")

    def __init__(self, fields: dict[str, list[str]]) -> None:
        super().__init__(detail=", ".join(sorted(fields)))
        self.fields = fields


class NotFound(VaultError):
    """There is no such thing, or not for whoever asks; the two look the same."""

    code, status = "not_found", 404
    sentence = N_("There is nothing here.")


class Locked(VaultError):
    """The vault has to be unlocked first."""

    code, status = "locked", 401
    sentence = N_("The vault is locked.")


class WrongSecret(VaultError):
    """A passphrase or recovery code that opens nothing; also the answer for unknown vaults."""

    code, status = "wrong_secret", 403
    sentence = N_("That did not open the vault.")


class TooManyTries(VaultError):
    """Guessing is slowed down."""

    code, status = "too_many_tries", 429
    sentence = N_("Too many tries. Wait a little, then try again.")

    def __init__(self, wait: timedelta) -> None:
        super().__init__()
        self.wait = wait


class Busy(VaultError):
    """The machine is doing as much as it safely can."""

    code, status = "busy", 503
    sentence = N_("The vault is busy just now. Try again in a moment.")


class Contended(Busy):
    """Two transactions wanted the same rows, and this one gave way: nothing of it is left, so it may be done again."""


class Unreachable(Busy):
    """A database does not answer. What was being written when its connection was lost may have been written."""

    code = "unreachable"
    sentence = N_("The vault’s database does not answer just now.")


class DiskFull(VaultError):
    """There is no room to write. What takes away gives up the ballast file first, and so still works."""

    code, status = "disk_full", 507
    sentence = N_("The disk is full, so nothing was changed. Stopping, pausing and locking still work.")


class Unsafe(VaultError):
    """The server refuses to start, or to go on, in a state that would break a promise."""

    code, status = "unsafe", 500
    sentence = N_("The server is not set up safely.")


class Closed(VaultError):
    """Setting up another vault is not open here."""

    code, status = "closed", 403
    sentence = N_("New vaults cannot be set up here.")
