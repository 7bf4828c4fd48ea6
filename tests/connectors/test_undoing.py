"""Undoing a whole import: what it added goes and can come back, what she made her own stays, whatever interrupts it."""

from __future__ import annotations

import io
import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from connectors import engine, lease, putting_away, resuming, undoing
from connectors.course import ENDED, Course, Standing, Undo, report, standing, standings
from connectors.models import Import
from tests import sampled
from tests.connectors.test_engine import (
    GIFTS,
    HEADER,
    ROOT,
    Interrupted,
    a_history,
    a_row,
    chunks,
    everything,
    imported,
    named,
    purchases,
    sealed,
    until,
    what_she_has,
    wide_history,
)
from tests.connectors.test_import_pages import brings_in, words
from tests.people import PURCHASES, Ada, Bookshop, Clock
from tests.vault.test_leaving import elsewhere, moves_in, open_keyring_of, zipped
from tests.vault.test_merging import merges
from vault import sessions, store, trash, worker
from vault.bringing import bring_back
from vault.collections.notes import Note
from vault.collections.vendors import Vendor
from vault.models import RecordRow, Version
from vault.opened import OpenVault
from vault.server import Server

__all__ = ["elsewhere"]


def undone(vault: OpenVault, at: Standing | bytes, *, everything: bool = False) -> Undo:
    """Undo an import to the end; what it counted."""
    import_id = at if isinstance(at, bytes) else at.import_id
    undoing.begin(vault, import_id, everything=everything)
    after = undoing.run(vault, import_id)
    assert after.state == "undone"
    assert after.course.undo
    return after.course.undo


def returned(vault: OpenVault, at: Standing) -> Undo:
    """And take that back."""
    undoing.bring_back(vault, at.import_id)
    after = undoing.run(vault, at.import_id)
    assert after.state == "done"
    assert after.course.undo
    return after.course.undo


def items(vault: OpenVault) -> list[str]:
    return sorted(each.record.name() for each in purchases(vault))


def vendors(vault: OpenVault) -> list[str]:
    return sorted(each.record.name() for each in everything(vault) if each.kind is Vendor)


def test_what_it_added_goes_and_one_button_brings_it_back(ada: Ada) -> None:
    ada.buys("Atlas")
    before = what_she_has(ada.vault)
    at = imported(ada.vault, a_history(3))
    brought = what_she_has(ada.vault)
    undo = undone(ada.vault, at)
    assert (undo.gone, undo.vendors, undo.kept) == (3, 1, {})
    assert what_she_has(ada.vault) == before
    back = returned(ada.vault, at)
    assert (back.gone, back.vendors) == (3, 1)
    assert what_she_has(ada.vault) == brought
    assert undone(ada.vault, at).gone == 3
    assert not ada.open.catalogue.count("damaged")


def test_what_she_made_her_own_stays_and_it_is_said_why(ada: Ada) -> None:
    at = imported(ada.vault, a_history(8))
    ada.edits(named(ada.vault, "Thing 1"), note="Blue")
    ada.marks_as_gift(named(ada.vault, "Thing 2"))
    ada.attaches(named(ada.vault, "Thing 3"), b"receipt")
    ada.keeps(Note(heading="Lid", text="Loose.", about=named(ada.vault, "Thing 4").number))
    imported(ada.vault, a_history(6, n5="Thing five in full"))
    would = putting_away.preview(ada.vault, at.import_id)
    reasons = {putting_away.EDITED: 2, putting_away.NOTED: 1, putting_away.FILED: 1, putting_away.LATER: 1}
    assert would == (3, reasons, True)
    undo = undone(ada.vault, at)
    assert (undo.gone, undo.vendors) == (3, 0)
    assert undo.kept == {**reasons, putting_away.USED: 1}
    assert items(ada.vault) == ["Thing 1", "Thing 2", "Thing 3", "Thing 4", "Thing five in full"]
    assert "Amazon.com" in vendors(ada.vault)


def test_she_may_take_those_too_at_once_or_afterwards(ada: Ada) -> None:
    at = imported(ada.vault, a_history(3))
    ada.edits(named(ada.vault, "Thing 1"), note="Blue")
    assert undone(ada.vault, at).kept == {putting_away.EDITED: 1, putting_away.USED: 1}
    undo = undone(ada.vault, at, everything=True)
    assert (undo.gone, undo.vendors, undo.kept, items(ada.vault)) == (3, 1, {}, [])
    returned(ada.vault, at)
    assert named(ada.vault, "Thing 1").edits == {"note": "Blue"}
    assert undone(ada.vault, at, everything=True).gone == 3


