"""Who can see what: the matrix, one vendor's window with the values in it, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from flask import Blueprint, Response, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy import func, select

from consent import access, erasure, grants, narrowing, receipt_rows, renewing, revocation, segments, stopping, views
from consent.disclosing import shown_again
from consent.disclosure import about_disclosure
from consent.models import Disclosure
from consent.pages import groups
from consent.pages.activity import OUTCOMES
from consent.pages.receipts import EVENTS, to_scan
from consent.purposes import PURPOSES
from consent.receipts import Screen
from consent.terms import SOONER
from consent.views import GrantView, ended_on
from vault import crypto
from vault.days import DAY, day_of
from vault.errors import NotFound
from vault.pages.guard import ask_again
from vault.pages.session import day_in, for_sandbox, server, unlocked, vault
from vault.pages.shown import language
from vault.record import classes_of, collection_paths

pages = Blueprint("sharing", __name__, template_folder="../templates")
MOST_SHOWN = 500


@dataclass(frozen=True)
class Window:
    """What one item shows: the JSON in the disclosures, which is the evidence."""

    item: Any
    rows: list[dict[str, Any]]
    more: int


@pages.get("/sharing")
@unlocked
@for_sandbox
def sharing() -> str:
    """Everybody who can see something, and who no longer can."""
    with server().main.reading() as session:
        known = views.every(session, vault())
        counts = _counts(session)
    views.settle_versions(vault(), known)
    looks = access.counts(server(), vault().owner_id)
    live = sorted((view for view in known if view.live), key=lambda view: view.terms.client_name.casefold())
    last = groups.last_looks(vault(), live, looks)
    some = groups.of(live, last, server().now)
    only = request.args.get("only", "")
    ended = sorted((view for view in known if not view.live), key=lambda view: view.ended_day or 0, reverse=True)
    collections = _columns(live)
    return render_template(
        "sharing.html",
        live=live,
        shown=some.get(only, live),
        only=only if only in some else "",
        groups={name: len(found) for name, found in some.items() if found},
        words=groups.GROUPS,
        as_list=request.args.get("as") == "list",
        last={grant: day_of(day) for grant, day in last.items()},
        ended=ended,
        columns=collections,
        kinds=classes_of,
        counts=counts,
        looks=looks,
        ended_on=ended_on,
        soon=server().now + 7 * DAY,
    )


def _columns(live: list[GrantView]) -> list[str]:
    shown = ["profile", "purchases", "preferences", "notes"]
    used = {item.collection for view in live for item in view.terms.items}
    return [*shown, *sorted(used - set(shown))]


def _counts(session: Any) -> dict[tuple[bytes, int], int]:
    rows = session.execute(
        select(Disclosure.grant_id, Disclosure.item, func.count())
        .where(Disclosure.owner_id == vault().owner_id, Disclosure.box.is_not(None))
        .group_by(Disclosure.grant_id, Disclosure.item)
    )
    return {(grant, item): number for grant, item, number in rows}


@pages.get("/sharing/<grant>")
@unlocked
@for_sandbox
def detail(grant: str) -> str:
    """One permission: exactly what it shows."""
    with server().main.reading() as session:
        view = views.read(session, vault(), id_in(grant))
        windows = [_window(session, view, item) for item in view.terms.items] if view.live else []
        again = preview_again(session, view) if view.held == "old copy" else None
        kept = receipt_rows.of_grant(session, vault(), view.grant_id)
    views.settle_versions(vault(), [view])
    entries = list(islice(segments.entries(vault(), {view.grant_id: view.terms.log_key}), 10))
    return render_template(
        "sharing_detail.html",
        view=view,
        windows=windows,
        again=again,
        entries=entries,
        looks=access.looks(server(), vault().owner_id, view.grant_id),
        refusals=access.refusals(server(), vault().owner_id).get(view.grant_id, 0),
        missing=segments.missing(vault()).get(view.grant_id, 0),
        sooner=[days for days in SOONER if view.live and _in(days) < view.terms.until],
        until=day_in,
        kinds=classes_of,
        purposes=PURPOSES,
        ended_on=ended_on,
        lost=vault().lost,
        receipts=kept,
        events=EVENTS,
        outcomes=OUTCOMES,
        had=erasure.had(vault(), view),
        erasure=erasure.asked(vault()).get(view.grant_id),
        paths=collection_paths,
        longer=view.live and view.held != "old copy" and renewing.choices(view.terms, server().now),
    )


def _window(session: Any, view: GrantView, item: Any) -> Window:
    rows = session.execute(
        select(Disclosure.change, Disclosure.ref, Disclosure.box)
        .where(
            Disclosure.owner_id == view.owner_id,
            Disclosure.grant_id == view.grant_id,
            Disclosure.item == item.number,
            Disclosure.box.is_not(None),
        )
        .order_by(Disclosure.change)
    ).all()
    sealing = crypto.RowKey(view.key or b"")
    shown = []
    for change, name, box in rows[:MOST_SHOWN]:
        about = about_disclosure(view.owner_id, view.grant_id, item.number, name, view.version, change)
        try:
            shown.append(orjson.loads(sealing.open(about, box)))
        except crypto.Damaged:
            shown.append({})
    return Window(item, shown, len(rows) - len(shown))


@dataclass(frozen=True)
class Again:
    """What she would agree to once more: the screen that says it, and the digest that her form carries."""

    screen: Screen
    digest: bytes

    @property
    def html(self) -> Markup:
        """The screen within a page."""
        return Markup(self.screen.html.decode())  # noqa: S704 - our own template, escaped where it prints


def preview_again(session: Any, view: GrantView, choices: Sequence[int] = ()) -> Again:
    """The preview of a new consent to the same terms, for so many days if there are any to choose from."""
    terms = narrowing.terms_again(session, vault(), view)
    shown = list(shown_again(session, vault(), view, terms))
    every = [(item, [orjson.loads(each.data) for each in shown if each.item == item.number]) for item in terms.items]
    windows = [Window(item, rows[:MOST_SHOWN], max(0, len(rows) - MOST_SHOWN)) for item, rows in every]
    html = render_template(
        "agreed_again.html", view=view, windows=windows, choices=choices, until=day_in, kinds=classes_of
    )
    screen = Screen(html.encode(), language())
    return Again(screen, narrowing.bound_to(terms, shown, screen))


@pages.post("/sharing/<grant>/pause")
@unlocked
@for_sandbox
def pause(grant: str) -> Response:
    """Stop for now."""
    grants.pause(server(), vault().owner_id, _mine(grant).grant_id)
    return _back(grant)


@pages.post("/sharing/<grant>/resume")
@unlocked
@for_sandbox
def resume(grant: str) -> Response:
    """Let it go on; after an old copy that is a new consent to what the page showed."""
    view = _mine(grant)
    if any(item.sensitive for item in view.terms.items) and (asking_again := ask_again()) is not None:
        return asking_again
    if view.held == "old copy":
        try:
            shown = bytes.fromhex(request.form.get("digest", ""))
        except ValueError:
            raise NotFound from None
        with server().main.reading() as session:
            again = preview_again(session, view)
        narrowing.consent_again(vault(), view.grant_id, shown=shown, screen=again.screen)
    else:
        grants.resume(vault(), view.grant_id)
    return _back(grant)


@pages.post("/sharing/<grant>/stop")
@unlocked
@for_sandbox
def stop(grant: str) -> Response:
    """End it for good."""
    grants.end(server(), vault().owner_id, _mine(grant).grant_id, "revoked")
    return redirect(url_for("sharing.sharing", notice="stopped"), 303)  # type: ignore[return-value]


@pages.post("/sharing/<grant>/less")
@unlocked
@for_sandbox
def less(grant: str) -> Response:
    """Take one item away."""
    number = request.form.get("item", "")
    if not number.isdecimal() or len(number) > 4:
        raise NotFound
    narrowing.narrow(vault(), _mine(grant).grant_id, int(number))
    return _back(grant)


@pages.post("/sharing/<grant>/sooner")
@unlocked
@for_sandbox
def sooner(grant: str) -> Response:
    """Let it end on an earlier day."""
    days = request.form.get("days", "")
    if days not in map(str, SOONER):
        raise NotFound
    narrowing.shorten(vault(), _mine(grant).grant_id, _in(int(days)))
    return _back(grant)


def _in(days: int) -> int:
    return server().now + days * DAY


@pages.post("/sharing/<grant>/link")
@unlocked
def link(grant: str) -> str:
    """A fresh link that stops this, to print or keep. Shown once; the vault keeps nothing that could make it again."""
    view = _mine(grant)
    address = revocation.fresh_link(vault(), view)
    return render_template("sharing_link.html", view=view, address=address, code=to_scan(address))


@pages.post("/sharing/pause-all")
@unlocked
@for_sandbox
def pause_all() -> Response:
    """Pause everybody."""
    for grant in server().keystore.alive(vault().owner_id, "grant"):
        grants.pause(server(), vault().owner_id, grant)
    return redirect(url_for("sharing.sharing", notice="paused-all"), 303)  # type: ignore[return-value]


@pages.post("/sharing/stop-all")
@unlocked
@for_sandbox
def stop_all() -> Response:
    """End everything."""
    stopping.stop_all(server(), vault().owner_id)
    return redirect(url_for("sharing.sharing", notice="stopped-all"), 303)  # type: ignore[return-value]


def _mine(grant: str) -> GrantView:
    with server().main.reading() as session:
        view = views.read(session, vault(), id_in(grant))
    if not view.live:
        raise NotFound
    return view


def id_in(text: str) -> bytes:
    """An id in an address. Raises NotFound."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raise NotFound from None
    if len(raw) != 16:
        raise NotFound
    return raw


def _back(grant: str) -> Response:
    return redirect(url_for("sharing.detail", grant=grant), 303)  # type: ignore[return-value]
