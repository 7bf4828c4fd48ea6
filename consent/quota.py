"""What a vendor's program is told of its limits, in `RateLimit-Policy` and `RateLimit`.

The fields of draft-ietf-httpapi-ratelimit-headers-10, with `look` and `deposit` for units. Pure: the limits themselves
are held by the log and the inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vault.days import DAY

Headers = tuple[tuple[str, str], ...]


class Quota(NamedTuple):
    """One limit of a permission: how many there may be, in a day or in all, and how many are left.

    `unit` is what is counted; it is the name of the limit too, with `-today` where it begins anew every day (UTC).
    """

    unit: str
    most: int
    left: int
    daily: bool


def of_looks(most: int | None, per_day: int | None, *, in_all: int, today: int) -> tuple[Quota, ...]:
    """The limits on looking, those that there are, given how many looks there have been."""
    whole = [Quota("look", most, most - in_all, daily=False)] if most is not None else []
    daily = [Quota("look", per_day, per_day - today, daily=True)] if per_day is not None else []
    return (*whole, *daily)


def headers(quotas: Sequence[Quota], now: int) -> Headers:
    """Both headers, or none where nothing is limited. `now` is seconds since 1970."""
    if not quotas:
        return ()
    policies, states = [], []
    for each in quotas:
        name = f'"{each.unit}{"-today" if each.daily else ""}"'
        policies.append(f'{name};q={each.most};qu="{each.unit}"' + (f";w={DAY}" if each.daily else ""))
        states.append(f"{name};r={max(0, each.left)}" + (f";t={DAY - now % DAY}" if each.daily else ""))
    return (("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(states)))
