"""What somebody with a share link sees, without cookie or script: GET shows a door, POST shows what is behind it."""

from __future__ import annotations

from flask import Blueprint, Response, g, make_response, render_template, request
from flask_babel import gettext

from consent import showing
from consent.showing import Door, WrongPassphrase
from vault.errors import Busy, TooManyTries, VaultError
from vault.pages import session
from vault.pages.errors import wait_for
from vault.pages.session import server
from vault.record import classes_of

pages = Blueprint("visiting", __name__, template_folder="../templates")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


@pages.get("/s/<string>")
def door(string: str) -> Response:
    """Say what is behind it. Mail scanners and browsers that fetch ahead come this far, and it counts as nothing."""
    found = _find(string)
    return _door(found, string) if found else _nothing()


@pages.post("/s/<string>")
def show(string: str) -> Response:
    """Show it, log it, count it. A form whose button nobody pressed is answered with the door."""
    if request.form.get("answer") != "show":
        return door(string)
    try:
        seen = showing.show(
            server(), string, request.form.get("passphrase", ""), address=session.address(), request_id=g.request_id
        )
    except (WrongPassphrase, TooManyTries, Busy) as refused:
        found = _find(string)
        return _door(found, string, refused) if found else _nothing()
    return _page("visit.html", seen=seen, kinds=classes_of) if seen else _nothing()


def _find(string: str) -> Door | None:
    """What a string opens now; one that is paused looks like none."""
    found = showing.find(server(), string)
    return found if found and not found.held else None


def _door(found: Door, string: str, refused: VaultError | None = None) -> Response:
    said = gettext(refused.sentence) if refused else ""
    page = _page("visit_door.html", found=found, string=string, said=said, kinds=classes_of)
    if refused:
        page.status_code = refused.status
        page.headers.update(wait_for(refused))
    return page


def _nothing() -> Response:
    page = _page("visit_nothing.html")
    page.status_code = 404
    return page


def _page(template: str, **values: object) -> Response:
    response = make_response(render_template(template, **values))
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Content-Security-Policy"] = POLICY
    return response
