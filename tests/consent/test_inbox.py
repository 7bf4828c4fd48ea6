"""What a vendor leaves waits, sealed, until she decides; and the vendor learns no more than how she decided. N90."""

from __future__ import annotations

import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from consent import deposits, inbox, segments, views
from tests.houses import everything_kept, raw
from tests.people import ISSUER, PURCHASES, RECEIPTS, Ada, Bookshop, Clock, details
from vault import merging, store
from vault.collections.purchases import Purchase
from vault.collections.vendors import Vendor
from vault.values import Money, When

LEFT = {"item": "The Weathervane", "bought_on": "2026-11-20", "price": {"amount": "21.00", "currency": "EUR"}}


@pytest.fixture
def tokens(ada: Ada, bookshop: Bookshop) -> dict[str, Any]:
    """The Bookshop may leave receipts, and see nothing."""
    ada.buys("The Salt Almanac")
    return bookshop.tokens("item-0", authorization_details=details(RECEIPTS))


@pytest.fixture
def token(tokens: dict[str, Any]) -> str:
    """Its access token."""
    return str(tokens["access_token"])


def waiting(ada: Ada) -> list[inbox.Waiting]:
    with ada.house.main.reading() as session:
        return inbox.waiting(session, ada.open, limit=100)


def purchases(ada: Ada) -> dict[str, Purchase]:
    numbers = [each.number for each in ada.open.catalogue.entries("collection = 'purchases'")]
    with ada.house.main.reading() as session:
        return {each.record.name(): each.record for each in store.read_many(session, ada.vault, numbers)}  # type: ignore[misc]


def decides(ada: Ada, what: str, **form: str) -> None:
    (left,) = waiting(ada)
    ada.presses(f"/inbox/{left.deposit_id.hex()}/{what}", **form)


def status(shop: Bookshop, token: str, deposit: str) -> Any:
    return shop.looks(f"/vendor/v1/deposits/{deposit}", token).json().get("status")


