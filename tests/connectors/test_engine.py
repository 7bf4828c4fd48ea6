"""Imports: nothing doubled, nothing dropped, nothing of hers overwritten, whatever interrupts them."""

from __future__ import annotations

import csv
import io
import itertools
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from connectors import batches, engine, resuming
from connectors.child import UNKNOWN
from connectors.connector import Found, VendorHint
from connectors.course import ENDED, Course, Standing, report, standing, standings
from connectors.engine import run
from connectors.lease import LEASE, Lost
from connectors.models import Import, ImportChunk
from connectors.uploads import Arriving, SealedUpload, TooLarge, tidy
from tests import sampled
from tests.houses import ON_A_SERVER
from tests.people import Ada, Clock, house_in
from tests.vault.test_leaving import moves_in, zipped
from vault import sessions, store
from vault.bringing import bring_back
from vault.collections.purchases import Purchase
from vault.collections.vendors import Vendor
from vault.errors import Invalid, Locked
from vault.keyring import open_keyring
from vault.models import RecordRow
from vault.opened import OpenVault
from vault.server import Server
from vault.stored import Stored

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parent / "samples"
SHARED = ROOT.parent / "shared" / "samples"
FILES = sorted(SAMPLES.glob("*.csv")) + (sorted(SHARED.glob("*OrderHistory*.csv")) if SHARED.is_dir() else [])
HEADER = "Website,Order ID,Order Date,Currency,Unit Price,Unit Price Tax,Total Owed,ASIN,Quantity,Product Name"
GIFTS = ",Gift Message,Gift Sender Name,Gift Recipient Contact Details"


def a_row(number: int, item: str = "", more: str = "") -> str:
    thing = item or f"Thing {number}"
    return f"Amazon.com,111-{number:07}-0000000,2024-03-01T10:11:12Z,USD,10.00,0.80,10.80,B{number:09},1,{thing}{more}"


def a_history(count: int, **items: str) -> bytes:
    return "\n".join([HEADER, *(a_row(n, items.get(f"n{n}", "")) for n in range(count)), ""]).encode()


def sealed(vault: OpenVault, data: bytes, name: str = "history.csv") -> bytes:
    with Arriving(vault, name) as arriving:
        arriving.write(data)
        return arriving.finish()


def imported(vault: OpenVault, data: bytes, name: str = "history.csv") -> Standing:
    return run(vault, sealed(vault, data, name))


def everything(vault: OpenVault) -> list[Stored]:
    numbers = [entry.number for entry in vault.catalogue.entries("1", order="number")]
    with vault.server.main.reading() as session:
        return list(store.everything(session, vault, numbers))


def purchases(vault: OpenVault) -> list[Stored]:
    return [each for each in everything(vault) if each.kind is Purchase]


def named(vault: OpenVault, item: str) -> Stored:
    return next(each for each in purchases(vault) if each.record.name() == item)


def what_she_has(vault: OpenVault) -> Counter[str]:
    return Counter(f"{each.kind.__name__} {sorted(each.source.items())} {each.edits}" for each in everything(vault))


def adds_up(course: Course) -> bool:
    return course.units == course.new + course.same + course.changed + course.left_out + course.refused


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_brought_in_twice_adds_nothing_the_second_time(path: Path, ada: Ada) -> None:
    first = imported(ada.vault, path.read_bytes(), path.name)
    before, revision = what_she_has(ada.vault), ada.vault.catalogue.revision
    second = imported(ada.vault, path.read_bytes(), path.name)
    assert what_she_has(ada.vault) == before
    assert ada.vault.catalogue.revision == revision
    assert (second.state, second.course.new, second.course.changed) == (first.state, 0, 0)
    assert second.course.units == first.course.units
    assert second.course.same == first.course.new + first.course.same
    assert adds_up(first.course)
    assert adds_up(second.course)


def test_files_of_another_kind_are_refused_with_a_sentence(ada: Ada) -> None:
    others = ["refunds", "orders-returned", "digital-items", "digital-orders", "browser-extension"]
    for name in others:
        at = imported(ada.vault, (SAMPLES / f"amazon-{name}.csv").read_bytes())
        assert (at.state, at.course.units) == ("refused", 0)
        assert "Amazon" in at.course.sentence or "browser extension" in at.course.sentence
    assert imported(ada.vault, b"\x89PNG not a list of anything").course.sentence == UNKNOWN
    assert imported(ada.vault, b"").state == "refused"
    assert purchases(ada.vault) == []


