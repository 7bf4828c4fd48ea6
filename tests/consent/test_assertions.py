"""An assertion before one server: each check of it at its edge, without a request around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from authlib.oauth2.rfc6749.errors import InvalidClientError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from connectors.vendor_client.proofs import public_jwks
from consent import clients
from consent.oauth.assertion import Assertion
from tests.people import Clock, house_in, sign, sign_anything
from vault import crypto
from vault.server import Server

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SHOP, OTHER, VAULT = "the bookshop", "the coffee shop", "http://localhost:8400"
HERE = [VAULT, f"{VAULT}/oauth/token"]
KEY = ECKey.generate_key("P-256")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows two clients with one key."""
    made = house_in(tmp_path_factory.mktemp("assertions") / "house", Clock())
    for client_id in (SHOP, OTHER):
        document = {"client_id": client_id, "client_name": "Bookshop", "redirect_uris": ["https://shop.example/back"]}
        more = {"token_endpoint_auth_method": "private_key_jwt", "jwks": public_jwks(KEY)}
        clients.register(made, {**document, **more})
    yield made
    made.stop()


def form(server: Server, header: dict[str, Any] | None = None, **claims: Any) -> dict[str, str]:
    """A good form, but for what is changed; a claim that is None is left out."""
    usual = {"iss": SHOP, "sub": SHOP, "aud": VAULT, "jti": crypto.random_bytes(8).hex(), "iat": server.now}
    said = {**usual, "exp": server.now + 60, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    signed = sign_anything(header or {"alg": "ES256", "kid": KEY.thumbprint()}, said, KEY)
    return {"client_assertion_type": KIND, "client_assertion": signed}


def asking(sent: dict[str, str], endpoint: str = "par") -> Any:
    return SimpleNamespace(form=sent, address="192.0.2.7", endpoint=endpoint, client=None, calls=None)


def known(server: Server, sent: dict[str, str]) -> bool:
    """Is it taken for the Bookshop? If not, there is one answer for every reason."""
    request = asking(sent)
    refusals, found = [], None
    try:
        found = Assertion(server, HERE)(None, request)
    except InvalidClientError as error:
        refusals.append((error.status_code, "private_key_jwt" in str(error.description)))
    assert refusals == ([] if found else [(401, True)])
    assert found is request.client
    return found is not None


def taken(server: Server, **claims: Any) -> bool:
    return known(server, form(server, **claims))


def test_a_good_assertion_says_who_calls(server: Server) -> None:
    assert taken(server)
    assert taken(server, iss=OTHER, sub=OTHER)
    assert known(server, {**form(server), "client_id": SHOP})
    assert known(server, form(server, header={"alg": "ES256"}))
    assert known(server, form(server, header={"alg": "ES256", "kid": KEY.thumbprint(), "typ": "JWT"}))


def test_what_stands_beside_it_agrees_with_it(server: Server) -> None:
    assert not known(server, {**form(server), "client_id": OTHER})
    assert not known(server, {**form(server), "client_secret": ""})
    assert not known(server, {**form(server), "client_assertion_type": "jwt"})
    assert not known(server, {"client_assertion": form(server)["client_assertion"]})
    assert not known(server, {"client_assertion_type": KIND})


@pytest.mark.parametrize("changed", [{"iss": OTHER}, {"iss": None}, {"sub": None}, {"sub": 7}, {"iss": 7, "sub": 7}])
def test_it_is_issued_by_whom_it_is_about(server: Server, changed: dict[str, Any]) -> None:
    assert not taken(server, **changed)


@pytest.mark.parametrize(
    ("audience", "good"),
    [
        (HERE[0], True),
        (HERE[1], True),
        (HERE, True),
        ([VAULT], True),
        ([], False),
        (None, False),
        ("", False),
        (OTHER, False),
        ([VAULT, OTHER], False),
        ([OTHER, VAULT], False),
        (f"{VAULT}/", False),
    ],
)
def test_it_is_for_this_server_and_for_nobody_else(server: Server, audience: Any, good: bool) -> None:
    assert taken(server, aud=audience) is good


@pytest.mark.parametrize(
    ("issued", "expires", "good"),
    [
        (0, 60, True),
        (None, 60, True),
        (60, 120, True),
        (61, 121, False),
        (0, 360, True),
        (0, 361, False),
        (None, 360, True),
        (None, 361, False),
        (-300, -59, True),
        (-300, -61, False),
        (0, None, False),
    ],
)
def test_it_lives_from_a_minute_before_to_six_minutes_after(
    server: Server, issued: int | None, expires: int | None, good: bool
) -> None:
    def at(seconds: int | None) -> int | None:
        return None if seconds is None else server.now + seconds

    assert taken(server, iat=at(issued), exp=at(expires)) is good


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize("wrong", [True, 1.0, "60", [60]])
def test_times_are_whole_numbers(server: Server, name: str, wrong: Any) -> None:
    assert not taken(server, **{name: server.now + wrong if wrong == 1.0 and wrong is not True else wrong})


@pytest.mark.parametrize(("jti", "good"), [("x", True), ("y" * 256, True), ("z" * 257, False), ("", False), (7, False)])
def test_its_own_name_is_a_text_of_some_length(server: Server, jti: Any, good: bool) -> None:
    assert taken(server, jti=jti) is good
    assert not taken(server, jti=jti), "and good once"


def test_what_one_client_has_used_another_may_use(server: Server) -> None:
    assert taken(server, jti="the same")
    assert taken(server, jti="the same", iss=OTHER, sub=OTHER)
    assert not taken(server, jti="the same")


def test_it_is_remembered_as_long_as_it_would_be_taken(server: Server) -> None:
    clock: Any = server.clock
    began, sent = clock.now, form(server)
    assert known(server, sent)
    clock.passes(seconds=119)
    assert taken(server), "which forgets what may be forgotten"
    assert not known(server, sent)
    late = form(server, iat=server.now - 119, exp=server.now - 59)
    assert known(server, late), "a minute late, and that is borne with"
    clock.now = began


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("EdDSA", OKPKey.generate_key("Ed25519")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
        ("PS256", RSAKey.generate_key(2048)),
    ],
    ids=["EdDSA", "Ed25519", "PS256"],
)
def test_clients_sign_with_other_keys_too(server: Server, algorithm: str, key: Any) -> None:
    jwk = {**key.as_dict(private=False), "kid": "k"}
    document = {"client_id": algorithm, "client_name": algorithm, "redirect_uris": ["https://shop.example/back"]}
    clients.register(server, {**document, "jwks": {"keys": [jwk]}})
    claims = {"iss": algorithm, "sub": algorithm, "aud": VAULT, "jti": "j", "iat": server.now, "exp": server.now + 60}
    signed = sign({"alg": algorithm, "kid": "k"}, claims, key)
    assert known(server, {"client_assertion_type": KIND, "client_assertion": signed})


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384", None, 7])
def test_its_algorithm_is_one_of_ours(server: Server, algorithm: Any) -> None:
    assert not known(server, form(server, header={"alg": algorithm}))


