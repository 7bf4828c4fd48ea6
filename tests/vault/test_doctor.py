"""The doctor: every unsafe combination is refused with a sentence that names what to do."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.houses import copy_house, embedded_only, served_url
from tests.people import Clock, house_in
from tests.terminal import vrm
from vault import sessions
from vault.app import load_rooms
from vault.dangers import RELEASED, Facts, File, Finding, Machine, Served, Store, judged
from vault.doctor import findings, refuse
from vault.embedded import BALLAST
from vault.errors import Unsafe
from vault.facts import gathered
from vault.keyring import Keyring
from vault.server import Server, start
from vault.settings import Settings, checked, in_directory

ROOT = Path(__file__).resolve().parents[2]
HERE = Path("/srv/vault")
SETTINGS = replace(in_directory(HERE, "https://vault.example"), smtp_url="smtps://mail.example", proxies=1)
GOOD = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_sync_retry": "off"}
GOOD["default_transaction_read_only"] = "off"


def file(path: str, inode: int, **more: Any) -> File:
    return File(path=HERE / path, inode=(1, inode), **{"ballast": BALLAST, **more})


def stores(**kept: File | Served) -> dict[str, Store]:
    usual: dict[str, File | Served] = {
        "main": file("vault/vault.db", 1),
        "keystore": file("keystore/keystore.db", 2),
        "log": file("vault/log.db", 3),
    }
    return {name: Store(instance=b"i", standing="current", kept=each) for name, each in {**usual, **kept}.items()}


def facts(settings: Settings = SETTINGS, known: dict[str, Store] | None = None, **machine: Any) -> Facts:
    machine = {"now": RELEASED + 10**7, **machine}
    return Facts(settings=settings, stores=known or stores(), machine=Machine(**machine))


def with_store(name: str, **changes: Any) -> Facts:
    known = stores()
    return facts(known={**known, name: replace(known[name], **changes)})


def served(**changes: Any) -> Facts:
    values = {**GOOD, **changes.pop("values", {})}
    return facts(known=stores(main=Served(values=values, **changes)))


UNSAFE: dict[str, tuple[Facts, str, str, str]] = {
    "one file": (facts(known=stores(keystore=file("x/k.db", 1))), "same_file", "fatal", "its own file"),
    "keystore beside main": (facts(known=stores(keystore=file("vault/k.db", 2))), "together", "fatal", "VRM_KEYSTORE"),
    "keystore beside log": (
        facts(known=stores(log=file("keystore/l.db", 3))),
        "together",
        "fatal",
        "move the keystore",
    ),
    "keystore inside": (
        facts(known=stores(keystore=file("vault/k/k.db", 2))),
        "together",
        "fatal",
        "move the keystore",
    ),
    "data inside": (facts(known=stores(keystore=file("k.db", 2))), "together", "fatal", "move the keystore"),
    "another keystore": (with_store("keystore", instance=b"j"), "instances", "fatal", "put back the keystore"),
    "another log": (with_store("log", instance=b"j"), "instances", "fatal", "put back the keystore and the log"),
    "no keystore": (with_store("keystore", instance=None), "no_keystore", "fatal", "vrm recover"),
    "newer": (with_store("main", standing="ahead"), "newer", "fatal", "install that one"),
    "older": (with_store("log", standing="behind"), "older", "better", "back up"),
    "readable file": (
        facts(known=stores(keystore=file("keystore/keystore.db", 2, exposed=(HERE / "keystore.db",)))),
        *("exposed", "fatal", "set its mode to 600"),
    ),
    "readable cache": (facts(exposed=(Path("/usr"),)), "exposed", "fatal", "of mode 700"),
    "not durable": (facts(known=stores(main=file("vault/v.db", 1, durable=False))), "not_durable", "fatal", "FULL"),
    "damaged": (facts(known=stores(main=file("vault/v.db", 1, sound=False))), "damaged", "fatal", "put a backup back"),
    "a backup inside": (
        facts(known=stores(main=file("vault/v.db", 1, backups=(HERE / "vault/monday.vrm",)))),
        *("backup_inside", "mend", "another disk"),
    ),
    "full disk": (facts(known=stores(main=file("vault/v.db", 1, free=1 << 20))), "disk", "mend", "make room"),
    "no ballast": (facts(known=stores(main=file("vault/v.db", 1, ballast=0))), "ballast", "mend", "make room"),
    "small ballast": (
        facts(known=stores(log=file("vault/l.db", 3, ballast=BALLAST - 1))),
        "ballast",
        "mend",
        "ballast",
    ),
    "a clock that is years slow": (facts(now=RELEASED - 1), "clock", "fatal", "set it"),
    "a clock set back": (facts(newest=RELEASED + 2 * 10**7), "clock_back", "mend", "time server"),
    "a time that no calendar has": (facts(newest=1 << 62), "clock_back", "mend", "9999"),
    "core dumps": (facts(core_limit=1), "core_dumps", "fatal", "LimitCORE=0"),
    "debug": (facts(debug=("FLASK_DEBUG",)), "debug", "fatal", "FLASK_DEBUG"),
    "swap": (facts(swap=("/dev/sda2",)), "swap", "better", "swapoff"),
    "mail in clear": (facts(replace(SETTINGS, smtp_url="smtp://mail.example")), "mail_in_clear", "better", "smtps://"),
    "no mail": (facts(replace(SETTINGS, smtp_url=None)), "no_mail", "better", "VRM_SMTP_URL"),
    "sign-up": (facts(replace(SETTINGS, sign_up="open")), "sign_up", "better", "VRM_SIGN_UP"),
    "sandbox": (facts(replace(SETTINGS, sandbox=True)), "sandbox", "better", "VRM_SANDBOX"),
    "proxies": (facts(replace(SETTINGS, proxies=0)), "proxies", "better", "VRM_PROXIES"),
    "a standby": (served(standby=True), "standby", "fatal", "name the primary"),
    "no fsync": (served(values={"fsync": "off"}), "fsync", "fatal", "set it to on"),
    "a failed sync": (served(values={"data_sync_retry": "on"}), "data_sync_retry", "fatal", "set it to off"),
    "torn pages": (served(values={"full_page_writes": "off"}), "full_page_writes", "fatal", "set it to on"),
    "read only": (
        served(values={"default_transaction_read_only": "on"}),
        *("default_transaction_read_only", "fatal", "set it to off"),
    ),
    "not synchronous": (served(values={"synchronous_commit": "off"}), "synchronous_commit", "fatal", "set it to on"),
    "local beside standbys": (
        served(values={"synchronous_commit": "local"}, standbys=("sync",)),
        *("synchronous_commit", "fatal", "set it to on"),
    ),
    "failover to what lags": (
        served(standbys=("async", "unknown"), failover="Patroni"),
        *("asynchronous", "fatal", "Patroni fails over by itself: make a standby synchronous"),
    ),
    "lagging standbys": (served(standbys=("async",)), "asynchronous", "better", "make one synchronous"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_every_unsafe_combination_is_found_and_says_what_to_do(case: str) -> None:
    known, code, weight, remedy = UNSAFE[case]
    found = {each.code: each for each in judged(known)}
    assert list(found) == [code]
    assert found[code].weight == weight
    assert remedy in found[code].sentence


@pytest.mark.parametrize(
    "known",
    [
        facts(),
        facts(newest=RELEASED + 10**7 + 300),
        with_store("main", standing="new", instance=None),
        served(standbys=("sync", "async"), failover="Patroni"),
        served(values={"synchronous_commit": "remote_apply"}, standbys=("quorum",)),
        facts(replace(SETTINGS, smtp_url="smtp://localhost:25")),
        facts(replace(SETTINGS, smtp_url="smtp+starttls://name:password@mail.example")),
    ],
)
def test_what_is_safe_is_left_alone(known: Facts) -> None:
    assert list(judged(known)) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"issuer": "http://vault.example"}, "https"),
        ({"smtp_url": "smtp://name:password@mail.example"}, "smtps:// or smtp\\+starttls://"),
        ({"smtp_url": "mail.example"}, "VRM_SMTP_URL must be like"),
        ({"smtp_url": "smtps://mail.example:465000"}, "VRM_SMTP_URL must be like"),
        ({"smtp_url": "smtps://ada:pass/word@mail.example"}, "VRM_SMTP_URL must be like"),
        ({"smtp_url": "smtps://ada:1/2@mail.example"}, "VRM_SMTP_URL must be like"),
        ({"mail_from": "vault@example.org\nBcc: x@example.org"}, "VRM_MAIL_FROM"),
        ({"mail_from": "vault"}, "VRM_MAIL_FROM"),
        ({"issuer": "https://Vault.Example"}, "small letters"),
        ({"issuer": "https://vault.example:443"}, "as browsers write it"),
        ({"issuer": "https://vault.example:99999"}, "as browsers write it"),
        ({"issuer": "https://ada:word@vault.example"}, "as browsers write it"),
        ({"issuer": "https://vault.example "}, "as browsers write it"),
        ({"issuer": "https://straße.example"}, "as browsers write it"),
        ({"issuer": "http://[::1"}, "as browsers write it"),
        ({"keystore_url": SETTINGS.database_url}, "VRM_KEYSTORE_URL"),
        ({"upload_limit": -1}, "VRM_UPLOAD_LIMIT"),
        ({"files_limit": -1}, "VRM_FILES_LIMIT"),
        ({"catalogue_budget": -1}, "VRM_CATALOGUE_BUDGET"),
    ],
)
def test_settings_that_are_unsafe_by_themselves_stop_every_command(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Unsafe, match=sentence):
        checked(replace(SETTINGS, **change))
    assert checked(SETTINGS) == SETTINGS


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://vault.example:8443"},
        {"issuer": "http://[::1]:8400"},
        {"issuer": "https://xn--strae-oqa.example"},
        {"mail_from": "Vault of Ada <vault@example.org>"},
        {"smtp_url": "smtps://ada:pass%2Fword@mail.example/"},
    ],
)
def test_settings_that_are_written_otherwise_are_taken(change: dict[str, Any]) -> None:
    checked(replace(SETTINGS, **change))


# The facts, found on a real directory.


@pytest.fixture
def directory(furnished: tuple[Path, str, Keyring], tmp_path: Path) -> Path:
    """Ada's vault as `vrm serve` leaves it."""
    copy_house(furnished[0], tmp_path / "house")
    house = house_in(tmp_path / "house")
    for database in house.databases:
        database.keep_ballast()
    house.stop()
    return tmp_path / "house"


