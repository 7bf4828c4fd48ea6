"""Where a mail is to be sent over TLS, it goes to the host that was meant and in no other way."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.people import Clock, house_in
from vault import mail


class Kept:
    """What arrived."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.lines: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.lines += envelope.content.decode().split("\r\n")
        self.subjects.append(envelope.content.decode().split("Subject: ")[1].split("\r\n")[0])
        return "250 OK"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@contextmanager
def office(certificate: Path, how: str) -> Iterator[tuple[str, Kept]]:
    """A mail server that speaks clear text only, offers STARTTLS, or begins with TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    kept = Kept()

    class Office(Controller):
        def factory(self) -> SMTP:
            return SMTP(kept, tls_context=context if how == "starttls" else None)

    options = {"ssl_context": context} if how == "tls" else {}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = Office(kept, hostname="127.0.0.1", port=port, ready_timeout=30, **options)
    running.start()
    try:
        yield f"127.0.0.1:{port}", kept
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("scheme", "how", "trusted", "arrives"),
    [
        ("smtps", "tls", True, True),
        ("smtps", "tls", False, False),
        ("smtp+starttls", "starttls", True, True),
        ("smtp+starttls", "starttls", False, False),
        ("smtp+starttls", "clear", True, False),
        ("smtp", "clear", True, True),
    ],
)
def test_a_mail_goes_to_whom_the_certificate_names_or_not_at_all(
    tmp_path: Path,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    how: str,
    trusted: bool,
    arrives: bool,
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with office(certificate, how) as (there, kept):
        house = house_in(tmp_path / "house", smtp_url=f"{scheme}://{there}")
        assert mail.send(house, "ada@home.test", "Links", "a link") is arrives
        house.stop()
        assert kept.subjects == (["Links"] if arrives else [])


def test_a_mail_says_when_it_was_sent_and_has_a_name_that_tells_nothing_of_the_machine(
    tmp_path: Path, certificate: Path, clock: Clock
) -> None:
    with office(certificate, "clear") as (there, kept):
        house = house_in(tmp_path / "house", clock, smtp_url=f"smtp://{there}", mail_from="Vault <vault@home.test>")
        assert mail.send(house, "ada@home.test", "Links", "a link")
        house.stop()
    assert f"Date: {format_datetime(clock())}" in kept.lines
    assert [line for line in kept.lines if re.fullmatch(r"Message-ID: <[0-9.]+@home\.test>", line)]
