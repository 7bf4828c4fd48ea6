"""One client that calls and calls is told to wait; nobody else notices, and nobody else can bring it about. N112."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from connectors.vendor_client import TryLater, discover, new_key
from consent.oauth.endpoints import engine
from consent.oauth.pace import MINUTE, MOST, Pace
from consent.pace import Pace as LookPace
from tests.people import ISSUER, PURCHASES, Ada, Bookshop, Clock, Raw
from vault.app import create_app

FEW = {"par": 3, "token": 4}


@pytest.fixture
def strict(ada: Ada) -> None:
    """A vault whose patience is short, so that a test is."""
    with ada.app.app_context():
        engine().pace = Pace(FEW)


def told_to_wait(answer: httpx.Response) -> bool:
    """429 in the shape of RFC 6749 §5.2, with the seconds that are left, and kept by nobody."""
    shape = (answer.status_code, answer.json()["error"], answer.headers["Cache-Control"])
    return shape == (429, "temporarily_unavailable", "no-store") and 1 <= int(answer.headers["Retry-After"]) <= MINUTE


def test_who_pushes_too_much_waits_for_the_next_minute(strict: None, ada: Ada, bookshop: Bookshop) -> None:
    """RFC 9126 §2.3: also when what it pushes is refused."""
    assert [bookshop.pushes(redirect_uri=uri).status_code for uri in (bookshop.redirect_uri, "x", "x")] == [
        201,
        400,
        400,
    ]
    late = bookshop.pushes()
    assert told_to_wait(late)
    ada.house.clock.passes(seconds=int(late.headers["Retry-After"]) - 1)  # type: ignore[attr-defined]
    assert told_to_wait(bookshop.pushes())
    ada.house.clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert bookshop.pushes().status_code == 201


def test_who_fetches_too_many_tokens_waits_and_loses_nothing(strict: None, ada: Ada, bookshop: Bookshop) -> None:
    """The code and the refresh token are as good afterwards; looks and pushes are counted apart."""
    held = bookshop.tokens()
    assert [bookshop.refreshes(held["refresh_token"]).status_code for _ in range(3)] == [200] * 3
    assert told_to_wait(bookshop.refreshes(held["refresh_token"]))
    assert bookshop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200
    assert bookshop.posts("/oauth/revoke", {"token": "x"}).status_code == 200, "giving back is never put off"
    ada.house.clock.passes(seconds=30)  # type: ignore[attr-defined]
    code = bookshop.code()
    late = bookshop.redeems(code)
    assert told_to_wait(late)
    ada.house.clock.passes(seconds=int(late.headers["Retry-After"]))  # type: ignore[attr-defined]
    assert bookshop.refreshes(bookshop.redeems(code).json()["refresh_token"]).status_code == 200


def test_nobody_else_waits(strict: None, ada: Ada, bookshop: Bookshop, coffee: Bookshop) -> None:
    """Another client and the owner go on as if nothing had happened."""
    address = bookshop.consent_address()
    answers = [bookshop.pushes() for _ in range(5)]
    assert told_to_wait(answers[-1])
    assert coffee.pushes().status_code == 201
    page = ada.sees_consent(address)
    assert "code=" in page.allows()
    ada.looks_at("/sharing")


def test_a_stranger_uses_up_nobodys_share(strict: None, bookshop: Bookshop, coffee: Bookshop) -> None:
    """OAuth 2.1 §2.4.1: what counts is who has proved to be the client, with something new."""
    caught = bookshop.asserts()
    assert bookshop.http.post("/oauth/par", data={**bookshop.form(), **caught}).status_code == 201
    for _ in range(10):
        for signed in (
            caught,
            bookshop.asserts(key=new_key()),
            {**coffee.asserts(), "client_id": bookshop.client_id},
            {"client_id": bookshop.client_id},
        ):
            for path, form in (("/oauth/par", bookshop.form()), ("/oauth/token", {"grant_type": "refresh_token"})):
                assert bookshop.http.post(path, data={**form, **signed}).status_code == 401
    assert [bookshop.pushes().status_code for _ in range(3)] == [201, 201, 429]
    assert coffee.pushes().status_code == 201


def test_of_many_at_once_as_many_are_served_as_one_after_the_other(strict: None, bookshop: Bookshop) -> None:
    """No call slips through between counting and looking at the count."""
    assert bookshop.pushes().status_code == 201
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: bookshop.pushes().status_code, range(16)))
    assert sorted(answers) == [201] * 2 + [429] * 14


def test_our_client_hears_how_long_to_wait(strict: None, bookshop: Bookshop) -> None:
    """The vendor's library says so with an error of its own."""
    vault = discover(bookshop.client, ISSUER)
    for _ in range(3):
        vault.ask([Raw(PURCHASES)], "a-state")  # type: ignore[list-item]
    with pytest.raises(TryLater) as told:
        vault.ask([Raw(PURCHASES)], "a-state")  # type: ignore[list-item]
    assert 1 <= told.value.seconds <= MINUTE


