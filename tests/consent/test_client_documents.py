"""Fetching what a client says of itself: N48-N55. Nothing it serves or its name points to leads us astray."""

from __future__ import annotations

import gzip
import re
import socket
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from flask import Flask, Response, jsonify, request

from connectors.demo_shop.serving import LoopbackServer
from consent import client_documents, clients
from consent.client_documents import BadClient
from consent.fetching import MOST_BYTES, Unreachable, acceptable, fetch_json
from tests.houses import copy_house
from tests.people import PURCHASES, Ada, Bookshop, details
from tests.served import served
from vault.keyring import Keyring

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SPECIAL = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - an address that must be refused
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
DOCUMENT = "https://shop.example/client.json"


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that is really connected to; nobody answers there."""
    found: list[str] = []

    def dial(address: tuple[str, int], *_more: Any, **_options: Any) -> socket.socket:
        found.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", dial)
    return found


@pytest.mark.parametrize("address", SPECIAL)
def test_a_name_that_points_inside_is_not_called(dialled: list[str], address: str) -> None:
    """N48"""
    for answers in ([address], ["93.184.215.14", address], [address, "93.184.215.14"]):
        with pytest.raises(Unreachable, match="not a public one"):
            fetch_json(DOCUMENT, loopback=True, resolve=lambda _host, _port, answers=answers: answers)
    assert not dialled


def test_a_name_is_asked_for_once_and_the_answer_that_was_checked_is_called(dialled: list[str]) -> None:
    """N48: a second answer (rebinding) is never heard."""
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    with pytest.raises(Unreachable):
        fetch_json(DOCUMENT, loopback=False, resolve=lambda _host, _port: next(answers))
    assert dialled == ["93.184.215.14"]
    assert next(answers) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost.", "127.0.0.1.", "[::ffff:7f00:1]"]
)
def test_other_spellings_of_this_machine_are_not_called(dialled: list[str], host: str) -> None:
    """N48"""
    with pytest.raises(Unreachable):
        fetch_json(f"https://{host}/client.json", loopback=False)
    with pytest.raises(Unreachable):
        fetch_json(f"https://{host}/client.json", loopback=True)
    assert not dialled


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b.example", ".example"])
def test_a_name_that_is_none_is_refused_like_any_other(host: str) -> None:
    """N48: a resolver's own errors too."""
    with pytest.raises(Unreachable):
        fetch_json(f"https://{host}/client.json", loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example@evil.example/client.json",
        "https://good.example:x@evil.example/client.json",
        "https://@evil.example/client.json",
        "https://evil.example/a/../client.json",
        "https://evil.example/./client.json",
        "https://evil.example/%2e%2E/client.json",
        "https://evil.example/client.json#part",
        "https://evil.example/client.json#",
        "https://evil.example\\@good.example/client.json",
        "https://evil.example;form-action/client.json",
        "https://*/client.json",
        "https://evil.example'/client.json",
        "https://evil.example:0/client.json",
        "https://evil.example:99999/client.json",
        "https://evil.example:x/client.json",
        "https://[::1/client.json",
        "https:///client.json",
        "https:client.json",
        "//evil.example/client.json",
        "http://evil.example/client.json",
        "ftp://evil.example/client.json",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://ev\u0456l.example/client.json",
        "https://evil.example/cl ient.json",
        "https://evil.example/client.json\r\nX: y",
        "https://evil.example/" + "x" * 2048,
        "",
    ],
)
def test_a_client_is_known_by_a_plain_https_address_only(url: str) -> None:
    """N53 (draft §3)"""
    assert not acceptable(url, loopback=True)
    with pytest.raises(Unreachable, match="not acceptable"):
        fetch_json(url, loopback=True)


def test_plain_http_and_this_machine_are_for_a_vault_on_this_machine() -> None:
    """N48: a vault on the net never calls its own loopback, whatever the name."""
    for url in ("http://shop.localhost:9/c", "http://localhost:9/c", "http://127.0.0.1:9/c", "https://[::1]:9/c"):
        assert acceptable(url, loopback=True)
        with pytest.raises(Unreachable, match="not acceptable"):
            fetch_json(url, loopback=False)
    with pytest.raises(Unreachable, match="not acceptable"):
        fetch_json("https://shop.example", loopback=False)


