"""Search: everything is found, best first, whatever is typed."""

from __future__ import annotations

import re

from tests.people import Ada
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address


def names(page: str) -> list[str]:
    """The titles of what was found, without their marks."""
    found = re.findall(r'<h2 class="h3"><a href="[^"]+">(.*?)</a></h2>', page)
    return [re.sub("</?mark>", "", each) for each in found]


def test_everything_she_keeps_is_found_by_its_words(ada: Ada):
    ada.buys("Copper kettle", note="Whistles like a train", serial_number="KT-4711")
    ada.keeps(Note(heading="Window seals", text="Oil them twice, says the copper merchant."))
    ada.keeps(Preference(topic="Nuts", stance="never", note="Swelling"))
    ada.keeps(Address(city="Porthaven"))
    for words, title in (
        ("kettle", "Copper kettle"),
        ("whistles train", "Copper kettle"),
        ("KT-4711", "Copper kettle"),
        ("18.50", "Copper kettle"),
        ("oil", "Window seals"),
        ("swelling", "Nuts"),
        ("port", "Porthaven"),
        ("shop.local", "Bookshop"),
    ):
        assert names(ada.looks_at(f"/search?q={words}")) == [title], words
