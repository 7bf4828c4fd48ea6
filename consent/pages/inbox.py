"""Her inbox: what vendors left, to keep, to change first, or to drop."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from consent import inbox
from consent.pages.sharing import id_in
from vault.errors import Invalid
from vault.pages import vendors
from vault.pages.forms import Draft, changed, filled, read_form
from vault.pages.listing import rows
from vault.pages.session import server, unlocked, vault
from vault.record import Field

pages = Blueprint("inbox", __name__, template_folder="../templates")
PAGE = 50


@pages.get("/inbox")
@unlocked
def waiting() -> str:
    """Everything that waits for her, the oldest first."""
    with server().main.reading() as session:
        found = inbox.waiting(session, vault(), limit=PAGE)
    shown = [(each, _left_facts(each)) for each in found]
    return render_template("inbox.html", waiting=shown, more=max(0, inbox.count(vault()) - len(found)))


def _left_facts(left: inbox.Waiting) -> list[tuple[Field, str]]:
    """What was left, in words, without what the vault would add by itself."""
    facts = rows(vault(), left.record) if left.record else []
    return [(field, words) for field, words in facts if field.name in left.data]


@pages.post("/inbox/<deposit>/keep")
@unlocked
def keep(deposit: str) -> Response:
    """Take it in as it is."""
    inbox.accept(vault(), id_in(deposit), {})
    return _back("taken-in")


@pages.route("/inbox/<deposit>/change", methods=["GET", "POST"])
@unlocked
def change(deposit: str) -> Response:
    """Its form; saving takes it in with her changes."""
    with server().main.reading() as session:
        left = inbox.read(session, vault(), id_in(deposit))
    if left.record is None:
        return _back("dropped")
    kind, offered = type(left.record), vendors.options(vault())
    texts = filled(left.record) | ({kind.vendor_field: str(left.vendor)} if kind.vendor_field and left.vendor else {})
    if request.method == "GET":
        return _form(left, Draft(kind, texts, vendors=offered))
    try:
        edits = changed(left.record, read_form(kind, request.form))
        vendors.check(vault(), kind, edits)
    except Invalid as error:
        return _form(left, Draft(kind, request.form, error.fields, offered), status=422)
    inbox.accept(vault(), left.deposit_id, edits)
    return _back("taken-in")


@pages.post("/inbox/<deposit>/drop")
@unlocked
def drop(deposit: str) -> Response:
    """Not kept."""
    inbox.reject(vault(), id_in(deposit))
    return _back("dropped")


@pages.post("/inbox/from/<grant>/block")
@unlocked
def block(grant: str) -> Response:
    """Nothing more from this one."""
    inbox.block(vault(), id_in(grant))
    return _back("blocked")


def _form(left: inbox.Waiting, draft: Draft, *, status: int = 200) -> Response:
    page = render_template("inbox_change.html", left=left, draft=draft, kind=draft.kind, here="inbox.waiting")
    return make_response(page, status)


def _back(notice: str) -> Response:
    return make_response(redirect(url_for("inbox.waiting", notice=notice), 303))
