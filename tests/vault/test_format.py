"""docs/format.md says every byte: the page against the code, the code against a reader written from the page alone."""

from __future__ import annotations

import ast
import json
import re
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import LargeBinary
from sqlalchemy.orm import DeclarativeBase

from connectors import models as connector_models
from connectors.course import ReportLine, add_report, seal_course, standing
from connectors.uploads import Arriving
from consent import asking, clients, decision, models, pushed, share_links
from consent.disclosure import disclose
from tests.house.tree import ROOT, modules
from tests.houses import embedded_only
from tests.people import BIRTHDAY, PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, details, query
from tests.vault import reader
from vault import crypto, passkeys, sessions, store
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address, Birthday
from vault.export import export
from vault.leaving import exported
from vault.models import Keys, Log, Main
from vault.server import Server
from vault.values import When

pytestmark = embedded_only

assert models.Grant, connector_models.Import  # both rooms' tables are part of the metadata below

PAGE = (ROOT / "docs/format.md").read_text(encoding="utf-8")
BY_THE_SERVER = {
    ("owners", "notice_box"),
    ("owners", "inbox_box"),
    ("jobs", "box"),
    ("clients", "box"),
    ("grants", "label_box"),
}
DATABASES: dict[str, type[DeclarativeBase]] = {"main": Main, "log": Log, "keystore": Keys}
VECTORS = ROOT / "tests/vectors"


def known(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def part_of(shown: dict[str, Any]) -> Any:
    return bytes.fromhex(shown["hex"]) if "hex" in shown else shown.get("text", shown.get("number"))


def table_under(heading: str) -> list[list[str]]:
    """Cells of every table row between a heading of the second level and the next."""
    part = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not set(line) <= set("|- ")]


# The page against the code.


def identities_in_the_code() -> set[str]:
    found = set()
    for path in modules():
        text = path.read_text(encoding="utf-8")
        found |= {name.rstrip() for name in re.findall(r"\bvrm/1/[a-z][a-z -]*", text)}
    return found


def test_every_identity_in_the_code_is_on_the_page_and_none_else() -> None:
    on_page = {name.rstrip() for name in re.findall(r"vrm/1/[a-z][a-z -]*", PAGE)}
    assert identities_in_the_code() == on_page
    assert len(on_page) > 20


def test_every_tag_in_the_code_is_on_the_page() -> None:
    firsts = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"crypto.tag", "tag"} and len(node.args) > 1:
                second = node.args[1]
                if isinstance(second, ast.Constant):
                    firsts.add(second.value)
    said = {word for row in table_under("Tags") for word in re.findall(r'"([^"]+)"', row[1])}
    assert firsts <= said
    assert {"handle", "vendor", "ref"} <= firsts


def test_every_column_of_every_table_is_on_the_page_and_none_else() -> None:
    said = {(row[0], row[1], row[2]) for row in table_under("What stands in clear")[1:]}
    real = {
        (database, table.name, column.name)
        for database, base in DATABASES.items()
        for table in base.metadata.tables.values()
        for column in table.columns
    }
    assert said == real


def test_the_page_calls_box_what_is_one() -> None:
    said = {(row[1], row[2]) for row in table_under("What stands in clear")[1:] if row[3] == "box"}
    unbounded = {
        (table.name, column.name)
        for base in (Main, Log, Keys)
        for table in base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.type.length is None and column.name != "params"
    }
    assert said == unbounded == set(reader.PLACES)


