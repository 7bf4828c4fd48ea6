"""Trials: tests run in a child on a copy of the tree, and nothing of what it does is left in this process.

This process loads everything that the tests need, once, and forks a child for each trial. Where a mutant differs only
within functions, the child gives those functions their other code; else it forgets our modules and loads them anew.
Ada's furnished house is made by the source as it stands and handed to every child: a mutant that cannot open it is
found out.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("vault", "consent", "connectors", "tests", "docs", "pyproject.toml", "Makefile", "README.md")
# What runs besides a test: at import, in fixtures of several tests, and in the one that every trial is handed made.
AT_IMPORT, FOR_SEVERAL, FOR_ALL = "", "for several", "for all"
OURS = {"vault", "consent", "connectors", "tests"}
ARGUMENTS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:logging", "--tb=line", "--no-header")


@dataclass
class Baseline:
    """What the tests do on the source as it stands: which of them touch which lines, and how long each takes.

    Seconds are those of the processor: on a machine that does much else they are the same.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    touched: dict[str, dict[int, set[str]]] = field(default_factory=dict)  # module, line, tests

    def tests(self, module: str, first: int, last: int) -> list[str]:
        """The tests that touch these lines, the quickest first; all of them where that is done for several."""
        chosen = self._touching(module, first, last)
        everything = chosen & {AT_IMPORT, FOR_SEVERAL}
        return sorted(set(self.seconds) if everything else chosen, key=lambda test: (self.seconds[test], test))

    def at_import(self, module: str, first: int, last: int) -> bool:
        """Is anything of these lines run while the module is loaded?"""
        return AT_IMPORT in self._touching(module, first, last)

    def _touching(self, module: str, first: int, last: int) -> set[str]:
        lines = self.touched.get(module, {})
        return set().union(*(lines.get(line, set()) for line in range(first, last + 1))) - {FOR_ALL}


def copied(to: Path) -> Path:
    """A copy of what the tests need, in which this process works from now on."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(source, to / name)
    os.chdir(to)
    sys.path.insert(0, str(to))
    os.environ.update(PYTHONPATH=str(to), PYTHONDONTWRITEBYTECODE="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    sys.dont_write_bytecode = True  # what is written of two mutants can agree in size and second, which Python goes by
    hypothesis.settings.register_profile("trial", deadline=None, database=None, derandomize=True)
    hypothesis.settings.load_profile("trial")
    return to


def loaded(files: list[str], module: Path) -> list[FunctionType]:
    """Load these tests and all that they import. Returns the functions of one module, wherever they are wrapped."""
    gc.unfreeze()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        if pytest.main([*ARGUMENTS, "--collect-only", *files]) != 0:
            sys.exit("The tests cannot be loaded.")
    every = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
    gc.freeze()  # what every child has is looked through by none of them
    return [each for each in every if each.__code__.co_filename == str(module)]


def forgotten() -> None:
    """Forget every module of ours, so that it is loaded anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]


def given_other_code(functions: list[FunctionType], file: Path, source: str) -> None:
    """Give the functions of a loaded module the code that they have in another source of it, which `file` holds now.

    Where one of them wants other names from around it than before, all is loaded anew instead.
    """
    codes = {code.co_qualname: code for code in _codes(compile(source, str(file), "exec"))}
    changed = [(each, codes[each.__code__.co_qualname]) for each in functions]
    if any(each.__code__.co_freevars != code.co_freevars for each, code in changed):
        return forgotten()
    for each, code in changed:
        each.__code__ = code
    return None


def _codes(code: CodeType) -> Iterator[CodeType]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from _codes(inner)


