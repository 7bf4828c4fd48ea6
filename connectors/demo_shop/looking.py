"""One look into a vault: read all that is granted, and say what that makes of the visit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.demo_shop.visits import Heard, Look
from connectors.vendor_client import Connection, NoLongerShared, NotGranted, Paused, SharingError


def look(connection: Connection, now: datetime) -> dict[str, Any]:
    """The changes to a visit after looking. Everything is read anew, so that what was withdrawn is gone here too."""
    heard: list[Heard] = []
    try:
        grant = connection.grant()
        heard.append(Heard("GET /grant", grant.text))
        shown = {
            name: _read(connection, name, heard)
            for name in dict.fromkeys(i.collection for i in grant.items if not i.leave)
        }
    except NoLongerShared as error:
        return _stopped("ended", error, now) | {"connection": None}
    except Paused as error:
        return _stopped("paused", error, now)
    except SharingError as error:
        return {"trouble": error.sentence}
    found = Look(now, grant.items, shown, tuple(heard))
    return {"standing": "connected", "look": found, "trouble": ""}


def _read(connection: Connection, collection: str, heard: list[Heard]) -> tuple[Mapping[str, Any], ...]:
    """What was narrowed away between two requests is no fault: it is simply not there any more."""
    try:
        sync = connection.read(collection)
    except NotGranted as error:
        heard.append(Heard(f"GET /{collection}", error.answer))
        return ()
    heard.extend(Heard(f"GET /{collection}, page {n}", text) for n, text in enumerate(sync.answers, 1))
    return tuple(record.data for record in sync.records)


def _stopped(standing: str, error: SharingError, now: datetime) -> dict[str, Any]:
    """All that was seen is dropped; only the refusal is kept, to be shown."""
    kept = Look(now, heard=(Heard("GET /grant", error.answer),))
    return {"standing": standing, "look": kept, "trouble": ""}
