"""The newcomer's path through the demo, in a real browser: unlock, the shop asks, allow less, look, stop."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.sampled import EVERYTHING, some

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ROOT = Path(__file__).resolve().parents[2]
SHOTS = Path(os.environ["VRM_SHOTS"]) if "VRM_SHOTS" in os.environ else None

pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Chromium: apt-get install chromium")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
        yield chromium
        chromium.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, str]]:
    """`vrm demo`, as a newcomer starts it, for one walk."""
    with a_demo(tmp_path / "demo") as ready:
        yield ready


@pytest.fixture(scope="module")
def lasting_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The same for walks that leave it as it was."""
    with a_demo(tmp_path_factory.mktemp("lasting") / "demo") as ready:
        yield ready


@contextmanager
def a_demo(directory: Path) -> Iterator[dict[str, str]]:
    """What it prints when it is ready, on free ports."""
    ports = ["--port", str(_free_port()), "--shop-port", str(_free_port())]
    command = [sys.executable, "-m", "vault", "demo", "--no-browser", "--json", "--dir", str(directory), *ports]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line, "the demo did not start"
        ready = json.loads(line)
        yield ready
        running.terminate()
        assert running.wait(timeout=20) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(ready["vault"]).port), timeout=1)


class Walk:
    """One browser window walking; every page seen is put to axe, and must not be wider than the window."""

    def __init__(self, browser: Any, width: int, *, script: bool) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=script, reduced_motion="reduce"
        )
        self.page, self.width, self.script, self.seen = self.context.new_page(), width, script, 0
        self.page.on("console", lambda message: self.said.append(message.text))
        self.said: list[str] = []

    def arrives(self, name: str) -> None:
        """A page has been reached: look at it."""
        self.seen += 1
        if SHOTS is not None:
            SHOTS.mkdir(parents=True, exist_ok=True)
            suffix = "" if self.script else "-plain"
            self.page.screenshot(path=SHOTS / f"{self.width}{suffix}-{self.seen:02}-{name}.png", full_page=True)
        if self.script:
            assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, name
            assert not violations(self.page), name
        refused = [text for text in self.said if "Content Security Policy" in text]
        assert not refused, (name, refused)

    def press(self, words: str) -> None:
        self._go("button", words)

    def follow(self, words: str) -> None:
        self._go("link", words)

    def _go(self, role: Any, words: str) -> None:
        """Click, and wait until the next page stands with its stylesheet: a bare one is wider than a phone."""
        with self.page.expect_navigation():
            self.page.get_by_role(role, name=words, exact=True).first.click()


def violations(page: Any) -> list[str]:
    """What axe finds against WCAG 2.2 AA."""
    import axe_playwright_python

    source = Path(axe_playwright_python.__file__).parent / "axe.min.js"
    page.evaluate(source.read_text())
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})"
        ".then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target).join(' ')))"
    )
    return list(found)


@pytest.mark.parametrize(("width", "script"), some([(1280, True), (360, False), (360, True), (1280, False)]))
def test_a_newcomer_gives_looks_and_stops(browser: Any, demo: dict[str, str], width: int, script: bool) -> None:
    walk = Walk(browser, width, script=script)
    page = walk.page
    page.goto(demo["vault"])
    walk.arrives("unlock")
    page.get_by_label("Passphrase").fill(demo["passphrase"])
    walk.press("Unlock")
    page.wait_for_url(re.compile(r"/$"))
    walk.arrives("home")
    assert page.get_by_text("Bookshop asks for 6 things").is_visible()
    walk.press("Next: All that was bought")
    assert page.get_by_text("A first look, step 2 of 5").is_visible()
    assert page.get_by_text("The Salt Almanac").first.is_visible()
    walk.arrives("purchases")
    page.goto(demo["shop"])
    walk.arrives("shop")
    page.get_by_label("Your vault’s address").fill(demo["vault"])
    walk.press("Go to my vault")
    page.wait_for_url(re.compile(r"/authorize\?"))
    walk.arrives("consent")
    window = page.locator(".ask").first
    assert window.get_by_text("The Salt Almanac").first.is_visible()
    assert not window.get_by_text("The Lantern Year").first.is_visible()
    boxes = page.get_by_label("Let them see it")
    assert boxes.count() >= 2
    boxes.nth(0).check()
    page.get_by_label(re.compile(r"^30 days")).check()
    walk.arrives("consent-ticked")
    walk.press("Allow selected")
    page.wait_for_url(re.compile(re.escape(demo["shop"])))
    walk.arrives("shop-greets")
    assert page.get_by_text("The Salt Almanac").first.is_visible()
    page.goto(demo["shop"] + "/data")
    raw = page.locator("body").inner_text()
    assert "The Salt Almanac" in raw
    assert "The Lantern Year" not in raw
    walk.arrives("shop-data")
    page.goto(demo["vault"] + "/activity")
    assert page.get_by_text("Allowed").count() >= 1
    walk.arrives("activity")
    page.goto(demo["vault"] + "/sharing")
    walk.arrives("sharing")
    page.locator("th a", has_text="Bookshop").first.click()
    walk.arrives("sharing-detail")
    walk.press("Stop sharing")
    walk.arrives("stopped")
    the_shop_looks_again(walk, demo)
    walk.arrives("shop-sees-nothing")
    assert "nothing" in page.locator("body").inner_text().lower()
    walk.context.close()


