"""One proof against one request: each check of RFC 9449 §4.3 at its edge, without a server in between."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey

from connectors.vendor_client.proofs import public_jwk, s256
from consent.dpop import BadProof, Proof, hash_of, verify
from tests.people import sign, sign_anything

NOW, URL = 1_790_000_000, "https://vault.example/vendor/v1/purchases"
KEY, EDWARDS = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
CLAIMS = {"jti": "a proof of mine", "htm": "GET", "htu": URL, "iat": NOW}


def header(**more: Any) -> dict[str, Any]:
    return {"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(KEY), **more}


def proof(claims: Any = CLAIMS, shown: Any = None) -> str:
    return sign_anything(header() if shown is None else shown, claims, KEY)


def verified(text: str | None, **more: Any) -> Proof:
    return verify(text, **{"method": "GET", "url": URL, "now": NOW, **more})


def why(text: str | None, **more: Any) -> str:
    """What is wrong with it."""
    with pytest.raises(BadProof) as refused:
        verified(text, **more)
    assert str(refused.value) == refused.value.reason
    return refused.value.reason


def test_a_proof_names_its_key_and_itself() -> None:
    assert verified(proof()) == Proof(KEY.thumbprint(), "a proof of mine")


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_an_edwards_key_signs_too_under_either_name(algorithm: str) -> None:
    public = {name: EDWARDS.as_dict(private=False)[name] for name in ("kty", "crv", "x")}
    made = sign({"typ": "dpop+jwt", "alg": algorithm, "jwk": public}, CLAIMS, EDWARDS)
    assert verified(made).thumbprint == EDWARDS.thumbprint()
    wrong = sign_anything({"typ": "dpop+jwt", "alg": "ES256", "jwk": public}, CLAIMS, KEY)
    assert why(wrong) == "it cannot be read"


def test_there_is_one_header_of_a_bounded_length() -> None:
    for none in (None, ""):
        assert why(none) == "one DPoP header is needed"
    assert why(f"{proof()},{proof()}") == "one DPoP header is needed"

    assert why("x" * 4096) == "it cannot be read"
    assert why("x" * 4097) == "one DPoP header is needed"


def test_the_part_that_names_the_key_is_bounded_too() -> None:
    def shown(length: int) -> dict[str, Any]:
        return header(more="x" * length)

    def size(length: int) -> int:
        return len(urlsafe_b64encode(json.dumps(shown(length)).encode()).rstrip(b"="))

    most = next(length for length in range(1800, 0, -1) if size(length) <= 2048)
    assert size(most) == 2048
    assert why(proof(shown=shown(most))) == why(proof(shown=shown(most + 1))) == "it cannot be read"
    jwk = {**public_jwk(KEY), "kid": "x" * (most - 7)}
    assert verified(proof(shown=header(jwk=jwk)))
    assert why(proof(shown=header(jwk={**jwk, "kid": "x" * 1800}))) == "it cannot be read"


@pytest.mark.parametrize(("off", "good"), [(0, True), (60, True), (-60, True), (61, False), (-61, False)])
def test_its_time_is_ours_to_the_minute(off: int, good: bool) -> None:
    made = proof({**CLAIMS, "iat": NOW + off})
    if good:
        assert verified(made)
    else:
        assert why(made) == "iat is too old or in the future"


@pytest.mark.parametrize("wrong", [None, "1790000000", 1.79e9, True, [NOW]])
def test_a_time_is_a_whole_number(wrong: Any) -> None:
    assert why(proof({**CLAIMS, "iat": wrong})) == "iat is too old or in the future"
    assert why(proof({**CLAIMS, "iat": True}), now=1) == "iat is too old or in the future"


@pytest.mark.parametrize(("begins", "good"), [(NOW - 86400, True), (NOW + 60, True), (NOW + 61, False), (None, False)])
def test_a_day_from_which_on_it_holds_has_come(begins: int | None, good: bool) -> None:
    """FAPI 2.0 §5.3.2.1 (13): to the minute, as of an assertion."""
    made = proof({**CLAIMS, "nbf": begins})
    if good:
        assert verified(made)
    else:
        assert why(made) == "nbf is in the future"


@pytest.mark.parametrize(
    ("jti", "good"),
    [
        ("8 chars.", True),
        ("7 chars", False),
        ("x" * 256, True),
        ("x" * 257, False),
        ("a\nline and", False),
        (12345678, False),
    ],
)
def test_its_own_name_is_a_short_text(jti: Any, good: bool) -> None:
    made = proof({**CLAIMS, "jti": jti})
    if good:
        assert verified(made).jti == jti
    else:
        assert why(made) == "jti is missing"


def test_it_is_for_one_method_one_address_and_one_token() -> None:
    assert why(proof(), method="POST") == "htm differs"
    assert why(proof(), url=f"{URL}/1") == "htu differs"
    assert why(proof({**CLAIMS, "htu": 7})) == "htu differs"
    assert why(proof(), access_token="vrm_at_x") == "ath differs"
    bound = proof({**CLAIMS, "ath": hash_of("vrm_at_x")})
    assert verified(bound, access_token="vrm_at_x")
    assert why(bound, access_token="vrm_at_y") == "ath differs"
    assert hash_of("vrm_at_x") == s256("vrm_at_x")


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("HTTPS://VAULT.example/vendor/v1/purchases", True),
        (f"{URL}?limit=1#top", True),
        ("https://vault.example/VENDOR/v1/purchases", False),
        ("http://vault.example/vendor/v1/purchases", False),
        ("https://vault.example:444/vendor/v1/purchases", False),
        ("https://other.example/vendor/v1/purchases", False),
        ("https://[", False),
    ],
)
def test_addresses_are_compared_without_their_query_and_the_case_of_their_host(said: str, same: bool) -> None:
    made = proof({**CLAIMS, "htu": said})
    if same:
        assert verified(made)
    else:
        assert why(made) == "htu differs"


def test_what_is_no_address_is_like_no_other() -> None:
    assert why(proof({**CLAIMS, "htu": "https://["}), url="https://shop.example/") == "htu differs"
    assert verified(proof(), url="HTTPS://VAULT.EXAMPLE/vendor/v1/purchases?after=3")


@pytest.mark.parametrize(
    "shown",
    [
        header(typ="JWT"),
        header(alg="HS256"),
        header(alg="none"),
        header(alg=None),
        header(jwk=None),
        header(jwk="a key"),
        {"alg": "ES256", "jwk": public_jwk(KEY)},
    ],
)
def test_the_header_says_what_it_is_and_holds_the_key(shown: dict[str, Any]) -> None:
    assert why(proof(shown=shown)) == "typ, alg or jwk is not acceptable"


@pytest.mark.parametrize("member", ["d", "k", "p", "q"])
def test_a_private_key_is_refused(member: str) -> None:
    assert why(proof(shown=header(jwk={**public_jwk(KEY), member: "AQAB"}))) == "jwk must be a public key"


@pytest.mark.parametrize("member", ["crit", "b64"])
def test_a_header_that_changes_how_it_is_read_is_refused(member: str) -> None:
    assert why(proof(shown=header(**{member: ["b64"]}))) == "jwk must be a public key"


@pytest.mark.parametrize(
    "jwk",
    [
        {**public_jwk(KEY), "crv": "P-384"},
        {**public_jwk(KEY), "kty": "OKP"},
        {"kty": "OKP", "crv": "X25519", "x": public_jwk(KEY)["x"]},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {},
    ],
)
def test_keys_are_of_two_kinds(jwk: dict[str, Any]) -> None:
    assert why(proof(shown=header(jwk=jwk))) == "jwk must be P-256 or Ed25519"


@pytest.mark.parametrize("shown", [[1], "text", 7])
def test_a_header_is_an_object(shown: Any) -> None:
    assert why(proof(shown=shown)) == "the header is not an object"


@pytest.mark.parametrize("claims", [[1], "text", 7, None])
def test_claims_are_an_object(claims: Any) -> None:
    assert why(proof(claims)) == "the signature does not verify"


def test_another_keys_signature_does_not_verify() -> None:
    assert why(sign_anything(header(), CLAIMS, ECKey.generate_key("P-256"))) == "the signature does not verify"
    shown, _claims, signature = proof().split(".")
    later = urlsafe_b64encode(json.dumps({**CLAIMS, "iat": NOW + 1}).encode()).rstrip(b"=").decode()
    assert why(f"{shown}.{later}.{signature}") == "the signature does not verify"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "...",
        "\u017c.b.c",
        f"{proof()}.more",
        proof(shown=b"{"),
        proof(b"{"),
        proof(b"[" * 2500),
    ],
)
def test_what_is_no_proof_at_all_is_refused_like_any_other(text: str) -> None:
    assert why(text) in {"it cannot be read", "the header is not an object"}


@pytest.mark.parametrize("member", ["x", "y"])
@pytest.mark.parametrize("value", ["", "!", "AAAA", 7, None, ["x"]])
def test_half_a_key_is_none(member: str, value: Any) -> None:
    assert why(proof(shown=header(jwk={**public_jwk(KEY), member: value}))) == "it cannot be read"
