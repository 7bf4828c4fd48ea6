"""A disk that fails once, at any write or sync: what was answered is so, nothing is half, and the same again works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import sampled
from tests.consent.racing import Stage
from tests.houses import embedded_only
from tests.torture.failing import FAILURES, FLOWS
from tests.torture.scenes import Scene, let_fail

pytestmark = embedded_only
LONG = ("undo", "keys")
CHOSEN = [(flow, failure) for flow in FLOWS for failure in FAILURES] if sampled.EVERYTHING else [("revoke", "EIO")]


@pytest.mark.parametrize(("flow", "failure"), CHOSEN)
def test_a_disk_that_fails_once(preloaded_stage: Stage, scene: Scene, tmp_path: Path, flow: str, failure: str) -> None:
    """One failure at every other write, the other at those between, and fewer of long flows; `make torture` has both at
    every one."""
    first, every = 1 + list(FAILURES).index(failure), 16 if flow in LONG else 2
    nth = range(first, 2000, every) if sampled.EVERYTHING else (3, 14)
    said = let_fail(preloaded_stage, scene, tmp_path, flow=flow, failure=failure, nth=nth)
    assert [each for each in said if each["wrong"]] == []
    assert not sampled.EVERYTHING or (said[-1]["answered"] and not said[-1]["reached"]), "it got through in the end"
