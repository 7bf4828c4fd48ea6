"""Tries, slowed down per address and per vault name *before* anything costly is done.

An address waits up to a quarter of an hour; a name at most half a minute, so that a stranger cannot lock her out.
Who is asked again in an open vault is counted by session too, so that a stolen cookie does not buy more guesses from
more addresses.
The passphrase of a share link is counted by link and by its visitor's address, apart from tries to unlock: only who
holds the link comes this far, and whatever he types leaves her own way in as it is.
A code for another address of notices is counted by vault: every one is a mail to somebody who may never have asked.
Sessions, recovery codes and the strings of links do not pass through here: 160 bits cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from vault import crypto
from vault.db import needing_little
from vault.errors import TooManyTries
from vault.models import Attempt

if TYPE_CHECKING:
    from vault.server import Server

FREE = {"address": 5, "handle": 5, "session": 5, "fetch": 60, "link": 5, "visitor": 5, "code": 5}
LONGEST = {"address": 900, "handle": 30, "session": 900, "fetch": 900, "link": 900, "visitor": 900, "code": 900}
FORGOTTEN = 3600  # seconds, like those


def admit(server: Server, **who: str) -> None:
    """Count one try by each of `who`, such as an `address` or a `handle`. Raises TooManyTries.

    Its own transaction, so that a refusal stays counted.
    """
    longest_wait = needing_little(server.main, lambda: _count(server, who))
    if longest_wait:
        raise TooManyTries(timedelta(seconds=longest_wait))


def _count(server: Server, who: Mapping[str, str]) -> int:
    """Returns for how many seconds one of them has to wait."""
    longest_wait = 0
    with server.main.transaction() as session:
        for kind, value in sorted(who.items()):
            known = _tag(server, kind, value)
            row = session.execute(
                select(Attempt.count.label("tries"), Attempt.until).where(Attempt.tag == known)
            ).first()
            if row is not None and row.until > server.now:
                longest_wait = max(longest_wait, row.until - server.now)
                continue
            count = row.tries + 1 if row is not None and row.until > server.now - FORGOTTEN else 1
            until = server.now + _delay(kind, count)
            session.execute(delete(Attempt).where(Attempt.tag == known))
            session.execute(insert(Attempt).values(tag=known, count=count, until=until))
    return longest_wait


def forget(server: Server, **who: str) -> None:
    """After a success the counting starts anew."""
    tags = [_tag(server, kind, value) for kind, value in who.items()]

    def uncount() -> None:
        with server.main.transaction() as session:
            session.execute(delete(Attempt).where(Attempt.tag.in_(tags)))

    needing_little(server.main, uncount)


def once(server: Server, what: str, value: str, *, until: int) -> bool:
    """Is this the first use of something that may be used once, and that is good until then anyway?"""
    row = {"tag": _tag(server, what, value), "count": 1, "until": until}

    def write() -> None:
        with server.main.transaction() as session:
            session.execute(insert(Attempt).values(**row))

    try:
        needing_little(server.main, write)
    except IntegrityError:
        return False
    return True


def sweep(server: Server) -> None:
    """The worker's part: tries that nobody counts any more."""
    with server.main.transaction() as session:
        session.execute(delete(Attempt).where(Attempt.until <= server.now - FORGOTTEN))


def _delay(kind: str, count: int) -> int:
    over = count - FREE[kind]
    return 0 if over <= 0 else min(LONGEST[kind], 2 ** min(over, 12))


def _tag(server: Server, kind: str, value: str) -> bytes:
    return crypto.tag(server.keys.tag, "attempt", kind, value)
