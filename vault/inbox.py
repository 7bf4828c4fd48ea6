"""Her inbox's key pair: anybody here can seal something to it while she is away, and only she can open it.

The public half stands in a box under the server's key, or whoever can write to the database would put another there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from vault import crypto
from vault.keyring import PURPOSES, about_inbox, about_key
from vault.models import Key, Owner

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server

KEY_ID = PURPOSES.index("inbox") + 1  # of the first one; boxes from before keys were changed do not name it


def seal_public_half(server: Server, owner: bytes, key_id: int, private: bytes) -> bytes:
    """What stands in `owners.inbox_box`: the public half, and which key of hers it belongs to."""
    return crypto.seal(server.keys.seal, about_inbox(owner), crypto.public_key(private) + key_id.to_bytes(4, "big"))


def public_half(session: Session, server: Server, owner: bytes) -> tuple[int, bytes] | None:
    """Key id and public half, to seal to; None when she has no inbox yet. Raises crypto.Damaged."""
    box = session.scalar(select(Owner.inbox_box).where(Owner.owner_id == owner))
    if box is None:
        return None
    raw = crypto.open_box(server.keys.seal, about_inbox(owner), box)
    return int.from_bytes(raw[crypto.KEY_LENGTH :], "big") or KEY_ID, raw[: crypto.KEY_LENGTH]


def seal(session: Session, server: Server, owner: bytes, about: bytes, plaintext: bytes) -> bytes | None:
    """A box that only she can open; None when she has no inbox yet. Raises crypto.Damaged."""
    known = public_half(session, server, owner)
    if known is None:
        return None
    key_id, public = known
    return crypto.seal_to(public, about, plaintext, key_id=key_id)


def unseal(vault: OpenVault, about: bytes, box: bytes | None) -> bytes:
    """The other way. Raises crypto.Damaged."""
    return vault.keyring.open_left(about, box)


def furnish(vault: OpenVault) -> None:
    """Give an inbox to a vault from before there were any. One unlock wins; the key is there from the next request."""
    if "inbox" in vault.keyring.keys:
        return
    server, owner, private = vault.server, vault.owner_id, crypto.random_bytes()
    box = crypto.seal(vault.keyring.root, about_key(owner, KEY_ID, "inbox"), private)
    with server.main.transaction() as session:
        mine = (Owner.owner_id == owner, Owner.inbox_box.is_(None))
        public = seal_public_half(server, owner, KEY_ID, private)
        made = session.execute(update(Owner).where(*mine).values(inbox_box=public))
        if made.rowcount == 1:  # type: ignore[attr-defined]  # an UPDATE's result has a row count
            session.execute(insert(Key).values(owner_id=owner, key_id=KEY_ID, purpose="inbox", box=box))
