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

from connectors import lease
from connectors.course import ENDED, Course, Standing, Undo, mine, open_course, seal_course, standing
from connectors.lease import Lease, Lost
from connectors.models import Import
from connectors.putting_away import RETURNING, UNDOING, Step, how_many, lies, stands
from connectors.uploads import drop_chunks
from vault import store
from vault.keyring import hold

if TYPE_CHECKING:
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
    lease.work(lease.take(vault, import_id, STATES), lambda held, course: _Run(held, course, told))
    return standing(vault, import_id)


@dataclass
class _Run:
    """One run under one lease. `course` is what is committed."""

    held: Lease
    course: Course
    told: Callable[[Course], object] | None = None

    def to_the_end(self) -> None:
        """Every phase, turn by turn, then the last word. Raises Lost."""
        while self._undo.phase != "over":
            if not lease.alive(self.held.vault):
                raise Lost
            self._turn()
            if self.told:
                self.told(self.course)
        with self.held.vault.server.main.transaction() as session:
            state = "undone" if self.held.state == "undoing" else "done"
            self.held.save(session, self.course, state=state, lease_id=None, lease_until=0)

    @property
    def _undo(self) -> Undo:
        assert self.course.undo is not None  # noqa: S101 - it was written down when she said so
        return self.course.undo

    def _turn(self) -> None:
        """One turn of hers: at most so many records, and how far it has come with them."""
        vault = self.held.vault
        vault.catalogue  # noqa: B018 - caught up before her turn, so that it is short
        undo = replace(self._undo, kept=dict(self._undo.kept))
        course = replace(self.course, undo=undo)
        steps = UNDOING if self.held.state == "undoing" else RETURNING
        with store.writing(vault) as turn:
            last = steps[undo.phase](Step(turn, vault, self.held.import_id, undo))
            if last is None:
                undo.phase, undo.cursor = _next(undo.phase, course), 0
            else:
                undo.cursor = last
            self.held.save(turn.session, course, lease_until=self.held.until())
        self.course = course


def _next(phase: str, course: Course) -> str:
    """What an import has only changed is looked for where it has changed anything."""
    return {"things": "changed" if course.changed else "vendors", "changed": "vendors", "vendors": "over"}[phase]


def lying(vault: OpenVault, import_id: bytes) -> int:
    """How much of an import can be brought back."""
    with vault.server.main.reading() as session:
        return how_many(session, *lies(vault, import_id))
