"""One purchase with its order and its files, and what she says about it."""

from __future__ import annotations

import re
from typing import Any, cast

from flask import Blueprint, Response, make_response, redirect, request, url_for
from sqlalchemy.orm import Session

from vault import store
from vault.collections.purchases import FOR_WHOM, Order, Purchase
from vault.errors import NotFound
from vault.opened import OpenVault
from vault.pages import files, session, shown
from vault.pages.forms import Draft, changed, filled, read_form
from vault.pages.listing import rows, vendor_name
from vault.pages.purchases import OF_AN_ORDER
from vault.store import readable
from vault.stored import Stored

pages = Blueprint("purchases", __name__)

TOLD_ELSEWHERE = {"item", "bought_on", "vendor", "price", "for_whom", "recipient", "gift_note", "rating", "note"}
TOLD_ELSEWHERE |= {"taste", "return_by", "warranty_until"}


def about(reading: Session, vault: OpenVault, stored: Stored) -> dict[str, Any]:
    """What a purchase's own page shows besides its fields: its order, its vendor, what is proposed."""
    record, catalogue = cast(Purchase, stored.record), vault.catalogue
    together = "bundle = ? AND vendor = ? AND collection = 'purchases' AND part = ? AND NOT damaged"
    same = (record.bundle(), record.of_vendor())
    siblings = catalogue.entries(together, *same, "", order="number", limit=OF_AN_ORDER) if same[0] else []
    orders = catalogue.entries(together, *same, "order", limit=1) if same[0] else []
    items = readable(reading, vault, [entry.number for entry in siblings]) or [stored]
    order = readable(reading, vault, [entry.number for entry in orders])
    proposed = Purchase.fields
    return {
        "items": items,
        "order": cast(Order, order[0].record) if order else None,
        "order_number": order[0].number if order else 0,
        "sum": shown.total(cast(Purchase, item.record).price for item in items),
        "vendor": vendor_name(record.of_vendor(), catalogue.titles([record.of_vendor()])),
        "for_whom": FOR_WHOM,
        "facts": [row for row in rows(vault, record) if row[0].name not in TOLD_ELSEWHERE],
        "proposed": [
            (each, shown.value(stored.proposes[each.name], each)) for each in proposed if each.name in stored.proposes
        ],
        "draft": Draft(Purchase, filled(record)),
        "way_back": _way_back(),
        **files.about(reading, vault, stored.number),
    }


def _way_back() -> str:
    """Where a file that was just taken away is brought back; empty where the last act was another."""
    asked = request.args.get("undo", "")
    return url_for("files.back", file=asked) if re.fullmatch("[0-9a-f]{32}", asked) else ""


@pages.post("/purchases/<int:number>/gift")
@session.unlocked
def gift(number: int) -> Response:
    """Mark as a gift, for whom and with a note, or take the mark away."""
    if request.form.get("gift") == "no":
        return _say(number, {"for_whom": "me", "recipient": None, "gift_note": None}, "no-gift")
    said = read_form(Purchase, request.form, only=("recipient", "gift_note"))
    return _say(number, {"for_whom": "gift", **said}, "gift")


@pages.post("/purchases/<int:number>/taste")
@session.unlocked
def taste(number: int) -> Response:
    """Mark as not her taste, or take the mark away."""
    if request.form.get("taste") == "no":
        return _say(number, {"taste": "not_mine"}, "taste", settle=False)
    return _say(number, {"taste": None}, "no-taste", settle=False)


@pages.post("/purchases/<int:number>/until")
@session.unlocked
def until(number: int) -> Response:
    """Until when it can go back, and until when its guarantee holds."""
    said = read_form(Purchase, request.form, only=("return_by", "warranty_until"))
    return _say(number, said, "dates", settle=False)


@pages.post("/purchases/<int:number>/note")
@session.unlocked
def note(number: int) -> Response:
    """Her note and rating."""
    return _say(number, read_form(Purchase, request.form, only=("note", "rating")), "saved", settle=False)


@pages.post("/purchases/<int:number>/decide")
@session.unlocked
def decide(number: int) -> Response:
    """Take over what an import proposed, or drop it."""
    vault = session.vault()
    with store.writing(vault) as turn:
        before = store.read(turn.session, vault, number)
        _check_kind(before)
        after = store.decide(turn, vault, number, accept=request.form.get("accept") == "yes")
    decided = after.revision != before.revision
    return _to(number, "decided", undo=after.revision) if decided else _to(number, "unchanged")


def _say(number: int, edits: dict[str, Any], notice: str, *, settle: bool = True) -> Response:
    """Lay edits over a purchase; a gift mark of her own also settles what was proposed."""
    vault = session.vault()
    with store.writing(vault) as turn:
        before = store.read(turn.session, vault, number)
        _check_kind(before)
        edited = before.edited(changed(before.record, edits))
        after = store.put(turn, vault, before, edited.decided() if settle else edited)
    return _to(number, notice, undo=after.revision) if after is not before else _to(number, "unchanged")


def _to(number: int, notice: str, **more: Any) -> Response:
    there = url_for("collection.detail", collection="purchases", number=number, notice=notice, **more)
    return make_response(redirect(there, 303))


def _check_kind(stored: Stored) -> None:
    if stored.kind is not Purchase:
        raise NotFound
