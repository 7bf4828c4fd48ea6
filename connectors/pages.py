"""The pages about imports: bring a file in, watch it being read, see what was refused and what looks like a gift."""

from __future__ import annotations

import csv
import io
import re
from contextlib import ExitStack
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from markupsafe import Markup

from connectors import gifts, putting_away, resuming, undoing
from connectors.course import Standing, report, standing, standings
from connectors.sources import sources
from connectors.uploads import Arriving
from vault.errors import NotFound
from vault.opened import OpenVault
from vault.pages import session
from vault.pages.arriving import AROUND, arrived
from vault.tables import inert

pages = Blueprint("imports", __name__, template_folder="templates")

FILES_MOST = 20
LINES_SHOWN = 200
NUMBER = re.compile(r"[0-9]{1,15}")
WORD = re.compile(r".[^._\- A-Z]{0,20}[._\- ]*", re.DOTALL)  # what of a file's name stays on one line


@pages.app_template_filter()
def breakable(name: str) -> Markup:
    """A file's name with places where a narrow page may break it."""
    return Markup("<wbr>").join(re.findall(WORD, name))


@pages.get("/imports")
@session.unlocked
def imports() -> str:
    """Every import, and the form for another one."""
    return _list()


def first_file(vault: OpenVault | None) -> Markup | None:
    """The form for the first file, for the home page of an empty vault."""
    if vault is None:
        return None
    return Markup(render_template("first_file.html"))  # noqa: S704 - our own template, escaped where it prints


def in_trash(vault: OpenVault | None) -> Markup | None:
    """Which of what lies in the trash one button brings back together."""
    if vault is None:
        return None
    undone = [(each, undoing.lying(vault, each.import_id)) for each in standings(vault) if each.state == "undone"]
    there = [(each, count) for each, count in undone if count]
    if not there:
        return None
    return Markup(render_template("in_trash.html", undone=there))  # noqa: S704 - our own template, escaped where it prints


def _titles() -> list[str]:
    """What can be read."""
    return [source.ABOUT.title for source in sources()]


def _list(problem: str = "") -> str:
    """Looking at the list also wakes what waits since this server was started anew."""
    vault = session.vault()
    resuming.resume(vault)
    return render_template(
        "imports.html",
        found=standings(vault),
        sources=_titles(),
        limit=vault.server.settings.upload_limit,
        problem=problem,
    )


@pages.post("/imports")
@session.unlocked
def upload() -> Response:
    """Take files in. Each is sealed while it arrives; what does not arrive whole leaves nothing."""
    vault = session.vault()
    request.max_content_length = vault.server.settings.upload_limit + AROUND
    with ExitStack() as arriving:
        whole = arrived(lambda name: arriving.enter_context(Arriving(vault, name)), most=FILES_MOST)
        begun = [each.finish() for each in whole if each.course.size]
    if not begun:
        return make_response(_list(gettext("Choose a file first. An empty one holds nothing to read.")), 422)
    for import_id in begun:
        resuming.begin(vault, import_id)
    there = url_for("imports.detail", number=begun[0].hex()) if len(begun) == 1 else url_for("imports.imports")
    return make_response(redirect(there, 303))


@pages.get("/imports/<string(length=32):number>")
@session.unlocked
def detail(number: str) -> str:
    """One import: how far it is, what came of it, what has to be decided."""
    vault = session.vault()
    found = standing(vault, _id(number))
    if resuming.goes_on(found):
        resuming.resume(vault)
    lines = [] if resuming.goes_on(found) else report(vault, found.import_id)
    refused = [line for line in lines if line.refused]
    looks = [] if resuming.goes_on(found) else gifts.proposals(vault, found.import_id)
    return render_template(
        "imports_one.html",
        **_shown(found),
        sources=_titles(),
        lying=undoing.lying(vault, found.import_id) if found.state == "undone" else 0,
        refused=refused[:LINES_SHOWN],
        more_refused=len(refused) - LINES_SHOWN,
        left_out=sorted(found.course.reasons.items(), key=lambda each: -each[1]),
        gifts=looks[: gifts.AT_ONCE],
        more_gifts=len(looks) - gifts.AT_ONCE,
        vendors=vault.catalogue.titles(entry.vendor for entry in looks[: gifts.AT_ONCE]) if looks else {},
    )


