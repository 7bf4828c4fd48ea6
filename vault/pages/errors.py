"""What went wrong, in plain words: a page with a status and a request id, never a trace or a value."""

from __future__ import annotations

from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.exceptions import HTTPException

from vault.crypto import Damaged
from vault.errors import N_, Busy, Locked, TooManyTries, Unreachable, VaultError
from vault.logs import log

Told = tuple[str, str]  # a heading and what to do

HEADINGS: dict[int, Told] = {
    400: (N_("That could not be read."), N_("Go back, look at what was sent, and try again.")),
    403: (N_("That is not allowed from here."), N_("Forms of this vault work on its own pages only. Go back, reload.")),
    404: (N_("There is nothing here."), N_("It may have been removed, or the address has a slip in it.")),
    405: (N_("That does not work this way."), N_("Use the buttons on the page instead of its address.")),
    413: (N_("That is too much at once."), N_("Send less, or a smaller file.")),
    421: (
        N_("The vault does not answer to that name."),
        N_("Open it as localhost, on the machine it runs on. To be reached from elsewhere it needs an https address."),
    ),
    429: (N_("Too many tries."), N_("Wait a little, then try again.")),
    500: (
        N_("The vault stumbled."),
        N_("What you had saved is safe. If it happens again, look into the server’s log."),
    ),
    503: (N_("The vault is busy just now."), N_("Try again in a moment.")),
}
UNREACHABLE = N_("Try again in a moment. If you were changing something, look first whether it was done.")
DAMAGED: Told = (
    N_("This record is damaged, and was not opened."),
    N_(
        "It was changed outside the vault, or the disk is failing. Everything else still opens. "
        "Stop what writes to the database and put back a backup from before."
    ),
)


def install(app: Flask) -> None:
    """Answer every error with a page."""
    app.register_error_handler(VaultError, _vault_error)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Damaged, _damaged)


def page(status: int, told: Told | None = None) -> Response:
    """The page for a status, with the request's id to look for in the log."""
    heading, words = told or HEADINGS.get(status) or HEADINGS[500 if status >= 500 else 400]
    shown = render_template(
        "error.html", heading=gettext(heading), words=gettext(words), request_id=g.get("request_id", ""), status=status
    )
    return make_response(shown, status)


def wait_for(error: VaultError) -> dict[str, str]:
    """How many seconds to wait, as a header (RFC 9110 §10.2.3)."""
    if isinstance(error, TooManyTries):
        return {"Retry-After": str(max(1, int(error.wait.total_seconds())))}
    return {"Retry-After": "5"} if isinstance(error, Busy) else {}


def _vault_error(error: VaultError) -> Response:
    if isinstance(error, Locked) and request.method == "GET":
        there = url_for("unlock.unlock_page", next=request.full_path.rstrip("?"))
        return make_response(redirect(there, 303))
    log.info("refused", code=error.code, status=error.status, request_id=g.get("request_id", ""))
    known = HEADINGS[error.status if error.status in (404, 413, 429, 500, 503) else 400][1]
    response = page(error.status, (error.sentence, UNREACHABLE if isinstance(error, Unreachable) else known))
    response.headers.update(wait_for(error))
    return response


def http_error(error: HTTPException) -> Response:
    """The page for what went wrong on the way to a page."""
    status = error.code or 500
    if error.response is not None:
        return make_response(error.response)
    if 300 <= status < 400:
        return make_response(error.get_response())
    response = page(status)
    if status == 405:
        response.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
    return response


def _damaged(_error: Damaged) -> Response:
    log.error("damaged", request_id=g.get("request_id", ""))
    return page(500, DAMAGED)