def test_all_processes_of_a_server_count_together(strict: None, ada: Ada, bookshop: Bookshop) -> None:
    """Whoever hits another process each time gains nothing."""
    other = create_app(ada.house)
    with other.app_context():
        engine().pace = Pace(FEW)
    there = httpx.Client(transport=httpx.WSGITransport(other), base_url=ISSUER)
    answers = [
        at.post("/oauth/par", data={**bookshop.form(), **bookshop.asserts()}).status_code
        for at in (bookshop.http, there, there, bookshop.http, there)
    ]
    assert answers == [201, 201, 201, 429, 429]


@pytest.mark.parametrize("endpoint", MOST)
def test_every_answer_to_a_client_says_what_is_left(ada: Ada, bookshop: Bookshop, endpoint: str) -> None:
    """draft-ietf-httpapi-ratelimit-headers-10; whoever has not proved to be a client is told nothing of it."""
    few = {endpoint: 2}
    with ada.app.app_context():
        engine().pace = Pace(few)
    left = []
    for _ in range(3):
        answer = bookshop.posts(f"/oauth/{endpoint}", {"token": "x", "grant_type": "refresh_token"})
        assert answer.headers["RateLimit-Policy"] == f'"{endpoint}";q=2;w=60'
        left.append(answer.headers["RateLimit"])
    assert left == [f'"{endpoint}";r={each};t=60' for each in (1, 0, 0)]
    assert told_to_wait(answer)
    assert "RateLimit" not in bookshop.http.post(f"/oauth/{endpoint}", data={"client_id": bookshop.client_id}).headers


def test_how_much_is_allowed_is_what_vendors_are_told() -> None:
    told = (Path(__file__).resolve().parents[2] / "docs" / "vendor-api.md").read_text(encoding="utf-8")
    said = f"{MOST['par']} requests, make {MOST['token']} calls of the token endpoint and give back {MOST['revoke']}"
    assert said in " ".join(told.split())


@pytest.fixture
def five_in_a_minute(ada: Ada) -> None:
    """A vault that lets a permission be used so often."""
    ada.house.memory["pace"] = LookPace(5)


def test_who_looks_too_often_waits_for_the_next_minute_and_she_can_see_it(
    five_in_a_minute: None, ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    ada.buys("The Salt Almanac")
    token = bookshop.tokens()["access_token"]
    paths = [
        "/vendor/v1/purchases",
        "/vendor/v1/grant",
        "/vendor/v1/purchases",
        "/vendor/v1/receipt",
        "/vendor/v1/grant",
    ]
    assert [bookshop.looks(path, token).status_code for path in paths] == [200] * 5
    clock.passes(seconds=20)
    for path in paths:
        late = bookshop.looks(path, token)
        assert (late.status_code, late.json()["code"]) == (429, "over_limit")
        assert late.headers["Retry-After"] == "40"
        assert late.headers["RateLimit-Policy"] == '"call";q=5;qu="call";w=60'
        assert late.headers["RateLimit"] == '"call";r=0;t=40'
    clock.passes(seconds=40)
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 200
    assert ada.looks_at("/activity").count("Refused: too many calls in a minute") == 1


def test_all_processes_count_looks_together(five_in_a_minute: None, ada: Ada, bookshop: Bookshop) -> None:
    """What another has answered counts here too; the one that says so is answered, and no further one."""
    token = bookshop.tokens()["access_token"]
    assert [bookshop.looks("/vendor/v1/grant", token).status_code for _ in range(5)] == [200] * 5
    ada.house.memory["pace"] = LookPace(5)
    assert [bookshop.looks("/vendor/v1/grant", token).status_code for _ in range(3)] == [200, 429, 429]


def test_who_has_the_token_and_not_the_key_uses_up_nothing(
    five_in_a_minute: None, ada: Ada, bookshop: Bookshop
) -> None:
    token = bookshop.tokens()["access_token"]
    url = f"{ISSUER}/vendor/v1/grant"
    for _ in range(6):
        stolen = bookshop.proves("GET", url, token=token, key=new_key())
        assert bookshop.looks("/vendor/v1/grant", token, proof=stolen).status_code == 401
    assert [bookshop.looks("/vendor/v1/grant", token).status_code for _ in range(6)] == [200] * 5 + [429]
