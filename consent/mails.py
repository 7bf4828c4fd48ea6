"""Mails to her notice address about what others can see. They name nobody and nothing: mail is open to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault import mail

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server


def given(session: Session, server: Server, owner: bytes, link: str) -> None:
    """She has let somebody see something. `link` is an address that stops it."""
    text = (
        "You have just let somebody see something in your vault.\n\n"
        "To pause or stop it, at any time, without unlocking anything:\n"
        f"{link}\n\n"
        f"What everybody can see: {server.settings.issuer}/sharing\n"
    )
    mail.queue(session, server, owner, "You let somebody see something in your vault", text)


def lessened(session: Session, server: Server, owner: bytes) -> None:
    """Something was narrowed or is to end sooner."""
    text = "Somebody can now see less of your vault, or for a shorter time.\n\n" + _look(server, "The receipt is here")
    mail.queue(session, server, owner, "Somebody can see less in your vault", text)


def renewed(session: Session, server: Server, owner: bytes) -> None:
    """She has let it go on after an old copy was put back."""
    text = "You have let somebody go on seeing something in your vault.\n\n" + _look(server, "The receipt is here")
    mail.queue(session, server, owner, "You let somebody see something in your vault", text)


def ended(session: Session, server: Server, owner: bytes) -> None:
    """Something has ended, by her or by itself."""
    text = "Somebody can no longer see anything in your vault.\n\n" + _look(server, "Who, and the receipt")
    mail.queue(session, server, owner, "Somebody can no longer see your vault", text)


def reminder(session: Session, server: Server, owner: bytes) -> None:
    """Something has been visible for another ninety days (the data standards of Australia's CDR ask for this)."""
    text = "Somebody can still see something in your vault. You allowed it some months ago.\n\n"
    text += _look(server, "Who and what, and how to stop it")
    mail.queue(session, server, owner, "Somebody can still see something in your vault", text)


def digest(session: Session, server: Server, owner: bytes, number: int, head: bytes) -> None:
    """There were calls in the last week. The head of her log is a witness that nobody at the server can change."""
    text = "In the last week somebody used what you allowed it in your vault.\n\n"
    text += f"Who, and what: {server.settings.issuer}/activity\n\n"
    if number:
        text += "If you keep this mail, this line tells later whether anything was changed in your access log:\n"
        text += f"{number}:{head.hex()}\n\n"
    mail.queue(session, server, owner, "Your vault was looked into this week", text + _look(server, "Who can see what"))


def first_look(session: Session, server: Server, owner: bytes) -> None:
    """A vendor has come for the first time to what it was given."""
    text = "Somebody has begun to use what you allowed it in your vault.\n\n"
    text += f"What it looked at: {server.settings.issuer}/activity\n\n" + _look(server, "Who and what")
    mail.queue(session, server, owner, "Somebody has looked into your vault", text)


def unusual(session: Session, server: Server, owner: bytes) -> None:
    """Somebody came with a vendor's token and could not prove that it was the vendor."""
    text = (
        "Somebody came to your vault with a vendor's token and could not prove that it was that vendor. It saw "
        "nothing. The vendor's program may be faulty; or somebody else has its token.\n\n"
        f"What happened: {server.settings.issuer}/activity?outcome=refused\n\n"
    )
    mail.queue(session, server, owner, "Something unusual at your vault", text + _look(server, "Who and what"))


def _look(server: Server, words: str) -> str:
    return f"{words}: {server.settings.issuer}/sharing\n\nTo stop it without unlocking: {server.settings.issuer}/stop\n"