def found_in(directory: Path, clock: Clock | None = None) -> dict[str, Finding]:
    house = house_in(directory, clock)
    try:
        return {each.code: each for each in findings(house)}
    finally:
        house.stop()


def test_a_vault_as_it_is_served_is_safe(directory: Path) -> None:
    assert {each.weight for each in found_in(directory).values()} <= {"better"}


@embedded_only
def test_what_lies_open_is_found_wherever_it_lies(directory: Path) -> None:
    for path in (
        *(directory / "keystore", directory / "vault" / "log.db", directory / "vault" / "ballast"),
        *(directory / "cache", directory / "keystore" / "keystore.db.turn"),
    ):
        before = path.stat().st_mode
        path.chmod(before | 0o040)
        found = found_in(directory)["exposed"]
        assert str(path) in found.sentence
        path.chmod(before)


@embedded_only
def test_a_keystore_that_is_a_link_into_the_data_is_found(directory: Path) -> None:
    (directory / "keystore").rename(directory / "vault" / "keys")
    (directory / "keystore").symlink_to(directory / "vault" / "keys")
    assert found_in(directory)["together"].weight == "fatal"


@embedded_only
def test_a_backup_beside_the_data_is_found_and_none_is_written_there(directory: Path) -> None:
    (directory / "vault" / "old").write_bytes(b"vrm/1/backup\nand so on")
    (directory / "vault" / "old").chmod(0o600)
    assert "old" in found_in(directory)["backup_inside"].sentence
    (directory / "vault" / "old").unlink()
    done = vrm(directory, "backup", str(directory / "keystore" / "monday.vrm"), "--passphrase-stdin")
    assert done.returncode == 1
    assert "another disk" in done.stderr


