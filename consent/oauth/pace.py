"""How often a client may call in a minute, so that one which has gone wild does not slow the others down.

Calls are counted after the client has proved who it is, by an assertion that was new: nobody else uses up its share.
They are counted where the assertion is remembered, in the same transaction: it costs no commit, and all processes of a
server count together (decision 30).
"""

from __future__ import annotations

from collections.abc import Mapping

from vault.paces import MINUTE, wait

# Somebody is about to look at a screen for each pushed request, and it is kept ten minutes. An access token lasts ten
# minutes too, so 3000 are what a vendor with 30,000 customers here needs; as many may be given back.
MOST = {"par": 300, "token": 3000, "revoke": 3000}


class Pace:
    """How many calls of each endpoint are let through."""

    def __init__(self, most: Mapping[str, int] = MOST) -> None:
        self._most = most

    def late(self, endpoint: str, calls: int, *, now: int) -> int:
        """0, or how many seconds are left until the next minute when there were too many calls in this one."""
        return wait(now) if calls > self._most.get(endpoint, calls) else 0

    def headers(self, endpoint: str, calls: int, *, now: int) -> dict[str, str]:
        """What a client is told of it (draft-ietf-httpapi-ratelimit-headers-10); nothing before it is known."""
        most = self._most.get(endpoint)
        if most is None or not calls:
            return {}
        return {
            "RateLimit-Policy": f'"{endpoint}";q={most};w={MINUTE}',
            "RateLimit": f'"{endpoint}";r={max(0, most - calls)};t={wait(now)}',
        }
