"""What a vault costs a server, measured: bytes on disk by owner, grant and look, memory of a process, time of a look.

    .venv/bin/python -m tests.sizing

prints the figures that the sizing table of docs/operating.md is made of. Nothing else should be running meanwhile.
"""

from __future__ import annotations

import io
import re
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from tests.people import Ada, Bookshop, house_in
from tests.served import served
from vault import choices, sessions, set_up, store
from vault.collections.purchases import Purchase
from vault.server import Server
from vault.values import Money, When

PASSPHRASE = "a lamp, a kettle, a map"
LOOKS = 500


def size(house: Server) -> dict[str, int]:
    """Bytes of each database, with nothing left in its log."""
    for database in house.databases:
        database.checkpoint()
    return {
        name: database.file.stat().st_size
        for name, database in zip(("main", "keys", "log"), house.databases, strict=True)
    }


def grown(house: Server, before: dict[str, int]) -> dict[str, int]:
    """By how much they have grown."""
    return {name: now - before[name] for name, now in size(house).items()}


def ada_with(records: int, directory: Path) -> tuple[Ada, dict[str, int]]:
    """An owner with so many purchases, and what they take."""
    house = house_in(directory)
    before = size(house)
    keyring = set_up.set_up(house, handle="ada", name="Ada", passphrase=PASSPHRASE, notice="ada@home.test", first=True)
    vault = sessions.for_command(house, keyring)
    choices.keep(vault, {"recovery": None})
    for at in range(0, records, 200):
        with store.writing(vault, numbers=min(200, records - at)) as turn:
            for number in range(at, min(at + 200, records)):
                item = f"Thing number {number}, of some length"
                price = Money("18.50", "EUR")
                store.add(turn, vault, Purchase(item=item, bought_on=When("2026-10-22"), price=price, note="a note"))
    return Ada(house, PASSPHRASE, keyring), grown(house, before)


def looks(ada: Ada) -> dict[str, float]:
    """A grant of fifty records and many looks at it."""
    for number in range(50):
        ada.buys(f"Thing {number}, bought at the shop")
    shop = Bookshop("Bookshop", "shop")
    shop.open()
    shop.visits(ada)
    before = size(ada.house)
    token = str(shop.tokens()["access_token"])
    grant = grown(ada.house, before)
    proofs = [shop.proves("GET", "http://localhost:8400/vendor/v1/purchases", token=token) for _ in range(LOOKS)]
    before, began = size(ada.house), time.process_time()
    for proof in proofs:
        assert shop.looks("/vendor/v1/purchases", token, proof=proof).status_code == 200
    took = time.process_time() - began
    shop.close()
    return {
        "bytes of a grant of 50 records": float(grant["main"]),
        "bytes of a look": grown(ada.house, before)["log"] / LOOKS,
        "ms of processor for a look at 50 records, with a client in the same process": round(1000 * took / LOOKS, 2),
    }


def memory(directory: Path) -> dict[str, int]:
    """MB of one process that serves, its own and shared, after a few pages."""
    with served(directory) as serving:
        for _ in range(20):
            serving.takes()
        children = Path(f"/proc/{serving.process.pid}/task/{serving.process.pid}/children").read_text().split()
        said = [Path(f"/proc/{child}/smaps_rollup").read_text() for child in children]
    found = [dict(re.findall(r"^(Rss|Pss):\s+(\d+)", each, re.MULTILINE)) for each in said]
    largest = max(found, key=lambda each: int(each["Rss"]))
    return {f"{name} of a process, MB": int(largest[name]) // 1024 for name in ("Rss", "Pss")}


def main() -> None:
    """Measure and print."""
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as place, redirect_stdout(io.StringIO()):
        for kind, records in (("light", 200), ("heavy", 5000)):
            ada, bytes_of = ada_with(records, Path(place) / kind)
            found[f"bytes of a {kind} owner, {records} records"] = bytes_of["main"] + bytes_of["keys"]
            if kind == "light":
                found |= looks(ada)
            ada.house.stop()
        found |= memory(Path(place) / "light")
    for name, value in found.items():
        print(f"{name:80} {value}")  # noqa: T201 - what this is for


if __name__ == "__main__":
    main()
