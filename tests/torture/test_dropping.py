"""What a sync that failed has not brought to the disk is no foundation for what is answered later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import sampled
from tests.consent.racing import Stage
from tests.houses import embedded_only
from tests.torture.scenes import Scene, let_drop

pytestmark = embedded_only
FLOWS = ("revoke", "narrow", "exchange", "read") if sampled.EVERYTHING else ("revoke",)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_kill_after_a_sync_that_failed_and_then_a_power_cut(
    preloaded_stage: Stage, scene: Scene, tmp_path: Path, flow: str
) -> None:
    """The third sync of ending a grant is that of a transaction which the next process finds whole in the log."""
    nth = range(1, 2000) if sampled.EVERYTHING else (3,)
    said = let_drop(preloaded_stage, scene, tmp_path, flow=flow, nth=nth)
    assert [each for each in said if each["wrong"]] == []
    assert said[0]["reached"]
