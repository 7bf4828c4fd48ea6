"""Passkeys in a real browser with a virtual authenticator: added, used to unlock and to confirm, removed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from werkzeug.serving import make_server

from tests.conftest import PASSPHRASE
from tests.houses import copy_house, settings_in
from tests.people import Clock
from vault import sessions
from vault.app import create_app, load_rooms
from vault.keyring import Keyring
from vault.server import Server, start

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
playwright_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make dev installs it")


LOOKS_UP = "document.dispatchEvent(new Event('visibilitychange'))"  # what a tab does when she comes back to it


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def served(furnished: tuple[Path, str, Any], tmp_path: Path, clock: Clock) -> Iterator[tuple[Server, str]]:
    """Ada's vault, served on a port of its own."""
    copy_house(furnished[0], tmp_path / "house")
    web = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    address = f"http://localhost:{web.server_port}"
    house = start(settings_in(tmp_path / "house", address), load_rooms(), clock=clock)
    web.app = create_app(house)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield house, address
    web.shutdown()
    thread.join()
    web.server_close()
    house.stop()


class Phone:
    """A browser with a device that makes passkeys, and everything it posted."""

    def __init__(self, chromium: Any, address: str, *, prf: bool) -> None:
        self.address, self.posted = address, []
        self.page = chromium.new_context().new_page()
        self.page.on("request", lambda request: self.posted.append(request) if request.method == "POST" else None)
        devtools = self.page.context.new_cdp_session(self.page)
        devtools.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": True}
        options |= {"hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True}
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options | {"hasPrf": prf}})

    def unlocks_by_passphrase(self) -> None:
        self.page.goto(f"{self.address}/security")
        self.page.get_by_label("Passphrase").fill(PASSPHRASE)
        self.page.get_by_role("button", name="Unlock", exact=True).click()

    def adds(self, name: str) -> None:
        self.page.get_by_label("What is it called?").fill(name)
        self.page.get_by_role("button", name="Add a passkey").click()
        self.page.get_by_text("The passkey is added.").wait_for()

    def sent(self, path: str) -> dict[str, list[str]]:
        """The fields of the last form posted to a path."""
        return parse_qs(next(each for each in reversed(self.posted) if each.url.endswith(path)).post_data)


def test_a_passkey_unlocks_and_confirms_and_its_secret_goes_to_one_field_alone(chromium, served, clock: Clock):
    _house, address = served
    phone = Phone(chromium, address, prf=True)
    page = phone.page
    phone.unlocks_by_passphrase()
    phone.adds("My phone")
    assert page.get_by_text("Can unlock", exact=True).is_visible()
    made = phone.sent("/security/passkeys")
    page.get_by_role("button", name="Lock", exact=True).first.click()
    page.get_by_role("button", name="Unlock with a passkey").click()
    page.locator(".rail").wait_for()
    unlocked = phone.sent("/unlock/passkey")
    assert unlocked["secret"] == made["secret"], "the same secret each time"
    for form in (made, unlocked):
        assert form["secret"][0] not in form["passkey"][0]
        assert '"clientExtensionResults":{}' in form["passkey"][0]
    assert sum(made["secret"][0] in (each.post_data or "") for each in phone.posted) == 2
    clock.passes(minutes=6)
    page.goto(f"{address}/security")
    page.get_by_text("Rename or remove").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("The passkey is removed").wait_for()
    page.get_by_role("button", name="Lock", exact=True).first.click()
    page.get_by_role("button", name="Unlock with a passkey").click()
    page.get_by_text("That passkey does not open this vault.").first.wait_for()
    page.context.close()


def test_a_device_without_prf_gets_a_passkey_that_confirms_and_does_not_unlock(chromium, served, clock: Clock):
    _house, address = served
    phone = Phone(chromium, address, prf=False)
    page = phone.page
    phone.unlocks_by_passphrase()
    phone.adds("Old key")
    assert page.get_by_text("Sign-in only", exact=True).is_visible()
    clock.passes(minutes=6)
    page.goto(f"{address}/security/recovery")
    page.get_by_role("button", name="Make a new kit").click()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Keep this page on paper.").wait_for()
    page.context.clear_cookies()
    page.goto(f"{address}/unlock")
    page.get_by_role("button", name="Unlock with a passkey").click()
    page.get_by_text("This passkey can confirm that it is you, but not unlock.").first.wait_for()
    page.context.close()


def test_a_minute_before_it_locks_the_page_says_so_and_lets_her_stay(
    chromium, served, furnished: tuple[Path, str, Keyring], clock: Clock
):
    house, address = served
    string, _vault = sessions.begin(house, furnished[2])
    page = chromium.new_context().new_page()
    page.context.add_cookies([{"name": "vault", "value": string, "url": address}])
    page.goto(f"{address}/notes?x=1")
    warning = page.get_by_text("The vault locks itself in less than a minute.")
    assert not warning.is_visible()
    clock.passes(minutes=14, seconds=30)
    page.evaluate(LOOKS_UP)
    warning.wait_for()
    page.get_by_role("button", name="Stay open").click()
    warning.wait_for(state="hidden")
    clock.passes(minutes=16)
    page.evaluate(LOOKS_UP)
    page.get_by_role("heading", name="Closed.").wait_for()
    assert page.url == f"{address}/unlock?next=%2Fnotes%3Fx%3D1"
    page.context.close()
