"""What the keystore says of a grant as main shows it: nothing below a floor stands, and a floor that lags is raised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from consent import grant_locks, revocation, standing, views
from consent.grant_locks import Found
from consent.models import Grant
from consent.standing import Moved, standing_of
from tests.conftest import PASSPHRASE
from tests.people import Bookshop, household
from vault.keystore import Keystore, Standing


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("standing") / "house", PASSPHRASE) as found:
        found.ada.buys("The Salt Almanac")
        yield found


@pytest.fixture
def link(shop: Bookshop) -> str:
    """The string of a link to a living grant."""
    grant = bytes.fromhex(shop.tokens()["grant_id"])
    with shop.ada.house.main.reading() as session:
        view = views.read(session, shop.ada.vault, grant)
    return revocation.fresh_link(shop.ada.vault, view).rpartition("/")[2]


@pytest.fixture
def found(shop: Bookshop, link: str) -> Found:
    """The row that it names."""
    return row(shop, link)


def row(shop: Bookshop, link: str) -> Found:
    with shop.ada.house.main.line() as line:
        found = grant_locks.find(line, shop.ada.house, link, "link")
    assert found is not None
    return found


def kept(shop: Bookshop, found: Found) -> Standing | None:
    """What stands in the keystore by now."""
    return shop.ada.house.keystore.standing(found.string.owner_id, found.grant_id)


def test_a_grant_as_it_was_left_stands(shop: Bookshop, found: Found) -> None:
    assert standing_of(shop.ada.house, found) == kept(shop, found)
    assert kept(shop, found) == Standing(found_pepper(shop, found), found.version, None, found.revision)


def found_pepper(shop: Bookshop, found: Found) -> bytes:
    pepper = shop.ada.house.keystore.pepper(found.string.owner_id, found.grant_id)
    assert pepper is not None
    return pepper


def test_one_that_has_died_does_not(shop: Bookshop, found: Found) -> None:
    shop.ada.house.keystore.take(found.string.owner_id, found.grant_id)
    assert standing_of(shop.ada.house, found) is None


def test_an_older_version_is_held_for_good_and_no_other_grant_is(shop: Bookshop, link: str, found: Found) -> None:
    shop.ada.house.keystore.raise_version(found.string.owner_id, found.grant_id, found.version + 1)
    assert row(shop, link) == found, "main has not moved"
    said = standing_of(shop.ada.house, found)
    assert said is not None
    assert said.held == "old copy"
    after = kept(shop, found)
    assert after is not None
    assert (after.held, after.version) == ("old copy", found.version + 1)
    alive = shop.ada.house.keystore.alive(found.string.owner_id, "grant")
    assert [grant for grant, each in alive.items() if each.held] == [found.grant_id]


def test_one_that_was_only_read_before_it_changed_is_read_again_and_held_by_nobody(
    shop: Bookshop, found: Found
) -> None:
    shop.ada.house.keystore.raise_version(found.string.owner_id, found.grant_id, found.version)
    with pytest.raises(Moved):
        standing_of(shop.ada.house, replace(found, version=found.version - 1))
    after = kept(shop, found)
    assert after is not None
    assert after.held is None


def test_floors_that_a_crash_left_behind_are_raised(shop: Bookshop, found: Found) -> None:
    ahead = replace(found, revision=found.revision + 1, version=found.version + 1)
    before = kept(shop, found)
    assert before is not None
    assert standing_of(shop.ada.house, ahead) == before, "as they were read"
    assert kept(shop, found) == before._replace(revision=ahead.revision, version=ahead.version)


def test_an_old_copy_is_lifted_and_read_again(shop: Bookshop, link: str, found: Found) -> None:
    keystore = shop.ada.house.keystore
    keystore.raise_floor(found.string.owner_id, found.revision + 1)
    with pytest.raises(Moved):
        standing_of(shop.ada.house, found)
    again = row(shop, link)
    assert again.revision > found.revision
    said = standing_of(shop.ada.house, again)
    assert said is not None
    assert said.held == "old copy"


def test_the_version_that_is_read_anew_is_this_grants(shop: Bookshop, found: Found) -> None:
    house, hers = shop.ada.house, found.string.owner_id
    later = bytes.fromhex(shop.tokens()["grant_id"])
    with house.main.transaction() as session:
        session.execute(update(Grant).where(Grant.grant_id == later).values(version=7))
    assert standing.version_now(house, hers, found.grant_id) == found.version
    assert standing.version_now(house, hers, later) == 7
    assert standing.version_now(house, bytes(16), later) is None


@pytest.mark.parametrize("left", [0, 1])
def test_floors_are_written_only_when_they_lag(shop: Bookshop, found: Found, left: int) -> None:
    """Each look reads them, and none may pay for writing."""
    written = list[str]()

    class Told(Keystore):
        """Says what is written."""

        def raise_floor(self, owner: bytes, revision: int) -> None:
            written.append("floor")
            super().raise_floor(owner, revision)

        def raise_version(self, owner: bytes, grant: bytes, version: int) -> None:
            written.append("version")
            super().raise_version(owner, grant, version)

    house = replace(shop.ada.house, keystore=Told(shop.ada.house.keystore.database))
    standing_of(house, replace(found, revision=found.revision + left, version=found.version + left))
    assert written == ["floor", "version"] * left


def test_what_is_found_living_is_no_other_kind_and_not_over(shop: Bookshop, link: str, found: Found) -> None:
    house = shop.ada.house
    living = standing.found_living(house, link, "link")
    assert living == (found, kept(shop, found))
    assert standing.found_living(house, link, "refresh") is None
    house.clock.passes(seconds=found.expires_at - house.now)  # type: ignore[attr-defined]
    assert standing.found_living(house, link, "link") is None
