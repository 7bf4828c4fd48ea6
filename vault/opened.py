"""An open vault: what a request holds between unlock and answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from vault import crypto
from vault.keyring import Keyring

if TYPE_CHECKING:
    from vault.catalogue import Catalogue
    from vault.server import Server


@dataclass(frozen=True)
class OpenVault:
    """Her keys and where her rows are. `opened_by` is the kind of lock that opened this session.

    `proved_at` is when she last showed that it is she, `ends_at` when this session ends by itself if nothing more
    happens: seconds since 1970.
    """

    server: Server = field(repr=False)
    keyring: Keyring = field(repr=False)
    session_id: bytes = b""
    opened_by: str = "passphrase"
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    lost: int = 0
    proved_at: int = 0
    ends_at: int = 0

    @property
    def owner_id(self) -> bytes:
        """Whose vault it is."""
        return self.keyring.owner_id

    @property
    def name(self) -> str:
        """What she asked to be called."""
        return str(self.settings.get("name", ""))

    @property
    def catalogue(self) -> Catalogue:
        """The list of what is in the vault, caught up to now."""
        return self.server.catalogues.of(self)


def about_settings(owner: bytes) -> bytes:
    """The identity of the box with her settings."""
    return crypto.identity("vrm/1/settings", owner)


def seal_settings(keyring: Keyring, settings: dict[str, Any]) -> bytes:
    """Her settings as a box: her name, and her recovery code until she has confirmed that she has it."""
    return keyring.seal("files", about_settings(keyring.owner_id), crypto.pad(orjson.dumps(settings)))


def open_settings(keyring: Keyring, box: bytes) -> dict[str, Any]:
    """The other way. Raises crypto.Damaged."""
    raw = keyring.open("files", about_settings(keyring.owner_id), box)
    return dict(orjson.loads(raw))
