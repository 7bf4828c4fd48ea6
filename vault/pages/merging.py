"""The page that makes two vendors one. It may change what others see, so she shows that it is she, and what she saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext

from vault import crypto, merging, store
from vault.collections.vendors import Vendor
from vault.errors import N_, NotFound
from vault.opened import OpenVault
from vault.pages import guard, session
from vault.pages.vendors import BOUGHT, NO_SUCH_VENDOR, options
from vault.stored import Stored

if TYPE_CHECKING:
    from markupsafe import Markup
    from sqlalchemy.orm import Session

pages = Blueprint("merging", __name__)

CHANGED = N_("Something has changed since you opened this page. Look again: nothing was merged yet.")


@dataclass(frozen=True)
class Preview:
    """What becomes of two vendors: which stays and which goes, how much moves, and what that means for others."""

    kept: Stored
    going: Stored
    united: Stored
    moving: int
    bought: int
    others: tuple[Markup, ...]

    @classmethod
    def of(cls, reading: Session, vault: OpenVault, number: int, other: int) -> Preview:
        """As it stands. Raises NotFound."""
        kept, going = (_vendor(store.read(reading, vault, each)) for each in (number, other))
        panels = [room.panel("vendor.merge", vault, (kept, going)) for room in vault.server.rooms if room.panel]
        return cls(
            kept,
            going,
            kept.edited(merging.united(kept, going)),
            len(merging.belonging(vault, going.number)),
            vault.catalogue.count(f"{BOUGHT} AND vendor = ?", going.number),
            tuple(each for each in panels if each),
        )

    @property
    def digest(self) -> str:
        """Of all that she is shown."""
        known = [part for each in (self.kept, self.going) for part in (each.number, each.revision)]
        return crypto.digest(*known, self.moving, self.bought, *self.others).hex()


@pages.get("/vendors/<int:number>/merge")
@session.unlocked
def choose(number: int) -> Response:
    """Which other vendor is the same, and then what would become of the two."""
    return _page(session.vault(), number, request.args.get("other", ""))


@pages.post("/vendors/<int:number>/merge")
@session.unlocked
@guard.confirmed
def merge(number: int) -> Response:
    """Merge the other one into this one, if what she saw is still what comes of it."""
    vault, other = session.vault(), request.form.get("other", "")
    if not _is_another(vault, number, other):
        return _page(vault, number, other)
    with store.writing(vault) as turn:
        shown = Preview.of(turn.session, vault, number, int(other)).digest
        agreed = crypto.same(shown.encode(), request.form.get("digest", "").encode())
        if agreed:
            merging.merge(turn, vault, number, int(other))
    if not agreed:
        return _page(vault, number, other, changed=True)
    there = url_for("collection.detail", collection="vendors", number=number, notice="merged", undo=turn.revision)
    return make_response(redirect(there, 303))


def _is_another(vault: OpenVault, number: int, other: str) -> bool:
    return any(str(each) == other for each, _ in options(vault) if each != number)


def _page(vault: OpenVault, number: int, other: str, *, changed: bool = False) -> Response:
    known, wrong = _is_another(vault, number, other), dict[str, Any]()
    if other and not known:
        wrong = {"other": gettext(NO_SUCH_VENDOR)}
    with vault.server.main.reading() as reading:
        kept = _vendor(store.read(reading, vault, number))
        preview = Preview.of(reading, vault, number, int(other)) if known else None
    page = render_template(
        "merge.html",
        kept=kept,
        preview=preview,
        changed=gettext(CHANGED) if changed else "",
        others=[(each, name) for each, name in options(vault) if each != number],
        wrong=wrong,
        here="collection.vendors",
    )
    return make_response(page, 422 if wrong else 409 if changed else 200)


def _vendor(stored: Stored) -> Stored:
    if stored.kind is not Vendor:
        raise NotFound
    return stored
