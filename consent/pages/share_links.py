"""Making a share link: choose records, choose what of them, see exactly what will be seen, and get the link once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import gettext
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from consent import share_links
from consent.asking import ChangedMeanwhile, NothingAllowed, data_of
from consent.disclosure import is_gift
from consent.pages.receipts import to_scan
from consent.receipts import Screen
from consent.share_links import DAYS, MOST_RECORDS, VIEWS, Choice
from vault.errors import N_, Busy, NotFound
from vault.pages.guard import ask_again
from vault.pages.session import day_in, server, unlocked, vault
from vault.pages.shown import language
from vault.record import CLASSES, Field, classes_of, collection_paths
from vault.search import NAMED
from vault.stored import Stored
from vault.strength import strength
from vault.words import fold

pages = Blueprint("share_links", __name__, template_folder="../templates")
LISTED = 200
LONGEST_LABEL, LONGEST_NUMBER = 100, 15
NO_LABEL = N_("Say for whom it is. They will see it, and so will you in your lists.")


@pages.get("/sharing/links/choose")
@unlocked
def choose() -> str:
    """Her records of one collection, with a box for each; what she has ticked in another list stays ticked."""
    known = {name: classes_of(name) for name, _part in CLASSES if any(kind.shareable for kind in classes_of(name))}
    wanted, typed = request.args.get("collection", "purchases"), request.args.get("words", "").strip()
    if wanted not in known:
        raise NotFound
    where, values = "collection = ? AND NOT damaged", [wanted]
    if typed:
        where, values = f"{where} AND {NAMED}", [wanted, fold(typed)]
    entries = vault().catalogue.entries(where, *values, limit=LISTED + 1)
    with server().main.reading() as session:
        ticked = share_links.records(session, vault(), _numbers(request.args))
    apart = {stored.number for stored in ticked}
    listed = [entry for entry in entries if CLASSES[wanted, entry.part].shareable and entry.number not in apart]
    return render_template(
        "share_choose.html",
        ticked=ticked,
        entries=listed[:LISTED],
        more=len(entries) > LISTED,
        collections=known,
        wanted=wanted,
        words=typed,
        most=MOST_RECORDS,
        kinds=CLASSES,
        here="sharing.sharing",
    )


@pages.get("/sharing/links/new")
@unlocked
def new() -> Response:
    """What of the chosen records, for whom and how long."""
    return _form(_numbers(request.args), None)


@pages.post("/sharing/links/new")
@unlocked
def preview() -> Response:
    """Exactly what would be seen; or back to the choice, with everything as it was."""
    choice = _choice(request.form)
    if request.form.get("answer") == "change":
        return _form(choice.numbers, choice)
    errors = _errors(choice)
    if not errors and choice.sensitive and (asking_again := ask_again()) is not None:
        return asking_again
    return _form(choice.numbers, choice, errors) if errors else _preview(choice)


@pages.post("/sharing/links/make")
@unlocked
def make() -> Response:
    """Make the link, if what she saw is still what it would show. It is shown this once."""
    choice, passphrase = _choice(request.form), request.form.get("passphrase", "")
    if _errors(choice):
        return _form(choice.numbers, choice, _errors(choice))
    if choice.sensitive and (asking_again := ask_again()) is not None:
        return asking_again
    if choice.asks and not (found := strength(passphrase, (choice.label, vault().name))).good:
        return _preview(choice, wrong=gettext(found.sentence), status=422)
    try:
        seen = bytes.fromhex(request.form.get("digest", ""))
        made = share_links.make(vault(), choice, passphrase, shown=seen, screen=_asking(choice)[1])
    except ValueError:
        raise NotFound from None
    except (ChangedMeanwhile, NothingAllowed, Busy) as refused:
        return _preview(choice, said=gettext(refused.sentence), status=refused.status)
    address = f"{server().settings.issuer}/s/{made.string}"
    page = render_template(
        "share_made.html",
        choice=choice,
        grant=made.grant_id.hex(),
        address=address,
        code=to_scan(address),
        until=day_in(choice.days),
        here="sharing.sharing",
    )
    return make_response(page)


def _numbers(said: MultiDict[str, str]) -> tuple[int, ...]:
    found = [each for each in said.getlist("record") if each.isdecimal() and len(each) <= LONGEST_NUMBER]
    return tuple(dict.fromkeys(map(int, found)))[:MOST_RECORDS]


def _choice(said: MultiDict[str, str]) -> Choice:
    """What the form says; whatever cannot be read is the least."""
    days, views = said.get("days", ""), said.get("views", "")
    gifts = {int(each) for each in said.getlist("gift") if each.isdecimal() and len(each) <= LONGEST_NUMBER}
    return Choice(
        numbers=_numbers(said),
        fields=frozenset(said.getlist("field")),
        gifts=frozenset(gifts),
        label=" ".join(said.get("label", "").split())[:LONGEST_LABEL],
        named=said.get("named") == "yes" and bool(vault().name),
        days=int(days) if days in map(str, DAYS) else DAYS[0],
        views=None if views == "any" else int(views) if views in map(str, VIEWS) else VIEWS[0],
        asks=said.get("asks") == "yes",
    )


def _errors(choice: Choice) -> dict[str, list[str]]:
    return {} if choice.label else {"label": [gettext(NO_LABEL)]}


def _form(numbers: tuple[int, ...], choice: Choice | None, errors: Mapping[str, list[str]] | None = None) -> Response:
    with server().main.reading() as session:
        chosen = share_links.records(session, vault(), numbers)
    if not chosen:
        raise NotFound
    offered = share_links.offered(vault(), chosen)
    page = render_template(
        "share_new.html",
        chosen=chosen,
        offered=offered,
        gifts=[stored for stored in chosen if is_gift(stored)],
        choice=choice or _least(chosen, offered),
        errors=errors or {},
        days=DAYS,
        views=VIEWS,
        until=day_in,
        kinds=classes_of,
        her_name=vault().name,
        here="sharing.sharing",
    )
    return make_response(page, 422 if errors else 200)


def _least(chosen: list[Stored], offered: Mapping[str, Mapping[str, Field]]) -> Choice:
    """Where she begins: no gift, nothing private, no answer that stands for a value which is shown anyway."""
    fields = {
        f"{collection}/{path}"
        for collection, known in offered.items()
        for path, each in known.items()
        if not each.private and not each.answers
    }
    return Choice(tuple(stored.number for stored in chosen), frozenset(fields), frozenset(), "", views=VIEWS[1])


def _asking(choice: Choice) -> tuple[share_links.Preview, Screen]:
    with server().main.reading() as session:
        shown = share_links.preview(session, vault(), choice)
    windows = [(item, [data_of(each) for each in some]) for item, some in shown.windows]
    html = render_template(
        "share_asked.html", windows=windows, choice=choice, until=day_in(choice.days), **_words(), by=_name(choice)
    )
    return shown, Screen(html.encode(), language())


def _preview(choice: Choice, *, said: str = "", wrong: str = "", status: int = 200) -> Response:
    shown, screen = _asking(choice)
    page = render_template(
        "share_preview.html",
        choice=choice,
        empty=not any(shown.shown),
        asked=Markup(screen.html.decode()),  # noqa: S704 - our own template, escaped where it prints
        digest=shown.digest(screen).hex(),
        said=said,
        wrong=wrong,
        here="sharing.sharing",
    )
    return make_response(page, status)


def _name(choice: Choice) -> str | None:
    return vault().name if choice.named else None


def _words() -> dict[str, Any]:
    return {"kinds": classes_of, "paths": collection_paths}
