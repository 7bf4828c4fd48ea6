"""Bearer strings: `vrm_<kind>_` and base64url(route 16, lock id 16, secret 32, CRC-32 4).

The route is one AES block under the server's route key over `owner id XOR lock id`. It differs in every string, so
two vendors cannot find out that they deal with one person, and yet every look-up knows whose rows it wants.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Literal
from zlib import crc32

from vault import crypto

Kind = Literal["session", "code", "access", "refresh", "link", "share"]
PREFIX: dict[Kind, str] = {
    "session": "se",
    "code": "ac",
    "access": "at",
    "refresh": "rt",
    "link": "rv",
    "share": "sl",
}
KIND: dict[str, Kind] = {short: kind for kind, short in PREFIX.items()}
ID_LENGTH = 16
SHAPE = re.compile(r"vrm_([a-z]{2})_([A-Za-z0-9_-]{91})")  # always 68 bytes, and two bits to spare


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a bearer string says: whose lock it is for, and the secret that opens it. Its repr hides the secret."""

    kind: Kind
    owner_id: bytes
    lock_id: bytes
    secret: bytes = field(repr=False)

    def text(self, route_key: bytes) -> str:
        """The string to hand out."""
        raw = place(self.owner_id, self.lock_id, route_key) + self.secret
        raw += crc32(raw).to_bytes(4, "big")
        return f"vrm_{PREFIX[self.kind]}_{_letters(raw)}"


def mint(kind: Kind, owner_id: bytes, lock_id: bytes) -> Bearer:
    """A new bearer with a fresh secret for a lock that is being made."""
    return Bearer(kind, owner_id, lock_id, crypto.random_bytes())


def parse(text: str, kind: Kind, route_key: bytes) -> Bearer | None:
    """Read a string of the kind expected; None for anything else, whatever is wrong with it."""
    shape = SHAPE.fullmatch(text)
    if shape is None or KIND.get(shape[1]) != kind:
        return None
    raw = urlsafe_b64decode(shape[2] + "=")
    if crc32(raw[:-4]).to_bytes(4, "big") != raw[-4:] or _letters(raw) != shape[2]:
        return None
    owner_id, lock_id = placed(raw[:32], route_key)
    return Bearer(kind, owner_id, lock_id, raw[32:64])


def place(owner_id: bytes, lock_id: bytes, route_key: bytes) -> bytes:
    """Route and lock id, 32 bytes: where a lock is, told to nobody but this server. Also what a passkey goes by."""
    return crypto.route(route_key, _xor(owner_id, lock_id)) + lock_id


def placed(where: bytes, route_key: bytes) -> tuple[bytes, bytes]:
    """Owner and lock id of a place; of 32 other bytes, ids that nothing has."""
    lock_id = where[ID_LENGTH:]
    return _xor(crypto.route(route_key, where[:ID_LENGTH], back=True), lock_id), lock_id


def _letters(raw: bytes) -> str:
    """Base64url without padding. The last letter has two bits to spare; only zeros in them are read back."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(ID_LENGTH)
