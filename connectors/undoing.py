"""Undoing a whole import, and bringing back what that put away: turn by turn, so that a crash loses nothing.

What the file had added goes to the trash; what she has made her own since stays, unless she says otherwise. What the
file had only changed says again what it said before. Vendors it had made go when nothing else of them is left. Whoever
works holds the lease of the import's row; each turn and how far it came are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, or_, select, update

from connectors.batches import opened
from connectors.course import ENDED, Course, Standing, Undo, mine, open_course, seal_course, standing, standings
from connectors.engine import LEASE, Lost, alive
from connectors.models import Import
from connectors.uploads import drop_chunks
from consent import views
from vault import attachments, crypto, store, trash
from vault.collections.notes import bundle_of
from vault.collections.vendors import Vendor
from vault.errors import N_
from vault.keyring import hold
from vault.models import RecordRow, Version

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.stored import Stored
    from vault.turn import Turn

AT_ONCE = 250  # records of one turn: each writes its row and its last version
STATES = ("undoing", "returning")
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


def begin(vault: OpenVault, import_id: bytes, *, everything: bool) -> None:
    """She undoes an import. If it is still being read, that ends. Does nothing while it is being undone already."""
    where = ("waiting", "running", "done", "returning", "undone")
    if _decide(vault, import_id, where, "undoing", everything=everything):
        drop_chunks(vault.server, vault.owner_id, import_id)


def bring_back(vault: OpenVault, import_id: bytes) -> None:
    """She takes that back."""
    _decide(vault, import_id, ("undoing", "undone"), "returning")


def _decide(vault: OpenVault, import_id: bytes, where: Sequence[str], state: str, *, everything: bool = False) -> bool:
    with vault.server.main.transaction() as session:
        hold(session, vault.keyring)
        this = mine(vault, import_id)
        row = session.execute(select(Import.state, Import.box).where(*this, Import.state.in_(where))).first()
        if row is None:
            return False
        course = open_course(vault, import_id, row.box)
        if row.state in ("waiting", "running"):
            course.stopped, course.sentence = False, ENDED
        done = course.undo if row.state == "undone" and state == "undoing" else None
        course.undo = done or Undo()
        course.undo = replace(course.undo, everything=everything, phase="things", cursor=0, kept={})
        which = _stands(vault, import_id) if state == "undoing" else (*_lies(vault), RecordRow.import_id == import_id)
        course.undo.of = course.undo.gone + course.undo.vendors + _how_many(session, *which)
        values = {"state": state, "lease_id": None, "lease_until": 0, "box": seal_course(vault, import_id, course)}
        session.execute(update(Import).where(*this).values(**values))
    return True


def run(vault: OpenVault, import_id: bytes, told: Callable[[Course], object] | None = None) -> Standing:
    """Undo, or bring back, from where it stands to the end, or until the lease is lost. `told` hears of every turn.

    Returns how it stands then. Raises NotFound, crypto.Damaged.
    """
    lease = crypto.random_bytes(16)
    taken = _take_lease(vault, import_id, lease)
    if taken is not None:
        running = _Run(vault, import_id, lease, *taken, told)
        try:
            running.to_the_end()
        except Lost:
            pass  # what was committed counts; where it stands is told below
        finally:
            running.release()
    return standing(vault, import_id)


def _take_lease(vault: OpenVault, import_id: bytes, lease: bytes) -> tuple[str, Course] | None:
    now = vault.server.now
    free = (Import.state.in_(STATES), Import.lease_until <= now)
    with vault.server.main.transaction() as session:
        row = session.execute(
            update(Import)
            .where(*mine(vault, import_id), *free)
            .values(lease_id=lease, lease_until=now + LEASE)
            .returning(Import.state, Import.box)
        ).first()
    return (row.state, open_course(vault, import_id, row.box)) if row else None


@dataclass
class _Run:
    """One run under one lease. `course` is what is committed."""

    vault: OpenVault
    import_id: bytes
    lease: bytes
    state: str
    course: Course
    told: Callable[[Course], object] | None = None

    def to_the_end(self) -> None:
        """Every phase, turn by turn, then the last word. Raises Lost."""
        while self._undo.phase != "over":
            if not alive(self.vault):
                raise Lost
            self._turn()
            if self.told:
                self.told(self.course)
        with self.vault.server.main.transaction() as session:
            state = "undone" if self.state == "undoing" else "done"
            self._save(session, self.course, state=state, lease_id=None, lease_until=0)

    @property
    def _undo(self) -> Undo:
        assert self.course.undo is not None  # noqa: S101 - it was written down when she said so
        return self.course.undo

    def _turn(self) -> None:
        """One turn of hers: at most so many records, and how far it has come with them."""
        self.vault.catalogue  # noqa: B018 - caught up before her turn, so that it is short
        undo = replace(self._undo, kept=dict(self._undo.kept))
        course = replace(self.course, undo=undo)
        steps = _UNDOING if self.state == "undoing" else _RETURNING
        with store.writing(self.vault) as turn:
            last = steps[undo.phase](_Step(turn, self.vault, self.import_id, undo))
            if last is None:
                undo.phase, undo.cursor = _next(undo.phase, course), 0
            else:
                undo.cursor = last
            self._save(turn.session, course, lease_until=self.vault.server.now + LEASE)
        self.course = course

    def _save(self, session: Session, course: Course, **values: object) -> None:
        """Raises Lost unless the lease is still held; nothing of the transaction is committed then."""
        hold(session, self.vault.keyring)
        box = seal_course(self.vault, self.import_id, course)
        held = (*mine(self.vault, self.import_id), Import.lease_id == self.lease, Import.state == self.state)
        saved = session.execute(update(Import).where(*held).values(box=box, **values))
        if saved.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has a row count
            raise Lost

    def release(self) -> None:
        """Let somebody else go on from there; nothing happens if the lease is not held any more."""
        held = (*mine(self.vault, self.import_id), Import.lease_id == self.lease)
        with self.vault.server.main.transaction() as session:
            session.execute(update(Import).where(*held).values(lease_id=None, lease_until=0))


def _next(phase: str, course: Course) -> str:
    """What an import has only changed is looked for where it has changed anything."""
    return {"things": "changed" if course.changed else "vendors", "changed": "vendors", "vendors": "over"}[phase]


@dataclass(frozen=True)
class _Step:
    """A turn under way. Each step below does its records after the cursor; it returns the last, or None at the end."""

    turn: Turn
    vault: OpenVault
    import_id: bytes
    undo: Undo

    def rows(self, *which: Any) -> list[tuple[int, int, bytes]]:
        """The next records that stand and of which this is true."""
        found = self.turn.session.execute(
            select(RecordRow.number, RecordRow.revision, RecordRow.box)
            .where(RecordRow.owner_id == self.vault.owner_id, RecordRow.box.is_not(None))
            .where(RecordRow.number > self.undo.cursor, *which)
            .order_by(RecordRow.number)
            .limit(AT_ONCE)
        )
        return [(row.number, row.revision, row.box) for row in found if row.box is not None]

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
            .where(*_lies(self.vault), RecordRow.number > self.undo.cursor, *which)
            .order_by(RecordRow.number)
            .limit(AT_ONCE)
        ).all()
        for each in trash.put_back(self.turn, self.vault, numbers):
            self.undo.vendors += each.kind is Vendor
            self.undo.gone += each.kind is not Vendor
        return _last(numbers)


def _last(numbers: Sequence[int]) -> int | None:
    return numbers[-1] if len(numbers) == AT_ONCE else None


def _put_things_away(step: _Step) -> int | None:
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


def _put_things_back(step: _Step) -> int | None:
    return step.put_back(RecordRow.import_id == step.import_id)


def _take_words_back(step: _Step) -> int | None:
    """What was there before says again what the file before this one had said."""
    return _say(step, lambda origin: origin.get("import") == step.import_id.hex(), takes_back=True)


def _say_again(step: _Step) -> int | None:
    return _say(step, lambda origin: origin.get("undone") == step.import_id.hex(), takes_back=False)


def _say(step: _Step, about: Callable[[Mapping[str, Any]], bool], *, takes_back: bool) -> int | None:
    changed = select(Version.number).where(Version.owner_id == step.vault.owner_id, Version.number == RecordRow.number)
    rows = step.rows(RecordRow.import_id.is_distinct_from(step.import_id), changed.exists())
    pairs = []
    for row in rows:
        now = opened(step.vault, *row)
        if now and about(now.origin) and (then := _source(step, now, takes_back=takes_back)):
            pairs.append((now, then))
    store.put_all(step.turn, step.vault, pairs)
    step.undo.sources += len(pairs)
    return _last([number for number, _, _ in rows])


def _source(step: _Step, now: Stored, *, takes_back: bool) -> Stored | None:
    """A record with the words of another import, hers on top. None where no earlier version tells, or it is damaged."""
    this = step.import_id.hex()
    try:
        earlier = store.history(step.turn.session, step.vault, now.number)
    except crypto.Damaged:
        return None
    for each in earlier:
        if each.source and (each.origin.get("import") != this) == takes_back:
            origin = {**each.origin, "undone": this} if takes_back else each.origin
            then = replace(now, source=each.source, origin=origin)
            return then if now.proposes else then.decided()
    return None


def _put_vendors_away(step: _Step) -> int | None:
    """Vendors that this import made, or another one that is undone, and of whom nothing else is left."""
    catalogue = step.vault.catalogue
    after = catalogue.entries("collection = 'vendors' AND number > ?", step.undo.cursor, order="number", limit=AT_ONCE)
    numbers = [entry.number for entry in after]
    undone = select(Import.import_id).where(Import.owner_id == step.vault.owner_id, Import.state == "undone")
    made = or_(RecordRow.import_id == step.import_id, RecordRow.import_id.in_(undone))
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


def _put_vendors_back(step: _Step) -> int | None:
    """Those that things name again."""
    missing = "SELECT DISTINCT vendor FROM entries WHERE vendor NOT IN (SELECT number FROM entries)"
    named = [number for (number,) in step.vault.catalogue.rows(missing) if number > step.undo.cursor]
    step.put_back(RecordRow.number.in_(sorted(named)[:AT_ONCE]))
    return _last(sorted(named)[:AT_ONCE])


_UNDOING = {"things": _put_things_away, "changed": _take_words_back, "vendors": _put_vendors_away}
_RETURNING = {"things": _put_things_back, "changed": _say_again, "vendors": _put_vendors_back}


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


def _lies(vault: OpenVault) -> tuple[Any, ...]:
    """Records in the trash that an undoing put there."""
    return (
        RecordRow.owner_id == vault.owner_id,
        RecordRow.returns.is_(True),
        RecordRow.removed_day.is_not(None),
        RecordRow.box.is_(None),
    )


def lying(vault: OpenVault, import_id: bytes) -> int:
    """How much of an import can be brought back."""
    with vault.server.main.reading() as session:
        return _how_many(session, *_lies(vault), RecordRow.import_id == import_id)


def _stands(vault: OpenVault, import_id: bytes) -> tuple[Any, ...]:
    """Records of an import that are there."""
    return RecordRow.owner_id == vault.owner_id, RecordRow.import_id == import_id, RecordRow.box.is_not(None)


def _how_many(session: Session, *which: Any) -> int:
    return session.scalar(select(func.count()).select_from(RecordRow).where(*which)) or 0


def preview(vault: OpenVault, import_id: bytes) -> Preview:
    """What undoing an import would do as things stand. Only what was changed or has something to it is opened."""
    at, catalogue = standing(vault, import_id), vault.catalogue
    vendors = {entry.number for entry in catalogue.entries("collection = 'vendors'")}
    damaged = {entry.number for entry in catalogue.entries("damaged")}
    ever = select(Version.number).where(Version.owner_id == vault.owner_id).distinct()
    with vault.server.main.reading() as session:
        things = set(session.scalars(select(RecordRow.number).where(*_stands(vault, import_id)))) - vendors
        hers = things & {*session.scalars(ever), *attachments.counts(session, vault), *_noted(vault, things)}
        known = store.readable(session, vault, sorted(hers - damaged))
        reasons = [*_reasons(session, vault, import_id, known).values(), *(DAMAGED for _ in things & damaged)]
    later = [each for each in standings(vault) if each.course.begun >= at.course.begun and each.import_id != import_id]
    kept = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    return Preview(len(things) - len(reasons), kept, any(each.course.same for each in later))
