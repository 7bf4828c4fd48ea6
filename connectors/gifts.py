"""What a file hints to be a gift. A hint it stays until she says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import select

from vault import store
from vault.models import RecordRow

if TYPE_CHECKING:
    from vault.catalogue import Entry
    from vault.opened import OpenVault

AT_ONCE = 100  # proposals on one page; what she decides of them is one turn


def proposals(vault: OpenVault, import_id: bytes) -> list[Entry]:
    """Records of this import with something to decide, the newest first."""
    entries = vault.catalogue.entries("proposes AND NOT damaged")
    of_this = _of_this(vault, import_id, [entry.number for entry in entries])
    return [entry for entry in entries if entry.number in of_this]


def _of_this(vault: OpenVault, import_id: bytes, numbers: list[int]) -> set[int]:
    found: set[int] = set()
    with vault.server.main.reading() as session:
        for at in range(0, len(numbers), 500):
            found.update(
                session.scalars(
                    select(RecordRow.number).where(
                        RecordRow.owner_id == vault.owner_id,
                        RecordRow.number.in_(numbers[at : at + 500]),
                        RecordRow.import_id == import_id,
                    )
                )
            )
    return found


def decide(vault: OpenVault, import_id: bytes, chosen: Iterable[int], *, accept: bool) -> int:
    """Settle some of the proposals of this import; what has been decided or removed meanwhile stays as it is.

    Returns the number of her change, by which it can be undone; 0 for none.
    """
    wanted = sorted(_of_this(vault, import_id, list(chosen)[:AT_ONCE]))
    if not wanted:
        return 0
    with store.writing(vault) as turn:
        for stored in store.read_many(turn.session, vault, wanted):
            if stored.proposes:
                store.decide(turn, vault, stored.number, accept=accept)
    return turn.revision if turn.changes else 0
