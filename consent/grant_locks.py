"""Grant locks: codes, tokens and share links open a grant's key; a revocation link opens nothing and can end it.

There is no hash to compare: opening the box with the secret and the grant's pepper is the verification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from vault import bearer, crypto, locks
from vault.db import Line, Statement

if TYPE_CHECKING:
    from vault.server import Server

CODE_LIFE, ACCESS_LIFE = 60, 600  # seconds

_FIND = Statement(
    "SELECT l.grant_id, l.expires_at, l.used_at, l.box, g.state, g.version, g.change, g.changed_day, g.label_box, "
    "g.terms_box, o.revision "
    "FROM grant_locks l JOIN grants g ON g.owner_id = l.owner_id AND g.grant_id = l.grant_id "
    "JOIN owners o ON o.owner_id = l.owner_id "
    "WHERE l.owner_id = :owner AND l.lock_id = :lock AND l.kind = :kind"
)

_MINT = Statement(
    "INSERT INTO grant_locks (owner_id, lock_id, grant_id, kind, expires_at, box) "
    "VALUES (:owner, :lock, :grant, :kind, :expires_at, :box)"
)
_DROP_EXPIRED = Statement(
    "DELETE FROM grant_locks WHERE owner_id = :owner AND grant_id = :grant AND kind = 'access' AND expires_at <= :now"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A grant lock's row with its grant, in one snapshot."""

    string: bearer.Bearer
    grant_id: bytes
    expires_at: int
    used_at: int | None
    box: bytes = field(repr=False)
    state: str
    version: int
    change: int
    changed_day: int
    label_box: bytes = field(repr=False)
    terms_box: bytes | None = field(repr=False)
    revision: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What a lock wraps: the grant key (none for a link or a spent code) and what the token is bound to."""

    key: bytes | None = field(repr=False)
    bound: Mapping[str, Any]


def find(line: Line, server: Server, string: str, kind: bearer.Kind) -> Found | None:
    """The row that a bearer string names. Says nothing yet about whether the string is right.

    One that names none costs what a wrong one costs afterwards: no clock tells which locks there are.
    """
    wanted = bearer.parse(string, kind, server.keys.route)
    if wanted is None:
        return None
    row = _FIND.on(line, owner=wanted.owner_id, lock=wanted.lock_id, kind=kind).fetchone()
    if row is None:
        server.keystore.standing(wanted.owner_id, wanted.lock_id)
        locks.open_nobodys(kind, wanted.owner_id, wanted.lock_id, wanted.secret)
        return None
    return Found(wanted, *row)


def open_found(found: Found, pepper: bytes) -> Opened:
    """Verify a vendor's or a revocation link's string by opening its lock. Raises crypto.Damaged."""
    payload = payload_of(found, pepper)
    if not payload:
        return Opened(None, {})
    return Opened(payload[: crypto.KEY_LENGTH], orjson.loads(payload[crypto.KEY_LENGTH :]))


def payload_of(found: Found, pepper: bytes) -> bytes:
    """Verify the string by opening its lock. Raises crypto.Damaged."""
    string = found.string
    return locks.open_lock(
        string.kind, string.owner_id, string.lock_id, string.secret, pepper, found.grant_id, found.box
    )


def mint(
    line: Line,
    server: Server,
    kind: bearer.Kind,
    owner: bytes,
    grant: bytes,
    *,
    pepper: bytes,
    expires_at: int,
    key: bytes | None = None,
    **bound: str,
) -> str:
    """Make a lock and return the string that opens it."""
    string = bearer.mint(kind, owner, crypto.random_bytes(16))
    payload = key + orjson.dumps(bound) if key else b""
    return add(line, server, string, grant, pepper=pepper, expires_at=expires_at, payload=payload)


def add(
    line: Line,
    server: Server,
    string: bearer.Bearer,
    grant: bytes,
    *,
    pepper: bytes,
    expires_at: int,
    payload: bytes,
) -> str:
    """Make the lock of a string and return the string as it is handed out."""
    kind, owner, lock = string.kind, string.owner_id, string.lock_id
    box = locks.make(kind, owner, lock, string.secret, pepper, grant, payload)
    _MINT.on(line, owner=owner, lock=lock, grant=grant, kind=kind, expires_at=expires_at, box=box)
    return string.text(server.keys.route)


def box_of_nothing(found: Found, pepper: bytes) -> bytes:
    """What stands in a spent code: its own string still opens it, to nothing, so a true replay is known for one."""
    string = found.string
    return locks.make(string.kind, string.owner_id, string.lock_id, string.secret, pepper, found.grant_id, b"")


def drop_expired(line: Line, owner: bytes, grant: bytes, now: int) -> None:
    """Remove access tokens that have run out."""
    _DROP_EXPIRED.on(line, owner=owner, grant=grant, now=now)
