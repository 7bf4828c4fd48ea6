"""The OAuth endpoints as Flask routes: thin, for programs, without cookies."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749.errors import OAuth2Error
from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import InternalServerError, RequestEntityTooLarge

from consent import signing
from consent.oauth import metadata
from consent.oauth.engine import Engine
from consent.oauth.messages import MOST_BYTES, Answer, error_answer, read_form
from consent.oauth.metadata import KEYS, PAR, REVOKE, TOKEN
from vault.errors import Busy, DiskFull, VaultError
from vault.pages.errors import wait_for
from vault.pages.session import address
from vault.server import Server

pages = Blueprint("oauth", __name__)
pages.machine = True  # type: ignore[attr-defined]  # read by vault.pages.session: proofs instead of cookies


def engine() -> Engine:
    """The engine of this application, made at the first use."""
    extensions = current_app.extensions
    if "vrm.engine" not in extensions:
        extensions["vrm.engine"] = Engine(extensions["vrm"])
    return extensions["vrm.engine"]  # type: ignore[no-any-return]


def answer(made: Answer) -> Response:
    """An Answer as a response that nobody keeps."""
    response = Response(made.body, made.status, made.headers)
    if made.body:
        response.content_type = "application/json"
    return response


def _form() -> dict[str, str]:
    request.max_content_length = MOST_BYTES
    pairs = [(name, value) for name, values in request.form.lists() for value in values]
    return read_form(pairs, query=request.query_string, headers=dict(request.headers))


def _proof() -> str | None:
    """The one DPoP header; a server joins two by a comma, and then they are as bad as none."""
    return request.headers.get("DPoP")


def _answered(work: Any) -> Response:
    try:
        return answer(work(_form()))
    except OAuth2Error as error:
        return answer(error_answer(error))


@pages.errorhandler(DiskFull)
@pages.errorhandler(Busy)
def _not_now(error: VaultError) -> Response:
    wait = {"Retry-After": "60"} | wait_for(error)
    return answer(Answer(503, {"error": "temporarily_unavailable"}, list(wait.items())))


@pages.errorhandler(RequestEntityTooLarge)
def _too_large(_error: RequestEntityTooLarge) -> Response:
    return answer(Answer(413, {"error": "invalid_request", "error_description": "The form is too large."}, []))


@pages.errorhandler(InternalServerError)
def _failed(_error: InternalServerError) -> Response:
    return answer(Answer(500, {"error": "server_error"}, []))


@pages.post(PAR)
def push() -> Response:
    """Pushed authorization requests."""
    return _answered(lambda form: engine().push(form, _proof(), address()))


@pages.post(TOKEN)
def token() -> Response:
    """Codes and refresh tokens into access tokens."""
    return _answered(lambda form: engine().token(form, _proof(), address()))


@pages.post(REVOKE)
def revoke() -> Response:
    """Dropping tokens."""
    return _answered(lambda form: engine().drop(form, address()))


@pages.get(KEYS)
def keys() -> Response:
    """The public halves of what this server signs with, as a JWK Set (RFC 7517 §5)."""
    response = jsonify(signing.key_set(_server()))
    response.content_type = "application/jwk-set+json"
    return response


@pages.get(metadata.SERVER)
def authorization_server() -> Response:
    """Metadata (RFC 8414)."""
    return jsonify(metadata.authorization_server(_server().settings.issuer))


@pages.get(metadata.RESOURCE)
def protected_resource() -> Response:
    """Metadata (RFC 9728)."""
    return jsonify(metadata.protected_resource(_server().settings.issuer))


def _server() -> Server:
    return current_app.extensions["vrm"]  # type: ignore[no-any-return]
