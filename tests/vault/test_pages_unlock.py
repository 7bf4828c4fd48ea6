"""Unlock, lock, change the passphrase, end sessions."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest

from tests.conftest import PASSPHRASE
from tests.people import Ada, Clock
from vault import sessions, set_up, unlock
from vault.errors import TooManyTries, WrongSecret
from vault.pages import session

NEW = "another violet staircase kettle"
PHONE = "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"


@pytest.fixture
def stranger(ada: Ada):
    """A browser that holds no session."""
    return ada.app.test_client()


def post(browser, path: str, **form: str):
    return browser.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})


def test_every_page_of_hers_leads_to_the_unlock_page_first(stranger):
    paths = ("/", "/purchases", "/vendors/1", "/profile", "/security", "/more", "/purchases/new", "/damaged")
    for path in (*paths, "/export", "/delete"):
        assert stranger.get(path).headers["Location"].startswith("/unlock?next=/"), path


def test_after_unlocking_she_is_back_where_she_was(stranger):
    path = "/purchases?for=gift&from=2024-01-01"
    window = stranger.get(stranger.get(path).headers["Location"]).text
    assert "You come back to the page where you were: Purchases." in window
    back = re.search(r'name="next" value="([^"]*)"', window)
    assert back
    answer = post(stranger, "/unlock", passphrase=PASSPHRASE, next=unescape(back[1]))
    assert answer.headers["Location"] == path


@pytest.mark.parametrize(
    "elsewhere", ["//shop.example", "https://shop.example/", "/\\shop.example", "javascript:1", ""]
)
def test_after_unlocking_nobody_is_sent_to_another_site(stranger, elsewhere):
    assert post(stranger, "/unlock", passphrase=PASSPHRASE, next=elsewhere).headers["Location"] == "/"


def test_a_wrong_passphrase_is_said_in_its_place_and_not_repeated(stranger):
    answer = post(stranger, "/unlock", passphrase="a lamp, a kettle, a mop", next="/purchases")
    assert answer.status_code == 403
    assert "That did not open the vault." in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'name="next" value="/purchases"' in answer.text
    assert "a mop" not in answer.text
    assert "Set-Cookie" not in answer.headers


def test_a_name_that_nobody_has_is_answered_like_a_wrong_passphrase(ada: Ada, stranger):
    keyring = set_up.set_up(ada.house, handle="bram", name="Bram", passphrase=NEW, notice=None, first=False)
    assert keyring
    said, taken = [], []
    for handle in ("ada", "nobody"):
        began = time.process_time()
        answer = post(stranger, "/unlock", handle=handle, passphrase="a wrong umbrella indeed")
        taken.append(time.process_time() - began)
        said.append((answer.status_code, answer.text.replace(f'value="{handle}"', "").partition("<main")[2]))
    assert said[0] == said[1]
    assert taken[1] > taken[0] / 3, "it is derived all the same"


def test_too_many_tries_have_to_wait_and_are_told_how_long(stranger, clock: Clock):
    answers = [post(stranger, "/unlock", passphrase=f"wrong {number}") for number in range(7)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    clock.passes(minutes=20)
    assert post(stranger, "/unlock", passphrase=PASSPHRASE).status_code == 303


def test_a_stranger_whose_address_has_to_wait_anyway_does_not_make_her_name_wait(ada: Ada, clock: Clock) -> None:
    def waits(passphrase: str, address: str) -> float:
        try:
            unlock.with_passphrase(ada.house, "ada", passphrase, address=address)
        except TooManyTries as error:
            return error.wait.total_seconds()
        except WrongSecret:
            return 0
        return 0

    while (wait := waits("wrong", "192.0.2.66")) < 200:
        clock.passes(seconds=max(1, wait))
    for _try in range(3):
        clock.passes(seconds=31)
        assert waits("wrong", "192.0.2.66") > 0
        assert waits(ada.passphrase, "198.51.100.7") == 0, "her own, from another address"


def test_a_network_of_many_addresses_has_the_tries_of_one(ada: Ada):
    def counted(address: str) -> str:
        with ada.app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            return session.address()

    assert counted("2001:db8:1:2::1") == counted("2001:db8:1:2:ffff:ffff:ffff:ffff")
    assert counted("2001:db8:1:2::1") != counted("2001:db8:1:3::1")
    for one in ("192.0.2.1", "::ffff:192.0.2.1", "unknown"):
        assert counted(one) == one


def test_the_recovery_code_opens_and_leads_to_a_new_passphrase(ada: Ada, stranger, recovery_code: str):
    answer = post(stranger, "/unlock", code=recovery_code.lower().replace("-", " "), next="/purchases")
    assert answer.headers["Location"].startswith("/security?notice=recovered")
    assert "Present passphrase" not in stranger.get("/security").text
    assert post(stranger, "/security/passphrase", new=NEW).status_code == 303
    assert post(ada.app.test_client(), "/unlock", passphrase=NEW).status_code == 303
    assert post(ada.app.test_client(), "/unlock", passphrase=PASSPHRASE).status_code == 403


def test_a_code_that_is_none_is_refused_beside_its_field(stranger):
    answer = post(stranger, "/unlock", code="AAAAA BBBBB")
    assert answer.status_code == 403
    assert 'href="#code"' in answer.text


def test_from_the_answer_on_a_locked_session_opens_nothing(ada: Ada):
    answer = ada.presses("/lock")
    assert answer.headers["Location"] == "/unlock?notice=locked"
    assert answer.headers["Clear-Site-Data"] == '"cache"'
    thief = ada.app.test_client()
    thief.set_cookie("vault", ada.session, domain="localhost")
    assert thief.get("/purchases").status_code == 303
    assert not ada.house.keystore.alive(ada.owner_id, "session")


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_another_site_cannot_press_her_buttons(ada: Ada, headers):
    stored = ada.buys("Field Notes on Moss")
    for path in ("/lock", f"/purchases/{stored.number}/remove", "/security/sessions", "/old-copy/seen"):
        answer = ada.browser.post(path, data={"session": "others"}, headers=headers)
        assert answer.status_code == 403, path
    assert "Field Notes on Moss" in ada.looks_at("/purchases")


def test_changing_the_passphrase_needs_the_present_one_and_ends_other_sessions(ada: Ada, stranger):
    post(stranger, "/unlock", passphrase=PASSPHRASE)
    refused = ada.presses("/security/passphrase", 403, old="something else", new=NEW)
    assert "That is not your present passphrase." in refused.text
    weak = ada.presses("/security/passphrase", 422, old=PASSPHRASE, new="ada ada ada")
    assert 'href="#new"' in weak.text
    assert stranger.get("/purchases").status_code == 200
    ada.presses("/security/passphrase", old=PASSPHRASE, new=NEW)
    assert stranger.get("/purchases").status_code == 303
    assert ada.looks_at("/purchases")


def test_she_sees_her_sessions_by_device_and_ends_another_or_all_others(ada: Ada):
    phone, tablet = ada.app.test_client(), ada.app.test_client()
    headers = {"Sec-Fetch-Site": "same-origin", "User-Agent": PHONE}
    phone.post("/unlock", data={"passphrase": PASSPHRASE}, headers=headers)
    page = ada.looks_at("/security")
    assert "Firefox on Android" in page
    assert page.count("this browser") == 1
    assert "Gecko" not in page, "the words, and not the browser's own line"
    other = next(row.lock_id for row in sessions.living(ada.vault) if row.lock_id != ada.vault.session_id)
    ada.presses("/security/sessions", session=other.hex())
    assert phone.get("/purchases").status_code == 303
    post(tablet, "/unlock", passphrase=PASSPHRASE)
    assert len(sessions.living(ada.vault)) == 2
    ada.presses("/security/sessions", session="others")
    assert tablet.get("/purchases").status_code == 303
    assert len(sessions.living(ada.vault)) == 1
    assert ada.presses("/security/sessions", session="zz").status_code == 303
    assert ada.looks_at("/security")


def test_nothing_but_a_session_can_be_ended_as_one(ada: Ada, bookshop):
    ada.lets(bookshop)
    ada.presses("/security/sessions", session=ada.grant())
    assert bookshop.reads() == []
    ada.locks()
    ada.unlocks()


def test_a_session_that_was_quiet_too_long_is_locked(ada: Ada, clock: Clock):
    clock.passes(minutes=14)
    assert ada.looks_at("/purchases")
    clock.passes(minutes=16)
    ada.looks_at("/purchases", 303)
