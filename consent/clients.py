"""Clients: the registrations by which vendors connect, by Client ID Metadata Document or from the command line.

A client_id is the vendor's own address; its document is fetched by `fetching`, kept a day, sealed with the server key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, select, update

from consent.client_documents import BadClient, Client, fetch, read_document
from consent.models import ClientRow
from consent.terms import by_link
from vault import attempts, crypto
from vault.days import DAY
from vault.db import Statement
from vault.errors import TooManyTries

if TYPE_CHECKING:
    from vault.server import Server

MINUTE = 60
UNUSED = 30 * DAY

_KNOWN = Statement("SELECT fresh_until, box FROM clients WHERE tag = :tag")
_KEEP = Statement(  # two who ask first fetch at once
    "INSERT INTO clients (tag, fresh_until, box) VALUES (:tag, :until, :box) "
    "ON CONFLICT (tag) DO UPDATE SET fresh_until = excluded.fresh_until, box = excluded.box"
)


def find(server: Server, client_id: str, *, key_id: str | None = None, asker: str = "") -> Client:
    """A client by its id, fetched when it is not known freshly. Raises BadClient.

    `key_id` names a key that the assertion was signed with: an unknown one fetches anew, at most once a minute.
    `asker` is the network address of whoever asks, to be slowed down.
    """
    found = _known(server, client_id)
    if found is not None:
        client, fresh_until = found
        stale = fresh_until <= server.now
        new_key = key_id is not None and key_id not in {key.get("kid") for key in client.jwks["keys"]}
        if not stale and not (new_key and fresh_until - DAY + MINUTE <= server.now):
            return client
    if asker:
        _slow_down(server, asker)
    document = fetch(server, client_id)
    client = read_document(server, client_id, document)
    _keep(server, client, fresh_until=server.now + DAY)
    return client


def known(server: Server, client_id: str) -> Client | None:
    """What was last read of a client, however long ago."""
    found = _known(server, client_id)
    return found[0] if found else None


def amend(server: Server, client_id: str, **changes: Any) -> None:
    """Change what is kept of a client, until its document is fetched anew; a fetch in the meantime wins."""
    found = _known(server, client_id)
    if found is None:
        return
    client, fresh_until = found
    tag = _tag(server, client_id)
    box = _seal(server, tag, replace(client, **changes), fresh_until)
    with server.main.transaction() as session:
        session.execute(
            update(ClientRow).where(ClientRow.tag == tag, ClientRow.fresh_until == fresh_until).values(box=box)
        )


def register(server: Server, document: Mapping[str, Any]) -> Client:
    """Register a client without an address of its own, from the command line. Raises BadClient."""
    client_id = document.get("client_id")
    if not isinstance(client_id, str) or not 1 <= len(client_id) <= 255 or "://" in client_id or by_link(client_id):
        raise BadClient("client_id must be a short name that is not an address or a link")
    if "jwks_uri" in document:  # it is never fetched again, so a key withdrawn there would be good for ever
        raise BadClient("the keys of a client without an address are entered with it, as jwks")
    client = read_document(server, client_id, document)
    _keep(server, client, fresh_until=1 << 40)
    return client


def everyone(server: Server) -> list[tuple[Client, int]]:
    """Every client that is known, by id, and until when its document counts as fresh (seconds since 1970)."""
    with server.main.reading() as session:
        rows = session.execute(select(ClientRow.tag, ClientRow.fresh_until, ClientRow.box)).all()
    opened = [(_open(server, *row), row.fresh_until) for row in rows]
    return sorted(((client, until) for client, until in opened if client), key=lambda pair: pair[0].client_id)


def forget(server: Server, client_id: str) -> bool:
    """Drop a registration; one with an address is fetched again when it asks again. Returns whether it was known."""
    with server.main.transaction() as session:
        gone = session.execute(delete(ClientRow).where(ClientRow.tag == _tag(server, client_id)))
    return bool(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has a row count


def sweep(server: Server) -> None:
    """The worker's part: documents nobody has needed for a month. They are fetched again; those put in by hand stay."""
    with server.main.transaction() as session:
        session.execute(delete(ClientRow).where(ClientRow.fresh_until <= server.now - UNUSED))


def _slow_down(server: Server, asker: str) -> None:
    """Whoever makes this server fetch and fetch is made to wait: it must not be turned against others."""
    try:
        attempts.admit(server, fetch=asker)
    except TooManyTries:
        raise BadClient("too many documents were asked for from this address; wait a little") from None


def _known(server: Server, client_id: str) -> tuple[Client, int] | None:
    tag = _tag(server, client_id)
    with server.main.line() as line:
        row = _KNOWN.on(line, tag=tag).fetchone()
    client = _open(server, tag, *row) if row else None
    return (client, row[0]) if client else None


def _open(server: Server, tag: bytes, fresh_until: int, box: bytes) -> Client | None:
    try:
        content = orjson.loads(crypto.open_box(server.keys.seal, _about(tag, fresh_until), box))
    except crypto.Damaged:
        return None
    content["redirect_uris"] = tuple(content["redirect_uris"])
    return Client(**content)


def _keep(server: Server, client: Client, *, fresh_until: int) -> None:
    tag = _tag(server, client.client_id)
    box = _seal(server, tag, client, fresh_until)
    with server.main.written_line() as line:
        _KEEP.on(line, tag=tag, until=fresh_until, box=box)


def _seal(server: Server, tag: bytes, client: Client, fresh_until: int) -> bytes:
    return crypto.seal(server.keys.seal, _about(tag, fresh_until), crypto.pad(orjson.dumps(asdict(client))))


def _about(tag: bytes, fresh_until: int) -> bytes:
    """Identity of a client's box. With its date in it, nobody lengthens the life of keys that were withdrawn."""
    return crypto.identity("vrm/1/client", tag, fresh_until)


def _tag(server: Server, client_id: str) -> bytes:
    return crypto.tag(server.keys.tag, "client", client_id)
