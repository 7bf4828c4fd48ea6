"""Fetching a client's public documents without being led astray (SSRF): pinned addresses, no redirects, small, quick.

The name is resolved once, every address must be public, and the connection goes to the very address that was checked.
Names under `.localhost` are loopback without asking DNS (RFC 6761 §6.3), allowed only when this vault is on localhost.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from vault.settings import is_loopback

MOST_BYTES, SECONDS = 32 * 1024, 5.0


class Unreachable(Exception):
    """The document cannot be had. The reason is for the client's developer."""

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
    if not parts.hostname or not port_is_fine or parts.username is not None or parts.fragment or "#" in url:
        return False
    if any(ord(character) <= 32 or ord(character) > 126 or character == "\\" for character in url):
        return False
    if len(url) > 2048 or {".", ".."} & set(parts.path.split("/")) or "%2e" in parts.path.lower():
        return False
    if is_loopback(url):
        return loopback and parts.scheme in {"http", "https"}
    return parts.scheme == "https"


def fetch_json(url: str, *, loopback: bool, resolve: Callable[[str, int], list[str]] | None = None) -> dict[str, Any]:
    """A JSON object from a client's address. Raises Unreachable."""
    if not acceptable(url, loopback=loopback):
        raise Unreachable("the address is not acceptable")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = _checked_address(url, host, port, resolve or _resolve)
    bracketed = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{bracketed}:{port}").geturl()
    headers = {"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        with (
            httpx.Client(follow_redirects=False, timeout=SECONDS, trust_env=False) as client,
            client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as response,
        ):
            return _read(response)
    except httpx.HTTPError:
        raise Unreachable("the address does not answer") from None


def _checked_address(url: str, host: str, port: int, resolve: Callable[[str, int], list[str]]) -> str:
    if is_loopback(url):
        return host if host.replace(".", "").isdigit() or ":" in host else "127.0.0.1"
    try:
        addresses = resolve(host, port)
    except OSError:
        raise Unreachable("the name cannot be resolved") from None
    if not addresses or not all(_public(address) for address in addresses):
        raise Unreachable("the address is not a public one")
    return addresses[0]


def _resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        nat64 = address in ipaddress.ip_network("64:ff9b::/96")
        if nat64 or (inner is not None and not inner.is_global):
            return False
    return address.is_global and not address.is_multicast


def _read(response: httpx.Response) -> dict[str, Any]:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.status_code != 200 or not (kind == "application/json" or kind.endswith("+json")):
        raise Unreachable("the answer is not a JSON document")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Unreachable("the answer is compressed")
    raw = bytearray()
    for chunk in response.iter_raw():
        raw += chunk
        if len(raw) > MOST_BYTES:
            raise Unreachable("the answer is too long")
    try:
        content = orjson.loads(bytes(raw))
    except orjson.JSONDecodeError:
        raise Unreachable("the answer is not JSON") from None
    if not isinstance(content, dict):
        raise Unreachable("the answer is not a JSON object")
    return content
