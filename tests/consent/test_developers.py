"""The pages for developers: the quick start works when followed literally, and a preview is about nobody."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from connectors.demo_shop.serving import LoopbackServer
from consent import reference, views
from consent.api import described
from consent.pages.developers import EXAMPLE
from consent.problems import PROBLEMS
from tests.conftest import PASSPHRASE
from tests.houses import copy_house, settings_in
from tests.people import BIRTHDAY, ISSUER, PURCHASES, RECEIPTS, TASTE, Ada
from vault import backup
from vault.app import create_app, load_rooms
from vault.collections.preferences import Preference
from vault.server import start

NODE, PACKAGES = shutil.which("node"), Path(__file__).parents[1] / "javascript" / "node_modules"
PAGES = ("/developers", "/developers/reference", "/developers/preview", "/problems", "/problems/paused")


@pytest.fixture
def vault(furnished: tuple[Path, str], tmp_path: Path) -> Iterator[tuple[Ada, str]]:
    """Ada's vault on a port of its own, as a developer has it on her machine."""
    copy_house(furnished[0], tmp_path / "house")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    house = start(settings_in(tmp_path / "house", f"http://localhost:{port}"), load_rooms())
    ada = Ada(house, PASSPHRASE)
    web = LoopbackServer(create_app(house), port)
    web.start()
    try:
        yield ada, f"http://localhost:{port}"
    finally:
        web.stop()
        house.stop()


def test_the_quick_start_works_when_it_is_followed_literally(vault: tuple[Ada, str], tmp_path: Path) -> None:
    ada, address = vault
    blocks = sources(address)
    assert [blocks[0], blocks[2]] == ["make demo", ".venv/bin/python tea_house.py"]
    (tmp_path / "tea_house.py").write_text(blocks[1], encoding="utf-8")
    root = Path(__file__).parents[2]  # the folder that the page says it is saved in
    environment = {"PYTHONPATH": str(root), "PYTHONUTF8": "1"}
    is_followed(ada, address, [sys.executable, str(tmp_path / "tea_house.py")], environment)


@pytest.mark.skipif(not NODE or not PACKAGES.is_dir(), reason="needs Node.js, and npm ci --prefix tests/javascript")
def test_the_same_in_javascript_with_a_library_that_nobody_here_wrote(vault: tuple[Ada, str], tmp_path: Path) -> None:
    """openid-client: discovery, PAR, PKCE, private_key_jwt, DPoP, authorization_details, refresh, and the end."""
    ada, address = vault
    install, program = sources(address)[-2:]
    wanted = orjson.loads((PACKAGES.parent / "package.json").read_bytes())["dependencies"]["openid-client"]
    assert install == f"npm install openid-client@{wanted.partition('.')[0]}\nnode tea_house.mjs"
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    (tmp_path / "tea_house.mjs").write_text(program, encoding="utf-8")
    is_followed(ada, address, [str(NODE), str(tmp_path / "tea_house.mjs")], {})


def sources(address: str) -> list[str]:
    """What the page says is to be typed or saved, in its order."""
    page = requests.get(f"{address}/developers", timeout=10).text
    return [unescape(each) for each in re.findall(r"<pre[^>]*><code[^>]*>(.*?)</code></pre>", page, re.DOTALL)]


def is_followed(ada: Ada, address: str, command: list[str], environment: dict[str, str]) -> None:
    """Run the program, be Ada, and let it find out that it is over."""
    ada.keeps(Preference(topic="oolong", stance="like"))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8", env=environment) as program:
        try:
            rest = _follows(ada, address, program)
        finally:
            program.kill()  # one that waits for her would wait for ever
    assert program.returncode == 0
    assert "Over: " in rest


