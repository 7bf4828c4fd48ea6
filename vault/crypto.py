"""All cryptography of the product: bytes in, bytes out.

This module alone imports `cryptography`. The rest of the program speaks of boxes, keys and locks.
The bytes are specified in docs/format.md; known answers stand in tests/vectors.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_LENGTH = 32
PRECIOUS, ROW, LEFT = b"\x01", b"\x02", b"\x03"  # the suites; the kind of a box decides, nothing is negotiated
HEADER = 5  # suite byte and key id
NONCE, TAG = 12, 16
SALT, COMMITMENT, CHUNK = 24, 32, 16_384  # of suite 0x01
SMALLEST_BUCKET = 64
_LENGTH, _WHOLE = struct.Struct(">I").pack, struct.Struct(">IQ").pack


class Damaged(Exception):
    """A box did not open. There is one failure for every reason, so that nobody learns which it was."""

    def __init__(self) -> None:
        super().__init__("a box does not open")


def random_bytes(length: int = KEY_LENGTH) -> bytes:
    """Bytes from the operating system's generator."""
    return os.urandom(length)


def identity(kind: str, *parts: bytes | int | str) -> bytes:
    """An injective encoding of what a box is: each part with its length in front, integers as 8 bytes big-endian.

    Raises Damaged for what no box was ever sealed as, such as a number below zero that somebody wrote into a row.
    """
    try:
        return b"".join((_of_kind(kind), *map(_encoded, parts)))
    except (struct.error, AttributeError):
        raise Damaged from None


def _encoded(part: bytes | int | str) -> bytes:
    if type(part) is int:
        return _WHOLE(8, part)
    raw = part if type(part) is bytes else part.encode()  # type: ignore[union-attr]  # an int was taken above
    return _LENGTH(len(raw)) + raw


@cache
def _of_kind(kind: str) -> bytes:
    """The first part of an identity: there are some thirty kinds, all of them named in the code."""
    raw = kind.encode()
    return _LENGTH(len(raw)) + raw


def seal(key: bytes, about: bytes, plaintext: bytes, *, key_id: int = 0) -> bytes:
    """Seal what is few and precious (locks, keys, terms, files) in suite 0x01, Cobblestone-256 (C2SP).

    The recipe draws its own salt and commits to the key; `about` is its context, so a box moved elsewhere
    does not open. Safe for 2**55 boxes under one key.
    """
    header = PRECIOUS + key_id.to_bytes(4, "big")
    sealing = Cobblestone256Encryptor(key, header + about)
    return header + sealing.update(plaintext) + sealing.finalize()


def open_box(key: bytes, about: bytes, box: bytes | None) -> bytes:
    """Open a box of suite 0x01. Raises Damaged, and only that; nothing is released before the last chunk verified."""
    if not box or box[:1] != PRECIOUS:
        raise Damaged
    opening = Cobblestone256Decryptor(key, box[:HEADER] + about)
    try:
        return opening.update(box[HEADER:]) + opening.finalize()
    except InvalidTag:
        raise Damaged from None


