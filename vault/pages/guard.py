"""What stands before pages: headers on every answer, and once more showing that it is she before what is hard to undo.

Headers: nothing from elsewhere, nothing kept, nothing framed. They are put on where the answer leaves, not through
Flask's own headers: those cost a vendor's read a twentieth.

    @pages.post("/security/passkeys")
    @session.unlocked
    @guard.confirmed
    def add(): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flask import make_response, render_template, request, url_for
from flask_babel import gettext

from vault import passkeys, recovery, sessions, unlock
from vault.errors import Busy, TooManyTries, VaultError, WrongSecret
from vault.pages import session
from vault.pages.errors import wait_for

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask
    from flask.wrappers import Response

P = ParamSpec("P")
R = TypeVar("R")
PROOFS = ("confirm-passphrase", "confirm-passkey", "confirm-code")
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
SECURE = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")


def form_may_lead_to(response: Response, origin: str) -> Response:
    """Let the form of this page be answered by a redirection to one other place (CSP `form-action`)."""
    response.headers["Content-Security-Policy"] = f"{POLICY} {origin}"
    return response


def confirmed(view: Callable[P, R]) -> Callable[P, R | Response]:
    """For what is hard to undo, under `session.unlocked`: she shows that it is she unless she just did."""

    @functools.wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        asking = ask_again()
        return view(*args, **kwargs) if asking is None else asking

    return wrapped


def ask_again() -> Response | None:
    """None if she has shown in the last minutes that it is she, or does so now; else the page that asks for it.

    The page comes back to the same address with everything she had filled in, so that nothing of it is lost.
    """
    vault = session.vault()
    if sessions.is_fresh(vault) or session.in_sandbox():  # somebody made up has nothing to show
        return None
    if request.method == "GET" or not any(request.form.get(name) for name in PROOFS):
        return _asking()
    try:
        _prove()
    except (WrongSecret, TooManyTries, Busy) as error:
        return _asking(error)
    session.proved()
    return None


def _prove() -> None:
    """By passkey, by passphrase, or by the code if that is what opened this session. Raises WrongSecret."""
    vault, form = session.vault(), request.form
    if form.get("confirm-passkey"):
        passkeys.confirm(vault, form["confirm-passkey"], form.get("confirm-secret", ""))
    elif form.get("confirm-passphrase"):
        unlock.confirm_passphrase(vault, form["confirm-passphrase"], address=session.address())
    elif vault.opened_by != "recovery" or recovery.tried(vault, form.get("confirm-code", "")) != "works":
        raise WrongSecret


def _may_be_carried(name: str) -> bool:
    """No passphrase ever stands in a page, a new one or that of a share link, and no passkey's secret: once more."""
    return name not in ("passphrase", "old", "new", "passkey", "secret") and not name.startswith("confirm-")


def _asking(error: VaultError | None = None) -> Response:
    vault = session.vault()
    posted = request.method == "POST"
    carried = request.form.items(multi=True) if posted else [("next", request.full_path.rstrip("?"))]
    page = render_template(
        "confirm.html",
        action=request.path if posted else url_for("security.confirm"),
        carried=[(name, value) for name, value in carried if _may_be_carried(name)],
        has_passkey=passkeys.possible(vault.server) and bool(passkeys.listed(vault)),
        by_code=vault.opened_by == "recovery",
        handle=vault.settings.get("handle", ""),
        sentence=gettext(error.sentence) if error else "",
    )
    response = make_response(page, error.status if error else 403)
    response.headers.update(wait_for(error) if error else {})
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
