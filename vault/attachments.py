"""Files that belong to a record: a receipt, a photo, a manual. Kept byte for byte as they came, each in its own box.

No vendor is ever shown one, and none can be granted: what a grant holds is made from fields of records, and a file is
none. Functions here never commit; her turn does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from vault import crypto, jobs
from vault.attached import Attachment, NoRoom, Sealed, TooMany, open_content, open_known, seal_known
from vault.days import DAY
from vault.errors import NotFound
from vault.models import AttachmentRow, RecordRow

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.server import Server
    from vault.turn import Change, Turn

MOST = 20  # files of one record
DAYS_KEPT = 30  # between taking one away, or its record, and its end
JOB = "erase_files"


def keep(turn: Turn, vault: OpenVault, file: Sealed) -> Attachment:
    """Attach a sealed file to a record that stands. Raises NotFound, TooMany, NoRoom."""
    _record_lives(turn.session, vault, file.known.number)
    return add(turn, vault, file)


def add(turn: Turn, vault: OpenVault, file: Sealed) -> Attachment:
    """The same for a record that may lie in the trash: then the file is out of sight, and ends with it."""
    if len(of_record(turn.session, vault, file.known.number)) >= MOST:
        raise TooMany
    if room_taken(turn.session, vault) + len(file.content) > vault.server.settings.files_limit:
        raise NoRoom
    made = replace(file.known, revision=turn.revision)
    row = {"owner_id": vault.owner_id, "attachment_id": made.attachment_id, "number": made.number}
    boxes = {"box": seal_known(vault, made), "content": file.content}
    turn.session.execute(insert(AttachmentRow).values(**row, revision=made.revision, removed=False, **boxes))
    return made


def room_taken(session: Session, vault: OpenVault) -> int:
    """Bytes of all her files as they lie, also of those she took away in the last days."""
    together = select(func.coalesce(func.sum(func.length(AttachmentRow.content)), 0))
    return session.scalar(together.where(AttachmentRow.owner_id == vault.owner_id)) or 0


def of_record(session: Session, vault: OpenVault, number: int) -> list[Attachment]:
    """The files of a record in the order of their coming; what does not open is there without a name."""
    return _known(session, vault, AttachmentRow.number == number, AttachmentRow.removed.is_(False))


def counts(session: Session, vault: OpenVault, numbers: Iterable[int] | None = None) -> dict[int, int]:
    """How many files records have, those that have any; of these numbers, or of all."""
    which = [AttachmentRow.owner_id == vault.owner_id, AttachmentRow.removed.is_(False)]
    if numbers is not None:
        which.append(AttachmentRow.number.in_(list(numbers)))
    rows = session.execute(select(AttachmentRow.number, func.count()).where(*which).group_by(AttachmentRow.number))
    return {number: count for number, count in rows}


def each(vault: OpenVault) -> Iterator[tuple[str, int, bytes]]:
    """Name, record number and content of every file of the records that stand, one at a time. Raises Damaged."""
    standing = select(RecordRow.number).where(RecordRow.owner_id == vault.owner_id, RecordRow.box.is_not(None))
    with vault.server.main.reading() as session:
        here = (AttachmentRow.number.in_(standing), AttachmentRow.removed.is_(False))
        for known in _known(session, vault, *here):
            yield known.name, known.number, content(session, vault, known)


def find(session: Session, vault: OpenVault, attachment_id: bytes, *, removed: bool = False) -> Attachment:
    """One file of a record that stands. Raises NotFound, Damaged."""
    which = (AttachmentRow.attachment_id == attachment_id, AttachmentRow.removed.is_(removed))
    found = next(iter(_known(session, vault, *which)), None)
    if found is None:
        raise NotFound
    if found.damaged:
        raise crypto.Damaged
    _record_lives(session, vault, found.number)
    return found


def content(session: Session, vault: OpenVault, known: Attachment) -> bytes:
    """The file as it was given; nothing of it before its last chunk has verified. Raises Damaged."""
    this = (AttachmentRow.owner_id == vault.owner_id, AttachmentRow.attachment_id == known.attachment_id)
    box = session.scalar(select(AttachmentRow.content).where(*this))
    return open_content(vault, known, box)


def take_away(turn: Turn, vault: OpenVault, attachment_id: bytes) -> Attachment:
    """Take a file off its record. For 30 days it can be brought back; then nothing is left of it."""
    after = _rewrite(turn, vault, find(turn.session, vault, attachment_id), removed=True)
    _end_later(turn, vault, {"attachment": attachment_id.hex(), "revision": after.revision})
    return after


def bring_back(turn: Turn, vault: OpenVault, attachment_id: bytes) -> Attachment:
    """Put a file back that was taken away. Raises NotFound, TooMany."""
    before = find(turn.session, vault, attachment_id, removed=True)
    if len(of_record(turn.session, vault, before.number)) >= MOST:
        raise TooMany
    return _rewrite(turn, vault, before, removed=False)


def follow(turn: Turn, vault: OpenVault, changes: Sequence[Change]) -> None:
    """Files go with their records: out of sight at once, and ended 30 days later if the record has not come back."""
    gone = [change.number for change in changes if change.after is None]
    for number in counts(turn.session, vault, gone) if gone else ():
        _end_later(turn, vault, {"number": number, "revision": turn.revision})


def erase_of(session: Session, owner: bytes, numbers: Sequence[int]) -> None:
    """Records have come to their end: so do their files. Needs no key."""
    session.execute(delete(AttachmentRow).where(AttachmentRow.owner_id == owner, AttachmentRow.number.in_(numbers)))


def erase(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job of 30 days later. What has come back since, or was taken away again, has another revision."""
    with server.main.transaction() as session:
        if "attachment" in payload:
            _erase_one(session, owner, bytes.fromhex(payload["attachment"]), payload["revision"])
        elif _still_gone(session, owner, payload["number"], payload["revision"]):
            erase_of(session, owner, [payload["number"]])
    server.main.checkpoint()


