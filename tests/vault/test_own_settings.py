"""Her settings: what she is called, how pages look, and an address for notices that is set with a code from there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.demo_mail import Mail, Mailbox
from tests.conftest import PASSPHRASE
from tests.houses import copy_house
from tests.people import ISSUER, Ada, Clock, calls_out, house_in
from tests.vault.authenticator import Device
from vault import choices, mail, notice_address, passkeys, sessions, set_up, worker
from vault.app import create_app
from vault.server import Server

USUAL = {"name": "Ada", "language": "", "zone": "", "currency": "", "amounts": "", "theme": ""}


@pytest.fixture
def mailing(furnished: tuple[Path, str, Any], tmp_path: Path, clock: Clock, mailbox: Mailbox) -> Iterator[Ada]:
    """Ada on a server that sends mails."""
    copy_house(furnished[0], tmp_path / "mailing")
    server = house_in(tmp_path / "mailing", clock, smtp_url=mailbox.smtp_url)
    yield Ada(server, "a lamp, a kettle, a map", furnished[2])
    server.stop()


def mailed(house: Server, mailbox: Mailbox) -> list[Mail]:
    """What is sent now."""
    before = len(mailbox.messages)
    while worker.tick(house, sweep=False) + calls_out(house):
        pass
    return mailbox.messages[before:]


def code_in(mail: Mail) -> str:
    found = re.search(r"\d{4} \d{4}", mail.text)
    assert found
    return found[0]


def test_what_she_chooses_is_kept_and_nothing_else_of_her_settings_is_lost(ada: Ada):
    chosen = {"name": "Ada M.", "language": "pl", "zone": "Asia/Tokyo", "currency": "pln", "theme": "dark"}
    ada.presses("/settings", **{**USUAL, **chosen, "amounts": "letters"})
    kept = ada.open.settings
    assert kept == {
        "handle": "ada",
        **chosen,
        "currency": "PLN",
        "amounts": "letters",
    }
    page = ada.looks_at("/settings")
    assert 'data-theme="dark"' in page
    assert "Sejf: Ada M." in page
    ada.presses("/settings", **USUAL)
    assert ada.open.settings == {"handle": "ada", "name": "Ada"}


IMPOSSIBLE = (
    ("name", ""),
    ("name", "x" * 101),
    ("language", "xx"),
    ("zone", "../../etc/passwd"),
    ("zone", "Moon/Tycho"),
    ("currency", "EURO"),
    ("currency", "XQQ"),
    ("theme", '"><script>'),
    ("amounts", "loud"),
)


def test_what_cannot_be_is_refused_and_nothing_is_changed(ada: Ada):
    before = dict(ada.open.settings)
    for name, value in IMPOSSIBLE:
        answer = ada.presses("/settings", 422, **{**USUAL, "name": "Other", name: value})
        assert f'href="#{name}"' in answer.text, value
        assert "<script>" not in answer.text
    assert ada.open.settings == before


def test_her_clock_is_the_one_of_her_time_zone(ada: Ada, clock: Clock):
    clock.passes(hours=6)  # 18:00 in UTC is another day in Tokyo
    ada.unlocks()
    ada.presses("/settings", **{**USUAL, "zone": "Asia/Tokyo"})
    page = ada.looks_at("/settings")
    assert "it is 03:00" in page
    assert "Monday, 23 November 2026" in page
    assert "Times are JST" in page


def test_amounts_show_letters_if_she_likes_and_a_form_begins_with_her_currency(ada: Ada):
    stored = ada.buys("Kettle", price="1018.5")
    ada.presses("/settings", **{**USUAL, "amounts": "letters", "currency": "CZK"})
    assert "EUR\xa01,018.50" in ada.looks_at(f"/purchases/{stored.number}")
    assert 'name="price-currency" value="CZK"' in ada.looks_at("/purchases/new")


def test_an_address_for_notices_is_set_with_the_code_that_was_mailed_to_it_and_the_old_one_is_told(
    mailing: Ada, mailbox: Mailbox
):
    ada = mailing
    asked = ada.presses("/settings/notice", notice="ada@porthaven.test")
    assert "A code is on its way." in ada.looks_at(asked.headers["Location"])
    (first,) = mailed(ada.house, mailbox)
    assert first.to == "ada@porthaven.test"
    assert notice_address.present(ada.open) == "ada@home.test"
    ada.presses("/settings/notice/code", 422, code="0000 0001")
    ada.presses("/settings/notice/code", code=code_in(first))
    assert notice_address.present(ada.open) == "ada@porthaven.test"
    (told,) = mailed(ada.house, mailbox)
    assert told.to == "ada@home.test"
    assert "porthaven" not in told.subject + told.text
    ada.presses("/settings/notice/code", 422, code=code_in(first))


def test_she_is_mailed_whenever_what_opens_her_vault_is_changed(mailing: Ada, mailbox: Mailbox):
    device = Device(ISSUER, prf=True)
    answer, secret = device.makes(json.loads(mailing.looks_at("/security/passkeys/new")))
    changes: list[tuple[str, dict[str, str]]] = [
        ("/security/passkeys", {"passkey": answer, "secret": secret, "passkey-name": "phone"}),
        ("/security/passphrase", {"old": PASSPHRASE, "new": "another violet staircase kettle"}),
        ("/security/recovery/new", {}),
    ]
    for path, form in changes:
        mailing.presses(path, **form)
        (told,) = mailed(mailing.house, mailbox)
        assert (told.to, told.subject) == ("ada@home.test", "What opens your vault was changed"), path
        assert not [word for word in ("phone", "Ada", "violet") if word in told.text]
    passkeys.remove(mailing.open, passkeys.listed(mailing.open)[0].lock_id)
    assert [each.subject for each in mailed(mailing.house, mailbox)] == ["What opens your vault was changed"]


def test_a_code_runs_out_after_an_hour_and_after_five_wrong_ones(mailing: Ada, mailbox: Mailbox, clock: Clock):
    ada = mailing
    ada.presses("/settings/notice", notice="one@porthaven.test")
    (late,) = mailed(ada.house, mailbox)
    clock.passes(hours=1)
    ada.unlocks()
    assert "one@porthaven.test" not in ada.looks_at("/settings")
    ada.presses("/settings/notice/code", 422, code=code_in(late))
    ada.presses("/settings/notice", notice="two@porthaven.test")
    (guessed,) = mailed(ada.house, mailbox)
    wrong = "0000 0000" if code_in(guessed) != "0000 0000" else "1111 1111"
    for _try in range(5):
        ada.presses("/settings/notice/code", 422, code=wrong)
    ada.presses("/settings/notice/code", 422, code=code_in(guessed))
    assert notice_address.present(ada.open) == "ada@home.test"


def test_codes_are_mailed_a_few_times_and_then_she_has_to_wait(mailing: Ada, mailbox: Mailbox, clock: Clock):
    """Or an open vault could send strangers as many mails as it liked, and have five guesses for each."""
    for at in range(5):
        mailing.presses("/settings/notice", notice=f"stranger{at}@porthaven.test")
    for at in range(3):
        mailing.presses("/settings/notice", 303 if not at else 429, notice="stranger@porthaven.test")
    assert len(mailed(mailing.house, mailbox)) == 6
    waits = mailing.presses("/settings/notice", 429, notice="stranger@porthaven.test")
    assert int(waits.headers["Retry-After"]) >= 1
    assert mailing.presses("/settings/notice", remove="yes")


def test_she_can_have_no_notices_at_all(mailing: Ada, mailbox: Mailbox):
    mailing.presses("/settings/notice", remove="yes")
    assert notice_address.present(mailing.open) is None
    assert [mail.to for mail in mailed(mailing.house, mailbox)] == ["ada@home.test"]
    assert "Nowhere." in mailing.looks_at("/settings")


def test_what_is_no_address_gets_no_mail(mailing: Ada, mailbox: Mailbox):
    for address in (
        "",
        "ada",
        "a@b@c",
        "ada@x.test\nBcc: eve@x.test",
        "ada@[x.test",
        "ada\x00@x.test",
        "x" * 250 + "@x.test",
    ):
        mailing.presses("/settings/notice", 422, notice=address)
    assert mailed(mailing.house, mailbox) == []


def test_a_server_that_sends_no_mails_says_so(ada: Ada):
    assert "This server sends no mails" in ada.looks_at("/settings")
    ada.presses("/settings/notice", 422, notice="ada@porthaven.test")


def test_of_two_changes_at_once_none_is_lost(ada: Ada):
    one, other = ada.open, ada.open
    choices.keep(one, {"language": "ro"})
    choices.keep(other, {"zone": "Europe/Prague"})
    assert (ada.open.settings["language"], ada.open.settings["zone"]) == ("ro", "Europe/Prague")


def test_the_first_address_too_holds_only_with_the_code_that_was_mailed_to_it(
    tmp_path: Path, clock: Clock, mailbox: Mailbox
):
    """A slip of the finger at set-up would send every link that stops sharing to a stranger."""
    house = house_in(tmp_path / "new", clock, smtp_url=mailbox.smtp_url)
    words = {"handle": "bea", "name": "Bea", "passphrase": PASSPHRASE, "notice": "bea@porthaven.test"}
    keyring = set_up.set_up(house, **words, first=True, language="pl")
    bea = Ada(house, PASSPHRASE, keyring)
    choices.keep(bea.vault, {"recovery": None})
    (first,) = mailed(house, mailbox)
    assert first.to == "bea@porthaven.test"
    assert "Wpisz" in first.text or "kod" in first.text, "in the language of the page"
    assert notice_address.present(bea.open) is None
    assert "A code was mailed to you" in bea.looks_at("/")
    with house.main.transaction() as session:
        mail.queue(session, house, bea.owner_id, "Links", "A link that stops it.")
    assert mailed(house, mailbox) == [], "nothing else goes there before"
    bea.presses("/settings/notice/code", code=code_in(first))
    assert notice_address.present(bea.open) == "bea@porthaven.test"
    house.stop()


def test_a_server_that_sends_no_mails_asks_for_no_address_and_keeps_none(tmp_path: Path, clock: Clock):
    house = house_in(tmp_path / "new", clock)
    browser = create_app(house).test_client()
    assert 'name="notice"' not in browser.get(set_up.set_up_address(house) or "").text
    words = {"handle": "bea", "name": "Bea", "passphrase": PASSPHRASE, "notice": "bea@porthaven.test"}
    bea = sessions.for_command(house, set_up.set_up(house, **words, first=True))
    assert not notice_address.waiting(bea)
    assert notice_address.present(bea) is None
    house.stop()
