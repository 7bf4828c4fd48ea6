"""What PostgreSQL does that SQLite does not: rows that wait for each other, connections that come from a pool."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import request
from sqlalchemy import event

from tests.conftest import PASSPHRASE
from tests.houses import OfPostgresql, folder_of_nobody, home_of, raw, served_url
from tests.people import ISSUER, Ada, Bookshop, Clock
from tests.sampled import EVERYTHING
from vault import moving
from vault.app import create_app, load_rooms
from vault.db import Database
from vault.errors import Busy, Contended, Unsafe
from vault.server import Server, start
from vault.settings import Settings, checked, in_directory

PARTS = ("database", "log", "keystore")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Database]:
    """A database of a server, with two numbers in it."""
    database = Database(served_url(tmp_path, "numbers"))
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (name INTEGER PRIMARY KEY, number INTEGER)")
        connection.exec_driver_sql("INSERT INTO numbers VALUES (1, 0), (2, 0)")
    yield database
    database.dispose()


def on_a_server(home: Path, **urls: str) -> Settings:
    """Settings of a house whose databases are a server's, whichever engine the other houses are on."""
    return replace(in_directory(home, ISSUER), **{f"{part}_url": url for part, url in urls.items()})


@pytest.fixture
def urls(tmp_path: Path) -> dict[str, str]:
    """Three empty databases."""
    return {part: served_url(tmp_path / "served", part) for part in PARTS}


# Transactions.