def _erase_one(session: Session, owner: bytes, attachment_id: bytes, revision: int) -> None:
    this = (AttachmentRow.owner_id == owner, AttachmentRow.attachment_id == attachment_id)
    still = (AttachmentRow.removed.is_(True), AttachmentRow.revision == revision)
    session.execute(delete(AttachmentRow).where(*this, *still))


def _still_gone(session: Session, owner: bytes, number: int, revision: int) -> bool:
    this = (RecordRow.owner_id == owner, RecordRow.number == number)
    still = (RecordRow.box.is_(None), RecordRow.revision == revision)
    return session.scalar(select(RecordRow.number).where(*this, *still)) is not None


def _end_later(turn: Turn, vault: OpenVault, payload: Mapping[str, Any]) -> None:
    due_at = vault.server.now + DAYS_KEPT * DAY
    jobs.enqueue(turn.session, vault.server, vault.owner_id, JOB, payload, due_at=due_at)


def _record_lives(session: Session, vault: OpenVault, number: int) -> None:
    this = (RecordRow.owner_id == vault.owner_id, RecordRow.number == number, RecordRow.box.is_not(None))
    if session.scalar(select(RecordRow.number).where(*this)) is None:
        raise NotFound


def _known(session: Session, vault: OpenVault, *which: Any) -> list[Attachment]:
    row = AttachmentRow
    rows = session.execute(
        select(row.attachment_id, row.number, row.revision, row.removed, row.box)
        .where(row.owner_id == vault.owner_id, *which)
        .order_by(row.revision, row.attachment_id)
    )
    return [open_known(vault, Attachment(*found[:4]), found.box) for found in rows]


def _rewrite(turn: Turn, vault: OpenVault, before: Attachment, *, removed: bool) -> Attachment:
    after = replace(before, revision=turn.revision, removed=removed)
    this = (AttachmentRow.owner_id == vault.owner_id, AttachmentRow.attachment_id == before.attachment_id)
    values = {"revision": after.revision, "removed": removed, "box": seal_known(vault, after)}
    turn.session.execute(update(AttachmentRow).where(*this).values(**values))
    return after
