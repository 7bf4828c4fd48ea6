"""Unlock and lock."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy import select

from vault import sessions, unlock
from vault.errors import Busy, TooManyTries, VaultError, WrongSecret
from vault.keyring import Keyring
from vault.models import Handle
from vault.pages import session
from vault.pages.errors import wait_for
from vault.pages.session import server
from vault.pages.setup import code_in

pages = Blueprint("unlock", __name__)


@pages.get("/unlock")
def unlock_page() -> Response:
    """The closed vault with its one window."""
    if session.peek() is not None:
        return make_response(redirect(session.safe_next(request.args.get("next")), 303))
    if not _anybody():
        return make_response(render_template("nobody.html", open=server().settings.sign_up == "open"))
    return _window(request.args.get("next"))


@pages.post("/unlock")
def open_up() -> Response:
    """Unlock by passphrase, or by recovery code, typed or as the saved file."""
    by_code = "code" in request.form
    try:
        keyring = _with_code() if by_code else _with_passphrase()
    except (WrongSecret, TooManyTries, Busy) as error:
        return _window(request.form.get("next"), error, by_code=by_code)
    before = session.peek()
    if before is not None:
        sessions.end(server(), before.owner_id, [before.session_id])
    string, _vault = sessions.begin(server(), keyring, "recovery" if by_code else "passphrase")
    there = session.safe_next(request.form.get("next"))
    if by_code:
        there = url_for("security.security", notice="recovered", _anchor="passphrase")
    return session.keep(make_response(redirect(there, 303)), string)


@pages.post("/lock")
@session.for_sandbox
def lock() -> Response:
    """End this session; from the answer on it opens nothing."""
    vault = session.peek()
    if vault is not None:
        sessions.end(server(), vault.owner_id, [vault.session_id])
    return session.drop(make_response(redirect(url_for("unlock.unlock_page", notice="locked"), 303)))


def _anybody() -> bool:
    with server().main.reading() as reading:
        return reading.scalar(select(Handle.owner_id).order_by(Handle.tag).limit(1)) is not None


def _handle() -> str:
    return request.form.get("handle", "").strip()


def _with_passphrase() -> Keyring:
    return unlock.with_passphrase(server(), _handle(), request.form.get("passphrase", ""), address=session.address())


def _with_code() -> Keyring:
    upload = request.files.get("file")
    typed = request.form.get("code", "")
    if not typed.strip() and upload is not None:
        typed = code_in(upload.read(65_536)) or ""
    return unlock.with_recovery_code(server(), _handle(), typed)


def _window(back: str | None, error: VaultError | None = None, *, by_code: bool = False) -> Response:
    there = session.safe_next(back)
    shown = render_template(
        "unlock.html",
        back=there,
        same_page=url_for("unlock.unlock_page", next=there if there != "/" else None),
        back_to=_page_name(there),
        ask_name=not unlock.only_owner(server()),
        handle=_handle(),
        by_code=by_code,
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
