"""The catalogues in memory and their images in the cache folder: in step with the rows, gone when she has locked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import vault.catalogue
from tests.conftest import PASSPHRASE
from tests.houses import home_of, keep_copy, put_copy_back
from tests.people import Ada, Clock, house_in
from tests.vault.test_leaving import moves_in
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


@pytest.mark.parametrize("put_away", [False, True])
def test_no_other_process_knows_what_an_old_copy_has_lost(
    ada: Ada, beside: Server, tmp_path: Path, put_away: bool
) -> None:
    """A database server that falls back to one that lags behind, while the vault goes on."""
    beside.main.dispose()
    keep_copy(ada.house, "database", tmp_path / "kept")
    lost = ada.keeps(Note(heading="Two", text="."))
    assert sessions.open_session(beside, ada.session).catalogue.count("number = ?", lost.number) == 1
    for house in (ada.house, beside):
        house.main.dispose()
    put_copy_back(home_of(ada.house), "database", tmp_path / "kept")
    assert ada.open.catalogue.count("number = ?", lost.number) == 0
    if put_away:
        beside.catalogues.put_away(beside)
        assert list(beside.settings.cache_dir.iterdir()) == []
    assert sessions.open_session(beside, ada.session).catalogue.count("number = ?", lost.number) == 0


def test_nobody_waits_while_the_catalogue_of_somebody_else_catches_up(ada: Ada) -> None:
    hers, bees = ada.vault.catalogue, moves_in(ada.house)
    with ThreadPoolExecutor() as beside, hers._lock:
        assert beside.submit(lambda: bees.catalogue.count("1")).result(timeout=10) == 0
