"""Proofs of possession (RFC 9449 §4.3): every check in the order of the RFC; the answer names the key and the proof."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

ALGORITHMS = ("ES256", "EdDSA", "Ed25519")
WINDOW = 60  # seconds a proof's time may differ from ours
LONGEST = 4096


REGISTRY = JWSRegistry(algorithms=list(ALGORITHMS))
REGISTRY.max_header_length = 2048


class BadProof(Exception):
    """A proof that proves nothing. The reason is for the vendor's developer and holds nothing secret."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proof:
    """`thumbprint` of the key (RFC 7638) and the proof's own id."""

    thumbprint: str
    jti: str


class _Signer(NamedTuple):
    key: ECKey | OKPKey
    thumbprint: str
    verify: Callable[[bytes, bytes, Any], bool]


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
    begins = claims.get("nbf", issued)
    if type(begins) not in {int, float} or begins > now + WINDOW:  # FAPI 2.0 §5.3.2.1 (13)
        raise BadProof("nbf is in the future")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 8 <= len(jti) <= 256 or not jti.isprintable():
        raise BadProof("jti is missing")
    if access_token is not None and claims.get("ath") != hash_of(access_token):
        raise BadProof("ath differs")
    return Proof(thumbprint, jti)


def _decode(text: str) -> tuple[str, dict[str, Any]]:
    """The thumbprint of the key in the header, which has signed the claims, and the claims."""
    try:
        header, payload, signature = text.encode().split(b".")
        signer = _signer(header)
        signed = signer.verify(header + b"." + payload, urlsafe_b64decode(signature), signer.key)
        claims = orjson.loads(urlsafe_b64decode(payload)) if signed else None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise BadProof("it cannot be read") from None
    if not isinstance(claims, dict):
        raise BadProof("the signature does not verify")
    return signer.thumbprint, claims


@lru_cache(maxsize=1024)
def _signer(segment: bytes) -> _Signer:
    """Who signs, as the first part of a proof says; everything that may be wrong with that part is refused here.

    It is the same in every proof by a key and holds nothing secret, so it is read once: the only thing here that
    outlives a request. What is refused is not remembered.
    """
    REGISTRY.validate_header_size(segment)
    header = orjson.loads(urlsafe_b64decode(segment))
    if not isinstance(header, dict):
        raise BadProof("the header is not an object")
    jwk = header.get("jwk")
    if header.get("typ") != "dpop+jwt" or header.get("alg") not in ALGORITHMS or not isinstance(jwk, dict):
        raise BadProof("typ, alg or jwk is not acceptable")
    if {"d", "k", "p", "q"} & set(jwk) or {"crit", "b64"} & set(header):
        raise BadProof("jwk must be a public key")
    REGISTRY.check_header(header)
    key, algorithm = _key(jwk), REGISTRY.get_alg(header["alg"])
    algorithm.check_key(key)
    return _Signer(key, key.thumbprint(), algorithm.verify)


def _key(jwk: dict[str, Any]) -> ECKey | OKPKey:
    kind, curve, x, y = (str(jwk.get(member, "")) for member in ("kty", "crv", "x", "y"))
    if (kind, curve) == ("EC", "P-256"):
        return ECKey.import_key({"kty": kind, "crv": curve, "x": x, "y": y})
    if (kind, curve) == ("OKP", "Ed25519"):
        return OKPKey.import_key({"kty": kind, "crv": curve, "x": x})
    raise BadProof("jwk must be P-256 or Ed25519")


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
