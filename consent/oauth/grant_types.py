"""The two grant types of the profile, bent from Authlib's: codes with PKCE and details, and refresh tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge

from consent import tokens
from consent.details import BadDetails, read_details
from consent.oauth.messages import quoted
from consent.oauth.metadata import TOKEN
from consent.oauth.refusals import InvalidDetails, InvalidProof
from consent.oauth.registered import RegisteredClient


class StrictChallenge(CodeChallenge):  # type: ignore[misc]  # Authlib has no types
    """PKCE with S256, always, for confidential clients too (RFC 7636; FAPI 2.0 §5.3.2.2)."""

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Both parameters are needed: Authlib sees to the challenge where a method is named."""
        if grant.request.payload.data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is needed.")
        super().validate_code_challenge(grant, redirect_uri)


def needs_details(grant: Any) -> None:
    """`authorization_details` are needed and must be ours in every member (RFC 9396)."""

    def check(grant: Any, _redirect_uri: Any) -> None:
        try:
            read_details(grant.request.payload.data.get("authorization_details"))
        except BadDetails as error:
            raise InvalidDetails(quoted(f"authorization_details: {error.detail}")) from None

    grant.register_hook("after_validate_authorization_request_payload", check)


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """The authorization code grant. What is stored and minted is ours."""

    give: Callable[[], str] | None = None

    def generate_authorization_code(self) -> str:
        """Her consent makes the code."""
        assert self.give is not None  # noqa: S101 - decide() has set it
        return self.give()

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Consent has stored it."""

    def query_authorization_code(self, code: str, client: RegisteredClient) -> _Code | None:
        """Open the code. A spent one that opens is a replay, and ends the grant."""
        found = tokens.open_credential(self.server.vault_server, code, "code")
        if found is not None and found.spent:
            tokens.replayed(self.server.vault_server, found)
            return None
        return _Code(found) if found is not None and found.client_id == client.client_id else None

    def validate_token_request(self) -> None:
        """Client, code, redirect_uri, PKCE, then the proof: failing one burns nothing."""
        super().validate_token_request()
        jkt = self.server.check_proof(TOKEN, self.request.dpop)
        if self.request.authorization_code.jkt not in {"", jkt}:
            raise InvalidProof("The proof is by another key than the pushed request named.")
        self.request.jkt = jkt

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Spend the code; exactly one request wins."""
        answer = tokens.exchange(
            self.server.vault_server, self.request.authorization_code.credential, jkt=self.request.jkt
        )
        if answer is None:
            raise InvalidGrantError("The code has been used before; the permission has ended.")
        return 200, answer, self.TOKEN_RESPONSE_HEADER


class _Code:
    """A code in the words that Authlib asks in."""

    code_challenge_method = "S256"

    def __init__(self, credential: tokens.Credential) -> None:
        self.credential = credential
        self.code_challenge, self.jkt = (credential.opened.bound[name] for name in ("challenge", "jkt"))

    def get_redirect_uri(self) -> str:
        return str(self.credential.opened.bound["redirect"])


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no types
    """Refreshing: the token stays, the proof names the next key (RFC 9449 §5 for confidential clients)."""

    def validate_token_request(self) -> None:
        """Client, token, proof; nothing may be widened (RFC 9396 §6)."""
        self.request.client = self._validate_request_client()
        if "authorization_details" in self.request.form:
            raise InvalidDetails("A refresh cannot change authorization_details.")
        if self.request.payload.scope not in {None, "vault"}:
            raise InvalidScopeError
        string = self.request.form.get("refresh_token")
        if not string:
            raise InvalidRequestError("refresh_token is missing.")
        found = tokens.open_credential(self.server.vault_server, string, "refresh")
        if found is None or found.client_id != self.request.client.client_id:
            raise InvalidGrantError
        self.request.credential = found
        self.request.jkt = self.server.check_proof(TOKEN, self.request.dpop)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """One new access token."""
        answer = tokens.refresh(self.server.vault_server, self.request.credential, jkt=self.request.jkt)
        if answer is None:
            raise InvalidGrantError
        return 200, answer, self.TOKEN_RESPONSE_HEADER
