"""Taking everything along, and bringing it back: what goes into an archive comes out of it, equal and in any vault."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import PASSPHRASE
from tests.people import Ada, Clock, house_in
from vault import export, sessions, set_up, store
from vault.archive import archive
from vault.bringing import bring_back
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.errors import WrongSecret
from vault.leaving import exported
from vault.opened import OpenVault
from vault.sealed_archive import open_archive
from vault.server import Server

CHOSEN = "tangerine velocipede armadillo"
Neighbour = Callable[[], OpenVault]


@pytest.fixture(scope="module")
def empty_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Clock]]:
    """Another server, where vaults can be set up to bring something back into."""
    clock = Clock()
    house = house_in(tmp_path_factory.mktemp("elsewhere") / "house", clock)
    yield house, clock
    house.stop()


@pytest.fixture(scope="module")
def neighbour(empty_house: tuple[Server, Clock]) -> Neighbour:
    """A fresh, empty vault there, each time it is called."""
    made = 0

    def fresh() -> OpenVault:
        nonlocal made
        made += 1
        keys = set_up.set_up(
            empty_house[0], handle=f"bee{made}", name="Bee", passphrase=PASSPHRASE, notice=None, first=False
        )
        return sessions.for_command(empty_house[0], keys)

    return fresh


def furnished(ada: Ada) -> None:
    kettle = ada.buys("A Kettle", note="=HYPERLINK(evil)", rating=3)
    ada.edits(kettle, rating=5)
    ada.edits(kettle, note="first line\nsecond line")
    ada.removes(ada.buys("A mistake"))
    ada.marks_as_gift(ada.buys("Atlas <script>alert(1)</script>"))
    ada.keeps(Note(heading="+1 heading", text="Zażółć gęślą jaźń"))
    ada.keeps(Preference(topic="maps", stance="like"))


def zipped(vault: OpenVault) -> bytes:
    return b"".join(archive(vault))


def inside(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


def test_an_archive_comes_back_into_an_empty_vault_as_an_equal_one(ada: Ada, neighbour: Neighbour) -> None:
    furnished(ada)
    elsewhere = neighbour()
    came = bring_back(elsewhere, io.BytesIO(zipped(ada.open)))
    assert came.equal
    assert came.fingerprint == export.fingerprint(ada.open) == export.fingerprint(elsewhere)
    with elsewhere.server.main.reading() as session:
        kettle = store.read(session, elsewhere, 2)
        assert [each.raw("rating") for each in store.history(session, elsewhere, 2)] == [5, 3]
    assert kettle.record.dump()["note"] == "first line\nsecond line"


def test_the_encrypted_form_holds_the_same_and_shows_nothing(ada: Ada, neighbour: Neighbour) -> None:
    furnished(ada)
    raw = b"".join(exported(ada.open, "sealed", CHOSEN))
    assert b"vault.json" not in raw
    assert b"Kettle" not in raw
    with pytest.raises(WrongSecret):
        open_archive(io.BytesIO(raw), "not " + CHOSEN)
    opened = open_archive(io.BytesIO(raw), CHOSEN)
    assert opened.read() == zipped(ada.open)
    assert bring_back(neighbour(), open_archive(io.BytesIO(raw), CHOSEN)).equal
