"""Ada's last eighteen months, for the demo: invented vendors, things and people, with dates counted back from today."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from vault import choices, languages, notice_address, sessions, set_up, store, unlock
from vault.app import load_rooms
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address, Birthday, Email, Name, Phone, Size
from vault.collections.purchases import Order, Purchase
from vault.collections.vendors import Vendor
from vault.opened import OpenVault
from vault.record import Record
from vault.server import start
from vault.settings import in_directory
from vault.values import Money, When

VENDORS = (
    Vendor(
        called="Bookshop",
        domains=("bookshop.example", "shop.localhost"),
        address="8 Quay Street, Porthaven",
        contact="desk@bookshop.example",
        tier="trusted",
    ),
    Vendor(called="Kettle Lane Coffee", domains=("kettlelane.example",), tier="normal"),
    Vendor(called="Northbound Cycles", domains=("northbound.example",)),
    Vendor(called="Halden Optics", domains=("halden.example",)),
    Vendor(called="Tansy Pharmacy", tier="only orders"),
    Vendor(called="Lumen & Oak", domains=("lumenoak.example",)),
)
# days ago, vendor, thing, price, for whom, more
BOUGHT: tuple[tuple[int, str, str, str, str, dict[str, str]], ...] = (
    (4, "Bookshop", "Field Notes on Moss", "18.50", "me", {"order": "BK-20418"}),
    (4, "Bookshop", "The Lantern Year", "24.90", "gift", {"order": "BK-20418", "recipient": "Ines"}),
    (4, "Bookshop", "Notebook, ruled, A5", "13.00", "work", {"order": "BK-20418"}),
    (31, "Bookshop", "The Salt Almanac", "19.90", "me", {"order": "BK-19877"}),
    (84, "Bookshop", "A Short Walk to the Weir", "13.20", "me", {"order": "BK-18340"}),
    (126, "Bookshop", "Rain, and Other Neighbours", "15.00", "me", {"order": "BK-17102"}),
    (126, "Bookshop", "Knots for Beginners", "11.50", "gift", {"order": "BK-17102", "recipient": "Tomas"}),
    (247, "Bookshop", "Maps of the Inner Harbour", "32.00", "me", {"order": "BK-14456"}),
    (347, "Bookshop", "The Bell Ringers", "14.00", "gift", {"order": "BK-11903", "recipient": "Ines"}),
    (470, "Bookshop", "The Cartographer’s Wife", "16.90", "me", {"order": "BK-09021"}),
    (13, "Tansy Pharmacy", "Hand cream, plasters", "17.85", "me", {}),
    (160, "Tansy Pharmacy", "Sun cream, 50+", "14.20", "household", {}),
    (19, "Northbound Cycles", "Winter tyres, fitted", "112.00", "me", {}),
    (190, "Northbound Cycles", "Bell, brass", "24.00", "gift", {"recipient": "Tomas"}),
    (402, "Northbound Cycles", "Touring bicycle, 54 cm", "1180.00", "me", {"serial_number": "NB-54-20931"}),
    (25, "Lumen & Oak", "Desk lamp “Sill”, brass", "149.00", "work", {}),
    (333, "Lumen & Oak", "Candle holders, pair", "38.00", "gift", {"recipient": "Ines"}),
    (48, "Halden Optics", "Reading glasses, +1.25", "186.00", "me", {}),
    (62, "Kettle Lane Coffee", "Moka pot, three cups", "34.00", "gift", {"recipient": "Tomas"}),
    (214, "Tansy Pharmacy", "Lavender soap, set of three", "15.60", "gift", {"recipient": "Ines"}),
    (298, "Halden Optics", "Magnifier, walnut handle", "42.00", "gift", {"recipient": "Tomas"}),
    (341, "Lumen & Oak", "Paper lantern, large", "27.50", "gift", {"recipient": "Ines"}),
)
COFFEE_EVERY, COFFEES = 28, 19
KINDS = {
    "Bookshop": "books",
    "Kettle Lane Coffee": "coffee",
    "Northbound Cycles": "cycling",
    "Halden Optics": "glasses",
    "Tansy Pharmacy": "pharmacy",
    "Lumen & Oak": "for the house",
}
NOTE_ON_THE_GIFT = (
    "For her fortieth on 12 December. She stopped at the shop window by the lake and read the whole first page. "
    "Don’t mention it before then."
)


def live(directory: Path, issuer: str, smtp_url: str, passphrase: str) -> str:
    """Furnish a new directory with Ada's vault; returns her recovery code."""
    server = start(in_directory(directory, issuer, smtp_url=smtp_url), load_rooms())
    set_up.set_up(server, handle="ada", name="Ada", passphrase=passphrase, notice=None, first=True)
    vault = sessions.for_command(server, unlock.with_passphrase(server, "", passphrase, address="demo"))
    code = str(vault.settings["recovery"])
    choices.keep(vault, {"recovery": None, "guide": {"step": 1}})
    with server.main.transaction() as session:
        notice_address.keep(session, vault, "ada@porthaven.example", languages.SOURCE)
    numbers = _keep(vault, VENDORS)
    vendors = {vendor.called: number for vendor, number in zip(VENDORS, numbers, strict=True)}
    today = server.clock().date()
    _keep(vault, [*_profile(), *_purchases(vendors, today), *_tastes(), *_notes(vendors, today)])
    server.stop()
    return code


