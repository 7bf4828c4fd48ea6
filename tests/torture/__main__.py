"""`make torture`: power cuts by the thousand. Prints what was done, and of anything wrong the seed and the place."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tests import conftest
from tests.consent.racing import Stage
from tests.houses import ON_A_SERVER
from tests.people import Bookshop, Clock, house_in
from tests.torture.disk import compiled
from tests.torture.failing import FAILURES, FLOWS
from tests.torture.kills import Kills, kill
from tests.torture.scenes import Cuts, Scene, cut_all_over, furnish, let_drop, let_fail, lived, preloaded
from vault.logs import configure

DAYS = 4  # of a life: long enough for everything to happen in it
OF_A_LIFE = 2000  # images


def main() -> int:
    """Returns an exit code: 0 when all was well."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    images = 0 if ON_A_SERVER else 10_000
    parser.add_argument("--images", type=int, default=images, help="how many power cuts, of files (10000)")
    parser.add_argument("--seed", type=int, default=1, help="of the first life (1); the others follow")
    parser.add_argument("--kills", type=int, default=0, help="how often two processes are killed, after that (0)")
    servers = "how often the server is killed, with VRM_TEST_ENGINE=postgresql (0)"
    parser.add_argument("--server-kills", type=int, default=0, help=servers)
    parser.add_argument("--failures", action="store_true", help="let every write and sync of every flow fail, last")
    parser.add_argument("--dir", help="where the files lie meanwhile; a memory file system is fastest")
    told = parser.parse_args()
    if ON_A_SERVER and (told.images or told.failures):
        parser.error("power cuts and failures are of files; on a server there are --kills and --server-kills")
    if told.server_kills and not ON_A_SERVER:
        parser.error("--server-kills needs VRM_TEST_ENGINE=postgresql")
    if compiled() is None:
        click.echo("This needs a C compiler: apt install gcc libc6-dev", err=True)
        return 1
    configure()
    wrong = 0
    with tempfile.TemporaryDirectory(dir=told.dir) as place, _scene(Path(place)) as scene, preloaded() as stage:
        wrong += _power_fails(stage, scene, Path(place), told.images, told.seed)
        wrong += _is_killed(stage, scene, Path(place), told.kills, told.seed)
        wrong += _is_killed(stage, scene, Path(place) / "server", told.server_kills, told.seed, server=True)
        wrong += _fails_everywhere(stage, scene, Path(place)) if told.failures else 0
    return int(wrong > 0)


def _power_fails(stage: Stage, scene: Scene, directory: Path, number: int, seed: int) -> int:
    """So many images of as many lives as that takes. How many were wrong?"""
    total, different, wrong, began = 0, 0, 0, time.monotonic()
    while total < number:
        cuts = Cuts()
        steps = lived(stage, scene, directory, seed=seed, days=DAYS, leaves=seed % 2 == 1)
        cut_all_over(scene, steps, directory, cuts, number=min(OF_A_LIFE, number - total), seed=seed)
        total, different, wrong = total + cuts.images, different + cuts.different, wrong + len(cuts.wrong)
        _tell(cuts.wrong)
        minutes = (time.monotonic() - began) / 60
        so_far = f"{total} images so far, {different} different ones, {wrong} wrong, {minutes:.1f} minutes"
        click.echo(f"seed {seed}: {len(steps)} steps; {so_far}")
        seed += 1
    return wrong


def _is_killed(stage: Stage, scene: Scene, directory: Path, number: int, seed: int, *, server: bool = False) -> int:
    """So many kills. After how many was something wrong?"""
    if not number:
        return 0
    directory.mkdir(exist_ok=True)
    kills = kill(stage, scene, directory, Kills(), number=number, seed=seed, server=server)
    _tell(kills.wrong)
    what = "kills of the server" if server else "kills"
    click.echo(f"seed {seed}: {kills.number} {what}, {kills.done.total()} answers, {len(kills.wrong)} wrong")
    click.echo("  " + ", ".join(f"{act} {often}" for act, often in kills.done.most_common()))
    return len(kills.wrong)


def _fails_everywhere(stage: Stage, scene: Scene, directory: Path) -> int:
    """Every write and every sync of every flow. After how many was something wrong?"""
    wrong = 0
    for flow in FLOWS:
        for failure in FAILURES:
            failed = let_fail(stage, scene, directory, flow=flow, failure=failure)
            found = [f"{each['wrong']} ({flow}, {failure}, number {each['nth']})" for each in failed if each["wrong"]]
            _tell(found)
            done = sum(each["answered"] for each in failed)
            click.echo(f"{flow}, {failure}: {len(failed) - 1} failures, {done} of them done all the same")
            wrong += len(found)
        for killed in (True, False):
            dropped = let_drop(stage, scene, directory, flow=flow, killed=killed)
            found = [f"{each['wrong']} ({flow}, sync {each['nth']}, {killed=})" for each in dropped if each["wrong"]]
            _tell(found)
            click.echo(f"{flow}, power cuts after {len(dropped) - 1} failed syncs{' and kills' * killed}")
            wrong += len(found)
    return wrong


def _tell(wrong: list[str]) -> None:
    for each in wrong:
        click.echo(f"WRONG  {each}")


@contextmanager
def _scene(directory: Path) -> Iterator[Scene]:
    house = house_in(directory / "furnished", Clock())
    code, keyring = conftest.furnish(house)
    house.stop()
    shop = Bookshop("Bookshop", "shop")
    shop.open()
    try:
        yield furnish((directory / "furnished", code, keyring), shop, directory / "scene", Clock())
    finally:
        shop.close()


if __name__ == "__main__":
    sys.exit(main())
