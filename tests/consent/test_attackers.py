"""The attacker model of FAPI 2.0, attacker by attacker, and four more that a vault has. docs/threats.md has the table.

Each class is one attacker and says what it can do. Its tests say what it does not reach, goal by goal:

- *authorisation*: nobody but the vendor she allowed sees anything of hers, and that one sees no more than she allowed;
- *authentication*: nobody passes for her, for a vendor, or for a vault;
- *session integrity*: neither she nor a vendor is made to go on with what somebody else has begun.

The vendor is the client library that vendors get; the vault is the product, with everything on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest
from flask import Flask, Response, jsonify

from connectors.vendor_client import (
    Client,
    Connection,
    NoLongerShared,
    NotAVault,
    Paused,
    Pending,
    SharingError,
    Vault,
    WrongCallback,
    discover,
    new_key,
    new_state,
)
from tests.conftest import PASSPHRASE
from tests.consent.test_old_copies import LOG, MAIN, Past
from tests.consent.test_tokens_and_proofs import URL, refused
from tests.house.tree import ROOT
from tests.houses import copy_house, settings_in
from tests.people import ISSUER, PURCHASES, TASTE, Ada, Bookshop, Raw, household, query
from tests.sampled import EVERYTHING
from tests.vault import reader
from tests.vault.test_format import everything_known, taken, tokens
from tests.vault.test_tampering import calls, puts_back, reads_row, reads_rows, writes
from vault import crypto, locks, sessions, unlock
from vault.app import create_app, load_rooms
from vault.collections.preferences import Preference
from vault.errors import Locked, Unsafe, WrongSecret
from vault.server import start
from vault.settings import checked

# Every run has these steps at greater length, in test_format, test_old_copies and test_tampering.
in_the_full_run = pytest.mark.skipif(not EVERYTHING, reason="sampled: in the full run")
GOALS = ("authorisation", "authentication", "session_integrity")
EVIL = "http://evil.localhost:8666"
LOOK = "/vendor/v1/purchases"


class Network(httpx.BaseTransport):
    """What lies between a vendor and the servers it calls: each host has its application, and what passes is kept."""

    def __init__(self, **applications: Flask) -> None:
        self.lines = {host: httpx.WSGITransport(application) for host, application in applications.items()}
        self.passed: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Bring a request to its host."""
        request.read()
        self.passed.append(request)
        return self.lines[request.url.host.partition(".")[0]].handle_request(request)

    def last(self, path: str) -> httpx.Request:
        """The newest request to a path."""
        return [each for each in self.passed if each.url.path == path][-1]

    def said_to(self, host: str) -> str:
        """Everything that one host was told."""
        told = (each for each in self.passed if each.url.host.startswith(host))
        return "\n".join(f"{each.url} {dict(each.headers)} {each.content!r}" for each in told)


class OtherVault:
    """A vault of the attacker's. It says of itself what hers says, under its own address, and gives what it likes."""

    def __init__(self, ada: Ada) -> None:
        self.ada, self.app, self.claims, self.gives = ada, Flask("evil"), {}, dict[str, Any]()
        for name in ("oauth-authorization-server", "oauth-protected-resource"):
            self.app.add_url_rule(f"/.well-known/{name}", name, lambda name=name: self.says(name))
        pushed = {"request_uri": "urn:ietf:params:oauth:request_uri:x", "expires_in": 60}
        self.app.add_url_rule("/oauth/par", "par", lambda: (jsonify(pushed), 201), methods=["POST"])
        self.app.add_url_rule("/oauth/token", "token", lambda: jsonify(self.gives), methods=["POST"])
        self.app.add_url_rule(LOOK, "look", lambda: (jsonify({"code": "invalid_token"}), 401))

    def says(self, name: str) -> Response:
        """Its metadata."""
        honest = self.ada.app.test_client().get(f"/.well-known/{name}").text
        return jsonify({**json.loads(honest.replace(ISSUER, EVIL)), **self.claims})


