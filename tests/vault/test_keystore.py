"""The keystore call by call: what dies stays dead, what is raised never sinks, and nobody's calls reach another's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.houses import embedded_only, raw, url_in
from tests.people import house_in
from vault import crypto
from vault.db import Database
from vault.errors import Unsafe
from vault.keystore import Keystore
from vault.models import Keys
from vault.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of which only the keystore is used; every test has owners of its own."""
    made = house_in(tmp_path_factory.mktemp("keystore") / "house")
    yield made
    made.stop()


@pytest.fixture
def keystore(server: Server) -> Keystore:
    return server.keystore


def somebody(keystore: Keystore, **more: int) -> bytes:
    """A new owner with a floor."""
    owner = crypto.random_bytes(16)
    keystore.welcome(owner, **more)
    return owner


def number(at: int) -> bytes:
    """The id of a lock or a grant."""
    return at.to_bytes(16, "big")


def test_a_pepper_is_found_under_its_owner_and_subject_alone(keystore: Keystore) -> None:
    ada, bram = somebody(keystore), somebody(keystore)
    first, second = keystore.make(ada, number(1), "lock"), keystore.make(ada, number(2), "lock")
    theirs = keystore.make(bram, number(1), "lock")
    assert len({first, second, theirs}) == 3
    assert len(first) == 32
    assert [keystore.pepper(ada, number(at)) for at in (1, 2, 3)] == [first, second, None]
    assert keystore.pepper(bram, number(1)) == theirs


def test_what_is_made_before_she_has_a_floor_is_found_and_is_stopped_like_the_rest(keystore: Keystore) -> None:
    early = crypto.random_bytes(16)
    lock, grant = keystore.make(early, number(0), "lock"), keystore.make(early, number(1), "grant")
    assert [keystore.pepper(early, number(at)) for at in range(2)] == [lock, grant]
    with raw(keystore.database) as say:
        assert say("SELECT DISTINCT epoch FROM peppers WHERE owner_id = ?", early) == [(0,)]
    keystore.welcome(early)
    assert keystore.pepper(early, number(1)) == grant
    keystore.stop_grants(early)
    assert [keystore.pepper(early, number(at)) for at in range(2)] == [lock, None]


def test_taking_takes_the_peppers_that_are_named_and_no_other(keystore: Keystore) -> None:
    ada, bram = somebody(keystore), somebody(keystore)
    for owner in (ada, bram):
        for at in range(1, 5):
            keystore.make(owner, number(at), "grant")
    keystore.take(ada, number(1), number(3))
    keystore.take(ada, number(1))  # again, without harm
    assert sorted(keystore.alive(ada, "grant")) == [number(2), number(4)]
    assert len(keystore.alive(bram, "grant")) == 4
    keystore.take_all(ada)
    assert not keystore.alive(ada, "grant")
    assert len(keystore.alive(bram, "grant")) == 4


@embedded_only
@embedded_only
@pytest.mark.parametrize("how", ["take", "take_all", "stop_grants", "renew"])
def test_what_was_taken_stands_in_no_file_any_more(keystore: Keystore, how: str) -> None:
    """The log that SQLite writes ahead keeps old pages until it is cut."""
    ada = somebody(keystore)
    pepper = keystore.make(ada, number(1), "lock")
    ahead = keystore.database.file.with_name(f"{keystore.database.file.name}-wal")
    assert pepper in ahead.read_bytes()
    {
        "take": lambda: keystore.take(ada, number(1)),
        "take_all": lambda: keystore.take_all(ada),
        "stop_grants": lambda: keystore.stop_grants(ada),
        "renew": lambda: keystore.renew("notice"),
    }[how]()
    assert ahead.read_bytes() == b""
    assert (pepper in keystore.database.file.read_bytes()) == (how in {"stop_grants", "renew"})


