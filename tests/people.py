"""The people of the tests, in words a customer could read: ada.buys(...), ada.lets(bookshop), bookshop.reads()."""

from __future__ import annotations

import json
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import orjson
from flask import Flask, jsonify
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from connectors.demo_shop.serving import LoopbackServer
from connectors.vendor_client import Client, Connection, Pending, Vault, discover, new_key, new_state, public_jwks
from connectors.vendor_client.proofs import public_jwk, s256
from tests.houses import copy_house, settings_in
from vault import attached, attachments, jobs, sessions, store, unlock
from vault.app import create_app, load_rooms
from vault.collections.purchases import Purchase
from vault.collections.vendors import Vendor
from vault.keyring import Keyring
from vault.opened import OpenVault
from vault.record import Record
from vault.server import Server, start
from vault.stored import Stored
from vault.values import Money, When

ISSUER = "http://localhost:8400"
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-~._"

PURCHASES: dict[str, Any] = {
    "type": "vault_data",
    "collection": "purchases",
    "fields": ["item", "bought_on"],
    "optional_fields": ["price", "rating"],
    "filter": {"vendor": "this", "since": "2025-01-01"},
    "actions": ["read"],
    "purpose": "ProvideProductRecommendations",
    "why": "So that we never recommend a book you already have.",
    "duration": "P90D",
}
TASTE: dict[str, Any] = {
    "type": "vault_data",
    "collection": "preferences",
    "fields": ["topic", "stance"],
    "purpose": "ProvidePersonalisedRecommendations",
    "why": "To put the shelves you care about first.",
    "duration": "P90D",
    "optional": True,
}
RECEIPTS: dict[str, Any] = {
    "type": "vault_deposit",
    "collection": "purchases",
    "fields": ["item", "bought_on", "price", "order", "category"],
    "actions": ["add"],
    "purpose": "CustomerOrderManagement",
    "why": "So that your receipts are in one place.",
    "duration": "P90D",
    "optional": True,
}
BIRTHDAY: dict[str, Any] = {
    "type": "vault_data",
    "collection": "profile",
    "fields": ["birthday.day_month", "birthday.over_18", "address.city"],
    "purpose": "PersonalisedBenefits",
    "why": "To send you a voucher.",
    "duration": "P90D",
    "optional": True,
}


@dataclass(frozen=True)
class Raw:
    """One item of authorization_details, exactly as it will be pushed."""

    asked: dict[str, Any]

    def detail(self) -> dict[str, Any]:
        """What is sent."""
        return self.asked


class Clock:
    """Time that stands still until it is told to pass."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **how_long: float) -> None:
        """Let time pass: seconds, minutes, hours, days."""
        self.now += timedelta(**how_long)


def house_in(directory: Path, clock: Clock | None = None, **settings: Any) -> Server:
    """A server with all rooms, in one directory."""
    extra = {"clock": clock} if clock else {}
    return start(settings_in(directory, ISSUER, **settings), load_rooms(), **extra)


def calls_out(house: Server) -> int:
    """Tell everybody who is to be told something now; the worker's other half, once. Returns how many were reached."""
    with ThreadPoolExecutor(jobs.LINES) as lines, ThreadPoolExecutor(1) as line:
        return sum(jobs.call_out(house, room, lines if room.lines > 1 else line) for room in house.rooms)


