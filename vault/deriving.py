"""Turning a passphrase into a secret: Argon2id at this machine's cost, a few at a time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from vault import crypto, locks
from vault.errors import Busy

_deriving = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))


@cache
def local_cost() -> crypto.Cost:
    """The cost at which this machine takes about half a second, never below the floor. Measured once per process."""
    began = time.perf_counter()
    crypto.stretch("calibration", b"\0" * 16, crypto.FLOOR)
    taken = time.perf_counter() - began
    rungs = [rung for rung in crypto.LADDER if taken * rung.memory / crypto.FLOOR.memory <= 0.5]
    return rungs[-1] if rungs else crypto.FLOOR


@contextmanager
def _turn_to_derive() -> Iterator[None]:
    """At most half the cores derive at a time; others wait three seconds."""
    if not _deriving.acquire(timeout=3):
        raise Busy
    try:
        yield
    finally:
        _deriving.release()


def stretch(passphrase: str, params: bytes) -> bytes:
    with _turn_to_derive():
        return locks.passphrase_secret(passphrase, params)
