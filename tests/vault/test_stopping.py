"""A server that is told to stop finishes what is under way, within ten seconds, and gives back what it has leased."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlalchemy import select

from consent import access
from tests.conftest import PASSPHRASE
from tests.houses import copy_house
from tests.people import Ada, Bookshop, house_in
from tests.served import Serving, served
from vault import bearer, crypto, worker
from vault.jobs import enqueue
from vault.keyring import Keyring
from vault.models import Job
from vault.server import Server


def calls(serving: Serving, said: Counter[object], stopped: threading.Event) -> None:
    """Somebody who asks and asks, every time anew."""
    while not stopped.is_set():
        try:
            said[httpx.get(f"{serving.address}/unlock", timeout=30).status_code] += 1
        except (httpx.ConnectError, ConnectionRefusedError):
            said["not let in"] += 1
            return
        except httpx.TransportError as error:
            if str(error) == "Server disconnected without sending a response.":
                said["not let in"] += 1  # it stood in line before the door
                return
            said[type(error).__name__] += 1


def test_requests_under_way_are_answered_and_then_it_ends(furnished: tuple[Path, str, Keyring], tmp_path: Path) -> None:
    copy_house(furnished[0], tmp_path / "house")
    said: Counter[object] = Counter()
    answers: list[bytes] = []
    form = urlencode({"passphrase": PASSPHRASE}).encode()
    head = f"POST /unlock HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(form)}\r\n".encode()
    with served(tmp_path / "house", workers=2) as serving:
        stopped = threading.Event()
        some = [threading.Thread(target=calls, args=(serving, said, stopped)) for _ in range(4)]
        for each in some:
            each.start()
        time.sleep(0.5)
        with serving.connects(head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + form) as unlocking:
            time.sleep(0.2)  # it derives a key, which takes half a second
            began = time.monotonic()
            serving.process.send_signal(signal.SIGTERM)
            answers.append(unlocking.recv(4096))
            serving.process.wait(timeout=30)
            took = time.monotonic() - began
        stopped.set()
        for each in some:
            each.join()
    assert took <= 10
    assert answers[0].startswith(b"HTTP/1.1 303 "), "with a session that is there"
    assert said[200] > 0
    assert said.keys() <= {200, "not let in"}, said


def test_a_job_that_is_not_finished_in_time_is_free_at_once(ada: Ada, monkeypatch: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def waits(_server: Server, _owner: bytes, _payload: Mapping[str, Any]) -> None:
        begun.set()
        go_on.wait(30)

    monkeypatch.setattr(worker, "LAST", 0.2)
    house = replace(ada.house, leases=set())
    house.__dict__["jobs"] = {**ada.house.jobs, "waits": waits}
    with house.main.transaction() as session:
        for _ in range(2):
            enqueue(session, house, ada.owner_id, "waits", {})
    stopped = threading.Event()
    thread = threading.Thread(target=worker.run, args=(house, stopped), daemon=True)
    thread.start()
    assert begun.wait(30)
    worker.end(house, stopped, thread)
    with house.main.reading() as session:
        assert session.execute(select(Job.lease_until, Job.attempts).order_by(Job.attempts)).all() == [(0, 0), (0, 1)]
    go_on.set()
    thread.join(30)
    with house.main.reading() as session:
        assert session.execute(select(Job.attempts)).all() == [(0,)], "one was finished, and the next not begun"


def test_what_was_counted_in_memory_is_written_when_it_ends(
    furnished: tuple[Path, str, Keyring], shopfront: Bookshop, tmp_path: Path
) -> None:
    """Strings that name a lock and do not open it are counted in memory, so that the count tells nobody of the lock."""
    copy_house(furnished[0], tmp_path / "house")
    house = house_in(tmp_path / "house")
    ada = Ada(house, PASSPHRASE, furnished[2])
    shopfront.visits(ada)
    good = bearer.parse(shopfront.tokens()["access_token"], "access", house.keys.route)
    assert good is not None
    with served(tmp_path / "house") as serving:
        time.sleep(1.5)  # the worker writes down what there is in its first round, and then once a minute
        for _ in range(3):
            guess = replace(good, secret=crypto.random_bytes()).text(house.keys.route)
            look = {"Authorization": f"DPoP {guess}"}
            assert httpx.get(f"{serving.address}/vendor/v1/purchases", headers=look).status_code == 401
        assert serving.is_told_to_stop() == 0
    assert access.refusals(house, ada.owner_id) == {bytes.fromhex(ada.grant()): 3}
    house.stop()
