"""Reading what a vault tells us of a grant, in both forms: a signed webhook, and a Security Event Token.

A notice is a reason to look, not a truth of its own: it may come late, twice or never. Sources: Standard Webhooks 1.0;
RFC 8417 and RFC 8935 (SET), RFC 9493 (sub_id).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from connectors.vendor_client.errors import SharingError

WINDOW = 300  # seconds between the signature and now, either way
MOST_BYTES, MOST_SIGNATURES = 16 * 1024, 8
_ED25519 = JWSRegistry(algorithms=["Ed25519"]).get_alg("Ed25519")


class WrongNotice(SharingError):
    """Not a notice of this vault for us, or an old one. Nothing in it counts."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a vault tells: `what` (`grant.revoked` and so on) became of which grant, and when.

    `notice_id` stays the same when a notice is sent again: act on each once.
    """

    notice_id: str
    what: str
    grant_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A notice before anybody has checked a signature."""

    issuer: str
    client_id: str
    signed_at: int
    notice: Notice
    signed: bytes
    signatures: tuple[bytes, ...]


def claimed_by(headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """Issuer and grant that an unchecked notice speaks of: only to find our own connection, and its vault's keys."""
    claimed = _read(headers, body)
    return claimed.issuer, claimed.notice.grant_id


def read_notice(
    headers: Mapping[str, str],
    body: bytes,
    jwks: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    now: datetime | None = None,
) -> Notice:
    """Check a notice, given the vault's keys (`Vault.keys`), and say what it tells. Raises WrongNotice.

    Signed within five minutes by that vault, and for us: one key of a vault signs for all its clients.
    """
    claimed = _read(headers, body)
    if (claimed.issuer, claimed.client_id) != (issuer, client_id):
        raise WrongNotice("addressee", "This notice is from another vault, or for somebody else.")
    if abs(claimed.signed_at - int((now or datetime.now(UTC)).timestamp())) > WINDOW:
        raise WrongNotice("too_old", "This notice was signed too long ago.")
    keys = list(_keys(jwks))
    if not any(_ED25519.verify(claimed.signed, each, key) for each in claimed.signatures for key in keys):
        raise WrongNotice("signature", "This notice is not signed by that vault.")
    return claimed.notice


def _keys(jwks: Mapping[str, Any]) -> Iterable[OKPKey]:
    found = jwks.get("keys")
    for members in found if isinstance(found, list) else ():
        if isinstance(members, dict) and members.get("crv") == "Ed25519":
            try:
                yield OKPKey.import_key(members)
            except (JoseError, ValueError):
                continue


def _read(headers: Mapping[str, str], body: bytes) -> _Claimed:
    if len(body) > MOST_BYTES:
        raise WrongNotice("shape", "This is too long for a notice.")
    said = {name.lower(): value for name, value in headers.items()}
    kind = said.get("content-type", "").partition(";")[0].strip().lower()
    try:
        return _security_event(body) if kind == "application/secevent+jwt" else _webhook(said, body)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, NotBase64, OverflowError):
        raise WrongNotice("shape", "This has not the shape of a notice.") from None


def _webhook(headers: Mapping[str, str], body: bytes) -> _Claimed:
    number, at = headers["webhook-id"], headers["webhook-timestamp"]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", number) or not re.fullmatch(r"[0-9]{1,12}", at):
        raise ValueError
    shown = [each.partition(",") for each in headers["webhook-signature"].split(" ")[:MOST_SIGNATURES]]
    content = json.loads(body)
    data, happened = content["data"], datetime.fromisoformat(content["timestamp"])
    notice = Notice(number, _text(content["type"]), _text(data["grant_id"]), happened)
    return _Claimed(
        _text(data["issuer"]),
        _text(data["client_id"]),
        int(at),
        notice,
        f"{number}.{at}.".encode() + body,
        tuple(b64decode(value, validate=True) for version, _, value in shown if version == "v1a"),
    )


def _security_event(body: bytes) -> _Claimed:
    signed, _, signature = body.strip().rpartition(b".")
    header, claims = (json.loads(_base64url(part)) for part in signed.split(b"."))
    if header["typ"] != "secevent+jwt" or header["alg"] not in {"EdDSA", "Ed25519"} or "crit" in header:
        raise ValueError
    if {"sub", "exp"} & set(claims) or claims["sub_id"]["format"] != "opaque":
        raise ValueError
    ((event, _),) = claims["events"].items()
    place, _, what = event.rpartition("/")
    issuer, at = _text(claims["iss"]), claims["iat"]
    if place != f"{issuer}/notices" or type(at) is not int:
        raise ValueError
    happened = datetime.fromtimestamp(claims.get("toe", at), UTC)
    notice = Notice(_text(claims["jti"]), what, _text(claims["sub_id"]["id"]), happened)
    return _Claimed(issuer, _text(claims["aud"]), at, notice, signed, (_base64url(signature),))


def _base64url(part: bytes) -> bytes:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 2048:
        raise ValueError
    return value
