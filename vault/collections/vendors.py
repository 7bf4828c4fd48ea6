"""The parties she deals with, connected or not."""

from __future__ import annotations

from vault.errors import N_
from vault.record import Record, labelled


class Vendor(Record, collection="vendors", title=N_("Vendors"), one=N_("a vendor"), icon="shop"):
    """A vendor as she knows it."""

    called: str = labelled(N_("Name"))
    domains: tuple[str, ...] = labelled(N_("Web addresses"), help=N_("One a line, like bookshop.example."), default=())
    also_called: tuple[str, ...] = labelled(N_("Also called"), help=N_("One a line."), default=())
    address: str | None = labelled(N_("Postal address"), default=None)
    contact: str | None = labelled(N_("How to reach it"), default=None)
    alias: str | None = labelled(
        N_("E-mail address you gave it"), help=N_("Shown to this vendor instead of your own."), default=None
    )
    tier: str | None = labelled(
        N_("How you see it"),
        default=None,
        private=True,
        one_of={
            "trusted": N_("Trusted"),
            "normal": N_("Normal"),
            "only orders": N_("Only for orders"),
            "blocked": N_("Blocked"),
        },
    )
    note: str | None = labelled(N_("Your note"), default=None, private=True, long=True)

    def name(self) -> str:
        """Its name."""
        return self.called