JSON, PACKED = "application/json", gzip.compress(b"{" + b" " * 10_000_000 + b"}", mtime=0)
ANSWERS: dict[str, Callable[[], Response]] = {
    "good": lambda: jsonify(host=request.headers["Host"], accepts=request.headers["Accept-Encoding"]),
    "moved": lambda: Response(status=302, headers={"Location": "/good"}),
    "for-good": lambda: Response(status=308, headers={"Location": "/good"}),
    "large": lambda: Response(b'{"a":"' + b"x" * MOST_BYTES + b'"}', content_type=JSON),
    "endless": lambda: Response((b" " * 1000 for _ in iter(int, 1)), content_type=JSON),
    "packed": lambda: Response(PACKED, content_type=JSON, headers={"Content-Encoding": "gzip"}),
    "packed-in-silence": lambda: Response(PACKED, content_type=JSON),
    "page": lambda: Response(b"{}", content_type="text/html"),
    "missing": lambda: Response(b"{}", 404, content_type=JSON),
    "created": lambda: Response(b"{}", 201, content_type=JSON),
    "list": lambda: Response(b"[]", content_type=JSON),
    "deep": lambda: Response(b"[" * 20_000, content_type=JSON),
    "half": lambda: Response(b"{", content_type=JSON),
}


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """A web server that answers as it should not."""
    app, calls = Flask("hostile"), []

    @app.get("/<how>")
    def answer(how: str) -> Response:
        calls.append(how)
        return ANSWERS[how]()

    server = LoopbackServer(app, 0)
    server.start()
    yield f"http://hostile.localhost:{server.port}"
    server.stop()
    assert calls.count("good") == 1, "nobody followed a redirect"


@pytest.mark.parametrize("how", [how for how in ANSWERS if how != "good"])
def test_only_a_small_plain_json_object_is_read(hostile: str, how: str) -> None:
    """N49, N51 (draft §4)"""
    began = time.monotonic()
    with pytest.raises(Unreachable):
        fetch_json(f"{hostile}/{how}", loopback=True)
    assert time.monotonic() - began < 2


def test_the_name_is_said_to_the_one_who_is_called(hostile: str) -> None:
    """The address is pinned, the Host header is not; and nothing packed is asked for."""
    assert fetch_json(f"{hostile}/good", loopback=True) == {"host": hostile[len("http://") :], "accepts": "identity"}


@pytest.mark.parametrize("drip", ["head", "body"])
def test_who_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch, drip: str) -> None:
    """N51: a byte now and then holds nobody for longer than the whole is given."""
    import threading

    from consent import fetching

    monkeypatch.setattr(fetching, "WHOLE", 0.6)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _ = listener.accept()
        line.recv(4096)
        sent = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + (b"\r\n{" if drip == "body" else b"X: ")
        try:
            for byte in (sent, *[b" "] * 100):
                line.sendall(byte)
                time.sleep(0.05)
        except OSError:
            pass
        line.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    began = time.monotonic()
    with pytest.raises(Unreachable):
        fetch_json(f"http://drip.localhost:{listener.getsockname()[1]}/c", loopback=True)
    assert time.monotonic() - began < 2
    thread.join(5)
    listener.close()


def test_a_document_that_says_it_is_somebody_elses_is_refused_and_not_kept(ada: Ada) -> None:
    """N50 (draft §4.1), N51: errors are not cached, so a repaired document works at once."""
    shop = Bookshop("Bookshop", "liar")
    shop.open()
    shop.visits(ada)
    honest, claims = shop.client_id, {**shop.document(), "client_id": "https://bookshop.example/client.json"}
    shop.document = lambda: claims  # type: ignore[method-assign]
    try:
        for _ in range(2):
            answer = shop.pushes()
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        claims["client_id"] = honest
        assert shop.pushes().status_code == 201
    finally:
        shop.close()


def test_eight_calls_of_a_client_that_is_not_known_yet_are_all_answered(ada: Ada, bookshop: Bookshop) -> None:
    clients.forget(ada.house, bookshop.client_id)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: bookshop.pushes().status_code, range(8)))
    assert answers == [201] * 8


def test_others_are_served_while_somebodys_documents_do_not_come(
    furnished: tuple[Path, str, Keyring], tmp_path: Path
) -> None:
    """Anybody can ask to be taken for a client: its document is fetched before any signature can be looked at."""
    copy_house(furnished[0], tmp_path / "house")
    with (
        socket.create_server(("127.0.0.1", 0), backlog=128) as silent,
        served(tmp_path / "house") as serving,
        ThreadPoolExecutor(24) as strangers,
    ):
        site = f"http://127.0.0.1:{silent.getsockname()[1]}"

        def asks(number: int) -> tuple[int, str | None]:
            claims = urlsafe_b64encode(orjson.dumps({"sub": f"{site}/{number}.json"})).rstrip(b"=").decode()
            form = {"client_assertion_type": KIND, "client_assertion": f"eyJhbGciOiJFUzI1NiJ9.{claims}.AA"}
            answer = httpx.post(f"{serving.address}/oauth/par", data=form, timeout=120)
            return answer.status_code, answer.headers.get("Retry-After")

        asked = [strangers.submit(asks, number) for number in range(24)]
        time.sleep(1)
        taken = serving.takes("/livez")
        answers = Counter(each.result() for each in asked)
    assert taken < 2
    assert answers.keys() == {(401, None), (503, "5")}


