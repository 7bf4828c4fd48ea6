"""Translations: every marked sentence, its words in each language, and whether they are complete.

    python tools/translations.py update             bring the .po files up to the sentences there are now
    python tools/translations.py check              say what is missing, stale or broken; ends with 1 if anything is
    python tools/translations.py missing pl         the sentences without Polish words, as JSON
    python tools/translations.py take pl FILE       put a JSON of {sentence: words} in; nothing of it if one is wrong

The words of a sentence with a plural are a list, one for each plural form of the language.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("vault", "consent", "connectors")
FOLDER = ROOT / "vault" / "translations"

KEYWORDS = {"gettext": None, "_": None, "N_": None, "say": None, "ngettext": (1, 2)}
TEMPLATE = {"extensions": "jinja2.ext.do", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
# The demo shop and the client library stand for somebody else's programs, in one language.
METHODS = [
    ("demo_shop/**", "ignore"),
    ("vendor_client/**", "ignore"),
    ("migrations/**", "ignore"),
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2.ext:babel_extract"),
    ("templates/**.html", "jinja2.ext:babel_extract"),
    ("**/templates/**.txt", "jinja2.ext:babel_extract"),
    ("templates/**.txt", "jinja2.ext:babel_extract"),
]
OPTIONS = {pattern: TEMPLATE for pattern, method in METHODS if method.startswith("jinja2")}

# As the Unicode CLDR has them, for whole numbers; Babel gives Indonesian a second form that its grammar has not.
PLURALS = {
    "cs": "nplurals=3; plural=(n==1 ? 0 : n>=2 && n<=4 ? 1 : 2);",
    "id": "nplurals=1; plural=0;",
    "pl": "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);",
    "ro": "nplurals=3; plural=(n==1 ? 0 : n==0 || (n!=1 && n%100>=1 && n%100<=19) ? 1 : 2);",
}
PLACEHOLDER = re.compile(r"%(?:\(\w+\)[sd]|%|.?)")
MOST_SAID = 60
Words = str | list[str]


@cache
def places() -> list[tuple[str, str | tuple[str, ...], str | None]]:
    """Every place where a sentence is marked: its file, the sentence, of one with a plural both, and its context."""
    rows = ((room, row) for room in ROOMS for row in extract_from_dir(ROOT / room, METHODS, OPTIONS, keywords=KEYWORDS))
    return [(f"{room}/{Path(row[0]).as_posix()}", row[2], row[4]) for room, row in rows]


@cache
def extracted() -> Catalog:
    """Every marked sentence of the rooms, each with the files it stands in."""
    found = Catalog(fuzzy=False)
    for file, message, context in places():
        found.add(message, locations=[(file, 0)], context=context)
    return found


def said_both_ways() -> set[str]:
    """Sentences that stand alone in one place and begin a plural in another.

    Both find the same words. In a language with one form those hold a number, and a page that gives none would fail.
    """
    alone = {message for _, message, _ in places() if isinstance(message, str)}
    return alone & {message[0] for _, message, _ in places() if not isinstance(message, str)}


def forms(language: str) -> int:
    """How many plural forms a language has."""
    return int(PLURALS[language].split("=")[1].split(";")[0])


def read(language: str) -> Catalog:
    """The words of a language as they stand in its file; an empty catalogue before there is one."""
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def sentence(message: Message) -> str:
    """The sentence of a message; of one with a plural, its singular."""
    return message.id if isinstance(message.id, str) else message.id[0]


def written(language: str, sentences: Catalog, words: dict[str, Words]) -> bytes:
    """The .po file: the sentences by file, and nothing in it that would differ the next time."""
    made = Catalog(locale=language, fuzzy=False)
    made.mime_headers = [("Plural-Forms", PLURALS[language])]
    for message in sentences:
        if not message.id:
            continue
        empty: Words = [""] * forms(language) if message.pluralizable else ""
        files = sorted({file for file, _ in message.locations})
        string = words.get(sentence(message), empty)
        made.add(message.id, tuple(string) if isinstance(string, list) else string, [(file, 0) for file in files])
    out = io.BytesIO()
    write_po(out, made, width=120, omit_header=True, include_lineno=False, sort_by_file=True)
    return _head(language).encode() + out.getvalue()


def _head(language: str) -> str:
    fields = (f"Language: {language}", "Content-Type: text/plain; charset=utf-8", f"Plural-Forms: {PLURALS[language]}")
    return 'msgid ""\nmsgstr ""\n' + "".join(f'"{field}\\n"\n' for field in fields) + "\n"


def known(catalogue: Catalog) -> dict[str, Words]:
    """What has words, by sentence; a doubtful one has none."""
    return {
        sentence(message): words if message.pluralizable else words[0]
        for message in catalogue
        if message.id and not message.fuzzy and (words := _words(message))
    }


def _words(message: Message) -> list[str]:
    """Every form of a message; none if one of them is missing."""
    found = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return found if all(found) else []


def update() -> None:
    """Every .po file anew: sentences that are gone leave it, new ones stand in it without words."""
    sentences = extracted()
    for language in PLURALS:
        (FOLDER / f"{language}.po").write_bytes(written(language, sentences, known(read(language))))


def wrongs() -> Iterator[str]:
    """What keeps the translations from being complete, a line each."""
    sentences = extracted()
    marked = {message.id: message for message in sentences if message.id}
    for language in PLURALS:
        path, catalogue = FOLDER / f"{language}.po", read(language)
        found = {message.id: message for message in catalogue if message.id}
        for id_ in marked.keys() - found.keys():
            yield f"{path.name}: new, not in the file: {_short(id_)}"
        for id_ in [*(found.keys() - marked.keys()), *catalogue.obsolete]:
            yield f"{path.name}: stale, marked nowhere: {_short(id_)}"
        for id_ in marked.keys() & found.keys():
            yield from (f"{path.name}: {wrong}: {_short(id_)}" for wrong in faults(language, found[id_]))
        if path.exists() and path.read_bytes() != written(language, sentences, known(catalogue)):
            yield f"{path.name}: not as `make strings` writes it"


def faults(language: str, message: Message) -> Iterator[str]:
    if message.fuzzy:
        yield "fuzzy"
    strings = _words(message)
    if not strings:
        yield "without words"
    elif message.pluralizable and len(strings) != forms(language):
        yield f"{len(strings)} plural forms instead of {forms(language)}"
    yield from _unfaithful(message.id, strings)


def _unfaithful(id_: str | tuple[str, ...] | list[str], strings: list[str]) -> Iterator[str]:
    """What words got wrong besides their meaning: placeholders, and space at the ends.

    A form for exactly one may do without the number, and without what the original's singular does without.
    """
    originals = [id_] if isinstance(id_, str) else list(id_)
    asked = [set(PLACEHOLDER.findall(original)) for original in originals]
    for at, string in enumerate(strings):
        placed = set(PLACEHOLDER.findall(string))
        least = asked[0] & asked[-1] - {"%(num)d"} if at == 0 and len(strings) > 1 else asked[-1]
        if not least <= placed <= asked[0] | asked[-1]:
            yield f"placeholders {sorted(placed)} instead of {sorted(asked[-1])}"
        if string.strip() != string and originals[0].strip() == originals[0]:
            yield "space at an end"


def _short(id_: Any) -> str:
    text = id_ if isinstance(id_, str) else id_[0]
    return text if len(text) < 90 else f"{text[:87]}…"


def missing(language: str) -> list[dict[str, Any]]:
    """The sentences without words, with their plural if they have one, and the files they stand in."""
    have = known(read(language))
    return [
        {
            "sentence": sentence(message),
            **({} if isinstance(message.id, str) else {"plural": message.id[-1]}),
            "where": sorted({file for file, _ in message.locations}),
        }
        for message in extracted()
        if message.id and sentence(message) not in have
    ]


def take(language: str, given: dict[str, Any]) -> list[str]:
    """Put these words in. What is wrong with them, in which case nothing has been put in."""
    sentences = extracted()
    marked = {sentence(message): message for message in sentences if message.id}
    wrong = []
    for text, words in given.items():
        if text not in marked:
            wrong.append(f"marked nowhere: {_short(text)}")
            continue
        strings = words if isinstance(words, list) else [words]
        if isinstance(words, list) != marked[text].pluralizable or not all(isinstance(each, str) for each in strings):
            wrong.append(f"a text, or {forms(language)} for a plural: {_short(text)}")
            continue
        filled = Message(marked[text].id, tuple(words) if isinstance(words, list) else words)
        wrong += [f"{each}: {_short(text)}" for each in faults(language, filled)]
    if not wrong:
        (FOLDER / f"{language}.po").write_bytes(written(language, sentences, {**known(read(language)), **given}))
    return wrong


@click.group(help=__doc__.partition("\n")[0])
def main() -> None:
    """Work on the translations."""


@main.command("update")
def _update() -> None:
    """Bring the .po files up to the sentences there are now."""
    update()


@main.command("check")
def _check() -> None:
    """Say what is missing, stale or broken."""
    _say(sorted(wrongs()))


@main.command("missing")
@click.argument("language", type=click.Choice(sorted(PLURALS)))
def _missing(language: str) -> None:
    """The sentences without words, as JSON."""
    click.echo(json.dumps(missing(language), ensure_ascii=False, indent=1))


@main.command("take")
@click.argument("language", type=click.Choice(sorted(PLURALS)))
@click.argument("file", type=click.File(encoding="utf-8"))
def _take(language: str, file: io.TextIOBase) -> None:
    """Put a JSON of words by sentence in; nothing of it if one is wrong."""
    _say(take(language, json.loads(file.read())))


def _say(wrong: list[str]) -> None:
    for line in wrong[:MOST_SAID]:
        click.echo(line, err=True)
    if len(wrong) > MOST_SAID:
        click.echo(f"and {len(wrong) - MOST_SAID} more", err=True)
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
