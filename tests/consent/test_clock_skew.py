"""Whose clock is right: N43 and N60 to the second, times that are none, and how long what was used is remembered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.vendor_client.proofs import public_jwk, s256
from tests.conftest import PASSPHRASE
from tests.people import ISSUER, Bookshop, household, sign_anything

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
READ, PUSH, TOKEN = f"{ISSUER}/vendor/v1/purchases", f"{ISSUER}/oauth/par", f"{ISSUER}/oauth/token"
# As they may be written in JSON, and what only some parsers take for JSON.
NO_TIMES = [
    "1e400",
    "-1e400",
    "1e300",
    "NaN",
    "Infinity",
    "-Infinity",
    "true",
    "false",
    "null",
    "[]",
    "{}",
    '"1795348860"',
    "-1",
    "-0.0",
    str(2**31),
    str(2**63),
    str(-(2**63) - 1),
    str(2**64),
    "1" + "0" * 400,
    "1" + "0" * 2000,
    "{now}.5",
    "{now}.0",
    "{now}e0",
]


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("skew") / "house", PASSPHRASE) as found:
        found.ada.buys("The Salt Almanac")
        yield found


@pytest.fixture
def held(shop: Bookshop) -> dict[str, Any]:
    """Fresh tokens of a fresh grant."""
    return shop.tokens()


def now_of(shop: Bookshop) -> int:
    """The vault's time."""
    return int(shop.ada.house.clock().timestamp())


def pushes(shop: Bookshop, signed: dict[str, str]) -> httpx.Response:
    """A good request with a chosen assertion."""
    return shop.http.post("/oauth/par", data={**shop.form(), **signed})


