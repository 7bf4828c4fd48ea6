"""What happened between her and a vendor, as far as consent knows: what she allowed, each day's looks, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

from flask import url_for
from flask_babel import gettext, ngettext

from consent import access, inbox, receipt_rows, segments, views
from consent.pages.receipts import EVENTS
from consent.views import GrantView
from vault.opened import OpenVault
from vault.pages import shown
from vault.record import classes_of
from vault.rooms import Moment

SIGNS = {"given": "check", "renewed": "check", "narrowed": "sliders", "shortened": "clock", "expired": "clock"}


def past(vault: OpenVault, vendor: int, most: int) -> list[Moment]:
    """Up to `most` moments of each kind for one of her vendors, in the order in which those of one second stand."""
    with vault.server.main.reading() as session:
        mine = [view for view in views.every(session, vault) if view.terms.vendor == vendor]
        agreed = [moment for view in mine for moment in _agreed(session, vault, view)]
        left = [each for each in inbox.waiting(session, vault, limit=most) if each.vendor == vendor]
    waiting = [Moment(shown.instant(each.at), "inbox", *_left(), url_for("inbox.waiting")) for each in left]
    return [*_looks(vault, mine, most), *waiting, *agreed]


def _agreed(session: Any, vault: OpenVault, view: GrantView) -> Iterator[Moment]:
    """Its receipts: every consent, change and end leaves one."""
    for kept in receipt_rows.of_grant(session, vault, view.grant_id):
        if kept.said is None or kept.event not in EVENTS:
            continue
        words = str(gettext(EVENTS[kept.event]))
        more = _what(view) if kept.event == "given" else ""
        receipt = url_for("receipts.show", receipt=kept.receipt_id.hex())
        yield Moment(shown.instant(kept.said["iat"]), SIGNS.get(kept.event, "stop"), words, more, receipt)


def _what(view: GrantView) -> str:
    kinds = [each.collection for each in view.terms.items] + [each.collection for each in view.terms.deposits]
    names = ", ".join(_title(collection) for collection in dict.fromkeys(kinds))
    day = shown.day(view.until.date().isoformat())
    return str(gettext("%(what)s, until %(day)s", what=names, day=day)) if names else ""


def _title(collection: str) -> str:
    return str(gettext("Profile") if collection == "profile" else gettext(classes_of(collection)[0].title))


def _left() -> tuple[str, str]:
    return str(gettext("It left you something")), str(gettext("It waits in your inbox for you to decide."))


def _looks(vault: OpenVault, mine: list[GrantView], most: int) -> Iterator[Moment]:
    """One moment for the looks of a day, and one for those of it that were refused."""
    keys = {view.grant_id: view.terms.log_key for view in mine}
    entries = islice(segments.entries(vault, keys), most) if keys else ()
    there = url_for("activity.activity", vendor=mine[0].terms.client_id) if mine else ""
    for _day, found in groupby(entries, lambda entry: shown.instant(int(entry.at.timestamp()))[:10]):
        looks = list(found)
        seen = [entry for entry in looks if entry.is_look]
        refused = [entry for entry in looks if entry.outcome not in access.GRANTED]
        if seen:
            words = ngettext("It looked once", "It looked %(num)d times", len(seen))
            kinds = dict.fromkeys(collection for entry in seen for collection in entry.what)
            more = ", ".join(_title(collection) for collection in kinds if classes_of(collection))
            yield Moment(shown.instant(int(seen[0].at.timestamp())), "eye", words, more, there)
        if refused:
            words = ngettext("It was refused once", "It was refused %(num)d times", len(refused))
            yield Moment(shown.instant(int(refused[0].at.timestamp())), "refused", words, "", there, hot=True)