def test_n90_who_may_only_leave_things_reads_nothing_not_even_what_it_left(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    """N90: and its grant says so on every page."""
    made = bookshop.leaves(token, LEFT)
    assert made.status_code == 202
    assert made.json().keys() == {"deposit", "status", "access"}
    for path in ("purchases", "profile", "notes"):
        assert bookshop.looks(f"/vendor/v1/{path}", token).json()["code"] == "not_granted", path
    answer = bookshop.looks(f"/vendor/v1/deposits/{made.json()['deposit']}", token)
    assert answer.json()["status"] == "waiting"
    assert "Weathervane" not in answer.text
    (granted,) = bookshop.looks("/vendor/v1/grant", token).json()["authorization_details"]
    assert (granted["type"], granted["per_day"]) == ("vault_deposit", 20)
    assert "It can see nothing, and may leave things in your inbox" in ada.looks_at(f"/sharing/{ada.grant()}")


def test_it_is_sealed_while_the_vault_is_locked_and_nothing_of_it_stands_in_a_file(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    ada.locks()
    assert bookshop.leaves(token, LEFT).status_code == 202
    assert b"Weathervane" not in everything_kept(ada.house)
    ada.unlocks()
    assert "1 thing waits in your inbox" in ada.looks_at("/")
    page = ada.looks_at("/inbox")
    for words in ("The Weathervane", "€21.00", "20 November 2026", "Bookshop left you a purchase"):
        assert words in page, words


def test_what_waits_stands_in_the_order_in_which_it_was_left(
    ada: Ada, bookshop: Bookshop, token: str, clock: Clock
) -> None:
    items = ["Weathervane", "Lantern", "Almanac", "Moss", "Tides", "Kettle"]
    for item in items:
        assert bookshop.leaves(token, {**LEFT, "item": item}, under=item).status_code == 202
        clock.passes(seconds=1)
    assert [each.data["item"] for each in waiting(ada)] == items


def test_nothing_of_it_is_hers_before_she_keeps_it_and_where_it_came_from_stays(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    deposit = bookshop.leaves(token, LEFT).json()["deposit"]
    assert set(purchases(ada)) == {"The Salt Almanac"}
    decides(ada, "keep")
    kept = purchases(ada)["The Weathervane"]
    assert kept.price == Money("21.00", "EUR")
    assert kept.bought_on == When("2026-11-20")
    assert kept.vendor == ada.bookshop_number
    assert waiting(ada) == []
    assert status(bookshop, token, deposit) == "accepted"
    (entry,) = [each for each in ada.open.catalogue.entries("collection = 'purchases'") if "Weather" in each.title]
    page = ada.looks_at(f"/purchases/{entry.number}")
    assert "Bookshop, who left it in your inbox" in page


def test_what_was_left_by_a_vendor_that_has_become_a_part_of_another_is_the_others(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    bookshop.leaves(token, LEFT)
    other = ada.keeps(Vendor(called="Book Shop Ltd"))
    with store.writing(ada.open) as turn:
        merging.merge(turn, ada.open, other.number, ada.bookshop_number)
    decides(ada, "keep")
    assert purchases(ada)["The Weathervane"].vendor == other.number


def test_what_was_left_is_kept_though_what_she_knows_of_the_vendor_is_damaged(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    bookshop.leaves(token, LEFT)
    with raw(ada.house.main) as say:
        say("UPDATE records SET box = ? WHERE number = ?", b"spoilt", ada.bookshop_number)
    decides(ada, "keep")
    assert purchases(ada)["The Weathervane"].vendor is None


def test_what_she_keeps_is_seen_by_whoever_may_see_such_things(ada: Ada, bookshop: Bookshop) -> None:
    tokens = bookshop.tokens("item-1", authorization_details=details(PURCHASES, RECEIPTS))
    bookshop.leaves(tokens["access_token"], LEFT)
    assert bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).json()["items"] == []
    decides(ada, "keep")
    (shown,) = bookshop.looks("/vendor/v1/purchases", tokens["access_token"]).json()["items"]
    assert shown["data"]["item"] == "The Weathervane"


def test_she_changes_it_first_and_its_own_words_stay_beneath(ada: Ada, bookshop: Bookshop, token: str) -> None:
    bookshop.leaves(token, LEFT)
    (left,) = waiting(ada)
    path = f"/inbox/{left.deposit_id.hex()}/change"
    page = ada.looks_at(path)
    assert 'value="The Weathervane"' in page
    form = {"item": "The Weathervane", "bought_on": "2026-11-20", "price-amount": "21,00", "price-currency": "EUR"}
    refused = ada.presses(path, status=422, **{**form, "bought_on": "yesterday"})
    assert "Nothing was saved yet" in refused.text
    ada.presses(path, **form, vendor=str(ada.bookshop_number), for_whom="gift", gift_note="for Maren")
    (entry,) = [each for each in ada.open.catalogue.entries("collection = 'purchases'") if "Weather" in each.title]
    with ada.house.main.reading() as session:
        stored = store.read(session, ada.vault, entry.number)
    assert stored.source == {**LEFT, "vendor": ada.bookshop_number}
    assert stored.edits == {"for_whom": "gift", "gift_note": "for Maren"}
    assert stored.origin["deposit"] == "Bookshop"


def test_what_she_does_not_keep_is_gone(ada: Ada, bookshop: Bookshop, token: str) -> None:
    deposit = bookshop.leaves(token, LEFT).json()["deposit"]
    decides(ada, "drop")
    assert status(bookshop, token, deposit) == "rejected"
    assert set(purchases(ada)) == {"The Salt Almanac"}
    with raw(ada.house.main) as say:
        assert say("SELECT box FROM deposits") == [(None,)]


def test_each_is_decided_once(ada: Ada, bookshop: Bookshop, token: str) -> None:
    bookshop.leaves(token, LEFT)
    (left,) = waiting(ada)
    path = f"/inbox/{left.deposit_id.hex()}"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: _press(ada, f"{path}/{'keep' if n % 2 else 'drop'}"), range(8)))
    assert sorted(answers).count(303) == 1, answers
    assert set(answers) == {303, 404}
    assert len(purchases(ada)) in {1, 2}


def _press(ada: Ada, path: str) -> int:
    browser = ada.app.test_client()
    browser.set_cookie("vault", ada.session, domain="localhost")
    return browser.post(path, headers={"Sec-Fetch-Site": "same-origin"}).status_code


def test_taking_nothing_more_drops_what_waits_and_the_permission_with_it(
    ada: Ada, bookshop: Bookshop, tokens: dict[str, Any]
) -> None:
    deposit = bookshop.leaves(tokens["access_token"], LEFT).json()["deposit"]
    ada.presses(f"/inbox/from/{tokens['grant_id']}/block")
    assert waiting(ada) == []
    assert bookshop.leaves(tokens["access_token"], LEFT, under="2").status_code == 401
    assert deposit
    both = bookshop.tokens("item-1", authorization_details=details(PURCHASES, RECEIPTS))
    bookshop.leaves(both["access_token"], LEFT)
    ada.presses(f"/inbox/from/{both['grant_id']}/block")
    assert bookshop.leaves(both["access_token"], LEFT, under="2").json()["code"] == "not_granted"
    assert bookshop.looks("/vendor/v1/purchases", both["access_token"]).status_code == 200
    assert waiting(ada) == []


def test_what_was_left_before_the_end_still_waits_after_it(ada: Ada, bookshop: Bookshop, token: str) -> None:
    bookshop.leaves(token, LEFT)
    ada.presses(f"/sharing/{ada.grant()}/stop")
    decides(ada, "keep")
    assert "The Weathervane" in purchases(ada)


def test_the_same_key_again_is_answered_the_same_and_changes_nothing(ada: Ada, bookshop: Bookshop, token: str) -> None:
    first = bookshop.leaves(token, LEFT).json()
    again = bookshop.leaves(token, dict(reversed(LEFT.items()))).json()
    assert (again["deposit"], again["status"]) == (first["deposit"], "waiting")
    other = bookshop.leaves(token, {**LEFT, "item": "Another"})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert len(waiting(ada)) == 1
    decides(ada, "drop")
    assert bookshop.leaves(token, LEFT).json()["status"] == "rejected"
    assert waiting(ada) == []


def test_sixteen_at_once_under_one_key_leave_one(ada: Ada, bookshop: Bookshop, token: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: bookshop.leaves(token, LEFT).status_code, range(16)))
    assert set(answers) <= {202, 503}
    assert 202 in answers
    assert len(waiting(ada)) == 1


NOTES = RECEIPTS | {"collection": "notes", "fields": ["heading", "text"]}


def test_what_the_screen_says_of_a_day_holds_for_all_that_is_left_together(ada: Ada, bookshop: Bookshop) -> None:
    both = details({**RECEIPTS, "per_day": 2}, {**NOTES, "per_day": 2})
    token = bookshop.tokens("item-0", "item-1", authorization_details=both)["access_token"]
    assert bookshop.leaves(token, LEFT, under="1").status_code == 202
    note = {"heading": "Sale", "text": "Everything must go."}
    answers = [bookshop.leaves(token, note, under=each, collection="notes").status_code for each in "23"]
    assert answers == [202, 429]


def test_two_things_to_leave_say_one_number_a_day(bookshop: Bookshop) -> None:
    pushed = bookshop.pushes(authorization_details=details({**RECEIPTS, "per_day": 2}, {**NOTES, "per_day": 3}))
    assert pushed.json()["error"] == "invalid_authorization_details"
    assert "per_day" in pushed.json()["error_description"]


def test_a_days_quota_and_a_full_inbox(
    ada: Ada, bookshop: Bookshop, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = bookshop.tokens("item-0", authorization_details=details({**RECEIPTS, "per_day": 2}))
    token = tokens["access_token"]
    answers = [bookshop.leaves(token, LEFT, under=str(n)) for n in range(3)]
    assert [each.status_code for each in answers] == [202, 202, 429]
    assert answers[2].json()["code"] == "over_limit"
    left = [each.headers["RateLimit"].partition(";t")[0] for each in answers]
    assert left == ['"deposit-today";r=1', '"deposit-today";r=0', '"deposit-today";r=0']
    clock.passes(seconds=int(answers[2].headers["Retry-After"]))
    token = bookshop.refreshes(tokens["refresh_token"]).json()["access_token"]
    assert bookshop.leaves(token, LEFT, under="2").status_code == 202
    monkeypatch.setattr(deposits, "MOST_WAITING", 3)
    full = bookshop.leaves(token, LEFT, under="3")
    assert (full.status_code, full.json()["code"]) == (429, "over_limit")
    ada.unlocks()
    assert len(waiting(ada)) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b"[" * 5000,
        gzip.compress(b"{" + b" " * 1_000_000 + b"}", mtime=0),
        {"item": "x"},
        {**LEFT, "bought_on": "yesterday"},
        {**LEFT, "price": "21.00"},
        {**LEFT, "item": ""},
        {**LEFT, "item": None},
        {**LEFT, "item": "x" * 501},
        {**LEFT, "note": "a field that was not granted"},
        {**LEFT, "for_whom": "gift"},
        {**LEFT, "vendor": 2},
        {**LEFT, "number": 1},
    ],
    ids=lambda wrong: str(wrong)[:60],
)
def test_what_cannot_be_a_record_is_refused_and_the_answer_says_which_field(
    ada: Ada, bookshop: Bookshop, token: str, wrong: Any
) -> None:
    answer = bookshop.leaves(token, wrong)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["detail"]
    assert waiting(ada) == []