def test_stopping_ends_every_grant_that_there_is_and_nothing_else(keystore: Keystore) -> None:
    ada, bram = somebody(keystore), somebody(keystore)
    for owner, grants in ((ada, (3, 1, 2)), (bram, (11, 12, 13))):
        for at in grants:
            keystore.make(owner, number(at), "grant")
        keystore.make(owner, number(7), "lock")
        keystore.make(owner, number(8), "session")
    keystore.stop_grants(ada)
    later = keystore.make(ada, number(4), "grant")
    assert [keystore.pepper(ada, number(at)) for at in (1, 2, 3)] == [None] * 3
    assert [keystore.standing(ada, number(at)) for at in (1, 2, 3)] == [None] * 3
    assert list(keystore.alive(ada, "grant")) == [number(4)]
    assert keystore.pepper(ada, number(4)) == later
    assert None not in {keystore.pepper(ada, number(at)) for at in (7, 8)}
    assert len(keystore.alive(ada, "lock")) == len(keystore.alive(ada, "session")) == 1
    assert len(keystore.alive(bram, "grant")) == 3
    assert keystore.stopped(ada, 2) == [number(1), number(2)]
    assert keystore.stopped(ada, 9) == [number(1), number(2), number(3)]
    assert keystore.stopped(bram, 9) == []
    keystore.stop_grants(ada)
    assert keystore.pepper(ada, number(4)) is None


@pytest.mark.parametrize(
    ("written", "then"), [(5, 6), (-7, 4), ((1 << 63) - 1, 4), (1 << 40, (1 << 40) + 1), ((1 << 40) + 1, 4)]
)
def test_stopping_ends_what_stands_above_any_epoch_and_raises_no_other(
    keystore: Keystore, written: int, then: int
) -> None:
    """Whatever somebody with raw SQL has written for her epoch, or for a grant's."""
    ada, bram = somebody(keystore), somebody(keystore)
    keystore.make(ada, number(7), "lock")
    for owner in (ada, bram):
        for at in (1, 2, 3):
            keystore.make(owner, number(at), "grant")
    with raw(keystore.database) as say:
        say("UPDATE floors SET epoch = ? WHERE owner_id = ?", written, ada)
        say("UPDATE peppers SET epoch = 3 WHERE owner_id = ? AND subject_id = ?", ada, number(1))
        for owner, at in ((ada, 2), (ada, 7), (bram, 2)):
            say("UPDATE peppers SET epoch = ? WHERE owner_id = ? AND subject_id = ?", (1 << 63) - 1, owner, number(at))
    keystore.stop_grants(ada)
    keystore.make(ada, number(4), "grant")
    with raw(keystore.database) as say:
        epochs = dict(say("SELECT subject_id, epoch FROM peppers WHERE owner_id = ?", ada))
    assert (epochs[number(4)], epochs[number(7)]) == (then, (1 << 63) - 1)
    assert list(keystore.alive(ada, "grant")) == [number(4)]
    assert len(keystore.alive(bram, "grant")) == 3
    keystore.stop_grants(bram)
    keystore.stop_grants(ada)
    keystore.stop_grants(ada)
    assert not keystore.alive(ada, "grant") | keystore.alive(bram, "grant")


def test_what_stands_of_a_grant_is_told_in_one_piece(keystore: Keystore) -> None:
    ada, bram = somebody(keystore, revision=41), somebody(keystore, revision=7)
    pepper = keystore.make(ada, number(1), "grant", version=3)
    keystore.make(bram, number(1), "grant")
    keystore.pause(ada, number(1))
    standing = keystore.standing(ada, number(1))
    assert standing == (pepper, 3, "paused", 41)
    assert keystore.alive(ada, "grant") == {number(1): standing}
    assert keystore.standing(ada, number(2)) is None
    assert repr(standing) == "Standing(version=3, held='paused', revision=41)"
    theirs = keystore.standing(bram, number(1))
    assert theirs is not None
    assert theirs[1:] == (0, None, 7)


def test_a_grants_version_only_rises_and_only_its_own(keystore: Keystore) -> None:
    ada, bram = somebody(keystore), somebody(keystore)
    for owner, at in ((ada, 1), (ada, 2), (bram, 1)):
        keystore.make(owner, number(at), "grant", version=2)

    def versions() -> list[int]:
        hers, his = keystore.alive(ada, "grant"), keystore.alive(bram, "grant")
        return [each.version for each in (hers[number(1)], hers[number(2)], his[number(1)])]

    keystore.raise_version(ada, number(1), 5)
    assert versions() == [5, 2, 2]
    keystore.raise_version(ada, number(1), 4)
    assert versions() == [5, 2, 2]


