"""The sandbox: be a made-up person in this browser, and end what she gave your program when you want to see it end."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, Response, make_response, redirect, render_template, url_for

from consent import access, sandbox, views
from consent.pages.sharing import id_in
from vault import attempts, sessions
from vault import sandbox as person
from vault.errors import NotFound
from vault.opened import OpenVault
from vault.pages import session
from vault.pages.session import for_sandbox, server

pages = Blueprint("sandbox", __name__, template_folder="../templates")


@pages.get("/developers/sandbox")
@for_sandbox
def show() -> str:
    """Who she is, and what she has given."""
    if not server().settings.sandbox:
        raise NotFound
    hers = _hers()
    if hers is None:
        return render_template("sandbox.html", known=None, somebody=session.peek() is not None)
    with server().main.reading() as reading:
        known = [view for view in views.live(reading, hers) if view.live]
    looks = access.counts(server(), person.OWNER)
    known.sort(key=lambda view: (view.terms.given_at, view.grant_id), reverse=True)
    return render_template("sandbox.html", known=known, looks=looks)


@pages.post("/developers/sandbox")
@for_sandbox
def begin() -> Response:
    """Be her in this browser; whoever was unlocked here is locked."""
    attempts.admit(server(), fetch=f"sandbox {session.address()}")
    keyring = person.unlock(server())
    before = session.peek()
    if before is not None:
        sessions.end(server(), before.owner_id, [before.session_id])
    string, opened = sessions.begin(server(), keyring)
    sandbox.furnish(opened)
    return session.keep(make_response(redirect(url_for("sandbox.show"), 303)), string)


@pages.post("/developers/sandbox/<grant>/expire")
@for_sandbox
def expire(grant: str) -> Response:
    """Its time runs out now."""
    return _end(grant, "expired")


@pages.post("/developers/sandbox/<grant>/revoke")
@for_sandbox
def revoke(grant: str) -> Response:
    """She stops it now."""
    return _end(grant, "revoked")


def _end(grant: str, cause: Literal["revoked", "expired"]) -> Response:
    hers = _hers()
    if hers is None:
        raise NotFound
    with server().main.reading() as reading:
        view = views.read(reading, hers, id_in(grant))
    sandbox.end_now(server(), view.grant_id, cause)
    done = "expired" if cause == "expired" else "stopped"
    return redirect(url_for("sandbox.show", notice=done), 303)  # type: ignore[return-value]


def _hers() -> OpenVault | None:
    found = session.peek()
    return found if session.in_sandbox() else None