def test_without_a_key_too_large_paused_or_by_a_stranger_nothing_is_left(
    ada: Ada, bookshop: Bookshop, coffee: Bookshop, tokens: dict[str, Any]
) -> None:
    token, path = tokens["access_token"], f"{ISSUER}/vendor/v1/deposits/purchases"
    for key in ("", "x" * 256, "a\tb"):
        assert bookshop.leaves(token, LEFT, under=key).json()["code"] == "invalid"
    assert bookshop.leaves(token, {**LEFT, "item": "x" * 20_000}).status_code == 413
    proof = bookshop.proves("POST", path, token=token)
    assert bookshop.leaves(token, LEFT, proof=proof).status_code == 202
    assert bookshop.leaves(token, LEFT, under="2", proof=proof).json()["code"] == "invalid_dpop_proof"
    assert bookshop.leaves(token, LEFT, under="3", key=coffee.key).json()["code"] == "invalid_dpop_proof"
    assert bookshop.leaves(token, LEFT, under="4", collection="notes").json()["code"] == "not_granted"
    assert bookshop.leaves(token, LEFT, under="5", collection="nothing").status_code == 404
    ada.presses(f"/sharing/{tokens['grant_id']}/pause")
    assert bookshop.leaves(token, LEFT, under="6").json()["code"] == "paused"
    assert len(waiting(ada)) == 1


