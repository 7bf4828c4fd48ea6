"""Grants as rows: what is written when one is given, what is left when it ends, and that no other one is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from consent import grant_locks, grants
from consent.grant_locks import Found, Opened
from consent.grants import Given, NewGrant, rounded
from consent.models import Disclosure, Grant, GrantLock, Receipt
from tests.houses import embedded_only
from tests.people import PURCHASES, Ada, Bookshop, Clock, details
from vault import bearer, crypto, worker
from vault.db import line_of
from vault.errors import DiskFull
from vault.keystore import Keystore
from vault.models import Job


def row(ada: Ada, grant: str) -> dict[str, Any]:
    with ada.house.main.reading() as session:
        mine = (Grant.owner_id == ada.owner_id, Grant.grant_id == bytes.fromhex(grant))
        return dict(session.execute(select(Grant.__table__).where(*mine)).one()._mapping)


def held(ada: Ada, grant: str) -> tuple[list[tuple[str, int]], int]:
    """The locks of a grant with their ends, and how many disclosures it has."""
    with ada.house.main.reading() as session:
        ends = select(GrantLock.kind, GrantLock.expires_at).where(GrantLock.grant_id == bytes.fromhex(grant))
        shown = select(Disclosure.ref).where(Disclosure.grant_id == bytes.fromhex(grant))
        return sorted((kind, at) for kind, at in session.execute(ends)), len(session.scalars(shown).all())


def jobs(ada: Ada) -> list[tuple[str, int]]:
    """What is to be done for her, and when."""
    with ada.house.main.reading() as session:
        hers = select(Job.kind, Job.due_at).where(Job.owner_id == ada.owner_id)
        return sorted((kind, at) for kind, at in session.execute(hers))


def told(ada: Ada) -> list[tuple[str, str, str]]:
    """What clients are to be told: of what, of which grant, and whom."""
    house, owner = ada.house, ada.owner_id
    with house.main.reading() as session:
        waiting = session.execute(select(Job.job_id, Job.box).where(Job.owner_id == owner, Job.kind == "notice")).all()
    boxes = [(crypto.identity("vrm/1/job", owner, job, "notice"), box) for job, box in waiting]
    payloads = [orjson.loads(crypto.open_box(house.keys.seal, *each)) for each in boxes]
    return sorted((each["what"], each["grant"], each["client"]) for each in payloads)


def test_a_grant_is_written_as_it_begins(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("Atlas")
    before = jobs(ada)
    bookshop.code()
    now, grant = ada.house.now, ada.grant()
    until = now + 30 * 86400
    written = row(ada, grant)
    assert (written["state"], written["cause"], written["version"], written["ended_day"]) == ("live", None, 1, None)
    assert written["changed_day"] == now // 86400
    assert held(ada, grant) == ([("code", now + 60), ("link", rounded(until))], 1)
    assert ("expire", rounded(until)) in jobs(ada)
    assert "replace" not in {kind for kind, _ in jobs(ada)}
    assert {kind for kind, _ in jobs(ada)} - {kind for kind, _ in before} >= {"expire", "notice", "digest"}
    ada.buys("A Chart")
    assert held(ada, grant)[1] == 2, "what she adds later follows"


def test_what_ends_leaves_its_name_day_and_cause_and_nothing_that_opens(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    ada.buys("Atlas")
    ending = bookshop.tokens()["grant_id"]
    going_on = coffee.tokens(authorization_details=details(PURCHASES))["grant_id"]
    kept, open_still = row(ada, going_on), held(ada, going_on)
    before = row(ada, ending)
    grants.end(ada.house, ada.owner_id, bytes.fromhex(ending), "revoked")
    left = row(ada, ending)
    today = ada.house.now // 86400
    assert (left["state"], left["cause"], left["ended_day"]) == ("ended", "revoked", today)
    assert (left["terms_box"], left["copy_box"]) == (None, None)
    assert (left["memory_box"], left["label_box"]) == (before["memory_box"], before["label_box"])
    assert held(ada, ending) == ([], 0)
    assert (row(ada, going_on), held(ada, going_on)) == (kept, open_still)
    said = jobs(ada)
    grants.end(ada.house, ada.owner_id, bytes.fromhex(ending), "expired")
    assert row(ada, ending) == left
    assert jobs(ada) == said, "what has ended is not told again"


def test_what_ends_is_dead_before_its_rows_go_and_leaves_one_receipt(ada: Ada, bookshop: Bookshop) -> None:
    grant = bookshop.tokens()["grant_id"]
    order: list[tuple[bool, str]] = []

    class Watched(Keystore):
        def take(self, owner: bytes, *subjects: bytes) -> None:
            super().take(owner, *subjects)
            order.append((self.pepper(owner, bytes.fromhex(grant)) is not None, row(ada, grant)["state"]))

    watched = replace(ada.house, keystore=Watched(ada.house.keystore.database))
    grants.end(watched, ada.owner_id, bytes.fromhex(grant), "revoked")
    assert order == [(False, "live")]
    assert row(ada, grant)["state"] == "ended"
    with ada.house.main.reading() as session:
        kept = session.execute(select(Receipt.grant_id, Receipt.kind).order_by(Receipt.kind)).all()
    assert kept == [(bytes.fromhex(grant), "consent"), (bytes.fromhex(grant), "end")]


@embedded_only
def test_what_has_ended_is_gone_from_the_files_too(ada: Ada, bookshop: Bookshop) -> None:
    """Whoever copies the disk a moment later finds no terms that a stolen token could open."""
    grant = bookshop.tokens()["grant_id"]
    terms = row(ada, grant)["terms_box"]

    def on_disk() -> bool:
        return any(terms in file.read_bytes() for file in ada.house.main.file.parent.iterdir())

    assert on_disk()
    grants.end(ada.house, ada.owner_id, bytes.fromhex(grant), "revoked")
    assert not on_disk()


def test_a_client_is_told_what_becomes_of_its_own_grant(ada: Ada, bookshop: Bookshop, coffee: Bookshop) -> None:
    mine, theirs = bookshop.tokens()["grant_id"], coffee.tokens(authorization_details=details(PURCHASES))["grant_id"]
    grants.pause(ada.house, ada.owner_id, bytes.fromhex(mine))
    grants.resume(ada.vault, bytes.fromhex(mine))
    grants.end(ada.house, ada.owner_id, bytes.fromhex(mine), "revoked")
    grants.end(ada.house, ada.owner_id, bytes.fromhex(theirs), "expired")
    steps = ["grant.given", "grant.paused", "grant.resumed", "grant.revoked"]
    expected = [(step, mine, bookshop.client_id) for step in steps]
    expected += [(step, theirs, coffee.client_id) for step in ("grant.given", "grant.expired")]
    assert told(ada) == sorted(expected)


def test_a_new_grant_to_a_client_replaces_its_earlier_one_and_nobody_elses(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    first, other = bookshop.tokens()["grant_id"], coffee.tokens(authorization_details=details(PURCHASES))["grant_id"]
    second = bookshop.tokens()["grant_id"]
    assert [kind for kind, _ in jobs(ada)].count("replace") == 1
    while worker.tick(ada.house, sweep=False):
        pass
    states = {each: (row(ada, each)["state"], row(ada, each)["cause"]) for each in (first, other, second)}
    assert states == {first: ("ended", "replaced"), other: ("live", None), second: ("live", None)}
    third = bookshop.tokens()["grant_id"]
    assert [kind for kind, _ in jobs(ada)].count("replace") == 1, "of the two before, one lives"
    assert row(ada, third)["vendor_tag"] == row(ada, first)["vendor_tag"] != row(ada, other)["vendor_tag"]


def test_she_gets_one_mail_of_an_end_and_none_of_a_replacement(ada: Ada, bookshop: Bookshop, coffee: Bookshop) -> None:
    replaced = bytes.fromhex(coffee.tokens(authorization_details=details(PURCHASES))["grant_id"])
    revoked = bytes.fromhex(bookshop.tokens()["grant_id"])
    house = replace(ada.house, settings=replace(ada.house.settings, smtp_url="smtp://localhost:1"))

    def mails() -> int:
        return [kind for kind, _ in jobs(ada)].count("mail")

    before = mails()
    grants.end(house, ada.owner_id, replaced, "replaced")
    assert mails() == before
    for _again in range(2):
        grants.end(house, ada.owner_id, revoked, "revoked")
        assert mails() == before + 1


def test_where_there_is_no_room_for_evidence_it_ends_and_nothing_else_is_written(
    ada: Ada, bookshop: Bookshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = bookshop.tokens()["grant_id"]
    house = replace(ada.house, settings=replace(ada.house.settings, smtp_url="smtp://localhost:1"))
    before = jobs(ada)

    def full(*_receipt: object) -> None:
        raise DiskFull

    monkeypatch.setattr("consent.receipt_rows.ended", full)
    grants.end(house, ada.owner_id, bytes.fromhex(grant), "revoked")
    assert row(ada, grant)["state"] == "ended"
    assert held(ada, grant) == ([], 0)
    assert jobs(ada) == before


def test_a_pause_and_its_end_are_told_once_each(ada: Ada, bookshop: Bookshop) -> None:
    grant = bytes.fromhex(bookshop.tokens()["grant_id"])

    def told() -> int:
        return [kind for kind, _ in jobs(ada)].count("notice")

    def held_as() -> str | None:
        return ada.house.keystore.alive(ada.owner_id, "grant")[grant].held

    before = told()
    grants.pause(ada.house, ada.owner_id, grant)
    grants.pause(ada.house, ada.owner_id, grant)
    assert (told(), held_as()) == (before + 1, "paused")
    assert grants.resume(ada.vault, grant, "old copy") is False
    assert grants.resume(ada.vault, grant) is True
    assert grants.resume(ada.vault, grant) is False
    assert (told(), held_as()) == (before + 2, None)
    ada.house.keystore.hold_old_copy(ada.owner_id, {grant: 1})
    grants.pause(ada.house, ada.owner_id, grant)
    assert (told(), held_as()) == (before + 2, "old copy")
    assert grants.resume(ada.vault, grant, "old copy") is True
    assert told() == before + 3


def test_the_last_look_of_a_grant_is_followed_by_its_end(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    grant = bookshop.tokens()["grant_id"]
    grants.end_when_used(ada.house, ada.owner_id, bytes.fromhex(grant), ada.house.now + 7)
    assert ("used", rounded(ada.house.now + 7)) in jobs(ada)
    clock.passes(minutes=6)
    assert worker.tick(ada.house, sweep=False)
    assert row(ada, grant)["state"] == "ended"


def test_a_grant_ends_on_its_last_day(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    grant = bookshop.tokens()["grant_id"]
    clock.passes(days=31)
    assert worker.tick(ada.house, sweep=False)
    assert (row(ada, grant)["state"], row(ada, grant)["cause"]) == ("ended", "expired")


def test_a_link_carries_no_key(ada: Ada, bookshop: Bookshop) -> None:
    """What it names can be ended by it, and not opened."""
    grant = bytes.fromhex(bookshop.tokens()["grant_id"])
    pepper = ada.house.keystore.pepper(ada.owner_id, grant) or b""
    with ada.house.main.transaction() as session:
        link = grants.make_link(session, ada.house, ada.owner_id, grant, pepper, ada.house.now + 7)
        found = grant_locks.find(line_of(session), ada.house, link, "link")
    assert found
    assert grant_locks.open_found(found, pepper) == Opened(None, {})


def test_access_tokens_that_have_run_out_are_dropped_and_nothing_else_is(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    mine, theirs = bookshop.tokens()["grant_id"], coffee.tokens(authorization_details=details(PURCHASES))["grant_id"]
    before = held(ada, theirs)

    def dropped(at: int) -> list[str]:
        with ada.house.main.transaction() as session:
            grant_locks.drop_expired(line_of(session), ada.owner_id, bytes.fromhex(mine), at)
        return [kind for kind, _ in held(ada, mine)[0]]

    over = ada.house.now + 600
    assert dropped(over - 1) == ["access", "code", "link", "refresh"]
    assert dropped(over) == ["code", "link", "refresh"]
    assert dropped(over + 10**9) == ["code", "link", "refresh"]
    assert held(ada, theirs) == before


def test_a_client_has_another_tag_with_every_owner(ada: Ada) -> None:
    tags = {grants.vendor_tag(ada.house, owner, client) for owner in (b"a" * 16, b"b" * 16) for client in ("x", "y")}
    assert len(tags) == 4
    expected = crypto.tag(ada.house.keys.tag, "vendor", b"a" * 16, "x")
    assert expected in tags
    assert grants.link_address(ada.house, "vrm_rv_x") == "http://localhost:8400/r/vrm_rv_x"


@pytest.mark.parametrize(
    ("at", "up"), [(0, 0), (1, 300), (299, 300), (300, 300), (301, 600), (1_790_000_000, 1_790_000_100)]
)
def test_times_in_clear_are_rounded_up_to_five_minutes(at: int, up: int) -> None:
    assert rounded(at) == up


def test_neither_keys_nor_strings_stand_in_a_repr() -> None:
    assert repr(NewGrant(b"\x01\x02", b"key", b"pepper")) == "NewGrant(0102)"
    assert repr(Given(b"g", "vrm_ac_code", "vrm_rv_link")) == "Given(grant_id=b'g')"
    string = bearer.mint("link", b"o" * 16, b"l" * 16)
    found = Found(string, b"grant", 1, None, b"a box", "live", 1, 0, 0, b"a label", b"terms", 1)
    assert not [word for word in ("a box", "a label", "terms'") if word in repr(found)]
    assert repr(Opened(b"key", {"client": "x"})) == "Opened(bound={'client': 'x'})"
