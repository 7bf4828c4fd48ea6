"""Changing the keys: why, the passphrase, and how far it has come."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import rekeying, sessions
from vault.devices import device
from vault.errors import Busy, TooManyTries, VaultError, WrongSecret
from vault.pages import session
from vault.pages.errors import wait_for
from vault.pages.security import pages
from vault.pages.session import server


@pages.get("/security/keys")
@session.unlocked
def keys() -> Response:
    """What changing the keys does, or how far it has come. If the server was restarted, it goes on when she looks."""
    rekeying.resume(session.vault())
    return _page()


@pages.get("/security/keys/progress")
@session.unlocked
def keys_progress() -> str:
    """The part of that page which changes."""
    return render_template("keys_progress.html", progress=rekeying.progress(session.vault()))


@pages.post("/security/keys")
@session.unlocked
def change_keys() -> Response:
    """Change them; the passphrase is asked for, because its lock is made anew. Leads to the new recovery kit."""
    vault = session.vault()
    seat = sessions.Seat(server().now, vault.opened_by, *device(request.user_agent.string))
    try:
        string, opened = rekeying.begin(vault, request.form.get("passphrase", ""), seat, address=session.address())
    except (WrongSecret, TooManyTries, Busy, rekeying.UnderWay) as error:
        return _page(error)
    sessions.welcome(opened)
    return session.keep(make_response(redirect(url_for("setup.kit"), 303)), string)


def _page(error: VaultError | None = None) -> Response:
    vault = session.vault()
    page = render_template(
        "keys.html",
        progress=rekeying.progress(vault),
        sentence=gettext(error.sentence) if error else "",
        handle=vault.settings.get("handle", ""),
    )
    response = make_response(page, error.status if error else 200)
    response.headers.update(wait_for(error) if error else {})
    return response
