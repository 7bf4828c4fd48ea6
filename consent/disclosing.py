"""Writing disclosures: the whole set at consent, and what follows her changes. Runs inside her turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select, update

from consent.disclosure import about_disclosure, disclose, is_gift, ref
from consent.models import Disclosure, Grant
from consent.terms import Terms, VaultData
from vault import crypto, store
from vault.db import insert_many
from vault.stored import Stored

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from consent.views import GrantView
    from vault.opened import OpenVault
    from vault.turn import Change, Turn


class Row(NamedTuple):
    """A row of disclosures, sealed."""

    owner_id: bytes
    grant_id: bytes
    change: int
    item: int
    ref: bytes
    box: bytes | None


@dataclass(frozen=True, slots=True)
class Shown:
    """One record as an item shows it: its JSON bytes, exactly as the vendor will receive them."""

    number: int
    item: int
    data: bytes
    gift: bool
    undecided: bool


def shown_by(session: Session, vault: OpenVault, terms: Terms, item: VaultData) -> Iterator[Shown]:
    """What an item shows of the vault as it stands in this session's snapshot, newest first."""
    today = vault.server.clock().date()
    for stored in _candidates(session, vault, terms, item):
        data = disclose(terms, item, stored, today)
        if data is not None:
            yield Shown(stored.number, item.number, data, is_gift(stored), bool(stored.proposes))


def _candidates(session: Session, vault: OpenVault, terms: Terms, item: VaultData) -> Iterator[Stored]:
    """Records that may be shown: by the catalogue, then by opening them.

    The catalogue reads what is committed. Within her turn that is everything, because nobody else can commit a change
    of hers before this turn ends, and a turn that consents changes no record that it shows.
    """
    where, values = "collection = ? AND NOT damaged", (item.collection,)
    if item.this_vendor:
        found = vault.catalogue.entries(f"{where} AND vendor = ?", *values, terms.vendor)
    else:
        found = vault.catalogue.entries(where, *values)
    yield from store.everything(session, vault, [entry.number for entry in found])


def all_shown(session: Session, vault: OpenVault, terms: Terms) -> Iterator[Shown]:
    """What all items show, one after the other."""
    for item in terms.items:
        yield from shown_by(session, vault, terms, item)


def digest_of(terms: Terms, shown: Iterable[Shown]) -> bytes:
    """A digest of terms and every byte previewed: consent to one is consent to the other, and to nothing else.

    Whether a record is a gift is part of it: that decides if she gives it, though the bytes would be the same.
    """
    said: tuple[str | int, ...] = (terms.client_id, terms.vendor, terms.alias or "", *map(repr, terms.items))
    seen: Iterator[int | bytes] = (
        part for each in shown for part in (each.item, each.number, int(each.gift), each.data)
    )
    return crypto.digest_of(chain(said, seen))


def sealed_set(
    session: Session, vault: OpenVault, grant: bytes, key: bytes, terms: Terms, version: int, *, after: int = 0
) -> list[Row]:
    """The whole set of a grant under one version, as rows to be written in her turn; changes are numbered on."""
    sealing = crypto.RowKey(key)
    return [
        _row(vault, grant, sealing, key, each.item, each.number, each.data, version, change)
        for change, each in enumerate(all_shown(session, vault, terms), after + 1)
    ]


def reseal_set(turn: Turn, vault: OpenVault, grant: bytes, key: bytes, terms: Terms, version: int) -> None:
    """The whole set anew under another version, in place of what was there."""
    mine = (Disclosure.owner_id == turn.owner_id, Disclosure.grant_id == grant)
    turn.session.execute(delete(Disclosure).where(*mine))
    after = _first_change(turn, grant)
    write_set(turn, grant, sealed_set(turn.session, vault, grant, key, terms, version, after=after), after=after)


def write_set(turn: Turn, grant: bytes, rows: Sequence[Row], *, after: int = 0) -> None:
    """Write a whole set; an empty one is a change of this day too."""
    insert_many(turn.session.connection(), "disclosures", Row._fields, rows)
    _keep_change(turn, grant, after + len(rows))


def change_set(
    turn: Turn, vault: OpenVault, grant: bytes, key: bytes, terms: Terms, version: int, changes: Sequence[Change]
) -> None:
    """Follow her changes: a new row, a changed one moved to the end, or a tombstone, each with the next number."""
    sealing, today = crypto.RowKey(key), vault.server.clock().date()
    change = first = _first_change(turn, grant)
    for item in terms.items:
        for each in changes:
            before = disclose(terms, item, each.before, today) if each.before else None
            after = disclose(terms, item, each.after, today) if each.after else None
            if before == after:
                continue
            change += 1
            row = _row(vault, grant, sealing, key, item.number, each.number, after, version, change)
            _replace(turn, row)
    if change > first:
        _keep_change(turn, grant, change)


def refresh_daily(turn: Turn, vault: OpenVault, view: GrantView) -> None:
    """Give anew the answers that depend on the day, where they have changed."""
    assert view.key is not None  # noqa: S101 - the caller has checked
    sealing, today = crypto.RowKey(view.key), vault.server.clock().date()
    change = first = _first_change(turn, view.grant_id)
    for item in view.terms.items:
        if not item.daily:
            continue
        for stored in _candidates(turn.session, vault, view.terms, item):
            data = disclose(view.terms, item, stored, today)
            if data == _present(turn, vault, view, sealing, item.number, stored.number):
                continue
            change += 1
            _replace(
                turn,
                _row(vault, view.grant_id, sealing, view.key, item.number, stored.number, data, view.version, change),
            )
    if change > first:
        _keep_change(turn, view.grant_id, change)


def _present(
    turn: Turn, vault: OpenVault, view: GrantView, sealing: crypto.RowKey, item: int, number: int
) -> bytes | None:
    assert view.key is not None  # noqa: S101 - the caller has checked
    name = ref(view.key, item, number)
    row = turn.session.execute(
        select(Disclosure.change, Disclosure.box).where(
            Disclosure.owner_id == vault.owner_id, Disclosure.grant_id == view.grant_id, Disclosure.ref == name
        )
    ).first()
    if row is None or row.box is None:
        return None
    about = about_disclosure(vault.owner_id, view.grant_id, item, name, view.version, row.change)
    return sealing.open(about, row.box).rstrip(b" ")


def _row(
    vault: OpenVault,
    grant: bytes,
    sealing: crypto.RowKey,
    key: bytes,
    item: int,
    number: int,
    data: bytes | None,
    version: int,
    change: int,
) -> Row:
    name = ref(key, item, number)
    about = about_disclosure(vault.owner_id, grant, item, name, version, change)
    box = sealing.seal(about, crypto.pad(data)) if data is not None else None
    return Row(vault.owner_id, grant, change, item, name, box)


def _replace(turn: Turn, row: Row) -> None:
    mine = (Disclosure.owner_id == row.owner_id, Disclosure.grant_id == row.grant_id)
    turn.session.execute(delete(Disclosure).where(*mine, Disclosure.ref == row.ref))
    turn.session.execute(insert(Disclosure).values(**row._asdict()))


def _first_change(turn: Turn, grant: bytes) -> int:
    mine = (Grant.owner_id == turn.owner_id, Grant.grant_id == grant)
    return turn.session.scalar(select(Grant.change).where(*mine)) or 0


def _keep_change(turn: Turn, grant: bytes, change: int) -> None:
    mine = (Grant.owner_id == turn.owner_id, Grant.grant_id == grant, Grant.state == "live")
    day = turn.server.now // 86400
    turn.session.execute(update(Grant).where(*mine).values(change=change, changed_day=day))
