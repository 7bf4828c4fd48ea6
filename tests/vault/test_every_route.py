"""Every address that the application has, by its own map: what each answers to whom, and what asking changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from consent.api import ROUTES
from consent.models import Disclosure, Grant, GrantLock, Receipt
from tests.conftest import PASSPHRASE
from tests.houses import copy_house
from tests.people import Ada, Clock, house_in, household
from tests.sampled import some
from vault import sessions
from vault.app import create_app
from vault.models import Job, Lock, Owner, RecordRow, Version
from vault.pages.guard import ALWAYS

# What anybody may ask for. All else leads to the closed vault, or is refused.
ANSWERED = {"/developers/preview", "/setup/strength"}  # what is typed is shown or weighed, and kept nowhere
OPEN = {
    *("/unlock", "/unlock/passkey", "/stop", "/help", "/session/left", "/livez", "/readyz"),
    *("/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource", "/oauth/keys"),
    *("/vendor/v1/openapi.json", "/developers", "/developers/preview", "/developers/reference", "/problems"),
}


def rules(ada: Ada, method: str) -> Iterator[tuple[str, str]]:
    """Rule and address of every route that takes a method."""
    for rule in sorted(ada.app.url_map.iter_rules(), key=str):
        if method in (rule.methods or ()):
            yield rule.rule, re.sub(r"<[^>]+>", "1", rule.rule)
    for path, methods in ROUTES.items():
        if method in methods:
            yield path, path + "1" * path.endswith("/")


def state(ada: Ada) -> dict[str, Any]:
    """How much of everything there is, and how often she has changed something."""
    tables = (RecordRow, Version, Lock, Grant, GrantLock, Disclosure, Receipt, Job)
    with ada.house.main.reading() as session:
        found: dict[str, Any] = {
            each.__tablename__: session.scalar(select(func.count()).select_from(each)) for each in tables
        }
        return found | {"revisions": session.scalars(select(Owner.revision)).all()}


@pytest.fixture(scope="module")
def at_home(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ada]:
    """Ada, with a little of everything; what is asked here leaves her as she was."""
    with household(furnished[0], tmp_path_factory.mktemp("routes") / "house", PASSPHRASE) as shop:
        shop.ada.buys("The Salt Almanac")
        shop.ada.lets(shop)
        yield shop.ada


def test_every_answer_carries_the_headers_of_the_house(at_home: Ada) -> None:
    for browser in (at_home.browser, at_home.app.test_client()):
        for rule, address in rules(at_home, "GET"):
            answer = browser.get(address)
            headers = answer.headers
            assert {(name, headers.get(name, "")) for name, _ in ALWAYS} == set(ALWAYS), rule
            policy = headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy, rule
            assert "unsafe" not in policy, rule
            assert "Access-Control-Allow-Origin" not in headers, rule
            assert not {"Server", "X-Powered-By"} & set(headers.keys()), rule
            if answer.data:
                kind = headers["Content-Type"]
                assert "charset=utf-8" in kind or not kind.startswith("text/"), (rule, kind)
            if not rule.startswith(("/static", "/.well-known", "/vendor/v1/openapi")):
                assert headers["Cache-Control"] == "no-store", rule


def test_a_stranger_reaches_what_is_open_to_all_and_nothing_else(at_home: Ada) -> None:
    stranger = at_home.app.test_client()
    reached = set()
    for rule, address in rules(at_home, "GET"):
        answer = stranger.get(address)
        if answer.status_code == 200:
            reached.add(rule)
        else:
            leads = answer.headers.get("Location", "")
            assert answer.status_code in {400, 401, 404, 410} or leads.startswith(("/unlock", "/developers")), (
                rule,
                answer.status,
            )
    assert reached == OPEN


def test_a_strangers_forms_change_nothing(at_home: Ada) -> None:
    stranger, before = at_home.app.test_client(), state(at_home)
    for rule, address in rules(at_home, "POST"):
        if rule != "/stop":  # has links mailed to whoever is meant, which is what it is for
            answer = stranger.post(address, data={"answer": "yes"}, headers={"Sec-Fetch-Site": "same-origin"})
            refused = answer.status_code in {400, 401, 403, 404, 410} or rule in ANSWERED
            assert refused or answer.headers["Location"].startswith("/unlock"), rule
    assert state(at_home) == before


def test_looking_at_a_page_changes_nothing(at_home: Ada) -> None:
    before = state(at_home)
    for rule, address in rules(at_home, "GET"):
        at_home.browser.get(address)
        assert state(at_home) == before, rule


def test_asking_for_the_head_of_a_page_fills_in_no_form(at_home: Ada) -> None:
    """A browser sends HEAD across sites as it sends GET, so it may do no more."""
    before = state(at_home)
    forms = [address for _rule, address in rules(at_home, "POST") if not address.startswith(("/oauth", "/vendor"))]
    for address in (*forms, "/purchases/new", "/profile/new?part=birthday"):
        filled_in = {"item": "A Lamp", "bought_on": "2026-11-01", "name": "ada", "handle": "eve", "answer": "stop"}
        head = at_home.browser.head(address, data=filled_in, headers={"Sec-Fetch-Site": "same-site"})
        assert head.status_code == at_home.browser.get(address).status_code, address
    assert state(at_home) == before


def test_other_sites_may_lead_to_a_page_and_neither_load_nor_frame_it(at_home: Ada) -> None:
    """How long a page takes tells what is on it, also to a program at another port of this machine: `same-site`."""

    def status(address: str, *said: str) -> int:
        names = ("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
        return at_home.browser.get(address, headers=dict(zip(names, said, strict=True))).status_code

    began = sessions.living(at_home.vault)
    at_home.house.clock.passes(seconds=120)  # type: ignore[attr-defined]
    for site in ("cross-site", "same-site"):
        for _rule, address in rules(at_home, "GET"):
            if not address.startswith(("/oauth", "/.well-known", "/vendor/v1")):  # for programs, without cookies
                for how in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe"), ("navigate", "object")):
                    assert status(address, site, *how) == 403, (address, how)
    assert sessions.living(at_home.vault) == began, "nor is a session kept open by that"
    for site in ("cross-site", "same-site", "same-origin", "none"):
        assert status("/purchases?category=Books", site, "navigate", "document") == 200
    for how in (("cors", "empty"), ("no-cors", "style"), ("navigate", "document")):
        assert status("/purchases", "same-origin", *how) == 200
    assert status("/oauth/keys", "cross-site", "cors", "empty") == 200


@pytest.mark.parametrize("method", some(["TRACE", "BREW", "CONNECT", "PUT", "PATCH", "PROPFIND"]))
def test_a_method_that_is_not_stated_is_refused(at_home: Ada, method: str) -> None:
    for rule, address in rules(at_home, "GET"):
        answer = at_home.browser.open(address, method=method)
        assert answer.status_code in {404, 405}, (rule, answer.status)


@pytest.mark.parametrize("name", ["elsewhere.example", "localhost.elsewhere.example", "192.168.0.7", "a b"])
def test_a_vault_of_this_machine_answers_to_no_other_name(at_home: Ada, name: str) -> None:
    """A site may let its own name lead to 127.0.0.1, and its page then comes from where it sends its forms."""
    own = {"Host": f"{name}:8400", "Sec-Fetch-Site": "same-origin", "Origin": f"http://{name}:8400"}
    stranger = at_home.app.test_client()
    for method in ("GET", "POST"):
        answer = stranger.open("/unlock", method=method, data={"passphrase": PASSPHRASE}, headers=own)
        assert (answer.status_code, answer.headers.get("Set-Cookie")) == (421, None)
        assert "The vault does not answer to that name." in answer.text
        for style in re.findall(r'<link rel="stylesheet" href="([^"]+)"', answer.text):
            assert stranger.get(style, headers=own).status_code == 200
    for near in ("localhost:8400", "127.0.0.1:8400", "[::1]:8400", "ada.localhost"):
        assert stranger.get("/unlock", headers={"Host": near}).status_code == 200


def test_behind_a_proxy_only_what_the_proxy_added_counts(furnished: tuple[Path, str], tmp_path: Path) -> None:
    copy_house(furnished[0], tmp_path / "house")
    house = house_in(tmp_path / "house", Clock(), proxies=1)
    try:
        stranger, said = create_app(house).test_client(), []
        for number in range(8):
            told = {"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.7", "X-Real-IP": f"203.0.113.{number}"}
            said.append(stranger.post("/stop", data={"handle": f"nobody {number}"}, headers=told).status_code)
        elsewhere = {"X-Forwarded-For": "203.0.113.1, 198.51.100.8"}
        assert stranger.post("/stop", data={"handle": "nobody else"}, headers=elsewhere).status_code == 200
        named = {"Host": "elsewhere.example", "X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https"}
        assert stranger.get("/unlock", headers=named).status_code == 421, "nobody is believed who it is that is called"
    finally:
        house.stop()
    assert said == [200] * 6 + [429] * 2


def test_a_folder_is_no_page(at_home: Ada) -> None:
    for address in ("/static", "/static/", "/static/..", "/static/%2e%2e/session.py", "/.git/config", "/vault.db"):
        assert at_home.browser.get(address).status_code == 404, address


def test_lock_is_on_every_page_of_hers(at_home: Ada) -> None:
    with_menu = [at_home.browser.get(address).text for _, address in rules(at_home, "GET")]
    pages = [page for page in with_menu if 'href="/sharing"' in page and "</html>" in page]
    assert len(pages) > 15
    assert all('action="/lock"' in page for page in pages)


def test_what_she_writes_is_decoded_once(at_home: Ada) -> None:
    typed = "100%25 &amp; \\u0041 +%2B %E2%82%AC &#60;b&#62;"
    at_home.presses("/notes/new", heading=typed, text=typed)
    assert "100%25 &amp;amp; \\u0041 +%2B %E2%82%AC &amp;#60;b&amp;#62;" in at_home.looks_at("/notes")
