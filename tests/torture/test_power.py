"""The power fails two processes at any moment, and the disk keeps what it likes of what was not synced. Nothing
answered is lost, nothing taken away comes back. `make torture` does this ten thousand times; every run a few times."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import orjson
import pytest

from tests import sampled
from tests.consent.racing import Stage
from tests.houses import embedded_only
from tests.torture.examining import examine_moved, examine_new
from tests.torture.scenes import Cuts, Scene, archive_of, cut_all_over, lived, moved_in, set_up_anew

pytestmark = embedded_only
EVERY_FLOW = {"buy", "gift", "remove", "undo", "import", "consent", "exchange", "read", "refresh", "narrow", "pause"}
EVERY_FLOW |= {"resume", "revoke", "lock", "passphrase", "keys", "kit", "worker", "deletion", "erasure", "forget"}
EVERY_FLOW |= {"undo import", "return import", "attach", "take off", "merge", "leave", "keep", "drop", "block", "ask"}
EVERY_FLOW |= {"share", "visit", "stop link", "backup", "passkey", "no passkey", "settings", "notice", "deny"}
EVERY_FLOW |= {"play", "end made up", "pause all", "sooner", "expire", "keep vault"}
WORSE = "synchronous=NORMAL"
LIVES = [(3, 4, 300, ""), (2, 2, 200, ""), (3, 0, 30, WORSE)] if sampled.EVERYTHING else [(1, 0, 5, "")]


@pytest.mark.parametrize(("seed", "days", "number", "worse"), LIVES)
def test_the_power_fails_at_any_moment(
    preloaded_stage: Stage, scene: Scene, tmp_path: Path, seed: int, days: int, number: int, worse: str
) -> None:
    """The same finds a database that does not sync every commit."""
    steps = lived(preloaded_stage, scene, tmp_path, seed=seed, days=days, leaves=days > 0, worse=worse)
    cuts = cut_all_over(scene, steps, tmp_path, Cuts(), number=number, seed=seed)
    found = {wrong.partition(":")[0] for wrong in cuts.wrong}
    assert found & {"Lost", "Revived"} if worse else not cuts.wrong
    assert cuts.images == number
    done = {orjson.loads(step.data).get("done") for step in steps if step.kind == "A"}
    assert done >= (EVERY_FLOW if days >= 4 else {"buy"})


def test_the_power_fails_while_an_archive_is_brought_in(preloaded_stage: Stage, scene: Scene, tmp_path: Path) -> None:
    archived = archive_of(scene, tmp_path)
    steps = moved_in(preloaded_stage, scene, tmp_path, archived)
    looks = partial(examine_moved, archived=archived)
    number = sampled.many(2, everywhere=8)
    cuts = cut_all_over(scene.before_everything(), steps, tmp_path, Cuts(), number=number, seed=1, looks=looks)
    assert not cuts.wrong
    assert cuts.images == number


@pytest.mark.parametrize("started", [False, True])
def test_the_power_fails_while_a_vault_is_set_up(
    preloaded_stage: Stage, scene: Scene, tmp_path: Path, *, started: bool
) -> None:
    """It is hers, or the address of the first page is good still: never neither."""
    nowhere, number = scene.nowhere(tmp_path / "nowhere", started=started), sampled.many(2, everywhere=20)
    steps = set_up_anew(preloaded_stage, nowhere, tmp_path)
    cuts = cut_all_over(nowhere, steps, tmp_path, Cuts(), number=number, seed=1, looks=examine_new)
    assert not cuts.wrong
    assert cuts.images == number
