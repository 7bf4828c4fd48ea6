"""A thread's own connection and handle: nothing stale is read through them, nothing is left open."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.db import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with one table of numbers."""
    made = Database(f"sqlite:///{tmp_path}/numbers.db")
    with made.written_line() as line:
        line.connection.execute("CREATE TABLE numbers (number INTEGER)")
        line.connection.executemany("INSERT INTO numbers VALUES (?)", [(at,) for at in range(2000)])
    yield made
    made.dispose()


def highest(database: Database, begin: str | None) -> int:
    """By the line of this thread, which leaves its statement half read."""
    with database.line(begin=begin) as line:
        return int(line.connection.execute("SELECT number FROM numbers ORDER BY number DESC").fetchone()[0])


@pytest.mark.parametrize("begin", [None, "BEGIN"])
def test_what_others_commit_is_seen_by_the_next_line(database: Database, begin: str | None) -> None:
    assert highest(database, begin) == 1999
    with database.transaction() as session:
        session.connection().exec_driver_sql("INSERT INTO numbers VALUES (5000)")
    assert highest(database, begin) == 5000


def test_a_line_inside_another_is_refused(database: Database) -> None:
    with database.line(begin="BEGIN") as line:
        with pytest.raises(RuntimeError), database.line():
            pass
        assert line.connection.in_transaction
    assert highest(database, "BEGIN") == 1999


def test_after_a_failure_the_connection_is_given_back_and_the_next_line_works(database: Database) -> None:
    def fails() -> None:
        with database.written_line() as line:
            line.connection.execute("INSERT INTO numbers VALUES (7000)")
            line.connection.execute("no statement")

    for _ in range(60):
        with pytest.raises(sqlite3.OperationalError):
            fails()
    assert highest(database, None) == 1999


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

    with pytest.raises(sqlite3.ProgrammingError):
        is_closed_upon()
    assert highest(database, None) == 1999
