"""What a file says, written into her records: some hundred outcomes at a time, each batch her turn.

A mark tells whether she has a thing already. What she changed by hand stays hers: an import replaces only the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from connectors.connector import Found, VendorHint
from connectors.course import ReportLine
from vault import crypto, store
from vault.collections.vendors import Vendor
from vault.errors import N_, Invalid
from vault.models import Owner, RecordRow
from vault.record import CLASSES, Record
from vault.stored import Stored

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.turn import Turn

NOT_A_RECORD = N_("This is not a thing that is kept here.")
DAMAGED = N_("What is stored of this already is damaged, so it was not touched.")


class Ready(NamedTuple):
    """A record that was checked: its mark, its class, what was found, and where."""

    mark: bytes
    kind: type[Record]
    found: Found
    place: str


def ready(vault: OpenVault, found: Found, place: str) -> Ready:
    """Check what a connector found as if the file itself had written it. Raises Invalid."""
    kind = CLASSES.get((found.collection, found.part))
    if kind is None or not kind.references.isdisjoint(found.data):
        raise Invalid({"collection": [NOT_A_RECORD]})
    kind.check({**found.data, **found.proposes} if found.proposes else found.data)
    return Ready(vault.keyring.mark(*found.natural), kind, found, place)


def vendor_mark(vault: OpenVault, hint: VendorHint) -> bytes:
    """The mark of a vendor that imports have named."""
    return vault.keyring.mark("vendor", hint.domain or hint.name.casefold())


class Vendors:
    """Her vendors by domain and by name, kept up with her revision while an import runs."""

    def __init__(self, vault: OpenVault) -> None:
        self._vault = vault
        catalogue = vault.catalogue
        self._seen = catalogue.revision
        self._known: dict[int, frozenset[str]] = {}
        entries = catalogue.entries("collection = 'vendors' AND NOT damaged")
        with vault.server.main.reading() as session:
            for stored in store.read_many(session, vault, [entry.number for entry in entries]):
                self.learn(stored)

    def learn(self, stored: Stored) -> None:
        """Take over a vendor as it stands."""
        record = stored.record
        assert isinstance(record, Vendor)  # noqa: S101 - the callers look at the class first
        names = (record.called, *record.also_called, *record.domains)
        self._known[stored.number] = frozenset(name.strip().casefold() for name in names)

    def catch_up(self, session: Session, revision: int) -> None:
        """Take over what was written since; in her turn nothing can follow after it."""
        if revision <= self._seen:
            return
        rows = session.execute(
            select(RecordRow.number, RecordRow.revision, RecordRow.box).where(
                RecordRow.owner_id == self._vault.owner_id, RecordRow.revision > self._seen
            )
        )
        for number, at, box in rows:
            self._known.pop(number, None)
            if box is not None and (stored := opened(self._vault, number, at, box)) and stored.kind is Vendor:
                self.learn(stored)
        self._seen = revision

    def wrote(self, revision: int) -> None:
        """This import's own turn was committed, and what it wrote is known."""
        self._seen = revision

    def number(self, hint: VendorHint) -> int:
        """The vendor that is meant: by its domain, else by its name; 0 if she has none."""
        for said in (hint.domain, hint.name.casefold()):
            for number, names in sorted(self._known.items()):
                if said and said in names:
                    return number
        return 0


def opened(vault: OpenVault, number: int, revision: int, box: bytes) -> Stored | None:
    """A record, or None if its row was tampered with."""
    try:
        return store.unseal(vault, number, revision, box)
    except crypto.Damaged:
        return None


@dataclass
class Plan:
    """What a batch would write at one revision of hers, and what it would not."""

    revision: int
    new: list[Ready] = field(default_factory=list)
    changed: list[tuple[Stored, Ready]] = field(default_factory=list)
    same: int = 0
    removed: int = 0
    refused: int = 0
    lines: list[ReportLine] = field(default_factory=list)
    vendors: dict[VendorHint, int] = field(default_factory=dict)  # 0: has to be made

    @property
    def numbers(self) -> int:
        """Record numbers it needs."""
        return len(self.new) + sum(1 for number in self.vendors.values() if not number)

    @property
    def replaced(self) -> list[Ready]:
        """What is known already, and said otherwise now."""
        return [each for _, each in self.changed]

    @property
    def rows(self) -> int:
        """Rows it writes: a changed record writes its earlier version too."""
        return self.numbers + 2 * len(self.changed)


