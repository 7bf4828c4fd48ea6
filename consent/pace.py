"""How many calls of the vendors' API there may be under one permission in a minute (decision 36).

They are counted in the row that numbers her log, in the statement that numbers it, so counting costs nothing and all
processes count together; and only calls whose proof was good, so that nobody else uses up a vendor's share. A process
remembers who has had all calls of this minute, and refuses the next before it reads, proves or logs anything.
"""

from __future__ import annotations

from threading import Lock

from consent.quota import Quota
from vault.paces import MINUTE, wait

MOST = 3000  # a vault of 100,000 records is read in 500


class Pace:
    """Who has had all calls of this minute, as far as this process knows. One per server."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._lock, self._minute, self._late = Lock(), 0, dict[bytes, bool]()

    def counted(self, grant: bytes, calls: int, now: int) -> None:
        """So many calls there have been in this minute, the one that is being answered among them."""
        if calls >= self.most:
            with self._lock:
                self._turns(now)
                self._late.setdefault(grant, False)

    def late(self, grant: bytes, now: int) -> bool:
        """Is every further call of this minute refused?"""
        return grant in self._late and self._minute == now // MINUTE

    def first(self, grant: bytes, now: int) -> bool:
        """Is this the first refusal of this minute here, the one that her log tells of?"""
        with self._lock:
            self._turns(now)
            told, self._late[grant] = self._late.get(grant, False), True
            return not told

    def quota(self) -> Quota:
        """What whoever is late is told."""
        return Quota("call", self.most, 0, MINUTE)

    def wait(self, now: int) -> int:
        """Seconds until the next minute."""
        return wait(now)

    def _turns(self, now: int) -> None:
        if self._minute != now // MINUTE:
            self._minute, self._late = now // MINUTE, {}
