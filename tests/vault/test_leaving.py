"""Taking everything along, and bringing it back: what goes into an archive comes out of it, equal and in any vault."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from tests.conftest import PASSPHRASE
from tests.houses import copy_house, home_of, settings_in
from tests.people import ISSUER, Ada, Bookshop, Clock, house_in
from tests.sampled import some
from tests.vault import reader
from tests.vault.test_tampering import writes
from vault import arrived, attachments, crypto, export, sessions, store, trash, unpacking
from vault.app import create_app
from vault.archive import archive
from vault.attached import Incoming, NoRoom, sealed
from vault.bringing import NotEmpty, bring_back
from vault.cli import main
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Size
from vault.collections.purchases import Order, Purchase
from vault.collections.vendors import Vendor
from vault.errors import NotFound, WrongSecret
from vault.keyring import Keyring, new_keys, open_keyring
from vault.leaving import TooWeak, exported, open_archive
from vault.models import Owner
from vault.opened import OpenVault, seal_settings
from vault.pieces import Spool, TooLarge
from vault.server import Server
from vault.settings import to_environment
from vault.tables import inert
from vault.values import Money, When
from vault.viewer import POLICY, STYLE

CHOSEN = "tangerine velocipede armadillo"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another server."""
    house = house_in(tmp_path_factory.mktemp("elsewhere") / "house", Clock())
    yield house
    house.stop()


def moves_in(house: Server) -> OpenVault:
    """A new, empty vault. It has no lock, because Argon2id would take half of every test."""
    owner, root = crypto.random_bytes(16), crypto.random_bytes()
    house.keystore.welcome(owner)
    with house.main.transaction() as session:
        session.execute(insert(Owner).values(owner_id=owner, settings_box=b""))
        session.add_all(new_keys(owner, root))
    with house.main.transaction() as session:
        keyring = open_keyring(session, owner, root)
        session.get_one(Owner, owner).settings_box = seal_settings(keyring, {"name": "Bee", "handle": "bee"})
    return sessions.for_command(house, keyring)


def furnish(ada: Ada) -> None:
    kettle = ada.buys("A Kettle", note="=HYPERLINK(evil)", rating=3)
    ada.edits(kettle, rating=5)
    ada.edits(kettle, note="first line\nsecond line")
    ada.removes(ada.buys("A mistake"))
    ada.marks_as_gift(ada.buys("Atlas <script>alert(1)</script>"))
    ada.keeps(Note(heading="+1 heading", text="Zażółć gęślą jaźń"))
    ada.keeps(Preference(topic="maps", stance="like"))


def zipped(vault: OpenVault) -> bytes:
    return b"".join(archive(vault))


def inside(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def test_an_archive_comes_back_into_an_empty_vault_as_an_equal_one(ada: Ada, elsewhere: Server) -> None:
    furnish(ada)
    bees = moves_in(elsewhere)
    came = bring_back(bees, io.BytesIO(zipped(ada.open)))
    assert came.equal
    assert came.fingerprint == export.fingerprint(ada.open) == export.fingerprint(bees)
    with bees.server.main.reading() as session:
        kettle = store.read(session, bees, 2)
        assert [each.raw("rating") for each in store.history(session, bees, 2)] == [5, 3]
    assert kettle.record.dump()["note"] == "first line\nsecond line"
    assert inside(zipped(bees))["csv/purchases.csv"] == inside(zipped(ada.open))["csv/purchases.csv"]


def test_the_encrypted_form_holds_the_same_and_shows_nothing(ada: Ada) -> None:
    furnish(ada)
    raw = b"".join(exported(ada.open, "sealed", CHOSEN))
    assert b"vault.json" not in raw
    with pytest.raises(WrongSecret):
        open_archive(io.BytesIO(raw), "not " + CHOSEN)
    assert open_archive(io.BytesIO(raw), CHOSEN).read() == zipped(ada.open)
    with pytest.raises(TooWeak):
        exported(ada.open, "sealed", "password12")


# By property: whatever she keeps comes back.

EXAMPLES = len(some(range(4))) * 5
WORDS = st.text(min_size=1, max_size=40).filter(str.strip)
WHENS = st.integers(1900, 2100).map(lambda year: When(str(year)))
AMOUNTS = st.builds(Money, st.from_regex(r"-?[0-9]{1,9}\.[0-9]{2}", fullmatch=True), st.sampled_from(("EUR", "PLN")))
RECORDS = st.one_of(
    st.builds(Vendor, called=WORDS, domains=st.lists(WORDS, max_size=3).map(tuple), note=st.none() | WORDS),
    st.builds(
        Purchase,
        item=WORDS,
        bought_on=WHENS,
        vendor=st.none() | st.integers(1, 9),
        price=st.none() | AMOUNTS,
        for_whom=st.sampled_from(("me", "gift")),
        rating=st.none() | st.integers(1, 5),
        gift_note=st.none() | WORDS,
    ),
    st.builds(Note, heading=WORDS, text=WORDS, written_on=st.none() | WHENS),
    st.builds(Size, garment=WORDS, size=WORDS),
)
MARKS = st.none() | st.binary(min_size=16, max_size=16)
LIVES = st.lists(st.tuples(RECORDS, MARKS, st.lists(WORDS, max_size=3), st.booleans()), max_size=12)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=LIVES)
def test_whatever_she_keeps_comes_back_equal(elsewhere: Server, life: list[Any]) -> None:
    hers, bees = moves_in(elsewhere), moves_in(elsewhere)
    live(hers, life)
    raw = zipped(hers)
    came = bring_back(bees, io.BytesIO(raw))
    assert came.equal
    document = json.loads(inside(raw)["vault.json"])
    assert came.fingerprint == reader.fingerprint(document)
    again = sessions.for_command(elsewhere, open_keyring_of(bees))
    assert not life or again.keyring["dedupe"] == hers.keyring["dedupe"]
    assert bring_back(again, io.BytesIO(raw)).fingerprint == came.fingerprint


