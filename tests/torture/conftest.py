"""Ada and the Bookshop, who know each other, and a process whose children see what they do to their disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consent.racing import Stage
from tests.people import Bookshop, Clock
from tests.torture.disk import compiled
from tests.torture.scenes import Scene, furnish, preloaded
from vault.keyring import Keyring


@pytest.fixture(scope="session")
def scene(furnished: tuple[Path, str, Keyring], shopfront: Bookshop, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """They have dealt with each other before; the server is not running."""
    return furnish(furnished, shopfront, tmp_path_factory.mktemp("scene") / "house", Clock())


@pytest.fixture(scope="session")
def stage(scene: Scene) -> Iterator[Stage]:  # a scene first: its databases may be on a server that is then known
    """Where other processes come from."""
    with preloaded() as stage:
        yield stage


@pytest.fixture
def preloaded_stage(stage: Stage) -> Stage:
    """The same, where they see what they do to their disk."""
    if compiled() is None:
        pytest.skip("needs a C compiler: apt install gcc libc6-dev")
    return stage
