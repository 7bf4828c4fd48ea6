"""Whoever writes into the databases with raw SQL: what is refused, what is noticed, and what stays possible.

`docs/threats.md` names these tests. A world with a little of everything is made once; its boxes are turned bit by bit
and put in one another's places under the product's own ways of opening them.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import LargeBinary, inspect, select
from sqlalchemy.engine import RowMapping

from connectors import course as courses
from connectors import models as connector_models
from connectors import uploads
from connectors.course import ReportLine
from connectors.uploads import Arriving, SealedUpload
from connectors.vendor_client import Refused
from connectors.vendor_client.proofs import key_from_json
from consent import (
    access,
    clients,
    denials,
    deposits,
    grant_boxes,
    grant_locks,
    grants,
    models,
    pushed,
    receipt_rows,
    revocation,
    segments,
    views,
)
from consent.disclosure import about_disclosure, about_terms
from tests import sampled
from tests.conftest import PASSPHRASE
from tests.house.tree import ROOT, files, texts
from tests.houses import ON_A_SERVER, copy_house, embedded_only, home_of, raw
from tests.people import BIRTHDAY, ISSUER, PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, Clock, house_in, query
from tests.vault import reader
from tests.vault.test_format import tokens
from vault import (
    attached,
    bearer,
    choices,
    crypto,
    departure,
    inbox,
    jobs,
    keyring,
    lock_rows,
    locks,
    mail,
    notice_address,
    opened,
    sessions,
    set_up,
    store,
    unlock,
    worker,
)
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday
from vault.errors import Locked, WrongSecret
from vault.export import export
from vault.models import Certificate, Keys, Log, Main
from vault.opened import OpenVault
from vault.server import Server
from vault.stored import Stored
from vault.values import When

pytestmark = embedded_only

SECOND = "six grey geese went north"
LARGE, STRIDE = 4096, 37  # bytes up to which every bit is turned; above, each bit of every 37th byte
ASKED_LATER = {**PURCHASES, "filter": {"since": "2026-01-01"}}


@dataclass
class World:
    """A server with two owners, everything that can lie in a row, and every credential that was handed out."""

    house: Server
    vaults: dict[bytes, OpenVault]
    secrets: dict[bytes, bytes]  # by lock
    request_secrets: dict[bytes, bytes]  # by tag
    keys: dict[bytes, bytes]  # of living grants
    log_keys: dict[bytes, bytes]
    versions: dict[bytes, int]

    def rows(self) -> Iterator[tuple[str, str, RowMapping]]:
        """Every box: table, column, and its row."""
        for base, database in ((Main, self.house.main), (Log, self.house.log), (Keys, self.house.keystore.database)):
            for table in base.metadata.sorted_tables:
                columns = [each.name for each in table.columns if is_box(each)]
                if columns:
                    with database.engine.connect() as connection:
                        found = connection.execute(select(table)).mappings().all()
                    for row in found:
                        yield from ((table.name, name, row) for name in columns if row[name] is not None)


def is_box(column: Any) -> bool:
    """Bytes of no fixed length are a box; only the parameters of a lock are not, and they are in its identity."""
    return isinstance(column.type, LargeBinary) and column.type.length is None and column.name != "params"


Opening = Callable[[World, Any, bytes], Any]


def of_lock(w: World, r: Any, box: bytes) -> bytes:
    pepper = w.house.keystore.pepper(r.owner_id, r.lock_id)
    return locks.open_lock(r.kind, r.owner_id, r.lock_id, w.secrets[r.lock_id], pepper, r.params, box)


def of_grant_lock(w: World, r: Any, box: bytes) -> Any:
    string = bearer.Bearer(r.kind, r.owner_id, r.lock_id, w.secrets[r.lock_id])
    pepper = w.house.keystore.pepper(r.owner_id, r.grant_id)
    found = grant_locks.Found(string, r.grant_id, r.expires_at, r.used_at, box, "live", 1, 1, 1, b"", b"", 1)
    return grant_locks.open_found(found, pepper or b"")


def of_disclosure(w: World, r: Any, box: bytes) -> bytes:
    about = about_disclosure(r.owner_id, r.grant_id, r.item, r.ref, w.versions[r.grant_id], r.change)
    return crypto.RowKey(w.keys[r.grant_id]).open(about, box)


def of_report(w: World, r: Any, box: bytes) -> bytes:
    about = crypto.identity("vrm/1/import-report", r.owner_id, r.import_id, r.n)
    return crypto.open_box(w.vaults[r.owner_id].keyring["files"], about, box)


def of_record(w: World, r: Any, box: bytes) -> Stored:
    return store.unseal(w.vaults[r.owner_id], r.number, r.revision, box)


def of_attachment(w: World, r: Any, box: bytes) -> bytes:
    about = attached.about_known(r.owner_id, r.attachment_id, r.number, r.revision, r.removed)
    return crypto.open_box(w.vaults[r.owner_id].keyring["files"], about, box)


def of_attached_file(w: World, r: Any, box: bytes) -> bytes:
    about = attached.about_content(r.owner_id, r.attachment_id, r.number)
    return crypto.open_box(w.vaults[r.owner_id].keyring["files"], about, box)


def of_receipt(w: World, r: Any, box: bytes) -> bytes:
    key = w.house.keys.seal if r.kind == "end" else w.vaults[r.owner_id].keyring["files"]
    return crypto.open_box(key, receipt_rows.about_row(r), box)


def of_root(what: str) -> Opening:
    def opening(w: World, r: Any, box: bytes) -> bytes:
        versions = (r.version,) if what == "memory" else ()
        root = w.vaults[r.owner_id].keyring.root
        return crypto.open_box(root, grant_boxes.about(r.owner_id, r.grant_id, what, *versions), box)

    return opening


OPENINGS: dict[tuple[str, str], Opening] = {
    ("owners", "notice_box"): lambda w, r, box: mail.open_notice(w.house, r.owner_id, box),
    ("owners", "settings_box"): lambda w, r, box: opened.open_settings(w.vaults[r.owner_id].keyring, box),
    ("owners", "inbox_box"): lambda w, r, box: crypto.open_box(w.house.keys.seal, keyring.about_inbox(r.owner_id), box),
    ("denials", "offer_box"): lambda w, r, box: crypto.open_box(
        w.vaults[r.owner_id].keyring["files"], denials.about_denial(r.owner_id, r.request_tag), box
    ),
    ("deposits", "box"): lambda w, r, box: inbox.unseal(
        w.vaults[r.owner_id], deposits.about_deposit(r.owner_id, r.grant_id, r.deposit_id), box
    ),
    ("locks", "box"): of_lock,
    ("keys", "box"): lambda w, r, box: crypto.open_box(
        w.vaults[r.owner_id].keyring.root, keyring.about_key(r.owner_id, r.key_id, r.purpose), box
    ),
    ("records", "box"): of_record,
    ("versions", "box"): of_record,
    ("attachments", "box"): of_attachment,
    ("attachments", "content"): of_attached_file,
    ("jobs", "box"): lambda w, r, box: crypto.open_box(
        w.house.keys.seal, jobs._about(r.owner_id, r.job_id, r.kind), box
    ),
    ("clients", "box"): lambda w, r, box: crypto.open_box(w.house.keys.seal, clients._about(r.tag, r.fresh_until), box),
    ("requests", "box"): lambda w, r, box: crypto.open_box(
        pushed._key(w.request_secrets[r.tag]), pushed._about(r.tag), box
    ),
    ("grants", "label_box"): lambda w, r, box: grant_boxes.open_label(w.house, r.owner_id, r.grant_id, r.version, box),
    ("grants", "terms_box"): lambda w, r, box: crypto.open_box(
        w.keys[r.grant_id], about_terms(r.owner_id, r.grant_id, r.version), box
    ),
    ("grants", "copy_box"): of_root("copy"),
    ("grants", "memory_box"): of_root("memory"),
    ("grant_locks", "box"): of_grant_lock,
    ("receipts", "box"): of_receipt,
    ("receipts", "copy_box"): lambda w, r, box: crypto.open_box(
        w.keys[r.grant_id], receipt_rows.about("copy", r.owner_id, r.grant_id, r.receipt_id), box
    ),
    ("receipts", "screen_box"): lambda w, r, box: crypto.open_box(
        w.vaults[r.owner_id].keyring["files"],
        receipt_rows.about("screen", r.owner_id, r.grant_id, r.receipt_id),
        box,
    ),
    ("disclosures", "box"): of_disclosure,
    ("accesses", "box"): lambda w, r, box: crypto.RowKey(w.log_keys[r.grant_id]).open(
        access.about_access(r.owner_id, r.grant_id, r.number), box
    ),
    ("certificates", "box"): lambda w, r, box: crypto.open_box(w.house.keys.seal, departure._about(r.owner_id), box),
    ("segments", "box"): lambda w, r, box: crypto.open_box(
        w.vaults[r.owner_id].keyring["files"], segments.about(r.owner_id, r.number), box
    ),
    ("imports", "box"): lambda w, r, box: courses.open_course(w.vaults[r.owner_id], r.import_id, box),
    ("import_chunks", "box"): lambda w, r, box: crypto.open_box(
        w.vaults[r.owner_id].keyring["files"], uploads.about_chunk(r.owner_id, r.import_id, r.n), box
    ),
    ("import_reports", "box"): of_report,
}


def brings_a_file(vault: OpenVault, size: int) -> bytes:
    """An upload that waits, and a line of its report."""
    with Arriving(vault, "orders.csv") as file:
        file.write(b"2026-10-01,The Salt Almanac\n" * (size // 28))
        import_id = file.finish()
    course = courses.standing(vault, import_id).course
    with vault.server.main.transaction() as session:
        courses.add_report(session, vault, import_id, course, [ReportLine("line 3", "No date.", refused=True)])
        box = courses.seal_course(vault, import_id, course)
        session.execute(connector_models.Import.__table__.update().values(box=box))
    return import_id


@pytest.fixture(scope="module")
def world(
    furnished: tuple[Path, str, Any],
    shopfront: Bookshop,
    other_shopfront: Bookshop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Ada with three grants and a file on its way in, Bram with a vault of his own, a request that waits."""
    directory = tmp_path_factory.mktemp("world") / "house"
    copy_house(furnished[0], directory)
    house = house_in(directory, Clock(), smtp_url="smtp://127.0.0.1:9")
    ada = Ada(house, PASSPHRASE)
    shopfront.visits(ada)
    other_shopfront.visits(ada)
    handed_out = life_of(ada, shopfront, other_shopfront)
    keys = {b"": b""}
    with house.main.reading() as session:
        known = views.every(session, ada.vault)
    keys = {view.grant_id: view.key for view in known if view.key is not None}
    secrets = {string.lock_id: string.secret for string in handed_out["strings"]}
    secrets |= lock_secrets(ada, furnished[1])
    bram, his_secrets = bram_moves_in(house)
    request = pushed._secret(query(handed_out["pending"].authorize_url)["request_uri"]) or b""
    yield World(
        house,
        {ada.owner_id: ada.vault, bram.owner_id: bram},
        secrets | his_secrets,
        {pushed._tag(house, request): request},
        keys,
        {view.grant_id: view.terms.log_key for view in known},
        {view.grant_id: view.version for view in known},
    )
    house.stop()


