"""Pages in a language that is longer than any: every word marked, nothing wider than a narrow phone."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from gettext import NullTranslations
from typing import Any

import pytest
from werkzeug.serving import make_server

from tests.people import ISSUER, Ada, Bookshop
from vault import languages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
playwright_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make dev installs it")

ACCENTED = str.maketrans("AEIOUYaeiouycnsz", "ÁÉÍÓÚÝáéíóúýčňšž")
WORD = re.compile(r"(%\(\w+\)[sd]|%%)|([^\W\d_]+)")
BEGINS, ENDS = "⟦", "⟧"
MARKED = re.compile(f"{BEGINS}[^{BEGINS}{ENDS}]*{ENDS}")
ENGLISH = re.compile(
    r"\b(a|an|and|at|by|can|for|from|in|is|it|not|of|on|or|see|that|the|this|to|with|you|your)\b", re.IGNORECASE
)


class Longer(NullTranslations):
    """No language: each word of the source with accents and two fifths longer, each sentence between marks."""

    def gettext(self, message: str) -> str:
        return f"{BEGINS}{WORD.sub(_longer, message)}{ENDS}" if message else ""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)

    ugettext, ungettext = gettext, ngettext


def _longer(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    return match[2].translate(ACCENTED) + "óšážíňúčéý"[: round(len(match[2]) * 0.4)]


@pytest.fixture
def longer(monkeypatch: pytest.MonkeyPatch) -> str:
    """The code under which it is spoken: one that dates and amounts have forms for."""
    monkeypatch.setitem(languages.LANGUAGES, "eo", "Longer")
    monkeypatch.setitem(languages.SPOKEN, "eo", Longer())
    return "eo"


@pytest.fixture
def address(ada: Ada) -> Iterator[str]:
    """Ada's vault on a port of its own."""
    web = make_server("127.0.0.1", 0, ada.app, threaded=True)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://localhost:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()


def test_every_word_is_translated_and_no_page_outgrows_a_narrow_phone_in_a_longer_language(
    longer: str, ada: Ada, bookshop: Bookshop, address: str
) -> None:
    moss = ada.buys("Moss", order="7", category="9")
    ada.marks_as_gift(ada.buys("Atlas"))
    ada.lets(bookshop)
    bookshop.reads()
    asked = bookshop.asks().authorize_url.removeprefix(ISSUER)
    hers = ["/", "/more", "/purchases", "/purchases/new", f"/purchases/{moss.number}", "/vendors", "/profile", "/notes"]
    hers += ["/preferences", "/sharing", "/activity", "/inbox", "/imports", "/security", asked]
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_context(viewport={"width": 320, "height": 700}, locale=longer).new_page()
        wrong = [each for path in ("/unlock", "/stop", "/developers/preview") for each in wrongs(page, address, path)]
        page.context.add_cookies([{"name": "vault", "value": ada.session, "url": address}])
        wrong += [each for path in hers for each in wrongs(page, address, path)]
        chromium.close()
    assert not wrong


def wrongs(page: Any, address: str, path: str) -> Iterator[str]:
    """A page that is wider than the window, and English on it that no translator has seen."""
    answer = page.goto(address + path)
    assert (answer.status, page.locator("html").get_attribute("lang")) == (200, "eo"), path
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > 320:
        yield f"{path}: {width} wide"
    page.evaluate("document.querySelectorAll('q, pre, code').forEach(quoted => quoted.remove())")
    text = page.locator("body").inner_text()
    while marked := MARKED.search(text):
        text = text.replace(marked[0], "")
    yield from (f"{path}: {line}" for line in text.splitlines() if ENGLISH.search(line))
