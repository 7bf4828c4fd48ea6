"""A receipt to read, print and keep: what was agreed or ended, and a code to scan that stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import segno
from flask import Blueprint, Response, render_template
from markupsafe import Markup

from consent import receipt_rows, receipts, revocation, views
from consent.details import read_duration
from consent.purposes import PURPOSES
from vault.errors import N_, NotFound
from vault.pages.session import server, unlocked, vault
from vault.record import classes_of, collection_paths

if TYPE_CHECKING:
    from consent.receipt_rows import Kept

pages = Blueprint("receipts", __name__, template_folder="../templates")
EVENTS = {
    "given": N_("You agreed"),
    "narrowed": N_("You took something away"),
    "shortened": N_("You let it end sooner"),
    "renewed": N_("You agreed again"),
    "revoked": N_("You stopped it"),
    "link": N_("It was stopped by its link"),
    "replaced": N_("You allowed something else instead"),
    "expired": N_("Its time ran out"),
    "used": N_("It had looked as often as you allowed"),
    "vendor": N_("The vendor gave it back"),
    "replay": N_("It was ended for safety: a code was used twice"),
    "unused": N_("It ended: the vendor held no key to it"),
    "ended": N_("It has ended"),
}


@pages.get("/receipts/<receipt>")
@unlocked
def show(receipt: str) -> str:
    """One receipt."""
    return _page(_kept(receipt), None)


@pages.post("/receipts/<receipt>")
@unlocked
def with_link(receipt: str) -> str:
    """The same with a fresh link on it that stops what it is about. A link is made, so this is no GET."""
    kept = _kept(receipt)
    view = _view(kept)
    if not view.live:
        raise NotFound
    return _page(kept, revocation.fresh_link(vault(), view))


def _page(kept: Kept, address: str | None) -> str:
    return render_template(
        "receipt.html",
        kept=kept,
        said=kept.said,
        view=_view(kept),
        address=address,
        code=to_scan(address) if address else None,
        events=EVENTS,
        purposes={receipts.DPV + term: words for term, words in PURPOSES.items()},
        kinds=classes_of,
        paths=collection_paths,
        unstated=receipts.NOT_STATED,
        days_of=read_duration,
        here="sharing.sharing",
    )


@pages.get("/receipts/<receipt>/receipt.jwt")
@unlocked
def signed(receipt: str) -> Response:
    """The signed receipt, for `vrm verify` and anybody else's program."""
    kept = _kept(receipt)
    if kept.text is None:
        raise NotFound
    return _file(kept.text.encode(), "application/jwt", f"receipt-{kept.receipt_id.hex()}.jwt")


@pages.get("/receipts/<receipt>/kantara.json")
@unlocked
def kantara(receipt: str) -> Response:
    """What was agreed, in the older and simpler form that more programs read. Not signed."""
    kept = _kept(receipt)
    if kept.said is None or kept.kind != "consent":
        raise NotFound
    content = orjson.dumps(receipts.kantara(kept.said), option=orjson.OPT_INDENT_2)
    return _file(content, "application/json", f"receipt-{kept.receipt_id.hex()}-kantara.json")


@pages.get("/receipts/<receipt>/screen.html")
@unlocked
def screen(receipt: str) -> Response:
    """The screen she agreed to. A file to keep and never a page: nothing in it works here."""
    kept = _kept(receipt)
    with server().main.reading() as session:
        document = receipt_rows.screen(session, vault(), kept.receipt_id)
    return _file(document, "text/html; charset=utf-8", f"screen-{kept.receipt_id.hex()}.html")


def to_scan(address: str) -> Markup:
    """An address as a QR code (ISO/IEC 18004), drawn as SVG without style or script."""
    code = segno.make_qr(address, error="m")
    drawn = code.svg_inline(omitsize=True, svgclass=None, lineclass=None, dark="#000", light="#fff")
    return Markup(drawn)  # noqa: S704 - squares and nothing of what they say


def _kept(text: str) -> Kept:
    try:
        receipt = bytes.fromhex(text)
    except ValueError:
        raise NotFound from None
    with server().main.reading() as session:
        return receipt_rows.read(session, vault(), receipt)


def _view(kept: Kept) -> views.GrantView:
    with server().main.reading() as session:
        return views.read(session, vault(), kept.grant_id)


def _file(content: bytes, kind: str, name: str) -> Response:
    return Response(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
