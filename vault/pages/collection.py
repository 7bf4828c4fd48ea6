"""The pages of every collection: list, one record, its form, its removal. They follow from the class statements."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

import vault.collections  # noqa: F401 - states the record classes
from vault import store
from vault.errors import N_, Invalid, NotFound
from vault.opened import OpenVault
from vault.pages import notes, profile, purchase, purchases, session, shown, timeline, vendors
from vault.pages.forms import Draft, blank, changed, filled, read_form
from vault.pages.listing import earlier, rows
from vault.record import CLASSES, Record, classes_of
from vault.store import readable
from vault.stored import Stored

pages = Blueprint("collection", __name__)

COLLECTIONS = tuple(dict.fromkeys(collection for collection, _ in CLASSES))
ANY = f"<any({', '.join(COLLECTIONS)}):collection>"
LISTS = {"purchases": purchases.listing, "vendors": vendors.listing, "profile": profile.listing}
DETAILS = {"purchases": purchase.about, "vendors": timeline.about, "notes": notes.about}
PAGE = 200
EMPTY = {  # what a list is for, with an example
    "notes": N_(
        "For whatever belongs to a thing or a vendor. For example: “Parcel arrived wet, two photographs taken.”"
    ),
    "preferences": N_("For what you like or never want. For example: “plastic wrapping: never want it”."),
}


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
        return _form(_draft(vault, kind, _first_texts(vault, kind)))
    if "loose" in request.form:
        return _form(_draft(vault, kind, request.form, loose=True))
    try:
        edits = read_form(kind, request.form)
        vendors.check(vault, kind, edits)
    except Invalid as error:
        return _form(_draft(vault, kind, request.form, error.fields), status=422)
    with store.writing(vault, numbers=2) as turn:
        edits |= vendors.added(turn, vault, kind)
        made = store.add(turn, vault, kind.load({name: each for name, each in edits.items() if each is not None}))
    return to(made, "added")


@pages.get(f"/{ANY}/<int:number>")
@session.unlocked
def detail(collection: str, number: int) -> str:
    """One record with its history."""
    vault = session.vault()
    with vault.server.main.reading() as reading:
        stored = _read(reading, vault, collection, number)
        versions = [stored, *_history(reading, vault, number)]
        notes_here = notes.of(reading, vault, stored)
        more = DETAILS[collection](reading, vault, stored) if collection in DETAILS and not stored.kind.part else {}
    template = {"purchases": "purchase.html", "vendors": "vendor.html"}.get(collection if not stored.kind.part else "")
    return render_template(
        template or "record.html",
        stored=stored,
        record=stored.record,
        rows=rows(vault, stored.record),
        changes=earlier(vault, versions),
        notes=notes_here,
        **more,
    )


@pages.route(f"/{ANY}/<int:number>/edit", methods=["GET", "POST"])
@session.unlocked
def edit(collection: str, number: int) -> Response:
    """The form of a record, and what it sends: her edits, laid over whatever an import brought."""
    vault = session.vault()
    with vault.server.main.reading() as reading:
        stored = _read(reading, vault, collection, number)
    kind = stored.kind
    if request.method == "GET":
        return _form(_draft(vault, kind, filled(stored.record)), stored)
    if "loose" in request.form:
        return _form(_draft(vault, kind, request.form, loose=True), stored)
    try:
        edits = changed(stored.record, read_form(kind, request.form))
        vendors.check(vault, kind, edits)
    except Invalid as error:
        return _form(_draft(vault, kind, request.form, error.fields), stored, status=422)
    with store.writing(vault, numbers=1) as turn:
        edits |= vendors.added(turn, vault, kind)
        after = store.change(turn, vault, number, edits)
    if after.revision == stored.revision:
        return to(after, "unchanged")
    return to(after, "saved", undo=after.revision)


@pages.post(f"/{ANY}/<int:number>/remove")
@session.unlocked
def remove(collection: str, number: int) -> Response:
    """Put a record in the trash. The list it leads to can undo that."""
    vault = session.vault()
    with store.writing(vault) as turn:
        _read(turn.session, vault, collection, number)
        store.remove(turn, vault, number)
    return make_response(redirect(url_for(f"collection.{collection}", notice="removed", undo=turn.revision), 303))


def _plain_list(collection: str, vault: OpenVault) -> str:
    entries, after, left = purchases.part_of(vault, "collection = ? AND NOT damaged", [collection], PAGE)
    with vault.server.main.reading() as reading:
        found = readable(reading, vault, [entry.number for entry in entries])
    kind = classes_of(collection)[0]
    titles = vault.catalogue.titles(number for each in found for number in _named(each))
    linked = {each.number: [titles[number] for number in _named(each) if number in titles] for each in found}
    others, chosen = vendors.options(vault), request.args.get("as", "")
    seen_by = {"kind": kind, "found": found, "vendors": others, "chosen": chosen}
    following: dict[str, Any] = {"as": chosen or None, "after": after}
    return render_template(
        "records.html",
        kind=kind,
        found=found,
        linked=linked,
        seen_by=seen_by,
        empty=EMPTY.get(collection),
        left=min(PAGE, left),
        next=url_for(f"collection.{collection}", **following) if after else "",
    )


def _named(stored: Stored) -> list[int]:
    """The numbers of what a record is about."""
    return [int(number) for name in stored.kind.references if (number := stored.raw(name))]


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
    wanted = {name: request.args.get(name, "") for name in kind.references}
    return texts | {name: number for name, number in wanted.items() if number.isdecimal()}


def _draft(
    vault: OpenVault,
    kind: type[Record],
    texts: Mapping[str, str],
    errors: Mapping[str, list[str]] | None = None,
    *,
    loose: bool = False,
) -> Draft:
    things = notes.options(vault, texts.get("about", "")) if "about" in kind.references else ()
    return Draft(kind, texts, errors or {}, vendors.options(vault), loose, things)


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


def to(stored: Stored, notice: str, **more: Any) -> Response:
    """After saving: to the record, or to the list for what is shown whole there."""
    if stored.kind.collection == "profile":
        return make_response(redirect(url_for("collection.profile", notice=notice, **more), 303))
    said: dict[str, Any] = {"collection": stored.kind.collection, "number": stored.number, "notice": notice, **more}
    return make_response(redirect(url_for("collection.detail", **said), 303))