def open_keyring_of(vault: OpenVault) -> Keyring:
    with vault.server.main.reading() as session:
        return open_keyring(session, vault.owner_id, vault.keyring.root)


def live(vault: OpenVault, life: list[Any]) -> None:
    """Add, mark, change and remove."""
    known = set()
    for record, mark, words, removed in life:
        with store.writing(vault, numbers=1) as turn:
            stored = store.Stored(turn.number(), turn.revision, type(record), record.dump(), {})
            fresh = mark if mark not in known else None
            known.add(fresh)
            store.insert_rows(turn, store.sealed_rows(vault, [(stored, fresh)]), [stored])
        field = next(each.name for each in type(record).fields if each.kind == "text")
        for word in words:
            with store.writing(vault) as turn:
                store.change(turn, vault, stored.number, {field: word})
        if removed:
            with store.writing(vault) as turn:
                store.remove(turn, vault, stored.number)


# Only into an empty vault.


def test_it_is_taken_only_into_an_empty_vault_and_the_other_stays_as_it_is(ada: Ada, elsewhere: Server) -> None:
    furnish(ada)
    raw, bees = zipped(ada.open), moves_in(elsewhere)
    with store.writing(bees, numbers=1) as turn:
        store.add(turn, bees, Note(heading="Hers", text="Bee's own."))
    before = export.fingerprint(bees)
    with pytest.raises(NotEmpty):
        bring_back(bees, io.BytesIO(raw))
    assert export.fingerprint(bees) == before
    ada.edits(ada.keeps(Note(heading="new", text="later")), text="changed")
    with pytest.raises(NotEmpty):
        bring_back(ada.open, io.BytesIO(raw))


