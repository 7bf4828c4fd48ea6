"""Backup and restore, and what happens when a part is lost: nothing that was taken back comes to life."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import inspect, select

from tests.conftest import PASSPHRASE
from tests.houses import home_of, lose, settings_in
from tests.people import PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, Clock, details, house_in
from vault import backup, handles, sealed_file, set_up, store, unlock, worker
from vault.app import load_rooms
from vault.backup_cli import written_whole
from vault.cli import main
from vault.errors import Unsafe, WrongSecret
from vault.keyring import Keyring
from vault.kit import vault_number
from vault.models import AttachmentRow
from vault.recovering import recover
from vault.server import Server, start
from vault.settings import to_environment

FOR_BACKUPS = "walnut harbour trombone lattice"


def stream(server: Server, kind: backup.Kind = "backup") -> bytes:
    return b"".join(backup.parts(server, kind))


def said(whole: bytes) -> list[Any]:
    return [orjson.loads(line) for line in whole.splitlines()]


def bare(directory: Path) -> Server:
    """The server of a directory as a command has it that must not touch what is there."""
    return start(settings_in(directory, "http://localhost:8400"), load_rooms(), migrate=False)


Rebuild = Callable[..., Ada]


@pytest.fixture
def rebuild(ada: Ada, furnished: tuple[Path, str, Keyring], clock: Clock) -> Iterator[Rebuild]:
    """Lose folders of Ada's house, put backups back, and open it again, by her keys or not at all."""
    houses = []

    def again(*lost: str, unlocked: bool = True, **streams: bytes) -> Any:
        ada.house.stop()
        directory = home_of(ada.house)
        shutil.rmtree(directory / "cache")
        for each in lost:
            lose(directory, each)
        empty = bare(directory)
        for kind, whole in streams.items():
            backup.restore(empty, kind, [whole])  # type: ignore[arg-type]
        empty.stop()
        house = house_in(directory, clock)
        houses.append(house)
        return Ada(house, PASSPHRASE, furnished[2]) if unlocked else house

    yield again
    for house in houses:
        house.stop()


def test_what_is_put_back_is_what_was_there(ada: Ada, bookshop: Bookshop, rebuild: Rebuild) -> None:
    bought = ada.buys("The Salt Almanac")
    ada.edits(bought, note="for the lamp")
    ada.attaches(bought, bytes(range(256)) * 9000)
    ada.lets(bookshop)
    bookshop.reads()
    before = stream(ada.house)
    back = rebuild("vault", backup=before, unlocked=False)
    assert said(stream(back))[1:] == said(before)[1:]


def test_her_vault_and_the_grants_that_still_live_go_on(ada: Ada, bookshop: Bookshop, rebuild: Rebuild) -> None:
    file = ada.attaches(ada.buys("The Salt Almanac"), b"paid by card\n" * 999)
    token = bookshop.tokens()["access_token"]
    back = rebuild("vault", backup=stream(ada.house))
    assert back.browser.get(file).data == b"paid by card\n" * 999
    assert "The Salt Almanac" in back.looks_at("/purchases")
    bookshop.visits(back)
    assert "Almanac" in bookshop.looks("/vendor/v1/purchases", token).text
    assert "The log is whole" in back.looks_at("/activity")


@pytest.mark.parametrize("after", ["stop", "less", "pause"])
def test_an_old_backup_brings_back_nothing_that_was_taken_since(
    ada: Ada, bookshop: Bookshop, rebuild: Rebuild, after: str
) -> None:
    ada.buys("The Salt Almanac")
    token = bookshop.tokens("item-1", authorization_details=details(PURCHASES, TASTE))["access_token"]
    old, grant = stream(ada.house), ada.grant()
    ada.presses(f"/sharing/{grant}/{after}", item="1")
    back = rebuild("vault", backup=old)
    bookshop.visits(back)
    for collection in ("purchases", "preferences"):
        assert bookshop.looks(f"/vendor/v1/{collection}", token).status_code in {401, 403}, collection


def test_an_old_backup_brings_back_no_passphrase_that_was_changed(ada: Ada, rebuild: Rebuild) -> None:
    old = stream(ada.house)
    unlock.change_passphrase(ada.vault, PASSPHRASE, "another umbrella quietly", address="test")
    house = rebuild("vault", backup=old, unlocked=False)
    with pytest.raises(WrongSecret):
        unlock.with_passphrase(house, "", PASSPHRASE, address="test")


