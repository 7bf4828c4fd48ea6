"""Export: everything to take along, the fingerprint to compare it by, and bringing an archive back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import gettext

from vault import departure
from vault.archive import Words
from vault.attached import NoRoom
from vault.bringing import Came, NotEmpty, bring_back
from vault.errors import N_, Busy, VaultError, WrongSecret
from vault.export import fingerprint
from vault.fingerprint import in_groups
from vault.leaving import TooWeak, exported, is_sealed, open_archive
from vault.opened import OpenVault
from vault.pages import guard, session, shown
from vault.pages.arriving import AROUND, form_and_files
from vault.pages.errors import wait_for
from vault.pieces import Pieces, Spool, TooLarge
from vault.record import CLASSES, classes_of
from vault.turn import position
from vault.unpacking import NotAnArchive

pages = Blueprint("leaving", __name__)

LABELS = {
    "passphrase": N_("Passphrase for the archive"),
    "opens": N_("Passphrase of the archive"),
}
FORMS = {"sealed": "vault", "zip": "zip", "json": "json"}  # a form and how its file's name ends
KINDS = {"sealed": "application/octet-stream", "zip": "application/zip", "json": "application/json"}


@pages.get("/export")
@session.unlocked
@guard.confirmed
def export() -> Response:
    """What there is to take, and how. It is asked here already, because a download leaves no page to go on from."""
    return _page()


@pages.post("/export")
@session.unlocked
@guard.confirmed
def download() -> Response:
    """The file. She shows once more that it is she.

    It is made whole before any of it is sent: what is read for it comes from one snapshot, and whoever fetches slowly
    would hold that open. So the browser knows how much is to come.
    """
    vault, form = session.vault(), request.form.get("form", "")
    if form not in FORMS:
        return _page()
    words = Words(gettext, shown.language())
    try:
        parts = exported(vault, form, request.form.get("passphrase", ""), words=words)
    except (TooWeak, Busy) as error:
        return _page("passphrase", error, form=form)
    response = _sent(parts, KINDS[form])
    name = f"vault-{vault.server.clock().date().isoformat()}.{FORMS[form]}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _sent(parts: Iterable[bytes], mimetype: str) -> Response:
    with ExitStack() as stack:
        spool = stack.enter_context(Spool(session.server().settings.cache_dir))
        for part in parts:
            spool.write(part)
        file = spool.finish()
        response = Response(_pieces(file, stack.pop_all()), mimetype=mimetype)
    response.content_length = file.size
    return response


def _pieces(file: Pieces, held: ExitStack) -> Iterator[bytes]:
    with held:
        yield from file.parts()


@pages.post("/export/bring-back")
@session.unlocked
def bring() -> Response:
    """Take an archive into this vault, if it is empty or a part of that archive."""
    vault = session.vault()
    request.max_content_length = vault.server.settings.upload_limit + AROUND
    with ExitStack() as stack:
        try:
            spool, passphrase = _arrived(stack)
            file = spool.finish()
            came = bring_back(vault, open_archive(file, passphrase) if is_sealed(file) else file)
        except WrongSecret as error:
            return _page("opens", error)
        except (NotAnArchive, NotEmpty, TooLarge, NoRoom, Busy) as error:
            return _page("file", error)
    return _page(came=came)


def _arrived(stack: ExitStack) -> tuple[Spool, str]:
    """The file of this form, written nowhere but into sealed pieces, and the passphrase that opens it."""
    vault = session.vault()
    spools: list[Spool] = []

    def only_one(_name: str) -> Spool:
        if spools:
            raise NotAnArchive
        spools.append(stack.enter_context(Spool(vault.server.settings.cache_dir, vault.server.settings.upload_limit)))
        return spools[0]

    try:
        form, _files = form_and_files(only_one, parts=8)
    except ValueError:
        raise NotAnArchive from None
    if not spools or not spools[0].size:
        raise NotAnArchive(N_("Choose a file first. An empty one holds nothing to read."))
    return spools[0], str(form.get("opens", ""))


def _page(
    field: str = "", error: VaultError | None = None, *, form: str = "sealed", came: Came | None = None
) -> Response:
    vault = session.vault()
    with vault.server.main.reading() as reading:
        empty = position(reading, vault.owner_id).last_record == 0
    sentence = gettext(error.sentence) if error else ""
    asked = "fingerprint" in request.args
    page = render_template(
        "export.html",
        counts=_counts(vault),
        damaged=vault.catalogue.count("damaged"),
        fingerprint=in_groups(came.fingerprint if came else fingerprint(vault)) if asked or came else "",
        empty=empty,
        came=came,
        leaving=departure.planned(vault.server, vault.owner_id),
        chosen_form=form,
        field=field,
        errors={field: (sentence,)} if field else {},
        refused=sentence if field == "file" else gettext("Nothing was written.") if field else "",
        wrong=[(field, gettext(LABELS[field]), sentence)] if field in LABELS else [],
    )
    response = make_response(page, error.status if error else 200)
    response.headers.update(wait_for(error) if error else {})
    return response


def _counts(vault: OpenVault) -> list[tuple[str, int]]:
    """How many there are of each collection, as its own page counts them; sums of whole orders stand by themselves."""
    found, counts = vault.catalogue.tally("collection || '/' || part", "NOT damaged"), Counter[str]()
    for (collection, part), kind in CLASSES.items():
        title = _title(collection) if kind.shareable else gettext(kind.title)
        counts[title] += found.get(f"{collection}/{part}", 0)
    return [(title, count) for title, count in counts.items() if count]


def _title(collection: str) -> str:
    """What the menu calls a collection."""
    first = classes_of(collection)[0]
    return str(gettext("Profile") if first.part else gettext(first.title))
