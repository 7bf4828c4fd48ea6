"""Signing JSON so that anybody can check it later: a JSON Web Signature in compact form with Ed25519."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import orjson

from vault import crypto


def compact(seed: bytes, typ: str, claims: Mapping[str, Any]) -> bytes:
    """A signed JSON object in compact form (RFC 7515 §7.1, EdDSA by RFC 8037); `kid` is the key's RFC 7638 thumbprint.

    `EdDSA` is the name that FAPI 2.0 §5.4.1 gives the algorithm, and the one that libraries know.
    """
    header = {"alg": "EdDSA", "typ": typ, "kid": public_key(seed)["kid"]}
    signed = b".".join(_base64url(orjson.dumps(part)) for part in (header, dict(claims)))
    return signed + b"." + _base64url(crypto.sign(seed, signed))


def public_key(seed: bytes) -> dict[str, str]:
    """The public half as a JWK (RFC 8037 §2); its `kid` is the key's thumbprint (RFC 7638 §3)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(crypto.public_half(seed)).decode()}
    thumbprint = hashlib.sha256(orjson.dumps(members)).digest()
    return {**members, "kid": _base64url(thumbprint).decode(), "use": "sig", "alg": "EdDSA"}


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
