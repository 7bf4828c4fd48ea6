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

from vault.errors import VaultError

P = ParamSpec("P")
R = TypeVar("R")
AFTER = 0.010  # seconds: several times what looking something up takes, even beside others on a slow machine


def wait(began: float) -> None:
    """Until that long after something began (`time.monotonic`), or twice as long, or three times on a busy machine."""
    took = time.monotonic() - began
    time.sleep(AFTER * ceil(took / AFTER) - took)


def _bare(refusal: VaultError) -> VaultError:
    """Without what led to it: to let go of what was found takes time too, and that belongs before the wait."""
    refusal.__traceback__ = refusal.__context__ = refusal.__cause__ = None
    return refusal


def refused(view: Callable[P, R]) -> Callable[P, R]:
    """For what looks something up: nothing found, or a refusal, is told at an even time."""

    @functools.wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        began = time.monotonic()
        try:
            found = view(*args, **kwargs)
        except VaultError as error:
            refusal = _bare(error)
        else:
            if found is None:
                wait(began)
            return found
        wait(began)
        raise refusal

    return wrapped
