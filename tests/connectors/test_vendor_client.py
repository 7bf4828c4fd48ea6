"""A vendor's client library and the shop built on it, as far as they stand alone."""

from __future__ import annotations

import json
import socket
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from connectors.demo_shop import asks, create_shop
from connectors.demo_shop.serving import LoopbackServer
from connectors.demo_shop.welcome import welcome
from connectors.vendor_client import (
    Client,
    Connection,
    Denied,
    Item,
    NoLongerShared,
    NotAVault,
    NotUnderstood,
    Paused,
    Pending,
    Refused,
    Sync,
    TryLater,
    Unreachable,
    Vault,
    WrongCallback,
    discover,
    key_from_json,
    key_to_json,
    new_key,
    new_state,
    public_jwks,
    vault_address,
)
from connectors.vendor_client.client import Answer
from connectors.vendor_client.discovery import NEEDED, Endpoints
from connectors.vendor_client.own_calls import read_calls
from connectors.vendor_client.proofs import client_assertion, dpop_proof, s256
from connectors.vendor_client.reach import Reach

NOW = datetime(2026, 11, 22, 18, 12, tzinfo=UTC)
ISSUER = "http://localhost:8400"
SHOP = "http://shop.localhost:8401"
DOORS = Endpoints(
    ISSUER,
    f"{ISSUER}/authorize",
    f"{ISSUER}/oauth/token",
    f"{ISSUER}/oauth/par",
    f"{ISSUER}/oauth/revoke",
    f"{ISSUER}/vendor/v1",
)
ASKED = Item("purchases", ("item",), "ProvideProductRecommendations", "No book twice.", "P14D", "P90D")


class Script:
    """The documented answers of a vault, said in order; what was asked is kept."""

    def __init__(self, *answers: tuple[int, dict[str, Any]] | httpx.Response) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(answer[0], json=answer[1])

    def form(self, number: int) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.asked[number].content.decode()).items()}


def bookshop(script: Script | None = None) -> Client:
    transport = httpx.MockTransport(script) if script else None
    return Client(f"{SHOP}/client.json", f"{SHOP}/callback", new_key(), lambda: NOW, transport)


def token(access: str = "access-one") -> tuple[int, dict[str, Any]]:
    granted = [{"type": "vault_data", "collection": "purchases", "fields": ["item"], "until": "2026-12-22"}]
    return 200, {
        "access_token": access,
        "refresh_token": "refresh-secret",
        "token_type": "DPoP",
        "expires_in": 600,
        "grant_id": "g1",
        "authorization_details": granted,
    }


