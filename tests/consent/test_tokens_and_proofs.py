"""Tokens are bound to a key, a vault, a grant and a kind; proofs to one request: N56-N76 and N108."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, OKPKey, RSAKey
from sqlalchemy import text

from connectors.vendor_client import new_key
from connectors.vendor_client.proofs import public_jwk, s256
from tests.conftest import PASSPHRASE
from tests.houses import embedded_only, home_of
from tests.people import ISSUER, PURCHASES, TASTE, VERIFIER, Ada, Bookshop, details, household, sign, sign_anything
from vault import bearer, crypto

URL = f"{ISSUER}/vendor/v1/purchases"
TOKEN = f"{ISSUER}/oauth/token"
# FAPI 2.0 names the algorithm EdDSA; joserfc would rather hear its newer name, Ed25519, and says so each time.
RFC9864 = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("tokens") / "house", PASSPHRASE) as found:
        found.ada.buys("The Salt Almanac")
        yield found


@pytest.fixture
def held(shop: Bookshop) -> dict[str, Any]:
    """Fresh tokens of a fresh grant."""
    return shop.tokens()


def link_of(ada: Ada, held: dict[str, Any]) -> str:
    """A fresh revocation link's string for the grant behind these tokens."""
    page = str(ada.presses(f"/sharing/{held['grant_id']}/link", status=200).text)
    return page.partition("/r/")[2].partition("<")[0].strip()


def refused(answer: httpx.Response, code: str = "invalid_dpop_proof") -> bool:
    """401 with its code, a challenge, and nothing of hers."""
    challenge = answer.headers.get("WWW-Authenticate", "")
    told = answer.status_code == 401 and answer.json()["code"] == code and challenge.startswith("DPoP ")
    return told and "resource_metadata" in challenge and "Almanac" not in answer.text


def test_a_token_is_no_bearer_token(shop: Bookshop, held: dict[str, Any]) -> None:
    """N56 (RFC 9449 §7.2)"""
    token, proof = held["access_token"], shop.proves("GET", URL, token=held["access_token"])
    for header in (
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Bearer {token}", "DPoP": proof},
        {"Authorization": token, "DPoP": proof},
        {"Authorization": "DPoP", "DPoP": proof},
        {"Authorization": f"DPoP {token} {token}", "DPoP": proof},
        {"Authorization": f'DPoP "{token}"', "DPoP": proof},
        {"DPoP": proof},
        {},
    ):
        assert refused(shop.http.get(URL, headers=header), "invalid_token"), header
    assert refused(shop.http.get(URL, headers={"Authorization": f"DPoP {token}"}))
    assert shop.looks("/vendor/v1/purchases", token, proof=proof).status_code == 200


def test_a_token_goes_with_its_key(shop: Bookshop, held: dict[str, Any]) -> None:
    """N57 (RFC 9449 §7.1)"""
    token, thief = held["access_token"], new_key()
    assert refused(shop.looks("/vendor/v1/purchases", token, proof=shop.proves("GET", URL, token=token, key=thief)))


def test_a_proof_is_good_once(shop: Bookshop, held: dict[str, Any]) -> None:
    """N58 (RFC 9449 §11.1): at the vendors' API, at the token endpoint, and when refused for the terms."""
    token = held["access_token"]
    proof = shop.proves("GET", URL, token=token)
    assert shop.looks("/vendor/v1/purchases", token, proof=proof).status_code == 200
    for path in ("/vendor/v1/purchases", "/vendor/v1/purchases?limit=1"):
        assert refused(shop.looks(path, token, proof=proof))
    notes = shop.proves("GET", f"{ISSUER}/vendor/v1/notes", token=token)
    assert shop.looks("/vendor/v1/notes", token, proof=notes).json()["code"] == "not_granted"
    assert refused(shop.looks("/vendor/v1/notes", token, proof=notes))
    form = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"]}
    at_token = shop.proves("POST", TOKEN)
    assert shop.posts("/oauth/token", form, proof=at_token).status_code == 200
    assert shop.posts("/oauth/token", form, proof=at_token).json()["error"] == "invalid_dpop_proof"