def test_the_files_on_disk_hold_no_table_that_is_not_on_the_page(house: Server) -> None:
    said = {(row[0], row[1]) for row in table_under("What stands in clear")[1:]}
    files = {"main": house.main.file, "log": house.log.file, "keystore": house.keystore.database.file}
    for database, file in files.items():
        names = {name for (name,) in reader.rows(file, "SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names - {"alembic_version"} == {table for where, table in said if where == database}


def test_every_kind_of_lock_and_key_is_on_the_page() -> None:
    from vault.bearer import PREFIX
    from vault.keyring import PURPOSES
    from vault.keystore import OPENING, SIGNING

    kinds = {row[0].strip("`") for row in table_under("Locks")[1:]}
    assert kinds == {"passphrase", "recovery", passkeys.UNLOCKS, passkeys.CONFIRMS, share_links.BEHIND, *PREFIX}
    letters = {row[1]: row[0].strip("`") for row in table_under("Bearer strings")[1:]}
    assert letters == dict(PREFIX)
    keys = " ".join(row[0] for row in table_under("Keys")[1:])
    assert all(f"{'files' if purpose == 'files' else purpose} key" in keys for purpose in PURPOSES)
    assert all(f"{purpose} key (server)" in keys for purpose in (*OPENING, *SIGNING))
    assert all(word in keys for word in ("root key", "grant key", "log key", "request key", "peppers", "row keys"))


# Known answers, opened by both.


@pytest.mark.parametrize("each", known("identity")["identities"], ids=lambda each: each["hex"][:24])
def test_the_reader_encodes_identities_alike(each: Any) -> None:
    parts = [
        bytes.fromhex(part["hex"]) if "hex" in part else part.get("text", part.get("number")) for part in each["parts"]
    ]
    assert reader.identity(*parts).hex() == each["hex"]


def test_the_reader_opens_the_known_boxes() -> None:
    shown = known("boxes")
    for way, each in [(reader.open_precious, one) for one in shown["precious"]] + [
        (reader.open_row, one) for one in shown["rows"]
    ]:
        key, about, box = (bytes.fromhex(each[name]) for name in ("key", "identity", "box"))
        expected = (bytes(range(256)) * 80)[: each["length"]]
        assert way(key, about, box) == expected
        assert int.from_bytes(box[1:5], "big") == each["key_id"]
        with pytest.raises(reader.Refused):
            way(key, about + b"\0", box)
    assert reader.hkdf(bytes.fromhex(shown["row_key"]["key"]), None, b"rows").hex() == shown["row_key"]["derived"]


def test_the_reader_opens_the_known_locks() -> None:
    shown = known("locks")
    for each in shown["locks"]:
        owner, lock, secret, params, box = (
            bytes.fromhex(each[name]) for name in ("owner", "lock", "secret", "params", "box")
        )
        pepper = bytes.fromhex(each["pepper"]) if each["pepper"] else None
        assert reader.open_lock(each["kind"], owner, lock, secret, pepper, params, box).hex() == each["payload"]
    for each in shown["keks"]:
        owner, lock, secret = (bytes.fromhex(each[name]) for name in ("owner", "lock", "secret"))
        pepper = bytes.fromhex(each["pepper"]) if each["pepper"] else None
        assert reader.kek(each["kind"], owner, lock, secret, pepper).hex() == each["kek"]
    stretched = shown["argon2id"]
    assert reader.stretch(stretched["passphrase"], bytes.fromhex(stretched["params"])).hex() == stretched["secret"]


def test_the_reader_reads_the_known_strings() -> None:
    shown = known("strings")
    for each in shown["strings"]:
        apart = reader.take_apart(each["text"], bytes.fromhex(shown["route_key"]))
        assert (apart.kind, apart.owner.hex(), apart.lock.hex(), apart.secret.hex()) == (
            each["kind"],
            each["owner"],
            each["lock"],
            each["secret"],
        )
    for each in shown["recovery_codes"]:
        assert reader.recovery_secret(each["written"]).hex() == each["secret"]
    for each in shown["tags"]:
        assert reader.tag(bytes.fromhex(each["key"]), *map(part_of, each["parts"])).hex() == each["tag"]
    request = shown["request"]
    assert reader.hkdf(bytes.fromhex(request["secret"]), None, b"vrm/1/request").hex() == request["key"]
    assert all(reader.padded(length) == bucket for length, bucket in known("padding")["buckets"])


def test_the_reader_shares_no_code_with_the_product() -> None:
    tree = ast.parse((ROOT / "tests/vault/reader.py").read_text(encoding="utf-8"))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not [name for name in imported if name.split(".")[0] in {"vault", "consent", "connectors", "tests"}]


# A whole directory, opened by the reader.


@dataclass
class Files:
    """A copy of a server's directory, as a thief or another program has it."""

    directory: Path

    @property
    def vault(self) -> reader.Vault:
        return reader.Vault(
            self.directory / "vault/vault.db", self.directory / "keystore/keystore.db", self.directory / "vault/log.db"
        )

    @property
    def without_keystore(self) -> reader.Vault:
        return reader.Vault(self.directory / "vault/vault.db", None, self.directory / "vault/log.db")

    def boxes(self) -> list[reader.Box]:
        return reader.boxes(self.directory / "vault/vault.db", self.directory / "vault/log.db")


def taken(house: Server, to: Path) -> Files:
    """Everything on the disk at this moment."""
    shutil.copytree(house.main.file.parents[1], to)
    return Files(to)


def furnish(ada: Ada) -> None:
    """Some of everything."""
    ada.buys("The Salt Almanac", "2026-10-22", rating=4)
    ada.buys("Field Notes on Moss", "2024-03-02")
    ada.buys("The Lantern Year", "2026-11-01", for_whom="gift", recipient="Bram", gift_note="for his fortieth")
    ada.buys("A Kettle", "2026-11-03", vendor=None)
    ada.keeps(Preference(topic="maps", stance="like", note="Not framed."))
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    ada.keeps(Address(city="Utrecht", street="Oudegracht 1"))
    ada.keeps(Note(heading="Łódź", text="Zażółć gęślą jaźń"))
    changed = ada.buys("Atlas of Quiet Places", "2026-11-05")
    ada.edits(changed, price={"amount": "31.00", "currency": "EUR"})
    ada.removes(ada.buys("Thrown away", "2026-11-06"))
    ada.attaches(changed, b"%PDF-1.7 paid by card", "till.pdf")


def brings_a_file(ada: Ada) -> bytes:
    """An upload that waits, with one line of a report."""
    with Arriving(ada.vault, "orders.csv") as file:
        file.write(b"Order Date,Title\n2026-10-01,The Salt Almanac\n" * 3)
        import_id = file.finish()
    course = standing(ada.vault, import_id).course
    with ada.house.main.transaction() as session:
        add_report(session, ada.vault, import_id, course, [ReportLine("line 3", "No date.", refused=True)])
        box = seal_course(ada.vault, import_id, course)
        session.execute(connector_models.Import.__table__.update().values(box=box))
    return import_id


def test_the_reader_opens_a_whole_vault_with_the_passphrase(
    ada: Ada, bookshop: Bookshop, recovery_code: str, tmp_path: Path
) -> None:
    furnish(ada)
    brings_a_file(ada)
    ada.lets(bookshop)
    bookshop.reads()
    tokens_by_hand = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))
    left = {"item": "The Weathervane", "bought_on": "2026-11-20"}
    assert bookshop.leaves(tokens_by_hand["access_token"], left).status_code == 202
    vault = taken(ada.house, tmp_path / "copy").vault
    root = vault.root_by_passphrase(ada.passphrase)
    assert root == vault.root_by_code(recovery_code) == ada.vault.keyring.root
    records = vault.records(root)
    numbers = sorted(records)
    with ada.house.main.reading() as session:
        stored = {each.number: each for each in store.read_many(session, ada.vault, numbers)}
    assert sorted(stored) == numbers
    for number, content in records.items():
        ours = stored[number]
        assert content["collection"] == ours.kind.collection
        assert content.get("part", "") == ours.kind.part
        assert (content.get("source", {}), content.get("edits", {})) == (ours.source, ours.edits)
    assert {content["edits"].get("text") for content in records.values()} >= {"Zażółć gęślą jaźń"}
    assert "Thrown away" not in orjson.dumps(list(records.values())).decode()
    earlier = vault.versions(root)
    assert {content["edits"]["item"] for content in earlier.values()} == {"Atlas of Quiet Places", "Thrown away"}
    assert list(vault.attachments(root).items()) == [((numbers[-1], "till.pdf"), b"%PDF-1.7 paid by card")]
    settings = vault.settings(root)
    assert settings == ada.open.settings
    assert [each.keys() for each in settings.pop("asked")] == [{"request_uri", "client_id", "name", "at"}]
    assert settings == {"name": "Ada", "handle": "ada"}
    assert vault.notice() == "ada@home.test"
    assert {label["name"] for label in vault.labels()} == {"Bookshop"}
    assert [client["client_id"] for client in vault.clients()] == [bookshop.client_id]
    assert {kind for kind, _payload in vault.jobs()} >= {"expire"}
    assert {memory["client_id"] for memory in vault.memories(root).values()} == {bookshop.client_id}
    said = vault.receipts(root)[0]
    assert said["party_identification"][0]["party_id"] == bookshop.client_id
    screen = vault.screens(root)[said["receipt_id"]]
    assert b"The Salt Almanac" in screen
    assert [course["name"] for course in vault.imports(root)] == ["orders.csv"]
    assert vault.uploads(root).popitem()[1].startswith(b"Order Date,Title\n")
    assert vault.reports(root) == [[["line 3", "No date.", True]]]
    assert [deposit["data"] for deposit in vault.deposits(root)] == [left]


