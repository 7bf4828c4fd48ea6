"""Who a client is: a signed assertion, for this vault, once, in time, by a key of its own. N8, N41-N47 and N52."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask, Response, jsonify
from joserfc.jwk import ECKey, OctKey, RSAKey

from connectors.demo_shop.serving import LoopbackServer
from connectors.vendor_client import new_key, public_jwks
from connectors.vendor_client.proofs import s256
from tests.conftest import PASSPHRASE
from tests.people import ISSUER, Bookshop, household, sign, sign_anything

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("client") / "house", PASSPHRASE) as found:
        yield found


def pushes(shop: Bookshop, signed: dict[str, str]) -> httpx.Response:
    """A good request with a chosen way to authenticate."""
    return shop.http.post("/oauth/par", data={**shop.form(), **signed})


def refused(answer: httpx.Response) -> bool:
    """401 and one error, whatever was wrong."""
    return answer.status_code == 401 and answer.json()["error"] == "invalid_client"


def assertion(shop: Bookshop, header: dict[str, Any], claims: dict[str, Any], key: Any) -> dict[str, str]:
    """An assertion with a header and claims of one's choice, however odd."""
    now = int(shop.ada.house.clock().timestamp())
    usual = {
        "iss": shop.client_id,
        "sub": shop.client_id,
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": "j" * 16,
        **claims,
    }
    signed = sign_anything(header, usual, key) if header["alg"] == "ES256" else sign(header, usual, key)
    return {"client_assertion_type": KIND, "client_assertion": signed}


def test_nobody_pushes_without_proving_who_it_is(shop: Bookshop) -> None:
    """N8 (FAPI 2.0 §5.3.2.2)"""
    good = shop.asserts()["client_assertion"]
    head, payload, signature = good.split(".")
    for signed in (
        {},
        {"client_id": shop.client_id},
        {"client_assertion": good},
        {"client_assertion_type": KIND},
        {"client_assertion_type": KIND + "x", "client_assertion": good},
        {"client_assertion_type": KIND, "client_assertion": "x"},
        {"client_assertion_type": KIND, "client_assertion": "ü.ü.ü"},
        {"client_assertion_type": KIND, "client_assertion": f"{head}.{payload}."},
        {"client_assertion_type": KIND, "client_assertion": f"{head}.{payload}.{signature[::-1]}"},
        {"client_assertion_type": KIND, "client_assertion": f"{payload}.{head}.{signature}"},
        {**shop.asserts(key=new_key())},
        {**shop.asserts(), "client_id": "https://other.example/client.json"},
        {**shop.asserts(), "client_secret": "x"},
    ):
        assert refused(pushes(shop, signed)), signed


def test_an_assertion_is_good_once_wherever_it_was_used(shop: Bookshop) -> None:
    """N41 (RFC 7523 §3; ASVS 10.4.16)"""
    signed = shop.asserts()
    assert pushes(shop, signed).status_code == 201
    assert refused(pushes(shop, signed))
    for path in ("/oauth/token", "/oauth/revoke"):
        assert refused(
            shop.http.post(path, data={"grant_type": "refresh_token", "refresh_token": "x", "token": "x", **signed})
        )
    shop.ada.house.clock.passes(seconds=119)  # type: ignore[attr-defined]
    assert refused(pushes(shop, signed))


def test_an_assertion_for_another_vault_is_refused(shop: Bookshop) -> None:
    """N42 (FAPI 2.0 §5.3.2.1): also one that is for us and for somebody else, who could be passing it on."""
    theirs = "https://vault.example"
    for audience in (
        theirs,
        [],
        "",
        None,
        ISSUER + "/",
        ISSUER + "/authorize",
        [theirs],
        [ISSUER, theirs],
        ISSUER.upper(),
        1,
    ):
        assert refused(pushes(shop, shop.asserts(aud=audience))), audience
    for audience in (ISSUER, [ISSUER], f"{ISSUER}/oauth/par", f"{ISSUER}/oauth/token"):
        assert pushes(shop, shop.asserts(aud=audience)).status_code == 201, audience


def test_an_assertion_has_its_time(shop: Bookshop) -> None:
    """N43 (FAPI 2.0 §5.3.2.1-14)"""
    now = int(shop.ada.house.clock().timestamp())
    for times in (
        {"exp": now - 61},
        {"exp": now + 365 * 86400},
        {"iat": now + 61, "exp": now + 120},
        {"nbf": now + 61},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": -(10**400)},
        {"iat": "now"},
        {"iat": now - 86400, "exp": now + 86400},
        {"iat": None, "exp": now + 86400},
    ):
        assert refused(pushes(shop, shop.asserts(**times))), times
    assert pushes(shop, shop.asserts(iat=now + 10, exp=now + 70)).status_code == 201
    assert pushes(shop, shop.asserts(iat=now - 10)).status_code == 201


def test_only_strong_signatures_by_the_clients_own_key_count(shop: Bookshop) -> None:
    """N44 (RFC 8725 §3.1; FAPI 2.0 §5.4.1)"""
    rsa = RSAKey.generate_key(2048)
    public = json.dumps(shop.key.as_dict(private=False)).encode()
    for header, key in (
        ({"alg": "HS256"}, OctKey.import_key(public)),
        ({"alg": "HS256", "kid": shop.key.thumbprint()}, OctKey.import_key(b"\n" + public)),
        ({"alg": "RS256"}, rsa),
        ({"alg": "PS256"}, rsa),
    ):
        assert refused(pushes(shop, assertion(shop, header, {}, key))), header
    claims = {"iss": shop.client_id, "sub": shop.client_id, "aud": ISSUER, "jti": "j" * 9}
    parts = [urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in ({"alg": "none"}, claims)]
    assert refused(pushes(shop, {"client_assertion_type": KIND, "client_assertion": ".".join([*parts, ""])}))