class Ada:
    """The owner, and her browser."""

    def __init__(self, house: Server, passphrase: str, keyring: Keyring | None = None) -> None:
        self.house, self.passphrase = house, passphrase
        self.app: Flask = create_app(house)
        self.app.testing = True
        self._begins(keyring or self._opens())
        self.bookshop_number = self.keeps(Vendor(called="Bookshop", domains=("shop.localhost",))).number

    def unlocks(self) -> None:
        """Open the vault anew, with a session in a fresh browser."""
        self._begins(self._opens())

    def _opens(self) -> Keyring:
        return unlock.with_passphrase(self.house, "", self.passphrase, address="test")

    def _begins(self, keyring: Keyring) -> None:
        self.session, self.vault = sessions.begin(self.house, keyring)
        self.browser: FlaskClient = self.app.test_client()
        self.browser.set_cookie("vault", self.session, domain="localhost")

    def locks(self) -> None:
        """Lock it."""
        sessions.end(self.house, self.vault.owner_id, [self.vault.session_id])

    @property
    def open(self) -> OpenVault:
        """Her vault as the next request opens it."""
        return sessions.open_session(self.house, self.session)

    @property
    def owner_id(self) -> bytes:
        """Whose it is."""
        return self.vault.owner_id

    def keeps(self, record: Record) -> Stored:
        """Add a record."""
        with store.writing(self.vault, numbers=1) as turn:
            return store.add(turn, self.vault, record)

    def buys(self, item: str, on: str = "2026-10-22", price: str = "18.50", **more: Any) -> Stored:
        """A purchase at the Bookshop."""
        more.setdefault("vendor", self.bookshop_number)
        return self.keeps(Purchase(item=item, bought_on=When(on), price=Money(price, "EUR"), **more))

    def edits(self, stored: Stored, **edits: Any) -> None:
        """Change a record."""
        with store.writing(self.vault) as turn:
            store.change(turn, self.vault, stored.number, edits)

    def attaches(self, stored: Stored, content: bytes, name: str = "receipt.txt") -> str:
        """A file to a record; where it is found."""
        incoming = attached.Incoming(name)
        incoming.write(content)
        file = attached.sealed(self.vault, stored.number, incoming, "2026-11-22")
        with store.writing(self.vault) as turn:
            return f"/files/{attachments.keep(turn, self.vault, file).attachment_id.hex()}"

    def marks_as_gift(self, stored: Stored) -> None:
        """It was for somebody else."""
        self.edits(stored, for_whom="gift")

    def removes(self, stored: Stored) -> None:
        """Throw a record away."""
        with store.writing(self.vault) as turn:
            store.remove(turn, self.vault, stored.number)

    def looks_at(self, path: str, status: int = 200) -> str:
        """A page of hers."""
        answer = self.browser.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def presses(self, path: str, status: int = 303, **form: Any) -> Any:
        """Post a form of hers."""
        answer = self.browser.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == status, answer.text
        return answer

    def is_asked(self, address: str) -> ConsentPage:
        """Open the page that a vendor sends her to."""
        return ConsentPage(self, self.looks_at(_path(address)))

    def sees_consent(self, address: str) -> ConsentPage:
        """Open the consent screen, whatever she has said to the same request before."""
        return self.is_asked(f"{address}&look=again")

    def lets(self, shop: Bookshop, *details: dict[str, Any], ticks: tuple[str, ...] = ()) -> Connection:
        """The whole way: the shop asks, she ticks and allows, the shop gets its tokens."""
        pending = shop.asks(*(details or (PURCHASES,)))
        shop.connection = shop.finishes(pending, self.sees_consent(pending.authorize_url).allows(*ticks))
        return shop.connection

    def shares(self, *records: Stored, passphrase: str = "", **choices: Any) -> str:
        """A share link over records, the whole way; returns its path. Fields are `collection/path`, or the usual."""
        form = {"label": "Kettle repair", "views": "any", "days": "7", **choices}
        if passphrase:
            form["asks"] = "yes"
        chosen = [("record", str(each.number)) for each in records]
        page = self.looks_at("/sharing/links/new?" + urlencode(chosen))
        usual = re.findall(r'name="field" value="([^"]+)" checked', page)
        sent = {"record": [value for _, value in chosen], "field": usual, **form}
        seen = self.presses("/sharing/links/new", status=200, **sent).text
        made = self.presses(
            "/sharing/links/make", status=200, **hidden_in(seen), answer="make", passphrase=passphrase
        ).text
        found = re.search(re.escape(ISSUER) + r"(/s/vrm_sl_[\w-]{91})", made)
        assert found, made
        return found[1]

    def grant(self) -> str:
        """The id of her newest living grant, as in addresses."""
        alive = self.house.keystore.alive(self.owner_id, "grant")
        assert len(alive) == 1, alive
        return next(iter(alive)).hex()


class ConsentPage:
    """The consent screen as she has it before her."""

    def __init__(self, ada: Ada, html: str) -> None:
        self.ada, self.html = ada, html
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)
        self.hidden = {name: unescape(value) for name, value in found}

    def answers(self, answer: str, *ticks: str, days: str = "30", status: int = 303, **more: str) -> Any:
        """Press a button with some boxes ticked."""
        form = {**self.hidden, **dict.fromkeys(ticks, "yes"), "answer": answer, "days": days, **more}
        return self.ada.presses("/authorize", status=status, **form)

    def allows(self, *ticks: str, days: str = "30", **more: str) -> str:
        """Allow; returns where the browser is sent."""
        return str(self.answers("yes", *ticks, days=days, **more).headers["Location"])

    def refuses(self) -> str:
        """Don't allow; returns where the browser is sent."""
        return str(self.answers("no").headers["Location"])


