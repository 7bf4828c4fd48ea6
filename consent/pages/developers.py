"""For whoever builds a vendor's side: a quick start, the reference, every problem, a preview of one's consent screen.

Public, and about nobody: nothing here opens a vault, and nothing is kept of what is typed.
"""

from __future__ import annotations

import orjson
from flask import Blueprint, Response, make_response, render_template, request
from flask_babel import force_locale, gettext
from markupsafe import Markup

from consent import asking, examples, reference
from consent.api import described
from consent.asking import Offer
from consent.client_documents import Client
from consent.details import BadDetails
from consent.oauth.messages import MOST_BYTES
from consent.oauth.metadata import OPENAPI
from consent.pages.authorize import screen_html
from consent.problems import PROBLEMS
from consent.pushed import Asked
from vault.collections.vendors import Vendor
from vault.errors import NotFound
from vault.languages import LANGUAGES
from vault.pages.session import server
from vault.pages.shown import locale, today
from vault.stored import Stored

pages = Blueprint("developers", __name__, template_folder="../templates")

HERE = "http://localhost:8400"  # where `make demo` puts the vault
EXAMPLE = [
    {
        "type": "vault_data",
        "collection": "purchases",
        "fields": ["item", "bought_on"],
        "optional_fields": ["price", "rating"],
        "filter": {"vendor": "this"},
        "purpose": "ProvideProductRecommendations",
        "why": "So that we never recommend a book you already have.",
        "without": "You buy here as before, with no recommendations.",
        "duration": "P90D",
    }
]


@pages.get("/developers")
def developers() -> str:
    """A quick start, and the way to everything else."""
    loopback = server().settings.loopback
    issuer = server().settings.issuer if loopback else HERE
    return render_template(
        "developers.html",
        program=render_template("quick_start.txt", issuer=issuer),
        in_javascript=render_template("quick_start_js.txt", issuer=issuer),
        issuer=issuer,
        loopback=loopback,
        openapi=OPENAPI,
        with_sandbox=server().settings.sandbox,
    )


@pages.get("/developers/reference")
def all_calls() -> str:
    """Every call and every schema of the OpenAPI document."""
    document = described(server().settings.issuer)
    calls = list(reference.operations(document))
    schemas = {name: reference.members(shape) for name, shape in document["components"]["schemas"].items()}
    return render_template("reference.html", document=document, calls=calls, schemas=schemas, openapi=OPENAPI)


@pages.get("/problems")
def problems() -> str:
    """All of them."""
    return render_template("problems.html", problems=PROBLEMS)


@pages.get("/problems/<code>")
def problem(code: str) -> str:
    """What the `type` of a problem leads to."""
    for known, found in PROBLEMS.items():
        if known == code:
            return render_template("problem.html", code=known, problem=found)
    raise NotFound


@pages.get("/developers/preview")
def ask() -> str:
    """Where `authorization_details` are pasted. `?language=pl` chooses the language of the screen beforehand."""
    example = orjson.dumps(EXAMPLE, option=orjson.OPT_INDENT_2).decode()
    chosen = request.args.get("language", "")
    return _form(example, chosen=chosen if chosen in LANGUAGES else "")


@pages.post("/developers/preview")
def preview() -> Response:
    """The consent screen for them, with made-up records."""
    request.max_content_length = MOST_BYTES
    typed, chosen = request.form.get("details", ""), request.values.get("language", "")
    name = request.form.get("name", "").strip()[:80] or gettext("Your shop")
    try:
        offer = _offer(typed, name)
    except BadDetails as error:
        return make_response(_form(typed, name, chosen, error.detail), error.status)
    with force_locale(chosen if chosen in LANGUAGES else locale().language):
        shown = examples.previews(offer.whole, offer.details.items, today(), gettext)
        html = screen_html(
            offer, _client(name), _vendor(name), shown, vendors=(), present=None, lost=0, changes=(), offered=False
        )
        asked = Markup(html)  # noqa: S704 - our own template, escaped where it prints
        return make_response(render_template("preview.html", asked=asked, name=name))


def _form(typed: str, name: str = "", chosen: str = "", refused: str = "") -> str:
    return render_template(
        "preview_form.html",
        typed=typed,
        name=name,
        chosen=chosen or locale().language,
        languages=list(LANGUAGES.items()),
        refused=refused,
    )


def _offer(typed: str, name: str) -> Offer:
    """What could be given to a vendor of whom nothing is known. Raises BadDetails."""
    asked = Asked({"client_id": _client(name).client_id, "authorization_details": typed}, None, b"")
    return asking.offer_after(asked, _client(name), _vendor(name), ())


def _client(name: str) -> Client:
    return Client("https://shop.example/client.json", name, (), {})


def _vendor(name: str) -> Stored:
    return Stored(examples.VENDOR, 0, Vendor, {"called": name}, {})