def plan(session: Session, vault: OpenVault, batch: Sequence[Ready], vendors: Vendors) -> Plan:
    """Compare a batch with what she has, in the snapshot or turn of `session`."""
    revision = session.scalar(select(Owner.revision).where(Owner.owner_id == vault.owner_id)) or 0
    vendors.catch_up(session, revision)
    known = store.by_marks(session, vault, [each.mark for each in batch])
    made = Plan(revision)
    for each in batch:
        _sort(made, vault, each, known.get(each.mark))
    hints = {each.found.vendor for each in made.new} | {each.found.vendor for each in made.replaced}
    for hint in hints:
        if hint is not None and (hint.domain or hint.name):
            made.vendors[hint] = vendors.number(hint) or _once_made(session, vault, hint)
    return made


def _once_made(session: Session, vault: OpenVault, hint: VendorHint) -> int:
    """A vendor that an import made before, and that she renamed or removed since: it stays what she made of it."""
    mark = vendor_mark(vault, hint)
    row = store.by_marks(session, vault, [mark]).get(mark)
    return row[0] if row else 0


def _sort(made: Plan, vault: OpenVault, each: Ready, row: tuple[int, int, bytes | None] | None) -> None:
    if row is None:
        made.new.append(each)
        return
    number, revision, box = row
    if box is None:
        made.removed += each.found.units
        made.same += each.found.units
        return
    before = opened(vault, number, revision, box)
    if before is None or before.kind is not each.kind:
        made.refused += each.found.units
        made.lines.append(ReportLine(each.place, DAMAGED if before is None else NOT_A_RECORD, refused=True))
    elif _source(each, before.source.get(each.kind.vendor_field, 0)) == before.source:
        made.same += each.found.units
    else:
        made.changed.append((before, each))


def _source(each: Ready, vendor: int) -> dict[str, Any]:
    source = each.found.data
    if None in source.values():
        source = {name: value for name, value in source.items() if value is not None}
    return {**source, each.kind.vendor_field: vendor} if vendor else source


@dataclass
class Writing:
    """Writes plans for one import. `at` is the day, ISO 8601."""

    vault: OpenVault
    import_id: bytes
    connector: str
    at: str
    vendors: Vendors

    def write(self, turn: Turn, planned: Plan) -> None:
        """Everything in the plan, in her turn. The plan's vendors that she does not have are made first."""
        self._make_vendors(turn, planned)
        new = []
        for each in planned.new:
            source, origin = self._source(planned, each), self._origin(each)
            new.append((Stored(turn.number(), turn.revision, each.kind, source, {}, origin), each.mark))
        store.insert_all(turn, self.vault, new, import_id=self.import_id)
        for before, each in planned.changed:
            origin = self._origin(each, decided=not before.proposes)
            kept = before.source.get(each.kind.vendor_field, 0)
            source = _source(each, kept) if kept else self._source(planned, each)
            store.put(turn, self.vault, before, replace(before, source=source, origin=origin))

    def _make_vendors(self, turn: Turn, planned: Plan) -> None:
        for hint, number in planned.vendors.items():
            if number:
                continue
            source: dict[str, Any] = {"called": hint.name or hint.domain}
            if hint.domain:
                source["domains"] = [hint.domain]
            origin = {"connector": self.connector, "import": self.import_id.hex(), "at": self.at}
            stored = Stored(turn.number(), turn.revision, Vendor, source, {}, origin)
            mark = vendor_mark(self.vault, hint)
            store.insert_all(turn, self.vault, [(stored, mark)], import_id=self.import_id)
            self.vendors.learn(stored)
            planned.vendors[hint] = stored.number

    def _source(self, planned: Plan, each: Ready) -> dict[str, Any]:
        """What the file said, with the number of the vendor it meant."""
        hint = each.found.vendor
        named = planned.vendors.get(hint, 0) if hint and each.kind.vendor_field else 0
        return _source(each, named)

    def _origin(self, each: Ready, *, decided: bool = False) -> dict[str, Any]:
        """Where it came from. What she has decided once is not proposed again."""
        origin: dict[str, Any] = {
            "connector": self.connector,
            "import": self.import_id.hex(),
            "place": each.place,
            "at": self.at,
        }
        if each.found.proposes and not decided:
            origin["proposes"] = each.found.proposes
        return origin
