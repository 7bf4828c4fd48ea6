"""The boxes of a grant besides terms and disclosures: her copy of its key, her memory of it, and its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from consent.terms import Terms
from vault import crypto

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.server import Server


KINDS = {"copy": "vrm/1/grant copy", "memory": "vrm/1/grant memory", "label": "vrm/1/grant label"}


def seal_copy(vault: OpenVault, grant: bytes, key: bytes) -> bytes:
    """Her copy of the grant key, so that later changes can follow."""
    return crypto.seal(vault.keyring.root, about(vault.owner_id, grant, "copy"), key)


def open_copy(vault: OpenVault, grant: bytes, box: bytes) -> bytes:
    """The other way. Raises crypto.Damaged."""
    return crypto.open_box(vault.keyring.root, about(vault.owner_id, grant, "copy"), box)


def open_memory(vault: OpenVault, grant: bytes, version: int, box: bytes) -> Terms:
    """What was agreed. Raises crypto.Damaged."""
    raw = crypto.open_box(vault.keyring.root, about(vault.owner_id, grant, "memory", version), box)
    return Terms.from_bytes(raw)


def about(owner: bytes, grant: bytes, what: str, *version: int) -> bytes:
    """Identity of a grant's box; what follows its terms also carries the version, or an older one could come back."""
    return crypto.identity(KINDS[what], owner, grant, *version)


def about_copy(owner: bytes, grant: bytes) -> bytes:
    """Identity of her copy of a grant's key."""
    return about(owner, grant, "copy")


def about_memory(owner: bytes, grant: bytes, version: int) -> bytes:
    """Identity of her memory of a grant."""
    return about(owner, grant, "memory", version)


def seal_memory(vault: OpenVault, grant: bytes, version: int, terms: Terms) -> bytes:
    """What stays of a grant after its end: what was agreed, and the key of its log."""
    return crypto.seal(
        vault.keyring.root, about(vault.owner_id, grant, "memory", version), crypto.pad(terms.to_bytes())
    )


def seal_label(server: Server, owner: bytes, grant: bytes, version: int, terms: Terms) -> bytes:
    """What the server must be able to say of a grant while she is away: vendor's name, kinds of things, dates."""
    content = {
        "name": terms.client_name,
        "client_id": terms.client_id,
        "collections": sorted({item.collection for item in terms.items}),
        "deposits": sorted({item.collection for item in terms.deposits}),
        "given_at": terms.given_at,
        "until": terms.until,
    }
    return crypto.seal(server.keys.seal, about(owner, grant, "label", version), crypto.pad(orjson.dumps(content)))


def open_label(server: Server, owner: bytes, grant: bytes, version: int, box: bytes) -> dict[str, Any]:
    """The other way. Raises crypto.Damaged."""
    return dict(orjson.loads(crypto.open_box(server.keys.seal, about(owner, grant, "label", version), box)))


def label_or_nothing(server: Server, owner: bytes, grant: bytes, version: int, box: bytes) -> dict[str, Any]:
    """The label; where it is damaged, one that says nothing, so that the grant can still be shown and ended."""
    try:
        return open_label(server, owner, grant, version, box)
    except crypto.Damaged:
        return {"client_id": "", "name": "?", "collections": [], "given_at": 0, "until": 0}


def terms_by_label(server: Server, owner: bytes, grant: bytes, version: int, box: bytes) -> Terms:
    """What can still be said of a grant whose own boxes are damaged: a name, dates, and no items."""
    label = label_or_nothing(server, owner, grant, version, box)
    return Terms(
        client_id=label["client_id"],
        client_name=label["name"],
        vendor=0,
        alias=None,
        given_at=label["given_at"],
        until=label["until"],
        log_key=bytes(crypto.KEY_LENGTH),
        items=(),
    )