def test_it_is_taken_at_one_moment_while_she_goes_on_writing(ada: Ada, rebuild: Rebuild) -> None:
    over = threading.Event()

    def goes_on() -> None:
        while not over.is_set():
            ada.buys("One more thing")

    writer = threading.Thread(target=goes_on)
    writer.start()
    try:
        copies = [stream(ada.house) for _ in range(5)]
    finally:
        over.set()
        writer.join()
    for copy in copies:
        rows = dict[str, list[list[Any]]]()
        for line in said(copy)[1:-1]:
            if isinstance(line, dict):
                present = rows.setdefault(line["table"], [])
            else:
                present.append(line)
        (owner,) = rows["owners"]
        records = rows["records"]
        assert len(records) == owner[2], "as many records as she has numbers"
        assert max(record[2] for record in records) == owner[1], "and the newest of her revision"
    back = rebuild("vault", backup=copies[-1])
    assert back.open.catalogue.entries("damaged") == []


# The keystore.


def test_a_backup_of_the_keystore_holds_no_grant_and_no_session(ada: Ada, bookshop: Bookshop, rebuild: Rebuild) -> None:
    ada.buys("The Salt Almanac")
    token = bookshop.tokens()["access_token"]
    whole = stream(ada.house, "keystore")
    place = next(line for line in said(whole) if isinstance(line, dict) and line.get("table") == "peppers")
    kinds = {line[2] for line in said(whole) if isinstance(line, list) and len(line) == len(place["columns"])}
    assert kinds == {"lock"}
    back = rebuild("keystore", keystore=whole)
    bookshop.visits(back)
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 401
    worker.tick(back.house, sweep=True)
    assert not back.house.keystore.alive(back.owner_id, "grant")
    assert "The Salt Almanac" in back.looks_at("/purchases")
    keyring = unlock.with_passphrase(back.house, "ada", PASSPHRASE, address="test")
    assert keyring.owner_id == back.owner_id


def test_without_its_keystore_the_server_does_not_start(ada: Ada, rebuild: Rebuild) -> None:
    with pytest.raises(Unsafe, match="The keystore is empty"):
        rebuild("keystore")


def test_a_lost_keystore_costs_grants_and_passphrases_and_the_printed_code_opens(
    ada: Ada, bookshop: Bookshop, recovery_code: str, clock: Clock
) -> None:
    ada.buys("The Salt Almanac")
    asked = details(PURCHASES, RECEIPTS)
    token = bookshop.tokens("item-1", authorization_details=asked)["access_token"]
    second = set_up.set_up(ada.house, handle="bram", name="Bram", passphrase=PASSPHRASE, notice=None, first=False)
    ada.house.stop()
    directory = home_of(ada.house)
    lose(directory, "keystore")
    empty = bare(directory)
    assert recover(empty) == 2
    with pytest.raises(Unsafe, match="There is a keystore already"):
        recover(empty)
    empty.stop()
    house = house_in(directory, clock)
    for handle in ("ada", vault_number(ada.owner_id)):
        with pytest.raises(WrongSecret):
            unlock.with_passphrase(house, handle, PASSPHRASE, address=f"test {handle}")
    with pytest.raises(WrongSecret):
        unlock.with_recovery_code(house, vault_number(second.owner_id), recovery_code)
    keyring = unlock.with_recovery_code(house, vault_number(ada.owner_id).lower(), recovery_code)
    back = Ada(house, PASSPHRASE, keyring)
    bookshop.visits(back)
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 401
    worker.tick(house, sweep=True)
    assert "The Salt Almanac" in back.looks_at("/purchases")
    for page in ("/", "/sharing", "/activity", "/security", "/inbox", "/vendors"):
        back.looks_at(page)
    assert handles.find_owner(house, "ada") == back.owner_id, "her short name is known again"
    token = bookshop.tokens("item-1", authorization_details=asked)["access_token"]
    assert "Almanac" in bookshop.looks("/vendor/v1/purchases", token).text
    left = bookshop.leaves(token, {"item": "A lamp", "bought_on": "2026-11-01"})
    assert left.status_code == 202, "her inbox can be sealed to again"
    assert "A lamp" in back.looks_at("/inbox")
    house.stop()


def test_a_file_taken_away_does_not_outlive_the_keystore_that_knew_its_end(ada: Ada, clock: Clock) -> None:
    kettle = ada.buys("A Kettle")
    ada.attaches(kettle, b"kept")
    ada.presses(f"{ada.attaches(kettle, b'taken away')}/remove")
    ada.house.stop()
    directory = home_of(ada.house)
    lose(directory, "keystore")
    empty = bare(directory)
    recover(empty)
    clock.passes(days=31)
    worker.tick(empty, sweep=True)
    with empty.main.reading() as session:
        assert session.scalars(select(AttachmentRow.removed)).all() == [False]
    empty.stop()


