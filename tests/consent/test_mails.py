"""Mails about what others can see: at changes and ends, every ninety days, and after looks. They name nobody."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.demo_mail import Mailbox
from consent import reminders
from consent.models import Grant
from tests.houses import copy_house
from tests.people import PURCHASES, TASTE, Ada, Bookshop, Clock, calls_out, house_in
from vault import mail, worker
from vault.models import Job, Owner
from vault.server import Server

YEAR = {"duration": "P1Y"}
STILL = "Somebody can still see something in your vault"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """Where her mails arrive; each test has its own, because one keeps the last hundred only."""
    mailbox = Mailbox()
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture
def house(furnished: tuple[Path, str, Any], tmp_path: Path, clock: Clock, mailbox: Mailbox) -> Iterator[Server]:
    """A running server that sends mails."""
    copy_house(furnished[0], tmp_path / "house")
    server = house_in(tmp_path / "house", clock, smtp_url=mailbox.smtp_url)
    yield server
    server.stop()


def mailed(house: Server, mailbox: Mailbox) -> list[str]:
    """Subjects of what is sent now; nothing in the mails names anybody."""
    before = len(mailbox.messages)
    while worker.tick(house, sweep=False) + calls_out(house):
        pass
    for each in mailbox.messages[before:]:
        assert each.to == "ada@home.test"
        said = each.subject + each.text.split("/r/")[0]
        assert not [word for word in ("Bookshop", "Coffee", "Ada", "Almanac", "purchases", "shop.") if word in said]
        assert "/sharing" in each.text
    return [each.subject for each in mailbox.messages[before:]]


def lets(ada: Ada, shop: Bookshop, days: str, *details: dict[str, Any], ticks: tuple[str, ...] = ()) -> str:
    """She lets a shop see something for so many days, and the shop takes its tokens; returns the grant's id."""
    pending = shop.asks(*(details or ({**PURCHASES, **YEAR},)))
    location = ada.sees_consent(pending.authorize_url).allows(*ticks, days=days)
    shop.connection = shop.finishes(pending, location)
    return str(shop.connection.grant_id)


def days_pass(ada: Ada, mailbox: Mailbox, days: int) -> list[str]:
    """So many days later, she having unlocked again: what was mailed."""
    ada.house.clock.passes(days=days)  # type: ignore[attr-defined]
    sent = mailed(ada.house, mailbox)
    ada.unlocks()
    return sent


