"""Before what is hard to undo she shows once more that it is she, and then goes on where she was."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import delete

from tests.conftest import PASSPHRASE
from tests.people import BIRTHDAY, Ada, Bookshop, Clock, hidden_in
from vault import sessions, unlock
from vault.collections.profile import Address, Birthday
from vault.errors import Locked, TooManyTries, WrongSecret
from vault.models import Lock
from vault.values import When
from vault.worker import tick

ASKED = "Show once more that it is you."
ADDRESS = {**BIRTHDAY, "fields": ["address.street", "address.city"], "optional": False}
GUARDED = (
    "/security/recovery/new",
    "/security/quiet",
    "/security/passkeys",
    f"/security/passkeys/{'0' * 32}/remove",
    "/settings/notice",
    "/trash/1/forget",
    "/trash/empty",
)


@pytest.mark.parametrize("path", GUARDED)
def test_five_minutes_after_unlocking_it_is_asked_again(ada: Ada, clock: Clock, path: str):
    clock.passes(minutes=4, seconds=59)
    ada.presses("/confirm")
    clock.passes(seconds=1)
    assert ASKED in ada.presses(path, 403).text


def test_what_she_filled_in_is_carried_on_and_done(ada: Ada, clock: Clock):
    clock.passes(minutes=6)
    page = ada.presses("/security/quiet", 403, quiet="30").text
    assert hidden_in(page)["quiet"] == ["30"]
    again = ada.presses("/security/quiet", **hidden_in(page), **{"confirm-passphrase": PASSPHRASE})
    assert again.headers["Location"].startswith("/security?notice=saved")
    assert "30 quiet minutes" in ada.looks_at("/")
    assert ada.presses("/security/quiet", quiet="15").status_code == 303, "and not asked for five minutes more"


def test_a_wrong_passphrase_is_said_and_slowed_down_and_nothing_is_done(ada: Ada, clock: Clock):
    clock.passes(minutes=6)
    for _ in range(5):
        page = ada.presses("/security/quiet", 403, quiet="30", **{"confirm-passphrase": "a guess"}).text
        assert "That is not your present passphrase." in page
        assert "a guess" not in page
        assert hidden_in(page)["quiet"] == ["30"]
    ada.presses("/security/quiet", 403, quiet="30", **{"confirm-passphrase": "a guess"})
    waits = ada.presses("/security/quiet", 429, quiet="30", **{"confirm-passphrase": PASSPHRASE})
    assert int(waits.headers["Retry-After"]) >= 1
    assert "15 quiet minutes" in ada.looks_at("/")


def test_a_page_that_is_only_looked_at_leads_back_to_itself_and_nowhere_else(ada: Ada, clock: Clock):
    clock.passes(minutes=6)
    page = ada.looks_at("/security/passkeys/new", 403)
    assert set(hidden_in(page)["next"]) == {"/security/passkeys/new"}
    proof = {"confirm-passphrase": PASSPHRASE}
    assert ada.presses("/confirm", next="//shop.example", **proof).headers["Location"] == "/"
    assert ada.looks_at("/security/passkeys/new").startswith("{")


def test_it_counts_for_this_session_alone_and_cannot_be_written_into_its_row(ada: Ada, clock: Clock):
    other, _vault = sessions.begin(ada.house, ada.vault.keyring)
    clock.passes(minutes=6)
    ada.presses("/confirm", **{"confirm-passphrase": PASSPHRASE})
    assert sessions.is_fresh(ada.open)
    assert not sessions.is_fresh(sessions.open_session(ada.house, other))


def test_who_came_in_by_the_recovery_code_shows_it_by_the_code(ada: Ada, clock: Clock, recovery_code: str):
    keyring = unlock.with_recovery_code(ada.house, "", recovery_code)
    ada.session, _vault = sessions.begin(ada.house, keyring, "recovery")
    ada.browser.set_cookie("vault", ada.session, domain="localhost")
    clock.passes(minutes=6)
    assert "Or the recovery code" in ada.presses("/security/quiet", 403, quiet="30").text
    ada.presses("/security/quiet", 403, quiet="30", **{"confirm-code": "AAAAA"})
    ada.presses("/security/quiet", quiet="30", **{"confirm-code": recovery_code})


def test_the_code_shows_nothing_in_a_session_that_it_did_not_open(ada: Ada, clock: Clock, recovery_code: str):
    clock.passes(minutes=6)
    page = ada.presses("/security/quiet", 403, quiet="30", **{"confirm-code": recovery_code}).text
    assert "Or the recovery code" not in page


def test_a_new_passphrase_after_the_code_is_asked_for_again_and_stands_in_no_page(
    ada: Ada, clock: Clock, recovery_code: str
):
    keyring = unlock.with_recovery_code(ada.house, "", recovery_code)
    ada.session, _vault = sessions.begin(ada.house, keyring, "recovery")
    ada.browser.set_cookie("vault", ada.session, domain="localhost")
    clock.passes(minutes=6)
    asked = ada.presses("/security/passphrase", 403, new="a violet staircase kettle").text
    assert ASKED in asked
    assert "violet" not in asked
    ada.presses("/security/passphrase", 422, **{"confirm-code": recovery_code})
    ada.presses("/security/passphrase", new="a violet staircase kettle")


def test_more_addresses_buy_no_more_guesses(ada: Ada, clock: Clock):
    clock.passes(minutes=6)
    for at in range(6):
        with pytest.raises(WrongSecret):
            unlock.confirm_passphrase(ada.open, "a guess", address=f"192.0.2.{at}")
    with pytest.raises(TooManyTries):
        unlock.confirm_passphrase(ada.open, PASSPHRASE, address="192.0.2.99")


# Consent.


def test_letting_somebody_reach_her_asks_again_and_keeps_every_tick(ada: Ada, bookshop: Bookshop, clock: Clock):
    ada.keeps(Address(street="Oudegracht 1", city="Utrecht"))
    page = ada.sees_consent(bookshop.asks(ADDRESS).authorize_url)
    clock.passes(minutes=6)
    asked = page.answers("yes", days="7", status=403)
    assert ASKED in asked.text
    assert f"form-action 'self' {bookshop.address}" in asked.headers["Content-Security-Policy"]
    carried = hidden_in(asked.text)
    assert (carried["answer"], carried["days"]) == (["yes"], ["7"])
    assert "Oudegracht" not in asked.text
    assert not ada.house.keystore.alive(ada.owner_id, "grant")
    answer = ada.presses("/authorize", **carried, **{"confirm-passphrase": PASSPHRASE})
    assert answer.headers["Location"].startswith(bookshop.redirect_uri)
    assert ada.grant()


def test_what_is_not_sensitive_is_not_asked_about(ada: Ada, bookshop: Bookshop, clock: Clock):
    ada.buys("The Salt Almanac")
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    page = ada.sees_consent(bookshop.asks().authorize_url)
    clock.passes(minutes=6)
    assert page.answers("yes").headers["Location"].startswith(bookshop.redirect_uri)


def test_saying_no_is_never_asked_about(ada: Ada, bookshop: Bookshop, clock: Clock):
    ada.keeps(Address(street="Oudegracht 1", city="Utrecht"))
    page = ada.sees_consent(bookshop.asks(ADDRESS).authorize_url)
    clock.passes(minutes=6)
    assert "access_denied" in page.refuses()


def test_a_gift_shown_by_a_link_asks_again_and_its_passphrase_never_stands_in_the_page(ada: Ada, clock: Clock):
    gift = ada.buys("The Lantern Year", for_whom="gift", recipient="Bram")
    form = {"record": str(gift.number), "field": "purchases/item", "gift": str(gift.number), "label": "Bram"}
    form |= {"days": "7", "views": "any", "asks": "yes"}
    seen = ada.presses("/sharing/links/new", 200, **form).text
    clock.passes(minutes=6)
    asked = ada.presses(
        "/sharing/links/make", 403, **hidden_in(seen), answer="make", passphrase="four blue owls at noon"
    )
    assert ASKED in asked.text
    assert "owls" not in asked.text
    carried = hidden_in(asked.text)
    typed_again = ada.presses("/sharing/links/make", 422, **carried, **{"confirm-passphrase": PASSPHRASE}).text
    assert "Lantern" in typed_again
    made = ada.presses("/sharing/links/make", 200, **hidden_in(typed_again), passphrase="four blue owls at noon")
    assert "/s/vrm_sl_" in made.text


# How long it stays open.


def test_she_chooses_after_how_long_it_locks_and_that_holds_at_once(ada: Ada, clock: Clock):
    other, _vault = sessions.begin(ada.house, ada.vault.keyring)
    ada.presses("/security/quiet", quiet="5")
    assert "5 quiet minutes" in ada.looks_at("/")
    clock.passes(minutes=5)
    ada.looks_at("/", 303)
    assert ada.app.test_client().get("/").status_code == 303
    with pytest.raises(Locked):
        sessions.open_session(ada.house, other)
    ada.browser.set_cookie("vault", sessions.begin(ada.house, ada.vault.keyring)[0], domain="localhost")
    ada.presses("/security/quiet", quiet="60")
    clock.passes(minutes=59)
    assert ada.looks_at("/")
    ada.presses("/security/quiet", 404, quiet="6000", **{"confirm-passphrase": PASSPHRASE})


def test_a_session_that_ran_out_stays_ended_when_she_chooses_a_longer_time(ada: Ada, clock: Clock):
    left_open, _vault = sessions.begin(ada.house, ada.vault.keyring)
    clock.passes(minutes=16)
    ada.unlocks()
    ada.presses("/security/quiet", quiet="60")
    with pytest.raises(Locked):
        sessions.open_session(ada.house, left_open)


def test_to_look_how_long_is_left_does_not_keep_it_open_and_to_stay_does(ada: Ada, clock: Clock):
    page = ada.looks_at("/")
    assert re.search(r'id="idle" hidden data-left="900"', page)
    clock.passes(minutes=14)
    assert ada.browser.get("/session/left").get_json() == {"left": 60}
    clock.passes(seconds=50)
    assert ada.browser.get("/session/left").get_json() == {"left": 10}
    ada.presses("/session/stay")
    assert ada.browser.get("/session/left").get_json() == {"left": 900}
    clock.passes(minutes=15)
    assert ada.browser.get("/session/left").get_json() == {"left": 0}
    assert ada.app.test_client().get("/session/left").get_json() == {"left": 0}


def test_a_longer_quiet_time_is_no_longer_than_what_is_left_of_twelve_hours(ada: Ada, clock: Clock):
    ada.presses("/security/quiet", quiet="60")
    for _ in range(13):
        clock.passes(minutes=55)
        ada.looks_at("/notes")
    ada.presses("/security/quiet", quiet="60", **{"confirm-passphrase": PASSPHRASE})
    assert ada.browser.get("/session/left").get_json() == {"left": 300}
    assert [each.ends_at - ada.house.now for each in sessions.living(ada.open)] == [300]


def test_the_worker_ends_what_ran_out_although_nobody_came_back(ada: Ada, clock: Clock):
    clock.passes(minutes=16)
    tick(ada.house, sweep=True)
    assert not ada.house.keystore.alive(ada.owner_id, "session")


def test_showing_that_it_is_she_while_her_keys_are_changed_elsewhere_ends_in_a_closed_vault(ada: Ada, clock: Clock):
    """Her lock's row is gone, its pepper not yet: where changing her keys stands between its two steps."""
    clock.passes(minutes=6)
    vault = ada.open
    with ada.house.main.transaction() as session:
        session.execute(delete(Lock).where(Lock.lock_id == vault.session_id))
    with pytest.raises(Locked):
        sessions.prove(vault, ada.session)


