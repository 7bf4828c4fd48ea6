"""An owner's keys, opened. What a request holds while the vault is unlocked; it is never stored anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from vault import crypto
from vault.errors import Locked
from vault.models import Key, Owner

PURPOSES = ("records", "catalogue", "dedupe", "files", "inbox")
NEEDED = frozenset(PURPOSES[:4])  # a vault from an earlier release may have no inbox yet
Keys = Mapping[str, tuple[int, bytes]]  # id and key by purpose


@dataclass(frozen=True)
class Keyring:
    """Her root key and the keys under it. `records` seals records, `files` uploads and reports; `inbox` is private.

    What is sealed is sealed with `keys`, the newest of each purpose. `earlier` are those that still open something
    while her keys are being changed: the key id in a box says which one it wants. `lock_id` is the lock that was opened
    for it; a new vault's and a session's keyring has none.
    """

    owner_id: bytes
    root: bytes = field(repr=False)
    keys: Keys = field(repr=False)
    lock_id: bytes = b""
    earlier: Mapping[int, tuple[str, bytes]] = field(default_factory=dict, repr=False)

    def __getitem__(self, purpose: str) -> bytes:
        return self.keys[purpose][1]

    def seal(self, purpose: str, about: bytes, plaintext: bytes) -> bytes:
        """A box of suite 0x01 under the newest key of a purpose."""
        key_id, key = self.keys[purpose]
        return crypto.seal(key, about, plaintext, key_id=key_id)

    def open(self, purpose: str, about: bytes, box: bytes | None) -> bytes:
        """The other way. Raises crypto.Damaged."""
        return crypto.open_box(self._wanted(purpose, box), about, box)

    def open_row(self, about: bytes, box: bytes | None) -> bytes:
        """Open a record's row. Raises crypto.Damaged."""
        if not self.earlier or not box or crypto.key_id_of(box) == self.keys["records"][0]:
            return self.rows.open(about, box)
        return crypto.RowKey(self._wanted("records", box), key_id=crypto.key_id_of(box)).open(about, box)

    def open_left(self, about: bytes, box: bytes | None) -> bytes:
        """Open what was left in her inbox. Raises crypto.Damaged."""
        return crypto.open_left(self._wanted("inbox", box), about, box)

    def _wanted(self, purpose: str, box: bytes | None) -> bytes:
        """The key that a box names, if it is one of that purpose; else the newest, which will not open it."""
        known = self.earlier.get(crypto.key_id_of(box)) if box else None
        return known[1] if known and known[0] == purpose else self[purpose]

    @property
    def next_id(self) -> int:
        """The id of the next key that she gets: higher than that of any she has."""
        return max([*self.earlier, *(key_id for key_id, _ in self.keys.values())]) + 1

    @cached_property
    def rows(self) -> crypto.RowKey:
        """Seals record rows."""
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
    opened = [
        (key_id, purpose, crypto.open_box(root, about_key(owner, key_id, purpose), box))
        for key_id, purpose, box in rows
    ]
    keys = {purpose: (key_id, key) for key_id, purpose, key in opened}  # of one purpose the last, so the newest
    earlier = {key_id: (purpose, key) for key_id, purpose, key in opened if keys[purpose][0] != key_id}
    if not keys.keys() >= NEEDED:  # somebody took a row away
        raise crypto.Damaged
    return Keyring(owner, root, keys, earlier=earlier)


def check_newest(session: Session, keyring: Keyring) -> None:
    """Inside a transaction that holds her row: is this still the newest of her keys? Raises Locked.

    Whatever is sealed for her is sealed after this, or it might end under a key that has just been changed and dies. Of
    a vault that is being deleted no key is left.
    """
    newest = select(Key.purpose, func.max(Key.key_id)).where(Key.owner_id == keyring.owner_id).group_by(Key.purpose)
    found = session.execute(newest).all()
    if not found or any(keyring.keys.get(purpose, (key_id,))[0] != key_id for purpose, key_id in found):
        raise Locked


def hold(session: Session, keyring: Keyring) -> None:
    """The same for a transaction that is no turn of hers: take her row, so that no change of keys comes in between."""
    session.execute(update(Owner).where(Owner.owner_id == keyring.owner_id).values(lost=Owner.lost))
    check_newest(session, keyring)
