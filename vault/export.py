"""Everything in a vault as plain JSON, one record after another, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import orjson

from vault import store
from vault.opened import OpenVault
from vault.stored import Stored


def export(vault: OpenVault) -> Iterator[bytes]:
    """The document in parts: `{"format", "made_at", "owner", "records": [...], <each room's own part>}`."""
    head = {"format": "vrm/1/export", "made_at": vault.server.clock().astimezone(UTC).isoformat(), "owner": vault.name}
    yield orjson.dumps(head)[:-1] + b',"records":[\n'
    numbers = [entry.number for entry in vault.catalogue.entries("NOT damaged", order="number")]
    first = True
    with vault.server.main.reading() as session:
        for stored in store.everything(session, vault, numbers):
            yield (b"" if first else b",\n") + orjson.dumps(_plain(stored))
            first = False
    yield b"\n]"
    for room in vault.server.rooms:
        if room.export is not None:
            yield b"," + orjson.dumps({room.name: room.export(vault)})[1:-1]
    yield b"}\n"


def _plain(stored: Stored) -> dict[str, Any]:
    shown = {
        "number": stored.number,
        "collection": stored.kind.collection,
        "part": stored.kind.part,
        "version": stored.kind.version,
        "source": stored.source,
        "edits": stored.edits,
        "origin": stored.origin,
        "at": stored.at,
    }
    return {name: value for name, value in shown.items() if value not in ("", {}, 0)}
