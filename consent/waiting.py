"""Requests that she has opened and not answered: they wait on her home page as long as they live.

Where a request lies is known only by the secret in its address. What she needs to find it again stands in her sealed
settings, and the request itself stays where it was, spent by her decision like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from consent import pushed
from vault import choices

if TYPE_CHECKING:
    from consent.pushed import Asked
    from vault.opened import OpenVault

ASKED, MOST = "asked", 8


class Waiting(NamedTuple):
    """A request that still lives: where it is, who asks, since when (seconds since 1970), and for how many things."""

    request_uri: str
    client_id: str
    name: str
    at: int
    things: int


def remember(vault: OpenVault, request_uri: str, asked: Asked, name: str) -> None:
    """Note that she has opened a request; what no longer lives is forgotten by that."""
    kept = vault.settings.get(ASKED, [])
    if any(each["request_uri"] == request_uri for each in kept):
        return
    known, alive = ({each["request_uri"] for each in kept}, {each.request_uri for each in waiting(vault)})
    over = {request_uri, *(known - alive)}
    now = {"request_uri": request_uri, "client_id": asked.client_id, "name": name, "at": vault.server.now}

    def note(settings: dict[str, Any]) -> None:
        others = [each for each in settings.get(ASKED, []) if each["request_uri"] not in over]
        settings[ASKED] = [now, *others[: MOST - 1]]

    with vault.server.main.transaction() as session:
        choices.change(session, vault, note)


def waiting(vault: OpenVault) -> list[Waiting]:
    """What waits, the latest first. Answered ones are gone by themselves."""
    found = []
    for each in vault.settings.get(ASKED, []):
        asked = pushed.find(vault.server, each["request_uri"], each["client_id"])
        if asked is not None:
            found.append(Waiting(**each, things=len(asked.details.every)))
    return found