def sealed_length(length: int) -> int:
    """The bytes of a box of suite 0x01 around a text of so many bytes: its chunks, of which the last is never full."""
    return HEADER + SALT + COMMITMENT + length + TAG * (length // CHUNK + 1)


def opened_length(length: int) -> int:
    """The other way. Raises Damaged where no text has a box of so many bytes."""
    rest = length - HEADER - SALT - COMMITMENT
    opened = rest - TAG * (rest // (CHUNK + TAG) + 1)
    if opened < 0 or sealed_length(opened) != length:
        raise Damaged
    return opened


def key_id_of(box: bytes) -> int:
    """The id of the key that seals a box."""
    return int.from_bytes(box[1:HEADER], "big")


class RowKey:
    """Seals and opens rows (records, disclosures, accesses) in suite 0x02: AES-256-GCM with a random nonce.

    The key itself came out of a committing box. One key must seal fewer than 2**32 rows; rotation turns it over
    long before that. Making one costs an HKDF, so make it once per page, not once per row.
    """

    __slots__ = ("_cipher", "_header")

    def __init__(self, key: bytes, *, key_id: int = 0) -> None:
        self._cipher = AESGCM(derive(key, None, b"rows"))
        self._header = ROW + key_id.to_bytes(4, "big")

    def seal(self, about: bytes, plaintext: bytes) -> bytes:
        """Seal one row; `about` is bound to it."""
        nonce = os.urandom(NONCE)
        return self._header + nonce + self._cipher.encrypt(nonce, plaintext, self._header + about)

    def open(self, about: bytes, box: bytes | None) -> bytes:
        """Open one row. Raises Damaged, and only that."""
        if box is None or box[:HEADER] != self._header:
            raise Damaged
        try:
            return self._cipher.decrypt(box[HEADER : HEADER + NONCE], box[HEADER + NONCE :], self._header + about)
        except (InvalidTag, ValueError):  # the latter: cut so short that there is no nonce
            raise Damaged from None


_HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def public_key(private: bytes) -> bytes:
    """The public half of an X25519 key (RFC 7748), of which any 32 random bytes are the private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal_to(public: bytes, about: bytes, plaintext: bytes, *, key_id: int) -> bytes:
    """Seal for whoever holds the private half, in suite 0x03: HPKE (RFC 9180), base mode, X25519 and AES-256-GCM.

    What seals cannot open: so something can be left for an owner while her vault is locked.
    """
    header = LEFT + key_id.to_bytes(4, "big")
    return header + _HPKE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), header + about)


def open_left(private: bytes, about: bytes, box: bytes | None) -> bytes:
    """Open a box of suite 0x03. Raises Damaged, and only that."""
    if not box or box[:1] != LEFT:
        raise Damaged
    opening = X25519PrivateKey.from_private_bytes(private)
    try:
        return _HPKE.decrypt(box[HEADER:], opening, box[:HEADER] + about)
    except InvalidTag:
        raise Damaged from None


def derive(secret: bytes, salt: bytes | None, info: bytes, length: int = KEY_LENGTH) -> bytes:
    """HKDF-SHA256 (RFC 5869). The secret must be uniformly random, or come out of `stretch`."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


def tag(key: bytes, *parts: bytes | str | int) -> bytes:
    """A keyed tag, HMAC-SHA256 over an injective encoding: for look-ups that must tell a thief nothing."""
    return hmac.digest(key, identity("vrm/1/tag", *parts), "sha256")


def digest(*parts: bytes | str | int) -> bytes:
    """SHA-256 over an injective encoding of the parts."""
    return digest_of(parts)


def digest_of(parts: Iterable[bytes | str | int]) -> bytes:
    """The same over parts that come one after the other, and are many."""
    running = hashlib.sha256(_of_kind("vrm/1/digest"))
    for part in parts:
        running.update(_encoded(part))
    return running.digest()


def same(one: bytes, other: bytes) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(one, other)


def public_half(seed: bytes) -> bytes:
    """The public key, 32 bytes, of the Ed25519 key (RFC 8032) whose seed is 32 random bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """An Ed25519 signature, 64 bytes: the same for the same message, so no random number can spoil it."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Did the holder of the seed behind `public` sign this very message?"""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):  # the latter: not the bytes of a key
        return False
    return True


def route(key: bytes, block: bytes, *, back: bool = False) -> bytes:
    """One AES-256 block (16 bytes): a permutation that only the holder of the route key can turn either way.

    Safe without a nonce because each block is an owner id XOR a fresh random lock id, hence never repeats by design.
    """
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - a single block is a permutation, not a mode
    turning = cipher.decryptor() if back else cipher.encryptor()
    return turning.update(block) + turning.finalize()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at a passphrase costs: memory in KiB, passes over it, lanes (RFC 9106)."""

    memory: int
    passes: int
    lanes: int

    def to_bytes(self) -> bytes:
        """Three 4-byte integers."""
        return b"".join(value.to_bytes(4, "big") for value in (self.memory, self.passes, self.lanes))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Cost:
        """Read a stored cost. Only what is written somewhere is paid, so that no hostile file exhausts the machine."""
        cost = cls(*(int.from_bytes(raw[at : at + 4], "big") for at in (0, 4, 8)))
        if len(raw) != 12 or cost not in LADDER:
            raise Damaged
        return cost


FLOOR = Cost(64 * 1024, 3, 1)  # about 0.15 s and 64 MiB; never less
LADDER = (FLOOR, Cost(128 * 1024, 3, 2), Cost(256 * 1024, 3, 2), Cost(512 * 1024, 3, 2), Cost(1 << 20, 3, 4))


def stretch(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """Argon2id (RFC 9106) over the NFKC form of a passphrase. Releases the interpreter lock while it works."""
    deriving = Argon2id(salt=salt, length=KEY_LENGTH, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory)
    return deriving.derive(unicodedata.normalize("NFKC", passphrase).encode())


def pad(plaintext: bytes) -> bytes:
    """Pad JSON with spaces, which every parser ignores, to its bucket."""
    return plaintext.ljust(bucket(len(plaintext)), b" ")


def bucket(length: int) -> int:
    """The Padmé bucket, at least 64 bytes, that so many bytes are padded to.

    Padmé (Nikitin et al., PETS 2019) keeps the growth under 12 % and tells only the order of magnitude.
    """
    length = max(length, SMALLEST_BUCKET)
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    return -(-length >> low_bits) << low_bits