def life_of(ada: Ada, shop: Bookshop, coffee: Bookshop) -> dict[str, Any]:
    """What Ada did; returns the strings that were handed out and a request that still waits."""
    changed = ada.buys("The Salt Almanac")
    for price in ("19.00", "20.00"):
        ada.edits(changed, price={"amount": price, "currency": "EUR"})
    gift = ada.buys("The Lantern Year", for_whom="gift", gift_note="for his fortieth")
    for each in (changed, gift):
        ada.attaches(each, b"%PDF-1.7 paid by card", "till.pdf")
    gone = ada.buys("Field Notes on Moss")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.keeps(Note(heading="Long", text="moss and lichen " * 400))
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    coffee_pending = coffee.asks(TASTE)
    ended_code = query(ada.sees_consent(coffee_pending.authorize_url).allows("item-0"))["code"]
    ada.presses(f"/sharing/{ada.grant()}/stop")
    pending = shop.asks(PURCHASES, TASTE, BIRTHDAY, RECEIPTS)
    location = ada.sees_consent(pending.authorize_url).allows("item-1", "item-2", "item-3", "field-0-price")
    shop.connection = shop.finishes(pending, location)
    shop.reads()
    ada.house.clock.passes(minutes=11)  # type: ignore[attr-defined]
    segments.fold(ada.vault, views.log_keys(ada.vault))
    shop.reads()
    ada.presses(f"/sharing/{ada.grant()}/less", item="1")
    ada.removes(gone)
    shop.reads()
    assert leaves(shop, {"item": "The Weathervane", "bought_on": "2026-11-20"}).status_code == 202
    unspent = query(ada.sees_consent(coffee.asks(TASTE).authorize_url).allows("item-0"))["code"]
    ada.sees_consent(coffee.asks(ASKED_LATER).authorize_url).answers("offer", "field-0-item")
    brings_a_file(ada.vault, 20_000)
    house = ada.house
    strings = [(query(location)["code"], "code"), (unspent, "code"), (ended_code, "code"), (ada.session, "session")]
    strings += list(zip(tokens(shop), ("access", "refresh"), strict=True))
    texts = [payload["text"] for payload in mails(house)]
    strings += [(part.split("/r/", 1)[1].split()[0], "link") for part in texts if "/r/" in part]
    read = [bearer.parse(text, kind, house.keys.route) for text, kind in strings]  # type: ignore[arg-type]
    return {"strings": [each for each in read if each is not None], "pending": coffee.asks(ASKED_LATER)}


