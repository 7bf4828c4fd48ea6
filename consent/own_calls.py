"""A vendor's own calls, read by its own program: the entries of her log that are about its grant, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from consent import access
from consent.access import Entry
from consent.calls import Call, Denied, Opening, about_grant
from consent.problems import OUTCOMES
from consent.segments import KEPT
from vault.days import DAY

if TYPE_CHECKING:
    from vault.server import Server


def read(server: Server, call: Call, *, after: int, limit: int) -> bytes | Denied:
    """The calls of the last seven days with a number above `after`, oldest first, up to the one that asks.

    Older ones are not shown even where they still stand by themselves: they go when she unlocks, and that is not the
    vendor's to know. Asking is an entry itself, as every call is. Where the answer reaches the end, `next` is its own
    number: whoever goes on from there does not read about his reading.
    """

    def find(opening: Opening) -> Callable[[int], bytes]:
        def made(number: int) -> bytes:
            owner, grant, key = opening.owner_id, opening.found.grant_id, opening.terms.log_key
            page = access.of_grant(server, owner, grant, key, after=after, since=_oldest(server), limit=limit)
            found = [each for each in page if each.number < number]
            following = page[-1].number if len(found) == limit else number
            return orjson.dumps({"calls": [_said(each) for each in found], "next": following, "access": number})

        return made

    return about_grant(server, call, find)


def _oldest(server: Server) -> int:
    """The first day that is shown: later than any that may have been removed by now."""
    return server.now // DAY - KEPT + 1


def _said(entry: Entry) -> dict[str, Any]:
    code = OUTCOMES.get(entry.outcome)
    return {
        "number": entry.number,
        "at": entry.at.isoformat().replace("+00:00", "Z"),
        "what": entry.what,
        "count": entry.count,
        "purposes": entry.purposes,
        "outcome": entry.outcome,
        **({"code": code} if code else {}),
        "request_id": entry.request_id,
    }