def test_the_report_names_each_refused_line_and_why(ada: Ada) -> None:
    broken = a_row(7).replace("2024-03-01", "2024-02-31")
    data = "\n".join([HEADER, a_row(1), broken, a_row(3), a_row(9).replace(",1,", ",0,"), ""]).encode()
    at = imported(ada.vault, data)
    assert (at.course.units, at.course.new, at.course.refused, at.course.left_out) == (4, 2, 1, 1)
    lines = report(ada.vault, at.import_id)
    assert [(line.place, line.refused) for line in lines] == [("line 3", True), ("line 5", False)]
    assert all(line.reason.endswith(".") for line in lines)
    assert "2024-02-31" not in lines[0].reason
    assert at.course.reasons == {lines[1].reason: 1}


def test_her_edits_survive_when_the_file_says_something_new(ada: Ada) -> None:
    imported(ada.vault, a_history(3))
    before = named(ada.vault, "Thing 1")
    ada.edits(before, note="The good one", item="My thing")
    again = imported(ada.vault, a_history(3, n1="Thing one in full"))
    assert (again.course.same, again.course.changed, again.course.new) == (2, 1, 0)
    after = named(ada.vault, "My thing")
    assert after.number == before.number
    assert after.source["item"] == "Thing one in full"
    assert after.edits == {"note": "The good one", "item": "My thing"}
    with ada.house.main.reading() as session:
        assert len(store.history(session, ada.vault, after.number)) == 2


def test_what_she_removed_stays_removed(ada: Ada) -> None:
    imported(ada.vault, a_history(3))
    ada.removes(named(ada.vault, "Thing 1"))
    again = imported(ada.vault, a_history(3))
    assert (again.course.new, again.course.same, again.course.removed) == (0, 3, 1)
    assert [each.record.name() for each in purchases(ada.vault)] == ["Thing 0", "Thing 2"]


def test_purchases_name_the_vendor_record_she_has_or_a_new_one(ada: Ada) -> None:
    hers = ada.keeps(Vendor(called="The river", domains=("amazon.com",)))
    imported(ada.vault, a_history(2))
    assert {each.source["vendor"] for each in purchases(ada.vault)} == {hers.number}
    imported(ada.vault, a_history(2).replace(b"Amazon.com", b"Amazon.de"))
    new = [each for each in everything(ada.vault) if each.kind is Vendor and each.number > hers.number]
    assert [each.source for each in new] == [{"called": "Amazon.de", "domains": ["amazon.de"]}]
    assert {each.source["vendor"] for each in purchases(ada.vault)} == {hers.number, new[0].number}


def test_a_vendor_that_she_renamed_or_removed_does_not_come_back(ada: Ada) -> None:
    imported(ada.vault, a_history(1))
    made = next(each for each in everything(ada.vault) if each.kind is Vendor and each.edits == {})
    ada.edits(made, called="Somewhere else", domains=["elsewhere.test"])
    imported(ada.vault, a_history(2))
    assert {each.source["vendor"] for each in purchases(ada.vault)} == {made.number}
    ada.removes(made)
    at = imported(ada.vault, a_history(3))
    assert (at.course.new, at.course.same) == (1, 2)
    assert {each.source["vendor"] for each in purchases(ada.vault)} == {made.number}
    assert len([each for each in everything(ada.vault) if each.kind is Vendor]) == 1


def test_gift_columns_are_proposals_that_she_accepts_or_declines(ada: Ada) -> None:
    rows = [a_row(1, more=",Happy birthday,Ada,Bea"), a_row(2, more=",For you,Ada,"), a_row(3, more=",,,")]
    data = "\n".join([HEADER + GIFTS, *rows, ""]).encode()
    imported(ada.vault, data)
    one, two, three = purchases(ada.vault)
    assert one.proposes == {"for_whom": "gift", "gift_note": "Happy birthday", "recipient": "Bea"}
    assert (one.record.facet(), three.proposes) == ("me", {})
    with store.writing(ada.vault) as turn:
        store.decide(turn, ada.vault, one.number, accept=True)
        store.decide(turn, ada.vault, two.number, accept=False)
    imported(ada.vault, data.replace(b"Thing", b"Better thing"))
    one, two, three = purchases(ada.vault)
    assert (one.record.facet(), two.record.facet(), three.record.facet()) == ("gift", "me", "me")
    assert [each.proposes for each in (one, two)] == [{}, {}]
    assert ada.vault.catalogue.count("proposes") == 0


