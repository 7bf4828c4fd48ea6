"""How long her own pages take and weigh in a large vault, and what the index of words costs, for `vrm bench`.

Each page is asked for over one connection, as a browser does after an unlock by passphrase. What it weighs is the page
with the style, icons and script it names, as they are sent to a browser that has none of them yet.
"""

from __future__ import annotations

import http.client
import re
import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from vault import store
from vault.collections.purchases import Purchase
from vault.values import Money, When

if TYPE_CHECKING:
    from connectors.bench_house import House
    from vault.opened import OpenVault

ROUNDS, UNLOCKS = 21, 5
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


class Taken(NamedTuple):
    """Milliseconds until the answer, and of the server's processor."""

    wall: float
    cpu: float


class Browser:
    """One connection that remembers a cookie. `cpu` tells the seconds of processor time the server has used."""

    def __init__(self, port: int, cpu: Callable[[], float]) -> None:
        self.line = http.client.HTTPConnection("localhost", port)
        self.cpu, self.cookie = cpu, ""

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> bytes:
        """An answer as it comes over the wire."""
        headers = {"Cookie": self.cookie, "Accept-Encoding": "gzip"} | (FORM if form is not None else {})
        self.line.request(method, path, urlencode(form or {}) if form is not None else None, headers)
        answer = self.line.getresponse()
        if answer.status not in {200, 303}:
            raise RuntimeError(f"{path} was answered {answer.status}")
        self.cookie = (answer.getheader("Set-Cookie") or self.cookie).split(";")[0]
        return answer.read()

    def timed(self, path: str) -> Taken:
        """What one page takes."""
        before, began = self.cpu(), time.perf_counter()
        self.ask("GET", path)
        return Taken((time.perf_counter() - began) * 1000, (self.cpu() - before) * 1000)


def pages(house: House, cpu: Callable[[], float]) -> dict[str, dict[str, float]]:
    """Of each page the median milliseconds, those of the server's processor, and the kilobytes it weighs."""
    browser = Browser(house.port, cpu)
    first = [_first_search(browser, house) for _unlock in range(UNLOCKS)]
    paths = {
        "home": "/",
        "purchases": "/purchases",
        "search, one word of all": "/search?q=thing",
        "search, as it is typed": "/search?q=th+us+le",
        "search, a rare word": "/search?q=99999",
        "the page of a vendor": f"/vendors/{house.vendor}",
    }
    found = {"search, the first after unlocking": _row(first, 0)}
    for name, path in paths.items():
        taken = [browser.timed(path) for _round in range(ROUNDS)]
        found[name] = _row(taken, _weight(browser, path))
    browser.line.close()
    return found


def _first_search(browser: Browser, house: House) -> Taken:
    browser.ask("POST", "/lock", {})
    browser.ask("POST", "/unlock", {"passphrase": house.passphrase})
    return browser.timed("/search?q=thing+number+99")


def _row(taken: list[Taken], weight: int) -> dict[str, float]:
    wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
    return {"ms": wall, "cpu_ms": cpu, "kB": weight / 1000}


def _weight(browser: Browser, path: str) -> int:
    page = browser.ask("GET", path)
    named = set(re.findall(rb'(?:href|src)="(/static/[^"#]+)', page))
    return len(page) + sum(len(browser.ask("GET", each.decode())) for each in named)


def upkeep(vault: OpenVault) -> dict[str, dict[str, float]]:
    """Milliseconds of writing records in one turn, and of taking them into the catalogue afterwards; medians."""
    return {f"{count} at once": _upkeep(vault, count) for count in (1, 500)}


def _upkeep(vault: OpenVault, count: int) -> dict[str, float]:
    written, taken = [], []
    for turn in range(ROUNDS):
        written.append(_timed(lambda turn=turn: _write(vault, turn * count, count)))
        taken.append(_timed(lambda: vault.catalogue))
    write, take = statistics.median(written), statistics.median(taken)
    return {"write_ms": write, "upkeep_ms": take, "ratio": take / write}


def _write(vault: OpenVault, at: int, count: int) -> None:
    with store.writing(vault, numbers=count) as turn:
        for number in range(at, at + count):
            day = (date(2019, 1, 1) + timedelta(days=number % 300)).isoformat()
            item = f"Another number {number} with a title of usual length"
            store.add(turn, vault, Purchase(item=item, bought_on=When(day), price=Money("9.90", "EUR")))


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
