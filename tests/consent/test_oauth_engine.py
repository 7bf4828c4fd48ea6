"""The OAuth engine before one server: what is pushed, proved, decided and dropped, without a browser around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest

from connectors.vendor_client import new_key
from connectors.vendor_client.proofs import public_jwk, public_jwks
from consent import clients, pushed
from consent.asking import AlreadyDecided
from consent.oauth.engine import Engine
from consent.oauth.messages import Answer
from consent.oauth.pace import Pace
from tests.people import ISSUER, PURCHASES, VERIFIER, Clock, details, house_in, query, s256, sign
from vault import attempts, crypto
from vault.errors import TooManyTries

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SHOP, BACK = "the bookshop", "https://shop.example/back"
KEY, OTHER_KEY = new_key(), new_key()
ASKED = {
    "response_type": "code",
    "redirect_uri": BACK,
    "state": "a-state",
    "code_challenge": s256(VERIFIER),
    "code_challenge_method": "S256",
    "authorization_details": details(PURCHASES),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of a server that knows one client."""
    server = house_in(tmp_path_factory.mktemp("engine") / "house", Clock())
    yield Engine(server)
    server.stop()


@pytest.fixture(autouse=True)
def _as_ever(engine: Engine) -> Iterator[None]:
    """The client is registered, and the next test begins when this one did, and no call has been counted."""
    clock: Any = engine.vault_server.clock
    began = clock.now
    registered(engine)
    yield
    clock.now = began
    engine.pace = Pace()


def registered(engine: Engine, redirect_uri: str = BACK) -> None:
    """The client as it is, or with another address to come back to."""
    document = {"client_id": SHOP, "client_name": "Bookshop", "redirect_uris": [redirect_uri]}
    more = {"token_endpoint_auth_method": "private_key_jwt", "jwks": public_jwks(KEY)}
    clients.register(engine.vault_server, {**document, **more})


def passes(engine: Engine, seconds: int) -> None:
    clock: Any = engine.vault_server.clock
    clock.passes(seconds=seconds)


def signed(engine: Engine, audience: str = ISSUER, client_id: str = SHOP) -> dict[str, str]:
    """What proves that it is the client who calls."""
    now, jti = engine.vault_server.now, crypto.random_bytes(8).hex()
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "jti": jti, "iat": now, "exp": now + 60}
    assertion = sign({"alg": "ES256", "kid": KEY.thumbprint()}, claims, KEY)
    return {"client_assertion_type": KIND, "client_assertion": assertion}


def proof(engine: Engine, path: str = "/oauth/par", key: Any = KEY, **claims: Any) -> str:
    """A DPoP proof for one of the endpoints."""
    said = {"htm": "POST", "htu": ISSUER + path, "iat": engine.vault_server.now, "jti": crypto.random_bytes(8).hex()}
    return sign({"alg": "ES256", "typ": "dpop+jwt", "jwk": public_jwk(key)}, {**said, **claims}, key)


def pushes(engine: Engine, shown: str | None = None, **changes: str | None) -> Answer:
    """A good request, but for what is changed; a member given as None is left out."""
    asked = {name: value for name, value in {**ASKED, **changes}.items() if value is not None}
    return engine.push({**signed(engine), **asked}, shown, "192.0.2.7")


def said(answer: Answer) -> Any:
    return orjson.loads(answer.body)


def refused(answer: Answer, error: str = "invalid_request", status: int = 400) -> bool:
    """In the members of RFC 6749 §5.2 and no others, to the client alone, and with a word about what is wrong."""
    told = said(answer)
    return (
        (answer.status, told["error"]) == (status, error)
        and told.keys() == {"error", "error_description"}
        and answer.location is None
    )


def kept(engine: Engine, answer: Answer) -> pushed.Asked:
    """What was pushed, as it is found again."""
    found = pushed.find(engine.vault_server, said(answer)["request_uri"], SHOP)
    assert found is not None
    return found


def test_a_request_is_kept_as_it_was_pushed_and_without_its_signature(engine: Engine) -> None:
    answer = pushes(engine, unheard_of="x")
    assert (answer.status, said(answer).keys()) == (201, {"request_uri", "expires_in"})
    assert said(answer)["expires_in"] == pushed.UNOPENED < 600
    assert kept(engine, answer).parameters == {**ASKED, "unheard_of": "x", "client_id": SHOP}
    assert kept(engine, answer).jkt is None


def test_a_request_names_the_key_to_come_by_its_thumbprint_or_by_a_proof(engine: Engine) -> None:
    """RFC 9449 §10.1: where there are both, they agree."""
    named = KEY.thumbprint()
    for shown, thumbprint in ((None, named), (proof(engine), None), (proof(engine), named)):
        assert kept(engine, pushes(engine, shown, dpop_jkt=thumbprint)).jkt == named
    assert refused(pushes(engine, proof(engine), dpop_jkt=OTHER_KEY.thumbprint()), "invalid_dpop_proof")


