"""Amazon, "Request My Data": the order history `Retail.OrderHistory.N.csv`, one row per item of a shipment.

The file is known by the columns it must have, wherever they stand; an owner may have removed the others. What belongs
to the whole order (postage, discount, total) follows after the last row as records of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any

from connectors.connector import (
    About,
    Found,
    Head,
    LeftOut,
    Match,
    Outcome,
    Readable,
    Refused,
    Rows,
    VendorHint,
    first_row,
)
from vault.errors import N_

ABOUT = About(name="amazon", title=N_("Amazon order history"), reads="purchases", version=1)

REQUIRED = frozenset({"Website", "Order ID", "Order Date", "Product Name"})
COLUMNS = (
    "Website", "Order ID", "Order Date", "Product Name", "ASIN", "Quantity", "Currency", "Unit Price", "Unit Price Tax",
    "Shipping Charge", "Total Discounts", "Total Owed", "Order Status", "Item Serial Number",
    "Gift Message", "Gift Sender Name", "Gift Recipient Contact Details",
)  # fmt: skip
REFUNDS = N_(
    "This is Amazon's list of refunds, not of purchases. "
    "Choose the file whose name begins with Retail.OrderHistory instead."
)
RETURNS = N_(
    "This is Amazon's list of returns, not of purchases. "
    "Choose the file whose name begins with Retail.OrderHistory instead."
)
DIGITAL_ITEMS = N_(
    "This is Amazon's list of digital items, which is not read yet. "
    "Choose the file whose name begins with Retail.OrderHistory instead."
)
DIGITAL_ORDERS = N_(
    "This is Amazon's list of digital orders, which is not read yet. "
    "Choose the file whose name begins with Retail.OrderHistory instead."
)
EXTENSION = N_(
    "This was made by a browser extension and has no price for each thing. Ask Amazon for your data. "
    "Choose the file whose name begins with Retail.OrderHistory instead."
)
OTHERS = (
    ({"OrderID", "ReversalID", "AmountRefunded"}, REFUNDS),
    ({"OrderID", "ReversalID"}, RETURNS),
    ({"OrderId", "DigitalOrderItemId"}, DIGITAL_ITEMS),
    ({"OrderId", "DeliveryPacketId"}, DIGITAL_ORDERS),
    ({"Order ID", "Refund Completion Date"}, REFUNDS),
    ({"order id", "order url", "items"}, EXTENSION),
)

ORDER = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{3}-[0-9]{7}-[0-9]{7}(?![0-9])")
ORDER_ID = r"[0-9A-Za-z-]{3,40}"
INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|\+00:00)"
QUANTITY = r"(?:[0-9]{1,5})?"
CURRENCY = r"(?:[A-Z]{3})?"
PRICE = r"(?:[0-9]{1,9}(?:\.[0-9]{1,6})?)?"
AMOUNT = r"(?:-?[0-9]{1,9}(?:\.[0-9]{1,6})?)?"
GROUPED = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3}){1,2}(?:\.[0-9]{1,6})?")
CHECKS = (
    (1, ORDER_ID, N_("This row has no order number of Amazon's.")),
    (2, INSTANT, N_("The order date cannot be read with certainty.")),
    (5, QUANTITY, N_("The quantity is not a whole number.")),
    (6, CURRENCY, N_("The currency is not a three-letter code.")),
    (7, PRICE, N_("The unit price is not an amount that can be read with certainty.")),
    (8, PRICE, N_("The tax is not an amount that can be read with certainty.")),
    (9, AMOUNT, N_("The shipping charge is not an amount that can be read with certainty.")),
    (10, AMOUNT, N_("The discount is not an amount that can be read with certainty.")),
    (11, AMOUNT, N_("The total is not an amount that can be read with certainty.")),
)
CHECKED = itemgetter(*(index for index, _, _ in CHECKS))
USUAL = re.compile(" ".join(pattern for _, pattern, _ in CHECKS)).fullmatch
DOMAIN = re.compile(r"(?:[a-z0-9-]{1,63}\.)+[a-z]{2,63}").fullmatch
NOTHING = frozenset({"", "Not Available", "Not Applicable"})
CANCELLED = frozenset({"Cancelled", "Canceled"})
RUNS = frozenset("=+-@")  # what a spreadsheet takes for a formula
SUMS = ("postage", "discount", "total")


class Unreadable(Exception):
    """Why one row is refused; the sentence never quotes the row."""


def sniff(head: Head) -> Match | None:
    """By the columns of the first line; a column that stands twice makes the file unclear, and so unknown."""
    columns = first_row(head.data)
    names = set(columns)
    if names >= REQUIRED and not any(columns.count(name) > 1 for name in COLUMNS):
        return Match(1.0, ABOUT.title)
    for needed, sentence in OTHERS:
        if names >= needed:
            return Match(0.9, N_("Another file from Amazon"), refuses=sentence)
    return None


def read(source: Readable) -> Iterator[Outcome]:
    """One outcome per row in the order of the file, then one record per order, which counts no unit."""
    rows = Rows(source, starts=ORDER)
    pick = itemgetter(*(rows.header.index(name) if name in rows.header else -1 for name in COLUMNS))
    seen: dict[int, int] = {}
    orders = Orders()
    for line, cells, broken in rows:
        if broken:
            orders.doubt(ORDER.findall(cells[0]))
            yield Refused(broken, f"line {line}")
            continue
        cells.append("")  # what a column that is not there holds
        said = ["" if cell in NOTHING else cell for cell in pick(cells)]
        try:
            yield _outcome(said, line, seen, orders)
        except Unreadable as why:
            orders.doubt([said[1].strip()])
            yield Refused(str(why), f"line {line}")
    yield from orders.found()


def _outcome(said: list[str], line: int, seen: dict[int, int], orders: Orders) -> Found | LeftOut:
    """The purchase in one row, whose cells stand in the order of COLUMNS; raises Unreadable."""
    place = f"line {line}"
    if said[12].strip() in CANCELLED or (said[5] != "1" and "0" in said[5] and not said[5].strip(" 0")):
        return LeftOut(N_("This was cancelled, so nothing was bought."), place)
    if not USUAL(" ".join(CHECKED(said))):
        said = ["" if cell in NOTHING else cell for cell in map(str.strip, said)]
        said[7:12] = map(plain, said[7:12])
        if not USUAL(" ".join(CHECKED(said))):
            raise Unreadable(next(wrong for i, pattern, wrong in CHECKS if not re.fullmatch(pattern, said[i])))
    website, order, day, item, code, quantity, currency, unit, tax, *sums, _, serial, note, sender, recipient = said
    item, code, website = bare(item.strip()), code.strip(), website.strip()
    thing = code or item
    if not thing or len(website) > 200:
        raise Unreadable(
            N_("This row names no product.") if not thing else N_("The website is not one that Amazon writes.")
        )
    day = instant(day)
    data: dict[str, Any] = {"item": item or code, "bought_on": day, "order": order}
    if quantity:
        data["quantity"] = quantity.lstrip("0")
    if unit and tax and quantity and currency:
        each = Decimal(unit) + Decimal(tax)
        data["price"] = money(each if quantity == "1" else each * int(quantity), currency)
    if code:
        data["product_code"] = code
    if serial := serial.strip():
        data["serial_number"] = serial
    site = website.lower()
    orders.add(website, order, place, day[:10], currency, sums)
    again = hash((site, order, thing))
    seen[again] = nth = seen.get(again, 0) + 1
    hints = gift(note, sender, recipient) if note or sender or recipient else {}
    return Found("purchases", "", ("amazon", site, order, thing, str(nth)), data, place, vendor(website), hints)


def bare(cell: str) -> str:
    """The cell without the apostrophes that Amazon puts round what a spreadsheet might run."""
    return cell[1:].removesuffix("'") if cell[:1] == "'" and cell[1:2] in RUNS else cell


def plain(cell: str) -> str:
    """An amount without apostrophes and commas. Commas stand only between groups of three, else nobody can be sure."""
    cell = bare(cell)
    return cell.replace(",", "") if GROUPED.fullmatch(cell) else cell


def instant(value: str) -> str:
    """An ISO 8601 instant in UTC without its fraction, if the calendar has it."""
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        raise Unreadable(N_("The order date is not in the calendar.")) from None
    return value[:19] + "Z"


def money(value: Decimal, currency: str) -> dict[str, str]:
    """Six decimals at most (PRICE), so that it never needs an exponent."""
    return {"amount": str(value), "currency": currency}


@lru_cache(maxsize=256)
def vendor(website: str) -> VendorHint:
    domain = website.lower()
    return VendorHint(website or "Amazon", domain if DOMAIN(domain) else "")


def gift(note: str, sender: str, recipient: str) -> dict[str, Any]:
    """What the gift columns hint at. A hint it stays: the owner says what is a gift."""
    if not (note + sender + recipient).strip():
        return {}
    hints = {"for_whom": "gift", "gift_note": bare(note.strip()), "recipient": bare(recipient.strip())}
    return {name: hint for name, hint in hints.items() if hint}


class Orders:
    """Sums per order, exact, in about 200 bytes each: a long file may have as many orders as rows.

    An order is doubted when one of its rows was refused, or two currencies meet in it: then it has no sums at all,
    because a sum that lacks a row would be wrong.
    """

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        self._doubted: set[str] = set()
        self._key = ""  # of the order that is being added to: its rows mostly stand together
        self._open: list[str] = []

    def doubt(self, orders: Iterable[str]) -> None:
        self._doubted.update(order for order in orders if re.fullmatch(ORDER_ID, order))

    def add(self, website: str, order: str, line: str, day: str, currency: str, sums: list[str]) -> None:
        """Count one row in. `sums` are postage, discount and total, empty where the row does not say."""
        key = f"{website}\0{order}"
        if key != self._key:
            self._pack()
            self._key = key
            kept = self._kept.get(key)
            self._open = kept.split("\0") if kept else [line, day, currency, "", "", ""]
        mine = self._open
        if mine[2] != currency:
            self._doubted.add(order)
        for at, value in enumerate(sums, 3):
            if value and value != "0":
                mine[at] = str(Decimal(mine[at]) + Decimal(value)) if mine[at] else value

    def _pack(self) -> None:
        if self._key:
            self._kept[self._key] = "\0".join(self._open)

    def found(self) -> Iterator[Found]:
        """A record per order that had postage or a discount; of the others the lines say everything."""
        self._pack()
        for key, kept in self._kept.items():
            website, order = key.split("\0")
            place, day, currency, *sums = kept.split("\0")
            data: dict[str, Any] = {"order": order, "placed_on": day}
            if currency and order not in self._doubted:
                for name, value in zip(SUMS, sums, strict=True):
                    if value and (exact := Decimal(value)):
                        data[name] = money(exact, currency)
            if "postage" not in data and "discount" not in data:
                continue
            natural = ("amazon", website.lower(), order)
            yield Found("purchases", "order", natural, data, place, vendor(website), {}, units=0)
