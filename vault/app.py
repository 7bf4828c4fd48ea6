"""The composition root: three rooms, loaded by name, become one web application."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from flask import Flask, g
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from vault.bodies import in_turn
from vault.logs import configure, log
from vault.rooms import Nav, Room
from vault.server import Server, start
from vault.settings import Settings, from_environment

ROOMS = ("vault", "consent", "connectors")


class Number(IntegerConverter):
    """A number in an address. One that no database could hold is the number of nothing."""

    regex = "[0-9]{1,18}"


def load_rooms() -> tuple[Room, ...]:
    """The rooms in their order."""
    return tuple(import_module(f"{name}.room").ROOM for name in ROOMS)


def build(settings: Settings, *, migrate: bool = True) -> Server:
    """A running server with all rooms. What is loaded by now stays, so no garbage collection looks at it again."""
    server = start(settings, load_rooms(), migrate=migrate)
    gc.collect()
    gc.freeze()
    return server


def create_app(server: Server) -> Flask:
    """The pages and the vendors' API of one server."""
    from vault.pages import assets, errors, guard, language, session, shown
    from vault.pages.again import Application

    app = Application("vault.pages", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=1 << 20, MAX_FORM_MEMORY_SIZE=1 << 20, MAX_FORM_PARTS=500)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    app.extensions["vrm"] = server
    app.url_map.converters["int"] = Number
    app.jinja_options = {"extensions": ["jinja2.ext.i18n", "jinja2.ext.do"], "trim_blocks": True, "lstrip_blocks": True}
    language.install(app)
    for room in server.rooms:
        for blueprint in room.pages(server):
            app.register_blueprint(blueprint)
    assets.install(app)
    session.install(app)
    shown.install(app)
    errors.install(app)
    app.context_processor(lambda: {"nav": session.reachable(_nav(server.rooms)), "panel": _panels(server)})
    app.context_processor(lambda: {"sandbox": session.in_sandbox()})
    for room in server.rooms:
        if room.before is not None:
            app.wsgi_app = room.before(server, app.wsgi_app)  # type: ignore[assignment, method-assign]
    app.wsgi_app = in_turn(app.wsgi_app)  # type: ignore[assignment, method-assign]
    if server.settings.proxies:
        hops = server.settings.proxies  # of what they say only who calls is believed: nothing else is asked for
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=0)  # type: ignore[method-assign]
    guard.install(app, secure=server.settings.secure)
    return app


def create() -> Flask:
    """What the web server serves: settings from the environment, the worker beside it."""
    from vault import metrics
    from vault.worker import begin

    configure()
    server = build(from_environment(), migrate=False)  # `vrm serve` has just done that
    app = create_app(server)
    begin(server)
    metrics.begin(server)
    log.info("serving", issuer=server.settings.issuer)
    return app


def _nav(rooms: Sequence[Room]) -> list[Nav]:
    return sorted((entry for room in rooms for entry in room.nav), key=lambda entry: entry.place)


def _panels(server: Server) -> Callable[[str, Any], list[Any]]:
    """For templates: every room's fragment for a place on this page."""

    def panel(place: str, subject: Any = None) -> list[Any]:
        vault = getattr(g, "vault", None)
        found = [room.panel(place, vault, subject) for room in server.rooms if room.panel is not None]
        return [fragment for fragment in found if fragment]

    return panel