def test_a_document_is_read_strictly(ada: Ada, bookshop: Bookshop) -> None:
    """N11, N15, N17, N53 as they concern the document itself."""
    good = bookshop.document()
    for change in (
        {"token_endpoint_auth_method": "none"},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"client_secret": "x"},
        {"client_secret_expires_at": 0},
        {"client_name": None},
        {"client_name": ""},
        {"client_name": "  "},
        {"client_name": ["Bookshop"]},
        {"client_name": "Book\u202eshop"},
        {"client_name": "Book\u200bshop"},
        {"client_name": "Book\nshop"},
        {"client_name": "\u3164"},
        {"client_name": "Book\u115f\uffa0shop"},
        {"client_name": "x" * 81},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": "https://shop.example/cb"},
        {"redirect_uris": [None]},
        {"redirect_uris": [["https://shop.example/cb"]]},
        {"redirect_uris": ["http://shop.example/cb"]},
        {"redirect_uris": ["https://shop.example/cb#x"]},
        {"redirect_uris": ["https://x;script-src/cb"]},
        {"redirect_uris": ["https://*/cb"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["myapp://callback"]},
        {"redirect_uris": ["https://shop.example/cb"] * 21},
        {"jwks": None},
        {"jwks": []},
        {"jwks": {"keys": []}},
        {"jwks": None, "jwks_uri": "http://10.0.0.1/keys"},
        {"jwks": None, "jwks_uri": "https://169.254.169.254/keys"},
        {"jwks": None, "jwks_uri": ["x"]},
        {"client_id": None},
    ):
        with pytest.raises(BadClient):
            client_documents.read_document(ada.house, bookshop.client_id, {**good, **change})


def test_the_host_is_shown_whatever_the_client_calls_itself(ada: Ada) -> None:
    """N54 (draft §phishing; ASVS 10.7.2): and a name is not enough to be taken for a vendor whose address she knows."""
    evil = Bookshop("Bookshop", "evil")
    evil.open()
    evil.visits(ada)
    ada.buys("The Salt Almanac")
    try:
        page = ada.looks_at(evil.consent_address())
        assert f"evil.localhost:{evil.web.port}" in page
        assert "A vendor you have not met" in page
        assert "The Salt Almanac" not in page
    finally:
        evil.close()


def test_nothing_of_the_clients_is_fetched_by_her_browser(ada: Ada) -> None:
    """N55 (draft §logos)"""
    shop = Bookshop("<b>Bookshop</b>", "looks")
    shop.open()
    shop.visits(ada)
    more = {
        "logo_uri": f"{shop.address}/logo.png",
        "client_uri": "javascript:alert(1)",
        "policy_uri": f"{shop.address}/p",
    }
    plain = shop.document()
    shop.document = lambda: {**plain, **more}  # type: ignore[method-assign]
    try:
        answer = ada.browser.get(
            shop.consent_address(authorization_details=details({**PURCHASES, "why": "<img src=//x>"}))
        )
        assert answer.status_code == 200
        assert "logo.png" not in answer.text
        assert "javascript:" not in answer.text
        assert "<b>Bookshop" not in answer.text
        assert "<img" not in answer.text
        assert "img-src 'self' data:;" in answer.headers["Content-Security-Policy"]
        fetched = re.findall(r'\b(?:src|href|poster|data)="([^"]*)"', answer.text)
        assert fetched
        assert all(url.startswith(("/", "#")) and not url.startswith("//") for url in fetched)
    finally:
        shop.close()


def test_a_client_without_an_address_is_shown_by_its_name_in_the_register(ada: Ada) -> None:
    """N54, N92 (RFC 9700 §4.15): registered by hand, it cannot pass for an owner or for an address."""
    shop = Bookshop("Corner shop", "corner")
    shop.open()
    shop.visits(ada)
    shop.client_id = ada.owner_id.hex()
    clients.register(ada.house, shop.document())
    try:
        page = ada.looks_at(shop.consent_address())
        assert ada.owner_id.hex() in page
        assert "entered by hand" in page
        assert "address checked" not in page
        assert shop.looks("/vendor/v1/purchases", ada.session).status_code == 401
        for pretended in ("https://shop.example/client.json", "", "x" * 256, None):
            with pytest.raises(BadClient):
                clients.register(ada.house, {**shop.document(), "client_id": pretended})
    finally:
        shop.close()


def test_n48_whoever_makes_the_vault_fetch_and_fetch_is_slowed_down(ada: Ada, bookshop: Bookshop) -> None:
    """N48, N112: unknown clients cost a fetch each; one address gets sixty in an hour, then it has to wait."""
    from vault import attempts

    for _fetch in range(attempts.FREE["fetch"] + 1):
        attempts.admit(ada.house, fetch="127.0.0.1")
    refused = bookshop.posts("/oauth/par", {})
    assert refused.status_code == 401
    assert "wait a little" in refused.json()["error_description"]