def test_a_clock_that_is_set_back_keeps_nothing_fresh(ada: Ada, clock: Clock):
    clock.passes(days=1)
    ada.unlocks()
    clock.passes(hours=-23)
    assert ASKED in ada.presses("/security/quiet", 403).text


@pytest.mark.parametrize("digits", ["9223372036854775808", "9" * 18, "9" * 5000])
def test_a_number_that_no_record_can_have_is_the_number_of_nothing(ada: Ada, digits: str):
    """2⁶³ and more: no database could hold it, and some digits are more than Python reads."""
    rules = [rule for rule in ada.app.url_map.iter_rules() if "<int:" in rule.rule]
    assert len(rules) > 10
    for rule in rules:
        path = re.sub(r"<int:\w+>", digits, rule.rule).replace("<any(", "").partition("):collection>")
        address = f"/{path[0].strip('/').split(',')[0]}{path[2]}" if path[1] else path[0]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = ada.browser.open(address, method=method, headers={"Sec-Fetch-Site": "same-origin"})
            assert answer.status_code in (404, 422), (method, address[:60], answer.status_code)
    for query in (
        "purchases?after=2026_",
        "search?q=a&after=0_",
        "activity?after=",
        "notes/new?about=",
        "insights?product=",
    ):
        assert ada.browser.get(f"/{query}{digits}").status_code == 200
