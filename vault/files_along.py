"""Attached files in an archive: each under the number of its record, and back from there.

attachments/<record number>/<day>-<attachment id in hex>/<name>
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import select

from vault import attachments, crypto, trash
from vault.attached import LARGEST, Incoming, NoRoom, plain_name, room_for, sealed
from vault.models import AttachmentRow, RecordRow
from vault.turn import her_turn
from vault.unpacking import Listed, NotAnArchive

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.rooms import File

PATH = re.compile(r"attachments/([1-9][0-9]{0,12})/([0-9]{4}-[0-9]{2}-[0-9]{2})-([0-9a-f]{32})/([^/]+)")


def files(vault: OpenVault) -> Iterator[File]:
    """Every file of the records that stand or lie in the trash. What does not open is not among them."""
    with vault.server.main.reading() as session:
        for number in sorted(attachments.counts(session, vault).keys() & trash.kept(session, vault)):
            for known in attachments.of_record(session, vault, number):
                path = f"attachments/{number}/{known.day}-{known.attachment_id.hex()}/{_name(known.name)}"
                try:
                    content = attachments.content(session, vault, known)
                except crypto.Damaged:
                    continue
                yield path, [content]


def check(vault: OpenVault, listed: Iterable[Listed]) -> None:
    """Nothing stands in the way of any of these files, before anything at all is taken. Raises NotAnArchive, NoRoom."""
    having, known = Counter[int](), dict[bytes, int]()
    for found, size in ((PATH.fullmatch(each.path), each.size) for each in listed):
        if found is None:
            continue
        _day(found[2])
        attachment = bytes.fromhex(found[3])
        having[int(found[1])] += 1
        if not 1 <= size <= LARGEST or attachment in known or having[int(found[1])] > attachments.MOST:
            raise NotAnArchive
        known[attachment] = room_for(size)
    coming = sum(size for attachment, size in known.items() if not _is_there(vault, attachment))
    with vault.server.main.reading() as session:
        if coming and attachments.room_taken(session, vault) + coming > vault.server.settings.files_limit:
            raise NoRoom


def bring(vault: OpenVault, path: str, pieces: Iterable[bytes]) -> bool:
    """Attach one file again, unless it is there already. Raises what is said of files not kept.

    One whose record has not come, because it was damaged where the archive was made, stays in the archive. Those of a
    record in the trash come back and end with it.
    """
    found = PATH.fullmatch(path)
    if found is None:
        return False
    number, day, attachment, name = int(found[1]), _day(found[2]), bytes.fromhex(found[3]), found[4]
    if _is_there(vault, attachment):
        return True
    incoming = Incoming(name)
    for piece in pieces:
        incoming.write(piece)
    file = sealed(vault, number, incoming, day, attachment)
    with her_turn(vault.server, vault.owner_id, keyring=vault.keyring) as turn:
        if number not in trash.kept(turn.session, vault, RecordRow.number == number):
            return False
        attachments.add(turn, vault, file)
    return True


def _name(name: str) -> str:
    """A name that can be the last part of a path."""
    return name if name not in (".", "..") else plain_name("")


def _day(text: str) -> str:
    """A day that there is: pages write it as one."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise NotAnArchive from None


def _is_there(vault: OpenVault, attachment: bytes) -> bool:
    this = (AttachmentRow.owner_id == vault.owner_id, AttachmentRow.attachment_id == attachment)
    with vault.server.main.reading() as session:
        return session.scalar(select(AttachmentRow.number).where(*this)) is not None
