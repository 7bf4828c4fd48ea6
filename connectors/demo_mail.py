"""A mailbox for the demo and the tests: takes every mail on loopback, keeps the last hundred, shows them on a page.

Nothing is sent on, and nothing is written to disk.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask, Response, render_template_string
from markupsafe import Markup, escape

from connectors.demo_shop.serving import LoopbackServer, refuse_the_open_net

KEPT = 100
LARGEST_MAIL = 1024 * 1024
POLICY = "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

# Ends before what closes a sentence or a bracket around the link.
_LINK = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as received. The text may hold a link that acts, so it has no repr."""

    to: str
    subject: str
    text: str = field(repr=False)


class Mailbox:
    """An SMTP server that keeps what it gets, and a page that shows it. Ports: 0 takes a free one."""

    def __init__(self, port: int = 0, *, viewer_port: int | None = None, host: str = "127.0.0.1") -> None:
        self._host = refuse_the_open_net(host)
        self._port = port or _a_free_port(host)
        self._viewer_port = viewer_port
        self._kept: deque[Mail] = deque(maxlen=KEPT)
        self._turn = threading.Lock()
        self._controller: Controller | None = None
        self._server: LoopbackServer | None = None

    @property
    def smtp_url(self) -> str:
        return f"smtp://{self._host}:{self._port}"

    @property
    def address(self) -> str:
        """Where the page stands, while it is served; else nothing."""
        return f"http://localhost:{self._server.port}" if self._server else ""

    @property
    def messages(self) -> list[Mail]:
        """Oldest first."""
        with self._turn:
            return list(self._kept)

    def start(self) -> None:
        """Take mail, and serve the page if it was given a port. OSError if a port is taken."""
        self._controller = Controller(self, hostname=self._host, port=self._port, data_size_limit=LARGEST_MAIL)
        self._controller.start()
        if self._viewer_port is not None:
            self._server = LoopbackServer(self.viewer(), self._viewer_port, self._host)
            self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        """Called by aiosmtpd with one whole mail; the mail is kept before the sender is told so."""
        content = envelope.original_content or b""
        message = message_from_bytes(content, policy=policy.default)
        mail = Mail(", ".join(str(to) for to in envelope.rcpt_tos), str(message.get("Subject", "")), _text(message))
        with self._turn:
            self._kept.append(mail)
        return "250 Kept"

    def viewer(self) -> Flask:
        """The page as an app: newest first, links clickable. It shows and does nothing."""
        app = Flask(__name__, static_folder=None)
        app.config["TRUSTED_HOSTS"] = ["localhost", "127.0.0.1", ".localhost"]
        app.add_url_rule("/", "mails", lambda: render_template_string(_PAGE, mails=self.messages[::-1], linked=linked))
        app.add_url_rule("/mail.css", "style", lambda: Response(_STYLE, mimetype="text/css"))
        app.after_request(_close_the_page)
        return app


def linked(text: str) -> Markup:
    """The text, harmless, with its http and https addresses as links. They say nothing about where they were."""
    parts: list[Markup] = []
    end = 0
    for found in _LINK.finditer(text):
        link = Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(found[0])
        parts += [escape(text[end : found.start()]), link]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _text(message: EmailMessage) -> str:
    """The plain part, whatever its sender claims about it."""
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace").replace("\r\n", "\n")
    except LookupError:
        return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _a_free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def _close_the_page(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Mail of the demo</title>
  <link rel="stylesheet" href="/mail.css">
</head>
<body>
<main>
  <h1>Mail of the demo</h1>
  <p>What the vault sent, newest first. Nothing leaves this computer. <a href="/">Look for new mail</a></p>
  {% for mail in mails %}
  <article>
    <h2>{{ mail.subject or "(no subject)" }}</h2>
    <p class="to">To {{ mail.to }}</p>
    <pre>{{ linked(mail.text) }}</pre>
  </article>
  {% else %}
  <p class="none">No mail yet.</p>
  {% endfor %}
</main>
</body>
</html>
"""

_STYLE = """:root { color-scheme: light dark; }
* { box-sizing: border-box; margin: 0; padding: 0; }
body { background: light-dark(#f4f4f1, #17181b); color: light-dark(#1b1c20, #ededea);
  font: 400 1rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 46rem; margin-inline: auto; padding: 2rem 1rem 4rem; display: grid; gap: 1.25rem; }
h1 { font-size: 1.75rem; line-height: 1.2; } h2 { font-size: 1.125rem; }
article { background: light-dark(#fff, #222328); border: 1px solid light-dark(#c9c9c2, #44464e); padding: 1.25rem; }
.to { color: light-dark(#55565c, #b4b5ba); font-size: .9375rem; margin-bottom: .75rem; }
pre { font: inherit; white-space: pre-wrap; }
a { color: light-dark(#2a44a6, #a9b8ff); }
:focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
"""
