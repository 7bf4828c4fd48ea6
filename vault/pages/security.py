"""Security: the ways to unlock, the passphrase, and the sessions that are open."""

from __future__ import annotations

import re

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import sessions, unlock
from vault.errors import N_, Busy, TooManyTries, VaultError, WrongSecret
from vault.pages import session
from vault.pages.errors import wait_for
from vault.pages.setup import vault_number
from vault.strength import Strength, strength

pages = Blueprint("security", __name__)

SESSION_ID = re.compile(r"[0-9a-f]{32}")


@pages.get("/security")
@session.unlocked
def security() -> Response:
    """What opens the vault, and what is open now."""
    return _page()


@pages.post("/security/passphrase")
@session.unlocked
def passphrase() -> Response:
    """Change the passphrase: the old one first, unless the recovery code opened this session."""
    vault = session.vault()
    typed = request.form.get("new", "")
    found = strength(typed, [vault.name, str(vault.settings.get("handle", ""))])
    if not found.good:
        return _page({"new": found.sentence}, found, status=422)
    try:
        unlock.change_passphrase(vault, request.form.get("old"), typed, address=session.address())
    except WrongSecret as error:
        return _page({"old": error.sentence}, error=error)
    except (TooManyTries, Busy) as error:
        return _page({"old": error.sentence}, error=error)
    return make_response(redirect(url_for("security.security", notice="passphrase"), 303))


@pages.post("/security/sessions")
@session.unlocked
def end_sessions() -> Response:
    """End one session, or all but this one."""
    vault = session.vault()
    mine = {row.lock_id for row in sessions.living(vault)}
    wanted = request.form.get("session", "")
    if wanted == "others":
        chosen = [each for each in mine if each != vault.session_id]
    else:
        chosen = [each for each in mine if SESSION_ID.fullmatch(wanted) and each == bytes.fromhex(wanted)]
    sessions.end(vault.server, vault.owner_id, chosen)
    if vault.session_id in chosen:
        return session.drop(make_response(redirect(url_for("unlock.unlock_page", notice="locked"), 303)))
    return make_response(redirect(url_for("security.security", notice="ended"), 303))


LABELS = {"old": N_("Present passphrase"), "new": N_("New passphrase")}


def _page(
    wrong: dict[str, str] | None = None,
    found: Strength | None = None,
    *,
    error: VaultError | None = None,
    status: int = 200,
) -> Response:
    vault = session.vault()
    told = {name: gettext(sentence) for name, sentence in (wrong or {}).items()}
    page = render_template(
        "security.html",
        sessions=sessions.living(vault),
        this=vault.session_id,
        by_code=vault.opened_by == "recovery",
        wrong=[(name, gettext(LABELS[name]), sentence) for name, sentence in told.items()],
        errors=told,
        found=found,
        number=vault_number(vault),
        handle=vault.settings.get("handle", ""),
    )
    response = make_response(page, error.status if error else status)
    response.headers.update(wait_for(error) if error else {})
    return response
