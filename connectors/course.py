"""What is known of an import: its row, its sealed counts, and the report of the lines that were not taken."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import insert, select

from connectors.models import Import, ImportReport
from vault import crypto
from vault.errors import N_, NotFound

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

REPORT_LINES = 200  # of one box
REASONS_MOST = 50
OTHER_REASONS = N_("For other reasons.")
ENDED = N_("You ended this import before the end of the file. What was read before is listed.")
DAMAGED = N_("What was known of this import is damaged and does not open.")


@dataclass
class Undo:
    """How far the undoing of an import has come, or the bringing back of what that put away.

    `phase` is things, changed, vendors, and over; within it the record number `cursor` was the last. `gone`, `sources`
    and `vendors` count what was put away (or came back), `kept` what stays, by its reason.
    """

    everything: bool = False
    phase: str = "things"
    cursor: int = 0
    of: int = 0
    gone: int = 0
    sources: int = 0
    vendors: int = 0
    kept: dict[str, int] = field(default_factory=dict)


@dataclass
class Course:
    """How one import goes. `begun` is seconds since 1970; `size`, `bytes_done` are bytes; the counts are units.

    `units = new + same + changed + left_out + refused`; `removed` are those of `same` that she removed before.
    `cursor` counts outcomes that are committed, `reports` boxes of the report. `sentence` is for her. `undo` is
    there once she has undone it.
    """

    name: str
    begun: int = 0
    size: int = 0
    chunks: int = 0
    connector: str = ""
    title: str = ""
    units: int = 0
    new: int = 0
    same: int = 0
    changed: int = 0
    removed: int = 0
    left_out: int = 0
    refused: int = 0
    bytes_done: int = 0
    cursor: int = 0
    reports: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    sentence: str = ""
    stopped: bool = False
    undo: Undo | None = None

    def leave_out(self, reason: str) -> None:
        """Count one unit that was left out, by its reason."""
        self.left_out += 1
        known = reason if reason in self.reasons or len(self.reasons) < REASONS_MOST else OTHER_REASONS
        self.reasons[known] = self.reasons.get(known, 0) + 1


class Standing(NamedTuple):
    """An import as its row says: id, state, the end of its lease (seconds since 1970), the day it began, its course."""

    import_id: bytes
    state: str
    lease_until: int
    started_day: int
    course: Course


class ReportLine(NamedTuple):
    """A line of a file that was refused, or else left out: its place in the file and why."""

    place: str
    reason: str
    refused: bool


def mine(vault: OpenVault, import_id: bytes) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The row of one import."""
    return Import.owner_id == vault.owner_id, Import.import_id == import_id


def about_import(owner: bytes, import_id: bytes) -> bytes:
    """The identity of the box with an import's course."""
    return crypto.identity("vrm/1/import", owner, import_id)


def about_report(owner: bytes, import_id: bytes, n: int) -> bytes:
    """The identity of a box of its report."""
    return crypto.identity("vrm/1/import-report", owner, import_id, n)


def seal_course(vault: OpenVault, import_id: bytes, course: Course) -> bytes:
    """What the row of an import holds."""
    about = about_import(vault.owner_id, import_id)
    return vault.keyring.seal("files", about, crypto.pad(orjson.dumps(vars(course))))


def open_course(vault: OpenVault, import_id: bytes, box: bytes) -> Course:
    """The other way. Raises crypto.Damaged."""
    about = about_import(vault.owner_id, import_id)
    said = orjson.loads(vault.keyring.open("files", about, box))
    known = {each.name for each in dataclasses.fields(Course)}
    course = Course(**{name: value for name, value in said.items() if name in known})
    return replace(course, undo=Undo(**said["undo"])) if said.get("undo") else course


def standing(vault: OpenVault, import_id: bytes) -> Standing:
    """One import. Raises NotFound, also while its file is still arriving."""
    found = _standings(vault, Import.import_id == import_id)
    if not found:
        raise NotFound
    return found[0]


def standings(vault: OpenVault) -> list[Standing]:
    """All her imports, the latest first."""
    return sorted(_standings(vault, Import.import_id.is_not(None)), key=lambda each: -each.course.begun)


def _standings(vault: OpenVault, which: ColumnElement[bool]) -> list[Standing]:
    with vault.server.main.reading() as session:
        rows = session.execute(
            select(Import.import_id, Import.state, Import.lease_until, Import.started_day, Import.box)
            .where(Import.owner_id == vault.owner_id, which, Import.state != "arriving")
            .order_by(Import.started_day.desc(), Import.import_id)
        ).all()
    return [Standing(*row[:4], _if_it_opens(vault, row.import_id, row.box)) for row in rows]


def _if_it_opens(vault: OpenVault, import_id: bytes, box: bytes) -> Course:
    try:
        return open_course(vault, import_id, box)
    except crypto.Damaged:
        return Course("", sentence=DAMAGED)


def add_report(session: Session, vault: OpenVault, import_id: bytes, course: Course, lines: list[ReportLine]) -> None:
    """Write down refused and left out lines, in the transaction that counts them."""
    for at in range(0, len(lines), REPORT_LINES):
        about = about_report(vault.owner_id, import_id, course.reports)
        content = crypto.pad(orjson.dumps([tuple(line) for line in lines[at : at + REPORT_LINES]]))
        box = vault.keyring.seal("files", about, content)
        row = {"owner_id": vault.owner_id, "import_id": import_id, "n": course.reports, "box": box}
        session.execute(insert(ImportReport).values(**row))
        course.reports += 1


def report(vault: OpenVault, import_id: bytes) -> list[ReportLine]:
    """Every line of a file that was refused or left out, in its order. Raises crypto.Damaged if one box is missing."""
    count = standing(vault, import_id).course.reports
    this = (ImportReport.owner_id == vault.owner_id, ImportReport.import_id == import_id)
    with vault.server.main.reading() as session:
        boxes = {row.n: row.box for row in session.execute(select(ImportReport.n, ImportReport.box).where(*this))}
    found: list[ReportLine] = []
    for n in range(count):
        about = about_report(vault.owner_id, import_id, n)
        said: list[Any] = orjson.loads(vault.keyring.open("files", about, boxes.get(n)))
        found += [ReportLine(*line) for line in said]
    return found
