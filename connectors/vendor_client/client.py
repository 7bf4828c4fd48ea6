"""A vendor as a client: who it is, and how it speaks to a vault over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from joserfc.jwk import ECKey

from connectors.vendor_client.errors import NotUnderstood, SharingError, Unreachable
from connectors.vendor_client.proofs import ASSERTION_TYPE, client_assertion, dpop_proof
from connectors.vendor_client.reach import Reach, is_loopback

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
WHOLE_ANSWER_SECONDS = 30.0
LARGEST_ANSWER = 8 * 1024 * 1024


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `text` is the body, exactly."""

    status: int
    headers: httpx.Headers
    text: str

    def members(self) -> dict[str, Any]:
        """The body as a JSON object; NotUnderstood if it is none."""
        try:
            body = json.loads(self.text)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise NotUnderstood("not_json", "The vault’s answer could not be read.", answer=self.text)
        return body


@dataclass(frozen=True)
class Client:
    """The vendor's identity towards every vault.

    `client_id` is the address at which the vendor serves its metadata document, `key` a P-256 key whose public half
    stands at the `jwks_uri` named there. `clock` gives aware datetimes. With `transport` the caller answers for where
    requests may go; without, see `reach.Reach`. Safe to share between threads: nothing in it changes.
    """

    client_id: str
    redirect_uri: str
    key: ECKey = field(repr=False)
    clock: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)
    transport: httpx.BaseTransport | None = field(default=None, repr=False, compare=False)

    @property
    def local(self) -> bool:
        """Whether this vendor runs on the reader's own machine, the only case in which a vault may too."""
        return is_loopback(httpx.URL(self.redirect_uri).host)

    def document(self, name: str, *, jwks_uri: str, client_uri: str, **notices: str) -> dict[str, Any]:
        """The Client ID Metadata Document to serve, as JSON, at `client_id` (RFC 7591 section 2 has the members).

        `notice_endpoint`, on the same host, is where vaults may tell us what became of a grant; `notice_format` is
        `webhook` (the default) or `set`.
        """
        return {
            "client_id": self.client_id,
            "client_name": name,
            "client_uri": client_uri,
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": jwks_uri,
            **notices,
        }

    @contextmanager
    def open(self) -> Iterator[Line]:
        """A line for one task; its connections are closed with it."""
        transport = _Lent(self.transport) if self.transport else Reach(local=self.local)
        with httpx.Client(transport=transport, timeout=TIMEOUT, follow_redirects=False, trust_env=False) as http:
            yield Line(self, http)


@dataclass(frozen=True, slots=True)
class Line:
    """Requests to one vault, signed as they must be. Every method gives an Answer of any status, or a SharingError."""

    client: Client
    http: httpx.Client

    def get(self, url: str) -> Answer:
        """A plain GET, for what is public."""
        return self._send(self.http.build_request("GET", url))

    def get_as(self, key: ECKey, access_token: str, url: str) -> Answer:
        """A GET with an access token and the proof that it is ours (RFC 9449 section 7.1)."""
        proof = dpop_proof(key, "GET", url, self.client.clock(), access_token)
        return self._send(
            self.http.build_request("GET", url, headers={"Authorization": f"DPoP {access_token}", "DPoP": proof})
        )

    def post_as(self, key: ECKey, access_token: str, url: str, content: Mapping[str, Any], once: str) -> Answer:
        """JSON to the API with an access token, its proof, and an Idempotency-Key under which it counts once."""
        proof = dpop_proof(key, "POST", url, self.client.clock(), access_token)
        headers = {"Authorization": f"DPoP {access_token}", "DPoP": proof, "Idempotency-Key": once}
        return self._send(self.http.build_request("POST", url, headers=headers, json=dict(content)))

    def post(self, issuer: str, url: str, form: Mapping[str, str], *, dpop: ECKey | None = None) -> Answer:
        """A form to an OAuth endpoint, with a fresh client assertion, and a proof for `dpop` if given."""
        now = self.client.clock()
        signed = {
            **form,
            "client_id": self.client.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(self.client.key, self.client.client_id, issuer, now),
        }
        headers = {"DPoP": dpop_proof(dpop, "POST", url, now)} if dpop is not None else {}
        return self._send(self.http.build_request("POST", url, data=signed, headers=headers))

    def _send(self, request: httpx.Request) -> Answer:
        request.headers["Accept"] = "application/json, application/problem+json"
        request.headers["Accept-Encoding"] = "identity"
        try:
            response = self.http.send(request, stream=True)
        except httpx.HTTPError:
            raise Unreachable("unreachable", "The vault did not answer.") from None
        try:
            return Answer(response.status_code, response.headers, _text(response))
        finally:
            response.close()


def _text(response: httpx.Response) -> str:
    """The body as sent. A packed one is refused: a few bytes could unpack into more than the machine holds."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise NotUnderstood("packed", "The vault packed its answer, though it was asked not to.")
    until = time.monotonic() + WHOLE_ANSWER_SECONDS
    body = bytearray()
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST_ANSWER or time.monotonic() > until:
                raise NotUnderstood("too_large", "The vault’s answer was too large or came too slowly.")
        return body.decode("utf-8")
    except httpx.HTTPError:
        raise Unreachable("unreachable", "The vault stopped in the middle of its answer.") from None
    except UnicodeDecodeError:
        raise NotUnderstood("not_text", "The vault’s answer could not be read.") from None


class _Lent(httpx.BaseTransport):
    """A transport that belongs to the caller, and so is not closed with the line."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._transport.handle_request(request)


def a_string(members: Mapping[str, Any], name: str, error: type[SharingError] = NotUnderstood) -> str:
    """A member that must be a text of sensible length."""
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 4096:
        raise error("shape", f"The vault’s answer has no usable “{name}”.")
    return value