def test_of_sixteen_at_once_with_one_proof_one_is_served(shop: Bookshop, held: dict[str, Any]) -> None:
    """N58, concurrently."""
    token, form = held["access_token"], {"grant_type": "refresh_token", "refresh_token": held["refresh_token"]}
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):
            proof = shop.proves("GET", URL, token=token)
            looked = pool.map(lambda _n, proof=proof: shop.looks("/vendor/v1/purchases", token, proof=proof), range(16))
            assert sorted(answer.status_code for answer in looked) == [200] + [401] * 15
        proof = shop.proves("POST", TOKEN)
        tried = pool.map(lambda _n: shop.posts("/oauth/token", form, proof=proof), range(16))
        assert sorted(answer.status_code for answer in tried) == [200] + [400] * 15


def test_a_proof_is_for_one_method_one_address_one_token_and_one_minute(shop: Bookshop, held: dict[str, Any]) -> None:
    """N59 (RFC 9449 §4.3-8, 9, 12), N60 (iat)"""
    token, other = held["access_token"], shop.refreshes(held["refresh_token"]).json()["access_token"]
    now = int(shop.ada.house.clock().timestamp())

    def tried(url: str = URL, method: str = "GET", **more: Any) -> httpx.Response:
        bound = {"ath": s256(token), **more}
        return shop.looks("/vendor/v1/purchases", token, proof=shop.proves(method, url, **bound))

    wrong_urls = [
        "http://evil.example/vendor/v1/purchases",
        "http://localhost/vendor/v1/purchases",
        "https://localhost:8400/vendor/v1/purchases",
        "http://localhost:8400@evil.example/vendor/v1/purchases",
        f"{URL}/",
        f"{ISSUER}/vendor/v1/grant",
        f"{ISSUER}/VENDOR/v1/purchases",
        f"{ISSUER}/vendor/v1/%70urchases",
        "/vendor/v1/purchases",
        "http://[",
        "http://[x/vendor/v1/purchases",
        "",
    ]
    assert all(refused(tried(url)) for url in wrong_urls)
    assert all(refused(tried(htu=each)) for each in (None, 7, [URL], {"a": URL}, True))
    assert all(refused(tried(method=each)) for each in ("POST", "get", "HEAD", ""))
    assert all(refused(tried(htm=each)) for each in (None, 7, ["GET"]))
    assert all(refused(tried(ath=each)) for each in (None, "", s256(other), token, [s256(token)]))
    assert all(
        refused(tried(iat=each)) for each in (now - 61, now + 61, now - 120, now + 120, None, str(now), True, 1e300)
    )
    assert all(refused(tried(jti=each)) for each in (None, "", "short", 12345678, ["12345678"], "x" * 257))
    assert tried(f"{URL}?limit=1#x").status_code == 200
    assert tried(f"HTTP://LOCALHOST:8400{'/vendor/v1/purchases'}").status_code == 200
    assert tried(iat=now - 59).status_code == 200


def test_what_another_host_header_says_does_not_count(shop: Bookshop, held: dict[str, Any]) -> None:
    """N59, N111: the address of a proof is this vault's, whatever the request says about its host."""
    token = held["access_token"]
    evil = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.example",
    }
    for url in ("http://evil.example/vendor/v1/purchases", "https://evil.example/vendor/v1/purchases"):
        answer = shop.looks("/vendor/v1/purchases", token, proof=shop.proves("GET", url, token=token), headers=evil)
        assert refused(answer)
        assert "evil.example" not in answer.headers["WWW-Authenticate"]
    assert shop.looks("/vendor/v1/purchases", token, headers=evil).status_code == 200


