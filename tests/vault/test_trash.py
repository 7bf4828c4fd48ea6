"""What she removes is out of everybody's sight at once, can be put back for thirty days, and then is gone for good."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from tests.people import PURCHASES, Ada, Bookshop, Clock, house_in
from tests.sampled import some
from tests.vault.test_leaving import moves_in, zipped
from vault import store, trash, worker
from vault.bringing import bring_back
from vault.collections.notes import Note
from vault.days import DAY
from vault.models import RecordRow, Version
from vault.server import Server


def in_trash(ada: Ada) -> list[int]:
    with ada.house.main.reading() as session:
        return [each.number for each in trash.removed(session, ada.vault, most=100)]


def versions_of(ada: Ada, number: int) -> int:
    with ada.house.main.reading() as session:
        return len(store.history(session, ada.vault, number))


def undone(ada: Ada, answer, status: int = 303) -> str:
    """Press the button in the bar that an act has led to; returns where that leads."""
    page = ada.looks_at(answer.headers["Location"])
    change = page.split('name="change" value="', 1)[1].split('"', 1)[0]
    back = page.split('name="next" value="', 1)[1].split('"', 1)[0]
    return ada.presses("/undo", status, change=change, next=back).headers["Location"]


def test_what_is_removed_can_be_undone_from_the_bar(ada: Ada):
    note = ada.keeps(Note(heading="Parcel arrived wet", text="Two photographs."))
    removed = ada.presses(f"/notes/{note.number}/remove")
    assert "It stays in the trash for 30 days." in ada.looks_at(removed.headers["Location"])
    ada.looks_at(f"/notes/{note.number}", 404)
    assert "Undone." in ada.looks_at(undone(ada, removed))
    assert "Parcel arrived wet" in ada.looks_at("/notes")
    assert "earlier version" not in ada.looks_at(f"/notes/{note.number}")
    assert not in_trash(ada)


def test_a_change_can_be_undone_too_and_only_while_nothing_followed_it(ada: Ada):
    stored = ada.buys("Kettle")
    marked = ada.presses(f"/purchases/{stored.number}/gift", gift="yes", recipient="Ines")
    assert "A gift for Ines" in ada.looks_at(f"/purchases/{stored.number}")
    undone(ada, marked)
    assert "A gift for Ines" not in ada.looks_at(f"/purchases/{stored.number}")
    marked = ada.presses(f"/purchases/{stored.number}/gift", gift="yes", recipient="Ines")
    ada.presses(f"/purchases/{stored.number}/note", note="Blue")
    assert "too-late" in undone(ada, marked)
    page = ada.looks_at(f"/purchases/{stored.number}")
    assert "A gift for Ines" in page
    assert "Blue" in page


def test_there_is_nothing_to_undo_in_a_change_that_never_was(ada: Ada):
    ada.buys("Kettle")
    for change in ("", "0", "-1", "99999", "x", "9" * 30):
        assert "too-late" in ada.presses("/undo", change=change, next="/purchases").headers["Location"]
        assert ada.presses("/undo", change=change, next="https://elsewhere.test/").headers["Location"].startswith("/?")


def test_no_vendor_sees_what_is_in_the_trash_and_sees_it_again_when_it_is_put_back(ada: Ada, bookshop: Bookshop):
    atlas, kettle = ada.buys("Atlas"), ada.buys("Kettle")
    ada.lets(bookshop, PURCHASES)
    ada.presses(f"/purchases/{atlas.number}/remove")
    assert [row["item"] for row in bookshop.reads()] == ["Kettle"]
    assert "Atlas" not in ada.looks_at("/purchases") + ada.looks_at(f"/sharing/{ada.grant()}")
    ada.presses(f"/trash/{atlas.number}/restore")
    assert sorted(row["item"] for row in bookshop.reads()) == ["Atlas", "Kettle"]
    ada.presses(f"/purchases/{kettle.number}/remove")
    ada.presses(f"/trash/{kettle.number}/forget")
    assert [row["item"] for row in bookshop.reads()] == ["Atlas"]


def test_the_trash_says_what_is_in_it_and_until_when(ada: Ada, clock: Clock):
    stored = ada.buys("Kettle")
    ada.presses(f"/purchases/{stored.number}/remove")
    clock.passes(days=10)
    ada.unlocks()
    page = ada.looks_at("/trash")
    for words in ("1 thing is in the trash", "Kettle", "Bookshop", "Gone for good in 20 days."):
        assert words in page, words
    assert "Back in its place." in ada.looks_at(ada.presses(f"/trash/{stored.number}/restore").headers["Location"])
    assert "The trash is empty" in ada.looks_at("/trash")


def test_what_an_import_put_there_hides_nothing_that_she_removed_herself(ada: Ada, monkeypatch: pytest.MonkeyPatch):
    hers, imported = ada.keeps(Note(heading="Hers", text=".")), ada.keeps(Note(heading="Imported", text="."))
    ada.removes(hers)
    ada.removes(imported)
    with store.writing(ada.vault) as turn:
        trash.lay(turn, imported.number, ada.house.now // DAY, returns=True)
    monkeypatch.setattr("vault.pages.trash.PAGE", 1)
    page = ada.looks_at("/trash")
    assert "Hers" in page
    assert "and 1 more" in page


def test_after_thirty_days_it_is_gone_for_good_with_its_history_and_no_sooner(ada: Ada, house: Server, clock: Clock):
    stored = ada.buys("Kettle")
    ada.edits(stored, item="Copper kettle")
    ada.removes(stored)
    clock.passes(days=29)
    worker.tick(house, sweep=True)
    assert in_trash(ada) == [stored.number]
    clock.passes(days=1)
    worker.tick(house, sweep=True)
    assert not in_trash(ada)
    assert versions_of(ada, stored.number) == 0
    ada.unlocks()
    ada.presses(f"/trash/{stored.number}/restore", 404)
    assert not ada.open.catalogue.count("damaged")


def test_it_can_be_removed_for_good_before_one_thing_or_all(ada: Ada):
    stored = [ada.buys(item) for item in ("Kettle", "Lamp", "Atlas", "Rug")]
    for each in stored[:3]:
        ada.removes(each)
    ada.presses(f"/trash/{stored[0].number}/forget")
    assert sorted(in_trash(ada)) == [stored[1].number, stored[2].number]
    ada.presses("/trash/empty")
    assert not in_trash(ada)
    with ada.house.main.reading() as session:
        assert not session.scalars(select(Version.box)).all()
    assert "Rug" in ada.looks_at("/purchases")


def test_what_is_not_in_the_trash_can_be_neither_put_back_nor_removed_for_good(ada: Ada):
    stored = ada.buys("Kettle")
    ada.edits(stored, item="Copper kettle")
    for number in (stored.number, 99999):
        ada.presses(f"/trash/{number}/restore", 404)
        ada.presses(f"/trash/{number}/forget", 404)
    assert versions_of(ada, stored.number) == 1
    assert "Copper kettle" in ada.looks_at(f"/purchases/{stored.number}")


def test_a_row_that_somebody_marked_as_removed_loses_nothing(ada: Ada, house: Server, clock: Clock):
    stored = ada.buys("Kettle")
    ada.edits(stored, item="Copper kettle")
    with house.main.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.number == stored.number).values(removed_day=1))
    assert not in_trash(ada)
    ada.presses(f"/trash/{stored.number}/restore", 404)
    ada.presses("/trash/empty")
    worker.tick(house, sweep=True)
    assert versions_of(ada, stored.number) == 1
    assert "Copper kettle" in ada.looks_at(f"/purchases/{stored.number}")


def test_what_was_removed_for_good_can_be_laid_into_the_trash_again_for_her_alone(ada: Ada, bookshop: Bookshop):
    stored = ada.buys("Kettle")
    ada.lets(bookshop, PURCHASES)
    ada.removes(stored)
    with ada.house.main.reading() as session:
        copied = session.execute(select(Version.owner_id, Version.number, Version.revision, Version.box)).one()
    ada.presses(f"/trash/{stored.number}/forget")
    with ada.house.main.transaction() as session:
        session.execute(insert(Version).values(**copied._asdict()))
        session.execute(update(RecordRow).where(RecordRow.number == stored.number).values(removed_day=20000))
    assert in_trash(ada) == [stored.number]
    assert bookshop.reads() == []
    ada.looks_at(f"/purchases/{stored.number}", 404)


def test_an_import_does_not_bring_back_what_she_removed_for_good(ada: Ada):
    stored = ada.buys("Kettle")
    with ada.house.main.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.number == stored.number).values(mark=b"m" * 16))
    ada.removes(stored)
    ada.presses("/trash/empty")
    with ada.house.main.reading() as session:
        assert store.by_marks(session, ada.vault, [b"m" * 16])[b"m" * 16][2] is None


def test_a_damaged_thing_in_the_trash_is_named_and_can_only_be_removed_for_good(ada: Ada):
    stored = ada.buys("Kettle")
    ada.removes(stored)
    with ada.house.main.transaction() as session:
        session.execute(update(Version).where(Version.number == stored.number).values(box=b"\x02" + b"?" * 60))
    page = ada.looks_at("/trash")
    assert "Damaged: it cannot be put back" in page
    assert "/restore" not in page
    ada.presses(f"/trash/{stored.number}/forget")
    assert "The trash is empty" in ada.looks_at("/trash")


def test_a_removed_vendor_comes_back_to_its_purchases(ada: Ada):
    stored = ada.buys("Kettle")
    ada.presses(f"/vendors/{ada.bookshop_number}/remove")
    assert "a vendor you removed" in ada.looks_at(f"/purchases/{stored.number}")
    ada.presses(f"/trash/{ada.bookshop_number}/restore")
    assert "a vendor you removed" not in ada.looks_at(f"/purchases/{stored.number}")


def test_where_undo_leads_back_to_is_a_path_of_the_vault_or_home(ada: Ada):
    for path in (
        "/purchases\r\nSet-Cookie: vault=x",
        "/\t/evil.example",
        "/a\x00b",
        "//evil.example",
        "/\\evil.example",
    ):
        assert ada.presses("/undo", change="1", next=path).headers["Location"] == "/?notice=too-late"


@pytest.mark.parametrize("day", some([(1 << 63) - 1, -(1 << 62), -1, 1 << 40]))
def test_a_day_that_was_tampered_with_closes_neither_the_trash_nor_an_archive(ada: Ada, tmp_path: Path, day: int):
    note = ada.keeps(Note(heading="Parcel arrived wet", text="Two photographs."))
    ada.removes(note)
    with ada.house.main.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.number == note.number).values(removed_day=day))
    assert "Parcel arrived wet" in ada.looks_at("/trash")
    there = house_in(tmp_path / "there", ada.house.clock)  # type: ignore[arg-type]
    assert bring_back(moves_in(there), io.BytesIO(zipped(ada.open))).records
    there.stop()
    ada.presses(f"/trash/{note.number}/restore")
    assert "Parcel arrived wet" in ada.looks_at("/notes")
