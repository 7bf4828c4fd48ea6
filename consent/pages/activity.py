"""The access log as she reads it."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from markupsafe import Markup

from consent import access, views
from consent.pages.looks import looks_map
from consent.purposes import PURPOSES
from vault.errors import N_
from vault.pages.session import server, unlocked, vault
from vault.record import classes_of, collection_paths

pages = Blueprint("activity", __name__, template_folder="../templates")
PAGE = 50
OUTCOMES = {
    "allowed": N_("Allowed"),
    "paused": N_("Refused: paused"),
    "not_granted": N_("Refused: not given"),
    "start_again": N_("Told to start again"),
    "over_limit": N_("Refused: no more today"),
    "used_up": N_("Refused: as often as you allowed"),
    "left": N_("Left in your inbox"),
    "left again": N_("Left already"),
    "not_found": N_("Refused: nothing there"),
    "invalid": N_("Refused: not acceptable"),
    "key_reused": N_("Refused: one key for two things"),
    "wrong proof": N_("Refused: could not prove itself"),
    "replayed proof": N_("Refused: a proof used twice"),
    "damaged rows": N_("Refused: what it may see is damaged"),
    "damaged inbox": N_("Refused: your inbox is damaged"),
    "damaged": N_("This entry is damaged"),
}


@pages.get("/activity")
@unlocked
def activity() -> str:
    """Every look, newest first, with the refused ones."""
    her = vault()
    with server().main.reading() as session:
        known = {view.grant_id: view for view in views.every(session, her)}
    chosen = request.args.get("vendor", "")
    keys = {grant: view.terms.log_key for grant, view in known.items() if not chosen or view.terms.client_id == chosen}
    refused_only = request.args.get("outcome") == "refused"
    before = _before(request.args.get("before", ""))
    chosen_views = [view for view in known.values() if view.grant_id in keys]
    entries = access.entries(server(), her.owner_id, keys, before=before, limit=PAGE + 1)
    shown = [entry for entry in entries if not refused_only or entry.outcome != "allowed"]
    return render_template(
        "activity.html",
        entries=shown[:PAGE],
        map=None if before or not known else Markup(looks_map(her, chosen_views)),  # noqa: S704 - our own template
        older=entries[PAGE - 1] if len(entries) > PAGE else None,
        views=known,
        vendors={view.terms.client_id: view.terms.client_name for view in known.values()},
        chosen=chosen,
        refused_only=refused_only,
        outcomes=OUTCOMES,
        purposes=PURPOSES,
        paths=collection_paths,
        kinds=classes_of,
        missing=sum(access.missing(server(), her.owner_id).values()),
        total=sum(access.counts(server(), her.owner_id).values()),
    )


def _before(text: str) -> tuple[int, int] | None:
    at, _, number = text.partition(".")
    return (int(at), int(number)) if at.isdecimal() and number.isdecimal() and len(text) < 30 else None
