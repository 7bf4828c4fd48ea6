"""For whoever watches over the process: is it there, and can it work? Which part cannot is said, and nothing more."""

from __future__ import annotations

import shutil
import time
from threading import Lock
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from vault.dangers import RELEASED, SLACK
from vault.db import Database
from vault.embedded import BALLAST
from vault.errors import VaultError
from vault.instances import instance_if_readable
from vault.migrations import up_to_date
from vault.models import Instance
from vault.pages.session import server
from vault.server import FORMAT

if TYPE_CHECKING:
    from vault.server import Server

pages = Blueprint("health", __name__)
KEPT = 1.0  # seconds an answer is given again: asking writes, and anybody may ask


@pages.get("/livez")
def livez() -> Response:
    """The process answers. Touches no database."""
    return Response("ok\n", mimetype="text/plain")


@pages.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Every part this program works with, by name. 200, or 503."""
    parts = current_app.extensions.setdefault("vrm.readiness", Readiness(server())).parts()
    ready = all(parts.values())
    return jsonify({"ready": ready, **parts}), 200 if ready else 503


class Readiness:
    """What a process knows of its parts, looked at no more than once a second. One per application."""

    def __init__(self, server: Server) -> None:
        self._server, self._lock, self._latest = server, Lock(), server.now
        self._parts: dict[str, bool] = {}
        self._until = 0.0

    def parts(self) -> dict[str, bool]:
        """Whether each works: the databases, room on their disks, their tables, one instance of all, the clock."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._parts = self._look()
                self._until = time.monotonic() + KEPT
            return self._parts

    def _look(self) -> dict[str, bool]:
        running = self._server
        databases = {"main": running.main, "keystore": running.keystore.database, "log": running.log}
        self._latest = max(self._latest, running.now)
        return {
            **{name: _writable(database) for name, database in databases.items()},
            "disk": all(_has_room(database) for database in databases.values()),
            "tables": all(_fits(name, database) for name, database in databases.items()),
            "instance": _belong_together(databases),
            "clock": running.now >= max(RELEASED, self._latest - SLACK),
        }


def _writable(database: Database) -> bool:
    try:
        with database.transaction():
            return True
    except (SQLAlchemyError, OSError, VaultError):
        return False


def _has_room(database: Database) -> bool:
    """A disk that holds less than the ballast keeps nothing new; a server's disk is its own business."""
    return database.engine.dialect.name != "sqlite" or shutil.disk_usage(database.file.parent).free >= BALLAST


def _fits(name: str, database: Database) -> bool:
    try:
        here = up_to_date("keys" if name == "keystore" else name, database)
        with database.reading() as session:
            return here and (name != "main" or session.scalar(select(Instance.format)) == FORMAT)
    except (SQLAlchemyError, VaultError):
        return False


def _belong_together(databases: dict[str, Database]) -> bool:
    ids = {instance_if_readable(database) for database in databases.values()}
    return len(ids) == 1 and None not in ids
