"""The link that can only take away: N101-N104. It works logged out and locked, by post and choice, on one grant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from connectors.demo_mail import Mailbox
from tests.conftest import PASSPHRASE
from tests.people import ISSUER, Bookshop, calls_out, household
from vault import attempts, bearer, unlock, worker
from vault.errors import TooManyTries, WrongSecret

LINK = re.compile(re.escape(ISSUER) + r"(/r/vrm_rv_[\w-]{91})")


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door, in a house that sends mails."""
    directory = tmp_path_factory.mktemp("link") / "house"
    with household(furnished[0], directory, PASSPHRASE, smtp_url=mailbox.smtp_url) as found:
        found.ada.buys("The Salt Almanac")
        yield found


@pytest.fixture(scope="module")
def other(shop: Bookshop) -> Iterator[Bookshop]:
    """Another client of the same vault."""
    other = Bookshop("Kettle Lane Coffee", "coffee")
    other.open()
    other.visits(shop.ada)
    yield other
    other.close()


@pytest.fixture
def held(shop: Bookshop, mailbox: Mailbox) -> Iterator[dict[str, Any]]:
    """The Bookshop's tokens; afterwards Ada is at home and shares nothing, and no mail is on its way."""
    yield shop.tokens()
    mailed(shop, mailbox)
    shop.ada.unlocks()
    shop.ada.presses("/sharing/stop-all")


def mailed(shop: Bookshop, mailbox: Mailbox) -> list[str]:
    """The links in the mails that are sent now, after a look at everything else in them."""
    before = len(mailbox.messages)
    while worker.tick(shop.ada.house, sweep=False) + calls_out(shop.ada.house):
        pass
    found: list[str] = []
    for mail in mailbox.messages[before:]:
        assert mail.to == "ada@home.test"
        said = mail.subject + LINK.sub("", mail.text)  # three letters do turn up in a random string
        assert not [word for word in ("Bookshop", "Coffee", "Ada", "Almanac", "purchases") if word in said]
        found += LINK.findall(mail.text)
    return found


def drawn(shop: Bookshop, held: dict[str, Any]) -> str:
    """A link from her own page, for paper."""
    found = LINK.search(shop.ada.presses(f"/sharing/{held['grant_id']}/link", status=200).text)
    assert found
    return found[1]


def sees(shop: Bookshop, held: dict[str, Any]) -> int:
    """The status of a look by the Bookshop."""
    return shop.looks("/vendor/v1/purchases", held["access_token"]).status_code


def everything(shop: Bookshop) -> dict[str, Any]:
    """Every row of main and keystore."""
    rows: dict[str, Any] = {}
    for database in (shop.ada.house.main, shop.ada.house.keystore.database):
        with database.reading() as session:
            for table in inspect(database.engine).get_table_names():
                rows[table] = session.execute(text(f'SELECT * FROM "{table}"')).all()
    return rows


def plain(page: str) -> str:
    """A page without what differs from one showing to the next."""
    return re.sub(r"vrm_rv_[\w-]+|[0-9a-f]{16}", "…", page)


