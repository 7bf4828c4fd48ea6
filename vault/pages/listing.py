"""Records as lists and rows of words, for every page that shows some."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from flask_babel import gettext

from vault.opened import OpenVault
from vault.pages import shown
from vault.record import Field, Record
from vault.stored import Stored


def rows(vault: OpenVault, record: Record) -> list[tuple[Field, str]]:
    """Fields that say something, with the words for what they say."""
    said = record.dump()
    titles = vault.catalogue.titles(said[each.name] for each in record.fields if each.refers and each.name in said)
    return [(each, _words(each, said[each.name], titles)) for each in record.fields if each.name in said]


def _words(each: Field, plain: Any, titles: dict[int, str]) -> str:
    if each.refers == "records":
        return titles.get(plain) or str(gettext("something you removed"))
    return vendor_name(plain, titles) if each.refers else shown.value(plain, each)


def vendor_name(number: int, titles: dict[int, str]) -> str:
    """A vendor's name by number; empty for none, and a phrase for one she has removed."""
    return titles.get(number) or (gettext("a vendor you removed") if number else "")


def earlier(vault: OpenVault, versions: Sequence[Stored]) -> list[tuple[int, list[tuple[Field, str]]]]:
    """Of versions, newest first: until which second each but the first stood, and what it said otherwise."""
    return [(newer.at, differences(vault, old, newer)) for newer, old in pairwise(versions)]


def differences(vault: OpenVault, old: Stored, newer: Stored) -> list[tuple[Field, str]]:
    """What a version said where the next one says something else; empty words where it said nothing."""
    before, after = old.record.dump(), newer.record.dump()
    said = {each.name: words for each, words in rows(vault, old.record)}
    return [
        (each, said.get(each.name, "")) for each in old.kind.fields if before.get(each.name) != after.get(each.name)
    ]
