"""OpenAPI 3.1 of everything a vendor's program calls, made from the classes and tables that the code itself runs by.

The vendors' API, the OAuth endpoints and the two well-known documents. Pure: who serves it says where and how much.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from consent import schemas
from consent.details import DEPOSITABLE, TYPES
from consent.oauth import forms, metadata
from consent.problems import OUTCOMES, PROBLEMS, Code
from consent.schemas import Shape, reference, thing
from vault.record import CLASSES, collection_paths

TEXT: Shape = {"type": "string"}
NUMBER: Shape = {"type": "integer", "minimum": 0}
DATE: Shape = {"type": "string", "format": "date"}
ID: Shape = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
SECONDS: Shape = {"description": "After how many seconds to come again.", "schema": {"type": "integer", "minimum": 1}}
LIMITS: dict[str, Shape] = {
    "RateLimit-Policy": {"description": "Its limits: `q` of the unit `qu` in `w` seconds, or in all.", "schema": TEXT},
    "RateLimit": {"description": "What is left of each: `r`, for `t` seconds from now.", "schema": TEXT},
}
TAG: dict[str, Shape] = {
    "ETag": {"description": "Of all but the number of the entry.", "required": True, "schema": TEXT},
}
WITNESS: dict[str, Shape] = {"Vault-Access": {"description": "The number of the entry in her log.", "schema": TEXT}}
SECURITY: list[Shape] = [{"token": [], "proof": []}]

OURS: tuple[Code, ...] = ("damaged", "failed", "busy")
ANY_CALL: tuple[Code, ...] = ("invalid_token", "invalid_dpop_proof", "paused", "over_limit", "wrong_method", *OURS)
LIMITED: tuple[Code, ...] = ("not_granted", "invalid")
READING: tuple[Code, ...] = (*ANY_CALL, *LIMITED, "used_up", "start_again")


class Limits(NamedTuple):
    """How much the API takes and gives at once: rows in an answer, bytes of a deposit."""

    rows: int
    content: int


def document(issuer: str, limits: Limits) -> dict[str, Any]:
    """The whole document of one vault."""
    collections = [name for name in dict.fromkeys(name for name, _ in CLASSES) if collection_paths(name)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The vendors' API of a vault",
            "version": "1",
            "description": f"How to begin: {issuer}{metadata.DEVELOPERS}",
        },
        "servers": [{"url": issuer}],
        "tags": [
            {"name": "API", "description": "What she lets you see, and what you may leave."},
            {"name": "OAuth", "description": "Asking her, and keeping the connection."},
            {"name": "Discovery", "description": "Finding all this from the address of a vault."},
        ],
        "paths": {**_api(collections, limits), **_discovery(issuer), **forms.paths(issuer)},
        "components": {
            "schemas": {
                **schemas.components(collections),
                **_answers(),
                **forms.answers(),
            },
            "securitySchemes": _security(),
        },
    }


def _api(collections: Iterable[str], limits: Limits) -> dict[str, Shape]:
    root = metadata.API
    return {
        f"{root}/grant": {"get": _call("What you were given, and until when", "Grant", ANY_CALL)},
        f"{root}/grant/calls": {"get": _calls(limits)},
        f"{root}/grants/{{grant_id}}": {"get": _query(), "delete": _give_back()},
        f"{root}/receipt": {"get": _receipt()},
        **{f"{root}/{name}": {"get": _read(name, limits)} for name in collections},
        **{f"{root}/deposits/{name}": {"post": _leave(name, limits)} for name in DEPOSITABLE},
        f"{root}/deposits/{{deposit}}": {"get": _became()},
    }


def _read(collection: str, limits: Limits) -> Shape:
    rows = {"type": "integer", "minimum": 1, "maximum": limits.rows, "default": limits.rows}
    after = {"type": "string", "maxLength": 40}
    shown = [reference(name) for name in schemas.readable(collection)]
    row = thing({"ref": TEXT, "change": NUMBER, "data": {"anyOf": shown} if len(shown) > 1 else shown[0]})
    gone = thing({"ref": TEXT, "change": NUMBER})
    page = {
        "items": {"type": "array", "items": row, "maxItems": limits.rows},
        "gone": {"type": "array", "items": gone, "maxItems": limits.rows},
        "next": TEXT,
        "as_of": DATE,
        "access": NUMBER,
    }
    return {
        **_call(
            f"What she shows of {collection}, in order of change",
            thing(page),
            READING,
            _parameter("after", "query", after, "What `next` said in an earlier answer."),
            _parameter("limit", "query", rows, "How many rows at most."),
        ),
        "description": "Reading until both lists are empty is syncing: give `next` back as `after`.",
    }


def _calls(limits: Limits) -> Shape:
    rows = {"type": "integer", "minimum": 1, "maximum": limits.rows, "default": limits.rows}
    after = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0}
    page = {
        "calls": {"type": "array", "items": reference("LoggedCall"), "maxItems": limits.rows},
        "next": NUMBER,
        "access": NUMBER,
    }
    return {
        **_call(
            "Your own calls, also the refused ones, as her log has them",
            thing(page),
            (*ANY_CALL, "invalid"),
            _parameter("after", "query", after, "The number of a call: what came later is shown."),
            _parameter("limit", "query", rows, "How many calls at most."),
        ),
        "description": "Of the last seven days, by number, the oldest first. Asking is an entry too: go on from "
        "`next`, and you do not read about your asking.",
    }


def _leave(collection: str, limits: Limits) -> Shape:
    key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
    codes: tuple[Code, ...] = (*ANY_CALL, *LIMITED, "key_reused", "too_large")
    return {
        **_call(
            f"Leave something of {collection} in her inbox",
            "Deposit",
            codes,
            _parameter("Idempotency-Key", "header", key, "The same key and content again leave nothing twice.", True),
            status=202,
        ),
        "description": f"One record of up to {limits.content // 1024} KiB, with the fields of your permission.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schemas.of_deposit(collection)}},
        },
    }


def _became() -> Shape:
    deposit = _parameter("deposit", "path", ID, "As the answer said when you left it.", True)
    return _call("What became of something you left", "Deposit", (*ANY_CALL, "not_found"), deposit)


def _query() -> Shape:
    return _call("The same by its id: your own, and no other", "Grant", (*ANY_CALL, "not_found"), _grant_id())


def _give_back() -> Shape:
    codes = [code for code in (*ANY_CALL, "not_found") if code != "paused"]
    made = _call("Give the permission back: it ends, for good", "Grant", codes, _grant_id(), status=204)
    return {**made, "responses": {**made["responses"], "204": {"description": "It has ended."}}}


def _grant_id() -> Shape:
    return _parameter("grant_id", "path", ID, "As the token endpoint said.", True)


def _receipt() -> Shape:
    made = _call("Her signed receipt of this permission", TEXT, (*ANY_CALL, "not_found"))
    jwt = {**made["responses"]["200"], "description": "Keep it.", "content": {"application/jwt": {}}}
    jwt["headers"] = {**jwt["headers"], **WITNESS}
    return {**made, "responses": {**made["responses"], "200": jwt}}


def _call(
    summary: str, answer: str | Shape, codes: Iterable[Code], *parameters: Shape, status: int = 200
) -> dict[str, Any]:
    """One call of the API: what it answers, and every refusal. What answers with 200 can be asked for if it changed."""
    shape = reference(answer) if isinstance(answer, str) else answer
    limits = LIMITS if "over_limit" in codes else {}
    done = {"description": "Done.", "content": {"application/json": {"schema": shape}}, "headers": limits}
    responses = {str(status): done}
    if status == 200:
        done["headers"] = {**limits, **TAG}
        same = "You hold this already. It counts like the answer itself."
        responses["304"] = {"description": same, "headers": {**limits, **TAG, **WITNESS}}
        held = _parameter("If-None-Match", "header", TEXT, "The ETag of an answer that you hold.")
        parameters = (*parameters, held)
    return {
        "tags": ["API"],
        "summary": summary,
        "security": SECURITY,
        "parameters": list(parameters),
        "responses": {**responses, **_refusals(codes)},
    }


def _refusals(codes: Iterable[Code]) -> dict[str, Shape]:
    by_status: dict[int, list[Code]] = {}
    for code in codes:
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    return {str(status): _refusal(status, found) for status, found in sorted(by_status.items())}


def _refusal(status: int, codes: list[Code]) -> Shape:
    one_of = {"properties": {"status": {"const": status}, "code": {"enum": list(codes)}}}
    shape: Shape = {
        "description": " ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes),
        "content": {"application/problem+json": {"schema": {"allOf": [reference("Problem"), one_of]}}},
    }
    if status == 401:
        challenge = {"description": "RFC 9449 §7.1, RFC 9728 §5.1.", "required": True, "schema": {"pattern": "^DPoP "}}
        shape["headers"] = {"WWW-Authenticate": challenge}
    if status == 405:
        shape["headers"] = {"Allow": {"description": "The methods it takes.", "required": True, "schema": TEXT}}
    if status in {429, 503}:
        shape["headers"] = {"Retry-After": {**SECONDS, "required": True}}
    if {"over_limit", "used_up"} & set(codes):
        shape["headers"] = {**shape.get("headers", {}), **LIMITS}
    return shape


def _answers() -> dict[str, Shape]:
    problem = {
        "type": {"type": "string", "format": "uri"},
        "title": TEXT,
        "status": NUMBER,
        "code": {"enum": list(PROBLEMS)},
        "request_id": TEXT,
        "detail": TEXT,
    }
    details = {"type": "array", "items": {"anyOf": [reference(f"{kind}_granted") for kind in TYPES]}}
    status = {"enum": ["waiting", "accepted", "rejected"]}
    grant = {"grant_id": ID, "status": {"const": "live"}, "authorization_details": details, "until": DATE}
    call = {
        "number": NUMBER,
        "at": {"type": "string", "format": "date-time"},
        "what": {"type": "object", "additionalProperties": {"type": "array", "items": TEXT}},
        "count": NUMBER,
        "purposes": {"type": "array", "items": TEXT},
        "outcome": {"enum": list(OUTCOMES)},
        "code": {"enum": sorted({code for code in OUTCOMES.values() if code})},
        "request_id": TEXT,
    }
    return {
        "LoggedCall": thing(call, needs=[name for name in call if name != "code"]),
        "Problem": thing(problem, needs=[name for name in problem if name != "detail"]),
        "Grant": thing({**grant, "access": NUMBER}),
        "Deposit": thing({"deposit": ID, "status": status, "access": NUMBER}),
    }


def _discovery(issuer: str) -> dict[str, Shape]:
    found = {
        metadata.SERVER: ("The OAuth endpoints (RFC 8414)", _like(metadata.authorization_server(issuer))),
        metadata.RESOURCE: ("This API (RFC 9728)", _like(metadata.protected_resource(issuer))),
        metadata.OPENAPI: ("This document", {"type": "object"}),
    }
    return {path: {"get": _public(summary, shape)} for path, (summary, shape) in found.items()} | {
        metadata.KEYS: {
            "get": _public("The public keys of this vault (RFC 7517)", forms.KEY_SET, "application/jwk-set+json")
        }
    }


def _public(summary: str, shape: Shape, kind: str = "application/json") -> Shape:
    done = {"description": "Here it is.", "content": {kind: {"schema": shape}}}
    return {"tags": ["Discovery"], "summary": summary, "security": [], "responses": {"200": done}}


def _like(document: dict[str, Any]) -> Shape:
    """The schema of a document that says the same to everybody."""
    return thing({name: {"const": said} for name, said in document.items()})


def _parameter(name: str, where: str, shape: Shape, words: str, required: bool = False) -> Shape:
    return {"name": name, "in": where, "required": required, "schema": shape, "description": words}


def _security() -> dict[str, Shape]:
    return {
        "token": {
            "type": "http",
            "scheme": "DPoP",
            "description": "`Authorization: DPoP <access token>` (RFC 9449 §7.1). Bearer tokens are not taken.",
        },
        "proof": {
            "type": "apiKey",
            "in": "header",
            "name": "DPoP",
            "description": "A proof for this call, by the key that the token is bound to, with `ath` (RFC 9449 §4.2).",
        },
    }