def _follows(ada: Ada, address: str, program: subprocess.Popen[str]) -> str:
    """Steps four and five; returns what the program says at last."""
    assert program.stdout is not None
    said = program.stdout.readline().strip()
    assert said.startswith(f"Open this in your browser: {address}/authorize?"), said
    _allows(ada, address, said.rpartition(" ")[2])
    shown = program.stdout.readline().strip().replace("'", '"').replace(", ", ",").replace('": ', '":')
    assert shown == 'Shown: {"topic":"oolong","stance":"like"}'
    ada.presses(f"/sharing/{ada.grant()}/stop")
    return program.communicate("\n", timeout=30)[0]


def _allows(ada: Ada, address: str, where: str) -> None:
    """Ada looks at the screen, allows it, and her browser goes where it is sent."""
    browser = requests.Session()
    browser.headers["Cookie"] = f"vault={ada.session}"
    with browser:
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', browser.get(where, timeout=10).text)
        form = {**{name: unescape(value) for name, value in found}, "answer": "yes", "days": "30"}
        headers = {"Sec-Fetch-Site": "same-origin"}
        sent = browser.post(f"{address}/authorize", data=form, headers=headers, allow_redirects=False, timeout=10)
    assert sent.status_code == 303, sent.text
    there = sent.headers["Location"].replace("tea.localhost", "127.0.0.1", 1)  # as every browser reads it (RFC 6761)
    assert requests.get(there, timeout=10).status_code == 200


def test_a_vault_that_is_no_demo_says_where_to_try_it(ada: Ada, tmp_path: Path) -> None:
    told = "calls vendors at public https addresses only"
    assert told not in ada.app.test_client().get("/developers").text
    house = start(settings_in(tmp_path / "public", "https://vault.example"), load_rooms())
    page = unescape(create_app(house).test_client().get("/developers").text)
    house.stop()
    assert told in page
    assert 'discover(client, "http://localhost:8400")' in page


@pytest.mark.parametrize("path", PAGES)
def test_anybody_may_read_them_and_learns_nothing_of_the_owner(ada: Ada, path: str) -> None:
    page = ada.app.test_client().get(path)
    assert page.status_code == 200
    assert page.text.count("<h1>") == 1
    assert "Ada" not in page.text.replace("a made-up person, Ada", "").replace("Be Ada", "")


def test_the_reference_has_every_call_and_links_that_lead_somewhere(ada: Ada) -> None:
    page, document = ada.app.test_client().get("/developers/reference").text, described(ISSUER)
    known = set(re.findall(r' id="([^"]+)"', page))
    calls = {reference.anchor(method, path) for path, said in document["paths"].items() for method in said}
    assert calls | set(document["components"]["schemas"]) <= known
    assert len(calls) == sum(len(said) for said in document["paths"].values())
    assert set(re.findall(r'href="#([^"]+)"', page)) <= known


def test_every_problem_has_the_page_that_its_type_names(ada: Ada) -> None:
    stranger = ada.app.test_client()
    told = stranger.get("/vendor/v1/grant").get_json()
    assert told["type"] == f"{ISSUER}/problems/invalid_token"
    for code, problem in PROBLEMS.items():
        page = stranger.get(f"/problems/{code}")
        assert page.status_code == 200
        assert unescape(page.text).count(problem.remedy) == 1, code
        assert code in stranger.get("/problems").text
    assert stranger.get("/problems/never_heard_of").status_code == 404


def previews(ada: Ada, *items: dict[str, Any], **form: str) -> Any:
    """Somebody without a vault tries a request."""
    filled = {"details": orjson.dumps(list(items)).decode(), "name": "Tea House", "language": "en", **form}
    return ada.app.test_client().post("/developers/preview", data=filled, headers={"Sec-Fetch-Site": "same-origin"})


def test_a_developer_sees_her_own_consent_screen_with_made_up_data(ada: Ada) -> None:
    ada.buys("The Salt Almanac")
    page = unescape(previews(ada, PURCHASES, TASTE, BIRTHDAY, RECEIPTS).text)
    assert "Tea House asks to see 3 things and to leave you something, for up to 90 days." in page
    assert PURCHASES["why"] in page
    assert "What you bought 1" in page
    assert "The Salt Almanac" not in page
    assert "A preview with made-up data." in page