def test_its_header_is_bounded(server: Server) -> None:
    """There is room for a chain of certificates, which is passed over (FAPI 2.0 §5.4.2)."""
    assert known(server, form(server, header={"alg": "ES256", "kid": KEY.thumbprint(), "x5c": ["x" * 1000]}))
    assert not known(server, form(server, header={"alg": "ES256", "kid": "x" * 1500}))
    assert not known(server, form(server, header={"alg": "ES256", "kid": KEY.thumbprint(), "x5c": ["x" * 1500]}))


@pytest.mark.parametrize("payload", [b"[]", b"1", b"null", b'"x"', b"{", b"[" * 5000, b"", b"\xff"])
def test_what_is_no_object_is_nobody(server: Server, payload: bytes) -> None:
    sent = {"client_assertion_type": KIND, "client_assertion": sign_anything({"alg": "ES256"}, payload, KEY)}
    assert not known(server, sent)


def test_what_can_be_read_in_two_ways_is_refused(server: Server) -> None:
    """A whole number beyond 64 bits is a fraction to one of the two that read it; test_one_reading.py has many more."""
    assert taken(server, odd=2**64 - 1)
    assert not taken(server, odd=2**64 + 1)


def test_the_calls_of_a_minute_are_counted_by_client_and_endpoint_and_only_the_good_ones(server: Server) -> None:
    clock: Any = server.clock
    clock.passes(minutes=5)

    def calls(sent: dict[str, str], endpoint: str) -> int | None:
        request = asking(sent, endpoint)
        with suppress(InvalidClientError):
            Assertion(server, HERE)(None, request)
        return request.calls

    used = form(server)
    assert [calls(sent, "par") for sent in (used, form(server), used, form(server))] == [1, 2, None, 3]
    assert calls(form(server), "token") == 1
    assert calls(form(server, iss=OTHER, sub=OTHER), "par") == 1


def test_whom_nobody_knows_is_told_so(server: Server) -> None:
    request = asking(form(server, iss="nobody", sub="nobody"))
    with pytest.raises(InvalidClientError) as refused:
        Assertion(server, HERE)(None, request)
    assert refused.value.status_code == 401
    assert str(refused.value.description).startswith("The client is not known: ")
    assert len(str(refused.value.description)) > 30
    assert request.client is None


def test_somebody_else_has_not_signed_it(server: Server) -> None:
    head, claims, signature = form(server)["client_assertion"].split(".")
    other = form(server)["client_assertion"].split(".")[2]
    for text in (
        f"{head}.{claims}.{other}",
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{claims}.{head}.{signature}",
        "x",
    ):
        assert not known(server, {"client_assertion_type": KIND, "client_assertion": text})
