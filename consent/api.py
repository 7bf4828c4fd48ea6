"""The vendors' API, `/vendor/v1`: reads a call, hands it on, answers in JSON or RFC 9457 problems."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import orjson
from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from consent import deposits, looking, openapi
from consent.calls import Call, Denied
from consent.details import DEPOSITABLE
from consent.looking import MOST, Page
from consent.oauth.metadata import API
from consent.problems import PROBLEMS, Code
from vault.pages import errors
from vault.record import CLASSES
from vault.server import Server

pages = Blueprint("api", __name__, url_prefix=API)
pages.machine = True  # type: ignore[attr-defined]  # read by vault.pages.session: proofs instead of cookies

# The interpreter runs one thread at a time anyway, and a look hands its lock over and takes it back at every statement:
# with eight threads that made a look a third dearer.
_ONE_AT_A_TIME = Lock()


@pages.get("/grant")
def grant() -> Response:
    """The permission itself: what it gives and until when."""
    return _answer(_alone(lambda call: looking.grant(_server(), call)))


@pages.get("/grants/<string(length=32):grant_id>")
def query(grant_id: str) -> Response:
    """The same by its id (Grant Management for OAuth 2.0 §7.3): a token knows its own grant and no other."""
    return _answer(_alone(lambda call: looking.grant(_server(), call, grant_id)))


@pages.delete("/grants/<string(length=32):grant_id>")
def give_back(grant_id: str) -> Response:
    """Give the permission back: it ends, for good."""
    return _answer(lambda call: looking.give_back(_server(), call, grant_id), status=204)


@pages.get("/receipt")
def receipt() -> Response:
    """Your copy of the signed receipt of the permission as it stands."""
    return _answer(lambda call: looking.receipt(_server(), call), kind="application/jwt")


@pages.get("/openapi.json")
def description() -> Response:
    """This API, the OAuth endpoints and the well-known documents as OpenAPI 3.1. No token is needed."""
    return Response(orjson.dumps(described(_server().settings.issuer)), content_type="application/json")


def described(issuer: str) -> dict[str, Any]:
    """That document for a vault at this address."""
    return openapi.document(issuer, openapi.Limits(rows=MOST, content=deposits.MOST_BYTES))


@pages.get("/<collection>")
def read(collection: str) -> Response:
    """What the owner lets you see of one collection, in order of change."""
    if collection not in {name for name, _ in CLASSES}:
        return problem("not_found")
    limit, after = request.args.get("limit", str(MOST)), request.args.get("after")
    if not _is_limit(limit) or (after is not None and len(after) > 40):
        return problem("invalid", f"limit is 1 to {MOST}; after is what `next` said")
    page = Page(after, int(limit))
    return _answer(_alone(lambda call: looking.look(_server(), call, page)), collection)


@pages.post(f"/deposits/<any({', '.join(DEPOSITABLE)}):collection>")
def leave(collection: str) -> Response:
    """Leave a record for the owner, who decides whether she takes it."""
    request.max_content_length = deposits.MOST_BYTES
    key, content = request.headers.get("Idempotency-Key", ""), request.get_data()
    return _answer(lambda call: deposits.leave(_server(), call, key, content), collection, status=202)


@pages.get("/deposits/<string(length=32):deposit>")
def left(deposit: str) -> Response:
    """What became of something that was left: waiting, accepted or rejected."""
    return _answer(lambda call: deposits.ask(_server(), call, deposit))


@pages.app_errorhandler(NotFound)
@pages.app_errorhandler(MethodNotAllowed)
def _astray(error: HTTPException) -> Response:
    """No route of ours: told in the way of this API below its address, as a page everywhere else."""
    if not request.path.startswith(f"{API}/"):
        return errors.http_error(error)
    if not isinstance(error, MethodNotAllowed):
        return problem("not_found")
    response = problem("wrong_method")
    response.headers["Allow"] = ", ".join(error.valid_methods or ())
    return response


@pages.errorhandler(RequestEntityTooLarge)
def _too_large(_error: RequestEntityTooLarge) -> Response:
    return problem("too_large")


def _is_limit(text: str) -> bool:
    return text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MOST


def _alone(work: Callable[[Call], bytes | Denied]) -> Callable[[Call], bytes | Denied]:
    """Reading is done one at a time; what writes to her database waits for its turn there, and for nothing here."""

    def held(call: Call) -> bytes | Denied:
        with _ONE_AT_A_TIME:
            return work(call)

    return held


def _answer(
    work: Callable[[Call], bytes | Denied], what: str = "", *, status: int = 200, kind: str = "application/json"
) -> Response:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "dpop" or not token or len(request.headers.getlist("Authorization")) != 1:
        return problem("invalid_token", challenge=False)
    call = Call(
        token=token.strip(),
        proof=",".join(request.headers.getlist("DPoP")) or None,
        method=request.method,
        url=_server().settings.issuer + request.path,
        what=what,
        request_id=g.get("request_id", ""),
    )
    made = work(call)
    if isinstance(made, Denied):
        return problem(made.code, made.detail, wait=made.wait)
    return Response(made, status, content_type=kind)


def problem(code: Code, detail: str = "", *, challenge: bool = True, wait: int = 0) -> Response:
    """An answer in the shape of RFC 9457. 401 carries the challenge of RFC 9449 §7.1 and RFC 9728 §5.1."""
    status, title, _remedy = PROBLEMS[code]
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
    if status in {429, 503}:
        response.headers["Retry-After"] = str(wait or 2)
    return response


def _server() -> Server:
    return current_app.extensions["vrm"]  # type: ignore[no-any-return]
