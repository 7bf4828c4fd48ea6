"""The address for notices: a code goes to it, the first one too, and only who reads it there can set it.

Links that stop sharing are mailed to this address, so a slip of the finger would send them to a stranger. The old
address hears of a change. What is asked for waits in her sealed settings; nobody but she can open it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from vault import attempts, choices, crypto, languages, mail
from vault.errors import N_
from vault.models import Owner

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server

WAITING = "notice_next"
MINUTES, TRIES = 60, 5

CODE_SUBJECT = N_("Your code for notices from your vault")
CODE_TEXT = N_(
    "Somebody wants notices of a vault to come to this address. If it was you, type this code on the page Settings:\n\n"
    "%(code)s\n\n"
    "It holds for an hour. If it was not you, do nothing: no notice will come here.\n"
)
OLD_SUBJECT = N_("Notices from your vault go elsewhere now")
OLD_TEXT = N_(
    "The address for notices of your vault was changed, from an open vault. This is the last one that comes here. If "
    "it was not you, unlock the vault, end the other sessions, and set the address again:\n\n"
    "%(address)s\n"
)


def present(vault: OpenVault) -> str | None:
    """Where her notices go. Raises crypto.Damaged."""
    with vault.server.main.reading() as session:
        box = session.scalar(select(Owner.notice_box).where(Owner.owner_id == vault.owner_id))
    return mail.open_notice(vault.server, vault.owner_id, box)


def waiting(vault: OpenVault) -> str:
    """The address that a code has been sent to, while it holds; empty for none."""
    asked = vault.settings.get(WAITING, {})
    return str(asked["address"]) if asked and asked["until"] > vault.server.now else ""


def ask(vault: OpenVault, address: str, language: str) -> None:
    """Send a code to a new address, for mails in `language`. The one before goes on until the code is typed.

    Raises TooManyTries.
    """
    attempts.admit(vault.server, code=vault.owner_id.hex())
    asked = asked_for(address, language, vault.server.now)
    with vault.server.main.transaction() as session:
        choices.change(session, vault, lambda settings: settings.update({WAITING: asked}))
        send_code(session, vault.server, vault.owner_id, asked)


def asked_for(address: str, language: str, now: int) -> dict[str, Any]:
    """What waits in her settings for the code to be typed."""
    code = f"{int.from_bytes(crypto.random_bytes(16)) % 10**8:08d}"
    return {"address": address, "code": code, "until": now + MINUTES * 60, "tries": TRIES, "language": language}


def send_code(session: Session, server: Server, owner: bytes, asked: Mapping[str, Any]) -> None:
    """Mail it to the address it is for."""
    say, code = languages.words(asked["language"]).gettext, str(asked["code"])
    text = say(CODE_TEXT) % {"code": f"{code[:4]} {code[4:]}"}
    mail.queue_to(session, server, owner, asked["address"], say(CODE_SUBJECT), text)


def confirm(vault: OpenVault, typed: str) -> bool:
    """Set the new address if this is the code; a wrong one counts, and after five of them another must be asked for."""
    right: list[Mapping[str, Any]] = []

    def try_it(settings: dict[str, Any]) -> None:
        asked = settings.pop(WAITING, None)
        if not asked or asked["until"] <= vault.server.now:
            return
        if crypto.same("".join(typed.split()).encode(), asked["code"].encode()):
            right.append(asked)
        elif asked["tries"] > 1:
            settings[WAITING] = {**asked, "tries": asked["tries"] - 1}

    with vault.server.main.transaction() as session:
        choices.change(session, vault, try_it)
        for asked in right:
            keep(session, vault, asked["address"], asked.get("language", languages.SOURCE))
    return bool(right)


def remove(vault: OpenVault, language: str) -> None:
    """No notices any more, and no code that waits. The last mail is in `language`."""
    with vault.server.main.transaction() as session:
        choices.change(session, vault, lambda settings: settings.pop(WAITING, None))
        keep(session, vault, None, language)


def keep(session: Session, vault: OpenVault, address: str | None, language: str) -> None:
    """Set an address that is known to be hers, for mails in `language` unless she has chosen another for everything."""
    server, owner, hers = vault.server, vault.owner_id, str(vault.settings.get("language") or language)
    old, _ = mail.notice_or_nothing(server, owner, session.get_one(Owner, owner).notice_box)
    box = mail.seal_notice(server, owner, address, hers)
    session.execute(update(Owner).where(Owner.owner_id == owner).values(notice_box=box))
    if old and old != address:
        say = languages.words(hers).gettext
        text = say(OLD_TEXT) % {"address": server.settings.issuer}
        mail.queue_to(session, server, owner, old, say(OLD_SUBJECT), text)
