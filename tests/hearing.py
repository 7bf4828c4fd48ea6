"""What a server logs, listened to in a test: its own configuration, with every library at DEBUG."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from vault import logs


class Heard:
    """The lines so far."""

    def __init__(self, raw: io.BytesIO) -> None:
        self._raw = raw

    @property
    def text(self) -> str:
        """All of them."""
        return self._raw.getvalue().decode()


@contextmanager
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Configure logging as the server does, and put everything back afterwards."""
    raw, root, before = io.BytesIO(), logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    for module, name in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(sys, "stderr", io.TextIOWrapper(raw, write_through=True))
        logs.configure(logging.DEBUG)
    structlog.configure(cache_logger_on_first_use=False)
    try:
        yield Heard(raw)
    finally:
        logging.captureWarnings(False)
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)