def page(*titles: str, after: str = "1.0", gone: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    items = [{"ref": title, "change": number, "data": {"item": title}} for number, title in enumerate(titles, 1)]
    left = [{"ref": ref, "change": 99} for ref in gone]
    return 200, {"items": items, "gone": left, "next": after, "as_of": "2026-11-22", "access": 7}


def dead_token() -> httpx.Response:
    challenge = {"WWW-Authenticate": 'DPoP error="invalid_token"'}
    return httpx.Response(401, json={"code": "invalid_token", "status": 401}, headers=challenge)


def asked(client: Client) -> Pending:
    return Pending(DOORS, f"{ISSUER}/authorize?x=1", "the-state", "verifier-secret", new_key())


def connected(script: Script) -> Connection:
    client = bookshop(script)
    pending = asked(client)
    return Vault(client, DOORS).finish(pending, urlencode({"code": "c", "state": "the-state", "iss": ISSUER}))


def read_claims(text: str, key: ECKey) -> dict[str, Any]:
    return jwt.decode(text, key, algorithms=["ES256"]).claims


# Proofs


def test_a_proof_names_the_request_the_moment_and_the_token() -> None:
    key = new_key()
    proof = jwt.decode(dpop_proof(key, "GET", f"{ISSUER}/vendor/v1/purchases?after=1.2#x", NOW, "abc"), key, ["ES256"])
    assert proof.header == {"alg": "ES256", "typ": "dpop+jwt", "jwk": proof.header["jwk"]}
    assert set(proof.header["jwk"]) == {"kty", "crv", "x", "y"}
    claims = dict(proof.claims)
    assert len(claims.pop("jti")) >= 22
    assert claims == {
        "htm": "GET",
        "htu": f"{ISSUER}/vendor/v1/purchases",
        "iat": int(NOW.timestamp()),
        "ath": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
    }


def test_no_two_proofs_are_the_same() -> None:
    key = new_key()
    names = {read_claims(dpop_proof(key, "POST", ISSUER, NOW), key)["jti"] for _ in range(50)}
    assert len(names) == 50


def test_an_assertion_is_for_one_vault_and_one_minute() -> None:
    key = new_key()
    token_ = jwt.decode(client_assertion(key, f"{SHOP}/client.json", ISSUER, NOW), key, ["ES256"])
    claims = token_.claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == (f"{SHOP}/client.json", f"{SHOP}/client.json", ISSUER)
    assert claims["exp"] - claims["iat"] == 60
    assert token_.header["kid"] == key.thumbprint()


def test_the_challenge_is_the_one_of_rfc_7636() -> None:
    assert s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_key_comes_back_from_storage_and_its_public_half_says_nothing_private() -> None:
    key = new_key()
    assert key_from_json(key_to_json(key)).thumbprint() == key.thumbprint()
    assert "d" not in public_jwks(key)["keys"][0]
    for wrong in ("", "[]", "{}", json.dumps(public_jwks(key)["keys"][0]), key_to_json(ECKey.generate_key("P-384"))):
        with pytest.raises(ValueError, match="not a private P-256 key"):
            key_from_json(wrong)


# Addresses


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        (" http://localhost:8400/ ", "http://localhost:8400"),
        ("http://localhost:8400/sharing?x=1", "http://localhost:8400"),
        ("localhost:8400", "http://localhost:8400"),
        ("Vault.Example", "https://vault.example"),
        ("https://vault.example:443", "https://vault.example"),
        ("http://ada.localhost:8400", "http://ada.localhost:8400"),
    ],
)
def test_an_address_is_understood_as_people_type_it(typed: str, means: str) -> None:
    assert vault_address(typed, local=True) == means


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "http://vault.example",
        "ftp://vault.example",
        "javascript:alert(1)",
        "https://ada:secret@vault.example",
        "https://",
        "http://[",
        "https://xn--a",
        "xn--0.example",
        "http://127.0.0.1.example",
        "a" * 400,
    ],
)
def test_an_address_that_no_vault_can_have_is_refused(typed: str) -> None:
    with pytest.raises(NotAVault):
        vault_address(typed, local=True)


def test_a_vendor_on_the_internet_does_not_knock_at_its_own_machine() -> None:
    client = Client("https://shop.example/client.json", "https://shop.example/callback", new_key())
    for typed in ("http://localhost:8400", "https://ada.localhost", "https://127.0.0.1", "https://[::1]"):
        with pytest.raises(NotAVault):
            discover(client, typed)


@pytest.mark.parametrize(
    "inside",
    [
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "0.0.0.0",  # noqa: S104 (it is refused)
        "[::ffff:10.0.0.1]",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "127.1",
    ],
)
def test_an_address_inside_a_network_is_not_reached(inside: str) -> None:
    reach = Reach(local=False)
    with pytest.raises(NotAVault):
        reach.handle_request(httpx.Request("GET", f"https://{inside}/"))
    reach.close()


