"""What a vendor has read, by its log, and asking it to delete that: that she asked, and whether it was heeded."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from consent import notices, segments
from consent.access import Entry
from consent.models import Erasure
from consent.views import GrantView
from vault.days import DAY, day_of
from vault.db import Statement, line_of
from vault.errors import NotFound

if TYPE_CHECKING:
    from vault.opened import OpenVault

MOST_WHILE_LIVE = 20_000  # entries; a fifth of a second
_ASK = Statement(
    "INSERT INTO erasures (owner_id, grant_id, asked_day) VALUES (:owner, :grant, :day) "
    "ON CONFLICT (owner_id, grant_id) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Had:
    """What was read of one collection: the fields, the first day and the last."""

    collection: str
    fields: tuple[str, ...]
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Asked:
    """When she asked for it to be deleted, by when an answer is due, and when it was done."""

    on: date
    due: date
    done: date | None


def had(vault: OpenVault, view: GrantView) -> list[Had]:
    """What a grant's log says was read: all of it, or calls that bring nothing would push out of sight what was read.

    While it lives its page is where she stops it, which no number of calls may make slow: there the latest are enough.
    Damaged entries say nothing here; her log names them.
    """
    entries = segments.entries(vault, {view.grant_id: view.terms.log_key})
    return summary(islice(entries, MOST_WHILE_LIVE) if view.live else entries)


def summary(entries: Iterable[Entry]) -> list[Had]:
    """Looks that brought something, by collection."""
    by: dict[str, Had] = {}
    for entry in entries:
        day = entry.at.date()
        for collection, paths in entry.what.items() if entry.outcome == "allowed" and entry.count else ():
            so_far = by.get(collection, Had(collection, (), day, day))
            fields = tuple(dict.fromkeys((*so_far.fields, *paths)))
            by[collection] = Had(collection, fields, min(so_far.first, day), max(so_far.last, day))
    return list(by.values())


def asked(vault: OpenVault) -> dict[bytes, Asked]:
    """What she has asked, by grant."""
    with vault.server.main.reading() as session:
        rows = session.execute(
            select(Erasure.grant_id, Erasure.asked_day, Erasure.done_day).where(Erasure.owner_id == vault.owner_id)
        ).all()
    return {
        grant: Asked(day_of(day), due(day_of(day)), day_of(done) if done is not None else None)
        for grant, day, done in rows
    }


def due(asked: date) -> date:
    """A month later (GDPR, Article 12(3)): the same date, or the last of a month that has none (Regulation 1182/71)."""
    following = asked.replace(day=28) + timedelta(days=4)
    return following.replace(day=min(asked.day, monthrange(following.year, following.month)[1]))


def ask(vault: OpenVault, view: GrantView) -> None:
    """She has asked: remembered, and the vendor's program is told too. Asking again changes nothing."""
    server, owner, grant = vault.server, vault.owner_id, view.grant_id
    with server.main.transaction() as session:
        if _ASK.on(line_of(session), owner=owner, grant=grant, day=server.now // DAY).rowcount == 1:
            notices.tell(session, server, owner, grant, view.terms.client_id, "erasure.asked")


def done(vault: OpenVault, grant: bytes) -> None:
    """The vendor says that it has deleted it. Raises NotFound where nothing was asked, or it was done before."""
    mine = (Erasure.owner_id == vault.owner_id, Erasure.grant_id == grant, Erasure.done_day.is_(None))
    with vault.server.main.transaction() as session:
        heeded = session.execute(update(Erasure).where(*mine).values(done_day=vault.server.now // DAY))
        if heeded.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has a row count
            raise NotFound
