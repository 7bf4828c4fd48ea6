"""A vendor reads what her log says of its own calls, and of nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from consent.pages.activity import OUTCOMES as WORDS
from consent.problems import OUTCOMES
from tests.people import ISSUER, Ada, Bookshop, Clock

CALLS = "/vendor/v1/grant/calls"


def said(shop: Bookshop, token: str, query: str = "") -> list[tuple[int, str, str | None]]:
    """Number, outcome and code of what is shown."""
    answer = shop.looks(CALLS + query, token)
    assert answer.status_code == 200, answer.text
    return [(each["number"], each["outcome"], each.get("code")) for each in answer.json()["calls"]]


@pytest.fixture
def token(ada: Ada, bookshop: Bookshop) -> str:
    ada.buys("The Salt Almanac")
    return str(bookshop.tokens()["access_token"])


def test_a_vendor_sees_its_own_calls_the_refused_ones_too_and_no_content(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 200
    assert bookshop.looks("/vendor/v1/notes", token).status_code == 403
    used = bookshop.proves("GET", f"{ISSUER}/vendor/v1/grant", token=token)
    assert bookshop.looks("/vendor/v1/grant", token, proof=used).status_code == 200
    assert bookshop.looks("/vendor/v1/grant", token, proof=used).status_code == 401
    answer = bookshop.looks(CALLS, token)
    calls = answer.json()["calls"]
    assert [(each["number"], each["outcome"], each.get("code"), each["count"]) for each in calls] == [
        (1, "allowed", None, 1),
        (2, "not_granted", "not_granted", 0),
        (3, "allowed", None, 0),
        (4, "replayed proof", "invalid_dpop_proof", 0),
    ]
    assert calls[0]["what"] == {"purchases": ["item", "bought_on"]}
    assert calls[0]["at"] == "2026-11-22T12:00:00Z"
    assert (answer.json()["next"], answer.json()["access"]) == (5, 5)
    assert "Almanac" not in answer.text


def test_asking_is_a_call_like_any_other_and_going_on_shows_nothing_of_it(
    ada: Ada, bookshop: Bookshop, token: str
) -> None:
    first = bookshop.looks(CALLS, token).json()
    assert (first["calls"], first["next"]) == ([], 1)
    assert said(bookshop, token, "?after=1") == []
    assert said(bookshop, token) == [(1, "allowed", None), (2, "allowed", None)]
    assert ada.looks_at("/activity").count("Allowed") >= 3


def test_it_is_read_in_pages_without_a_gap(bookshop: Bookshop, token: str) -> None:
    for _ in range(5):
        bookshop.looks("/vendor/v1/grant", token)
    found, after = [], 0
    while True:
        page = bookshop.looks(f"{CALLS}?after={after}&limit=2", token).json()
        found += [each["number"] for each in page["calls"]]
        if len(page["calls"]) < 2:
            break
        after = page["next"]
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= 5


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "after=-1", "after=x", "limit=٣", "after=١", "after=" + "9" * 19]
)
def test_what_cannot_be_read_is_refused(bookshop: Bookshop, token: str, query: str) -> None:
    answer = bookshop.looks(f"{CALLS}?{query}", token)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_another_client_sees_only_its_own(ada: Ada, bookshop: Bookshop, coffee: Bookshop, token: str) -> None:
    theirs = str(coffee.tokens()["access_token"])
    for _ in range(3):
        bookshop.looks("/vendor/v1/purchases", token)
    assert said(coffee, theirs) == []
    assert len(said(bookshop, token)) == 3
    stolen = coffee.looks(CALLS, token)  # with a proof by the wrong key
    assert (stolen.status_code, stolen.json()["code"]) == (401, "invalid_dpop_proof")
    assert said(bookshop, token)[-1] == (5, "wrong proof", "invalid_dpop_proof")


def test_of_an_ended_or_paused_permission_nothing_is_told(ada: Ada, bookshop: Bookshop, token: str) -> None:
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/pause")
    assert bookshop.looks(CALLS, token).json()["code"] == "paused"
    ada.presses(f"/sharing/{grant}/resume")
    assert said(bookshop, token) == [(1, "paused", "paused")]
    ada.presses(f"/sharing/{grant}/stop")
    assert bookshop.looks(CALLS, token).json()["code"] == "invalid_token"
    assert bookshop.http.get(CALLS).status_code == 401


def test_what_is_older_than_a_week_is_not_shown(bookshop: Bookshop, clock: Clock, ada: Ada) -> None:
    tokens = bookshop.tokens()
    bookshop.looks("/vendor/v1/grant", tokens["access_token"])
    clock.passes(days=7)
    fresh = bookshop.refreshes(tokens["refresh_token"]).json()["access_token"]
    assert said(bookshop, fresh) == []


def test_the_client_library_reads_all_of_it_and_leaves_its_reading_out(
    ada: Ada, bookshop: Bookshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.buys("The Salt Almanac")
    connection = ada.lets(bookshop)
    for _ in range(4):
        connection.grant()
    for module in ("connection", "own_calls"):
        monkeypatch.setattr(f"connectors.vendor_client.{module}.LIMIT", 2)
    calls = list(connection.calls())
    assert [(each.number, each.outcome, each.code) for each in calls] == [(at, "allowed", "") for at in (1, 2, 3, 4)]
    assert calls[0].purposes == ("ProvideProductRecommendations",)
    assert list(connection.calls(after=calls[-1].number))  # the reading before this one


def test_every_outcome_has_its_words_for_her_too() -> None:
    assert set(OUTCOMES) == set(WORDS)


def held(shop: Bookshop, path: str, token: str, tag: str, **more: Any) -> Any:
    return shop.looks(path, token, headers={"If-None-Match": tag}, **more)


@pytest.mark.parametrize("path", ["/vendor/v1/purchases", "/vendor/v1/grant", "/vendor/v1/receipt"])
def test_what_a_vendor_holds_already_is_not_sent_again_and_is_a_look_all_the_same(
    ada: Ada, bookshop: Bookshop, token: str, path: str
) -> None:
    first = bookshop.looks(path, token)
    again = held(bookshop, path, token, f'"other", {first.headers["ETag"]}')
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert "Content-Type" not in again.headers
    assert again.headers["Cache-Control"] == "no-store"
    assert [number for number, outcome, _ in said(bookshop, token) if outcome == "allowed"] == [1, 2]
    assert again.headers["Vault-Access"] == "2"
    assert held(bookshop, path, token, "*").status_code == 304
    assert held(bookshop, path, token, 'W/"AAAAAAAAAAAAAAAAAAAAAA"').status_code == 200


def test_after_a_change_it_is_sent_again(ada: Ada, bookshop: Bookshop, token: str) -> None:
    tag = bookshop.looks("/vendor/v1/purchases", token).headers["ETag"]
    ada.buys("The Weathervane")
    answer = held(bookshop, "/vendor/v1/purchases", token, tag)
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag


def test_an_etag_opens_nothing(ada: Ada, bookshop: Bookshop, coffee: Bookshop, token: str) -> None:
    """What would be refused is refused, whatever is held; and each permission's tags are its own."""
    tag = bookshop.looks("/vendor/v1/purchases", token).headers["ETag"]
    theirs = str(coffee.tokens()["access_token"])
    assert held(coffee, "/vendor/v1/purchases", theirs, tag).status_code == 200
    for path in ("/vendor/v1/notes", "/vendor/v1/purchases?after=7.1", "/vendor/v1/purchases?limit=0"):
        assert held(bookshop, path, token, "*").status_code in {400, 403, 410}, path
    assert held(coffee, "/vendor/v1/purchases", token, tag).status_code == 401
    grants = [grant.hex() for grant in ada.house.keystore.alive(ada.owner_id, "grant")]
    for grant in grants:
        ada.presses(f"/sharing/{grant}/pause")
    assert held(bookshop, "/vendor/v1/purchases", token, tag).json()["code"] == "paused"
    for grant in grants:
        ada.presses(f"/sharing/{grant}/stop")
    assert held(bookshop, "/vendor/v1/purchases", token, tag).json()["code"] == "invalid_token"