def test_nothing_can_be_allowed_in_a_preview_and_nothing_is_kept(ada: Ada) -> None:
    databases = {"main": ada.house.main, "keys": ada.house.keystore.database, "log": ada.house.log}
    before = list(backup.lines_of_all(databases, {}))
    page = previews(ada, PURCHASES).text
    assert "<form" not in page
    assert all("disabled" in button for button in re.findall(r"<button[^>]*>", page))
    assert before == list(backup.lines_of_all(databases, {}))
    with ada.house.main.reading() as session:
        assert not list(views.every(session, ada.vault))


@pytest.mark.parametrize(
    ("narrowing", "seen"),
    [
        ({"vendor": "this", "since": "2026-11-20"}, 3),
        ({"since": "0001-01-01"}, 3),
        ({"since": "9999-12-31"}, 3),
        ({"up_to": "2020-02-01"}, 3),
        ({"category": ["tea"]}, 3),
        ({"delay": "P30D"}, 3),
    ],
)
def test_made_up_purchases_are_of_the_kind_that_is_asked(ada: Ada, narrowing: dict[str, Any], seen: int) -> None:
    """One of the three is a gift, and stays hidden unless she adds it."""
    page = unescape(previews(ada, {**PURCHASES, "filter": narrowing}).text)
    assert page.count(">What you bought ") == seen
    assert "Stays hidden: 1 gift" in page


@pytest.mark.parametrize("since", ["0001-01-01", "0900-01-01"])
def test_a_window_that_is_before_anything_was_bought_shows_nothing(ada: Ada, since: str) -> None:
    page = previews(ada, {**PURCHASES, "filter": {"since": since, "up_to": since}}).text
    assert "Nothing yet" in page


def test_every_collection_can_be_previewed(ada: Ada) -> None:
    for collection, shape in (("notes", "Note"), ("vendors", "Vendor"), ("profile", "Address")):
        fields = list(described(ISSUER)["components"]["schemas"][shape]["properties"])
        answer = previews(ada, {**TASTE, "collection": collection, "fields": fields[:1], "optional_fields": fields[1:]})
        assert "Nothing yet" not in answer.text, collection


def test_the_screen_is_shown_in_the_language_that_is_asked_for(ada: Ada) -> None:
    """By the form, or by `?language=`; one that this server does not have leaves things as they were."""
    stranger = ada.app.test_client()
    assert '<option value="pl" selected>Polski' in stranger.get("/developers/preview?language=pl").text
    assert '<option value="en" selected>English' in stranger.get("/developers/preview?language=xx").text
    assert "lutego 2027" in previews(ada, PURCHASES, language="pl").text
    assert "February 2027" in previews(ada, PURCHASES, language="xx").text
    filled = {"details": orjson.dumps([PURCHASES]).decode()}
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert "lutego 2027" in stranger.post("/developers/preview?language=pl", data=filled, headers=headers).text


def test_what_would_be_refused_is_refused_here_with_the_reason(ada: Ada) -> None:
    answer = previews(ada, {**PURCHASES, "surprise": 1})
    assert answer.status_code == 400
    assert "surprise" in answer.text
    for wrong in ("", "[]", "nothing", "{}", "[" * 1000 + "]" * 1000):
        assert previews(ada, details=wrong).status_code == 400
    assert previews(ada, PURCHASES, language="xx").status_code == 200
    assert previews(ada, details="x" * 40_000).status_code == 413


def test_the_example_that_the_form_begins_with_is_a_good_one(ada: Ada) -> None:
    assert previews(ada, *EXAMPLE).status_code == 200


def test_another_site_cannot_post_to_the_preview(ada: Ada) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert ada.app.test_client().post("/developers/preview", data={}, headers=headers).status_code == 403
