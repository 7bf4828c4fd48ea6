"""The counts of one process: requests by route, and how long they took. `vault/metrics.py` tells them."""

from __future__ import annotations

import threading
from collections import Counter

BUCKETS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)  # seconds


class Tally:
    """The counts of one process: how many requests by method, route and status, and how long each route took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._seconds: Counter[str] = Counter()

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request."""
        below = next((str(each) for each in BUCKETS if seconds <= each), "+Inf")
        with self._lock:
            self._counts["requests", method, route, str(status)] += 1
            self._counts["below", route, below] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter adds up what it is given

    def rows(self) -> list[tuple[list[str], float]]:
        """Every count with its name and labels."""
        with self._lock:
            counts: list[tuple[list[str], float]] = [(list(key), count) for key, count in self._counts.items()]
            return counts + [(["seconds", route], spent) for route, spent in self._seconds.items()]


TALLY = Tally()
