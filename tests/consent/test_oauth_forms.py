"""What the OpenAPI document says of the OAuth endpoints: its forms are those that are read, its answers those given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from jsonschema_rs import Draft202012Validator

from consent.oauth import forms, metadata
from consent.openapi import Limits, document
from tests.consent.test_oauth_engine import ASKED, KIND
from tests.people import ISSUER, PURCHASES

SIGNED = {"client_assertion_type": KIND, "client_assertion": "x.y.z"}
DIGEST = ASKED["code_challenge"]
PUSHED = {**ASKED, **SIGNED}
CODE = {
    "grant_type": "authorization_code",
    "code": "a-code",
    "redirect_uri": "https://shop.example/back",
    "code_verifier": "a-verifier",
    **SIGNED,
}
MORE = {"scope": "vault", "response_mode": "query", "grant_management_action": "replace", "grant_id": "00"}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "a-token", **SIGNED}
DROPPED = {"token": "a-token", **SIGNED}
GRANTED = {
    "access_token": "a-token",
    "token_type": "DPoP",
    "expires_in": 600,
    "authorization_details": [
        {name: PURCHASES[name] for name in ("type", "collection", "fields", "actions", "purpose")}
        | {"until": "2027-01-01"}
    ],
    "grant_id": "00",
    "refresh_token": "a-token",
}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """The document of one vault."""
    return document(ISSUER, Limits(200, 64 * 1024))


def fits(told: dict[str, Any], name: str, value: Any) -> bool:
    """Is it what the document calls by that name?"""
    whole = {"$ref": f"#/components/schemas/{name}", "components": told["components"]}
    return bool(Draft202012Validator(whole).is_valid(value))


def without(form: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in form.items() if each != name}


def test_it_is_a_document_as_openapi_has_them(told: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(told).validate()


def test_its_schemas_say_nothing_that_a_program_would_pass_over(told: dict[str, Any]) -> None:
    """A word that JSON Schema does not know would be no rule at all."""
    known = {"$ref", "type", "const", "enum", "pattern", "format", "items", "properties", "required", "anyOf", "allOf"}
    known |= {"additionalProperties", "not", "title", "description", "contentMediaType", "contentSchema"}
    known |= {f"{bound}{of}" for bound in ("min", "max") for of in ("imum", "Length", "Items", "Properties")}
    for schema in [*told["components"]["schemas"].values(), forms.KEY_SET]:
        assert set(words(schema)) <= known


def words(schema: Any) -> Iterator[str]:
    """The words a schema is written in, and those of the schemas within it."""
    if isinstance(schema, dict):
        yield from schema
        within = [schema.get(word) for word in ("items", "not", "additionalProperties", "contentSchema")]
        for each in [
            *within,
            *schema.get("properties", {}).values(),
            *schema.get("anyOf", ()),
            *schema.get("allOf", ()),
        ]:
            yield from words(each)


def test_each_member_that_is_read_is_named_and_explained_where_the_name_does_not_do_it(told: dict[str, Any]) -> None:
    schemas = told["components"]["schemas"]
    signed = {*SIGNED, "client_id"}
    asked = schemas["AuthorizationRequest"]["properties"]
    assert asked.keys() == {*ASKED, "dpop_jkt", *MORE, *signed}
    code, refresh = (each["properties"].keys() for each in schemas["TokenRequest"]["anyOf"])
    assert (code, refresh) == ({*CODE, *signed}, {*REFRESH, "scope", *signed})
    assert schemas["TokenToDrop"]["properties"].keys() == {"token", "token_type_hint", *signed}
    explained = {"client_assertion", "client_id", "redirect_uri", "authorization_details", "dpop_jkt", "grant_id"}
    assert {name for name, said in asked.items() if "description" in said} == explained


@pytest.mark.parametrize(
    ("name", "good", "needed"),
    [
        ("AuthorizationRequest", PUSHED, set(PUSHED) - {"state"}),
        ("TokenRequest", CODE, set(CODE)),
        ("TokenRequest", REFRESH, set(REFRESH)),
        ("TokenToDrop", DROPPED, set(DROPPED)),
        ("Pushed", {"request_uri": "urn:x", "expires_in": 590}, {"request_uri", "expires_in"}),
        ("Tokens", GRANTED, set(GRANTED) - {"refresh_token"}),
        ("Dropped", {}, set()),
        ("OAuthError", {"error": "invalid_request", "error_description": "Not so."}, {"error"}),
    ],
)
def test_it_says_which_members_are_needed(
    told: dict[str, Any], name: str, good: dict[str, Any], needed: set[str]
) -> None:
    assert fits(told, name, good)
    assert {each for each in good if not fits(told, name, without(good, each))} == needed
    assert not [wrong for wrong in ([], "x", 7, None) if fits(told, name, wrong)]
    assert not [each for each in good if fits(told, name, {**good, each: {}})], "each is something of its kind"


@pytest.mark.parametrize(
    "form",
    [("AuthorizationRequest", PUSHED), ("TokenRequest", CODE), ("TokenRequest", REFRESH), ("TokenToDrop", DROPPED)],
)
def test_a_form_may_hold_more_than_is_known_here(told: dict[str, Any], form: tuple[str, dict[str, Any]]) -> None:
    """RFC 6749 §3.1: but whatever it is, it is one text; and a client may say who it is a second time."""
    name, good = form
    assert fits(told, name, {**good, "unheard_of": "x", "client_id": "https://shop.example/client"})
    for wrong in ({"unheard_of": 7}, {"client_id": 7}, {"client_assertion_type": "x"}):
        assert not fits(told, name, {**good, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"response_type": "token"},
        {"redirect_uri": 7},
        {"state": 7},
        {"code_challenge": DIGEST[:-1]},
        {"code_challenge": DIGEST + "x"},
        {"code_challenge": "=" * 43},
        {"code_challenge": 7},
        {"code_challenge_method": "plain"},
        {"authorization_details": [PURCHASES]},
        {"dpop_jkt": DIGEST[:-1]},
        {"dpop_jkt": 7},
        {"scope": "openid"},
        {"response_mode": "fragment"},
        {"grant_management_action": "merge"},
        {"grant_id": 7},
    ],
    ids=str,
)
def test_a_request_out_of_the_profile_does_not_fit(told: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert not fits(told, "AuthorizationRequest", {**PUSHED, **wrong})


def test_a_request_may_say_more_than_it_has_to(told: dict[str, Any]) -> None:
    assert fits(told, "AuthorizationRequest", {**PUSHED, **MORE, "dpop_jkt": DIGEST})
    assert fits(told, "AuthorizationRequest", {**PUSHED, "grant_management_action": "create"})
    assert fits(told, "TokenRequest", {**REFRESH, "scope": "vault"})
    assert not fits(told, "TokenRequest", {**REFRESH, "scope": "openid"})


def test_each_way_to_get_tokens_has_a_form_of_its_own(told: dict[str, Any]) -> None:
    assert not fits(told, "TokenRequest", {**CODE, "grant_type": "refresh_token"})
    assert not fits(told, "TokenRequest", {**REFRESH, "grant_type": "authorization_code"})
    assert not fits(told, "TokenRequest", {**REFRESH, "grant_type": "password"})


def test_details_are_json_within_the_form_and_what_that_holds_is_said_too(told: dict[str, Any]) -> None:
    said = told["components"]["schemas"]["AuthorizationRequest"]["properties"]["authorization_details"]
    assert said["contentMediaType"] == "application/json"
    details = Draft202012Validator({**said["contentSchema"], "components": told["components"]})
    assert details.is_valid([PURCHASES])
    for wrong in ([], [PURCHASES, 7], [{**PURCHASES, "type": "payment"}], PURCHASES, "x"):
        assert not details.is_valid(wrong), wrong


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_type": "Bearer"},
        {"expires_in": 0},
        {"expires_in": "600"},
        {"access_token": 7},
        {"authorization_details": [7]},
        {"authorization_details": {}},
        {"unheard_of": "x"},
    ],
    ids=str,
)
def test_tokens_are_answered_as_they_are_told_and_without_anything_else(
    told: dict[str, Any], wrong: dict[str, Any]
) -> None:
    assert not fits(told, "Tokens", {**GRANTED, **wrong})
    assert fits(told, "Tokens", {**GRANTED, "expires_in": 1}), "the last one ends with the permission"


def test_the_other_answers_hold_nothing_else_either(told: dict[str, Any]) -> None:
    assert not fits(told, "Pushed", {"request_uri": "urn:x", "expires_in": 590, "more": 1})
    assert not fits(told, "Pushed", {"request_uri": "urn:x", "expires_in": "590"})
    assert not fits(told, "Dropped", {"more": 1})
    assert not fits(told, "OAuthError", {"error": "invalid_request", "error_uri": "https://vault.example"})


def test_no_key_that_is_served_has_a_secret_half() -> None:
    keys = Draft202012Validator(forms.KEY_SET)
    key = {"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "AAAA"}
    assert keys.is_valid({"keys": [key, key]})
    assert keys.is_valid({"keys": []})
    for wrong in ({}, {"keys": key}, {"keys": [without(key, "kty")]}, {"keys": [without(key, "kid")]}):
        assert not keys.is_valid(wrong), wrong
    assert not keys.is_valid({"keys": [{**key, "d": "AAAA"}]})
    assert not keys.is_valid({"keys": ["x"]})
    assert not keys.is_valid({"keys": [key], "more": 1})


@pytest.mark.parametrize(
    ("path", "form", "status", "answer", "proof"),
    [
        (metadata.PAR, "AuthorizationRequest", 201, "Pushed", False),
        (metadata.TOKEN, "TokenRequest", 200, "Tokens", True),
        (metadata.REVOKE, "TokenToDrop", 200, "Dropped", None),
    ],
)
def test_a_program_posts_a_form_and_nothing_else_and_what_it_is_answered_is_said(
    told: dict[str, Any], path: str, form: str, status: int, answer: str, proof: bool | None
) -> None:
    """`proof` is whether a DPoP header has to be there; None where none is read."""
    assert told["paths"][path].keys() == {"post"}
    said = told["paths"][path]["post"]
    assert (said["tags"], said["security"]) == (["OAuth"], []), "no token opens it: the form itself is signed"
    assert said["requestBody"]["required"]
    assert content(said["requestBody"]) == {"application/x-www-form-urlencoded": form}
    headers = [(each["name"], each["in"], each.get("required", False), each["schema"]) for each in said["parameters"]]
    assert headers == ([] if proof is None else [("DPoP", "header", proof, {"type": "string"})])
    assert content(said["responses"][str(status)]) == {"application/json": answer}
    refusals = {code: each for code, each in said["responses"].items() if code != str(status)}
    assert refusals.keys() == {"400", "401", "413", "429", "503"}
    assert [content(each) for each in refusals.values()] == [{"application/json": "OAuthError"}] * 5
    for code, each in refusals.items():
        assert each["headers"].keys() == ({"Retry-After"} if code in {"429", "503"} else set())
        for header in each["headers"].values():
            assert header["required"]
            seconds = Draft202012Validator(header["schema"])
            assert [seconds.is_valid(wait) for wait in (1, 60, 0, "60")] == [True, True, False, False]


def content(of: dict[str, Any]) -> dict[str, str]:
    """What it may hold: kinds of content, and the name of what is in them."""
    return {kind: said["schema"]["$ref"].rpartition("/")[2] for kind, said in of["content"].items()}


def test_her_browser_is_sent_to_a_page_with_the_client_and_the_request_and_nothing_else(told: dict[str, Any]) -> None:
    assert told["paths"][metadata.AUTHORIZE].keys() == {"get"}
    said = told["paths"][metadata.AUTHORIZE]["get"]
    needed = [(each["name"], each["in"], each["required"]) for each in said["parameters"]]
    assert needed == [("client_id", "query", True), ("request_uri", "query", True)]
    assert (said["tags"], said["security"]) == (["OAuth"], [])
    assert ISSUER in said["description"]
    pages = {status: list(each.get("content", {})) for status, each in said["responses"].items()}
    assert pages == {"200": ["text/html"], "303": [], "410": ["text/html"]}


def test_every_part_of_the_document_is_under_a_heading_that_it_has(told: dict[str, Any]) -> None:
    headings = {each["name"] for each in told["tags"]}
    used = {tag for path in told["paths"].values() for said in path.values() for tag in said["tags"]}
    assert used == headings
