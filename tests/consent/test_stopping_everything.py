"""Stopping everything is one step: nothing opens from then on, however many there are; clearing up comes after."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import func, select

from connectors.bench_grants import give_many
from connectors.vendor_client import NoLongerShared
from consent import stopping, sweeping
from consent.models import Disclosure, Grant, GrantLock, Receipt
from tests.people import Ada, Bookshop
from vault.models import Job
from vault.worker import tick


def living(ada: Ada) -> int:
    return len(ada.house.keystore.alive(ada.owner_id, "grant"))


def counts(ada: Ada) -> dict[str, int]:
    """What main still holds."""
    with ada.house.main.reading() as session:
        live = session.scalar(select(func.count()).select_from(Grant).where(Grant.state == "live"))
        rows = {"live": live or 0}
        for kind in (GrantLock, Disclosure):
            rows[kind.__tablename__] = session.scalar(select(func.count()).select_from(kind)) or 0
        rows["ends"] = session.scalar(select(func.count()).select_from(Receipt).where(Receipt.kind == "end")) or 0
    return rows


def test_nothing_opens_from_then_on_and_the_rest_is_cleared_up_by_the_worker(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    connection = ada.lets(bookshop)
    give_many(ada.vault, 29)
    assert living(ada) == 30
    ada.presses("/sharing/stop-all")
    assert living(ada) == 0
    with pytest.raises(NoLongerShared):
        connection.read("purchases")
    assert counts(ada)["live"] == 20
    assert "It has ended." in ada.looks_at("/sharing")
    tick(ada.house, sweep=False)
    assert counts(ada) == {"live": 0, "grant_locks": 0, "disclosures": 0, "ends": 30}
    assert ada.house.keystore.stopped(ada.owner_id, 1) == []
    with ada.house.main.reading() as session:
        assert set(session.scalars(select(Grant.cause))) == {"revoked"}


def test_what_she_gives_afterwards_lives(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    give_many(ada.vault, 12)
    ada.presses("/sharing/stop-all")
    connection = ada.lets(bookshop)
    assert len(connection.read("purchases").records) == 1
    tick(ada.house, sweep=True)
    assert len(connection.read("purchases").records) == 1
    ada.presses("/sharing/stop-all")
    with pytest.raises(NoLongerShared):
        connection.read("purchases")


def test_stopping_everything_leaves_her_own_doors_open(ada: Ada) -> None:
    give_many(ada.vault, 3)
    ada.presses("/sharing/stop-all")
    assert "Who can see what" in ada.looks_at("/sharing")
    ada.locks()
    ada.unlocks()


def test_after_a_crash_the_sweep_finishes_it_and_knows_why(ada: Ada) -> None:
    give_many(ada.vault, 15)
    ada.house.keystore.stop_grants(ada.owner_id)
    assert living(ada) == 0
    sweeping.sweep(ada.house)
    assert counts(ada) == {"live": 0, "grant_locks": 0, "disclosures": 0, "ends": 15}
    with ada.house.main.reading() as session:
        assert set(session.scalars(select(Grant.cause))) == {"revoked"}


def test_a_long_list_is_cleared_up_in_rounds(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "AT_ONCE", 2)
    monkeypatch.setattr(stopping, "ROUND", 4)
    give_many(ada.vault, 11)
    stopping.stop_all(ada.house, ada.owner_id)
    left = []
    while tick(ada.house, sweep=False):
        left.append(counts(ada)["live"])
    assert left == [5, 1, 0]
    with ada.house.main.reading() as session:
        kinds = session.scalar(select(func.count()).select_from(Job).where(Job.kind == "stop_all"))
    assert kinds == 0


def test_two_hundred_take_no_longer_than_ten(ada: Ada) -> None:
    """The effect is one step, so the time does not grow with the number (`vrm bench` has it for 10,000)."""

    def taken(many: int) -> float:
        give_many(ada.vault, many)
        began = time.perf_counter()
        stopping.stop_all(ada.house, ada.owner_id)
        spent = time.perf_counter() - began
        stopping.finish(ada.house, ada.owner_id)
        return spent

    few = min(taken(10) for _ in range(3))
    many = min(taken(200) for _ in range(2))
    assert many < 3 * few + 0.05
