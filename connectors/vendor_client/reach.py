"""Whom we connect to: which addresses count as a vault's, and a transport that goes nowhere else.

A vault's address is typed in by a visitor, so it is hostile. Without these rules a visitor could make the vendor's
server knock at doors inside the vendor's own network.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from functools import cache

import httpx

from connectors.vendor_client.errors import NotAVault, Unreachable

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """True for this machine. Names under .localhost are it by definition, whatever DNS says (RFC 6761 section 6.3)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def vault_address(text: str, *, local: bool) -> str:
    """The issuer that a typed address means: `https://host[:port]`, or http on loopback when `local`.

    A forgotten scheme is added, a pasted page of the vault is cut to its origin. NotAVault for everything else.
    """
    text = text.strip()
    if not text or len(text) > 300:
        raise NotAVault("address", "Please give your vault’s address, such as https://vault.example.")
    try:
        url = httpx.URL(text if "://" in text else f"https://{text}")
        loopback = is_loopback(url.host)
        if "://" not in text and loopback:
            url = httpx.URL(f"http://{text}")
    except (httpx.InvalidURL, UnicodeError):  # the latter for a name that stands for no letters
        raise NotAVault("address", "This is not an address that a vault can have.") from None
    if not url.host or url.userinfo or url.scheme not in ("http", "https"):
        raise NotAVault("address", "This is not an address that a vault can have.")
    if loopback and not local:
        raise NotAVault("address", "A vault on your own computer cannot be reached from here.")
    if url.scheme == "http" and not loopback:
        raise NotAVault("address", "A vault’s address begins with https://.")
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


class Reach(httpx.BaseTransport):
    """Connects to the address it has checked, so that no name can point elsewhere a moment later.

    Public addresses only; loopback too when `local`, that is, when the vendor itself runs there. The request keeps
    its Host header, and TLS is checked against the name: as it stands in the address, since sockets would write one of
    other letters by older rules, in which straße is strasse.
    """

    def __init__(self, *, local: bool) -> None:
        self._local = local
        self._inner = httpx.HTTPTransport(verify=_tls())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode("ascii")
        address = self._checked(host, request.url.port or 443)
        if address != host:
            request.url = request.url.copy_with(host=address)
            request.extensions = {**request.extensions, "sni_hostname": host}
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()

    def _checked(self, host: str, port: int) -> str:
        if is_loopback(host):
            if not self._local:
                raise NotAVault("address", "A vault on your own computer cannot be reached from here.")
            return LOOPBACK if host.endswith("localhost") else host
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError):
            raise Unreachable("unreachable", "There is no computer of this name.") from None
        if not found or not all(_is_public(address) for address in found):
            raise NotAVault("address", "This address is not on the public internet.")
        return found[0]


def _is_public(address: str) -> bool:
    """False too for IPv6 addresses that carry an IPv4 one inside: those would be judged by their wrapping."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour or ip.teredo or ip not in _GLOBAL_UNICAST):
        return False
    return ip.is_global and not ip.is_multicast


_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
