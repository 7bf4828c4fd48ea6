"""Telling a client what became of its grant: a thin notice, ids only, signed, delivered by a job after the change.

A notice is a courtesy. What a vendor may see is decided elsewhere and before, whether it hears of it or not.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import orjson
from sqlalchemy import select

from consent import clients, grant_boxes, signing
from consent.client_documents import BadClient, Client
from consent.fetching import Answer, Unreachable, post
from consent.models import Grant
from consent.terms import by_link
from vault import crypto
from vault.errors import DiskFull
from vault.jobs import enqueue
from vault.logs import log

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

What = Literal[
    "grant.given",
    "grant.narrowed",
    "grant.paused",
    "grant.resumed",
    "grant.renewed",
    "grant.expired",
    "grant.revoked",
    "grant.replaced",
    "grant.ended",
    "deposit.accepted",
    "deposit.rejected",
    "erasure.asked",
]
# By a click or by a link is hers to know; the other causes are nobody's act.
ENDS: Mapping[str, What] = {
    "expired": "grant.expired",
    "revoked": "grant.revoked",
    "link": "grant.revoked",
    "replaced": "grant.replaced",
}
QUIET = 60  # seconds in which an address that did not answer is not called again
# RFC 8935 §2.4. A receiver that does not know our key may have fetched the new one by the next time.
REFUSED = {"invalid_request", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied"}


def tell(session: Session, server: Server, owner: bytes, grant: bytes, client_id: str, what: What) -> None:
    """Tell a client something about a grant of this owner's, once this transaction is committed.

    Behind a share link is nobody whom the vault knows how to tell.
    """
    if by_link(client_id):
        return
    notice = crypto.random_bytes(16).hex()
    payload = {"notice": notice, "client": client_id, "grant": grant.hex(), "what": what, "at": server.now}
    enqueue(session, server, owner, "notice", payload)


def tell_end(session: Session, server: Server, owner: bytes, grant: bytes, cause: str) -> None:
    """That a grant has ended. Whose it was is read from its label, so it needs no key."""
    tell_by_label(session, server, owner, grant, ENDS.get(cause, "grant.ended"))


def tell_after(server: Server, owner: bytes, grant: bytes, what: What) -> None:
    """What only the keystore had to change, told right after. A full disk costs the notice, never the change."""
    with suppress(DiskFull), server.main.transaction() as session:
        tell_by_label(session, server, owner, grant, what)


def tell_by_label(session: Session, server: Server, owner: bytes, grant: bytes, what: What) -> None:
    """The same where only the grant is known: its label, also an ended one's, names the client."""
    mine = (Grant.owner_id == owner, Grant.grant_id == grant)
    row = session.execute(select(Grant.version, Grant.label_box).where(*mine)).first()
    if row is None:
        return
    try:
        label = grant_boxes.open_label(server, owner, grant, row.version, row.label_box)
    except crypto.Damaged:
        return  # nobody can say any more whom to tell
    tell(session, server, owner, grant, label["client_id"], what)


def deliver(server: Server, _owner: bytes, payload: Mapping[str, Any]) -> bool:
    """The job: one delivery to the endpoint in the client's document. False means try again later.

    An address that does not answer is left alone for a minute, whatever else waits for it.
    """
    client_id = payload["client"]
    known = clients.known(server, client_id)
    if known is not None and known.quiet_until > server.now:
        return False
    try:
        client = clients.find(server, client_id)
        answer = _post(server, client, payload) if client.notice_endpoint else None
    except (BadClient, Unreachable) as error:
        return _not_delivered(server, client_id, error.reason)
    if answer is None or 200 <= answer.status < 300:
        return True
    if answer.status == 410:
        clients.amend(server, client_id, notice_endpoint=None)
        return True
    if client.notice_format == "set" and answer.status == 400 and _error(answer) in REFUSED:
        log.warning("notice_refused", code=_error(answer))
        return True
    return _not_delivered(server, client_id, "refused")


def _not_delivered(server: Server, client_id: str, reason: str) -> bool:
    log.warning("notice_not_delivered", reason=reason)
    clients.amend(server, client_id, quiet_until=server.now + QUIET)
    return False


def _error(answer: Answer) -> str | None:
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    error = said.get("err") if isinstance(said, dict) else None
    return error if isinstance(error, str) else None


def _post(server: Server, client: Client, payload: Mapping[str, Any]) -> Answer:
    seeds = server.keystore.signing("notice")
    form = _security_event if client.notice_format == "set" else _webhook
    headers, body = form(seeds, server.settings.issuer, payload, server.now)
    return post(client.notice_endpoint or "", headers, body, loopback=server.settings.loopback)


def _webhook(
    seeds: tuple[bytes, ...], issuer: str, payload: Mapping[str, Any], now: int
) -> tuple[dict[str, str], bytes]:
    """Standard Webhooks 1.0, asymmetric: `v1a,` and Ed25519 over `id.timestamp.body`, once for each current key.

    One server key signs for all clients, so issuer and client stand in the body: a notice is good for nobody else.
    """
    happened = datetime.fromtimestamp(payload["at"], UTC).isoformat().replace("+00:00", "Z")
    data = {"issuer": issuer, "client_id": payload["client"], "grant_id": payload["grant"]}
    body = orjson.dumps({"type": payload["what"], "timestamp": happened, "data": data})
    signed = f"{payload['notice']}.{now}.".encode() + body
    headers = {
        "Content-Type": "application/json",
        "webhook-id": payload["notice"],
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1a,{b64encode(crypto.sign(seed, signed)).decode()}" for seed in seeds),
    }
    return headers, body


def _security_event(
    seeds: tuple[bytes, ...], issuer: str, payload: Mapping[str, Any], now: int
) -> tuple[dict[str, str], bytes]:
    """A SET (RFC 8417) to be pushed (RFC 8935), shaped as SSF 1.0 §4.1 asks: no `sub`, no `exp`, one event.

    `jti` stays the same from try to try, `iat` is this try and `toe` when it happened, so a replay window can hold.
    """
    claims = {
        "iss": issuer,
        "aud": payload["client"],
        "iat": now,
        "toe": payload["at"],
        "jti": payload["notice"],
        "sub_id": {"format": "opaque", "id": payload["grant"]},
        "events": {f"{issuer}/notices/{payload['what']}": {}},
    }
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    return headers, signing.compact(seeds[0], "secevent+jwt", claims)