@RFC9864
def test_a_proof_must_have_the_shape_of_one(shop: Bookshop, held: dict[str, Any]) -> None:
    """N60 (RFC 9449 §4.3)"""
    token = held["access_token"]
    good = {"htm": "GET", "htu": URL, "iat": int(shop.ada.house.clock().timestamp()), "ath": s256(token)}
    jwk, head = public_jwk(shop.key), {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(shop.key)}
    rsa, secret = RSAKey.generate_key(2048), OctKey.generate_key(256)
    headers: list[dict[str, Any] | bytes] = [
        {**head, "typ": "JWT"},
        {**head, "typ": None},
        {**head, "typ": "DPOP+JWT+x"},
        {"alg": "ES256", "jwk": jwk},
        {"alg": "ES256", "typ": "dpop+jwt"},
        {**head, "jwk": dict(shop.key.as_dict(private=True))},
        {**head, "jwk": {**jwk, "d": ""}},
        {**head, "jwk": json.dumps(jwk)},
        {**head, "jwk": [jwk]},
        {**head, "jwk": {}},
        {**head, "jwk": {"kty": "EC"}},
        {**head, "jwk": {**jwk, "x": 7}},
        {**head, "jwk": {**jwk, "x": "!!"}},
        {**head, "jwk": {**jwk, "y": jwk["x"]}},
        {**head, "jwk": {**jwk, "crv": "P-521"}},
        {**head, "jwk": {**jwk, "crv": ["P-256"]}},
        {**head, "jwk": {**jwk, "kty": ["EC"]}},
        {**head, "jwk": {**jwk, "kty": "OKP"}},
        {**head, "jwk": {"kty": "OKP", "crv": "Ed25519"}},
        {**head, "jwk": dict(rsa.as_dict(private=False))},
        {**head, "jwk": {"kty": "oct", "k": "AAAA"}},
        {**head, "alg": "none"},
        {**head, "alg": "HS256"},
        {**head, "alg": ["ES256"]},
        {**head, "alg": None},
        {**head, "alg": "ES384"},
        {**head, "alg": "EdDSA"},
        {**head, "crit": ["b64"], "b64": False},
        {**head, "crit": ["x"], "x": 1},
        {**head, "jku": 7},
        {**head, "filling": "x" * 3000},
        json.dumps(head).encode().replace(b"}}", b"}," + b'"deep":' + b"[" * 1200 + b"]" * 1200 + b"}"),
    ]
    for header in headers:
        proof = sign_anything(header, {**good, "jti": secrets.token_urlsafe(16)}, shop.key)
        assert refused(shop.looks("/vendor/v1/purchases", token, proof=proof)), header
    for payload in (
        b"",
        b"[]",
        b"1",
        b"null",
        b"{",
        b"\xff",
        b"[" * 2000,
        json.dumps({**good, "jti": "\ud800" * 9}).encode(),
    ):
        proof = sign_anything(head, payload, shop.key)
        assert refused(shop.looks("/vendor/v1/purchases", token, proof=proof)), payload
    symmetric = sign({**head, "alg": "HS256"}, {**good, "jti": "j" * 16}, secret)
    by_rsa = sign({**head, "alg": "PS256", "jwk": dict(rsa.as_dict(private=False))}, {**good, "jti": "j" * 16}, rsa)
    fine = shop.proves("GET", URL, token=token)
    for proof in (
        symmetric,
        by_rsa,
        "x",
        "..",
        "\x7f.~.~",
        fine[:-4] + "AAAA",
        fine.rpartition(".")[0] + ".",
        fine + "," + fine,
    ):
        assert refused(shop.looks("/vendor/v1/purchases", token, proof=proof))


def test_two_proofs_are_as_bad_as_none(shop: Bookshop, held: dict[str, Any]) -> None:
    """N60 (RFC 9449 §4.3-1)"""
    proofs = [shop.proves("GET", URL, token=held["access_token"]) for _ in range(2)]
    headers = [("Authorization", f"DPoP {held['access_token']}"), *(("DPoP", proof) for proof in proofs)]
    raw = shop.ada.app.test_client().get("/vendor/v1/purchases", headers=headers)
    assert (raw.status_code, raw.json and raw.json["code"]) == (401, "invalid_dpop_proof")


