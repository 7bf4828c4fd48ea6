"""Amazon's order history: every variant of the file beside what must come out of it, and what must not."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.connector import CELL_MOST, Found, Head, LeftOut, Match, Outcome, Refused
from connectors.reading import Event, Progress, read_file
from connectors.sources import amazon, sources
from vault.collections.purchases import Order, Purchase

SAMPLES = Path(__file__).parent / "samples"
SHARED = Path(__file__).parents[3] / "shared" / "samples"
OTHERS = sorted(path for path in SHARED.glob("*") if "OrderHistory" not in path.name)
HEADER = "Website,Order ID,Order Date,Currency,Unit Price,Unit Price Tax,Total Owed,ASIN,Quantity,Product Name\n"


def a_row(number: int = 1, **cells: str) -> str:
    usual = {
        "site": "Amazon.com", "order": f"111-{number:07}-0000000", "day": "2024-03-01T10:11:12Z", "currency": "USD",
        "price": "10.00", "tax": "0.80", "total": "10.80", "asin": "B000000001", "quantity": "1", "item": "Atlas",
    }  # fmt: skip
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow((usual | cells).values())
    return out.getvalue()


def outcomes(text: str | bytes) -> list[Outcome]:
    return list(amazon.read(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def units(of: list[Outcome]) -> int:
    return sum(one.units if isinstance(one, Found) else 1 for one in of)


def as_json(event: Event) -> dict[str, Any]:
    fields = event._asdict() if isinstance(event, Found) else {n: getattr(event, n) for n in event.__slots__}
    if isinstance(event, Found) and event.vendor:
        fields["vendor"] = {"name": event.vendor.name, "domain": event.vendor.domain}
    kind: dict[str, Any] = json.loads(json.dumps({type(event).__name__: fields}))
    return kind


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("amazon-*.csv")), ids=lambda path: path.stem)
def test_every_variant_gives_what_is_written_beside_it(path: Path) -> None:
    events = [event for event in read_file([path.read_bytes()], path.name) if not isinstance(event, Progress)]
    assert [as_json(event) for event in events] == json.loads(path.with_suffix(".json").read_text("utf-8"))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("amazon-*.csv")), ids=lambda path: path.stem)
def test_a_file_read_twice_gives_the_same_natural_keys_and_each_only_once(path: Path) -> None:
    def keys() -> list[tuple[str, ...]]:
        return [(one.part, *one.natural) for one in outcomes(path.read_bytes()) if isinstance(one, Found)]

    if amazon.sniff(Head(path.read_bytes(), "")) == Match(1.0, amazon.ABOUT.title):
        assert keys() == keys()
        assert len(set(keys())) == len(keys())


if SHARED.is_dir():  # real files beside the project; they are no part of it

    @pytest.mark.parametrize("path", sorted(SHARED.glob("*OrderHistory*.csv")), ids=lambda path: path.stem)
    def test_the_shared_samples_lose_no_row(path: Path) -> None:
        whole = path.read_bytes()
        rows = list(csv.reader(io.StringIO(whole.decode("utf-8-sig"), newline="")))[1:]
        assert amazon.sniff(Head(whole[:65536], path.name))
        assert units(outcomes(whole)) == len([row for row in rows if row]) > 0

    @pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
    def test_a_file_of_another_kind_is_not_taken_for_the_order_history(path: Path) -> None:
        match = amazon.sniff(Head(path.read_bytes()[:65536], "Retail.OrderHistory.1.csv"))
        assert match is None or match.refuses


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\xfe", b"PK\x03\x04", b'"', b"x" * 70_000, b"Order ID\n", b"{}"])
def test_what_is_no_order_history_scores_nothing_whatever_it_is_called(data: bytes) -> None:
    assert amazon.sniff(Head(data, "Retail.OrderHistory.1.csv")) is None


def test_a_column_that_stands_twice_is_unclear() -> None:
    assert amazon.sniff(Head(HEADER.replace("ASIN", "Order ID").encode(), "")) is None


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("amazon-2*.csv")), ids=lambda path: path.stem)
def test_a_file_cut_off_anywhere_still_accounts_for_each_of_its_rows(path: Path) -> None:
    whole = path.read_bytes()
    header_end = whole.index(b"\n") + 1
    starts = row_starts(whole)
    for cut in range(header_end, len(whole) + 1, max(1, len(whole) // 50)):
        assert units(outcomes(whole[:cut])) == sum(start < cut for start in starts), cut


def row_starts(whole: bytes) -> list[int]:
    """Offsets where rows begin, told by counting quotation marks: another way than the one under test."""
    starts, at, quotes = [], 0, 0
    for line in whole.splitlines(keepends=True):
        if quotes % 2 == 0:
            starts.append(at)
        quotes += line.count(b'"')
        at += len(line)
    return starts[1:]


@pytest.mark.parametrize("seed", range(20))
def test_rows_broken_at_random_never_take_their_neighbours_with_them(seed: int) -> None:
    chance = random.Random(seed)
    breaks = [
        lambda row: row.replace("Atlas", '"Atlas'),
        lambda row: row.replace("Atlas", '"At"las'),
        lambda row: row.replace("Atlas", "Atlas,more"),
        lambda row: row.replace("10.00", "oops"),
        lambda row: row.replace("Atlas", "\0"),
        lambda row: row.replace("Atlas", "x" * 400_000),
        lambda row: row.replace("2024-03-01", "01.03.2024"),
    ]
    broken = [chance.random() < 0.4 for _ in range(30)]
    rows = [chance.choice(breaks)(a_row(at)) if bad else a_row(at) for at, bad in enumerate(broken)]
    got = [one for one in outcomes(HEADER + "".join(rows)) if not (isinstance(one, Found) and one.part)]
    assert [isinstance(one, Refused) for one in got] == broken
    assert [one.place for one in got] == [f"line {line}" for line in range(2, 32)]


@pytest.mark.parametrize(
    ("cells", "price"),
    [
        ({}, "10.80"),
        ({"quantity": "3"}, "32.40"),
        ({"price": "1,234.50", "tax": "0"}, "1234.50"),
        ({"price": "0.00001", "tax": "0.000001"}, "0.000011"),
        ({"price": " 10.00 "}, "10.80"),
        ({"price": "999999999.99", "quantity": "99999"}, "99999000078999.21"),
        ({"tax": "Not Available"}, None),
        ({"price": ""}, None),
        ({"currency": "Not Applicable"}, None),
        ({"quantity": "Not Available"}, None),
    ],
)
def test_a_price_is_exact_or_absent(cells: dict[str, str], price: str | None) -> None:
    found = outcomes(HEADER + a_row(1, **cells))[0]
    assert isinstance(found, Found)
    assert found.data.get("price", {}).get("amount") == price


@pytest.mark.parametrize(
    "cells",
    [
        {"price": "1.234,50"}, {"price": "12,50"}, {"price": "-1"}, {"price": "1e3"}, {"price": "NaN"}, {"price": "-"},
        {"price": "\u0661"}, {"price": "$5"}, {"price": "1" * 10}, {"total": "12,34.00"}, {"total": "--1"},
        {"quantity": "1.5"}, {"quantity": "-1"}, {"currency": "usd"}, {"currency": "\u20ac"},
        {"day": "9/9/2023 9:41"}, {"day": "45123.12345"}, {"day": "2024-03-01"}, {"day": "2024-03-01T10:11:12"},
        {"day": "2024-02-30T00:00:00Z"}, {"day": "2024-03-01T10:11:12+02:00"}, {"order": ""}, {"order": "a b"},
        {"item": "Not Available", "asin": ""}, {"site": "x" * 300},
    ],
    ids=lambda cells: "-".join(cells),
)  # fmt: skip
def test_what_can_be_read_in_two_ways_refuses_its_row_and_only_that(cells: dict[str, str]) -> None:
    got = outcomes(HEADER + a_row(1) + a_row(2, **cells) + a_row(3))
    assert [type(one) for one in got[:3]] == [Found, Refused, Found]
    assert got[1].place == "line 3"
    assert not any(value in str(got[1]) for value in cells.values() if len(value) > 2)


def test_what_was_cancelled_is_left_out_and_counted() -> None:
    got = outcomes(HEADER + a_row(1, quantity="0", price="oops") + a_row(2))
    assert isinstance(got[0], LeftOut)
    assert units(got) == 2


def test_the_second_of_two_equal_things_in_one_order_has_a_key_of_its_own() -> None:
    got = [one for one in outcomes(HEADER + a_row() + a_row() + a_row(2)) if isinstance(one, Found) and not one.part]
    assert [one.natural[-1] for one in got] == ["1", "2", "1"]


SENT = HEADER.replace("\n", ",Shipping Charge\n")


def orders(text: str) -> list[dict[str, object]]:
    return [one.data for one in outcomes(text) if isinstance(one, Found) and one.part == "order"]


def test_an_order_has_no_sums_when_one_of_its_rows_was_refused() -> None:
    assert orders(SENT + a_row(post="4.90"))
    assert not orders(SENT + a_row(post="4.90") + a_row(price="oops", post="0"))


def test_an_order_that_adds_nothing_to_its_lines_is_no_record() -> None:
    assert not orders(HEADER + a_row() + a_row(2))
    assert not orders(SENT + a_row(post="0"))


def test_an_order_whose_rows_stand_apart_is_still_one_order() -> None:
    one, two = orders(SENT + a_row(1, post="1.50") + a_row(2, post="2") + a_row(1, total="0.20", post="0.25"))
    assert [one["total"]["amount"], two["total"]["amount"]] == ["11.00", "10.80"]  # type: ignore[index]
    assert [one["postage"]["amount"], two["postage"]["amount"]] == ["1.75", "2"]  # type: ignore[index]


def test_a_gift_message_over_many_lines_is_one_unit_and_only_a_proposal() -> None:
    header = HEADER.replace("\n", ",Gift Message,Gift Sender Name,Gift Recipient Contact Details\n")
    row = a_row().rstrip("\n") + ',"For Bea,\n\n""with love""\n",Ada,bea@example.org\n'
    got = outcomes(header + row + a_row(2).rstrip("\n") + ",Not Available,Not Available,Not Available\n")
    gift, plain = (one for one in got if isinstance(one, Found) and not one.part)
    assert gift.proposes == {
        "for_whom": "gift",
        "gift_note": 'For Bea,\n\n"with love"',
        "recipient": "bea@example.org",
    }
    assert not {"for_whom", "gift_note", "recipient"} & gift.data.keys()
    assert (plain.place, plain.proposes) == ("line 6", {})


def test_a_cell_too_long_refuses_its_row_and_the_next_is_read() -> None:
    long = a_row(1, item="x" * (CELL_MOST + 1)) + a_row(2, item="y\n" * (CELL_MOST // 2 + 1)) + a_row(3)
    assert [type(one) for one in outcomes(HEADER + long)[:3]] == [Refused, Refused, Found]


def test_what_stands_between_two_columns_never_moves_into_the_next() -> None:
    shifted = a_row(currency="USD 1", price="", tax="")
    assert isinstance(outcomes(HEADER + shifted)[0], Refused)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("amazon-*.csv")), ids=lambda path: path.stem)
def test_what_is_found_is_what_a_purchase_and_an_order_may_hold(path: Path) -> None:
    for one in outcomes(path.read_bytes()):
        if isinstance(one, Found):
            (Order if one.part else Purchase).load(one.data)
            assert one.proposes.keys() <= {"for_whom", "gift_note", "recipient"}


def test_listing_the_package_finds_the_source() -> None:
    assert [source.ABOUT.name for source in sources()] == sorted(path.stem for path in in_package())


def in_package() -> Iterator[Path]:
    folder = Path(amazon.__file__).parent
    return (path for path in folder.glob("*.py") if path.stem != "__init__")
