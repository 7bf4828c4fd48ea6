"""What a grant does not give, and when nobody holds it any more: N80-N82, N87-N89."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import func, select, text

from consent import asking, grants, receipt_rows, segments, sweeping, tokens, views
from consent.models import Disclosure, Grant, GrantLock
from tests.people import PURCHASES, TASTE, Ada, Bookshop, Clock, details
from vault import choices, sessions, set_up
from vault.collections.preferences import Preference
from vault.collections.vendors import Vendor
from vault.turn import settle
from vault.worker import tick


def living(ada: Ada) -> list[str]:
    """Grants that stand, by the keystore."""
    return [grant.hex() for grant in ada.house.keystore.alive(ada.owner_id, "grant")]


def cause(ada: Ada, grant: str) -> str | None:
    """Why it ended, as main says."""
    with ada.house.main.reading() as session:
        return session.scalar(select(Grant.cause).where(Grant.grant_id == bytes.fromhex(grant)))


def test_n80_only_what_was_given_can_be_read_and_the_attempt_is_logged(ada: Ada, bookshop: Bookshop) -> None:
    """N80 (ASVS 10.3.2): other fields, other rows, other collections."""
    elsewhere = ada.keeps(Vendor(called="Halden Optics"))
    ada.buys("The Salt Almanac", note="for the lamp", rating=4)
    ada.buys("Reading glasses", vendor=elsewhere.number)
    ada.buys("An old atlas", on="2024-03-01")
    ada.keeps(Preference(topic="maps", stance="like"))
    token = bookshop.tokens()["access_token"]
    whole = "/vendor/v1/purchases"
    for more in ("", "?fields=item,price,note", "?filter=all", "?vendor=2&since=1990-01-01", "?include=gifts"):
        shown = bookshop.looks(whole + more, token).json()["items"]
        assert [each["data"] for each in shown] == [{"item": "The Salt Almanac", "bought_on": "2026-10-22"}], more
    for other in ("preferences", "profile", "vendors", "notes"):
        refused = bookshop.looks(f"/vendor/v1/{other}", token)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_granted"), other
        assert "maps" not in refused.text
    with ada.house.main.reading() as session:
        view = views.read(session, ada.vault, bytes.fromhex(ada.grant()))
    said = list(segments.entries(ada.vault, {view.grant_id: view.terms.log_key}))
    assert {(each.outcome, *each.what) for each in said[:4]} == {
        ("not_granted", other) for other in ("preferences", "profile", "vendors", "notes")
    }


def test_n81_the_answer_tells_what_was_granted_and_not_what_was_asked(ada: Ada, bookshop: Bookshop) -> None:
    """N81 (RFC 9396 §7): an item left out, optional fields not ticked, a shorter time."""
    ada.buys("The Salt Almanac")
    asked = details(PURCHASES, {**TASTE, "optional": True, "without": "We guess."})
    held = bookshop.tokens(authorization_details=asked)
    (granted,) = held["authorization_details"]
    assert (granted["collection"], granted["fields"]) == ("purchases", ["item", "bought_on"])
    assert "optional_fields" not in granted or granted["optional_fields"] == []
    assert bookshop.looks("/vendor/v1/grant", held["access_token"]).json()["authorization_details"] == [granted]


def test_n81_after_a_narrowing_every_answer_tells_what_is_left(ada: Ada, bookshop: Bookshop) -> None:
    """N81: the refresh too, so that a vendor learns it without asking."""
    ada.buys("The Salt Almanac")
    held = bookshop.tokens("item-1", authorization_details=details(PURCHASES, TASTE))
    assert [each["collection"] for each in held["authorization_details"]] == ["purchases", "preferences"]
    ada.presses(f"/sharing/{held['grant_id']}/less", item="1")
    fresh = bookshop.refreshes(held["refresh_token"]).json()
    assert [each["collection"] for each in fresh["authorization_details"]] == ["purchases"]
    for token in (held["access_token"], fresh["access_token"]):
        shown = bookshop.looks("/vendor/v1/grant", token).json()["authorization_details"]
        assert shown == fresh["authorization_details"]
        assert bookshop.looks("/vendor/v1/preferences", token).status_code == 403


def test_n82_numbers_and_ids_of_another_owner_lead_nowhere(ada: Ada, bookshop: Bookshop) -> None:
    """N82: on her pages everything is found among what is hers, so that a guess looks like a mistake."""
    bought = ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    words = "a kite, a kettle, a coat"
    keyring = set_up.set_up(ada.house, handle="bram", name="Bram", passphrase=words, notice=None, first=False)
    choices.keep(sessions.for_command(ada.house, keyring), {"recovery": None})
    bram, grant = Ada(ada.house, words, keyring), held["grant_id"]
    before = ada.looks_at(f"/sharing/{grant}")
    bram.looks_at(f"/sharing/{grant}", 404)
    for verb, form in (("pause", {}), ("resume", {}), ("stop", {}), ("less", {"item": "0"}), ("sooner", {"days": "1"})):
        bram.presses(f"/sharing/{grant}/{verb}", status=404, **form)
    bram.presses(f"/sharing/{grant}/link", status=404)
    bram.presses("/sharing/stop-all")
    bram.presses("/sharing/pause-all")
    for path in (f"/purchases/{bought.number}", f"/purchases/{bought.number}/edit"):
        assert "Almanac" not in bram.browser.get(path).text
    bram.presses(f"/purchases/{bought.number}/remove", status=404)
    assert "Almanac" not in bram.looks_at("/activity") + bram.looks_at("/sharing") + bram.looks_at("/purchases")
    assert ada.looks_at(f"/sharing/{grant}") == before
    assert bookshop.looks("/vendor/v1/purchases", held["access_token"]).json()["items"]


def test_n82_a_place_in_one_vendors_list_is_no_place_in_anothers(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop
) -> None:
    """N82: `after` and `ref` of another grant show nothing of it."""
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    page = bookshop.looks("/vendor/v1/purchases", held["access_token"]).json()
    theirs = coffee.tokens()["access_token"]
    for asked in (f"?after={page['next']}", f"?ref={page['items'][0]['ref']}", f"/{page['items'][0]['ref']}"):
        answer = coffee.looks(f"/vendor/v1/purchases{asked}", theirs)
        assert answer.status_code in {200, 404, 410}, asked
        assert "Almanac" not in answer.text


def test_n87_whoever_knows_the_id_of_a_grant_knows_nothing_more(ada: Ada, bookshop: Bookshop) -> None:
    """N87: not to read it, not to see it, not to end it."""
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    grant, stranger = held["grant_id"], ada.app.test_client()
    for token in (grant, f"vrm_at_{grant}", held["access_token"][:-8] + "AAAAAAAA"):
        assert bookshop.looks("/vendor/v1/grant", token).status_code == 401
    for method, path in (
        ("GET", f"/sharing/{grant}"),
        ("POST", f"/sharing/{grant}/stop"),
        ("POST", f"/sharing/{grant}/pause"),
        ("POST", f"/sharing/{grant}/link"),
        ("POST", f"/r/{grant}"),
        ("POST", f"/r/vrm_rv_{grant}"),
    ):
        answer = stranger.open(path, method=method, data={"answer": "stop"}, headers={"Sec-Fetch-Site": "same-origin"})
        assert "Almanac" not in answer.text, path
    assert bookshop.posts("/oauth/revoke", {"token": grant}).status_code == 200
    assert living(ada) == [grant]
    assert bookshop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200


@pytest.mark.parametrize("kind", ["code", "refresh"])
def test_n88_what_was_opened_before_she_stopped_mints_nothing_after(ada: Ada, bookshop: Bookshop, kind: str) -> None:
    """N88, in the one order that hurts: the string has opened, she stops it, and only then it comes to minting."""
    ada.buys("The Salt Almanac")
    string = bookshop.code() if kind == "code" else bookshop.tokens()["refresh_token"]
    grant = bytes.fromhex(ada.grant())
    under_way = tokens.open_credential(ada.house, string, "code" if kind == "code" else "refresh")
    assert under_way is not None
    grants.end(ada.house, ada.owner_id, grant, "revoked")
    mints = tokens.exchange if kind == "code" else tokens.refresh
    assert mints(ada.house, under_way, jkt=bookshop.key.thumbprint()) is None
    with ada.house.main.reading() as session:
        for rows in (GrantLock, Disclosure):
            assert session.scalar(select(func.count()).select_from(rows).where(rows.grant_id == grant)) == 0
    assert (living(ada), cause(ada, grant.hex())) == ([], "revoked")


@pytest.mark.parametrize("turn", range(3))
def test_n88_a_revocation_among_refreshes_leaves_no_key_behind(ada: Ada, bookshop: Bookshop, turn: int) -> None:
    """N88: whoever comes first, afterwards there is no lock, no row and no pepper."""
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    grant, answers, start = bytes.fromhex(held["grant_id"]), list[Any](), threading.Barrier(5)

    def refreshes() -> None:
        start.wait()
        answers.extend(bookshop.refreshes(held["refresh_token"]) for _ in range(4))

    def revokes() -> None:
        start.wait()
        grants.end(ada.house, ada.owner_id, grant, "revoked")

    threads = [threading.Thread(target=each) for each in [refreshes] * 4 + [revokes]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 400}
    with ada.house.main.reading() as session:
        for kind in (GrantLock, Disclosure):
            mine = select(func.count()).select_from(kind).where(kind.grant_id == grant)
            assert session.scalar(mine) == 0
    assert living(ada) == []
    given = [answer.json()["access_token"] for answer in answers if answer.status_code == 200]
    assert {bookshop.looks("/vendor/v1/purchases", each).status_code for each in given} <= {401}


def test_n89_what_the_vendor_never_fetched_is_ended(ada: Ada, bookshop: Bookshop) -> None:
    """N89: a code that ran out opens nothing, so nobody can ever see what she allowed; her page says so."""
    ada.buys("The Salt Almanac")
    code, (grant,) = bookshop.code(), living(ada)
    ada.house.clock.passes(seconds=61)
    sweeping.sweep(ada.house)
    assert living(ada) == [grant], "an exchange that began in time may still be under way"
    ada.house.clock.passes(seconds=sweeping.SLACK)
    sweeping.sweep(ada.house)
    assert (living(ada), cause(ada, grant)) == ([], "unused")
    assert "the vendor holds no key to it" in ada.looks_at("/sharing")
    assert bookshop.redeems(code).json()["error"] == "invalid_grant"


def test_n89_tokens_that_were_given_back_end_it_and_a_refresh_token_keeps_it(ada: Ada, bookshop: Bookshop) -> None:
    """N89 (RFC 7009): an access token that ran out is nothing unusual; without a refresh token it is the end."""
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    ada.house.clock.passes(minutes=30)
    sweeping.sweep(ada.house)
    assert living(ada) == [held["grant_id"]]
    ada.presses(f"/sharing/{held['grant_id']}/pause")
    sweeping.sweep(ada.house)
    assert living(ada) == [held["grant_id"]]
    assert bookshop.posts("/oauth/revoke", {"token": held["refresh_token"]}).status_code == 200
    sweeping.sweep(ada.house)
    assert (living(ada), cause(ada, held["grant_id"])) == ([], "unused")


@pytest.mark.parametrize("days", [30, 40])
def test_what_ran_out_is_said_to_have_run_out_on_its_day_whenever_the_worker_comes(
    ada: Ada, bookshop: Bookshop, clock: Clock, days: int
) -> None:
    """Its job is due up to five minutes after its end, when the sweep has found that nobody holds a key; or the server
    was off for ten days."""
    ada.buys("The Salt Almanac")
    clock.passes(seconds=1)
    grants = [bookshop.tokens()["grant_id"]]
    clock.passes(days=days - 1)
    if days == 30:
        ada.unlocks()
        ada.shares(ada.buys("The Weathervane"), days="1")
        grants = living(ada)
    clock.passes(days=1)
    for _round in range(6):
        clock.passes(seconds=60)
        tick(ada.house, sweep=True)
    ada.unlocks()
    assert (living(ada), {cause(ada, grant) for grant in grants}) == ([], {"expired"})
    assert "Time ran out, 22 December 2026" in ada.looks_at("/sharing")
    with ada.house.main.reading() as session:
        said = [kept.said for kept in receipt_rows.of_grant(session, ada.vault, bytes.fromhex(grants[0]))]
    given, ended = ((each or {})["event"][0] for each in said)
    assert (ended["event"], ended["event_time"]) == ("expired", given["valid_until"])


def test_she_lets_it_end_sooner_and_never_later(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    grant = held["grant_id"]
    page = ada.looks_at(f"/sharing/{grant}")
    assert [days for days in (1, 7, 30, 90) if f'name="days" value="{days}"' in page] == [1, 7]
    for days in ("30", "365", "0", "-1", "seven", ""):
        ada.presses(f"/sharing/{grant}/sooner", status=404, days=days)
    assert bookshop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200
    ada.presses(f"/sharing/{grant}/sooner", days="7")
    assert "29 November 2026" in ada.looks_at(f"/sharing/{grant}")
    shown = bookshop.looks("/vendor/v1/grant", held["access_token"]).json()
    assert (shown["until"], shown["authorization_details"][0]["until"]) == ("2026-11-29", "2026-11-29")
    ada.presses(f"/sharing/{grant}/sooner", status=404, days="30")
    ada.house.clock.passes(days=7, seconds=-61)
    fresh = bookshop.refreshes(held["refresh_token"]).json()
    assert fresh["expires_in"] <= 61
    ada.house.clock.passes(seconds=61)
    assert bookshop.looks("/vendor/v1/purchases", fresh["access_token"]).status_code == 401
    assert bookshop.refreshes(held["refresh_token"]).json()["error"] == "invalid_grant"
    ada.house.clock.passes(minutes=5)
    tick(ada.house, sweep=False)
    assert (living(ada), cause(ada, grant)) == ([], "expired")


def test_a_permission_that_shows_nothing_any_more_has_changed_today(ada: Ada, bookshop: Bookshop) -> None:
    """What is left of it is empty; `as_of` is still the day of its last change."""
    ada.buys("The Salt Almanac")
    ada.lets(bookshop, PURCHASES, TASTE, ticks=("item-1",))
    grant = bytes.fromhex(ada.grant())
    ada.house.clock.passes(days=3)
    ada.unlocks()
    ada.presses(f"/sharing/{grant.hex()}/less", item="0")
    with ada.house.main.reading() as session:
        assert session.scalar(select(Grant.changed_day).where(Grant.grant_id == grant)) == ada.house.now // 86400


def test_a_consent_made_ready_before_an_old_copy_came_back_is_made_ready_anew(
    ada: Ada, bookshop: Bookshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lifted revision is the one it was made ready at, but what she saw is not there any more."""
    bought, make_pepper = ada.buys("The Salt Almanac"), asking.new_pepper
    pending = bookshop.asks(PURCHASES)
    page = ada.sees_consent(pending.authorize_url)

    def an_old_copy_comes_back(*args: Any) -> Any:
        with ada.house.main.transaction() as old:
            old.execute(text("UPDATE owners SET revision = revision - 1, last_record = last_record - 1"))
            old.execute(text("DELETE FROM records WHERE number = :number"), {"number": bought.number})
        settle(ada.house, ada.owner_id)
        return make_pepper(*args)

    monkeypatch.setattr(asking, "new_pepper", an_old_copy_comes_back)
    answer = ada.presses("/authorize", status=409, **page.hidden, answer="yes", days="30")
    assert "Almanac" not in answer.text
    assert living(ada) == []
