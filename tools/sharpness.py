"""How sharp the tests of the core are: which mutants of it survive them, and which lines and branches they never reach.

    python -m tools.sharpness mutation --module crypto      every mutant of one module
    python -m tools.sharpness mutation --sample 40 --seed 2     so many of each module, drawn by a number
    python -m tools.sharpness coverage                      lines and branches of all of them

Each ends with 1 where tools/sharpness.toml does not explain what it found.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from tools.mutants import Mutant, mutants
from tools.trials import (
    ROOT,
    Baseline,
    Furnished,
    copied,
    forgotten,
    given_other_code,
    loaded,
    reached,
    recorded,
    tried,
)

TABLE = ROOT / "tools" / "sharpness.toml"
LEAST, TIMES = 5.0, 4.0  # seconds a trial may take: this at least, and so many times what it takes unchanged
BASELINE_MAY_TAKE = 1800.0


def table() -> dict[str, Any]:
    """What tools/sharpness.toml says."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def named(said: dict[str, Any], module: str, mutant: Mutant) -> bool:
    """Is it this mutant that an entry explains?"""
    same = (said["module"], said["where"], said["was"]) == (module, mutant.place, mutant.was)
    return same and mutant.now in said["now"] and mutant.number == said.get("number", mutant.number)


@click.group(help=__doc__.partition("\n")[0])
def main() -> None:
    """Say how sharp the tests are."""


def _chosen(_context: click.Context, _option: click.Parameter, wanted: tuple[str, ...]) -> dict[str, list[str]]:
    """The modules of the table that are meant, with their test files."""
    tests: dict[str, list[str]] = table()["tests"]
    chosen = {name: files for name, files in tests.items() if not wanted or any(each in name for each in wanted)}
    if not chosen:
        raise click.BadParameter("no module of tools/sharpness.toml has such a name")
    return chosen


of_modules = click.option(
    "--module",
    "tests",
    multiple=True,
    callback=_chosen,
    help="Modules with this in their name; all of them without.",
)


@main.command()
@of_modules
@click.option("--sample", type=int, help="So many mutants of each module instead of all.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which of them are drawn.")
@click.option("--longest", type=float, default=20.0, show_default=True, help="Seconds of tests a mutant is given.")
def mutation(tests: dict[str, list[str]], sample: int | None, seed: int, longest: float) -> None:
    """Try the tests on mutants of the core."""
    unexplained = 0
    with tempfile.TemporaryDirectory(prefix="vrm-mutants-") as directory:
        tree = copied(Path(directory))
        for module in tests:
            unexplained += _tried(tree, module, sample, random.Random(seed), longest)  # noqa: S311 - not a secret
    sys.exit(1 if unexplained else 0)


@main.command("coverage")
@of_modules
def _coverage(tests: dict[str, list[str]]) -> None:
    """Say which lines and branches of the core no test reaches."""
    files = list(dict.fromkeys(file for each in tests.values() for file in each))
    missing = set()
    with tempfile.TemporaryDirectory(prefix="vrm-coverage-") as directory:
        tree = copied(Path(directory))
        recorded(tree, list(tests), files, seconds=BASELINE_MAY_TAKE)
        for module, found in reached(tree, list(tests)).items():
            click.echo(f"{module}: {found}")
            source = (tree / module).read_text(encoding="utf-8").splitlines()
            missing |= {(module, source[number - 1].strip()) for number in found.missing}
    said = table().get("unreached", ())
    explained = {(each["module"], each["line"]) for each in said if each["module"] in tests}
    for module, line in sorted(missing - explained):
        click.echo(f"   not reached, or one way from it never taken: {module}: {line}")
    for module, line in sorted(explained - missing):
        click.echo(f"   explained, though it is reached: {module}: {line}")
    sys.exit(missing != explained)


def _tried(tree: Path, module: str, sample: int | None, draw: random.Random, longest: float) -> int:
    """Try a module's mutants, and say how it went. Returns how many live that nobody has explained."""
    began, file = time.monotonic(), tree / module
    source = file.read_text(encoding="utf-8")
    every = mutants(source)
    explained = [mutant for mutant in every if any(named(said, module, mutant) for said in table().get("equal", ()))]
    chosen = [mutant for mutant in every if mutant not in explained]
    if sample is not None and sample < len(chosen):
        chosen = sorted(draw.sample(chosen, sample), key=lambda mutant: mutant.line)
    baseline = recorded(tree, [module], table()["tests"][module], seconds=BASELINE_MAY_TAKE)
    click.echo(f"{module}: {reached(tree, [module])[module]}")
    functions = loaded(table()["tests"][module], file)
    living = []
    for mutant in chosen:
        file.write_text(mutant.source, encoding="utf-8")
        if baseline.at_import(module, mutant.line, mutant.last_line):
            prepare: Callable[[], None] = forgotten
        else:
            prepare = partial(given_other_code, functions, file, mutant.source)
        if _survives(tree, prepare, baseline.tests(module, mutant.line, mutant.last_line), baseline, longest):
            living.append(mutant)
            click.echo(f"   lives: {mutant}")
    file.write_text(source, encoding="utf-8")
    click.echo(
        f"{module}: {len(every)} mutants, {len(chosen)} tried, {len(chosen) - len(living)} killed, "
        f"{len(explained)} explained, {len(living)} live ({time.monotonic() - began:.0f} s)"
    )
    return len(living)


def _survives(
    tree: Path, prepare: Callable[[], None], tests: Sequence[str], baseline: Baseline, longest: float
) -> bool:
    chosen = _within(baseline, tests, longest)
    if not chosen:
        return True
    limit = LEAST + TIMES * sum(baseline.seconds[test] for test in chosen)
    return tried(prepare, chosen, Furnished(tree), seconds=limit, log=tree / "trial.log") == 0


def _within(baseline: Baseline, tests: Sequence[str], longest: float) -> list[str]:
    """The first of them that together take no longer."""
    spent, chosen = 0.0, list[str]()
    for test in tests:
        spent += baseline.seconds[test]
        if chosen and spent > longest:
            break
        chosen.append(test)
    return chosen


if __name__ == "__main__":
    main()