COMES_AND_GOES = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM sqlite_master').fetchall()"


@embedded_only
def test_who_looks_and_goes_on_keeps_its_hold_of_the_databases(directory: Path) -> None:
    """`vrm worker` looks before it begins. Beside it `vrm serve` comes and goes, and is not the last one to go."""
    house = house_in(directory)
    try:
        refuse(house)
        for database in house.databases:
            log = database.file.with_name(database.file.name + "-wal")
            before = log.stat().st_ino
            subprocess.run([sys.executable, "-c", COMES_AND_GOES, database.file], timeout=60, check=True)
            assert log.stat().st_ino == before, "what is written from now on would be lost"
    finally:
        house.stop()


def test_a_clock_that_was_set_back_is_found(directory: Path, furnished: tuple[Path, str, Keyring]) -> None:
    clock = Clock()
    house = house_in(directory, clock)
    clock.passes(days=2)
    sessions.begin(house, furnished[2])
    house.stop()
    clock.passes(days=-1)
    assert "2026-11-24 12:00" in found_in(directory, clock)["clock_back"].sentence


def test_a_newer_or_older_database_is_told_from_one_that_fits(directory: Path) -> None:
    house = house_in(directory)
    with house.main.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'of tomorrow' WHERE version_num LIKE 'vault%'"))
        session.execute(text("INSERT INTO alembic_version VALUES ('of tomorrow too')"))
    assert gathered(house).stores["main"].standing == "ahead"
    with house.main.transaction() as session:
        session.execute(text("DELETE FROM alembic_version WHERE version_num LIKE 'of%' OR version_num LIKE 'consent%'"))
    assert gathered(house).stores["main"].standing == "behind"
    house.stop()


