"""A file that one passphrase opens: a lock, and what it holds in sealed pieces.

    file = "vrm/1/" kind LF ‖ file id 16 ‖ cost and salt of the passphrase 28 ‖ lock 109 ‖ pieces

The passphrase is one of its own. No pepper is part of it: such a file is opened where no vault is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from vault import crypto, deriving, locks
from vault.errors import N_, VaultError, WrongSecret
from vault.pieces import Pieces, Readable, sealed

ID, PARAMS, LOCK = 16, 28, crypto.sealed_length(crypto.KEY_LENGTH)


class NotSuchAFile(VaultError):
    """A file of another kind, or one that is not whole. Nothing of it was taken."""

    code, status = "not_such_a_file", 422
    sentence = N_("This file is of another kind, or it is damaged. Nothing was taken from it.")


def seal(kind: str, plaintext: Iterable[bytes], passphrase: str) -> Iterator[bytes]:
    """The file's bytes. What costs half a second happens before the first of them."""
    file, key = crypto.random_bytes(ID), crypto.random_bytes()
    params = locks.passphrase_params(deriving.local_cost())
    secret = deriving.stretch(passphrase, params)
    lock = locks.make(kind, file, file, secret, None, params, key)
    return _parts(_magic(kind) + file + params + lock, sealed(key, file, plaintext))


def _parts(head: bytes, boxes: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from boxes


def is_one(kind: str, file: Readable) -> bool:
    """Does a file begin like one of this kind?"""
    file.seek(0)
    return file.read(len(_magic(kind))) == _magic(kind)


def open_file(kind: str, file: Readable, passphrase: str) -> Pieces:
    """What is inside; every piece of it has verified. Raises NotSuchAFile, WrongSecret, Busy."""
    magic = _magic(kind)
    begin = len(magic) + ID + PARAMS + LOCK
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(begin)
    if len(head) < begin or not head.startswith(magic):
        raise NotSuchAFile
    head = head[len(magic) :]
    name, params, lock = head[:ID], head[ID : ID + PARAMS], head[ID + PARAMS :]
    try:
        crypto.Cost.from_bytes(params[:12])
    except crypto.Damaged:
        raise NotSuchAFile from None
    secret = deriving.stretch(passphrase, params)
    try:
        key = locks.open_lock(kind, name, name, secret, None, params, lock)
    except crypto.Damaged:
        raise WrongSecret(N_("That passphrase does not open this file.")) from None
    try:
        pieces = Pieces(file, key, name, begin=begin, size=size)
        pieces.check()
    except crypto.Damaged:
        raise NotSuchAFile from None
    return pieces


def _magic(kind: str) -> bytes:
    return f"vrm/1/{kind}\n".encode()
