"""The vendor is told: what, in which form, how often it is tried, and that nothing waits for it. N106, N107."""

from __future__ import annotations

import json
import socket
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx
import pytest
from flask import Response, request
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import delete, select

from connectors.demo_shop import create_shop
from connectors.demo_shop.serving import LoopbackServer
from connectors.vendor_client import NoLongerShared, Notice, WrongNotice, discover, read_notice
from consent import clients, fetching, grants, notices
from consent.client_documents import BadClient, read_document
from consent.fetching import Unreachable, post
from tests.consent.test_client_documents import SPECIAL
from tests.people import ISSUER, PURCHASES, TASTE, Ada, Bookshop, Clock, calls_out, query
from vault import crypto, jobs, worker
from vault.models import Job, ServerKey
from vault.server import Server


@dataclass(frozen=True)
class Heard:
    """One notice as it came in."""

    headers: dict[str, str]
    body: bytes


class ListeningShop(Bookshop):
    """A Bookshop that wants to be told, and answers as a test says."""

    def __init__(self, name: str, host: str) -> None:
        super().__init__(name, host)
        self.heard: list[Heard] = []
        self.fetched = 0
        self.answers: list[Response] = []
        self.more: dict[str, Any] = {}
        self.path = "/notices"
        self.app.add_url_rule("/notices", view_func=self._hears, methods=["POST"])

    def _hears(self) -> Response:
        self.heard.append(Heard(dict(request.headers), request.get_data()))
        return self.answers.pop(0) if self.answers else Response(status=202)

    def document(self) -> dict[str, Any]:
        self.fetched += 1
        return {**super().document(), "notice_endpoint": f"{self.address}{self.path}", **self.more}

    def reads_notices(self) -> list[Notice]:
        """All that it heard, checked as a vendor checks it."""
        return [self.checks(each) for each in self.heard]

    def checks(self, heard: Heard, **other: Any) -> Notice:
        """One of them."""
        usual = {"issuer": ISSUER, "client_id": self.client_id, "now": self.ada.house.clock()}
        return read_notice(heard.headers, heard.body, self.vaults_keys(), **{**usual, **other})

    def vaults_keys(self) -> dict[str, Any]:
        """The vault's public keys, found as anybody finds them."""
        return discover(self.client, ISSUER).keys()

    @property
    def told(self) -> list[str]:
        """What it was told, in a word each."""
        return [notice.what for notice in self.reads_notices()]


@pytest.fixture
def shop(ada: Ada) -> Iterator[ListeningShop]:
    """The Bookshop, which wants to be told."""
    shop = ListeningShop("Bookshop", "shop")
    shop.open()
    shop.visits(ada)
    yield shop
    shop.close()


def waiting(house: Server) -> list[int]:
    """Notices that have not got through yet: when each is tried again."""
    with house.main.reading() as session:
        return list(session.scalars(select(Job.due_at).where(Job.kind == "notice").order_by(Job.due_at)))


def test_the_vendor_is_told_that_she_gave_paused_resumed_narrowed_and_stopped(
    ada: Ada, shop: ListeningShop, house: Server
) -> None:
    ada.lets(shop, PURCHASES, TASTE, ticks=("item-1",))
    calls_out(house)
    grant = ada.grant()
    for path, form in (("pause", {}), ("resume", {}), ("less", {"item": "1"}), ("sooner", {"days": "7"}), ("stop", {})):
        ada.presses(f"/sharing/{grant}/{path}", **form)
        calls_out(house)
    assert shop.told == [
        "grant.given",
        "grant.paused",
        "grant.resumed",
        "grant.narrowed",
        "grant.narrowed",
        "grant.revoked",
    ]
    assert {notice.grant_id for notice in shop.reads_notices()} == {grant}
    assert not waiting(house)


