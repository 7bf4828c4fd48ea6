"""Databases and transactions. The only place where anything is committed.

What differs between the engines is in `embedded` (SQLite) and `postgresql`; everything else here and above is the same
for both.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Dialect, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

from vault.embedded import Embedded
from vault.errors import DiskFull
from vault.postgresql import Postgresql
from vault.settings import is_embedded

_T = TypeVar("_T")
AT_ONCE = 500  # rows in one statement


class Database:
    """One database with its engine. `transaction()` writes, `reading()` reads one snapshot."""

    def __init__(self, url: str) -> None:
        self.kind = Embedded(url) if is_embedded(url) else Postgresql(url)
        self.engine = self.kind.engine
        self._held = threading.local()
        self._lines: WeakSet[PoolProxiedConnection] = WeakSet()  # a thread that ends gives its own back
        event.listen(self.engine, "begin", self._begin)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A writing transaction: committed when the block ends, rolled back when it raises.

        Nothing slow belongs inside, and no call to another database that could wait for this one.
        """
        with self._turn(), Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={"vrm_write": True})
            yield session
            session.commit()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read-only look at one snapshot."""
        with self._told(), Session(self.engine, autoflush=False) as session:
            yield session

    @contextmanager
    def selecting(self) -> Iterator[Connection]:
        """Like `reading`, without the unit of work."""
        with self._told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Like `transaction`, without the unit of work: for statements on a hot path."""
        with self._turn(), self.engine.connect().execution_options(vrm_write=True) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def line(self, *, snapshot: bool = False) -> Iterator[Line]:
        """This thread's bare connection for hot statements: each on its own, or all of them in one snapshot.

        The thread keeps it, because borrowing one from the pool costs more than most statements. After a failure of
        any kind it is given back. Keep no cursor beyond the block: while one lives, SQLite keeps its snapshot.
        """
        with self._told(), self._line(self.kind.snapshot if snapshot else None) as line:
            yield line

    @contextmanager
    def written_line(self) -> Iterator[Line]:
        """A bare connection that writes: committed when the block ends."""
        with self._turn(), self._line(self.kind.write) as line:
            yield line
            line.connection.commit()

    @contextmanager
    def _line(self, begin: str | None) -> Iterator[Line]:
        if getattr(self._held, "in_line", False):
            raise RuntimeError("a line inside another one would end its snapshot")
        held = self._held
        kept = self._kept_line()
        line = Line(kept.driver_connection, self.engine.dialect)
        held.in_line = True
        try:
            if begin is not None:
                line.connection.execute(begin)
            yield line
        except BaseException:
            held.line = None
            self._lines.discard(kept)
            if kept.is_valid and self.kind.has_ended(line.connection):
                kept.invalidate()
            else:
                kept.close()  # which rolls back
            raise
        finally:
            held.in_line = False
        line.connection.rollback()

    def _kept_line(self) -> PoolProxiedConnection:
        mine = getattr(self._held, "line_process", None) == os.getpid()
        kept: PoolProxiedConnection | None = self._held.line if mine else None
        if kept is not None and self.kind.has_ended(kept.driver_connection):
            self._lines.discard(kept)
            kept.invalidate()
            kept = self._held.line = None
        if kept is None:
            kept = self.engine.raw_connection()
            self._held.line, self._held.line_process = kept, os.getpid()
            self._lines.add(kept)
        return kept

    @property
    def driver(self) -> Any:
        """The driver's module, for the errors that a bare connection raises."""
        return self.engine.dialect.loaded_dbapi

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the failures that are to be expected from all others."""
        try:
            yield
        except (DBAPIError, self.driver.Error) as error:
            known = self.kind.known(error.orig if isinstance(error, DBAPIError) and error.orig else error)
            if known is None:
                raise
            raise known from None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Write when it is this thread's turn."""
        held = self._held
        if getattr(held, "busy", False):
            raise RuntimeError("a writing transaction inside another one would wait for itself")
        with self.kind.turn():
            held.busy = True
            try:
                with self._told():
                    yield
            finally:
                held.busy = False

    def _begin(self, connection: Connection) -> None:
        writes = connection.get_execution_options().get("vrm_write", False)
        connection.exec_driver_sql(self.kind.write if writes else self.kind.snapshot)

    def checkpoint(self) -> None:
        """See to it that what was deleted is gone from the files too, where that is this program's business."""
        with self._turn():
            self.kind.checkpoint()

    @property
    def file(self) -> Path:
        """The file of an embedded database; nobody asks for another's."""
        return self.kind.file  # type: ignore[union-attr]

    @property
    def ballast(self) -> Path:
        """The file of an embedded database's ballast; nobody asks for another's."""
        return self.kind.ballast  # type: ignore[union-attr]

    def keep_ballast(self) -> None:
        """Keep room to spare, so that taking away works on a full disk."""
        self.kind.keep_ballast()

    def dispose(self) -> None:
        """Close every connection."""
        self._held = threading.local()
        while self._lines:
            self._lines.pop().close()
        self.kind.forget()


class Statement:
    """A statement for a hot path, with `:named` values: rendered once per dialect, then handed to the driver."""

    def __init__(self, sql: str) -> None:
        self._text = text(sql)
        self._rendered: dict[str, tuple[str, Sequence[str] | None]] = {}

    def on(self, line: Line, **values: Any) -> Any:
        """Run it; returns the driver's cursor."""
        sql, order = self._rendered.get(line.dialect.name) or self._render(line.dialect)
        return line.connection.execute(sql, values if order is None else [values[each] for each in order])

    def _render(self, dialect: Dialect) -> tuple[str, Sequence[str] | None]:
        compiled = self._text.compile(dialect=dialect)
        self._rendered[dialect.name] = rendered = str(compiled), getattr(compiled, "positiontup", None)
        return rendered


class Line(NamedTuple):
    """A bare connection of the driver, borrowed from the pool. Costs a quarter of what the same costs through Core."""

    connection: Any
    dialect: Dialect


def line_of(session: Session) -> Line:
    """The bare connection under a session, for a hot statement inside its transaction."""
    connection = session.connection()
    return Line(connection.connection.driver_connection, connection.dialect)


def insert_many(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows, many in a statement, straight to the driver: row by row it lets go of the interpreter's lock each
    time, and beside one busy thread 500 rows then take 1.6 s, during which nobody else can write. Measured."""
    row = f"({', '.join([hole_of(connection)] * len(columns))})"
    for at in range(0, len(rows), AT_ONCE):
        some = rows[at : at + AT_ONCE]
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(some))}"  # noqa: S608 - names from the code, and holes
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))


def hole_of(connection: Connection) -> str:
    """How this driver marks a value in a statement (PEP 249)."""
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def needing_little(database: Database, work: Callable[[], _T]) -> _T:
    """Do something that nobody can do without, and that takes little room: on a full disk the ballast lends some and it
    is done again. Half of the ballast is never lent: it is for taking away (docs/decisions/0029)."""
    try:
        return work()
    except DiskFull:
        if not database.kind.lend_ballast():
            raise
        return work()


def taking_away(databases: tuple[Database, ...], work: Callable[[], _T]) -> _T:
    """Do something that only takes away; on a full disk give up the ballast and do it again."""
    try:
        return work()
    except DiskFull:
        for database in databases:
            database.kind.drop_ballast()
        return work()
