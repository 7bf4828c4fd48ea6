"""How often somebody calls in a minute of the clock, counted for all processes together.

For calls that are good by themselves; tries, which may be guesses, are slowed down in `attempts`. A caller has one row
for each minute, in the same table and swept with it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from vault import crypto
from vault.db import Line, Statement
from vault.errors import TooManyTries

if TYPE_CHECKING:
    from vault.server import Server

MINUTE = 60  # seconds

_COUNT = Statement(
    "INSERT INTO attempts (tag, count, until) VALUES (:tag, 1, :until) "
    "ON CONFLICT (tag) DO UPDATE SET count = attempts.count + 1 RETURNING count"
)


def counted(line: Line, server: Server, kind: str, value: str) -> int:
    """Count one call, in a transaction that is under way. Returns how many of this minute it makes."""
    minute = server.now // MINUTE
    tag = crypto.tag(server.keys.tag, "pace", kind, value, str(minute))
    return int(_COUNT.on(line, tag=tag, until=(minute + 1) * MINUTE).fetchone()[0])


def wait(now: int) -> int:
    """Seconds until the next minute."""
    return MINUTE - now % MINUTE


def admit(server: Server, most: int, **who: str) -> None:
    """Count a call by each of `who`, such as a `link` or a `viewer`. Raises TooManyTries when one has made too many."""
    with server.main.written_line() as line:
        counts = [counted(line, server, kind, value) for kind, value in sorted(who.items())]
    if max(counts) > most:
        raise TooManyTries(timedelta(seconds=wait(server.now)))