class Bookshop:
    """A vendor: a web server with its metadata document, and a client of vaults."""

    connection: Connection

    def __init__(self, name: str, host: str) -> None:
        self.name, self.host, self.key = name, host, new_key()
        self.app = Flask(f"shop-{host}")
        self.app.add_url_rule("/client.json", view_func=lambda: jsonify(self.document()))
        self.web = LoopbackServer(self.app, 0)

    def open(self) -> None:
        """Begin to serve."""
        self.web.start()
        self.address = f"http://{self.host}.localhost:{self.web.port}"
        self.client_id = f"{self.address}/client.json"
        self.redirect_uri = f"{self.address}/callback"

    def close(self) -> None:
        """Stop serving."""
        self.web.stop()

    def document(self) -> dict[str, Any]:
        """Its Client ID Metadata Document."""
        return {
            "client_id": self.client_id,
            "client_name": self.name,
            "redirect_uris": [self.redirect_uri],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": public_jwks(self.key),
        }

    def visits(self, ada: Ada) -> None:
        """Deal with Ada's vault from now on."""
        self.ada = ada
        self.transport = httpx.WSGITransport(ada.app)
        self.client = Client(self.client_id, self.redirect_uri, self.key, ada.house.clock, self.transport)
        self.http = httpx.Client(transport=self.transport, base_url=ISSUER)

    def asks(self, *details: dict[str, Any]) -> Pending:
        """Push a request."""
        return discover(self.client, ISSUER).ask([Raw(each) for each in details or (PURCHASES,)], new_state())  # type: ignore[misc]

    def finishes(self, pending: Pending, location: str) -> Connection:
        """Take the code from the address her browser was sent to, and exchange it."""
        return Vault(self.client, pending.endpoints).finish(pending, urlsplit(location).query)

    def reads(self, collection: str = "purchases") -> list[dict[str, Any]]:
        """What it sees now, from the start."""
        return [dict(shown.data) for shown in self.connection.read(collection).records]

    # The protocol by hand, for everything a well-behaved client would never do.
    def asserts(self, *, key: ECKey | None = None, alg: str = "ES256", **claims: Any) -> dict[str, str]:
        """Form parameters that authenticate it; claims given as None are left out."""
        now = self._now()
        usual = {"iss": self.client_id, "sub": self.client_id, "aud": ISSUER, "iat": now, "exp": now + 60}
        content = {**usual, "jti": secrets.token_urlsafe(16), **claims}
        signing = key or self.key
        header = {"alg": alg, "kid": self.key.thumbprint()}
        signed = sign(header, {name: value for name, value in content.items() if value is not None}, signing)
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return {"client_assertion_type": kind, "client_assertion": signed}

    def posts(self, path: str, form: dict[str, str], *, proof: str | None = None, **options: Any) -> httpx.Response:
        """A form to an OAuth endpoint."""
        headers = {"DPoP": proof} if proof else {}
        return self.http.post(path, data={**self.asserts(), **form}, headers=headers, **options)

    def proves(self, method: str, url: str, *, token: str | None = None, key: ECKey | None = None, **more: Any) -> str:
        """A DPoP proof; `header_…` members go into the header, members given as None are left out."""
        signing = key or self.key
        claims = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": self._now()}
        if token is not None:
            claims["ath"] = s256(token)
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(signing)}
        for name, value in more.items():
            (header if name.startswith("header_") else claims)[name.removeprefix("header_")] = value
        content = {name: value for name, value in claims.items() if value is not None}
        return sign({name: value for name, value in header.items() if value is not None}, content, signing)

    def looks(self, path: str, token: str, *, proof: str | None = None, **options: Any) -> httpx.Response:
        """One call of the vendors' API, with a good proof unless another is given."""
        shown = proof or self.proves("GET", f"{ISSUER}{path.partition('?')[0]}", token=token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": shown, **options.pop("headers", {})}
        return self.http.get(path, headers=headers, **options)

    def leaves(
        self, token: str, data: Any, *, under: str = "1", collection: str = "purchases", **options: Any
    ) -> httpx.Response:
        """Leave something in her inbox."""
        path = f"/vendor/v1/deposits/{collection}"
        proof = options.pop("proof", None) or self.proves(
            "POST", ISSUER + path, token=token, key=options.pop("key", None)
        )
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof, "Idempotency-Key": under}
        content = data if isinstance(data, bytes) else orjson.dumps(data)
        return self.http.post(path, content=content, headers={**headers, **options.pop("headers", {})}, **options)

    def form(self, **changes: str | None) -> dict[str, str]:
        """A good authorization request; members given as None are left out."""
        usual: dict[str, str | None] = {
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "state": "a-state",
            "code_challenge": s256(VERIFIER),
            "code_challenge_method": "S256",
            "authorization_details": details(PURCHASES),
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def pushes(self, proof: str | None = None, **changes: str | None) -> httpx.Response:
        """Push that request by hand."""
        return self.posts("/oauth/par", self.form(**changes), proof=proof)

    def consent_address(self, **changes: str | None) -> str:
        """The address of the consent screen for a request pushed by hand."""
        pushed = self.pushes(**changes)
        assert pushed.status_code == 201, pushed.text
        return "/authorize?" + urlencode({"client_id": self.client_id, "request_uri": pushed.json()["request_uri"]})

    def code(self, *ticks: str, often: str = "asked", **changes: str | None) -> str:
        """A code, because Ada has allowed such a request."""
        page = self.ada.sees_consent(self.consent_address(**changes))
        return query(page.allows(*ticks, often=often))["code"]

    def redeems(self, code: str, /, *, key: ECKey | None = None, **changes: str | None) -> httpx.Response:
        """Exchange a code by hand; members given as None are left out."""
        usual: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        form = {name: value for name, value in {**usual, **changes}.items() if value is not None}
        return self.posts("/oauth/token", form, proof=self.proves("POST", f"{ISSUER}/oauth/token", key=key))

    def refreshes(self, token: str, /, *, key: ECKey | None = None, **more: str) -> httpx.Response:
        """Use a refresh token by hand."""
        form = {"grant_type": "refresh_token", "refresh_token": token, **more}
        return self.posts("/oauth/token", form, proof=self.proves("POST", f"{ISSUER}/oauth/token", key=key))

    def tokens(self, *ticks: str, often: str = "asked", **changes: str | None) -> dict[str, Any]:
        """Access and refresh token, by hand all the way."""
        return dict(self.redeems(self.code(*ticks, often=often, **changes)).json())

    def _now(self) -> int:
        return int(self.ada.house.clock().timestamp())


@contextmanager
def household(
    furnished: Path, directory: Path, passphrase: str, keyring: Keyring | None = None, **settings: Any
) -> Iterator[Bookshop]:
    """Ada at home and the Bookshop at her door, for a whole file of refusals that leave things as they were."""
    copy_house(furnished, directory)
    house, shop = house_in(directory, Clock(), **settings), Bookshop("Bookshop", "shop")
    shop.open()
    shop.visits(Ada(house, passphrase, keyring))
    try:
        yield shop
    finally:
        shop.close()
        house.stop()


def hidden_in(page: str) -> dict[str, list[str]]:
    """What a form of hers carries along, by name."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page):
        found.setdefault(name, []).append(unescape(value))
    return found


def sign(header: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    """A signed token with whatever header and claims a test wants."""
    algorithms = ["ES256", "ES384", "EdDSA", "Ed25519", "PS256", "RS256", "HS256", "none"]
    registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
    return jwt.encode(header, claims, key, registry=registry)


def sign_anything(header: Any, claims: Any, key: ECKey) -> str:
    """ES256 over any JSON at all, or over bytes as they are, also what a decent library would not write."""
    parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, claims)]
    signed = b".".join(urlsafe_b64encode(each).rstrip(b"=") for each in parts)
    signature = JWSRegistry(algorithms=["ES256"]).get_alg("ES256").sign(signed, key)
    return (signed + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


def _path(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def query(address: str) -> dict[str, str]:
    """The query of an address as a mapping."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def details(*items: dict[str, Any]) -> str:
    """authorization_details as it is pushed."""
    return orjson.dumps(list(items)).decode()
