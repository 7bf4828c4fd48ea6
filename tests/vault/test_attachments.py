"""Files of records: sealed, bounded, known by what is in them, shown without trust, gone with the record."""

from __future__ import annotations

import gzip
import io
import json
import re
import time
import zlib
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, insert, select, update

from tests.conftest import PASSPHRASE
from tests.connectors.test_reading import own_peak, picture
from tests.houses import embedded_only
from tests.people import Ada, Bookshop, Clock
from tests.vault.test_canaries import Planted, files_of, finds
from vault import attachments, choices, crypto, set_up, store, unlock
from vault.attached import LARGEST, Incoming, plain_name, sealed
from vault.attachments import MOST
from vault.jobs import run_due
from vault.models import AttachmentRow
from vault.sniffing import kind_of

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0:~\x9bU"
    b"\0\0\0\nIDATx\x9cc`\0\0\0\2\0\1H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
)
WORDS = b"Kettle, 1 piece, two years of guarantee. Number QF-TILL-330914."
PAGE = b"<!doctype html><script>alert(1)</script>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
MONTH = 31 * 24 * 3600


def brings(ada: Ada, number: int, content: bytes, name: str = "receipt.txt", *, cut: int = 0) -> Any:
    """Post a file as a browser does, or without its last bytes."""
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
    whole = head.encode() + content + b"\r\n--x--\r\n"
    return ada.browser.post(
        f"/files/of/{number}",
        input_stream=io.BytesIO(whole[: len(whole) - cut]),
        content_length=len(whole),
        content_type="multipart/form-data; boundary=x",
        headers={"Sec-Fetch-Site": "same-origin"},
    )


def keeps(ada: Ada, number: int, content: bytes = WORDS, name: str = "receipt.txt") -> str:
    """A file brought and kept; where it is found."""
    answer = brings(ada, number, content, name)
    assert answer.headers["Location"].endswith("notice=file-added"), answer.headers["Location"]
    with ada.house.main.reading() as session:
        newest = attachments.of_record(session, ada.vault, number)[-1]
    return f"/files/{newest.attachment_id.hex()}"


def rows(ada: Ada) -> int:
    with ada.house.main.reading() as session:
        return session.scalar(select(func.count()).select_from(AttachmentRow)) or 0


def test_a_receipt_is_kept_with_its_purchase_and_comes_back_byte_for_byte(ada: Ada):
    number = ada.buys("Kettle").number
    for content in (WORDS, PNG, b"%PDF-1.7 and so on", bytes(range(256)) * 999):
        assert ada.browser.get(keeps(ada, number, content)).data == content
    page = ada.looks_at(f"/purchases/{number}")
    assert page.count("receipt.txt") >= 4
    assert next(attachments.each(ada.vault)) == ("receipt.txt", number, WORDS)


def test_nothing_of_a_file_or_its_name_is_in_clear_in_any_byte_kept(ada: Ada):
    number = ada.buys("Kettle").number
    keeps(ada, number, WORDS * 2000, "quill-receipt-2026.txt")
    assert not finds(ada.house, Planted({"till": "QF-TILL-330914", "name": "quill-receipt-2026"}), "")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(9), "image/jpeg"),
        (b"GIF89a" + bytes(9), "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"%PDF-1.4\n", "application/pdf"),
        (WORDS, "text/plain"),
        ("ż".encode() * 2049, "text/plain"),
        (b"a" + "ż".encode() * 2049, "text/plain"),
        (PAGE, "application/octet-stream"),
        (b"\xef\xbb\xbf \n" + DRAWING, "application/octet-stream"),
        (b"MZ\x90\0", "application/octet-stream"),
        ("<html>".encode("utf-16"), "application/octet-stream"),
        (b"\xff", "application/octet-stream"),
    ],
)
def test_what_a_file_is_is_found_out_from_its_bytes(content: bytes, kind: str):
    assert kind_of(content) == kind


def test_a_picture_of_a_hundred_million_points_is_kept_as_it_came_and_nobody_here_looks_into_it(ada: Ada):
    number, bomb = ada.buys("Kettle").number, picture(10_000, 10_000)
    assert len(bomb) < 1 << 20
    before, began = own_peak(), time.thread_time()
    where = keeps(ada, number, bomb, "till.png")
    assert "till.png" in ada.looks_at(f"/purchases/{number}")
    answer = ada.browser.get(where)
    assert time.thread_time() - began < 1
    assert own_peak() - before < 64_000  # KiB
    assert (answer.data, answer.headers["Content-Type"]) == (bomb, "image/png")


@pytest.mark.parametrize(
    "content",
    [b"<svg xmlns='http://www.w3.org/2000/svg'>" * 100_000, gzip.compress(bytes(16 << 20), mtime=0), b"[" * (1 << 20)],
)
def test_what_would_grow_when_it_is_opened_is_not_opened_here(ada: Ada, content: bytes):
    number = ada.buys("Kettle").number
    before, began = own_peak(), time.thread_time()
    assert ada.browser.get(keeps(ada, number, content)).data == content
    assert time.thread_time() - began < 1
    assert own_peak() - before < 64_000  # KiB


