"""Deleting a vault: what ends at once, what a week can take back, and that afterwards nothing is left to open."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connectors.vendor_client import NoLongerShared
from consent import segments
from tests.conftest import PASSPHRASE
from tests.consent.test_crashes import Power, PowerCut, fragile
from tests.houses import copy_house, everything_kept, home_of, keep_copy, put_copy_back, where
from tests.people import PURCHASES, RECEIPTS, Ada, Bookshop, Clock, house_in
from tests.vault import reader
from tests.vault.test_cli import vrm
from vault import choices, departure, sessions, set_up, store, unlock
from vault.collections.notes import Note
from vault.days import DAY
from vault.errors import Locked, WrongSecret
from vault.keyring import Keyring
from vault.keystore import Keystore
from vault.kit import vault_number
from vault.models import Job, Key, Keys, Lock, Log, Main, RecordRow
from vault.server import Server
from vault.worker import tick

GONE = {"certificates": 1, "floors": 1}
BRAMS = "a boat, a goose, a bell"


def asks_to_delete(ada: Ada) -> None:
    ada.presses("/delete", name="ada")


def rows_of(house: Server, owner: bytes) -> dict[str, int]:
    """How many rows every table of the three databases still has of an owner."""
    left = {}
    for database, base in ((house.main, Main), (house.log, Log), (house.keystore.database, Keys)):
        for table in base.metadata.tables.values():
            if "owner_id" in table.columns:
                counting = select(func.count()).select_from(table).where(table.c.owner_id == owner)
                with database.reading() as session:
                    left[table.name] = session.scalar(counting) or 0
    return {name: count for name, count in left.items() if count}


def boxes_of(ada: Ada) -> list[bytes]:
    """Her locks, keys and records as they lie."""
    statements = [select(table.box).where(table.owner_id == ada.owner_id) for table in (Lock, Key, RecordRow)]
    with ada.house.main.reading() as session:
        return [box for statement in statements for box in session.scalars(statement) if box]


def noticed(house: Server) -> set[str]:
    """What is still to be told or done for nobody’s vault."""
    with house.main.reading() as session:
        return set(session.scalars(select(Job.kind).where(Job.owner_id == departure.NOBODY)))


@pytest.fixture
def bram(house: Server) -> bytes:
    """Another owner on the same server."""
    keys = set_up.set_up(house, handle="bram", name="Bram", passphrase=BRAMS, notice=None, first=False)
    vault = sessions.for_command(house, keys)
    with store.writing(vault, numbers=1) as turn:
        store.add(turn, vault, Note(heading="Geese", text="Went north."))
    return keys.owner_id


def test_what_others_see_ends_at_once_and_the_vault_stays_a_week(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.buys("A Kettle")
    ada.lets(bookshop)
    assert bookshop.reads()
    asks_to_delete(ada)
    assert not ada.house.keystore.alive(ada.owner_id, "grant")
    with pytest.raises(NoLongerShared):
        bookshop.reads()
    assert "will be deleted on 30 November 2026" in ada.looks_at("/delete")
    clock.passes(days=7)
    tick(ada.house, sweep=True)
    ada.unlocks()
    assert "A Kettle" in ada.looks_at("/purchases")


def test_it_can_be_taken_back_until_the_day_begins_and_not_after(ada: Ada, clock: Clock) -> None:
    asks_to_delete(ada)
    ada.presses("/delete/keep")
    clock.passes(days=9)
    tick(ada.house, sweep=True)
    ada.unlocks()
    asks_to_delete(ada)
    clock.passes(days=7, hours=12)
    assert not departure.keep(ada.vault)
    tick(ada.house, sweep=True)
    assert rows_of(ada.house, ada.owner_id) == GONE


def test_who_has_taken_it_back_before_the_sweep_comes_to_her_keeps_what_she_gave(ada: Ada, bookshop: Bookshop) -> None:
    asks_to_delete(ada)

    class Slow(Keystore):
        """Between seeing who leaves and coming to her some time passes."""

        def leavers(self) -> list[tuple[bytes, int]]:
            leaving = super().leavers()
            ada.presses("/delete/keep")
            ada.lets(bookshop)
            return leaving

    departure.sweep(replace(ada.house, keystore=Slow(ada.house.keystore.database)))
    assert ada.house.keystore.alive(ada.owner_id, "grant")
    assert bookshop.reads() is not None


def test_whoever_still_has_it_open_writes_nothing_into_a_vault_that_is_being_deleted(
    ada: Ada, bookshop: Bookshop, clock: Clock
) -> None:
    ada.lets(bookshop)
    bookshop.reads()
    open_still = ada.vault
    asks_to_delete(ada)
    clock.passes(days=9)
    departure._shred(ada.house, ada.owner_id)
    with pytest.raises(Locked), store.writing(open_still, numbers=1) as turn:
        store.add(turn, open_still, Note(heading="Late", text="too late"))
    departure.erase(ada.house, ada.owner_id)
    assert rows_of(ada.house, ada.owner_id) == GONE
    with pytest.raises(Locked):
        segments._append(open_still, 1, b"{}")
    assert rows_of(ada.house, ada.owner_id) == GONE


def test_asking_again_does_not_put_it_off(ada: Ada, clock: Clock) -> None:
    asks_to_delete(ada)
    day = departure.planned(ada.house, ada.owner_id)
    clock.passes(days=3)
    ada.unlocks()
    asks_to_delete(ada)
    assert departure.planned(ada.house, ada.owner_id) == departure.ask(ada.vault) == day


def test_a_deletion_that_was_cut_off_as_it_began_is_dated_on_that_day(ada: Ada, clock: Clock) -> None:
    asks_to_delete(ada)
    clock.passes(days=8)
    ada.unlocks()
    assert ada.house.keystore.begin_leaving(ada.owner_id, today=ada.house.now // DAY)
    assert "will be deleted on 30 November 2026" in ada.looks_at("/delete")


def test_a_vault_whose_short_name_was_set_up_with_a_blank_can_be_deleted(ada: Ada) -> None:
    choices.keep(ada.vault, {"handle": "ada "})
    asks_to_delete(ada)
    assert departure.planned(ada.house, ada.owner_id) is not None


def test_neither_an_open_session_alone_nor_a_wrong_name_deletes_anything(ada: Ada, clock: Clock) -> None:
    page = ada.presses("/delete", status=422, name="bram").text
    assert "not the short name" in page
    clock.passes(minutes=6)
    assert "Show once more that it is you" in ada.presses("/delete", status=403, name="ada").text
    ada.presses("/delete", status=403, name="ada", **{"confirm-passphrase": "not the passphrase"})
    assert departure.planned(ada.house, ada.owner_id) is None
    ada.presses("/delete", name="ada", **{"confirm-passphrase": ada.passphrase})
    assert departure.planned(ada.house, ada.owner_id) is not None


def test_a_deleted_vault_leaves_a_certificate_and_nothing_that_opens(
    ada: Ada, bookshop: Bookshop, bram: bytes, recovery_code: str, clock: Clock
) -> None:
    ada.edits(ada.buys("A Kettle"), rating=5)
    ada.removes(ada.buys("A mistake"))
    ada.lets(bookshop, PURCHASES, RECEIPTS, ticks=("item-1",))
    bookshop.reads()
    before, kept = rows_of(ada.house, bram), boxes_of(ada)
    asks_to_delete(ada)
    clock.passes(days=9)
    tick(ada.house, sweep=True)
    assert rows_of(ada.house, ada.owner_id) == GONE
    assert rows_of(ada.house, bram) == before
    left = everything_kept(ada.house)
    assert not [box for box in kept if box in left]
    with pytest.raises(Locked):
        sessions.open_session(ada.house, ada.session)
    for way in (
        lambda: unlock.with_passphrase(ada.house, "ada", ada.passphrase, address="x"),
        lambda: unlock.with_recovery_code(ada.house, "ada", recovery_code),
    ):
        with pytest.raises(WrongSecret):
            way()
    assert unlock.with_passphrase(ada.house, "bram", BRAMS, address="y").owner_id == bram


def test_vendors_and_she_are_told_also_after_she_is_gone(
    furnished: tuple[Path, str, Keyring], tmp_path: Path, shopfront: Bookshop
) -> None:
    clock = Clock()
    copy_house(furnished[0], tmp_path / "house")
    house = house_in(tmp_path / "house", clock, smtp_url="smtp://127.0.0.1:9")
    ada = Ada(house, PASSPHRASE, furnished[2])
    shopfront.visits(ada)
    asks_to_delete(ada)
    told = reader.Vault(where(house.main), where(house.keystore.database)).jobs()
    assert "Your vault will be deleted" in {payload.get("subject") for _kind, payload in told}
    ada.lets(shopfront)
    clock.passes(days=9)
    departure.sweep(house)
    assert noticed(house) == {"notice", "farewell", "leftovers"}
    left = dict(reader.Vault(where(house.main), where(house.keystore.database)).jobs())
    assert left["farewell"]["to"] == "ada@home.test"
    assert departure.certificate_of(house, ada.owner_id) in left["farewell"]["text"]
    house.stop()


def test_a_permission_given_meanwhile_ends_with_the_next_round(ada: Ada, bookshop: Bookshop) -> None:
    asks_to_delete(ada)
    ada.lets(bookshop)
    tick(ada.house, sweep=True)
    assert not ada.house.keystore.alive(ada.owner_id, "grant")


def test_an_old_copy_neither_deletes_a_vault_that_stays_nor_brings_a_deleted_one_back(
    ada: Ada, recovery_code: str, clock: Clock, tmp_path: Path
) -> None:
    house = ada.house
    ada.buys("A Kettle")
    for part in ("database", "log"):
        keep_copy(house, part, tmp_path / "backup")
    asks_to_delete(ada)
    ada.presses("/delete/keep")
    clock.passes(days=9)
    tick(house, sweep=True)
    ada.unlocks()
    asks_to_delete(ada)
    clock.passes(days=9)
    tick(house, sweep=True)
    house.stop()
    for part in ("database", "log"):
        put_copy_back(home_of(house), part, tmp_path / "backup")
    with pytest.raises(WrongSecret):
        unlock.with_recovery_code(house, "ada", recovery_code)
    tick(house, sweep=True)
    assert rows_of(house, ada.owner_id) == GONE


def test_a_power_cut_after_any_step_is_finished_by_the_next_round(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    ada.edits(ada.buys("A Kettle"), rating=5)
    asks_to_delete(ada)
    ada.lets(bookshop)
    clock.passes(days=9)
    cuts = 0
    while True:
        cuts += 1
        # Four steps are done anew in every round, so the fifth is something new; at the end there is one more of them.
        power = Power(fails_at=min(cuts, 5 if cuts < 25 else 6))
        with suppress(PowerCut):
            departure.sweep(fragile(ada.house, power))
        if not power.failed or cuts == 99:
            break
        if cuts > 1:
            assert not any(ada.house.keystore.alive(ada.owner_id, kind) for kind in ("lock", "session", "grant"))
            assert not departure.keep(ada.vault)
    assert 25 < cuts < 99
    assert rows_of(ada.house, ada.owner_id) == GONE
    assert len(noticed(ada.house)) >= 1


def test_the_certificate_can_be_fetched_by_number_and_checked_with_the_public_key(
    ada: Ada, clock: Clock, tmp_path: Path
) -> None:
    number, house = vault_number(ada.owner_id), ada.house
    stranger = ada.app.test_client()
    assert stranger.get(f"/deleted/{number}").status_code == 404
    asks_to_delete(ada)
    clock.passes(days=9)
    tick(house, sweep=True)
    assert "has been deleted" in stranger.get(f"/deleted/{number}").text
    text = stranger.get(f"/deleted/{number}/certificate.jwt").text
    keys, file = tmp_path / "keys.json", tmp_path / "certificate.jwt"
    keys.write_bytes(stranger.get("/oauth/keys").data)
    file.write_text(text)
    done = vrm(tmp_path / "elsewhere", "verify", str(file), "--keys", str(keys))
    assert done.returncode == 0, done.stderr
    assert "2026-12-01" in done.stdout
    file.write_text(text[:-8] + "AAAAAAA" + text[-1])
    assert vrm(tmp_path / "elsewhere", "verify", str(file), "--keys", str(keys)).returncode == 1
    for nothing in ("x", "A" * 26, number[:-2]):
        assert stranger.get(f"/deleted/{nothing}").status_code == 404