def test_n82_a_deposit_of_another_grant_is_not_found(ada: Ada, bookshop: Bookshop, coffee: Bookshop) -> None:
    """N82: nor is one that never was."""
    mine = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))["access_token"]
    theirs = coffee.tokens("item-0", authorization_details=details(RECEIPTS))["access_token"]
    deposit = bookshop.leaves(mine, LEFT).json()["deposit"]
    for asked in (deposit, "00" * 16, "nonsense"):
        assert coffee.looks(f"/vendor/v1/deposits/{asked}", theirs).status_code == 404, asked
    assert coffee.leaves(theirs, LEFT).json()["deposit"] != deposit


def test_every_deposit_is_in_her_log_without_a_value(ada: Ada, bookshop: Bookshop, token: str) -> None:
    bookshop.leaves(token, LEFT)
    bookshop.leaves(token, LEFT)
    bookshop.leaves(token, {"item": "The Weathervane"}, under="2")
    with ada.house.main.reading() as session:
        view = views.read(session, ada.vault, bytes.fromhex(ada.grant()))
    said = list(segments.entries(ada.vault, {view.grant_id: view.terms.log_key}))
    assert [each.outcome for each in said] == ["invalid", "left again", "left"]
    assert said[0].what == {"purchases": RECEIPTS["fields"]}
    page = ada.looks_at("/activity")
    assert "Left in your inbox" in page
    assert "Weathervane" not in page
    assert "Left in your inbox" in ada.looks_at("/activity?outcome=allowed")
    assert "Left in your inbox" not in ada.looks_at("/activity?outcome=refused"), "she let it, so it is no refusal"


