"""What was damaged, or is no longer understood, costs her that one thing: everything else still opens and answers."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, update

from connectors.vendor_client import Refused
from consent import revocation
from consent.deposits import about_deposit
from consent.models import Deposit, Grant, GrantLock
from tests.houses import home_of, raw
from tests.people import BIRTHDAY, RECEIPTS, Ada, Bookshop, details
from tests.terminal import vrm
from tests.vault.test_format import tokens
from vault import attempts, crypto, inbox, notice_address
from vault.collections.profile import Birthday
from vault.departure import NOBODY
from vault.errors import TooManyTries, Unsafe
from vault.export import export
from vault.server import Server
from vault.values import When
from vault.worker import tick


def damages(ada: Ada, table: str, column: str) -> None:
    """Overwrite every box of a column, as a failing disk or whoever can write to the file would."""
    with raw(ada.house.main) as say:
        assert say(f"UPDATE {table} SET {column} = ? RETURNING owner_id", bytes(200))


def test_a_damaged_answer_does_not_keep_her_out_and_is_given_anew_when_she_unlocks(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    token = bookshop.tokens("item-0", authorization_details=details(BIRTHDAY))["access_token"]
    damages(ada, "disclosures", "box")
    assert bookshop.looks("/vendor/v1/profile", token).json()["code"] == "damaged"
    ada.unlocks()
    (shown,) = bookshop.looks("/vendor/v1/profile", token).json()["items"]
    assert shown["data"] == {"birthday.day_month": "--12-10", "birthday.over_18": True}


@pytest.mark.parametrize(
    "then",
    [
        {"collection": "cassettes"},
        {"data": {"item": "The Weathervane", "bought_on": "2026-11-20", "side": "B"}},
        {"version": 0},
    ],
)
def test_a_deposit_that_nobody_can_read_any_more_leaves_the_others_as_they_are(
    ada: Ada, bookshop: Bookshop, then: dict[str, Any]
) -> None:
    """Its class has changed, or has gone, since it was left."""
    token = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))["access_token"]
    old = bytes.fromhex(bookshop.leaves(token, {"item": "The Weathervane", "bought_on": "2026"}).json()["deposit"])
    bookshop.leaves(token, {"item": "The Lantern Year", "bought_on": "2026"}, under="2")
    about = about_deposit(ada.owner_id, bytes.fromhex(ada.grant()), old)
    with ada.house.main.transaction() as session:
        row = session.scalars(select(Deposit).where(Deposit.deposit_id == old)).one()
        content = {**orjson.loads(inbox.unseal(ada.open, about, row.box)), **then}
        row.box = inbox.seal(session, ada.house, ada.owner_id, about, crypto.pad(orjson.dumps(content)))
    page = ada.looks_at("/inbox")
    assert "This cannot be read any more." in page
    assert "The Lantern Year" in page
    ada.presses(f"/inbox/{old.hex()}/keep", status=404)
    ada.presses(f"/inbox/{old.hex()}/drop")
    assert "This cannot be read any more." not in ada.looks_at("/inbox")


def test_a_vendor_is_told_of_damage_as_of_any_other_problem_and_so_is_she(ada: Ada, bookshop: Bookshop) -> None:
    token = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))["access_token"]
    damages(ada, "receipts", "copy_box")
    damages(ada, "owners", "inbox_box")
    left = bookshop.leaves(token, {"item": "The Weathervane", "bought_on": "2026"})
    for refused in (bookshop.looks("/vendor/v1/receipt", token), left):
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert (refused.status_code, refused.json()["code"]) == (500, "damaged")
    page = ada.looks_at("/activity")
    assert "Refused: what it may see is damaged" in page
    assert "Refused: your inbox is damaged" in page


def test_a_deposit_that_is_too_large_is_a_problem_like_any_other(ada: Ada, bookshop: Bookshop) -> None:
    token = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))["access_token"]
    refused = bookshop.leaves(token, b" " * (1 << 15))
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_a_damaged_address_for_notices_keeps_nothing_from_ending_and_can_be_set_anew(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.buys("The Salt Almanac")
    connection = ada.lets(bookshop)
    damages(ada, "owners", "notice_box")
    ada.presses(f"/sharing/{connection.grant_id}/stop")
    ada.lets(bookshop)
    ada.presses("/sharing/stop-all")
    ada.lets(bookshop)
    ada.house.keystore.stop_grants(ada.owner_id)
    tick(ada.house, sweep=True)
    with ada.house.main.reading() as session:
        assert set(session.scalars(select(Grant.state))) == {"ended"}
    assert ada.presses("/settings", name="Ada", language="pl", zone="", currency="", amounts="", theme="")
    ada.presses("/settings/notice", remove="yes")
    assert notice_address.present(ada.open) is None


def test_a_damaged_label_keeps_no_link_that_stops_another_from_being_mailed(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    ada.buys("The Salt Almanac")
    damaged = bytes.fromhex(ada.lets(bookshop).grant_id)
    ada.lets(coffee)
    with ada.house.main.transaction() as session:
        session.execute(update(Grant).where(Grant.grant_id == damaged).values(label_box=bytes(200)))
    before = links(ada)
    revocation.mail_fresh_links(ada.house, NOBODY, {"named": ""})
    assert links(ada) == before + 1


def test_a_damaged_label_keeps_no_permission_from_the_list_at_the_terminal(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, house: Server
) -> None:
    damaged, other = ada.lets(bookshop).grant_id, ada.lets(coffee).grant_id
    with house.main.transaction() as session:
        session.execute(update(Grant).where(Grant.grant_id == bytes.fromhex(damaged)).values(label_box=bytes(200)))
    house.stop()
    listed = vrm(home_of(house), "grants").stdout
    assert f"{damaged}  ?    until ?  live" in listed
    assert f"{other}  Kettle Lane Coffee" in listed
    assert vrm(home_of(house), "revoke", damaged).returncode == 0
    assert damaged not in vrm(home_of(house), "grants").stdout


@pytest.mark.parametrize("button", ["stop", "pause"])
def test_a_damaged_label_leaves_every_link_that_stops_it_working(ada: Ada, bookshop: Bookshop, button: str) -> None:
    ada.buys("The Salt Almanac")
    grant = ada.lets(bookshop).grant_id
    page = ada.presses(f"/sharing/{grant}/link", status=200).text
    link = re.findall(r"/r/vrm_rv_[\w-]{91}", page)[0]
    damages(ada, "grants", "label_box")
    stranger = ada.app.test_client()
    shown = stranger.get(link)
    assert (shown.status_code, "Stop sharing" in shown.text) == (200, True)
    assert stranger.post(link, data={"answer": button}).status_code == 200
    with pytest.raises(Refused):
        bookshop.reads()


def test_with_damaged_settings_she_still_comes_in_and_stops_everything(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    damages(ada, "owners", "settings_box")
    ada.unlocks()
    assert "The Salt Almanac" in ada.looks_at("/purchases")
    refused = ada.presses("/settings", 500, name="Ada", language="", zone="", currency="", amounts="", theme="")
    assert "damaged" in refused.text
    ada.presses("/sharing/stop-all")
    assert not ada.house.keystore.alive(ada.owner_id, "grant")


@pytest.mark.parametrize("way", ["revision = 9223372036854775807", "revision = -5"])
def test_whatever_stands_for_her_revision_everything_is_stopped(ada: Ada, bookshop: Bookshop, way: str) -> None:
    ada.lets(bookshop)
    with raw(ada.house.main) as say:
        say(f"UPDATE owners SET {way}")
    ada.presses("/sharing/stop-all")
    assert not ada.house.keystore.alive(ada.owner_id, "grant")
    with pytest.raises(Refused):
        bookshop.reads()


def test_stopping_everything_reaches_what_lies_above_an_epoch_that_was_turned_back(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.lets(bookshop)
    with raw(ada.house.keystore.database) as say:
        say("UPDATE floors SET epoch = -7")
    ada.presses("/sharing/stop-all")
    assert not ada.house.keystore.alive(ada.owner_id, "grant")


@pytest.mark.parametrize("written", [0, -(1 << 62), (1 << 63) - 1])
def test_whatever_stands_for_her_last_record_the_next_one_is_kept(ada: Ada, written: int) -> None:
    ada.buys("The Salt Almanac")
    ada.buys("Field Notes on Moss")
    with raw(ada.house.main) as say:
        say("UPDATE owners SET last_record = ?", written)
    assert json.loads(b"".join(export(ada.vault)))["last_record"] == 3, "or it could not be taken in again"
    for item in ("The Lantern Year", "The Weathervane"):
        assert ada.presses("/notes/new", heading=item, text="To be bought.").headers["Location"]
    assert len(ada.vault.catalogue.entries("NOT damaged")) == 5


@pytest.mark.parametrize("written", [0, -(1 << 62), (1 << 63) - 1])
def test_whatever_stands_for_a_grants_last_change_her_next_one_is_followed(
    ada: Ada, bookshop: Bookshop, written: int
) -> None:
    for item in ("The Salt Almanac", "Field Notes on Moss"):
        ada.buys(item)
    ada.lets(bookshop)
    first = bookshop.connection.read("purchases")
    with raw(ada.house.main) as say:
        say("UPDATE grants SET change = ?", written)
    ada.buys("The Lantern Year")
    read = bookshop.connection.read("purchases", after=first.next)
    assert [each.data["item"] for each in read.records] == ["The Lantern Year"]
    ada.presses(f"/sharing/{ada.grant()}/sooner", days="7")
    assert len(bookshop.reads()) == 3


def test_stopping_everything_reaches_what_was_given_above_an_epoch_that_never_was(ada: Ada, bookshop: Bookshop) -> None:
    with raw(ada.house.keystore.database) as say:
        say("UPDATE floors SET epoch = ?", (1 << 63) - 1)
    for _time in range(3):
        ada.lets(bookshop)
        token = tokens(bookshop)[0]
        ada.presses("/sharing/stop-all")
        assert not ada.house.keystore.alive(ada.owner_id, "grant")
        assert bookshop.looks("/vendor/v1/purchases", token).status_code == 401


@pytest.mark.parametrize(
    "way", ["DELETE FROM counters", "UPDATE counters SET number = -4", f"UPDATE counters SET number = {(1 << 63) - 1}"]
)
def test_where_the_counter_of_the_log_is_spoilt_nobody_looks(ada: Ada, bookshop: Bookshop, way: str) -> None:
    token = bookshop.tokens("item-0", authorization_details=details(BIRTHDAY))["access_token"]
    assert bookshop.looks("/vendor/v1/profile", token).status_code == 200
    with raw(ada.house.log) as say:
        say(way)
    answer = bookshop.looks("/vendor/v1/profile", token)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


def test_days_that_no_calendar_has_are_shown_as_its_first_or_last(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    ada.presses(f"/sharing/{ada.grant()}/stop")
    for day in (1 << 62, -(1 << 62)):
        with raw(ada.house.main) as say:
            say("UPDATE grants SET ended_day = ?", day)
            say("UPDATE locks SET used_at = ?", day)
        for page in ("/sharing", "/security"):
            ada.looks_at(page)


def test_a_wait_that_was_written_by_hand_keeps_nobody_out(ada: Ada) -> None:
    attempts.admit(ada.house, address="192.0.2.7")
    with raw(ada.house.main) as say:
        say("UPDATE attempts SET until = ?, count = ?", (1 << 63) - 1, (1 << 63) - 1)
    for _guess in range(attempts.FREE["address"] + 1):
        attempts.admit(ada.house, address="192.0.2.7")
    with pytest.raises(TooManyTries):
        attempts.admit(ada.house, address="192.0.2.7")


def test_a_server_does_not_start_with_a_damaged_key(house: Server) -> None:
    with raw(house.keystore.database) as say:
        say("UPDATE server_keys SET secret = ? WHERE purpose = 'seal'", bytes(16))
    with pytest.raises(Unsafe, match="A key of the server"):
        house.keystore.complete()


def links(ada: Ada) -> int:
    """How many links that stop something there are."""
    with ada.house.main.reading() as session:
        return session.scalar(select(func.count()).select_from(GrantLock).where(GrantLock.kind == "link")) or 0
