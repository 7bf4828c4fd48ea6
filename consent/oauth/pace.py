"""How often a client may call, so that one which has gone wild does not slow the others down.

Calls are counted after the client has proved who it is, by an assertion that was new: nobody else uses up its share.
The slowing down of guesses (`vault/attempts.py`) does not fit, because it writes a row for every try and doubles the
pauses; these are good calls. So each process counts for itself, in memory, and no call costs a statement. A server of
four processes lets through up to four times as many, and can bear four times as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock

MINUTE = 60
# Of one client in a minute, by endpoint. Somebody is about to look at a screen for each pushed request, and it is kept
# ten minutes. An access token lasts ten minutes too, so 3000 are what a vendor with 30,000 customers here needs.
MOST = {"par": 300, "token": 3000}


class Pace:
    """The calls of this minute, by endpoint and client."""

    def __init__(self, most: Mapping[str, int] = MOST) -> None:
        self._most, self._minute, self._lock = most, 0, Lock()
        self._calls: Counter[tuple[str, str]] = Counter()

    def admit(self, endpoint: str, client_id: str, *, now: int) -> int:
        """Count one call. Returns 0, or how many seconds are left until the next minute when there were too many."""
        if endpoint not in self._most:
            return 0
        with self._lock:
            if self._minute != now // MINUTE:
                self._minute = now // MINUTE
                self._calls.clear()
            self._calls[endpoint, client_id] += 1
            too_many = self._calls[endpoint, client_id] > self._most[endpoint]
        return MINUTE - now % MINUTE if too_many else 0
