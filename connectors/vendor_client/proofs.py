"""Keys, and what they sign: the client assertion and the DPoP proof. ES256 and nothing else.

Sources: RFC 7523 section 3 (assertion), RFC 9449 section 4.2 (proof), RFC 7636 section 4.2 (challenge), RFC 7638.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60


def new_key() -> ECKey:
    """A fresh P-256 key pair, for a client or for the proofs of one connection."""
    return ECKey.generate_key("P-256")


def key_to_json(key: ECKey) -> str:
    """The private key as one JWK. A secret: store it where passwords are stored."""
    return json.dumps(dict(key.as_dict(private=True)))


def key_from_json(text: str) -> ECKey:
    """The reverse of `key_to_json`; ValueError for anything but a private P-256 key."""
    try:
        key = ECKey.import_key(json.loads(text))
    except (JoseError, KeyError, TypeError, ValueError):
        raise ValueError("This is not a private P-256 key.") from None
    if key.curve_name != "P-256" or not key.is_private:
        raise ValueError("This is not a private P-256 key.")
    return key


def public_jwk(key: ECKey) -> dict[str, str]:
    """The four members of RFC 7638 and no other: what a thumbprint covers, and surely nothing private."""
    members = key.as_dict(private=False)
    return {name: str(members[name]) for name in ("crv", "kty", "x", "y")}


def public_jwks(*keys: ECKey) -> dict[str, list[dict[str, str]]]:
    """The JWK Set to serve at a `jwks_uri`. To turn a key over, serve the new and the old one for a day."""
    return {"keys": [public_jwk(key) | {"kid": key.thumbprint(), "use": "sig", "alg": "ES256"} for key in keys]}


def client_assertion(key: ECKey, client_id: str, issuer: str, now: datetime) -> str:
    """Proof that the client itself is asking. One per request; valid for a minute, at this vault only."""
    issued = int(now.timestamp())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": secrets.token_urlsafe(24),
        "iat": issued,
        "exp": issued + ASSERTION_SECONDS,
    }
    return _signed({"alg": "ES256", "kid": key.thumbprint()}, claims, key)


def dpop_proof(key: ECKey, method: str, url: str, now: datetime, access_token: str | None = None) -> str:
    """Proof that whoever sends this very request holds `key`. One per request, never kept.

    `url` may carry a query; `htu` is said without it. With an access token its hash is bound in (`ath`).
    """
    claims: dict[str, Any] = {
        "jti": secrets.token_urlsafe(24),
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": int(now.timestamp()),
    }
    if access_token is not None:
        claims["ath"] = s256(access_token)
    return _signed({"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(key)}, claims, key)


def s256(text: str) -> str:
    """base64url(SHA-256(ASCII)), without padding: PKCE's challenge and DPoP's `ath`."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def _signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: ECKey) -> str:
    return jwt.encode(dict(header), dict(claims), key, algorithms=["ES256"])
