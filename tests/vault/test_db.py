"""A thread's own connection and handle: nothing stale is read through them, nothing is left open."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.houses import url_in
from vault.db import Database, insert_many
from vault.errors import Unreachable


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with one table of numbers."""
    made = Database(url_in(tmp_path, "database"))
    with made.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER)")
        insert_many(connection, "numbers", ["number"], [(at,) for at in range(2000)])
    yield made
    made.dispose()


def highest(database: Database, *, snapshot: bool) -> int:
    """By the line of this thread, which leaves its statement half read."""
    with database.line(snapshot=snapshot) as line:
        return int(line.connection.execute("SELECT number FROM numbers ORDER BY number DESC").fetchone()[0])


@pytest.mark.parametrize("snapshot", [False, True])
def test_what_others_commit_is_seen_by_the_next_line(database: Database, snapshot: bool) -> None:
    assert highest(database, snapshot=snapshot) == 1999
    with database.transaction() as session:
        session.connection().exec_driver_sql("INSERT INTO numbers VALUES (5000)")
    assert highest(database, snapshot=snapshot) == 5000


def test_a_line_inside_another_is_refused(database: Database) -> None:
    with database.line(snapshot=True) as line:
        line.connection.execute("SELECT number FROM numbers").fetchone()
        with pytest.raises(RuntimeError), database.line():
            pass
        with database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO numbers VALUES (5000)")
        assert line.connection.execute("SELECT max(number) FROM numbers").fetchone()[0] == 1999, "still that snapshot"
    assert highest(database, snapshot=True) == 5000


def test_after_a_failure_the_connection_is_given_back_and_the_next_line_works(database: Database) -> None:
    def fails() -> None:
        with database.written_line() as line:
            line.connection.execute("INSERT INTO numbers VALUES (7000)")
            line.connection.execute("no statement")

    for _ in range(60):
        with pytest.raises(database.driver.Error):
            fails()
    assert highest(database, snapshot=False) == 1999


def test_a_thread_that_ends_leaves_nothing_open(database: Database) -> None:
    def works() -> None:
        with database.written_line() as line:
            line.connection.execute("INSERT INTO numbers VALUES (1)")

    def open_now() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only

    before = open_now()
    for _ in range(40):
        thread = threading.Thread(target=works)
        thread.start()
        thread.join()
    assert open_now() < before + 20


def test_closing_beside_a_line_shows_what_went_wrong_with_it(database: Database) -> None:
    def is_closed_upon() -> None:
        with database.line() as line:
            database.dispose()
            line.connection.execute("SELECT 1")

    with pytest.raises((database.driver.Error, Unreachable)):
        is_closed_upon()
    assert highest(database, snapshot=False) == 1999
