"""No pattern of the product takes long over what a stranger may write: letters that almost match, up to the end."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from importlib import import_module

import pytest

from tests.house.tree import ROOT
from tests.sampled import EVERYTHING

LENGTH = 2000  # letters: what grows faster than by their square takes minutes
LETTERS = ("a", "A", "0", " ", "-", "@", ".", "%", "a@", "1,", "1 ", "a b", "ab.", "[-", "<a", "\n", "_", "x-")


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every pattern that stands in a module, by where it stands."""
    for room in ("vault", "consent", "connectors"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if "migrations" in name or name.endswith(("__main__", "__init__")):
                continue
            for called, value in vars(import_module(name)).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    yield f"{name}.{called}", value


@pytest.mark.parametrize("where", ["beginning", "anywhere"])
def test_no_pattern_goes_back_and_forth_over_what_almost_matches(where: str) -> None:
    tried, slow = 0, {}
    for name, pattern in patterns():
        for letters in LETTERS if EVERYTHING else LETTERS[:6]:
            text = (letters * LENGTH)[:LENGTH] + "\0"
            began = time.process_time()
            if where == "beginning":
                pattern.fullmatch(text)
            else:
                pattern.search(text)
            taken = time.process_time() - began
            tried += 1
            if taken > 0.25:
                slow[name, letters] = round(taken, 2)
    assert tried > 100
    assert not slow
