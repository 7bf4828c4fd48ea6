"""What the server signs, and the public halves of its keys for whoever checks: one JWK Set for all of them."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from joserfc.jwk import OKPKey

from vault import crypto
from vault.keystore import SIGNING

if TYPE_CHECKING:
    from vault.server import Server


def key_set(server: Server) -> dict[str, list[dict[str, str]]]:
    """The JWK Set (RFC 7517 §5) at `jwks_uri`: for each purpose the newest key first."""
    seeds = (seed for purpose in SIGNING for seed in server.keystore.signing(purpose))
    return {"keys": [public_key(seed) for seed in seeds]}


def compact(seed: bytes, typ: str, claims: Mapping[str, Any]) -> bytes:
    """A signed JSON object in compact form (RFC 7515 §7.1, EdDSA by RFC 8037); `kid` is the key's RFC 7638 thumbprint.

    `EdDSA` is the name that FAPI 2.0 §5.4.1 gives the algorithm, and the one that libraries know.
    """
    header = {"alg": "EdDSA", "typ": typ, "kid": public_key(seed)["kid"]}
    signed = b".".join(_base64url(orjson.dumps(part)) for part in (header, dict(claims)))
    return signed + b"." + _base64url(crypto.sign(seed, signed))


def public_key(seed: bytes) -> dict[str, str]:
    """The public half as a JWK (RFC 8037 §2); its `kid` is the key's thumbprint (RFC 7638)."""
    members: dict[str, Any] = {"kty": "OKP", "crv": "Ed25519", "x": _base64url(crypto.public_half(seed)).decode()}
    return members | {"kid": OKPKey.import_key(members).thumbprint(), "use": "sig", "alg": "EdDSA"}


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
