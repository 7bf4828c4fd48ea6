"""Somebody types wrong passphrases at her vault: she is told, once a day, and nobody else learns anything by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from connectors.demo_mail import Mailbox
from tests.conftest import PASSPHRASE
from tests.houses import copy_house
from tests.people import ISSUER, Clock, calls_out, house_in
from vault import handles, set_up, unlock
from vault.errors import TooManyTries, WrongSecret
from vault.guessing import MANY, NOTED, SUBJECT
from vault.keyring import Keyring
from vault.kit import vault_number
from vault.models import Owner
from vault.server import Server
from vault.worker import tick


def types_wrongly(house: Server, clock: Clock, times: int, name: str = "ada") -> None:
    """As quickly as one may, each time from another address."""
    for number in range(times):
        clock.passes(seconds=31)
        with pytest.raises(WrongSecret):
            unlock.with_passphrase(house, name, "not the passphrase", address=f"198.51.100.{number}")


@pytest.fixture
def house(furnished: tuple[Path, str, Keyring], tmp_path: Path, clock: Clock, mailbox: Mailbox) -> Iterator[Server]:
    """A running server that sends mails."""
    copy_house(furnished[0], tmp_path / "house")
    server = house_in(tmp_path / "house", clock, smtp_url=mailbox.smtp_url)
    yield server
    server.stop()


def told(house: Server, mailbox: Mailbox) -> list[str]:
    """The mails about it that the worker sends now."""
    before = len(mailbox.messages)
    tick(house, sweep=True)
    calls_out(house)
    mails = [mail for mail in mailbox.messages[before:] if mail.subject == SUBJECT]
    assert all(mail.to == "ada@home.test" and ISSUER in mail.text for mail in mails)
    return [mail.subject for mail in mails]


def test_she_is_told_once_a_day(house: Server, mailbox: Mailbox, clock: Clock) -> None:
    types_wrongly(house, clock, MANY - 1)
    assert told(house, mailbox) == [], "a slip or two is hers"
    types_wrongly(house, clock, 1)
    assert told(house, mailbox) == [SUBJECT]
    types_wrongly(house, clock, 3)
    assert told(house, mailbox) == []
    clock.passes(days=1)
    types_wrongly(house, clock, MANY)
    assert told(house, mailbox) == [SUBJECT]


def test_a_right_one_in_between_begins_anew(house: Server, mailbox: Mailbox, clock: Clock) -> None:
    types_wrongly(house, clock, MANY - 1)
    clock.passes(seconds=31)
    unlock.with_passphrase(house, "ada", PASSPHRASE, address="198.51.100.99")
    types_wrongly(house, clock, MANY - 1)
    assert told(house, mailbox) == []


def test_a_name_that_there_is_not_is_noted_alike_and_told_to_nobody(
    house: Server, mailbox: Mailbox, clock: Clock
) -> None:
    types_wrongly(house, clock, MANY, name="bram")
    assert house.memory[NOTED] == {"bram"}
    assert told(house, mailbox) == []
    types_wrongly(house, clock, MANY)
    assert house.memory[NOTED] == {"ada"}


def test_who_has_left_no_address_is_told_nothing(house: Server, mailbox: Mailbox, clock: Clock) -> None:
    with house.main.transaction() as session:
        session.execute(update(Owner).values(notice_box=None))
    types_wrongly(house, clock, MANY)
    assert told(house, mailbox) == []


def test_it_is_told_too_when_the_process_stops(house: Server, mailbox: Mailbox, clock: Clock) -> None:
    types_wrongly(house, clock, MANY)
    house.write_down()
    assert NOTED not in house.memory
    assert told(house, mailbox) == [SUBJECT]


def test_her_short_name_is_one_name_however_its_letters_are_put_together(house: Server) -> None:
    keys = set_up.set_up(
        house, handle="zoé", name="Zoé", passphrase="a boat, a goose, a bell", notice=None, first=False
    )
    for written in ("zoé", "ZOÉ", " zoe\u0301", "ZOE\u0301"):
        assert handles.find_owner(house, written) == keys.owner_id
        assert handles.meant(written) == "zoé"
    assert handles.find_owner(house, "zoe") is None


def test_her_vaults_number_is_one_name_however_it_is_written(house: Server, mailbox: Mailbox, clock: Clock) -> None:
    """Who has seen it on her kit, or on a page, types no guess more by grouping it in another way each time."""
    with house.main.reading() as session:
        number = vault_number(session.scalars(select(Owner.owner_id)).one())
    for at in range(MANY):
        clock.passes(seconds=31)
        with pytest.raises(WrongSecret):
            unlock.with_passphrase(house, number[:at] + "." + number[at:], "a guess", address=f"203.0.113.{at}")
    with pytest.raises(TooManyTries):
        unlock.with_passphrase(house, number.lower(), PASSPHRASE, address="198.51.100.7")
    assert told(house, mailbox) == [SUBJECT]
