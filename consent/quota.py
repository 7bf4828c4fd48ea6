"""What a vendor's program is told of its limits, in `RateLimit-Policy` and `RateLimit`.

The fields of draft-ietf-httpapi-ratelimit-headers-10, with `look`, `deposit` and `call` for units. Pure: the limits
themselves are held by the log, the inbox and `pace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vault.days import DAY

Headers = tuple[tuple[str, str], ...]


class Quota(NamedTuple):
    """One limit of a permission: how many there may be, in a day, in a minute or in all, and how many are left.

    `unit` is what is counted; it is the name of the limit too, with `-today` where it begins anew every day (UTC).
    `window` is its seconds, 0 for all time.
    """

    unit: str
    most: int
    left: int
    window: int = 0


def of_looks(most: int | None, per_day: int | None, *, in_all: int, today: int) -> tuple[Quota, ...]:
    """The limits on looking, those that there are, given how many looks there have been."""
    whole = [Quota("look", most, most - in_all)] if most is not None else []
    daily = [Quota("look", per_day, per_day - today, DAY)] if per_day is not None else []
    return (*whole, *daily)


def headers(quotas: Sequence[Quota], now: int) -> Headers:
    """Both headers, or none where nothing is limited. `now` is seconds since 1970."""
    if not quotas:
        return ()
    policies, states = [], []
    for each in quotas:
        name, window = f'"{each.unit}{"-today" if each.window == DAY else ""}"', each.window
        policies.append(f'{name};q={each.most};qu="{each.unit}"' + (f";w={window}" if window else ""))
        states.append(f"{name};r={max(0, each.left)}" + (f";t={window - now % window}" if window else ""))
    return (("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(states)))
