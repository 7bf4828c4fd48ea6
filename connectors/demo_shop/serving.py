"""A small threaded web server for the demo, on loopback and nowhere else."""

from __future__ import annotations

import ipaddress
import socket
import threading

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

LOOKS_UP = 0.05  # seconds between two looks whether it is to stop


def refuse_the_open_net(host: str) -> str:
    """Give back a loopback IP address, or ValueError. The demo knows made-up people, but no password of its own."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"The demo listens on loopback only, not on {host}.")
    return host


class _Silent(WSGIRequestHandler):
    """Writes no request lines: a callback's query holds a code."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def version_string(self) -> str:
        return "demo"


class LoopbackServer:
    """Serves one app, in the foreground (`serve`) or beside other work (`start`, `stop`). Port 0 takes a free one.

    OSError when the port is taken.
    """

    def __init__(self, app: Flask, port: int, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in refuse_the_open_net(host) else socket.AF_INET
        # Tried first, because make_server ends the whole process when a port is taken.
        socket.create_server((host, port), family=family).close()
        self._server = make_server(host, port, app, threaded=True, request_handler=_Silent)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def serve(self) -> None:
        """Answer until interrupted."""
        try:
            self._server.serve_forever(LOOKS_UP)
        finally:
            self._server.server_close()

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(LOOKS_UP,), name=f"demo-{self.port}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
