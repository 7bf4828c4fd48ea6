"""Security: the ways to unlock, the passphrase, the sessions that are open, and after how long they end by themselves.

Its other subjects are in files of their own: passkeys.py, recovery.py, keys.py.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import choices, passkeys, sessions, unlock
from vault.errors import N_, Busy, NotFound, TooManyTries, VaultError, WrongSecret
from vault.kit import vault_number
from vault.pages import guard, session
from vault.pages.errors import wait_for
from vault.strength import Strength, strength

pages = Blueprint("security", __name__)


@pages.get("/security")
@session.unlocked
def security() -> Response:
    """What opens the vault, and what is open now."""
    return page()


@pages.post("/security/passphrase")
@session.unlocked
def passphrase() -> Response:
    """Change the passphrase: the old one first, unless the recovery code has just opened this session."""
    vault = session.vault()
    if vault.opened_by == "recovery" and (asking := guard.ask_again()) is not None:
        return asking
    typed = request.form.get("new", "")
    found = strength(typed, [vault.name, str(vault.settings.get("handle", ""))])
    if not found.good:
        return page({"new": found.sentence}, found, status=422)
    try:
        unlock.change_passphrase(vault, request.form.get("old"), typed, address=session.address())
    except WrongSecret as error:
        return page({"old": error.sentence}, error=error)
    except (TooManyTries, Busy) as error:
        return page({"old": error.sentence}, error=error)
    return make_response(redirect(url_for("security.security", notice="passphrase"), 303))


@pages.post("/security/sessions")
@session.unlocked
def end_sessions() -> Response:
    """End one session, or all but this one."""
    vault = session.vault()
    wanted, mine = request.form.get("session", ""), vault.server.keystore.alive(vault.owner_id, "session")
    if wanted == "others":
        sessions.end_others(vault)
        return make_response(redirect(url_for("security.security", notice="others-ended", _anchor="open"), 303))
    sessions.end(vault.server, vault.owner_id, [each for each in mine if each.hex() == wanted])
    if wanted == vault.session_id.hex():
        return session.drop(make_response(redirect(url_for("unlock.unlock_page", notice="locked"), 303)))
    return make_response(redirect(url_for("security.security", notice="ended", _anchor="open"), 303))


@pages.post("/security/quiet")
@session.unlocked
@guard.confirmed
def quiet() -> Response:
    """Choose after how many quiet minutes her sessions end."""
    vault, chosen = session.vault(), request.form.get("quiet", "")
    minutes = {str(each): each for each in choices.QUIET}.get(chosen)
    if minutes is None:
        raise NotFound
    sessions.choose_quiet(vault, minutes)
    return make_response(redirect(url_for("security.security", notice="saved", _anchor="open"), 303))


@pages.get("/session/left")
@session.for_sandbox
def left() -> dict[str, int]:
    """In how many seconds this session ends by itself. To look at it is not to use it."""
    vault = session.look()
    return {"left": max(0, vault.ends_at - vault.server.now) if vault else 0}


@pages.post("/session/stay")
@session.for_sandbox
@session.unlocked
def stay() -> Response:
    """She is still there; that this page was asked for is enough."""
    return make_response(session.step_back(url_for("home.home")))


LABELS = {
    "old": N_("Present passphrase"),
    "new": N_("New passphrase"),
    "passkey-name": N_("Name of the passkey"),
}


OPENED_WITH = {
    "passphrase": N_("with the passphrase"),
    "recovery": N_("with the recovery code"),
    "passkey": N_("with a passkey"),
    "command": N_("by a command"),
}


def _device(seat: sessions.Seat) -> str:
    """Where a session runs, in words."""
    if seat.browser and seat.system:
        return str(gettext("%(browser)s on %(system)s", browser=seat.browser, system=seat.system))
    return seat.browser or seat.system or str(gettext("A browser"))


def page(
    wrong: dict[str, str] | None = None,
    found: Strength | None = None,
    *,
    error: VaultError | None = None,
    status: int = 200,
) -> Response:
    vault = session.vault()
    known = passkeys.listed(vault)
    told = {name: gettext(sentence) for name, sentence in (wrong or {}).items()}
    page = render_template(
        "security.html",
        sessions=sessions.living(vault),
        device=_device,
        opened_with={way: gettext(words) for way, words in OPENED_WITH.items()},
        passkeys=known,
        changing=bool(vault.keyring.earlier),
        ways=2 + sum(each.unlocks for each in known),
        can_add=passkeys.possible(vault.server),
        typed=request.form,
        quiet=choices.quiet(vault.settings) // 60,
        quiets=choices.QUIET,
        this=vault.session_id,
        by_code=vault.opened_by == "recovery",
        wrong=[(name, gettext(LABELS[name]), sentence) for name, sentence in told.items()],
        errors=told,
        found=found,
        number=vault_number(vault.owner_id),
        handle=vault.settings.get("handle", ""),
    )
    response = make_response(page, error.status if error else status)
    response.headers.update(wait_for(error) if error else {})
    return response
