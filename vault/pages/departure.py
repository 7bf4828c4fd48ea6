"""Deleting the vault: asked for with the passphrase and its name, taken back within a week, and certified."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import departure
from vault.days import DAY, day_of
from vault.errors import N_, NotFound
from vault.kit import owner_of
from vault.pages import guard, session
from vault.pages.session import server

pages = Blueprint("departure", __name__)

NOT_THE_NAME = N_("That is not the short name of this vault.")


@pages.get("/delete")
@session.unlocked
def delete() -> Response:
    """What it means; or, once it is asked for, until when it can be taken back."""
    return _page()


@pages.post("/delete")
@session.unlocked
@guard.confirmed
def ask() -> Response:
    """Ask for it, showing once more that it is she: everything that others can see has ended before the answer."""
    vault = session.vault()
    name = str(vault.settings.get("handle", ""))
    if request.form.get("name", "").strip().casefold() != name.strip().casefold():
        return _page(NOT_THE_NAME)
    departure.ask(vault)
    return make_response(redirect(url_for("departure.delete"), 303))


@pages.post("/delete/keep")
@session.unlocked
def keep() -> Response:
    """Take it back."""
    kept = departure.keep(session.vault())
    there = url_for("home.home", notice="kept") if kept else url_for("departure.delete")
    return make_response(redirect(there, 303))


@pages.get("/deleted/<number>")
def deleted(number: str) -> Response:
    """The certificate of a vault that was deleted here, for whoever has its number. Needs no vault."""
    return make_response(render_template("deleted.html", number=number, text=_certificate(number)))


@pages.get("/deleted/<number>/certificate.jwt")
def certificate_file(number: str) -> Response:
    """The same as a file."""
    response = Response(_certificate(number), mimetype="application/jwt")
    response.headers["Content-Disposition"] = 'attachment; filename="deletion-certificate.jwt"'
    return response


def _certificate(number: str) -> str:
    owner = owner_of(number)
    found = departure.certificate_of(server(), owner) if owner else None
    if found is None:
        raise NotFound
    return found


def _page(refused: str = "") -> Response:
    vault = session.vault()
    day = departure.planned(vault.server, vault.owner_id)
    sentence = gettext(refused) if refused else ""
    page = render_template(
        "delete.html",
        leaving=day,
        last_day=day - timedelta(days=1) if day else None,
        would=day_of(vault.server.now // DAY + 1 + departure.COOLING_OFF),
        certificate=departure.address_of(vault.server, vault.owner_id),
        errors=(sentence,) if refused else (),
        wrong=[("name", gettext("Short name of your vault"), sentence)] if refused else [],
        typed=request.form.get("name", ""),
    )
    return make_response(page, 422 if refused else 200)