def test_a_damaged_deposit_can_only_be_dropped(ada: Ada, bookshop: Bookshop, token: str) -> None:
    bookshop.leaves(token, LEFT)
    with raw(ada.house.main) as say:
        ((box,),) = say("SELECT box FROM deposits")
        say("UPDATE deposits SET box = ?", box[:-1] + bytes([box[-1] ^ 1]))
    page = ada.looks_at("/inbox")
    assert "This does not open" in page
    assert "Keep it" not in re.sub(r"Don’t keep it", "", page)
    (left,) = waiting(ada)
    ada.presses(f"/inbox/{left.deposit_id.hex()}/keep", status=404)
    decides(ada, "drop")


def test_whoever_writes_the_database_cannot_have_things_sealed_to_himself(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    with raw(ada.house.main) as say:
        ((box,),) = say("SELECT inbox_box FROM owners")
        say("UPDATE owners SET inbox_box = ?", box[:-1] + bytes([box[-1] ^ 1]))
    assert bookshop.leaves(token, LEFT).status_code == 500
    assert waiting(ada) == []


def test_a_vault_from_before_there_were_inboxes_gets_one_at_the_next_unlock(ada: Ada, bookshop: Bookshop) -> None:
    with raw(ada.house.main) as say:
        say("UPDATE owners SET inbox_box = NULL")
        say("DELETE FROM keys WHERE purpose = 'inbox'")
    ada.unlocks()
    token = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))["access_token"]
    assert bookshop.leaves(token, LEFT).status_code == 202
    decides(ada, "keep")
    assert "The Weathervane" in purchases(ada)


@pytest.mark.parametrize(
    "wrong",
    [
        {"collection": "profile"},
        {"collection": "vendors"},
        {"fields": ["item"]},
        {"fields": ["item", "bought_on", "note"]},
        {"fields": ["item", "bought_on", "vendor"]},
        {"fields": ["item", "bought_on", "item"]},
        {"actions": ["read"]},
        {"per_day": 0},
        {"per_day": 201},
        {"filter": {"vendor": "this"}},
        {"optional_fields": ["price"]},
        {"looks": 1},
    ],
    ids=str,
)
def test_a_request_to_leave_what_cannot_be_left_is_refused(bookshop: Bookshop, wrong: dict[str, Any]) -> None:
    pushed = bookshop.pushes(authorization_details=details({**RECEIPTS, **wrong}))
    assert pushed.json()["error"] == "invalid_authorization_details"


def test_one_item_to_leave_things_for_each_collection(bookshop: Bookshop) -> None:
    pushed = bookshop.pushes(authorization_details=details(RECEIPTS, RECEIPTS))
    assert pushed.json()["error"] == "invalid_authorization_details"
