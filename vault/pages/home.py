"""Home: what needs her, what came lately, who can see something, and whether the vault is in good order."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy import update

from vault import crypto, notice_address, sessions
from vault.errors import N_
from vault.models import Owner
from vault.opened import OpenVault
from vault.pages import due, purchases, session, shown
from vault.pages.notices import NOTICES
from vault.pages.purchase_filter import PROPOSED
from vault.pages.vendors import BOUGHT
from vault.turn import her_turn

pages = Blueprint("home", __name__)

EVENING = N_("Good evening, %(name)s.")
GREETINGS = ((5, EVENING), (12, N_("Good morning, %(name)s.")), (18, N_("Good afternoon, %(name)s.")))
LATELY = 5


@pages.get("/")
@session.unlocked
def home() -> str:
    """The first page after unlocking; while the vault is empty, three ways to begin."""
    vault = session.vault()
    catalogue = vault.catalogue
    first = NOTICES["welcome"]
    welcome = {"notice": gettext(first)} if "welcome" in request.args else {}
    code_sent = bool(notice_address.waiting(vault))
    if not catalogue.count("1") and not vault.lost:
        return render_template("empty.html", code_sent=code_sent, **welcome)
    return render_template(
        "home.html",
        greeting=_greeting(vault.name),
        proposed=catalogue.count(PROPOSED),
        damaged=catalogue.count("damaged"),
        lost=vault.lost,
        lately=purchases.latest(vault, LATELY),
        due=due.soon(vault),
        purchases=catalogue.count(BOUGHT),
        vendors=catalogue.count("collection = 'vendors'"),
        sessions=len(sessions.living(vault)),
        notices=_has_notices(vault),
        code_sent=code_sent,
        **welcome,
    )


def _has_notices(vault: OpenVault) -> bool:
    """Is there an address for notices? One whose box is damaged is none."""
    try:
        return notice_address.present(vault) is not None
    except crypto.Damaged:
        return False


@pages.get("/help")
def explained() -> str:
    """Help in plain words, also for somebody who cannot unlock."""
    layout = "solo.html" if session.peek() is None else "base.html"
    return render_template("help.html", layout=layout, here="home.explained")


def _greeting(name: str) -> str:
    hour = shown.now().hour
    sentence = next((words for until, words in GREETINGS if hour < until), EVENING)
    return str(gettext(sentence, name=name))


@pages.get("/more")
@session.unlocked
def more() -> str:
    """The rest of the menu, for a phone."""
    return render_template("more.html", here="home.more")


@pages.get("/damaged")
@session.unlocked
def damaged() -> str:
    """Records that do not open, or that went back to an older state."""
    entries = session.vault().catalogue.entries("damaged", order="number", limit=200)
    return render_template("damaged.html", entries=entries, here="home.home")


@pages.post("/old-copy/seen")
@session.unlocked
def old_copy_seen() -> Response:
    """She has read that an old copy was put back and changes were lost."""
    vault = session.vault()
    with her_turn(vault.server, vault.owner_id) as turn:
        turn.session.execute(update(Owner).where(Owner.owner_id == vault.owner_id).values(lost=0))
    return make_response(redirect(url_for("home.home", notice="seen"), 303))