@dataclass(frozen=True)
class Scene:
    """Her vault, a vendor, a second vendor who is the attacker's own, and a vault of the attacker's."""

    shop: Bookshop
    mallory: Bookshop
    evil: OtherVault
    network: Network

    @property
    def ada(self) -> Ada:
        """Whom it is about."""
        return self.shop.ada

    @property
    def vendor(self) -> Client:
        """The vendor's program, as the attacker's network sees it speak."""
        return Client(self.shop.client_id, self.shop.redirect_uri, self.shop.key, self.ada.house.clock, self.network)

    def asks(self, address: str = ISSUER) -> Pending:
        """The vendor's program puts its question to a vault."""
        return discover(self.vendor, address).ask([Raw(PURCHASES)], new_state())  # type: ignore[list-item]

    def allows(self, pending: Pending) -> str:
        """She allows it; where her browser is sent."""
        return self.ada.sees_consent(pending.authorize_url).allows()

    def finishes(self, pending: Pending, location: str, **endpoints: str) -> Connection:
        """The vendor's program takes the answer."""
        return Vault(self.vendor, replace(pending.endpoints, **endpoints)).finish(pending, urlsplit(location).query)

    def connects(self) -> Connection:
        """The whole way, undisturbed."""
        pending = self.asks()
        return self.finishes(pending, self.allows(pending))

    def again(self, passed: httpx.Request, path: str = "", **headers: str) -> httpx.Response:
        """Send something that passed to her vault once more, some headers exchanged."""
        kept = {name: value for name, value in passed.headers.items() if name not in ("host", "content-length")}
        return self.shop.http.request(
            passed.method, path or passed.url.path, content=passed.content, headers={**kept, **headers}
        )


