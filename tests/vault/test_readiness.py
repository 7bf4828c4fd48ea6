"""`/livez` says that the process is there, `/readyz` that it can work, or which part cannot; and nothing more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from tests.houses import embedded_only
from tests.people import Ada, Clock
from vault.db import Database
from vault.pages import health

PARTS = {"main", "keystore", "log", "disk", "tables", "instance", "clock"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 0.0)


def broken(ada: Ada) -> set[str]:
    """The parts that it says do not work."""
    answer = ada.app.test_client().get("/readyz")
    said = answer.json
    assert set(said) == {"ready", *PARTS}
    assert all(isinstance(each, bool) for each in said.values())
    assert answer.status_code == (200 if said["ready"] else 503)
    return {name for name in PARTS if not said[name]}


def says(database: Database, statement: str, **values: Any) -> None:
    with database.transaction() as session:
        session.execute(text(statement), values)


@embedded_only
def test_a_process_that_works_says_so_and_touches_no_database_to_say_that_it_lives(ada: Ada) -> None:
    assert broken(ada) == set()
    ada.house.stop()
    ada.house.main.file.rename(ada.house.main.file.with_name("elsewhere"))
    assert ada.app.test_client().get("/livez").text == "ok\n"


OTHER = bytes(16)
BREAKS: dict[str, tuple[Callable[[Ada], None], set[str]]] = {
    "another keystore": (
        lambda ada: says(ada.house.keystore.database, "UPDATE instance SET id = :id", id=OTHER),
        {"instance"},
    ),
    "another log": (lambda ada: says(ada.house.log, "UPDATE instance SET id = :id", id=OTHER), {"instance"}),
    "older tables": (
        lambda ada: says(ada.house.log, "DELETE FROM alembic_version WHERE version_num LIKE 'consent%'"),
        {"tables"},
    ),
    "another format": (lambda ada: says(ada.house.main, "UPDATE instance SET format = 2"), {"tables"}),
}


@pytest.mark.parametrize("case", BREAKS)
def test_it_names_the_part_that_does_not_work(ada: Ada, case: str) -> None:
    breaks, parts = BREAKS[case]
    breaks(ada)
    assert broken(ada) == parts


@pytest.mark.parametrize("name", ["main", "keystore", "log"])
def test_a_database_that_cannot_be_written_is_not_ready(ada: Ada, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = {"main": ada.house.main, "keystore": ada.house.keystore.database, "log": ada.house.log}[name]

    def gone(*_args: Any, **_more: Any) -> Any:
        raise OSError

    monkeypatch.setattr(database, "transaction", gone)
    assert broken(ada) == {name}


@embedded_only
def test_a_disk_with_less_room_than_the_ballast_is_not_ready(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9 - 1, 1))  # type: ignore[attr-defined]  # a full disk
    assert broken(ada) == {"disk"}


def test_a_clock_that_goes_back_is_not_ready_until_it_is_right_again(ada: Ada, clock: Clock) -> None:
    assert broken(ada) == set()
    clock.passes(minutes=-4)
    assert broken(ada) == set()
    clock.passes(minutes=-2)
    assert broken(ada) == {"clock"}
    clock.passes(minutes=2)
    assert broken(ada) == set()


def test_asking_often_costs_one_look_a_second(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 60.0)
    assert broken(ada) == set()
    says(ada.house.main, "UPDATE instance SET format = 2")
    assert broken(ada) == set()
