"""For whoever watches over the process: is it there, and can it work?"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from vault.db import Database
from vault.migrations import up_to_date
from vault.models import Instance, KeystoreInstance, LogInstance
from vault.pages.session import server
from vault.server import FORMAT

pages = Blueprint("health", __name__)


@pages.get("/livez")
def livez() -> Response:
    """The process answers. Touches no database."""
    return Response("ok\n", mimetype="text/plain")


@pages.get("/readyz")
def readyz() -> tuple[Response, int]:
    """The three databases answer, main takes writes and has the tables this program knows. 200, or 503."""
    running = server()
    checks = {
        "main": _answers(running.main, Instance),
        "log": _answers(running.log, LogInstance),
        "keystore": _answers(running.keystore.database, KeystoreInstance),
        "writable": _writable(running.main),
        "format": _known_format(running.main),
    }
    ready = all(checks.values())
    return jsonify({"ready": ready, **checks}), 200 if ready else 503


def _answers(database: Database, row: type[Instance | LogInstance | KeystoreInstance]) -> bool:
    try:
        with database.reading() as session:
            return session.scalar(select(row.id)) is not None
    except SQLAlchemyError:
        return False


def _writable(database: Database) -> bool:
    try:
        with database.transaction():
            return True
    except (SQLAlchemyError, OSError):
        return False


def _known_format(database: Database) -> bool:
    try:
        with database.reading() as session:
            return session.scalar(select(Instance.format)) == FORMAT and up_to_date("main", database)
    except SQLAlchemyError:
        return False
