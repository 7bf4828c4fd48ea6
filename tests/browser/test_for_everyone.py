"""The same path by keyboard alone, enlarged, without motion and on a small phone; and how many presses it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_demo_path import CHROMIUM, Path, Walk, a_demo, browser

pytestmark = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Chromium: apt-get install chromium")
__all__ = ["browser"]
PAGES = ("/", "/purchases", "/sharing", "/activity", "/security")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with a_demo(tmp_path_factory.mktemp("everyone") / "demo") as ready:
        yield ready


class Keys:
    """Somebody without a mouse: Tab, Enter and Space, and what has the focus can be seen."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def go_to(self, words: str) -> None:
        """Tab until something of this name has the focus."""
        for _ in range(90):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate(
                "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
                " const name = e.getAttribute('aria-label') || (e.labels && e.labels[0] || e).innerText || e.value;"
                " return [name.replace(/\\s+/g, ' ').trim(), s.outlineStyle !== 'none' || s.boxShadow !== 'none'"
                " || e.type === 'radio' || e.type === 'checkbox'] })()"
            )
            if focused[0].startswith(words):
                assert focused[1], f"{words} has the focus and nothing shows it"
                return
        raise AssertionError(f"no way to {words} by Tab on {self.page.url}")

    def types(self, label: str, text: str) -> None:
        self.go_to(label)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def presses(self, words: str, key: str = "Enter") -> None:
        self.go_to(words)
        with self.page.expect_navigation():
            self.page.keyboard.press(key)


def asked(walk: Walk, demo: dict[str, str]) -> None:
    """To the consent screen, by mouse."""
    page = walk.page
    page.goto(demo["vault"] + "/unlock")
    page.get_by_label("Passphrase").fill(demo["passphrase"])
    walk.press("Unlock")
    page.goto(demo["shop"])
    page.get_by_label("Your vault’s address").fill(demo["vault"])
    walk.press("Go to my vault")
    page.wait_for_url(re.compile(r"/authorize\?"))


def test_everything_is_done_by_keyboard_alone(browser: Any, demo: dict[str, str]) -> None:
    walk = Walk(browser, 1280, script=False)
    page, keys = walk.page, Keys(walk.page)
    page.goto(demo["vault"] + "/unlock")
    keys.types("Passphrase", demo["passphrase"])
    keys.presses("Unlock")
    page.goto(demo["shop"])
    keys.types("Your vault’s address", demo["vault"])
    keys.presses("Go to my vault")
    page.wait_for_url(re.compile(r"/authorize\?"))
    keys.go_to("Let them see it")
    page.keyboard.press("Space")
    keys.presses("Allow selected", "Space")
    page.wait_for_url(re.compile(re.escape(demo["shop"])))
    page.goto(demo["vault"])
    keys.presses("Who can see what")
    keys.presses("Bookshop")
    keys.presses("Stop sharing")
    assert "no longer" in page.locator("main").inner_text()
    walk.context.close()


def test_stopping_takes_no_more_presses_than_giving(browser: Any, demo: dict[str, str]) -> None:
    """Both from where it begins: at the vendor's page, and at home."""
    walk = Walk(browser, 1280, script=True)
    asked(walk, demo)
    given = ["Go to my vault", "Allow selected"]
    walk.press(given[-1])
    page = walk.page
    page.wait_for_url(re.compile(re.escape(demo["shop"])))
    page.goto(demo["vault"])
    stopped = ["Bookshop", "Stop sharing"]
    walk.follow(stopped[0])
    walk.press(stopped[1])
    assert "no longer" in page.locator("main").inner_text()
    assert len(stopped) <= len(given)
    walk.context.close()


def test_enlarged_to_twice_and_four_times_nothing_is_cut_off(browser: Any, demo: dict[str, str]) -> None:
    """WCAG 2.2, 1.4.4 and 1.4.10: 1280 pixels at 200 % and 400 % are 640 and 320."""
    walk = Walk(browser, 640, script=True)
    asked(walk, demo)
    address = walk.page.url
    for width in (640, 320):
        walk.page.set_viewport_size({"width": width, "height": 400})
        for path in (
            address,
            *(demo["vault"] + each for each in ("/", "/purchases", "/sharing", "/activity", "/security")),
        ):
            walk.page.goto(path)
            assert walk.page.evaluate("document.documentElement.scrollWidth") <= width, (width, path)
    walk.context.close()


def test_nothing_moves_for_whoever_wants_no_motion(browser: Any, demo: dict[str, str]) -> None:
    walk = Walk(browser, 1280, script=True)
    asked(walk, demo)
    for path in (walk.page.url, demo["vault"], demo["vault"] + "/purchases"):
        walk.page.goto(path)
        moving = walk.page.evaluate(
            "[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
            " const long = t => t.split(',').some(d => parseFloat(d) > 0.011);"
            " return long(s.animationDuration) && s.animationName !== 'none' || long(s.transitionDuration)"
            " }).map(e => e.outerHTML.slice(0, 80))"
        )
        assert not moving, (path, moving)
    walk.context.close()


def test_on_a_small_phone_the_decision_stays_in_view(browser: Any, demo: dict[str, str]) -> None:
    walk = Walk(browser, 360, script=True)
    asked(walk, demo)
    page = walk.page
    page.set_viewport_size({"width": 360, "height": 640})
    for place in (0, 700, 100_000):
        page.evaluate(f"scrollTo(0, {place})")
        for words in ("Allow selected", "Don’t allow"):
            box = page.get_by_role("button", name=words).bounding_box()
            assert box, words
            assert 0 <= box["y"] <= 640 - box["height"], (words, place, box)
            assert box["height"] >= 44, words
    walk.context.close()


def mailed_links(walk: Walk, demo: dict[str, str]) -> Iterator[str]:
    """Links in her mails, again and again until a mail has come that has the one which is looked for."""
    for _look in range(20):
        walk.page.goto(demo["mail"])
        yield from [link.get_attribute("href") for link in walk.page.locator("a[href*='/r/']").all()]
        walk.page.wait_for_timeout(500)


def stops_something(walk: Walk, link: str) -> bool:
    walk.page.goto(link)
    return bool(walk.page.get_by_role("button", name="Stop sharing").count())


def test_the_page_that_stops_it_fits_one_screen_of_a_phone(browser: Any, demo: dict[str, str]) -> None:
    walk = Walk(browser, 360, script=True)
    asked(walk, demo)
    walk.press("Allow selected")
    page = walk.page
    page.wait_for_url(re.compile(re.escape(demo["shop"])))
    page.goto(next(link for link in mailed_links(walk, demo) if stops_something(walk, link)))
    page.set_viewport_size({"width": 360, "height": 640})
    assert page.evaluate("document.documentElement.scrollHeight") <= 640
    walk.press("Stop sharing")
    assert page.evaluate("document.documentElement.scrollHeight") <= 640
    walk.context.close()
