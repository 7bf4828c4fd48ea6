"""A pytest plugin, `-p tests.costs`: what the tests cost, in seconds of a core.

They tell what a test takes, where seconds of a clock tell what else the machine had to do. Counted with it are the
processes that have ended with it, but no browser that stays open for a whole file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

NAMED = 30
_PROPERTY = "seconds of a core"
_BEGAN = pytest.StashKey[float]()


def _spent() -> float:
    return sum(os.times()[:4])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_BEGAN] = _spent()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    if call.when == "teardown":
        item.user_properties.append((_PROPERTY, round(_spent() - item.stash[_BEGAN], 2)))
    return (yield)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The dearest files and tests. A file that sets something up for all of its tests pays for it in the first."""
    reports = [each for kind in terminalreporter.stats.values() for each in kind if hasattr(each, "user_properties")]
    tests, files = Counter[str](), Counter[str]()
    for each in reports:
        spent = dict(each.user_properties).get(_PROPERTY, 0.0)
        tests[each.nodeid] += spent
        files[each.nodeid.partition("::")[0]] += spent
    terminalreporter.section(f"{sum(tests.values()):.0f} seconds of a core")
    for dearest in (files, tests):
        for name, spent in dearest.most_common(NAMED):
            terminalreporter.write_line(f"{spent:7.2f}  {name}")
