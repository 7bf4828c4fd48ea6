"""Is a grant as main shows it really standing? What every vendor call asks of the keystore, in the checked order.

Main is read first, the keystore after. Below a floor means an old copy was put back, but only after reading both again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consent import grant_locks
from consent.models import Grant
from vault.keystore import Standing
from vault.turn import recover_old_copy

if TYPE_CHECKING:
    from consent.grant_locks import Found
    from vault import bearer
    from vault.server import Server


class Moved(Exception):
    """The grant or its owner's copy has moved since it was read: start over."""


def standing_of(server: Server, found: Found) -> Standing | None:
    """What the keystore says of a grant that main shows; None when it has died. Raises Moved."""
    owner = found.string.owner_id
    standing = server.keystore.standing(owner, found.grant_id)
    if standing is None:
        return None
    if found.revision < standing.revision:
        recover_old_copy(server, owner)
        raise Moved
    if found.version < standing.version:
        if version_now(server, owner, found.grant_id) != found.version:
            raise Moved
        server.keystore.hold_old_copy(owner, {found.grant_id: standing.version})
        return standing._replace(held="old copy")
    if found.revision > standing.revision:
        server.keystore.raise_floor(owner, found.revision)
    if found.version > standing.version:
        server.keystore.raise_version(owner, found.grant_id, found.version)
    return standing


def found_living(server: Server, string: str, kind: bearer.Kind) -> tuple[Found, Standing] | None:
    """The lock that a string names, and what the keystore says of its grant; unknown, ended, expired: None alike."""
    for _attempt in range(5):
        with server.main.line() as line:
            found = grant_locks.find(line, server, string, kind)
        if found is None or found.state != "live" or found.expires_at <= server.now:
            return None
        try:
            standing = standing_of(server, found)
        except Moved:
            continue
        return (found, standing) if standing is not None else None
    return None


def version_now(server: Server, owner: bytes, grant: bytes) -> int | None:
    """A grant's version in a fresh snapshot."""
    from sqlalchemy import select

    with server.main.reading() as session:
        mine = (Grant.owner_id == owner, Grant.grant_id == grant)
        return session.scalar(select(Grant.version).where(*mine))
