"""Mails to her notice address about what others can see. They name nobody and nothing: mail is open to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault import mail

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from vault.server import Server


def given(session: Session, server: Server, owner: bytes, link: str) -> None:
    """She has let somebody see something. `link` is an address that stops it."""
    say = mail.speaker(session, server, owner)
    text = (
        say("You have just let somebody see something in your vault.")
        + "\n\n"
        + say("To pause or stop it, at any time, without unlocking anything:")
        + f"\n{link}\n\n"
        + say("What everybody can see:")
        + f" {server.settings.issuer}/sharing\n"
    )
    mail.queue(session, server, owner, say("You let somebody see something in your vault"), text)


def lessened(session: Session, server: Server, owner: bytes) -> None:
    """Something was narrowed or is to end sooner."""
    say = mail.speaker(session, server, owner)
    text = say("Somebody can now see less of your vault, or for a shorter time.") + "\n\n"
    text += _look(server, say("The receipt is here:"), say)
    mail.queue(session, server, owner, say("Somebody can see less in your vault"), text)


def renewed(session: Session, server: Server, owner: bytes) -> None:
    """She has let it go on after an old copy was put back."""
    say = mail.speaker(session, server, owner)
    text = say("You have let somebody go on seeing something in your vault.") + "\n\n"
    text += _look(server, say("The receipt is here:"), say)
    mail.queue(session, server, owner, say("You let somebody see something in your vault"), text)


def ended(session: Session, server: Server, owner: bytes) -> None:
    """Something has ended, by her or by itself."""
    say = mail.speaker(session, server, owner)
    text = say("Somebody can no longer see anything in your vault.") + "\n\n"
    text += _look(server, say("Who, and the receipt:"), say)
    mail.queue(session, server, owner, say("Somebody can no longer see your vault"), text)


def reminder(session: Session, server: Server, owner: bytes) -> None:
    """Something has been visible for another ninety days (the data standards of Australia's CDR ask for this)."""
    say = mail.speaker(session, server, owner)
    text = say("Somebody can still see something in your vault. You allowed it some months ago.") + "\n\n"
    text += _look(server, say("Who and what, and how to stop it:"), say)
    mail.queue(session, server, owner, say("Somebody can still see something in your vault"), text)


def digest(session: Session, server: Server, owner: bytes, number: int, head: bytes) -> None:
    """There were calls in the last week. The head of her log is a witness that nobody at the server can change."""
    say = mail.speaker(session, server, owner)
    text = say("In the last week somebody came to your vault with what you allowed it, and looked or was refused.")
    text += "\n\n" + say("Who and what:") + f" {server.settings.issuer}/activity\n\n"
    if number:
        text += say("If you keep this mail, this line tells later whether anything was changed in your access log:")
        text += f"\n{number}:{head.hex()}\n\n"
    text += _look(server, say("Who can see what:"), say)
    mail.queue(session, server, owner, say("Somebody came to your vault this week"), text)


def first_look(session: Session, server: Server, owner: bytes) -> None:
    """A vendor has come for the first time to what it was given."""
    say = mail.speaker(session, server, owner)
    text = say("Somebody has begun to use what you allowed it in your vault.") + "\n\n"
    text += say("What it looked at:") + f" {server.settings.issuer}/activity\n\n"
    text += _look(server, say("Who and what:"), say)
    mail.queue(session, server, owner, say("Somebody has looked into your vault"), text)


def unusual(session: Session, server: Server, owner: bytes) -> None:
    """Somebody came with a vendor's token and could not prove that it was the vendor."""
    say = mail.speaker(session, server, owner)
    text = say(
        "Somebody came to your vault with a vendor's token and could not prove that it was that vendor. It saw "
        "nothing. The vendor's program may be faulty; or somebody else has its token."
    )
    text += "\n\n" + say("What happened:") + f" {server.settings.issuer}/activity?outcome=refused\n\n"
    text += _look(server, say("Who and what:"), say)
    mail.queue(session, server, owner, say("Something unusual at your vault"), text)


def _look(server: Server, words: str, say: Callable[[str], str]) -> str:
    stop = say("To stop it without unlocking:")
    return f"{words} {server.settings.issuer}/sharing\n\n{stop} {server.settings.issuer}/stop\n"
