"""The vault that is measured: its records, its grants, and every request made ready before the clock starts."""

from __future__ import annotations

import csv
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, jsonify

from connectors.bench_grants import CLIENT, give_many, nothing
from connectors.vendor_client.proofs import ASSERTION_TYPE, client_assertion, dpop_proof, new_key, public_jwks, s256
from consent import clients, grant_locks, grants, views
from consent.disclosing import sealed_set
from vault import choices, crypto, sessions, set_up, store
from vault.app import build
from vault.collections.purchases import Purchase
from vault.collections.vendors import Vendor
from vault.db import line_of
from vault.settings import for_process, in_directory
from vault.values import Money, When

SHOWN = 256
REDIRECT = "https://bench.example/callback"


def bare() -> Flask:
    """H: the bare Flask answer of the same stack."""
    app = Flask("bare")

    @app.get("/")
    def hello() -> Any:
        return jsonify(hello="world")

    return app


class House:
    """One server's directory, furnished for the measurement."""

    def __init__(self, directory: Path, port: int, passphrase: str) -> None:
        self.directory, self.port, self.passphrase = directory, port, passphrase
        self.issuer = f"http://localhost:{port}"
        self.settings = in_directory(directory / "house", self.issuer)
        self.environment = for_process(self.settings)
        self.key = new_key()
        self.given: list[bytes] = []

    def furnish(self, records: int) -> None:
        """A vault with many purchases, a vendor who may see 256 of them, and its client."""
        self.server = build(self.settings)
        keyring = set_up.set_up(
            self.server, handle="bench", name="Bench", passphrase=self.passphrase, notice=None, first=True
        )
        vault = sessions.for_command(self.server, keyring)
        choices.keep(vault, {"recovery": None})
        self.session, self.vault = sessions.begin(self.server, keyring)
        with store.writing(self.vault, numbers=1) as turn:
            self.vendor = store.add(turn, self.vault, Vendor(called="Bench")).number
        for at in range(0, records, 500):
            self._buy(at, min(500, records - at))
        document = {"client_id": CLIENT, "client_name": "Bench", "redirect_uris": [REDIRECT]}
        clients.register(self.server, {**document, "jwks": public_jwks(self.key)})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Without a session of its own, so that the next unlock finds the catalogue put away."""
        sessions.end(self.server, self.vault.owner_id, [self.vault.session_id])
        yield
        self.session, self.vault = sessions.begin(self.server, self.vault.keyring)

    def _buy(self, at: int, count: int) -> None:
        with store.writing(self.vault, numbers=count) as turn:
            for number in range(at, at + count):
                day = date(2020, 1, 1) + timedelta(days=number % 2400)
                bought = Purchase(
                    item=f"Thing number {number} with a title of usual length",
                    bought_on=When(day.isoformat()),
                    price=Money(f"{number % 90 + 5}.90", "EUR"),
                    order=f"B-{number // 2}",
                    vendor=self.vendor if number < SHOWN else None,
                )
                store.add(turn, self.vault, bought)

    def import_rate(self, rows: int = 100_000) -> dict[str, Any]:
        """Import an order history of many lines through the engine, and csv.reader over the same file."""
        from connectors.engine import run
        from connectors.uploads import Arriving

        file = self.directory / "Retail.OrderHistory.1.csv"
        write_history(file, rows)
        with file.open("rb") as opened, Arriving(self.vault, file.name) as arriving:
            while data := opened.read(1 << 20):
                arriving.write(data)
            import_id = arriving.finish()
        self.vault.catalogue.count("1")  # it stands, as after any page of hers
        began = time.perf_counter()
        run(self.vault, import_id)
        rate, anchor = rows / (time.perf_counter() - began), csv_rate(file)
        return {"rows": rows, "per_second": rate, "csv_reader": anchor, "x_csv_reader": rate / anchor}

    def give_access(self) -> None:
        """A grant that lives as long as the bench, as she has one while she looks at her pages."""
        self._given()
        self.given.clear()

    def clear(self) -> None:
        """End what a round has given, so that pages are measured with one living grant."""
        for grant in self.given:
            grants.end(self.server, self.vault.owner_id, grant, "revoked")
        self.given.clear()

    def operations(self, wanted: int) -> dict[str, Callable[[], Sequence[bytes]]]:
        """What makes every request of every operation, signed and ready; the page first, with one living grant."""
        few = max(wanted // 8, 10)
        return {
            "list page of purchases": lambda: [self._page("/purchases")] * few,
            "vendor read, 1 record": lambda: self._reads(1, wanted),
            "vendor read, 50 records": lambda: self._reads(50, wanted),
            "exchange a code": lambda: self._exchanges(few),
            "revoke by link": lambda: self._revocations(few),
        }

    def _reads(self, limit: int, count: int) -> list[bytes]:
        """Under a grant of their own, for nobody may call too often under one."""
        access = self._given()[1]
        url, now = f"{self.issuer}/vendor/v1/purchases", self.server.clock()
        heads = (
            f"GET /vendor/v1/purchases?limit={limit} HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
            f"Authorization: DPoP {access}\r\nDPoP: "
        )
        return [(heads + dpop_proof(self.key, "GET", url, now, access) + "\r\n\r\n").encode() for _read in range(count)]

    def _exchanges(self, count: int) -> list[bytes]:
        url = f"{self.issuer}/oauth/token"
        made = []
        for _exchange in range(count):
            code, _access = self._given(small=True)
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT,
                "code_verifier": "v" * 43,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": client_assertion(self.key, CLIENT, self.issuer, self.server.clock()),
            }
            proof = dpop_proof(self.key, "POST", url, self.server.clock())
            made.append(self._post("/oauth/token", form, f"DPoP: {proof}\r\n"))
        return made

    def _revocations(self, count: int) -> list[bytes]:
        made = []
        for _revocation in range(count):
            self._given(small=True)
            path = grants.link_address(self.server, self.link).removeprefix(self.issuer)
            made.append(self._post(path, {"answer": "stop"}, f"Origin: {self.issuer}\r\n"))
        return made

    def stop_all(self, many: int) -> list[bytes]:
        """With so many grants beside the one that is read, the request that stops them all."""
        give_many(self.vault, many)
        for database in self.server.databases:
            database.checkpoint()  # what was written to make them is not what is measured
        head = f"POST /sharing/stop-all HTTP/1.1\r\nHost: localhost:{self.port}\r\nOrigin: {self.issuer}\r\n"
        return [f"{head}Cookie: vault={self.session}\r\nContent-Length: 0\r\n\r\n".encode()]

    def _post(self, path: str, form: dict[str, str], more: str) -> bytes:
        body = urlencode(form)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{more}"
        kind = "Content-Type: application/x-www-form-urlencoded\r\n"
        return f"{head}{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def _page(self, path: str) -> bytes:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n"
        return f"{head}Cookie: vault={self.session}\r\n\r\n".encode()

    def _given(self, *, small: bool = False) -> tuple[str, str]:
        """A grant, made as consent makes it; its code and an access token. `small` ones show nothing."""
        server, owner, grant = self.server, self.vault.owner_id, crypto.random_bytes(16)
        pepper = server.keystore.make(owner, grant, "grant", version=grants.FIRST_VERSION)
        new = grants.NewGrant(grant, crypto.random_bytes(), pepper)
        name = f"bench {secrets.token_hex(4)}"
        terms = nothing(name, server.now) if small else replace(nothing(CLIENT, server.now), vendor=self.vendor)
        bound = {"client": CLIENT, "redirect": REDIRECT, "challenge": s256("v" * 43), "jkt": ""}
        with store.writing(self.vault) as turn:
            rows = sealed_set(turn.session, self.vault, grant, new.key, terms, grants.FIRST_VERSION)
            given = grants.give(turn, self.vault, new, terms, rows, bound)
            view = views.read(turn.session, self.vault, grant)
            access = grant_locks.mint(
                line_of(turn.session),
                server,
                "access",
                owner,
                grant,
                pepper=pepper,
                key=view.key,
                expires_at=server.now + 3600,
                client=CLIENT,
                jkt=self.key.thumbprint(),
            )
        self.link = given.link
        self.given.append(grant)
        return given.code, access


def csv_rate(file: Path) -> float:
    """Rows per second of csv.reader alone: the best of three."""

    def once() -> float:
        began = time.perf_counter()
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = sum(1 for _row in csv.reader(lines))
        return rows / (time.perf_counter() - began)

    return max(once() for _time in range(3))


HISTORY_COLUMNS = (
    "Website",
    "Order ID",
    "Order Date",
    "Purchase Order Number",
    "Currency",
    "Unit Price",
    "Unit Price Tax",
    "Shipping Charge",
    "Total Discounts",
    "Total Owed",
    "Shipment Item Subtotal",
    "Shipment Item Subtotal Tax",
    "ASIN",
    "Product Condition",
    "Quantity",
    "Payment Instrument Type",
    "Order Status",
    "Shipment Status",
    "Ship Date",
    "Shipping Option",
    "Shipping Address",
    "Billing Address",
    "Carrier Name & Tracking Number",
    "Product Name",
    "Gift Message",
    "Gift Sender Name",
    "Gift Recipient Contact Details",
)


def write_history(file: Path, rows: int) -> None:
    """An order history as Amazon writes it, with invented things."""
    none = "Not Available"
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        write: Callable[[Sequence[str]], Any] = csv.writer(opened, quoting=csv.QUOTE_ALL).writerow
        write(HISTORY_COLUMNS)
        for number in range(rows):
            day = (date(2015, 1, 1) + timedelta(days=number % 4000)).isoformat()
            order = f"111-{number // 2:07}-0000000"
            money = ["USD", "19.99", "1.60", "0", "0", "21.59", "19.99", "1.60"]
            thing = [f"B{number:09}", "New", "1", "Visa - 1111", "Closed", "Shipped", f"{day}T20:00:00Z", "second"]
            place = ["1 Sample St Springfield IL 62701 United States"] * 2
            gift = ["Happy birthday", "Ada", none] if number % 50 == 0 else [none] * 3
            head = ["Amazon.com", order, f"{day}T10:11:12Z", "Not Applicable"]
            write(
                [
                    *head,
                    *money,
                    *thing,
                    *place,
                    "UPS(1Z0000000000000001)",
                    f"A thing for the house, number {number}",
                    *gift,
                ]
            )
