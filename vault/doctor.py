"""What would break a promise here, and what could be better. Sentences for whoever runs the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.dangers import Finding, judged
from vault.errors import Unsafe
from vault.facts import gathered

if TYPE_CHECKING:
    from vault.server import Server


def findings(server: Server) -> list[Finding]:
    """Everything that is wrong here, for each room too."""
    return [*judged(gathered(server)), *(found for room in server.rooms for found in room.checks(server))]


def dangers(server: Server) -> list[str]:
    """What must be mended before serving."""
    return [found.sentence for found in findings(server) if found.weight == "fatal"]


def advice(server: Server) -> list[str]:
    """What should be mended or could be better, and keeps nobody from serving."""
    return [found.sentence for found in findings(server) if found.weight != "fatal"]


def refuse(server: Server) -> list[Finding]:
    """Raise Unsafe for what must be mended before anybody is served; returns what does not hinder that."""
    found = findings(server)
    fatal = [each.sentence for each in found if each.weight == "fatal"]
    if fatal:
        raise Unsafe("\n".join(fatal))
    return found
