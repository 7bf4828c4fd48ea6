"""Unlock and lock."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import attempts, handles, passkeys, sessions, unlock
from vault.errors import Busy, NotFound, TooManyTries, VaultError, WrongSecret
from vault.keyring import Keyring
from vault.pages import session
from vault.pages.errors import wait_for
from vault.pages.session import server
from vault.pages.setup import code_given

pages = Blueprint("unlock", __name__)


@pages.get("/unlock")
def unlock_page() -> Response:
    """The closed vault with its one window."""
    if session.peek() is not None:
        return make_response(redirect(session.safe_next(request.args.get("next")), 303))
    if not handles.anybody(server()):
        return make_response(render_template("nobody.html", open=server().settings.sign_up == "open"))
    return _window(request.args.get("next"))


@pages.post("/unlock")
def open_up() -> Response:
    """Unlock by passphrase, or by recovery code, typed or as the saved file."""
    by_code = "code" in request.form
    try:
        keyring = _with_code() if by_code else _with_passphrase()
    except (WrongSecret, TooManyTries, Busy) as error:
        return _window(request.form.get("next"), error, way="code" if by_code else "pass")
    if by_code:
        return _opened(keyring, "recovery", url_for("security.security", notice="recovered", _anchor="passphrase"))
    return _opened(keyring, "passphrase", session.safe_next(request.form.get("next")))


@pages.get("/unlock/passkey")
def ask_passkey() -> dict[str, Any]:
    """What the browser needs to ask for a passkey; the same for everybody who comes here."""
    if not passkeys.possible(server()):
        raise NotFound
    return passkeys.asking(server())


@pages.post("/unlock/passkey")
def open_by_passkey() -> Response:
    """Unlock by passkey."""
    form = request.form
    try:
        keyring = passkeys.unlock(server(), form.get("passkey", ""), form.get("secret", ""))
    except WrongSecret as error:
        return _window(form.get("next"), error, way="passkey")
    return _opened(keyring, "passkey", session.safe_next(form.get("next")))


def _opened(keyring: Keyring, way: str, there: str) -> Response:
    before = session.peek()
    if before is not None:
        sessions.end(server(), before.owner_id, [before.session_id])
    string, vault = sessions.begin(server(), keyring, way, request.user_agent.string)
    server().catalogues.of(vault)  # opened while she waits anyway, so that the first page has it
    return session.keep(make_response(redirect(there, 303)), string)


@pages.post("/lock")
@session.for_sandbox
def lock() -> Response:
    """End this session; from the answer on it opens nothing."""
    vault = session.peek()
    if vault is not None:
        sessions.end(server(), vault.owner_id, [vault.session_id])
    return session.drop(make_response(redirect(url_for("unlock.unlock_page", notice="locked"), 303)))


def _handle() -> str:
    return request.form.get("handle", "").strip()


def _with_passphrase() -> Keyring:
    return unlock.with_passphrase(server(), _handle(), request.form.get("passphrase", ""), address=session.address())


def _with_code() -> Keyring:
    attempts.admit(server(), recovery=session.address())
    keyring = unlock.with_recovery_code(server(), _handle(), code_given())
    attempts.forget(server(), recovery=session.address())
    return keyring


def _window(back: str | None, error: VaultError | None = None, *, way: str = "pass") -> Response:
    """The window. `way` is the id of the control that the error is about."""
    there = session.safe_next(back)
    shown = render_template(
        "unlock.html",
        back=there,
        same_page=url_for("unlock.unlock_page", next=there if there != "/" else None),
        back_to=_page_name(there),
        ask_name=not handles.only_owner(server()),
        handle=_handle(),
        way=way,
        passkeys=passkeys.possible(server()),
        error=error,
        sentence=gettext(error.sentence) if error else "",
    )
    response = make_response(shown, error.status if error else 200)
    response.headers.update(wait_for(error) if error else {})
    return response


def _page_name(path: str) -> str:
    """What the menu calls the page of a path; empty where it does not name it."""
    start = "/" + path.removeprefix("/").split("/")[0].split("?")[0]
    entries = [entry for room in server().rooms for entry in room.nav]
    named = [gettext(entry.label) for entry in entries if url_for(entry.endpoint) == start]
    return named[0] if named and start != "/" else ""
