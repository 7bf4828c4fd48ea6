"""PostgreSQL, for when one machine's file is not enough. The same statements, the same transactions.

A writing transaction is READ COMMITTED: what must not be decided twice is one conditional UPDATE, and her turn begins
by taking her row (design §3), so that what is read after it is newest. A reading one is a snapshot. Everything is said
at BEGIN and nothing per session, and nothing is prepared, so that a pool which lends connections by transaction
(pgbouncer) may stand between. Only the primary is asked: a standby would show what has been revoked.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import create_engine, make_url

from vault.errors import Busy, Contended, DiskFull, Unreachable, VaultError

STARTING = 0x56524D  # the lock that starting processes take, on whichever machine; nothing else uses one of these
_EXPECTED: dict[str, type[VaultError]] = {"53100": DiskFull, "55P03": Busy, "40001": Contended, "40P01": Contended}
# A connection that fails, too many of them, and a server that ends one: it stops, or something took too long.
_EXPECTED |= dict.fromkeys(("53300", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04"), Unreachable)


class Postgresql:
    """One database of a server."""

    snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    write = (
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
        "SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"
    )

    def __init__(self, url: str) -> None:
        self.engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            connect_args={"autocommit": True, "prepare_threshold": None, "connect_timeout": 10},
            pool_size=16,
            max_overflow=32,
            pool_pre_ping=True,
            hide_parameters=True,
        )

    def turn(self) -> AbstractContextManager[None]:
        """Writers wait for the rows they write, and for nothing else."""
        return nullcontext()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """One starting process at a time."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (STARTING,))
            yield

    def alone(self) -> bool:
        """Is nobody else connected to it? A connection that was just closed is there for some moments more."""
        self.engine.dispose()
        others = (  # Citus looks after itself there, by a process and from its other servers
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend' AND NOT starts_with(application_name, 'citus_internal')"
        )
        with self.engine.connect() as connection:
            for _ in range(20):
                if connection.exec_driver_sql(others).scalar() == 0:
                    return True
                connection.rollback()  # what was seen is kept for a transaction
                time.sleep(0.05)
        return False

    def known(self, error: Exception) -> VaultError | None:
        """What a driver's error means to her, if it is one that is to be expected. The server has rolled back."""
        state = getattr(error, "sqlstate", None) or ""
        said_by_the_driver = not state and type(error).__name__ == "OperationalError"
        if state.startswith("08") or said_by_the_driver:  # which speaks where the server says nothing any more
            return Unreachable()
        expected = _EXPECTED.get(state)
        return expected() if expected else None

    def has_ended(self, connection: Any) -> bool:
        """Has the server ended a connection since it was used? On one that waits for nothing nothing else comes."""
        if connection.closed:
            return True
        coming = select.poll()
        coming.register(connection.fileno(), select.POLLIN)
        return bool(coming.poll(0))

    def settle(self) -> None:
        """The server stops at a sync that fails, and reads its log before it answers again."""

    def checkpoint(self) -> None:
        """Left to the server: what is deleted stays in its log anyhow (docs/threats.md), and opens nothing."""

    def keep_ballast(self) -> None:
        """Room to spare is its administrator's (docs/operating.md)."""

    def drop_ballast(self) -> None:
        """As above."""

    def lend_ballast(self) -> bool:
        """There is none."""
        return False

    def forget(self) -> None:
        """Close every connection."""
        self.engine.dispose()
