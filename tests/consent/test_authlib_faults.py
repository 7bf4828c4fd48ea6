"""Faults that Authlib had, or that its usual recipe still has, tried on our endpoints: one test each, by its name.

The numbers are those of the probes of the documented recipe; the CVEs are its published ones. Whatever a new version of
the engine brings back, here it is noticed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from connectors.vendor_client import new_key
from connectors.vendor_client.proofs import public_jwk
from tests.conftest import PASSPHRASE
from tests.houses import everything_kept
from tests.people import ISSUER, VERIFIER, Ada, Bookshop, household, query, sign_anything

EVIL, TOKEN = "https://evil.example/take", f"{ISSUER}/oauth/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("faults") / "house", PASSPHRASE) as found:
        found.ada.buys("The Salt Almanac")
        yield found


def sends_nobody_anywhere(shop: Bookshop, **wrong: str) -> bool:
    """Pushed, asked for without pushing, and beside a request that was pushed: no redirect, and nothing of theirs."""
    asked = {"client_id": shop.client_id, **shop.form(), **wrong}
    answers: list[Any] = [
        shop.pushes(**wrong),
        shop.ada.browser.get(f"/authorize?{urlencode(asked)}"),
        shop.ada.browser.post("/authorize", data={**asked, "answer": "yes"}, headers={"Sec-Fetch-Site": "same-origin"}),
        shop.ada.browser.get(f"{shop.consent_address()}&{urlencode(wrong)}"),
    ]
    assert [answer.status_code for answer in answers] == [400, 410, 410, 200]
    assert not [answer for answer in answers[1:] if "evil.example" in answer.text]
    return all("Location" not in answer.headers for answer in answers)


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json()["error"]


def test_cve_2026_41479_an_unknown_response_type_redirects_to_no_unchecked_address(shop: Bookshop) -> None:
    """N12: up to 1.6.9 the error went to whatever redirect_uri the request named."""
    for response_type in ("token", "id_token", "code token", "x", "none"):
        assert sends_nobody_anywhere(shop, response_type=response_type, redirect_uri=EVIL), response_type


def test_cve_2026_44681_a_wrong_scope_redirects_to_no_unchecked_address(shop: Bookshop) -> None:
    """N13: in 1.7.0 the same with a scope that was not allowed."""
    for scope in ("everything", "vault everything", "openid"):
        assert sends_nobody_anywhere(shop, scope=scope, redirect_uri=EVIL), scope


def test_a_key_in_the_assertions_own_header_is_not_used(shop: Bookshop) -> None:
    """N46: until 1.6.9 `jwk` in the header of a signature was taken for the key to verify it with."""
    thief = new_key()
    signed = shop.asserts(key=thief)["client_assertion"]
    claims = urlsafe_b64decode(signed.split(".")[1] + "==")
    forged = sign_anything({"alg": "ES256", "jwk": public_jwk(thief)}, claims, thief)
    kind = shop.asserts()["client_assertion_type"]
    answer = shop.http.post(
        "/oauth/par", data={**shop.form(), "client_assertion_type": kind, "client_assertion": forged}
    )
    assert error(answer) == (401, "invalid_client")


def test_probe_1_a_confidential_client_does_not_leave_pkce_out(shop: Bookshop) -> None:
    """N27, N29: neither when it asks nor when it exchanges; the recipe lets it do both."""
    assert error(shop.pushes(code_challenge=None, code_challenge_method=None)) == (400, "invalid_request")
    code = shop.code()
    assert shop.redeems(code, code_verifier=None).status_code == 400
    assert shop.redeems(code).status_code == 200


def test_probe_2_a_plain_challenge_is_none(shop: Bookshop) -> None:
    """N28: nor one whose method is not named, which the recipe takes for plain."""
    assert error(shop.pushes(code_challenge=VERIFIER, code_challenge_method="plain")) == (400, "invalid_request")
    assert error(shop.pushes(code_challenge=VERIFIER, code_challenge_method=None)) == (400, "invalid_request")
    code = shop.code()
    challenge = shop.form()["code_challenge"]
    assert error(shop.redeems(code, code_verifier=challenge)) == (400, "invalid_grant")


def test_probe_3_the_token_endpoint_reads_nothing_from_its_address(shop: Bookshop) -> None:
    """N36: the recipe joins the query and the body."""
    code = shop.code()
    whole = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": shop.redirect_uri,
        "code_verifier": VERIFIER,
    }
    for name in whole:
        body = {each: value for each, value in whole.items() if each != name}
        answer = shop.posts("/oauth/token", body, params={name: whole[name]}, proof=shop.proves("POST", TOKEN))
        assert error(answer) == (400, "invalid_request"), name
    assert shop.redeems(code).status_code == 200


def test_probe_4_the_tokens_of_a_replayed_code_are_dead(shop: Bookshop) -> None:
    """N31: in the recipe they live on."""
    code = shop.code()
    held = shop.redeems(code).json()
    assert error(shop.redeems(code)) == (400, "invalid_grant")
    assert shop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 401
    assert error(shop.refreshes(held["refresh_token"])) == (400, "invalid_grant")


def test_probe_5_of_two_exchanges_at_once_one_gets_tokens(shop: Bookshop) -> None:
    """N32: the recipe looks, mints and deletes, and gives two pairs."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            answers = list(pool.map(shop.redeems, [shop.code()] * 2))
            assert sorted(answer.status_code for answer in answers) == [200, 400]


