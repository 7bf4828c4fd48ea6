"""The demo's mailbox: a real mail over a real socket, and the page that shows it."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import httpx
import pytest

from connectors.demo_mail import KEPT, Mailbox, linked

LINK = "http://localhost:8400/r/vrm_stop_c2VjcmV0"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox(viewer_port=0)
    box.start()
    yield box
    box.stop()


def send(mailbox: Mailbox, subject: str, text: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "vault@localhost", "ada@vault.example", subject
    mail.set_content(text)
    url = httpx.URL(mailbox.smtp_url)
    with smtplib.SMTP(url.host, url.port or 25, timeout=5) as server:
        server.send_message(mail)


def test_a_mail_is_kept_and_shown_with_its_link(mailbox: Mailbox) -> None:
    send(mailbox, "Bookshop can see – żółw", f"Stop it at any time ({LINK}).\n<script>alert(1)</script>\n")
    (mail,) = mailbox.messages
    assert (mail.to, mail.subject) == ("ada@vault.example", "Bookshop can see – żółw")
    assert LINK in mail.text
    assert LINK not in repr(mail)
    page = httpx.get(mailbox.address.replace("localhost", "127.0.0.1"), trust_env=False)
    assert f'<a href="{LINK}" rel="noreferrer">{LINK}</a>).' in page.text
    assert "<script" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")


def test_the_newest_mail_stands_first_and_old_ones_go(mailbox: Mailbox) -> None:
    for number in range(KEPT + 2):
        send(mailbox, f"Mail number {number:03}", "Hello.")
    page = mailbox.viewer().test_client().get("/", base_url="http://localhost")
    assert len(mailbox.messages) == KEPT
    assert "Mail number 001" not in page.text
    assert page.text.index("Mail number 101") < page.text.index("Mail number 100")


def test_an_empty_mailbox_says_so() -> None:
    page = Mailbox().viewer().test_client().get("/", base_url="http://localhost")
    assert "No mail yet." in page.text


def test_only_web_addresses_become_links() -> None:
    assert str(linked("javascript:alert(1) & ftp://x")) == "javascript:alert(1) &amp; ftp://x"
    assert str(linked('https://a.example/?b=1&c="')) == (
        '<a href="https://a.example/?b=1&amp;c=" rel="noreferrer">https://a.example/?b=1&amp;c=</a>&#34;'
    )


def test_a_mail_that_lies_about_its_letters_is_still_shown(mailbox: Mailbox) -> None:
    url = httpx.URL(mailbox.smtp_url)
    raw = b"Subject: odd\r\nContent-Type: text/plain; charset=no-such\r\n\r\nHello \xff there\r\n"
    with smtplib.SMTP(url.host, url.port or 25, timeout=5) as server:
        server.sendmail("vault@localhost", ["ada@vault.example"], raw)
    assert mailbox.messages[0].text.startswith("Hello")


def test_the_mailbox_stays_on_this_computer() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Mailbox(host="0.0.0.0")  # noqa: S104 (it is refused)
    strange = Mailbox().viewer().test_client().get("/", base_url="http://elsewhere.example")
    assert strange.status_code == 400
