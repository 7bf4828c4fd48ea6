"""Refusals take the same time, whatever was found on the way to them: no clock tells which names and strings there are.

What there is and what there is not go through the same steps, and still a row that is there takes some microseconds
more to read than one that is not. So whoever refuses waits until a moment that does not depend on it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from math import ceil
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
AFTER = 0.003  # seconds: several times what looking something up takes on a machine that is not busy


def wait(began: float) -> None:
    """Until that long after something began (`time.monotonic`), or twice as long, or three times on a busy machine."""
    took = time.monotonic() - began
    time.sleep(AFTER * ceil(took / AFTER) - took)


def refused(view: Callable[P, R]) -> Callable[P, R]:
    """For what looks something up: nothing found, or an exception, is told at an even time."""

    @functools.wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        began, found = time.monotonic(), None
        try:
            found = view(*args, **kwargs)
        finally:
            if found is None:
                wait(began)
        return found

    return wrapped
