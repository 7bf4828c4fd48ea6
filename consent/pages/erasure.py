"""Asking a vendor to delete what it has read: a message to send, and what became of it."""

from __future__ import annotations

import re
from urllib.parse import quote

from flask import Blueprint, Response, make_response, redirect, render_template, url_for
from flask_babel import gettext

from consent import asking, erasure, views
from consent.pages.sharing import id_in
from consent.views import GrantView
from vault.errors import NotFound
from vault.pages.session import server, unlocked, vault
from vault.pages.shown import day
from vault.record import classes_of, collection_paths

pages = Blueprint("erasure", __name__, template_folder="../templates")
ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+")


@pages.get("/sharing/<grant>/erasure")
@unlocked
def show(grant: str) -> str:
    """The message for an ended permission."""
    view = _ended(grant)
    text, contact = _message(view), _contact(view)
    found = ADDRESS.search(contact)
    subject = quote(gettext("Please delete what you read in my vault"))
    address = f"mailto:{quote(found[0], safe='@')}?subject={subject}&body={quote(text)}" if found else ""
    return render_template(
        "erasure.html",
        view=view,
        message=text,
        contact=contact,
        address=address,
        erasure=erasure.asked(vault()).get(view.grant_id),
        here="sharing.sharing",
    )


@pages.post("/sharing/<grant>/erasure/sent")
@unlocked
def sent(grant: str) -> Response:
    """She has sent it."""
    erasure.ask(vault(), _ended(grant))
    return _back(grant)


@pages.post("/sharing/<grant>/erasure/done")
@unlocked
def heeded(grant: str) -> Response:
    """The vendor says that it is deleted."""
    erasure.done(vault(), _ended(grant).grant_id)
    return _back(grant)


def _ended(grant: str) -> GrantView:
    with server().main.reading() as session:
        view = views.read(session, vault(), id_in(grant))
    if view.live or view.terms.by_link:
        raise NotFound
    return view


def _message(view: GrantView) -> str:
    """In the page's language; names of fields and dates, never a value."""
    lines = []
    for had in erasure.had(vault(), view):
        known = collection_paths(had.collection)
        fields = ", ".join(gettext(known[path].label) for path in had.fields if path in known)
        title = gettext(classes_of(had.collection)[0].title) if had.collection != "profile" else gettext("Profile")
        days = dict.fromkeys(day(each.isoformat()) for each in (had.first, had.last))
        lines.append(f"- {title}: {fields} ({' – '.join(days)})")
    text = gettext(
        "I allowed you to read some of what is in my vault, and that has ended. My vault’s log says that you read:\n\n"
        "%(what)s\n\n"
        "Please delete it, also from backups and at whomever you passed it on to, and confirm this within a month "
        "(GDPR, Articles 17, 19 and 12(3)). If you must keep some of it, tell me what, why and until when.\n\n"
        "The permission’s number, which your program knows: %(grant)s\n",
        what="\n".join(lines) or "-",
        grant=view.grant_id.hex(),
    )
    return str(text)


def _contact(view: GrantView) -> str:
    """What she noted of how to reach this vendor."""
    terms = view.terms
    found = asking.vendor_now(vault(), terms.vendor, terms.client_id, terms.client_name) if terms.vendor else None
    return str(getattr(found.record, "contact", None) or "") if found else ""


def _back(grant: str) -> Response:
    return make_response(redirect(url_for("sharing.detail", grant=grant), 303))
