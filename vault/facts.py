"""The facts that the doctor judges by, found without changing anything: files, databases, the process, its machine."""

from __future__ import annotations

import resource
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from vault import sealed_file
from vault.dangers import Facts, File, Machine, Served, Standing, Store
from vault.instances import instance_if_readable
from vault.migrations import standing
from vault.models import Lock
from vault.settings import debugging

if TYPE_CHECKING:
    from vault.db import Database
    from vault.server import Server

BACKUPS = ("backup", "keystore")
OTHERS = 0o077
SETTINGS = (
    "'fsync', 'full_page_writes', 'synchronous_commit', 'data_sync_retry', 'default_transaction_read_only', "
    "'cluster_name'"
)
PRELOADED = {"pgautofailover": "pg_auto_failover", "repmgr": "repmgr"}


def gathered(server: Server) -> Facts:
    """Everything, as it is now. Makes no table and no file of a database that is not there."""
    databases = {"main": server.main, "keystore": server.keystore.database, "log": server.log}
    files = [each.file.resolve() for each in databases.values() if each.engine.dialect.name == "sqlite"]
    stores = {name: _store(name, database, files) for name, database in databases.items()}
    newest = _newest(server.main) if stores["main"].standing == "current" else 0
    machine = Machine(
        now=server.now,
        newest=newest,
        core_limit=resource.getrlimit(resource.RLIMIT_CORE)[1],
        debug=debugging(),
        swap=tuple(_clear_swap()),
        exposed=tuple(_exposed([server.settings.cache_dir])),
    )
    return Facts(settings=server.settings, stores=stores, machine=machine)


def _store(name: str, database: Database, files: Sequence[Path]) -> Store:
    if database.engine.dialect.name != "sqlite":
        return Store(
            instance=instance_if_readable(database), standing=_standing(name, database), kept=_served(database)
        )
    there = database.file.exists()
    return Store(
        instance=instance_if_readable(database) if there else None,
        standing=_standing(name, database) if there else "new",
        kept=_file(database, files, there=there),
    )


def _standing(name: str, database: Database) -> Standing:
    return standing("keys" if name == "keystore" else name, database)


def _newest(main: Database) -> int:
    with main.reading() as session:
        return session.scalar(select(func.max(Lock.used_at))) or 0


def _file(database: Database, files: Sequence[Path], *, there: bool) -> File:
    path = database.file.resolve()
    if not there:
        return File(path=path, ballast=1 << 40, exposed=tuple(_exposed([path.parent])))
    ballast = database.ballast
    beside = [path.with_name(path.name + end) for end in ("-wal", "-shm", ".turn")]
    return File(
        path=path,
        inode=_inode(path),
        exposed=tuple(_exposed([path.parent, path, *beside, ballast])),
        free=shutil.disk_usage(path.parent).free,
        ballast=ballast.stat().st_size if ballast.exists() else 0,
        durable=_said(database, "PRAGMA synchronous") == 2,
        sound=_said(database, "PRAGMA quick_check(1)") == "ok",
        backups=tuple(_backups(path.parent, files)),
    )


def _exposed(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & OTHERS:
            yield path


def _said(database: Database, pragma: str) -> object:
    with database.engine.connect() as connection:
        return connection.exec_driver_sql(pragma).scalar()


def _backups(folder: Path, files: Sequence[Path]) -> Iterator[Path]:
    """Files there that begin like a backup of ours.

    A process that closes a file loses every lock it has on it, those of SQLite's connections too (POSIX, fcntl). The
    last of the others then takes the write-ahead log away from under it. So `files`, the databases, are not opened.
    """
    in_use = {_inode(path.with_name(path.name + end)) for path in files for end in ("", "-wal", "-shm", "-journal")}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.is_symlink() and _inode(path) not in in_use:
            with suppress(OSError), path.open("rb") as file:  # somebody else's, or gone meanwhile
                if any(sealed_file.is_one(kind, file) for kind in BACKUPS):
                    yield path


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _served(database: Database) -> Served:
    with database.engine.connect() as connection:
        rows = connection.execute(text(f"SELECT name, setting, source FROM pg_settings WHERE name IN ({SETTINGS})"))  # noqa: S608 - names from above
        values = {row.name: row for row in rows}
        preloaded = connection.execute(text("SHOW shared_preload_libraries")).scalar() or ""
        standby = bool(connection.execute(text("SELECT pg_is_in_recovery()")).scalar())
        standbys = connection.execute(text("SELECT sync_state FROM pg_stat_replication")).scalars().all()
    named = values.pop("cluster_name", None)
    failover = next((name for library, name in PRELOADED.items() if library in preloaded), None)
    if named is not None and named.source == "command line" and named.setting:
        failover = "Patroni"  # which starts the server with its settings on the command line
    return Served(
        values={name: row.setting for name, row in values.items()},
        standby=standby,
        standbys=tuple(state or "unknown" for state in standbys),
        failover=failover,
    )


def _clear_swap() -> Iterator[str]:
    """Swap devices and files that are not known to be encrypted or in memory."""
    listed = Path("/proc/swaps")
    for line in listed.read_text().splitlines()[1:] if listed.exists() else []:
        device = Path(line.split()[0])
        kind = Path("/sys/class/block") / device.resolve().name / "dm" / "uuid"
        encrypted = kind.exists() and kind.read_text().startswith("CRYPT-")
        if not encrypted and not device.name.startswith("zram"):
            yield str(device)
