"""Passkeys on the security page: add, name, remove; and confirming with one that it is she."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, make_response, redirect, request, url_for

from vault import passkeys
from vault.errors import N_, Invalid, NotFound, WrongSecret
from vault.pages import guard, session
from vault.pages.security import page, pages
from vault.pages.session import server

LOCK_ID = re.compile(r"[0-9a-f]{32}")


@pages.get("/confirm/passkey")
@session.unlocked
def confirm_passkey() -> dict[str, Any]:
    """What the browser needs to ask for one of her passkeys."""
    return passkeys.asking(server(), session.vault())


@pages.post("/confirm")
@session.unlocked
@guard.confirmed
def confirm() -> Response:
    """She has shown that it is she: back to the page that asked."""
    return make_response(redirect(session.safe_next(request.form.get("next")), 303))


@pages.get("/security/passkeys/new")
@session.unlocked
@guard.confirmed
def new_passkey() -> dict[str, Any]:
    """What the browser needs to make a passkey."""
    if not passkeys.possible(server()):
        raise NotFound
    return passkeys.adding(session.vault())


@pages.post("/security/passkeys")
@session.unlocked
@guard.confirmed
def add_passkey() -> Response:
    """Keep the passkey that the browser made."""
    form = request.form
    if not form.get("passkey"):  # the browser was not asked yet, because she had to show that it is she
        return page({"passkey-name": N_("Press the button once more: now it can be added.")}, status=422)
    try:
        passkeys.add(session.vault(), form["passkey"], form.get("secret", ""), form.get("passkey-name", ""))
    except Invalid as error:
        return page({"passkey-name": error.fields["passkey-name"][0]}, error=error)
    except WrongSecret as error:
        return page({"passkey-name": error.sentence}, error=error)
    return make_response(redirect(url_for("security.security", notice="passkey-added", _anchor="ways"), 303))


@pages.post("/security/passkeys/<lock>")
@session.unlocked
def rename_passkey(lock: str) -> Response:
    """Call a passkey something else."""
    try:
        passkeys.rename(session.vault(), _id(lock), request.form.get("passkey-name", ""))
    except Invalid as error:
        return page({"passkey-name": error.fields["passkey-name"][0]}, error=error)
    return make_response(redirect(url_for("security.security", notice="saved", _anchor="ways"), 303))


@pages.post("/security/passkeys/<lock>/remove")
@session.unlocked
@guard.confirmed
def remove_passkey(lock: str) -> Response:
    """From the answer on it opens nothing."""
    passkeys.remove(session.vault(), _id(lock))
    return make_response(redirect(url_for("security.security", notice="passkey-removed", _anchor="ways"), 303))


def _id(lock: str) -> bytes:
    if not LOCK_ID.fullmatch(lock):
        raise NotFound
    return bytes.fromhex(lock)
