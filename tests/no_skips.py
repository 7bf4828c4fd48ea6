"""A pytest plugin for CI: where everything is installed, a skipped test is a failed one.

`pytest -p tests.no_skips`. What is expected to fail (xfail) is left alone, and so is what is sampled out of a run that
is not to have every repeat.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import pytest

from tests.sampled import EVERYTHING

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _fail_if_skipped(report: Report) -> Report:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "sampled:" in reason and not EVERYTHING:
            return report
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped here. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _fail_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _fail_if_skipped((yield))
