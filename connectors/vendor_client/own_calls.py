"""Our own calls as the owner's log has them, the refused ones too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from connectors.vendor_client.client import Answer, a_string
from connectors.vendor_client.errors import NotUnderstood

LIMIT = 200


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call of ours. `number` is the `access` of its answer, `what` field names by collection.

    `code` is that of the problem it was answered with, empty when it was not refused.
    """

    number: int
    at: datetime
    what: Mapping[str, tuple[str, ...]]
    count: int
    purposes: tuple[str, ...]
    outcome: str
    code: str
    request_id: str


class Page(NamedTuple):
    """Some calls in order, the number to go on after, and that of the call which asked for them."""

    calls: tuple[LoggedCall, ...]
    next: int
    access: int


def read_calls(answer: Answer) -> Page:
    """The calls of one answer. NotUnderstood unless every part has its shape."""
    members = answer.members()
    found = members.get("calls")
    if not isinstance(found, list) or len(found) > LIMIT:
        raise NotUnderstood("calls", "The vault’s list of calls has not the shape of one.")
    try:
        return Page(tuple(_call(each) for each in found), int(members["next"]), int(members["access"]))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise NotUnderstood("calls", "The vault’s list of calls has not the shape of one.") from None


def _call(said: Mapping[str, Any]) -> LoggedCall:
    return LoggedCall(
        number=int(said["number"]),
        at=datetime.fromisoformat(a_string(said, "at")),
        what={str(name): tuple(map(str, fields)) for name, fields in said["what"].items()},
        count=int(said["count"]),
        purposes=tuple(map(str, said["purposes"])),
        outcome=a_string(said, "outcome"),
        code=str(said.get("code", "")),
        request_id=str(said["request_id"]),
    )