def refused(answer: httpx.Response) -> bool:
    """401 and the one error of a client that did not prove who it is."""
    return (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(("off", "status"), [(-61, 400), (-60, 201), (0, 201), (60, 201), (61, 400)])
def test_n60_a_pushed_proof_may_be_a_minute_off_and_no_second_more(shop: Bookshop, off: int, status: int) -> None:
    """N60 (RFC 9449 §4.3-11): both edges belong to the minute."""
    answer = shop.pushes(shop.proves("POST", PUSH, iat=now_of(shop) + off))
    assert answer.status_code == status
    assert status == 201 or answer.json()["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize(("off", "good"), [(-61, False), (-60, True), (60, True), (61, False)])
def test_n60_at_the_token_endpoint_and_at_a_look_as_well(
    shop: Bookshop, held: dict[str, Any], off: int, good: bool
) -> None:
    """N60 (RFC 9449 §4.3-11)"""
    form, token = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"]}, held["access_token"]
    issued = now_of(shop) + off
    refreshed = shop.posts("/oauth/token", form, proof=shop.proves("POST", TOKEN, iat=issued))
    seen = shop.looks("/vendor/v1/purchases", token, proof=shop.proves("GET", READ, token=token, iat=issued))
    assert (refreshed.status_code, seen.status_code) == ((200, 200) if good else (400, 401))


@pytest.mark.parametrize(
    ("times", "good"),
    [
        ({"iat": 60, "exp": 120}, True),
        ({"iat": 61, "exp": 120}, False),
        ({"exp": -59}, True),
        ({"exp": -60}, False),
        ({"iat": -3600, "exp": 0}, False),
        ({"iat": 0, "exp": 360}, True),
        ({"iat": 0, "exp": 361}, False),
        ({"iat": 60, "exp": 420}, True),
        ({"iat": 60, "exp": 421}, False),
        ({"iat": -100, "exp": 260}, True),
        ({"iat": -100, "exp": 261}, False),
        ({"iat": None, "exp": 360}, True),
        ({"iat": None, "exp": 361}, False),
        ({"nbf": 60}, True),
        ({"nbf": 61}, False),
        ({"nbf": -86400}, True),
    ],
    ids=str,
)
def test_n43_an_assertion_is_in_time_to_the_second(shop: Bookshop, times: dict[str, int | None], good: bool) -> None:
    """N43 (FAPI 2.0 §5.3.2.1-14): a minute for the clocks; five minutes of life, and the same minute."""
    now = now_of(shop)
    answer = pushes(shop, shop.asserts(**{name: None if off is None else now + off for name, off in times.items()}))
    assert answer.status_code == 201 if good else refused(answer)


@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
@pytest.mark.parametrize("written", NO_TIMES, ids=lambda written: written[:24])
def test_n43_what_is_no_time_is_refused_and_nothing_stumbles(shop: Bookshop, name: str, written: str) -> None:
    """N43: iat and exp are whole seconds; nbf may be any number that has come, and that every reader reads alike."""
    now = now_of(shop)
    claims = {
        "iss": json.dumps(shop.client_id),
        "sub": json.dumps(shop.client_id),
        "aud": json.dumps(ISSUER),
        "iat": str(now),
        "exp": str(now + 60),
        "jti": json.dumps(f"{name} {written[:99]}"),
        name: written.replace("{now}", str(now)),
    }
    payload = "{" + ",".join(f'"{claim}":{value}' for claim, value in claims.items()) + "}"
    assertion = sign_anything({"alg": "ES256"}, payload.encode(), shop.key)
    answer = pushes(shop, {"client_assertion_type": KIND, "client_assertion": assertion})
    passed = name == "nbf" and written in {"-1", "-0.0", "{now}.5", "{now}.0", "{now}e0"}
    assert answer.status_code == 201 if passed else refused(answer)


@pytest.mark.parametrize("written", NO_TIMES, ids=lambda written: written[:24])
def test_n60_a_proof_with_no_time_is_refused_and_nothing_stumbles(
    shop: Bookshop, held: dict[str, Any], written: str
) -> None:
    """N60: where a request is pushed, where a token is fetched, and at a look."""
    now, token = now_of(shop), held["access_token"]
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(shop.key)}

    def proof(method: str, url: str) -> str:
        claims = {"htm": method, "htu": url, "jti": f"{url} {written[:99]}", "ath": s256(token)}
        payload = json.dumps(claims)[:-1] + f',"iat":{written.replace("{now}", str(now))}}}'
        return sign_anything(header, payload.encode(), shop.key)

    form = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"]}
    for answer in (shop.pushes(proof("POST", PUSH)), shop.posts("/oauth/token", form, proof=proof("POST", TOKEN))):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    seen = shop.looks("/vendor/v1/purchases", token, proof=proof("GET", READ))
    assert (seen.status_code, seen.json()["code"]) == (401, "invalid_dpop_proof")


def test_many_may_be_signed_within_one_second(shop: Bookshop, held: dict[str, Any]) -> None:
    """N41, N58: the jti tells them apart, and nothing else need differ."""
    now, token = now_of(shop), held["access_token"]
    for _ in range(3):
        pushed = shop.pushes(shop.proves("POST", PUSH, iat=now))
        seen = shop.looks("/vendor/v1/purchases", token, proof=shop.proves("GET", READ, token=token, iat=now))
        assert (pushed.status_code, shop.refreshes(held["refresh_token"]).status_code) == (201, 200)
        assert seen.status_code == 200


@pytest.mark.parametrize("times", [{"iat": 0, "exp": 1}, {"iat": 0, "exp": 60}, {"iat": 60, "exp": 420}], ids=str)
def test_n41_an_assertion_is_remembered_for_as_long_as_it_would_be_taken(shop: Bookshop, times: dict[str, int]) -> None:
    """N41: tried again in its last good second, after others have come and made the vault forget what is past."""
    start, clock = now_of(shop), shop.ada.house.clock
    said = {name: start + off for name, off in times.items()}
    used = shop.asserts(**said)
    assert pushes(shop, used).status_code == 201
    clock.passes(seconds=times["exp"] + 59)  # type: ignore[attr-defined]
    assert pushes(shop, shop.asserts(**said)).status_code == 201, "one of the same times is still good"
    assert refused(pushes(shop, used))
    clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert refused(pushes(shop, shop.asserts(**said)))
    assert refused(pushes(shop, used))


@pytest.mark.parametrize("off", [-60, 0, 60])
def test_n58_a_proof_is_remembered_for_as_long_as_it_would_be_taken(
    shop: Bookshop, held: dict[str, Any], off: int
) -> None:
    """N58 (RFC 9449 §11.1): pushed, at the token endpoint and at a look, tried again in its last good second."""
    issued, token = now_of(shop) + off, held["access_token"]
    form = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"]}

    def proofs() -> tuple[str, str, str]:
        urls = (("POST", PUSH, None), ("POST", TOKEN, None), ("GET", READ, token))
        return tuple(shop.proves(method, url, token=each, iat=issued) for method, url, each in urls)  # type: ignore[return-value]

    def tried(signed: tuple[str, str, str]) -> list[int]:
        return [
            shop.pushes(signed[0]).status_code,
            shop.posts("/oauth/token", form, proof=signed[1]).status_code,
            shop.looks("/vendor/v1/purchases", token, proof=signed[2]).status_code,
        ]

    used = proofs()
    assert tried(used) == [201, 200, 200]
    shop.ada.house.clock.passes(seconds=off + 60)  # type: ignore[attr-defined]
    assert tried(proofs()) == [201, 200, 200], "others of the same time are still good"
    assert tried(used) == [400, 400, 401]
    shop.ada.house.clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert tried(proofs()) == tried(used) == [400, 400, 401]
