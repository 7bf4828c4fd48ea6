"""Changing her keys: a new root key and new keys under it at once, then every box sealed anew, a few at a time.

One turn puts the new root key in the place of the old one: her keys, and what lies right under the root, are wrapped
anew; passphrase, recovery code and this session get new locks, and no other lock is left. From there on the old root
key opens nothing. What lies under the old keys is sealed anew afterwards, in turns of its own that may stop and go on
anywhere: a box names its key, and the old keys stay in her keyring until nothing names them. Then they are deleted.

    peppers of the new locks -> the turn, with a job for each old pepper -> the old peppers -> the answer

Decision 24 has the argument: what a crash leaves after each step, and why nothing can be sealed under a key that dies.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from vault import crypto, inbox, jobs, lock_rows, locks, mail, reseal, sessions, unlock
from vault.errors import N_, Locked, VaultError
from vault.keyring import PURPOSES, Keyring, about_key
from vault.logs import log
from vault.models import Key, Lock, Owner
from vault.opened import open_settings, seal_settings
from vault.turn import her_turn

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.rooms import Boxes
    from vault.turn import Turn

STAYS = "dedupe"  # makes marks, which must be the same for ever; it is wrapped anew like the others

_under_way: set[bytes] = set()  # owners with a thread in this process; a second one would do the same work twice
_lock = threading.Lock()


class UnderWay(VaultError):
    """Her keys are being changed already."""

    code, status = "under_way", 409
    sentence = N_("Your keys are being changed already. Wait until that is done.")


class Progress(NamedTuple):
    """How many boxes there are under her keys, and how many of them under the new ones."""

    done: int
    all: int


def begin(vault: OpenVault, passphrase: str, seat: sessions.Seat, *, address: str) -> tuple[str, OpenVault]:
    """Put a new root key in the place of the old one. Returns her new session, string and vault; every other has ended.

    Her new recovery code stands in her settings until she has shown that she holds it. Raises WrongSecret, UnderWay,
    Locked when her keys were changed by somebody else meanwhile, and what slows guessing down.
    """
    if vault.keyring.earlier:
        raise UnderWay
    return replace_root(vault, unlock.stretched(vault, passphrase, address=address), seat)


def replace_root(vault: OpenVault, known: unlock.Stretched, seat: sessions.Seat) -> tuple[str, OpenVault]:
    """The same, once Argon2id is done with her passphrase. Raises WrongSecret when that has been changed since."""
    server, owner = vault.server, vault.owner_id
    keyring, lock, here = _new_keyring(vault.keyring), crypto.random_bytes(16), crypto.random_bytes(16)
    pepper, pepper_here = server.keystore.make(owner, lock, "lock"), server.keystore.make(owner, here, "session")
    opened = replace(vault, keyring=keyring, session_id=here, settings={}, proved_at=server.now)
    alive = {**server.keystore.alive(owner, "lock"), **server.keystore.alive(owner, "session")}.keys() - {lock, here}
    with (
        sessions.ended_if_refused(server, owner, lock, here),
        her_turn(server, owner, keyring=vault.keyring) as turn,
    ):
        session = turn.session
        unlock.none_newer(session, owner, known.known)
        _wrap_anew(turn, vault.keyring, keyring)
        dead = _without_locks(turn, alive)
        code = _write_settings(session, vault.keyring, opened)
        lock_rows.add(session, "passphrase", owner, lock, known.secret, pepper, known.params, keyring.root)
        lock_rows.add(session, "recovery", owner, crypto.random_bytes(16), code, None, b"", keyring.root)
        mail.queue_ways_changed(session, server, owner)
        string, ends_at = sessions.add(session, opened, pepper_here, seat)
    server.keystore.take(owner, *dead)
    with server.main.transaction() as session:
        for job in dead.values():
            jobs.finish(session, owner, job)
    server.main.checkpoint()
    server.catalogues.rebuild(server, owner)
    return string, replace(opened, ends_at=ends_at)


def _new_keyring(before: Keyring) -> Keyring:
    """A new root key, and a new key for each purpose but one; those before still open what names them."""
    numbers = itertools.count(before.next_id)
    fresh = {
        purpose: before.keys[purpose] if purpose == STAYS else (next(numbers), crypto.random_bytes())
        for purpose in PURPOSES
        if purpose in before.keys
    }
    earlier = {key_id: (purpose, key) for purpose, (key_id, key) in before.keys.items() if purpose != STAYS}
    return Keyring(before.owner_id, crypto.random_bytes(), fresh, earlier=earlier)


def _wrap_anew(turn: Turn, before: Keyring, after: Keyring) -> None:
    """Her keys and all that lies right under the root key, in one turn; a box that was damaged stays as it is."""
    owner, session = turn.owner_id, turn.session
    session.execute(delete(Key).where(Key.owner_id == owner))
    wrapped = {key_id: (purpose, key) for purpose, (key_id, key) in after.keys.items()} | dict(after.earlier)
    for key_id, (purpose, key) in wrapped.items():
        box = crypto.seal(after.root, about_key(owner, key_id, purpose), key)
        session.execute(insert(Key).values(owner_id=owner, key_id=key_id, purpose=purpose, box=box))
    for boxes in reseal.every(turn.server, "root"):
        rows = reseal.rows(session, boxes, owner, None)
        reseal.write(session, boxes, [(row, anew) for row in rows if (anew := _under_root(boxes, row, before, after))])
    if "inbox" in after.keys:
        public = inbox.seal_public_half(turn.server, owner, *after.keys["inbox"])
        session.execute(update(Owner).where(Owner.owner_id == owner).values(inbox_box=public))


def _under_root(boxes: Boxes, row: Any, before: Keyring, after: Keyring) -> bytes | None:
    about = boxes.about(*row[: len(boxes.of)])
    try:
        return crypto.seal(after.root, about, crypto.open_box(before.root, about, row[-1]))
    except crypto.Damaged:
        return None


def _without_locks(turn: Turn, alive: set[bytes]) -> dict[bytes, bytes]:
    """No lock is left; for each that had a pepper a job takes it, in case of a crash. Returns jobs by lock."""
    server, owner = turn.server, turn.owner_id
    rows = set(turn.session.scalars(select(Lock.lock_id).where(Lock.owner_id == owner, Lock.kind != "recovery")))
    turn.session.execute(delete(Lock).where(Lock.owner_id == owner))
    dead = sorted(rows | alive)
    return {each: jobs.enqueue(turn.session, server, owner, "unmake_lock", {"lock": each.hex()}) for each in dead}


def _write_settings(session: Session, before: Keyring, vault: OpenVault) -> bytes:
    """Her settings under the new key, without the passkeys, which have no lock any more. Returns the new code."""
    mine, code = Owner.owner_id == vault.owner_id, locks.new_recovery_code()
    present = open_settings(before, session.execute(select(Owner.settings_box).where(mine)).scalar_one())
    present.pop("passkeys", None)
    vault.settings.update(present, recovery=locks.write_recovery_code(code), renewed=True)
    session.execute(update(Owner).where(mine).values(settings_box=seal_settings(vault.keyring, vault.settings)))
    return code


def run(vault: OpenVault) -> bool:
    """Seal anew what lies under old keys, and delete those when nothing does. False when her session ended before."""
    while vault.keyring.earlier:
        for boxes in reseal.every(vault.server, *vault.keyring.keys):
            if not _seal_column(vault, boxes):
                return False
        if _drop_earlier(vault):
            break
    return True


def _seal_column(vault: OpenVault, boxes: Boxes) -> bool:
    after: tuple[Any, ...] | None = ()
    while after is not None and _alive(vault):
        after = _seal_some(vault, boxes, after)
    return after is None


def _seal_some(vault: OpenVault, boxes: Boxes, after: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The next few boxes of a column, in a turn. Returns the last one's key, or None when there are no more."""
    with reseal.reading(vault.server, boxes) as session:
        if not reseal.rows(session, boxes, vault.owner_id, vault.keyring, after=after):
            return None
    with (
        her_turn(vault.server, vault.owner_id, keyring=vault.keyring) as turn,
        reseal.writing(turn, boxes) as session,
    ):
        rows = reseal.rows(session, boxes, vault.owner_id, vault.keyring, after=after)
        reseal.write(session, boxes, [(row, box) for row in rows if (box := _anew(vault.keyring, boxes, row))])
    return reseal.key_of(boxes, rows[-1]) if len(rows) == boxes.at_once else None


