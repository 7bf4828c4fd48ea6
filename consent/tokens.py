"""Codes into tokens, refreshes, and dropping them. Everything that mints begins by taking the live grant's row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete

from consent import grant_locks, grants
from consent.disclosure import about_terms
from consent.grant_locks import Found, Opened
from consent.models import GrantLock
from consent.standing import found_living
from consent.terms import Terms
from vault import bearer, crypto, evenly
from vault.db import Line, Statement, line_of

if TYPE_CHECKING:
    from vault.server import Server


_TAKE_LIVE = Statement(
    "UPDATE grants SET state = 'live' WHERE owner_id = :owner AND grant_id = :grant AND state = 'live'"
)
_SPEND = Statement(
    "UPDATE grant_locks SET used_at = :now, box = :box, expires_at = :until "
    "WHERE owner_id = :owner AND lock_id = :lock AND used_at IS NULL"
)
_STILL_THERE = Statement("SELECT lock_id FROM grant_locks WHERE owner_id = :owner AND lock_id = :lock")
_TERMS = Statement("SELECT version, terms_box FROM grants WHERE owner_id = :owner AND grant_id = :grant")


@dataclass(frozen=True)
class Credential:
    """A code or refresh token that opened: its row, its pepper and what it is bound to."""

    found: Found
    pepper: bytes = field(repr=False)
    opened: Opened

    @property
    def client_id(self) -> str:
        """The client it was made for."""
        return str(self.opened.bound.get("client", ""))

    @property
    def spent(self) -> bool:
        """Does it open to nothing, having been used before?"""
        return self.opened.key is None


@evenly.refused
def open_credential(server: Server, string: str, kind: bearer.Kind) -> Credential | None:
    """Open a code or refresh token. None for unknown, revoked, expired, or wrong: they look alike."""
    living = found_living(server, string, kind)
    if living is None:
        return None
    found, standing = living
    try:
        return Credential(found, standing.pepper, grant_locks.open_found(found, standing.pepper))
    except crypto.Damaged:
        return None


def exchange(server: Server, code: Credential, *, jkt: str) -> dict[str, Any] | None:
    """Spend a code: exactly one caller wins. None when it was spent meanwhile, which ends the grant.

    Client, proof, PKCE and redirect have been checked before, so that failing one of them burns nothing.
    """
    found = code.found
    nothing = grant_locks.box_of_nothing(found, code.pepper)
    values = {"box": nothing, "now": server.now, "until": server.now + grant_locks.ACCESS_LIFE}
    with server.main.written_line() as line:
        if _take_live(line, found) and _SPEND.on(line, **_lock(found), **values).rowcount == 1:
            return _token_answer(line, server, code, jkt, with_refresh=True)
    replayed(server, code)
    return None


def replayed(server: Server, code: Credential) -> None:
    """A spent code came again with its true secret: somebody else holds it too. The grant ends."""
    grants.end(server, code.found.string.owner_id, code.found.grant_id, "replay")


def refresh(server: Server, token: Credential, *, jkt: str) -> dict[str, Any] | None:
    """A new access token for the key that just proved itself. The refresh token stays."""
    with server.main.written_line() as line:
        if not _take_live(line, token.found) or _STILL_THERE.on(line, **_lock(token.found)).fetchone() is None:
            return None
        return _token_answer(line, server, token, jkt, with_refresh=False)


def _take_live(line: Line, found: Found) -> bool:
    return bool(_TAKE_LIVE.on(line, owner=found.string.owner_id, grant=found.grant_id).rowcount == 1)


def _lock(found: Found) -> dict[str, bytes]:
    return {"owner": found.string.owner_id, "lock": found.string.lock_id}


def _token_answer(
    line: Line, server: Server, credential: Credential, jkt: str, *, with_refresh: bool
) -> dict[str, Any] | None:
    """None when the grant is over: she may have let it end sooner than the day that stands in its locks."""
    found, key, owner = credential.found, credential.opened.key, credential.found.string.owner_id
    terms = _terms(line, found, key or b"")
    if terms.until <= server.now:
        return None
    grant_locks.drop_expired(line, owner, found.grant_id, server.now)
    access = grant_locks.mint(
        line,
        server,
        "access",
        owner,
        found.grant_id,
        expires_at=min(server.now + grant_locks.ACCESS_LIFE, terms.until),
        client=credential.client_id,
        jkt=jkt,
        pepper=credential.pepper,
        key=key,
    )
    answer = {
        "access_token": access,
        "token_type": "DPoP",
        "expires_in": min(grant_locks.ACCESS_LIFE, terms.until - server.now),
        "authorization_details": terms.granted(),
        "grant_id": found.grant_id.hex(),
    }
    if with_refresh:
        answer["refresh_token"] = grant_locks.mint(
            line,
            server,
            "refresh",
            owner,
            found.grant_id,
            expires_at=terms.until,
            client=credential.client_id,
            pepper=credential.pepper,
            key=key,
        )
    return answer


def _terms(line: Line, found: Found, key: bytes) -> Terms:
    """The terms as they stand in this transaction. Raises crypto.Damaged."""
    owner = found.string.owner_id
    version, box = _TERMS.on(line, owner=owner, grant=found.grant_id).fetchone()
    return Terms.from_bytes(crypto.open_box(key, about_terms(owner, found.grant_id, version), box))


def drop(server: Server, string: str, client_id: str) -> None:
    """Drop a token (RFC 7009): the access token alone, or with the refresh token all tokens of the grant.

    The grant itself stays hers; unknown tokens and those of other clients are left alone without a word.
    """
    for kind in ("refresh", "access"):
        token = open_credential(server, string, kind)
        if token is None or token.client_id != client_id:
            continue
        owner, grant = token.found.string.owner_id, token.found.grant_id
        which = (
            GrantLock.kind.in_(["refresh", "access"])
            if kind == "refresh"
            else GrantLock.lock_id == token.found.string.lock_id
        )
        with server.main.transaction() as session:
            _take_live(line_of(session), token.found)
            session.execute(delete(GrantLock).where(GrantLock.owner_id == owner, GrantLock.grant_id == grant, which))