def test_what_may_be_a_gift_stays_so_until_she_has_decided_whatever_a_later_file_says(ada: Ada) -> None:
    """An owner may remove columns, also those of gifts; a vendor would see what was hidden from it."""
    with_gifts = f"{HEADER}{GIFTS}\n{a_row(1, more=',Happy birthday,Ada,Bea')}\n".encode()
    imported(ada.vault, with_gifts)
    (before,) = purchases(ada.vault)
    later = imported(ada.vault, f"{HEADER}\n{a_row(1, 'Better thing')}\n".encode())
    (after,) = purchases(ada.vault)
    assert (later.course.changed, after.record.name()) == (1, "Better thing")
    assert after.proposes == before.proposes == {"for_whom": "gift", "gift_note": "Happy birthday", "recipient": "Bea"}
    with store.writing(ada.vault) as turn:
        store.decide(turn, ada.vault, after.number, accept=False)
    imported(ada.vault, with_gifts)
    assert purchases(ada.vault)[0].proposes == {}


def test_a_file_that_is_the_first_to_tell_of_gifts_is_heard_but_where_she_has_said_it_herself(ada: Ada) -> None:
    """The columns may have been removed from the file that came first."""
    imported(ada.vault, f"{HEADER}\n{a_row(1)}\n{a_row(2)}\n{a_row(3)}\n".encode())
    ada.edits(purchases(ada.vault)[1], for_whom="household")
    data = (
        f"{HEADER}{GIFTS}\n{a_row(1, more=',For you,Ada,')}\n{a_row(2, more=',For you,Ada,')}\n{a_row(3, more=',,,')}\n"
    )
    at = imported(ada.vault, data.encode())
    assert (at.course.changed, at.course.same) == (1, 2)
    assert [each.proposes for each in purchases(ada.vault)] == [{"for_whom": "gift", "gift_note": "For you"}, {}, {}]
    with store.writing(ada.vault) as turn:
        store.decide(turn, ada.vault, purchases(ada.vault)[0].number, accept=False)
    for again in (data.encode(), data.replace("Thing", "Better thing").encode()):
        imported(ada.vault, again)
        assert [dict(each.proposes) for each in purchases(ada.vault)] == [{}, {}, {}]


class Interrupted(Exception):
    """What a test raises inside a batch."""


@pytest.mark.parametrize("seed", sampled.some(range(4)))
def test_an_import_interrupted_anywhere_comes_to_the_same_result(
    seed: int, ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = a_history(400).replace(b"111-0000033-0000000,2024", b"111-0000033-0000000,20xx") + b"nothing,that,is,a,row\n"
    monkeypatch.setattr(engine, "ROWS_MOST", 40)
    chance, import_id = random.Random(seed), sealed(ada.vault, data)
    counted, write = engine._Run._counted, batches.Writing.write
    countdown = [0]

    def perhaps(then: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            done = then(*args)
            countdown[0] -= 1
            if countdown[0] == 0:
                raise Interrupted
            return done

        return step

    monkeypatch.setattr(engine._Run, "_counted", perhaps(counted))
    monkeypatch.setattr(batches.Writing, "write", perhaps(write))
    interruptions = 0
    while (at := standing(ada.vault, import_id)).state != "done":
        countdown[0] = chance.randrange(1, 12)
        try:
            run(ada.vault, import_id)
        except Interrupted:
            interruptions += 1
    countdown[0] = 0
    assert interruptions > 2
    assert (at.course.units, at.course.new, at.course.refused) == (401, 399, 2)
    assert adds_up(at.course)
    assert len(report(ada.vault, import_id)) == 2
    assert len(purchases(ada.vault)) == len({each.source["order"] for each in purchases(ada.vault)}) == 399
    assert imported(ada.vault, data).course.new == 0


KILLED = """
import sys
from pathlib import Path
from tests.people import house_in
from connectors import engine
from vault import sessions, unlock
house = house_in(Path(sys.argv[1]))
engine.ROWS_MOST = 50
vault = sessions.for_command(house, unlock.with_passphrase(house, "", sys.argv[2], address="child"))
print("begun", flush=True)
engine.run(vault, bytes.fromhex(sys.argv[3]))
print("done", flush=True)
"""


def test_killed_at_random_it_resumes_and_nothing_is_lost_or_doubled(ada: Ada, clock: Clock, tmp_path: Path) -> None:
    data, chance = a_history(3000), random.Random(5)
    import_id = sealed(ada.vault, data)
    kills = 0
    for _attempt in range(3):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "house"), ada.passphrase, import_id.hex()]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0.05, 0.5))
            child.send_signal(signal.SIGKILL)
            kills += child.wait() == -signal.SIGKILL
        with ada.house.main.transaction() as session:
            session.execute(Import.__table__.update().values(lease_until=0))  # type: ignore[attr-defined] - time passes
    assert kills
    at = run(ada.vault, import_id)
    assert at.state == "done"
    assert (at.course.units, at.course.new, at.course.refused) == (3000, 3000, 0)
    assert len({each.source["order"] for each in purchases(ada.vault)}) == len(purchases(ada.vault)) == 3000