def test_a_backup_is_written_into_a_new_file_and_into_nobody_elses(tmp_path: Path) -> None:
    other, file = tmp_path / "other", tmp_path / "backup"
    other.write_bytes(b"precious")
    other.chmod(0o666)
    file.with_name("backup.part").symlink_to(other)
    with written_whole(file) as out:
        out.write(b"sealed")
    assert other.read_bytes() == b"precious"
    assert file.read_bytes() == b"sealed"
    assert file.stat().st_mode & 0o777 == 0o600
    assert {each.name for each in tmp_path.iterdir()} == {"other", "backup", "backup.part"}


def test_it_is_written_where_a_file_can_have_no_second_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT and exFAT, which most disks to carry away have, and many shares: link(2) answers EPERM."""

    def refuses(*_all: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuses)
    file = tmp_path / "backup"
    with written_whole(file) as out:
        out.write(b"sealed")
    assert file.read_bytes() == b"sealed"
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(click.ClickException), written_whole(file) as out:
        out.write(b"another")
    assert file.read_bytes() == b"sealed"
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_keystore_that_was_cut_off_is_made_by_the_next_try(
    ada: Ada, recovery_code: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.house.stop()
    directory = home_of(ada.house)
    lose(directory, "keystore")
    empty = bare(directory)
    with monkeypatch.context() as crash:
        crash.setattr(type(empty.keystore), "set_up", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            recover(empty)
    with pytest.raises(Unsafe, match="The keystore is empty"):
        house_in(directory, clock)
    assert recover(empty) == 1
    empty.stop()
    house = house_in(directory, clock)
    assert unlock.with_recovery_code(house, "", recovery_code)
    house.stop()


# What is no backup, or not here.


def test_whatever_is_cut_off_or_changed_is_no_backup(ada: Ada) -> None:
    whole = stream(ada.house)
    lines = whole.splitlines(keepends=True)
    row = next(at for at, line in enumerate(lines) if line.startswith(b"["))
    for spoilt in (
        b"",
        b"{}\n",
        whole[:-3],
        b"".join(lines[:-1]),
        b"".join(lines[:row] + lines[row + 1 :]),
        b"".join([*lines, lines[-1]]),
        whole + b"[]\n",
        whole.replace(b'"table":"owners"', b'"tisch":"owners"'),
        whole.replace(lines[row], lines[row].replace(b",", b",1,", 1)),
        lines[0].replace(b'"made_at"', b'"made"') + b"".join(lines[1:]),
        lines[0].replace(b'"instance":"', b'"instance":"not hex') + b"".join(lines[1:]),
        lines[0].replace(b'"revisions"', b'"release"') + b"".join(lines[1:]),
        whole.replace(b'"columns"', b'"rows"', 1),
        b"".join([lines[0], b'{"database":"main","table":"a","columns":["a"],"binary":["a"]}\n["A"]\n{"end":1}\n']),
    ):
        with pytest.raises(backup.NotABackup):
            backup.look_through([spoilt])
    assert backup.look_through([whole]).rows["owners"] == 1
    assert backup.look_through(bytes([byte]) for byte in whole[:0] or whole).rows["owners"] == 1


def test_it_goes_only_where_nothing_is_yet(ada: Ada) -> None:
    whole = stream(ada.house)
    with pytest.raises(backup.NoRoomForIt):
        backup.restore(ada.house, "backup", [whole])
    with pytest.raises(backup.NotABackup):
        backup.restore(ada.house, "keystore", [whole])


@pytest.mark.parametrize("name", ["main", "log"])
def test_one_from_a_newer_release_is_refused_and_nothing_is_changed(ada: Ada, tmp_path: Path, name: str) -> None:
    head, *rest = said(stream(ada.house))
    head["revisions"][name].append("vault_9999")
    empty = bare(tmp_path / "other")
    with pytest.raises(Unsafe, match="newer release"):
        backup.restore(empty, "backup", [orjson.dumps(each) + b"\n" for each in (head, *rest)])
    assert [inspect(each.engine).get_table_names() for each in (empty.main, empty.log)] == [[], []]
    empty.stop()


def test_names_in_it_that_are_no_table_of_ours_reach_no_statement(ada: Ada, tmp_path: Path) -> None:
    whole = stream(ada.house)
    for at, (ours, theirs) in enumerate(
        [(b'"table":"owners"', b'"table":"owners; DROP TABLE owners"'), (b'"settings_box"', b'"settings_box) --"')]
    ):
        empty = bare(tmp_path / f"other{at}")
        with pytest.raises(backup.NotABackup):
            backup.restore(empty, "backup", [whole.replace(ours, theirs)])
        empty.stop()


def test_the_file_says_nothing_without_its_passphrase(ada: Ada) -> None:
    ada.buys("The Salt Almanac")
    file = b"".join(sealed_file.seal("backup", backup.parts(ada.house, "backup"), FOR_BACKUPS))
    for word in (b"Almanac", b"owners", b'vrm/1/backup"', ada.owner_id, ada.owner_id.hex().encode()):
        assert word not in file
    with pytest.raises(WrongSecret):
        sealed_file.open_file("backup", BytesIO(file), "walnut harbour trombone lettuce")
    pieces = sealed_file.open_file("backup", BytesIO(file), FOR_BACKUPS)
    assert b"".join(pieces.parts()) == stream(ada.house)
    with pytest.raises(sealed_file.NotSuchAFile):
        sealed_file.open_file("keystore", BytesIO(file), FOR_BACKUPS)
    for spoilt in (file[:-1], file + b"\0", file[:-20] + bytes([file[-20] ^ 1]) + file[-19:]):
        with pytest.raises(sealed_file.NotSuchAFile):
            sealed_file.open_file("backup", BytesIO(spoilt), FOR_BACKUPS)


# The commands.


def test_the_drill(ada: Ada, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back up both, lose both, put both back: as docs/operating.md says."""
    for name, value in to_environment(ada.house.settings).items():
        monkeypatch.setenv(name, value)
    ada.buys("The Salt Almanac")

    def vrm(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, [*words, "--passphrase-stdin"], input=f"{FOR_BACKUPS}\n")
        assert done.exit_code == code, done.output
        return done.output

    file, keys = tmp_path / "monday.backup", tmp_path / "monday.keystore"
    vrm("backup", str(file))
    vrm("backup", "--keystore", str(keys))
    assert file.stat().st_mode & 0o777 == keys.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["house", "monday.backup", "monday.keystore"], (
        "and no half of a file"
    )
    assert "already" in vrm("backup", str(file), code=1)
    assert "A whole backup" in vrm("restore", "--check", str(file))
    assert "already" in vrm("restore", str(file), code=1)
    ada.house.stop()
    for each in ("vault", "keystore"):
        lose(tmp_path / "house", each)
    assert "The keystore is missing" in vrm("restore", str(file))
    vrm("restore", str(keys))
    house = house_in(tmp_path / "house")
    keyring = unlock.with_passphrase(house, "", PASSPHRASE, address="test")
    assert "The Salt Almanac" in Ada(house, PASSPHRASE, keyring).looks_at("/purchases")
    house.stop()


