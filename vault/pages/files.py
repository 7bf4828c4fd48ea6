"""Files of purchases: brought, shown without trusting what is in them, taken away and brought back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, make_response, redirect, request, send_file, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from vault import attachments, store
from vault.attached import LARGEST, Attachment, Empty, Incoming, Refused, sealed
from vault.collections.purchases import Purchase
from vault.errors import NotFound
from vault.opened import OpenVault
from vault.pages import session, shown
from vault.pages.arriving import AROUND, arrived
from vault.sniffing import IMAGES, TEXT

pages = Blueprint("files", __name__)

# Whatever is in a file, it is shown without scripts, forms, its own origin, or anything from elsewhere.
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
SHOWN = IMAGES | {TEXT}  # all else is only ever saved: PDF and HTML can hold programs
REFUSALS = {each.code: each.sentence for each in Refused.__subclasses__()}
HEX = "<string(length=32):file>"


def about(reading: Session, vault: OpenVault, number: int) -> dict[str, Any]:
    """What the page of a record shows of its files."""
    return {
        "files": attachments.of_record(reading, vault, number),
        "images": IMAGES,
        "shown_inline": SHOWN,
        "most_files": attachments.MOST,
        "largest_file": LARGEST,
        "file_refused": gettext(REFUSALS[code]) if (code := request.args.get("refused", "")) in REFUSALS else "",
    }


@pages.post("/files/of/<int:number>")
@session.unlocked
def bring(number: int) -> Response:
    """Take a file in and attach it to a purchase; what does not come whole leaves nothing."""
    vault = session.vault()
    with vault.server.main.reading() as reading:
        if store.read(reading, vault, number).kind is not Purchase:
            raise NotFound
    try:
        _bring(vault, number)
    except Refused as refused:
        return _to(number, refused=refused.code)
    return _to(number, notice="file-added")


def _bring(vault: OpenVault, number: int) -> None:
    request.max_content_length = vault.server.settings.upload_limit + AROUND
    came: Sequence[Incoming] = arrived(Incoming, most=1)
    if not came:
        raise Empty
    file = sealed(vault, number, came[0], shown.today().isoformat())
    with store.writing(vault) as turn:
        attachments.keep(turn, vault, file)


@pages.get(f"/files/{HEX}")
@session.unlocked
def file(file: str) -> Response:
    """The file itself: shown if it is an image or plain text and she does not want it saved, else to be saved."""
    vault = session.vault()
    with vault.server.main.reading() as reading:
        known = attachments.find(reading, vault, _id(file))
        content = attachments.content(reading, vault, known)
    inline = known.kind in SHOWN and "save" not in request.args
    return _sent(known, content, as_attachment=not inline)


def _sent(known: Attachment, content: bytes, *, as_attachment: bool) -> Response:
    response = send_file(
        io.BytesIO(content),
        known.kind,
        as_attachment=as_attachment,
        download_name=known.name,
        conditional=False,
        etag=False,
    )
    response.headers["Content-Security-Policy"] = SANDBOX
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.post(f"/files/{HEX}/remove")
@session.unlocked
def remove(file: str) -> Response:
    """Take a file away; the page it leads to offers to undo that."""
    vault = session.vault()
    with store.writing(vault) as turn:
        gone = attachments.take_away(turn, vault, _id(file))
    return _to(gone.number, notice="file-removed", undo=file)


@pages.post(f"/files/{HEX}/back")
@session.unlocked
def back(file: str) -> Response:
    """Bring back a file that was taken away in the last days."""
    vault = session.vault()
    with store.writing(vault) as turn:
        known = attachments.bring_back(turn, vault, _id(file))
    return _to(known.number, notice="file-back")


def _to(number: int, **words: Any) -> Response:
    there = url_for("collection.detail", collection="purchases", number=number, **words)
    return make_response(redirect(f"{there}#file" if "refused" in words else there, 303))


def _id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise NotFound from None
