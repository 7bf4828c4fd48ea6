"""Clients: the registrations by which vendors connect, by Client ID Metadata Document or from the command line.

A client_id is the vendor's own address; its document is fetched by `fetching`, kept a day, sealed with the server key.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, insert, select

from consent.fetching import Unreachable, acceptable, fetch_json
from consent.models import ClientRow
from vault import attempts, crypto
from vault.errors import TooManyTries

if TYPE_CHECKING:
    from vault.server import Server

DAY, MINUTE = 86400, 60
CURVES = (("EC", "P-256"), ("OKP", "Ed25519"))
SECRET_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k"}


class BadClient(Exception):
    """There is no such client, or its document is not acceptable. The reason is for its developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Client:
    """A registration: who, where to send her back to, and the keys it signs with (a JWK set)."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    jwks: Mapping[str, Any]
    client_uri: str | None = None

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


def find(server: Server, client_id: str, *, key_id: str | None = None, asker: str = "") -> Client:
    """A client by its id, fetched when it is not known freshly. Raises BadClient.

    `key_id` names a key that the assertion was signed with: an unknown one fetches anew, at most once a minute.
    `asker` is the network address of whoever asks, to be slowed down.
    """
    known = _known(server, client_id)
    if known is not None:
        client, fresh_until = known
        stale = fresh_until <= server.now
        new_key = key_id is not None and key_id not in {key.get("kid") for key in client.jwks["keys"]}
        if not stale and not (new_key and fresh_until - DAY + MINUTE <= server.now):
            return client
    if asker:
        _slow_down(server, asker)
    document = _fetch(server, client_id)
    client = read_document(server, client_id, document)
    _keep(server, client, fresh_until=server.now + DAY)
    return client


def register(server: Server, document: Mapping[str, Any]) -> Client:
    """Register a client without an address of its own, from the command line. Raises BadClient."""
    client_id = document.get("client_id")
    if not isinstance(client_id, str) or not 1 <= len(client_id) <= 255 or "://" in client_id:
        raise BadClient("client_id must be a short name that is not an address")
    if "jwks_uri" in document:  # it is never fetched again, so a key withdrawn there would be good for ever
        raise BadClient("the keys of a client without an address are entered with it, as jwks")
    client = read_document(server, client_id, document)
    _keep(server, client, fresh_until=1 << 40)
    return client


def everyone(server: Server) -> list[tuple[Client, int]]:
    """Every client that is known, by id, and until when its document counts as fresh (seconds since 1970)."""
    with server.main.reading() as session:
        rows = session.execute(select(ClientRow.tag, ClientRow.fresh_until, ClientRow.box)).all()
    known = [(_open(server, *row), row.fresh_until) for row in rows]
    return sorted(((client, until) for client, until in known if client), key=lambda pair: pair[0].client_id)


def forget(server: Server, client_id: str) -> bool:
    """Drop a registration; one with an address is fetched again when it asks again. Returns whether it was known."""
    with server.main.transaction() as session:
        gone = session.execute(delete(ClientRow).where(ClientRow.tag == _tag(server, client_id)))
    return bool(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has a row count


def read_document(server: Server, client_id: str, document: Mapping[str, Any]) -> Client:
    """Check a metadata document (draft-ietf-oauth-client-id-metadata-document §4). Raises BadClient."""
    if document.get("client_id") != client_id:
        raise BadClient("client_id in the document differs from its address")
    if document.get("token_endpoint_auth_method", "private_key_jwt") != "private_key_jwt":
        raise BadClient("token_endpoint_auth_method must be private_key_jwt")
    if any(name.startswith("client_secret") for name in document):
        raise BadClient("a metadata document holds no secret")
    name = document.get("client_name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 80 or not name.isprintable():
        raise BadClient("client_name is missing or not a name")
    uris = document.get("redirect_uris")
    if not isinstance(uris, list) or not 1 <= len(uris) <= 20 or not all(_redirectable(server, uri) for uri in uris):
        raise BadClient("redirect_uris must be https addresses without a fragment")
    keys, where = document.get("jwks"), document.get("jwks_uri")
    if keys is not None and where is not None:
        raise BadClient("jwks and jwks_uri cannot both be there (RFC 7591 section 2)")
    if isinstance(where, str):
        keys = _fetch(server, where)
    client_uri = document.get("client_uri")
    return Client(
        client_id, name.strip(), tuple(uris), _keys(keys), client_uri if isinstance(client_uri, str) else None
    )


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


def _slow_down(server: Server, asker: str) -> None:
    """Whoever makes this server fetch and fetch is made to wait: it must not be turned against others."""
    try:
        attempts.admit(server, fetch=asker)
    except TooManyTries:
        raise BadClient("too many documents were asked for from this address; wait a little") from None


def _fetch(server: Server, url: str) -> dict[str, Any]:
    try:
        return fetch_json(url, loopback=server.settings.loopback)
    except Unreachable as error:
        raise BadClient(f"its document cannot be had: {error.reason}") from None


def _known(server: Server, client_id: str) -> tuple[Client, int] | None:
    tag = _tag(server, client_id)
    with server.main.reading() as session:
        row = session.execute(select(ClientRow.fresh_until, ClientRow.box).where(ClientRow.tag == tag)).first()
    client = _open(server, tag, row.fresh_until, row.box) if row else None
    return (client, row.fresh_until) if row and client else None


def _open(server: Server, tag: bytes, fresh_until: int, box: bytes) -> Client | None:
    try:
        content = orjson.loads(crypto.open_box(server.keys.seal, _about(tag, fresh_until), box))
    except crypto.Damaged:
        return None
    content["redirect_uris"] = tuple(content["redirect_uris"])
    return Client(**content)


def _keep(server: Server, client: Client, *, fresh_until: int) -> None:
    tag = _tag(server, client.client_id)
    content = {
        "client_id": client.client_id,
        "name": client.name,
        "redirect_uris": client.redirect_uris,
        "jwks": client.jwks,
        "client_uri": client.client_uri,
    }
    box = crypto.seal(server.keys.seal, _about(tag, fresh_until), crypto.pad(orjson.dumps(content)))
    with server.main.transaction() as session:
        session.execute(delete(ClientRow).where(ClientRow.tag == tag))
        session.execute(insert(ClientRow).values(tag=tag, fresh_until=fresh_until, box=box))


def _about(tag: bytes, fresh_until: int) -> bytes:
    """Identity of a client's box. With its date in it, nobody lengthens the life of keys that were withdrawn."""
    return crypto.identity("vrm/1/client", tag, fresh_until)


def _tag(server: Server, client_id: str) -> bytes:
    return crypto.tag(server.keys.tag, "client", client_id)


def _loopback_ip(url: str) -> bool:
    """Of an address that passes here everything but the port is compared, so nothing else may hide beside the host."""
    if not url.startswith("http://") or not acceptable(url, loopback=True):
        return False
    return urlsplit(url).hostname in {"127.0.0.1", "::1"}


def _portless(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.hostname or "").geturl()
