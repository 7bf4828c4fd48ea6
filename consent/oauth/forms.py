"""The OAuth endpoints as OpenAPI says them: what their forms hold and what they answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consent.details import TYPES
from consent.oauth import metadata
from consent.schemas import Shape, reference, thing

TEXT: Shape = {"type": "string"}
DIGEST: Shape = {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
# What a key set may hold is the business of RFC 7517; that no half of it is secret is ours.
_KEY: Shape = {"type": "object", "required": ["kty", "kid"], "not": {"required": ["d"]}}
KEY_SET: Shape = thing({"keys": {"type": "array", "items": _KEY}})

CLIENT: dict[str, Shape] = {
    "client_assertion_type": {"const": ASSERTION},
    "client_assertion": {"type": "string", "description": "A JWT by your key, new for every call (RFC 7523)."},
    "client_id": {"type": "string", "description": "If it is here, it agrees with the assertion."},
}
SIGNED = ("client_assertion_type", "client_assertion")


def paths(issuer: str) -> dict[str, Shape]:
    """The three endpoints for programs, and the page that her browser is sent to."""
    proof = {"name": "DPoP", "in": "header", "schema": TEXT, "description": "A proof (RFC 9449 §5)."}
    needed = {**proof, "required": True}
    return {
        metadata.PAR: {
            "post": _form("Push an authorization request (RFC 9126)", "AuthorizationRequest", 201, "Pushed", proof)
        },
        metadata.AUTHORIZE: {"get": _browser(issuer)},
        metadata.TOKEN: {"post": _form("Exchange a code, or refresh", "TokenRequest", 200, "Tokens", needed)},
        metadata.REVOKE: {"post": _form("Drop a token (RFC 7009)", "TokenToDrop", 200, "Dropped")},
    }


def answers() -> dict[str, Shape]:
    """What the forms hold, and what comes back, by name."""
    granted = {"type": "array", "items": {"anyOf": [reference(f"{kind}_granted") for kind in TYPES]}}
    tokens = {
        "access_token": TEXT,
        "token_type": {"const": "DPoP"},
        "expires_in": {"type": "integer", "minimum": 1},
        "authorization_details": granted,
        "grant_id": TEXT,
        "refresh_token": TEXT,
    }
    return {
        "AuthorizationRequest": _request(),
        "TokenRequest": {"anyOf": [_code(), _refresh()]},
        "TokenToDrop": _filled({"token": TEXT, "token_type_hint": TEXT}, ["token"]),
        "Pushed": thing({"request_uri": TEXT, "expires_in": {"type": "integer"}}),
        "Tokens": thing(tokens, needs=[name for name in tokens if name != "refresh_token"]),
        "Dropped": thing({}),
        "OAuthError": thing({"error": TEXT, "error_description": TEXT}, needs=["error"]),
    }


def _request() -> Shape:
    details = {"type": "array", "items": {"anyOf": [reference(kind) for kind in TYPES]}, "minItems": 1}
    return _filled(
        {
            "response_type": {"const": "code"},
            "redirect_uri": {"type": "string", "description": "One of your metadata document, letter by letter."},
            "state": TEXT,
            "code_challenge": DIGEST,
            "code_challenge_method": {"const": "S256"},
            "authorization_details": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": details,
                "description": "JSON: what you ask (RFC 9396).",
            },
            "dpop_jkt": {**DIGEST, "description": "The thumbprint of the key to come, if there is no proof."},
            "scope": {"const": "vault"},
            "response_mode": {"const": "query"},
            "grant_management_action": {"enum": ["create", "replace"]},
            "grant_id": {"type": "string", "description": "To replace it: the id of your own permission."},
        },
        ["response_type", "redirect_uri", "code_challenge", "code_challenge_method", "authorization_details"],
    )


def _code() -> Shape:
    members = {"grant_type": {"const": "authorization_code"}, "code": TEXT, "redirect_uri": TEXT, "code_verifier": TEXT}
    return _filled(members, members)


def _refresh() -> Shape:
    members = {"grant_type": {"const": "refresh_token"}, "refresh_token": TEXT}
    return _filled({**members, "scope": {"const": "vault"}}, members)


def _filled(members: dict[str, Shape], needed: Iterable[str]) -> Shape:
    """A form of these members and the client's signature. Others are passed over, as OAuth demands (RFC 6749 §3.1).

    None may come twice, whichever it is.
    """
    known = {**members, **CLIENT}
    return {"type": "object", "properties": known, "additionalProperties": TEXT, "required": [*needed, *SIGNED]}


def _form(summary: str, form: str, status: int, answer: str, *headers: Shape) -> Shape:
    seconds = {"description": "After how many seconds to come again.", "schema": {"type": "integer", "minimum": 1}}
    told = {
        400: ("The request is wrong, or what it holds opens nothing.", {}),
        401: ("It is not proven who you are.", {}),
        413: ("The form is too large.", {}),
        429: ("Too many calls by this client.", {"Retry-After": {**seconds, "required": True}}),
        503: ("Not just now.", {"Retry-After": {**seconds, "required": True}}),
    }
    refused = {str(code): {**_json(words, "OAuthError"), "headers": more} for code, (words, more) in told.items()}
    return {
        "tags": ["OAuth"],
        "summary": summary,
        "security": [],
        "parameters": list(headers),
        "requestBody": {"required": True, "content": {FORM: {"schema": reference(form)}}},
        "responses": {str(status): _json("It is done.", answer), **refused},
    }


def _json(words: str, name: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": reference(name)}}}


def _browser(issuer: str) -> Shape:
    page: Shape = {"content": {"text/html": {}}}
    return {
        "tags": ["OAuth"],
        "summary": "Send her browser here",
        "description": "For her browser, not for your program: the consent screen, once her vault is unlocked. It "
        f"comes back to your redirect_uri with `code` or `error`, `state`, and `iss`, which is {issuer}.",
        "security": [],
        "parameters": [
            {"name": name, "in": "query", "required": True, "schema": TEXT} for name in ("client_id", "request_uri")
        ],
        "responses": {
            "200": {"description": "The consent screen.", **page},
            "303": {"description": "To the unlock page first."},
            "410": {"description": "The request has been answered, or has run out.", **page},
        },
    }
