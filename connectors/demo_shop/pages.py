"""The Bookshop's pages. A visitor's own browser is the only way to what her vault showed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Blueprint, Flask, current_app, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from connectors.demo_shop import asks
from connectors.demo_shop.looking import look
from connectors.demo_shop.stock import BOOKS, IN_THE_WINDOW
from connectors.demo_shop.visits import Visit, Visits, new_visitor
from connectors.demo_shop.welcome import a_day, for_anybody, welcome
from connectors.vendor_client import Client, Denied, SharingError, Vault, WrongCallback, discover, new_state

SAID = {
    "denied": ("As you like.", "You said no; that is fine. You buy here just as well."),
    "paused": ("We can wait.", "You have paused this in your vault. We have put away what we had seen."),
    "ended": ("Hello, stranger.", "Your vault shows us nothing any more. We have forgotten what we had seen."),
    "forgotten": ("Forgotten.", "We threw our key away. Your vault lists us until you stop it there."),
}
TOO_LATE = "We had not asked anything in this browser, or it was long ago. Please begin again."

shop = Blueprint("shop", __name__)


@dataclass(frozen=True, slots=True)
class Counter:
    """What the pages share: who the shop is to a vault, and who is in it."""

    client: Client
    visits: Visits


def open_the_shop(app: Flask, client: Client) -> None:
    app.extensions["bookshop"] = Counter(client, Visits())
    app.register_blueprint(shop)


@shop.get("/")
def home() -> str:
    return _home(_visit())


@shop.post("/connect")
def connect() -> Response | tuple[str, int]:
    typed = request.form.get("vault", "")
    client = counter().client
    try:
        pending = discover(client, typed).ask(asks.items(client.clock().date()), new_state())
    except SharingError as error:
        return _home(_visit(), typed=typed[:300], wrong=error.sentence), 422
    _change(pending=pending)
    return redirect(pending.authorize_url, 303)


@shop.get("/callback")
def callback() -> Response | tuple[str, int]:
    pending = counter().visits.expected(request.args.get("state", "")) or _visit().pending
    if pending is None:
        return _home(_visit(), wrong=TOO_LATE), 400
    vault, query = Vault(counter().client, pending.endpoints), request.query_string.decode("ascii", "replace")
    try:
        connection = vault.finish(pending, query)
    except Denied:
        _change(pending=None, standing="denied", look=None, vault=vault.address)
        return redirect(url_for(".home"), 303)
    except WrongCallback as error:
        return _home(_visit(), wrong=error.sentence), 400
    except SharingError as error:
        _change(pending=None)
        return _home(_visit(), wrong=error.sentence), 502
    begun = {
        "pending": None,
        "connection": connection,
        "vault": vault.address,
        "standing": "new",
        "look": None,
        "told": None,
    }
    _change(**{**begun, **look(connection, _now())})
    return redirect(url_for(".home"), 303)


@shop.post("/again")
def again() -> Response:
    connection = _visit().connection
    if connection is not None:
        _change(**{"connection": connection, "bought": "", **look(connection, _now())})
    return redirect(url_for(".home"), 303)


@shop.post("/buy")
def buy() -> Response:
    """A pretended purchase, with a real receipt for the vault. `order` makes pressing twice the same as once."""
    connection, order = _visit().connection, request.form.get("order", "")[:20]
    book = next((each for each in BOOKS if each.title == request.form.get("title")), None)
    if connection is not None and book is not None and order:
        try:
            connection.leave("purchases", book.receipt(_now().date(), order), key=order)
        except SharingError as error:
            _change(trouble=error.sentence, bought="")
        else:
            _change(trouble="", bought=book.title)
    return redirect(url_for(".home"), 303)


@shop.post("/forget")
def forget() -> Response:
    """What we hold goes first, and goes even if the vault cannot be told that its key was thrown away."""
    connection = _visit().connection
    if connection is not None:
        _change(connection=None, look=None, standing="forgotten", trouble="")
        try:
            connection.drop()
        except SharingError as error:
            _change(trouble=error.sentence)
    return redirect(url_for(".home"), 303)


@shop.get("/data")
def data() -> str:
    visit = _visit()
    return render_template("data.html", visit=visit, heard=visit.look.heard if visit.look else ())


def ask_ahead(app: Flask, vault: str) -> tuple[str, str]:
    """Ask a vault before its owner has come by. Returns where the request lies: its request_uri and who asks."""
    found: Counter = app.extensions["bookshop"]
    pending = discover(found.client, vault).ask(asks.items(found.client.clock().date()), new_state())
    found.visits.expect(pending)
    query = parse_qs(urlsplit(pending.authorize_url).query)
    return query["request_uri"][0], query["client_id"][0]


def _home(visit: Visit, *, typed: str = "", wrong: str = "") -> str:
    """The one page, for every standing; `wrong` is a sentence that belongs at the form."""
    now = _now()
    seen = visit.look if visit.standing == "connected" else None
    greeting = welcome(seen.shown, now.date()) if seen else None
    return render_template(
        "shop.html",
        visit=visit,
        greeting=greeting,
        said=SAID.get(visit.standing),
        shelf=greeting.shelf if greeting else for_anybody(),
        told=_told(visit, now),
        receipts=bool(seen and any(each.leave for each in seen.granted)),
        order=f"B-{secrets.token_hex(4)}",
        window=[book for book in BOOKS if book.title in IN_THE_WINDOW],
        typed=typed or visit.vault,
        wrong=wrong,
    )


def _told(visit: Visit, now: datetime) -> list[tuple[str, str, str]]:
    """Rows of what, why, until."""
    if visit.look is None or visit.standing != "connected":
        return []
    rows = []
    for item in visit.look.granted:
        what, why = asks.said_of(item)
        if item.collection == "purchases" and not item.leave:
            number = len(visit.look.shown.get("purchases", ()))
            what = f"{number} {'purchase' if number == 1 else 'purchases'} here"
        rows.append((what, why, a_day(item.until, now.date()) if item.until else "you stop it"))
    return rows


def counter() -> Counter:
    """This shop's."""
    found: Counter = current_app.extensions["bookshop"]
    return found


def _now() -> datetime:
    return counter().client.clock()


def _visitor() -> str:
    """The secret name of this browser, in a signed cookie."""
    if "visitor" not in session:
        session["visitor"] = new_visitor()
    return str(session["visitor"])


def _visit() -> Visit:
    return counter().visits.of(_visitor())


def _change(**changes: Any) -> None:
    counter().visits.change(_visitor(), **changes)
