"""The catalogues in memory and their images in the cache folder: in step with the rows, gone when she has locked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vault.catalogue
from tests.conftest import PASSPHRASE
from tests.people import Ada, Clock, house_in
from vault import catalogues, crypto, departure, rekeying, sessions
from vault.collections.notes import Note
from vault.errors import Unreachable
from vault.server import Server


@pytest.fixture
def beside(ada: Ada, tmp_path: Path, clock: Clock) -> Iterator[Server]:
    """Another process of the same server, which has her catalogue open."""
    other = house_in(tmp_path / "house", clock)
    ada.keeps(Note(heading="One", text="."))
    assert sessions.open_session(other, ada.session).catalogue.count("1")
    yield other
    other.stop()


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


def test_another_process_puts_nothing_away_under_a_key_that_was_changed(ada: Ada, beside: Server) -> None:
    old, seat = ada.vault.keyring, sessions.Seat(ada.house.now, "passphrase")
    _, opened = rekeying.begin(ada.open, PASSPHRASE, seat, address="test")
    opened.catalogue  # noqa: B018 - opened, so that it is put away under the new key
    sessions.end(ada.house, ada.owner_id, [opened.session_id])
    beside.catalogues.tidy(beside)
    [file] = beside.settings.cache_dir.iterdir()
    assert opened.keyring.open("catalogue", catalogues._about(opened), file.read_bytes())
    with pytest.raises(crypto.Damaged):
        old.open("catalogue", catalogues._about(opened), file.read_bytes())


def test_another_process_leaves_no_catalogue_of_a_vault_that_was_deleted(
    ada: Ada, beside: Server, clock: Clock
) -> None:
    departure.ask(ada.vault)
    clock.passes(days=8)
    departure.sweep(ada.house)
    beside.catalogues.tidy(beside)
    assert list(beside.settings.cache_dir.iterdir()) == []


def test_locking_forgets_it_also_after_a_crash_between_a_sessions_pepper_and_its_row(ada: Ada, beside: Server) -> None:
    ada.house.keystore.make(ada.owner_id, crypto.random_bytes(16), "session")
    assert ada.open.catalogue.count("1")
    ada.locks()
    beside.catalogues.tidy(beside)
    assert not ada.house.catalogues._open
    assert not beside.catalogues._open
