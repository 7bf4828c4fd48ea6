"""Whoever runs the server ends sessions, where a device was lost or somebody was in."""

from __future__ import annotations

import pytest

from tests.houses import home_of
from tests.people import Ada, Bookshop
from tests.terminal import vrm
from vault import sessions, set_up
from vault.errors import Locked
from vault.kit import vault_number


@pytest.fixture
def two(ada: Ada) -> tuple[Ada, str, bytes]:
    """Ada with two sessions, and Bram in the same house with one: his string and who he is."""
    passphrase = "nine geese over the harbour"
    bram = set_up.set_up(ada.house, handle="bram", name="Bram", passphrase=passphrase, notice=None, first=False)
    string, _vault = sessions.begin(ada.house, bram)
    return ada, string, bram.owner_id


def opens(ada: Ada, string: str) -> bool:
    try:
        sessions.open_session(ada.house, string)
    except Locked:
        return False
    return True


def test_those_of_one_vault_end_and_nobody_elses(two: tuple[Ada, str, bytes]) -> None:
    ada, of_bram, _ = two
    before, _vault = sessions.begin(ada.house, ada.vault.keyring)
    done = vrm(home_of(ada.house), "end-sessions", "--vault", vault_number(ada.owner_id))
    assert (done.returncode, done.stdout) == (0, "Sessions ended: 2\n"), done.stderr
    assert [opens(ada, each) for each in (before, ada.session, of_bram)] == [False, False, True]
    assert ada.browser.get("/purchases").status_code == 303, "to unlock"


def test_those_of_everybody_end_and_what_vendors_see_stays(two: tuple[Ada, str, bytes], bookshop: Bookshop) -> None:
    ada, of_bram, bram = two
    ada.buys("The Salt Almanac")
    token = bookshop.tokens()["access_token"]
    done = vrm(home_of(ada.house), "end-sessions", "--all")
    assert (done.returncode, done.stdout) == (0, "Sessions ended: 2\n"), done.stderr
    assert [opens(ada, each) for each in (ada.session, of_bram)] == [False, False]
    assert not ada.house.keystore.alive(bram, "session"), "also for who has an old copy of the database"
    assert bookshop.looks("/vendor/v1/purchases", token).status_code == 200


def test_it_has_to_be_said_whose(ada: Ada) -> None:
    home = home_of(ada.house)
    assert vrm(home, "end-sessions").returncode == 2
    assert vrm(home, "end-sessions", "--all", "--vault", vault_number(ada.owner_id)).returncode == 2
    unknown = vrm(home, "end-sessions", "--vault", vault_number(b"\7" * 16))
    assert (unknown.returncode, unknown.stderr) == (1, "Error: There is no vault with this number here.\n")
    assert opens(ada, ada.session)
