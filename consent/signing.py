"""The public halves of the keys that sign here, for whoever checks: one JWK Set for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.keystore import SIGNING
from vault.signing import compact as compact
from vault.signing import public_key as public_key

if TYPE_CHECKING:
    from vault.server import Server


def key_set(server: Server) -> dict[str, list[dict[str, str]]]:
    """The JWK Set (RFC 7517 §5) at `jwks_uri`: for each purpose the newest key first."""
    seeds = (seed for purpose in SIGNING for seed in server.keystore.signing(purpose))
    return {"keys": [public_key(seed) for seed in seeds]}
