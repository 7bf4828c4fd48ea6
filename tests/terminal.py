"""`vrm` as somebody at a terminal runs it: a process with its own environment, two outputs and an exit code.

Reading the code takes such a process a second, and most commands far less. So one process reads it, and splits off
another for each command (multiprocessing's fork server). `started_anew` is the same from nothing, for a command or two,
so that not everything rests on what has been read before.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.houses import settings_in
from vault.cli import main
from vault.settings import for_process

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 60.0
Done = subprocess.CompletedProcess[str]
_reader = multiprocessing.get_context("forkserver")
_reader.set_forkserver_preload(
    [__name__, "vault.app", "vault.room", "consent.room", "connectors.room", "vault.migrations", "vault.doctor"]
)


def vrm(house: Path | None, *arguments: str, said: str = "", at: Path = ROOT, **settings: str) -> Done:
    """Run a command for the vault in a directory, or for none at all; `said` is typed, `at` is where."""
    with tempfile.TemporaryDirectory(prefix="vrm-") as place:
        files = [Path(place) / name for name in ("in", "out", "err")]
        for file in files:
            file.write_text("", encoding="utf-8")
        files[0].write_text(said, encoding="utf-8")
        process = _reader.Process(target=_runs, args=(arguments, _environment(house, settings), at, files))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
        done = Done(arguments, process.exitcode, *(file.read_text(encoding="utf-8") for file in files[1:]))
        process.close()
    return done


def started_anew(
    house: Path | None, *arguments: str, said: str = "", before: Sequence[str] = (), **settings: str
) -> Done:
    """The same from nothing; `before` is the program that starts it, with its arguments."""
    command = [*before, sys.executable, "-m", "vault", *arguments]
    environment = _environment(house, settings)
    return subprocess.run(
        command, cwd=ROOT, env=environment, input=said, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def _environment(house: Path | None, settings: dict[str, str]) -> dict[str, str]:
    nowhere = {"PATH": os.defpath}
    return {**(for_process(settings_in(house, "http://localhost:8400")) if house else nowhere), **settings}


def _runs(arguments: tuple[str, ...], environment: dict[str, str], at: Path, files: list[Path]) -> None:
    os.chdir(at)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(files):
        handle = os.open(file, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    main(arguments, prog_name="vrm")
