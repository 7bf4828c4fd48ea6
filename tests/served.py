"""`vrm serve` in processes of its own, on a free port, for tests that need real sockets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.houses import settings_in
from vault.settings import for_process

ROOT = Path(__file__).resolve().parents[1]


class Serving(NamedTuple):
    """A server that runs."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://localhost:{self.port}"

    def connects(self, said: bytes) -> socket.socket:
        """Somebody who says this much and no more."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(said)
        return connection

    def takes(self, path: str = "/unlock") -> float:
        """Seconds until a page has come."""
        began = time.perf_counter()
        answer = httpx.get(self.address + path, timeout=30)
        assert answer.status_code == 200
        return time.perf_counter() - began

    def is_told_to_stop(self) -> int:
        """SIGTERM; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def served(directory: Path, workers: int = 1, **settings: str) -> Iterator[Serving]:
    """Serve the vaults of a directory while the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vault", "serve", "--port", str(port), "--workers", str(workers)]
    environment = {**for_process(settings_in(directory, f"http://localhost:{port}")), **settings}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = Serving(port, subprocess.Popen(command, cwd=ROOT, env=environment, **quiet))
    try:
        _wait_for(running)
        yield running
    finally:
        if running.process.poll() is None:
            running.is_told_to_stop()


def _wait_for(running: Serving) -> None:
    until = time.monotonic() + 90
    while True:
        try:
            if httpx.get(f"{running.address}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() < until, "it did not start"
            time.sleep(0.1)
