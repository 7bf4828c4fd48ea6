"""What stands in a translation is whole and fits its sentence. Whether it is complete, `make translations` says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from tools import translations
from vault.languages import LANGUAGES, SOURCE


def test_every_language_of_the_pages_has_a_file_and_the_other_way_round() -> None:
    assert {path.stem for path in translations.FOLDER.glob("*.po")} == LANGUAGES.keys() - {SOURCE}
    assert translations.PLURALS.keys() == LANGUAGES.keys() - {SOURCE}


@pytest.mark.parametrize("language", sorted(translations.PLURALS))
def test_no_words_are_doubtful_or_lose_a_placeholder_or_a_plural_form(language: str) -> None:
    found = [message for message in translations.read(language) if message.id and any(message.string)]
    wrong = {translations.sentence(each): list(translations.faults(language, each)) for each in found}
    assert {text: said for text, said in wrong.items() if said} == {}


def test_no_sentence_is_said_alone_and_with_a_plural() -> None:
    assert translations.said_both_ways() == set()


def test_what_does_not_fit_its_sentence_is_refused() -> None:
    many = ("%(num)d gift from %(vendor)s", "%(num)d gifts from %(vendor)s")

    def refused(id_: str | tuple[str, ...], *words: str, language: str = "pl") -> bool:
        filled = Message(id_, words if isinstance(id_, tuple) else words[0])
        return bool(list(translations.faults(language, filled)))

    assert not refused("%(day)s, %(time)s", "%(time)s, %(day)s")
    assert refused("%(day)s, %(time)s", "%(time)s")
    assert refused("Until %(day)s", "Do %(dzien)s")
    assert refused("Name", "")
    assert refused("Name", "Imię ")
    assert not refused(many, *["%(num)d %(vendor)s"] * 3)
    assert refused(many, "%(num)d %(vendor)s", "%(num)d %(vendor)s")
    assert refused(many, "%(num)d %(vendor)s", "%(vendor)s", "%(num)d %(vendor)s")
    assert not refused(many, "jeden %(vendor)s", "%(num)d %(vendor)s", "%(num)d %(vendor)s")
    assert not refused(("once", "%(num)d times"), "raz", "%(num)d razy", "%(num)d razy")
    assert refused(("once", "%(num)d times"), "sekali", language="id")


def test_a_translator_gets_what_is_missing_and_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translations, "FOLDER", tmp_path)
    translations.update()
    asked = {each.pop("sentence"): each for each in translations.missing("pl")}
    assert asked["Unlock"] == {"where": ["vault/pages/templates/unlock.html"]}
    assert asked["%(num)d day"]["plural"] == "%(num)d days"

    given = {"Unlock": "Odblokuj", "%(num)d day": ["%(num)d dzień", "%(num)d dni", "%(num)d dni"]}
    assert translations.take("pl", {**given, "Lock": None})
    assert translations.take("pl", {**given, "Nothing says this anywhere": "Nic"})
    assert len(translations.missing("pl")) == len(asked), "nothing of a batch with a mistake is taken"
    assert translations.take("pl", json.loads(json.dumps(given))) == []
    assert {each["sentence"] for each in translations.missing("pl")} == asked.keys() - given.keys()

    before = (tmp_path / "pl.po").read_bytes()
    translations.update()
    assert (tmp_path / "pl.po").read_bytes() == before, "writing again changes nothing"
    assert not [line for line in translations.wrongs() if line.rpartition(": ")[2] == "Unlock" and "pl.po" in line]
