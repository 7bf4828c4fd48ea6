"""Clients that are slow, or send too much, at a real server: whoever comes meanwhile is served as ever."""

from __future__ import annotations

import select
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests import sampled
from tests.houses import copy_house
from tests.served import Serving, served
from vault.bodies import AT_ONCE, OF_ONE
from vault.keyring import Keyring

FORM = b"POST /unlock HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def serving(furnished: tuple[Path, str, Keyring], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One process with eight threads."""
    directory = tmp_path_factory.mktemp("served") / "house"
    copy_house(furnished[0], directory)
    with served(directory) as running:
        yield running


def pages(serving: Serving) -> list[float]:
    return sorted(serving.takes() for _ in range(100 if sampled.EVERYTHING else 20))


SLOW = {
    "a body": (FORM + b"Content-Length: 1000\r\n\r\npassphrase=", 40),
    "headers": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", 200),
    "reading": (b"GET /unlock HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2, 40),
}


@pytest.mark.parametrize("kind", list(SLOW) if sampled.EVERYTHING else ["a body"])
def test_others_are_served_beside_slow_clients(serving: Serving, kind: str) -> None:
    said, connections = SLOW[kind]
    serving.takes()
    quiet = pages(serving)
    with ExitStack() as slow:
        for _ in range(connections):
            slow.enter_context(serving.connects(said))
        time.sleep(1.5)  # until those who wait for a turn have been told to come again
        beside = pages(serving)
    assert statistics.median(beside) < 2 * statistics.median(quiet) + 0.05
    assert beside[int(len(beside) * 0.99)] < 2 * quiet[-1] + 0.5


def test_a_form_that_was_cut_off_is_not_taken_for_a_whole_one(serving: Serving) -> None:
    said = FORM + b"Content-Length: 1000\r\n\r\npassphrase=a+guess"
    with serving.connects(said) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096)[:13] in (b"", b"HTTP/1.1 400 ")


def test_one_address_does_not_take_every_place(serving: Serving) -> None:
    with ExitStack() as slow:
        said = FORM + b"Content-Length: 1000\r\n\r\npass"
        some = [slow.enter_context(serving.connects(said)) for _ in range(OF_ONE + 1)]
        one_too_many = select.select(some, [], [], 30)[0][0]
        told = one_too_many.recv(4096)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in told.lower()
    assert OF_ONE < AT_ONCE
    time.sleep(0.5)
    answer = httpx.post(f"{serving.address}/unlock", data={"passphrase": "a guess"}, timeout=30)
    assert answer.status_code == 403, "and once they have gone, forms are taken again"


@pytest.mark.parametrize(
    ("said", "status"),
    [(b"Content-Length: 99999999999\r\n\r\n", b"413"), (b"Transfer-Encoding: chunked\r\n\r\n", b"411")],
    ids=["declared", "chunked"],
)
def test_a_body_that_is_too_large_is_refused_before_it_has_come(serving: Serving, said: bytes, status: bytes) -> None:
    """Also one that does not say how large it is: of that, what is beyond the limit would be cut off."""
    with serving.connects(FORM + said) as connection:
        with suppress(OSError):  # it has been told already, and the rest is not wanted
            for _ in range(64):
                connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)