@embedded_only
def test_serving_is_refused_for_what_is_fatal_and_for_nothing_less(directory: Path) -> None:
    house = house_in(directory)
    house.main.ballast.unlink()
    assert "ballast" in {each.code for each in refuse(house)}
    house.main.file.chmod(0o640)
    with pytest.raises(Unsafe, match="set its mode to 600"):
        refuse(house)
    house.stop()


# A PostgreSQL server.


@pytest.fixture
def on_a_server(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Opens a house whose databases are a server's, as often as a test wants."""
    urls = {f"{part}_url": served_url(tmp_path / "served", part) for part in ("database", "log", "keystore")}
    settings = replace(in_directory(tmp_path / "house", "http://localhost:8400"), **urls)
    opened: list[Server] = []

    def opens() -> Server:
        opened.append(start(settings, load_rooms()))
        return opened[-1]

    yield opens
    for each in opened:
        each.stop()


def test_a_server_as_it_should_be_is_safe(on_a_server: Callable[[], Server]) -> None:
    house = on_a_server()
    kept = gathered(house).stores["main"].kept
    assert isinstance(kept, Served)
    assert kept == Served(values=GOOD, standby=False, standbys=(), failover=None)
    assert {each.weight for each in refuse(house)} <= {"better"}


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [("synchronous_commit", "off", "set it to on"), ("default_transaction_read_only", "on", "set it to off")],
)
def test_a_server_that_would_take_back_what_it_acknowledged_is_refused(
    on_a_server: Callable[[], Server], setting: str, value: str, remedy: str
) -> None:
    house = on_a_server()
    with house.log.writing() as connection:
        name = house.log.engine.url.database
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET {setting} = {value}')
    house.stop()
    house = on_a_server()
    found = {each.code: each for each in findings(house)}
    assert remedy in found[setting].sentence
    assert "access log" in found[setting].sentence
    with pytest.raises(Unsafe, match=remedy):
        refuse(house)


# The command.


@embedded_only
def test_the_doctor_says_it_in_words_and_in_json_by_exit_code(directory: Path) -> None:
    done = vrm(directory, "doctor", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["safe"]) == (0, True), done.stdout
    (directory / "keystore").chmod(0o750)
    done = vrm(directory, "doctor", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["safe"]) == (1, False)
    assert {"code", "weight", "sentence"} == said["findings"][0].keys()
    in_words = vrm(directory, "doctor")
    assert (in_words.returncode, "fatal" in in_words.stdout) == (1, True)
    assert vrm(directory, "doctor", "--all").returncode == 2


@embedded_only
def test_serve_and_worker_do_not_start_where_it_is_dangerous(directory: Path) -> None:
    (directory / "keystore").chmod(0o750)
    for command in ("serve", "worker"):
        done = vrm(directory, command)
        assert done.returncode == 1
        assert "of mode 700" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_doctor_changes_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    assert vrm(tmp_path / "house", "doctor").returncode == 0
    assert not [path for path in (tmp_path / "house").rglob("*") if path.is_file()]


def test_no_core_is_dumped(directory: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0), "since the house of this test was opened"
