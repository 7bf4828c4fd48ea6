"""Checking a signed receipt: a JSON Web Signature in compact form (RFC 7515) with Ed25519 (RFC 8037).

One algorithm, one type, one way to write each byte: whatever differs anywhere is not what was signed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from consent.receipts import TYPE
from vault import crypto

ALGORITHM = "EdDSA"
LONGEST = 1 << 20  # letters; a receipt of twelve items with forty fields each has some 80,000


class NotSigned(Exception):
    """The text is no receipt, or none that was signed with a key we know. The reason is a sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def payload_of(text: str) -> dict[str, Any]:
    """What a receipt says, when it is already known who signed it. Raises NotSigned where it is no receipt."""
    return _parts(text)[1]


def verify(text: str, keys: Mapping[str, Any], typ: str = TYPE) -> dict[str, Any]:
    """What a receipt says, once it is certain that a key of this JWK Set has signed it. Raises NotSigned.

    Another `typ` is another sort of statement under the same key; one never passes for the other.
    """
    header, receipt, signature = _parts(text, typ)
    known = [key for key in _usable(keys) if key.get("kid") == header.get("kid")]
    if not known:
        raise NotSigned("It was signed with a key that is not among those it is checked by.")
    signed = text.rpartition(".")[0].encode()
    if not crypto.is_signed(_read(str(known[0].get("x"))), signed, signature):
        raise NotSigned("The signature does not fit: something in it was changed after it was signed.")
    return receipt


def _usable(keys: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = keys.get("keys")
    listed = found if isinstance(found, list) else []
    return [key for key in listed if isinstance(key, dict) and (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519")]


def typ_of(text: str) -> str:
    """The sort of statement that a text claims to be, before anything is checked; empty if it is none."""
    try:
        return str(_object(_read(text.partition(".")[0])).get("typ", ""))
    except NotSigned:
        return ""


def _parts(text: str, typ: str = TYPE) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    pieces = text.split(".")
    if len(pieces) != 3 or len(text) > LONGEST:
        raise NotSigned("This is not a signed receipt.")
    header, receipt = (_object(_read(piece)) for piece in pieces[:2])
    if set(header) != {"alg", "typ", "kid"} or (header["alg"], header["typ"]) != (ALGORITHM, typ):
        raise NotSigned("This is not a signed receipt.")
    return header, receipt, _read(pieces[2])


def _object(raw: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise NotSigned("This is not a signed receipt.")
    return content


def _written(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read(text: str) -> bytes:
    """Base64url in its one canonical form: letters that decode alike but are written otherwise are refused."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    if not raw or _written(raw) != text:
        raise NotSigned("This is not a signed receipt.")
    return raw