def test_the_reader_opens_the_sealed_catalogue(ada: Ada, tmp_path: Path) -> None:
    furnish(ada)
    titles = {entry.number: entry.title for entry in ada.vault.catalogue.entries("NOT damaged")}
    ada.house.catalogues.put_away(ada.house)
    vault = taken(ada.house, tmp_path / "copy").vault
    root = vault.root_by_passphrase(ada.passphrase)
    assert dict(vault.catalogue(root, tmp_path / "copy/cache")) == titles


def test_the_reader_opens_nothing_without_the_keystore_but_by_the_printed_code(
    ada: Ada, recovery_code: str, tmp_path: Path
) -> None:
    vault = taken(ada.house, tmp_path / "copy").without_keystore
    with pytest.raises(reader.Refused):
        vault.root_by_passphrase(ada.passphrase)
    assert vault.root_by_code(recovery_code) == ada.vault.keyring.root


def test_the_export_is_as_the_page_says(ada: Ada, tmp_path: Path) -> None:
    furnish(ada)
    document = json.loads(b"".join(export(ada.open)))
    assert document["format"] == "vrm/1/export"
    assert document["owner"] == "Ada"
    assert document["fingerprint"] == reader.fingerprint(document)
    vault = taken(ada.house, tmp_path / "copy").vault
    root = vault.root_by_passphrase(ada.passphrase)
    assert document["marks_key"] == vault.keys(root)["dedupe"].hex()
    said = {"number", "collection", "part", "version", "source", "edits", "origin", "at"}
    gone = {"removed", "removed_day", "returns"}
    assert all(set(each) <= {*said, *gone, "mark", "history"} for each in document["records"])
    records = {
        each["number"]: {name: each[name] for name in (said - {"number"}) & each.keys()} for each in document["records"]
    }
    assert {number: each for number, each in records.items() if each} == vault.records(root)
    earlier = [each for entry in document["records"] for each in entry.get("history", [])]
    assert earlier == [each for _at, each in sorted(vault.versions(root).items())]