def test_a_hold_is_let_go_only_as_it_was_seen(keystore: Keystore) -> None:
    ada, bram = somebody(keystore), somebody(keystore)
    for owner, at in ((ada, 1), (ada, 2), (bram, 1)):
        keystore.make(owner, number(at), "grant")

    def held() -> list[str | None]:
        grants = (*keystore.alive(ada, "grant").values(), *keystore.alive(bram, "grant").values())
        return [each.held for each in grants]

    assert keystore.resume(ada, number(1), seen="paused") is False
    assert keystore.pause(ada, number(1)) is True
    assert keystore.pause(ada, number(1)) is False
    assert held() == ["paused", None, None]
    assert keystore.resume(ada, number(1), seen="old copy") is False
    assert keystore.resume(ada, number(1), seen="paused") is True
    assert held() == [None, None, None]
    keystore.hold_old_copy(ada, {number(1): 0})
    assert keystore.pause(ada, number(1)) is False
    assert keystore.resume(ada, number(1), seen="paused") is False
    assert held() == ["old copy", None, None]
    assert keystore.resume(ada, number(1), seen="old copy") is True
    assert held() == [None, None, None]


def test_an_old_copy_holds_the_grants_that_have_not_moved_since_it_was_seen(keystore: Keystore) -> None:
    ada, bram = somebody(keystore), somebody(keystore)
    for owner, at in ((ada, 1), (ada, 2), (ada, 3), (bram, 1)):
        keystore.make(owner, number(at), "grant", version=1)
    keystore.make(ada, number(4), "lock", version=1)
    keystore.pause(ada, number(1))
    keystore.raise_version(ada, number(2), 2)
    keystore.hold_old_copy(ada, {})
    keystore.hold_old_copy(ada, {number(1): 1, number(2): 1, number(4): 1})
    assert [each.held for each in keystore.alive(ada, "grant").values()] == ["old copy", None, None]
    assert keystore.alive(ada, "lock")[number(4)].held is None
    assert keystore.alive(bram, "grant")[number(1)].held is None


def test_her_floor_only_rises_and_only_hers(keystore: Keystore) -> None:
    ada, bram = somebody(keystore, revision=3), somebody(keystore)
    assert {ada, bram} <= keystore.owners()
    assert keystore.floor(crypto.random_bytes(16)) == 0
    keystore.raise_floor(ada, 9)
    keystore.raise_floor(ada, 8)
    assert (keystore.floor(ada), keystore.floor(bram)) == (9, 0)


def test_leaving_is_taken_back_until_the_day_and_begins_on_it(keystore: Keystore) -> None:
    ada, bram, cleo, dora = (somebody(keystore) for _ in range(4))
    keystore.leave(dora, 90)
    assert keystore.leaves_on(ada) is None
    assert keystore.stay(ada, today=1) is False
    keystore.leave(ada, 20)
    keystore.leave(ada, 30)  # asking again does not put it off
    assert (keystore.leaves_on(ada), keystore.leaves_on(bram)) == (20, None)
    assert keystore.begin_leaving(ada, today=19) is False
    assert keystore.stay(ada, today=20) is False
    assert keystore.stay(ada, today=19) is True
    assert (keystore.leaves_on(ada), keystore.leaves_on(dora)) == (None, 90)
    keystore.leave(ada, 20)
    keystore.leave(bram, 25)
    assert [each for each in keystore.leavers() if each[0] in {ada, bram}] == sorted([(ada, 20), (bram, 25)])
    keystore.leave(cleo, 20)
    assert keystore.begin_leaving(ada, today=20) is True
    assert [keystore.leaves_on(owner) for owner in (ada, bram, cleo)] == [0, 25, 20]
    assert keystore.stay(ada, today=19) is False
    assert keystore.begin_leaving(ada, today=21) is True  # a crash in between: it is gone on with