def test_what_she_changes_between_looking_and_pressing_stays(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(putting_away, "AT_ONCE", 2)
    at = imported(ada.vault, a_history(6))
    last = named(ada.vault, "Thing 5")
    undoing.begin(ada.vault, at.import_id, everything=False)
    noted = iter([True])

    def in_between(_course: Course) -> None:
        if next(noted, False):
            ada.edits(last, note="Mine")

    after = undoing.run(ada.vault, at.import_id, in_between)
    assert after.course.undo
    assert (after.course.undo.gone, after.course.undo.kept) == (5, {putting_away.EDITED: 1, putting_away.USED: 1})
    assert items(ada.vault) == ["Thing 5"]


def test_what_the_file_only_changed_says_again_what_it_said_before(ada: Ada) -> None:
    imported(ada.vault, a_history(3))
    ada.edits(named(ada.vault, "Thing 2"), note="Hers")
    second = imported(ada.vault, a_history(4, n1="Thing one in full", n2="Thing two in full"))
    undo = undone(ada.vault, second)
    assert (undo.gone, undo.sources, undo.kept) == (1, 2, {})
    assert items(ada.vault) == ["Thing 0", "Thing 1", "Thing 2"]
    assert named(ada.vault, "Thing 2").edits == {"note": "Hers"}
    assert returned(ada.vault, second).sources == 2
    assert items(ada.vault) == ["Thing 0", "Thing 3", "Thing one in full", "Thing two in full"]
    assert named(ada.vault, "Thing two in full").edits == {"note": "Hers"}


def test_of_several_files_the_last_that_is_left_is_read_in_whatever_order_they_go_and_return(ada: Ada) -> None:
    names = ["Thing 0", "Second", "Third", "Fourth"]
    files = [imported(ada.vault, a_history(1, n0=each)) for each in names]
    for order in itertools.permutations((1, 2, 3)):
        left = {0, 1, 2, 3}
        for which in order:
            undone(ada.vault, files[which])
            left -= {which}
            assert items(ada.vault) == [names[max(left)]]
        for which in order:
            returned(ada.vault, files[which])
            left |= {which}
            assert items(ada.vault) == [names[max(left)]]


def test_what_she_keeps_of_files_that_are_all_undone_says_what_it_came_with(ada: Ada) -> None:
    files = [imported(ada.vault, a_history(1, n0=each)) for each in ("Thing 0", "Second", "Third")]
    for each in files:
        undone(ada.vault, each)
    assert items(ada.vault) == ["Thing 0"]


def test_what_lies_in_the_trash_says_what_the_file_that_is_left_says(ada: Ada) -> None:
    imported(ada.vault, a_history(2))
    second = imported(ada.vault, a_history(2, n1="Better thing"))
    thing = named(ada.vault, "Better thing")
    ada.removes(thing)
    undone(ada.vault, second)
    assert "Better thing" not in ada.looks_at("/trash")
    ada.presses(f"/trash/{thing.number}/restore")
    assert items(ada.vault) == ["Thing 0", "Thing 1"]
    ada.removes(named(ada.vault, "Thing 1"))
    returned(ada.vault, second)
    ada.presses(f"/trash/{thing.number}/restore")
    assert items(ada.vault) == ["Better thing", "Thing 0"]


def test_what_is_put_back_after_its_file_was_undone_comes_with_its_vendor(ada: Ada) -> None:
    at = imported(ada.vault, a_history(2))
    thing = named(ada.vault, "Thing 1")
    ada.removes(thing)
    undone(ada.vault, at)
    assert "Amazon.com" not in vendors(ada.vault)
    ada.presses(f"/trash/{thing.number}/restore")
    assert "Amazon.com" in ada.looks_at(f"/purchases/{thing.number}")
    assert items(ada.vault) == ["Thing 1"]


def test_of_two_files_that_are_undone_the_first_brings_back_its_own_words(ada: Ada) -> None:
    first, second = imported(ada.vault, a_history(2)), imported(ada.vault, a_history(2, n1="Better thing"))
    undone(ada.vault, first, everything=True)
    undone(ada.vault, second)
    returned(ada.vault, first)
    assert items(ada.vault) == ["Thing 0", "Thing 1"]


def test_what_she_has_decided_is_not_asked_again_when_its_file_was_undone_and_comes_once_more(ada: Ada) -> None:
    imported(ada.vault, f"{HEADER}\n{a_row(1)}\n".encode())
    hints = f"{HEADER}{GIFTS}\n{a_row(1, more=',For you,Ada,')}\n".encode()
    second = imported(ada.vault, hints)
    (one,) = purchases(ada.vault)
    with store.writing(ada.vault) as turn:
        store.decide(turn, ada.vault, one.number, accept=False)
    undone(ada.vault, second)
    imported(ada.vault, hints)
    assert not purchases(ada.vault)[0].proposes


def test_no_vendor_reads_the_words_of_a_file_that_is_undone(ada: Ada, bookshop: Bookshop) -> None:
    vendor = ada.keeps(Vendor(called="Amazon.com", domains=("amazon.com",)))
    imported(ada.vault, a_history(1))
    merges(ada, ada.bookshop_number, vendor.number)
    ada.lets(bookshop, {**PURCHASES, "filter": {"vendor": "this"}})
    second, third = (imported(ada.vault, a_history(1, n0=each)) for each in ("Wrong thing", "Worse thing"))
    undone(ada.vault, third)
    undone(ada.vault, second)
    assert [each["item"] for each in bookshop.reads()] == ["Thing 0"]


def test_importing_the_same_file_again_brings_each_thing_back_once(ada: Ada) -> None:
    first = imported(ada.vault, a_history(3))
    before, numbers = what_she_has(ada.vault), [each.number for each in everything(ada.vault)]
    undone(ada.vault, first)
    again = imported(ada.vault, a_history(3))
    assert (again.course.new, again.course.same, again.course.removed) == (3, 0, 0)
    assert what_she_has(ada.vault) == before
    assert [each.number for each in everything(ada.vault)] == numbers
    assert imported(ada.vault, a_history(3)).course.same == 3
    assert returned(ada.vault, first).gone == 0
    with ada.house.main.reading() as session:
        assert not session.scalars(select(Version.number)).all()
    undone(ada.vault, again)
    assert items(ada.vault) == []


def test_her_words_come_back_with_the_file_and_what_she_removed_stays_removed(ada: Ada) -> None:
    first = imported(ada.vault, a_history(4))
    ada.edits(named(ada.vault, "Thing 1"), note="Blue")
    ada.removes(named(ada.vault, "Thing 3"))
    undone(ada.vault, first, everything=True)
    again = imported(ada.vault, a_history(4, n1="Thing one in full"))
    assert (again.course.new, again.course.removed) == (3, 1)
    assert named(ada.vault, "Thing one in full").edits == {"note": "Blue"}
    ada.removes(named(ada.vault, "Thing 2"))
    undone(ada.vault, again, everything=True)
    assert imported(ada.vault, a_history(4)).course.removed == 2


def test_the_file_brings_back_even_what_has_left_the_trash(ada: Ada, clock: Clock) -> None:
    first = imported(ada.vault, a_history(3))
    undone(ada.vault, first)
    ada.presses(f"/trash/{trashed(ada)[0]}/forget")
    clock.passes(days=30)
    worker.tick(ada.house, sweep=True)
    ada.unlocks()
    assert undoing.lying(ada.vault, first.import_id) == 0
    assert returned(ada.vault, first).gone == 0
    again = imported(ada.vault, a_history(3))
    assert (again.course.new, again.course.removed) == (2, 1)
    assert len(vendors(ada.vault)) == 2


def trashed(ada: Ada) -> list[int]:
    """Things in the trash, no vendors."""
    with ada.house.main.reading() as session:
        found = trash.removed(session, ada.vault, most=100)
    return sorted(each.number for each in found if each.stored and each.stored.kind is not Vendor)


def test_in_another_vault_the_file_brings_it_back_as_well(ada: Ada, elsewhere: Server) -> None:
    undone(ada.vault, imported(ada.vault, a_history(3)))
    imported(ada.vault, a_history(5).replace(b"111-000000", b"222-000000"))
    ada.removes(named(ada.vault, "Thing 4"))
    arrived = moves_in(elsewhere)
    bring_back(arrived, io.BytesIO(zipped(ada.open)))
    there = sessions.for_command(elsewhere, open_keyring_of(arrived))
    assert imported(there, a_history(3)).course.new == 3
    assert imported(there, a_history(5).replace(b"111-000000", b"222-000000")).course.removed == 1
    assert len(items(there)) == 7


def test_what_she_took_out_of_the_trash_herself_is_hers_again(ada: Ada) -> None:
    first = imported(ada.vault, a_history(3))
    undone(ada.vault, first)
    ada.presses(f"/trash/{trashed(ada)[0]}/restore")
    assert items(ada.vault) == ["Thing 0"]
    assert returned(ada.vault, first).gone == 2
    ada.removes(named(ada.vault, "Thing 0"))
    assert imported(ada.vault, a_history(3)).course.removed == 1


def test_a_vendor_stays_while_there_is_something_of_it(ada: Ada, bookshop: Bookshop) -> None:
    first, second = imported(ada.vault, a_history(2)), imported(ada.vault, a_history(4))
    assert undone(ada.vault, first).kept == {putting_away.USED: 1}
    assert "Amazon.com" in vendors(ada.vault)
    assert undone(ada.vault, second).vendors == 1
    assert vendors(ada.vault) == ["Bookshop"]
    assert returned(ada.vault, first).vendors == 1
    assert vendors(ada.vault) == ["Amazon.com", "Bookshop"]


def test_a_vendor_with_a_permission_stays(ada: Ada, bookshop: Bookshop) -> None:
    ada.removes(next(each for each in everything(ada.vault) if each.kind is Vendor))
    at = imported(ada.vault, a_history(1).replace(b"Amazon.com", b"shop.localhost"))
    made = next(each for each in everything(ada.vault) if each.kind is Vendor)
    ada.lets(bookshop, PURCHASES)
    assert ada.grant()
    assert undone(ada.vault, at).kept == {putting_away.USED: 1}
    assert [each.number for each in everything(ada.vault)] == [made.number]


def test_no_vendor_sees_what_is_undone_and_sees_it_again_when_it_comes_back(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("Atlas")
    data = a_history(3).replace(b"Amazon.com", b"shop.localhost").replace(b"2024-03", b"2026-03")
    at = imported(ada.vault, data)
    connection = ada.lets(bookshop, PURCHASES)
    assert len(bookshop.reads()) == 4
    ada.edits(named(ada.vault, "Thing 1"), rating=5)
    since = connection.read("purchases").next
    undone(ada.vault, at)
    told = connection.read("purchases", after=since)
    assert (len(told.records), len(told.gone)) == (0, 2)
    assert sorted(row["item"] for row in bookshop.reads()) == ["Atlas", "Thing 1"]
    returned(ada.vault, at)
    assert sorted(row["item"] for row in bookshop.reads()) == ["Atlas", "Thing 0", "Thing 1", "Thing 2"]
    undone(ada.vault, at, everything=True)
    assert [row["item"] for row in bookshop.reads()] == ["Atlas"]
    imported(ada.vault, data)
    assert len(bookshop.reads()) == 4
    assert not ada.open.catalogue.count("damaged")


def test_files_of_what_is_undone_are_out_of_sight_and_come_back_with_it(ada: Ada) -> None:
    at = imported(ada.vault, a_history(1))
    file = ada.attaches(named(ada.vault, "Thing 0"), b"receipt")
    undone(ada.vault, at, everything=True)
    ada.looks_at(file, 404)
    imported(ada.vault, a_history(1))
    assert ada.browser.get(file).status_code == 200


def test_an_import_that_is_still_read_ends_and_is_undone(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROWS_MOST", 50)
    import_id = sealed(ada.vault, a_history(300))

    def she_has_seen_enough(course: Course) -> None:
        if course.units >= 100:
            undoing.begin(ada.vault, import_id, everything=False)

    assert engine.run(ada.vault, import_id, she_has_seen_enough).state == "undoing"
    at = undoing.run(ada.vault, import_id)
    assert (at.state, at.course.sentence, chunks(ada.house), items(ada.vault)) == ("undone", ENDED, 0, [])
    came = at.course.new
    assert 100 <= came < 300
    assert returned(ada.vault, at).gone == came
    assert imported(ada.vault, a_history(300)).course.new == 300 - came


def test_a_file_that_was_refused_in_part_is_undone_and_keeps_its_report(ada: Ada) -> None:
    at = imported(ada.vault, "\n".join([HEADER, a_row(1), a_row(7).replace("2024-03-01", "x"), ""]).encode())
    assert (at.course.new, at.course.refused) == (1, 1)
    assert undone(ada.vault, at).gone == 1
    assert len(report(ada.vault, at.import_id)) == 1
    nothing = imported(ada.vault, b"no such file")
    undoing.begin(ada.vault, nothing.import_id, everything=False)
    assert standing(ada.vault, nothing.import_id).state == "refused"


def test_a_damaged_thing_stays_and_is_counted(ada: Ada) -> None:
    at = imported(ada.vault, a_history(3))
    harmed = named(ada.vault, "Thing 1").number
    with ada.house.main.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.number == harmed).values(box=b"\x02" + b"?" * 60))
    undo = undone(ada.vault, at, everything=True)
    assert (undo.gone, undo.kept[putting_away.DAMAGED]) == (2, 1)
    with ada.house.main.transaction() as session:
        lies = RecordRow.number == trashed(ada)[0]
        gone = session.scalars(select(RecordRow.number).where(lies)).one()
        session.execute(update(Version).where(Version.number == gone).values(box=b"\x02" + b"?" * 60))
    assert returned(ada.vault, at).gone == 1
    again = imported(ada.vault, a_history(3))
    assert (again.course.same, again.course.refused) == (1, 2)


def cut(monkeypatch: pytest.MonkeyPatch, countdown: list[int]) -> None:
    """Every step in and after a turn may be the last one."""

    def perhaps(then: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            done = then(*args, **options)
            countdown[0] -= 1
            if countdown[0] == 0:
                raise Interrupted
            return done

        return step

    for owner, name in ((lease.Lease, "save"), (undoing._Run, "_turn"), (store, "remove_all"), (trash, "put_back")):
        monkeypatch.setattr(owner, name, perhaps(getattr(owner, name)))
    monkeypatch.setattr(store, "put_all", perhaps(store.put_all))


def test_cut_off_at_any_step_it_comes_to_the_same_and_so_does_its_return(
    ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting_away, "AT_ONCE", 3)
    imported(ada.vault, a_history(2))
    at = imported(ada.vault, a_history(8, n1="Thing one in full"))
    ada.edits(named(ada.vault, "Thing 5"), note="Mine")
    brought, countdown = what_she_has(ada.vault), [0]
    cut(monkeypatch, countdown)
    ends = []
    for begin in (lambda: undoing.begin(ada.vault, at.import_id, everything=False),
                  lambda: undoing.bring_back(ada.vault, at.import_id)):  # fmt: skip
        begin()
        cuts = 0
        while standing(ada.vault, at.import_id).state in undoing.STATES:
            cuts += 1
            countdown[0] = 1 + cuts % 4
            with suppress(Interrupted):
                undoing.run(ada.vault, at.import_id)
        countdown[0] = 0
        assert cuts > 4
        counted = standing(ada.vault, at.import_id).course.undo
        assert counted
        ends.append((counted.gone, counted.sources, counted.kept, items(ada.vault)[:3]))
    assert ends[0] == (5, 1, {putting_away.EDITED: 1}, ["Thing 0", "Thing 1", "Thing 5"])
    assert ends[1][:2] == (5, 1)
    assert what_she_has(ada.vault) == brought


KILLED = """
import sys
from pathlib import Path
from tests.people import house_in
from connectors import putting_away, undoing
from vault import sessions, unlock
house = house_in(Path(sys.argv[1]))
putting_away.AT_ONCE = 10
vault = sessions.for_command(house, unlock.with_passphrase(house, "", sys.argv[2], address="child"))
print("begun", flush=True)
undoing.run(vault, bytes.fromhex(sys.argv[3]))
"""


@pytest.mark.skipif(not sampled.EVERYTHING, reason="sampled: every run cuts it off in one process")
def test_killed_at_random_it_goes_on_and_nothing_stays_or_goes_twice(ada: Ada, tmp_path: Path) -> None:
    at, chance = imported(ada.vault, a_history(2000)), random.Random(5)
    undoing.begin(ada.vault, at.import_id, everything=False)
    for _attempt in range(3):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "house"), ada.passphrase, at.import_id.hex()]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0.05, 0.5))
            child.send_signal(signal.SIGKILL)
            child.wait()
        with ada.house.main.transaction() as session:
            session.execute(update(Import).values(lease_until=0))
    after = undoing.run(ada.vault, at.import_id)
    assert after.course.undo
    assert (after.state, after.course.undo.gone, items(ada.vault)) == ("undone", 2000, [])


