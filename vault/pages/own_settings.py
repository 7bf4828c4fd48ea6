"""Settings: what she is called, how pages speak to her, and where her notices go."""

from __future__ import annotations

from typing import Any

from babel.numbers import list_currencies
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import choices, crypto, languages, mail, notice_address
from vault.errors import N_
from vault.opened import OpenVault
from vault.pages import guard, language, session, shown
from vault.pages.setup import LABELS, MAIL, NAME_NEEDED, NOT_AN_ADDRESS

pages = Blueprint("settings", __name__)

THEMES = {"": N_("as this device has it"), "light": N_("light"), "dark": N_("dark")}
AMOUNTS = {"": N_("with their sign, like €18.50"), "letters": N_("with their letters, like EUR 18.50")}
ABOUT = {
    **LABELS,
    "language": N_("Language"),
    "zone": N_("Time zone"),
    "currency": N_("Currency to begin with"),
    "amounts": N_("Amounts"),
    "theme": N_("Colours"),
    "code": N_("Code from the mail"),
}
CHOOSE = N_("Choose one of these.")
NO_CURRENCY = N_("Write the three letters of a currency, like EUR, or leave it empty.")
WRONG_CODE = N_("That is not the code, or it has run out. After five wrong ones, ask for another.")


@pages.get("/settings")
@session.unlocked
def settings() -> Response:
    """Everything that can be chosen."""
    return _page(session.vault())


@pages.post("/settings")
@session.unlocked
def save() -> Response:
    """Keep what was chosen, all of it or nothing."""
    vault = session.vault()
    typed = {name: request.form.get(name, "").strip() for name in ("name", "language", "zone", "amounts", "theme")}
    typed["currency"] = request.form.get("currency", "").strip().upper()
    wrong = _wrong(typed)
    if wrong:
        return _page(vault, typed, wrong)
    choices.keep(vault, typed)
    if typed["language"]:
        with vault.server.main.transaction() as transaction:
            mail.change_language(transaction, vault.server, vault.owner_id, typed["language"])
    return _to("saved")


def _wrong(typed: dict[str, str]) -> dict[str, str]:
    known: dict[str, Any] = {
        "language": languages.LANGUAGES,
        "zone": choices.zones(),
        "amounts": AMOUNTS,
        "theme": THEMES,
    }
    wrong = {name: CHOOSE for name, allowed in known.items() if typed[name] and typed[name] not in allowed}
    if not 1 <= len(typed["name"]) <= 100:
        wrong["name"] = NAME_NEEDED
    if typed["currency"] and typed["currency"] not in list_currencies():
        wrong["currency"] = NO_CURRENCY
    return wrong


@pages.post("/settings/notice")
@session.unlocked
@guard.confirmed
def notice() -> Response:
    """Another address for notices: a code goes there first. None at all holds at once."""
    vault = session.vault()
    address = request.form.get("notice", "").strip()
    if "remove" in request.form:
        notice_address.remove(vault, language.chosen())
        return _to("notice-gone")
    if len(address) > 254 or not MAIL.fullmatch(address) or not session.server().settings.smtp_url:
        return _page(vault, {"notice": address}, {"notice": NOT_AN_ADDRESS})
    notice_address.ask(vault, address, language.chosen())
    return _to("code-sent", anchor="notices")


@pages.post("/settings/notice/code")
@session.unlocked
def code() -> Response:
    """The code from the mail sets the new address."""
    vault = session.vault()
    if notice_address.confirm(vault, request.form.get("code", "")):
        return _to("notice-set")
    return _page(vault, wrong={"code": WRONG_CODE})


def _page(vault: OpenVault, typed: dict[str, str] | None = None, wrong: dict[str, str] | None = None) -> Response:
    said = {name: gettext(sentence) for name, sentence in (wrong or {}).items()}
    page = render_template(
        "settings.html",
        chosen={**vault.settings, **(typed or {})},
        languages=[("", gettext("as this browser asks for it")), *languages.LANGUAGES.items()],
        zones=[("", gettext("as on the server")), *((name, name.replace("_", " ")) for name in choices.zones())],
        themes=[(value, gettext(words)) for value, words in THEMES.items()],
        amounts=[(value, gettext(words)) for value, words in AMOUNTS.items()],
        notice_now=_present(vault),
        notice_next=notice_address.waiting(vault),
        mails=bool(session.server().settings.smtp_url),
        wrong=[(_place(vault, name), gettext(ABOUT[name]), sentence) for name, sentence in said.items()],
        errors={name: (sentence,) for name, sentence in said.items()},
        now=shown.now().strftime("%H:%M"),
    )
    return make_response(page, 422 if wrong else 200)


def _place(vault: OpenVault, name: str) -> str:
    """Where on the page something wrong is put right: a code has a control only while one is waited for."""
    return "notices" if name == "code" and not notice_address.waiting(vault) else name


def _present(vault: OpenVault) -> str | None:
    try:
        return notice_address.present(vault)
    except crypto.Damaged:
        return None


def _to(notice: str, anchor: str | None = None) -> Response:
    return make_response(redirect(url_for("settings.settings", notice=notice, _anchor=anchor), 303))