@pages.get("/imports/<string(length=32):number>/progress")
@session.unlocked
def progress(number: str) -> Response:
    """The part of that page which changes while the file is read; at the end the whole page is asked for again."""
    found = standing(session.vault(), _id(number))
    template = "imports_undoing.html" if found.state in undoing.STATES else "imports_progress.html"
    response = make_response(render_template(template, **_shown(found)))
    if not resuming.goes_on(found):
        response.headers["HX-Refresh"] = "true"
    return response


@pages.get("/imports/<string(length=32):number>/report.csv")
@session.unlocked
def report_file(number: str) -> Response:
    """Every refused and left out line, to be kept or mended elsewhere."""
    lines = report(session.vault(), _id(number))
    out = io.StringIO()
    written = csv.writer(out)
    written.writerow([gettext("Where"), gettext("What happened"), gettext("Why")])
    for line in lines:
        happened = gettext("Refused") if line.refused else gettext("Left out")
        written.writerow([inert(line.place), happened, inert(gettext(line.reason))])
    response = Response(out.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="import-report.csv"'
    return response


@pages.post("/imports/<string(length=32):number>/<any(stop, go_on, end):act>")
@session.unlocked
def act(number: str, act: str) -> Response:
    """Stop reading, go on, or leave the rest of the file unread."""
    vault, import_id = session.vault(), standing(session.vault(), _id(number)).import_id
    {"stop": resuming.stop, "go_on": resuming.go_on, "end": resuming.end}[act](vault, import_id)
    return make_response(redirect(url_for("imports.detail", number=number), 303))


@pages.get("/imports/<string(length=32):number>/undo")
@session.unlocked
def undo(number: str) -> str:
    """What undoing this import would take away and what would stay, before she does it."""
    vault = session.vault()
    found = standing(vault, _id(number))
    if found.state in (*undoing.STATES, "refused"):
        raise NotFound
    return render_template("imports_undo.html", **_shown(found), would=putting_away.preview(vault, found.import_id))


@pages.post("/imports/<string(length=32):number>/undo")
@session.unlocked
def undo_it(number: str) -> Response:
    """Undo it."""
    vault, import_id = session.vault(), standing(session.vault(), _id(number)).import_id
    resuming.undo(vault, import_id, everything="everything" in request.form)
    return make_response(redirect(url_for("imports.detail", number=number), 303))


@pages.post("/imports/<string(length=32):number>/return")
@session.unlocked
def bring_back(number: str) -> Response:
    """Undo the undoing."""
    vault, import_id = session.vault(), standing(session.vault(), _id(number)).import_id
    resuming.bring_back(vault, import_id)
    return make_response(redirect(url_for("imports.detail", number=number), 303))


@pages.post("/imports/<string(length=32):number>/gifts")
@session.unlocked
def decide_gifts(number: str) -> Response:
    """Mark what she ticked as gifts, or settle that none of those shown is one."""
    vault, import_id = session.vault(), standing(session.vault(), _id(number)).import_id
    none = request.form.get("decide") == "none"
    chosen = request.form.getlist("shown" if none else "gift")
    change = gifts.decide(vault, import_id, [int(each) for each in chosen if NUMBER.fullmatch(each)], accept=not none)
    said = {"notice": "decided", "undo": change} if change else {"notice": "unchanged"}
    return make_response(redirect(url_for("imports.detail", number=number, **said), 303))


def _id(number: str) -> bytes:
    try:
        return bytes.fromhex(number)
    except ValueError:
        raise NotFound from None


def _shown(found: Standing) -> dict[str, Any]:
    return {"at": found, "course": found.course, "number": found.import_id.hex(), "goes_on": resuming.goes_on(found)}