def mails(house: Server) -> list[dict[str, str]]:
    directory = home_of(house)
    vault = reader.Vault(house.main.file, directory / "keystore/keystore.db")
    return [payload for kind, payload in vault.jobs() if kind == "mail"]


def lock_secrets(ada: Ada, code: str) -> dict[bytes, bytes]:
    """By lock: what her passphrase and her printed code come to."""
    return secrets_of(ada.house, ada.owner_id, ada.passphrase, code)


def secrets_of(house: Server, owner: bytes, passphrase: str, code: str) -> dict[bytes, bytes]:
    by_passphrase, by_code = (lock_rows.living_of(house, owner, kind) for kind in ("passphrase", "recovery"))
    assert by_passphrase is not None
    assert by_code is not None
    return {
        by_passphrase.lock_id: locks.passphrase_secret(passphrase, by_passphrase.params),
        by_code.lock_id: locks.read_recovery_code(code) or b"",
    }


def bram_moves_in(house: Server) -> tuple[OpenVault, dict[bytes, bytes]]:
    """A second owner on the same server."""
    his = set_up.set_up(house, handle="bram", name="Bram", passphrase=SECOND, notice=None, first=False)
    vault = sessions.for_command(house, his)
    with house.main.transaction() as session:
        notice_address.keep(session, vault, "bram@home.test", "en")
    with store.writing(vault, numbers=2) as turn:
        store.add(turn, vault, Note(heading="Geese", text="Went north on Tuesday."))
        store.add(turn, vault, Preference(topic="geese", stance="like"))
        box = crypto.seal(house.keys.seal, departure._about(his.owner_id), b"a signed text")
        turn.session.add(Certificate(owner_id=his.owner_id, box=box))
    return vault, secrets_of(house, his.owner_id, SECOND, str(vault.settings["recovery"]))


def refuses(opening: Opening, world: World, row: Any, box: bytes) -> bool:
    """It does not open, with the one failure there is."""
    try:
        opening(world, row, box)
    except crypto.Damaged as failure:
        return str(failure) == "a box does not open" and failure.__cause__ is None
    return False