@pytest.mark.parametrize(
    "changed",
    [
        {"request": "x.y."},
        {"request_uri": "urn:x"},
        {"response_mode": "fragment"},
        {"redirect_uri": None},
        {"redirect_uri": BACK + "/"},
        {"redirect_uri": 'https://"/'},
        {"response_type": 'c"ode'},
        {"code_challenge": None},
        {"code_challenge": "x" * 42},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"grant_management_action": "merge"},
        {"grant_management_action": "replace"},
        {"grant_management_action": "create", "grant_id": "00" * 16},
        {"grant_id": "00" * 16},
    ],
    ids=str,
)
def test_what_is_not_the_profile_cannot_be_pushed(engine: Engine, changed: dict[str, str | None]) -> None:
    assert refused(pushes(engine, **changed))


def test_a_refusal_says_which_rule_it_is_by(engine: Engine) -> None:
    assert refused(pushes(engine, response_type="token"), "unsupported_response_type")
    for scope in ("openid", "vault openid"):
        assert refused(pushes(engine, scope=scope), "invalid_scope")
    wrong = pushes(engine, authorization_details=details({**PURCHASES, "purpose": "Whatever"}))
    assert refused(wrong, "invalid_authorization_details")
    assert "purpose" in said(wrong)["error_description"]
    assert refused(pushes(engine, authorization_details=None), "invalid_authorization_details")


@pytest.mark.parametrize(
    "changed",
    [
        {"scope": "vault"},
        {"response_mode": "query"},
        {"grant_management_action": "create"},
        {"grant_management_action": "replace", "grant_id": "00" * 16},
        {"state": None},
    ],
    ids=str,
)
def test_what_says_the_profile_in_other_words_can(engine: Engine, changed: dict[str, str | None]) -> None:
    assert pushes(engine, **changed).status == 201


def test_whoever_signs_for_one_of_our_addresses_signs_for_us(engine: Engine) -> None:
    """Client libraries name the issuer, or the endpoint that they call (RFC 9126 §2)."""
    for path in ("", "/oauth/par", "/oauth/token", "/oauth/revoke"):
        assert engine.push({**signed(engine, ISSUER + path), **ASKED}, None, "").status == 201
    for audience in ("/oauth/par", f"{ISSUER}/authorize"):
        assert refused(engine.push({**signed(engine, audience), **ASKED}, None, ""), "invalid_client", 401)


def test_who_does_not_prove_who_it_is_does_nothing(engine: Engine) -> None:
    own_word = {"client_id": SHOP, "client_secret": "guess"}
    assert refused(engine.push({**ASKED, **own_word}, None, ""), "invalid_client", 401)
    assert refused(engine.drop({"token": "x", **own_word}, ""), "invalid_client", 401)
    for grant in ({"grant_type": "refresh_token", "refresh_token": "x"}, {"grant_type": "authorization_code"}):
        assert refused(engine.token({**grant, **own_word}, None, ""), "invalid_client", 401)


def test_whoever_has_clients_looked_for_in_vain_is_slowed_down_by_its_address(engine: Engine) -> None:
    """So that this server is not turned against others."""
    for _ in range(attempts.FREE["fetch"] + 1):
        with suppress(TooManyTries):
            attempts.admit(engine.vault_server, fetch="192.0.2.66")
    for call in (
        lambda form, address: engine.push({**form, **ASKED}, None, address),
        lambda form, address: engine.token({**form, "grant_type": "refresh_token"}, None, address),
        engine.drop,
    ):
        told = {each: call(signed(engine, client_id="nobody"), each) for each in ("192.0.2.66", "192.0.2.67")}
        assert all(refused(answer, "invalid_client", 401) for answer in told.values())
        assert "wait a little" in said(told["192.0.2.66"])["error_description"]
        assert "wait a little" not in said(told["192.0.2.67"])["error_description"]


def test_each_answer_says_how_many_calls_are_left_and_the_first_too_many_is_told_to_wait(engine: Engine) -> None:
    engine.pace = Pace({"par": 3, "token": 2, "revoke": 2})
    passes(engine, 601)
    calls = {
        "par": [lambda: pushes(engine), lambda: pushes(engine, scope="openid"), lambda: pushes(engine)],
        "token": [lambda: engine.token({**signed(engine), "grant_type": "refresh_token"}, None, "")] * 2,
        "revoke": [lambda: engine.drop({**signed(engine), "token": "x"}, ""), lambda: engine.drop(signed(engine), "")],
    }
    for endpoint, made in calls.items():
        left = [answer.headers["RateLimit"] for answer in (call() for call in made)]
        assert left == [f'"{endpoint}";r={each};t=59' for each in reversed(range(len(made)))]
        late = made[0]()
        assert refused(late, "temporarily_unavailable", 429)
        assert late.headers["Retry-After"] == "59"