def test_who_it_is_must_be_said_plainly(shop: Bookshop) -> None:
    """N45 (RFC 7523 §3): no stumbling either."""
    for claims in (
        {"sub": "https://other.example/client.json"},
        {"iss": "https://other.example/client.json"},
        {"iss": None},
        {"sub": None},
        {"sub": 7},
        {"sub": [shop.client_id]},
        {"sub": {"a": 1}, "iss": {"a": 1}},
        {"iss": [shop.client_id]},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": ["x"]},
        {"jti": "x" * 257},
        {"sub": "x" * 5000, "iss": "x" * 5000},
        {"sub": "\ud800", "iss": "\ud800"},
        {"jti": "\ud800" * 9},
    ):
        assert refused(pushes(shop, assertion(shop, {"alg": "ES256"}, claims, shop.key))), claims
    for payload in (b"[]", b"1", b"null", b'"x"', b"{", b"[" * 5000, b"", b"\xff"):
        signed = sign_anything({"alg": "ES256"}, payload, shop.key)
        assert refused(pushes(shop, {"client_assertion_type": KIND, "client_assertion": signed})), payload
    deep = b'{"alg":"ES256","deep":' + b"[" * 1200 + b"]" * 1200 + b"}"
    assert refused(pushes(shop, {"client_assertion_type": KIND, "client_assertion": sign_anything(deep, {}, shop.key)}))


def test_keys_named_in_the_assertion_itself_count_for_nothing(shop: Bookshop) -> None:
    """N46 (FAPI 2.0 §5.4.2): nor does anybody go and look where it points to, where good keys for it would stand."""
    thief, calls = new_key(), []
    jwk = thief.as_dict(private=False)
    app = Flask("thief")

    @app.get("/keys.json")
    def keys() -> Response:
        calls.append(1)
        return jsonify(public_jwks(thief))

    server = LoopbackServer(app, 0)
    server.start()
    there = f"http://thief.localhost:{server.port}/keys.json"
    for more in (
        {"jwk": jwk},
        {"jwk": jwk, "kid": thief.thumbprint()},
        {"jku": there, "kid": thief.thumbprint()},
        {"jku": there, "jwk": jwk},
        {"x5u": there, "kid": thief.thumbprint()},
        {"x5c": ["MIIB"]},
        {"kid": ["x"]},
        {"kid": {"a": "b"}},
        {"kid": "../../dev/null"},
        {"crit": ["b64"], "b64": False},
        {"crit": ["unheard-of"], "unheard-of": 1},
    ):
        assert refused(pushes(shop, assertion(shop, {"alg": "ES256", **more}, {"jti": s256(str(more))}, thief))), more
    by_header = assertion(shop, {"alg": "ES256", "kid": shop.key.thumbprint(), "jku": there}, {}, shop.key)
    assert pushes(shop, by_header).status_code == 201, "what points elsewhere is ignored, and its own key counts"
    server.stop()
    assert not calls


def test_a_client_secret_is_not_a_way_in(shop: Bookshop) -> None:
    """N47: and the answer says which way is."""
    header = {"Authorization": "Basic " + urlsafe_b64encode(f"{shop.client_id}:secret".encode()).decode()}
    answer = shop.http.post("/oauth/par", data=shop.form(client_id=shop.client_id), headers=header)
    assert answer.status_code in {400, 401}
    assert "private_key_jwt" in answer.text
    answer = shop.http.post("/oauth/par", data=shop.form(client_id=shop.client_id, client_secret="secret"))
    assert refused(answer)
    assert "private_key_jwt" in answer.text


def test_new_keys_at_the_same_address_are_accepted_and_the_old_ones_are_not(shop: Bookshop) -> None:
    """N52, as the design has it: keys may be turned over; looking them up anew is done at most once a minute."""
    turned, thief = Bookshop("Turning", "turning"), new_key()
    turned.open()
    turned.visits(shop.ada)
    try:
        assert turned.pushes().status_code == 201
        old, turned.key = turned.key, new_key()
        assert refused(turned.pushes()), "the new key is not looked for twice within the minute"
        turned.ada.house.clock.passes(seconds=61)  # type: ignore[attr-defined]
        assert turned.pushes().status_code == 201
        assert refused(pushes(turned, turned.asserts(key=old)))
        assert refused(pushes(turned, turned.asserts(key=thief)))
    finally:
        turned.close()


def test_weak_keys_are_not_taken(shop: Bookshop) -> None:
    """FAPI 2.0 §5.4.1: RSA of 2048 bits and more, P-256, Ed25519."""
    from consent.client_documents import BadClient, read_document

    house, document = shop.ada.house, shop.document()
    good = RSAKey.generate_key(2048).as_dict(private=False)
    assert read_document(house, shop.client_id, {**document, "jwks": {"keys": [good]}})
    weak = {"kty": "RSA", "e": "AQAB", "n": urlsafe_b64encode(b"\xc1" * 128).rstrip(b"=").decode()}
    for keys in (
        [weak],
        [{**weak, "n": "A" * 300 + weak["n"]}],
        [{**weak, "n": 7}],
        [ECKey.generate_key("secp256k1").as_dict(private=False)],
        [OctKey.generate_key(256).as_dict(private=True)],
        [shop.key.as_dict(private=True)],
        [],
        "keys",
        [{}],
        [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}],
        [{"kty": ["EC"]}],
        [{"kty": "EC", "crv": ["P-256"]}],
    ):
        with pytest.raises(BadClient):
            read_document(house, shop.client_id, {**document, "jwks": {"keys": keys}})
    assert public_jwks(shop.key)
