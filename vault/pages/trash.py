"""The trash, and the button that takes back what she has just done."""

from __future__ import annotations

import re
from datetime import date, timedelta

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from vault import store
from vault import trash as bin_of
from vault.pages import guard, session
from vault.pages.listing import vendor_name

pages = Blueprint("trash", __name__)

PAGE = 200


@pages.get("/trash")
@session.unlocked
def trash() -> str:
    """What she removed, and until when it can be put back."""
    vault = session.vault()
    with vault.server.main.reading() as reading:
        found = bin_of.removed(reading, vault, most=PAGE)
        all_of_it = bin_of.count(reading, vault)
    titles = vault.catalogue.titles(each.stored.record.of_vendor() for each in found if each.stored)
    names = {each.number: vendor_name(each.stored.record.of_vendor(), titles) for each in found if each.stored}
    return render_template("trash.html", found=found, all=all_of_it, names=names, day_of=_day, kept=bin_of.KEPT)


@pages.post("/undo")
@session.unlocked
def undo() -> Response:
    """Take back one change of hers, then to what it was about."""
    from vault.pages import collection

    vault, number = session.vault(), request.form.get("change", "")
    with store.writing(vault) as turn:
        back, whole = bin_of.undo(turn, vault, int(number)) if re.fullmatch(r"\d{1,15}", number) else ([], True)
    said = "too-late" if not back else "undone" if whole else "undone-partly"
    if len(back) == 1:
        return collection.to(back[0], said)
    there = session.safe_next(request.form.get("next"))
    return make_response(redirect(f"{there.partition('?')[0]}?notice={said}", 303))


@pages.post("/trash/<int:number>/restore")
@session.unlocked
def restore(number: int) -> Response:
    """Put it back."""
    from vault.pages import collection

    vault = session.vault()
    with store.writing(vault) as turn:
        back = bin_of.restore(turn, vault, number)
    return collection.to(back, "restored")


@pages.post("/trash/<int:number>/forget")
@session.unlocked
@guard.confirmed
def forget(number: int) -> Response:
    """Remove it for good."""
    vault = session.vault()
    bin_of.forget(vault.server, vault.owner_id, number)
    return _gone()


@pages.post("/trash/empty")
@session.unlocked
@guard.confirmed
def empty() -> Response:
    """Remove for good whatever is in it."""
    vault = session.vault()
    bin_of.empty(vault.server, vault.owner_id)
    return _gone()


def _gone() -> Response:
    return make_response(redirect(url_for("trash.trash", notice="forgotten"), 303))


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
