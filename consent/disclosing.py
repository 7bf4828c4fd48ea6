"""Writing disclosures: the whole set at consent, and what follows her changes. Runs inside her turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from consent.disclosure import about_disclosure, disclose, is_gift, ref
from consent.models import Disclosure, Grant
from consent.terms import Terms, VaultData
from vault import crypto, store
from vault.days import DAY
from vault.db import insert_many
from vault.stored import Stored

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from consent.views import GrantView
    from vault.opened import OpenVault
    from vault.turn import Change, Turn


MOST_CHANGES = 1 << 40  # of one grant; what stands above was written by hand


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


def _candidates(
    session: Session, vault: OpenVault, terms: Terms, item: VaultData, *, since: str = ""
) -> Iterator[Stored]:
    """Records that may be shown: by the catalogue, then by opening them; `since` is a day or the beginning of one.

    The catalogue reads what is committed. Within her turn that is everything, because nobody else can commit a change
    of hers before this turn ends, and a turn that consents changes no record that it shows.
    """
    where = "collection = ? AND NOT damaged AND day >= ?"
    values: list[str | int] = [item.collection, since]
    if item.this_vendor:
        where, values = f"{where} AND vendor = ?", [*values, terms.vendor]
    if item.numbers:
        where, values = f"{where} AND number IN ({', '.join('?' * item.records)})", [*values, *item.numbers]
    found = vault.catalogue.entries(where, *values)
    yield from store.everything(session, vault, [entry.number for entry in found])


def _lately(session: Session, vault: OpenVault, terms: Terms, item: VaultData) -> Iterator[Stored]:
    """Records whose answer may be another than yesterday's: of delayed ones those too young when it was given."""
    if not item.delay:
        yield from _candidates(session, vault, terms, item)
        return
    given_on = datetime.fromtimestamp(terms.given_at, UTC).date()
    since = given_on - timedelta(days=item.delay + 366)  # of some purchases only the year is known
    yield from _candidates(session, vault, terms, item, since=str(since.year))


def all_shown(session: Session, vault: OpenVault, terms: Terms) -> Iterator[Shown]:
    """What all items show, one after the other."""
    for item in terms.items:
        yield from shown_by(session, vault, terms, item)


def digest_of(terms: Terms, shown: Iterable[Shown]) -> bytes:
    """A digest of terms and every byte previewed: consent to one is consent to the other, and to nothing else.

    Whether a record is a gift is part of it: that decides if she gives it, though the bytes would be the same.
    """
    items = map(repr, (*terms.items, *terms.deposits))
    said: tuple[str | int, ...] = (terms.client_id, terms.vendor, terms.alias or "", *items)
    seen: Iterator[int | bytes] = (
        part for each in shown for part in (each.item, each.number, int(each.gift), each.data)
    )
    return crypto.digest_of(chain(said, seen))


def shown_again(session: Session, vault: OpenVault, view: GrantView, terms: Terms) -> Iterator[Shown]:
    """What a living grant shows under other terms. To a single look nothing comes that was never in it."""
    held = set(session.scalars(select(Disclosure.ref).where(*_of(view)))) if terms.once else None
    for each in all_shown(session, vault, terms):
        if held is None or ref(view.key or b"", each.item, each.number) in held:
            yield each


def sealed_set(session: Session, vault: OpenVault, grant: bytes, key: bytes, terms: Terms, version: int) -> list[Row]:
    """The whole set of a grant under one version, as rows to be written in her turn."""
    return _sealed(vault, grant, key, all_shown(session, vault, terms), version)


def sealed_anew(session: Session, vault: OpenVault, view: GrantView, terms: Terms, version: int) -> list[Row]:
    """The set of a living grant under other terms and the next version; its changes are numbered on."""
    assert view.key is not None  # noqa: S101 - the caller has checked
    shown = shown_again(session, vault, view, terms)
    return _sealed(vault, view.grant_id, view.key, shown, version, after=_change(session, view))