def test_locking_halts_it_and_unlocking_goes_on(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(putting_away, "AT_ONCE", 20)
    at = imported(ada.vault, a_history(100))
    undoing.begin(ada.vault, at.import_id, everything=False)
    halted = undoing.run(ada.vault, at.import_id, lambda course: ada.locks())
    assert halted.state == "undoing"
    assert halted.course.undo
    assert halted.course.undo.gone in (19, 20)
    ada.unlocks()
    until(lambda: standing(ada.vault, at.import_id).state == "undone")
    assert items(ada.vault) == []


def test_of_two_presses_at_once_one_works_and_nothing_goes_twice(ada: Ada) -> None:
    at, together, ends = imported(ada.vault, a_history(600)), threading.Barrier(2), []

    def press() -> None:
        together.wait()
        undoing.begin(ada.vault, at.import_id, everything=False)
        ends.append(undoing.run(ada.vault, at.import_id).state)

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert undoing.run(ada.vault, at.import_id).state == "undone"
    counted = standing(ada.vault, at.import_id).course.undo
    assert counted
    assert (counted.gone, items(ada.vault)) == (600, [])
    with ada.house.main.reading() as session:
        assert session.scalar(select(func.count()).select_from(Version)) == 601


def test_no_turn_writes_more_than_its_rows(ada: Ada) -> None:
    at = imported(ada.vault, a_history(700))
    undone(ada.vault, at)
    with ada.house.main.reading() as session:
        turns = Counter(session.scalars(select(RecordRow.revision).where(RecordRow.box.is_(None))))
    assert max(turns.values()) <= putting_away.AT_ONCE <= 250


def test_the_page_says_what_would_go_before_she_presses_and_what_stayed_after(ada: Ada) -> None:
    there = brings_in(ada, a_history(3))
    ada.edits(named(ada.vault, "Thing 1"), note="Blue")
    assert f'href="{there}/undo"' in ada.looks_at(there)
    page = words(ada.looks_at(f"{there}/undo"))
    assert "2 things would go to the trash" in page
    assert "1 thing stays" in page
    assert "1: You changed them, or marked them as a gift." in page
    assert f'href="{there}"' not in ada.looks_at("/trash")
    ada.presses(f"{there}/undo")
    until(lambda: standings(ada.vault)[0].state == "undone")
    page = words(ada.looks_at(there))
    for said in ("2 things were taken away", "Undone", "What stayed", "Bring it back", "Take away what stayed"):
        assert said in page, said
    assert "Undone" in words(ada.looks_at("/imports"))
    trash_page = ada.looks_at("/trash")
    assert "2 things are in the trash" in trash_page
    assert f'href="{there}"' in trash_page
    ada.presses(f"{there}/return")
    until(lambda: standings(ada.vault)[0].state == "done")
    assert "You had undone this import; 2 things came back." in words(ada.looks_at(there))
    ada.presses(f"{there}/undo", everything="yes")
    until(lambda: standings(ada.vault)[0].state == "undone")
    assert "3 things were taken away" in words(ada.looks_at(there))
    assert items(ada.vault) == []


def test_while_it_is_undone_the_page_says_how_far_it_is(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "begin", lambda *_: None)
    at = imported(ada.vault, a_history(3))
    there = f"/imports/{at.import_id.hex()}"
    ada.presses(f"{there}/undo")
    page = ada.looks_at(there)
    assert "0 of 4" in words(page)
    assert "Being undone" in page
    assert 'role="status"' not in page
    assert "0 of 4" in ada.looks_at(f"{there}/progress")
    ada.looks_at(f"{there}/undo", 404)
    ada.presses(f"{there}/return")
    assert "Coming back" in ada.looks_at(there)


def test_nobody_undoes_an_import_that_is_not_there(ada: Ada) -> None:
    for act in ("undo", "return"):
        ada.presses(f"/imports/{'0' * 32}/{act}", 404)
    ada.looks_at(f"/imports/{'0' * 32}/undo", 404)


def test_a_large_import_is_undone_in_a_few_times_what_it_took(ada: Ada, tmp_path: Path) -> None:
    lines = 100_000 if sampled.EVERYTHING else 1_000
    wide_history(tmp_path / "history.csv", lines)
    began = time.perf_counter()
    at = imported(ada.vault, (tmp_path / "history.csv").read_bytes())
    ada.vault.catalogue  # noqa: B018 - what the first page after it does: everything has its line there
    reading = time.perf_counter() - began
    began = time.perf_counter()
    undo = undone(ada.vault, at)
    taking = time.perf_counter() - began
    assert undo.gone == at.course.new == lines
    assert purchases(ada.vault) == []
    assert taking < max(2 * reading, 5), f"{taking:.1f} s, and {reading:.1f} s for bringing it in"
