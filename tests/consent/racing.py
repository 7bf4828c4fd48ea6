"""Ada and her vendors on the same files again: after a restart, in another thread, in another process.

Run as a program it plays parts in processes of their own: `reader` looks without a pause and writes down when it began
and what it saw; `faces` does one thing as soon as it starts.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import orjson
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache

from connectors.vendor_client import Client, Connection, NoLongerShared, NotGranted, Paused, TryLater
from connectors.vendor_client.proofs import key_from_json, key_to_json
from tests.people import Ada, Bookshop, house_in
from vault import sessions, unlock
from vault.app import create_app
from vault.keystore import Keystore, Standing
from vault.logs import configure
from vault.opened import OpenVault
from vault.server import Server

REFUSED = (NoLongerShared, NotGranted, Paused)


class Compiled(BytecodeCache):
    """Templates compiled once, though every restart makes a new application."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """From an earlier application."""
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """For a later one."""
        self.known[bucket.key] = bucket.bytecode_to_string()


TEMPLATES = Compiled()


class Returning(Ada):
    """Ada with the cookie she already has. Nothing is read or written before she does something."""

    def __init__(
        self,
        house: Server,
        session: str,
        owner: bytes,
        bookshop_number: int,
        passphrase: str = "",
        app: Flask | None = None,
    ) -> None:
        self.house, self.passphrase = house, passphrase
        self.owner, self.bookshop_number = owner, bookshop_number
        self.app = app or create_app(house)
        self.app.testing = True
        self.app.jinja_env.bytecode_cache = TEMPLATES
        self.comes_with(session)

    def comes_with(self, session: str) -> None:
        """A fresh browser with this cookie in it."""
        self.session, self.browser = session, self.app.test_client()
        self.browser.set_cookie("vault", session, domain="localhost")

    @property
    def vault(self) -> OpenVault:  # type: ignore[override]
        """Opened anew for each thing she does, as every request does."""
        return sessions.open_session(self.house, self.session)

    @property
    def owner_id(self) -> bytes:
        """Known without opening anything."""
        return self.owner

    def unlocks(self) -> None:
        """In a fresh browser."""
        keyring = unlock.with_passphrase(self.house, "", self.passphrase, address="test")
        self.comes_with(sessions.begin(self.house, keyring)[0])

    def tries(self, path: str, **form: str) -> Any:
        """Post a form of hers; whatever comes of it."""
        return self.browser.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})


def back(ada: Ada, house: Server) -> Returning:
    """The same Ada, with the same cookie, at a server that has just been started."""
    return Returning(house, ada.session, ada.owner_id, ada.bookshop_number, ada.passphrase)


def visits_again(shop: Bookshop, ada: Ada) -> None:
    """A vendor keeps its tokens while the server behind the address is another one."""
    kept = shop.connection.to_json() if hasattr(shop, "connection") else None
    shop.visits(ada)
    if kept is not None:
        shop.connection = Connection.from_json(shop.client, kept)


def shown_now(ada: Ada, grant: bytes, collection: str) -> list[dict[str, Any]]:
    """What a grant ought to show, computed from her records as they stand."""
    from consent import views
    from consent.disclosing import shown_by

    vault = ada.open
    with ada.house.main.reading() as session:
        view = views.read(session, vault, grant)
        items = view.terms.of(collection)
        return [orjson.loads(each.data) for item in items for each in shown_by(session, vault, view.terms, item)]


def sorted_rows(rows: list[dict[str, Any]]) -> list[str]:
    """Rows in an order of their own, for comparing."""
    return sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode() for row in rows)


class Rising(Keystore):
    """Somebody puts back one old copy after the other: whenever a grant is looked for, the floor is above it."""

    looks = 0

    def standing(self, owner: bytes, grant: bytes) -> Standing | None:
        """As it stands, a thousand revisions further up."""
        self.looks += 1
        self.raise_floor(owner, self.floor(owner) + 1000)
        return super().standing(owner, grant)


@dataclass(frozen=True)
class Look:
    """One look: when it began (one clock for all processes), which collection, and what came of it."""

    began: float
    ended: float
    collection: str
    outcome: str
    items: tuple[str, ...] = ()

    def row(self) -> tuple[Any, ...]:
        """To be written down."""
        return self.began, self.ended, self.collection, self.outcome, self.items


def look_once(connection: Connection, collection: str) -> Look:
    """Read a collection from the start and write down what was seen."""
    began, items = time.monotonic(), tuple[str, ...]()
    try:
        seen = [dict(shown.data) for shown in connection.read(collection).records]
        outcome, items = "seen", tuple(str(row.get("item") or row.get("topic")) for row in seen)
    except REFUSED as refusal:
        outcome = type(refusal).__name__
    except TryLater:
        outcome = "busy"
    return Look(began, time.monotonic(), collection, outcome, items)


@dataclass
class Threads:
    """Readers in this process, over its own web application."""

    connection: Callable[[], Connection]
    collections: tuple[str, ...]
    number: int = 8

    def __post_init__(self) -> None:
        self.looks: list[Look] = []
        self.stopped = threading.Event()
        self.running = [threading.Thread(target=self._run, args=(at,)) for at in range(self.number)]

    def _run(self, at: int) -> None:
        connection = self.connection()
        while not self.stopped.is_set():
            self.looks.append(look_once(connection, self.collections[at % len(self.collections)]))
            at += 1

    def __enter__(self) -> Threads:
        for thread in self.running:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopped.set()
        for thread in self.running:
            thread.join()


# What follows runs in processes of its own.


def client_of(shop: Bookshop) -> dict[str, str]:
    """What another process needs to be this vendor."""
    return {"client_id": shop.client_id, "redirect_uri": shop.redirect_uri, "key": key_to_json(shop.key)}


class Elsewhere(Bookshop):
    """A vendor in another process. Its metadata is known to the vault already, so it need not serve it again."""

    def __init__(self, told: dict[str, str], ada: Ada) -> None:
        self.client_id, self.redirect_uri = told["client_id"], told["redirect_uri"]
        self.key = key_from_json(told["key"])
        self.visits(ada)


def tells(**what: Any) -> None:
    """One line to whoever started this process; small enough to be written whole or not at all."""
    os.write(1, orjson.dumps(what) + b"\n")


def reader(told: dict[str, Any]) -> None:
    """Look without a pause until a file appears, then write down every look."""
    house = house_in(Path(told["directory"]))
    app = create_app(house)
    key = key_from_json(told["key"])
    client = Client(told["client_id"], told["redirect_uri"], key, house.clock, httpx.WSGITransport(app))
    stop = Path(told["stop"])
    with Threads(lambda: Connection.from_json(client, told["connection"]), tuple(told["collections"]), 1) as threads:
        while not stop.exists():
            time.sleep(0.01)
    house.stop()
    Path(told["looks"]).write_bytes(orjson.dumps([[*each.row()] for each in threads.looks]))


def faces(told: dict[str, Any]) -> None:
    """Start at the same moment as others, and do one thing that meets the files as they are."""
    from vault.worker import tick

    time.sleep(max(0.0, told["at"] - time.monotonic()))
    house = house_in(Path(told["directory"]))
    ada = Returning(house, told["session"], bytes.fromhex(told["owner"]), 0)
    shop = Elsewhere(told, ada)
    connection = Connection.from_json(shop.client, told["connection"])
    first = {"look": lambda: look_once(connection, "purchases"), "page": lambda: ada.looks_at("/sharing")}
    first |= {"edit": lambda: edits_something(ada), "worker": lambda: tick(house, sweep=True)}
    first[told["first"]]()
    house.stop()


def edits_something(ada: Ada) -> None:
    """A preference more."""
    from vault.collections.preferences import Preference

    ada.keeps(Preference(topic=f"paper {time.monotonic_ns()}", stance="like"))


ROLES: dict[str, Callable[[dict[str, Any]], None]] = {}


def waits() -> None:
    """Load everything once. Then, for each line of input, play all its parts at once, each in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        house = house_in(Path(directory) / "warm")
        create_app(house)
        house.stop()
    gc.collect()
    gc.freeze()  # no part looks through all of that for what it might let go of
    tells(ready=True)
    for line in sys.stdin.buffer:
        children = []
        for part in orjson.loads(line):
            children.append(os.fork())
            if children[-1] == 0:
                plays(part)
        tells(processes=children)
        tells(ended=[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])


def plays(part: dict[str, Any]) -> NoReturn:
    """One part, to its end."""
    code = 1
    try:
        ROLES[part["role"]](part)
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


class Stage:
    """A process that has loaded everything, and plays parts in processes of their own."""

    def __init__(self, module: str = "tests.consent.racing", **environment: str) -> None:
        self.module, self.environment = module, environment

    def __enter__(self) -> Stage:
        command = [sys.executable, "-m", self.module]
        place = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path)), **self.environment}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=place)
        assert self.hears() == {"ready": True}
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.communicate(timeout=20)

    def plays(self, *parts: dict[str, Any]) -> list[int]:
        """Begin; returns the processes."""
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(list(parts)) + b"\n")
        self.process.stdin.flush()
        return list(self.hears()["processes"])

    def hears(self) -> dict[str, Any]:
        """The next line that is told."""
        assert self.process.stdout is not None
        return dict(orjson.loads(self.process.stdout.readline()))

    def ends(self) -> list[int]:
        """Wait for the end of every part; returns exit codes."""
        said = self.hears()
        while "ended" not in said:
            said = self.hears()
        return list(said["ended"])


ROLES |= {"reader": reader, "faces": faces}

if __name__ == "__main__":
    configure()
    waits()
