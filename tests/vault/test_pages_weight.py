"""What a page costs: how much goes over the wire, how many boxes are opened, and that no style is asked for twice."""

from __future__ import annotations

import gzip
import re

import pytest

from tests.people import Ada
from vault import store
from vault.collections.purchases import Purchase
from vault.pages.assets import assets
from vault.values import Money, When

HEAVIEST = 60_000


@pytest.fixture
def much(ada: Ada) -> Ada:
    """Ada with more than any page shows: orders of one thing, and a search that finds them all."""
    with store.writing(ada.vault, numbers=60) as turn:
        for number in range(60):
            thing = Purchase(
                item=f"Thing number {number} with a title of usual length",
                bought_on=When(f"2026-{number % 10 + 1:02}-{number % 28 + 1:02}"),
                price=Money("1018.50", "EUR"),
                order=f"B-{number}",
                vendor=ada.bookshop_number,
                note="Bought for the house, and it is still in use.",
            )
            store.add(turn, ada.vault, thing)
    return ada


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/", 5), ("/purchases", 40), ("/search?q=house", 20), ("/vendors/{vendor}", 22), ("/vendors", 0), ("/search", 0)],
)
def test_a_page_is_light_and_opens_no_more_than_it_shows(
    much: Ada, monkeypatch: pytest.MonkeyPatch, path: str, shown: int
):
    """A vendor's page opens that vendor, twenty purchases, and one more to know that there are more."""
    path = path.format(vendor=much.bookshop_number)
    much.looks_at(path)
    opened: list[int] = []
    unseal = store.unseal
    monkeypatch.setattr(
        store, "unseal", lambda vault, number, *row: opened.append(number) or unseal(vault, number, *row)
    )
    page = much.looks_at(path)
    assert len(opened) <= shown
    assert len(page.encode()) + sum(_on_the_wire(much, path) for path in _needs(page)) < HEAVIEST


def _needs(page: str) -> set[str]:
    """What the browser fetches besides."""
    return set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page))


def _on_the_wire(ada: Ada, path: str) -> int:
    return len(ada.browser.get(path, headers={"Accept-Encoding": "gzip"}).data)


def test_what_pages_are_dressed_in_is_compressed_and_kept_until_it_changes(ada: Ada):
    for path in _needs(ada.looks_at("/search")):
        answer = ada.browser.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
        plain = ada.browser.get(path, headers={"Accept-Encoding": "gzip;q=0"})
        assert answer.headers["Content-Encoding"] == "gzip", path
        assert "Content-Encoding" not in plain.headers
        assert gzip.decompress(answer.data) == plain.data
        assert len(answer.data) < len(plain.data)
        for each in (answer, plain):
            assert "immutable" in each.headers["Cache-Control"]
            assert each.headers["Vary"] == "Accept-Encoding"
        again = ada.browser.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_an_address_without_the_right_sum_is_asked_for_anew(ada: Ada):
    for path in ("/static/vault.css", "/static/vault.css?v=00000000"):
        assert ada.browser.get(path).headers["Cache-Control"] == "no-cache"
    for path in ("/static/", "/static/nothing.css", "/static/../assets.py", "/static/%2e%2e/assets.py"):
        ada.looks_at(path, 404)
    assert {"vault.css", "icons.svg", "htmx.min.js", "mark.svg"} <= assets().keys()


def test_her_pages_are_not_compressed_so_that_their_size_tells_nothing_of_her_words(ada: Ada):
    for path in ("/", "/search?q=kettle"):
        assert "Content-Encoding" not in ada.browser.get(path, headers={"Accept-Encoding": "gzip"}).headers