def test_the_vendor_is_told_when_a_link_stops_it_and_when_time_does(
    ada: Ada, shop: ListeningShop, house: Server, clock: Clock
) -> None:
    ada.lets(shop)
    for _twice_is_once in range(2):
        grants.end(house, ada.owner_id, bytes.fromhex(shop.connection.grant_id), "link")
    calls_out(house)
    assert sorted(shop.told) == ["grant.given", "grant.revoked"]
    ada.lets(shop)
    calls_out(house)
    shop.heard.clear()
    clock.passes(days=31)
    worker.tick(house, sweep=False)
    calls_out(house)
    assert shop.told == ["grant.expired"]


def test_a_newer_consent_and_a_replayed_code_are_told_too(ada: Ada, shop: ListeningShop, house: Server) -> None:
    ada.lets(shop)
    first = ada.grant()
    code = shop.code()
    assert shop.redeems(code).status_code == 200
    assert shop.redeems(code).status_code == 400
    while calls_out(house):
        pass
    ends = {notice.what: notice.grant_id for notice in shop.reads_notices() if notice.what != "grant.given"}
    assert ends["grant.replaced"] == first
    assert set(ends) == {"grant.replaced", "grant.ended"}


def test_a_notice_holds_ids_and_nothing_else(ada: Ada, shop: ListeningShop, house: Server) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(shop)
    calls_out(house)
    (heard,) = shop.heard
    content = json.loads(heard.body)
    assert content == {
        "type": "grant.given",
        "timestamp": "2026-11-22T12:00:00Z",
        "data": {"issuer": ISSUER, "client_id": shop.client_id, "grant_id": ada.grant()},
    }
    sent = {name: value for name, value in heard.headers.items() if name.lower().startswith("webhook-")}
    assert set(map(str.lower, sent)) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert heard.headers["Webhook-Signature"].startswith("v1a,")


