"""What a sync that failed has not brought to the disk is no foundation for what is answered later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import sampled
from tests.consent.racing import Stage
from tests.houses import embedded_only
from tests.torture.scenes import Scene, let_drop

pytestmark = embedded_only
EVERY = [("revoke", True), ("narrow", True), ("narrow", False), ("read", True)]  # and all by `make torture`
CHOSEN = EVERY if sampled.EVERYTHING else EVERY[:1]


@pytest.mark.parametrize(("flow", "killed"), CHOSEN)
def test_a_power_cut_after_a_sync_that_failed(
    preloaded_stage: Stage, scene: Scene, tmp_path: Path, flow: str, killed: bool
) -> None:
    """The third sync of ending a grant is that of a transaction which the next process finds whole in the log, when the
    one that wrote it was killed."""
    nth = range(1, 2000) if sampled.EVERYTHING else (3,)
    said = let_drop(preloaded_stage, scene, tmp_path, flow=flow, killed=killed, nth=nth)
    assert [each for each in said if each["wrong"]] == []
    assert said[0]["reached"]
