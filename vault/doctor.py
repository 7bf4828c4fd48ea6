"""What would break a promise here, and what could be better. Sentences for whoever runs the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vault.settings import together

if TYPE_CHECKING:
    from vault.server import Server


def dangers(server: Server) -> Iterator[str]:
    """What must be mended before serving."""
    for database in server.databases:
        yield from database.kind.dangers()
    if together(server.settings.database_url, server.settings.keystore_url):
        yield "The keystore lies in the same directory as the database, so every backup would hold both."
    for room in server.rooms:
        yield from room.checks(server)


def advice(server: Server) -> Iterator[str]:
    """What is not dangerous but could be better."""
    for database in server.databases:
        yield from database.kind.advice()
    if server.settings.smtp_url is None:
        yield "VRM_SMTP_URL is not set: nobody is mailed the links that stop sharing."
    if server.settings.sign_up == "open":
        yield "VRM_SIGN_UP is open: anybody who reaches this server can set up a vault on it."
    if server.settings.sandbox:
        yield "VRM_SANDBOX is on: anybody who reaches this server can be its made-up person and see what she is asked."
    if server.settings.secure and server.settings.proxies == 0:
        yield "VRM_ISSUER is https; if a proxy ends TLS in front of this server, VRM_PROXIES must count it."
