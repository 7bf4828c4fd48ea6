"""The recovery kit on the security pages: does it still work, and a new one."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for

from vault import recovery
from vault.pages import guard, session
from vault.pages.security import pages
from vault.pages.setup import code_given


@pages.route("/security/recovery", methods=["GET", "POST"])
@session.unlocked
def recovery_kit() -> Response:
    """Try the code; nothing changes by trying."""
    found = recovery.tried(session.vault(), code_given()) if request.method == "POST" else None
    page = render_template("recovery.html", found=found)
    return make_response(page, 200 if found in (None, "works") else 422)


@pages.post("/security/recovery/new")
@session.unlocked
@guard.confirmed
def new_kit() -> Response:
    """A new code, shown on a page of its own until she has shown that she holds it; the old one is dead."""
    recovery.renew(session.vault())
    return make_response(redirect(url_for("setup.kit"), 303))