def test_of_two_threads_one_has_the_lease_and_the_other_does_nothing(ada: Ada) -> None:
    import_id, together, ends = sealed(ada.vault, a_history(2000)), threading.Barrier(2), []

    def go() -> None:
        together.wait()
        ends.append(run(ada.vault, import_id).state)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at = standing(ada.vault, import_id)
    assert (at.state, at.course.new, at.course.same) == ("done", 2000, 0)
    assert sorted(ends) == ["done", "running"]


def test_a_lease_that_was_lost_writes_nothing_more(ada: Ada, clock: Clock) -> None:
    import_id = sealed(ada.vault, a_history(100))
    taken = engine._take(ada.vault, import_id)
    assert taken is not None
    slow = engine._Run(*taken)
    clock.passes(seconds=LEASE + 1)
    assert run(ada.vault, import_id).state == "done"
    before = what_she_has(ada.vault)
    with pytest.raises(Lost):
        slow.to_the_end()
    assert what_she_has(ada.vault) == before


def test_a_process_that_stops_gives_its_import_back_and_writes_nothing_more_of_it(
    ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another goes on at once, and not when the lease has run out."""
    monkeypatch.setattr(engine, "ROWS_MOST", 50)
    import_id, begun, go_on = sealed(ada.vault, a_history(200)), threading.Event(), threading.Event()

    def waits(_at: Course) -> None:
        begun.set()
        go_on.wait(30)

    thread = threading.Thread(target=engine.run, args=(ada.vault, import_id, waits))
    thread.start()
    assert begun.wait(30)
    ada.house.write_down()
    assert run(ada.vault, import_id).course.new == 200
    before = what_she_has(ada.vault)
    go_on.set()
    thread.join()
    assert what_she_has(ada.vault) == before


def test_what_she_stopped_before_it_had_begun_does_not_begin(ada: Ada) -> None:
    import_id = sealed(ada.vault, a_history(3))
    resuming.stop(ada.vault, import_id)
    at = run(ada.vault, import_id)
    assert (at.state, at.course.stopped, at.course.units) == ("waiting", True, 0)
    resuming.go_on(ada.vault, import_id)
    until(lambda: standing(ada.vault, import_id).state == "done")


def test_locking_stops_it_between_two_batches_and_unlocking_goes_on(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROWS_MOST", 50)
    import_id = sealed(ada.vault, a_history(500))

    def lock_in_the_middle(course: Course) -> None:
        if course.units >= 100:
            ada.locks()

    at = run(ada.vault, import_id, lock_in_the_middle)
    assert at.state == "waiting"
    assert 100 <= at.course.units < 150, "the batch after which she locked was the last"
    ada.unlocks()
    until(lambda: standing(ada.vault, import_id).state == "done")
    assert standing(ada.vault, import_id).course.new == 500
    assert len(purchases(ada.vault)) == 500


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def test_she_stops_it_goes_on_and_ends_it(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROWS_MOST", 50)
    import_id = sealed(ada.vault, a_history(500))
    at = run(ada.vault, import_id, lambda course: course.units >= 50 and resuming.stop(ada.vault, import_id))
    assert (at.state, at.course.units, at.course.stopped) == ("waiting", 50, True)
    resuming.resume(ada.vault)
    assert standing(ada.vault, import_id).state == "waiting"
    resuming.end(ada.vault, import_id)
    at = standing(ada.vault, import_id)
    assert (at.state, at.course.sentence, chunks(ada.house)) == ("done", ENDED, 0)
    other = sealed(ada.vault, a_history(500))
    resuming.stop(ada.vault, other)
    resuming.go_on(ada.vault, other)
    until(lambda: standing(ada.vault, other).state == "done")
    assert standing(ada.vault, other).course.same == 50


def test_a_batch_that_is_written_in_halves_is_stopped_between_them_and_every_line_is_told_of(
    ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines had their place in the batch forgotten: the next run skipped those before the first half's end."""
    imported(ada.vault, a_history(60))
    data = a_history(60).replace(b"Thing", b"Changed thing").replace(b"0000003-0000000,2024", b"0000003-0000000,20xx")
    monkeypatch.setattr(engine, "ROWS_MOST", 80)  # of 60 lines, each of which writes two rows
    import_id, write_batch = sealed(ada.vault, data), engine._Run._commit

    def then_she_stops(self: Any, batch: engine.Batch) -> None:
        write_batch(self, batch)
        if 0 < len(batch.ready) < 59:
            resuming.stop(ada.vault, import_id)

    with monkeypatch.context() as between:
        between.setattr(engine._Run, "_commit", then_she_stops)
        assert 0 < run(ada.vault, import_id).course.units < 60
    resuming.go_on(ada.vault, import_id)
    until(lambda: standing(ada.vault, import_id).state == "done")
    at = standing(ada.vault, import_id).course
    assert (at.units, at.changed, at.same, at.refused) == (60, 59, 0, 1)
    assert [line.place for line in report(ada.vault, import_id)] == ["line 5"]


def test_who_goes_on_while_it_is_just_stopping_is_heard(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id, fetching, asked = sealed(ada.vault, a_history(50)), ada.house.catalogues.of, threading.Event()
    resuming.stop(ada.vault, import_id)

    def she_is_quick(vault: OpenVault) -> Any:
        if threading.current_thread().name == "import" and not asked.is_set():
            asked.set()
            resuming.go_on(ada.vault, import_id)
        return fetching(vault)

    monkeypatch.setattr(ada.house.catalogues, "of", she_is_quick)
    resuming.begin(ada.vault, import_id)
    until(lambda: standing(ada.vault, import_id).state == "done")
    assert asked.is_set()
    assert len(purchases(ada.vault)) == 50


def chunks(house: Server) -> int:
    with house.main.reading() as session:
        return session.scalar(select(func.count()).select_from(ImportChunk)) or 0


def test_her_own_changes_beside_an_import_are_kept(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROWS_MOST", 20)
    data, hers, noted = a_history(300), threading.Event(), []

    def write() -> None:
        while not hers.is_set():
            noted.append(ada.buys(f"By hand {len(noted)}").number)

    beside = threading.Thread(target=write)
    beside.start()
    at = imported(ada.vault, data)
    hers.set()
    beside.join()
    assert (at.state, at.course.new) == ("done", 300)
    found = purchases(ada.vault)
    assert len({each.number for each in found}) == len(found) == 300 + len(noted)
    assert len([each for each in everything(ada.vault) if each.kind is Vendor]) == 2


def test_two_files_at_once_make_one_vendor_and_no_double(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROWS_MOST", 20)
    both = [sealed(ada.vault, a_history(200)) for _ in range(2)]
    threads = [threading.Thread(target=run, args=(ada.vault, each)) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    courses = [standing(ada.vault, each).course for each in both]
    assert all(adds_up(course) and course.units == 200 for course in courses)
    assert sum(course.new for course in courses) == len(purchases(ada.vault)) == 200
    assert len([each for each in everything(ada.vault) if each.kind is Vendor]) == 2


def test_one_vendor_in_two_spellings_is_made_once(ada: Ada) -> None:
    data = a_history(40).replace(b"Amazon.com,111-0000007", b"AMAZON.COM,111-0000007")
    assert imported(ada.vault, data).course.new == 40
    made = [each.number for each in everything(ada.vault) if each.raw("called") in ("Amazon.com", "AMAZON.COM")]
    assert len(made) == 1
    assert {each.raw("vendor") for each in purchases(ada.vault)} == set(made)


def test_an_old_copy_put_back_between_planning_and_writing_is_planned_anew(
    ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lifted revision is the one that was planned for; numbers and marks are not what they were."""
    planning, back = batches.Writing.plan, iter([True])
    ada.buys("One")
    ada.buys("Two")

    def then_an_old_copy(self: batches.Writing, session: Any, batch: Any, turn: Any = None) -> batches.Plan:
        planned = planning(self, session, batch, turn)
        if planned.made and next(back, False):
            with ada.house.main.transaction() as old:
                old.execute(text("UPDATE owners SET revision = revision - 2, last_record = last_record - 2"))
                old.execute(text("DELETE FROM records WHERE revision > (SELECT revision FROM owners)"))
        return planned

    monkeypatch.setattr(batches.Writing, "plan", then_an_old_copy)
    assert imported(ada.vault, a_history(5)).course.new == 5
    assert len({ada.buys(f"After {at}").number for at in range(4)}) == 4
    found = [each.number for each in everything(ada.vault)]
    assert len(found) == len(set(found))


def test_an_import_that_began_before_an_archive_came_back_doubles_nothing(ada: Ada) -> None:
    """It has read her old key for marks and written nothing yet: nobody would know again what it would write."""
    imported(ada.vault, a_history(3))
    archived, bees = io.BytesIO(zipped(ada.open)), moves_in(ada.house)
    import_id, comes = sealed(bees, a_history(5)), iter([archived])

    def once(_course: Course) -> None:
        for each in comes:
            assert bring_back(bees, each).equal

    with pytest.raises(Locked):
        run(bees, import_id, once)
    with ada.house.main.reading() as session:
        anew = sessions.for_command(ada.house, open_keyring(session, bees.owner_id, bees.keyring.root))
    course = run(anew, import_id).course
    assert (course.new, course.same, len(purchases(anew))) == (2, 3, 5)


def test_no_batch_writes_more_than_its_rows(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ROWS_MOST", 400)
    turns: Counter[int] = Counter()
    imported(ada.vault, a_history(900))
    imported(ada.vault, a_history(900).replace(b"Thing", b"Changed thing"))
    with ada.house.main.reading() as session:
        turns.update(session.scalars(select(RecordRow.revision)))
    assert max(turns.values()) <= 400
    assert standings(ada.vault)[0].course.units == 900


@pytest.mark.parametrize(("turn", "least", "most"), [(1000.0, 2000, 2000), (0.0, 0, 500)])
def test_the_next_batch_is_as_large_as_her_turn_was_short(
    ada: Ada, monkeypatch: pytest.MonkeyPatch, turn: float, least: int, most: int
) -> None:
    monkeypatch.setattr(engine, "TURN", turn)
    sizes: list[int] = []
    write = batches.Writing.write
    monkeypatch.setattr(
        batches.Writing, "write", lambda self, at, planned: (sizes.append(planned.written), write(self, at, planned))
    )
    imported(ada.vault, a_history(4000))
    assert sizes[0] <= engine.ROWS_FIRST + 2
    assert least <= max(sizes) <= most + 2
    assert turn or max(sizes[1:]) <= engine.FEWEST + 2


def found(collection: str = "purchases", part: str = "", proposes: dict[str, Any] | None = None, **data: Any) -> Found:
    data = {"item": "Atlas", "bought_on": "2024-03-01"} | data
    return Found(collection, part, ("x", "1"), data, "line 2", VendorHint("", ""), proposes or {})


@pytest.mark.parametrize(
    "hostile",
    [
        found(collection="nothing"),
        found(part="nothing"),
        found(vendor=1),
        found(item=""),
        found(item="x" * 501),
        found(item=7),
        found(item=None),
        found(bought_on="31.02.2024"),
        found(price={"amount": 12.5, "currency": "EUR"}),
        found(price={"amount": "12.50", "currency": "EUR", "more": 1}),
        found(price={"amount": "\u0661\u0662", "currency": "EUR"}),
        found(price={"amount": "12.50", "currency": None}),
        found(bought_on="\u0662\u0660\u0662\u0664"),
        found(unknown="x"),
        found(proposes={"for_whom": "everybody"}),
        found(proposes={"vendor": "x"}),
        found(proposes={"unknown": "x"}),
    ],
    ids=repr,
)
def test_what_breaks_a_rule_of_its_class_is_refused(hostile: Found, ada: Ada) -> None:
    with pytest.raises(Invalid):
        batches.ready(ada.vault, hostile, hostile.place)


@pytest.mark.parametrize("value", [None, "", "x", "x" * 501, 5, True, [], {}, "2024-02-30", "2024", "18.50"])
@pytest.mark.parametrize("name", ["item", "bought_on", "price", "quantity", "rating", "for_whom", "note"])
def test_the_quick_check_and_the_whole_schema_agree(name: str, value: Any) -> None:
    data = {"item": "Atlas", "bought_on": "2024-03-01"} | {name: value}
    refused = Purchase.schema.validate(data)
    if not refused:
        assert Purchase.check(data) == Purchase.schema.load(data)
        return
    with pytest.raises(Invalid) as caught:
        Purchase.check(data)
    assert caught.value.fields == refused


def test_an_upload_that_breaks_off_leaves_nothing(ada: Ada) -> None:
    with Arriving(ada.vault, "half.csv") as arriving:
        arriving.write(b"x" * 3_000_000)
        assert chunks(ada.house) == 2
    assert (chunks(ada.house), standings(ada.vault)) == (0, [])


def test_an_upload_whose_process_died_is_removed_at_the_next_unlock(ada: Ada, clock: Clock) -> None:
    Arriving(ada.vault, "half.csv").write(b"x" * 3_000_000)
    tidy(ada.vault)
    assert chunks(ada.house) == 2
    clock.passes(minutes=11)
    ada.unlocks()
    assert (chunks(ada.house), standings(ada.vault)) == (0, [])


def test_a_file_over_the_limit_is_refused_while_it_arrives(tmp_path: Path, ada: Ada) -> None:
    small = house_in(tmp_path / "house", ada.house.clock, upload_limit=2_000_000)  # type: ignore[arg-type]
    vault = sessions.for_command(small, ada.vault.keyring)
    with Arriving(vault, "big.csv") as arriving:
        arriving.write(b"x" * 2_000_000)
        with pytest.raises(TooLarge):
            arriving.write(b"x")
    assert chunks(small) == 0
    small.stop()


@pytest.mark.parametrize("harm", sampled.some(["flip", "lose", "swap", "cut"]))
def test_a_sealed_file_that_was_touched_is_not_read_as_if_it_were_whole(harm: str, ada: Ada) -> None:
    lines = sampled.many(13_000, everywhere=30_000)  # two pieces, or three
    data = a_history(lines)
    import_id = sealed(ada.vault, data)
    upload = SealedUpload(ada.vault, import_id, standing(ada.vault, import_id).course)
    assert b"".join(upload.read(at, 300_000) for at in range(0, upload.size, 300_000)) == data
    assert upload.read(1_048_570, 12) == data[1_048_570:1_048_582]
    with ada.house.main.transaction() as session:
        rows = {row.n: row for row in session.scalars(select(ImportChunk))}
        last = max(rows)
        if harm == "flip":
            rows[last].box = rows[last].box[:50] + bytes([rows[last].box[50] ^ 1]) + rows[last].box[51:]
        elif harm == "swap":
            rows[0].box, rows[1].box = rows[1].box, rows[0].box
        elif harm == "cut":
            rows[last].box = rows[last].box[:-100]
        else:
            session.delete(rows[last])
    at = run(ada.vault, import_id)
    assert at.course.sentence == engine.CUT
    assert at.course.units == len(purchases(ada.vault)) < lines


def test_no_word_of_the_file_lies_open_anywhere(ada: Ada, tmp_path: Path) -> None:
    secret = "A very telling thing"
    data = a_history(sampled.many(12_000, everywhere=20_000), n5=secret)
    import_id = sealed(ada.vault, data, "telling-name.csv")
    batch = itertools.count()
    run(ada.vault, import_id, lambda _: next(batch) % 10 or looked_for(tmp_path, secret, "telling-name", "111-0000005"))
    ada.house.catalogues.put_away(ada.house)
    looked_for(tmp_path, secret, "telling-name", "111-0000005", "Amazon order history")
    assert named(ada.vault, secret)


def looked_for(directory: Path, *words: str) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            for word in words:
                assert word.encode() not in held, path
                assert word.encode("utf-16-le") not in held, path


def an_archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_an_archive_is_read_file_by_file_and_nothing_in_it_is_dropped_silently(ada: Ada) -> None:
    broken = (SAMPLES / "amazon-broken-rows.csv").read_bytes()
    refunds = (SAMPLES / "amazon-refunds.csv").read_bytes()
    archive = an_archive({"a/photo.jpg": b"\xff\xd8", "a/one.csv": a_history(30), "b.csv": refunds, "c.csv": broken})
    at = imported(ada.vault, archive, "mine.zip")
    lines = report(ada.vault, at.import_id)
    assert (at.state, adds_up(at.course), at.course.sentence) == ("done", True, "")
    assert [(line.place, line.refused) for line in lines[:2]] == [("a/photo.jpg", False), ("b.csv", True)]
    assert all(line.place.startswith("c.csv, line ") for line in lines[2:])
    assert imported(ada.vault, archive, "mine.zip").course.new == 0
    nothing = imported(ada.vault, an_archive({"photo.jpg": b"\xff\xd8"}))
    assert (nothing.state, nothing.course.sentence) == ("refused", engine.NOTHING)


def wide_history(path: Path, rows: int, per_order: int = 4) -> None:
    """Like the real thing: 27 columns, two addresses, and the long names that things have there."""
    columns = (SAMPLES / "amazon-27-quoted-bom.csv").read_text("utf-8-sig").splitlines()[0]
    names = next(csv.reader([columns]))
    usual = {
        "Website": "Amazon.com", "Currency": "USD", "Unit Price": "10.00", "Unit Price Tax": "0.80", "Quantity": "1",
        "Shipping Charge": "0", "Total Discounts": "0", "Total Owed": "10.80", "Order Date": "2024-03-01T10:11:12Z",
        "Shipping Address": "Ada Example 1 Sample Street Apartment 12 Springfield IL 62701-1234 United States",
        "Billing Address": "Ada Example 1 Sample Street Apartment 12 Springfield IL 62701-1234 United States",
    }  # fmt: skip
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(names)
        for at in range(rows):
            row = usual | {
                "Order ID": f"111-{at // per_order:07}-0000000",
                "ASIN": f"B{at:09}",
                "Product Name": f"Kettle number {at}, stainless steel with a handle of beech wood, 1.7 litres, quiet, "
                "for all stoves, with a whistle that can be taken off",
            }
            writer.writerow([row.get(name, "Not Available") for name in names])


def anonymous_memory() -> int:
    """KiB of this process that are not file pages, which the system takes back as it likes."""
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])


def test_a_hundred_thousand_lines_in_bounded_memory_and_time(ada: Ada, tmp_path: Path) -> None:
    path = tmp_path / "Retail.OrderHistory.1.csv"
    lines = 100_000 if sampled.EVERYTHING else 30_000
    wide_history(path, lines)
    began = time.perf_counter()
    with path.open(newline="") as file:
        rows = sum(1 for _ in csv.reader(file)) - 1
    anchor = rows / (time.perf_counter() - began)
    with path.open("rb") as file, Arriving(ada.vault, path.name) as arriving:
        while piece := file.read(1 << 20):
            arriving.write(piece)
        import_id = arriving.finish()
    before, peak, told = anonymous_memory(), 0, []

    def look(course: Course) -> None:
        nonlocal peak
        peak = max(peak, anonymous_memory())
        told.append(course.bytes_done)

    began = time.perf_counter()
    at = run(ada.vault, import_id, look)
    rate = at.course.units / (time.perf_counter() - began)
    assert (at.state, at.course.new) == ("done", lines)
    assert peak - before < 64 * 1024
    assert told == sorted(told)
    assert len(set(told)) > lines // 5_000
    assert rate / anchor > (0.01 if ON_A_SERVER else 0.02), f"{rate:,.0f} rows/s are {rate / anchor:.3f} of csv.reader"
