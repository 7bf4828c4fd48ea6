"""What the Bookshop asks an owner for, in its own words."""

from __future__ import annotations

import calendar
from datetime import date

from connectors.vendor_client import Deposit, Granted, Item

MONTHS_BACK = 18
KEPT, ASKED_FOR = "P14D", "P90D"
LANGUAGE = "en"  # of these words, whatever she reads

# What the page says of a granted item; read by its first field, since three items are parts of one profile.
SHORT = {
    "item": ("What you bought here", "No book twice"),
    "topic": ("What you like", "Better shelves"),
    "birthday.day_month": ("Your birthday, without the year", "A card on the day"),
    "birthday.over_18": ("That you are over 18", "The cellar shelf"),
    "address.city": ("Your city", "When a parcel arrives"),
}


def items(today: date) -> list[Item | Deposit]:
    """One item that everything rests on, four that the owner may leave out, and leave to bring her receipts."""
    return [
        _what_she_bought(today),
        _optional(
            "preferences",
            ("topic", "stance"),
            "ProvidePersonalisedRecommendations",
            "So that the shelf you see first is one you care for.",
            "You see the same shelves as everybody.",
        ),
        _optional(
            "profile",
            ("birthday.day_month",),
            "PersonalisedBenefits",
            "So that we can wish you well on the day. We do not need the year.",
            "No card from us.",
        ),
        _optional(
            "profile",
            ("birthday.over_18",),
            "AgeVerification",
            "So that we may show you the books that are for grown-ups.",
            "The cellar shelf stays closed.",
        ),
        _optional(
            "profile",
            ("address.city",),
            "DeliveryOfGoods",
            "So that we can say when a parcel would reach you.",
            "You learn it when you order.",
        ),
        _her_receipts(),
    ]


def _what_she_bought(today: date) -> Item:
    return Item(
        "purchases",
        ("item", "bought_on"),
        "ProvideProductRecommendations",
        "So that we never recommend a book you already have.",
        KEPT,
        ASKED_FOR,
        optional_fields=("price", "rating"),
        since=months_before(today, MONTHS_BACK),
        without="You buy here as before, with no recommendations.",
        why_duration="Most readers come back within a season.",
        language=LANGUAGE,
    )


def _her_receipts() -> Deposit:
    return Deposit(
        "purchases",
        ("item", "bought_on", "price", "order", "category"),
        "CustomerOrderManagement",
        "So that the receipt is in your vault, and not in a drawer.",
        ASKED_FOR,
        without="You get it on paper.",
        language=LANGUAGE,
        optional=True,
    )


def said_of(granted: Granted) -> tuple[str, str]:
    """What and why, for the table of what the shop may do."""
    if granted.leave:
        return "Leave you your receipts", "Nothing in a drawer"
    for name in granted.fields:
        if name in SHORT:
            return SHORT[name]
    return granted.collection.capitalize(), "As you agreed"


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last one of that month if it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _optional(collection: str, fields: tuple[str, ...], purpose: str, why: str, without: str) -> Item:
    return Item(collection, fields, purpose, why, KEPT, ASKED_FOR, without=without, language=LANGUAGE, optional=True)
