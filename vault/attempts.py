"""Tries, slowed down per address and per vault name *before* anything costly is done.

An address waits up to a quarter of an hour; a name at most half a minute, so that a stranger cannot lock her out.
Who is asked again in an open vault is counted by session too, so that a stolen cookie does not buy more guesses from
more addresses.
The recovery code is counted by address alone: nobody can guess it, and no stranger may keep her from it. So is setting
up a vault, which costs as much as an unlock. A mail with links is counted by vault, known or not, besides the address.
The passphrase of a share link is counted by link and by its visitor's address, apart from tries to unlock: only who
holds the link comes this far, and whatever he types leaves her own way in as it is.
A code for another address of notices is counted by vault: every one is a mail to somebody who may never have asked.
Sessions, tokens and the strings of links do not pass through here: 256 bits cannot be guessed, and a made-up one costs
one look-up and no write. All processes count together (decision 30).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from vault import crypto
from vault.days import DAY
from vault.db import Statement, line_of, needing_little
from vault.errors import TooManyTries
from vault.models import Attempt

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

QUARTER, MINUTES = 900, 60  # seconds
FREE = {"address": 5, "handle": 5, "session": 5, "link": 5, "visitor": 5, "code": 5}
FREE |= {"fetch": 60, "recovery": 10, "setting_up": 10, "links": 5}
LONGEST = dict.fromkeys(FREE, QUARTER) | {"handle": 30, "recovery": MINUTES}
FORGOTTEN = 3600  # seconds
MANY = 1000  # tries, above which it makes no difference

_FIRST = Statement(
    "INSERT INTO attempts (tag, count, until) VALUES (:tag, :count, :until) ON CONFLICT (tag) DO NOTHING"
)


def admit(server: Server, **who: str) -> None:
    """Count one try by each of `who`, such as an `address` or a `handle`. Raises TooManyTries.

    Where one of them has to wait it is no try of the others, and not counted: or a stranger whose address waits for a
    quarter of an hour could keep her name waiting all that time. Its own transaction, so that what comes of the try
    leaves it counted.
    """

    def count() -> None:
        with server.main.transaction() as session:
            waits = [_counted(session, server, kind, _tag(server, kind, each)) for kind, each in sorted(who.items())]
            if longest := max(waits):
                raise TooManyTries(timedelta(seconds=longest))

    needing_little(server.main, count)


def _counted(session: Session, server: Server, kind: str, known: bytes) -> int:
    """Seconds to wait; 0 when the try was counted. Of two at once one is counted first, and the other after it."""
    while True:
        row = session.execute(select(Attempt.count.label("tries"), Attempt.until).where(Attempt.tag == known)).first()
        # A wait longer than any that is given was written by hand, or before the clock was set back: it begins anew.
        left = row.until - server.now if row is not None else 0
        if 0 < left <= LONGEST[kind]:
            return left
        count = min(row.tries, MANY) + 1 if row is not None and -FORGOTTEN < left <= 0 else 1
        values = {"count": count, "until": server.now + _delay(kind, count)}
        if row is None:
            written = _FIRST.on(line_of(session), tag=known, **values)
        else:
            as_seen = (Attempt.tag == known, Attempt.count == row.tries, Attempt.until == row.until)
            written = session.execute(update(Attempt).where(*as_seen).values(**values))
        if written.rowcount == 1:
            return 0


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


def tries(server: Server, **who: str) -> int:
    """How many tries in a row have been counted, at most, by each of `who`."""
    tags = [_tag(server, kind, value) for kind, value in who.items()]
    with server.main.reading() as session:
        return session.scalar(select(func.max(Attempt.count)).where(Attempt.tag.in_(tags))) or 0


def first_today(session: Session, server: Server, what: str, value: str) -> bool:
    """Is this the first of its kind on this day (UTC)? In a transaction that is under way."""
    day = server.now // DAY
    tag = _tag(server, what, f"{value} {day}")
    return bool(_FIRST.on(line_of(session), tag=tag, count=1, until=(day + 1) * DAY).rowcount == 1)


def sweep(server: Server) -> None:
    """The worker's part: tries that nobody counts any more."""
    with server.main.transaction() as session:
        session.execute(delete(Attempt).where(Attempt.until <= server.now - FORGOTTEN))


def _delay(kind: str, count: int) -> int:
    over = count - FREE[kind]
    return 0 if over <= 0 else min(LONGEST[kind], 2 ** min(over, 12))


def _tag(server: Server, kind: str, value: str) -> bytes:
    return crypto.tag(server.keys.tag, "attempt", kind, value)
