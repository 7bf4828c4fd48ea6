"""Her keys are changed: all opens as before, under new keys, and the old ones open nothing, however it was cut."""

from __future__ import annotations

import ast
import re
import shutil
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import LargeBinary, select

from connectors.course import ReportLine, add_report, standing
from connectors.uploads import Arriving
from tests.consent.test_crashes import Power, PowerCut, fragile
from tests.house.tree import modules, name, nodes
from tests.houses import copy_house, embedded_only, home_of, keep_copy, put_copy_back
from tests.people import RECEIPTS, Ada, Bookshop, Clock, details, house_in
from tests.sampled import thinned
from tests.vault import reader
from vault import choices, crypto, lock_rows, locks, passkeys, rekeying, sessions, store, unlock
from vault.collections.notes import Note
from vault.errors import Locked, WrongSecret
from vault.models import Key, Lock, Log, Main, RecordRow
from vault.opened import OpenVault
from vault.server import Server
from vault.worker import tick

# Turns in which nothing is sealed under a key of hers.
WITHOUT_KEYS = {"vault/pages/home.py", "vault/trash.py", "consent/sweeping.py", "consent/grants.py", "consent/inbox.py"}
UNDER_OTHER_KEYS = {
    ("locks", "box"),  # made anew, or dead
    ("keys", "box"),  # wrapped anew
    ("owners", "notice_box"),
    ("owners", "inbox_box"),
    ("jobs", "box"),
    ("clients", "box"),
    ("requests", "box"),
    ("grants", "label_box"),
    ("grants", "terms_box"),
    ("grant_locks", "box"),
    ("disclosures", "box"),
    ("receipts", "copy_box"),
    ("accesses", "box"),
    ("certificates", "box"),  # of an owner who is gone
}
derived = cache(locks.passphrase_secret)


def some_of_everything(ada: Ada, bookshop: Bookshop) -> dict[str, Any]:
    """Records with versions, an import with its file and report, a consent with its receipt, something left for her."""
    edited = ada.buys("The Salt Almanac")
    ada.edits(edited, rating=4)
    ada.removes(ada.buys("Thrown away"))
    ada.keeps(Note(heading="Window seals", text="Oil them twice."))
    with Arriving(ada.vault, "orders.csv") as file:
        file.write(b"Order Date,Title\n" * 3)
        import_id = file.finish()
    course = standing(ada.vault, import_id).course
    with ada.house.main.transaction() as session:
        add_report(session, ada.vault, import_id, course, [ReportLine("line 3", "No date.", refused=True)])
    tokens = bookshop.tokens("item-0", authorization_details=details(RECEIPTS))
    left = {"item": "The Weathervane", "bought_on": "2026-11-20"}
    assert bookshop.leaves(tokens["access_token"], left).status_code == 202
    return tokens


def put_in_place(house: Server, session: str, passphrase: str) -> tuple[str, OpenVault]:
    """A new root key, as on the page; she has shown that she holds the new kit."""
    vault = sessions.open_session(house, session)
    row = lock_rows.living_of(house, vault.owner_id, "passphrase")
    seat = sessions.Seat(house.now, "passphrase")
    known = unlock.Stretched(row.params, derived(passphrase, row.params), frozenset({row.lock_id}))
    string, opened = rekeying.replace_root(vault, known, seat)
    choices.keep(opened, {"recovery": None})
    return string, opened


def changes_keys(ada: Ada) -> OpenVault:
    """Her browser has the new session afterwards."""
    ada.session, ada.vault = put_in_place(ada.house, ada.session, ada.passphrase)
    ada.browser.set_cookie("vault", ada.session, domain="localhost")
    return ada.vault


