"""Files on their way in: sealed as they arrive, read back piece by piece, and what is known of each.

Plaintext of a file is in memory only, one mebibyte at a time, and never on a disk.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson
from sqlalchemy import delete, insert, select, update

from connectors.models import Import, ImportChunk, ImportReport
from vault import crypto
from vault.errors import N_, NotFound, VaultError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server

PIECE = 1 << 20  # bytes of one chunk
DAY = 24 * 3600
ARRIVAL = 600  # seconds without a further mebibyte after which an upload has broken off
AT_ONCE = 8  # chunks removed in one transaction
REPORT_LINES = 200
REASONS_MOST = 50
OTHER_REASONS = N_("For other reasons.")
DAMAGED = N_("What was known of this import is damaged and does not open.")


class TooLarge(VaultError):
    """More bytes than this server takes in one file."""

    code, status = "too_large", 413
    sentence = N_("This file is larger than this vault takes at once.")


@dataclass
class Course:
    """How one import goes. `size` and `bytes_done` are bytes; the counts are units of the file.

    `units = new + same + changed + left_out + refused`; `removed` are those of `same` that she removed before.
    `cursor` counts outcomes that are committed, `reports` boxes of the report. `sentence` is for her.
    """

    name: str
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


def seal_course(vault: OpenVault, import_id: bytes, course: Course) -> bytes:
    """What the row of an import holds."""
    about = crypto.identity("vrm/1/import", vault.owner_id, import_id)
    return crypto.seal(vault.keyring["files"], about, crypto.pad(orjson.dumps(vars(course))), key_id=_key_id(vault))


def open_course(vault: OpenVault, import_id: bytes, box: bytes) -> Course:
    """The other way. Raises crypto.Damaged."""
    about = crypto.identity("vrm/1/import", vault.owner_id, import_id)
    said = orjson.loads(crypto.open_box(vault.keyring["files"], about, box))
    known = {each.name for each in dataclasses.fields(Course)}
    return Course(**{name: value for name, value in said.items() if name in known})


def _key_id(vault: OpenVault) -> int:
    return vault.keyring.keys["files"][0]


def standing(vault: OpenVault, import_id: bytes) -> Standing:
    """One import. Raises NotFound, also while its file is still arriving."""
    found = _standings(vault, Import.import_id == import_id)
    if not found:
        raise NotFound
    return found[0]


def standings(vault: OpenVault) -> list[Standing]:
    """All her imports, the latest first."""
    return _standings(vault, Import.import_id.is_not(None))


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


class Arriving:
    """A file that is being sealed while it arrives; looks enough like a file for a form parser to write into.

    Used with `with`: unless it was finished inside, nothing of it is left. Raises TooLarge.
    """

    def __init__(self, vault: OpenVault, name: str) -> None:
        self.vault, self.import_id = vault, crypto.random_bytes(16)
        printable = "".join(letter if letter.isprintable() else "?" for letter in name)
        self.course = Course(os.path.basename(printable.replace("\\", "/"))[-200:])
        self._ahead = bytearray()
        self._finished = False
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._finished:
            forget(self.vault.server, self.vault.owner_id, self.import_id)

    def _begin(self) -> None:
        now, owner = self.vault.server.now, self.vault.owner_id
        box = seal_course(self.vault, self.import_id, self.course)
        row = {"state": "arriving", "lease_until": now + ARRIVAL, "started_day": now // DAY, "box": box}
        with self.vault.server.main.transaction() as session:
            session.execute(insert(Import).values(owner_id=owner, import_id=self.import_id, **row))

    def write(self, data: bytes) -> int:
        """Take some bytes; each full mebibyte is sealed and committed at once."""
        self.course.size += len(data)
        if self.course.size > self.vault.server.settings.upload_limit:
            raise TooLarge
        self._ahead += data
        while len(self._ahead) >= PIECE:
            self._keep(bytes(self._ahead[:PIECE]))
            del self._ahead[:PIECE]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """A form parser rewinds what it has written; there is nothing to rewind here."""
        return 0

    def _keep(self, piece: bytes) -> None:
        about = _about_chunk(self.vault.owner_id, self.import_id, self.course.chunks)
        box = crypto.seal(self.vault.keyring["files"], about, piece, key_id=_key_id(self.vault))
        row = {"owner_id": self.vault.owner_id, "import_id": self.import_id, "n": self.course.chunks, "box": box}
        later = self.vault.server.now + ARRIVAL
        with self.vault.server.main.transaction() as session:
            session.execute(insert(ImportChunk).values(**row))
            session.execute(update(Import).where(*mine(self.vault, self.import_id)).values(lease_until=later))
        self.course.chunks += 1

    def finish(self) -> bytes:
        """The last byte has come: from here the import waits to be run. Returns its id."""
        if self._ahead:
            self._keep(bytes(self._ahead))
        box = seal_course(self.vault, self.import_id, self.course)
        with self.vault.server.main.transaction() as session:
            waiting = {"state": "waiting", "lease_until": 0, "box": box}
            session.execute(update(Import).where(*mine(self.vault, self.import_id)).values(**waiting))
        self._finished = True
        return self.import_id


def _about_chunk(owner: bytes, import_id: bytes, n: int) -> bytes:
    return crypto.identity("vrm/1/upload", owner, import_id, n)


class SealedUpload:
    """A sealed file, to be read from anywhere in it. A chunk that is missing, cut or changed raises crypto.Damaged."""

    def __init__(self, vault: OpenVault, import_id: bytes, course: Course) -> None:
        self._vault, self._import_id, self._chunks = vault, import_id, course.chunks
        self.name, self.size = course.name, course.size
        self._piece = lru_cache(maxsize=2)(self._open)
        self.reached = 0  # the byte up to which the last reading came

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on; fewer only at the end."""
        self.reached = end = max(offset, min(offset + length, self.size))
        first, last = offset // PIECE, -(-end // PIECE)
        together = b"".join(self._piece(n) for n in range(first, last)) if offset < end else b""
        return together[offset - first * PIECE : end - first * PIECE]

    def _open(self, n: int) -> bytes:
        owner = self._vault.owner_id
        this = (ImportChunk.owner_id == owner, ImportChunk.import_id == self._import_id, ImportChunk.n == n)
        with self._vault.server.main.reading() as session:
            box = session.scalar(select(ImportChunk.box).where(*this))
        piece = crypto.open_box(self._vault.keyring["files"], _about_chunk(owner, self._import_id, n), box)
        if n >= self._chunks or len(piece) != min(PIECE, self.size - n * PIECE):
            raise crypto.Damaged
        return piece


