"""Every page obeys the strict content policy, speaks every language, and has a label on every control.

Templates are read as text: Jinja's own marks are taken out first, then a plain HTML parser walks what is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from tests.house.tree import ROOMS, files, name

COMMENT = re.compile(r"{#.*?#}", re.DOTALL)
TRANSLATED = re.compile(r"{%-?\s*trans\b.*?%}.*?{%-?\s*endtrans\s*-?%}", re.DOTALL)
STATEMENT = re.compile(r"{%.*?%}", re.DOTALL)
EXPRESSION = re.compile(r"{{(.*?)}}", re.DOTALL)
MARKED_CALL = re.compile(r"\b(?:_|n?p?gettext)\((?:[^()]|\([^()]*\))*\)")
SENTENCE = re.compile(r"""(["'])[A-Z][^"'<>]*\s[^"'<>]*\1""")
LETTER = re.compile(r"[^\W\d_]")

SPOKEN_ATTRIBUTES = {"alt", "aria-label", "aria-description", "placeholder", "title", "summary"}
LOADING_ATTRIBUTES = {"src", "srcset", "poster", "data"}
LOADING_LINKS = {"link", "use", "image"}
ELSEWHERE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
NOT_TO_FILL_IN = {"hidden", "submit", "button", "image", "reset"}
NEVER_CLOSED = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# The demo shop stands for somebody else's program, in one language.
NOT_TRANSLATED = "connectors/demo_shop/"


class Page(HTMLParser):
    """One template: its tags in order, its text with the tag around it, and its controls."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[int, str, dict[str, str]]] = []
        self.texts: list[tuple[int, str, str]] = []
        self.labelled: set[str] = set()
        self.controls: list[tuple[int, str, bool]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.tags.append((self.getpos()[0], tag, attributes))
        if tag == "label" and attributes.get("for"):
            self.labelled.add(attributes["for"])
        fills = tag in {"select", "textarea"} or (tag == "input" and attributes.get("type") not in NOT_TO_FILL_IN)
        if fills:
            self.controls.append((self.getpos()[0], attributes.get("id", ""), "label" in self._open))
        if tag not in NEVER_CLOSED:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in NEVER_CLOSED:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.texts.append((self.getpos()[0], self._open[-1] if self._open else "", data))


def without(pattern: re.Pattern[str], source: str, put: Callable[[re.Match[str]], str] = lambda _: "") -> str:
    """Take out what matches, but keep its line ends, so that line numbers stay true."""
    return pattern.sub(lambda match: put(match) + "\n" * match[0].count("\n"), source)


def an_id_of_it(match: re.Match[str]) -> str:
    """The same expression gives the same letters: `for="{{ id }}"` then meets `id="{{ id }}"`."""
    return "x" + "".join(match[1].split()).encode().hex()


def templates() -> list[tuple[str, str]]:
    return [(name(path), without(COMMENT, read(path))) for path in files(*ROOMS, suffix=".html")]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def pages() -> list[tuple[str, Page]]:
    """Each template with every branch in it, and its expressions as words that stand for them."""
    return [(file, Page(without(EXPRESSION, without(STATEMENT, text), an_id_of_it))) for file, text in templates()]


def unmarked(text: str) -> list[int]:
    """Lines where words stand that no translator will see."""
    plain = Page(without(EXPRESSION, without(STATEMENT, without(TRANSLATED, text))))
    lines = [line for line, around, words in plain.texts if around not in {"script", "style"} and LETTER.search(words)]
    for line, tag, attributes in plain.tags:
        spoken = [attributes[key] for key in SPOKEN_ATTRIBUTES & attributes.keys()]
        if tag == "input" and attributes.get("type") == "submit":
            spoken.append(attributes.get("value", ""))
        lines += [line for words in spoken if LETTER.search(words)]
    for pattern in (STATEMENT, EXPRESSION):
        for match in pattern.finditer(without(TRANSLATED, text)):
            if SENTENCE.search(MARKED_CALL.sub("", match[0])):
                lines.append(text.count("\n", 0, match.start()) + 1)
    return sorted(lines)


def test_no_page_carries_a_style_or_a_script_of_its_own():
    wrong = []
    for file, page in pages():
        wrong += [f"{file}:{line} style=" for line, _, attributes in page.tags if "style" in attributes]
        wrong += [f"{file}:{line} <style>" for line, tag, _ in page.tags if tag == "style"]
        wrong += [f"{file}:{line} <script>" for line, tag, words in page.texts if tag == "script" and words.strip()]
    assert not wrong


def test_no_page_has_a_handler_in_its_markup():
    wrong = []
    for file, page in pages():
        for line, _, attributes in page.tags:
            handlers = [key for key in attributes if key.startswith(("on", "hx-on"))]
            scripts = [
                key for key, value in attributes.items() if value.strip().lower().startswith(("javascript:", "js:"))
            ]
            wrong += [f"{file}:{line} {key}" for key in handlers + scripts]
            wrong += [f"{file}:{line} hx-trigger filter" for _ in [0] if "[" in attributes.get("hx-trigger", "")]
    assert not wrong, "the content policy forbids what these need"


def test_every_page_loads_from_its_own_server_only():
    wrong = []
    for file, page in pages():
        for line, tag, attributes in page.tags:
            loads = LOADING_ATTRIBUTES | ({"href", "xlink:href"} if tag in LOADING_LINKS else set())
            wrong += [f"{file}:{line}" for key in loads & attributes.keys() if ELSEWHERE.match(attributes[key])]
    assert not wrong


def test_every_word_on_a_page_can_be_translated():
    ours = [(file, text) for file, text in templates() if not file.startswith(NOT_TRANSLATED)]
    assert not [f"{file}:{line}" for file, text in ours for line in unmarked(text)]


def test_every_control_has_a_label():
    assert not [
        f"{file}:{line}"
        for file, page in pages()
        for line, control, wrapped in page.controls
        if not wrapped and (not control or control not in page.labelled)
    ]
