"""An owner's keys, opened. What a request holds while the vault is unlocked; it is never stored anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from vault import crypto
from vault.models import Key

PURPOSES = ("records", "catalogue", "dedupe", "files", "inbox")


@dataclass(frozen=True)
class Keyring:
    """Her root key and the keys under it. `records` seals records, `files` uploads and reports; `inbox` is private.

    `lock_id` is the lock that was opened for it, when that is one which can die (not the recovery code).
    """

    owner_id: bytes
    root: bytes = field(repr=False)
    keys: Mapping[str, tuple[int, bytes]] = field(repr=False)
    lock_id: bytes = b""

    def __getitem__(self, purpose: str) -> bytes:
        return self.keys[purpose][1]

    @cached_property
    def rows(self) -> crypto.RowKey:
        """Seals and opens record rows."""
        key_id, key = self.keys["records"]
        return crypto.RowKey(key, key_id=key_id)

    def mark(self, *natural: str) -> bytes:
        """The keyed mark of a natural key: the same thing imported again has the same one; it tells a thief nothing."""
        return crypto.tag(self["dedupe"], *natural)[:16]


def about_inbox(owner: bytes) -> bytes:
    """The identity of the box with her inbox's public key."""
    return crypto.identity("vrm/1/inbox", owner)


def about_key(owner: bytes, key_id: int, purpose: str) -> bytes:
    """The identity of a key's box."""
    return crypto.identity("vrm/1/key", owner, key_id, purpose)


def new_keys(owner: bytes, root: bytes) -> list[Key]:
    """Rows for a new owner's keys, each random and sealed under the root key."""
    return [
        Key(
            owner_id=owner,
            key_id=key_id,
            purpose=purpose,
            box=crypto.seal(root, about_key(owner, key_id, purpose), crypto.random_bytes()),
        )
        for key_id, purpose in enumerate(PURPOSES, start=1)
    ]


def opened_keys(owner: bytes, root: bytes, rows: Iterable[Key]) -> dict[str, tuple[int, bytes]]:
    """What is in those rows. Raises crypto.Damaged."""
    return {
        row.purpose: (row.key_id, crypto.open_box(root, about_key(owner, row.key_id, row.purpose), row.box))
        for row in rows
    }


def open_keyring(session: Session, owner: bytes, root: bytes) -> Keyring:
    """Open her keys under the root key. Raises crypto.Damaged."""
    mine = select(Key.key_id, Key.purpose, Key.box).where(Key.owner_id == owner)
    rows = session.execute(mine.order_by(Key.key_id))
    keys = {
        purpose: (key_id, crypto.open_box(root, about_key(owner, key_id, purpose), box))
        for key_id, purpose, box in rows
    }
    return Keyring(owner, root, keys)
