"""Pushed authorization requests (RFC 9126): sealed under the secret in their own request_uri, spent at the decision.

Ten minutes unopened, an hour once her session has opened it. Opening the page spends nothing: prefetchers open pages.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, insert, select, update

from consent.details import Details, read_details
from consent.models import PushedRequest, Seen
from vault import crypto, evenly
from vault.db import Line, Statement

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

URN = "urn:ietf:params:oauth:request_uri:"
UNOPENED, OPENED = 590, 3600  # seconds; FAPI 2.0 wants less than 600

_FORGET = Statement("DELETE FROM seen WHERE expires_at <= :now")
_REMEMBER = Statement(
    "INSERT INTO seen (scope, tag, expires_at) VALUES (:scope, :tag, :until) ON CONFLICT (scope, tag) DO NOTHING"
)
_TAKE = Statement("DELETE FROM seen WHERE scope = :scope AND tag = :tag")


@dataclass(frozen=True)
class Asked:
    """A pushed request as it was validated: its OAuth parameters and what it asks for."""

    parameters: Mapping[str, str] = field(repr=False)
    jkt: str | None
    tag: bytes

    @property
    def client_id(self) -> str:
        """Who asks."""
        return self.parameters["client_id"]

    @cached_property
    def details(self) -> Details:
        """What for."""
        return read_details(self.parameters["authorization_details"])


def keep(server: Server, parameters: Mapping[str, str], jkt: str | None) -> str:
    """Store a validated request; returns its request_uri."""
    secret = crypto.random_bytes()
    tag = _tag(server, secret)
    box = crypto.seal(_key(secret), _about(tag), crypto.pad(orjson.dumps({"parameters": dict(parameters), "jkt": jkt})))
    with server.main.transaction() as session:
        session.execute(delete(PushedRequest).where(PushedRequest.expires_at <= server.now))
        session.execute(insert(PushedRequest).values(tag=tag, expires_at=server.now + UNOPENED, opened=False, box=box))
    return URN + urlsafe_b64encode(secret).rstrip(b"=").decode()


@evenly.refused
def find(server: Server, request_uri: str, client_id: str) -> Asked | None:
    """The request behind a request_uri, if it is this client's and still lives. None for whatever is wrong."""
    secret = _secret(request_uri)
    if secret is None:
        return None
    tag = _tag(server, secret)
    with server.main.reading() as session:
        row = session.execute(
            select(PushedRequest.expires_at, PushedRequest.box).where(PushedRequest.tag == tag)
        ).first()
    try:
        raw = crypto.open_box(_key(secret), _about(tag), row.box if row else _nobodys())
    except crypto.Damaged:
        return None
    if row is None or row.expires_at <= server.now:
        return None
    content: dict[str, Any] = orjson.loads(raw)
    asked = Asked(content["parameters"], content["jkt"], tag)
    return asked if asked.client_id == client_id else None


@cache
def _nobodys() -> bytes:
    """What is opened where there is no request, so that no clock tells a guess from one that is over."""
    return crypto.seal(crypto.random_bytes(), b"", bytes(1024))


def opened(server: Server, asked: Asked) -> None:
    """Her session has opened it: it lives an hour from the first time."""
    with server.main.transaction() as session:
        session.execute(
            update(PushedRequest)
            .where(PushedRequest.tag == asked.tag, PushedRequest.opened.is_(False))
            .values(opened=True, expires_at=server.now + OPENED)
        )


def spend(session: Session, server: Server, asked: Asked) -> bool:
    """The decision: only one of them finds the row."""
    mine = (PushedRequest.tag == asked.tag, PushedRequest.expires_at > server.now)
    spent = session.execute(delete(PushedRequest).where(*mine))
    return bool(spent.rowcount == 1)  # type: ignore[attr-defined]  # a DELETE's result has a row count


def sweep(server: Server) -> None:
    """The worker's part: requests that have run out, and what could not be used again anyway, though nobody calls."""
    with server.main.transaction() as session:
        for table in (PushedRequest, Seen):
            session.execute(delete(table).where(table.expires_at <= server.now))


def once(server: Server, scope: str, what: str, *, until: int) -> bool:
    """Is this the first time within its scope? Its own transaction, committed whatever becomes of the request."""
    with server.main.written_line() as line:
        return first(line, server, scope, what, until=until)


def first(line: Line, server: Server, scope: str, what: str, *, until: int) -> bool:
    """The same within a transaction that is under way."""
    _FORGET.on(line, now=server.now)
    return bool(_REMEMBER.on(line, **_seen(server, scope, what), until=until).rowcount == 1)


def taken(line: Line, server: Server, scope: str, what: str) -> bool:
    """Was it remembered? From here on it is not."""
    return bool(_TAKE.on(line, **_seen(server, scope, what)).rowcount == 1)


def _seen(server: Server, scope: str, what: str) -> dict[str, bytes]:
    key = server.keys.tag
    return {"scope": crypto.tag(key, "scope", scope), "tag": crypto.tag(key, "seen", what)}


def _secret(request_uri: str) -> bytes | None:
    text = request_uri.removeprefix(URN)
    if text == request_uri or len(text) != 43:
        return None
    try:
        return urlsafe_b64decode(text + "=")
    except ValueError:
        return None


def _tag(server: Server, secret: bytes) -> bytes:
    return crypto.tag(server.keys.tag, "request", secret)


def _key(secret: bytes) -> bytes:
    return crypto.derive(secret, None, b"vrm/1/request")


def _about(tag: bytes) -> bytes:
    return crypto.identity("vrm/1/request", tag)
