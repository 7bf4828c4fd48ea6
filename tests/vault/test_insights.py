"""Insights: what her own records say, from the catalogue's sums."""

from __future__ import annotations

import re
from html import unescape

from tests.people import Ada


def spends(ada: Ada, path: str = "/insights") -> dict[str, str]:
    """The sentences and tables of the page: headings, and what stands beside each name."""
    page = ada.looks_at(path)
    rows = re.findall(r'<tr><th scope="row">(?:<a [^>]*>)?([^<]+)(?:</a>)?</th>(.*?)</tr>', page)
    cells = {name: " ".join(re.findall(r"<td[^>]*>([^<]*)", rest)) for name, rest in rows}
    return {unescape(name): unescape(words) for name, words in cells.items()}


def headings(ada: Ada, path: str = "/insights") -> list[str]:
    return [unescape(each) for each in re.findall(r"<h2[^>]*>([^<]+)</h2>", ada.looks_at(path))]


def drinks_coffee(ada: Ada, *days: str, price: str = "9.00", **more) -> None:
    for day in days:
        ada.buys("Kettle Lane, 1 kg", day, price, category="Coffee", **more)


def test_an_empty_vault_is_told_what_will_stand_here(ada: Ada):
    page = ada.looks_at("/insights")
    assert "Nothing to add up yet" in page
    assert "/purchases/new" in page
    assert '<svg class="chart"' not in page


def test_it_says_what_was_spent_by_month_vendor_and_kind(ada: Ada):
    ada.buys("Atlas", "2026-11-18", "24.90", category="books")
    ada.buys("Moss", "2026-10-02", "18.50", category=" Books ")
    ada.buys("Kettle", "2026-10-09", "30.00", vendor=None)
    ada.buys("Lamp", "2024-10-09", "149.00")
    said = spends(ada)
    assert headings(ada)[0] == "You spent €73.40 in the last twelve months"
    assert said["November"] == "1 €24.90"
    assert said["October"] == "2 €48.50"
    assert said["September"] == "0 €0.00"
    assert said["Bookshop"] == "2 €43.40"
    assert said["Somewhere"] == "1 €30.00"
    assert said["Books"] == "2 €43.40"
    assert said["No kind given"] == "1 €30.00"
    assert said["Together"] == "3 €73.40"
