"""Make the README's picture: `python -m tests.browser.picture` while `vrm demo` runs on its usual ports."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import sync_playwright

VAULT, SHOP, PASSPHRASE = "http://localhost:8400", "http://shop.localhost:8401", "a lamp, a kettle, a map"
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "consent.png"


def main() -> None:
    """Unlock, let the Bookshop ask, and photograph the consent screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 960, "height": 1180}).new_page()
        page.goto(VAULT)
        page.get_by_label("Passphrase").fill(PASSPHRASE)
        page.get_by_role("button", name="Unlock", exact=True).click()
        page.goto(SHOP)
        page.get_by_label("Your vault’s address").fill(VAULT)
        page.get_by_role("button", name="Go to my vault").click()
        page.wait_for_url(re.compile("/authorize"))
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