def test_an_attempt_that_broke_off_goes_on_where_it_stopped(
    ada: Ada, elsewhere: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(ada)
    raw, bees = zipped(ada.open), moves_in(elsewhere)
    monkeypatch.setattr("vault.bringing.AT_ONCE", 3)

    def stops(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring_back(bees, io.BytesIO(raw), stops)
    half = sessions.for_command(elsewhere, open_keyring_of(bees))
    assert 0 < half.catalogue.count("NOT damaged") < 4
    assert bring_back(half, io.BytesIO(raw)).equal


def test_an_old_archive_that_broke_off_goes_on_after_its_trash_was_swept(
    ada: Ada, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.bringing.AT_ONCE", 3)
    furnish(ada)
    ada.removes(ada.buys("A late mistake"))
    raw, later = zipped(ada.open), Clock()
    later.passes(days=60)
    house = house_in(tmp_path / "later", later)
    bees = moves_in(house)

    def stops(_count: int) -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            bring_back(sessions.for_command(house, open_keyring_of(bees)), io.BytesIO(raw), stops)
        trash.sweep(house)
    half = sessions.for_command(house, open_keyring_of(bees))
    for _twice in range(2):
        assert bring_back(half, io.BytesIO(raw)).records
    assert sessions.for_command(house, open_keyring_of(bees)).catalogue.count("NOT damaged") == 5
    house.stop()


def test_more_files_than_there_is_room_for_are_refused_before_anything_is_taken(ada: Ada, tmp_path: Path) -> None:
    for name in ("Kettle", "Teapot"):
        ada.attaches(ada.buys(name), name.encode() * 20_000)
    raw = zipped(ada.open)
    with ada.house.main.reading() as session:
        room = attachments.room_taken(session, ada.vault)
    for limit in (room - 1, room):
        house = house_in(tmp_path / f"small{limit}", Clock(), files_limit=limit)
        bees = moves_in(house)
        if limit < room:
            with pytest.raises(NoRoom):
                bring_back(bees, io.BytesIO(raw))
            assert not bees.catalogue.entries("NOT damaged")
        else:
            assert bring_back(bees, io.BytesIO(raw)).equal
            assert bring_back(sessions.for_command(house, open_keyring_of(bees)), io.BytesIO(raw)).equal
        house.stop()


def test_blank_scans_and_parts_of_any_size_come_back(
    ada: Ada, elsewhere: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "RATIO_FREE", 1 << 16)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1 << 18)
    ada.attaches(ada.buys("A Kettle"), bytes(9 << 20), "scan.bmp")
    for _ in range(15):
        ada.keeps(Note(heading="One", text=crypto.random_bytes(10_000).hex()))
    assert bring_back(moves_in(elsewhere), io.BytesIO(zipped(ada.open))).equal


def test_a_record_changed_very_often_comes_back_with_every_version(
    ada: Ada, elsewhere: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrived, "READ_AT_ONCE", 1000)
    note = ada.keeps(Note(heading="Diary", text="new"))
    for text in (
        '},{"collection":"notes"}]}',
        ',"history":[{"collection":',
        *(f"{number}: 日記" for number in range(40)),
    ):
        ada.edits(note, text=text)
    ada.removes(note)
    assert bring_back(moves_in(elsewhere), io.BytesIO(zipped(ada.open))).equal


def test_permissions_are_told_of_and_never_revived(ada: Ada, bookshop: Bookshop, elsewhere: Server) -> None:
    ada.buys("A Kettle")
    ada.lets(bookshop)
    bookshop.reads()
    raw, bees = zipped(ada.open), moves_in(elsewhere)
    files = inside(raw)
    (told,) = json.loads(files["sharing/permissions.json"])
    assert (told["client_name"], told["state"], "log_key" in told) == ("Bookshop", "live", False)
    looks = list(csv.DictReader(io.StringIO(files["sharing/access-log.csv"].decode("utf-8-sig"))))
    assert {(look["vendor"], look["outcome"]) for look in looks} == {("Bookshop", "allowed")}
    assert [look["number"] for look in looks] == ["2", "1"]
    assert [name for name in files if name.startswith("sharing/receipts/")]
    bring_back(bees, io.BytesIO(raw))
    assert not elsewhere.keystore.alive(bees.owner_id, "grant")


def test_what_she_asked_to_be_deleted_goes_along(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.lets(bookshop)
    grant = ada.grant()
    for button in ("stop", "erasure/sent", "erasure/done"):
        ada.presses(f"/sharing/{grant}/{button}")
        clock.passes(days=3)
        ada.unlocks()
    (told,) = json.loads(inside(zipped(ada.open))["sharing/permissions.json"])
    assert told["erasure"] == {"asked_on": "2026-11-25", "done_on": "2026-11-28"}


def test_what_was_imported_once_is_known_again_in_the_other_vault(ada: Ada, elsewhere: Server) -> None:
    bees = moves_in(elsewhere)
    bring_back(bees, io.BytesIO(zipped(ada.open)))
    again = sessions.for_command(elsewhere, open_keyring_of(bees))
    assert again.keyring.mark("amazon", "order-1") == ada.vault.keyring.mark("amazon", "order-1")


def test_attached_files_go_along_and_come_back(ada: Ada, elsewhere: Server) -> None:
    kettle, thrown_away = ada.buys("A Kettle"), ada.buys("A mistake")
    for number in (kettle.number, thrown_away.number):
        incoming = Incoming("guarantee – żółty.pdf")
        incoming.write(b"%PDF-1.7 obsidian marmalade")
        with store.writing(ada.vault) as turn:
            attachments.keep(turn, ada.vault, sealed(ada.vault, number, incoming, "2026-11-22"))
    ada.removes(thrown_away)
    raw, bees = zipped(ada.open), moves_in(elsewhere)
    for _twice in range(2):
        assert bring_back(sessions.for_command(elsewhere, open_keyring_of(bees)), io.BytesIO(raw)).equal
    with elsewhere.main.reading() as session:
        (known,) = attachments.of_record(session, bees, kettle.number)
        assert (known.name, known.day) == ("guarantee – żółty.pdf", "2026-11-22")
        assert attachments.content(session, bees, known) == b"%PDF-1.7 obsidian marmalade"


def test_files_of_what_lies_in_the_trash_come_back_with_it_and_end_with_it(ada: Ada, elsewhere: Server) -> None:
    stays, ends = ada.buys("A mistake"), ada.buys("Another mistake")
    for stored in (stays, ends):
        ada.attaches(stored, b"obsidian marmalade")
        ada.removes(stored)
    raw, bees = zipped(ada.open), moves_in(elsewhere)
    bring_back(bees, io.BytesIO(raw))
    bees = sessions.for_command(elsewhere, open_keyring_of(bees))
    with elsewhere.main.reading() as session:
        (known,) = attachments.of_record(session, bees, stays.number)
        with pytest.raises(NotFound):
            attachments.find(session, bees, known.attachment_id)
    with store.writing(bees) as turn:
        trash.restore(turn, bees, stays.number)
        assert attachments.content(turn.session, bees, attachments.find(turn.session, bees, known.attachment_id))
    trash.forget(elsewhere, bees.owner_id, ends.number)
    with elsewhere.main.reading() as session:
        assert attachments.counts(session, bees) == {stays.number: 1}


# What is in it.


def test_the_manifest_names_every_file_with_its_hash(ada: Ada) -> None:
    furnish(ada)
    files = inside(zipped(ada.open))
    manifest = json.loads(files.pop("manifest.json"))
    assert {each["path"]: each["sha256"] for each in manifest["files"]} == {
        name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()
    }
    assert manifest["fingerprint"] == json.loads(files["vault.json"])["fingerprint"]


def test_the_same_vault_gives_the_same_bytes_at_the_same_time(ada: Ada) -> None:
    furnish(ada)
    assert zipped(ada.open) == zipped(ada.open)


def test_no_cell_of_a_table_is_a_formula(ada: Ada) -> None:
    furnish(ada)
    ada.keeps(Note(heading="@SUM(1)", text="\t=1"))
    for name, raw in inside(zipped(ada.open)).items():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"))):
                assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))], row
    assert [inert(cell) for cell in ("-5.00", "-5+1", "=1", "ab")] == ["-5.00", "'-5+1", "'=1", "ab"]