def planned(house: Server) -> list[int]:
    """Days of the reminders that wait."""
    with house.main.reading() as session:
        due = session.scalars(select(Job.due_at).where(Job.kind == "remind").order_by(Job.due_at)).all()
    return [at // 86400 - START_DAY for at in due]


START_DAY = int(Clock().now.timestamp()) // 86400


def test_giving_changing_and_ending_are_mailed(ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox) -> None:
    grant = lets(ada, bookshop, "30", PURCHASES, TASTE, ticks=("item-1",))
    assert mailed(house, mailbox) == ["You let somebody see something in your vault"]
    ada.presses(f"/sharing/{grant}/less", item="1")
    assert mailed(house, mailbox) == ["Somebody can see less in your vault"]
    ada.presses(f"/sharing/{grant}/sooner", days="7")
    assert mailed(house, mailbox) == ["Somebody can see less in your vault"]
    ada.presses(f"/sharing/{grant}/stop")
    assert mailed(house, mailbox) == ["Somebody can no longer see your vault"]
    ada.presses("/sharing/stop-all")
    assert mailed(house, mailbox) == []


def test_time_running_out_is_mailed_though_nobody_is_there(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    lets(ada, bookshop, "30")
    mailed(house, mailbox)
    ada.locks()
    assert days_pass(ada, mailbox, 31) == ["Somebody can no longer see your vault"]


def test_taking_the_last_thing_away_is_an_end_and_mailed_as_one(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    grant = lets(ada, bookshop, "30")
    mailed(house, mailbox)
    ada.presses(f"/sharing/{grant}/less", item="0")
    assert mailed(house, mailbox) == ["Somebody can no longer see your vault"]


def test_what_is_replaced_is_mailed_once(ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox) -> None:
    """The mail about the new one says what she did; a second mail would only alarm."""
    lets(ada, bookshop, "30")
    mailed(house, mailbox)
    lets(ada, bookshop, "90")
    assert mailed(house, mailbox) == ["You let somebody see something in your vault"]


def test_she_is_reminded_every_ninety_days_and_no_longer_once_it_is_over(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    grant = lets(ada, bookshop, "365")
    mailed(house, mailbox)
    assert planned(house) == [90]
    assert days_pass(ada, mailbox, 89) == []
    assert days_pass(ada, mailbox, 1) == [STILL]
    assert days_pass(ada, mailbox, 1) == []
    assert planned(house) == [180]
    assert days_pass(ada, mailbox, 89) == [STILL]
    ada.presses(f"/sharing/{grant}/stop")
    mailed(house, mailbox)
    assert days_pass(ada, mailbox, 90) == []
    assert planned(house) == []


def test_what_is_let_go_on_is_reminded_of_like_what_was_given_for_so_long(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    grant = lets(ada, bookshop, "30")
    days_pass(ada, mailbox, 10)
    assert planned(house) == []
    digest = re.search(r'name="digest" value="(\w+)"', ada.looks_at(f"/sharing/{grant}/longer"))
    assert digest is not None
    ada.presses(f"/sharing/{grant}/longer", digest=digest[1], days="365")
    assert planned(house) == [90]
    mailed(house, mailbox)
    assert days_pass(ada, mailbox, 79) == []
    assert days_pass(ada, mailbox, 1) == [STILL]
    assert planned(house) == [180]


def test_what_lasts_no_ninety_days_brings_no_reminder(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    lets(ada, bookshop, "90")
    assert planned(house) == []


def test_the_last_reminder_is_before_the_end(ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox) -> None:
    lets(ada, bookshop, "365")
    mailed(house, mailbox)
    assert [days_pass(ada, mailbox, 90) for _ in range(4)] == [[STILL]] * 4
    assert planned(house) == []
    assert days_pass(ada, mailbox, 6) == ["Somebody can no longer see your vault"]


def test_one_mail_reminds_of_everything_given_on_a_day(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    for shop in (bookshop, coffee):
        lets(ada, shop, "365")
    mailed(house, mailbox)
    assert planned(house) == [90]
    assert days_pass(ada, mailbox, 90) == [STILL]


def test_what_was_given_on_another_day_has_its_own_mail(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    lets(ada, bookshop, "365")
    days_pass(ada, mailbox, 10)
    lets(ada, coffee, "365")
    mailed(house, mailbox)
    assert planned(house) == [90, 100]
    assert days_pass(ada, mailbox, 80) == [STILL]
    assert days_pass(ada, mailbox, 10) == [STILL]


def test_doing_the_job_again_sends_nothing_again(ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox) -> None:
    """As when a worker was cut off between its work and taking the job away, or two workers have leased it."""
    lets(ada, bookshop, "365")
    mailed(house, mailbox)
    house.clock.passes(days=90)  # type: ignore[attr-defined]
    payload = {"day": START_DAY + 90}
    for _ in range(3):
        reminders.remind(house, ada.owner_id, payload)
    assert mailed(house, mailbox) == [STILL]
    assert planned(house) == [180]


def test_what_is_planned_at_once_by_several_is_planned_once(ada: Ada, house: Server) -> None:
    """As by a consent beside the worker's job of that week."""

    def plans(_number: int, day: int) -> None:
        with house.main.transaction() as session:
            reminders.plan(session, house, ada.owner_id, given_at=day * 86400, until=(day + 365) * 86400)

    for week in range(5):
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(plans, range(6), [START_DAY + 7 * week] * 6))
    assert planned(house) == [90, 97, 104, 111, 118]
    with house.main.reading() as session:
        assert len(session.scalars(select(Job.due_at).where(Job.kind == "digest")).all()) == 1


def test_what_is_paused_is_not_spoken_of_and_is_again_after_resuming(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    grant = lets(ada, bookshop, "365")
    mailed(house, mailbox)
    ada.presses(f"/sharing/{grant}/pause")
    assert days_pass(ada, mailbox, 90) == []
    ada.presses(f"/sharing/{grant}/resume")
    assert days_pass(ada, mailbox, 90) == [STILL]


def test_a_server_that_slept_for_long_reminds_once(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    lets(ada, bookshop, "365")
    mailed(house, mailbox)
    assert days_pass(ada, mailbox, 200) == [STILL]
    assert planned(house) == [270]


def test_a_damaged_label_keeps_nobody_else_from_being_reminded_of(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    broken = lets(ada, bookshop, "365")
    lets(ada, coffee, "365")
    mailed(house, mailbox)
    with house.main.transaction() as session:
        this = Grant.__table__.update().where(Grant.grant_id == bytes.fromhex(broken))
        session.execute(this.values(label_box=b"\1" * 99))
    assert days_pass(ada, mailbox, 90) == [STILL]


def test_without_an_address_for_notices_nothing_is_sent(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    with house.main.transaction() as session:
        session.execute(Owner.__table__.update().values(notice_box=None))
    lets(ada, bookshop, "365")
    assert days_pass(ada, mailbox, 90) == []
    assert planned(house) == [180], "she may leave an address meanwhile"


@pytest.mark.parametrize("lacking", ["nothing", "an address", "a server for mails"])
def test_the_consent_screen_promises_a_mail_to_whom_one_is_sent(
    ada: Ada, bookshop: Bookshop, house: Server, lacking: str
) -> None:
    if lacking == "an address":
        with house.main.transaction() as session:
            session.execute(Owner.__table__.update().values(notice_box=None))
    elif lacking == "a server for mails":
        ada.app.extensions["vrm"] = replace(house, settings=replace(house.settings, smtp_url=None))
    page = ada.sees_consent(bookshop.consent_address()).html
    assert "in one click, under “Who can see what”, or by a link" in page
    assert ("mail" in page) == (lacking == "nothing")


FIRST = "Somebody has looked into your vault"


def test_the_first_look_is_mailed_and_no_other(ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox) -> None:
    ada.buys("The Salt Almanac")
    lets(ada, bookshop, "90")
    mailed(house, mailbox)
    bookshop.reads()
    assert mailed(house, mailbox) == [FIRST]
    bookshop.reads()
    assert mailed(house, mailbox) == []


def test_a_call_that_was_refused_is_no_first_look_and_takes_its_mail_from_none(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    token = bookshop.tokens()["access_token"]
    ada.presses(f"/sharing/{ada.grant()}/pause")
    mailed(house, mailbox)
    for status in (403, 403):
        assert bookshop.looks("/vendor/v1/purchases", token).status_code == status
    assert mailed(house, mailbox) == []
    ada.presses(f"/sharing/{ada.grant()}/resume")
    for status in (200, 200):
        assert bookshop.looks("/vendor/v1/purchases", token).status_code == status
    assert mailed(house, mailbox) == [FIRST]


def test_the_first_look_is_mailed_though_somebody_without_a_proof_came_before(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    token = bookshop.tokens()["access_token"]
    assert bookshop.looks("/vendor/v1/purchases", token, proof="nonsense").status_code == 401
    mailed(house, mailbox)
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 200
    assert mailed(house, mailbox) == [FIRST]


def test_the_first_view_of_a_link_is_mailed_and_no_other(ada: Ada, house: Server, mailbox: Mailbox) -> None:
    path = ada.shares(ada.buys("The Salt Almanac"))
    mailed(house, mailbox)
    for expected in ([FIRST], []):
        assert ada.app.test_client().post(path, data={"answer": "show"}).status_code == 200
        assert mailed(house, mailbox) == expected


def test_an_end_waits_for_no_mail_server_that_says_nothing(
    ada: Ada, bookshop: Bookshop, house: Server, clock: Clock
) -> None:
    lets(ada, bookshop, "30")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        deaf = replace(house, settings=replace(house.settings, smtp_url=url))
        with deaf.main.transaction() as session:
            for _ in range(3):
                mail.queue_to(session, deaf, ada.owner_id, "ada@home.test", "Links", "a link")
        clock.passes(days=31)
        stopped = worker.begin(deaf)
        silent.settimeout(10)
        line, _ = silent.accept()
        for _ in range(100):
            with house.main.reading() as session:
                states = session.scalars(select(Grant.state)).all()
            if states == ["ended"]:
                break
            time.sleep(0.05)
        stopped.set()
        line.close()
    assert states == ["ended"]


def test_calls_that_prove_nothing_are_mailed_once_a_day(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox, clock: Clock
) -> None:
    tokens = bookshop.tokens()
    bookshop.looks("/vendor/v1/purchases", tokens["access_token"])
    mailed(house, mailbox)
    token = tokens["access_token"]
    for _ in range(3):
        assert bookshop.looks("/vendor/v1/purchases", token, proof="nonsense").status_code == 401
    assert mailed(house, mailbox) == ["Something unusual at your vault"]
    clock.passes(days=1)
    token = bookshop.refreshes(tokens["refresh_token"]).json()["access_token"]
    proof = bookshop.proves("GET", "http://localhost:8400/vendor/v1/purchases", token=token)
    for expected in (200, 401, 401):
        assert bookshop.looks("/vendor/v1/purchases", token, proof=proof).status_code == expected
    assert mailed(house, mailbox) == ["Something unusual at your vault"]


CAME = "Somebody came to your vault this week"


def test_a_week_in_which_somebody_looked_brings_one_mail_and_a_quiet_week_none(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    for shop in (bookshop, coffee):
        lets(ada, shop, "30")
        shop.reads()
    mailed(house, mailbox)
    assert days_pass(ada, mailbox, 7) == [CAME]
    assert days_pass(ada, mailbox, 7) == []
    bookshop.reads()
    assert days_pass(ada, mailbox, 7) == [CAME]


def test_a_week_in_which_everything_was_refused_is_told_as_one_in_which_somebody_came(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    token = bookshop.tokens()["access_token"]
    ada.presses(f"/sharing/{ada.grant()}/pause")
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 403
    mailed(house, mailbox)
    assert days_pass(ada, mailbox, 7) == [CAME]
    assert "and looked or was refused" in mailbox.messages[-1].text


def test_the_weekly_mail_names_nobody_and_holds_the_line_that_her_log_is_checked_by(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    ada.buys("The Salt Almanac")
    lets(ada, bookshop, "30")
    bookshop.reads()
    house.clock.passes(minutes=11)  # type: ignore[attr-defined]
    ada.unlocks()
    mailed(house, mailbox)
    house.clock.passes(days=7)  # type: ignore[attr-defined]
    assert mailed(house, mailbox) == [CAME]
    text = mailbox.messages[-1].text
    assert "Bookshop" not in text
    assert "Salt" not in text
    ada.unlocks()
    line = re.search(r"^\d+:[0-9a-f]{64}", text, re.MULTILINE)
    assert line, text
    assert "still is what it was when that mail was written" in ada.looks_at(f"/activity?line={line[0]}")


def test_the_weekly_mail_is_sent_once_and_ends_with_the_last_permission(
    ada: Ada, bookshop: Bookshop, house: Server, mailbox: Mailbox
) -> None:
    grant = lets(ada, bookshop, "365")
    bookshop.reads()
    mailed(house, mailbox)
    with house.main.reading() as session:
        due = session.scalars(select(Job.due_at).where(Job.kind == "digest")).all()
    assert len(due) == 1
    house.clock.passes(days=7)  # type: ignore[attr-defined]
    for _ in range(3):
        reminders.digest(house, ada.owner_id, {"day": due[0] // 86400, "seen": 0})
    assert mailed(house, mailbox) == [CAME]
    ada.unlocks()
    ada.presses(f"/sharing/{grant}/stop")
    mailed(house, mailbox)
    assert days_pass(ada, mailbox, 7) == []
    with house.main.reading() as session:
        assert not session.scalars(select(Job.due_at).where(Job.kind == "digest")).all()