@pytest.fixture(scope="module")
def scene(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everybody at their places; what is tried leaves them as they were."""
    with household(furnished[0], tmp_path_factory.mktemp("attackers") / "house", PASSPHRASE) as shop:
        shop.ada.buys("The Salt Almanac")
        mallory, evil = Bookshop("Mallory's Books", "mallory"), OtherVault(shop.ada)
        mallory.open()
        mallory.visits(shop.ada)
        yield Scene(shop, mallory, evil, Network(localhost=shop.ada.app, evil=evil.app))
        mallory.close()


@pytest.fixture(autouse=True)
def _nothing_shared(request: pytest.FixtureRequest) -> None:
    """Each begins with no permission."""
    if "scene" in request.fixturenames:
        request.getfixturevalue("scene").ada.presses("/sharing/stop-all")


def shows(answer: httpx.Response) -> bool:
    """Did anybody see anything of hers?"""
    return answer.status_code < 300 or "Almanac" in answer.text


class TestA1WebAttacker:
    """Sets links and forms before her, has a site of its own, and a client that is registered like any other."""

    def test_authorisation_nothing_is_sent_to_its_address_and_another_vendors_code_gives_it_nothing(
        self, scene: Scene
    ) -> None:
        for address in (
            scene.mallory.redirect_uri,
            f"{scene.shop.redirect_uri}/../x",
            f"{scene.shop.redirect_uri}?x=1",
        ):
            assert scene.shop.pushes(redirect_uri=address).json()["error"] == "invalid_request", address
        code = scene.shop.code()
        for address in (scene.mallory.redirect_uri, scene.shop.redirect_uri):
            assert scene.mallory.redeems(code, redirect_uri=address).json()["error"] == "invalid_grant"
        assert scene.shop.redeems(code).status_code == 200, "and it has not even spoilt it"

    def test_authentication_its_site_presses_none_of_her_buttons_and_frames_none_of_her_pages(
        self, scene: Scene
    ) -> None:
        page = scene.ada.sees_consent(scene.mallory.consent_address())
        elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        for path, form in (
            ("/authorize", {**page.hidden, "answer": "yes", "days": "30"}),
            ("/unlock", {"passphrase": PASSPHRASE}),
            ("/security/passphrase", {"old": PASSPHRASE, "new": "another umbrella quietly"}),
        ):
            assert scene.ada.browser.post(path, data=form, headers=elsewhere).status_code == 403, path
        assert not scene.ada.house.keystore.alive(scene.ada.owner_id, "grant")
        for path in ("/", "/unlock", "/sharing"):
            headers = scene.ada.browser.get(path).headers
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Frame-Options"] == "DENY"

    def test_session_integrity_her_visit_at_the_shop_does_not_go_on_with_the_attackers_answer(
        self, scene: Scene
    ) -> None:
        hers, its = scene.asks(), scene.asks()
        answer = scene.allows(its)
        for location in (answer, re.sub("state=[^&]+&?", "", answer)):
            with pytest.raises(WrongCallback):
                scene.finishes(hers, location)
        own = scene.mallory.consent_address()
        as_the_shops = own.replace(quote(scene.mallory.client_id, safe=""), quote(scene.shop.client_id, safe=""))
        assert as_the_shops != own
        scene.ada.looks_at(as_the_shops, 410)


class TestA1aAttackerRunsAnAuthorizationServer:
    """A web attacker with a vault of its own, which vendors deal with as with any other: mix-up."""

    def test_authorisation_an_answer_of_hers_never_goes_to_its_vault(self, scene: Scene) -> None:
        hers, its = scene.asks(), scene.asks(EVIL)
        answer = scene.allows(hers)
        mixed = re.sub("state=[^&]+", f"state={its.state}", answer)
        for location in (answer, mixed, mixed.replace(quote(ISSUER, safe=""), quote(EVIL + "/", safe=""))):
            with pytest.raises(WrongCallback):
                scene.finishes(its, location)
        assert query(answer)["code"] not in scene.network.said_to("evil")
        assert scene.finishes(hers, answer).read("purchases").records

    def test_authentication_what_a_vendor_tells_it_proves_nothing_to_hers(self, scene: Scene) -> None:
        its = scene.asks(EVIL)
        assert scene.again(scene.network.last("/oauth/par")).json()["error"] == "invalid_client"
        answer = urlencode({"code": scene.shop.code(), "state": its.state, "iss": EVIL})
        with pytest.raises(SharingError):
            scene.finishes(its, f"/callback?{answer}")
        assert scene.network.last("/oauth/token").url.host.startswith("evil")
        assert scene.again(scene.network.last("/oauth/token")).json()["error"] == "invalid_client"

    def test_authentication_its_vault_cannot_say_that_it_is_hers(self, scene: Scene) -> None:
        for claims in (
            {"issuer": ISSUER, "resource": ISSUER},
            {"issuer": EVIL + "/"},
            {"token_endpoint": f"{ISSUER}/oauth/token"},
            {"pushed_authorization_request_endpoint": f"{ISSUER}/oauth/par"},
            {"authorization_response_iss_parameter_supported": False},
        ):
            scene.evil.claims = claims
            with pytest.raises(NotAVault):
                scene.asks(EVIL)
        scene.evil.claims = {}

    def test_session_integrity_what_it_gives_is_never_used_at_hers_and_hers_never_there(self, scene: Scene) -> None:
        hers = scene.connects()
        real = json.loads(hers.to_json())["tokens"]
        its = scene.asks(EVIL)
        scene.evil.gives = {
            "access_token": real["access"],
            "refresh_token": real["refresh"],
            "token_type": "DPoP",
            "expires_in": 600,
            "grant_id": "x",
            "authorization_details": [PURCHASES],
        }
        theirs = scene.finishes(its, "/callback?" + urlencode({"code": "c", "state": its.state, "iss": EVIL}))
        before = len(scene.network.passed)
        with pytest.raises(SharingError):
            theirs.read("purchases")
        assert {each.url.host for each in scene.network.passed[before:]} == {"evil.localhost"}
        already = scene.network.said_to("evil")
        scene.evil.gives = {}
        assert hers.read("purchases").records
        assert scene.network.said_to("evil") == already


class TestA2Network:
    """Sees and changes what passes unprotected, and keeps what it saw. On the way only TLS stands against it."""

    def test_authorisation_nothing_goes_without_tls_but_on_this_very_machine(self, tmp_path: Path) -> None:
        for issuer in ("http://vault.example", "http://192.0.2.7:8400", "ftp://vault.example"):
            with pytest.raises(Unsafe):
                checked(settings_in(tmp_path, issuer))
        client = Client("https://shop.example/client.json", "https://shop.example/callback", new_key())
        with pytest.raises(NotAVault):
            discover(client, "http://vault.example")

    def test_authentication_what_it_kept_is_good_for_nothing_more(self, scene: Scene) -> None:
        connection = scene.connects()
        assert connection.read("purchases").records
        assert scene.again(scene.network.last("/oauth/par")).json()["error"] == "invalid_client"
        assert scene.again(scene.network.last("/oauth/token")).status_code in {400, 401}
        assert refused(scene.again(scene.network.last(LOOK)))

    def test_session_integrity_her_cookie_goes_by_tls_only_and_no_neighbour_can_set_it(
        self, furnished: tuple[Path, str], tmp_path: Path
    ) -> None:
        copy_house(furnished[0], tmp_path / "house")
        house = start(settings_in(tmp_path / "house", "https://vault.example"), load_rooms())
        try:
            browser = create_app(house).test_client()
            here = {"base_url": "https://vault.example"}
            kept = [
                browser.post("/unlock", data={"passphrase": PASSPHRASE}, **here).headers["Set-Cookie"],
                browser.post("/language", data={"language": "pl"}, **here).headers["Set-Cookie"],
            ]
            answer = browser.get("/unlock", **here)
        finally:
            house.stop()
        assert [each.partition("=")[0] for each in kept] == ["__Host-vault", "__Host-language"]
        for each in kept:
            assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(each.split("; ")[1:])
            assert "Domain" not in each
        assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"


class TestA3aReadsTheAuthorizationRequest:
    """Reads the address that her browser is sent to: in a log, a history, a proxy, over her shoulder."""

    def test_authorisation_the_address_says_who_asks_and_nothing_else(self, scene: Scene) -> None:
        asked = scene.asks().authorize_url
        assert {name for name, _ in parse_qsl(urlsplit(asked).query)} == {"client_id", "request_uri"}
        stranger = scene.ada.app.test_client()
        answer = stranger.get(asked)
        assert answer.headers["Location"].startswith("/unlock"), "what is asked for is shown to her alone"
        assert "recommend" not in answer.text

    def test_authentication_with_the_address_it_can_neither_ask_nor_answer(self, scene: Scene) -> None:
        pending = scene.asks()
        stranger = scene.ada.app.test_client()
        page = scene.ada.sees_consent(pending.authorize_url)
        stranger.post("/authorize", data={**page.hidden, "answer": "yes", "days": "30"})
        assert not scene.ada.house.keystore.alive(scene.ada.owner_id, "grant")
        asked = query(pending.authorize_url)
        for form in (
            {"request_uri": asked["request_uri"]},
            {**scene.mallory.form(), "request_uri": asked["request_uri"]},
        ):
            assert scene.mallory.posts("/oauth/par", form).status_code == 400

    def test_session_integrity_her_answer_goes_to_the_one_who_asked_and_the_address_is_spent(
        self, scene: Scene
    ) -> None:
        pending = scene.asks()
        location = scene.ada.sees_consent(pending.authorize_url + "&redirect_uri=https://evil.example&state=x").allows()
        assert location.startswith(scene.shop.redirect_uri + "?")
        assert query(location)["state"] == pending.state
        scene.ada.looks_at(pending.authorize_url.removeprefix(ISSUER), 410)
        assert scene.finishes(pending, location)


class TestA5ReadsAndTampersWithTokenRequestsAndResponses:
    """A vendor was set up with the wrong token endpoint: the attacker reads what it sends there, and answers."""

    def test_authorisation_all_of_a_token_request_gives_it_nothing(self, scene: Scene) -> None:
        sent = self.sent_astray(scene)
        own = new_key()
        for proof in (
            sent.headers["DPoP"],
            scene.shop.proves("POST", f"{ISSUER}/oauth/token", key=own),
            scene.shop.proves("POST", f"{EVIL}/oauth/token", key=own),
        ):
            answer = scene.again(sent, DPoP=proof)
            assert answer.status_code in {400, 401}
            assert "access_token" not in answer.text

    def test_authentication_what_signed_it_is_good_once_and_leads_to_nobody_but_the_vendor(self, scene: Scene) -> None:
        form = dict(parse_qsl(self.sent_astray(scene).content.decode()))
        signed = {name: form[name] for name in ("client_assertion", "client_assertion_type")}
        asked = {**scene.shop.form(), **signed}
        to_itself = scene.shop.http.post("/oauth/par", data={**asked, "redirect_uri": scene.mallory.redirect_uri})
        assert to_itself.json()["error"] == "invalid_request"
        for path in ("/oauth/par", "/oauth/revoke", "/oauth/token"):
            again = scene.shop.http.post(path, data={**asked, "token": "x", "grant_type": "refresh_token"})
            assert again.json()["error"] == "invalid_client", path

    def test_session_integrity_tokens_that_it_slips_in_are_bound_to_another_key(self, scene: Scene) -> None:
        slipped = scene.mallory.tokens()
        pending = scene.asks()
        location = scene.allows(pending)
        scene.evil.gives = {**slipped, "expires_in": 600, "token_type": "DPoP"}
        connection = scene.finishes(pending, location, token=f"{EVIL}/oauth/token")
        with pytest.raises(SharingError):
            connection.read("purchases")
        for kind in ("Bearer", "bearer", "N_A"):
            scene.evil.gives = {**scene.evil.gives, "token_type": kind}
            with pytest.raises(SharingError):
                scene.finishes(pending, location, token=f"{EVIL}/oauth/token")
        scene.evil.gives = {}

    @staticmethod
    def sent_astray(scene: Scene) -> httpx.Request:
        """A whole token request, with the code of her answer, at the attacker's."""
        pending = scene.asks()
        with pytest.raises(SharingError):
            scene.finishes(pending, scene.allows(pending), token=f"{EVIL}/oauth/token")
        return scene.network.last("/oauth/token")


class TestA7ReadsResourceRequests:
    """Reads what a vendor sends to the vendors' API: token, proof, everything."""

    def test_authorisation_what_it_read_shows_nothing_and_leaves_nothing(self, scene: Scene) -> None:
        sent = self.read(scene)
        token, own = sent.headers["Authorization"].removeprefix("DPoP "), new_key()
        for headers in (
            {},
            {"DPoP": scene.shop.proves("GET", URL, token=token, key=own)},
            {"Authorization": f"Bearer {token}"},
        ):
            assert not shows(scene.again(sent, **headers))
        for path in ("/vendor/v1/preferences", "/vendor/v1/grant", f"{LOOK}?limit=1"):
            assert not shows(scene.again(sent, path)), path

    def test_authentication_a_token_gets_no_other_token_and_opens_none_of_her_pages(self, scene: Scene) -> None:
        token = self.read(scene).headers["Authorization"].removeprefix("DPoP ")
        for client in (scene.mallory, scene.shop):
            assert client.refreshes(token).json()["error"] == "invalid_grant"
            assert client.redeems(token).json()["error"] == "invalid_grant"
        thief = scene.ada.app.test_client()
        thief.set_cookie("vault", token, domain="localhost")
        assert thief.get("/purchases").headers["Location"].startswith("/unlock")
        assert thief.get(f"/r/{token}").status_code == 404

    def test_session_integrity_its_calls_end_nothing_and_use_nothing_up(self, scene: Scene) -> None:
        connection = scene.connects()
        assert connection.read("purchases").records
        sent = scene.network.last(LOOK)
        for _ in range(5):
            scene.again(sent)
        assert connection.read("purchases").records
        assert "could not prove" in scene.ada.looks_at("/activity")

    @staticmethod
    def read(scene: Scene) -> httpx.Request:
        """One honest call, as it went by."""
        assert scene.connects().read("purchases").records
        return scene.network.last(LOOK)


@in_the_full_run
class TestA8StolenDatabase:
    """Has a copy of main, the access log, the cache and every backup; not the keystore, which lies elsewhere."""

    def test_authorisation_nothing_opens_with_or_without_a_living_token(
        self, ada: Ada, bookshop: Bookshop, tmp_path: Path
    ) -> None:
        ada.buys("The Salt Almanac")
        ada.lets(bookshop)
        files = taken(ada.house, tmp_path / "copy")
        for token in tokens(bookshop):
            guesses = everything_known(files, token, keystore=False)
            assert not [box for box in files.boxes() if any(reader.opens(box, key) for key in guesses)]
        assert not [file for file in files.directory.rglob("*") if file.is_file() and b"Almanac" in file.read_bytes()]

    def test_authentication_her_passphrase_opens_nothing_of_it_and_no_string_stands_in_it(
        self, ada: Ada, bookshop: Bookshop, tmp_path: Path
    ) -> None:
        ada.lets(bookshop)
        files = taken(ada.house, tmp_path / "copy")
        with pytest.raises(reader.Refused):
            files.without_keystore.root_by_passphrase(PASSPHRASE)
        kept = b"".join(file.read_bytes() for file in files.directory.rglob("*") if file.is_file())
        for string in (ada.session, *tokens(bookshop)):
            assert string.encode() not in kept

    def test_session_integrity_a_question_that_waits_cannot_be_found_or_answered_from_it(
        self, ada: Ada, bookshop: Bookshop, tmp_path: Path
    ) -> None:
        asked = query(bookshop.asks().authorize_url)
        files = taken(ada.house, tmp_path / "copy")
        kept = b"".join(file.read_bytes() for file in (files.directory / "vault").iterdir())
        for said in (asked["request_uri"].rpartition(":")[2], bookshop.client_id, "recommend", bookshop.redirect_uri):
            assert said.encode() not in kept


@in_the_full_run
class TestA9StolenOldBackup:
    """Has a backup from before she ended something, or gets whoever runs the server to put it back."""

    @pytest.fixture
    def past(self, ada: Ada, bookshop: Bookshop, tmp_path: Path) -> Iterator[Past]:
        """Ada has allowed two things; a copy of this moment is kept."""
        ada.buys("The Salt Almanac")
        ada.keeps(Preference(topic="maps", stance="like"))
        ada.lets(bookshop, PURCHASES, TASTE, ticks=("item-1",))
        past = Past(ada, (bookshop,), tmp_path / "kept", MAIN + LOG)
        past.is_kept()
        yield past
        past.ada.house.stop()

    def test_authorisation_what_she_ended_stays_dead_and_what_she_narrowed_is_held(
        self, past: Past, bookshop: Bookshop
    ) -> None:
        past.ada.presses(f"/sharing/{past.ada.grant()}/less", item="1")
        past.comes_back()
        with pytest.raises(Paused):
            bookshop.reads("preferences")
        past.ada.presses(f"/sharing/{past.ada.grant()}/stop")
        past.comes_back()
        for collection in ("purchases", "preferences"):
            with pytest.raises(NoLongerShared):
                bookshop.reads(collection)

    def test_authentication_the_passphrase_and_the_session_of_then_open_nothing(self, past: Past) -> None:
        before = past.ada.session
        unlock.change_passphrase(past.ada.open, PASSPHRASE, "another umbrella quietly", address="test")
        past.ada.locks()
        ada = past.comes_back()
        with pytest.raises(WrongSecret):
            unlock.with_passphrase(ada.house, "", PASSPHRASE, address="test")
        with pytest.raises(Locked):
            sessions.open_session(ada.house, before)

    def test_session_integrity_a_form_of_then_gives_only_what_it_showed(self, past: Past, bookshop: Bookshop) -> None:
        pending = bookshop.asks(TASTE)
        past.is_kept()
        page = past.ada.sees_consent(pending.authorize_url)
        past.ada.keeps(Preference(topic="kettles", stance="like"))
        ada = past.comes_back()
        sent = {**page.hidden, "answer": "yes", "days": "30", "item-0": "yes"}
        ada.unlocks()
        answer = ada.tries("/authorize", **sent)
        assert answer.status_code != 303 or "code=" not in answer.headers["Location"]


@in_the_full_run
class TestA10OperatorWhoWritesSql:
    """Writes what it likes into main and the log. It does not change the program, and does not have the keystore."""

    def test_authorisation_it_can_neither_revive_nor_widen_nor_forge_what_a_vendor_sees(
        self, ada: Ada, bookshop: Bookshop, coffee: Bookshop
    ) -> None:
        ada.buys("The Salt Almanac")
        ada.keeps(Preference(topic="maps", stance="like"))
        ada.lets(coffee, TASTE, ticks=("item-0",))
        mine = tokens(coffee)[0]
        other = reads_row(ada.house, "grants", "1 = 1")
        seen = reads_row(ada.house, "disclosures", "1 = 1")
        ada.presses("/sharing/stop-all")
        ada.lets(bookshop)
        writes(ada.house, "UPDATE grants SET state = 'live', cause = NULL, ended_day = NULL")
        puts_back(ada.house, "grants", other)
        puts_back(ada.house, "disclosures", seen)
        assert coffee.looks("/vendor/v1/preferences", mine).status_code == 401
        now = reads_row(ada.house, "disclosures", "grant_id = ?", bytes.fromhex(ada.grant()))
        puts_back(ada.house, "disclosures", {**now, "box": seen["box"]})
        for each in tokens(bookshop):
            assert "maps" not in calls(bookshop, "purchases", each).text

    def test_authentication_a_lock_that_it_makes_itself_opens_nothing(self, ada: Ada) -> None:
        own = crypto.random_bytes(16)
        there = reads_row(ada.house, "locks", "kind = 'passphrase'")
        params = locks.passphrase_params(crypto.FLOOR)
        secret = locks.passphrase_secret("chosen by the operator", params)
        for pepper in (None, bytes(32)):
            box = locks.make("passphrase", ada.owner_id, own, secret, pepper, params, crypto.random_bytes())
            for lock in (own, there["lock_id"]):
                puts_back(ada.house, "locks", {**there, "lock_id": lock, "params": params, "box": box})
            with pytest.raises(WrongSecret):
                unlock.with_passphrase(ada.house, "", "chosen by the operator", address="test")
        assert ada.house.keystore.pepper(ada.owner_id, own) is None

    def test_session_integrity_a_question_put_in_anothers_place_is_no_question(self, scene: Scene) -> None:
        known = [row["tag"] for row in reads_rows(scene.ada.house, "requests")]
        hers = scene.shop.consent_address()
        (theirs,) = [row for row in reads_rows(scene.ada.house, "requests") if row["tag"] not in known]
        its = scene.mallory.consent_address()
        known.append(theirs["tag"])
        (mallorys,) = [row for row in reads_rows(scene.ada.house, "requests") if row["tag"] not in known]
        writes(scene.ada.house, "UPDATE requests SET box = ? WHERE tag = ?", mallorys["box"], theirs["tag"])
        scene.ada.looks_at(hers, 410)
        assert "Mallory" in scene.ada.looks_at(its)


class TestA11OldClient:
    """Was a client, or part of one: has a key that was withdrawn, tokens that were given back, a domain it gave up."""

    @pytest.fixture
    def former(self, scene: Scene) -> Iterator[Bookshop]:
        """A vendor whose key has leaked, and who has put another in its place."""
        former = Bookshop("Former Books", "former")
        former.open()
        former.visits(scene.ada)
        yield former
        former.close()

    @staticmethod
    def turns_over(former: Bookshop) -> Any:
        """Another key at the same address, used once; the old one is in somebody else's hands."""
        old, former.key = former.key, new_key()
        former.ada.house.clock.passes(seconds=61)  # type: ignore[attr-defined]
        assert former.pushes().status_code == 201
        return old

    def test_authorisation_tokens_given_back_and_a_withdrawn_key_reach_nothing(self, former: Bookshop) -> None:
        held = former.tokens()
        bound = former.key
        old = self.turns_over(former)
        form = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"], **former.asserts(key=old)}
        proof = former.proves("POST", f"{ISSUER}/oauth/token", key=old)
        refused_there = former.http.post("/oauth/token", data=form, headers={"DPoP": proof})
        assert refused_there.json()["error"] == "invalid_client"
        assert former.posts("/oauth/revoke", {"token": held["refresh_token"]}).status_code == 200
        by_old = former.proves("GET", URL, token=held["access_token"], key=bound)
        assert not shows(former.looks(LOOK, held["access_token"], proof=by_old))

    def test_authentication_a_withdrawn_key_signs_nothing_any_more(self, former: Bookshop) -> None:
        old = self.turns_over(former)
        signed = former.asserts(key=old)
        for path, form in (("/oauth/par", former.form()), ("/oauth/revoke", {"token": "x"})):
            assert former.http.post(path, data={**form, **signed}).json()["error"] == "invalid_client", path

    def test_session_integrity_her_answer_goes_to_no_address_that_was_given_up(self, former: Bookshop) -> None:
        page = former.ada.sees_consent(former.consent_address())
        former.redirect_uri = f"{former.address}/elsewhere"
        self.turns_over(former)
        assert "Location" not in page.answers("yes", status=410).headers
        assert not former.ada.house.keystore.alive(former.ada.owner_id, "grant")


ATTACKERS = {name: each for name, each in globals().items() if name.startswith("TestA")}


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_every_attacker_is_held_against_every_goal_and_stands_among_the_threats(attacker: str) -> None:
    written = [name for name in vars(ATTACKERS[attacker]) if name.startswith("test_")]
    assert all(any(name.startswith(f"test_{goal}_") for name in written) for goal in GOALS)
    assert ATTACKERS[attacker].__doc__
    assert f"`{attacker}`" in (ROOT / "docs/threats.md").read_text(encoding="utf-8")
