"""The pages of every collection: list, one record, its form, its removal. They follow from the class statements."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

import vault.collections  # noqa: F401 - states the record classes
from vault import store
from vault.errors import Invalid, NotFound
from vault.opened import OpenVault
from vault.pages import profile, purchase, purchases, session, shown, vendors
from vault.pages.forms import Draft, blank, changed, filled, read_form
from vault.pages.listing import differences, readable, rows
from vault.record import CLASSES, Record, classes_of
from vault.stored import Stored

pages = Blueprint("collection", __name__)

COLLECTIONS = tuple(dict.fromkeys(collection for collection, _ in CLASSES))
ANY = f"<any({', '.join(COLLECTIONS)}):collection>"
LISTS = {"purchases": purchases.listing, "vendors": vendors.listing, "profile": profile.listing}
DETAILS = {"purchases": purchase.about, "vendors": vendors.about}
PAGE = 200


@session.unlocked
def _list(collection: str) -> str:
    listing = LISTS.get(collection, partial(_plain_list, collection))
    return listing(session.vault())


for _name in COLLECTIONS:
    pages.add_url_rule(f"/{_name}", _name, _list, defaults={"collection": _name})


@pages.route(f"/{ANY}/new", methods=["GET", "POST"])
@session.unlocked
def new(collection: str) -> Response:
    """The form of a new record, and what it sends."""
    vault, kind = session.vault(), _kind(collection, request.args.get("part", ""))
    if request.method == "GET":
        return _form(Draft(kind, _first_texts(vault, kind), vendors=vendors.options(vault)))
    if "loose" in request.form:
        return _form(Draft(kind, request.form, vendors=vendors.options(vault), loose=True))
    try:
        edits = read_form(kind, request.form)
        vendors.check(vault, kind, edits)
    except Invalid as error:
        return _form(Draft(kind, request.form, error.fields, vendors.options(vault)), status=422)
    with store.writing(vault, numbers=2) as turn:
        edits |= vendors.added(turn, vault, kind)
        made = store.add(turn, vault, kind.load({name: each for name, each in edits.items() if each is not None}))
    return _to(made, "added")


@pages.get(f"/{ANY}/<int:number>")
@session.unlocked
def detail(collection: str, number: int) -> str:
    """One record with its history."""
    vault = session.vault()
    with vault.server.main.reading() as reading:
        stored = _read(reading, vault, collection, number)
        earlier = [stored, *_history(reading, vault, number)]
        more = DETAILS[collection](reading, vault, stored) if collection in DETAILS and not stored.kind.part else {}
    template = {"purchases": "purchase.html", "vendors": "vendor.html"}.get(collection if not stored.kind.part else "")
    return render_template(
        template or "record.html",
        stored=stored,
        record=stored.record,
        rows=rows(vault, stored.record),
        changes=[differences(vault, old, newer) for newer, old in pairwise(earlier)],
        **more,
    )


@pages.route(f"/{ANY}/<int:number>/edit", methods=["GET", "POST"])
@session.unlocked
def edit(collection: str, number: int) -> Response:
    """The form of a record, and what it sends: her edits, laid over whatever an import brought."""
    vault = session.vault()
    with vault.server.main.reading() as reading:
        stored = _read(reading, vault, collection, number)
    kind, offered = stored.kind, vendors.options(vault)
    if request.method == "GET":
        return _form(Draft(kind, filled(stored.record), vendors=offered), stored)
    if "loose" in request.form:
        return _form(Draft(kind, request.form, vendors=offered, loose=True), stored)
    try:
        edits = changed(stored.record, read_form(kind, request.form))
        vendors.check(vault, kind, edits)
    except Invalid as error:
        return _form(Draft(kind, request.form, error.fields, offered), stored, status=422)
    with store.writing(vault, numbers=1) as turn:
        edits |= vendors.added(turn, vault, kind)
        after = store.change(turn, vault, number, edits)
    return _to(after, "saved" if after.revision != stored.revision else "unchanged")


@pages.post(f"/{ANY}/<int:number>/remove")
@session.unlocked
def remove(collection: str, number: int) -> Response:
    """Remove a record. Its last version stays in the history."""
    vault = session.vault()
    with store.writing(vault) as turn:
        _read(turn.session, vault, collection, number)
        store.remove(turn, vault, number)
    return make_response(redirect(url_for(f"collection.{collection}", notice="removed"), 303))


def _plain_list(collection: str, vault: OpenVault) -> str:
    entries = vault.catalogue.entries("collection = ? AND NOT damaged", collection, limit=PAGE)
    with vault.server.main.reading() as reading:
        found = readable(reading, vault, [entry.number for entry in entries])
    kind = classes_of(collection)[0]
    titles = vault.catalogue.titles(each.record.of_vendor() for each in found)
    return render_template("records.html", kind=kind, found=found, titles=titles)


def _history(reading: Session, vault: OpenVault, number: int) -> list[Stored]:
    return store.history(reading, vault, number)[:20]


def _read(reading: Session, vault: OpenVault, collection: str, number: int) -> Stored:
    stored = store.read(reading, vault, number)
    if stored.kind.collection != collection:
        raise NotFound
    return stored


def _kind(collection: str, part: str) -> type[Record]:
    found = CLASSES.get((collection, part))
    if found is None:
        raise NotFound
    return found


def _first_texts(vault: OpenVault, kind: type[Record]) -> dict[str, str]:
    texts = blank(kind, currency=purchases.usual_currency(vault), today=shown.today())
    wanted = request.args.get("vendor", "")
    return texts | ({"vendor": wanted} if "vendor" in texts and wanted.isdigit() else {})


def _form(draft: Draft, stored: Stored | None = None, *, status: int = 200) -> Response:
    shown_form = render_template(
        "record_form.html",
        draft=draft,
        kind=draft.kind,
        stored=stored,
        here=f"collection.{draft.kind.collection}",
        new_vendor=request.form.get("new-vendor", ""),
    )
    return make_response(shown_form, status)


def _to(stored: Stored, notice: str) -> Response:
    """After saving: to the record, or to the list for what is shown whole there."""
    if stored.kind.collection == "profile":
        return make_response(redirect(url_for("collection.profile", notice=notice), 303))
    there = url_for("collection.detail", collection=stored.kind.collection, number=stored.number, notice=notice)
    return make_response(redirect(there, 303))