def test_nor_is_any_part_of_a_cell_where_a_semicolon_ends_one() -> None:
    for part in ("=1+1", "+1", "-1+1", "@SUM(1)"):
        for between in (";", "; ", "\n", "\r\n", "\t"):
            assert inert(f"a lamp{between}{part}") == f"a lamp{between}'{part}"
    assert inert("a lamp; 5 = 2 + 3, a-b; c@d") == "a lamp; 5 = 2 + 3, a-b; c@d"


def test_the_page_to_read_offline_runs_nothing_and_loads_nothing(ada: Ada) -> None:
    furnish(ada)
    page = inside(zipped(ada.open))["view.html"].decode()
    assert "<script" not in page
    assert "Atlas &lt;script&gt;" in page
    assert POLICY.split(";")[0] == "default-src 'none'"
    assert f"<style>{STYLE}</style>" in page
    assert not re.search(r"\ssrc=|\saction=|@import|url\(|href=\"(?![#.])", page)
    assert "Zażółć gęślą jaźń" in page


def test_a_damaged_record_is_named_and_the_rest_is_there(ada: Ada) -> None:
    furnish(ada)
    writes(ada.house, "UPDATE records SET box = ? WHERE number = 2", bytes(100))
    document = json.loads(inside(zipped(ada.open))["vault.json"])
    assert document["damaged"] == [2]
    assert 2 not in {each["number"] for each in document["records"]}


def test_a_file_on_its_way_lies_nowhere_readable_and_is_bounded(tmp_path: Path) -> None:
    with Spool(tmp_path, most=3_000_000) as spool:
        for _time in range(30):
            spool.write(b"obsidian marmalade" * 5000)
        file = spool.finish()
        assert not list(tmp_path.iterdir())
        spool._file.seek(0)
        assert b"marmalade" not in spool._file.read()
        assert b"".join(file.parts()) == file.read() == b"obsidian marmalade" * 150_000
    with Spool(tmp_path, most=10) as small, pytest.raises(TooLarge):
        small.write(b"more than that")


# As pages and commands.


