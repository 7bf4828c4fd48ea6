"""Proofs of possession (RFC 9449 §4.3): every check in the order of the RFC; the answer names the key and the proof."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, OKPKey
from joserfc.jws import JWSRegistry

ALGORITHMS = ("ES256", "EdDSA", "Ed25519")
WINDOW = 60  # seconds a proof's time may differ from ours
LONGEST = 4096


REGISTRY = JWSRegistry(algorithms=list(ALGORITHMS))
REGISTRY.max_header_length = 2048


class BadProof(Exception):
    """A proof that proves nothing. The reason is for the vendor's developer and holds nothing secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proof:
    """`thumbprint` of the key (RFC 7638) and the proof's own id."""

    thumbprint: str
    jti: str


def verify(text: str | None, *, method: str, url: str, now: int, access_token: str | None = None) -> Proof:
    """Check one DPoP header against the request. Raises BadProof. Replay is the caller's to refuse, by `jti`."""
    if not text or len(text) > LONGEST or "," in text:
        raise BadProof("one DPoP header is needed")
    thumbprint, claims = _decode(text)
    if claims.get("htm") != method:
        raise BadProof("htm differs")
    if not isinstance(claims.get("htu"), str) or _bare(claims["htu"]) != _bare(url):
        raise BadProof("htu differs")
    issued = claims.get("iat")
    if not isinstance(issued, int) or isinstance(issued, bool) or abs(now - issued) > WINDOW:
        raise BadProof("iat is too old or in the future")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 8 <= len(jti) <= 256 or not jti.isprintable():
        raise BadProof("jti is missing")
    if access_token is not None and claims.get("ath") != hash_of(access_token):
        raise BadProof("ath differs")
    return Proof(thumbprint, jti)


def _decode(text: str) -> tuple[str, dict[str, Any]]:
    """The thumbprint of the key in the header, which has signed the claims, and the claims."""
    try:
        token = jwt.decode(text, _key_of, registry=REGISTRY)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise BadProof("the signature does not verify") from None
    return _key_in(token.header)[1], token.claims


def _key_of(signed: GuestProtocol) -> ECKey | OKPKey:
    return _key_in(signed.headers())[0]


def _key_in(header: dict[str, Any]) -> tuple[ECKey | OKPKey, str]:
    jwk = header.get("jwk")
    if header.get("typ") != "dpop+jwt" or header.get("alg") not in ALGORITHMS or not isinstance(jwk, dict):
        raise BadProof("typ, alg or jwk is not acceptable")
    if {"d", "k", "p", "q"} & set(jwk) or "crit" in header:
        raise BadProof("jwk must be a public key")
    return _key(*(str(jwk.get(member, "")) for member in ("kty", "crv", "x", "y")))


@lru_cache(maxsize=1024)
def _key(kind: str, curve: str, x: str, y: str) -> tuple[ECKey | OKPKey, str]:
    """A public key and its thumbprint, parsed once: the only thing here that outlives a request."""
    key: ECKey | OKPKey
    if (kind, curve) == ("EC", "P-256"):
        key = ECKey.import_key({"kty": kind, "crv": curve, "x": x, "y": y})
    elif (kind, curve) == ("OKP", "Ed25519"):
        key = OKPKey.import_key({"kty": kind, "crv": curve, "x": x})
    else:
        raise BadProof("jwk must be P-256 or Ed25519")
    return key, key.thumbprint()


def hash_of(access_token: str) -> str:
    """The `ath` claim: base64url of SHA-256 (RFC 9449 §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=").decode()


def _bare(url: str) -> str:
    """Without query and fragment, host in lower case (RFC 9449 §4.3-9); empty for what is no address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"