def test_the_reader_opens_an_encrypted_archive(ada: Ada) -> None:
    furnish(ada)
    raw = b"".join(exported(ada.open, "sealed", "tangerine velocipede armadillo"))
    assert reader.open_archive(raw, "tangerine velocipede armadillo") == b"".join(exported(ada.open, "zip"))
    for cut in (raw[:-1], raw[:166], raw[:14], raw + b"x"):
        with pytest.raises(reader.Refused):
            reader.open_archive(cut, "tangerine velocipede armadillo")


# What a vendor's token decrypts, with unlimited code.


def asks_and_previews(ada: Ada, bookshop: Bookshop, ticks: tuple[str, ...]) -> list[tuple[int, bytes]]:
    """Go the whole way, and say what the screen previewed of what she then allowed, as the very bytes."""
    pending = bookshop.asks(PURCHASES, TASTE, BIRTHDAY)
    shown = query(pending.authorize_url)
    asked = pushed.find(ada.house, shown["request_uri"], shown["client_id"])
    assert asked is not None
    client = clients.find(ada.house, bookshop.client_id)
    form = dict.fromkeys(ticks, "yes") | {"days": "30"}
    decided = decision.read_decision(asked.details, form, form.keys())
    with ada.house.main.reading() as session:
        vendor = asking.match_vendor(ada.vault, client.client_id, client.name)
        offer = asking.offer(session, ada.vault, asked, client, vendor)
        previews = offer.previews(session, ada.vault)
    terms = decision.decided(offer.whole, offer.details, decided, now=0, log_key=b"")
    items = {item.number: item for item in terms.items}
    expected = []
    for preview in previews:
        if preview.item.number in items:
            allowed = items[preview.item.number].fields
            for each in preview.plain:
                content = {path: value for path, value in orjson.loads(each.data).items() if path in allowed}
                expected += [(preview.item.number, content)] if content else []
    page = ada.sees_consent(pending.authorize_url)
    for _item, content in expected:
        for value in content.values():
            assert not isinstance(value, str) or value in page.html or path_is_derived(content)
    bookshop.connection = bookshop.finishes(pending, page.allows(*ticks))
    return sorted((item, orjson.dumps(content, option=orjson.OPT_SORT_KEYS)) for item, content in expected)


