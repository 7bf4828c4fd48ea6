"""Many at once: reads while she takes back, and everybody at the locks together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from connectors.vendor_client import Connection
from consent import tokens
from consent.models import GrantLock
from tests.conftest import PASSPHRASE
from tests.consent.racing import (
    Look,
    Stage,
    Threads,
    client_of,
)
from tests.houses import copy_house, home_of
from tests.people import PURCHASES, TASTE, Ada, Bookshop, Clock, house_in
from vault import sessions, unlock
from vault.collections.preferences import Preference
from vault.errors import Busy, Locked, TooManyTries, WrongSecret
from vault.keystore import Keystore
from vault.worker import tick


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Where other processes come from."""
    with Stage() as stage:
        yield stage


@pytest.fixture
def today(furnished: tuple[Path, str], shopfront: Bookshop, tmp_path: Path) -> Iterator[Ada]:
    """Ada in real time, as processes with clocks of their own need her."""
    copy_house(furnished[0], tmp_path / "today")
    ada = Ada(house_in(tmp_path / "today"), PASSPHRASE)
    shopfront.visits(ada)
    yield ada
    ada.house.stop()


def part(ada: Ada, shop: Bookshop, **more: Any) -> dict[str, Any]:
    """What another process is told."""
    told = {"directory": str(home_of(ada.house)), "session": ada.session, "owner": ada.owner_id.hex()}
    return {**client_of(shop), **told, "number": ada.bookshop_number, **more}


# Reads while she takes back.


@dataclass
class Answered:
    """What she was answered, and when: from that moment a look that begins must not see it."""

    moments: list[tuple[float, float, Callable[[Look], bool], str]] = field(default_factory=list)

    def never_again(self, what: str, shows: Callable[[Look], bool], *, until: float = float("inf")) -> None:
        """From now on."""
        self.moments.append((time.monotonic(), until, shows, what))

    def until_now(self) -> None:
        """What was said last holds no longer."""
        began, _, shows, what = self.moments[-1]
        self.moments[-1] = (began, time.monotonic(), shows, what)

    def broken(self, looks: list[Look]) -> list[str]:
        """Looks that began after the answer and saw it all the same."""
        return [
            f"{what}: seen {look.began - began:.4f} s after"
            for began, until, shows, what in self.moments
            for look in looks
            if began < look.began < until and look.ended < until and shows(look)
        ]


def sees(item: str) -> Callable[[Look], bool]:
    """Does a look show this item?"""
    return lambda look: item in look.items


def takes_back(ada: Ada, grant: str, books: list[Any], answered: Answered) -> None:
    """Gifts, pauses and a narrowing, with a breath in between; in the end everything."""
    for item, stored in books:
        ada.marks_as_gift(stored)
        answered.never_again("a gift", sees(item))
        time.sleep(0.05)
        ada.presses(f"/sharing/{grant}/pause")
        answered.never_again("a pause", lambda look: look.outcome == "seen")
        time.sleep(0.08)
        answered.until_now()
        ada.presses(f"/sharing/{grant}/resume")
        time.sleep(0.05)
    ada.presses(f"/sharing/{grant}/less", item="1")
    answered.never_again("narrowing", lambda look: look.collection == "preferences" and look.outcome == "seen")
    time.sleep(0.3)
    ada.presses(f"/sharing/{grant}/stop")
    answered.never_again("stopping", lambda look: look.outcome == "seen")
    time.sleep(0.3)


def test_no_look_that_begins_after_an_answer_sees_what_was_taken_back(
    today: Ada, shopfront: Bookshop, stage: Stage, tmp_path: Path
) -> None:
    """Eight threads here and two other processes on the same files, for three grants one after another."""
    today.keeps(Preference(topic="maps", stance="like"))
    for turn in range(3):
        answered = Answered()
        books = [(f"Book {turn}.{at}", today.buys(f"Book {turn}.{at}")) for at in range(4)]
        connection = today.lets(shopfront, PURCHASES, TASTE, ticks=("item-1",))
        kept, stop = connection.to_json(), tmp_path / f"stop {turn}"
        told = part(today, shopfront, role="reader", connection=kept, stop=str(stop))
        files = [tmp_path / f"looks {turn}.{at}" for at in range(2)]
        each = [["purchases", "preferences"], ["preferences", "purchases"]]
        stage.plays(*({**told, "looks": str(f), "collections": c} for f, c in zip(files, each, strict=True)))
        readers = Threads(lambda kept=kept: Connection.from_json(shopfront.client, kept), ("purchases", "preferences"))
        with readers:
            time.sleep(0.5)
            takes_back(today, connection.grant_id, books, answered)
        stop.touch()
        assert stage.ends() == [0, 0]
        far = [Look(*row[:-1], items=tuple(row[-1])) for file in files for row in orjson.loads(file.read_bytes())]
        assert min(len([look for look in some if look.outcome == "seen"]) for some in (far, readers.looks)) > 10
        assert {"Paused", "NoLongerShared"} <= {look.outcome for look in [*far, *readers.looks]}
        assert not answered.broken([*far, *readers.looks])


def test_a_refresh_under_way_mints_nothing_once_the_vendor_has_dropped_its_tokens(ada: Ada, bookshop: Bookshop) -> None:
    connection = ada.lets(bookshop)
    string = orjson.loads(connection.to_json())["tokens"]["refresh"]
    under_way = tokens.open_credential(ada.house, string, "refresh")
    assert under_way is not None
    connection.drop()
    assert tokens.refresh(ada.house, under_way, jkt="") is None
    with ada.house.main.reading() as session:
        assert set(session.scalars(select(GrantLock.kind))) <= {"code", "link"}


