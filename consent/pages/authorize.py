"""The consent screen. Everything about the request comes from what was pushed; the form carries only ticks."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask_babel import gettext
from markupsafe import Markup

from consent import asking, clients, denials, offer, pushed, waiting
from consent.asking import AlreadyDecided, ChangedMeanwhile, NothingAllowed, Offer, Preview
from consent.client_documents import BadClient, Client
from consent.decision import how_often, items_allowed, read_decision
from consent.difference import changes
from consent.oauth.endpoints import answer, engine
from consent.offer import read_offer
from consent.purposes import DANGEROUS, PURPOSES
from consent.pushed import Asked
from consent.receipts import Screen
from consent.terms import durations
from vault import attempts, mail
from vault.days import DAY, day_of
from vault.errors import NotFound
from vault.pages.guard import ask_again, form_may_lead_to
from vault.pages.session import address, day_in, for_sandbox, in_sandbox, server, unlocked, vault
from vault.pages.shown import language
from vault.record import classes_of, collection_paths
from vault.stored import Stored

MOST_SHOWN = 500  # rows of one item on the page; all of them are in the digest
MANY = 10_000  # rows from which on allowing takes a second and more
pages = Blueprint("authorize", __name__, template_folder="../templates")


@pages.get("/authorize")
@unlocked
@for_sandbox
def ask() -> Response:
    """Show who asks for what, with the very values."""
    asked = _asked(request.args.get("request_uri", ""), request.args.get("client_id", ""))
    pushed.opened(server(), asked)
    if _names_another_grant(asked):  # a link alone leads nobody out of the vault (RFC 9700 §4.11.2)
        return _form_page(asked, "no_such_grant.html", client=_client(asked))
    if not in_sandbox():  # the made-up owner has no home page, and answers for many
        waiting.remember(vault(), request.args["request_uri"], asked, _client(asked).name)
    before = denials.answered(vault(), asked)
    if before is not None and request.args.get("look") != "again":
        return _form_page(asked, "said_no.html", client=_client(asked), before=before, day=day_of(before.day))
    return _screen(asked, None)


@pages.post("/authorize")
@unlocked
@for_sandbox
def decide() -> Response:
    """Her answer, sent on to the vendor."""
    asked = _asked(request.form.get("request_uri", ""), request.form.get("client_id", ""))
    if in_sandbox():  # anybody may be she, and every answer leaves something behind
        attempts.admit(server(), fetch=f"sandbox answers {address()}")
    said = request.form.get("answer")
    if said == "no":
        asking.refuse(vault(), asked, never="never" in request.form)
        return _leading_back(asked, answer(engine().decide(asked, None)))
    if said == "back" and _names_another_grant(asked):
        return _leading_back(asked, answer(engine().no_such_grant(asked)))
    if said == "less":
        return _less(asked)
    if said == "offer":
        return _offer(asked)
    if said != "yes":
        return _screen(asked, _chosen_vendor())
    client = _client(asked)
    decision = read_decision(asked.details, request.form, request.form.keys())
    if (
        any(item.sensitive for item in items_allowed(asked.details, decision))
        and (asking_again := ask_again()) is not None
    ):
        return _leading_back(asked, asking_again)
    number = _chosen_vendor()
    shown, screen = _digest(request.form.get("digest", "")), _asking(asked, number).screen

    def give() -> str:
        chosen = int(number) if number.isdecimal() and len(number) < 16 else 0
        return asking.allow(vault(), asked, client, chosen, decision, shown, screen).code

    try:
        return _leading_back(asked, answer(engine().decide(asked, give)))
    except (ChangedMeanwhile, NothingAllowed) as refused:
        return _screen(asked, number, said=gettext(refused.sentence), status=refused.status)


def _names_another_grant(asked: Asked) -> bool:
    """To replace one it must be this client's own, and alive. Ids of others and of nothing look the same."""
    named = asked.parameters.get("grant_id")
    if named is None:
        return False
    present = asking.present_grant(vault(), _client(asked))
    return present is None or not present.live or present.grant_id.hex() != named


def _latest(asked: Asked) -> int:
    """The end that it asks for, in seconds since 1970."""
    return server().now + asked.details.every[0].duration * DAY


def _less(asked: Asked, said: str = "") -> Response:
    """Everything that was asked, to tick what she would allow instead."""
    return _form_page(
        asked,
        "less.html",
        422 if said else 200,
        client=_client(asked),
        details=asked.details,
        days=durations(asked.details.every[0].duration),
        until=day_in,
        kinds=classes_of,
        said=said,
    )


