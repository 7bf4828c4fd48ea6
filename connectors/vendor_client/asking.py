"""From an address to a connection: find the vault, ask, and take the answer the browser brings back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx
from joserfc.jwk import ECKey

from connectors.vendor_client.client import Client, a_string
from connectors.vendor_client.connection import Connection
from connectors.vendor_client.details import Deposit, Item
from connectors.vendor_client.discovery import Endpoints, find
from connectors.vendor_client.errors import Denied, Refused, WrongCallback
from connectors.vendor_client.proofs import key_from_json, key_to_json, new_key, s256
from connectors.vendor_client.refusals import refusal


@dataclass(frozen=True, slots=True)
class Pending:
    """A question put to an owner: send her browser to `authorize_url`, and keep the rest until it comes back.

    Keep it where only this visitor's own session can reach it: the callback is believed because she brings it.
    """

    endpoints: Endpoints
    authorize_url: str
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)
    dpop_key: ECKey = field(repr=False, compare=False)

    def to_json(self) -> str:
        """Everything, secrets too."""
        return json.dumps(
            {
                "endpoints": asdict(self.endpoints),
                "authorize_url": self.authorize_url,
                "state": self.state,
                "code_verifier": self.code_verifier,
                "dpop_key": key_to_json(self.dpop_key),
            }
        )

    @staticmethod
    def from_json(text: str) -> Pending:
        """The reverse of `to_json`, for text that this program itself has stored."""
        kept = json.loads(text)
        return Pending(
            endpoints=Endpoints(**kept["endpoints"]),
            authorize_url=kept["authorize_url"],
            state=kept["state"],
            code_verifier=kept["code_verifier"],
            dpop_key=key_from_json(kept["dpop_key"]),
        )


@dataclass(frozen=True, slots=True)
class Vault:
    """One owner's vault, as far as this client can see it: its doors."""

    client: Client
    endpoints: Endpoints

    @property
    def address(self) -> str:
        return self.endpoints.issuer

    def keys(self) -> dict[str, Any]:
        """The vault's public keys (a JWK Set), to check its notices with. Keep them a day; ask anew when none fits."""
        with self.client.open() as line:
            answer = line.get(self.endpoints.keys)
        if answer.status != 200:
            raise refusal(answer)
        return answer.members()

    def ask(self, items: Sequence[Item | Deposit], state: str) -> Pending:
        """Push the question to the vault (RFC 9126). `state` must be fresh and unguessable; see `new_state`."""
        verifier, dpop_key = secrets.token_urlsafe(48), new_key()
        form = {
            "response_type": "code",
            "redirect_uri": self.client.redirect_uri,
            "state": state,
            "code_challenge": s256(verifier),
            "code_challenge_method": "S256",
            "authorization_details": json.dumps([item.detail() for item in items], ensure_ascii=False),
        }
        with self.client.open() as line:
            answer = line.post(self.endpoints.issuer, self.endpoints.pushed, form, dpop=dpop_key)
        if answer.status != 201:
            raise refusal(answer)
        query = {"client_id": self.client.client_id, "request_uri": a_string(answer.members(), "request_uri")}
        url = httpx.URL(self.endpoints.authorization).copy_merge_params(query)
        return Pending(self.endpoints, str(url), state, verifier, dpop_key)

    def finish(self, pending: Pending, parameters: Mapping[str, str] | str) -> Connection:
        """Exchange the code that the callback brought; `parameters` is its query, raw or parsed.

        Denied when she said no; WrongCallback when the answer is not one to `pending`, in which case it stays open
        and no code has left this program.
        """
        code = _code(pending, parameters, issuer=self.endpoints.issuer)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": pending.code_verifier,
        }
        with self.client.open() as line:
            answer = line.post(self.endpoints.issuer, self.endpoints.token, form, dpop=pending.dpop_key)
        if answer.status != 200:
            raise refusal(answer)
        return Connection.begin(self.client, self.endpoints, pending.dpop_key, answer)


def discover(client: Client, address: str) -> Vault:
    """The vault at an address typed by its owner; NotAVault or Unreachable if there is none."""
    return Vault(client, find(client, address))


def new_state() -> str:
    """A fresh `state`, 256 bits."""
    return secrets.token_urlsafe(32)


def _code(pending: Pending, parameters: Mapping[str, str] | str, *, issuer: str) -> str:
    """The checks in the order of defence: whose visit (`state`), which vault (`iss`, RFC 9207), what she said."""
    given = _single(parameters)
    if not secrets.compare_digest(given.get("state", "").encode(), pending.state.encode()):
        raise WrongCallback("state", "This answer belongs to another visit.")
    if given.get("iss") != pending.endpoints.issuer or pending.endpoints.issuer != issuer:
        raise WrongCallback("issuer", "This answer comes from another vault than the one we asked.")
    error = given.get("error")
    if error == "access_denied":
        raise Denied("access_denied", "The owner said no.", counter_offer=given.get("counter_offer", "")[:8192])
    if error is not None:
        raise Refused(error[:64], given.get("error_description", "The vault refused.")[:300])
    if not given.get("code"):
        raise WrongCallback("code", "The vault’s answer is incomplete.")
    return given["code"]


def _single(parameters: Mapping[str, str] | str) -> dict[str, str]:
    """A parameter given twice has no meaning (RFC 6749 section 3.1): the whole answer is refused."""
    if not isinstance(parameters, str):
        return dict(parameters.items())
    pairs = parse_qsl(parameters, keep_blank_values=True)
    if len({name for name, _ in pairs}) != len(pairs):
        raise WrongCallback("twice", "This answer says something twice.")
    return dict(pairs)