# Everybody at the locks.


@dataclass
class Crowd:
    """Sixteen people with keys, all at once."""

    house: Any
    code: str
    opened: list[tuple[str, str]] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def unlocks(self, at: int) -> None:
        """With the passphrase as it was in the beginning."""
        keyring = unlock.with_passphrase(self.house, "", PASSPHRASE, address=f"unlocks {at}")
        self.opened.append((sessions.begin(self.house, keyring)[0], "old"))

    def changes(self, string: str, at: int) -> None:
        """To another one each."""
        new = f"passphrase number {at} of many"
        unlock.change_passphrase(sessions.open_session(self.house, string), PASSPHRASE, new, address=f"changes {at}")
        self.changed.append(new)

    def recovers(self, at: int) -> None:
        """With the printed code, and then a new passphrase."""
        keyring = unlock.with_recovery_code(self.house, "", self.code)
        _string, vault = sessions.begin(self.house, keyring, "recovery")
        new = f"recovered number {at} of many"
        unlock.change_passphrase(vault, None, new, address=f"recovers {at}")
        self.changed.append(new)

    def ends(self, string: str) -> None:
        """Lock."""
        vault = sessions.open_session(self.house, string)
        sessions.end(self.house, vault.owner_id, [vault.session_id])
        self.opened.append((string, "ended"))

    def tries(self, work: Callable[[], None], start: threading.Barrier) -> None:
        """Together with the others; a refusal is an answer too."""
        start.wait()
        try:
            work()
        except (WrongSecret, Busy, TooManyTries, Locked) as refusal:
            self.refused.append(type(refusal).__name__)


def test_sixteen_at_the_locks_leave_one_way_in_and_kill_the_old(house: Any, recovery_code: str, clock: Clock) -> None:
    crowd = Crowd(house, recovery_code)
    keyring = unlock.with_passphrase(house, "", PASSPHRASE, address="before")
    strings = [sessions.begin(house, keyring)[0] for _ in range(8)]
    works: list[Callable[[], None]] = [lambda at=at: crowd.unlocks(at) for at in range(4)]
    works += [lambda s=s, at=at: crowd.changes(s, at) for at, s in enumerate(strings[:5])]
    works += [lambda s=s: crowd.ends(s) for s in strings[5:]]
    works += [lambda at=at: crowd.recovers(at) for at in range(4)]
    Random(16).shuffle(works)
    start = threading.Barrier(len(works))
    threads = [threading.Thread(target=crowd.tries, args=(work, start)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(works) == 16
    tick(house, sweep=True)
    clock.passes(hours=2)
    assert unlock.with_recovery_code(house, "", recovery_code)
    assert crowd.changed, crowd.refused
    ways = [each for each in crowd.changed if _opens(house, each)]
    assert len(ways) == 1, "the last change is the way in, and only the last"
    assert not _opens(house, PASSPHRASE)
    clock.passes(hours=-2)
    for string, what in crowd.opened:
        with pytest.raises(Locked):
            sessions.open_session(house, string)
        assert what in {"old", "ended"}


def test_a_session_begun_with_a_passphrase_that_was_changed_meanwhile_does_not_open(house: Any) -> None:
    before = unlock.with_passphrase(house, "", PASSPHRASE, address="before")
    _string, vault = sessions.begin(house, before)
    unlock.change_passphrase(vault, PASSPHRASE, "another lamp, another map", address="changes")
    with pytest.raises(WrongSecret):
        sessions.begin(house, before)
    assert set(house.keystore.alive(vault.owner_id, "session")) == {vault.session_id}


class _Together(Keystore):
    """Makes a lock only when another is about to be made too."""

    meet: threading.Barrier

    def make(self, owner: bytes, subject: bytes, kind: Any, *, version: int = 0) -> bytes:
        if kind == "lock":
            self.meet.wait(timeout=20)
        return super().make(owner, subject, kind, version=version)


def test_of_two_changes_at_once_one_is_made_and_the_other_never_opens(house: Any, recovery_code: str) -> None:
    crowd = Crowd(house, recovery_code)
    keyring = unlock.with_passphrase(house, "", PASSPHRASE, address="before")
    strings = [sessions.begin(house, keyring)[0] for _ in range(2)]
    house.keystore.__class__, house.keystore.meet = _Together, threading.Barrier(2)
    start = threading.Barrier(2)
    works = [lambda s=s, at=at: crowd.changes(s, at) for at, s in enumerate(strings)]
    threads = [threading.Thread(target=crowd.tries, args=(work, start)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.keystore.__class__ = Keystore
    assert (len(crowd.changed), crowd.refused) == (1, ["WrongSecret"])
    made = crowd.changed[0]
    vault = sessions.begin(house, unlock.with_passphrase(house, "", made, address="after"))[1]
    unlock.change_passphrase(vault, made, "the last of all", address="last")
    opened = [at for at in range(2) if _opens(house, f"passphrase number {at} of many")]
    assert (opened, _opens(house, "the last of all")) == ([], True)


def _opens(house: Any, passphrase: str) -> bool:
    try:
        unlock.with_passphrase(house, "", passphrase, address=passphrase)
    except WrongSecret:
        return False
    return True
