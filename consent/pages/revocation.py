"""The page behind a revocation link, and asking for fresh links. No unlock, no script; GET shows, POST acts."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from consent import grants, revocation
from vault import handles
from vault.pages import session
from vault.pages.session import server
from vault.record import classes_of

pages = Blueprint("revocation", __name__, template_folder="../templates")


@pages.get("/r/<string>")
def show(string: str) -> Response:
    """Say what it would stop."""
    linked = revocation.find(server(), string)
    if linked is None:
        return _nothing()
    return _page("revoke.html", linked=linked, string=string, kinds=classes_of)


@pages.post("/r/<string>")
def act(string: str) -> Response:
    """Pause or stop, whichever button was pressed; a form without a choice changes nothing."""
    linked = revocation.find(server(), string)
    if linked is None:
        return _nothing()
    said = request.form.get("answer")
    if said == "stop":
        grants.end(server(), linked.owner_id, linked.grant_id, "link")
    elif said == "pause":
        grants.pause(server(), linked.owner_id, linked.grant_id)
    else:
        return _page("revoke.html", linked=linked, string=string, kinds=classes_of)
    return _page("revoked.html", linked=linked, said=said)


@pages.route("/stop", methods=["GET", "POST"])
def stop() -> Response:
    """Have links mailed that stop sharing, with the vault locked and the passphrase lost."""
    if request.method != "POST":
        return _page("stop.html", asks_name=not handles.only_owner(server()), sent=False)
    revocation.ask_for_links(server(), request.form.get("handle", ""), address=session.address())
    return _page("stop.html", asks_name=not handles.only_owner(server()), sent=True)


def _nothing() -> Response:
    response = _page("revoke_nothing.html")
    response.status_code = 404
    return response


def _page(template: str, **values: object) -> Response:
    response = make_response(render_template(template, **values))
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response
