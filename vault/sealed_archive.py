"""The encrypted form of an archive: a lock that one passphrase opens, and the ZIP file in sealed pieces.

    file = "vrm/1/archive" LF ‖ archive id 16 ‖ cost and salt of the passphrase 28 ‖ lock 109 ‖ pieces

The passphrase is one of its own. No pepper is part of it: such a file is opened where no vault is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from vault import crypto, deriving, locks
from vault.errors import N_, VaultError, WrongSecret
from vault.pieces import Pieces, Readable, sealed

MAGIC = b"vrm/1/archive\n"
KIND = "archive"
ID, PARAMS, LOCK = 16, 28, crypto.sealed_length(crypto.KEY_LENGTH)
BEGIN = len(MAGIC) + ID + PARAMS + LOCK


class NotAnArchive(VaultError):
    """A file that is no archive, or is not whole. Nothing of it was taken."""

    code, status = "not_an_archive", 422
    sentence = N_("This file is not an archive of a vault, or it is damaged. Nothing was taken from it.")


def sealed_archive(plaintext: Iterable[bytes], passphrase: str) -> Iterator[bytes]:
    """The encrypted form of an archive's bytes. What costs half a second happens before the first of them."""
    archive, key = crypto.random_bytes(ID), crypto.random_bytes()
    params = locks.passphrase_params(deriving.local_cost())
    secret = deriving.stretch(passphrase, params)
    lock = locks.make(KIND, archive, archive, secret, None, params, key)
    return _parts(MAGIC + archive + params + lock, sealed(key, archive, plaintext))


def _parts(head: bytes, boxes: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from boxes


def is_sealed(file: Readable) -> bool:
    """Does a file begin like an encrypted archive?"""
    file.seek(0)
    return file.read(len(MAGIC)) == MAGIC


def open_archive(file: Readable, passphrase: str) -> Pieces:
    """The ZIP file inside; every piece of it has verified. Raises NotAnArchive, WrongSecret, Busy."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(BEGIN)
    if len(head) < BEGIN or not head.startswith(MAGIC):
        raise NotAnArchive
    archive, params, lock = (
        head[len(MAGIC) :][:ID],
        head[len(MAGIC) + ID :][:PARAMS],
        head[len(MAGIC) + ID + PARAMS :],
    )
    try:
        crypto.Cost.from_bytes(params[:12])
    except crypto.Damaged:
        raise NotAnArchive from None
    secret = deriving.stretch(passphrase, params)
    try:
        key = locks.open_lock(KIND, archive, archive, secret, None, params, lock)
    except crypto.Damaged:
        raise WrongSecret(N_("That passphrase does not open this archive.")) from None
    try:
        pieces = Pieces(file, key, archive, begin=BEGIN, size=size)
        pieces.check()
    except crypto.Damaged:
        raise NotAnArchive from None
    return pieces
