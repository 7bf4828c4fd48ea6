"""Locks: a wrapped copy of a key which one credential opens. One pair, `make` and `open_lock`, for every kind.

    KEK = HKDF-SHA256(ikm = secret, salt = pepper, info = id("vrm/1/kek", kind, owner, lock))

The secret is what Argon2id made of a passphrase, what a passkey gives (WebAuthn PRF), the secret of a bearer string, or
a recovery code. The pepper lies in the keystore; only the recovery code does without, because it must work when the
keystore is lost. Opening the box *is* the verification: there is no hash to compare.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import cache

from vault import crypto

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LOOKALIKES = str.maketrans("OIL", "011")
CODE_SECRET, CODE_CHECK = 20, 5  # 160 random bits, 40 bits that catch a slip of the pen
GROUPS, GROUP = 8, 5


def make(
    kind: str, owner: bytes, lock: bytes, secret: bytes, pepper: bytes | None, params: bytes, payload: bytes
) -> bytes:
    """The box of a new lock. `payload` is the key it wraps, or what else only this credential may learn."""
    return crypto.seal(_kek(kind, owner, lock, secret, pepper), _about(kind, owner, lock, params), payload)


def open_lock(
    kind: str, owner: bytes, lock: bytes, secret: bytes, pepper: bytes | None, params: bytes, box: bytes | None
) -> bytes:
    """The payload, if the credential is right. Raises crypto.Damaged, and only that."""
    return crypto.open_box(_kek(kind, owner, lock, secret, pepper), _about(kind, owner, lock, params), box)


def open_nobodys(kind: str, owner: bytes, lock: bytes, secret: bytes) -> None:
    """What a wrong secret costs where there is a lock, for one that there is not: no clock tells which there are."""
    with suppress(crypto.Damaged):
        open_lock(kind, owner, lock, secret, bytes(crypto.KEY_LENGTH), b"", _nobodys())


@cache
def _nobodys() -> bytes:
    """The box of a lock whose key nobody kept."""
    return crypto.seal(crypto.random_bytes(), b"", crypto.random_bytes())


def _kek(kind: str, owner: bytes, lock: bytes, secret: bytes, pepper: bytes | None) -> bytes:
    return crypto.derive(secret, pepper, crypto.identity("vrm/1/kek", kind, owner, lock))


def _about(kind: str, owner: bytes, lock: bytes, params: bytes) -> bytes:
    return crypto.identity("vrm/1/lock", kind, owner, lock, params)


def passphrase_params(cost: crypto.Cost) -> bytes:
    """Cost and a fresh salt, as stored beside a passphrase's lock."""
    return cost.to_bytes() + crypto.random_bytes(16)


def passphrase_secret(passphrase: str, params: bytes) -> bytes:
    """What Argon2id makes of a passphrase. Takes about half a second; call it outside every transaction."""
    if len(params) != 28:
        raise crypto.Damaged
    return crypto.stretch(passphrase, params[12:], crypto.Cost.from_bytes(params[:12]))


def passkey_params(credential: bytes, public_key: bytes) -> bytes:
    """Credential id and public key (COSE, RFC 9052 §7), as stored beside a passkey's lock and bound to it."""
    return len(credential).to_bytes(2, "big") + credential + public_key


def read_passkey_params(params: bytes) -> tuple[bytes, bytes]:
    """The other way."""
    end = 2 + int.from_bytes(params[:2], "big")
    return params[2:end], params[end:]


def new_recovery_code() -> bytes:
    """160 random bits."""
    return crypto.random_bytes(CODE_SECRET)


def write_recovery_code(secret: bytes) -> str:
    """Eight groups of five letters and digits; the last eight characters check the rest."""
    number = int.from_bytes(secret + _check(secret), "big")
    letters = "".join(CROCKFORD[number >> shift & 31] for shift in range(195, -1, -5))
    return "-".join(letters[at : at + GROUP] for at in range(0, GROUPS * GROUP, GROUP))


def read_recovery_code(written: str) -> bytes | None:
    """What was printed, however it was typed: spaces, capitals and O for 0 do not matter. None if it cannot be one."""
    letters = re.sub(r"[\s\-–—.]", "", written).upper().translate(LOOKALIKES)
    if len(letters) != GROUPS * GROUP or set(letters) - set(CROCKFORD):
        return None
    number = 0
    for letter in letters:
        number = number << 5 | CROCKFORD.index(letter)
    raw = number.to_bytes(CODE_SECRET + CODE_CHECK, "big")
    secret = raw[:CODE_SECRET]
    return secret if crypto.same(_check(secret), raw[CODE_SECRET:]) else None


def _check(secret: bytes) -> bytes:
    return hashlib.sha256(crypto.identity("vrm/1/recovery check", secret)).digest()[:CODE_CHECK]