class Row(dict[str, Any]):
    """A row's columns as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def the_boxes(world: World) -> list[tuple[str, str, Row]]:
    return [(table, column, Row(row)) for table, column, row in world.rows()]


def test_there_is_a_box_of_every_kind_and_each_opens_as_it_lies(world: World) -> None:
    found = the_boxes(world)
    assert {(table, column) for table, column, _row in found} == set(OPENINGS) == set(reader.PLACES)
    for table, column, row in found:
        OPENINGS[table, column](world, row, row[column])
    for kind in ("passphrase", "recovery", "session"):
        assert any(row.kind == kind for table, _column, row in found if table == "locks")
    for kind in ("code", "access", "refresh", "link"):
        assert any(row.kind == kind for table, _column, row in found if table == "grant_locks")


@pytest.mark.parametrize(("table", "column"), sorted(OPENINGS))
def test_every_bit_of_every_stored_box_is_bound(world: World, table: str, column: str) -> None:
    opening = OPENINGS[table, column]
    for where, name, row in the_boxes(world):
        if (where, name) != (table, column):
            continue
        box = bytearray(row[column])
        for at in range(0, len(box), 1 if len(box) <= LARGE else STRIDE):
            for bit in range(8) if sampled.EVERYTHING else (at % 8,):
                box[at] ^= 1 << bit
                assert refuses(opening, world, row, bytes(box)), f"bit {bit} of byte {at}"
                box[at] ^= 1 << bit
        for wrong in (b"", box[:-1], box[:5], box + b"\0", bytes(len(box))):
            assert refuses(opening, world, row, bytes(wrong))


def test_no_box_opens_in_another_rows_place(world: World) -> None:
    found = the_boxes(world)
    assert len(found) > 50
    for (_table, column, giving), (to_table, to_column, taking) in permutations(found, 2):
        assert refuses(OPENINGS[to_table, to_column], world, taking, giving[column]), (column, to_table, to_column)


def test_no_box_opens_once_a_column_of_its_identity_is_changed(world: World) -> None:
    for table, column, row in the_boxes(world):
        parts, _about = reader.PLACES[table, column]
        for name in (part.strip().removeprefix("d.") for part in parts.split(",")):
            if name in row:
                moved = Row(row)
                moved[name] = another(world, name, row[name])
                assert refuses(OPENINGS[table, column], world, moved, row[column]), (table, name)


def another(world: World, name: str, value: Any) -> Any:
    """Another value for a column; whoever writes it knows all secrets of the row under its new name, too."""
    if name == "owner_id":
        return next(each for each in world.vaults if each != value)
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "records" if value != "records" else "files"
    changed = bytes(byte ^ 1 for byte in value) or b"\1"
    for known in (world.secrets, world.request_secrets, world.keys, world.log_keys, world.versions):
        if value in known:
            known[changed] = known[value]  # type: ignore[index, assignment]
    return changed


# Through the front door: raw SQL on the files of a running server, then what people and programs meet.


def writes(house: Server, statement: str, *values: Any, to: str = "main") -> int:
    """Raw SQL with unlimited rights on a file of the server."""
    database = {"main": house.main, "log": house.log, "keystore": house.keystore.database}[to]
    if ON_A_SERVER:
        with raw(database) as say:
            say("SET LOCAL session_replication_role = replica")  # no foreign keys
            return len(say(f"{statement} RETURNING 1", *values))
    connection = sqlite3.connect(database.file, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys=OFF")
        return connection.execute(statement, values).rowcount
    finally:
        connection.close()


def calls(shop: Bookshop, collection: str, token: str | None = None) -> httpx.Response:
    """One call with the shop's own DPoP key, whatever the answer."""
    path, string = f"/vendor/v1/{collection}", token or tokens(shop)[0]
    key = key_from_json(json.loads(shop.connection.to_json())["dpop_key"])
    return shop.looks(path, string, proof=shop.proves("GET", ISSUER + path, token=string, key=key))


def leaves(shop: Bookshop, data: dict[str, str]) -> httpx.Response:
    """Something for her inbox, with the shop's own DPoP key."""
    key = key_from_json(json.loads(shop.connection.to_json())["dpop_key"])
    return shop.leaves(tokens(shop)[0], data, key=key)


def reads_row(house: Server, table: str, where: str, *values: Any, of: str = "main") -> dict[str, Any]:
    return reads_rows(house, table, where, *values, of=of)[0]


def reads_rows(house: Server, table: str, where: str = "1 = 1", *values: Any, of: str = "main") -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    database = house.main if of == "main" else house.log
    with raw(database) as say:
        rows = say(f"SELECT * FROM {table} WHERE {where}", *values)
    return [dict(row._mapping) for row in rows]


def puts_back(house: Server, table: str, row: dict[str, Any], *, to: str = "main") -> None:
    """A whole row as it once was, in place of whatever is there now."""
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    found = inspect({"main": house.main, "log": house.log}[to].engine)
    unique = [each["column_names"] for each in found.get_unique_constraints(table)]
    for columns in (found.get_pk_constraint(table)["constrained_columns"], *unique):
        same = " AND ".join(f"{column} = ?" for column in columns)
        writes(house, f"DELETE FROM {table} WHERE {same}", *(row[column] for column in columns), to=to)
    writes(house, f"INSERT INTO {table} ({names}) VALUES ({marks})", *row.values(), to=to)


def turns_a_bit(house: Server, table: str, column: str, where: str, *values: Any, to: str = "main") -> None:
    row = reads_row(house, table, where, *values, of=to)
    box = bytearray(row[column])
    box[-1] ^= 1
    assert writes(house, f"UPDATE {table} SET {column} = ? WHERE {where}", bytes(box), *values, to=to) == 1


def test_a_record_that_was_tampered_with_is_told_as_damaged_and_the_others_open(ada: Ada) -> None:
    sound = ada.buys("The Salt Almanac")
    stored = ada.buys("Field Notes on Moss")
    turns_a_bit(ada.house, "records", "box", "number = ?", stored.number)
    page = ada.looks_at(f"/purchases/{stored.number}", status=500)
    assert "This record is damaged" in page
    assert "Moss" not in page
    assert "The Salt Almanac" in ada.looks_at(f"/purchases/{sound.number}")


def test_an_older_box_does_not_open_in_the_current_row(ada: Ada) -> None:
    stored = ada.buys("The Salt Almanac")
    ada.edits(stored, item="The Salt Almanac, second printing")
    older = reads_row(ada.house, "versions", "number = ?", stored.number)
    writes(ada.house, "UPDATE records SET box = ? WHERE number = ?", older["box"], stored.number)
    with ada.house.main.reading() as session, pytest.raises(crypto.Damaged):
        store.read(session, ada.vault, stored.number)