def test_a_backup_of_another_vault_is_not_put_beside_this_keystore(
    ada: Ada, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = house_in(tmp_path / "other")
    file = tmp_path / "other.backup"
    file.write_bytes(b"".join(sealed_file.seal("backup", backup.parts(other, "backup"), FOR_BACKUPS)))
    other.stop()
    ada.house.stop()
    lose(tmp_path / "house", "vault")
    for name, value in to_environment(ada.house.settings).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["restore", str(file), "--passphrase-stdin"], input=f"{FOR_BACKUPS}\n")
    assert done.exit_code == 1
    assert "belongs to another keystore" in done.output
    assert not list((tmp_path / "house" / "vault").glob("vault.db-*"))


def test_a_weak_passphrase_for_backups_is_refused(ada: Ada, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in to_environment(ada.house.settings).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["backup", str(tmp_path / "x"), "--passphrase-stdin"], input="password\n")
    assert done.exit_code == 1
    assert not (tmp_path / "x").exists()


def test_where_a_backup_cannot_be_written_is_told_in_a_sentence(
    ada: Ada, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in to_environment(ada.house.settings).items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "nowhere" / "monday.backup"
    done = CliRunner().invoke(main, ["backup", str(file), "--passphrase-stdin"], input=f"{FOR_BACKUPS}\n")
    assert done.exit_code == 1
    assert done.output.endswith(f"Error: {file} cannot be written: No such file or directory\n")


def test_reading_and_writing_keep_to_their_pieces_whatever_the_size(ada: Ada) -> None:
    """A note as large as she may write, and rows that are many."""
    with store.writing(ada.vault, numbers=600) as turn:
        from vault.collections.notes import Note

        for at in range(600):
            store.add(turn, ada.vault, Note(heading=f"Note {at}", text="moss " * 400))
    whole = list(backup.parts(ada.house, "backup"))
    assert max(map(len, whole)) < 1 << 20
    assert backup.look_through(whole).rows["records"] == 601
