"""The worker's round: what one owner's damaged row does to the others, which is nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text, update

from consent.models import Grant, Receipt
from tests.houses import embedded_only
from tests.people import Ada, Bookshop, Clock
from vault import jobs, sessions, set_up, store
from vault.collections.notes import Note
from vault.models import Job, Lock, RecordRow
from vault.opened import OpenVault
from vault.worker import tick

BRAMS = "a boat, a goose, a bell"


@pytest.fixture
def bram(ada: Ada) -> OpenVault:
    """Another owner on the same server, with a session and something in the trash."""
    keys = set_up.set_up(ada.house, handle="bram", name="Bram", passphrase=BRAMS, notice=None, first=False)
    vault = sessions.begin(ada.house, keys)[1]
    with store.writing(vault, numbers=1) as turn:
        number = store.add(turn, vault, Note(heading="Geese", text="Went north.")).number
    with store.writing(vault) as turn:
        store.remove(turn, vault, number)
    return vault


def damage(ada: Ada, statement: str) -> None:
    """What no row of ours looks like, in every row of hers and in none of anybody else's."""
    with ada.house.main.transaction() as session:
        session.execute(text(f"{statement} WHERE owner_id = :owner"), {"owner": ada.owner_id})


@embedded_only  # a server lets no word into a column of numbers
def test_a_damaged_lock_keeps_no_other_session_from_ending(ada: Ada, bram: OpenVault, clock: Clock) -> None:
    damage(ada, "UPDATE locks SET expires_at = 'soon'")
    clock.passes(days=1)
    tick(ada.house, sweep=True)
    with ada.house.main.reading() as session:
        left = session.scalars(select(Lock.kind).where(Lock.owner_id == bram.owner_id)).all()
    assert "session" not in left


@embedded_only  # a server lets no word into a column of numbers
def test_a_damaged_lock_keeps_nobodys_trash_from_being_emptied(ada: Ada, bram: OpenVault, clock: Clock) -> None:
    damage(ada, "UPDATE locks SET expires_at = 'soon'")
    clock.passes(days=31)
    tick(ada.house, sweep=True)
    with ada.house.main.reading() as session:
        assert session.scalars(select(RecordRow.removed_day).where(RecordRow.owner_id == bram.owner_id)).all() == [None]


@embedded_only  # a server lets no word into a column of numbers
def test_a_damaged_day_keeps_no_other_grant_from_its_receipt(ada: Ada, bookshop: Bookshop, coffee: Bookshop) -> None:
    for shop in (bookshop, coffee):
        ada.presses(f"/sharing/{ada.lets(shop).grant_id}/stop")
    with ada.house.main.transaction() as session:
        session.execute(text("DELETE FROM receipts WHERE kind = 'end'"))
        session.execute(
            text("UPDATE grants SET ended_day = 'soon' WHERE grant_id = (SELECT min(grant_id) FROM grants)")
        )
    tick(ada.house, sweep=True)
    with ada.house.main.reading() as session:
        kept = session.scalars(select(Receipt.grant_id).where(Receipt.kind == "end")).all()
        assert kept == [session.scalars(select(Grant.grant_id).order_by(Grant.grant_id.desc())).first()]


def test_a_job_that_nothing_can_do_stops_no_other_and_stays(ada: Ada, bram: OpenVault) -> None:
    with ada.house.main.transaction() as session:
        odd = jobs.enqueue(session, ada.house, ada.owner_id, "nothing knows it", {}, due_at=1)
        jobs.enqueue(session, ada.house, bram.owner_id, "unmake_lock", {"lock": bram.session_id.hex()})
    assert tick(ada.house, sweep=False) >= 1
    with ada.house.main.reading() as session:
        left = session.execute(select(Job.job_id, Job.lease_until).where(Job.due_at <= ada.house.now)).all()
    assert [row.job_id for row in left] == [odd], "it comes back when its lease is over"
    assert left[0].lease_until > ada.house.now


@pytest.mark.parametrize("written", [-9, 2**31 - 1])
def test_a_count_of_attempts_that_no_worker_writes_is_begun_anew(ada: Ada, written: int) -> None:
    with ada.house.main.transaction() as session:
        job = jobs.enqueue(session, ada.house, ada.owner_id, "unmake_lock", {}, due_at=1)
        session.execute(update(Job).where(Job.job_id == job).values(box=b"nothing", attempts=written))
    tick(ada.house, sweep=False)
    with ada.house.main.reading() as session:
        left = session.execute(select(Job.attempts, Job.due_at).where(Job.job_id == job)).one()
    assert left.attempts == 1
    assert left.due_at == ada.house.now + 120
