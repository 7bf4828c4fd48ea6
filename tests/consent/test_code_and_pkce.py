"""Codes: bound to client, key, redirect and verifier, good once and for a minute. N27-N40 of the research note.

The design differs from N33 on purpose: whoever fails a check burns nothing, so a thief cannot spend her answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from connectors.vendor_client import new_key
from tests.conftest import PASSPHRASE
from tests.people import ISSUER, VERIFIER, Bookshop, household, query

TOKEN = f"{ISSUER}/oauth/token"


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("code") / "house", PASSPHRASE) as found:
        found.ada.buys("The Salt Almanac")
        yield found


@pytest.fixture(scope="module")
def other(shop: Bookshop) -> Iterator[Bookshop]:
    """Another client of the same vault."""
    other = Bookshop("Kettle Lane Coffee", "coffee")
    other.open()
    other.visits(shop.ada)
    yield other
    other.close()


def rows(shop: Bookshop, table: str) -> int:
    """How many rows of a table belong to living or dead grants of hers."""
    with shop.ada.house.main.reading() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def end_everything(shop: Bookshop) -> None:
    """Begin with no grant at all."""
    shop.ada.presses("/sharing/stop-all")
    assert not shop.ada.house.keystore.alive(shop.ada.owner_id, "grant")


def test_pkce_with_s256_is_needed_of_everybody(shop: Bookshop) -> None:
    """N27 (FAPI 2.0 §5.3.2.2), N28 (ASVS 10.4.6)"""
    for changes in (
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge": "x" * 42},
        {"code_challenge": "x" * 129},
        {"code_challenge": "=" * 43},
    ):
        answer = shop.pushes(**changes)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), changes


def test_without_the_right_verifier_a_code_is_worth_nothing(shop: Bookshop) -> None:
    """N29, N30, N40 (RFC 7636 §4.6; RFC 9700 §4.5, §4.8): and the right one still opens it afterwards."""
    code = shop.code()
    short, long = VERIFIER[:42], "x" * 129
    for wrong in (
        None,
        "",
        "x" * 43,
        short,
        long,
        VERIFIER + "x",
        VERIFIER[:-1] + "é",
        VERIFIER + "\n",
        VERIFIER.upper(),
    ):
        answer = shop.redeems(code, code_verifier=wrong)
        assert answer.status_code == 400, wrong
        assert answer.json()["error"] in {"invalid_grant", "invalid_request"}
    assert shop.redeems(code, code_verifier="x" * 43).json()["error"] == "invalid_grant"
    assert shop.redeems(code).status_code == 200


def test_a_code_used_twice_ends_the_permission_and_everything_that_opens_it(shop: Bookshop) -> None:
    """N31 (OAuth 2.1 §4.1.3; ASVS 10.4.2)"""
    end_everything(shop)
    code = shop.code()
    tokens = shop.redeems(code).json()
    assert shop.looks("/vendor/v1/purchases", tokens["access_token"]).status_code == 200
    again = shop.redeems(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert shop.looks("/vendor/v1/purchases", tokens["access_token"]).status_code == 401
    assert shop.refreshes(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert (rows(shop, "grant_locks"), rows(shop, "disclosures")) == (0, 0)
    assert not shop.ada.house.keystore.alive(shop.ada.owner_id, "grant")
    assert "a code was used twice. The vendor must ask again." in shop.ada.looks_at("/sharing")


def test_a_replay_by_another_client_ends_it_too_but_a_guess_does_not(shop: Bookshop, other: Bookshop) -> None:
    """N31: what opens the spent code proves that it has leaked; what merely names it proves nothing."""
    code = shop.code()
    access = shop.redeems(code).json()["access_token"]
    guess = _with_another_secret(shop, code)
    assert shop.redeems(guess).json()["error"] == "invalid_grant"
    assert shop.looks("/vendor/v1/purchases", access).status_code == 200
    assert other.redeems(code).json()["error"] == "invalid_grant"
    assert shop.looks("/vendor/v1/purchases", access).status_code == 401


def _with_another_secret(shop: Bookshop, code: str) -> str:
    """The same lock's name, its checksum right, with a secret that does not open it."""
    from dataclasses import replace

    from vault import bearer

    route = shop.ada.house.keys.route
    named = bearer.parse(code, "code", route)
    assert named is not None
    return replace(named, secret=b"\1" * 32).text(route)


def test_of_sixteen_at_once_exactly_one_gets_tokens_and_the_others_end_it(shop: Bookshop) -> None:
    """N32 (RFC 9700 §4.2.4), twenty times over."""
    with ThreadPoolExecutor(16) as pool:
        for _ in range(20):
            code = shop.code()
            answers = list(pool.map(shop.redeems, [code] * 16))
            won = [answer.json() for answer in answers if answer.status_code == 200]
            lost = [answer for answer in answers if answer.status_code != 200]
            assert len(won) == 1
            assert {(answer.status_code, answer.json()["error"]) for answer in lost} == {(400, "invalid_grant")}
            assert shop.looks("/vendor/v1/purchases", won[0]["access_token"]).status_code == 401
            assert shop.refreshes(won[0]["refresh_token"]).status_code == 400
    assert not shop.ada.house.keystore.alive(shop.ada.owner_id, "grant")


