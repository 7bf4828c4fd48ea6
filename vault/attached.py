"""One attached file: on its way in, what is known of it, and its two boxes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from vault import crypto
from vault.errors import N_, VaultError
from vault.settings import MEBIBYTE
from vault.sniffing import KINDS, UNKNOWN, kind_of

if TYPE_CHECKING:
    from vault.opened import OpenVault

LARGEST = 10 * MEBIBYTE  # bytes of one file
NAME_MOST = 200


class Refused(VaultError):
    """A file that is not kept."""

    code, status = "file_refused", 422


class Empty(Refused):
    """A file without a byte, or none at all."""

    code = "no_file"
    sentence = N_("Choose a file first. An empty one holds nothing to keep.")


class TooLarge(Refused):
    """More bytes than one file may have."""

    code, status = "file_too_large", 413
    sentence = N_("That file is larger than 10 MB, the most that is kept of one. Nothing was kept.")


class TooMany(Refused):
    """A record has as many files as it may have."""

    code, status = "too_many_files", 409
    sentence = N_("There are 20 files here already, and that is the most. Remove one first. Nothing was kept.")


class NoRoom(Refused):
    """All files of the vault together are as many bytes as this server keeps for one owner."""

    code, status = "no_room_for_files", 507
    sentence = N_("Your files fill all the room this server has for them. Remove some first. Nothing was kept.")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file as it is known without opening it. `kind` is a media type; `size` counts bytes; `day` is ISO 8601."""

    attachment_id: bytes
    number: int
    revision: int
    removed: bool
    name: str = ""
    kind: str = ""
    size: int = 0
    day: str = ""

    @property
    def damaged(self) -> bool:
        """Its row was tampered with: it has no name and does not open."""
        return not self.kind


class Incoming:
    """A file on its way in; looks enough like a file for a form parser to write into.

    It waits in memory, on no disk, until it has come whole: one that breaks off leaves nothing. One that is too large
    is read to its end and dropped: a browser that is cut off while it sends shows no answer.
    """

    def __init__(self, name: str) -> None:
        self.name = plain_name(name)
        self.content = bytearray()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self.size += len(data)
        if self.size > LARGEST:
            self.content.clear()
        else:
            self.content += data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """A form parser rewinds what it has written; there is nothing to rewind here."""
        return 0


def plain_name(name: str) -> str:
    """A file's name without the folders it lay in, on one line and not too long. It is only shown, never a path."""
    label = name.replace("\\", "/").rpartition("/")[2][-NAME_MOST:].strip()
    return "".join(letter if letter.isprintable() else "?" for letter in label) or "file"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that has come whole, sealed before her turn begins."""

    known: Attachment
    content: bytes


def sealed(vault: OpenVault, number: int, incoming: Incoming, day: str, attachment_id: bytes = b"") -> Sealed:
    """Seal a file that has come whole, padded with zeros to a bucket's size. Raises Empty, TooLarge.

    One that comes back from an archive brings its id along.
    """
    if incoming.size > LARGEST:
        raise TooLarge
    plain = bytes(incoming.content)
    if not plain:
        raise Empty
    name = attachment_id or crypto.random_bytes(16)
    known = Attachment(name, number, 0, False, incoming.name, kind_of(plain), len(plain), day)
    padded = plain.ljust(crypto.bucket(len(plain)), b"\0")
    about = about_content(vault.owner_id, known.attachment_id, known.number)
    return Sealed(known, vault.keyring.seal("files", about, padded))


def room_for(size: int) -> int:
    """The bytes that a file of so many takes."""
    return crypto.sealed_length(crypto.bucket(size))


def open_content(vault: OpenVault, known: Attachment, box: bytes | None) -> bytes:
    """The file as it was given; nothing of it before its last chunk has verified. Raises Damaged."""
    padded = vault.keyring.open("files", about_content(vault.owner_id, known.attachment_id, known.number), box)
    if len(padded) != crypto.bucket(known.size):
        raise crypto.Damaged
    return padded[: known.size]


def seal_known(vault: OpenVault, known: Attachment) -> bytes:
    """What is known of a file, as a box."""
    said = {"name": known.name, "kind": known.kind, "size": known.size, "day": known.day}
    return vault.keyring.seal("files", _about(vault, known), crypto.pad(orjson.dumps(said)))


def open_known(vault: OpenVault, bare: Attachment, box: bytes) -> Attachment:
    """The other way; `bare` says what stands in clear. Without name and kind if the box does not open."""
    try:
        said = orjson.loads(vault.keyring.open("files", _about(vault, bare), box))
    except crypto.Damaged:
        return bare
    kind = said["kind"] if said["kind"] in KINDS else UNKNOWN
    return replace(bare, name=said["name"], kind=kind, size=said["size"], day=said["day"])


def about_known(owner: bytes, attachment_id: bytes, number: int, revision: int, removed: bool) -> bytes:
    """The identity of the box with what is known of a file."""
    return crypto.identity("vrm/1/attachment", owner, attachment_id, number, revision, int(removed))


def about_content(owner: bytes, attachment_id: bytes, number: int) -> bytes:
    """The identity of the box with the file itself."""
    return crypto.identity("vrm/1/attached file", owner, attachment_id, number)


def _about(vault: OpenVault, known: Attachment) -> bytes:
    return about_known(vault.owner_id, known.attachment_id, known.number, known.revision, known.removed)
