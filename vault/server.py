"""The running server: settings, clock, the three databases and the rooms, put together once per process."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from vault.catalogues import Catalogues
from vault.db import Database
from vault.embedded import make_folder
from vault.errors import Unsafe
from vault.instances import instance_of
from vault.keystore import Keystore, ServerKeys
from vault.logs import apart
from vault.models import Instance, LogInstance
from vault.rooms import Job, Room
from vault.settings import Settings, is_embedded

FORMAT = 1
MOVED = b"moved:"  # stands before the id of a database while it is moved
GONE = b"gone:"  # and once it has been: it must not be used where it was, nor moved from there again
HAS_MOVED = "This database has been moved. Set the address that `vrm move` said; nothing was changed."


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Server:
    """Everything that code below the surface needs; passed by hand, never global."""

    settings: Settings
    main: Database
    log: Database
    keystore: Keystore
    rooms: Sequence[Room] = ()
    clock: Callable[[], datetime] = _now
    catalogues: Catalogues = field(default_factory=Catalogues)
    memory: dict[str, Any] = field(default_factory=dict, repr=False)  # what rooms keep between two requests
    leases: set[bytes] = field(default_factory=set)  # of jobs under way in this process

    @property
    def keys(self) -> ServerKeys:
        """The server's own keys."""
        return self.keystore.keys

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return int(self.clock().timestamp())

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """What does each kind of job, from every room."""
        return {kind: work for room in self.rooms for kind, work in (room.jobs or {}).items()} | self.calls

    @cached_property
    def calls(self) -> dict[str, Job]:
        """Those of the jobs that wait for somebody else's server."""
        return {kind: work for room in self.rooms for kind, work in (room.calls or {}).items()}

    @property
    def databases(self) -> tuple[Database, Database, Database]:
        """Main, keystore, log."""
        return self.main, self.keystore.database, self.log

    def write_down(self) -> None:
        """This process ends: what rooms have in memory and nowhere else is written now."""
        for room in self.rooms:
            with apart("stop_failed"):
                if room.on_stop is not None:
                    room.on_stop(self)

    def stop(self) -> None:
        """Write down what there is, put the catalogues away and close the databases."""
        self.write_down()
        self.catalogues.put_away(self)
        for database in self.databases:
            database.dispose()


def start(
    settings: Settings, rooms: Sequence[Room] = (), *, clock: Callable[[], datetime] = _now, migrate: bool = True
) -> Server:
    """Open the databases, bring them up to date, and refuse a keystore that belongs to another main database."""
    from vault.migrations import upgrade

    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold keys
    with _told("VRM_CACHE_DIR"):
        make_folder(settings.cache_dir)
    main = _opened("VRM_DATABASE_URL", settings.database_url)
    keys = _opened("VRM_KEYSTORE_URL", settings.keystore_url)
    log = _opened("VRM_LOG_URL", settings.log_url)
    if migrate:
        with main.kind.starting():
            upgrade(main, log, keys)
            _marry(main, log, Keystore(keys))
    return Server(settings, main, log, Keystore(keys), tuple(rooms), clock, Catalogues(settings.catalogue_budget))


def _opened(setting: str, url: str) -> Database:
    with _told(setting):
        database = Database(url)
        database.kind.settle()
        if not is_embedded(url) or database.file.exists():  # to connect makes a file
            database.engine.connect().close()
    return database


@contextmanager
def _told(setting: str) -> Iterator[None]:
    """What is not there, or does not answer, at the place that a setting names, is told with that setting's name."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise Unsafe(f"{setting}: {getattr(error, 'orig', error)}") from error


def _marry(main: Database, log: Database, keystore: Keystore) -> None:
    """The three databases carry one id. A stranger's keystore would make every grant look dead."""
    known, logged, kept = (instance_of(database) for database in (main, log, keystore.database))
    if any(each and each.startswith((MOVED, GONE)) for each in (known, logged, kept)):
        raise Unsafe(HAS_MOVED)
    if known is not None and kept is None:
        raise Unsafe("The keystore is empty, but the main database belongs to another one. Nothing was changed.")
    instance = keystore.set_up()
    if known is None:
        with main.transaction() as session:
            session.execute(insert(Instance).values(id=instance, format=FORMAT, claimed=False))
    elif known != instance:
        raise Unsafe("The keystore belongs to another main database. Nothing was changed.")
    keystore.complete()
    if logged is None:
        with log.transaction() as session:
            session.execute(insert(LogInstance).values(id=instance))
    elif logged != instance:
        raise Unsafe("The access log belongs to another vault. Nothing was changed.")
