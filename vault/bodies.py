"""Slow bodies do not take every thread.

The web server ends a request whose headers do not come, and has no such time for bodies: a client that sends half a
form and then nothing holds a thread until it goes. So only some threads of a process may wait for bodies, fewer for one
address, and the others answer whatever comes without one. What would wait beyond that is told to come again. Only a
proxy in front can end such a request (docs/operating.md).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Literal, TypeVar

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import get_input_stream

from vault.errors import Busy

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")
AT_ONCE, OF_ONE = 5, 3  # of the eight threads of a process, and for one address
PATIENCE = 0.1  # seconds that a body waits for its turn; one that is there is read in less than a thousandth of that


class Porter:
    """Counts the bodies that a process is reading just now."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._read: Counter[str] = Counter()

    def read(self, address: str, work: Callable[[], T]) -> T:
        """Read something from an address when it is its turn. Raises Busy."""
        with self._turn:
            if not self._turn.wait_for(lambda: self._read.total() < AT_ONCE and self._read[address] < OF_ONE, PATIENCE):
                raise Busy
            self._read[address] += 1
        try:
            return work()
        finally:
            with self._turn:
                self._read[address] -= 1
                self._read += Counter()  # which drops what is none
                self._turn.notify()


class Body:
    """`wsgi.input` (PEP 3333), read in its turn. Raises Busy; and OSError where less came than was said.

    A form that was cut off in the middle would otherwise be taken for a whole one.
    """

    def __init__(self, porter: Porter, inner: IO[bytes], address: str, length: int) -> None:
        self._porter, self._inner, self._address, self._left = porter, inner, address, length

    def read(self, size: int = -1) -> bytes:
        """So many bytes or fewer."""
        return self._read(self._inner.read, size)

    def readline(self, size: int = -1) -> bytes:
        """A line or less."""
        return self._read(self._inner.readline, size)

    def readlines(self, _hint: int = -1) -> list[bytes]:
        """All of them."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        """Line by line."""
        return iter(self.readline, b"")

    def _read(self, how: Callable[..., bytes], size: int) -> bytes:
        got = self._porter.read(self._address, lambda: how(size) if size >= 0 else how())
        self._left -= len(got)
        if self._left > 0 and not got and size:
            raise ConnectionResetError("the client has gone before all had come")
        return got


def in_turn(inner: WSGIApplication) -> WSGIApplication:
    """An application that reads its bodies so."""
    porter = Porter()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        said = environ.get("CONTENT_LENGTH") or "0"
        length = int(said) if said.isdecimal() else 0
        if length or "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = Body(porter, environ["wsgi.input"], environ.get("REMOTE_ADDR", ""), length)
        return inner(environ, start_response)

    return application


def taken(environ: WSGIEnvironment, most: int) -> bytes | Literal["busy", "too_large"]:
    """A whole body of up to so many bytes, or why there is none."""
    try:
        content = get_input_stream(environ).read(most + 1)
    except (Busy, ClientDisconnected):
        return "busy"
    return content if len(content) <= most else "too_large"
