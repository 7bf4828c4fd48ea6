"""What goes in and out of the OAuth endpoints, piece by piece: forms, answers, errors, metadata, and the pace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, InvalidRequestError, OAuth2Error

from consent.client_documents import Client
from consent.oauth import metadata
from consent.oauth.messages import MOST_BYTES, Answer, Message, error_answer, quoted, read_form
from consent.oauth.pace import Pace
from consent.oauth.refusals import InvalidDetails, InvalidGrantId, InvalidProof, TooFast
from consent.oauth.registered import RegisteredClient

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REDIRECT = "https://shop.example/back"
SHOP = RegisteredClient(Client("https://shop.example/client", "Bookshop", (REDIRECT,), {"keys": []}))
KNOWN = json.loads((Path(__file__).parents[1] / "vectors" / "metadata.json").read_text(encoding="utf-8"))


def refused(pairs: list[tuple[str, str]], query: bytes = b"", headers: dict[str, str] = FORM) -> str:
    with pytest.raises(InvalidRequestError) as error:
        read_form(pairs, query=query, headers=headers)
    return str(error.value.description)


def test_a_form_is_read_without_what_is_empty() -> None:
    pairs = [("code", "x"), ("state", ""), ("Code", "y")]
    assert read_form(pairs, query=b"", headers=FORM) == {"code": "x", "Code": "y"}
    typed = {"Content-Type": "Application/X-WWW-form-urlencoded ; charset=utf-8"}
    assert read_form([], query=b"", headers=typed) == {}


def test_a_form_that_could_be_read_in_two_ways_is_refused() -> None:
    assert "body" in refused([("code", "x")], query=b"code=x")
    assert "content type" in refused([], headers={})
    assert "content type" in refused([], headers={"Content-Type": "application/json"})
    assert "authenticate" in refused([], headers={**FORM, "Authorization": "Basic eDp5"})
    assert "repeated" in refused([("code", "x"), ("code", "x")])
    assert "repeated" in refused([("code", "x"), ("code", "")])


def test_a_message_has_what_was_read_and_nothing_else() -> None:
    given = {"code": "x"}
    message = Message("POST", "https://vault.example/oauth/token", given, dpop="a proof", address="192.0.2.7")
    assert (message.method, message.uri, message.dpop, message.address) == (
        "POST",
        "https://vault.example/oauth/token",
        "a proof",
        "192.0.2.7",
    )
    assert message.form == given == message.payload.data
    assert (message.endpoint, message.calls) == ("token", 0)
    assert message.args == {}
    assert dict(message.headers) == {}
    given["code"] = "y"
    message.form["code"] = "z"
    assert message.form == {"code": "x"}
    bare = Message("POST", "https://vault.example/oauth/par", {})
    assert (bare.dpop, bare.address) == (None, "")


@pytest.mark.parametrize(("status", "sent"), [(302, 303), (307, 303), (303, 303), (200, 200), (301, 301), (400, 400)])
def test_a_browser_is_sent_on_with_a_status_that_drops_its_form(status: int, sent: int) -> None:
    assert Answer(status, "", []).status == sent


@pytest.mark.parametrize(
    ("body", "sent"), [({"a": 1}, b'{"a":1}'), ([], b"[]"), ({}, b"{}"), ("text", b"text"), ("", b""), (None, b"")]
)
def test_an_answer_is_json_or_a_text_as_it_is(body: Any, sent: bytes) -> None:
    assert Answer(200, body, []).body == sent


def test_where_a_browser_is_sent_can_be_read_and_put() -> None:
    answer = Answer(302, "", [("Cache-Control", "no-store")])
    assert answer.location is None
    answer.location = REDIRECT
    assert answer.location == REDIRECT
    assert answer.headers == {"Cache-Control": "no-store", "Location": REDIRECT}


def test_a_text_is_quoted_as_far_as_it_may_stand_there() -> None:
    """RFC 6749 §5.2: 0x20 and 0x21, 0x23 to 0x5b, 0x5d to 0x7e."""
    allowed = {chr(code) for code in range(256) if quoted(chr(code)) == chr(code)}
    assert allowed == {chr(code) for code in range(0x20, 0x7F)} - {'"', "\\"}
    assert quoted('say "ż"\n') == "say ????"


def test_errors_have_the_shape_of_the_rfc() -> None:
    answer = error_answer(InvalidGrantError("Used before."))
    assert answer.status == 400
    assert orjson.loads(answer.body) == {"error": "invalid_grant", "error_description": "Used before."}
    assert answer.headers["Cache-Control"] == "no-store"
    with_page = OAuth2Error("It went wrong.", uri="https://other.example/help")
    with_page.error = "server_error"
    assert "error_uri" not in orjson.loads(error_answer(with_page).body)


def test_a_client_that_is_not_known_hears_so_without_being_asked_for_a_password() -> None:
    answer = error_answer(InvalidClientError(status_code=400))
    assert answer.status == 401
    assert "WWW-Authenticate" not in answer.headers
    assert orjson.loads(answer.body)["error"] == "invalid_client"
    assert error_answer(InvalidClientError(status_code=401)).headers.keys() == answer.headers.keys()


def test_an_error_that_sends_a_browser_back_does_so() -> None:
    answer = error_answer(InvalidRequestError("Not so.", redirect_uri=REDIRECT, state="s"))
    assert answer.status == 303
    assert (answer.location or "").startswith(f"{REDIRECT}?")
    assert answer.body == b""


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidDetails("x"), 400, "invalid_authorization_details"),
        (InvalidProof("x"), 400, "invalid_dpop_proof"),
        (InvalidGrantId("x"), 400, "invalid_grant_id"),
        (TooFast(7), 429, "temporarily_unavailable"),
    ],
)
def test_refusals_of_ours_have_the_codes_of_their_documents(error: OAuth2Error, status: int, code: str) -> None:
    answer = error_answer(error)
    assert (answer.status, orjson.loads(answer.body)["error"]) == (status, code)
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert answer.headers["Cache-Control"] == "no-store"
    assert orjson.loads(answer.body)["error_description"]


def test_a_client_may_do_what_the_profile_has_and_nothing_else() -> None:
    assert SHOP.client_id == SHOP.get_client_id() == "https://shop.example/client"
    assert SHOP.get_default_redirect_uri() is None
    assert [SHOP.check_redirect_uri(uri) for uri in (REDIRECT, f"{REDIRECT}/", "https://shop.example")] == [
        True,
        False,
        False,
    ]
    assert [SHOP.get_allowed_scope(scope) for scope in (None, "", "vault", "openid", "vault openid")] == [
        "",
        "",
        "vault",
        None,
        None,
    ]
    methods = ("private_key_jwt", "none", "client_secret_basic")
    assert [SHOP.check_endpoint_auth_method(method, "token") for method in methods] == [True, False, False]
    assert [SHOP.check_response_type(kind) for kind in ("code", "token", "code token")] == [True, False, False]
    kinds = ("authorization_code", "refresh_token", "password", "client_credentials", "implicit")
    assert [SHOP.check_grant_type(kind) for kind in kinds] == [True, True, False, False, False]


def test_vendors_programs_find_everything_where_it_has_always_been() -> None:
    """What stands there is relied on from outside: a change of it is one of the interface, and has to be meant."""
    issuer = KNOWN["issuer"]
    assert metadata.authorization_server(issuer) == KNOWN["authorization_server"]
    assert metadata.protected_resource(issuer) == KNOWN["protected_resource"]
    assert metadata.SERVER == "/.well-known/oauth-authorization-server"
    assert metadata.RESOURCE == "/.well-known/oauth-protected-resource"
    assert MOST_BYTES == 32 * 1024


def test_the_last_call_that_is_allowed_is_served_and_the_next_one_waits_for_the_minute_to_end() -> None:
    pace = Pace({"par": 2, "token": 1})
    assert [pace.late("par", calls, now=601) for calls in (1, 2, 3)] == [0, 0, 59]
    assert [pace.late("token", 2, now=now) for now in (600, 659, 660)] == [60, 1, 60]
    assert pace.late("elsewhere", 10**6, now=601) == 0
    assert (Pace().late("par", 300, now=1), Pace().late("par", 301, now=1)) == (0, 59)
    assert [Pace().late(endpoint, 3001, now=1) for endpoint in ("token", "revoke")] == [59, 59]
    assert [Pace().late(endpoint, 3000, now=1) for endpoint in ("token", "revoke")] == [0, 0]


def test_a_client_is_told_how_many_calls_are_left_to_it_once_that_is_known() -> None:
    pace = Pace({"par": 2})
    said = {"RateLimit-Policy": '"par";q=2;w=60'}
    assert pace.headers("par", 1, now=601) == {**said, "RateLimit": '"par";r=1;t=59'}
    assert pace.headers("par", 5, now=601) == {**said, "RateLimit": '"par";r=0;t=59'}
    assert pace.headers("par", 0, now=601) == pace.headers("elsewhere", 1, now=601) == {}