def the_shop_looks_again(walk: Walk, demo: dict[str, str]) -> None:
    """It is asked to, unless her vault has told it by itself that something changed, and it has looked."""
    walk.page.goto(demo["shop"])
    if walk.page.get_by_role("button", name="Look again", exact=True).count():
        walk.press("Look again")


def test_the_link_in_the_mail_stops_it_without_unlocking(browser: Any, demo: dict[str, str]) -> None:
    walk = Walk(browser, 360, script=True)
    page = walk.page
    page.goto(demo["vault"])
    page.get_by_label("Passphrase").fill(demo["passphrase"])
    walk.press("Unlock")
    page.goto(demo["shop"])
    page.get_by_label("Your vault’s address").fill(demo["vault"])
    walk.press("Go to my vault")
    walk.press("Allow selected")
    page.wait_for_url(re.compile(re.escape(demo["shop"])))
    page.goto(demo["vault"])
    walk.press("Lock")
    for _look in range(20):
        page.goto(demo["mail"])
        links = page.locator("a[href*='/r/']")
        if links.count():
            break
        page.wait_for_timeout(500)
    walk.arrives("mail")
    page.goto(links.first.get_attribute("href"))
    walk.arrives("link")
    walk.press("Stop sharing")
    walk.arrives("link-done")
    the_shop_looks_again(walk, demo)
    assert "nothing" in page.locator("body").inner_text().lower()
    walk.context.close()


@pytest.mark.parametrize(("width", "script"), some([(1280, True), (360, False), (320, True)])[: 3 if EVERYTHING else 1])
def test_a_link_shows_what_she_ticked_to_somebody_without_a_vault(
    browser: Any, lasting_demo: dict[str, str], width: int, script: bool
) -> None:
    walk = Walk(browser, width, script=script)
    page = walk.page
    page.goto(lasting_demo["vault"])
    page.get_by_label("Passphrase").fill(lasting_demo["passphrase"])
    walk.press("Unlock")
    page.goto(lasting_demo["vault"] + "/sharing")
    walk.follow("Show something by a link")
    walk.arrives("choose")
    page.get_by_label("The Salt Almanac").first.check()
    page.get_by_label("The Lantern Year").first.check()
    walk.press("Go on: what of them")
    walk.arrives("what-of-them")
    page.get_by_label("Whom the link is for").fill("Repair, Kettle Lane")
    page.get_by_label("Ask for a passphrase too").check()
    walk.press("See exactly what they will see")
    walk.arrives("preview")
    previewed = page.locator(".envelope .window").all_inner_texts()
    page.get_by_label("Passphrase").fill("obsidian marmalade trombone")
    walk.press("Make the link")
    walk.arrives("made")
    visitor = Walk(browser, width, script=script)
    visitor.page.goto(page.get_by_label("The link", exact=True).input_value())
    visitor.arrives("door")
    visitor.page.get_by_label("Passphrase").fill("not these words")
    visitor.press("Show")
    visitor.arrives("wrong")
    visitor.page.get_by_label("Passphrase").fill("obsidian marmalade trombone")
    visitor.press("Show")
    visitor.arrives("shown")
    assert visitor.page.locator(".envelope .window").all_inner_texts() == previewed
    assert "The Lantern Year" not in visitor.page.locator("body").inner_text()
    assert not visitor.context.cookies()
    page.goto(lasting_demo["vault"] + "/sharing")
    walk.follow("Repair, Kettle Lane")
    walk.arrives("its-page")
    walk.press("Stop sharing")
    visitor.page.reload()
    visitor.arrives("nothing")
    assert "This link shows nothing" in visitor.page.locator("body").inner_text()
    visitor.context.close()
    walk.context.close()
