"""Moving to another engine: nothing is lost, nothing is revived, and what was moved does not go on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect, select

from tests.houses import embedded_only, home_of, raw, served_url, settings_in
from tests.people import ISSUER, Ada, Bookshop, Clock, house_in
from vault import backup, moving
from vault.app import load_rooms
from vault.cli import main
from vault.db import Database
from vault.errors import Unsafe
from vault.instances import instance_of
from vault.models import Owner
from vault.server import Server, start
from vault.settings import to_environment

PARTS = {"main": "database_url", "log": "log_url", "keys": "keystore_url"}
pytestmark = embedded_only  # they begin with files, and end on a server


@pytest.fixture
def urls(tmp_path: Path) -> dict[str, str]:
    """Three empty databases of a PostgreSQL server."""
    return {name: served_url(tmp_path / "there", name) for name in PARTS}


def databases(house: Server) -> dict[str, Database]:
    return {"main": house.main, "log": house.log, "keys": house.keystore.database}


@pytest.fixture
def there(urls: dict[str, str]) -> Iterator[dict[str, Database]]:
    """The same, open."""
    opened = {name: Database(url) for name, url in urls.items()}
    yield opened
    for database in opened.values():
        database.dispose()


def moved(house: Server, urls: dict[str, str], clock: Clock) -> Server:
    """The server on the databases it was moved to."""
    settings = replace(settings_in(home_of(house), ISSUER), **{PARTS[name]: url for name, url in urls.items()})
    return start(settings, load_rooms(), clock=clock)


def test_every_row_arrives_and_everything_goes_on(
    ada: Ada, bookshop: Bookshop, clock: Clock, urls: dict[str, str], there: dict[str, Database]
) -> None:
    ada.attaches(ada.buys("The Salt Almanac"), bytes(range(256)) * 5000)
    ada.lets(bookshop)
    kept, stopped = bookshop.reads(), bookshop.tokens()["access_token"]
    before = list(backup.lines_of_all(databases(ada.house), {}))
    ada.house.stop()
    rows = moving.move(databases(ada.house), there)
    assert rows["main.records"] >= 2
    assert rows["keys.peppers"] == 3, "sessions and grants too"
    assert sorted(backup.lines_of_all(there, {})) == sorted(before)
    house = moved(ada.house, urls, clock)
    back = Ada(house, ada.passphrase)
    assert "The Salt Almanac" in back.looks_at("/purchases")
    assert "The log is whole" in back.looks_at("/activity")
    bookshop.visits(back)
    assert bookshop.looks("/vendor/v1/purchases", stopped).status_code == 200
    assert kept
    back.presses(f"/sharing/{back.grant()}/stop")
    assert bookshop.looks("/vendor/v1/purchases", stopped).status_code == 401
    house.stop()


def test_what_was_moved_does_not_start_where_it_was(
    house: Server, clock: Clock, urls: dict[str, str], there: dict[str, Database]
) -> None:
    house.stop()
    moving.move({"main": house.main}, {"main": there["main"]})
    with pytest.raises(Unsafe, match="has been moved"):
        house_in(home_of(house), clock)
    again = moved(house, {"main": urls["main"]}, clock)
    with again.main.reading() as session:
        assert session.scalar(select(Owner.revision)) is not None
    again.stop()


def test_nothing_is_moved_while_somebody_has_it_open(house: Server, clock: Clock, there: dict[str, Database]) -> None:
    beside = house_in(home_of(house), clock)
    with beside.main.reading() as session:
        session.scalar(select(Owner.revision))
        with pytest.raises(moving.StillOpen):
            moving.move({"main": house.main}, {"main": there["main"]})
    beside.stop()
    house.stop()
    house_in(home_of(house), clock).stop()


def test_nothing_is_moved_onto_something(house: Server, there: dict[str, Database]) -> None:
    with there["main"].writing() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (number INTEGER)")
    with pytest.raises(backup.NoRoomForIt):
        moving.move({"main": house.main}, {"main": there["main"]})


def test_where_no_vault_is_nothing_is_moved(there: dict[str, Database], tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(moving.NothingHere):
        moving.move({"main": empty}, {"main": there["main"]})
    assert inspect(there["main"].engine).get_table_names() == []
    empty.dispose()


def test_a_copy_that_is_not_equal_is_noticed_and_the_old_one_stays(
    house: Server, clock: Clock, there: dict[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = backup.put

    def one_byte_off(*arguments: object) -> None:
        arrived(*arguments)  # type: ignore[arg-type]
        with raw(there["main"]) as say:
            say("UPDATE locks SET params = ?", b"{}")

    monkeypatch.setattr(backup, "put", one_byte_off)
    house.stop()
    with pytest.raises(moving.NotEqual):
        moving.move({"main": house.main}, {"main": there["main"]})
    house_in(home_of(house), clock).stop()


def test_after_a_move_that_was_cut_off_it_is_moved_again(house: Server, there: dict[str, Database]) -> None:
    house.stop()
    with raw(house.main) as say:
        say("UPDATE instance SET id = ?", b"moved:" + (house.keystore.instance() or b""))
    house.stop()
    moving.move({"main": house.main}, {"main": there["main"]})
    assert instance_of(there["main"]) == house.keystore.instance()
    house.stop()


def test_what_has_been_moved_is_not_moved_once_more_and_never_starts_there_again(
    house: Server, clock: Clock, there: dict[str, Database], tmp_path: Path
) -> None:
    house.stop()
    moving.move({"main": house.main}, {"main": there["main"]})
    elsewhere = Database(f"sqlite:///{tmp_path / 'elsewhere' / 'vault.db'}")
    with pytest.raises(Unsafe, match="has been moved"):
        moving.move({"main": house.main}, {"main": elsewhere})
    assert inspect(elsewhere.engine).get_table_names() == []
    elsewhere.dispose()
    house.stop()
    with pytest.raises(Unsafe, match="has been moved"):
        house_in(home_of(house), clock)


def test_after_a_move_that_was_cut_off_and_one_that_failed_it_does_not_start(
    house: Server, clock: Clock, there: dict[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.stop()
    with raw(house.main) as say:
        say("UPDATE instance SET id = ?", b"moved:" + (house.keystore.instance() or b""))
    house.stop()
    monkeypatch.delattr(backup, "put")
    with pytest.raises(AttributeError):
        moving.move({"main": house.main}, {"main": there["main"]})
    house.stop()
    with pytest.raises(Unsafe, match="has been moved"):
        house_in(home_of(house), clock)


def test_the_command_says_what_to_set_and_shows_no_password(
    house: Server, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.stop()
    for name, value in to_environment(settings_in(home_of(house), ISSUER)).items():
        monkeypatch.setenv(name, value)
    url = urls["main"].replace("vrm@", "vrm:hunter2-trombone@")
    done = CliRunner().invoke(main, ["move", url])
    assert done.exit_code == 0, done.output
    assert "Moved and compared" in done.output
    assert "VRM_DATABASE_URL=postgresql://vrm:***@" in done.output
    assert "trombone" not in done.output
    again = CliRunner().invoke(main, ["move", url])
    assert again.exit_code == 1
    assert "There is a database here already" in again.output
    assert CliRunner().invoke(main, ["move"]).exit_code == 2
    assert CliRunner().invoke(main, ["move", "mysql://elsewhere/vault"]).exit_code == 1
