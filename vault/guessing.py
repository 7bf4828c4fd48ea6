"""Telling her that somebody types wrong passphrases at her vault, at most once a day.

Noted in memory and told by the worker within a minute, or when the process stops: whoever types sees no difference
between a name that there is, with or without an address for notices, and one that there is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault import attempts, handles, mail
from vault.errors import N_

if TYPE_CHECKING:
    from vault.server import Server

MANY = 10  # wrong ones at one name, no right one among them
NAMES = 1000  # noted at once: what strangers make up fills no memory
NOTED = "names that are guessed at"

SUBJECT = N_("Somebody types wrong passphrases at your vault")
TEXT = N_(
    "Wrong passphrases were typed for your vault many times in a row. None of them opened it, and each further try has "
    "to wait. If it was you, there is nothing to do. If it was not you, a good passphrase is not found in this way; "
    "if yours is short, or somebody else knows it, unlock the vault and change it:\n\n"
    "%(address)s\n\n"
    "You are told this at most once a day.\n"
)


def note(server: Server, handle: str) -> None:
    """A wrong passphrase was typed at a name; whether there is such a vault does not matter here."""
    if attempts.tries(server, handle=handle) >= MANY and len(handle) <= handles.LONGEST:
        noted = server.memory.setdefault(NOTED, set())
        if len(noted) < NAMES:
            noted.add(handle)


def tell(server: Server) -> None:
    """The worker's part: mail those who are meant, if they have left an address."""
    for handle in server.memory.pop(NOTED, set()):
        owner = handles.find_owner(server, handle)
        if owner is None:
            continue
        with server.main.transaction() as session:
            if attempts.first_today(session, server, "told of tries", owner.hex()):
                say = mail.speaker(session, server, owner)
                mail.queue(session, server, owner, say(SUBJECT), say(TEXT) % {"address": server.settings.issuer})