def path_is_derived(content: dict[str, Any]) -> bool:
    return bool({"birthday.day_month", "stance"} & set(content))  # shown in words


def decrypted(files: Files, token: str) -> list[tuple[int, bytes]]:
    return sorted(
        (item, orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
        for _change, item, _ref, content in files.vault.disclosures(token)
    )


@pytest.mark.parametrize("ticks", [(), ("item-1",), ("item-1", "item-2", "field-0-price")], ids=str)
def test_a_vendors_token_decrypts_exactly_the_previewed_values(
    ada: Ada, bookshop: Bookshop, tmp_path: Path, ticks: tuple[str, ...]
) -> None:
    furnish(ada)
    previewed = asks_and_previews(ada, bookshop, ticks)
    assert previewed
    files = taken(ada.house, tmp_path / "copy")
    for token in tokens(bookshop):
        assert decrypted(files, token) == previewed
    read = [
        orjson.dumps(dict(shown.data), option=orjson.OPT_SORT_KEYS)
        for collection in sorted({item.collection for item in bookshop.connection.granted})
        for shown in bookshop.connection.read(collection).records
    ]
    assert sorted(read) == sorted(content for _item, content in previewed)
    together = b"".join(content for _item, content in previewed)
    for kept in (b"Lantern", b"Bram", b"fortieth", b"Kettle", b"Moss", b"framed", b"Oudegracht", b"1986", b"Thrown"):
        assert kept not in together


def tokens(bookshop: Bookshop) -> list[str]:
    kept = json.loads(bookshop.connection.to_json())["tokens"]
    return [kept["access"], kept["refresh"]]


def everything_known(files: Files, token: str, *, keystore: bool) -> set[bytes]:
    """Every 32 bytes that can be had from a token, and from the keystore if that was taken too."""
    apart = reader.take_apart(token, files.vault.server_key("route"))
    known_keys = {apart.secret, bytes(32)}
    if not keystore:
        known_keys |= {reader.kek(apart.kind, apart.owner, apart.lock, apart.secret, None)}
        return known_keys
    file = files.vault.keystore
    assert file is not None
    known_keys |= {bytes(secret) for (secret,) in reader.rows(file, "SELECT secret FROM server_keys")}
    peppers = [bytes(secret) for (secret,) in reader.rows(file, "SELECT secret FROM peppers")]
    known_keys |= set(peppers)
    known_keys |= {reader.kek(apart.kind, apart.owner, apart.lock, apart.secret, pepper) for pepper in peppers}
    _owner, _grant, key, _bound = files.vault.grant_key(token)
    return known_keys | {key, bytes.fromhex(files.vault.terms(token)["log_key"])}


def test_a_token_opens_its_own_grant_and_nothing_else(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, tmp_path: Path
) -> None:
    furnish(ada)
    brings_a_file(ada)
    ada.lets(coffee, TASTE, ticks=("item-0",))
    coffee.reads("preferences")
    ada.lets(bookshop)
    bookshop.reads()
    files = taken(ada.house, tmp_path / "copy")
    access = tokens(bookshop)[0]
    apart = reader.take_apart(access, files.vault.server_key("route"))
    _owner, grant, _key, _bound = files.vault.grant_key(access)
    opened = [
        box
        for box in files.boxes()
        if any(reader.opens(box, key) for key in everything_known(files, access, keystore=True))
    ]
    hers = [box for box in opened if (box.table, box.column) not in BY_THE_SERVER]
    assert {(box.table, box.column) for box in hers} == {
        ("grants", "terms_box"),
        ("receipts", "copy_box"),
        ("disclosures", "box"),
        ("accesses", "box"),
        ("grant_locks", "box"),
    }
    assert all(grant.hex() in box.row for box in hers)
    assert [box.row for box in hers if box.table == "grant_locks"] == [
        f"access {apart.owner.hex()} {apart.lock.hex()} {grant.hex()}"
    ]


def test_a_token_opens_nothing_without_the_keystore(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> None:
    furnish(ada)
    ada.lets(bookshop)
    bookshop.reads()
    files = taken(ada.house, tmp_path / "copy")
    for token in tokens(bookshop):
        guesses = everything_known(files, token, keystore=False)
        assert not [box for box in files.boxes() if any(reader.opens(box, key) for key in guesses)]


def test_main_and_keystore_open_what_the_server_seals_and_nothing_of_hers(
    ada: Ada, bookshop: Bookshop, tmp_path: Path
) -> None:
    furnish(ada)
    ada.lets(bookshop)
    files = taken(ada.house, tmp_path / "copy")
    file = files.vault.keystore
    assert file is not None
    tables = ("server_keys", "peppers")
    secrets = [secret for table in tables for (secret,) in reader.rows(file, f"SELECT secret FROM {table}")]
    opened = {(box.table, box.column) for box in files.boxes() if any(reader.opens(box, key) for key in secrets)}
    assert opened == BY_THE_SERVER
    ada.presses(f"/sharing/{ada.grant()}/stop")
    files = taken(ada.house, tmp_path / "later")
    opened_later = [box for box in files.boxes() if any(reader.opens(box, key) for key in secrets)]
    assert {(box.table, box.column) for box in opened_later} == {*BY_THE_SERVER, ("receipts", "box")}
    assert len([box for box in opened_later if box.table == "receipts"]) == 1, (
        "the end's, which says what the label says"
    )
    assert ("receipts", "copy_box") not in {(box.table, box.column) for box in files.boxes()}


def test_what_is_revoked_opens_to_nobody_with_any_copy_of_main(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> None:
    furnish(ada)
    ada.lets(bookshop)
    before = taken(ada.house, tmp_path / "before")
    ada.presses(f"/sharing/{ada.grant()}/stop")
    after = taken(ada.house, tmp_path / "after")
    shutil.copy(after.directory / "keystore/keystore.db", before.directory / "keystore/keystore.db")
    for name in ("keystore.db-wal", "keystore.db-shm"):
        (before.directory / "keystore" / name).unlink(missing_ok=True)
    for token in tokens(bookshop):
        for files in (before, after):
            with pytest.raises(reader.Refused):
                files.vault.disclosures(token)


def test_the_log_says_what_was_looked_at_and_never_a_value(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> None:
    furnish(ada)
    ada.lets(bookshop)
    bookshop.reads()
    entries = taken(ada.house, tmp_path / "copy").vault.entries(tokens(bookshop)[0])
    assert entries[0]["what"] == {"purchases": ["item", "bought_on"]}
    assert entries[0]["outcome"] == "allowed"
    assert "Almanac" not in json.dumps(entries)
    assert set(entries[0]) == {"at", "what", "count", "purposes", "outcome", "request_id"}


def test_a_disclosure_is_the_bytes_that_disclose_made(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> None:
    stored = ada.buys("The Salt Almanac", "2026-10-22")
    ada.lets(bookshop)
    vault = taken(ada.house, tmp_path / "copy").vault
    ((change, item, ref, content),) = vault.disclosures(tokens(bookshop)[0])
    from consent.terms import Terms

    said = Terms.from_bytes(orjson.dumps(vault.terms(tokens(bookshop)[0])))
    assert orjson.dumps(content) == disclose(said, said.items[0], stored, date(2026, 11, 22))
    _owner, _grant, key, bound = vault.grant_key(tokens(bookshop)[0])
    assert ref == reader.tag(key, "ref", item, stored.number)[:16]
    assert (change, item) == (1, 0)
    assert set(bound) == {"client", "jkt"}


def test_a_share_link_is_as_the_page_says(ada: Ada, tmp_path: Path) -> None:
    stored, moss = ada.buys("The Salt Almanac", "2026-10-22"), ada.buys("Field Notes on Moss")
    text = ada.shares(stored, moss, field=["purchases/item"], named="yes")[3:]
    words = "obsidian marmalade trombone"
    behind = ada.shares(stored, passphrase=words)[3:]
    ada.app.test_client().post(f"/s/{text}", data={"answer": "show"})
    vault = taken(ada.house, tmp_path / "copy").vault
    _owner, grant, key, bound = vault.grant_key(text)
    assert bound == {"by": "Ada"}
    terms = vault.terms(text)
    assert (terms["client_id"], terms["client_name"], terms["vendor"]) == (f"link:{grant.hex()}", "Kettle repair", 0)
    (item,) = terms["items"]
    assert (item["numbers"], item["purpose"], item["gifts"]) == ([moss.number, stored.number], "Purpose", False)
    assert [content for *_, content in vault.disclosures(text)] == [
        {"item": "Field Notes on Moss"},
        {"item": "The Salt Almanac"},
    ]
    assert [entry["what"] for entry in vault.entries(text)] == [{"purchases": ["item"]}]
    with pytest.raises(KeyError):
        vault.grant_key(behind)
    apart = reader.take_apart(behind, vault.server_key("route"))
    ((other, version, box),) = reader.rows(
        vault.main,
        "SELECT g.grant_id, g.version, g.terms_box FROM grants g JOIN grant_locks l ON l.grant_id = g.grant_id "
        "WHERE l.lock_id = ?",
        apart.lock,
    )
    opened = reader.open_precious(
        vault.grant_key_behind(behind, words), reader.identity("vrm/1/terms", apart.owner, other, version), box
    )
    assert reader.read_json(opened)["looks"] is None
    with pytest.raises(reader.Refused):
        vault.grant_key_behind(behind, "not these words")
    assert key != vault.grant_key_behind(behind, words)


def test_without_the_passphrase_a_link_opens_nothing_of_its_grant(ada: Ada, tmp_path: Path) -> None:
    text = ada.shares(ada.buys("The Salt Almanac"), passphrase="obsidian marmalade trombone")[3:]
    files = taken(ada.house, tmp_path / "copy")
    apart = reader.take_apart(text, files.vault.server_key("route"))
    file = files.vault.keystore
    assert file is not None
    peppers = [bytes(secret) for (secret,) in reader.rows(file, "SELECT secret FROM peppers")]
    keys = {apart.secret, *peppers} | {
        reader.kek(kind, apart.owner, apart.lock, apart.secret, pepper)
        for pepper in peppers
        for kind in ("share", "share passphrase")
    }
    opened = [box for box in files.boxes() if any(reader.opens(box, key) for key in keys)]
    assert {(box.table, box.column) for box in opened} == {("grant_locks", "box")}
    assert [box.row.split()[0] for box in opened] == ["share"]


def test_a_session_and_its_root_are_as_the_page_says(ada: Ada, tmp_path: Path) -> None:
    vault = taken(ada.house, tmp_path / "copy").vault
    apart = reader.take_apart(ada.session, vault.server_key("route"))
    ((params, box),) = reader.rows(vault.main, "SELECT params, box FROM locks WHERE lock_id = ?", apart.lock)
    payload = reader.open_lock(
        "session", apart.owner, apart.lock, apart.secret, vault.pepper(apart.owner, apart.lock), params, box
    )
    opened_by, proved_at = bytes([sessions.OPENED_BY.index("passphrase")]), ada.vault.proved_at.to_bytes(8, "big")
    assert payload == ada.vault.keyring.root + opened_by + proved_at
    seat = vault.seat(payload[:32], apart.lock, params)
    assert seat == {"began_at": ada.vault.proved_at, "opened_by": "passphrase", "browser": "", "system": ""}
    assert crypto.same(payload[:32], vault.root_by_passphrase(ada.passphrase))
