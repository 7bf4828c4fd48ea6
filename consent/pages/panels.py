"""Consent's fragments on the vault's own pages."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, islice
from typing import Any

import orjson
from flask import g, render_template
from markupsafe import Markup
from sqlalchemy import select

from consent import access, inbox, segments, waiting
from consent import views as granted
from consent.disclosure import disclose, ref
from consent.models import Disclosure
from consent.pages.activity import OUTCOMES
from consent.pages.looks import AT_HOME, given_and_got, keys_of, looks_map, strip
from consent.pages.seen_by import seen_by
from consent.views import GrantView
from vault.days import DAY
from vault.opened import OpenVault
from vault.record import classes_of
from vault.stored import Stored

LATEST = 5


def panel(place: str, vault: OpenVault | None, subject: Any) -> Markup | None:
    """The fragment for a place, or nothing."""
    if place == "unlock" and vault is None:
        return Markup(render_template("panel_unlock.html"))  # noqa: S704 - our own template, escaped where it prints
    if place == "sandbox":
        return Markup(render_template("panel_sandbox.html"))  # noqa: S704 - our own template, escaped where it prints
    if vault is None:
        return None
    made = _for_owner(place, vault, subject)
    return Markup(made) if made and made.strip() else None  # noqa: S704 - our own template, escaped where it prints


def _for_owner(place: str, vault: OpenVault, subject: Any) -> str | None:
    views = _live(vault)
    if place.startswith("home."):
        return _at_home(place, vault, views)
    if place.startswith("vendor."):
        return _at_a_vendor(place, vault, views, subject)
    if place.startswith("insights."):
        return _at_insights(place, vault, views, subject)
    match place:
        case "purchase.seen":
            row, page = subject
            return render_template("panel_seen.html", names=_names(vault, views, list(row), list(page)))
        case "purchase.detail" | "record.detail" if subject.kind.shareable:
            return render_template("panel_detail.html", windows=_windows(vault, views, subject), stored=subject)
        case "profile.value":
            names = sorted({view.terms.client_name for view, _, _ in _windows(vault, views, subject)})
            return render_template("panel_seen.html", names=names)
        case "collection.list":
            return render_template("panel_list.html", collection=subject)
        case "collection.seen_by" if subject["kind"].shareable and subject["vendors"]:
            return render_template("panel_seen_by.html", **seen_by(vault, views, **subject))
    return None


def _at_home(place: str, vault: OpenVault, views: list[GrantView]) -> str | None:
    match place:
        case "home.sharing":
            return render_template("panel_sharing.html", views=views)
        case "home.needs":
            held = [view for view in views if view.held == "old copy"]
            ending = [view for view in views if _ends_soon(view, vault.server.now)]
            needs = {"held": held, "ending": ending, "looks": _looks(vault, ending), "asked": waiting.waiting(vault)}
            return render_template("panel_needs.html", **needs, waiting=inbox.count(vault))
        case "home.looks":
            return _lately(vault, views)
    return None


def _looks(vault: OpenVault, views: list[GrantView]) -> Counter[bytes] | None:
    """How often each has looked; None where they called so often that counting takes too long."""
    entries = list(islice(segments.entries(vault, keys_of(views)), AT_HOME + 1)) if views else []
    return Counter(entry.grant_id for entry in entries if entry.is_look) if len(entries) <= AT_HOME else None


def _lately(vault: OpenVault, views: list[GrantView]) -> str:
    """The latest looks, and on how many of the last days there were any."""
    keys = keys_of(views)
    entries = list(islice(segments.entries(vault, keys), AT_HOME + 1)) if keys else []
    known, looks = {view.grant_id: view for view in views}, _together(entries[: 4 * LATEST])[:LATEST]
    page = {"looks": looks, "known": known, "kinds": classes_of, "outcomes": OUTCOMES, **strip(entries)}
    return render_template("panel_looks.html", **page)


def _together(entries: list[access.Entry]) -> list[tuple[access.Entry, dict[str, int]]]:
    """Looks of one vendor in one minute as one line: the latest, and how many records of each collection it saw."""
    found: list[tuple[access.Entry, dict[str, int]]] = []
    for _key, some in groupby(entries, lambda each: (each.grant_id, each.outcome, int(each.at.timestamp()) // 60)):
        looks = list(some)
        seen: dict[str, int] = {}
        for each in looks:
            for collection in each.what:
                seen[collection] = seen.get(collection, 0) + each.count
        found.append((looks[0], seen))
    return found


def _at_a_vendor(place: str, vault: OpenVault, views: list[GrantView], subject: Any) -> str | None:
    match place:
        case "vendor.detail":
            mine = [view for view in views if view.terms.vendor == subject.number]
            return render_template("panel_vendor.html", views=mine, kinds=classes_of)
        case "vendor.looks":
            mine = [view for view in _every(vault) if view.terms.vendor == subject.number]
            return looks_map(mine, segments.entries(vault, keys_of(mine))) if mine else None
        case "vendor.merge":
            kept, going = subject
            there = [view for view in views if any(item.this_vendor for item in view.terms.items)]
            widened = [view for view in there if view.terms.vendor == kept.number]
            lost = [view for view in there if view.terms.vendor == going.number]
            return render_template("panel_merge.html", widened=widened, lost=lost, going=going)
    return None


def _ends_soon(view: GrantView, now: int) -> bool:
    """Does it end within a week, or of a short one within its last quarter? A paused one ends as well."""
    whole = view.terms.until - view.terms.given_at
    return not view.terms.by_link and view.terms.until - now < min(7 * DAY, whole // 4)


def _at_insights(place: str, vault: OpenVault, views: list[GrantView], subject: Any) -> str | None:
    match place:
        case "insights.vendors":
            return given_and_got(vault, views, subject)
        case "insights.looks":
            return looks_map(every := _every(vault), segments.entries(vault, keys_of(every)))
    return None


def _live(vault: OpenVault) -> list[GrantView]:
    """Her living grants, read once per page."""
    if "grant_views" not in g:
        with vault.server.main.reading() as session:
            g.grant_views = [view for view in granted.live(session, vault) if view.live]
        granted.settle_versions(vault, g.grant_views)
    found: list[GrantView] = g.grant_views
    return found


def _every(vault: OpenVault) -> list[GrantView]:
    with vault.server.main.reading() as session:
        return granted.every(session, vault)


def _names(vault: OpenVault, views: list[GrantView], row: list[int], page: list[int]) -> list[str]:
    """Which vendors can see any of a row's records; the disclosures of the whole page are looked up at once."""
    if "seen" not in g:
        g.seen = _seen(vault, views, page)
    return sorted({name for number in row for name in g.seen.get(number, ())}, key=str.casefold)


def _seen(vault: OpenVault, views: list[GrantView], numbers: list[int]) -> dict[int, list[str]]:
    """Names of vendors by record number, one statement per living grant that could show any."""
    seen: dict[int, list[str]] = {}
    with vault.server.main.reading() as session:
        for view in views:
            items = [item.number for item in view.terms.of("purchases")]
            if view.key is None or view.held or not items:
                continue
            refs = {ref(view.key, item, number): number for item in items for number in numbers}
            found = session.scalars(
                select(Disclosure.ref).where(
                    Disclosure.owner_id == vault.owner_id,
                    Disclosure.grant_id == view.grant_id,
                    Disclosure.ref.in_(refs),
                    Disclosure.box.is_not(None),
                )
            )
            for name in found:
                seen.setdefault(refs[name], []).append(view.terms.client_name)
    return seen


def _windows(vault: OpenVault, views: list[GrantView], stored: Stored) -> list[tuple[GrantView, Any, Any]]:
    today = vault.server.clock().date()
    found = []
    for view in views:
        for item in view.terms.items:
            data = None if view.held else disclose(view.terms, item, stored, today)
            if data is not None:
                found.append((view, item, orjson.loads(data)))
    return found
