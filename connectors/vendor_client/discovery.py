"""Where a vault's doors are (RFC 8414, RFC 9728), and whether it keeps the one profile we speak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.vendor_client.client import Answer, Client, a_string
from connectors.vendor_client.errors import NotAVault, NotUnderstood
from connectors.vendor_client.reach import vault_address

NEEDED: Mapping[str, str] = {
    "response_types_supported": "code",
    "code_challenge_methods_supported": "S256",
    "token_endpoint_auth_methods_supported": "private_key_jwt",
    "token_endpoint_auth_signing_alg_values_supported": "ES256",
    "dpop_signing_alg_values_supported": "ES256",
    "authorization_details_types_supported": "vault_data",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of one vault. All lie under its issuer: nobody else is spoken to on its word."""

    issuer: str
    authorization: str
    token: str
    pushed: str
    revocation: str
    api: str
    keys: str = ""  # where the vault's own public keys stand; empty when it signs nothing


def find(client: Client, address: str) -> Endpoints:
    """Read both well-known documents at the address that an owner typed. NotAVault says in a sentence what is wrong."""
    issuer = vault_address(address, local=client.local)
    with client.open() as line:
        server = _document(line.get(f"{issuer}/.well-known/oauth-authorization-server"))
        resource = _document(line.get(f"{issuer}/.well-known/oauth-protected-resource"))
    if server.get("issuer") != issuer or resource.get("resource") != issuer:
        raise NotAVault("other_issuer", "What answers there says it is the vault of another address.")
    if issuer not in _list(resource, "authorization_servers"):
        raise NotAVault("other_issuer", "This vault leaves its consent to another address.")
    _keeps_the_profile(server)
    return Endpoints(
        issuer=issuer,
        authorization=_under(issuer, server, "authorization_endpoint"),
        token=_under(issuer, server, "token_endpoint"),
        pushed=_under(issuer, server, "pushed_authorization_request_endpoint"),
        revocation=_under(issuer, server, "revocation_endpoint"),
        api=_under(issuer, resource, "vault_api"),
        keys=_under(issuer, server, "jwks_uri") if "jwks_uri" in server else "",
    )


def _document(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise NotAVault("no_vault", "There is no vault at this address.")
    try:
        return answer.members()
    except NotUnderstood:
        raise NotAVault("no_vault", "There is no vault at this address.") from None


def _keeps_the_profile(server: Mapping[str, Any]) -> None:
    """Without `iss` in answers a second vault could pass off its code as this one's (RFC 9207)."""
    lacking = [name for name, value in NEEDED.items() if value not in _list(server, name)]
    if lacking or server.get("authorization_response_iss_parameter_supported") is not True:
        raise NotAVault("other_profile", "This vault speaks in a way that we do not.")


def _list(members: Mapping[str, Any], name: str) -> list[Any]:
    value = members.get(name)
    return value if isinstance(value, list) else []


def _under(issuer: str, members: Mapping[str, Any], name: str) -> str:
    url = a_string(members, name, NotAVault)
    if not url.startswith(f"{issuer}/") or "#" in url:
        raise NotAVault("other_address", "This vault sends us to another address.")
    return url