def test_the_name_that_is_looked_up_is_the_one_in_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets write names by older rules, in which ß is ss: another domain."""
    asked: list[bytes] = []

    def looks_up(host: str, *_more: object, **_else: object) -> None:
        asked.append(host.encode("idna"))  # as a socket does
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", looks_up)
    reach = Reach(local=False)
    with pytest.raises(Unreachable):
        reach.handle_request(httpx.Request("GET", vault_address("https://straße.example", local=False)))
    reach.close()
    assert asked == [b"xn--strae-oqa.example"]


def test_a_name_under_localhost_is_this_machine_and_keeps_its_host_header() -> None:
    server = LoopbackServer(create_shop("http://shop.localhost:1"), 0)
    server.start()
    try:
        with bookshop().open() as line:
            answer = line.get(f"http://shop.localhost:{server.port}/client.json")
            elsewhere = line.get(f"http://other.localhost:{server.port}/client.json")
    finally:
        server.stop()
    assert answer.members()["client_name"] == "Bookshop"
    assert elsewhere.status == 400


# Finding a vault


def well_known(**changes: Any) -> tuple[int, dict[str, Any]]:
    document: dict[str, Any] = {name: [value] for name, value in NEEDED.items()}
    document |= {
        "issuer": ISSUER,
        "authorization_endpoint": DOORS.authorization,
        "token_endpoint": DOORS.token,
        "pushed_authorization_request_endpoint": DOORS.pushed,
        "revocation_endpoint": DOORS.revocation,
        "authorization_response_iss_parameter_supported": True,
    }
    return 200, document | changes


def resource(**changes: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"resource": ISSUER, "authorization_servers": [ISSUER], "vault_api": DOORS.api} | changes


def test_a_vault_is_found_by_its_address() -> None:
    vault = discover(bookshop(Script(well_known(), resource())), "localhost:8400")
    assert vault.endpoints == DOORS
    assert vault.address == ISSUER


@pytest.mark.parametrize(
    ("server", "api"),
    [
        (well_known(issuer="http://localhost:9999"), resource()),
        (well_known(), resource(resource="http://localhost:9999")),
        (well_known(), resource(authorization_servers=["https://elsewhere.example"])),
        (well_known(token_endpoint="https://elsewhere.example/token"), resource()),
        (well_known(token_endpoint=f"{ISSUER}.example/token"), resource()),
        (well_known(token_endpoint=None), resource()),
        (well_known(), resource(vault_api="http://localhost:1/vendor/v1")),
        (well_known(code_challenge_methods_supported=["plain"]), resource()),
        (well_known(authorization_response_iss_parameter_supported=False), resource()),
        ((404, {}), resource()),
        ((302, {}), resource()),
    ],
)
def test_what_is_not_a_vault_of_our_profile_is_refused(
    server: tuple[int, dict[str, Any]], api: tuple[int, dict[str, Any]]
) -> None:
    with pytest.raises(NotAVault) as refused:
        discover(bookshop(Script(server, api)), ISSUER)
    assert refused.value.sentence.endswith(".")


def test_an_answer_that_is_too_large_or_packed_is_not_read() -> None:
    big = httpx.Response(200, content=b" " * (8 * 1024 * 1024 + 1))
    packed = httpx.Response(200, headers={"Content-Encoding": "br"}, stream=httpx.ByteStream(b"xx"))
    for answer in (big, packed):
        with pytest.raises(NotUnderstood):
            discover(bookshop(Script(answer)), ISSUER)


def test_a_vault_that_is_not_there_is_said_to_be_unreachable() -> None:
    with pytest.raises(Unreachable):
        discover(bookshop(), "http://localhost:9")


# Asking


def test_a_question_is_pushed_signed_and_bound_to_a_fresh_key() -> None:
    script = Script((201, {"request_uri": "urn:x:1", "expires_in": 60}))
    client = bookshop(script)
    pending = Vault(client, DOORS).ask([ASKED], new_state())
    form = script.form(0)
    assert form["code_challenge"] == s256(pending.code_verifier)
    assert (form["code_challenge_method"], form["response_type"]) == ("S256", "code")
    assert form["state"] == pending.state
    assert read_claims(form["client_assertion"], client.key)["aud"] == ISSUER
    proof = read_claims(script.asked[0].headers["DPoP"], pending.dpop_key)
    assert (proof["htm"], proof["htu"]) == ("POST", DOORS.pushed)
    assert "ath" not in proof
    assert json.loads(form["authorization_details"])[0]["filter"] == {"vendor": "this"}
    url = httpx.URL(pending.authorize_url)
    assert dict(url.params) == {"client_id": client.client_id, "request_uri": "urn:x:1"}


def test_a_refused_question_says_why() -> None:
    answer = (400, {"error": "invalid_authorization_details", "error_description": "Unknown field."})
    with pytest.raises(Refused) as refused:
        Vault(bookshop(Script(answer)), DOORS).ask([ASKED], new_state())
    assert (refused.value.code, refused.value.sentence) == ("invalid_authorization_details", "Unknown field.")


@pytest.mark.parametrize(
    "query",
    [
        f"code=c&iss={ISSUER}",
        f"code=c&state=another&iss={ISSUER}",
        "code=c&state=the-state",
        "code=c&state=the-state&iss=http://localhost:9999",
        f"code=c&state=the-state&iss={ISSUER}/",
        f"code=c&code=d&state=the-state&iss={ISSUER}",
        f"state=the-state&iss={ISSUER}",
    ],
)
def test_an_answer_that_does_not_belong_to_the_question_is_not_used(query: str) -> None:
    script = Script()
    client = bookshop(script)
    with pytest.raises(WrongCallback):
        Vault(client, DOORS).finish(asked(client), query)
    assert script.asked == []


def test_a_no_is_an_answer_of_its_own() -> None:
    client = bookshop(Script())
    said = {"error": "access_denied", "state": "the-state", "iss": ISSUER}
    with pytest.raises(Denied):
        Vault(client, DOORS).finish(asked(client), said)
    with pytest.raises(WrongCallback):
        Vault(client, DOORS).finish(asked(client), said | {"state": "another"})


def test_a_code_is_exchanged_with_everything_that_binds_it() -> None:
    script = Script(token())
    connection = connected(script)
    form = script.form(0)
    assert (form["code"], form["code_verifier"], form["redirect_uri"]) == ("c", "verifier-secret", f"{SHOP}/callback")
    assert "DPoP" in script.asked[0].headers
    assert connection.granted[0].until == date(2026, 12, 22)


def test_a_bearer_token_is_not_taken() -> None:
    status, members = token()
    with pytest.raises(Refused) as refused:
        connected(Script((status, members | {"token_type": "Bearer"})))
    assert refused.value.code == "token_type"


# Reading


def test_the_feed_is_read_to_its_end_with_a_proof_for_each_page() -> None:
    script = Script(token(), page("Moss", "Salt", after="1.2"), page(after="1.3", gone=("Moss",)), page(after="1.3"))
    sync = connected(script).read("purchases")
    assert [record.data["item"] for record in sync.records] == ["Salt"]
    assert (sync.gone, sync.next, sync.start_again) == (frozenset({"Moss"}), "1.3", False)
    looks = script.asked[1:]
    assert [look.url.params.get("after") for look in looks] == [None, "1.2", "1.3"]
    assert len({look.headers["DPoP"] for look in looks}) == 3
    assert {look.headers["Authorization"] for look in looks} == {"DPoP access-one"}
    assert len(sync.answers) == 3


def test_a_narrowed_grant_is_read_again_from_the_start() -> None:
    script = Script(token(), page("Moss", after="1.1"), (410, {"code": "start_again"}), page("Salt"), page())
    sync = connected(script).read("purchases", after="1.0")
    assert sync.start_again
    assert [record.ref for record in sync.records] == ["Salt"]
    assert script.asked[3].url.params.get("after") is None


def test_a_feed_that_does_not_move_is_left() -> None:
    with pytest.raises(NotUnderstood):
        connected(Script(token(), page("Moss", after="1.1"), page("Moss", after="1.1"))).read("purchases")


def test_half_a_page_is_no_page() -> None:
    for broken in ({"items": []}, {"items": [1], "gone": [], "next": "1"}, {"items": {}, "gone": [], "next": "1"}):
        with pytest.raises(NotUnderstood):
            connected(Script(token(), (200, broken))).read("purchases")


def test_a_list_of_calls_with_a_number_beyond_all_is_not_understood() -> None:
    with pytest.raises(NotUnderstood):
        read_calls(Answer(200, httpx.Headers(), '{"calls": [], "next": 1e999, "access": 1}'))


def test_an_expired_access_token_is_renewed_once() -> None:
    script = Script(token(), dead_token(), token("access-two"), page())
    assert isinstance(connected(script).read("purchases"), Sync)
    assert script.form(2)["refresh_token"] == "refresh-secret"
    assert script.asked[3].headers["Authorization"] == "DPoP access-two"


def test_a_stopped_sharing_is_over_and_shows_the_vaults_words() -> None:
    connection = connected(Script(token(), dead_token(), (400, {"error": "invalid_grant"})))
    with pytest.raises(NoLongerShared) as over:
        connection.read("purchases")
    assert json.loads(over.value.answer)["code"] == "invalid_token"
    again = connected(Script(token(), dead_token(), token("access-two"), dead_token()))
    with pytest.raises(NoLongerShared):
        again.read("purchases")


def test_paused_and_busy_are_told_apart() -> None:
    with pytest.raises(Paused):
        connected(Script(token(), (403, {"code": "paused"}))).grant()
    busy = httpx.Response(429, json={"code": "slow_down"}, headers={"Retry-After": "7"})
    with pytest.raises(TryLater) as later:
        connected(Script(token(), busy)).grant()
    assert later.value.seconds == 7


def test_tokens_are_dropped_at_the_vault_too() -> None:
    script = Script(token(), (200, {}))
    connected(script).drop()
    assert script.form(1)["token"] == "refresh-secret"
    assert str(script.asked[1].url) == DOORS.revocation


# Keeping


def test_state_survives_storage_and_no_secret_shows() -> None:
    script = Script(token(), page())
    connection = connected(script)
    again = Connection.from_json(connection.client, connection.to_json())
    assert again.to_json() == connection.to_json()
    assert again.granted == connection.granted
    assert again.read("purchases").records == ()
    pending = asked(connection.client)
    assert Pending.from_json(pending.to_json()) == pending
    assert Pending.from_json(pending.to_json()).dpop_key.thumbprint() == pending.dpop_key.thumbprint()
    shown = repr([connection, vars(connection), again, pending, connection.client, Vault(connection.client, DOORS)])
    for secret in (
        "access-one",
        "refresh-secret",
        "verifier-secret",
        "the-state",
        connection.client.key.as_dict(private=True)["d"],
    ):
        assert secret not in shown


# The shop


def shop_page(path: str, **request: Any) -> Any:
    return create_shop(SHOP, lambda: NOW).test_client().open(path, base_url=SHOP, **request)


def test_the_shop_says_who_it_is() -> None:
    document = shop_page("/client.json").get_json()
    assert document["client_id"] == f"{SHOP}/client.json"
    assert document["redirect_uris"] == [f"{SHOP}/callback"]
    assert document["token_endpoint_auth_method"] == "private_key_jwt"
    assert document["jwks_uri"] == f"{SHOP}/jwks.json"
    (key,) = shop_page("/jwks.json").get_json()["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert "d" not in key


def test_the_shop_asks_for_an_address_under_a_strict_policy() -> None:
    page_ = shop_page("/")
    assert page_.status_code == 200
    assert "Your vault’s address</label>" in page_.text
    assert "<script" not in page_.text
    assert " style=" not in page_.text
    policy = page_.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'")
    with shop_page("/static/shop.css") as style:
        assert style.status_code == 200
    assert "Nothing. We hold nothing of yours." in shop_page("/data").text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("http://vault.example", "A vault’s address begins with https://."),
        ("", "Please give your vault’s address"),
        ("http://localhost:9", "The vault did not answer."),
    ],
)
def test_a_wrong_address_is_answered_with_a_sentence_at_the_form(typed: str, sentence: str) -> None:
    page_ = shop_page("/connect", method="POST", data={"vault": typed})
    assert page_.status_code == 422
    assert sentence in page_.text
    assert 'aria-invalid="true"' in page_.text


def test_the_shop_listens_to_its_own_forms_and_its_own_name_only() -> None:
    strange = {"Origin": "https://elsewhere.example"}
    assert shop_page("/connect", method="POST", headers=strange).status_code == 403
    assert shop_page("/callback?code=c&state=s").status_code == 400
    assert create_shop(SHOP).test_client().get("/", base_url="http://elsewhere.example").status_code == 400
    with pytest.raises(ValueError, match="this computer only"):
        create_shop("http://shop.example")
    with pytest.raises(ValueError, match="loopback only"):
        LoopbackServer(create_shop(SHOP), 0, "0.0.0.0")  # noqa: S104 (it is refused)


def test_a_port_that_is_taken_is_an_error_and_not_the_end_of_the_program() -> None:
    first = LoopbackServer(create_shop(SHOP), 0)
    first.start()
    with pytest.raises(OSError, match="in use"):
        LoopbackServer(create_shop(SHOP), first.port)
    first.stop()


def test_the_shop_asks_for_eighteen_months_and_necessary_things_only() -> None:
    purchases, *others = [item.detail() for item in asks.items(NOW.date())]
    assert purchases["filter"] == {"vendor": "this", "since": "2025-05-22"}
    assert purchases["fields"] == ["item", "bought_on"]
    assert purchases["optional_fields"] == ["price", "rating"]
    assert all(item["optional"] for item in others)
    assert asks.months_before(date(2026, 8, 31), 18) == date(2025, 2, 28)


def test_the_shop_greets_by_what_it_was_shown_and_by_nothing_else() -> None:
    shown = {
        "purchases": [{"item": "the salt almanac (Paperback)", "bought_on": "2026-10-22", "rating": 5}],
        "preferences": [{"topic": "Travel", "stance": "like"}, {"topic": "crafts", "stance": "never"}],
        "profile": [{"birthday.day_month": "--11-22"}, {"birthday.over_18": True}, {"address.city": "Porthaven"}],
    }
    greeting = welcome(shown, NOW.date())
    marks = {place.book.title: place.owned or place.liked for place in greeting.shelf}
    assert greeting.line == "You already own The Salt Almanac."
    assert marks["The Salt Almanac"] == "On your shelf since October, you gave it 5 of 5"
    assert marks["Atlas of Quiet Places"] == "Because you like travel"
    assert "Knots for Beginners" not in marks
    assert "The Midnight Cellar" in marks
    assert "Many happy returns of the day." in greeting.notes
    plain = welcome({}, NOW.date() + timedelta(days=1))
    assert plain.notes == ()
    assert "The Midnight Cellar" not in {place.book.title for place in plain.shelf}


def test_the_shop_takes_odd_values_calmly() -> None:
    odd = {
        "purchases": [{"item": 7, "bought_on": None}, {"item": "The Salt Almanac", "bought_on": "2026-19-99"}],
        "preferences": [{"topic": None, "stance": []}, {"topic": "x", "stance": "other"}],
        "profile": [{"birthday.day_month": "--99-99"}, {"birthday.over_18": "yes"}, {"address.city": {}}],
    }
    greeting = welcome(odd, NOW.date())
    assert greeting.line == "You already own The Salt Almanac."
    assert greeting.notes == ()


def test_another_book_of_a_similar_name_is_not_taken_for_ours() -> None:
    shown = {"purchases": [{"item": "The Salt Almanac of Cornwall", "bought_on": "2026-10-22"}]}
    assert welcome(shown, NOW.date()).line.startswith("You bought 1 thing here before")
