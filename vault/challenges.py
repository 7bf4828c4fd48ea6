"""Challenges: what a passkey signs, so that its answer counts here, for one purpose, for minutes, and once."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import orjson

from vault import attempts, crypto
from vault.errors import N_, WrongSecret

if TYPE_CHECKING:
    from vault.server import Server

Purpose = tuple[str, bytes]  # what it is good for, and in which session; no bytes where none is open yet
GOOD = 300  # seconds
NUMBER, BODY = 16, 24
NOT_THIS = N_("That passkey does not open this vault.")
TOO_LATE = N_("That took too long, or was used before. Try once more.")


def make(server: Server, purpose: Purpose, number: bytes) -> bytes:
    """16 random bytes, the second until which it is good, and a tag that says it was made here for this purpose."""
    body = number + (server.now + GOOD).to_bytes(8, "big")
    return body + _mark(server, purpose, body)


def spend(server: Server, said: dict[str, Any], purpose: Purpose) -> bytes:
    """Use up the challenge of an answer that was verified; returns its number. Raises WrongSecret."""
    challenge = in_answer(said)
    body, mark = challenge[:BODY], challenge[BODY:]
    until = int.from_bytes(body[NUMBER:], "big")
    good = crypto.same(_mark(server, purpose, body), mark) and server.now < until
    if not good or not attempts.once(server, "challenge", body.hex(), until=until):
        raise WrongSecret(TOO_LATE)
    return body[:NUMBER]


def in_answer(said: dict[str, Any]) -> bytes:
    """The challenge that an answer says it is to. Raises WrongSecret."""
    try:
        return to_bytes(orjson.loads(to_bytes(said["response"]["clientDataJSON"]))["challenge"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise WrongSecret(NOT_THIS) from None


def read(answer: str) -> dict[str, Any]:
    """What a browser sent back, as JSON. Raises WrongSecret."""
    try:
        said = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise WrongSecret(NOT_THIS) from None
    if not isinstance(said, dict):
        raise WrongSecret(NOT_THIS)
    return said


def to_text(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def to_bytes(text: str) -> bytes:
    """The other way. Raises WrongSecret."""
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, AttributeError):
        raise WrongSecret(NOT_THIS) from None


def _mark(server: Server, purpose: Purpose, body: bytes) -> bytes:
    return crypto.tag(server.keys.tag, "challenge", *purpose, body)[:16]