def test_of_two_that_wait_for_each_other_one_gives_way_whole(served: Database) -> None:
    both, outcomes = threading.Barrier(2), []

    def writes(first: int, second: int) -> None:
        try:
            with served.writing() as connection:
                add = "UPDATE numbers SET number = number + 1 WHERE name = %s"
                connection.exec_driver_sql(add, (first,))
                both.wait(timeout=20)
                connection.exec_driver_sql(add, (second,))
            outcomes.append("written")
        except Contended:
            outcomes.append("gave way")

    threads = [threading.Thread(target=writes, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["gave way", "written"]
    with raw(served) as say:
        assert say("SELECT number FROM numbers") == [(1,), (1,)]


def test_a_request_that_gave_way_is_done_again(house: Server) -> None:
    app, tried = create_app(house), []

    @app.post("/csp-report-of-the-test")
    def view() -> str:
        tried.append(request.form["word"])
        if len(tried) < 3:
            raise Contended
        return tried[-1]

    answer = app.test_client().post("/csp-report-of-the-test", data={"word": "kettle"}, headers={"Origin": ISSUER})
    assert (answer.status_code, answer.text, len(tried)) == (200, "kettle", 3)


def test_a_request_that_gives_way_each_time_says_that_the_vault_is_busy(house: Server) -> None:
    app, tried = create_app(house), []

    @app.post("/csp-report-of-the-test")
    def view() -> str:
        tried.append(request.form["word"])
        raise Contended

    answer = app.test_client().post("/csp-report-of-the-test", data={"word": "kettle"}, headers={"Origin": ISSUER})
    assert answer.status_code == 503
    assert len(tried) == 4


def test_a_file_that_streamed_in_is_not_asked_for_twice(house: Server) -> None:
    app, tried = create_app(house), []

    @app.post("/csp-report-of-the-test")
    def view() -> str:
        tried.append(request.stream.read())
        raise Contended

    answer = app.test_client().post("/csp-report-of-the-test", data=b"a,b\n1,2\n", headers={"Origin": ISSUER})
    assert (answer.status_code, tried) == (503, [b"a,b\n1,2\n"])


def test_who_waits_too_long_for_a_row_is_told_to_come_again(served: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.kind, "write", served.kind.write.replace("'10s'", "'50ms'"))
    with served.writing() as connection:
        connection.exec_driver_sql("UPDATE numbers SET number = 5")
        other = threading.Thread(target=lambda: seen.append(_writes(served)))
        seen: list[type[BaseException] | None] = []
        other.start()
        other.join()
    assert seen == [Busy]


def _writes(database: Database) -> type[BaseException] | None:
    try:
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE numbers SET number = 6")
    except Busy as error:
        return type(error)
    return None


def test_a_reader_cannot_write_and_sees_one_moment(served: Database) -> None:
    with served.reading() as session:
        before = session.connection().exec_driver_sql("SELECT sum(number) FROM numbers").scalar()
        with served.writing() as connection:
            connection.exec_driver_sql("UPDATE numbers SET number = 7")
        assert session.connection().exec_driver_sql("SELECT sum(number) FROM numbers").scalar() == before
        with pytest.raises(served.driver.Error):
            session.connection().connection.driver_connection.execute("DELETE FROM numbers")


# Connections that are lost.


ENDS_ALL = "SELECT pg_terminate_backend(pid, 9000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


def ends_connections(*urls: str) -> None:
    """The server ends every connection to some databases."""
    for url in urls:
        with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as line:
            line.execute(ENDS_ALL, (line.info.dbname,))


def test_what_was_ended_while_nobody_used_it_is_noticed_before_it_is_used(
    house: Server, urls: dict[str, str], shopfront: Bookshop, clock: Clock
) -> None:
    ada = moves_in(house, urls, clock)
    ada.buys("The Salt Almanac")
    shopfront.visits(ada)
    token = shopfront.tokens()["access_token"]
    assert shopfront.looks("/vendor/v1/purchases", token).status_code == 200
    for _ in range(2):
        ends_connections(*urls.values())
        assert shopfront.looks("/vendor/v1/purchases", token).status_code == 200
        ends_connections(*urls.values())
        assert "The Salt Almanac" in ada.looks_at("/purchases")
    ada.house.stop()


@pytest.mark.parametrize("part", PARTS)
def test_a_page_that_loses_a_connection_while_it_reads_says_so_and_the_next_one_comes(
    house: Server, urls: dict[str, str], clock: Clock, part: str
) -> None:
    """At whichever statement of the page, those before she is answered too."""
    ada = moves_in(house, urls, clock)
    ada.buys("The Salt Almanac")
    database = dict(zip(PARTS, (ada.house.main, ada.house.log, ada.house.keystore.database), strict=True))[part]
    so_far, at = 0, 0

    def loses(*_of_the_statement: Any) -> None:
        nonlocal so_far
        so_far += 1
        if so_far == at:
            ends_connections(urls[part])

    event.listen(database.engine, "before_cursor_execute", loses)
    ada.looks_at("/activity")
    for nth in count(1, step=1 if EVERYTHING else 4):
        so_far, at = 0, nth
        answer = ada.browser.get("/activity")
        was_lost, at = so_far >= at, 0
        if not was_lost:
            break
        assert answer.status_code == 503, f"at statement {nth}"
        assert answer.headers["Retry-After"] == "5"
        assert "The vault’s database does not answer just now." in answer.text
        ada.looks_at("/activity")
    assert nth > 1, "nothing was read there"
    ada.house.stop()


@pytest.fixture
def servers() -> Iterator[OfPostgresql]:
    """A server of PostgreSQL of one's own, which may be stopped."""
    own = OfPostgresql()
    yield own
    own.goes()


def test_while_the_server_is_away_everybody_is_told_to_come_again_and_then_all_goes_on(
    house: Server, servers: OfPostgresql, shopfront: Bookshop, clock: Clock
) -> None:
    with psycopg.connect(f"postgresql://vrm@/postgres?host={servers.folder}", autocommit=True) as line:
        for part in PARTS:
            line.execute(f"CREATE DATABASE {part}")
    ada = moves_in(house, {part: f"postgresql://vrm@/{part}?host={servers.folder}" for part in PARTS}, clock)
    ada.buys("The Salt Almanac")
    shopfront.visits(ada)
    tokens = shopfront.tokens()
    servers.stops()
    for path in ("/purchases", "/sharing", "/unlock"):
        page = ada.browser.get(path)
        assert (page.status_code, page.headers.get("Retry-After")) == (503, "5"), path
        assert "does not answer just now" in page.text
    look = shopfront.looks("/vendor/v1/purchases", tokens["access_token"])
    assert (look.status_code, look.json()["code"], look.headers["Retry-After"]) == (503, "busy", "2")
    token = shopfront.refreshes(tokens["refresh_token"])
    assert (token.status_code, token.json()) == (503, {"error": "temporarily_unavailable"})
    health = ada.browser.get("/readyz")
    assert health.status_code == 503
    assert {part for part in ("main", "keystore", "log") if health.json[part]} == set()
    servers.begins()
    assert "The Salt Almanac" in ada.looks_at("/purchases")
    assert shopfront.looks("/vendor/v1/purchases", tokens["access_token"]).status_code == 200
    ada.house.stop()


# Settings.


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://vrm@db.example/vault", "sslmode=verify-full"),
        ("postgresql://vrm@db.example/vault?sslmode=require", "sslmode=verify-full"),
        ("postgresql://vrm@127.0.0.1/vault?host=db.example", "sslmode=verify-full"),
        ("postgresql://vrm@/vault?host=127.0.0.1,db.example", "sslmode=verify-full"),
        ("postgresql://vrm@db.example,ada.localhost/vault", "sslmode=verify-full"),
        ("postgresql://localhost:a/b@db.example/vault", "sslmode=verify-full"),
        ("postgresql://vrm:word@/vault?hostaddr=203.0.113.5", "no option but"),
        ("postgresql://vrm:word@localhost/vault?hostaddr=203.0.113.5", "no option but"),
        ("postgresql://vrm:word@localhost/vault#?hostaddr=203.0.113.5", "no option but"),
        ("postgresql:///vault?service=far", "no option but"),
        ("postgresql://vrm@db.example/", "name a database"),
        ("postgresql://vrm@db.example:first/vault", "name a database"),
        ("mysql://vrm@localhost/vault", "sqlite:/// or postgresql://"),
    ],
)
def test_a_server_is_reached_by_tls_that_cannot_be_stood_in_for(tmp_path: Path, url: str, sentence: str) -> None:
    with pytest.raises(Unsafe, match=sentence):
        checked(on_a_server(tmp_path, database=url))


