"""The owner's pages in a real browser: narrow and wide, light and dark, with and without JavaScript."""

from __future__ import annotations

import io
import shutil
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from connectors import undoing
from tests import sampled
from tests.connectors.test_engine import GIFTS, HEADER, a_history, a_row, imported
from tests.houses import settings_in
from tests.sampled import some
from tests.vault.test_attachments import PNG as PICTURE
from vault import attached, attachments, sessions, set_up, store
from vault.app import create_app, load_rooms
from vault.archive import archive
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address, Name
from vault.collections.purchases import Order, Purchase
from vault.collections.vendors import Vendor
from vault.opened import OpenVault
from vault.server import Server, start
from vault.values import Money, When

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
playwright_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make dev installs it")

PASSPHRASE = "violet kettle under the stairs"
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    package = pytest.importorskip("axe_playwright_python", reason="needs axe: make dev installs it")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server with no vault yet, on a port of its own."""
    web = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    address = f"http://localhost:{web.server_port}"
    noon = datetime.now(UTC).replace(hour=12)
    house = start(settings_in(tmp_path_factory.mktemp("house"), address), load_rooms(), clock=lambda: noon)
    web.app = create_app(house)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield house, address
    web.shutdown()
    thread.join()
    web.server_close()
    house.stop()


@pytest.fixture(scope="module")
def furnished(served: tuple[Server, str], chromium: Any) -> dict[str, str]:
    """Set up in the browser itself; then things to look at. Returns the cookie and paths by name."""
    house, address = served
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    errors = listen(page)
    page.goto(address + str(set_up.set_up_address(house)))
    page.get_by_label("What should we call you?").fill("Ada")
    page.get_by_label("A short name for this vault").fill("ada")
    page.get_by_label("Passphrase").fill("violet kettle")
    page.wait_for_selector("#strength meter")
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Set up the vault").click()
    with page.expect_download() as saving:
        page.get_by_role("link", name="Save as a file").click()
    page.get_by_label("The file you saved").set_input_files(saving.value.path())
    page.get_by_role("button", name="I have it").click()
    page.get_by_role("heading", name="Welcome, Ada.").wait_for()
    assert not errors
    cookie = page.context.cookies()[0]["value"]
    page.context.close()
    return {"cookie": cookie, **furnish(house, cookie)}


def furnish(house: Server, cookie: str) -> dict[str, str]:
    vault = sessions.open_session(house, cookie)
    receipt = attached.Incoming("receipt.png")
    receipt.write(PICTURE)
    with store.writing(vault, numbers=9) as turn:
        bookshop = store.add(turn, vault, Vendor(called="Bookshop", domains=("bookshop.example",), note="By the lake."))
        order = {"vendor": bookshop.number, "order": "BK-1", "bought_on": When("2026-11-18")}
        soon = When((house.clock().date() + timedelta(days=3)).isoformat())
        days = {"return_by": soon, "warranty_until": soon}
        paid = Money("18.50", "EUR")
        moss = store.add(turn, vault, Purchase(item="Field Notes on Moss", price=paid, **order, **days))
        attachments.keep(turn, vault, attached.sealed(vault, moss.number, receipt, "2026-11-18"))
        gift = {"for_whom": "gift", "recipient": "Ines", "gift_note": "For her fortieth."}
        atlas = store.add(turn, vault, Purchase(item="Atlas", price=Money("24.90", "EUR"), **order, **gift))
        store.add(turn, vault, Order(order="BK-1", vendor=bookshop.number, total=Money("48.30", "EUR")))
        note = store.add(turn, vault, Note(heading="Window seals", text="Oil them twice."))
        for record in (
            Preference(topic="Nuts", stance="never", strength=3),
            Name(given="Ada"),
            Address(city="Porthaven"),
        ):
            store.add(turn, vault, record)
    return {
        **imports(vault),
        "purchase": f"/purchases/{moss.number}",
        "gift": f"/purchases/{atlas.number}",
        "edit": f"/purchases/{moss.number}/edit",
        "vendor": f"/vendors/{bookshop.number}",
        "merge": f"/vendors/{bookshop.number}/merge",
        "note": f"/notes/{note.number}",
    }


def imports(vault: OpenVault) -> dict[str, str]:
    """One import with refused lines and likely gifts, and one that was undone but for what she had changed."""
    rows = [a_row(1, more=",For you,Ada,Bea"), a_row(7, more=",,,").replace("2024-03-01", "2024-02-31")]
    read = imported(vault, "\n".join([HEADER + GIFTS, *rows, ""]).encode(), "gifts.csv")
    other = imported(vault, a_history(20).replace(b"Amazon.com", b"Amazon.de"))
    with store.writing(vault) as turn:
        store.change(turn, vault, vault.catalogue.entries("title = 'Thing 5'")[0].number, {"note": "Blue"})
    undoing.begin(vault, other.import_id, everything=False)
    undoing.run(vault, other.import_id)
    there = f"/imports/{read.import_id.hex()}"
    return {"import": there, "undo": f"{there}/undo", "undone": f"/imports/{other.import_id.hex()}"}


def listen(page: Any) -> list[str]:
    """What the browser complains about, such as a style that the policy forbids."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def opened(chromium: Any, served: tuple[Server, str], furnished: dict[str, str], **how: Any) -> Any:
    context = chromium.new_context(**how)
    context.add_cookies([{"name": "vault", "value": furnished["cookie"], "url": served[1]}])
    return context.new_page()