def test_a_disclosure_or_terms_that_were_tampered_with_show_the_vendor_nothing(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    for table, column in (("disclosures", "box"), ("grants", "terms_box")):
        row = reads_row(ada.house, table, "1 = 1")
        turns_a_bit(ada.house, table, column, "1")
        answer = calls(bookshop, "purchases")
        assert answer.status_code >= 500
        assert "Almanac" not in answer.text
        puts_back(ada.house, table, row)
    assert calls(bookshop, "purchases").status_code == 200


def test_a_token_whose_lock_was_tampered_with_is_an_invalid_token(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    turns_a_bit(ada.house, "grant_locks", "box", "kind = 'access'")
    answer = calls(bookshop, "purchases")
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_token"
    turns_a_bit(ada.house, "grant_locks", "box", "kind = 'link'")


def test_no_key_or_lock_that_was_tampered_with_opens_the_vault(ada: Ada, recovery_code: str) -> None:
    house = ada.house
    for kind in ("passphrase", "recovery", "session"):
        turns_a_bit(house, "locks", "box", "kind = ?", kind)
    with pytest.raises(WrongSecret):
        unlock.with_passphrase(house, "ada", PASSPHRASE, address="here")
    with pytest.raises(WrongSecret):
        unlock.with_recovery_code(house, "ada", recovery_code)
    with pytest.raises(Locked):
        sessions.open_session(house, ada.session)


def test_one_key_that_was_tampered_with_keeps_the_vault_shut(ada: Ada) -> None:
    turns_a_bit(ada.house, "keys", "box", "purpose = 'records'")
    with pytest.raises(Locked):
        sessions.open_session(ada.house, ada.session)
    assert urlsplit(ada.browser.get("/purchases").headers["Location"]).path == "/unlock"


@pytest.mark.parametrize(
    "gone", ["owners WHERE 1", *(f"keys WHERE purpose = '{each}'" for each in keyring.PURPOSES[:4])]
)
def test_a_row_of_hers_that_was_taken_away_shuts_the_vault_and_is_no_stumble(ada: Ada, gone: str) -> None:
    writes(ada.house, f"DELETE FROM {gone}")
    ada.app.testing = False
    for path in ("/", "/purchases", "/sharing"):
        assert ada.browser.get(path).headers.get("Location", "").startswith("/unlock"), path


def test_the_cost_and_salt_of_a_passphrase_cannot_be_lowered(ada: Ada) -> None:
    row = reads_row(ada.house, "locks", "kind = 'passphrase'")
    weak = crypto.Cost(8, 1, 1).to_bytes() + row["params"][12:]
    writes(ada.house, "UPDATE locks SET params = ? WHERE lock_id = ?", weak, row["lock_id"])
    with pytest.raises(crypto.Damaged):
        unlock.with_passphrase(ada.house, "ada", PASSPHRASE, address="here")


def test_a_request_that_was_tampered_with_is_no_request(ada: Ada, bookshop: Bookshop) -> None:
    pending = bookshop.asks()
    turns_a_bit(ada.house, "requests", "box", "1")
    assert "has been answered already, or it has run out" in ada.looks_at(_page(pending.authorize_url), status=410)


def _page(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def test_a_client_that_was_tampered_with_is_fetched_again(ada: Ada, bookshop: Bookshop) -> None:
    bookshop.asks()
    turns_a_bit(ada.house, "clients", "box", "1")
    assert clients._known(ada.house, bookshop.client_id) is None
    assert bookshop.asks()


def test_keys_that_a_client_withdrew_do_not_come_back_into_its_present_row(ada: Ada, bookshop: Bookshop) -> None:
    bookshop.asks()
    older = reads_row(ada.house, "clients", "1 = 1")
    ada.house.clock.passes(hours=30)  # type: ignore[attr-defined]
    bookshop.asks()
    writes(ada.house, "UPDATE clients SET box = ?", older["box"])
    assert clients._known(ada.house, bookshop.client_id) is None
    puts_back(ada.house, "clients", older)
    known = clients._known(ada.house, bookshop.client_id)
    assert known is not None
    assert known[1] <= ada.house.now, "the whole row brings back its own date, which has passed"


def test_a_job_that_was_tampered_with_is_not_done_and_does_not_stop_the_others(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    row = reads_row(ada.house, "jobs", "kind = 'expire'")
    writes(ada.house, "UPDATE jobs SET due_at = 1, kind = 'replace' WHERE job_id = ?", row["job_id"])
    with ada.house.main.transaction() as session:
        jobs.enqueue(session, ada.house, ada.owner_id, "raise_version", {"grant": ada.grant(), "version": 1})
    jobs.run_due(ada.house)
    assert bookshop.reads() == []
    assert len(ada.house.keystore.alive(ada.owner_id, "grant")) == 1
    left = [
        kind
        for (kind,) in reader.rows(ada.house.main.file, "SELECT kind FROM jobs WHERE kind NOT IN ('notice', 'digest')")
    ]
    assert left == ["replace"]


def test_an_entry_of_the_log_that_was_tampered_with_is_shown_as_damaged(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    bookshop.reads()
    turns_a_bit(ada.house, "accesses", "box", "number = 1", to="log")
    assert "This entry is damaged" in ada.looks_at("/activity")


def test_a_file_on_its_way_in_that_was_tampered_with_is_not_read(ada: Ada) -> None:
    import_id = brings_a_file(ada.vault, 20_000)
    upload = SealedUpload(ada.vault, import_id, courses.standing(ada.vault, import_id).course)
    turns_a_bit(ada.house, "import_chunks", "box", "1")
    with pytest.raises(crypto.Damaged):
        upload.read(0, 10)
    turns_a_bit(ada.house, "import_reports", "box", "1")
    with pytest.raises(crypto.Damaged):
        courses.report(ada.vault, import_id)
    turns_a_bit(ada.house, "imports", "box", "1")
    assert courses.standing(ada.vault, import_id).course.sentence == courses.DAMAGED


def test_a_notice_address_that_was_tampered_with_gets_no_mail(ada: Ada) -> None:
    turns_a_bit(ada.house, "owners", "notice_box", "1")
    row = reads_row(ada.house, "owners", "1 = 1")
    with pytest.raises(crypto.Damaged):
        mail.open_notice(ada.house, ada.owner_id, row["notice_box"])


def test_a_notice_address_that_was_tampered_with_keeps_nothing_from_ending_and_nothing_from_being_taken_along(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.lets(bookshop)
    grant = ada.grant()
    turns_a_bit(ada.house, "owners", "notice_box", "1")
    ada.presses(f"/sharing/{grant}/stop")
    assert b'"notice":null' in b"".join(export(ada.open))
    ada.looks_at("/settings")
    departure.ask(ada.vault)
    ada.house.clock.passes(days=9)  # type: ignore[attr-defined]
    worker.tick(ada.house, sweep=True)
    assert departure.certificate_of(ada.house, ada.owner_id)


def test_a_notice_address_that_was_tampered_with_can_be_taken_out(ada: Ada) -> None:
    turns_a_bit(ada.house, "owners", "notice_box", "1")
    notice_address.remove(ada.vault, "en")
    assert notice_address.present(ada.vault) is None


def test_a_sealed_catalogue_that_was_tampered_with_is_rebuilt(ada: Ada) -> None:
    ada.buys("The Salt Almanac")
    ada.vault.catalogue.count("1")
    ada.house.catalogues.put_away(ada.house)
    (file,) = ada.house.settings.cache_dir.iterdir()
    box = bytearray(file.read_bytes())
    box[200] ^= 1
    file.write_bytes(box)
    assert "The Salt Almanac" in {entry.title for entry in ada.vault.catalogue.entries("NOT damaged")}


# Below a floor: what narrowing, and any write of hers, has left behind does not come back.


@dataclass
class Narrowed:
    """A grant that showed purchases and taste, and since then purchases alone; with its rows from before."""

    ada: Ada
    shop: Bookshop
    grant: dict[str, Any]
    disclosures: list[dict[str, Any]]
    owner: dict[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """As it stands."""
        return reads_row(self.ada.house, "grants", "1 = 1")

    def looks(self, collection: str) -> Any:
        return calls(self.shop, collection)


@pytest.fixture
def narrowed(ada: Ada, bookshop: Bookshop) -> Narrowed:
    """Ada took preferences out of what the Bookshop can see."""
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.lets(bookshop, PURCHASES, TASTE, BIRTHDAY, ticks=("item-1", "item-2"))
    owner = reads_row(ada.house, "owners", "1 = 1")
    grant = reads_row(ada.house, "grants", "1 = 1")
    before = reads_rows(ada.house, "disclosures")
    ada.presses(f"/sharing/{ada.grant()}/less", item="1")
    return Narrowed(ada, bookshop, grant, before, owner)


@pytest.mark.parametrize("column", ["terms_box", "memory_box", "label_box"])
def test_nothing_from_before_narrowing_opens_in_the_grants_present_row(narrowed: Narrowed, column: str) -> None:
    house, ada = narrowed.ada.house, narrowed.ada
    writes(house, f"UPDATE grants SET {column} = ?", narrowed.grant[column])
    row = narrowed.row
    if column == "terms_box":
        assert narrowed.looks("preferences").status_code >= 500
    elif column == "memory_box":
        with house.main.reading() as session:
            (view,) = views.every(session, ada.vault)
        assert (view.terms.items, view.key) == ((), None)
        assert "damaged" in ada.looks_at(f"/sharing/{ada.grant()}")
        ada.presses(f"/sharing/{ada.grant()}/stop")
        assert not house.keystore.alive(ada.owner_id, "grant")
    else:
        with pytest.raises(crypto.Damaged):
            grant_boxes.open_label(house, ada.owner_id, row["grant_id"], row["version"], row["label_box"])


def test_disclosures_from_before_narrowing_do_not_open(narrowed: Narrowed) -> None:
    for row in narrowed.disclosures:
        puts_back(narrowed.ada.house, "disclosures", row)
    answer = narrowed.looks("purchases")
    assert answer.status_code >= 500
    assert "Almanac" not in answer.text
    page = narrowed.ada.looks_at(f"/sharing/{narrowed.ada.grant()}")
    assert "maps" not in page


def test_a_grants_whole_row_from_before_narrowing_holds_the_grant(narrowed: Narrowed) -> None:
    ada = narrowed.ada
    puts_back(ada.house, "grants", narrowed.grant)
    for row in narrowed.disclosures:
        puts_back(ada.house, "disclosures", row)
    for collection in ("preferences", "purchases"):
        answer = narrowed.looks(collection)
        assert (answer.status_code, answer.json()["code"]) == (403, "paused")
    assert next(iter(ada.house.keystore.alive(ada.owner_id, "grant").values())).held == "old copy"


def test_her_next_change_does_not_follow_a_row_from_before_narrowing(narrowed: Narrowed) -> None:
    ada = narrowed.ada
    puts_back(ada.house, "grants", narrowed.grant)
    before = reader.rows(ada.house.main.file, "SELECT count(*) FROM disclosures WHERE item = 1")
    ada.keeps(Preference(topic="kites", stance="like"))
    assert reader.rows(ada.house.main.file, "SELECT count(*) FROM disclosures WHERE item = 1") == before


def test_narrowing_again_does_not_bring_back_what_was_taken_out(narrowed: Narrowed) -> None:
    ada = narrowed.ada
    puts_back(ada.house, "grants", narrowed.grant)
    ada.presses(f"/sharing/{ada.grant()}/less", item="2")
    assert next(iter(ada.house.keystore.alive(ada.owner_id, "grant").values())).held == "old copy"
    assert narrowed.looks("preferences").status_code == 403
    page = ada.looks_at(f"/sharing/{ada.grant()}")
    assert "digest" in page, "she has to consent anew, with a preview"


def test_her_row_from_before_holds_every_grant_until_she_consents_anew(narrowed: Narrowed) -> None:
    ada = narrowed.ada
    puts_back(ada.house, "owners", narrowed.owner)
    assert narrowed.looks("purchases").json()["code"] == "paused"
    assert reads_row(ada.house, "owners", "1 = 1")["lost"] == 1
    found = re.search(r'name="digest" value="(\w+)"', ada.looks_at(f"/sharing/{ada.grant()}"))
    assert found is not None
    ada.presses(f"/sharing/{ada.grant()}/resume", digest=found[1])
    assert narrowed.looks("purchases").status_code == 200


def test_a_grant_that_ended_stays_dead_whatever_is_put_back(narrowed: Narrowed) -> None:
    ada = narrowed.ada
    strings = [reads_row(ada.house, "grant_locks", "kind = ?", kind) for kind in ("access", "refresh", "link")]
    now = narrowed.row
    ada.presses(f"/sharing/{ada.grant()}/stop")
    puts_back(ada.house, "grants", now)
    for row in strings:
        puts_back(ada.house, "grant_locks", row)
    for row in narrowed.disclosures:
        puts_back(ada.house, "disclosures", row)
    answer = narrowed.looks("purchases")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


# What a whole older row put back can do within one version: exactly this (docs/threats.md has the table).


def unlocks_anew(ada: Ada) -> Ada:
    ada.locks()
    ada.unlocks()
    return ada


def test_an_older_record_put_back_opens_until_the_next_unlock_shows_it_as_damaged(ada: Ada) -> None:
    stored = ada.buys("The Salt Almanac")
    other = ada.buys("Field Notes on Moss")
    older = reads_row(ada.house, "records", "number = ?", stored.number)
    ada.marks_as_gift(stored)
    assert not ada.open.catalogue.count("damaged")
    puts_back(ada.house, "records", older)
    with ada.house.main.reading() as session:
        assert store.read(session, ada.vault, stored.number).record.for_whom == "me", "it opens: its box is in its row"
    damaged = unlocks_anew(ada).open.catalogue.entries("damaged")
    assert [entry.number for entry in damaged] == [stored.number]
    assert other.number not in {entry.number for entry in damaged}


def test_an_older_record_that_was_noticed_is_shown_to_no_vendor(ada: Ada, bookshop: Bookshop) -> None:
    stored = ada.buys("The Salt Almanac")
    ada.buys("Field Notes on Moss")
    older = reads_row(ada.house, "records", "number = ?", stored.number)
    ada.marks_as_gift(stored)
    assert ada.open.catalogue.count("1")
    puts_back(ada.house, "records", older)
    unlocks_anew(ada).lets(bookshop)
    assert [each["item"] for each in bookshop.reads()] == ["Field Notes on Moss"]


def test_a_removed_record_that_returns_and_one_that_vanishes_are_noticed_at_the_next_unlock(ada: Ada) -> None:
    removed, emptied, deleted = (ada.buys(f"Thing number {n}") for n in (1, 2, 3))
    older = reads_row(ada.house, "records", "number = ?", removed.number)
    ada.removes(removed)
    assert ada.open.catalogue.count("1")
    puts_back(ada.house, "records", older)
    writes(ada.house, "UPDATE records SET box = NULL WHERE number = ?", emptied.number)
    writes(ada.house, "DELETE FROM records WHERE number = ?", deleted.number)
    damaged = {entry.number for entry in unlocks_anew(ada).open.catalogue.entries("damaged")}
    assert damaged == {removed.number, emptied.number, deleted.number}


def test_without_its_catalogue_an_older_record_is_not_noticed(ada: Ada) -> None:
    stored = ada.buys("The Salt Almanac")
    older = reads_row(ada.house, "records", "number = ?", stored.number)
    ada.marks_as_gift(stored)
    ada.locks()
    for file in ada.house.settings.cache_dir.iterdir():
        file.unlink()
    puts_back(ada.house, "records", older)
    ada.unlocks()
    assert not ada.open.catalogue.count("damaged")


def test_an_older_disclosure_put_back_shows_its_vendor_the_older_answer_until_the_next_version(
    ada: Ada, bookshop: Bookshop
) -> None:
    stored = ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.lets(bookshop, PURCHASES, TASTE, ticks=("item-1",))
    older = reads_row(ada.house, "disclosures", "item = 0")
    ada.marks_as_gift(stored)
    assert bookshop.reads() == []
    puts_back(ada.house, "disclosures", older)
    assert [each["item"] for each in bookshop.reads()] == ["The Salt Almanac"], "what it could read before, no more"
    assert "The Salt Almanac" in ada.looks_at(f"/sharing/{ada.grant()}"), "and she sees that it can"
    ada.presses(f"/sharing/{ada.grant()}/less", item="1")
    assert bookshop.reads() == []


def test_a_dropped_or_expired_token_put_back_lives_until_the_grant_ends_and_no_longer(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    token = tokens(bookshop)[0]
    row = reads_row(ada.house, "grant_locks", "kind = 'access'")
    bookshop.connection.drop()
    assert calls(bookshop, "purchases", token).status_code == 401
    puts_back(ada.house, "grant_locks", {**row, "expires_at": 1 << 40})
    assert calls(bookshop, "purchases", token).status_code == 200
    ada.house.clock.passes(days=31)  # type: ignore[attr-defined]
    assert calls(bookshop, "purchases", token).status_code == 401, "the end stands in the terms"


def test_a_spent_code_put_back_can_be_exchanged_again_within_its_minute(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    pending = bookshop.asks()
    location = ada.sees_consent(pending.authorize_url).allows()
    unspent = reads_row(ada.house, "grant_locks", "kind = 'code'")
    bookshop.connection = bookshop.finishes(pending, location)
    puts_back(ada.house, "grant_locks", unspent)
    bookshop.connection = bookshop.finishes(pending, location)
    assert bookshop.reads()
    puts_back(ada.house, "grant_locks", unspent)
    ada.house.clock.passes(seconds=61)  # type: ignore[attr-defined]
    with pytest.raises(Refused):
        bookshop.finishes(pending, location)


def test_a_session_prolonged_in_its_row_lives_twelve_hours_and_dies_when_she_locks(ada: Ada) -> None:
    prolonged = "UPDATE locks SET used_at = ?, expires_at = ? WHERE kind = 'session'", 1 << 40, 1 << 40
    writes(ada.house, *prolonged)
    ada.house.clock.passes(hours=11)  # type: ignore[attr-defined]
    assert ada.open.owner_id == ada.owner_id
    ada.house.clock.passes(hours=2)  # type: ignore[attr-defined]
    with pytest.raises(Locked):
        sessions.open_session(ada.house, ada.session)
    ada.unlocks()
    writes(ada.house, *prolonged)
    row = reads_row(ada.house, "locks", "kind = 'session'")
    ada.locks()
    puts_back(ada.house, "locks", row)
    with pytest.raises(Locked):
        sessions.open_session(ada.house, ada.session)


def test_a_session_whose_times_were_taken_out_goes_on_or_is_over_and_is_no_stumble(ada: Ada) -> None:
    writes(ada.house, "UPDATE locks SET used_at = NULL")
    assert ada.open.owner_id == ada.owner_id
    writes(ada.house, "UPDATE locks SET expires_at = NULL")
    with pytest.raises(Locked):
        sessions.open_session(ada.house, ada.session)


def test_entries_taken_out_of_the_log_are_missed_unless_its_counter_is_turned_back_too(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.lets(bookshop)
    for _ in range(3):
        bookshop.reads()
    last = bookshop.connection.grant()
    number = int(json.loads(last.text)["access"])
    assert not segments.missing(ada.vault)
    writes(ada.house, "DELETE FROM accesses WHERE number = ?", number, to="log")
    assert list(segments.missing(ada.vault).values()) == [1]
    assert "The log is whole" not in ada.looks_at("/activity")
    writes(ada.house, "UPDATE counters SET number = number - 1", to="log")
    assert not segments.missing(ada.vault), "the vendor's answer, which carries the number, is the witness"
    assert number == access.counts(ada.house, ada.owner_id)[bytes.fromhex(ada.grant())] + 1


def test_older_settings_and_an_older_notice_address_put_back_open(ada: Ada) -> None:
    older = reads_row(ada.house, "owners", "1 = 1")
    choices.keep(ada.vault, {"name": "Ada Zielińska"})
    assert ada.open.name == "Ada Zielińska"
    writes(ada.house, "UPDATE owners SET settings_box = ?", older["settings_box"])
    assert ada.open.name == "Ada"


def test_the_state_in_clear_cannot_revive_a_grant(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    grant = bytes.fromhex(ada.grant())
    grants.end(ada.house, ada.owner_id, grant, "revoked")
    writes(ada.house, "UPDATE grants SET state = 'live', cause = NULL, ended_day = NULL")
    with ada.house.main.reading() as session:
        view = views.read(session, ada.vault, grant)
    assert not view.live
    assert not views.live(session, ada.vault) or view.key is None


def test_a_link_viewed_as_often_as_she_said_stays_dead_whatever_is_put_back(ada: Ada) -> None:
    path = ada.shares(ada.buys("The Salt Almanac"), views="1")
    tables = {"grants": "1", "grant_locks": "kind = 'share'", "disclosures": "1"}
    rows = {table: reads_row(ada.house, table, where) for table, where in tables.items()}
    stranger = ada.app.test_client()
    assert "Almanac" in stranger.post(path, data={"answer": "show"}).text
    writes(ada.house, "DELETE FROM counters", to="log")
    for table, row in rows.items():
        puts_back(ada.house, table, row)
    assert stranger.get(path).status_code == 404
    assert stranger.post(path, data={"answer": "show"}).status_code == 404


def test_an_old_counter_gives_views_back_and_she_sees_every_one_of_them(
    ada: Ada,
) -> None:
    path = ada.shares(ada.buys("The Salt Almanac"), views="3")
    stranger = ada.app.test_client()
    stranger.post(path, data={"answer": "show"})
    writes(ada.house, "UPDATE counters SET looks = 0", to="log")
    said = [stranger.post(path, data={"answer": "show"}).status_code for _ in range(4)]
    assert said == [200, 200, 200, 404], "one more than she said"
    assert ada.looks_at("/activity").count('class="end-cell"') == 4, "and she sees every one of them"


def test_a_link_in_an_old_copy_shows_nothing_until_she_allows_it_again(ada: Ada) -> None:
    stored = ada.buys("The Salt Almanac")
    path = ada.shares(stored)
    owner = reads_row(ada.house, "owners", "1 = 1")
    ada.edits(stored, item="The Salt Almanac, second edition")
    puts_back(ada.house, "owners", owner)
    stranger = ada.app.test_client()
    assert stranger.get(path).status_code == stranger.post(path, data={"answer": "show"}).status_code == 404
    page = ada.looks_at(f"/sharing/{ada.grant()}")
    (digest,) = re.findall(r'name="digest" value="(\w+)"', page)
    ada.presses(f"/sharing/{ada.grant()}/resume", digest=digest)
    assert "second edition" in stranger.post(path, data={"answer": "show"}).text


def test_a_links_end_stands_in_its_terms_and_not_in_its_row(ada: Ada) -> None:
    path = ada.shares(ada.buys("The Salt Almanac"), days="1")
    writes(ada.house, "UPDATE grant_locks SET expires_at = ?", 1 << 40)
    ada.house.clock.passes(days=1, minutes=1)  # type: ignore[attr-defined]
    stranger = ada.app.test_client()
    assert stranger.get(path).status_code == stranger.post(path, data={"answer": "show"}).status_code == 404


def test_a_forged_link_ends_nothing(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    link = reads_row(ada.house, "grant_locks", "kind = 'link'")
    forged = bearer.Bearer("link", ada.owner_id, link["lock_id"], bytes(32)).text(ada.house.keys.route)
    assert revocation.find(ada.house, forged) is None
    assert bookshop.reads() == []


def test_every_test_that_the_threats_name_exists() -> None:
    page = (ROOT / "docs/threats.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    written = "\n".join(path.read_text(encoding="utf-8") for path in files("tests", suffix=".py"))
    assert len(named) > 30
    assert not {name for name in named if f"def {name}(" not in written}


def test_the_documents_claim_no_more_than_is_true() -> None:
    words = ("zero" + "[ -]knowledge", "end" + "-to-" + "end", "military" + ".grade")
    claims = re.compile("|".join(words), re.IGNORECASE)
    pages = [path for path in texts() if path.suffix in {".md", ".html"}]
    assert not [path.name for path in pages if claims.search(path.read_text("utf-8"))]


def test_models_of_every_room_are_in_the_world() -> None:
    assert models.Grant.metadata is Main.metadata is connector_models.Import.metadata