@pytest.mark.parametrize("rest", ["[::1]/vault", "127.0.0.1:5433/vault", "localhost/vault", "/vault?host=/run/pg"])
def test_one_on_this_machine_needs_no_tls(tmp_path: Path, rest: str) -> None:
    checked(on_a_server(tmp_path, database=f"postgresql://vrm@{rest}"))


def test_three_names_of_one_database_are_refused(tmp_path: Path) -> None:
    one, same = "postgresql://ada:a@localhost/vault", "postgresql://bram:b@localhost/vault"
    with pytest.raises(Unsafe, match="three different databases"):
        checked(on_a_server(tmp_path, database=one, log=same))


def test_a_password_stands_in_no_repr(tmp_path: Path) -> None:
    settings = on_a_server(tmp_path, database="postgresql://vrm:hunter2-trombone@localhost/vault")
    assert "trombone" not in repr(checked(settings))
    assert "trombone" not in repr(Database(settings.database_url).engine)


# Many processes, and a pool between.


def test_four_that_start_at_once_on_empty_databases_make_one_vault(tmp_path: Path, urls: dict[str, str]) -> None:
    settings, started = on_a_server(tmp_path / "house", **urls), []

    def begins() -> None:
        started.append(start(settings, load_rooms()))

    threads = [threading.Thread(target=begins) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({server.keystore.instance() for server in started}) == 1
    assert len(started) == 4
    for server in started:
        server.stop()


@pytest.fixture
def pooled(urls: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same databases behind pgbouncer, which lends two connections for a transaction each."""
    if shutil.which("pgbouncer") is None:
        pytest.skip("no pgbouncer here: apt-get install pgbouncer")
    folder, who = folder_of_nobody()
    names = {part: url.partition("@/")[2].partition("?")[0] for part, url in urls.items()}
    host = next(iter(urls.values())).partition("?host=")[2]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = [f"{name} = host={host} dbname={name} user=vrm" for name in names.values()]
    (folder / "pgbouncer.ini").write_text(
        "[databases]\n" + "\n".join(lines) + "\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n"
    )
    (folder / "pgbouncer.ini").chmod(0o644)
    pool = subprocess.Popen(["pgbouncer", "-q", folder / "pgbouncer.ini"], **who)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield {part: f"postgresql://vrm@127.0.0.1:{port}/{name}" for part, name in names.items()}
    pool.kill()
    pool.wait()
    shutil.rmtree(folder)


def moves_in(house: Server, urls: dict[str, str], clock: Clock) -> Ada:
    """Ada's vault on that server."""
    house.stop()
    there = {"main": Database(urls["database"]), "log": Database(urls["log"]), "keys": Database(urls["keystore"])}
    moving.move({"main": house.main, "log": house.log, "keys": house.keystore.database}, there)
    for database in there.values():
        database.dispose()
    return Ada(start(on_a_server(home_of(house), **urls), load_rooms(), clock=clock), PASSPHRASE)


def test_the_whole_way_works_behind_a_pool_that_lends_by_transaction(
    house: Server, pooled: dict[str, str], shopfront: Bookshop, clock: Clock
) -> None:
    ada = moves_in(house, pooled, clock)
    shopfront.visits(ada)
    ada.buys("The Salt Almanac")
    ada.lets(shopfront)
    token = shopfront.tokens()["access_token"]
    outcomes: list[int] = []

    def looks() -> None:
        outcomes.extend(shopfront.looks("/vendor/v1/purchases", token).status_code for _ in range(6))

    threads = [threading.Thread(target=looks) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [200] * 48
    assert "The log is whole" in ada.looks_at("/activity")
    ada.presses(f"/sharing/{ada.grant()}/stop")
    assert shopfront.looks("/vendor/v1/purchases", token).status_code == 401
    ada.house.stop()


def test_what_one_process_stops_no_other_shows(
    house: Server, urls: dict[str, str], shopfront: Bookshop, clock: Clock
) -> None:
    """Six servers on the same databases; from the answer on none of them shows anything."""
    ada = moves_in(house, urls, clock)
    ada.buys("The Salt Almanac")
    others = [start(ada.house.settings, load_rooms(), clock=clock) for _ in range(6)]
    apps = [create_app(other) for other in others]
    for _ in range(5):
        shopfront.visits(ada)
        token = shopfront.tokens()["access_token"]
        proofs = [shopfront.proves("GET", f"{ISSUER}/vendor/v1/purchases", token=token) for _ in range(12)]
        headers = [{"Authorization": f"DPoP {token}", "DPoP": proof} for proof in proofs]
        paths = list(zip(apps * 2, headers, strict=True))
        shown = [app.test_client().get("/vendor/v1/purchases", headers=each).status_code for app, each in paths[:6]]
        ada.presses(f"/sharing/{ada.grant()}/stop")
        after = [app.test_client().get("/vendor/v1/purchases", headers=each).status_code for app, each in paths[6:]]
        assert (set(shown), set(after)) == ({200}, {401})
    for each in (ada.house, *others):
        each.stop()
