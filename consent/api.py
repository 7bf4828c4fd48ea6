"""The vendors' API, `/vendor/v1`: reads a call, hands it to `looking`, answers in JSON or RFC 9457 problems."""

from __future__ import annotations

from threading import Lock
from typing import Any

import orjson
from flask import Blueprint, Response, current_app, g, request

from consent import receipt_rows
from consent.looking import MOST, Asking, Code, Denied, look
from consent.tokens import open_credential
from vault.record import CLASSES
from vault.server import Server

pages = Blueprint("api", __name__, url_prefix="/vendor/v1")
pages.machine = True  # type: ignore[attr-defined]  # read by vault.pages.session: proofs instead of cookies

# The interpreter runs one thread at a time anyway, and a look hands its lock over and takes it back at every statement:
# with eight threads that made a look a third dearer.
_ONE_AT_A_TIME = Lock()

PROBLEMS: dict[str, tuple[int, str]] = {
    "invalid_token": (401, "The access token is not valid: it is unknown, has run out, or the permission has ended."),
    "invalid_dpop_proof": (401, "The DPoP proof is not acceptable."),
    "paused": (403, "The owner has paused this permission."),
    "not_granted": (403, "The owner has not given this."),
    "not_found": (404, "There is nothing at this address."),
    "start_again": (410, "The permission has changed. Drop what you have and read again from the start."),
    "invalid": (400, "A parameter cannot be read."),
    "damaged": (500, "Something in the vault is damaged. The owner can see that in her log."),
    "busy": (503, "The vault is busy just now. Try again in a moment."),
}


@pages.get("/grant")
def grant() -> Response:
    """The permission itself: what it shows and until when."""
    return _answer(None)


@pages.get("/receipt")
def receipt() -> Response:
    """The signed receipt of the permission as it stands. Its asking is checked and logged as for the permission."""
    answered = _answer(None)
    if answered.status_code != 200:
        return answered
    opened = open_credential(_server(), request.headers["Authorization"].partition(" ")[2].strip(), "access")
    if opened is None or opened.opened.key is None:
        return problem("invalid_token")  # it has ended since it was checked
    found = opened.found
    with _server().main.reading() as session:
        text = receipt_rows.vendors_copy(session, found.string.owner_id, found.grant_id, opened.opened.key)
    return Response(text, content_type="application/jwt") if text else problem("not_found")


@pages.get("/<collection>")
def read(collection: str) -> Response:
    """What the owner lets you see of one collection, in order of change."""
    if collection not in {name for name, _ in CLASSES}:
        return problem("not_found")
    return _answer(collection)


def _answer(what: str | None) -> Response:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "dpop" or not token or len(request.headers.getlist("Authorization")) != 1:
        return problem("invalid_token", challenge=False)
    limit = request.args.get("limit", str(MOST))
    after = request.args.get("after")
    if (
        not limit.isdecimal()
        or len(limit) > 3
        or not 1 <= int(limit) <= MOST
        or (after is not None and len(after) > 40)
    ):
        return problem("invalid", "limit is 1 to 200; after is what `next` said")
    asking = Asking(
        token=token.strip(),
        proof=",".join(request.headers.getlist("DPoP")) or None,
        method=request.method,
        url=_server().settings.issuer + request.path,
        what=what,
        after=after,
        limit=int(limit),
        request_id=g.get("request_id", ""),
    )
    with _ONE_AT_A_TIME:
        made = look(_server(), asking)
    if isinstance(made, Denied):
        return problem(made.code, made.detail)
    return Response(made, content_type="application/json")


def problem(code: Code | str, detail: str = "", *, challenge: bool = True) -> Response:
    """An answer in the shape of RFC 9457. 401 carries the challenge of RFC 9449 §7.1 and RFC 9728 §5.1."""
    status, title = PROBLEMS[code]
    issuer = _server().settings.issuer
    content: dict[str, Any] = {
        "type": f"{issuer}/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "request_id": g.get("request_id", ""),
    }
    if detail:
        content["detail"] = detail
    response = Response(orjson.dumps(content), status, content_type="application/problem+json")
    if status == 401:
        error = f'error="{code}", ' if challenge else ""
        metadata = f"{issuer}/.well-known/oauth-protected-resource"
        response.headers["WWW-Authenticate"] = f'DPoP {error}algs="ES256 EdDSA", resource_metadata="{metadata}"'
    if status == 503:
        response.headers["Retry-After"] = "2"
    return response


def _server() -> Server:
    return current_app.extensions["vrm"]  # type: ignore[no-any-return]