def test_a_thief_of_a_code_neither_uses_nor_spends_it(shop: Bookshop, other: Bookshop) -> None:
    """N33 (OAuth 2.1 §3.2.2), as the design has it: failing a check burns nothing."""
    code = shop.code()
    for _ in range(3):
        answer = other.redeems(code, redirect_uri=shop.redirect_uri)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert shop.redeems(code).status_code == 200


def test_a_code_lives_a_minute(shop: Bookshop) -> None:
    """N34 (FAPI 2.0 §5.3.2.1)"""
    early, late = shop.code(), None
    shop.ada.house.clock.passes(seconds=59)  # type: ignore[attr-defined]
    assert shop.redeems(early).status_code == 200
    late = shop.code()
    shop.ada.house.clock.passes(seconds=60)  # type: ignore[attr-defined]
    assert shop.redeems(late).json()["error"] == "invalid_grant"


def test_a_code_goes_with_the_redirect_it_was_asked_for(shop: Bookshop) -> None:
    """N35 (RFC 6749 §4.1.3)"""
    code = shop.code()
    for wrong in (None, shop.redirect_uri + "/", "https://evil.example/take", shop.redirect_uri.upper()):
        answer = shop.redeems(code, redirect_uri=wrong)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), wrong
    assert shop.redeems(code).status_code == 200


def test_a_code_goes_with_the_key_that_pushed_the_request(shop: Bookshop) -> None:
    """N62 (RFC 9449 §10): by proof or by thumbprint, and both must agree."""
    key, thief = new_key(), new_key()
    pushed = f"{ISSUER}/oauth/par"
    clash = shop.pushes(shop.proves("POST", pushed, key=key), dpop_jkt=thief.thumbprint())
    assert (clash.status_code, clash.json()["error"]) == (400, "invalid_dpop_proof")
    assert shop.pushes(shop.proves("POST", pushed, key=key), dpop_jkt=key.thumbprint()).status_code == 201
    code = shop.code(dpop_jkt=key.thumbprint())
    refused = shop.redeems(code, key=thief)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    assert shop.redeems(code, key=key).status_code == 200
    by_proof = shop.pushes(shop.proves("POST", pushed, key=key)).json()["request_uri"]
    address = "/authorize?" + urlencode({"client_id": shop.client_id, "request_uri": by_proof})
    code = query(shop.ada.sees_consent(address).allows())["code"]
    for wrong in (thief, shop.key):
        refused = shop.redeems(code, key=wrong)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    assert shop.redeems(code, key=key).status_code == 200


def test_nothing_at_the_token_endpoint_is_read_from_the_address(shop: Bookshop) -> None:
    """N36 (OAuth 2.1 §3.2)"""
    code = shop.code()
    form = {"grant_type": "authorization_code", "redirect_uri": shop.redirect_uri, "code_verifier": VERIFIER}
    for asked, body in (({"code": code}, form), ({"x": "1"}, {**form, "code": code})):
        answer = shop.posts("/oauth/token", body, params=asked, proof=shop.proves("POST", TOKEN))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert shop.redeems(code).status_code == 200


def test_only_forms_by_post_are_read(shop: Bookshop) -> None:
    """N37 (RFC 6749 §3.2), N38 (OAuth 2.1 §3.2)"""
    content: dict[str, Any] = {**shop.asserts(), "grant_type": "authorization_code", "code": "x"}
    for path in ("/oauth/token", "/oauth/par", "/oauth/revoke"):
        for kind, body in (
            ("application/json", json.dumps(content)),
            ("application/x-www-form-urlencoded2", "grant_type=x"),
            ("text/plain", "grant_type=x"),
            ("", "x"),
            (
                "multipart/form-data; boundary=b",
                '--b\r\nContent-Disposition: form-data; name="code"\r\n\r\nx\r\n--b--\r\n',
            ),
        ):
            answer = shop.http.post(path, content=body, headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), (path, kind)
        assert shop.http.get(path).status_code == 405
        assert shop.http.post(path, data={"code": "x" * 40_000}).status_code == 413


def test_one_way_to_authenticate_and_not_two(shop: Bookshop) -> None:
    """N39 (OAuth 2.1 §2.4): nothing is tried after a header was sent, and no secret is known here."""
    code = shop.code()
    both = shop.http.post(
        "/oauth/token",
        data={**shop.asserts(), "grant_type": "authorization_code", "code": code},
        headers={"Authorization": "Basic eDp5", "DPoP": shop.proves("POST", TOKEN)},
    )
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    secret = shop.redeems(code, client_secret="guess")
    assert (secret.status_code, secret.json()["error"]) == (401, "invalid_client")
    assert shop.redeems(code).status_code == 200


def test_unknown_ways_to_get_tokens_are_refused(shop: Bookshop) -> None:
    """OAuth 2.1 §2.4: no password, no client credentials, no implicit, no token exchange."""
    for way in (
        "password",
        "client_credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "x",
        None,
    ):
        answer = shop.redeems("x", grant_type=way)
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type"), way