def _keep(vault: OpenVault, records: Iterable[Record]) -> list[int]:
    kept = list(records)
    with store.writing(vault, numbers=len(kept)) as turn:
        return [store.add(turn, vault, record).number for record in kept]


def _profile() -> list[Record]:
    return [
        Name(given="Ada", family="Meridew"),
        Email(address="ada@porthaven.example", use="everything"),
        Phone(number="+351 900 000 142", use="deliveries only"),
        Address(street="3 Weir Lane", postal_code="4000-112", city="Porthaven", country="Portugal", use="home"),
        Birthday(born_on=When("1986-12-10")),
        Size(garment="Shoes", system="EU", size="39"),
        Size(garment="Bicycle frame", system="cm", size="54"),
    ]


def _purchases(vendors: dict[str, int], today: date) -> list[Record]:
    bought: list[Record] = []
    for ago, vendor, item, price, whom, more in BOUGHT:
        details = dict(more)
        if item == "The Lantern Year":
            details["gift_note"] = NOTE_ON_THE_GIFT
        bought.append(
            Purchase(
                item=item,
                bought_on=_when(today, ago),
                vendor=vendors[vendor],
                price=Money(price, "EUR"),
                category=KINDS[vendor],
                for_whom=whom,
                return_by=_when(today, ago - 30) if ago < 30 else None,
                warranty_until=_when(today, ago - 730) if float(price) > 100 else None,
                rating=5 if item in {"The Salt Almanac", "Maps of the Inner Harbour"} else None,
                **details,  # type: ignore[arg-type]  # text fields of a purchase, by name
            )
        )
    bought.extend(
        Purchase(
            item="House roast, 1 kg",
            bought_on=_when(today, 8 + cup * COFFEE_EVERY),
            vendor=vendors["Kettle Lane Coffee"],
            price=Money("24.00" if cup < 9 else "22.50", "EUR"),
            category=KINDS["Kettle Lane Coffee"],
        )
        for cup in range(COFFEES)
    )
    bought.append(
        Order(order="BK-20418", vendor=vendors["Bookshop"], placed_on=_when(today, 4), postage=Money("4.90", "EUR"))
    )
    return bought


def _tastes() -> list[Record]:
    return [
        Preference(topic="essays", stance="like", strength=2),
        Preference(topic="nature", stance="like", strength=3),
        Preference(topic="maps", stance="like", strength=3, note="The older the better."),
        Preference(topic="crime", stance="dislike"),
        Preference(topic="plastic wrapping", stance="never"),
    ]


def _notes(vendors: dict[str, int], today: date) -> list[Record]:
    return [
        Note(
            heading="Parcel arrived wet",
            text="Order BK-20418. Two photographs taken. They promise an answer within one working day.",
            written_on=_when(today, 2),
            vendor=vendors["Bookshop"],
        ),
        Note(
            heading="Lamp for the hall",
            text="The brass one would suit, if it comes in the small size.",
            written_on=_when(today, 20),
            vendor=vendors["Lumen & Oak"],
        ),
    ]


def _when(today: date, ago: int) -> When:
    return When((today - timedelta(days=ago)).isoformat())
