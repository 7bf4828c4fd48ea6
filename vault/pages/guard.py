"""Headers of every answer: nothing from elsewhere, nothing kept, nothing framed.

They are put on where the answer leaves, not through Flask's own headers: those cost a vendor's read a twentieth.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask
    from flask.wrappers import Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
UNLESS_SAID = (("Content-Security-Policy", POLICY), ("Cache-Control", "no-store"))
SECURE = ("Strict-Transport-Security", "max-age=63072000")


def form_may_lead_to(response: Response, origin: str) -> Response:
    """Let the form of this page be answered by a redirection to one other place (CSP `form-action`)."""
    response.headers["Content-Security-Policy"] = f"{POLICY} {origin}"
    return response


def install(app: Flask, *, secure: bool) -> None:
    """Round the whole application. `secure`: its address is https."""
    app.wsgi_app = _guarded(app.wsgi_app, (*ALWAYS, SECURE) if secure else ALWAYS)  # type: ignore[assignment]


def _guarded(inner: WSGIApplication, always: tuple[tuple[str, str], ...]) -> WSGIApplication:
    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            said = {name.lower() for name, _ in headers}
            headers += always
            headers += [each for each in UNLESS_SAID if each[0].lower() not in said]
            return start_response(status, headers, *more)

        return inner(environ, start)

    return guarded
