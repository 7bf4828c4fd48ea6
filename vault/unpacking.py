"""Reading an archive that anybody may have made: nothing is unpacked onto a disk, nothing grows without bound.

Whatever is wrong with it, the answer is one refusal before anything is taken (NotAnArchive).
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from vault import crypto
from vault.archive import FORMAT
from vault.errors import N_, VaultError
from vault.pieces import Readable

LISTING_MOST = 16 << 20  # bytes of a ZIP file's table of contents, and of the manifest
FILES_MOST = 100_000
UNPACKED_MOST = 8 << 30  # bytes of all files together
RATIO_MOST, RATIO_FREE = 200, 64 << 20  # how far they may grow, once they are larger than this
LINE_MOST = 64 << 20  # bytes of one record with its history
CHUNK = 1 << 18
DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError, RuntimeError, KeyError)
SHA256 = re.compile(r"[0-9a-f]{64}")


class NotAnArchive(VaultError):
    """A file that is no archive, or is not whole. Nothing of it was taken."""

    code, status = "not_an_archive", 422
    sentence = N_("This file is not an archive of a vault, or it is damaged. Nothing was taken from it.")


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as the manifest lists it."""

    path: str
    size: int
    sha256: str


class Archive:
    """An opened archive. Its manifest has been read; `check` has to be called before anything is taken out."""

    def __init__(self, file: Readable) -> None:
        try:
            size = file.seek(0, os.SEEK_END)
            self._zip = zipfile.ZipFile(_Bounded(file))
            self._entries = {entry.filename: entry for entry in self._zip.infolist()}
            manifest = orjson.loads(b"".join(self._unpacked("manifest.json", LISTING_MOST)))
            self.fingerprint = str(manifest["fingerprint"])
            self.files = {each.path: each for each in map(_listed, manifest["files"])}
            known = manifest["format"] == FORMAT
        except (*DAMAGED, TypeError, crypto.Damaged):
            raise NotAnArchive from None
        together = sum(each.size for each in self.files.values())
        ours = sum(each.size for each in self.files.values() if not each.path.startswith("attachments/"))
        if not known or len(self.files) > FILES_MOST:
            raise NotAnArchive
        # What she attached may be a blank scan, which grows more than any text.
        if together > UNPACKED_MOST or ours > max(RATIO_FREE, RATIO_MOST * size):
            raise NotAnArchive
        if len(self._entries) != len(self._zip.infolist()) or self._entries.keys() != {*self.files, "manifest.json"}:
            raise NotAnArchive

    def check(self) -> None:
        """Read every file to its end: sizes and hashes are those of the manifest."""
        for each in self.files.values():
            running, size = hashlib.sha256(), 0
            for piece in self.pieces(each.path):
                running.update(piece)
                size += len(piece)
            if size != each.size or running.hexdigest() != each.sha256:
                raise NotAnArchive

    def pieces(self, path: str) -> Iterator[bytes]:
        """The bytes of one file, never more than the manifest says."""
        known = self.files.get(path)
        if known is None:
            raise NotAnArchive
        try:
            yield from self._unpacked(path, known.size)
        except (*DAMAGED, crypto.Damaged):
            raise NotAnArchive from None

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of one file, without their line feeds."""
        begun: list[bytes] = []  # put together once for each line: one may be very long
        for piece in self.pieces(path):
            first, *more = piece.split(b"\n")
            begun.append(first)
            for following in more:
                yield b"".join(begun)
                begun = [following]
            if sum(map(len, begun)) > LINE_MOST:
                raise NotAnArchive
        if any(begun):
            yield b"".join(begun)

    def _unpacked(self, path: str, most: int) -> Iterator[bytes]:
        entry = self._entries[path]
        if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotAnArchive  # bzip2 and LZMA unpack without bounds
        if entry.file_size > most:
            raise NotAnArchive
        with self._zip.open(entry) as packed:
            while piece := packed.read(CHUNK):  # never more than `file_size`, which zipfile holds it to
                yield piece


class _Bounded:
    """A file of which only so much is read at once. zipfile reads the table of contents whole, as long as any of the
    three places says that it is which may say so (APPNOTE §4.3.14, §4.3.16); none of them has to be believed.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file

    def read(self, length: int = -1) -> bytes:
        if length > LISTING_MOST:
            raise NotAnArchive
        return self._file.read(length)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.seek(0, os.SEEK_CUR)

    def seekable(self) -> bool:
        return True


def _listed(said: Any) -> Listed:
    path, size, sha256 = said["path"], said["bytes"], said["sha256"]
    if type(size) is not int or size < 0 or not SHA256.fullmatch(sha256) or not _harmless(path):
        raise NotAnArchive
    return Listed(path, size, sha256)


def _harmless(path: Any) -> bool:
    """A path that stays where it is unpacked. Nothing is unpacked here, but it may be handed on."""
    parts = path.split("/") if type(path) is str and path.isprintable() and "\\" not in path else [""]
    return not {"", ".", ".."} & set(parts) and ":" not in parts[0]