def test_opening_a_link_a_thousand_times_changes_nothing(shop: Bookshop, held: dict[str, Any]) -> None:
    """N101 (RFC 9110 §9.2.1): GET, HEAD, OPTIONS, and every way browsers and mail scanners fetch ahead."""
    link, stranger = drawn(shop, held), shop.ada.app.test_client()
    before = everything(shop)
    ways: list[tuple[str, dict[str, str]]] = [
        ("GET", {}),
        ("HEAD", {}),
        ("OPTIONS", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Moz": "prefetch"}),
    ]
    for turn in range(200):
        for method, headers in ways:
            path = link if turn % 2 else f"{link}?answer=stop"
            assert stranger.open(path, method=method, headers=headers).status_code == 200
    for method in ("PUT", "DELETE", "PATCH"):
        assert stranger.open(link, method=method, data={"answer": "stop"}).status_code == 405
    assert everything(shop) == before
    assert sees(shop, held) == 200


def test_a_form_without_a_choice_changes_nothing(shop: Bookshop, held: dict[str, Any]) -> None:
    """N102: a scanner that sends the form at once presses no button."""
    link, stranger = drawn(shop, held), shop.ada.app.test_client()
    before = everything(shop)
    for form in ({}, {"answer": ""}, {"answer": "yes"}, {"answer": "STOP"}, {"List-Unsubscribe": "One-Click"}):
        answer = stranger.post(link, data=form)
        assert answer.status_code == 200
        assert "Stop Bookshop seeing your vault?" in answer.text
    assert stranger.post(f"{link}?answer=stop").status_code == 200
    assert everything(shop) == before
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert stranger.post(link, data={"answer": "stop"}, headers=headers).status_code == 403
    assert sees(shop, held) == 200


def test_a_link_is_framed_by_nobody_and_stops_nothing_by_accident(shop: Bookshop, held: dict[str, Any]) -> None:
    """N95, N102: no field to press Enter in, no button with the focus, and the first one can be undone."""
    answer = shop.ada.app.test_client().get(drawn(shop, held))
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    form = answer.text.partition('<form class="stack loose')[2].partition("</form>")[0]
    assert re.findall(r'<button[^>]*name="answer" value="(\w+)"', form) == ["pause", "stop"]
    assert not re.search(r"<(input|select|textarea)|autofocus|<script", form)


def test_the_mailed_link_stops_it_with_the_vault_locked(shop: Bookshop, held: dict[str, Any], mailbox: Mailbox) -> None:
    """N104, N76: no cookie, no key, no passphrase; at once."""
    [link] = mailed(shop, mailbox)
    shop.ada.locks()
    stranger = shop.ada.app.test_client()
    page = stranger.get(link)
    assert "Bookshop" in page.text
    assert "Almanac" not in page.text
    assert "ada" not in page.text.lower().replace("canada", "")
    assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert sees(shop, held) == 200
    assert "can see nothing any more" in stranger.post(link, data={"answer": "stop"}).text
    assert sees(shop, held) == 401
    assert shop.refreshes(held["refresh_token"]).status_code == 400
    shop.ada.unlocks()
    assert "Stopped by its link" in shop.ada.looks_at("/sharing")


def test_a_link_can_pause_and_cannot_resume(shop: Bookshop, held: dict[str, Any]) -> None:
    """Design §8: it only ever takes away."""
    link, stranger = drawn(shop, held), shop.ada.app.test_client()
    assert "is paused" in stranger.post(link, data={"answer": "pause"}).text
    assert shop.looks("/vendor/v1/purchases", held["access_token"]).json()["code"] == "paused"
    for form in ({"answer": "resume"}, {"answer": "pause"}, {"resume": "yes"}):
        assert stranger.post(link, data=form).status_code == 200
    assert sees(shop, held) == 403
    shop.ada.presses(f"/sharing/{held['grant_id']}/resume")
    assert sees(shop, held) == 200


def test_a_link_touches_its_own_grant_alone(shop: Bookshop, other: Bookshop, held: dict[str, Any]) -> None:
    """N103, N82: and never through another's id beside it."""
    theirs = other.tokens()
    link, stranger = drawn(shop, held), shop.ada.app.test_client()
    form = {"answer": "stop", "grant": theirs["grant_id"], "grant_id": theirs["grant_id"]}
    assert stranger.post(f"{link}?grant={theirs['grant_id']}", data=form).status_code == 200
    assert sees(shop, held) == 401
    assert other.looks("/vendor/v1/purchases", theirs["access_token"]).status_code == 200


def test_what_stops_nothing_looks_the_same_for_every_reason(shop: Bookshop, held: dict[str, Any]) -> None:
    """N103: unknown, ended, expired, forged, cut, of another kind."""
    stranger, route = shop.ada.app.test_client(), shop.ada.house.keys.route
    link, string = drawn(shop, held), drawn(shop, held)[3:]
    known = bearer.parse(string, "link", route)
    assert known is not None
    forged = bearer.Bearer("link", known.owner_id, known.lock_id, b"\1" * 32).text(route)
    unknown = bearer.mint("link", known.owner_id, b"\2" * 16).text(route)
    nobody = bearer.mint("link", b"\3" * 16, b"\4" * 16).text(route)
    odd = [forged, unknown, nobody, string[:-1], string + "A", string.lower(), "x", "vrm_rv_", held["access_token"]]
    odd += [held["grant_id"], f"vrm_rv_{held['refresh_token'][7:]}", "%00", "ü" * 91]
    assert stranger.post(link, data={"answer": "stop"}).status_code == 200
    ended = {link, f"/r/{string}"}
    later = shop.tokens()
    expired = drawn(shop, later)
    shop.ada.house.clock.passes(days=31)  # type: ignore[attr-defined]
    shop.ada.unlocks()
    paths = [f"/r/{each}" for each in odd] + [*ended, expired]
    seen = {(answer.status_code, plain(answer.text)) for path in paths for answer in [stranger.get(path)]}
    seen |= {
        (answer.status_code, plain(answer.text))
        for path in paths
        for answer in [stranger.post(path, data={"answer": "stop"})]
    }
    assert len(seen) == 1
    status, page = seen.pop()
    assert status == 404
    assert "This link stops nothing" in page
    assert "Bookshop" not in page


def test_fresh_links_are_mailed_for_everything_while_the_vault_is_locked(
    shop: Bookshop, other: Bookshop, held: dict[str, Any], mailbox: Mailbox
) -> None:
    """Design §1.3: with the vault locked and the passphrase lost; each of them stops its own."""
    theirs = other.tokens()
    mailed(shop, mailbox)
    shop.ada.locks()
    stranger = shop.ada.app.test_client()
    before = everything(shop)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert stranger.open("/stop", method=method, headers={"Sec-Purpose": "prefetch"}).status_code == 200
    assert everything(shop) == before
    assert "a mail with the links is on its way" in stranger.post("/stop").text
    links = mailed(shop, mailbox)
    assert len(set(links)) == 2
    assert {stranger.post(link, data={"answer": "stop"}).status_code for link in links} == {200}
    assert sees(shop, held) == 401
    assert other.looks("/vendor/v1/purchases", theirs["access_token"]).status_code == 401
    shop.ada.unlocks()


def nobody_has_asked(shop: Bookshop) -> None:
    """These tests have one clock, and it stands still."""
    for whose in ("ada", "", "nobody"):
        attempts.forget(shop.ada.house, links=whose)


def test_asking_for_links_tells_nobody_who_is_here(shop: Bookshop, held: dict[str, Any], mailbox: Mailbox) -> None:
    """Design §4: the same words for a name that is known, one that is not, and one that shares nothing."""
    mailed(shop, mailbox)
    nobody_has_asked(shop)
    pages = set()
    for number, handle in enumerate(("ada", "ADA ", "nobody", "", "x" * 5000, "\0", "' OR 1=1 --")):
        stranger = shop.ada.app.test_client()
        answer = stranger.post("/stop", data={"handle": handle}, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
        pages.add((answer.status_code, plain(answer.text)))
    links = mailed(shop, mailbox)
    assert len(links) == 3, "for the two spellings of her name, and for none where one vault is all there is"
    shop.ada.presses("/sharing/stop-all")
    answer = shop.ada.app.test_client().post(
        "/stop", data={"handle": "ada"}, environ_base={"REMOTE_ADDR": "192.0.2.99"}
    )
    pages.add((answer.status_code, plain(answer.text)))
    assert len(pages) == 1
    assert mailed(shop, mailbox) == []


def test_asking_again_and_again_is_slowed_down(shop: Bookshop, held: dict[str, Any]) -> None:
    """N112: by address, and whether or not anybody is there."""
    stranger = shop.ada.app.test_client()
    nobody_has_asked(shop)
    for handle in ("ada", "nobody"):
        here = {"REMOTE_ADDR": f"198.51.100.{len(handle)}"}
        said = [stranger.post("/stop", data={"handle": handle}, environ_base=here) for _ in range(8)]
        assert [answer.status_code for answer in said[:5]] == [200] * 5
        assert said[-1].status_code == TooManyTries.status == 429
        assert int(said[-1].headers["Retry-After"]) >= 1


def test_a_header_does_not_make_somebody_else_of_who_asks(shop: Bookshop, held: dict[str, Any]) -> None:
    """N111, N112 (RFC 9700 §4.13): the address that is slowed down is the one that called."""
    stranger, here = shop.ada.app.test_client(), {"REMOTE_ADDR": "198.51.100.77"}
    nobody_has_asked(shop)
    said = []
    for number in range(8):
        claims = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Client-IP"), f"203.0.113.{number}")
        headers = {**claims, "Forwarded": f"for=203.0.113.{number}"}
        said.append(stranger.post("/stop", data={"handle": "nobody"}, headers=headers, environ_base=here).status_code)
    assert said == [200] * 6 + [429] * 2


def test_guessing_from_elsewhere_keeps_her_out_for_half_a_minute_at_most(shop: Bookshop, held: dict[str, Any]) -> None:
    """N112 (OAuth 2.1 §2.4.1): however often others have tried her name, from however many addresses."""
    clock, house = shop.ada.house.clock, shop.ada.house
    for number in range(12):
        with pytest.raises(WrongSecret):
            unlock.with_passphrase(house, "ada", "a guess", address=f"203.0.113.{number}")
        clock.passes(seconds=30)  # type: ignore[attr-defined]
    assert unlock.with_passphrase(house, "ada", PASSPHRASE, address="198.51.100.1")