def test_those_who_leave_are_told_by_their_ids_in_order(keystore: Keystore) -> None:
    several = [somebody(keystore) for _ in range(8)]
    for owner in several[:7]:
        keystore.leave(owner, 40)
    told = [owner for owner, _ in keystore.leavers()]
    assert told == sorted(told)
    assert set(several) & set(told) == set(several[:7])


def test_the_head_of_her_log_goes_on_from_where_it_was_seen(keystore: Keystore) -> None:
    ada, bram = somebody(keystore), somebody(keystore)
    assert keystore.log_head(ada) == keystore.log_head(crypto.random_bytes(16)) == (0, bytes(32))
    assert keystore.raise_log_head(ada, 0, 1, b"a" * 32) is True
    assert keystore.raise_log_head(ada, 0, 1, b"b" * 32) is False  # somebody has said so already
    assert (keystore.log_head(ada), keystore.log_head(bram)) == ((1, b"a" * 32), (0, bytes(32)))
    assert keystore.raise_log_head(ada, 1, 2, b"c" * 32) is True
    assert keystore.log_head(ada) == (2, b"c" * 32)


@embedded_only
def test_a_keystore_is_set_up_once_with_all_its_keys(tmp_path: Path) -> None:
    database = Database(url_in(tmp_path, "keystore"))
    Keys.metadata.create_all(database.engine)
    keystore = Keystore(database)
    assert keystore.instance() is None
    assert keystore.set_up(b"an instance of 1") == keystore.instance() == b"an instance of 1"
    assert keystore.set_up(b"an instance of 2") == keystore.instance() == b"an instance of 1"
    keys = keystore.keys
    assert {len(key) for key in (keys.seal, keys.tag, keys.route)} == {32}
    assert len({keys.seal, keys.tag, keys.route}) == 3
    assert repr(keys) == "ServerKeys()"
    assert keystore.signing("notice") == keystore.signing("receipt") == ()
    keystore.complete()
    with raw(database) as say:
        numbered = say("SELECT key_id, purpose FROM server_keys ORDER BY key_id")
    assert numbered == list(enumerate(("seal", "tag", "route", "notice", "receipt"), start=1))
    signing = [keystore.signing("notice"), keystore.signing("receipt")]
    assert [len(seed) for (seed,) in signing] == [32, 32]
    keystore.complete()
    assert [keystore.signing("notice"), keystore.signing("receipt")] == signing
    assert Keystore(database).keys == keys
    database.dispose()


@embedded_only
@pytest.mark.parametrize("spoilt", ["DELETE FROM server_keys", "UPDATE server_keys SET secret = substr(secret, 1, 31)"])
@pytest.mark.parametrize("purpose", ["seal", "tag", "route"])
def test_a_keystore_without_one_of_its_keys_is_not_gone_on_with(tmp_path: Path, purpose: str, spoilt: str) -> None:
    database = Database(url_in(tmp_path, "keystore"))
    Keys.metadata.create_all(database.engine)
    keystore = Keystore(database)
    keystore.set_up()
    with raw(database) as say:
        say(f"{spoilt} WHERE purpose = ?", purpose)
    with pytest.raises(Unsafe):
        keystore.complete()
    assert keystore.signing("notice") == ()
    database.dispose()


def test_the_instance_of_a_new_keystore_is_drawn(keystore: Keystore) -> None:
    drawn = keystore.instance()
    assert drawn is not None
    assert len(drawn) == 16
    assert drawn != bytes(16)


def test_renewing_a_key_that_signs_leaves_the_one_before_and_no_older_one(keystore: Keystore) -> None:
    others, opening = keystore.signing("notice"), Keystore(keystore.database).keys
    (first, *_) = keystore.signing("receipt")
    keystore.renew("receipt")
    second, kept = keystore.signing("receipt")
    assert kept == first != second
    keystore.renew("receipt")
    third, kept = keystore.signing("receipt")
    assert kept == second != third
    assert keystore.signing("notice") == others
    assert Keystore(keystore.database).keys == opening
