"""In which language a request is answered, and the switch on pages that stand outside the menu.

`chosen` alone decides. The switch posts: a language in the address would let a vendor's link choose in which one she is
shown what it asks for.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, g, make_response, redirect, request
from flask_babel import Babel, Domain, get_locale

from vault import languages
from vault.errors import NotFound
from vault.pages.session import cookie_name, safe_next, server

pages = Blueprint("language", __name__)

COOKIE = "language"
YEAR = 365 * 86_400


class Spoken(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """The words of the language of this request."""

    def get_translations(self) -> object:
        """As Flask-Babel asks for them, in a request and outside."""
        found = get_locale()
        return languages.words(found.language if found else languages.SOURCE)


def install(app: Flask) -> None:
    """Give pages their language."""
    babel = Babel(app, default_locale=languages.SOURCE, locale_selector=chosen)
    babel.domain_instance = Spoken()
    app.jinja_env.globals["language_switch"] = switch
    app.after_request(_remember)


def chosen() -> str:
    """The language of this request: hers, this browser's by choice, the best that it asks for, or English."""
    return (
        hers()
        or languages.known(request.cookies.get(cookie_name(COOKIE)))
        or languages.preferred(tag for tag, quality in request.accept_languages if quality > 0)
        or languages.SOURCE
    )


def hers() -> str:
    """The setting `language` of the vault that this request has opened; empty if there is neither."""
    vault = g.get("vault")
    return languages.known(vault.settings.get("language")) if vault is not None else ""


def switch() -> dict[str, str]:
    """The languages to choose from on this page, by code; none where her own setting has decided or a form answered."""
    return {} if hers() or request.method != "GET" else languages.LANGUAGES


@pages.post("/language")
def choose() -> Response:
    """Keep the choice in this browser, and go back."""
    code = languages.known(request.form.get("language"))
    if not code:
        raise NotFound
    return keep(make_response(redirect(safe_next(request.form.get("next")), 303)), code)


def keep(response: Response, code: str) -> Response:
    """Let this browser remember a language; it says nothing else and opens nothing."""
    name, secure = cookie_name(COOKIE), server().settings.secure
    response.set_cookie(name, code, max_age=YEAR, httponly=True, samesite="Lax", secure=secure, path="/")
    return response


def _remember(response: Response) -> Response:
    """Her own setting goes on holding where the vault is closed."""
    code = hers()
    if code and request.cookies.get(cookie_name(COOKIE)) != code:
        keep(response, code)
    return response
