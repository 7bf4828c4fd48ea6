"""A vendor's side of a vault in a few lines: find it, ask its owner, read what she shows, put it down.

    client = Client("https://shop.example/client.json", "https://shop.example/callback", key)
    pending = discover(client, typed_address).ask([Item("purchases", …)], new_state())
    …  # send the browser to pending.authorize_url; keep pending.to_json() in the visitor's session
    connection = Vault(client, pending.endpoints).finish(pending, query_string)
    for record in connection.read("purchases").records: …

Needs httpx and joserfc, and nothing of the vault's own code. `docs/vendor-client.md` walks through it.
"""

from connectors.vendor_client.asking import Pending, Vault, discover, new_state
from connectors.vendor_client.client import Client
from connectors.vendor_client.connection import Connection, Grant, Left
from connectors.vendor_client.details import Deposit, Granted, Item
from connectors.vendor_client.discovery import Endpoints
from connectors.vendor_client.errors import (
    Denied,
    NoLongerShared,
    NotAVault,
    NotGranted,
    NotUnderstood,
    Paused,
    Refused,
    SharingError,
    TryLater,
    Unreachable,
    WrongCallback,
)
from connectors.vendor_client.feed import Page, Shown, Sync
from connectors.vendor_client.notices import Notice, WrongNotice, claimed_by, read_notice
from connectors.vendor_client.own_calls import LoggedCall
from connectors.vendor_client.proofs import key_from_json, key_to_json, new_key, public_jwks
from connectors.vendor_client.reach import is_loopback, vault_address

__all__ = [
    "Client",
    "Connection",
    "Denied",
    "Deposit",
    "Endpoints",
    "Grant",
    "Granted",
    "Item",
    "Left",
    "LoggedCall",
    "NoLongerShared",
    "NotAVault",
    "NotGranted",
    "NotUnderstood",
    "Notice",
    "Page",
    "Paused",
    "Pending",
    "Refused",
    "SharingError",
    "Shown",
    "Sync",
    "TryLater",
    "Unreachable",
    "Vault",
    "WrongCallback",
    "WrongNotice",
    "claimed_by",
    "discover",
    "is_loopback",
    "key_from_json",
    "key_to_json",
    "new_key",
    "new_state",
    "public_jwks",
    "read_notice",
    "vault_address",
]