def test_a_proof_is_as_strictly_read_at_the_token_endpoint(shop: Bookshop, held: dict[str, Any]) -> None:
    """N57-N60 (RFC 9449 §5)"""
    form = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"]}
    now = int(shop.ada.house.clock().timestamp())
    for proof in (
        None,
        "x",
        shop.proves("GET", TOKEN),
        shop.proves("POST", URL),
        shop.proves("POST", f"{ISSUER}/oauth/par"),
        shop.proves("POST", "http://["),
        shop.proves("POST", TOKEN, iat=now - 61),
        shop.proves("POST", TOKEN, iat=now + 61),
        shop.proves("POST", TOKEN, header_typ="JWT"),
        shop.proves("POST", TOKEN, header_jwk=public_jwk(new_key())),
        sign_anything(
            {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(shop.key)},
            {"htm": "POST", "htu": TOKEN, "iat": now, "jti": "\ud800" * 9},
            shop.key,
        ),
    ):
        answer = shop.posts("/oauth/token", form, proof=proof)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof"), proof
    code = shop.code()
    assert shop.posts("/oauth/token", {"grant_type": "authorization_code", "code": code}).status_code == 400
    assert shop.redeems(code).status_code == 200


@RFC9864
def test_ed25519_will_do_as_well(shop: Bookshop) -> None:
    """FAPI 2.0 §5.4.1"""
    key = OKPKey.generate_key("Ed25519")
    now = int(shop.ada.house.clock().timestamp())

    def proof(method: str, url: str, **more: str) -> str:
        header = {"alg": "EdDSA", "typ": "dpop+jwt", "jwk": dict(key.as_dict(private=False))}
        header["jwk"] = {name: header["jwk"][name] for name in ("kty", "crv", "x")}  # type: ignore[index]
        return sign(header, {"htm": method, "htu": url, "iat": now, "jti": secrets.token_urlsafe(16), **more}, key)

    code = shop.code()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": shop.redirect_uri}
    answer = shop.posts("/oauth/token", {**form, "code_verifier": VERIFIER}, proof=proof("POST", TOKEN))
    token = answer.json()["access_token"]
    assert shop.looks("/vendor/v1/purchases", token, proof=proof("GET", URL, ath=s256(token))).status_code == 200
    assert refused(shop.looks("/vendor/v1/purchases", token))


def test_a_refresh_is_for_its_client_alone_and_widens_nothing(shop: Bookshop, held: dict[str, Any]) -> None:
    """N63, N64, N65 (OAuth 2.1 §4.3; RFC 9396 §6)"""
    other = Bookshop("Kettle Lane Coffee", "coffee")
    other.open()
    other.visits(shop.ada)
    try:
        for key in (other.key, shop.key):
            answer = other.refreshes(held["refresh_token"], key=key)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    finally:
        other.close()
    wider = shop.refreshes(held["refresh_token"], authorization_details=details(PURCHASES, TASTE))
    assert wider.json()["error"] == "invalid_authorization_details"
    assert shop.refreshes(held["refresh_token"], scope="everything").json()["error"] == "invalid_scope"
    assert shop.refreshes(held["refresh_token"], scope="vault").status_code == 200


def test_a_refresh_names_the_next_key_and_the_last_one_keeps_its_token(shop: Bookshop, held: dict[str, Any]) -> None:
    """N63, as the design has it: the assertion binds the refresh, the proof the access token."""
    key = new_key()
    turned = shop.refreshes(held["refresh_token"], key=key).json()["access_token"]
    assert refused(shop.looks("/vendor/v1/purchases", turned))
    by_new = shop.proves("GET", URL, token=turned, key=key)
    assert shop.looks("/vendor/v1/purchases", turned, proof=by_new).status_code == 200
    assert shop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200


