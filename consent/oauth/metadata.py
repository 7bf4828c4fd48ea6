"""Where the OAuth endpoints are, and the two documents by which a vendor's program finds them. Pure."""

from __future__ import annotations

from typing import Any

from consent.details import TYPES

AUTHORIZE, TOKEN, PAR, REVOKE, KEYS = "/authorize", "/oauth/token", "/oauth/par", "/oauth/revoke", "/oauth/keys"
API, OPENAPI, DEVELOPERS = "/vendor/v1", "/vendor/v1/openapi.json", "/developers"
SERVER, RESOURCE = "/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"


def authorization_server(issuer: str) -> dict[str, Any]:
    """Metadata of the authorization server (RFC 8414)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE,
        "token_endpoint": issuer + TOKEN,
        "pushed_authorization_request_endpoint": issuer + PAR,
        "revocation_endpoint": issuer + REVOKE,
        "jwks_uri": issuer + KEYS,
        "service_documentation": issuer + DEVELOPERS,
        "require_pushed_authorization_requests": True,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "scopes_supported": ["vault"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA", "PS256"],
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
        "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "EdDSA", "PS256"],
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
        "authorization_details_types_supported": list(TYPES),
        "grant_management_actions_supported": ["create", "replace"],
        "grant_management_endpoint": f"{issuer}{API}/grants",
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "request_uri_parameter_supported": False,
    }


def protected_resource(issuer: str) -> dict[str, Any]:
    """Metadata of the vendors' API (RFC 9728); `vault_api` and `vault_openapi` are ours."""
    return {
        "resource": issuer,
        "authorization_servers": [issuer],
        "bearer_methods_supported": [],
        "dpop_bound_access_tokens_required": True,
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
        "authorization_details_types_supported": list(TYPES),
        "resource_documentation": issuer + DEVELOPERS,
        "vault_api": issuer + API,
        "vault_openapi": issuer + OPENAPI,
    }