def add_report(session: Session, vault: OpenVault, import_id: bytes, course: Course, lines: list[ReportLine]) -> None:
    """Write down refused and left out lines, in the transaction that counts them."""
    for at in range(0, len(lines), REPORT_LINES):
        about = crypto.identity("vrm/1/import-report", vault.owner_id, import_id, course.reports)
        content = crypto.pad(orjson.dumps([tuple(line) for line in lines[at : at + REPORT_LINES]]))
        box = crypto.seal(vault.keyring["files"], about, content, key_id=_key_id(vault))
        row = {"owner_id": vault.owner_id, "import_id": import_id, "n": course.reports, "box": box}
        session.execute(insert(ImportReport).values(**row))
        course.reports += 1


def report(vault: OpenVault, import_id: bytes) -> list[ReportLine]:
    """Every line of a file that was refused or left out, in its order. Raises crypto.Damaged if one box is missing."""
    count = standing(vault, import_id).course.reports
    this = (ImportReport.owner_id == vault.owner_id, ImportReport.import_id == import_id)
    with vault.server.main.reading() as session:
        boxes = dict(session.execute(select(ImportReport.n, ImportReport.box).where(*this)).tuples().all())
    found: list[ReportLine] = []
    for n in range(count):
        about = crypto.identity("vrm/1/import-report", vault.owner_id, import_id, n)
        said: list[Any] = orjson.loads(crypto.open_box(vault.keyring["files"], about, boxes.get(n)))
        found += [ReportLine(*line) for line in said]
    return found


def drop_chunks(server: Server, owner: bytes, import_id: bytes) -> None:
    """The original is not kept: remove it, a few mebibytes at a time, so that nobody else waits long."""
    this = (ImportChunk.owner_id == owner, ImportChunk.import_id == import_id)
    while True:
        with server.main.transaction() as session:
            some = session.scalars(select(ImportChunk.n).where(*this).order_by(ImportChunk.n).limit(AT_ONCE)).all()
            if not some:
                return
            session.execute(delete(ImportChunk).where(*this, ImportChunk.n.in_(some)))


def forget(server: Server, owner: bytes, import_id: bytes) -> None:
    """Nothing is left of this upload."""
    drop_chunks(server, owner, import_id)
    with server.main.transaction() as session:
        for table in (ImportReport, Import):
            session.execute(delete(table).where(table.owner_id == owner, table.import_id == import_id))


def tidy(vault: OpenVault) -> None:
    """Remove uploads that broke off with the process that took them, and originals of what has long been read."""
    server, owner = vault.server, vault.owner_id
    with server.main.reading() as session:
        rows = session.execute(
            select(Import.import_id, Import.state, Import.lease_until).where(
                Import.owner_id == owner, Import.state.in_(("arriving", "done", "refused", "undone"))
            )
        ).all()
    for row in rows:
        if row.state != "arriving":
            drop_chunks(server, owner, row.import_id)
        elif row.lease_until <= server.now:
            forget(server, owner, row.import_id)


def erase(server: Server, owner: bytes) -> None:
    """An owner leaves: every import of hers goes."""
    with server.main.reading() as session:
        known = session.scalars(select(Import.import_id).where(Import.owner_id == owner)).all()
    for import_id in known:
        forget(server, owner, import_id)
