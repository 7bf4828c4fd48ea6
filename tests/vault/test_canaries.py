"""Fifty planted strings, and not one of them in a byte that the server keeps or logs, after all that can happen.

Looked for as they are, in base64 at each of three alignments, in hex and in UTF-16; names of collections and fields as
JSON keys. Looked for in the three databases, their write-ahead logs, the cache folder, whatever else the server keeps
on disk, and in the lines that are logged.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.course import standing
from connectors.engine import run
from connectors.uploads import Arriving
from tests import sampled
from tests.hearing import Heard, listening
from tests.houses import embedded_only, home_of, where
from tests.people import BIRTHDAY, PURCHASES, TASTE, Ada, Bookshop, Clock, calls_out, house_in, query
from tests.terminal import vrm
from tests.vault import reader
from vault import locks, metrics, notice_address, set_up, store, unlock
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address, Birthday, Email, Name, Phone, Size
from vault.collections.vendors import Vendor
from vault.record import CLASSES, collection_paths
from vault.server import Server
from vault.values import Money, When
from vault.worker import tick

BEGINNING = 8  # bytes, the length of the shortest string that is planted
JSON_KEY = re.compile(rb'"[a-z0-9_.]{2,60}":?')
PASSPHRASE = "tangerine velocipede armadillo"
NEW_PASSPHRASE = "obsidian marmalade trombone"
CALLED = "Quillfeather Books"
PLANTED = (
    PASSPHRASE,
    NEW_PASSPHRASE,
    CALLED,
    "Wilhelmina",
    "Thistlewood-Ąbrowska",
    "thistle-handle",
    "wilhelmina@thistlewood.test",
    "w.secondmail@thistlewood.test",
    "alias-quill@thistlewood.test",
    "+31207946018",
    "Kromme Waal 1138",
    "Amsterdam-Noordzijde",
    "1011ZQ-77",
    "Noord-Hollandse Regio",
    "1987-02-19",
    "Ballet slippers size",
    "Continental-EU-39",
    "An Almanac of Brine",
    "The Cartographer's Kettle",
    "Field Notes on Lichens",
    "Lanterns for Bartholomew",
    "Bartholomew Finch",
    "for his fortieth, from us both",
    "the second drawer on the left",
    "QF-ORDER-778123",
    "ISBN-9780306406157",
    "SERIAL-ZX81-4471",
    "48213.37",
    "10991.05",
    "77312.86",
    "Ultramarine pigments",
    "never again with feathers",
    "Heading of a private note",
    "Zażółć gęślą jaźń o świcie",
    "Gramercy Teapot Emporium",
    "teapots.gramercy.test",
    "Postbus 90210 Leeuwarden",
    "ask for Hieronymus",
    "prefers invoices on paper",
    "the tier is nobody's business",
    "So that brine is never recommended twice.",
    "You would see brine again and again.",
    "To put lichens on the first shelf.",
    "Imported: Sextant of Brass",
    "BRASS-IMPORT-4471",
    "quill-orders-2026.csv",
    "Sextants mended while you wait",
    "quicksilver pantaloons regatta",
    "till-roll-of-the-almanac.txt",
    "Brine department, till 4471",
    "ProvideProductRecommendations",
    "PersonalisedBenefits",
)

FILE = (
    "Website,Order ID,Order Date,Purchase Order Number,Currency,Unit Price,Unit Price Tax,Shipping Charge,"
    "Total Discounts,Total Owed,Shipment Item Subtotal,Shipment Item Subtotal Tax,ASIN,Product Condition,Quantity,"
    "Payment Instrument Type,Order Status,Shipment Status,Ship Date,Shipping Option,Shipping Address,Billing Address,"
    "Carrier Name & Tracking Number,Product Name,Gift Message,Gift Sender Name,Gift Recipient Contact Details\n"
    "Amazon.com,BRASS-IMPORT-4471,2026-03-04T10:11:12Z,Not Applicable,USD,77312.86,0,0,0,77312.86,77312.86,0,"
    "B000000001,New,1,Visa,Closed,Shipped,2026-03-05T10:11:12Z,std,Nowhere,Nowhere,-,Imported: Sextant of Brass,,,\n"
)


@dataclass
class Planted:
    """What is looked for, by a name for the report."""

    texts: dict[str, str] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Every form of every string. Base64 loses the letters that what stands beside it would change."""
        for name, text in self.texts.items():
            assert len(text) >= 8, name
            escaped = json.dumps(text)[1:-1]
            for each in {text, escaped}:
                yield from in_bytes(name, each.encode())
            for coding in ("utf-16-le", "utf-16-be"):
                yield f"{name} in {coding}", text.encode(coding)
        for name, raw in self.raw.items():
            yield from in_bytes(name, raw)

    def found_in(self, content: bytes) -> list[str]:
        """Names of what is in there. One walk looks for beginnings; only what begins alike is compared whole."""
        forms = {form: name for name, form in self.forms()}
        beginnings = {form[:BEGINNING] for form in forms}
        met = {piece for at in range(len(content)) if (piece := content[at : at + BEGINNING]) in beginnings}
        return [name for form, name in forms.items() if form[:BEGINNING] in met and form in content]


