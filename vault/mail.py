"""Mail to the owner's notice address, in her language: her address and a revocation string, nothing else of hers."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Mapping
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import make_msgid, parseaddr
from smtplib import SMTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from vault import crypto, languages
from vault.errors import N_
from vault.logs import log

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
TIMEOUT = 20  # seconds
_NOT_SENT = (OSError, SMTPException)
_NOT_MADE = (MessageError, ValueError, AttributeError, TypeError, LookupError)  # of an odd address, or an odd setting

WAYS_SUBJECT = N_("What opens your vault was changed")
WAYS_TEXT = N_(
    "The passphrase, a passkey or the recovery kit of your vault was changed, from an open vault. If it was you, there "
    "is nothing to do. If it was not you, unlock the vault, end the other sessions, and change the passphrase:\n\n"
    "%(address)s\n"
)


def seal_notice(server: Server, owner: bytes, address: str | None, language: str = languages.SOURCE) -> bytes | None:
    """Her notice address, and the language of her mails, as a box the server can open while she is away."""
    if not address:
        return None
    text = address if language == languages.SOURCE else f"{address}\n{language}"
    return crypto.seal(server.keys.seal, crypto.identity("vrm/1/notice", owner), crypto.pad(text.encode()))


def open_notice(server: Server, owner: bytes, box: bytes | None) -> str | None:
    """The address in it, if there is one."""
    return _opened(server, owner, box)[0] if box is not None else None


def notice_or_nothing(server: Server, owner: bytes, box: bytes | None) -> tuple[str | None, str]:
    """Address and language of her mails. A damaged box names nobody: nothing of hers waits for a mail."""
    try:
        return _opened(server, owner, box) if box is not None else (None, languages.SOURCE)
    except crypto.Damaged:
        return None, languages.SOURCE


def speaker(session: Session, server: Server, owner: bytes) -> Callable[[str], str]:
    """What says a marked sentence in the language of her mails; in English if her address was tampered with.

    What is to be told has happened already, or is about to end something: no damage in an address may hinder that.
    """
    from vault.models import Owner

    return languages.words(notice_or_nothing(server, owner, session.get_one(Owner, owner).notice_box)[1]).gettext


def change_language(session: Session, server: Server, owner: bytes, language: str) -> None:
    """Her mails in another language from now on, if she has left an address."""
    from vault.models import Owner

    found = session.get_one(Owner, owner)
    address, _ = notice_or_nothing(server, owner, found.notice_box)
    if address is not None:
        found.notice_box = seal_notice(server, owner, address, language)


def _opened(server: Server, owner: bytes, box: bytes) -> tuple[str, str]:
    text = crypto.open_box(server.keys.seal, crypto.identity("vrm/1/notice", owner), box).decode().strip()
    address, _, language = text.partition("\n")
    return address, language or languages.SOURCE


def reaches(session: Session, server: Server, owner: bytes) -> bool:
    """Did she leave an address, and can the server send at all?"""
    from vault.models import Owner

    return session.get_one(Owner, owner).notice_box is not None and bool(server.settings.smtp_url)


def queue(session: Session, server: Server, owner: bytes, subject: str, text: str) -> None:
    """Send her a mail after this transaction, if one reaches her."""
    from vault.jobs import enqueue

    if reaches(session, server, owner):
        enqueue(session, server, owner, "mail", {"subject": subject, "text": text})


def queue_ways_changed(session: Session, server: Server, owner: bytes) -> None:
    """Tell her that there is another way in, or one less, after this transaction."""
    say = speaker(session, server, owner)
    queue(session, server, owner, say(WAYS_SUBJECT), say(WAYS_TEXT) % {"address": server.settings.issuer})


def queue_to(session: Session, server: Server, owner: bytes, address: str, subject: str, text: str) -> None:
    """The same to an address that is about to be hers for notices, or no longer is."""
    from vault.jobs import enqueue

    if server.settings.smtp_url:
        enqueue(session, server, owner, "mail", {"subject": subject, "text": text, "to": address})


def deliver(server: Server, owner: bytes, payload: Mapping[str, Any]) -> bool:
    """The job: one SMTP delivery. False means try again later."""
    from vault.models import Owner

    with server.main.reading() as session:
        found = session.get(Owner, owner)
        address = payload.get("to") or (open_notice(server, owner, found.notice_box) if found else None)
    return address is None or send(server, address, payload["subject"], payload["text"])


def send(server: Server, address: str, subject: str, text: str) -> bool:
    """Try once. False means that it may work later."""
    if not server.settings.smtp_url:
        return False
    try:
        _send(server.settings.smtp_url, _message(server, address, subject, text))
    except (*_NOT_SENT, *_NOT_MADE) as error:
        log.warning("mail_not_sent", reason=type(error).__name__)
        return False
    return True


def _message(server: Server, address: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    sender = server.settings.mail_from
    message["From"], message["To"], message["Subject"] = sender, address, subject
    message["Date"] = server.clock()
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])  # and not this machine's name
    message.set_content(text)
    return message


def _send(url: str, message: EmailMessage) -> None:
    """By `smtps` and `smtp+starttls` to nobody but the host that its certificate names; by `smtp` as it comes."""
    parts = urlsplit(url)
    verified = ssl.create_default_context()
    host, port = parts.hostname or "localhost", parts.port or PORTS[parts.scheme]
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=verified)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    with server:
        server.ehlo_or_helo_if_needed()  # before that nothing is known to be offered
        if parts.scheme == "smtp+starttls":
            server.starttls(context=verified)  # which fails where it is not offered
        elif parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls()
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
