"""The languages of the pages and mails, and the words of each.

The words stand in `translations/`, one .po file for each language and all rooms. They are read when a language is
first spoken in a process: what a translator writes is what is shown, with no compiled copy that could be an old one.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from gettext import NullTranslations
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations as Unchanged
from babel.support import Translations

SOURCE = "en"
LANGUAGES = {"en": "English", "cs": "Čeština", "id": "Bahasa Indonesia", "pl": "Polski", "ro": "Română"}
FOLDER = Path(__file__).parent / "translations"

SPOKEN: dict[str, NullTranslations] = {SOURCE: Unchanged()}


class Words(Translations):
    """One language's words. Nothing to say stays nothing: gettext itself would answer with the head of the file."""

    def gettext(self, message: str) -> str:
        """A message in this language."""
        return super().gettext(message) if message else ""

    ugettext = gettext


def words(language: str) -> NullTranslations:
    """The words of a language of LANGUAGES, English for any other."""
    if language not in LANGUAGES:
        return SPOKEN[SOURCE]
    if language not in SPOKEN:
        SPOKEN[language] = _read(FOLDER / f"{language}.po")
    return SPOKEN[language]


def known(code: str | None) -> str:
    """A code as it was kept or sent, if it is one of a language here; else empty."""
    return code if code in LANGUAGES else ""


def preferred(accepted: Iterable[str]) -> str:
    """The first language here among what a browser asks for, best first: `pl-PL` is `pl`. Empty if there is none."""
    return next((code for tag in accepted if (code := tag.split("-")[0].lower()) in LANGUAGES), "")


def _read(path: Path) -> Words:
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Words(compiled)