def tried(prepare: Callable[[], None], tests: list[str], plugin: object, *, seconds: float, log: Path) -> int | None:
    """What pytest ends with on these tests, in a child that has prepared itself; None when it ran out of time.

    `seconds` are those of the processor: on a machine that does much else they take as long as they take. A child that
    waits for something that never comes has twenty times as many.
    """
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
        _run(prepare, tests, plugin, log)
    end = time.monotonic() + seconds * 20
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _kill(child)  # whatever it has started
            code = os.waitstatus_to_exitcode(status)
            return None if code in {-signal.SIGXCPU, -signal.SIGKILL} else code
        time.sleep(0.01)
    _kill(child)
    os.waitpid(child, 0)
    return None


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _run(prepare: Callable[[], None], tests: list[str], plugin: object, log: Path) -> None:
    """The child: never comes back."""
    status = 70
    try:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        prepare()
        status = int(pytest.main([*ARGUMENTS, *tests], plugins=[plugin]))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Recorder:
    """A pytest plugin: measures, in a child, what each test takes and touches, and leaves it in files."""

    def __init__(self, tree: Path, modules: list[str]) -> None:
        self.tree, self.modules, self.seconds = tree, modules, dict[str, float]()
        self.house: Any = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        """Begin here: with the conftest the first of our modules are imported."""
        files = [str(self.tree / module) for module in self.modules]
        self.coverage = coverage.Coverage(data_file=str(self.tree / ".coverage"), branch=True, include=files)
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        self.now = item.nodeid
        self.coverage.switch_context(self.now)
        began, self.for_others = time.process_time(), 0.0
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - began - self.for_others
            self.coverage.switch_context(AT_IMPORT)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        self.coverage.switch_context(FOR_ALL if fixturedef.argname == "furnished" else FOR_SEVERAL)
        began = time.process_time()
        try:
            made = yield
        finally:
            self.for_others += time.process_time() - began
            self.coverage.switch_context(self.now)
        if fixturedef.argname == "furnished":
            self.house = made
        return made

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        self.coverage.save()
        (self.tree / "seconds.json").write_text(json.dumps(self.seconds), encoding="utf-8")
        if self.house:
            directory, code, keyring = self.house
            shutil.copytree(directory, self.tree / "furnished")
            made = (self.tree / "furnished", code, replace(keyring))  # without the ciphers that it has remembered
            (self.tree / "house.pickle").write_bytes(pickle.dumps(made))


class Furnished:
    """A pytest plugin: Ada's house as the baseline has made it."""

    def __init__(self, tree: Path) -> None:
        self.made = tree / "house.pickle"

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
        if fixturedef.argname != "furnished" or not self.made.exists():
            return None
        house = pickle.loads(self.made.read_bytes())  # noqa: S301 - written by the baseline of this very run
        fixturedef.cached_result = (house, fixturedef.cache_key(request), None)
        return house


def recorded(tree: Path, modules: list[str], files: list[str], *, seconds: float) -> Baseline:
    """The baseline of some modules. Ends the program if a test fails before anything was changed."""
    log = tree / "baseline.log"
    for left in ("furnished", "house.pickle"):
        _remove(tree / left)
    if tried(forgotten, files, Recorder(tree, modules), seconds=seconds, log=log) != 0:
        sys.exit(f"The tests do not pass as they are:\n{log.read_text(encoding='utf-8')[-4000:]}")
    data = coverage.CoverageData(str(tree / ".coverage"))
    data.read()
    found = Baseline(json.loads((tree / "seconds.json").read_text(encoding="utf-8")))
    for module in modules:
        lines = data.contexts_by_lineno(str(tree / module))
        found.touched[module] = {line: set(contexts) for line, contexts in lines.items()}
    return found


@dataclass(frozen=True, slots=True)
class Reached:
    """Of one module: how many lines and branches there are and were reached, and the lines where one was not."""

    lines: tuple[int, int]
    branches: tuple[int, int]
    missing: tuple[int, ...]

    def __str__(self) -> str:
        (lines, of_lines), (branches, of_branches) = self.lines, self.branches
        where = f"; not all of lines {', '.join(map(str, self.missing))}" if self.missing else ""
        return f"reached {lines} of {of_lines} lines, {branches} of {of_branches} branches{where}"


def reached(tree: Path, modules: list[str]) -> dict[str, Reached]:
    """After a baseline: what its tests have reached of each module."""
    measured, out = coverage.Coverage(data_file=str(tree / ".coverage"), branch=True), tree / "coverage.json"
    measured.load()
    measured.json_report([str(tree / module) for module in modules], outfile=str(out))
    found = {}
    for module, said in json.loads(out.read_text(encoding="utf-8"))["files"].items():
        summary, left = said["summary"], {line for line, _ in said["missing_branches"]}
        found[module] = Reached(
            (summary["covered_lines"], summary["num_statements"]),
            (summary["covered_branches"], summary["num_branches"]),
            tuple(sorted({*said["missing_lines"], *left})),
        )
    return found


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
