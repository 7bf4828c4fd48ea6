"""The import engine: from a sealed upload to records, in batches that a crash can neither lose nor double.

Whoever runs an import holds its lease; each batch, its counts, its report and the cursor are one transaction, which
does nothing unless the lease is still held. A run that ended anywhere is begun again from the cursor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors import lease
from connectors.batches import Plan, Ready, Writing, ready
from connectors.connector import Found, LeftOut, Refused
from connectors.course import Course, ReportLine, Standing, add_report, standing
from connectors.known import Vendors
from connectors.lease import Lease, Lost
from connectors.reading import ZIP, Event, FileRefused, Progress, Recognised, read_upload
from connectors.uploads import SealedUpload, drop_chunks
from vault import crypto, store
from vault.errors import N_, Invalid

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

ROWS_FIRST, ROWS_MOST, FEWEST = 500, 4000, 25  # rows of the first batch, of any, and of any on a slow machine
TURN = 0.06  # seconds that writing a batch should keep everybody else from writing
TELL = 0.5  # seconds after which progress is committed although nothing was found
CUT = N_("The sealed copy of this file is damaged, so reading ended there. What was read before is listed.")
NOTHING = N_("Nothing in this archive can be read here.")


class _Moved(Exception):
    """Between plan and turn she wrote something that makes the plan too small."""


class Told(NamedTuple):
    """A line that is only told of, and how many units were refused with it; 0 for what was left out on purpose."""

    line: ReportLine
    refused: int


@dataclass
class Batch:
    """Outcomes that are committed together, in the order of the file: the cursor counts them."""

    outcomes: list[Ready | Told] = field(default_factory=list)
    marks: set[bytes] = field(default_factory=set)

    def add(self, checked: Ready) -> None:
        """One record."""
        self.outcomes.append(checked)
        self.marks.add(checked.mark)

    def refuse(self, reason: str, place: str, units: int = 1) -> None:
        """What cannot be kept."""
        self.outcomes.append(Told(ReportLine(place, reason, refused=True), units))

    def leave_out(self, reason: str, place: str) -> None:
        """What is not taken, on purpose."""
        self.outcomes.append(Told(ReportLine(place, reason, refused=False), 0))

    @property
    def ready(self) -> list[Ready]:
        """Its records."""
        return [each for each in self.outcomes if isinstance(each, Ready)]

    @property
    def told(self) -> list[Told]:
        """What is in none of them."""
        return [each for each in self.outcomes if isinstance(each, Told)]

    def halves(self) -> tuple[Batch, Batch]:
        """The first half of its outcomes and the second: a run may end between them, and the next skips the first."""
        middle = len(self.outcomes) // 2
        return Batch(self.outcomes[:middle]), Batch(self.outcomes[middle:])


def run(vault: OpenVault, import_id: bytes, told: Callable[[Course], object] | None = None) -> Standing:
    """Read an upload from its cursor to its end, or until the lease is lost. `told` hears of every batch.

    Returns how it stands then; `running` means that somebody else is at it. Raises NotFound, crypto.Damaged.
    """
    lease.work(_take(vault, import_id), lambda held, course: _Run(held, course, told))
    return standing(vault, import_id)


def _take(vault: OpenVault, import_id: bytes) -> tuple[Lease, Course] | None:
    return lease.take(vault, import_id, ("waiting", "running"), becomes="running")


def _sentence(error: Invalid) -> str:
    """The first of the sentences about a record."""
    said: Any = error.fields
    while isinstance(said, dict) and said:
        said = next(iter(said.values()))
    return str(said[0]) if isinstance(said, list) and said else error.sentence


class _Run:
    """One run under one lease. `course` is what is committed; `skip` outcomes of the file were committed before."""

    def __init__(self, held: Lease, course: Course, told: Callable[[Course], object] | None = None) -> None:
        self.held, self.course, self.told = held, course, told
        self.vault, self.import_id = vault, import_id = held.vault, held.import_id
        self.upload = SealedUpload(vault, import_id, course)
        self.batch, self.most, self.skip = Batch(), min(ROWS_FIRST, ROWS_MOST), course.cursor
        self.bytes_done, self.told_at = course.bytes_done, time.monotonic()
        today = datetime.fromtimestamp(vault.server.now, UTC).date().isoformat()
        self.writing = Writing(vault, import_id, course.connector, today, Vendors(vault))

    def to_the_end(self) -> None:
        """Every outcome of the file, then the last word. Raises Lost."""
        packed = False
        try:
            packed = self.upload.read(0, 4) in ZIP
            with closing(read_upload(self.upload)) as events:  # type: ignore[type-var]  # it is a generator
                for label, event in events:
                    self._hear(event, label if packed else "")
        except crypto.Damaged:
            self.course.sentence = CUT
        self._flush()
        if packed and not self.course.title:
            self.course.sentence = self.course.sentence or NOTHING
        self._finish("done" if self.course.title else "refused")

    def _hear(self, event: Event, label: str) -> None:
        """One event about one file; `label` names it within an archive."""
        if type(event) is Found:
            self._outcome(event, label)
        elif isinstance(event, Progress):
            self.bytes_done = self.upload.reached if label else event.bytes_read
            if time.monotonic() - self.told_at > TELL:
                self._flush()
        elif isinstance(event, Recognised):
            if self.batch.outcomes:
                self._flush()
            self.writing.connector = self.course.connector = event.source
            self.course.title = self.course.title or event.title
            self._flush()
        elif isinstance(event, Refused | LeftOut):
            self._outcome(event, label if label != event.place else "")
        elif isinstance(event, FileRefused) and label:
            self._outcome(Refused(event.sentence, label), "")
        elif isinstance(event, FileRefused):
            self.course.sentence = event.sentence

    def _outcome(self, event: Found | Refused | LeftOut, label: str) -> None:
        if self.skip:
            self.skip -= 1
            return
        batch, place = self.batch, f"{label}, {event.place}" if label else event.place
        if isinstance(event, Refused):
            batch.refuse(event.reason, place)
        elif isinstance(event, LeftOut):
            batch.leave_out(event.reason, place)
        else:
            try:
                checked = ready(self.vault, event, place)
            except Invalid as error:
                batch.refuse(_sentence(error), place, event.units)
            else:
                if checked.mark in batch.marks:
                    self._flush()
                self.batch.add(checked)
        if len(self.batch.outcomes) >= self.most:
            self._flush()

    def _flush(self) -> None:
        batch, self.batch = self.batch, Batch()
        self._commit(batch)
        self.told_at = time.monotonic()
        if self.told:
            self.told(self.course)

    def _commit(self, batch: Batch) -> None:
        """Write one batch, in halves if it would write too many rows. Raises Lost."""
        if not lease.alive(self.vault):
            raise Lost
        server = self.vault.server
        with server.main.reading() as session:
            planned = self.writing.plan(session, batch.ready)
        if planned.written > ROWS_MOST and len(batch.ready) > 1:
            for half in batch.halves():
                self._commit(half)
        elif planned.written:
            began = time.perf_counter()
            try:
                self._write(batch, planned)
            except _Moved:
                self._commit(batch)
            else:
                self._learn(planned.written, time.perf_counter() - began)
        else:
            with server.main.transaction() as session:
                course = self._counted(session, batch, planned)
            self.course = course

    def _learn(self, written: int, seconds: float) -> None:
        """The size of the next batch, from the pace of this one; a small one says nothing about a large one."""
        if 2 * written >= self.most:
            self.most = max(FEWEST, min(ROWS_MOST, 2 * self.most, int(written / seconds * TURN)))

    def _write(self, batch: Batch, planned: Plan) -> None:
        reserved = len(planned.made)
        with store.writing(self.vault, numbers=reserved) as turn:
            if turn.before != planned.before:
                planned = self.writing.plan(turn.session, batch.ready, turn)
                if len(planned.made) > reserved:
                    raise _Moved
            self.writing.write(turn, planned)
            course = self._counted(turn.session, batch, planned)
        self.course = course
        self.writing.vendors.wrote(turn.revision)

    def _counted(self, session: Session, batch: Batch, planned: Plan) -> Course:
        """Write down what this batch adds, in its own transaction."""
        course = replace(self.course, reasons=dict(self.course.reasons), bytes_done=self.bytes_done)
        told = batch.told
        refused = planned.refused + sum(each.refused for each in told)
        course.new, course.changed = course.new + planned.new_units, course.changed + planned.changed_units
        course.same, course.removed = course.same + planned.same, course.removed + planned.removed
        course.refused += refused
        left_out = [each.line.reason for each in told if not each.line.refused]
        for reason in left_out:
            course.leave_out(reason)
        course.units += planned.new_units + planned.changed_units + planned.same + refused + len(left_out)
        course.cursor += len(batch.outcomes)
        add_report(session, self.vault, self.import_id, course, [each.line for each in told] + planned.lines)
        self.held.save(session, course, lease_until=self.held.until())
        return course

    def _finish(self, state: str) -> None:
        """The file is read. The original is not kept."""
        server = self.vault.server
        done = self.upload.size if state == "done" and not self.course.sentence else self.bytes_done
        self.course = replace(self.course, bytes_done=done)
        with server.main.transaction() as session:
            self.held.save(session, self.course, state=state, lease_id=None, lease_until=0)
        drop_chunks(server, self.vault.owner_id, self.import_id)
