"""What earlier releases wrote, opened by this one. README.md here says what the files are."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from tests.golden.listing import DATABASES, GOLDEN, Returning, ShopOfThen, files, known, listing, shown, waiting
from tests.houses import embedded_only
from tests.people import Clock, house_in
from tests.sampled import EVERYTHING
from tests.vault import reader
from tests.vault.test_leaving import moves_in
from vault import backup, export, sealed_file, unlock
from vault.app import load_rooms
from vault.bringing import bring_back
from vault.cli import main
from vault.leaving import open_archive
from vault.server import Server, start
from vault.settings import in_directory
from vault.unpacking import NotAnArchive

pytestmark = embedded_only

RELEASES = sorted(path.name for path in GOLDEN.iterdir() if (path / "expected.json").is_file())


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each release that has left files here."""
    return str(request.param)


@pytest.fixture
def said(release: str) -> dict[str, Any]:
    """What must come out, and what opens it."""
    return known(release)


@pytest.fixture
def directory(release: str, tmp_path: Path) -> Path:
    """The three databases as they lay on the disk when that release had stopped."""
    with zipfile.ZipFile(GOLDEN / release / "databases.zip") as packed:
        assert set(packed.namelist()) == set(DATABASES)
        packed.extractall(tmp_path / "house")
    return tmp_path / "house"


@pytest.fixture
def house(directory: Path, said: dict[str, Any]) -> Iterator[Server]:
    """This release, started on them at the same moment."""
    house = house_in(directory, Clock(said["made_at"]))
    yield house
    house.stop()


def wanted(release: str, file: str) -> Path:
    return GOLDEN / release / file


def test_the_databases_open_with_everything_in_them_and_show_what_they_showed(
    house: Server, said: dict[str, Any]
) -> None:
    ada = Returning(house, said["passphrase"])
    assert listing(ada) == said["listing"]
    assert "The log is whole" in ada.looks_at("/activity")
    assert shown(ShopOfThen(said, ada), said["access_token"]) == said["shown"]
    assert "A Globe" in ada.app.test_client().post(said["link"], data={"answer": "show"}).text
    assert unlock.with_recovery_code(house, "", said["recovery_code"]).owner_id == ada.owner_id


@pytest.mark.skipif(not EVERYTHING, reason="sampled: the reader opens what this release writes in every run")
def test_the_second_reader_opens_them_too(directory: Path, said: dict[str, Any]) -> None:
    vault = reader.Vault(*(directory / name for name in (DATABASES[0], DATABASES[2], DATABASES[1])))
    records = vault.records(vault.root_by_passphrase(said["passphrase"]))
    assert {number: each.get("edits") for number, each in records.items()} == {
        each["number"]: each.get("edits") for each in said["listing"]["records"] if "removed" not in each
    }


@pytest.mark.parametrize("keystore", ["from its backup", *(["as it lies"] if EVERYTHING else [])])
def test_a_backup_is_put_back(release: str, directory: Path, said: dict[str, Any], keystore: str) -> None:
    for folder in ("vault", *(["keystore"] if keystore == "from its backup" else [])):
        shutil.rmtree(directory / folder)
    bare = start(in_directory(directory, "http://localhost:8400"), load_rooms(), migrate=False)
    for kind in ("backup", "keystore") if keystore == "from its backup" else ("backup",):
        with wanted(release, f"{kind}.vrm").open("rb") as file:
            backup.restore(bare, kind, sealed_file.open_file(kind, file, said["for_backups"]).parts())  # type: ignore[arg-type]
    bare.stop()
    house = house_in(directory, Clock(said["made_at"]))
    try:
        ada = Returning(house, said["passphrase"])
        assert export.fingerprint(ada.open) == said["listing"]["fingerprint"]
        assert files(ada) == said["listing"]["files"]
        assert waiting(ada) == said["listing"]["waiting"]
        if keystore == "as it lies":
            assert shown(ShopOfThen(said, ada), said["access_token"]) == said["shown"]
        else:
            assert ShopOfThen(said, ada).looks("/vendor/v1/purchases", said["access_token"]).status_code == 401
    finally:
        house.stop()


def test_an_archive_is_taken_back_plain_or_encrypted(release: str, said: dict[str, Any], tmp_path: Path) -> None:
    elsewhere = house_in(tmp_path / "other", Clock(said["made_at"]))
    try:
        bees = moves_in(elsewhere)
        with wanted(release, "archive.zip").open("rb") as plain, wanted(release, "archive.vrm").open("rb") as sealed:
            came = bring_back(bees, plain)
            plain.seek(0)
            assert open_archive(sealed, said["for_archives"]).read() == plain.read()
        assert came.equal
        assert came.fingerprint == export.fingerprint(bees) == said["listing"]["fingerprint"]
    finally:
        elsewhere.stop()


def test_receipts_and_the_log_are_verified_without_any_server(release: str, said: dict[str, Any]) -> None:
    keys = ["--keys", str(wanted(release, "keys.json"))]
    receipt = CliRunner().invoke(main, ["verify", str(wanted(release, "receipt.jwt")), *keys])
    assert receipt.exit_code == 0, receipt.output
    assert receipt.output.splitlines()[1:] in said["listing"]["receipts"]
    head = "{number}:{digest}".format(**said["listing"]["head"])
    exported = CliRunner().invoke(main, ["verify", str(wanted(release, "export.json")), *keys, "--head", head])
    assert exported.exit_code == 0, exported.output
    assert f"{len(said['listing']['receipts'])} receipts" in exported.output


def test_an_export_says_what_it_said(release: str, said: dict[str, Any]) -> None:
    export_of_then = orjson.loads(wanted(release, "export.json").read_bytes())
    assert reader.fingerprint(export_of_then) == said["listing"]["fingerprint"]
    assert export_of_then["records"] == said["listing"]["records"]


def test_what_says_it_is_of_another_version_is_refused(release: str, said: dict[str, Any], tmp_path: Path) -> None:
    for kind in ("backup", "keystore", "archive"):
        other = wanted(release, f"{kind}.vrm").read_bytes().replace(b"vrm/1/", b"vrm/2/", 1)
        with pytest.raises(sealed_file.NotSuchAFile):
            sealed_file.open_file(kind, io.BytesIO(other), said["for_backups"])
    with wanted(release, "backup.vrm").open("rb") as file:
        stream = sealed_file.open_file("backup", file, said["for_backups"]).read()
    with pytest.raises(backup.NotABackup):
        backup.look_through([stream.replace(b'"vrm/1/backup"', b'"vrm/2/backup"', 1)])
    elsewhere = house_in(tmp_path / "other", Clock(said["made_at"]))
    with pytest.raises(NotAnArchive):
        bring_back(moves_in(elsewhere), io.BytesIO(of_another_version(wanted(release, "archive.zip"))))
    elsewhere.stop()


def of_another_version(archive: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(archive) as packed, zipfile.ZipFile(out, "w") as changed:
        for name in packed.namelist():
            changed.writestr(name, packed.read(name).replace(b"vrm/1/archive", b"vrm/2/archive"))
    return out.getvalue()