def test_a_refresh_may_be_used_again_and_at_once(shop: Bookshop, held: dict[str, Any]) -> None:
    """N66 (FAPI 2.0 §5.3.2.1): stable, so that a lost answer is not a lost permission."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(shop.refreshes, [held["refresh_token"]] * 8))
    tokens = [answer.json()["access_token"] for answer in answers]
    assert len(set(tokens)) == 8
    assert "refresh_token" not in answers[0].json()
    assert all(shop.looks("/vendor/v1/purchases", token).status_code == 200 for token in tokens)


def test_while_paused_a_refresh_works_and_a_look_says_so(shop: Bookshop, held: dict[str, Any]) -> None:
    """N67, as the design has it: three verbs kept apart."""
    ada, grant = shop.ada, held["grant_id"]
    ada.presses(f"/sharing/{grant}/pause")
    fresh = shop.refreshes(held["refresh_token"])
    assert fresh.status_code == 200
    for token in (held["access_token"], fresh.json()["access_token"]):
        for path in ("/vendor/v1/purchases", "/vendor/v1/grant", "/vendor/v1/notes"):
            answer = shop.looks(path, token)
            assert (answer.status_code, answer.json()["code"]) == (403, "paused")
    ada.presses(f"/sharing/{grant}/resume")
    assert shop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200


def test_after_the_end_nothing_refreshes(shop: Bookshop, held: dict[str, Any]) -> None:
    """N67 (ASVS 10.4.8), N76 (FAPI 2.0 §5.3.4-3): in the very next call."""
    shop.ada.presses(f"/sharing/{held['grant_id']}/stop")
    assert refused(shop.looks("/vendor/v1/purchases", held["access_token"]), "invalid_token")
    assert refused(shop.looks("/vendor/v1/grant", held["access_token"]), "invalid_token")
    assert shop.refreshes(held["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_token_in_the_address_or_a_form_is_not_seen(shop: Bookshop, held: dict[str, Any]) -> None:
    """N68 (OAuth 2.1 §5.1)"""
    token = held["access_token"]
    proof = {"DPoP": shop.proves("GET", URL, token=token)}
    assert refused(shop.http.get(f"{URL}?access_token={token}", headers=proof), "invalid_token")
    assert refused(shop.http.request("GET", URL, data={"access_token": token}, headers=proof), "invalid_token")
    assert refused(
        shop.http.get(URL, headers={**proof, "Cookie": f"vault={token}; access_token={token}"}), "invalid_token"
    )
    assert shop.http.post(URL, data={"access_token": token}, headers=proof).status_code == 405


def test_another_vault_knows_nothing_of_our_tokens(
    shop: Bookshop, held: dict[str, Any], furnished: tuple[Path, str], tmp_path: Path
) -> None:
    """N69 (RFC 9700 §2.3)"""
    from tests.people import Clock, house_in
    from vault.app import create_app

    house = house_in(tmp_path / "another", Clock(shop.ada.house.clock()))
    try:
        there = httpx.Client(transport=httpx.WSGITransport(create_app(house)), base_url=ISSUER)
        headers = {
            "Authorization": f"DPoP {held['access_token']}",
            "DPoP": shop.proves("GET", URL, token=held["access_token"]),
        }
        assert refused(there.get("/vendor/v1/purchases", headers=headers), "invalid_token")
    finally:
        house.stop()


def test_a_string_of_one_kind_is_nothing_as_another(shop: Bookshop, held: dict[str, Any]) -> None:
    """N70 (RFC 9700 §4): by its prefix, and by its lock when the prefix is changed and the checksum kept."""
    ada, route = shop.ada, shop.ada.house.keys.route
    strings: dict[bearer.Kind, str] = {
        "session": ada.session,
        "access": held["access_token"],
        "refresh": held["refresh_token"],
        "link": link_of(ada, held),
    }
    uses = {
        "access": lambda string: shop.looks("/vendor/v1/purchases", string).status_code == 200,
        "refresh": lambda string: shop.refreshes(string).status_code == 200,
        "code": lambda string: shop.redeems(string).status_code == 200,
        "link": lambda string: ada.app.test_client().get(f"/r/{string}").status_code == 200,
        "session": lambda string: _opens(ada, string),
    }
    for kind, string in strings.items():
        for use, works in uses.items():
            if use == kind:
                continue
            disguised = f"vrm_{bearer.PREFIX[use]}_{string[7:]}"  # type: ignore[index]  # the keys are the kinds
            assert not works(string), (kind, use)
            assert not works(disguised), (kind, use)
    assert bearer.parse(strings["access"], "access", route)
    assert all(uses[kind](string) for kind, string in strings.items())
    code = shop.code()
    for use, works in uses.items():
        if use != "code":
            assert not works(code)
            assert not works(f"vrm_{bearer.PREFIX[use]}_{code[7:]}")  # type: ignore[index]
    assert uses["code"](code)


def _opens(ada: Ada, string: str) -> bool:
    browser = ada.app.test_client()
    browser.set_cookie("vault", string, domain="localhost")
    return browser.get("/sharing").status_code == 200


@embedded_only
def test_a_thief_of_the_databases_finds_no_string_no_secret_and_nothing_of_hers(ada: Ada, bookshop: Bookshop) -> None:
    """N72 (RFC 9700 §4.9.3; OAuth 2.1 §1.4), N73: in no file of the house, and in nothing that was said on the way."""
    ada.buys("The Salt Almanac")
    address = bookshop.consent_address()
    code = bookshop.code()
    held = bookshop.redeems(code).json()
    bookshop.looks("/vendor/v1/purchases", held["access_token"])
    bookshop.refreshes(held["refresh_token"])
    link = link_of(ada, held)
    strings = [code, held["access_token"], held["refresh_token"], link, ada.session]
    kinds: tuple[bearer.Kind, ...] = ("code", "access", "refresh", "link", "session")
    raws = [bearer.parse(each, kind, ada.house.keys.route) for each, kind in zip(strings, kinds, strict=True)]
    needles = [each.secret for each in raws if each] + [each.encode() for each in strings]
    needles += [address.rpartition("%3A")[2].encode(), bookshop.client_id.encode(), PASSPHRASE.encode()]
    needles += [b"The Salt Almanac", b"shop.localhost"]
    spelt = {b'"item"', b'"purchases"', b"Bookshop"}
    for each in needles:
        spelt |= {each, b64encode(each)[:-4], urlsafe_b64encode(each)[:-4], each.hex().encode()}
    directory = home_of(ada.house)
    files = [file for file in directory.rglob("*") if file.is_file()]
    assert {"vault.db", "vault.db-wal", "log.db", "keystore.db"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        assert not [each for each in spelt if each in content], file.name


def test_nothing_that_opens_is_said_in_errors_or_logs(
    shop: Bookshop, held: dict[str, Any], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """N73 (OAuth 2.1 §7.1.3.7)"""
    token, code = held["access_token"], shop.code()
    answers = [
        shop.looks("/vendor/v1/nothing", token),
        shop.looks("/vendor/v1/purchases", token, proof="x"),
        shop.looks("/vendor/v1/purchases?limit=" + "9" * 5000, token),
        shop.looks("/vendor/v1/purchases?limit=0", token),
        shop.looks("/vendor/v1/purchases?after=" + "9" * 41, token),
        shop.looks("/vendor/v1/purchases?after=1.x", token),
        shop.http.get(f"{URL}?access_token={token}"),
        shop.redeems(code, code_verifier="x" * 43),
        shop.ada.app.test_client().get(f"/r/{token}"),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers)
    said = capsys.readouterr()
    everything = said.out + said.err + caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    for secret in (token, held["refresh_token"], code, shop.ada.session, PASSPHRASE):
        assert secret[7:40] not in everything


def test_strings_are_long_and_never_the_same() -> None:
    """N74 (FAPI 2.0 §5.4.1-4): 256 random bits in each."""
    owner, lock, route = crypto.random_bytes(16), crypto.random_bytes(16), crypto.random_bytes()
    minted = {bearer.mint("access", owner, lock).secret for _ in range(100_000)}
    assert len(minted) == 100_000
    assert {len(each) for each in minted} == {32}
    strings = [bearer.mint("access", owner, crypto.random_bytes(16)).text(route) for _ in range(1000)]
    assert len({each[7:28] for each in strings}) == 1000, "two of one owner's have nothing in common"


def test_tokens_are_kept_by_no_cache(shop: Bookshop, held: dict[str, Any]) -> None:
    """N75 (OAuth 2.1 §3.2.3)"""
    answers = [
        shop.pushes(),
        shop.refreshes(held["refresh_token"]),
        shop.refreshes("x"),
        shop.looks("/vendor/v1/purchases", held["access_token"]),
        shop.looks("/vendor/v1/purchases", "x"),
        shop.posts("/oauth/revoke", {"token": "x"}),
        shop.ada.browser.get(shop.consent_address()),
    ]
    assert all(answer.headers["Cache-Control"] == "no-store" for answer in answers)


def test_a_client_may_drop_its_own_tokens_and_no_others(shop: Bookshop, held: dict[str, Any]) -> None:
    """N108 (RFC 7009 §2.1, §2.2): 200 in every case; a hint changes nothing; the permission itself stays hers."""
    other = Bookshop("Kettle Lane Coffee", "coffee")
    other.open()
    other.visits(shop.ada)
    try:
        for token in (held["access_token"], held["refresh_token"]):
            assert other.posts("/oauth/revoke", {"token": token}).status_code == 200
    finally:
        other.close()
    for unknown in ("x", "vrm_at_" + "A" * 91, held["access_token"][:-9] + "A" * 9, shop.ada.session):
        assert shop.posts("/oauth/revoke", {"token": unknown}).status_code == 200
    assert shop.http.post("/oauth/revoke", data={"token": held["access_token"]}).status_code == 401
    assert shop.posts("/oauth/revoke", {}).status_code == 400
    assert shop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200
    second = shop.refreshes(held["refresh_token"]).json()["access_token"]
    dropped = {"token": held["access_token"], "token_type_hint": "refresh_token"}
    assert shop.posts("/oauth/revoke", dropped).status_code == 200
    assert refused(shop.looks("/vendor/v1/purchases", held["access_token"]), "invalid_token")
    assert shop.looks("/vendor/v1/purchases", second).status_code == 200
    assert shop.posts("/oauth/revoke", {"token": held["refresh_token"], "token_type_hint": "x"}).status_code == 200
    assert refused(shop.looks("/vendor/v1/purchases", second), "invalid_token")
    assert shop.refreshes(held["refresh_token"]).json()["error"] == "invalid_grant"
    assert held["grant_id"].encode() in shop.ada.browser.get("/sharing").data


def test_an_access_token_lives_ten_minutes(shop: Bookshop, held: dict[str, Any]) -> None:
    """Design §6: and the refresh token as long as the permission."""
    assert held["expires_in"] == 600
    clock, ada = shop.ada.house.clock, shop.ada
    clock.passes(seconds=599)  # type: ignore[attr-defined]
    ada.looks_at("/sharing")
    assert shop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200
    clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert refused(shop.looks("/vendor/v1/purchases", held["access_token"]), "invalid_token")
    assert shop.refreshes(held["refresh_token"]).status_code == 200
    with ada.house.main.reading() as session:
        assert session.execute(text("SELECT count(*) FROM grant_locks WHERE kind = 'refresh'")).scalar_one() >= 1


def test_after_its_last_day_a_permission_is_over_before_any_worker_has_come(ada: Ada, bookshop: Bookshop) -> None:
    """N67 (ASVS 10.4.8)"""
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    ada.house.clock.passes(days=30)  # type: ignore[attr-defined]
    assert bookshop.refreshes(held["refresh_token"]).json()["error"] == "invalid_grant"
    assert refused(bookshop.looks("/vendor/v1/purchases", held["access_token"]), "invalid_token")
