"""Calling a client's addresses without being led astray (SSRF): pinned addresses, no redirects, small, quick.

Its documents are fetched and notices are posted to it on this one path.

The name is resolved once, every address must be public, and the connection goes to the very address that was checked.
Names under `.localhost` are loopback without asking DNS (RFC 6761 §6.3), allowed only when this vault is on localhost.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import orjson

from vault.settings import is_loopback

MOST_BYTES, SECONDS, WHOLE = 32 * 1024, 5.0, 8.0  # seconds: one silence, and all of it together
HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9a-f:.]+")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Special by the IANA registries, though `is_global` of some Pythons says otherwise.
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.88.99.0/24", "2001::/32", "2002::/16", "3fff::/20")))


Resolve = Callable[[str, int], list[str]]


class Unreachable(Exception):
    """Nothing that counts as an answer came from there. The reason is for the client's developer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def acceptable(url: str, *, loopback: bool) -> bool:
    """Is this an address a client may be known by (draft-ietf-oauth-client-id-metadata-document §3)?"""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if (
        not HOST.fullmatch(parts.hostname or "")
        or not port_is_fine
        or parts.username is not None
        or parts.fragment
        or "#" in url
    ):
        return False
    if any(ord(character) <= 32 or ord(character) > 126 or character == "\\" for character in url):
        return False
    if len(url) > 2048 or {".", ".."} & set(parts.path.split("/")) or "%2e" in parts.path.lower():
        return False
    if is_loopback(url):
        return loopback and parts.scheme in {"http", "https"}
    return parts.scheme == "https"


class Answer(NamedTuple):
    """What a client said to a notice."""

    status: int
    body: bytes


def fetch_json(url: str, *, loopback: bool, resolve: Resolve | None = None) -> dict[str, Any]:
    """A JSON object from a client's address. Raises Unreachable."""
    with _called("GET", url, {"Accept": "application/json"}, None, loopback, resolve) as response:
        return _json(response)


def post(
    url: str, headers: Mapping[str, str], body: bytes, *, loopback: bool, resolve: Resolve | None = None
) -> Answer:
    """Post something small; of the answer only a refusal (400) is read. Raises Unreachable."""
    with _called("POST", url, headers, body, loopback, resolve) as response:
        return Answer(response.status_code, _body(response) if response.status_code == 400 else b"")


@contextmanager
def _called(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, loopback: bool, resolve: Resolve | None
) -> Iterator[httpx.Response]:
    parts = urlsplit(url) if acceptable(url, loopback=loopback) else None
    if parts is None or not parts.path:
        raise Unreachable("the address is not acceptable")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = _checked_address(url, host, port, resolve or _resolve)
    bracketed = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{bracketed}:{port}").geturl()
    said = {**headers, "Host": parts.netloc, "Accept-Encoding": "identity"}
    try:
        with (
            httpx.Client(verify=_tls(), follow_redirects=False, timeout=SECONDS, trust_env=False) as client,
            _Deadline(WHOLE) as deadline,
            client.stream(
                method, target, headers=said, content=body, extensions={"sni_hostname": host, "trace": deadline.watch}
            ) as response,
        ):
            yield response
    except (httpx.HTTPError, httpx.InvalidURL):
        raise Unreachable("the address does not answer") from None


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates of all authorities takes longer than the call."""
    return httpx.create_ssl_context(trust_env=False)


class _Deadline:
    """Cuts the line when the time is up. A read timeout bounds one silence; who drips bytes would hold us for days.

    `watch` is httpcore's trace: it hands over each new stream, whose socket is shut from a thread of the timer's own.
    """

    def __init__(self, seconds: float) -> None:
        self._socket: socket.socket | None = None
        self._over = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Raises httpx.ReadTimeout when the line is ready only after the time is up."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")
            if self._over:
                raise httpx.ReadTimeout("too slow")

    def _cut(self) -> None:
        self._over = True
        if self._socket is not None:
            with suppress(OSError):  # closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _checked_address(url: str, host: str, port: int, resolve: Resolve) -> str:
    if is_loopback(url):
        return host if host.replace(".", "").isdigit() or ":" in host else "127.0.0.1"
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError):
        raise Unreachable("the name cannot be resolved") from None
    if not addresses or not all(_public(address) for address in addresses):
        raise Unreachable("the address is not a public one")
    return addresses[0]


def _resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False  # among them every form that carries an IPv4 address inside, and NAT64
    special = any(address in network for network in _SPECIAL if network.version == address.version)
    return address.is_global and not address.is_multicast and not special


def _json(response: httpx.Response) -> dict[str, Any]:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status_code != 200 or not (kind == "application/json" or kind.endswith("+json")):
        raise Unreachable("the answer is not a JSON document")
    try:
        content = orjson.loads(_body(response))
    except orjson.JSONDecodeError:
        raise Unreachable("the answer is not JSON") from None
    if not isinstance(content, dict):
        raise Unreachable("the answer is not a JSON object")
    return content


def _body(response: httpx.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unreachable("the answer is compressed")
    raw = bytearray()
    for chunk in response.iter_raw():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise Unreachable("the answer is too long")
    return bytes(raw)
