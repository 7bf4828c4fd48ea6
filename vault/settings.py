"""Settings come from the environment (`VRM_*`), are read once at start, and a bad one stops the start."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from email.utils import getaddresses
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from environs import Env, EnvError

from vault.errors import Unsafe

SignUp = Literal["closed", "open"]
MEBIBYTE = 1 << 20
ORIGIN = re.compile(r"(?P<scheme>https?)://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]*)?")
SENDER = re.compile(r"[^\s@<>()\[\],;:\"\\]+@[^\s@<>()\[\],;:\"\\]+")
LIKE_MAIL = "VRM_SMTP_URL must be like smtps://name:password@mail.example:465; a / in the password is written %2F."
SERVER_OPTIONS = ("host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "target_session_attrs")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are and who this server is. `issuer` has no trailing slash; sizes are bytes."""

    database_url: str = field(repr=False)  # these may hold a password
    keystore_url: str = field(repr=False)
    log_url: str = field(repr=False)
    cache_dir: Path
    issuer: str
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = "vault@localhost"
    sign_up: SignUp = "closed"
    sandbox: bool = False
    proxies: int = 0
    upload_limit: int = 512 * MEBIBYTE
    files_limit: int = 1024 * MEBIBYTE
    catalogue_budget: int = 256 * MEBIBYTE
    metrics_port: int = 0

    @property
    def loopback(self) -> bool:
        """Is the issuer an http address on this very machine (RFC 8252 §7.3, RFC 6761 §6.3)?"""
        return is_loopback(self.issuer)

    @property
    def secure(self) -> bool:
        """Does the browser reach this server over TLS?"""
        return self.issuer.startswith("https://")