def _sealed(
    vault: OpenVault, grant: bytes, key: bytes, shown: Iterable[Shown], version: int, *, after: int = 0
) -> list[Row]:
    sealing = crypto.RowKey(key)
    return [
        _row(vault, grant, sealing, key, each.item, each.number, each.data, version, change)
        for change, each in enumerate(shown, after + 1)
    ]


def replace_set(turn: Turn, view: GrantView, rows: Sequence[Row]) -> None:
    """A whole set in place of what was there; its changes are numbered on."""
    last = _change(turn.session, view)
    turn.session.execute(delete(Disclosure).where(*_of(view)))
    write_set(turn, view.grant_id, rows, after=last)


def write_set(turn: Turn, grant: bytes, rows: Sequence[Row], *, after: int = 0) -> None:
    """Write a whole set; an empty one is a change of this day too."""
    insert_many(turn.session.connection(), "disclosures", Row._fields, rows)
    _keep_change(turn, grant, rows[-1].change if rows else after)


def change_set(turn: Turn, vault: OpenVault, view: GrantView, changes: Sequence[Change]) -> None:
    """Follow her changes: a new row, a changed one moved to the end, or a tombstone, each with the next number."""
    assert view.key is not None  # noqa: S101 - the caller has checked
    sealing, today = crypto.RowKey(view.key), vault.server.clock().date()
    change = first = _change(turn.session, view)
    for item in view.terms.items:
        for each in changes:
            before = _before(turn, vault, view, sealing, item, each, today)
            after = disclose(view.terms, item, each.after, today) if each.after else None
            if before == after or (view.terms.once and not _holds(turn.session, view, item.number, each.number)):
                continue
            change += 1
            number = each.number
            _replace(
                turn, _row(vault, view.grant_id, sealing, view.key, item.number, number, after, view.version, change)
            )
    if change > first:
        _keep_change(turn, view.grant_id, change)


def _before(
    turn: Turn, vault: OpenVault, view: GrantView, sealing: crypto.RowKey, item: VaultData, each: Change, today: date
) -> bytes | None:
    """What was shown of a record until now. Where that depends on the day, it is what lies there: it was sealed on
    another day, and a clock may have been set back since."""
    if each.before is None:
        return None
    if item.daily:
        return _present(turn, vault, view, sealing, item.number, each.number)
    return disclose(view.terms, item, each.before, today)


def _holds(session: Session, view: GrantView, item: int, number: int) -> bool:
    """Is this record in the set, or was it? A grant for a single look is asked, and only followed in that."""
    name = ref(view.key or b"", item, number)
    return session.scalar(select(Disclosure.change).where(*_of(view), Disclosure.ref == name)) is not None


def refresh_daily(turn: Turn, vault: OpenVault, view: GrantView) -> None:
    """Give anew the answers that depend on the day, where they have changed."""
    assert view.key is not None  # noqa: S101 - the caller has checked
    sealing, today = crypto.RowKey(view.key), vault.server.clock().date()
    change = first = _change(turn.session, view)
    for item in view.terms.items:
        if not item.daily or view.terms.once:
            continue
        for stored in _lately(turn.session, vault, view.terms, item):
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
    try:
        return sealing.open(about, row.box).rstrip(b" ")
    except crypto.Damaged:
        return b""  # no answer is that, so it is given anew


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


def _of(view: GrantView) -> tuple[Any, Any]:
    return Disclosure.owner_id == view.owner_id, Disclosure.grant_id == view.grant_id


def _change(session: Session, view: GrantView) -> int:
    """The number of the grant's last change; of its set's, if somebody wrote the other by hand."""
    mine = (Grant.owner_id == view.owner_id, Grant.grant_id == view.grant_id)
    said = session.scalar(select(Grant.change).where(*mine)) or 0
    last = session.scalar(select(func.max(Disclosure.change)).where(*_of(view), Disclosure.change <= MOST_CHANGES)) or 0
    return said if last <= said <= MOST_CHANGES else last


def _keep_change(turn: Turn, grant: bytes, change: int) -> None:
    mine = (Grant.owner_id == turn.owner_id, Grant.grant_id == grant, Grant.state == "live")
    day = turn.server.now // DAY
    turn.session.execute(update(Grant).where(*mine).values(change=change, changed_day=day))
