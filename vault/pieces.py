"""Bytes in sealed pieces of a mebibyte, one after the other in a file: written as they come, read from anywhere.

A piece's place, and whether it is the last, stand in its identity: one that was moved, swapped, left out or cut off
does not open. So a large file is opened with bounded memory, and plaintext of it is never on a disk.
"""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, Self

from vault import crypto
from vault.errors import N_, DiskFull, VaultError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class TooLarge(VaultError):
    """More bytes than this server takes in one file."""

    code, status = "too_large", 413
    sentence = N_("This file is larger than this vault takes at once.")


PIECE = 1 << 20  # bytes of one piece
SEALED = crypto.sealed_length(PIECE)
SMALLEST = crypto.sealed_length(0)


def sealed(key: bytes, archive: bytes, plaintext: Iterable[bytes]) -> Iterator[bytes]:
    """Boxes, piece by piece; the last one is shorter than the others, and may be empty."""
    ahead, n = bytearray(), 0
    for data in plaintext:
        ahead += data
        while len(ahead) >= PIECE:
            yield crypto.seal(key, _about(archive, n, last=False), bytes(ahead[:PIECE]))
            del ahead[:PIECE]
            n += 1
    yield crypto.seal(key, _about(archive, n, last=True), bytes(ahead))


class Readable(Protocol):
    """What is asked of a file that is read from anywhere."""

    def read(self, length: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


class Pieces:
    """The plaintext of sealed pieces as a file that can be read from anywhere. Raises crypto.Damaged.

    `begin` is where the first piece lies in `file`, `size` how long the file is.
    """

    def __init__(self, file: Readable, key: bytes, archive: bytes, *, begin: int, size: int) -> None:
        whole, rest = divmod(size - begin, SEALED)
        if size < begin or rest < SMALLEST:
            raise crypto.Damaged
        self._file, self._key, self._archive, self._begin, self._last = file, key, archive, begin, whole
        self.size = whole * PIECE + crypto.opened_length(rest)
        self._at = 0
        self._piece = lru_cache(maxsize=4)(self._open)

    def check(self) -> None:
        """Open every piece once, so that nothing is released of a file that is damaged further on."""
        for n in range(self._last + 1):
            self._open(n)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence])
        return self._at

    def read(self, length: int = -1) -> bytes:
        end = self.size if length < 0 else min(self._at + length, self.size)
        together = bytearray()
        while self._at < end:
            n, offset = divmod(self._at, PIECE)
            some = self._piece(n)[offset : offset + end - self._at]
            together += some
            self._at += len(some)
        return bytes(together)

    def parts(self) -> Iterator[bytes]:
        """All of it in its order, piece by piece."""
        return map(self._open, range(self._last + 1))

    def _open(self, n: int) -> bytes:
        last = n == self._last
        self._file.seek(self._begin + n * SEALED)
        box = self._file.read() if last else self._file.read(SEALED)
        return crypto.open_box(self._key, _about(self._archive, n, last=last), box)


class Spool:
    """A file on its way in or out: sealed under a key that only this process has, in a file that has no name.

    Looks enough like a file for a form parser to write into. Whatever happens, nothing readable stays on the disk.
    """

    def __init__(self, folder: Path, most: int = 1 << 62) -> None:
        self._key, self._id, self._most = crypto.random_bytes(), crypto.random_bytes(16), most
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed where this is
        self._ahead, self._n = bytearray(), 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it, and of its bytes on the disk."""
        self._file.close()

    def write(self, data: bytes) -> int:
        """Take some bytes. Raises TooLarge, DiskFull."""
        self.size += len(data)
        if self.size > self._most:
            raise TooLarge
        self._ahead += data
        while len(self._ahead) >= PIECE:
            self._keep(bytes(self._ahead[:PIECE]), last=False)
            del self._ahead[:PIECE]
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """A form parser rewinds what it has written; there is nothing to rewind here."""
        return 0

    def finish(self) -> Pieces:
        """The last byte has come: from here it can be read. Raises DiskFull."""
        self._keep(bytes(self._ahead), last=True)
        return Pieces(self._file, self._key, self._id, begin=0, size=self._file.tell())

    def _keep(self, piece: bytes, *, last: bool) -> None:
        try:
            self._file.write(crypto.seal(self._key, _about(self._id, self._n, last=last), piece))
            self._file.flush()
        except OSError:
            raise DiskFull from None
        self._n += 1


def _about(archive: bytes, n: int, *, last: bool) -> bytes:
    return crypto.identity("vrm/1/piece", archive, n, int(last))