LANGUAGES = ["en-GB", "pl-PL", "ro-RO", "cs-CZ", "id-ID"]
LOOKS = [(1280, "light"), (360, "dark"), (360, "light"), (1280, "dark")]  # width and colours
IN_COLOUR = ["color-contrast", "link-in-text-block"]  # what colours can change


def paths_of(furnished: dict[str, str]) -> list[str]:
    lists = (
        "/",
        "/more",
        "/purchases",
        "/purchases?least=1&receipt=with",
        "/purchases/due",
        "/vendors",
        "/profile",
        "/preferences",
        "/insights",
        "/notes",
        "/notes/new",
        "/security",
        "/security/recovery",
        "/security/keys",
        "/export",
        "/delete",
        "/purchases/new",
        "/search?q=o",
        "/search?q=moss+zebra&from=2026-01-01",
        "/search?q=book",
        "/trash",
        "/settings",
        "/help",
        "/damaged",
        "/sharing",
        "/sharing/links/choose",
        "/activity",
        "/inbox",
        "/imports",
        "/stop",
        "/developers",
        "/developers/reference",
        "/problems",
    )
    names = ("purchase", "gift", "edit", "vendor", "merge", "note", "import", "undo", "undone")
    return [*lists, *(furnished[name] for name in names)]


@pytest.mark.parametrize("language", some(LANGUAGES))
def test_every_page_can_be_used_by_everybody(chromium, served, furnished, axe, language: str) -> None:
    """Every page in every language, and in all looks in English; a run that samples has every fourth, in one look.

    It is loaded once for a language: colours and width change under it, as they do when she turns her phone.
    """
    page = opened(chromium, served, furnished, locale=language)
    errors, paths = listen(page), paths_of(furnished)
    at = LANGUAGES.index(language)
    for place, path in enumerate(paths) if sampled.EVERYTHING else list(enumerate(paths))[at::4]:
        looks = LOOKS if sampled.EVERYTHING and not at else [LOOKS[(place // 2 + at) % 4]]
        page.goto(served[1] + path)
        assert page.locator("html").get_attribute("lang") == language[:2], path
        page.evaluate(axe)
        seen: set[int] = set()
        for width, scheme in looks:
            page.set_viewport_size({"width": width, "height": 740})
            page.emulate_media(color_scheme=scheme)
            found = violations(page, IN_COLOUR if width in seen else None)
            assert not found, (path, width, scheme, language)
            seen.add(width)
        page.set_viewport_size({"width": 320, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    assert not errors
    page.context.close()


def violations(page: Any, rules: list[str] | None = None) -> list[tuple[str, str]]:
    """What axe finds on a page that it was put into: by these rules, or by all that count here."""
    run = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": RULES}
    found = page.evaluate("run => axe.run({runOnly: run, resultTypes: ['violations']})", run)["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]


@pytest.mark.parametrize(("script", "width"), [(True, 1280), (False, 360)])
def test_she_keeps_a_purchase_marks_it_as_a_gift_and_locks(chromium, served, furnished, script: bool, width: int):
    how = {"viewport": {"width": width, "height": 740}, "java_script_enabled": script}
    page = chromium.new_context(**how).new_page()
    page.goto(served[1] + "/purchases")
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Unlock", exact=True).click()
    page.get_by_role("link", name="Add a purchase").click()
    page.get_by_label("What you bought").fill("Scarf, indigo")
    page.get_by_label("Amount").fill("cheap")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Some of this needs another look.").wait_for()
    page.get_by_label("Amount").fill("39,00")
    page.get_by_label("Or a new vendor").fill("Lumen & Oak")
    page.get_by_role("button", name="Save").click()
    assert page.locator("h1").inner_text() == "Scarf, indigo"
    page.get_by_text("This was a gift").click()
    page.get_by_label("For whom").fill("Bea")
    page.get_by_role("button", name="Mark as a gift").click()
    assert "A gift for Bea" in page.locator(".secret").inner_text()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Undone.").wait_for()
    picture = {"name": "receipt.html", "mimeType": "text/html", "buffer": PICTURE}
    page.get_by_label("Add a receipt, photo or manual").set_input_files(picture)
    page.get_by_role("button", name="Add the file").click()
    preview = page.get_by_role("img", name="Preview of receipt.html")
    preview.wait_for()
    assert not script or preview.evaluate("each => each.decode().then(() => each.naturalWidth)") == 1
    she_searches(page, script=script)
    assert page.locator("h1").inner_text() == "Scarf, indigo"
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("button", name="Lock").click()
    page.get_by_role("heading", name="Closed.").wait_for()
    page.goto(served[1] + "/purchases")
    assert page.get_by_label("Passphrase").is_visible()
    page.context.close()


def test_everything_can_be_read_from_a_disk_without_network_or_script(chromium, served, furnished, axe, tmp_path: Path):
    vault = sessions.open_session(served[0], furnished["cookie"])
    with zipfile.ZipFile(io.BytesIO(b"".join(archive(vault)))) as packed:
        packed.extractall(tmp_path)
    page = chromium.new_context(viewport={"width": 320, "height": 740}, offline=True).new_page()
    errors = listen(page)
    page.goto((tmp_path / "view.html").as_uri())
    page.locator("summary", has_text="Atlas").click()
    assert page.get_by_text("For her fortieth.").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('dl')).display") == "grid"
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.evaluate(axe)
    assert not violations(page)
    page.get_by_role("link", name="csv/vendors.csv").wait_for()
    assert not errors
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
    assert page.evaluate("window.ran") is None
    page.context.close()


def she_searches(page: Any, *, script: bool) -> None:
    """From whatever page she is on, as she types or by the button, and opens what she found."""
    if page.viewport_size["width"] > 1000:
        page.get_by_label("Search", exact=True).first.fill("lumen")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Lumen & Oak").wait_for()
    else:
        page.get_by_role("link", name="Search").click()
    page.get_by_label("What are you looking for?").fill("")
    page.get_by_label("What are you looking for?").press_sequentially("índig")
    if not script:
        page.get_by_role("button", name="Search", exact=True).last.click()
    page.get_by_role("link", name="Scarf, indigo").click()


def test_a_refused_form_leads_to_what_has_to_be_looked_at(chromium, served, furnished, axe):
    page = opened(chromium, served, furnished, viewport={"width": 360, "height": 740})
    page.goto(served[1] + "/purchases/new")
    page.get_by_role("button", name="Save").click()
    page.evaluate(axe)
    assert not violations(page)
    page.get_by_role("alert").get_by_role("link", name="What you bought").click()
    assert page.evaluate("document.activeElement.id") == "item"
    page.context.close()
