"""Make the README's pictures: `python -m tests.browser.pictures` while `vrm demo` runs on its usual ports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

VAULT, SHOP, PASSPHRASE = "http://localhost:8400", "http://shop.localhost:8401", "a lamp, a kettle, a map"
DOCS = Path(__file__).resolve().parents[2] / "docs"


def main() -> None:
    """Unlock, photograph the first page and what the purchases say; let the Bookshop ask, and photograph that."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1180, "height": 900}).new_page()
        page.goto(VAULT)
        page.get_by_label("Passphrase").fill(PASSPHRASE)
        _press(page, "Unlock")
        _press(page, "Close this")
        page.goto(VAULT)
        page.screenshot(path=DOCS / "home.png")
        page.goto(f"{VAULT}/insights")
        page.screenshot(path=DOCS / "insights.png")
        page.set_viewport_size({"width": 960, "height": 1180})
        page.goto(SHOP)
        page.get_by_label("Your vault’s address").fill(VAULT)
        _press(page, "Go to my vault")
        page.wait_for_url(re.compile("/authorize"))
        page.screenshot(path=DOCS / "consent.png")
        browser.close()


def _press(page: Any, words: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=words, exact=True).click()


if __name__ == "__main__":
    main()