@pytest.mark.parametrize("content", [PAGE, DRAWING, b"%PDF-1.4\n/JS (app.alert(1))", zlib.compress(PAGE)])
def test_what_can_hold_a_program_is_only_ever_saved_whatever_its_name(ada: Ada, content: bytes):
    answer = ada.browser.get(keeps(ada, ada.buys("Kettle").number, content, "receipt.png"))
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.content_type in {"application/octet-stream", "application/pdf"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_is_shown_is_shown_in_a_sandbox_and_is_not_kept_by_the_browser(ada: Ada):
    where = keeps(ada, ada.buys("Kettle").number, PNG, "photo.html")
    answer = ada.browser.get(where)
    assert answer.content_type == "image/png"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert re.search(r"default-src 'none'.*; sandbox$", answer.headers["Content-Security-Policy"])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ada.browser.get(f"{where}?save=yes").headers["Content-Disposition"].startswith("attachment")


def test_a_name_is_only_ever_a_name(ada: Ada):
    number = ada.buys("Kettle").number
    keeps(ada, number, WORDS, '..\\..\\a/b/"><script>alert(1)</script>\r\nX-Evil: 1.txt')
    page = ada.looks_at(f"/purchases/{number}")
    assert "<script>alert" not in page
    with ada.house.main.reading() as session:
        name = attachments.of_record(session, ada.vault, number)[0].name
    assert "/" not in name
    assert "\n" not in name
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("a" * 999 + ".pdf").endswith(".pdf")
    assert plain_name("/") == "file"


def test_nobody_else_opens_it(ada: Ada):
    where = keeps(ada, ada.buys("Kettle").number)
    set_up.set_up(ada.house, handle="bea", name="Bea", passphrase=PASSPHRASE + " 2", notice="", first=False)
    bea = Ada.__new__(Ada)
    bea.house, bea.app, bea.passphrase = ada.house, ada.app, PASSPHRASE + " 2"
    bea._begins(_keyring_of(ada, "bea"))
    choices.keep(bea.vault, {"recovery": None})
    bea.looks_at(where, 404)
    for act in ("remove", "back"):
        bea.presses(f"{where}/{act}", 404)
    assert brings(bea, 2, WORDS).status_code == 404
    stranger = ada.app.test_client()
    assert stranger.get(where).status_code == 303
    ada.looks_at(where)


def _keyring_of(ada: Ada, handle: str) -> Any:
    return unlock.with_passphrase(ada.house, handle, PASSPHRASE + " 2", address="test")


def test_a_file_that_is_too_large_empty_or_missing_leaves_nothing(ada: Ada):
    number = ada.buys("Kettle").number
    for content, code in (
        (bytes(LARGEST + 1), "file_too_large"),
        (bytes(LARGEST * 2), "file_too_large"),
        (b"", "no_file"),
    ):
        assert f"refused={code}" in brings(ada, number, content).headers["Location"]
    assert "refused=no_file" in ada.presses(f"/files/of/{number}").headers["Location"]
    for none_of_that in (ada.bookshop_number, number + 99):
        assert brings(ada, none_of_that, WORDS).status_code == 404
    assert rows(ada) == 0
    assert "larger than 10 MB" in ada.looks_at(f"/purchases/{number}?refused=file_too_large")
    assert "refused" not in ada.looks_at(f"/purchases/{number}?refused=anything")
    keeps(ada, number, bytes(LARGEST))


def test_a_record_and_a_server_hold_only_so_much(ada: Ada):
    number, other = ada.buys("Kettle").number, ada.buys("Lamp").number
    for _ in range(MOST):
        keeps(ada, number, b"small")
    assert "refused=too_many_files" in brings(ada, number, b"one more").headers["Location"]
    with ada.house.main.reading() as session:
        taken = attachments.room_taken(session, ada.vault)
    object.__setattr__(ada.house, "settings", replace(ada.house.settings, files_limit=taken + 2000))
    assert "refused=no_room_for_files" in brings(ada, other, bytes(4000)).headers["Location"]
    keeps(ada, other, b"small")
    assert rows(ada) == MOST + 1


def test_an_upload_that_breaks_off_leaves_nothing(ada: Ada):
    answer = brings(ada, ada.buys("Kettle").number, WORDS * 999, cut=5000)
    assert answer.status_code == 400
    assert rows(ada) == 0


def test_a_turn_that_fails_leaves_nothing(ada: Ada):
    number = ada.buys("Kettle").number
    incoming = Incoming("a.txt")
    incoming.write(WORDS)
    file = sealed(ada.vault, number, incoming, "2026-11-22")

    def fails_late() -> None:
        with store.writing(ada.vault) as turn:
            attachments.keep(turn, ada.vault, file)
            raise KeyError

    with pytest.raises(KeyError):
        fails_late()
    assert rows(ada) == 0


@embedded_only
def test_a_file_taken_away_can_be_brought_back_for_thirty_days(ada: Ada, clock: Clock):
    number = ada.buys("Kettle").number
    where = keeps(ada, number)
    gone = ada.presses(f"{where}/remove").headers["Location"]
    page = ada.looks_at(gone)
    assert "receipt.txt" not in page
    assert f'action="{where}/back"' in page
    ada.looks_at(where, 404)
    ada.presses(f"{where}/back")
    assert "receipt.txt" in ada.looks_at(f"/purchases/{number}")
    clock.passes(seconds=MONTH)
    run_due(ada.house)
    ada.unlocks()
    assert ada.browser.get(where).data == WORDS
    ada.presses(f"{where}/remove")
    with ada.house.main.reading() as session:
        box = session.scalar(select(AttachmentRow.content)) or b""
    assert any(box in path.read_bytes() for path in files_of(ada.house))
    clock.passes(seconds=MONTH)
    run_due(ada.house)
    assert rows(ada) == 0
    assert not any(box[64:96] in path.read_bytes() for path in files_of(ada.house)), "gone from the files too"


def test_files_go_with_their_record_and_end_thirty_days_after_it(ada: Ada, clock: Clock):
    stays, goes = ada.buys("Kettle"), ada.buys("Lamp")
    here, there = keeps(ada, stays.number), keeps(ada, goes.number)
    ada.removes(goes)
    ada.looks_at(there, 404)
    ada.presses(f"{there}/remove", 404)
    assert [number for _, number, _ in attachments.each(ada.vault)] == [stays.number]
    assert rows(ada) == 2
    clock.passes(seconds=MONTH)
    run_due(ada.house)
    ada.unlocks()
    assert rows(ada) == 1
    assert ada.looks_at(here)


def test_no_vendor_is_shown_a_file_nor_can_ask_for_one(ada: Ada, bookshop: Bookshop):
    stored = ada.buys("Kettle")
    ada.lets(bookshop)
    before = bookshop.reads()
    keeps(ada, stored.number, WORDS, "quill-receipt-2026.txt")
    assert bookshop.reads() == before
    token = json.loads(bookshop.connection.to_json())["tokens"]["access"]
    for path in ("/vendor/v1/files", "/vendor/v1/attachments"):
        assert bookshop.looks(path, token).status_code in {403, 404}
    where = keeps(ada, stored.number)
    assert bookshop.looks(where, token).status_code == 303, "to the page that asks for her passphrase"


def test_a_file_that_was_tampered_with_is_told_as_damaged_and_the_others_open(ada: Ada):
    number = ada.buys("Kettle").number
    bad, renamed, good = keeps(ada, number), keeps(ada, number), keeps(ada, number)
    with ada.house.main.transaction() as session:
        for where, column in ((bad, AttachmentRow.content), (renamed, AttachmentRow.box)):
            this = AttachmentRow.attachment_id == bytes.fromhex(where[7:])
            box = session.scalar(select(column).where(this)) or b""
            session.execute(update(AttachmentRow).where(this).values({column: box[:-1] + bytes([box[-1] ^ 1])}))
    for where in (bad, renamed):
        assert "damaged" in ada.looks_at(where, 500)
    assert "A file that is damaged" in ada.looks_at(f"/purchases/{number}")
    assert ada.browser.get(good).data == WORDS
    with pytest.raises(crypto.Damaged):
        list(attachments.each(ada.vault))


def test_a_file_put_back_by_hand_is_there_again(ada: Ada, clock: Clock):
    where = keeps(ada, ada.buys("Kettle").number)
    with ada.house.main.reading() as session:
        row = dict(session.execute(select(AttachmentRow.__table__)).mappings().one())
    ada.presses(f"{where}/remove")
    clock.passes(seconds=MONTH)
    run_due(ada.house)
    ada.unlocks()
    ada.looks_at(where, 404)
    with ada.house.main.transaction() as session:
        session.execute(insert(AttachmentRow).values(**row))
    assert ada.browser.get(where).data == WORDS


def test_a_name_in_any_script_survives_saving(ada: Ada):
    where = keeps(ada, ada.buys("Kettle").number, WORDS, "Rachunek – żółć 北.txt")
    assert quote("Rachunek – żółć 北.txt") in ada.browser.get(f"{where}?save=yes").headers["Content-Disposition"]


def test_files_of_one_vault_can_be_counted_by_record(ada: Ada):
    one, two = ada.buys("Kettle").number, ada.buys("Lamp").number
    keeps(ada, one)
    keeps(ada, one)
    keeps(ada, two)
    with ada.house.main.reading() as session:
        assert attachments.counts(session, ada.vault) == {one: 2, two: 1}
        assert attachments.counts(session, ada.vault, [two, 999]) == {two: 1}
