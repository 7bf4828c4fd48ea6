"""Whatever else she wants to keep."""

from __future__ import annotations

from vault.errors import N_
from vault.record import Record, labelled
from vault.values import When


class Note(Record, collection="notes", title=N_("Notes"), one=N_("a note"), icon="note"):
    """A note of hers."""

    heading: str = labelled(N_("Heading"))
    text: str = labelled(N_("Text"), long=True)
    written_on: When | None = labelled(N_("Day"), default=None)
    vendor: int | None = labelled(N_("Vendor it is about"), refers="vendors", default=None)
    about: int | None = labelled(N_("Thing it is about"), refers="records", default=None)

    def name(self) -> str:
        """The heading."""
        return self.heading

    def day(self) -> str:
        """Its day."""
        return self.written_on.text if self.written_on else ""

    def bundle(self) -> str:
        """What it is about, so that it is found there."""
        return bundle_of(self.about) if self.about else ""

    def of_vendor(self) -> int:
        """Whom it is about."""
        return self.vendor or 0


def bundle_of(number: int) -> str:
    """What the catalogue keeps for notes about a record."""
    return f"about {number}"
