"""A disk that remembers the order of what was done to it, and what it would hold had the power failed in between.

`disk.c` is the half that sees the calls of SQLite itself. What an image may keep follows ext4 in its usual mode: what
was written to a file is certain once that file was synced, and until then any of it may be there, in any order, down to
single sectors; files come and go in their order, and all that came and went is certain with the next sync of any file
(so an unlinked journal does not come back after it). After a sync that failed, what was written to the file since the
last one is gone for good, although whoever reads the file finds it in the memory of the machine: the next sync succeeds
and does not bring it to the disk, because nothing says any more that it is not there.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

SOURCE = Path(__file__).with_name("disk.c")
HEAD = struct.Struct("<cQII")
SECTOR = 512  # bytes: what a disk writes whole or not at all
KEEPS = ("nothing", "everything", "the first few", "any of it", "sectors of it")
DATABASES = (".db", ".db-wal", ".db-journal")  # the index of the log is made anew at each start


@cache
def compiled() -> Path | None:
    """The half in C, compiled once; None where there is no compiler, or no Linux."""
    made = (
        Path(tempfile.gettempdir())
        / f"vrm-disk-{os.geteuid()}-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}.so"
    )
    if not made.exists():
        if sys.platform != "linux" or shutil.which("gcc") is None:
            return None
        fresh = made.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", fresh, SOURCE, "-ldl", "-lpthread"], check=True)
        fresh.replace(made)
    return made


class Watched:
    """The disk below one folder, from within a process that was started with the half in C before everything else."""

    def __init__(self, folder: Path, trace: Path | None = None) -> None:
        self.calls = ctypes.CDLL(os.fspath(compiled() or ""))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.trace = -1 if trace is None else os.open(trace, flags, 0o600)
        self.calls.disk_watch(os.fsencode(folder), self.trace)

    def told(self, line: bytes) -> None:
        """Somebody was told something, after all that came before."""
        self.calls.disk_told(line, ctypes.c_size_t(len(line)))

    def fails(self, nth: int, error: int) -> None:
        """The n-th write or sync from now on fails once; with 0 none does."""
        self.calls.disk_fail(ctypes.c_long(nth), error)

    def fails_to_sync(self, nth: int) -> None:
        """The n-th sync from now on fails once."""
        self.calls.disk_fail_syncs(ctypes.c_long(nth), errno.EIO)

    @property
    def count(self) -> int:
        """How many writes and syncs, or syncs, there were since then."""
        return int(self.calls.disk_count())

    def rests(self) -> None:
        """No longer watched."""
        self.calls.disk_rest()
        if self.trace >= 0:
            os.close(self.trace)


class Step(NamedTuple):
    """One record of a trace. `kind`: Write, Truncate, Sync, Failed sync, Unlink, Rename, Acknowledged."""

    kind: str
    path: str
    at: int
    data: bytes


def read_trace(file: Path) -> list[Step]:
    """All of it, in its order, but for files that are no databases."""
    steps, raw, at = [], file.read_bytes(), 0
    while at + HEAD.size <= len(raw):
        kind, where, path, data = HEAD.unpack_from(raw, at)
        at += HEAD.size
        name, content = raw[at : at + path].decode(), raw[at + path : at + path + data]
        at += path + data
        if kind == b"A" or name.endswith(DATABASES):
            steps.append(Step(kind.decode(), name, where, content))
    return steps


@dataclass
class File:
    """What of a file is certain, and what was done to it since."""

    certain: bytearray = field(default_factory=bytearray)
    pending: list[Step] = field(default_factory=list)

    def after_cut(self, keeps: str, chance: Random) -> bytes:
        """What it might hold."""
        kept = bytearray(self.certain)
        for step in _kept(self.pending, keeps, chance):
            _done(kept, step)
        return bytes(kept)


class Disk:
    """The files as far as a trace has come. Cuts are asked for in their order."""

    def __init__(self, before: Path, steps: list[Step]) -> None:
        self.steps, self.at, self.told = steps, 0, list[bytes]()
        self.certain = {name: File(bytearray(content)) for name, content in files_in(before).items()}
        self.names = dict(self.certain)
        self.moved: list[dict[str, File | None]] = []  # names that came or went since anything was synced

    def goes_on(self, to: int) -> None:
        """So many steps of the trace have been done."""
        for step in self.steps[self.at : to]:
            self._does(step)
        self.at = to

    def _does(self, step: Step) -> None:
        if step.kind == "A":
            self.told.append(step.data)
        elif step.kind == "U":
            self._names({step.path: None})
        elif step.kind == "R":
            self._names({step.data.decode(): self.names[step.path], step.path: None})
        else:
            file = self.names.get(step.path)
            if file is None:
                file = File()
                self._names({step.path: file})
            if step.kind == "S":
                self._is_certain(file)
            elif step.kind == "F":
                file.pending = [each for each in file.pending if each.kind != "W"]
            else:
                file.pending.append(step)

    def _names(self, change: dict[str, File | None]) -> None:
        self.moved.append(change)
        _named(self.names, change)

    def _is_certain(self, file: File) -> None:
        for step in file.pending:
            _done(file.certain, step)
        file.pending.clear()
        self.certain = dict(self.names)
        self.moved.clear()

    def cut(self, chance: Random) -> tuple[str, dict[str, bytes]]:
        """What might be left if the power failed now: which way it was cut, and the files."""
        keeps, names = chance.choice(KEEPS), dict(self.certain)
        for change in self.moved[: chance.randint(0, len(self.moved))]:
            _named(names, change)
        return keeps, {path: file.after_cut(keeps, chance) for path, file in names.items()}


def files_in(folder: Path) -> dict[str, bytes]:
    """The databases below a folder, by their names there."""
    found = [each for each in folder.rglob("*") if each.is_file() and each.name.endswith(DATABASES)]
    return {str(each.relative_to(folder)): each.read_bytes() for each in found}


def laid_out(files: dict[str, bytes], into: Path) -> None:
    """Write files into a folder and remove what else is there, but for the ballast, which takes long to make."""
    for path in [each for each in into.rglob("*") if each.is_file() and each.name != "ballast"]:
        path.unlink()
    for name, content in files.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_bytes(content)
        (into / name).chmod(0o600)


def state_of(files: dict[str, bytes], into: Path) -> bytes:
    """What SQLite makes of an image, as a digest: after it has recovered them, the bytes of its databases."""
    laid_out(files, into)
    state = hashlib.sha256()
    for name in sorted(each for each in files if each.endswith(".db")):
        connection = sqlite3.connect(into / name)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.close()
        state.update((into / name).read_bytes())
    return state.digest()


def _kept(pending: list[Step], keeps: str, chance: Random) -> Iterator[Step]:
    """Those of the steps since the last sync that came to the disk all the same."""
    few = chance.randint(0, len(pending))
    for number, step in enumerate(pending):
        if (
            keeps == "everything"
            or (keeps == "the first few" and number < few)
            or (keeps == "any of it" and chance.random() < 0.5)
        ):
            yield step
        elif keeps == "sectors of it":
            yield from (part for part in _sectors(step) if chance.random() < 0.7)


def _sectors(step: Step) -> Iterator[Step]:
    """A write as the disk sees it."""
    if step.kind != "W":
        yield step
        return
    start = 0
    while start < len(step.data):
        end = min(len(step.data), start + SECTOR - (step.at + start) % SECTOR)
        yield step._replace(at=step.at + start, data=step.data[start:end])
        start = end


def _done(content: bytearray, step: Step) -> None:
    if len(content) < step.at:
        content.extend(bytes(step.at - len(content)))
    if step.kind == "T":
        del content[step.at :]
    else:
        content[step.at : step.at + len(step.data)] = step.data


def _named(names: dict[str, File], change: dict[str, File | None]) -> None:
    """What comes and goes in one step comes and goes together."""
    for path, file in change.items():
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file
