"""What the picture of who can see what can be narrowed to: permissions that want a second thought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consent import access, segments
from consent.views import GrantView
from vault.days import DAY
from vault.errors import N_
from vault.opened import OpenVault

UNUSED = 60  # days without a look
GROUPS = {
    "ending": N_("End within a week"),
    "unused": N_("Not looked for 60 days"),
    "paused": N_("Paused"),
    "links": N_("By link"),
}


def of(live: Sequence[GrantView], last: Mapping[bytes, int], now: int) -> dict[str, list[GrantView]]:
    """Which belong to each group; `last` is the day of each one's last look, `now` seconds since 1970."""
    sleeping = now // DAY - UNUSED
    return {
        "ending": [view for view in live if view.terms.until < now + 7 * DAY],
        "unused": [view for view in live if max(view.terms.given_at // DAY, last.get(view.grant_id, 0)) < sleeping],
        "paused": [view for view in live if view.held],
        "links": [view for view in live if view.terms.by_link],
    }


def last_looks(vault: OpenVault, live: Sequence[GrantView], looks: Mapping[bytes, int]) -> dict[bytes, int]:
    """The day of each one's last look, counted since 1970: of what stands by itself, or else from the segments."""
    found = access.last_days(vault.server, vault.owner_id)
    quiet = {
        view.grant_id: view.terms.log_key for view in live if view.grant_id not in found and looks.get(view.grant_id)
    }
    for entry in segments.entries(vault, quiet) if quiet else ():
        found.setdefault(entry.grant_id, int(entry.at.timestamp()) // DAY)
        if quiet.keys() <= found.keys():
            break
    return found
