"""An assertion is read twice, to find the keys and to check it, by two programs: what they read differently is refused.

Proofs, and whatever else is signed, are read once. ASVS 1.5.3.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import orjson
import pytest
from joserfc import jws

from tests.people import ISSUER, Bookshop

NOTHING = object()
ODD = {
    "a name twice": b'1, "odd": 2',
    "a name twice, once escaped": rb'1, "o\u0064d": 2',
    "the audience twice": b'1, "aud": "https://elsewhere.test"',
    "a number beyond 64 bits": b"18446744073709551617",
    "a number beyond any float": b"1e400",
    "many digits": b"0.1000000000000000055511151231257827021181583404541015625",
    "minus nothing": b"-0",
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "half a letter": rb'"\ud800"',
    "two halves of a letter": rb'"\ud83d\ude00"',
    "no UTF-8": b'"\xff"',
    "a control character": b'"\x01"',
    "nesting, a hundred deep": b"[" * 100 + b"]" * 100,
    "nesting, two thousand deep": b"[" * 2_000 + b"]" * 2_000,
    "a comma too many": b"[1,]",
    "a comment": b"1 /* one */",
}
WRAPPED = {"a mark of byte order": b"\xef\xbb\xbf%s", "something behind": b"%s {}", "UTF-16": b"%s"}


def assertion(shop: Bookshop, payload: bytes) -> dict[str, str]:
    header = {"alg": "ES256", "kid": shop.key.thumbprint()}
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    signed = jws.serialize_compact(header, payload, shop.key)
    return {"client_assertion_type": kind, "client_assertion": signed, "token": "x"}


def claims(shop: Bookshop, name: str, odd: bytes = b"1") -> bytes:
    now = int(shop.ada.house.clock().timestamp())
    usual = {"iss": shop.client_id, "sub": shop.client_id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": name}
    return orjson.dumps(usual)[:-1] + b', "odd": ' + odd + b"}"


def readings(payload: bytes) -> tuple[Any, Any]:
    """As the finder of keys reads it, and as the library that checks it does."""
    here: Any = NOTHING
    there: Any = NOTHING
    with suppress(ValueError):
        here = orjson.loads(payload)
    with suppress(ValueError, RecursionError):
        there = json.loads(payload)
    return here, there


@pytest.mark.parametrize("name", ODD)
def test_an_odd_claim_is_refused_or_both_read_the_same(bookshop: Bookshop, name: str) -> None:
    payload = claims(bookshop, name, ODD[name])
    here, there = readings(payload)
    agree = here is not NOTHING and here == there and there["aud"] == ISSUER
    assert bookshop.http.post("/oauth/revoke", data=assertion(bookshop, payload)).status_code == (200 if agree else 401)


@pytest.mark.parametrize("name", WRAPPED)
def test_an_odd_text_is_refused(bookshop: Bookshop, name: str) -> None:
    payload = WRAPPED[name] % claims(bookshop, name)
    payload = payload.decode().encode("utf-16") if name == "UTF-16" else payload
    assert bookshop.http.post("/oauth/revoke", data=assertion(bookshop, payload)).status_code == 401


def test_they_do_differ(bookshop: Bookshop) -> None:
    """Otherwise the tests above would show nothing."""
    both = [readings(claims(bookshop, name, odd)) for name, odd in ODD.items()]
    assert any(NOTHING not in each and each[0] != each[1] for each in both)
    assert any(here is NOTHING and there is not NOTHING for here, there in both)
