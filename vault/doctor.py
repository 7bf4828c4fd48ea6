"""What would break a promise here, and what could be better. Sentences for whoever runs the server."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vault.db import BALLAST

if TYPE_CHECKING:
    from vault.server import Server


def dangers(server: Server) -> Iterator[str]:
    """What must be mended before serving."""
    for database in server.databases:
        mode = stat.S_IMODE(database.file.stat().st_mode)
        if mode & 0o077:
            yield f"Others on this machine can read {database.file}: set its mode to 600."
        with database.engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None  # noqa: S101 - the pool always hands out a connection
            if raw.execute("PRAGMA synchronous").fetchone()[0] < 2:
                yield f"{database.file} does not survive a power cut: synchronous must be FULL."
            if raw.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                yield f"{database.file} is damaged: put a backup back."
    if server.keystore.database.file.parent == server.main.file.parent:
        yield "The keystore lies in the same directory as the database, so every backup would hold both."
    for room in server.rooms:
        yield from room.checks(server)


def advice(server: Server) -> Iterator[str]:
    """What is not dangerous but could be better."""
    for database in server.databases:
        if shutil.disk_usage(database.file.parent).free < 4 * BALLAST:
            yield f"The disk of {database.file.parent} is nearly full."
        if not database.ballast.exists():
            yield f"There is no ballast file in {database.file.parent}; `vrm serve` makes it."
    if server.settings.smtp_url is None:
        yield "VRM_SMTP_URL is not set: nobody is mailed the links that stop sharing."
    if server.settings.sign_up == "open":
        yield "VRM_SIGN_UP is open: anybody who reaches this server can set up a vault on it."
    if server.settings.sandbox:
        yield "VRM_SANDBOX is on: anybody who reaches this server can be its made-up person and see what she is asked."
    if server.settings.secure and server.settings.proxies == 0:
        yield "VRM_ISSUER is https; if a proxy ends TLS in front of this server, VRM_PROXIES must count it."
