"""The demo's guided strip: five steps through a vault that has been lived in. She can jump, go back, and close it.

Where she is stands in her sealed settings, so it is remembered without script and from any browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from markupsafe import Markup

from consent import waiting
from vault import choices
from vault.errors import N_, NotFound
from vault.opened import OpenVault
from vault.pages import session

pages = Blueprint("guide", __name__, template_folder="templates")

GUIDE = "guide"


@dataclass(frozen=True, slots=True)
class Step:
    """One stop: its title, what to look at there, and the page; without a page it is where somebody asks."""

    title: str
    words: str
    page: str = ""


STEPS = (
    Step(
        N_("What needs you"),
        N_("A year and a half of Ada’s purchases is in here already. Home says what needs her: a bookshop asks."),
        "/",
    ),
    Step(
        N_("All that was bought"),
        N_("Everything by month, with who can see each. Nine of these are gifts: no vendor is shown one. Open one."),
        "/purchases",
    ),
    Step(
        N_("Somebody asks"),
        N_("The very values stand in the window. Tick more or less, say how long, and allow it. Then come back here."),
    ),
    Step(
        N_("Who looked"),
        N_("Every look into the vault, with what was seen and what for. Nobody can take a line out."),
        "/activity",
    ),
    Step(
        N_("Take it back"),
        N_("Choose the Bookshop and stop it. It sees nothing from that moment; look at its page again."),
        "/sharing",
    ),
)


def panel(place: str, vault: OpenVault | None, _subject: Any) -> Markup | None:
    """The strip on top of every page with the menu, while she has not closed it."""
    if place != "page.top" or vault is None or GUIDE not in vault.settings:
        return None
    at = _step(vault)
    made = render_template(
        "guide.html",
        steps=STEPS,
        at=at,
        step=STEPS[at - 1],
        page=_page(vault, at),
        shop=vault.settings[GUIDE].get("shop", ""),
        here=request.path,
    )
    return Markup(made)  # noqa: S704 - our own template, escaped where it prints


@pages.post("/guide")
@session.unlocked
def go() -> Response:
    """To another step, or no further: the strip is closed for good."""
    vault, wanted = session.vault(), request.form.get("step", "")
    if GUIDE not in vault.settings:
        return make_response(redirect(url_for("home.home"), 303))
    if wanted == "close":
        choices.keep(vault, {GUIDE: None})
        return session.step_back(url_for("home.home"))  # type: ignore[no-any-return]
    if wanted not in [str(number) for number in range(1, len(STEPS) + 1)]:
        raise NotFound
    choices.keep(vault, {GUIDE: {**vault.settings[GUIDE], "step": int(wanted)}})
    return make_response(redirect(_page(vault, int(wanted)), 303))


def _step(vault: OpenVault) -> int:
    found = vault.settings[GUIDE].get("step", 1)
    return int(found) if found in range(1, len(STEPS) + 1) else 1


def _page(vault: OpenVault, number: int) -> str:
    """Where a step is: its page, the request that waits, or home when none does any more."""
    page = STEPS[number - 1].page
    if page:
        return page
    asked = waiting.waiting(vault)
    if not asked:
        return url_for("home.home")
    return url_for("authorize.ask", request_uri=asked[0].request_uri, client_id=asked[0].client_id)
