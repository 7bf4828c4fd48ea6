"""Undoing a whole import, and bringing back what that put away: turn by turn, so that a crash loses nothing.

What the file had added goes to the trash; what she has made her own since stays, unless she says otherwise. What the
file had only changed says again what it said before. Vendors it had made go when nothing else of them is left. Whoever
works holds the lease of the import's row; each turn and how far it came are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from connectors.course import ENDED, Course, Standing, Undo, mine, open_course, seal_course, standing
from connectors.engine import LEASE, Lost, alive
from connectors.models import Import
from connectors.putting_away import RETURNING, UNDOING, Step, how_many, lies, stands
from connectors.uploads import drop_chunks
from vault import crypto, store
from vault.keyring import hold

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

STATES = ("undoing", "returning")


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
        which = stands(vault, import_id) if state == "undoing" else lies(vault, import_id)
        course.undo.of = course.undo.gone + course.undo.vendors + how_many(session, *which)
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
        steps = UNDOING if self.state == "undoing" else RETURNING
        with store.writing(self.vault) as turn:
            last = steps[undo.phase](Step(turn, self.vault, self.import_id, undo))
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


def lying(vault: OpenVault, import_id: bytes) -> int:
    """How much of an import can be brought back."""
    with vault.server.main.reading() as session:
        return how_many(session, *lies(vault, import_id))