def is_loopback(url: str) -> bool:
    """Does a URL name this machine: localhost, a name under it, or a loopback address as such are written?"""
    try:
        host = urlsplit(url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None  # from 3.13 on that is one too


def in_directory(directory: Path, issuer: str, **others: object) -> Settings:
    """Settings for one directory that holds everything, each part in a folder of its own."""
    return Settings(
        database_url=f"sqlite:///{directory / 'vault' / 'vault.db'}",
        keystore_url=f"sqlite:///{directory / 'keystore' / 'keystore.db'}",
        log_url=f"sqlite:///{directory / 'vault' / 'log.db'}",
        cache_dir=directory / "cache",
        issuer=issuer,
        **others,  # type: ignore[arg-type]  # the names are checked by the dataclass itself
    )


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables that make another process read the same settings."""
    values = {
        "VRM_DATABASE_URL": settings.database_url,
        "VRM_KEYSTORE_URL": settings.keystore_url,
        "VRM_LOG_URL": settings.log_url,
        "VRM_CACHE_DIR": str(settings.cache_dir),
        "VRM_ISSUER": settings.issuer,
        "VRM_SMTP_URL": settings.smtp_url or "",
        "VRM_MAIL_FROM": settings.mail_from,
        "VRM_SIGN_UP": settings.sign_up,
        "VRM_SANDBOX": "on" if settings.sandbox else "",
        "VRM_PROXIES": str(settings.proxies),
        "VRM_UPLOAD_LIMIT": str(settings.upload_limit),
        "VRM_FILES_LIMIT": str(settings.files_limit),
        "VRM_CATALOGUE_BUDGET": str(settings.catalogue_budget),
        "VRM_METRICS_PORT": str(settings.metrics_port or ""),
    }
    return {name: value for name, value in values.items() if value}


def for_process(settings: Settings) -> dict[str, str]:
    """This process's environment with the settings laid over it, for a server started beside it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VRM_")}
    return {**kept, **to_environment(settings)}


def from_environment() -> Settings:
    """Read the settings. Raises Unsafe with a sentence that names the setting."""
    env = Env()
    data = Path.home() / ".local" / "share" / "vrm"
    keystore = Path.home() / ".local" / "state" / "vrm-keystore"
    try:
        settings = Settings(
            database_url=env.str("VRM_DATABASE_URL", f"sqlite:///{data / 'vault.db'}"),
            keystore_url=env.str("VRM_KEYSTORE_URL", f"sqlite:///{keystore / 'keystore.db'}"),
            log_url=env.str("VRM_LOG_URL", f"sqlite:///{data / 'log.db'}"),
            cache_dir=env.path("VRM_CACHE_DIR", Path.home() / ".cache" / "vrm"),
            issuer=env.str("VRM_ISSUER", "http://localhost:8400").rstrip("/"),
            smtp_url=env.str("VRM_SMTP_URL", "") or None,
            mail_from=env.str("VRM_MAIL_FROM", "vault@localhost"),
            sign_up=env.str("VRM_SIGN_UP", "closed"),  # type: ignore[arg-type]  # checked below
            sandbox=env.bool("VRM_SANDBOX", False),
            proxies=env.int("VRM_PROXIES", 0),
            upload_limit=env.int("VRM_UPLOAD_LIMIT", 512 * MEBIBYTE),
            files_limit=env.int("VRM_FILES_LIMIT", 1024 * MEBIBYTE),
            catalogue_budget=env.int("VRM_CATALOGUE_BUDGET", 256 * MEBIBYTE),
            metrics_port=env.int("VRM_METRICS_PORT", 0),
        )
    except EnvError as error:
        raise Unsafe(f"A setting cannot be read: {error}") from error
    return checked(settings)


def checked(settings: Settings) -> Settings:
    """Refuse combinations that would break a promise."""
    if not _is_origin(settings.issuer):
        raise Unsafe(
            "VRM_ISSUER must be as browsers write it, like https://vault.example: small letters, without a path."
        )
    if not settings.secure and not settings.loopback:
        raise Unsafe("VRM_ISSUER must begin with https://; plain http is for this machine (localhost) only.")
    if settings.sign_up not in {"closed", "open"}:
        raise Unsafe("VRM_SIGN_UP must be closed or open.")
    databases = {
        "VRM_DATABASE_URL": settings.database_url,
        "VRM_KEYSTORE_URL": settings.keystore_url,
        "VRM_LOG_URL": settings.log_url,
    }
    for name, url in databases.items():
        if not is_embedded(url):
            _check_server(name, url)
    if len({_place_of(url) for url in databases.values()}) < 3:
        raise Unsafe("VRM_DATABASE_URL, VRM_KEYSTORE_URL and VRM_LOG_URL must name three different databases.")
    if _together(settings.database_url, settings.keystore_url):
        raise Unsafe("VRM_KEYSTORE_URL must lie in another directory than VRM_DATABASE_URL.")
    if settings.smtp_url is not None:
        _check_mail(settings.smtp_url)
    senders = getaddresses([settings.mail_from])
    if not settings.mail_from.isprintable() or len(senders) != 1 or not SENDER.fullmatch(senders[0][1]):
        raise Unsafe("VRM_MAIL_FROM must be an address, like vault@example.org.")
    _check_numbers(settings)
    return settings


def _is_origin(url: str) -> bool:
    """Is it written as everybody compares it (RFC 6454 §6.2), without the port that goes without saying?"""
    found = ORIGIN.fullmatch(url)
    return found is not None and _port(url) not in (-1, 80 if found["scheme"] == "http" else 443)


def _port(url: str) -> int | None:
    """The port that a URL names; -1 for what cannot be one."""
    try:
        return urlsplit(url).port
    except ValueError:
        return -1


def _check_numbers(settings: Settings) -> None:
    if not 0 <= settings.metrics_port <= 65535:
        raise Unsafe("VRM_METRICS_PORT must be a port of this machine, or 0 for none.")
    if not 0 <= settings.proxies <= 5:
        raise Unsafe("VRM_PROXIES must be the number of proxies in front of this server, 0 to 5.")
    limits = {
        "VRM_UPLOAD_LIMIT": settings.upload_limit,
        "VRM_FILES_LIMIT": settings.files_limit,
        "VRM_CATALOGUE_BUDGET": settings.catalogue_budget,
    }
    for name, limit in limits.items():
        if limit < 0:
            raise Unsafe(f"{name} must be a number of bytes.")


def is_embedded(url: str) -> bool:
    """Does a database's URL name a file of this machine?"""
    return url.startswith("sqlite:///")


def debugging() -> tuple[str, ...]:
    """The variables of the environment that make Python or Flask tell more than anybody should know."""
    return tuple(name for name in ("FLASK_DEBUG", "PYTHONDEVMODE") if os.environ.get(name, "0") not in {"", "0"})


def _check_mail(url: str) -> None:
    """`smtp` speaks in clear, `smtps` by TLS from the first byte, `smtp+starttls` by TLS or not at all."""
    if _port(url) == -1:
        raise Unsafe(LIKE_MAIL)
    parts = urlsplit(url)
    schemes = {"smtp", "smtps", "smtp+starttls"}
    if parts.scheme not in schemes or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise Unsafe(LIKE_MAIL)
    if parts.scheme == "smtp" and parts.username and not is_loopback(url):
        raise Unsafe("VRM_SMTP_URL would send a password in clear: write smtps:// or smtp+starttls://.")


def file_of(url: str) -> Path:
    """The file of an embedded database."""
    return Path(url.removeprefix("sqlite:///"))


def _together(database_url: str, keystore_url: str) -> bool:
    """Would one copy of a directory hold both?"""
    both = (database_url, keystore_url)
    return all(map(is_embedded, both)) and len({file_of(url).parent for url in both}) == 1


def _check_server(name: str, url: str) -> None:
    """A database of a server: PostgreSQL, and nobody on the way may read along or stand in for it.

    Read as it is for the driver, which knows options that lead elsewhere: `hostaddr`, `service`.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        parts = None
    if parts is None or parts.drivername != "postgresql" or not parts.database:
        raise Unsafe(f"{name} must begin with sqlite:/// or postgresql:// and name a database.")
    if not parts.query.keys() <= set(SERVER_OPTIONS):
        raise Unsafe(f"{name} may have no option but {', '.join(SERVER_OPTIONS)}.")
    host = parts.host or ""
    named = [f"[{host}]" if ":" in host else host, *parts.normalized_query.get("host", ())]
    hosts = [each for some in named for each in some.split(",") if each]
    near = all(each.startswith("/") or is_loopback(f"postgresql://{each}") for each in hosts)
    if not near and parts.query.get("sslmode") != "verify-full":
        raise Unsafe(f"{name} leaves this machine, so it must say sslmode=verify-full.")


def _place_of(url: str) -> tuple[str, ...]:
    """What tells one database from another: who asks, and how, does not."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2], parts.path, *parse_qs(parts.query).get("host", [])
