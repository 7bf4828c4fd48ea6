"""The catalogues in memory and their images in the cache folder: in step with the rows, gone when she has locked."""

from __future__ import annotations

from typing import Any

import pytest

import vault.catalogue
from tests.people import Ada
from vault.collections.notes import Note
from vault.errors import Unreachable


def test_a_database_that_was_away_for_a_moment_leaves_her_pages_as_they_were(
    ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.looks_at("/notes")
    for heading in ("One", "Two"):
        ada.keeps(Note(heading=heading, text="."))
    line, away = vault.catalogue._line, iter([False, True])

    def answers(stored: Any) -> Any:
        if next(away, False):
            raise Unreachable
        return line(stored)

    monkeypatch.setattr(vault.catalogue, "_line", answers)
    ada.app.testing = False
    assert [ada.browser.get("/notes").status_code for _ in range(3)] == [503, 200, 200]
    assert "Two" in ada.looks_at("/notes")
