"""A made-up owner for whoever builds a vendor's side, where `VRM_SANDBOX` is on. She can never be somebody real.

Her id is a constant, and those of real owners are drawn at random. She has no name to unlock by and no passphrase, and
is not found by the number of her vault, so no form leads to her. Her session opens only the few pages that are marked
for it. Nothing here takes an owner as an argument.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from vault import crypto, departure, inbox, lock_rows
from vault.crypto import Damaged
from vault.days import DAY
from vault.errors import Busy, NotFound
from vault.keyring import Keyring, new_keys, opened_keys
from vault.models import Owner
from vault.opened import open_settings, seal_settings

if TYPE_CHECKING:
    from vault.server import Server

OWNER = b"a made-up person"
CODE = b"nothing secret in it"
NAME = "Sandbox"
KEPT = 7 * DAY


def unlock(server: Server) -> Keyring:
    """Open her vault; make it where there is none yet. Raises NotFound where the setting is off, and Busy while what
    is left of her waits to be thrown away by the worker."""
    if not server.settings.sandbox:
        raise NotFound
    row = lock_rows.living_of(server, OWNER, "recovery")
    if row is None:
        _make(server)
        row = lock_rows.living_of(server, OWNER, "recovery")
    keyring = lock_rows.open_with(server, row, CODE) if row is not None else None
    if keyring is None:
        raise Busy
    return keyring


def sweep(server: Server) -> None:
    """The worker's part: what developers left is thrown away every week, and all of it where the setting is off."""
    with server.main.reading() as session:
        box = session.scalar(select(Owner.settings_box).where(Owner.owner_id == OWNER))
    if box is not None and (not server.settings.sandbox or server.now >= _since(server, box) + KEPT):
        departure.throw_away(server, OWNER)


def _since(server: Server, box: bytes) -> int:
    """When she was made; long ago, if nobody can say: her locks are the first to go when she is thrown away."""
    try:
        return int(open_settings(unlock(server), box).get("since", 0))
    except (Busy, Damaged):
        return 0


def _make(server: Server) -> None:
    """Whoever comes second at the same moment finds that it is done."""
    root = crypto.random_bytes()
    keys = new_keys(OWNER, root)
    keyring = Keyring(OWNER, root, opened_keys(OWNER, root, keys))
    boxes = {
        "settings_box": seal_settings(keyring, {"name": NAME, "handle": "", "since": server.now}),
        "inbox_box": inbox.seal_public_half(server, OWNER, *keyring.keys["inbox"]),
    }
    with suppress(IntegrityError):  # a crash may have left this much
        server.keystore.welcome(OWNER)
    with suppress(IntegrityError), server.main.transaction() as session:
        floor = server.keystore.floor(OWNER)  # of one that was here before, and is not her copy
        session.execute(insert(Owner).values(owner_id=OWNER, revision=floor, notice_box=None, **boxes))
        session.add_all(keys)
        lock_rows.add(session, "recovery", OWNER, crypto.random_bytes(16), CODE, None, b"", root)
