"""The browser's session: its cookie, who may post, and what happens before and after every page."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for

from vault import sandbox, sessions
from vault.crypto import random_bytes
from vault.errors import Locked
from vault.logs import answered
from vault.opened import OpenVault
from vault.rooms import Nav
from vault.server import Server
from vault.settings import is_loopback
from vault.turn import settle

P = ParamSpec("P")
R = TypeVar("R")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def server() -> Server:
    """The server of this application."""
    return cast(Server, current_app.extensions["vrm"])


def install(app: Flask) -> None:
    """Hook into every request."""
    app.before_request(_begin)
    app.after_request(_settle)
    app.teardown_request(_note)


def cookie_name(of: str = "vault") -> str:
    """`__Host-` wherever TLS is; browsers refuse that prefix on plain http, which is for this machine only."""
    return f"__Host-{of}" if server().settings.secure else of


def keep(response: Response, string: str) -> Response:
    """Give the browser its session string."""
    response.set_cookie(cookie_name(), string, httponly=True, samesite="Lax", secure=server().settings.secure, path="/")
    return response


def drop(response: Response) -> Response:
    """Take the session string back, with whatever the browser may have kept."""
    response.delete_cookie(cookie_name(), path="/", secure=server().settings.secure, httponly=True, samesite="Lax")
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def vault() -> OpenVault:
    """The open vault of this request. Raises Locked."""
    found = peek()
    if found is None:
        raise Locked
    return found


def peek() -> OpenVault | None:
    """The open vault of this request, or None."""
    if "vault" not in g:
        string = request.cookies.get(cookie_name())
        try:
            g.vault = _fit(sessions.open_session(server(), string)) if string else None
        except Locked:
            g.vault = None
    return cast("OpenVault | None", g.vault)


def for_sandbox(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a page as one that the made-up owner of a sandbox has too. Every other page is closed to her session."""
    view.for_sandbox = True  # type: ignore[attr-defined]  # a function takes any attribute
    return view


def _fit(found: OpenVault) -> OpenVault:
    """The vault, if this page may have it. Raises Locked."""
    if found.owner_id == sandbox.OWNER and not (server().settings.sandbox and has_sandbox(request.endpoint)):
        raise Locked
    return found


def in_sandbox() -> bool:
    """Is the vault that is open to this page the made-up owner's?"""
    found = g.get("vault")
    return found is not None and found.owner_id == sandbox.OWNER


def reachable(entries: list[Nav]) -> list[Nav]:
    """Of a menu, what this session leads to."""
    return [each for each in entries if has_sandbox(each.endpoint)] if in_sandbox() else entries


def has_sandbox(endpoint: str | None) -> bool:
    """Is the page marked so?"""
    return getattr(current_app.view_functions.get(endpoint or ""), "for_sandbox", False)


def look() -> OpenVault | None:
    """The open vault, without using the session: it ends when it would have ended."""
    string = request.cookies.get(cookie_name())
    try:
        return _fit(sessions.open_session(server(), string, looking=True)) if string else None
    except Locked:
        return None


def proved() -> None:
    """She has just shown that it is she. Raises Locked."""
    g.vault = sessions.prove(vault(), request.cookies.get(cookie_name(), ""))


def unlocked(view: Callable[P, R]) -> Callable[P, R | Response]:
    """For pages behind the lock: leads to the unlock page and back, or first to the recovery kit."""

    @functools.wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        found = peek()
        if found is None:
            back = request.full_path.rstrip("?") if request.method == "GET" else None
            there = url_for("unlock.unlock_page", next=back)
            if "HX-Request" in request.headers:  # part of a page is no place for the closed vault
                return Response(status=200, headers={"HX-Redirect": there})
            return cast(Response, redirect(there, 303))
        if "recovery" in found.settings and request.endpoint != "setup.kit":
            return cast(Response, redirect(url_for("setup.kit"), 303))
        return view(*args, **kwargs)

    return wrapped


def safe_next(raw: str | None) -> str:
    """A path of this vault to go back to, or the home page. Never another site."""
    if not raw or not raw.startswith("/") or raw.startswith("//") or "\\" in raw or not raw.isprintable():
        return "/"
    parts = urlsplit(raw)
    return raw if not parts.scheme and not parts.netloc else "/"


def day_in(days: int) -> str:
    """The day so many days from now, ISO 8601."""
    return (server().clock() + timedelta(days=days)).date().isoformat()


def address() -> str:
    """The network address of whoever asks; of IPv6 the network, for each subscriber has 2⁶⁴ addresses (RFC 6177)."""
    told = request.remote_addr or "unknown"
    try:
        known = ip_address(told)
    except ValueError:
        return told
    return str(ip_network((known, 64), strict=False)) if known.version == 6 and not known.ipv4_mapped else told


def _begin() -> None:
    g.began, g.request_id = time.perf_counter(), random_bytes(8).hex()
    if request.method == "HEAD":  # sent across sites as GET is: a page looks, and never takes it for a form
        request.method = "GET"
    if server().settings.loopback and request.endpoint != "static" and not is_loopback(f"http://{request.host}"):
        abort(421)  # a name of somebody else's that leads to this machine, whose pages would be `same-origin`
    if "Transfer-Encoding" in request.headers and request.content_length is None:
        abort(411)  # of a form without a length what is beyond the limit would be cut off, and the rest taken for all
    if not _machine():
        _for_itself()
        if request.method not in SAFE:
            _same_origin()


def _machine() -> bool:
    """Routes for vendors' programs: they carry proofs, not cookies."""
    name = request.blueprint
    return name is not None and getattr(current_app.blueprints[name], "machine", False)


def _for_itself() -> None:
    """Others may lead her here, and no more: of what they load or frame they read nothing, but see how long it takes.

    A page from another port of localhost is `same-site`, so it would be answered with her cookie.
    """
    site, mode, place = (request.headers.get(f"Sec-Fetch-{name}") for name in ("Site", "Mode", "Dest"))
    if site in {"cross-site", "same-site"} and mode is not None and (mode, place) != ("navigate", "document"):
        abort(403)


def _same_origin() -> None:
    """Only this vault's own pages may post. Another port of localhost is `same-site`, and that is not enough."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            abort(403)
        return
    origin = request.headers.get("Origin")
    if origin is not None and origin != server().settings.issuer:
        abort(403)


def _settle(response: Response) -> Response:
    """She is answered only after the floors cover what she is shown."""
    found, g.status = g.get("vault"), response.status_code
    if found is not None:
        settle(server(), found.owner_id)
    return response


def _note(error: BaseException | None) -> None:
    route = request.url_rule.rule if request.url_rule else "-"
    began = g.get("began", time.perf_counter())
    answered(request.method, route, g.get("status", 500), began, g.get("request_id", ""), error)


def step_back(default: str) -> Any:
    """After a form: to where it says, within this vault."""
    return redirect(safe_next(request.form.get("next")) if request.form.get("next") else default, 303)