def test_a_vendor_that_wants_to_hear_nothing_is_not_called(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    ada.lets(bookshop)
    assert calls_out(house) == 1
    assert not waiting(house)


# The two forms, and whoever would forge one.


def claims_of(heard: Heard) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a SET."""
    header, claims, _ = (urlsafe_b64decode(part + b"==") for part in heard.body.split(b"."))
    return json.loads(header), json.loads(claims)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc would rather hear its newer name, Ed25519
def test_n106_a_set_is_addressed_and_has_neither_sub_nor_exp(ada: Ada, shop: ListeningShop, house: Server) -> None:
    """N106 (SSF 1.0 §4.1; RFC 8417 §2; RFC 9493 §3.2.8): and every one has a jti of its own."""
    shop.more = {"notice_format": "set"}
    ada.lets(shop)
    ada.presses(f"/sharing/{ada.grant()}/pause")
    ada.presses(f"/sharing/{ada.grant()}/stop")
    while calls_out(house):
        pass
    seen = set()
    for heard in shop.heard:
        assert heard.headers["Content-Type"] == "application/secevent+jwt"
        header, claims = claims_of(heard)
        assert jwt.decode(heard.body, KeySet.import_key_set(shop.vaults_keys()), algorithms=["EdDSA"]).claims == claims
        assert header == {"alg": "EdDSA", "typ": "secevent+jwt", "kid": shop.vaults_keys()["keys"][0]["kid"]}
        assert set(claims) == {"iss", "aud", "iat", "toe", "jti", "sub_id", "events"}
        assert (claims["iss"], claims["aud"]) == (ISSUER, shop.client_id)
        assert claims["sub_id"] == {"format": "opaque", "id": shop.connection.grant_id}
        ((event, content),) = claims["events"].items()
        assert event.startswith(f"{ISSUER}/notices/")
        assert content == {}
        seen.add(claims["jti"])
    assert len(seen) == len(shop.heard) == 3
    assert sorted(shop.told) == ["grant.given", "grant.paused", "grant.revoked"]


@pytest.mark.parametrize("form", ["webhook", "set"])
def test_n106_a_notice_counts_only_from_its_vault_for_its_reader_and_for_five_minutes(
    ada: Ada, shop: ListeningShop, house: Server, clock: Clock, form: str
) -> None:
    shop.more = {"notice_format": form}
    ada.lets(shop)
    calls_out(house)
    (heard,) = shop.heard
    assert shop.checks(heard).what == "grant.given"
    for wrong in ({"issuer": "https://other.example"}, {"client_id": "https://coffee.example/client.json"}):
        with pytest.raises(WrongNotice, match="addressee"):
            shop.checks(heard, **wrong)
    clock.passes(minutes=5)
    assert shop.checks(heard).grant_id == ada.grant()
    clock.passes(seconds=1)
    with pytest.raises(WrongNotice, match="too_old"):
        shop.checks(heard)
    clock.passes(seconds=-602)
    with pytest.raises(WrongNotice, match="too_old"):
        shop.checks(heard)


@pytest.mark.parametrize("form", ["webhook", "set"])
def test_n106_no_byte_of_a_notice_can_be_changed(ada: Ada, shop: ListeningShop, house: Server, form: str) -> None:
    shop.more = {"notice_format": form}
    ada.lets(shop)
    calls_out(house)
    (heard,), keys = shop.heard, shop.vaults_keys()
    known = {"issuer": ISSUER, "client_id": shop.client_id, "now": house.clock()}
    for at in range(0, len(heard.body) - 2, 3):  # the last letter of base64url has bits that say nothing
        changed = bytearray(heard.body)
        changed[at] ^= 1
        with pytest.raises(WrongNotice):
            read_notice(heard.headers, bytes(changed), keys, **known)
    others = {name: value for name, value in heard.headers.items() if name != "Webhook-Id"} | {"webhook-id": "another"}
    if form == "webhook":
        with pytest.raises(WrongNotice, match="signature"):
            read_notice(others, heard.body, keys, **known)
    for empty in ({}, {"keys": []}, {"keys": 5}, {"keys": None}, {"keys": [{"kty": "OKP", "crv": "Ed25519"}]}):
        with pytest.raises(WrongNotice, match="signature"):
            read_notice(heard.headers, heard.body, empty, **known)


CHANGES: list[dict[str, Any]] = [
    {"sub": "ada"},
    {"exp": 2**40},
    {"aud": "https://coffee.example/client.json"},
    {"aud": None},
    {"iss": "https://other.example"},
    {"iat": "now"},
    {"iat": None},
    {"iat": 10**400},
    {"jti": None},
    {"sub_id": {"format": "email", "email": "ada@home.test"}},
    {"sub_id": None},
    {"events": {}},
    {"events": {f"{ISSUER}/notices/grant.paused": {}, f"{ISSUER}/notices/grant.revoked": {}}},
    {"events": {"https://other.example/notices/grant.revoked": {}}},
    {"header_typ": "JWT"},
    {"header_typ": None},
    {"header_alg": "none"},
    {"header_alg": "HS256"},
    {"header_crit": ["b64"]},
]


def test_n106_a_set_of_another_shape_is_refused_though_the_vault_had_signed_it(
    ada: Ada, shop: ListeningShop, house: Server
) -> None:
    payload = {"notice": "1", "client": shop.client_id, "grant": "00", "what": "grant.revoked", "at": house.now}
    (seed,) = house.keystore.signing("notice")
    headers, body = notices._security_event((seed,), ISSUER, payload, house.now)
    known: dict[str, Any] = {"issuer": ISSUER, "client_id": shop.client_id, "now": house.clock()}
    keys = shop.vaults_keys()
    assert read_notice(headers, body, keys, **known).what == "grant.revoked"
    assert read_notice(headers, signed_again(seed, body, {}), keys, **known).what == "grant.revoked"
    for change in CHANGES:
        with pytest.raises(WrongNotice):
            read_notice(headers, signed_again(seed, body, change), keys, **known)


def signed_again(seed: bytes, body: bytes, change: dict[str, Any]) -> bytes:
    """A SET with some members changed, or left out where None, under a good signature."""
    header, claims = claims_of(Heard({}, body))
    for name, value in change.items():
        (header if name.startswith("header_") else claims)[name.removeprefix("header_")] = value
    parts = [{name: value for name, value in part.items() if value is not None} for part in (header, claims)]
    signed = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return signed + b"." + urlsafe_b64encode(crypto.sign(seed, signed)).rstrip(b"=")


def test_a_keystore_from_before_gets_its_key_at_the_next_start(house: Server) -> None:
    with house.keystore.database.writing() as connection:
        connection.execute(delete(ServerKey).where(ServerKey.purpose == "notice"))
        before = connection.execute(select(ServerKey.purpose, ServerKey.secret)).all()
    assert house.keystore.signing("notice") == ()
    house.keystore.complete()
    assert len(house.keystore.signing("notice")) == 1
    with house.keystore.database.reading() as session:
        assert set(before) < set(session.execute(select(ServerKey.purpose, ServerKey.secret)).all())


def test_two_keys_sign_while_one_takes_over_from_the_other(ada: Ada, shop: ListeningShop, house: Server) -> None:
    ada.lets(shop)
    calls_out(house)
    before = shop.vaults_keys()
    house.keystore.renew("notice")
    ada.presses(f"/sharing/{ada.grant()}/pause")
    calls_out(house)
    both = shop.heard[-1]
    assert both.headers["Webhook-Signature"].count("v1a,") == 2
    known = {"issuer": ISSUER, "client_id": shop.client_id, "now": house.clock()}
    assert read_notice(both.headers, both.body, before, **known).what == "grant.paused"
    assert len(shop.vaults_keys()["keys"]) == len(before["keys"]) + 1
    house.keystore.renew("notice")
    ada.presses(f"/sharing/{ada.grant()}/resume")
    calls_out(house)
    assert len(shop.vaults_keys()["keys"]) == len(before["keys"]) + 1
    assert shop.checks(shop.heard[-1]).what == "grant.resumed"
    with pytest.raises(WrongNotice, match="signature"):
        read_notice(shop.heard[-1].headers, shop.heard[-1].body, before, **known)


# Where it may be sent.


def test_n107_an_endpoint_lies_on_the_clients_own_host(ada: Ada, shop: ListeningShop) -> None:
    """N107: this server is not to be pointed at anybody else, inside or outside."""
    good = shop.document()
    assert read_document(ada.house, shop.client_id, good).notice_endpoint == f"{shop.address}/notices"
    for wrong in (
        "https://coffee.example/notices",
        "http://10.0.0.1/notices",
        "https://169.254.169.254/latest",
        "http://localhost:9/notices",
        f"{shop.address}0/notices",
        f"{shop.address}/a/../notices",
        f"{shop.address}/notices#there",
        shop.address,
        "javascript:alert(1)",
        "",
        ["x"],
        7,
    ):
        with pytest.raises(BadClient, match="notice_endpoint"):
            read_document(ada.house, shop.client_id, {**good, "notice_endpoint": wrong})
    with pytest.raises(BadClient, match="notice_format"):
        read_document(ada.house, shop.client_id, {**good, "notice_format": "cloud"})


def test_n107_a_client_entered_by_hand_is_called_where_its_entry_says(ada: Ada, shop: ListeningShop) -> None:
    document = {**shop.document(), "client_id": "corner"}
    assert clients.register(ada.house, document).notice_endpoint == f"{shop.address}/notices"


@pytest.mark.parametrize("address", SPECIAL)
def test_n107_a_notice_goes_to_no_address_inside(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """N107, as N48: the name is resolved once, every answer must be public, nothing is dialled."""
    dialled: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda *call, **_more: dialled.append(call))
    with pytest.raises(Unreachable, match="not a public one"):
        post("https://shop.example/notices", {}, b"{}", loopback=True, resolve=lambda *_: ["93.184.215.14", address])
    assert not dialled


def test_n107_a_redirection_is_not_followed_and_counts_as_a_failure(
    ada: Ada, shop: ListeningShop, house: Server
) -> None:
    ada.lets(shop)
    shop.answers = [Response(status=307, headers={"Location": f"{shop.address}/client.json"})]
    fetched = shop.fetched
    assert calls_out(house) == 0
    assert (len(shop.heard), shop.fetched) == (1, fetched)
    assert len(waiting(house)) == 1


# What they answer, and how often it is tried.


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_any_yes_is_a_yes(ada: Ada, shop: ListeningShop, house: Server, status: int) -> None:
    ada.lets(shop)
    shop.answers = [Response(status=status)]
    assert calls_out(house) == 1
    assert not waiting(house)


def test_it_is_tried_again_with_longer_and_longer_pauses_for_three_days_and_then_no_more(
    ada: Ada, shop: ListeningShop, house: Server, clock: Clock
) -> None:
    ada.lets(shop)
    shop.answers = [Response(status=500) for _ in range(100)]
    tries: list[int] = []
    while due := waiting(house):
        clock.passes(seconds=due[0] - house.now)
        tries.append(house.now)
        calls_out(house)
    assert len(shop.heard) == len(tries) == jobs.GIVE_UP
    pauses = [late - early for early, late in pairwise(tries)]
    assert pauses == [60 * 2**n for n in range(1, jobs.GIVE_UP)]
    assert 60 <= sum(pauses) / 3600 <= 72
    first, last = shop.heard[0], shop.heard[-1]
    assert first.headers["Webhook-Id"] == last.headers["Webhook-Id"]
    assert first.body == last.body
    assert int(last.headers["Webhook-Timestamp"]) == tries[-1], "each try is signed for its own moment"


def test_gone_is_gone_until_its_document_is_fetched_anew(
    ada: Ada, shop: ListeningShop, house: Server, clock: Clock
) -> None:
    ada.lets(shop)
    shop.answers = [Response(status=410)]
    assert calls_out(house) == 1
    ada.presses(f"/sharing/{ada.grant()}/pause")
    calls_out(house)
    assert (len(shop.heard), waiting(house)) == (1, [])
    clock.passes(days=1, minutes=1)
    ada.unlocks()
    ada.presses(f"/sharing/{ada.grant()}/resume")
    calls_out(house)
    assert len(shop.heard) == 2
    assert shop.checks(shop.heard[-1]).what == "grant.resumed"


def refusing(error: Any) -> Response:
    """400 as RFC 8935 §2.3 has it."""
    return Response(json.dumps({"err": error, "description": "no"}), 400, content_type="application/json")


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (refusing("invalid_audience"), 0),
        (refusing("invalid_request"), 0),
        (refusing("invalid_key"), 1),
        (refusing("something else"), 1),
        (refusing(["invalid_request"]), 1),
        (Response("[]", 400), 1),
        (Response("<html>", 400), 1),
        (Response(b"x" * 100_000, 400), 1),
        (Response(status=404), 1),
    ],
)
def test_a_set_that_was_understood_and_refused_is_not_sent_again(
    ada: Ada, shop: ListeningShop, house: Server, answer: Response, left: int
) -> None:
    """RFC 8935 §2.3, §2.4: a key that it does not know yet may be known the next time."""
    shop.more = {"notice_format": "set"}
    ada.lets(shop)
    shop.answers = [answer]
    calls_out(house)
    assert len(waiting(house)) == left


# Nothing waits for it.


@pytest.fixture
def dead_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[socket.socket]]]:
    """A port that takes calls and never says a word."""
    monkeypatch.setattr(fetching, "WHOLE", 0.8)
    listener, taken = socket.create_server(("127.0.0.1", 0), backlog=64), []

    def take() -> None:
        while True:
            try:
                taken.append(listener.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    yield listener.getsockname()[1], taken
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for line in taken:
        line.close()


def never_answers(house: Server, shop: ListeningShop, port: int) -> None:
    """From now on notices for the shop go to the dead end."""
    clients.amend(house, shop.client_id, notice_endpoint=f"http://shop.localhost:{port}/notices")


def test_stopping_works_at_once_whoever_is_to_be_told(
    ada: Ada, shop: ListeningShop, house: Server, dead_end: tuple[int, list[socket.socket]]
) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(shop)
    never_answers(house, shop, dead_end[0])
    stopped = worker.begin(house)
    try:
        began = time.monotonic()
        ada.presses(f"/sharing/{ada.grant()}/stop")
        with pytest.raises(NoLongerShared):
            shop.reads()
        assert time.monotonic() - began < 1
    finally:
        stopped.set()
        time.sleep(worker.PAUSE + 1)
    assert len(waiting(house)) == 2


def test_a_mail_or_an_end_waits_for_no_vendor_that_does_not_answer(
    ada: Ada, shop: ListeningShop, house: Server, dead_end: tuple[int, list[socket.socket]]
) -> None:
    """More notices than there are lines, all of them for somebody who never answers."""
    connection = ada.lets(shop)
    grant = bytes.fromhex(connection.grant_id)
    never_answers(house, shop, dead_end[0])
    with house.main.transaction() as session:
        for _ in range(3 * jobs.LINES):
            notices.tell(session, house, ada.owner_id, grant, shop.client_id, "grant.paused")
        jobs.enqueue(session, house, ada.owner_id, "used", {"grant": grant.hex()})
    stopped = worker.begin(house)
    try:
        for _ in range(60):
            if dead_end[1] and house.keystore.pepper(ada.owner_id, grant) is None:
                break
            time.sleep(0.05)
        assert house.keystore.pepper(ada.owner_id, grant) is None
        assert dead_end[1], "and they are being called meanwhile"
        assert len(waiting(house)) > 3 * jobs.LINES
    finally:
        stopped.set()
        time.sleep(worker.PAUSE + 1)


def test_an_address_that_does_not_answer_is_called_once_a_minute_whatever_waits_for_it(
    ada: Ada, shop: ListeningShop, house: Server, clock: Clock
) -> None:
    ada.lets(shop)
    shop.answers = [Response(status=503) for _ in range(100)]
    calls_out(house)
    grant = bytes.fromhex(ada.grant())
    with house.main.transaction() as session:
        for _ in range(20):
            notices.tell(session, house, ada.owner_id, grant, shop.client_id, "grant.paused")
    for _ in range(5):
        calls_out(house)
    assert len(shop.heard) == 1
    clock.passes(minutes=1)
    shop.answers = []
    clock.passes(minutes=2)
    while calls_out(house):
        pass
    assert len(shop.heard) == 1 + 21


def test_a_fresh_notice_goes_before_those_that_failed(
    ada: Ada, shop: ListeningShop, house: Server, clock: Clock
) -> None:
    ada.lets(shop)
    grant = bytes.fromhex(ada.grant())
    shop.answers = [Response(status=503) for _ in range(100)]
    with house.main.transaction() as session:
        for _ in range(jobs.LINES):
            notices.tell(session, house, ada.owner_id, grant, shop.client_id, "grant.paused")
    for _round in range(3):
        calls_out(house)
    clock.passes(minutes=5)
    shop.answers = []
    with house.main.transaction() as session:
        notices.tell(session, house, ada.owner_id, grant, shop.client_id, "erasure.asked")
    calls_out(house)
    assert "erasure.asked" in {json.loads(each.body)["type"] for each in shop.heard}


def test_the_practice_shop_shows_by_itself_that_she_paused_and_stopped(ada: Ada, house: Server, clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://shop.localhost:{port}"
    app = create_shop(address, clock, transport=httpx.WSGITransport(ada.app))
    web, visitor = LoopbackServer(app, port), app.test_client()
    web.start()
    try:
        asked = visitor.post("/connect", data={"vault": ISSUER}, base_url=address).headers["Location"]
        visitor.get("/callback", query_string=query(ada.sees_consent(asked).allows()), base_url=address)
        assert calls_out(house) == 1
        assert "What you let us see" in visitor.get("/", base_url=address).text
        for path, said in (("pause", "You have paused this"), ("resume", "had told us"), ("stop", "told us so itself")):
            ada.presses(f"/sharing/{ada.grant()}/{path}")
            assert said not in visitor.get("/", base_url=address).text
            assert calls_out(house) == 1
            assert said in visitor.get("/", base_url=address).text
        forged = {"type": "grant.revoked", "timestamp": "2026-11-22T12:00:00Z", "data": {}}
        assert visitor.post("/notices", json=forged, base_url=address).status_code == 400
    finally:
        web.stop()
