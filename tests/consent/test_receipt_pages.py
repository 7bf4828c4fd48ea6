"""The receipt on paper: what it says, and a code that a phone reads and that stops it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import zxingcpp
from sqlalchemy import select

from consent.models import Receipt
from consent.pages.receipts import to_scan
from tests.people import ISSUER, PURCHASES, TASTE, Ada, Bookshop
from vault.server import Server

RUN = re.compile(r"(M)(\d+) ([\d.]+)|h(\d+)|m(-?\d+) (-?\d+)")


def drawn(page: str) -> list[list[int]]:
    """The squares of the code on a page, row by row, from its drawing: 1 is dark."""
    (svg,) = re.findall(r'<svg viewBox="0 0 (\d+) \1"[^>]*>.*?stroke="#000" d="([^"]+)"', page)
    size = int(svg[0])
    rows = [[0] * size for _ in range(size)]
    x, y = 0, 0.0
    for start, dx, dy, dark, right, down in RUN.findall(svg[1]):
        if start:
            x, y = int(dx), float(dy)
        elif dark:
            for at in range(x, x + int(dark)):
                rows[int(y)][at] = 1
            x += int(dark)
        else:
            x, y = x + int(right), y + int(down)
    return rows


def scanned(page: str, squares: int = 6) -> str:
    """What a phone reads off a page."""
    rows = drawn(page)
    size = len(rows) * squares
    pixels = bytearray()
    for row in rows:
        line = b"".join((b"\0" if dark else b"\xff") * squares for dark in row)
        pixels += line * squares
    picture: Any = memoryview(pixels).cast("B", (size, size))
    (found,) = zxingcpp.read_barcodes(picture)
    assert found.format == zxingcpp.BarcodeFormat.QRCode
    return str(found.text)


def receipts(ada: Ada, grant: str) -> list[str]:
    return re.findall(r'href="/receipts/([0-9a-f]{32})"', ada.looks_at(f"/sharing/{grant}"))


@pytest.mark.parametrize("length", [1, 40, 120, 400])
def test_an_address_of_any_length_can_be_scanned(length: int) -> None:
    address = "https://vault.example/r/" + "aB3_-" * (length // 5)
    assert scanned(str(to_scan(address))) == address


def test_the_code_is_drawn_without_style_or_script() -> None:
    code = str(to_scan("https://vault.example/r/x"))
    assert set(re.findall(r"<(\w+)", code)) == {"svg", "path"}
    assert not {"style", "class", "onload", "href"} & set(re.findall(r"([\w-]+)=", code))


def test_the_code_on_a_receipt_stops_what_it_is_about(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    (receipt,) = receipts(ada, held["grant_id"])
    page = ada.presses(f"/receipts/{receipt}", status=200).text
    read = scanned(page)
    assert read.startswith(f"{ISSUER}/r/vrm_rv_")
    assert read in page, "the same link stands beside it, to be typed or copied"
    ada.locks()
    stranger = ada.app.test_client()
    path = read.removeprefix(ISSUER)
    assert "Stop Bookshop seeing your vault?" in stranger.get(path).text
    assert bookshop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200
    stranger.post(path, data={"answer": "stop"})
    assert bookshop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 401


def test_looking_at_a_receipt_makes_no_link(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    """A link is made by a button; nothing is by a look, however often."""
    ada.lets(bookshop)
    (receipt,) = receipts(ada, ada.grant())
    links = "SELECT count(*) FROM grant_locks WHERE kind = 'link'"
    with house.main.engine.connect() as connection:
        before = connection.exec_driver_sql(links).scalar_one()
    for _ in range(3):
        assert "vrm_rv_" not in ada.looks_at(f"/receipts/{receipt}")
    with house.main.engine.connect() as connection:
        assert connection.exec_driver_sql(links).scalar_one() == before


def test_the_page_that_makes_a_link_shows_the_code_too(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    page = ada.presses(f"/sharing/{ada.grant()}/link", status=200).text
    assert f">{scanned(page)}</textarea>" in page


def test_a_receipt_says_in_plain_words_what_was_agreed(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop, {**PURCHASES, "retention": "P14D"}, TASTE, ticks=("item-1",))
    (receipt,) = receipts(ada, ada.grant())
    page = ada.looks_at(f"/receipts/{receipt}")
    for words in (
        "You agreed, 22 November 2026, 12:00 UTC",
        "Bookshop",
        bookshop.client_id,
        "22 December 2026",
        "only what you bought there",
        "since 1 January 2025",
        PURCHASES["why"],
        TASTE["why"],
        "Recommendations of products",
        "14 days",
        "not stated",
        receipt,
        "ni:///sha-256;",
    ):
        assert words in page, words
    assert "ProvideProductRecommendations" not in page


def test_what_has_ended_offers_no_link_and_leads_to_both_receipts(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/stop")
    assert f"/sharing/{grant}" in ada.looks_at("/sharing")
    last, first = receipts(ada, grant)
    assert "You stopped it, " in ada.looks_at(f"/receipts/{last}")
    for receipt in (first, last):
        page = ada.looks_at(f"/receipts/{receipt}")
        assert "It can see nothing any more." in page
        assert "Put a link on it" not in page
        ada.presses(f"/receipts/{receipt}", status=404)


def test_files_to_keep_are_files_and_never_pages(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    (receipt,) = receipts(ada, ada.grant())
    for name, kind in (
        ("receipt.jwt", "application/jwt"),
        ("kantara.json", "application/json"),
        ("screen.html", "text/html; charset=utf-8"),
    ):
        answer = ada.browser.get(f"/receipts/{receipt}/{name}")
        assert answer.headers["Content-Type"] == kind
        assert re.fullmatch(r'attachment; filename="[\w.-]+"', answer.headers["Content-Disposition"])
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("file", ["receipt.jwt", "kantara.json", "screen.html"])
def test_an_address_with_a_line_break_in_it_is_no_header(ada: Ada, bookshop: Bookshop, file: str) -> None:
    bookshop.tokens()
    with ada.house.main.reading() as session:
        receipt = session.scalars(select(Receipt.receipt_id)).one().hex()
    answer = ada.browser.get(f"/receipts/{receipt[:2]}%0A{receipt[2:]}/{file}")
    assert receipt in answer.headers["Content-Disposition"]


def test_an_item_whose_number_is_far_too_long_is_not_found(ada: Ada, bookshop: Bookshop) -> None:
    bookshop.tokens()
    ada.presses(f"/sharing/{ada.grant()}/less", status=404, item="9" * 5000)
