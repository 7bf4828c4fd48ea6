"""Files on their way in: sealed as they arrive, read back piece by piece, and removed once they have been read.

Plaintext of a file is in memory only, one mebibyte at a time, and never on a disk.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from sqlalchemy import delete, insert, select, update

from connectors.course import Course, mine, seal_course
from connectors.models import Import, ImportChunk, ImportReport
from vault import crypto
from vault.days import DAY
from vault.errors import N_, VaultError
from vault.keyring import hold

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.server import Server

PIECE = 1 << 20  # bytes of one chunk
ARRIVAL = 600  # seconds without a further mebibyte after which an upload has broken off
AT_ONCE = 8  # chunks removed in one transaction


class TooLarge(VaultError):
    """More bytes than this server takes in one file."""

    code, status = "too_large", 413
    sentence = N_("This file is larger than this vault takes at once.")


class Arriving:
    """A file that is being sealed while it arrives; looks enough like a file for a form parser to write into.

    Used with `with`: unless it was finished inside, nothing of it is left. Raises TooLarge.
    """

    def __init__(self, vault: OpenVault, name: str) -> None:
        self.vault, self.import_id = vault, crypto.random_bytes(16)
        label = name.replace("\\", "/").rpartition("/")[2][-200:]
        self.course = Course("".join(letter if letter.isprintable() else "?" for letter in label), vault.server.now)
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
            hold(session, self.vault.keyring)
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
        about = about_chunk(self.vault.owner_id, self.import_id, self.course.chunks)
        box = self.vault.keyring.seal("files", about, piece)
        row = {"owner_id": self.vault.owner_id, "import_id": self.import_id, "n": self.course.chunks, "box": box}
        later = self.vault.server.now + ARRIVAL
        with self.vault.server.main.transaction() as session:
            hold(session, self.vault.keyring)
            session.execute(insert(ImportChunk).values(**row))
            session.execute(update(Import).where(*mine(self.vault, self.import_id)).values(lease_until=later))
        self.course.chunks += 1

    def finish(self) -> bytes:
        """The last byte has come: from here the import waits to be run. Returns its id."""
        if self._ahead:
            self._keep(bytes(self._ahead))
        box = seal_course(self.vault, self.import_id, self.course)
        with self.vault.server.main.transaction() as session:
            hold(session, self.vault.keyring)
            waiting = {"state": "waiting", "lease_until": 0, "box": box}
            session.execute(update(Import).where(*mine(self.vault, self.import_id)).values(**waiting))
        self._finished = True
        return self.import_id


def about_chunk(owner: bytes, import_id: bytes, n: int) -> bytes:
    """The identity of a piece of an upload."""
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
        piece = self._vault.keyring.open("files", about_chunk(owner, self._import_id, n), box)
        if n >= self._chunks or len(piece) != min(PIECE, self.size - n * PIECE):
            raise crypto.Damaged
        return piece


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
