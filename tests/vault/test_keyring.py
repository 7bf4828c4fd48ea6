"""An owner's keys: each for its purpose, the earlier ones only for what was sealed with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import delete, event, insert, select

from tests.people import Ada
from vault import crypto, keyring
from vault.errors import Locked
from vault.keyring import PURPOSES, Keyring
from vault.models import Key, Owner

OWNER, ROOT, ABOUT = b"o" * 16, b"r" * 32, b"what it is"
NOW = {purpose: (at + 11, bytes([at + 1]) * 32) for at, purpose in enumerate(PURPOSES)}
BEFORE = {at + 1: (purpose, bytes([at + 101]) * 32) for at, purpose in enumerate(PURPOSES)}
OLD = Keyring(OWNER, ROOT, {purpose: (key_id, key) for key_id, (purpose, key) in BEFORE.items()})
NEW = Keyring(OWNER, ROOT, NOW, earlier=BEFORE)
ALONE = Keyring(OWNER, ROOT, NOW)


def left(ring: Keyring) -> bytes:
    """Something in the inbox of whoever has this ring."""
    key_id, private = ring.keys["inbox"]
    return crypto.seal_to(crypto.public_key(private), ABOUT, b"text", key_id=key_id)


Opening = Callable[[Keyring, bytes | None], bytes]
WAYS: dict[str, tuple[Callable[[Keyring], bytes], Opening]] = {
    "a box": (lambda ring: ring.seal("files", ABOUT, b"text"), lambda ring, box: ring.open("files", ABOUT, box)),
    "a row": (lambda ring: ring.rows.seal(ABOUT, b"text"), lambda ring, box: ring.open_row(ABOUT, box)),
    "the inbox": (left, lambda ring, box: ring.open_left(ABOUT, box)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_sealed_is_sealed_with_the_newest_and_opens_with_the_one_it_names(way: str) -> None:
    seals, opens = WAYS[way]
    new, old = seals(ALONE), seals(OLD)
    assert crypto.key_id_of(new) == crypto.key_id_of(seals(NEW)) > crypto.key_id_of(old) > 0
    assert opens(ALONE, new) == opens(NEW, new) == opens(NEW, old) == opens(OLD, old) == b"text"
    for ring, box in ((ALONE, old), (OLD, new), (NEW, None), (ALONE, None), (NEW, b""), (NEW, new[:-1])):
        with pytest.raises(crypto.Damaged):
            opens(ring, box)


def test_an_earlier_key_opens_nothing_of_another_purpose() -> None:
    """Whoever could name the key of another purpose could have one box taken for another."""
    key_id, key = OLD.keys["dedupe"]
    box = crypto.seal(key, ABOUT, b"text", key_id=key_id)
    assert NEW.open("dedupe", ABOUT, box) == b"text"
    with pytest.raises(crypto.Damaged):
        NEW.open("files", ABOUT, box)


def test_a_key_is_had_by_its_purpose() -> None:
    assert {purpose: NEW[purpose] for purpose in PURPOSES} == {purpose: key for purpose, (_, key) in NOW.items()}


def test_a_mark_is_of_one_natural_key_and_one_owner() -> None:
    mark = NEW.mark("amazon", "order 1")
    assert mark == crypto.tag(NEW["dedupe"], "amazon", "order 1")[:16]
    assert len({mark, NEW.mark("amazon", "order 2"), NEW.mark("amazonorder 1"), OLD.mark("amazon", "order 1")}) == 4


def test_no_key_stands_in_a_repr() -> None:
    assert repr(NEW) == f"Keyring(owner_id={OWNER!r}, lock_id=b'')"


def test_the_boxes_of_keys_are_known_by_all_that_they_are() -> None:
    assert keyring.about_inbox(OWNER) == crypto.identity("vrm/1/inbox", OWNER)
    assert keyring.about_key(OWNER, 3, "files") == crypto.identity("vrm/1/key", OWNER, 3, "files")


def test_new_keys_are_random_one_for_each_purpose_and_open_in_their_own_place() -> None:
    rows, others = keyring.new_keys(OWNER, ROOT), keyring.new_keys(OWNER, ROOT)
    assert [(row.owner_id, row.key_id, row.purpose) for row in rows] == [
        (OWNER, 1, "records"),
        (OWNER, 2, "catalogue"),
        (OWNER, 3, "dedupe"),
        (OWNER, 4, "files"),
        (OWNER, 5, "inbox"),
    ]
    opened = keyring.opened_keys(OWNER, ROOT, rows)
    assert {purpose: key_id for purpose, (key_id, _) in opened.items()} == {row.purpose: row.key_id for row in rows}
    keys = [key for _, key in (*opened.values(), *keyring.opened_keys(OWNER, ROOT, others).values())]
    assert len(set(keys)) == 10
    assert {len(key) for key in keys} == {32}
    moved = Key(owner_id=OWNER, key_id=2, purpose="catalogue", box=rows[0].box)
    for owner, root, row in ((OWNER, b"x" * 32, rows[0]), (b"b" * 16, ROOT, rows[0]), (OWNER, ROOT, moved)):
        with pytest.raises(crypto.Damaged):
            keyring.opened_keys(owner, root, [row])


def gets_a_key(ada: Ada, key_id: int, purpose: str, owner: bytes | None = None) -> bytes:
    """A further key of hers, or of somebody else."""
    owner, key = owner or ada.owner_id, crypto.random_bytes()
    box = crypto.seal(ada.vault.keyring.root, keyring.about_key(owner, key_id, purpose), key)
    with ada.house.main.transaction() as session:
        session.execute(insert(Key).values(owner_id=owner, key_id=key_id, purpose=purpose, box=box))
    return key


def somebody_else(ada: Ada) -> bytes:
    owner = b"b" * 16
    with ada.house.main.transaction() as session:
        session.execute(insert(Owner).values(owner_id=owner, settings_box=b""))
    return owner


def test_the_newest_of_each_purpose_is_used_and_the_others_are_kept_for_what_they_have_sealed(ada: Ada) -> None:
    before = ada.vault.keyring
    newer = gets_a_key(ada, 9, "files")
    gets_a_key(ada, 10, "files", somebody_else(ada))
    with ada.house.main.reading() as session:
        opened = keyring.open_keyring(session, ada.owner_id, before.root)
    assert (opened.owner_id, opened.root) == (ada.owner_id, before.root)
    assert opened.keys == {**before.keys, "files": (9, newer)}
    assert opened.earlier == {before.keys["files"][0]: ("files", before["files"])}
    with pytest.raises(crypto.Damaged), ada.house.main.reading() as session:
        keyring.open_keyring(session, ada.owner_id, b"x" * 32)


def test_the_next_key_has_an_id_beyond_that_of_any_she_has(ada: Ada) -> None:
    ring = ada.vault.keyring
    assert ring.next_id == 6
    assert replace(ring, keys={**ring.keys, "dedupe": (9, ring["dedupe"])}).next_id == 10
    assert replace(ring, earlier={12: ("files", ring["files"])}).next_id == 13


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_key_that_was_taken_away_closes_the_vault_but_for_the_inbox_which_an_old_one_has_not(
    ada: Ada, purpose: str
) -> None:
    ring = ada.vault.keyring
    with ada.house.main.transaction() as session:
        session.execute(delete(Key).where(Key.purpose == purpose))
    with ada.house.main.reading() as session:
        if purpose == "inbox":
            assert keyring.open_keyring(session, ada.owner_id, ring.root).keys.keys() == ring.keys.keys() - {"inbox"}
            return
        with pytest.raises(crypto.Damaged):
            keyring.open_keyring(session, ada.owner_id, ring.root)


def test_who_holds_keys_that_have_been_changed_or_are_gone_is_told_to_unlock_anew(ada: Ada) -> None:
    ring, other = ada.vault.keyring, somebody_else(ada)

    def check(keys: Keyring = ring) -> None:
        with ada.house.main.transaction() as session:
            keyring.hold(session, keys)

    gets_a_key(ada, 40, "files", other)
    check()
    gets_a_key(ada, 41, "a purpose of a later release")
    check()
    with pytest.raises(Locked):
        check(Keyring(b"n" * 16, ring.root, ring.keys))
    gets_a_key(ada, 42, "files")
    with pytest.raises(Locked):
        check()
    with ada.house.main.transaction() as session:
        session.execute(delete(Key).where(Key.owner_id == ada.owner_id))
    with pytest.raises(Locked):
        check()


def test_to_hold_her_row_changes_nothing_of_it(ada: Ada) -> None:
    def row() -> tuple[object, ...]:
        with ada.house.main.reading() as session:
            return tuple(session.execute(select(Owner.__table__).where(Owner.owner_id == ada.owner_id)).one())

    before = row()
    with ada.house.main.transaction() as session:
        keyring.hold(session, ada.vault.keyring)
    assert row() == before


def test_her_row_is_taken_before_her_keys_are_looked_at(ada: Ada) -> None:
    """Or a change of keys on a server could come between the look and what is sealed after it."""
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(" ".join(statement.split()))

    event.listen(ada.house.main.engine, "before_cursor_execute", hear)
    with ada.house.main.transaction() as session:
        keyring.hold(session, ada.vault.keyring)
    event.remove(ada.house.main.engine, "before_cursor_execute", hear)
    taken = next(at for at, statement in enumerate(said) if statement.startswith("UPDATE owners SET lost=owners.lost"))
    assert "WHERE owners.owner_id = " in said[taken]
    assert any("FROM keys" in statement for statement in said[taken:])
    assert not any("FROM keys" in statement for statement in said[:taken])
