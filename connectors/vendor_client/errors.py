"""What can go wrong between a vendor and a vault: one small tree.

Every error carries a stable `code` for programs, one `sentence` for a person, and `answer`, the text with which
the vault refused (empty when it gave none). None of them ever carries a token, a key or a code.
"""

from __future__ import annotations


class SharingError(Exception):
    """Root of the tree; catch it to catch them all."""

    def __init__(self, code: str, sentence: str, *, answer: str = "") -> None:
        super().__init__(f"{sentence} ({code})")
        self.code = code
        self.sentence = sentence
        self.answer = answer


class NotAVault(SharingError):
    """The address is no vault's, or what stands there is not one we may speak to."""


class Unreachable(SharingError):
    """Nobody answered in time. Trying again may help."""


class NotUnderstood(SharingError):
    """The vault's answer has not the shape it must have, or is too large. Nothing of it was used."""


class WrongCallback(SharingError):
    """The browser came back with an answer that does not belong to what we asked. Nothing was exchanged."""


class Refused(SharingError):
    """The vault understood and said no."""


class Denied(Refused):
    """The owner said no on the consent screen. This is an answer, not a fault.

    `counter_offer` is what she would allow instead, as `authorization_details` in JSON; empty when she said nothing.
    """

    def __init__(self, code: str, sentence: str, *, counter_offer: str = "") -> None:
        super().__init__(code, sentence)
        self.counter_offer = counter_offer


class NoLongerShared(Refused):
    """It is over: stopped by the owner, run out, or never ours. Drop what was read; only a new consent helps."""


class Paused(Refused):
    """The owner has paused it. Keep the connection, ask again another day."""


class NotGranted(Refused):
    """The grant lives, but does not hold what was asked for."""


class TryLater(Refused):
    """Too many questions, or the vault cannot answer now. `seconds` says how long to wait, at least."""

    def __init__(self, code: str, sentence: str, *, seconds: int, answer: str = "") -> None:
        super().__init__(code, sentence, answer=answer)
        self.seconds = seconds
