"""What the undoing of an import puts away, phase by phase, what it leaves with her, and how that comes back.

Each phase does its records after a cursor, at most so many in one turn of hers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Select, func, or_, select

from connectors.course import Undo, standing, standings
from connectors.known import opened
from connectors.models import Import
from consent import views
from vault import attachments, crypto, store, trash
from vault.collections.notes import bundle_of
from vault.collections.vendors import Vendor
from vault.errors import N_
from vault.models import RecordRow, Version

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.stored import Stored
    from vault.turn import Turn

AT_ONCE = 250  # records of one turn: each writes its row and its last version
EDITED = N_("You changed them, or marked them as a gift.")
NOTED = N_("You wrote a note about them.")
FILED = N_("You put a file with them.")
LATER = N_("A later import has changed them.")
DAMAGED = N_("They are damaged.")
USED = N_("Vendors of whom something else is left.")


class Preview(NamedTuple):
    """What undoing would do now: how many things go, which stay and why.

    `again`: a later file has said something that was there already, which may be one of these.
    """

    goes: int
    kept: dict[str, int]
    again: bool


@dataclass(frozen=True)
class Step:
    """A turn under way. Each step below does its records after the cursor; it returns the last, or None at the end."""

    turn: Turn
    vault: OpenVault
    import_id: bytes
    undo: Undo

    def rows(self, *which: Any) -> list[tuple[int, int, bytes]]:
        """The next records that stand and of which this is true."""
        found = self.lines(RecordRow.box.is_not(None), *which)
        return [(row.number, row.revision, row.box) for row in found if row.box is not None]

    def lines(self, *which: Any) -> Sequence[Row[int, int, bytes | None]]:
        """The next records of which this is true, whether they stand or not."""
        return self.turn.session.execute(
            select(RecordRow.number, RecordRow.revision, RecordRow.box)
            .where(RecordRow.owner_id == self.vault.owner_id, RecordRow.number > self.undo.cursor, *which)
            .order_by(RecordRow.number)
            .limit(AT_ONCE)
        ).all()

    def keep(self, reason: str) -> None:
        """Count one that stays."""
        self.undo.kept[reason] = self.undo.kept.get(reason, 0) + 1

    def put_away(self, going: Sequence[Stored]) -> None:
        """They go to the trash, from where they may return."""
        if going:
            store.remove_all(self.turn, self.vault, going, returns=True)

    def put_back(self, *which: Any) -> int | None:
        """The next that lie in the trash because an import was undone, and of which this is true."""
        numbers = self.turn.session.scalars(
            select(RecordRow.number)
            .where(*_returns(self.vault), RecordRow.number > self.undo.cursor, *which)
            .order_by(RecordRow.number)
            .limit(AT_ONCE)
        ).all()
        for each in trash.put_back(self.turn, self.vault, numbers):
            self.undo.vendors += each.kind is Vendor
            self.undo.gone += each.kind is not Vendor
        return _last(numbers)


def _last(numbers: Sequence[int]) -> int | None:
    return numbers[-1] if len(numbers) == AT_ONCE else None


def _put_things_away(step: Step) -> int | None:
    """What the file added, but for vendors, and for what she has made her own."""
    rows = step.rows(RecordRow.import_id == step.import_id)
    known = [each for row in rows if (each := opened(step.vault, *row))]
    reasons = _reasons(step.turn.session, step.vault, step.import_id, known)
    going = []
    for each in known:
        if each.kind is Vendor:
            continue
        if each.number in reasons and not step.undo.everything:
            step.keep(reasons[each.number])
        else:
            going.append(each)
    for _ in range(len(rows) - len(known)):
        step.keep(DAMAGED)
    step.put_away(going)
    step.undo.gone += len(going)
    return _last([number for number, _, _ in rows])


def _put_things_back(step: Step) -> int | None:
    return step.put_back(RecordRow.import_id == step.import_id)


def _take_words_back(step: Step) -> int | None:
    """What was there before says again what the last file that is left had said."""
    return _say(step, lambda origin: origin.get("import") == step.import_id.hex())


def _say_again(step: Step) -> int | None:
    return _say(step, lambda origin: "undone" in origin)


def _say(step: Step, about: Callable[[Mapping[str, Any]], bool]) -> int | None:
    changed = select(Version.number).where(Version.owner_id == step.vault.owner_id, Version.number == RecordRow.number)
    others = (RecordRow.import_id.is_distinct_from(step.import_id), changed.exists())
    rows = step.lines(trash.there_or_in_trash(), *others)
    lying = trash.last_versions(step.turn.session, step.vault, [row.number for row in rows if row.box is None])
    going = {each.hex() for each in step.turn.session.scalars(_imports(step.vault, "undoing", "undone"))}
    pairs = []
    for number, revision, box in rows:
        now = lying.get(number) if box is None else opened(step.vault, number, revision, box)
        if now and about(now.origin) and (then := _source(step, now, going)):
            pairs.append((now, then))
    store.put_all(step.turn, step.vault, [(now, then) for now, then in pairs if now.number not in lying])
    trash.say(step.turn, step.vault, [then for now, then in pairs if now.number in lying])
    step.undo.sources += len(pairs)
    return _last([row.number for row in rows])


def _source(step: Step, now: Stored, going: set[str]) -> Stored | None:
    """A record with the words of the last file that is left, hers on top; where none is, those it came with.

    None where it says so already, where no earlier version tells, or one is damaged.
    """
    try:
        versions = [now, *store.history(step.turn.session, step.vault, now.number)]
    except crypto.Damaged:
        return None
    said = [each for each in versions if each.source and "undone" not in each.origin]
    left = [each for each in said if each.origin.get("import") not in going] or said[-1:]
    if not left or left[0].origin.get("import") == now.origin.get("import"):
        return None
    origin = left[0].origin
    if left[0] is not said[0]:
        origin = {**origin, "undone": said[0].origin["import"]}
    if not now.proposes and "proposes" in {*now.origin, *origin}:
        origin = {**origin, "proposes": {}}  # what she has decided stays decided
    return replace(now, source=left[0].source, origin=origin)


def _put_vendors_away(step: Step) -> int | None:
    """Vendors that this import made, or another one that is undone, and of whom nothing else is left."""
    catalogue = step.vault.catalogue
    after = catalogue.entries("collection = 'vendors' AND number > ?", step.undo.cursor, order="number", limit=AT_ONCE)
    numbers = [entry.number for entry in after]
    made = or_(RecordRow.import_id == step.import_id, RecordRow.import_id.in_(_imports(step.vault, "undone")))
    used, going = _used(step.turn.session, step.vault, numbers), []
    for row in step.rows(made, RecordRow.number.in_(numbers)):
        vendor = opened(step.vault, *row)
        if vendor is None or vendor.number in used:
            step.keep(USED if vendor else DAMAGED)
        elif vendor.edits and not step.undo.everything:
            step.keep(EDITED)
        else:
            going.append(vendor)
    step.put_away(going)
    step.undo.vendors += len(going)
    return _last(numbers)


def _put_vendors_back(step: Step) -> int | None:
    """Those that things name again."""
    missing = "SELECT DISTINCT vendor FROM entries WHERE vendor NOT IN (SELECT number FROM entries)"
    named = [number for (number,) in step.vault.catalogue.rows(missing) if number > step.undo.cursor]
    step.put_back(RecordRow.number.in_(sorted(named)[:AT_ONCE]))
    return _last(sorted(named)[:AT_ONCE])


UNDOING = {"things": _put_things_away, "changed": _take_words_back, "vendors": _put_vendors_away}
RETURNING = {"things": _put_things_back, "changed": _say_again, "vendors": _put_vendors_back}


def _reasons(session: Session, vault: OpenVault, import_id: bytes, known: Sequence[Stored]) -> dict[int, str]:
    """What she has made her own since it came, by number, and how."""
    numbers = [each.number for each in known]
    noted, files = _noted(vault, numbers), attachments.counts(session, vault, numbers)
    found = {}
    for each in known:
        if each.edits:
            found[each.number] = EDITED
        elif each.number in noted:
            found[each.number] = NOTED
        elif each.number in files:
            found[each.number] = FILED
        elif each.origin.get("import") != import_id.hex():
            found[each.number] = LATER
    return found


def _noted(vault: OpenVault, numbers: Iterable[int]) -> set[int]:
    """Those that a note is about."""
    about = "SELECT bundle FROM entries WHERE collection = 'notes' AND bundle <> ''"
    bundles = {bundle for (bundle,) in vault.catalogue.rows(about)}
    return {number for number in numbers if bundle_of(number) in bundles}


def _used(session: Session, vault: OpenVault, vendors: Sequence[int]) -> set[int]:
    """Those of whom there is something: a thing, a note, or a permission, also one that has ended."""
    named = {number for (number,) in vault.catalogue.rows("SELECT DISTINCT vendor FROM entries")}
    return named | _noted(vault, vendors) | {view.terms.vendor for view in views.every(session, vault)}


def _imports(vault: OpenVault, *states: str) -> Select[bytes]:
    return select(Import.import_id).where(Import.owner_id == vault.owner_id, Import.state.in_(states))


def lies(vault: OpenVault, import_id: bytes) -> tuple[Any, ...]:
    """Records of an import in the trash, where its undoing put them."""
    return (*_returns(vault), RecordRow.import_id == import_id)


def _returns(vault: OpenVault) -> tuple[Any, ...]:
    """Records in the trash where the undoing of any import put them."""
    row = RecordRow
    return row.owner_id == vault.owner_id, row.returns.is_(True), row.removed_day.is_not(None), row.box.is_(None)


def stands(vault: OpenVault, import_id: bytes) -> tuple[Any, ...]:
    """Records of an import that are there."""
    return RecordRow.owner_id == vault.owner_id, RecordRow.import_id == import_id, RecordRow.box.is_not(None)


def how_many(session: Session, *which: Any) -> int:
    """How many records of which all this is true."""
    return session.scalar(select(func.count()).select_from(RecordRow).where(*which)) or 0


def preview(vault: OpenVault, import_id: bytes) -> Preview:
    """What undoing an import would do as things stand. Only what was changed or has something to it is opened."""
    at, catalogue = standing(vault, import_id), vault.catalogue
    vendors = {entry.number for entry in catalogue.entries("collection = 'vendors'")}
    damaged = {entry.number for entry in catalogue.entries("damaged")}
    ever = select(Version.number).where(Version.owner_id == vault.owner_id).distinct()
    with vault.server.main.reading() as session:
        things = set(session.scalars(select(RecordRow.number).where(*stands(vault, import_id)))) - vendors
        hers = things & {*session.scalars(ever), *attachments.counts(session, vault), *_noted(vault, things)}
        known = store.readable(session, vault, sorted(hers - damaged))
        reasons = [*_reasons(session, vault, import_id, known).values(), *(DAMAGED for _ in things & damaged)]
    later = [each for each in standings(vault) if each.course.begun >= at.course.begun and each.import_id != import_id]
    kept = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    return Preview(len(things) - len(reasons), kept, any(each.course.same for each in later))
