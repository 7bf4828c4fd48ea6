"""The rows of locks: what opens, what is dead, and what the worker sweeps away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.conftest import PASSPHRASE
from tests.hearing import listening
from tests.people import Ada, Clock
from vault import crypto, handles, lock_rows, set_up
from vault.keystore import Keystore
from vault.models import Attempt, Key, Lock, Owner
from vault.server import Server

SECRET = b"s" * 32


def somebody_else(ada: Ada) -> bytes:
    owner = b"b" * 16
    ada.house.keystore.welcome(owner)
    with ada.house.main.transaction() as session:
        session.execute(insert(Owner).values(owner_id=owner, settings_box=b""))
    return owner


def gets(ada: Ada, number: int, kind: str = "passkey", owner: bytes | None = None, **more: Any) -> bytes:
    """A lock of hers that SECRET opens."""
    owner, lock = owner or ada.owner_id, number.to_bytes(16, "big")
    pepper = (
        None if kind == "recovery" else ada.house.keystore.make(owner, lock, "session" if kind == "session" else "lock")
    )
    with ada.house.main.transaction() as session:
        lock_rows.add(session, kind, owner, lock, SECRET, pepper, b"params", ada.vault.keyring.root, **more)
    return lock


def locks_of(server: Server, owner: bytes) -> set[bytes]:
    with server.main.reading() as session:
        return set(session.scalars(select(Lock.lock_id).where(Lock.owner_id == owner)))


def row(ada: Ada, lock: bytes) -> Any:
    """One lock as the code that opens it reads it."""
    found = lock_rows.of_kind(ada.house, ada.owner_id, "passkey", "recovery")
    return next(each for each in found if each.lock_id == lock)


def test_a_lock_is_written_with_its_times(ada: Ada) -> None:
    lock = gets(ada, 1, expires_at=500, used_at=400)
    with ada.house.main.reading() as session:
        written = session.execute(select(Lock).where(Lock.lock_id == lock)).scalar_one()
        assert (written.owner_id, written.kind, written.params) == (ada.owner_id, "passkey", b"params")
        assert (written.expires_at, written.used_at) == (500, 400)


def test_locks_are_found_by_owner_and_kind_in_the_order_of_their_ids(ada: Ada) -> None:
    for number in (3, 1, 2):
        gets(ada, number)
    gets(ada, 4, "spare")
    gets(ada, 5, owner=somebody_else(ada))
    found = lock_rows.of_kind(ada.house, ada.owner_id, "passkey")
    assert [each.lock_id[-1] for each in found] == [1, 2, 3]
    assert [each.lock_id[-1] for each in lock_rows.of_kind(ada.house, ada.owner_id, "passkey", "spare")] == [1, 2, 3, 4]


def test_a_lock_lives_as_long_as_its_pepper_and_a_recovery_codes_without_one(ada: Ada) -> None:
    first, second, other = gets(ada, 1), gets(ada, 2), somebody_else(ada)
    assert lock_rows.living_of(ada.house, ada.owner_id, "passkey").lock_id == first
    ada.house.keystore.take(ada.owner_id, first)
    assert lock_rows.living_of(ada.house, ada.owner_id, "passkey").lock_id == second
    assert [lock_rows.lives(ada.house, ada.owner_id, lock) for lock in (first, second)] == [False, True]
    ada.house.keystore.take(ada.owner_id, second)
    assert lock_rows.living_of(ada.house, ada.owner_id, "passkey") is None
    code = lock_rows.living_of(ada.house, ada.owner_id, "recovery")
    assert lock_rows.lives(ada.house, ada.owner_id, code.lock_id) is True
    assert lock_rows.lives(ada.house, other, code.lock_id) is False
    lock_rows.remove(ada.house, ada.owner_id, [code.lock_id])
    assert lock_rows.lives(ada.house, ada.owner_id, code.lock_id) is False


def test_a_pepper_without_its_row_opens_nothing(ada: Ada) -> None:
    lock = gets(ada, 1)
    lock_rows.remove(ada.house, ada.owner_id, [lock])
    assert lock_rows.lives(ada.house, ada.owner_id, lock) is False


@pytest.mark.parametrize("kind", ["passkey", "recovery"])
def test_the_right_secret_opens_her_keys_and_says_by_which_lock(ada: Ada, kind: str) -> None:
    lock = gets(ada, 1, kind)
    opened = lock_rows.open_with(ada.house, row(ada, lock), SECRET)
    assert opened is not None
    assert (opened.keys, opened.root, opened.lock_id) == (ada.vault.keyring.keys, ada.vault.keyring.root, lock)
    assert lock_rows.open_with(ada.house, row(ada, lock), b"x" * 32) is None


def test_a_dead_lock_and_damaged_keys_open_to_nothing(ada: Ada) -> None:
    first, second = gets(ada, 1), gets(ada, 2)
    dead, living = row(ada, first), row(ada, second)
    ada.house.keystore.take(ada.owner_id, first)
    assert lock_rows.open_with(ada.house, dead, SECRET) is None
    with ada.house.main.transaction() as session:
        session.execute(update(Key).where(Key.owner_id == ada.owner_id, Key.purpose == "files").values(box=b"damaged"))
    assert lock_rows.open_with(ada.house, living, SECRET) is None


def test_only_a_recovery_code_opens_without_a_pepper(ada: Ada) -> None:
    """Who writes to main alone makes no lock that opens."""
    for number, kind in enumerate(("recovery", "passkey")):
        with ada.house.main.transaction() as session:
            lock = number.to_bytes(16, "big")
            lock_rows.add(session, kind, ada.owner_id, lock, SECRET, None, b"params", ada.vault.keyring.root)
        opened = lock_rows.open_with(ada.house, row(ada, lock), SECRET)
        assert (opened is not None) == (kind == "recovery")


@pytest.mark.parametrize("kind", ["passphrase", "recovery"])
def test_who_is_not_here_has_a_lock_like_anybodys_that_nothing_opens(ada: Ada, kind: str) -> None:
    hers = lock_rows.living_or_nobodys(ada.house, ada.owner_id, kind, beside=None)
    assert hers.lock_id == lock_rows.living_of(ada.house, ada.owner_id, kind).lock_id
    strangers = (None, None, b"n" * 16, b"n" * 16)
    nobodys = [lock_rows.living_or_nobodys(ada.house, owner, kind, beside=None) for owner in strangers]
    assert len({each.owner_id for each in nobodys} | {each.lock_id for each in nobodys}) == 8
    for each in nobodys:
        assert (each.kind, len(each.owner_id), len(each.lock_id)) == (kind, 16, 16)
        assert (each.params[:12], len(each.params)) == (crypto.FLOOR.to_bytes(), 28)
        assert lock_rows.open_with(ada.house, each, SECRET) is None


def test_who_has_none_but_dead_locks_has_nobodys(ada: Ada) -> None:
    dead = lock_rows.living_of(ada.house, ada.owner_id, "passphrase")
    ada.house.keystore.take(ada.owner_id, dead.lock_id)
    assert lock_rows.living_or_nobodys(ada.house, ada.owner_id, "passphrase", beside=None).lock_id != dead.lock_id


def test_a_guess_at_nobodys_takes_as_long_as_at_somebodys_whatever_this_machine_would_take(ada: Ada) -> None:
    """Of two vaults one was set up on a faster machine. A name that there is not goes by either of them."""
    dear = crypto.LADDER[1]
    hers = lock_rows.living_of(ada.house, ada.owner_id, "passphrase")
    costs_her(ada, hers.lock_id, dear.to_bytes() + hers.params[12:])
    assert guessed_at(ada, "nobody") == dear
    bram = set_up.set_up(ada.house, handle="bram", name="Bram", passphrase=PASSPHRASE, notice=None, first=False)
    costs = {ada.owner_id: dear, bram.owner_id: crypto.FLOOR}
    for name in (f"nobody{number}" for number in range(20)):
        assert guessed_at(ada, name) == costs[handles.beside(ada.house, name) or b""]
    assert [guessed_at(ada, name) for name in ("ada", "bram")] == [dear, crypto.FLOOR]
    assert {handles.beside(ada.house, name) for name in ("ada", "bram")} == costs.keys()


def test_a_cost_that_was_spoilt_is_nobodys(ada: Ada) -> None:
    hers = lock_rows.living_of(ada.house, ada.owner_id, "passphrase")
    costs_her(ada, hers.lock_id, b"\xff" * 28)
    assert guessed_at(ada, "nobody") == crypto.FLOOR


def costs_her(ada: Ada, lock: bytes, params: bytes) -> None:
    """What is written beside a lock of hers."""
    with ada.house.main.transaction() as session:
        mine = (Lock.owner_id == ada.owner_id, Lock.lock_id == lock)
        session.execute(update(Lock).where(*mine).values(params=params))


def guessed_at(ada: Ada, name: str) -> crypto.Cost:
    """What one guess at a name costs."""
    owner, beside = handles.find_owner(ada.house, name), handles.beside(ada.house, name)
    return crypto.Cost.from_bytes(
        lock_rows.living_or_nobodys(ada.house, owner, "passphrase", beside=beside).params[:12]
    )


def test_unmaking_takes_the_pepper_first_and_then_the_row(ada: Ada) -> None:
    lock, kept, theirs = gets(ada, 1), gets(ada, 2), gets(ada, 1, owner=somebody_else(ada))
    order: list[tuple[bool, bool]] = []

    class Watched(Keystore):
        def take(self, owner: bytes, *subjects: bytes) -> None:
            super().take(owner, *subjects)
            order.append((self.pepper(owner, lock) is not None, lock in locks_of(ada.house, owner)))

    watched = replace(ada.house, keystore=Watched(ada.house.keystore.database))
    lock_rows.unmake_lock(watched, ada.owner_id, {"lock": lock.hex()})
    assert order == [(False, True)]
    assert {lock, kept} & locks_of(ada.house, ada.owner_id) == {kept}
    assert locks_of(ada.house, b"b" * 16) == {theirs}
    assert ada.house.keystore.pepper(b"b" * 16, theirs) is not None


def test_the_sweep_removes_what_ran_out_and_what_is_dead_and_nothing_else(ada: Ada, clock: Clock) -> None:
    now, before = int(clock.now.timestamp()), locks_of(ada.house, ada.owner_id)
    over, later = (gets(ada, at, "session", expires_at=end) for at, end in ((1, now), (2, now + 1)))
    dead, living = gets(ada, 3), gets(ada, 4)
    ada.house.keystore.take(ada.owner_id, dead)
    with ada.house.main.transaction() as session:
        session.execute(insert(Attempt).values(tag=b"t" * 32, count=1, until=0))
    lock_rows.sweep_locks(ada.house)
    assert locks_of(ada.house, ada.owner_id) == before | {later, living}
    assert ada.house.keystore.pepper(ada.owner_id, over) is None
    assert ada.house.keystore.pepper(ada.owner_id, later) is not None
    with ada.house.main.reading() as session:
        assert session.scalar(select(Attempt.tag).where(Attempt.tag == b"t" * 32)) is None


def test_an_end_that_was_written_beside_a_lock_takes_no_pepper_away(ada: Ada) -> None:
    lock = gets(ada, 1)
    for kind in ("passkey", "session"):
        with ada.house.main.transaction() as session:
            session.execute(update(Lock).where(Lock.lock_id == lock).values(kind=kind, expires_at=1))
        lock_rows.sweep_locks(ada.house)
        assert lock in locks_of(ada.house, ada.owner_id)
        assert ada.house.keystore.pepper(ada.owner_id, lock) is not None


def test_a_lock_that_cannot_be_swept_keeps_no_other_from_it(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, dead = gets(ada, 1), gets(ada, 2)
    ada.house.keystore.take(ada.owner_id, stuck, dead)

    class Stumbling(Keystore):
        def pepper(self, owner: bytes, subject: bytes) -> bytes | None:
            if subject == stuck:
                raise ArithmeticError
            return super().pepper(owner, subject)

    with listening(monkeypatch) as heard:
        lock_rows.sweep_locks(replace(ada.house, keystore=Stumbling(ada.house.keystore.database)))
        assert '"event":"sweep_failed"' in heard.text
    assert locks_of(ada.house, ada.owner_id) & {stuck, dead} == {stuck}