def test_a_proof_is_for_one_endpoint_and_good_once(engine: Engine) -> None:
    shown = proof(engine)
    assert refused(pushes(engine, proof(engine, "/oauth/token")), "invalid_dpop_proof")
    assert refused(pushes(engine, proof(engine, htm="GET")), "invalid_dpop_proof")
    assert refused(pushes(engine, "x"), "invalid_dpop_proof")
    assert pushes(engine, shown).status == 201
    assert refused(pushes(engine, shown), "invalid_dpop_proof")


def test_what_one_key_has_used_another_may_use(engine: Engine) -> None:
    assert pushes(engine, proof(engine, jti="the same")).status == 201
    assert pushes(engine, proof(engine, jti="the same", key=OTHER_KEY)).status == 201
    assert refused(pushes(engine, proof(engine, jti="the same")), "invalid_dpop_proof")


def test_a_proof_is_remembered_as_long_as_its_time_would_do(engine: Engine) -> None:
    """A clock that is a minute ahead makes proofs that are good for two."""
    shown = proof(engine, iat=engine.vault_server.now + 60)
    assert pushes(engine, shown).status == 201
    passes(engine, 120)
    assert refused(pushes(engine, shown), "invalid_dpop_proof")
    assert pushes(engine, proof(engine, iat=engine.vault_server.now - 60)).status == 201


def test_her_yes_and_her_no_go_back_with_what_the_client_needs_to_know_them_by(engine: Engine) -> None:
    for state in ("a-state", None):
        same = {"iss": ISSUER} | ({"state": state} if state else {})
        yes = engine.decide(kept(engine, pushes(engine, state=state)), lambda: "a-code")
        assert (yes.status, yes.body) == (303, b"")
        assert str(yes.location).startswith(f"{BACK}?")
        assert query(str(yes.location)) == {"code": "a-code", **same}
        no = engine.decide(kept(engine, pushes(engine, state=state)), None)
        assert (no.status, no.body) == (303, b"")
        assert query(str(no.location)) == {**query(str(no.location)), "error": "access_denied", **same}
        assert "code" not in query(str(no.location))


def test_who_names_a_grant_that_is_none_of_its_own_is_told_so_at_the_address_it_pushed(engine: Engine) -> None:
    for state in ("a-state", None):
        back = engine.no_such_grant(kept(engine, pushes(engine, state=state)))
        assert (back.status, back.body) == (303, b"")
        assert str(back.location).startswith(f"{BACK}?")
        same = {"iss": ISSUER} | ({"state": state} if state else {})
        assert query(str(back.location)) == {"error": "invalid_grant_id", **same}


def test_nobody_is_sent_to_an_address_that_the_client_has_withdrawn(engine: Engine) -> None:
    asked = kept(engine, pushes(engine))

    def is_over() -> None:
        for decide in (
            lambda: engine.decide(asked, lambda: pytest.fail("no code is made")),
            lambda: engine.decide(asked, None),
            lambda: engine.no_such_grant(asked),
        ):
            with pytest.raises(AlreadyDecided):
                decide()

    registered(engine, "https://shop.example/elsewhere")
    is_over()
    clients.forget(engine.vault_server, SHOP)
    is_over()


def test_there_are_two_ways_to_get_tokens_and_each_says_what_it_lacks(engine: Engine) -> None:
    def asks(**form: str) -> Answer:
        return engine.token({**signed(engine), **form}, proof(engine, "/oauth/token"), "")

    for way in ("password", "client_credentials", "implicit"):
        assert asks(grant_type=way).status == 400
        assert said(asks(grant_type=way))["error"] == "unsupported_grant_type"
    assert refused(asks(grant_type="refresh_token"))
    assert refused(asks(grant_type="authorization_code"))
    assert said(asks(grant_type="refresh_token", refresh_token="x"))["error"] == "invalid_grant"
    assert said(asks(grant_type="authorization_code", code="x"))["error"] == "invalid_grant"
    assert asks(grant_type="refresh_token", refresh_token="x").headers["Cache-Control"] == "no-store"


def test_dropping_a_token_that_nobody_knows_is_done_at_once(engine: Engine) -> None:
    done = engine.drop({**signed(engine), "token": "x", "token_type_hint": "y"}, "")
    assert (done.status, said(done)) == (200, {})
    assert refused(engine.drop(signed(engine), ""))
