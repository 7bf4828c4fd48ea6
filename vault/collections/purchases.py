"""What she bought. A purchase is one thing bought, with one natural key and one gift mark.

Amounts that belong to the whole order are a record of their own and are never shown to a vendor, or the price of a
withheld gift would follow by subtraction.
"""

from __future__ import annotations

import re
from decimal import Decimal

from vault.errors import N_
from vault.record import Record, labelled
from vault.values import Bought, Money, When, whole

EVERYWHERE = re.compile(r"[0-9]{8,14}|[0-9]{9}X")  # EAN, UPC, ISBN
FOR_WHOM = {"me": N_("Me"), "gift": N_("A gift"), "household": N_("The household"), "work": N_("Work")}
TASTE = {"mine": N_("Your taste"), "not_mine": N_("Not your taste")}


class Purchase(Record, collection="purchases", title=N_("Purchases"), one=N_("a purchase"), icon="bag"):
    """One thing bought."""

    item: str = labelled(N_("What you bought"))
    bought_on: When = labelled(N_("When"))
    vendor: int | None = labelled(N_("Where"), refers="vendors", default=None)
    price: Money | None = labelled(N_("Price"), default=None)
    quantity: Decimal | None = labelled(N_("How many"), default=None)
    order: str | None = labelled(N_("Order number"), default=None)
    category: str | None = labelled(N_("Kind of thing"), help=N_("For example books or coffee."), default=None)
    product_code: str | None = labelled(N_("Product code"), help=N_("ISBN, EAN or the vendor's own."), default=None)
    serial_number: str | None = labelled(N_("Serial number"), default=None, private=True)
    return_by: When | None = labelled(N_("Return by"), default=None)
    warranty_until: When | None = labelled(N_("Guarantee until"), default=None)
    for_whom: str = labelled(N_("For whom"), default="me", one_of=FOR_WHOM, private=True)
    recipient: str | None = labelled(N_("Gift for"), default=None, private=True)
    gift_note: str | None = labelled(N_("Note on the gift"), default=None, private=True, long=True)
    rating: int | None = labelled(N_("Your rating"), default=None, between=(1, 5))
    note: str | None = labelled(N_("Your note"), default=None, private=True, long=True)
    taste: str | None = labelled(N_("Is it your taste"), default=None, one_of=TASTE, private=True)

    def name(self) -> str:
        """The thing."""
        return self.item

    def day(self) -> str:
        """When it was bought."""
        return self.bought_on.text

    def facet(self) -> str:
        """For whom."""
        return self.for_whom

    def bundle(self) -> str:
        """The order it came in."""
        return self.order or ""

    def of_vendor(self) -> int:
        """Where it was bought."""
        return self.vendor or 0

    def bought(self) -> Bought:
        """The price of the whole line, and what else is added up."""
        amount = whole(self.price.decimal) if self.price else None
        return Bought(
            amount,
            self.price.currency if self.price and amount is not None else "",
            self.category or "",
            self._product(),
            self.for_whom == "gift",
            self.taste or "",
            str(self.return_by or ""),
            str(self.warranty_until or ""),
        )

    def _product(self) -> str:
        """What the same product is known by: its code, which a vendor's own is only at that vendor, or its name."""
        if self.product_code and not EVERYWHERE.fullmatch(self.product_code):
            return f"{self.of_vendor()} {self.product_code}"
        return self.product_code or self.item


class Order(
    Record, collection="purchases", part="order", title=N_("Orders"), one=N_("an order"), icon="paper", shareable=False
):
    """What belongs to a whole order: postage, discount, total."""

    order: str = labelled(N_("Order number"))
    vendor: int | None = labelled(N_("Where"), refers="vendors", default=None)
    placed_on: When | None = labelled(N_("Ordered on"), default=None)
    postage: Money | None = labelled(N_("Postage"), default=None)
    discount: Money | None = labelled(N_("Discount"), default=None)
    total: Money | None = labelled(N_("Together"), default=None)

    def name(self) -> str:
        """Its number."""
        return self.order

    def day(self) -> str:
        """When it was placed."""
        return self.placed_on.text if self.placed_on else ""

    def bundle(self) -> str:
        """Itself."""
        return self.order

    def of_vendor(self) -> int:
        """Where."""
        return self.vendor or 0