def _anew(keyring: Keyring, boxes: Boxes, row: Any) -> bytes | None:
    """The same under the newest key; None for one that was damaged before: it goes on being told as that."""
    about, box = boxes.about(*row[: len(boxes.of)]), row[-1]
    try:
        if boxes.under == "records":
            return keyring.rows.seal(about, keyring.open_row(about, box))
        if boxes.under == "inbox":
            key_id, private = keyring.keys["inbox"]
            return crypto.seal_to(crypto.public_key(private), about, keyring.open_left(about, box), key_id=key_id)
        return keyring.seal(boxes.under, about, keyring.open(boxes.under, about, box))
    except crypto.Damaged:
        return None


def _drop_earlier(vault: OpenVault) -> bool:
    """Delete the old keys, unless something was left under one that still opens. Nobody can have added anything since:
    whoever seals for her looks in the same transaction whether hers is still the newest key."""
    with her_turn(vault.server, vault.owner_id, keyring=vault.keyring) as turn:
        for boxes in reseal.every(vault.server, *vault.keyring.keys):
            with reseal.writing(turn, boxes) as session:
                left = reseal.rows(session, boxes, vault.owner_id, vault.keyring)
            if any(_anew(vault.keyring, boxes, row) for row in left):
                return False
        mine = (Key.owner_id == vault.owner_id, Key.key_id.in_(vault.keyring.earlier))
        turn.session.execute(delete(Key).where(*mine))
    vault.server.main.checkpoint()  # so that the old keys are gone from the files
    return True


def progress(vault: OpenVault) -> Progress | None:
    """How far it has come; None when her keys are not being changed."""
    if not vault.keyring.earlier:
        return None
    done = total = 0
    for boxes in reseal.every(vault.server, *vault.keyring.keys):
        hers = (*reseal.hers(boxes, vault.owner_id), boxes.column.is_not(None))
        count = select(func.count()).select_from(boxes.column.class_)
        with reseal.reading(vault.server, boxes) as session:
            total += session.scalar(count.where(*hers)) or 0
            done += session.scalar(count.where(*hers, ~reseal.under_old(boxes, vault.keyring))) or 0
    return Progress(done, total)


def resume(vault: OpenVault) -> None:
    """Go on in a thread of its own, which nobody waits for. Nothing to do when no keys are being changed."""
    if not vault.keyring.earlier:
        return
    with _lock:
        if vault.owner_id in _under_way:
            return
        _under_way.add(vault.owner_id)
    threading.Thread(target=_until_done, args=(vault,), name="keys", daemon=True).start()


def _until_done(vault: OpenVault) -> None:
    try:
        run(vault)
    except Locked:
        log.info("keys_changed_again")
    finally:
        with _lock:
            _under_way.discard(vault.owner_id)


def _alive(vault: OpenVault) -> bool:
    """Is the session still there that opened this vault? A command has none."""
    return not vault.session_id or vault.server.keystore.pepper(vault.owner_id, vault.session_id) is not None
