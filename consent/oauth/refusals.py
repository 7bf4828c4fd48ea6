"""Refusals that Authlib has no words for."""

from __future__ import annotations

from authlib.oauth2.rfc6749.errors import OAuth2Error


class InvalidDetails(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """RFC 9396 §5."""

    error = "invalid_authorization_details"


class InvalidProof(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """RFC 9449 §5."""

    error = "invalid_dpop_proof"


class TooFast(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """RFC 9126 §2.3; the code of RFC 6749 that says the same of a server."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, wait: int) -> None:
        super().__init__(description="Too many calls by this client. Retry-After says when to go on.")
        self.wait = wait

    def get_headers(self) -> list[tuple[str, str]]:
        """When to come back."""
        return [*super().get_headers(), ("Retry-After", str(self.wait))]


class InvalidGrantId(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """Grant Management for OAuth 2.0 §6: the grant to be replaced is not there, or not this client's."""

    error = "invalid_grant_id"
