"""How the vendors' API speaks HTTP: methods, headers, what is logged; and what the header of a proof cannot do."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.vendor_client import new_key
from connectors.vendor_client.proofs import public_jwk
from consent import dpop, looking
from tests.people import ISSUER, Ada, Bookshop, sign_anything
from vault.pages.guard import ALWAYS

URL = f"{ISSUER}/vendor/v1/purchases"


@pytest.fixture
def token(ada: Ada, bookshop: Bookshop) -> str:
    """An access token for her purchases."""
    ada.buys("The Salt Almanac")
    return str(bookshop.tokens()["access_token"])


def proof_of(header: Any, now: int, key: Any) -> str:
    """A proof whose header is altogether chosen, and truly signed."""
    return sign_anything(header, {"htm": "GET", "htu": URL, "iat": now, "jti": "12345678"}, key)


def test_every_answer_carries_the_headers_of_the_house(bookshop: Bookshop, token: str) -> None:
    for answer in (bookshop.looks("/vendor/v1/purchases", token), bookshop.http.get("/vendor/v1/grant")):
        assert {(name, answer.headers.get(name, "")) for name, _ in ALWAYS} == set(ALWAYS)
        assert answer.headers["Cache-Control"] == "no-store"
        assert int(answer.headers["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_told_the_right_ones(bookshop: Bookshop, method: str) -> None:
    answer = bookshop.http.request(method, "/vendor/v1/purchases")
    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (405, "wrong_method", "GET, HEAD")


def test_head_is_a_look_without_what_is_seen(ada: Ada, bookshop: Bookshop, token: str) -> None:
    headers = {"Authorization": f"DPoP {token}", "DPoP": bookshop.proves("HEAD", URL, token=token)}
    answer = bookshop.http.head("/vendor/v1/purchases", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "Bookshop" in ada.looks_at("/activity")
    by_get = {"Authorization": f"DPoP {token}", "DPoP": bookshop.proves("GET", URL, token=token)}
    assert bookshop.http.head("/vendor/v1/purchases", headers=by_get).status_code == 401


def test_what_leads_nowhere_is_told_as_a_problem_and_beside_the_api_as_a_page(bookshop: Bookshop) -> None:
    for path in (
        "/vendor/v1/",
        "/vendor/v1/purchases/",
        "/vendor/v1/a/b",
        "/vendor/v1/deposits/x",
        "/vendor/v1/grants/",
    ):
        answer = bookshop.http.get(ISSUER + path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    beside = bookshop.http.get(f"{ISSUER}/vendor/v1")
    assert beside.status_code == 404
    assert beside.headers["Content-Type"].startswith("text/html")


def test_an_unexpected_failure_is_a_problem_with_an_id_that_the_log_has_too(
    bookshop: Bookshop, token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumbles(*_args: Any) -> bytes:
        raise RuntimeError("a secret value")

    monkeypatch.setattr(looking, "_page", stumbles)
    answer = bookshop.looks("/vendor/v1/purchases", token)
    assert (answer.status_code, answer.json()["code"]) == (500, "failed")
    assert answer.headers["Content-Type"] == "application/problem+json"
    out, err = capsys.readouterr()
    assert "request_failed" in out
    assert answer.json()["request_id"] in out
    assert "test_vendor_api.py" in out, "where it was"
    assert "secret value" not in out + err + answer.text


def test_a_header_once_good_vouches_for_no_other_signature(bookshop: Bookshop, token: str) -> None:
    """What is remembered of a proof is who signs, never that it was signed."""
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 200
    head = bookshop.proves("GET", URL, token=token).partition(".")[0]
    forged = bookshop.proves("GET", URL, token=token, key=new_key()).partition(".")[2]
    answer = bookshop.looks("/vendor/v1/purchases", token, proof=f"{head}.{forged}")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize(
    "change",
    [
        None,
        [],
        "ES256",
        {"alg": ["ES256"]},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "Ed25519"},
        {"typ": "JWT"},
        {"jwk": []},
        {"jwk": None},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"b64": True},
        {"unheard": "of"},
        {"kid": "x" * 2100},
    ],
    ids=str,
)
def test_a_proof_is_by_its_header_what_the_rfc_says_or_nothing(change: Any) -> None:
    """RFC 9449 §4.2, §4.3; RFC 7515 §4.1.11; RFC 7797 §3."""
    key, now = new_key(), 1_795_000_000
    good = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(key)}
    header = {**good, **change} if isinstance(change, dict) else change
    with pytest.raises(dpop.BadProof):
        dpop.verify(proof_of(header, now, key), method="GET", url=URL, now=now)
    signed = proof_of(good, now, key)
    assert dpop.verify(signed, method="GET", url=URL, now=now).jti == "12345678"
    for torn in (signed + ".", signed + ".e30", signed.replace(".", "..", 1), signed.rpartition(".")[0], signed + "="):
        with pytest.raises(dpop.BadProof):
            dpop.verify(torn, method="GET", url=URL, now=now)
