"""Processes are killed at random moments while they do everything at once. Nothing answered is lost, nothing taken away
comes back, and whoever starts next goes on."""

from __future__ import annotations

from pathlib import Path

from tests import sampled
from tests.consent.racing import Stage
from tests.houses import ON_A_SERVER
from tests.torture.kills import Kills, kill
from tests.torture.scenes import Scene

NUMBER = 14 if sampled.EVERYTHING else 2  # more by `make torture ARGS="--images 0 --kills 50"`


def test_one_of_two_processes_is_killed_at_any_moment(stage: Stage, scene: Scene, tmp_path: Path) -> None:
    kills = kill(stage, scene, tmp_path, Kills(), number=NUMBER, seed=20261122)
    assert not kills.wrong
    assert kills.number == NUMBER


if ON_A_SERVER:

    def test_the_server_of_the_databases_is_killed_at_any_moment(stage: Stage, scene: Scene, tmp_path: Path) -> None:
        """With every process of it, while both write; it has its log to go by when it is started again."""
        number = sampled.many(1, everywhere=6)
        kills = kill(stage, scene, tmp_path, Kills(), number=number, seed=20261123, server=True)
        assert not kills.wrong
        assert kills.number == number
