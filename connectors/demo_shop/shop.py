"""The Bookshop's app: who it is to a vault, and the rules that every page keeps."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from flask import Flask, Response, abort, request
from joserfc.jwk import ECKey

from connectors.demo_shop import hearing, pages
from connectors.vendor_client import Client, is_loopback, new_key, public_jwks

# A form's answer may send the browser on only to what `form-action` names, and which vault the visitor will type is
# not known when the page is made: so, exactly those addresses that the client accepts as a vault's.
FORM_ACTION = "form-action 'self' https: http://localhost:* http://*.localhost:* http://127.0.0.1:*"
POLICY = f"default-src 'none'; style-src 'self'; img-src 'self'; {FORM_ACTION}; base-uri 'none'; frame-ancestors 'none'"


def create_shop(
    address: str,
    clock: Callable[[], datetime] | None = None,
    *,
    key: ECKey | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Flask:
    """The shop as it stands at `address` (`http://shop.localhost:8401`); ValueError if that is not on loopback.

    `clock` gives aware datetimes. Give `key` to be known again after a restart. `transport` is the client's.
    """
    address = address.rstrip("/")
    url = httpx.URL(address)
    if url.scheme != "http" or url.path != "/" or not is_loopback(url.host):
        raise ValueError(f"The demo shop lives on this computer only, not at {address}.")
    clock = clock or (lambda: datetime.now(UTC))
    client = Client(f"{address}/client.json", f"{address}/callback", key or new_key(), clock, transport)
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME="bookshop",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        MAX_CONTENT_LENGTH=8 * 1024,
        TRUSTED_HOSTS=[url.host, "localhost", "127.0.0.1"],
    )
    app.before_request(_only_our_own_forms)
    app.after_request(_close_the_page)
    _known(app, client, address)
    pages.open_the_shop(app, client)
    app.register_blueprint(hearing.ear)
    return app


def _known(app: Flask, client: Client, address: str) -> None:
    """What a vault reads to know who is asking."""

    @app.get("/client.json")
    def client_json() -> dict[str, Any]:
        return client.document(
            "Bookshop",
            jwks_uri=f"{address}/jwks.json",
            client_uri=f"{address}/",
            notice_endpoint=f"{address}/notices",
        )

    @app.get("/jwks.json")
    def jwks_json() -> dict[str, Any]:
        return dict(public_jwks(client.key))


def _only_our_own_forms() -> None:
    """A form on another page must not act here in a visitor's name."""
    if request.method != "POST":
        return
    own = request.host_url.rstrip("/")
    if request.headers.get("Origin", own) != own or request.headers.get("Sec-Fetch-Site", "none") == "cross-site":
        abort(403)


def _close_the_page(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "public, max-age=300" if request.endpoint == "static" else "no-store"
    return response
