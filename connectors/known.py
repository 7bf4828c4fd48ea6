"""What she has already, as an import meets it: a record that may be damaged, and her vendors by every name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from connectors.connector import VendorHint
from vault import crypto, store
from vault.collections.vendors import Vendor
from vault.models import RecordRow
from vault.stored import Stored

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault


def vendor_mark(vault: OpenVault, hint: VendorHint) -> bytes:
    """The mark of a vendor that imports have named."""
    return vault.keyring.mark("vendor", hint.domain or hint.name.casefold())


class Vendors:
    """Her vendors by domain and by name, kept up with her revision while an import runs."""

    def __init__(self, vault: OpenVault) -> None:
        self._vault = vault
        catalogue = vault.catalogue
        self._seen = catalogue.revision
        self._known: dict[int, frozenset[str]] = {}
        entries = catalogue.entries("collection = 'vendors' AND NOT damaged")
        with vault.server.main.reading() as session:
            for stored in store.read_many(session, vault, [entry.number for entry in entries]):
                self.learn(stored)

    def learn(self, stored: Stored) -> None:
        """Take over a vendor as it stands."""
        record = stored.record
        assert isinstance(record, Vendor)  # noqa: S101 - the callers look at the class first
        names = (record.called, *record.also_called, *record.domains)
        self._known[stored.number] = frozenset(name.strip().casefold() for name in names)

    def catch_up(self, session: Session, revision: int) -> None:
        """Take over what was written since; in her turn nothing can follow after it."""
        if revision <= self._seen:
            return
        rows = session.execute(
            select(RecordRow.number, RecordRow.revision, RecordRow.box).where(
                RecordRow.owner_id == self._vault.owner_id, RecordRow.revision > self._seen
            )
        )
        for number, at, box in rows:
            self._known.pop(number, None)
            if box is not None and (stored := opened(self._vault, number, at, box)) and stored.kind is Vendor:
                self.learn(stored)
        self._seen = revision

    def wrote(self, revision: int) -> None:
        """This import's own turn was committed, and what it wrote is known."""
        self._seen = revision

    def number(self, hint: VendorHint) -> int:
        """The vendor that is meant: by its domain, else by its name; 0 if she has none."""
        for said in (hint.domain, hint.name.casefold()):
            for number, names in sorted(self._known.items()):
                if said and said in names:
                    return number
        return 0


def opened(vault: OpenVault, number: int, revision: int, box: bytes) -> Stored | None:
    """A record, or None if its row was tampered with."""
    try:
        return store.unseal(vault, number, revision, box)
    except crypto.Damaged:
        return None
