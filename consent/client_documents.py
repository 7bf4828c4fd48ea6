"""A client's metadata document: what it must say, and what is made of it. Nothing in it is believed but its host."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consent.details import UNSEEN
from consent.fetching import Unreachable, acceptable, fetch_json
from vault.errors import Busy

if TYPE_CHECKING:
    from vault.server import Server

CURVES = (("EC", "P-256"), ("OKP", "Ed25519"))
FORMATS = ("webhook", "set")
PATIENCE = 0.25  # seconds until one of these two is free: of a process's eight threads five may wait for slow bodies
_FETCHING = BoundedSemaphore(2)
SECRET_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}


class BadClient(Exception):
    """There is no such client, or its document is not acceptable. The reason is for its developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Client:
    """A registration: who, where to send her back to, and the keys it signs with (a JWK set).

    `notice_endpoint` is where it wants to be told of its grants, as a `webhook` or a `set`. Because it did not answer,
    it is not called until `quiet_until` (seconds since 1970).
    """

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    jwks: Mapping[str, Any]
    client_uri: str | None = None
    notice_endpoint: str | None = None
    notice_format: str = "webhook"
    quiet_until: int = 0

    @property
    def host(self) -> str:
        """The host its documents were fetched from: what is certain about who asks."""
        return urlsplit(self.client_id).netloc or self.client_id

    @property
    def fetched(self) -> bool:
        """Did its documents come from that host? Otherwise it was registered by hand."""
        return "://" in self.client_id

    def keys(self) -> KeySet:
        """Its public keys."""
        return KeySet.import_key_set(dict(self.jwks))  # type: ignore[arg-type]  # checked by _keys below

    def allows(self, redirect_uri: str) -> bool:
        """Exact match (RFC 9700 §2.1); only the port of a loopback address may differ (RFC 8252 §7.3)."""
        if redirect_uri in self.redirect_uris:
            return True
        return _loopback_ip(redirect_uri) and any(
            _loopback_ip(known) and _portless(known) == _portless(redirect_uri) for known in self.redirect_uris
        )


def read_document(server: Server, client_id: str, document: Mapping[str, Any]) -> Client:
    """Check a metadata document (draft-ietf-oauth-client-id-metadata-document §4). Raises BadClient."""
    if document.get("client_id") != client_id:
        raise BadClient("client_id in the document differs from its address")
    if document.get("token_endpoint_auth_method", "private_key_jwt") != "private_key_jwt":
        raise BadClient("token_endpoint_auth_method must be private_key_jwt")
    if any(name.startswith("client_secret") for name in document):
        raise BadClient("a metadata document holds no secret")
    name = document.get("client_name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 80 or not name.isprintable() or UNSEEN.search(name):
        raise BadClient("client_name is missing or not a name")
    uris = document.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= 20 or not all(_redirectable(server, uri) for uri in uris):
        raise BadClient("redirect_uris must be https addresses without a fragment")
    keys, where = document.get("jwks"), document.get("jwks_uri")
    if keys is not None and where is not None:
        raise BadClient("jwks and jwks_uri cannot both be there (RFC 7591 section 2)")
    if isinstance(where, str):
        keys = fetch(server, where)
    client_uri = document.get("client_uri")
    return Client(
        client_id,
        name.strip(),
        tuple(uris),
        _keys(keys),
        client_uri if isinstance(client_uri, str) else None,
        *_notices(server, client_id, document),
    )


def _notices(server: Server, client_id: str, document: Mapping[str, Any]) -> tuple[str | None, str]:
    """Where it wants to be told, and how. On its own host only: this server is not to be pointed at anybody else."""
    endpoint, how = document.get("notice_endpoint"), document.get("notice_format", "webhook")
    if endpoint is None:
        return None, "webhook"
    if how not in FORMATS:
        raise BadClient("notice_format must be webhook or set")
    if not _redirectable(server, endpoint) or not urlsplit(endpoint).path:
        raise BadClient("notice_endpoint must be an https address with a path")
    if "://" in client_id and urlsplit(endpoint).netloc != urlsplit(client_id).netloc:
        raise BadClient("notice_endpoint must be on the host of client_id, which is all that is proven of a client")
    return endpoint, how


def _redirectable(server: Server, uri: Any) -> bool:
    return isinstance(uri, str) and acceptable(uri, loopback=server.settings.loopback) and "#" not in uri


def _keys(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict) or not isinstance(raw.get("keys"), list) or not 1 <= len(raw["keys"]) <= 20:
        raise BadClient("jwks is missing or not a key set")
    usable = [key for key in raw["keys"] if isinstance(key, dict) and _strong(key) and not SECRET_MEMBERS & set(key)]
    if not usable:
        raise BadClient("jwks holds no public key of an accepted kind (P-256, Ed25519, RSA)")
    try:
        keys = KeySet.import_key_set({"keys": usable}).as_dict()["keys"]  # who has no kid gets its thumbprint
    except (JoseError, ValueError, TypeError, KeyError):
        raise BadClient("jwks holds a key that cannot be read") from None
    if len({str(key["kid"]) for key in keys}) < len(keys):
        raise BadClient("two keys in jwks have the same kid")
    return {"keys": keys}


def _strong(key: Mapping[str, Any]) -> bool:
    """P-256, Ed25519, or RSA of 2048 bits and more (FAPI 2.0 §5.4.1), its exponent as in FIPS 186-5 §A.1.1.

    Both have an upper bound too, for what a signature may cost to verify.
    """
    if (key.get("kty"), key.get("crv")) in CURVES:
        return True
    modulus, exponent = _number(key.get("n")), _number(key.get("e"))
    return key.get("kty") == "RSA" and 2048 <= modulus.bit_length() <= 8192 and 2**16 < exponent < 2**256


def _number(text: Any) -> int:
    """A number in base64url (RFC 7518 §2); 0 for what is none. Importing the key is stricter."""
    try:
        return int.from_bytes(urlsafe_b64decode(f"{text}=="))
    except ValueError:
        return 0


def fetch(server: Server, url: str) -> dict[str, Any]:
    """A document of a client's, by its address. Raises BadClient, Busy.

    Anybody can name an address that answers slowly or never, and each time a thread waits for it: there are others left
    for everybody else.
    """
    if not _FETCHING.acquire(timeout=PATIENCE):
        raise Busy
    try:
        return fetch_json(url, loopback=server.settings.loopback)
    except Unreachable as error:
        raise BadClient(f"its document cannot be had: {error.reason}") from None
    finally:
        _FETCHING.release()


def _loopback_ip(url: str) -> bool:
    """Of an address that passes here everything but the port is compared, so nothing else may hide beside the host."""
    if not url.startswith("http://") or not acceptable(url, loopback=True):
        return False
    return urlsplit(url).hostname in {"127.0.0.1", "::1"}


def _portless(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.hostname or "").geturl()
