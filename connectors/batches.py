"""What a file says, written into her records: many outcomes at a time, each batch her turn.

A mark tells whether she has a thing already. What she changed by hand stays hers: an import replaces only the source.
A batch is compared, numbered and sealed for her next revision before her turn begins, so that the turn is short.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.connector import Found, VendorHint
from connectors.course import ReportLine
from connectors.known import Vendors, opened, vendor_mark
from vault import store, trash
from vault.collections.vendors import Vendor
from vault.errors import N_, Invalid
from vault.record import CLASSES, Record
from vault.stored import Stored
from vault.turn import Position, position

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


@dataclass
class Plan:
    """What a batch writes after `before`, and what it does not. `made` holds new vendors, then new records.

    `renewed` is what the undoing of an import had put away: as it was (None if that is gone for good), and is now.
    """

    before: Position
    now: int
    made: list[tuple[Stored, bytes]] = field(default_factory=list)
    rows: list[store.Row] = field(default_factory=list)
    changed: list[tuple[Stored, Stored]] = field(default_factory=list)
    renewed: list[tuple[Stored | None, Stored]] = field(default_factory=list)
    new_units: int = 0
    changed_units: int = 0
    same: int = 0
    removed: int = 0
    refused: int = 0
    lines: list[ReportLine] = field(default_factory=list)
    vendors: dict[VendorHint, int] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """Rows it writes: a changed record writes its earlier version too, one that returns takes it away."""
        return len(self.made) + 2 * (len(self.changed) + len(self.renewed))

    def make(self, kind: type[Record], source: dict[str, Any], origin: dict[str, Any], mark: bytes) -> int:
        """One more new record; returns its number."""
        number = self.before.last_record + len(self.made) + 1
        self.made.append((Stored(number, self.before.revision + 1, kind, source, {}, origin, self.now), mark))
        return number

    def renew(self, number: int, last: Stored | None, kind: type[Record], source: dict[str, Any], origin: Any) -> None:
        """One that was put away with the import that had brought it stands again, with her own words on it."""
        edits = last.edits if last else {}
        now = Stored(number, self.before.revision + 1, kind, source, edits, origin, self.now)
        self.renewed.append((last, now))


@dataclass
class Writing:
    """Plans and writes the batches of one import. `at` is the day, ISO 8601."""

    vault: OpenVault
    import_id: bytes
    connector: str
    at: str
    vendors: Vendors

    def plan(self, session: Session, batch: Sequence[Ready], turn: Turn | None = None) -> Plan:
        """Compare a batch with what she has, in the snapshot of `session`, or in her turn that has begun already."""
        begun = turn.before if turn else position(session, self.vault.owner_id)
        planned = Plan(begun, self.vault.server.now)
        self.vendors.catch_up(session, planned.before.revision)
        known = store.by_marks(session, self.vault, [each.mark for each in batch])
        new, replaced, renewed = self._sort(planned, batch, known, self._put_away(session, known.values()))
        others = [each for _, each in replaced] + [each for _, _, each in renewed]
        self._name_vendors(session, planned, {each.found.vendor for each in (*new, *others)})
        for number, last, each in renewed:
            source, origin = _source(each, self._vendor(planned, each)), self._origin(each, last)
            planned.renew(number, last, each.kind, source, origin)
            planned.new_units += each.found.units
        for each in new:
            planned.make(each.kind, _source(each, self._vendor(planned, each)), self._origin(each), each.mark)
            planned.new_units += each.found.units
        for before, each in replaced:
            source = _source(each, before.source.get(each.kind.vendor_field, 0) or self._vendor(planned, each))
            origin = self._origin(each, before)
            planned.changed.append((before, replace(before, source=source, origin=origin)))
            planned.changed_units += each.found.units
        planned.rows = store.sealed_rows(self.vault, planned.made, import_id=self.import_id)
        return planned

    def write(self, turn: Turn, planned: Plan) -> None:
        """Everything in a plan for this turn's revision."""
        store.insert_rows(turn, planned.rows, [stored for stored, _ in planned.made])
        for stored, _ in planned.made:
            if stored.kind is Vendor:
                self.vendors.learn(stored)
        for before, after in planned.changed:
            store.put(turn, self.vault, before, after)
        trash.renew(turn, self.vault, planned.renewed, self.import_id)
        for _, stored in planned.renewed:
            if stored.kind is Vendor:
                self.vendors.learn(stored)

    def _put_away(self, session: Session, known: Iterable[store.Known]) -> dict[int, Stored | None]:
        """What lies in the trash because an import was undone."""
        return trash.last_versions(session, self.vault, [row.number for row in known if row.returns])

    def _sort(
        self,
        planned: Plan,
        batch: Sequence[Ready],
        known: Mapping[bytes, store.Known],
        put_away: Mapping[int, Stored | None],
    ) -> tuple[list[Ready], list[tuple[Stored, Ready]], list[tuple[int, Stored | None, Ready]]]:
        """What is new, what she has otherwise, and what returns; the rest is counted."""
        new: list[Ready] = []
        replaced: list[tuple[Stored, Ready]] = []
        renewed: list[tuple[int, Stored | None, Ready]] = []
        for each in batch:
            row = known.get(each.mark)
            if row is None:
                new.append(each)
            elif row.box is None and not row.returns:
                planned.removed += each.found.units
                planned.same += each.found.units
            elif row.box is None and row.number not in put_away:  # gone for good, but here is the file again
                renewed.append((row.number, None, each))
            elif (before := self._before(planned, each, row, put_away)) is None:
                continue
            elif row.box is None:
                renewed.append((row.number, before, each))
            elif (
                _source(each, before.source.get(each.kind.vendor_field, 0)) == before.source
                and _proposals(each, before) == before.proposes
            ):
                planned.same += each.found.units
            else:
                replaced.append((before, each))
        return new, replaced, renewed

    def _before(
        self, planned: Plan, each: Ready, row: store.Known, put_away: Mapping[int, Stored | None]
    ) -> Stored | None:
        """What she has of it; None, and said so, where that is damaged or something else."""
        number, revision, box, _ = row
        before = put_away[number] if box is None else opened(self.vault, number, revision, box)
        if before is not None and before.kind is each.kind:
            return before
        planned.refused += each.found.units
        planned.lines.append(ReportLine(each.place, DAMAGED if before is None else NOT_A_RECORD, refused=True))
        return None

    def _name_vendors(self, session: Session, planned: Plan, hints: set[VendorHint | None]) -> None:
        """The number of every vendor that is named; those she does not have are made, once for all their spellings."""
        made: dict[bytes, int] = {}
        for hint in hints:
            if hint is None or not (hint.domain or hint.name):
                continue
            mark = vendor_mark(self.vault, hint)
            number = made.get(mark) or self.vendors.number(hint)
            if not number:
                number = made[mark] = self._once_made(session, planned, hint, mark)
            planned.vendors[hint] = number

    def _once_made(self, session: Session, planned: Plan, hint: VendorHint, mark: bytes) -> int:
        """A vendor that an import made before, and that she renamed or removed since, stays what she made of it."""
        row = store.by_marks(session, self.vault, [mark]).get(mark)
        if row is not None and not row.returns:
            return row.number
        source: dict[str, Any] = {"called": hint.name or hint.domain}
        if hint.domain:
            source["domains"] = [hint.domain]
        if row is None:
            return planned.make(Vendor, source, self._brought, mark)
        last = self._put_away(session, [row]).get(row.number)
        planned.renew(row.number, last, Vendor, source, self._brought)
        return row.number

    def _vendor(self, planned: Plan, each: Ready) -> int:
        return planned.vendors.get(each.found.vendor, 0) if each.found.vendor and each.kind.vendor_field else 0

    def _origin(self, each: Ready, before: Stored | None = None) -> dict[str, Any]:
        """Where it came from, and what is proposed."""
        origin = {**self._brought, "place": each.place}
        proposes = _proposals(each, before)
        if proposes or (before is not None and "proposes" in before.origin):
            origin["proposes"] = proposes
        return origin

    @property
    def _brought(self) -> dict[str, Any]:
        return {"connector": self.connector, "import": self.import_id.hex(), "at": self.at}


def _proposals(each: Ready, before: Stored | None) -> dict[str, Any]:
    """What is proposed of a record: no file takes back what she has not decided, and none asks again what she has."""
    if before is None:
        return each.found.proposes
    if before.proposes:
        return {**before.proposes, **each.found.proposes}
    decided = "proposes" in before.origin or not before.edits.keys().isdisjoint(each.found.proposes)
    return {} if decided else each.found.proposes


def _source(each: Ready, vendor: int) -> dict[str, Any]:
    """What the file said, with the number of the vendor it meant."""
    source = each.found.data
    if None in source.values():
        source = {name: value for name, value in source.items() if value is not None}
    return {**source, each.kind.vendor_field: vendor} if vendor else source
