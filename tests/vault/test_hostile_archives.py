"""Archives that somebody has tampered with, or made to do harm: refused with a sentence, and nothing is taken."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from tests.people import Ada, Clock, house_in
from tests.vault.test_leaving import CHOSEN, furnish, moves_in, open_keyring_of, zipped
from vault import arrived, attachments, crypto, export, locks, pieces, sessions, store, unpacking
from vault.arrived import NUMBERS_TAKEN
from vault.bringing import bring_back
from vault.collections.notes import Note
from vault.errors import VaultError, WrongSecret
from vault.fingerprint import Fingerprint
from vault.leaving import exported, is_sealed, open_archive
from vault.opened import OpenVault
from vault.unpacking import NotAnArchive

BEGIN = 167  # where the pieces of an encrypted archive begin
DEARER = ((1 << 20, 32, 4), (1 << 20, 3, 16), (1 << 20, 4, 4), (65536, 32, 1), (65536, 3, 16))  # than any we write
Files = dict[str, bytes]
Change = Callable[[Files], None]


@pytest.fixture(scope="module")
def bees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVault]:
    """An empty vault, which has to stay one."""
    house = house_in(tmp_path_factory.mktemp("bees") / "house", Clock())
    yield moves_in(house)
    house.stop()


@pytest.fixture
def good(ada: Ada) -> bytes:
    """An archive of Ada's."""
    furnish(ada)
    return zipped(ada.open)


def refused(vault: OpenVault, raw: bytes) -> None:
    with pytest.raises(NotAnArchive) as told:
        bring_back(vault, io.BytesIO(raw))
    assert told.value.sentence
    assert vault.catalogue.count("1") == 0
    assert json.loads(b"".join(export.export(vault)))["last_record"] == 0