def _offer(asked: Asked) -> Response:
    """Refuse what was asked, and tell the vendor what it could ask instead."""
    instead = read_offer(asked.details, request.form, request.form.keys())
    if not instead.every:
        return _less(asked, gettext("Nothing is ticked, so there is nothing to offer."))
    if not all(item.fields for item in instead.items):
        return _less(asked, gettext("What is private goes along with something else of its kind. Tick that too."))
    asking.refuse(vault(), asked, instead=instead)
    made = engine().decide(asked, None)
    made.location = f"{made.location}&{urlencode({'counter_offer': offer.said(instead).decode()})}"
    return _leading_back(asked, answer(made))


def _form_page(asked: Asked, template: str, status: int = 200, **values: object) -> Response:
    """A page with a form whose answer leads back to the vendor."""
    request_uri = request.values.get("request_uri", "")
    page = render_template(
        template,
        request_uri=request_uri,
        same_page=url_for("authorize.ask", request_uri=request_uri, client_id=asked.client_id),
        action=url_for("authorize.decide"),
        **values,
    )
    return _leading_back(asked, make_response(page, status))


def _asked(request_uri: str, client_id: str) -> Asked:
    found = pushed.find(server(), request_uri, client_id)
    if found is None:
        raise AlreadyDecided
    return found


def _client(asked: Asked) -> Client:
    try:
        return clients.find(server(), asked.client_id)
    except BadClient:
        raise AlreadyDecided from None


def _chosen_vendor() -> str:
    """The last one said: the list to choose from stands below the one that was shown."""
    return (request.form.getlist("vendor") or ["0"])[-1]


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _leading_back(asked: Asked, response: Response) -> Response:
    return form_may_lead_to(response, _origin(asked.parameters["redirect_uri"]))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class _Asking:
    """What a request comes to in her vault as it stands: the vendor it is tied to, and the screen that says it.

    `mailed`: does she get a mail if she allows it?
    """

    client: Client
    tied: Stored | None
    count: int
    screen: Screen
    digest: bytes
    mailed: bool


def _asking(asked: Asked, vendor: str | None) -> _Asking:
    client, her = _client(asked), vault()
    known = asking.vendors(her)
    tied = _tied(known, vendor) if vendor else asking.match_vendor(her, client.client_id, client.name)
    with server().main.reading() as session:
        made = asking.offer(session, her, asked, client, tied)
        shown = made.previews(session, her)
        offered = denials.offered(session, her, asked)
        mailed = mail.reaches(session, server(), her.owner_id)
    present = asking.present_grant(her, client)
    html = screen_html(
        made,
        client,
        tied,
        shown,
        vendors=known,
        present=present,
        changes=changes(present.terms, made.details, _latest(asked)) if present else [],
        offered=offered,
        lost=her.lost,
    )
    screen = Screen(html.encode(), language())
    digest = made.digest((each for preview in shown for each in preview.shown), screen)
    return _Asking(client, tied, sum(len(preview.shown) for preview in shown), screen, digest, mailed)


def screen_html(offer: Offer, client: Client, vendor: Stored | None, shown: list[Preview], **hers: object) -> str:
    """What the screen asks. `hers` is what stands in her vault: `vendors`, `present` (a grant), `lost` (changes).

    And `changes` to what is present, and whether she has `offered` as much.
    """
    return render_template(
        "asked.html",
        offer=offer,
        client=client,
        vendor=vendor,
        previews=shown,
        data_of=asking.data_of,
        most=MOST_SHOWN,
        days=durations(offer.asked.details.every[0].duration),
        often=how_often(offer.whole),
        until=day_in,
        purposes=PURPOSES,
        dangerous=DANGEROUS,
        kinds=classes_of,
        paths=collection_paths,
        **hers,
    )


def _screen(asked: Asked, vendor: str | None, *, said: str = "", status: int = 200) -> Response:
    made = _asking(asked, vendor)
    return _form_page(
        asked,
        "consent.html",
        status,
        client=made.client,
        vendor=made.tied,
        screen=Markup(made.screen.html.decode()),  # noqa: S704 - our own template, escaped where it prints
        digest=made.digest.hex(),
        many=made.count if made.count > MANY else 0,
        mailed=made.mailed,
        said=said,
    )


def _tied(known: list[Stored], vendor: str) -> Stored | None:
    if vendor == "0":
        return None
    for stored in known:
        if str(stored.number) == vendor:
            return stored
    raise NotFound
