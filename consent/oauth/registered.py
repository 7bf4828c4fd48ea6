"""A client in the words that Authlib asks in."""

from __future__ import annotations

from dataclasses import dataclass

from consent.client_documents import Client


@dataclass(frozen=True)
class RegisteredClient:
    """Answers Authlib's questions about a client."""

    client: Client

    @property
    def client_id(self) -> str:
        """Its id."""
        return self.client.client_id

    def get_client_id(self) -> str:
        """Its id."""
        return self.client.client_id

    def get_default_redirect_uri(self) -> None:
        """None: a request names its redirect_uri."""
        return

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """There are no scopes; `vault` is the one word that may stand there."""
        return "" if not scope else scope if scope == "vault" else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Exact match."""
        return self.client.allows(redirect_uri)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Signed assertions only."""
        return method == "private_key_jwt"

    def check_response_type(self, response_type: str) -> bool:
        """Codes only."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Code and refresh."""
        return grant_type in {"authorization_code", "refresh_token"}
