"""The books in the shop. All of them, and all who wrote them, are made up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class Book:
    title: str
    author: str
    price: str
    look: str
    topics: frozenset[str]
    over_18: bool = False

    def receipt(self, day: date, order: str) -> dict[str, Any]:
        """The purchase as a vault keeps it."""
        price = {"amount": self.price.removeprefix("€"), "currency": "EUR"}
        return {
            "item": self.title,
            "bought_on": day.isoformat(),
            "price": price,
            "order": order,
            "category": "books",
        }


def _book(title: str, author: str, price: str, look: str, *topics: str, over_18: bool = False) -> Book:
    return Book(title, author, price, look, frozenset(topics), over_18)


IN_THE_WINDOW = ("The Salt Almanac", "Field Notes on Moss", "Rain, and Other Neighbours", "The Lantern Year")

BOOKS = (
    _book("The Salt Almanac", "E. Vantongeren", "€19.90", "b1", "sea", "nature", "cooking"),
    _book("Field Notes on Moss", "R. Amsel", "€18.50", "b2", "nature", "gardening", "science"),
    _book("Rain, and Other Neighbours", "T. Okonjo-Reyes", "€15.00", "b3", "novels", "fiction", "weather"),
    _book("The Lantern Year", "S. Marrow", "€24.90", "b4", "novels", "fiction", "crime"),
    _book("The Tin Orchard", "J. Haverly", "€14.90", "b3", "novels", "fiction", "gardening"),
    _book("Atlas of Quiet Places", "M. Osei", "€32.00", "b1", "travel", "maps", "nature"),
    _book("Knots for Beginners", "P. Lund", "€11.50", "b4", "sea", "crafts", "sailing"),
    _book("A Short Walk to the Weir", "D. Castellane", "€13.20", "b3", "nature", "walking", "travel"),
    _book("The Midnight Cellar", "I. Brandauer", "€27.00", "b5", "wine", "crime", over_18=True),
)
