"""What a serving process still holds in memory once she has locked, read as whoever runs the server could read it.

Memory that was given back keeps its bytes until it is used again. So the allocators of Python, of the C library and of
the web server are told to overwrite it (docs/operating.md): what is found then is what something still holds on to.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.vendor_client import Client, Connection, Vault, discover, new_state
from tests import sampled
from tests.conftest import PASSPHRASE
from tests.houses import copy_house, embedded_only
from tests.people import PURCHASES, Bookshop, Raw, hidden_in
from tests.served import Serving, served
from tests.vault.test_canaries import Planted, secrets_of
from vault.keyring import Keyring

OVERWRITES = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0",
    "_RJEM_MALLOC_CONF": "junk:free",
}
PAGE = 4096
BEFORE = {"item": "An Almanac of Brine", "note": "the second drawer on the left", "amount": "48213.37"}
AFTER = {"item, edited": "The Cartographer's Kettle", "note, edited": "Lanterns for Bartholomew"}


def processes(of: int) -> list[int]:
    """A process and all that it has started."""
    children = Path(f"/proc/{of}/task/{of}/children").read_text().split()
    return [of, *(each for child in children for each in processes(int(child)))]


def written(of: int) -> bytes:
    """What a process has in its memory, but for pages of one byte over and over. It stands still meanwhile."""
    os.kill(of, signal.SIGSTOP)
    try:
        maps = Path(f"/proc/{of}/maps").read_text()
        with Path(f"/proc/{of}/mem").open("rb") as memory:
            return b"".join(pages(memory, maps))
    finally:
        os.kill(of, signal.SIGCONT)


def pages(memory: Any, maps: str) -> Iterator[bytes]:
    for begin, end in re.findall(r"^(\w+)-(\w+) rw.p", maps, re.MULTILINE):
        memory.seek(int(begin, 16))
        part = memory.read(int(end, 16) - int(begin, 16))
        for at in range(0, len(part), PAGE):
            page = part[at : at + PAGE]
            if page.count(page[0]) < PAGE:
                yield page


def found(serving: Serving, planted: Planted) -> set[str]:
    """Names of what is in the memory of its processes."""
    forms = {
        form: name.partition(" in ")[0]
        for name, form in planted.forms()
        if "HEX" not in name and "utf-16-be" not in name
    }
    everything = [written(each) for each in processes(serving.process.pid)]
    return {name for form, name in forms.items() if any(form in each for each in everything)}


class Browser:
    """Hers, over a socket."""

    def __init__(self, web: httpx.Client) -> None:
        self.web = web

    def looks_at(self, path: str) -> str:
        answer = self.web.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def presses(self, path: str, **form: Any) -> str:
        """Post a form; returns where that leads."""
        answer = self.web.post(path, data=form)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].partition("?")[0] if path != "/authorize" else answer.headers["Location"]


@contextmanager
def browser(serving: Serving) -> Iterator[Browser]:
    with httpx.Client(base_url=serving.address, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60) as web:
        yield Browser(web)


def lets(her: Browser, shop: Bookshop, serving: Serving) -> Connection:
    """The whole way: the shop asks, she allows the price too, the shop gets its tokens."""
    client = Client(shop.client_id, shop.redirect_uri, shop.key)
    pending = discover(client, serving.address).ask([Raw(PURCHASES)], new_state())  # type: ignore[list-item]
    page = her.looks_at(httpx.URL(pending.authorize_url).raw_path.decode())
    back = her.presses("/authorize", **hidden_in(page), answer="yes", days="30", **{"field-0-price": "yes"})
    return Vault(client, pending.endpoints).finish(pending, httpx.URL(back).query.decode())


def uses(her: Browser, shop: Bookshop, serving: Serving) -> Connection:
    """Records are kept, shown, searched and edited, and a vendor reads."""
    price = {"price-amount": BEFORE["amount"], "price-currency": "EUR"}
    vendor = her.presses("/vendors/new", called=shop.name, domains=f"{shop.host}.localhost").rpartition("/")[2]
    form = {"bought_on": "2026-10-22", "vendor": vendor, **price}
    kept = her.presses("/purchases/new", item=BEFORE["item"], note=BEFORE["note"], **form)
    for path in (kept, "/purchases", "/search?q=Brine"):
        assert "Almanac" in her.looks_at(path)
    her.presses(f"{kept}/edit", item=AFTER["item, edited"], note=AFTER["note, edited"], **form)
    assert "Kettle" in her.looks_at(kept)
    connection = lets(her, shop, serving)
    assert [shown.data["price"]["amount"] for shown in connection.read("purchases").records] == [BEFORE["amount"]]
    return connection


@pytest.mark.skipif(not sampled.EVERYTHING, reason="sampled: a server whose memory is read twice, in the full run")
@embedded_only
def test_five_seconds_after_locking_no_process_holds_her_keys_or_anything_of_hers(
    furnished: tuple[Path, str, Keyring], shopfront: Bookshop, tmp_path: Path
) -> None:
    copy_house(furnished[0], tmp_path / "house")
    keys = {"root key": furnished[2].root, "records key": furnished[2]["records"], "files key": furnished[2]["files"]}
    planted = Planted({"passphrase": PASSPHRASE, **BEFORE, **AFTER}, keys)
    with served(tmp_path / "house", **OVERWRITES) as serving:
        with browser(serving) as her:
            her.presses("/unlock", passphrase=PASSPHRASE)
            tokens = json.loads(uses(her, shopfront, serving).to_json())["tokens"]
            strings = {"session": her.web.cookies["vault"], "access": tokens["access"], "refresh": tokens["refresh"]}
            planted.texts |= strings
            planted.raw |= secrets_of(strings)
            held = found(serving, planted)
            assert {"root key", "records key", "session", "item", "note", "amount"} <= held, "while it is open"
            her.presses("/lock")
        time.sleep(5)
        assert found(serving, planted) == set()
