"""Serving the application with granian: one process per core, eight threads each."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from vault.errors import Unsafe
from vault.settings import Settings

THREADS = 8


def port_of(settings: Settings) -> int:
    """The port in the issuer, or the scheme's own."""
    parts = urlsplit(settings.issuer)
    return parts.port or (443 if settings.secure else 80)


def refuse_a_taken(host: str, port: int, named: str) -> None:
    """Raise Unsafe where nothing can listen: somebody does already, or only the administrator may. `named` by what."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise Unsafe(f"Port {port} of {host} ({named}): {error.strerror}.") from error


def serve(
    host: str, port: int, *, workers: int | None = None, threads: int = THREADS, target: str = "vault.app:create"
) -> None:
    """Serve until a signal says stop; requests under way are finished first. Settings come from the environment."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings

    Granian(
        target,
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers or os.cpu_count() or 1,
        blocking_threads=threads,
        workers_kill_timeout=10,
        http=HTTPModes.http1,  # a proxy speaks it too, and there is less to go wrong
        websockets=False,
        log_enabled=False,
        http1_settings=HTTP1Settings(header_read_timeout=15_000),
        respawn_failed_workers=True,
    ).serve()
