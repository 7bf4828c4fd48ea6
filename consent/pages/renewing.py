"""Letting a permission go on longer: she sees what it shows, and agrees to that once more."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from consent import renewing, views
from consent.pages.sharing import Again, id_in, preview_again
from vault.errors import NotFound
from vault.pages.guard import ask_again
from vault.pages.session import server, unlocked, vault

pages = Blueprint("renewing", __name__, template_folder="../templates")


@pages.route("/sharing/<grant>/longer", methods=["GET", "POST"])
@unlocked
def longer(grant: str) -> Response:
    """What it would go on to show, and until when; then her agreeing to it."""
    changed = False
    if request.method == "POST":
        with server().main.reading() as session:
            terms = views.read(session, vault(), id_in(grant)).terms
        if any(item.sensitive for item in terms.items) and (asking_again := ask_again()) is not None:
            return asking_again
        changed = not _renewed(id_in(grant), _again(id_in(grant))[1])
        if not changed:
            return make_response(redirect(url_for("sharing.detail", grant=grant, notice="renewed"), 303))
    view, again = _again(id_in(grant))
    page = render_template("sharing_longer.html", view=view, again=again, changed=changed, here="sharing.sharing")
    return make_response(page, 409 if changed else 200)


def _again(grant: bytes) -> tuple[views.GrantView, Again]:
    with server().main.reading() as session:
        view = views.read(session, vault(), grant)
        choices = renewing.choices(view.terms, server().now)
        if not view.live or not choices:
            raise NotFound
        return view, preview_again(session, view, choices)


def _renewed(grant: bytes, again: Again) -> bool:
    days, digest = request.form.get("days", ""), request.form.get("digest", "")
    try:
        shown = bytes.fromhex(digest)
    except ValueError:
        raise NotFound from None
    if not days.isdecimal() or len(days) > 3:
        raise NotFound
    return renewing.renew(vault(), grant, int(days), shown=shown, screen=again.screen)