def test_probe_6_no_successor_outlives_a_refresh_token(shop: Bookshop) -> None:
    """N66, N108: the recipe rotates, and whoever replays the old one leaves the new one alive. Here it stays one."""
    held = shop.tokens()
    fresh = [shop.refreshes(held["refresh_token"]).json() for _ in range(3)]
    assert all("refresh_token" not in each for each in fresh)
    assert shop.posts("/oauth/revoke", {"token": held["refresh_token"]}).status_code == 200
    tokens = [held["access_token"], *(each["access_token"] for each in fresh)]
    assert {shop.looks("/vendor/v1/purchases", token).status_code for token in tokens} == {401}
    assert error(shop.refreshes(held["refresh_token"])) == (400, "invalid_grant")


def test_probe_7_an_access_token_is_short_lived_and_stands_nowhere_in_the_clear(ada: Ada, bookshop: Bookshop) -> None:
    """N72, N34: the recipe's live ten days and stand in a column."""
    held = bookshop.tokens()
    assert held["expires_in"] <= 600
    content = everything_kept(ada.house)
    assert not [each for each in (held["access_token"], held["refresh_token"]) if each[7:].encode() in content]
    ada.house.clock.passes(minutes=10)  # type: ignore[attr-defined]
    assert bookshop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 401


def test_probe_8_a_wrong_redirect_uri_gets_nothing_however_often(shop: Bookshop) -> None:
    """N35: the code survives, as in the recipe but on purpose: a thief who fails cannot spend her answer."""
    code = shop.code()
    for _ in range(3):
        assert error(shop.redeems(code, redirect_uri=EVIL)) == (400, "invalid_grant")
    assert shop.redeems(code).status_code == 200


def test_probe_9_a_repeated_redirect_uri_is_an_answer_and_no_failure_of_ours(shop: Bookshop) -> None:
    """N19: the recipe answers 500."""
    pairs = [*shop.asserts().items(), *shop.form().items(), ("redirect_uri", EVIL)]
    assert error(shop.http.post("/oauth/par", content=urlencode(pairs), headers=FORM)) == (400, "invalid_request")
    address = shop.consent_address()
    for more in ({"redirect_uri": EVIL}, {"request_uri": "urn:x"}, {"client_id": "https://evil.example/c"}):
        answer = shop.ada.browser.get(f"{address}&{urlencode(more)}&{urlencode(more)}")
        assert answer.status_code in {200, 410}, more
        assert "Location" not in answer.headers
        assert "evil.example" not in answer.text


def test_probe_10_an_unknown_scope_is_refused_and_gives_no_code_of_nothing(shop: Bookshop) -> None:
    """N79: the recipe drops what it does not know, and goes on."""
    for scope in ("everything", "vault everything", "vault vault", "VAULT", "vault ", " vault"):
        assert error(shop.pushes(scope=scope)) == (400, "invalid_scope"), scope
    assert shop.pushes(scope="vault").status_code == 201


def test_probe_11_two_ways_to_authenticate_are_none(shop: Bookshop) -> None:
    """N39: the recipe takes the first that works."""
    basic = "Basic " + urlsafe_b64encode(f"{shop.client_id}:secret".encode()).decode()
    held = shop.tokens()
    form = {**shop.asserts(), "grant_type": "refresh_token", "refresh_token": held["refresh_token"]}
    headers = {"Authorization": basic, "DPoP": shop.proves("POST", TOKEN)}
    assert error(shop.http.post("/oauth/token", data=form, headers=headers)) == (400, "invalid_request")
    answer = shop.refreshes(held["refresh_token"], client_secret="secret")
    assert error(answer) == (401, "invalid_client")


def test_probe_12_a_repeated_parameter_at_the_token_endpoint_is_refused(shop: Bookshop) -> None:
    """N19: the recipe looks for repeated ones where consent is asked for, and among five names."""
    code = shop.code()
    whole = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": shop.redirect_uri,
        "code_verifier": VERIFIER,
    }
    headers = {**FORM, "DPoP": shop.proves("POST", TOKEN)}
    for name in (*whole, "client_assertion", "client_assertion_type", "x"):
        signed = {**shop.asserts(), **whole, "x": "x"}
        body = urlencode([*signed.items(), (name, signed[name])])
        assert error(shop.http.post("/oauth/token", content=body, headers=headers)) == (400, "invalid_request"), name
    assert shop.redeems(code).status_code == 200


def test_probe_13_a_client_id_may_be_as_long_as_an_address(ada: Ada) -> None:
    """The recipe's column holds 48 characters, and compares a secret; here there is an address and no secret."""
    shop = Bookshop("Bookshop", "long")
    path = "/" + "x" * 1000 + ".json"
    shop.app.add_url_rule(path, "long", lambda: shop.document())
    shop.open()
    shop.visits(ada)
    shop.client_id = shop.address + path
    try:
        answer = query(ada.sees_consent(shop.consent_address()).allows())
        assert shop.redeems(answer["code"]).status_code == 200
    finally:
        shop.close()


def test_a_long_header_is_read_to_its_end(shop: Bookshop) -> None:
    """joserfc reads 512 bytes of a header unless told otherwise; a certificate alone is longer."""
    now = int(shop.ada.house.clock().timestamp())
    claims = {"iss": shop.client_id, "sub": shop.client_id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "j" * 16}
    header = {"alg": "ES256", "kid": shop.key.thumbprint(), "x5c": ["M" * 900]}
    kind = shop.asserts()["client_assertion_type"]
    signed = {"client_assertion_type": kind, "client_assertion": sign_anything(header, claims, shop.key)}
    assert shop.http.post("/oauth/par", data={**shop.form(), **signed}).status_code == 201