def unpacked(raw: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def packed(files: Files, *, manifest: bool = True, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Files as an archive whose manifest agrees with them."""
    if manifest:
        told = json.loads(files["manifest.json"])
        told["files"] = [
            {"path": path, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
            for path, raw in files.items()
            if path != "manifest.json"
        ]
        files["manifest.json"] = json.dumps(told).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return out.getvalue()


def with_entries(raw: bytes, change: Callable[[list[dict[str, Any]]], None], **head: Any) -> bytes:
    """The archive with other entries, and with a fingerprint and hashes that agree with them."""
    files = unpacked(raw)
    document = json.loads(files["vault.json"]) | head
    change(document["records"])
    running = Fingerprint()
    for entry in document["records"]:
        running.add(entry)
    first = {name: document[name] for name in ("format", "last_record", "marks_key")}
    lines = ",\n".join(json.dumps(entry) for entry in document["records"])
    text = json.dumps(first)[:-1] + ',"records":[\n' + lines + '\n],"damaged":[]\n}\n'
    files["vault.json"] = text.encode()
    manifest = json.loads(files["manifest.json"]) | {"fingerprint": running.text()}
    files["manifest.json"] = json.dumps(manifest).encode()
    return packed(files)


def test_the_helpers_of_this_file_make_archives_that_are_taken(good: bytes, bees: OpenVault) -> None:
    there = moves_in(bees.server)
    assert bring_back(there, io.BytesIO(with_entries(good, lambda entries: None))).equal
    assert bring_back(moves_in(bees.server), io.BytesIO(packed(unpacked(good)))).equal


def test_a_cut_archive_is_refused_wherever_it_was_cut(good: bytes, bees: OpenVault) -> None:
    for at in (0, 1, 10, 1000, len(good) // 2, len(good) - 30, len(good) - 1):
        refused(bees, good[:at])


def put(name: str, raw: bytes) -> Change:
    return lambda files: files.__setitem__(name, raw)


@pytest.mark.parametrize(
    ("change", "manifest"),
    [
        (put("README.txt", b"another"), False),
        (put("vault.json", b'{"records":[\n]}'), False),
        (put("not-listed.txt", b"x"), False),
        (put("../../etc/cron.d/x", b"x"), True),
        (put("/etc/passwd", b"x"), True),
        (put("C:/x", b"x"), True),
        (put("a\\b", b"x"), True),
        (put("vault.json", b""), True),
        (put("vault.json", b'{"records":[\n'), True),
        (put("vault.json", b"[" * 100_000), True),
        (put("manifest.json", b"{}"), False),
        (put("manifest.json", b"[]"), False),
        (put("manifest.json", b'{"fingerprint":"","files":[]}'), False),
        (put("manifest.json", b"\xff"), False),
        (lambda files: files.pop("vault.json"), True),
        (lambda files: files.pop("view.html"), False),
        (lambda files: files.pop("manifest.json"), False),
    ],
)
def test_what_does_not_agree_with_its_manifest_is_refused(
    good: bytes, bees: OpenVault, change: Change, manifest: bool
) -> None:
    files = unpacked(good)
    change(files)
    refused(bees, packed(files, manifest=manifest))


def kettle(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return next(entry for entry in entries if entry["number"] == 2)


def setting(**members: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda entries: kettle(entries).update(members)


@pytest.mark.parametrize(
    "change",
    [
        setting(number=0),
        setting(number=True),
        setting(number="2"),
        setting(number=1),
        setting(number=10**6),
        setting(collection="grants"),
        setting(collection=None),
        setting(part="order"),
        setting(version=2),
        setting(version=0),
        setting(key="value"),
        setting(edits={"item": "x"}),
        setting(edits={"item": "x", "bought_on": "2026-01-01", "rating": 9}),
        setting(edits={"item": "x", "bought_on": "2026-01-01", "owner_id": 1}),
        setting(edits=[]),
        setting(edits="item"),
        setting(mark="00"),
        setting(mark="Z" * 32),
        setting(mark=7),
        setting(history=[]),
        setting(history={}),
        setting(history=[{"collection": "purchases", "version": 1, "edits": {}}]),
        setting(history=[7]),
        setting(removed=True),
        setting(removed=False),
        setting(at=1 << 40),
        lambda entries: next(each for each in entries if "removed" in each).update(removed_day=1 << 40),
        lambda entries: next(each for each in entries if "removed" in each).update(returns=True),
        lambda entries: next(each for each in entries if "removed" in each).update(returns="yes", mark="cd" * 16),
        setting(returns=True),
        setting(origin={"proposes": {"for_whom": "everybody"}}),
        setting(origin={"at": ["x"]}),
        setting(origin={"A B": "x"}),
        setting(origin={"place": "x" * 5000}),
        setting(origin={f"a{number:b}".replace("1", "b").replace("0", "c"): 1 for number in range(200)}),
        lambda entries: entries.append(dict(entries[-1])),
        lambda entries: entries.reverse(),
        lambda entries: [each.update(mark="ab" * 16) for each in entries[:2]],  # type: ignore[func-returns-value]
    ],
)
def test_an_entry_that_no_vault_could_have_written_is_refused(
    good: bytes, bees: OpenVault, change: Callable[[list[dict[str, Any]]], None]
) -> None:
    refused(bees, with_entries(good, change))


@pytest.mark.parametrize(
    "head",
    [
        {"format": "vrm/2/export"},
        {"last_record": 1},
        {"last_record": -1},
        {"last_record": 2**36},
        {"last_record": 2**60},
        {"marks_key": "00"},
    ],
)
def test_a_head_that_no_vault_could_have_written_is_refused(good: bytes, bees: OpenVault, head: dict[str, Any]) -> None:
    refused(bees, with_entries(good, lambda entries: None, **head))


def test_after_the_highest_numbers_that_are_taken_she_goes_on_writing(good: bytes, bees: OpenVault) -> None:
    there = moves_in(bees.server)

    def far(entries: list[dict[str, Any]]) -> None:
        entries[-1]["number"] = NUMBERS_TAKEN

    bring_back(there, io.BytesIO(with_entries(good, far, last_record=NUMBERS_TAKEN)))
    there = sessions.for_command(bees.server, open_keyring_of(there))
    before = there.catalogue.count("1")
    for heading in ("One", "Two"):
        with store.writing(there, numbers=1) as turn:
            store.add(turn, there, Note(heading=heading, text="."))
    assert there.catalogue.count("NOT damaged") == before + 2


def test_a_first_line_without_the_beginning_of_the_records_is_refused(good: bytes, bees: OpenVault) -> None:
    files = unpacked(good)
    files["vault.json"] = files["vault.json"].replace(b'"records":[', b'"else":[', 1)
    refused(bees, packed(files))


def test_bombs_are_refused_before_they_are_unpacked(good: bytes, bees: OpenVault) -> None:
    files = unpacked(good)
    refused(bees, packed({**files, "view.html": bytes(80 << 20)}))
    refused(bees, packed(files, method=zipfile.ZIP_BZIP2))
    refused(bees, packed(files, method=zipfile.ZIP_LZMA))
    doubled = io.BytesIO(good)
    with zipfile.ZipFile(doubled, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("vault.json", b"{}")
    refused(bees, doubled.getvalue())


def test_a_table_of_contents_that_fills_the_memory_is_not_read(good: bytes, bees: OpenVault) -> None:
    end = bytearray(good[-22:])
    end[12:16] = (unpacking.LISTING_MOST + 1).to_bytes(4, "little")
    refused(bees, good[:-22] + bytes(end))
    end[12:16] = b"\xff\xff\xff\xff"
    refused(bees, good[:-22] + bytes(end))


class Watched(io.BytesIO):
    """A file that knows how much of it was read at once."""

    most = 0

    def read(self, length: int | None = -1, /) -> bytes:
        some = super().read(length)
        self.most = max(self.most, len(some))
        return some


def ending(listing: int) -> bytes:
    """The end of a ZIP file whose table of contents is so long."""
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, listing, 0, 0)


def test_a_table_of_contents_is_never_longer_than_the_file_says_in_another_place(bees: OpenVault) -> None:
    listing = unpacking.LISTING_MOST + 1
    large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, listing, 0)
    twice = bytes(listing) + large + struct.pack("<4sLQL", b"PK\x06\x07", 0, listing, 1) + ending(46)
    looks_like_an_end = int.from_bytes(b"PK\x05\x06", "little")
    for raw in (twice, bytes(looks_like_an_end) + ending(looks_like_an_end)):
        file = Watched(raw)
        with pytest.raises(NotAnArchive):
            bring_back(bees, file)
        assert file.most <= unpacking.LISTING_MOST


def test_a_file_attached_on_a_day_that_no_page_can_write_is_refused(ada: Ada, bees: OpenVault) -> None:
    kettle = ada.buys("A Kettle")
    ada.attaches(kettle, b"One kettle, paid.")
    files = unpacked(zipped(ada.open))
    (path,) = (each for each in files if each.startswith("attachments/"))
    for wrong in ("2026-99-99", "0000-01-01"):
        refused(bees, packed({each.replace("2026-11-22", wrong): raw for each, raw in files.items()}))
    other_day = path.replace("2026-11-22", "2026-11-21")
    refused(bees, packed({**files, other_day: b"One of them is not what it says."}))
    refused(bees, packed({**files, path: b""}))
    number = f"attachments/{kettle.number}/"
    many = {f"{number}2026-11-22-{each:032x}/receipt.txt": b"One kettle, paid." for each in range(attachments.MOST)}
    refused(bees, packed({**files, **many}))


def test_a_file_on_no_day_at_all_or_of_a_record_that_did_not_come_stays_in_the_archive(
    ada: Ada, bees: OpenVault
) -> None:
    kettle = ada.buys("A Kettle")
    ada.attaches(kettle, b"One kettle, paid.")
    files = unpacked(zipped(ada.open))
    moves = {"2026-11-22": "٢٠٢٦-١١-٢٢", f"attachments/{kettle.number}/": "attachments/999/"}
    for old, new in moves.items():
        there, moved = moves_in(bees.server), {each.replace(old, new): raw for each, raw in files.items()}
        assert moved.keys() - files.keys()
        assert bring_back(there, io.BytesIO(packed(moved))).records
        with there.server.main.reading() as session:
            assert not attachments.of_record(session, there, kettle.number)


def test_a_line_that_fills_the_memory_is_not_read(
    good: bytes, bees: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "LINE_MOST", 10_000)
    refused(bees, with_entries(good, setting(source={"note": "x" * unpacking.CHUNK})))


def test_no_more_of_a_long_line_is_read_at_once_than_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrived, "READ_AT_ONCE", 400)
    version = {"collection": "notes", "version": 1, "edits": {"heading": "One", "text": "."}}
    entry = {"number": 2, **version, "history": [version] * 10}
    assert len(arrived.read_entry(orjson.dumps(entry)).history) == 10
    wrong = (
        7,
        {},
        {**version, "collection": "grants"},
        {**version, "key": 1},
        {**version, "edits": {"text": "x" * 400}},
    )
    for each in wrong:
        with pytest.raises(NotAnArchive):
            arrived.read_entry(orjson.dumps({**entry, "history": [*entry["history"], each, version]}))
    for raw in (json.dumps(entry).encode(), orjson.dumps({"history": entry["history"], **version, "number": 2})):
        with pytest.raises(NotAnArchive):
            arrived.read_entry(raw)


def test_an_encrypted_archive_that_was_touched_anywhere_does_not_open(
    ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 1000)
    monkeypatch.setattr(pieces, "SEALED", crypto.sealed_length(1000))
    furnish(ada)
    raw = b"".join(exported(ada.open, "sealed", CHOSEN))
    one = pieces.SEALED
    first, second, rest = raw[BEGIN:][:one], raw[BEGIN + one :][:one], raw[BEGIN + 2 * one :]
    key = lock_of(raw)
    assert len(opened(raw, key)) > 3000
    for wrong in (
        raw[:BEGIN] + second + first + rest,
        raw[:BEGIN] + first + first + rest,
        raw[:BEGIN] + second + rest,
        raw[:BEGIN] + first + second,
        raw[: BEGIN + one],
        raw[:BEGIN],
        raw[:-1],
        raw + b"x",
        raw[: BEGIN + 40] + bytes([raw[BEGIN + 40] ^ 1]) + raw[BEGIN + 41 :],
    ):
        with pytest.raises(crypto.Damaged):
            opened(wrong, key)


def lock_of(raw: bytes) -> bytes:
    archive, params, lock = raw[14:30], raw[30:58], raw[58:167]
    return locks.open_lock("archive", archive, archive, locks.passphrase_secret(CHOSEN, params), None, params, lock)


def opened(raw: bytes, key: bytes) -> bytes:
    found = pieces.Pieces(io.BytesIO(raw), key, raw[14:30], begin=BEGIN, size=len(raw))
    found.check()
    return found.read()


def test_a_head_that_would_cost_too_much_is_refused_before_it_is_paid(ada: Ada) -> None:
    raw = b"".join(exported(ada.open, "sealed", CHOSEN))
    dear = raw[:30] + (1 << 31).to_bytes(4, "big") + raw[34:]
    cheap = raw[:30] + (8).to_bytes(4, "big") + raw[34:]
    dearer = [raw[:30] + crypto.Cost(*each).to_bytes() + raw[42:] for each in DEARER]
    for wrong in (dear, cheap, *dearer, raw[:100], b"vrm/1/archive\n"):
        with pytest.raises(NotAnArchive):
            open_archive(io.BytesIO(wrong), CHOSEN)
    with pytest.raises(WrongSecret):
        open_archive(io.BytesIO(raw[:14] + bytes(16) + raw[30:]), CHOSEN)
    assert not is_sealed(io.BytesIO(b"PK"))
    assert issubclass(NotAnArchive, VaultError)
