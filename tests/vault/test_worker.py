"""The worker's round: what one owner's damaged row does to the others, which is nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text, update

from connectors.demo_mail import Mailbox
from consent.models import Grant, Receipt
from tests.houses import embedded_only
from tests.people import Ada, Bookshop, Clock, calls_out
from vault import jobs, mail, sessions, set_up, store
from vault.collections.notes import Note
from vault.models import Job, Lock, RecordRow
from vault.opened import OpenVault
from vault.server import Server
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


def mails(ada: Ada, url: str, to: str) -> tuple[Server, Callable[[], int]]:
    """A server that sends by that address, with a mail that waits, and how many do."""
    house = replace(ada.house, settings=replace(ada.house.settings, smtp_url=url))
    with house.main.transaction() as session:
        mail.queue_to(session, house, ada.owner_id, to, "Links", "a link")

    def waiting() -> int:
        with house.main.reading() as session:
            return session.scalar(select(func.count()).select_from(Job).where(Job.kind == "mail")) or 0

    return house, waiting


@pytest.mark.parametrize(
    ("url", "to"),
    [("smtps://mail.example:465000", "ada@home.test"), ("smtp://127.0.0.1:1", "ada@[home.test")],
)
def test_a_mail_that_nobody_can_make_or_send_is_given_up_after_some_days(
    ada: Ada, clock: Clock, url: str, to: str
) -> None:
    house, waiting = mails(ada, url, to)
    for _ in range(jobs.GIVE_UP - 1):
        calls_out(house)
        assert waiting() == 1
        clock.passes(days=2)
    calls_out(house)
    assert waiting() == 0


def test_a_mail_waits_for_a_worker_that_knows_where_to_send_it(ada: Ada, mailbox: Mailbox, clock: Clock) -> None:
    house, waiting = mails(ada, mailbox.smtp_url, "ada@home.test")
    calls_out(ada.house)
    assert waiting() == 1
    clock.passes(hours=1)
    calls_out(house)
    assert (waiting(), mailbox.messages[-1].subject) == (0, "Links")


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