def test_the_export_page_counts_purchases_as_their_own_page_does(ada: Ada) -> None:
    ada.buys("A Kettle", order="T-1")
    ada.keeps(Order(order="T-1", postage=Money("4.90", "EUR")))
    assert "1 purchase," in ada.looks_at("/purchases")
    counts = re.findall(r'<dt>([^<]+)</dt><dd class="num">(\d+)</dd>', ada.looks_at("/export"))
    assert [each for each in counts if each[0] in ("Purchases", "Orders")] == [("Purchases", "1"), ("Orders", "1")]


def test_the_export_page_asks_once_more_whether_it_is_she(ada: Ada, clock: Clock) -> None:
    ada.buys("A Kettle")
    assert "All of this is yours to take" in ada.looks_at("/export")
    weak = ada.presses("/export", status=422, form="sealed", passphrase="kettle").text
    assert "Too short" in weak
    clock.passes(minutes=6)
    asking = ada.presses("/export", status=403, form="sealed", passphrase=CHOSEN).text
    assert "Show once more that it is you" in asking
    assert CHOSEN not in asking
    taken = ada.presses("/export", status=200, form="zip", **{"confirm-passphrase": PASSPHRASE})
    assert taken.content_length == len(taken.data)
    assert b"A Kettle" in inside(taken.data)["vault.json"]
    assert re.fullmatch(r'attachment; filename="vault-\d{4}-\d\d-\d\d\.zip"', taken.headers["Content-Disposition"])
    shown = re.search(r'<code class="breaks">([0-9a-f ]{71})</code>', ada.looks_at("/export?fingerprint=show"))
    assert shown
    assert shown[1].replace(" ", "") == json.loads(inside(taken.data)["manifest.json"])["fingerprint"]


class Newcomer(Ada):
    """Somebody whose vault is still empty."""

    def __init__(self, house: Server, keyring: Keyring) -> None:
        self.house, self.passphrase, self.app = house, PASSPHRASE, create_app(house)
        self._begins(keyring)


def test_an_archive_is_brought_back_on_the_page_of_an_empty_vault(
    ada: Ada, furnished: tuple[Path, str, Keyring], tmp_path: Path
) -> None:
    ada.buys("A Kettle")
    raw = ada.presses("/export", status=200, form="sealed", passphrase=CHOSEN).data
    ada.buys("A Teapot")
    assert "only taken into an empty one" in _sends(ada, raw, CHOSEN, status=409)
    copy_house(furnished[0], tmp_path / "other")
    house = house_in(tmp_path / "other", Clock())
    other = Newcomer(house, furnished[2])
    assert "not an archive" in _sends(other, raw[:100], CHOSEN, status=422)
    assert "Choose a file first" in _sends(other, b"", "", status=422)
    assert "exactly what the archive holds" in _sends(other, raw, CHOSEN)
    assert "A Kettle" in other.looks_at("/purchases")
    assert "broke off halfway" in other.looks_at("/export")
    assert "exactly what the archive holds" in _sends(other, raw, CHOSEN)
    house.stop()


def _sends(ada: Ada, raw: bytes, passphrase: str, *, status: int = 200) -> str:
    form: dict[str, Any] = {"opens": passphrase, "file": (io.BytesIO(raw), "anything.bin")}
    answer = ada.browser.post("/export/bring-back", data=form, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == status, answer.text
    return answer.text


def says(directory: Path, *arguments: str, said: str) -> str:
    """What a command answers; in this process, because starting another takes longer than all it does."""
    variables = to_environment(settings_in(directory, ISSUER))
    done = CliRunner(env=variables).invoke(main, [*arguments, "--passphrase-stdin"], input=said)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_commands_take_everything_along_and_bring_it_back(
    ada: Ada, furnished: tuple[Path, str, Keyring], tmp_path: Path
) -> None:
    ada.buys("A Kettle")
    file, plain = str(tmp_path / "all.vault"), tmp_path / "all.zip"
    copy_house(furnished[0], tmp_path / "other")
    both = f"{PASSPHRASE}\n{CHOSEN}\n"
    says(home_of(ada.house), "export", "--as", "sealed", "--output", file, said=both)
    assert export.fingerprint(ada.open) in says(tmp_path / "other", "bring-back", file, said=both)
    says(tmp_path, "open-archive", file, "--output", str(plain), said=f"{CHOSEN}\n")
    assert b"A Kettle" in inside(plain.read_bytes())["vault.json"]
    assert "will be deleted on" in says(tmp_path / "other", "delete", said=f"{PASSPHRASE}\n")
    assert "It stays" in says(tmp_path / "other", "delete", "--keep", said=f"{PASSPHRASE}\n")