def in_bytes(name: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, raw
    yield f"{name} in hex", raw.hex().encode()
    yield f"{name} in HEX", raw.hex().upper().encode()
    for shift in range(3):
        for coding in (b64encode, urlsafe_b64encode):
            whole = coding(bytes(shift) + raw)
            first, last = -(-shift * 4 // 3), (shift + len(raw)) * 4 // 3
            yield f"{name} in base64", whole[first:last]


def json_keys() -> set[bytes]:
    """Every collection, and every field as a key, as they would stand in JSON."""
    names = {f'"{collection}"' for collection, _part in CLASSES}
    paths = {path for collection, _part in CLASSES for path in collection_paths(collection)}
    paths |= {each.name for cls in CLASSES.values() for each in cls.fields}
    paths |= {"client_id", "redirect_uris", "edits", "source", "log_key", "items", "recovery"}
    return {each.encode() for each in names | {f'"{path}":' for path in paths}}


def files_of(house: Server) -> list[Path]:
    """Every file in the server's directories."""
    top = home_of(house)
    return sorted(path for path in top.rglob("*") if path.is_file())


def finds(house: Server, planted: Planted, said: str) -> list[str]:
    """Where something was found: file and what; also inside whatever is compressed."""
    keys = json_keys()
    found = []
    for path in files_of(house):
        content = path.read_bytes()
        for part in (content, *unpacked(content)):
            found += [f"{path.name}: {name}" for name in planted.found_in(part)]
            named = {hit for hit in JSON_KEY.findall(part) if hit in keys or hit.rstrip(b":") in keys}
            found += [f"{path.name}: {hit.decode()}" for hit in named]
    return found + [f"log: {name}" for name in planted.found_in(said.encode())]


def unpacked(content: bytes) -> Iterator[bytes]:
    """A file that is deflated or gzipped as a whole."""
    for way in (zlib.decompress, gzip.decompress):
        try:
            yield way(content)
        except (zlib.error, OSError, EOFError):
            continue


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Every line that is logged, as the server logs it, with every library at its most talkative."""
    with listening(monkeypatch) as heard:
        yield heard


@pytest.fixture(scope="module")
def quillfeather() -> Iterator[Bookshop]:
    """A vendor whose very name is planted."""
    shop = Bookshop(CALLED, "quillfeather")
    shop.open()
    yield shop
    shop.close()


@pytest.fixture
def wilhelmina(tmp_path: Path) -> Iterator[Ada]:
    """An owner whose every word is planted; her vault is set up by the test itself."""
    house = house_in(tmp_path / "house", Clock(), smtp_url="smtp://127.0.0.1:9")
    set_up.set_up(
        house,
        handle="thistle-handle",
        name="Wilhelmina",
        passphrase=PASSPHRASE,
        notice="wilhelmina@thistlewood.test",
        first=True,
    )
    her = Ada(house, PASSPHRASE)
    assert notice_address.confirm(her.vault, her.vault.settings["notice_next"]["code"])
    yield her
    house.stop()


def fills(her: Ada) -> None:
    """A life with every planted word in it."""
    her.keeps(Name(given="Wilhelmina", family="Thistlewood-Ąbrowska"))
    her.keeps(Email(address="w.secondmail@thistlewood.test", use="ask for Hieronymus"))
    her.keeps(Phone(number="+31207946018"))
    street, code, region = "Kromme Waal 1138", "1011ZQ-77", "Noord-Hollandse Regio"
    her.keeps(Address(street=street, postal_code=code, city="Amsterdam-Noordzijde", region=region))
    her.keeps(Birthday(born_on=When("1987-02-19")))
    her.keeps(Size(garment="Ballet slippers size", system="Continental-EU-39", size="39"))
    her.keeps(
        Vendor(
            called="Gramercy Teapot Emporium",
            domains=("teapots.gramercy.test",),
            address="Postbus 90210 Leeuwarden",
            contact="ask for Hieronymus",
            alias="alias-quill@thistlewood.test",
            note="prefers invoices on paper",
        )
    )
    her.bookshop_number = her.keeps(
        Vendor(called=CALLED, domains=("quillfeather.localhost",), note="the tier is nobody's business")
    ).number
    bought = her.buys(
        "An Almanac of Brine",
        "2026-10-22",
        "48213.37",
        order="QF-ORDER-778123",
        product_code="ISBN-9780306406157",
        serial_number="SERIAL-ZX81-4471",
        note="the second drawer on the left",
    )
    her.buys("The Cartographer's Kettle", "2026-11-02")
    her.buys(
        "Lanterns for Bartholomew",
        "2026-11-03",
        for_whom="gift",
        recipient="Bartholomew Finch",
        gift_note="for his fortieth, from us both",
    )
    her.attaches(bought, b"Brine department, till 4471", "till-roll-of-the-almanac.txt")
    her.edits(bought, price={"amount": "10991.05", "currency": "EUR"})
    her.removes(her.buys("Field Notes on Lichens", "2026-11-04"))
    her.keeps(Preference(topic="Ultramarine pigments", stance="never", note="never again with feathers"))
    her.keeps(Note(heading="Heading of a private note", text="Zażółć gęślą jaźń o świcie"))


def brings_a_file(her: Ada) -> None:
    with Arriving(her.vault, "quill-orders-2026.csv") as file:
        file.write(FILE.encode())
        import_id = file.finish()
    run(her.vault, import_id)
    course = standing(her.vault, import_id).course
    assert (course.name, course.refused) == ("quill-orders-2026.csv", 0)
    assert course.new >= 1


ASKED = [
    {
        **PURCHASES,
        "why": "So that brine is never recommended twice.",
        "without": "You would see brine again and again.",
    },
    {**TASTE, "why": "To put lichens on the first shelf."},
    BIRTHDAY,
]


def strings_in_mails(house: Server) -> list[str]:
    vault = reader.Vault(where(house.main), where(house.keystore.database))
    texts = [payload["text"] for kind, payload in vault.jobs() if kind == "mail"]
    return re.findall(r"vrm_rv_[A-Za-z0-9_-]{91}", " ".join(texts))


def secrets_of(strings: dict[str, str]) -> dict[str, bytes]:
    """The secret halves of bearer strings, as raw bytes."""
    return {
        f"secret of {name}": urlsafe_b64decode(text[7:] + "=")[32:64]
        for name, text in strings.items()
        if text.startswith("vrm_")
    }


def test_no_planted_string_is_in_any_byte_that_is_kept_or_logged(
    wilhelmina: Ada, quillfeather: Bookshop, said: Heard
) -> None:
    her, shop, house = wilhelmina, quillfeather, wilhelmina.house
    code = str(her.vault.settings["recovery"])
    groups = code.split("-")
    texts = {text: text for text in PLANTED}
    texts |= {"recovery code": code, "recovery code without hyphens": code.replace("-", ""), "session": her.session}
    planted = Planted(texts, {"recovery secret": locks.read_recovery_code(code) or b""})

    def nothing_is_found(after: str, *, always: bool = False) -> None:
        if always or sampled.EVERYTHING:
            assert not finds(house, planted, said.text), after

    nothing_is_found("set-up")
    assert set_up.confirm_recovery_code(her.vault, dict(enumerate(groups)))
    shop.visits(her)
    planted.texts |= {"client_id": shop.client_id, "redirect": shop.redirect_uri, "host": f"{shop.host}.localhost"}
    fills(her)
    brings_a_file(her)
    nothing_is_found("records and an import", always=True)
    pending = shop.asks(*ASKED)
    planted.texts["request_uri"] = query(pending.authorize_url)["request_uri"].rpartition(":")[2]
    nothing_is_found("a request")
    location = her.sees_consent(pending.authorize_url).allows("item-1", "item-2", "field-0-price")
    shop.connection = shop.finishes(pending, location)
    kept = json.loads(shop.connection.to_json())["tokens"]
    strings = {"code": query(location)["code"], "access": kept["access"], "refresh": kept["refresh"]}
    strings |= {f"link {n}": link for n, link in enumerate(strings_in_mails(house))}
    assert len(strings) > 3
    planted.texts |= strings
    planted.raw |= secrets_of({**strings, "session": her.session})
    for collection in ("purchases", "preferences", "profile"):
        assert shop.reads(collection)
    nothing_is_found("reading", always=True)
    for path in ("/", "/purchases", "/profile", "/vendors", "/sharing", "/activity", "/security", "/imports"):
        her.looks_at(path)
    assert "Brine</mark>" in her.looks_at("/search?q=An+Almanac+of+Brine")
    her.looks_at("/r/" + strings["link 0"])
    tick(house, sweep=True)
    calls_out(house)
    nothing_is_found("pages, mail and the worker")
    her.presses(f"/sharing/{her.grant()}/less", item="1")
    her.presses(f"/sharing/{her.grant()}/pause")
    her.presses(f"/sharing/{her.grant()}/resume")
    unlock.change_passphrase(her.vault, PASSPHRASE, NEW_PASSPHRASE, address="here")
    nothing_is_found("narrowing and a new passphrase")
    grant = her.grant()
    receipt = re.findall(r'href="/receipts/([0-9a-f]{32})"', her.looks_at(f"/sharing/{grant}"))[0]
    for path in ("", "/receipt.jwt", "/kantara.json", "/screen.html"):
        her.browser.get(f"/receipts/{receipt}{path}")
    her.presses(f"/receipts/{receipt}", status=200)
    assert shop.connection.receipt()
    nothing_is_found("receipts")
    her.presses(f"/sharing/{grant}/stop")
    assert shop.looks("/vendor/v1/purchases", strings["access"]).status_code == 401
    nothing_is_found("revoking")
    words = "quicksilver pantaloons regatta"
    kettle = her.buys("The Cartographer's Kettle", "2026-11-05")
    path = her.shares(kettle, label="Sextants mended while you wait", named="yes", passphrase=words)
    planted.texts["share"] = path[3:]
    planted.raw |= secrets_of({"share": path[3:]})
    stranger = her.app.test_client()
    assert stranger.get(path).status_code == 200
    assert stranger.post(path, data={"answer": "show", "passphrase": "not these words"}).status_code == 403
    assert "Kettle" in stranger.post(path, data={"answer": "show", "passphrase": words}).text
    nothing_is_found("a share link", always=True)
    her.locks()
    nothing_is_found("revoking and locking")
    counted = metrics.text(house, house.settings.cache_dir)
    assert 'route="/vendor/v1/<collection>"' in counted
    assert not planted.found_in(counted.encode()), "metrics"
    house.stop()
    for arguments in (("doctor", "--json"), ("export", "--passphrase-stdin"), ("restore", "--check", "nowhere")):
        done = vrm(home_of(house), *arguments, said="not the words\n")
        assert not planted.found_in(f"{done.stdout}{done.stderr}".encode()), arguments
    assert [path for path in files_of(house) if path.suffix == ".catalogue"]
    nothing_is_found("stopping", always=True)
    assert "/vendor/v1/<collection>" in said.text, "what was logged is what was looked through"
    assert "/s/<string>" in said.text


def test_what_is_planted_would_be_found_if_it_were_there(wilhelmina: Ada) -> None:
    """The search itself: each form of each string, put into a file of the server, is found."""
    house, planted = wilhelmina.house, Planted({text: text for text in PLANTED})
    assert len(PLANTED) >= 48
    assert not finds(house, planted, "")
    file = house.settings.cache_dir / "planted"
    forms = list(planted.forms())
    file.write_bytes(b"\0".join(form for _name, form in forms))
    assert len(finds(house, planted, "")) >= len({form for _name, form in forms})
    assert min(len(form) for _name, form in forms) >= BEGINNING
    shift_one, shift_two = (b64encode(b"?" * n + b"An Almanac of Brine" + b"!") for n in (1, 2))
    for each in (shift_one, shift_two, zlib.compress(b"An Almanac of Brine"), b'{"gift_note":"x"}'):
        file.write_bytes(each)
        assert finds(house, planted, ""), each
    file.unlink()
    assert finds(house, planted, "An Almanac of Brine")


@embedded_only
def test_a_secret_removed_is_gone_from_the_files_at_once(wilhelmina: Ada) -> None:
    """`secure_delete` and a truncating checkpoint: a pepper that was taken is in no byte of the keystore."""
    house = wilhelmina.house
    pepper = house.keystore.make(wilhelmina.owner_id, b"a lock to be had", "lock")
    assert any(pepper in path.read_bytes() for path in files_of(house))
    house.keystore.take(wilhelmina.owner_id, b"a lock to be had")
    assert not [path.name for path in files_of(house) if pepper in path.read_bytes()]


def test_memory_of_a_removed_record_is_a_box_too(wilhelmina: Ada) -> None:
    stored = wilhelmina.buys("An Almanac of Brine", "2026-10-22", "48213.37")
    wilhelmina.removes(stored)
    with wilhelmina.house.main.reading() as session:
        assert [each.record.name() for each in store.history(session, wilhelmina.vault, stored.number)]
    assert not finds(wilhelmina.house, Planted({"item": "An Almanac of Brine", "price": "48213.37"}), "")
    assert Money("48213.37", "EUR").decimal