def files(house: Server, to: Path) -> reader.Vault:
    """Everything on the disk at this moment, for a reader of its own."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(house.main.file.parents[1], to)
    return reader.Vault(to / "vault/vault.db", to / "keystore/keystore.db", to / "vault/log.db")


def contents(vault: reader.Vault, root: bytes) -> Any:
    """All that a root key opens."""
    return (
        vault.records(root),
        vault.versions(root),
        vault.receipts(root),
        sorted(vault.screens(root).items()),
        vault.memories(root),
        vault.uploads(root),
        vault.reports(root),
        vault.deposits(root),
        {name: vault.settings(root)[name] for name in ("name", "handle")},
    )


@embedded_only
def test_everything_opens_as_before_and_the_old_keys_open_nothing(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> None:
    some_of_everything(ada, bookshop)
    before = ada.vault.keyring
    was = contents(files(ada.house, tmp_path / "before"), before.root)
    opened = changes_keys(ada)
    assert rekeying.run(opened)
    now = files(ada.house, tmp_path / "after")
    assert contents(now, opened.keyring.root) == was
    old = {before.root, *(key for purpose, (_, key) in before.keys.items() if purpose != "dedupe")}
    for box in reader.boxes(now.main, now.log):
        assert not any(reader.opens(box, key) for key in old), box.table
        with suppress(reader.Refused):
            reader.open_left(before["inbox"], box.about, box.box)
            pytest.fail("the old inbox key opens a deposit")
    assert {purpose for _, purpose in keys_of(ada)} == set(before.keys)
    assert len(keys_of(ada)) == len(before.keys)
    raw = b"".join(each.read_bytes() for each in (tmp_path / "after").rglob("*") if each.is_file())
    assert not [key for key in old if key in raw]


def keys_of(ada: Ada) -> list[tuple[int, str]]:
    with ada.house.main.reading() as session:
        return [tuple(row) for row in session.execute(select(Key.key_id, Key.purpose).order_by(Key.key_id))]  # type: ignore[misc]


def test_only_what_she_makes_anew_opens_afterwards(ada: Ada, bookshop: Bookshop, recovery_code: str) -> None:
    ada.lets(bookshop)
    keyring, owner = ada.vault.keyring, ada.owner_id
    other = sessions.begin(ada.house, keyring)[0]
    passkey = crypto.random_bytes(16)
    pepper = ada.house.keystore.make(owner, passkey, "lock")
    secret, params = crypto.random_bytes(), locks.passkey_params(b"an id", b"a key")
    with ada.house.main.transaction() as session:
        lock_rows.add(session, passkeys.UNLOCKS, owner, passkey, secret, pepper, params, keyring.root)
    ada.buys("The Salt Almanac")
    before, old_session = bookshop.reads(), ada.session
    opened = changes_keys(ada)
    for string in (other, old_session):
        with pytest.raises(Locked):
            sessions.open_session(ada.house, string)
    alive = {*ada.house.keystore.alive(owner, "lock"), *ada.house.keystore.alive(owner, "session")}
    with ada.house.main.reading() as session:
        rows = {row.lock_id: row.kind for row in session.execute(select(Lock.lock_id, Lock.kind))}
    assert sorted(rows.values()) == ["passphrase", "recovery", "session"]
    assert alive == {lock for lock, kind in rows.items() if kind != "recovery"}
    with pytest.raises(WrongSecret):
        unlock.with_recovery_code(ada.house, "", recovery_code)
    assert unlock.with_passphrase(ada.house, "", ada.passphrase, address="here").root == opened.keyring.root
    assert bookshop.reads() == before, "what vendors can see stays"
    assert rekeying.run(opened)
    ada.buys("Tides and Tables")
    assert len(bookshop.reads()) == len(before) + 1
    assert "The Salt Almanac" in ada.looks_at("/purchases")
    assert "damaged" not in ada.looks_at("/")


def test_an_old_copy_does_not_bring_back_what_opened_before(ada: Ada, tmp_path: Path) -> None:
    keep_copy(ada.house, "database", tmp_path / "kept")
    cookie = ada.session
    assert rekeying.run(changes_keys(ada))
    ada.house.main.dispose()
    put_copy_back(home_of(ada.house), "database", tmp_path / "kept")
    with pytest.raises(Locked):
        sessions.open_session(ada.house, cookie)
    with pytest.raises(WrongSecret):
        unlock.with_passphrase(ada.house, "", ada.passphrase, address="here")


def test_what_was_begun_under_the_old_keys_cannot_be_written_any_more(ada: Ada, bookshop: Bookshop) -> None:
    stale, kept = ada.vault, ada.buys("The Salt Almanac")
    opened = changes_keys(ada)
    with pytest.raises(Locked), store.writing(stale) as turn:
        store.change(turn, stale, kept.number, {"rating": 4})
    with pytest.raises(Locked):
        choices.keep(stale, {"name": "Ada"})
    with pytest.raises(Locked), Arriving(stale, "orders.csv"):
        pass
    with pytest.raises(Locked):
        sessions.begin(ada.house, stale.keyring)
    assert opened.catalogue.count("damaged") == 0
    with pytest.raises(Locked):
        stale.catalogue  # noqa: B018 - it is shared, and what this one cannot open is not damaged


def test_a_passphrase_that_was_changed_meanwhile_does_not_come_back_with_the_new_keys(ada: Ada) -> None:
    vault = ada.vault
    row = lock_rows.living_of(ada.house, ada.owner_id, "passphrase")
    known = unlock.Stretched(row.params, derived(ada.passphrase, row.params), frozenset({row.lock_id}))
    unlock.change_passphrase(vault, ada.passphrase, "another violet kettle", address="here")
    with pytest.raises(WrongSecret):
        rekeying.replace_root(vault, known, sessions.Seat(ada.house.now, "passphrase"))
    assert sessions.open_session(ada.house, ada.session).keyring.root == vault.keyring.root


def test_an_unlock_or_a_change_of_keys_that_comes_too_late_leaves_no_session_and_no_lock(ada: Ada) -> None:
    stale, row = ada.vault, lock_rows.living_of(ada.house, ada.owner_id, "passphrase")
    known = unlock.Stretched(row.params, derived(ada.passphrase, row.params), frozenset({row.lock_id}))
    changes_keys(ada)
    with pytest.raises(Locked):
        sessions.begin(ada.house, stale.keyring)
    with pytest.raises(Locked):
        rekeying.replace_root(stale, known, sessions.Seat(ada.house.now, "passphrase"))
    assert [len(ada.house.keystore.alive(ada.owner_id, kind)) for kind in ("session", "lock")] == [1, 1]


def test_what_she_chose_meanwhile_goes_along(ada: Ada) -> None:
    stale = ada.vault
    sessions.choose_quiet(ada.open, 30)
    row = lock_rows.living_of(ada.house, ada.owner_id, "passphrase")
    known = unlock.Stretched(row.params, derived(ada.passphrase, row.params), frozenset({row.lock_id}))
    string, _opened = rekeying.replace_root(stale, known, sessions.Seat(ada.house.now, "passphrase"))
    assert sessions.open_session(ada.house, string).settings["quiet"] == 30


def test_every_turn_that_seals_something_for_her_says_with_which_keys() -> None:
    calls = [
        (name(path), node)
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "her_turn"
    ]
    unsaid = {path for path, node in calls if "keyring" not in {each.arg for each in node.keywords}}
    assert unsaid == WITHOUT_KEYS


@embedded_only
def test_it_goes_on_at_the_next_unlock_where_it_was_interrupted(ada: Ada, tmp_path: Path) -> None:
    with store.writing(ada.vault, numbers=450) as turn:
        for at in range(450):
            store.add(turn, ada.vault, Note(heading=f"Note {at}", text="-"))
    opened = changes_keys(ada)
    boxes = next(each for each in rekeying.reseal.every(ada.house, "records"))
    assert rekeying._seal_some(opened, boxes, ())
    found = rekeying.progress(opened)
    assert found is not None
    assert 0 < found.done < found.all
    assert ada.looks_at("/notes")
    half = files(ada.house, tmp_path / "half")
    assert len(half.records(opened.keyring.root)) == 451, "half under the old keys, half under the new ones"
    ada.locks()
    assert not rekeying.run(opened), "not without an open vault"
    string, again = sessions.begin(ada.house, unlock.with_passphrase(ada.house, "", ada.passphrase, address="here"))
    while rekeying.progress(sessions.open_session(ada.house, string)) is not None:
        threading.Event().wait(0.05)
    assert len(keys_of(ada)) == len(ada.vault.keyring.keys)
    assert again.catalogue.count("NOT damaged") == 451


def test_a_box_that_was_damaged_before_stays_that_and_keeps_nothing_from_ending(ada: Ada) -> None:
    kept, hurt = ada.buys("The Salt Almanac"), ada.buys("Field Notes on Moss")
    with ada.house.main.transaction() as session:
        row = session.get_one(RecordRow, (ada.owner_id, hurt.number))
        row.box = (row.box or b"")[:-1] + b"\0"
    opened = changes_keys(ada)
    assert rekeying.run(opened)
    vault = ada.open
    assert not vault.keyring.earlier
    with ada.house.main.reading() as session:
        assert store.read(session, vault, kept.number).raw("item") == "The Salt Almanac"
        with pytest.raises(crypto.Damaged):
            store.read(session, vault, hurt.number)


def test_something_left_while_the_keys_change_is_left_again_and_opens(ada: Ada, bookshop: Bookshop) -> None:
    tokens = some_of_everything(ada, bookshop)
    opened = changes_keys(ada)
    left = {"item": "A Kettle", "bought_on": "2026-11-21"}
    assert bookshop.leaves(tokens["access_token"], left, under="2").status_code == 202
    assert rekeying.run(opened)
    page = ada.looks_at("/inbox")
    assert "A Kettle" in page
    assert "The Weathervane" in page


def test_every_column_of_boxes_is_stated_or_known_to_lie_under_other_keys(ada: Ada) -> None:
    stated = {(each.column.class_.__tablename__, each.column.key) for room in ada.house.rooms for each in room.boxes}
    boxes = {
        (table.name, column.name)
        for base in (Main, Log)
        for table in base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.type.length is None and column.name != "params"
    }
    assert boxes - stated == UNDER_OTHER_KEYS
    assert stated <= boxes


@embedded_only
def test_the_power_fails_anywhere_while_the_keys_are_changed(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> None:
    some_of_everything(ada, bookshop)
    ada.house.stop()
    was = contents(reader_of(tmp_path / "house"), ada.vault.keyring.root)
    steps = cut(ada, tmp_path / "whole", was, at=1000)
    assert len(steps) > 15
    for at in thinned(range(1, len(steps)), first=7, then_every=4):
        cut(ada, tmp_path / f"cut-{at}", was, at=at)


def cut(ada: Ada, here: Path, was: Any, *, at: int) -> list[str]:
    """Change the keys on a copy whose power fails after a step; returns the names of the steps."""
    copy_house(here.parent / "house", here)
    power = Power(at)
    house = fragile(house_in(here, Clock(ada.house.clock.now)), power)  # type: ignore[attr-defined]
    with suppress(PowerCut):
        rekeying.run(put_in_place(house, ada.session, ada.passphrase)[1])
    for database in house.databases:
        database.dispose()
    assert_whole(here, ada, was)
    shutil.rmtree(here)
    return power.steps


def assert_whole(here: Path, ada: Ada, was: Any) -> None:
    """Her passphrase opens it, the worker and her unlock finish it, and everything is there, under one set of keys."""
    house = house_in(here, Clock(ada.house.clock.now))  # type: ignore[attr-defined]
    row = lock_rows.living_of(house, ada.owner_id, "passphrase")
    keyring = lock_rows.open_with(house, row, derived(ada.passphrase, row.params))
    assert keyring is not None
    tick(house, sweep=True)
    with house.main.reading() as session:
        left = set(session.scalars(select(Lock.lock_id).where(Lock.kind != "recovery")))
    alive = {*house.keystore.alive(ada.owner_id, "lock"), *house.keystore.alive(ada.owner_id, "session")}
    assert left <= alive, "a lock that nothing opens"
    assert rekeying.run(sessions.for_command(house, keyring))
    house.stop()
    whole = reader_of(here)
    assert contents(whole, keyring.root) == was
    assert len(whole.keys(keyring.root)) == len(reader.rows(whole.main, "SELECT key_id FROM keys"))


def reader_of(directory: Path) -> reader.Vault:
    return reader.Vault(directory / "vault/vault.db", directory / "keystore/keystore.db", directory / "vault/log.db")


def test_on_the_page_the_passphrase_is_asked_for_and_a_new_kit_follows(ada: Ada, recovery_code: str) -> None:
    ada.buys("The Salt Almanac")
    assert "Your passphrase" in ada.looks_at("/security/keys")
    assert "That is not your present passphrase." in ada.presses("/security/keys", 403, passphrase="wrong").text
    answer = ada.presses("/security/keys", passphrase=ada.passphrase)
    assert answer.headers["Location"] == "/setup/kit"
    page = ada.looks_at("/setup/kit")
    groups = re.findall(r"<code>([0-9A-Z]{5})</code>", page)
    assert "-".join(groups) != recovery_code
    asked = [int(each) for each in re.findall(r'name="group-(\d)"', page)]
    shown = ada.presses("/setup/kit", **{f"group-{at}": groups[at - 1] for at in asked})
    assert shown.headers["Location"] == "/security?notice=kit"
    while "being changed" in ada.looks_at("/security"):
        threading.Event().wait(0.05)
    assert "The Salt Almanac" in ada.looks_at("/purchases")
    assert "The old ones are deleted." in ada.looks_at("/security/keys/progress")
    assert unlock.with_recovery_code(ada.house, "", "-".join(groups)).owner_id == ada.owner_id
