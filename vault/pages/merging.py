"""The page that makes two vendors one."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import merging, store
from vault.collections.vendors import Vendor
from vault.errors import NotFound
from vault.opened import OpenVault
from vault.pages import session
from vault.pages.vendors import BOUGHT, NO_SUCH_VENDOR, options
from vault.stored import Stored

pages = Blueprint("merging", __name__)


@pages.get("/vendors/<int:number>/merge")
@session.unlocked
def choose(number: int) -> Response:
    """Which other vendor is the same, and then what would become of the two."""
    return _page(session.vault(), number, request.args.get("other", ""))


@pages.post("/vendors/<int:number>/merge")
@session.unlocked
def merge(number: int) -> Response:
    """Merge the other one into this one."""
    vault, other = session.vault(), request.form.get("other", "")
    if not _is_another(vault, number, other):
        return _page(vault, number, other)
    with store.writing(vault) as turn:
        merging.merge(turn, vault, number, int(other))
    there = url_for("collection.detail", collection="vendors", number=number, notice="merged", undo=turn.revision)
    return make_response(redirect(there, 303))


def _is_another(vault: OpenVault, number: int, other: str) -> bool:
    return any(str(each) == other for each, _ in options(vault) if each != number)


def _page(vault: OpenVault, number: int, other: str) -> Response:
    known, wrong = _is_another(vault, number, other), {}
    if other and not known:
        wrong = {"other": gettext(NO_SUCH_VENDOR)}
    with vault.server.main.reading() as reading:
        kept = _vendor(store.read(reading, vault, number))
        going = store.read(reading, vault, int(other)) if known else None
        united = kept.edited(merging.united(kept, going)) if going else None
    moving = len(merging.belonging(vault, going.number)) if going else 0
    bought = vault.catalogue.count(f"{BOUGHT} AND vendor = ?", going.number) if going else 0
    page = render_template(
        "merge.html",
        kept=kept,
        going=going,
        united=united.record if united else None,
        moving=moving,
        bought=bought,
        others=[(each, name) for each, name in options(vault) if each != number],
        wrong=wrong,
        here="collection.vendors",
    )
    return make_response(page, 422 if wrong else 200)


def _vendor(stored: Stored) -> Stored:
    if stored.kind is not Vendor:
        raise NotFound
    return stored
