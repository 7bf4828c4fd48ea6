"""Ada, her vault, the Bookshop, and a clock. Real servers, real files, no stand-ins for our own code."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from connectors.demo_mail import Mailbox
from tests import kept
from tests.houses import ON_A_SERVER, copy_house, leave
from tests.people import Ada, Bookshop, Clock, house_in
from vault import choices, crypto, deriving, notice_address, sessions, set_up, unlock
from vault.keyring import Keyring
from vault.server import Server

PASSPHRASE = "a lamp, a kettle, a map"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a server, leave out what is about files."""
    if ON_A_SERVER:
        config.hook.pytest_deselected(items=[each for each in items if each.get_closest_marker("embedded")])
        items[:] = [each for each in items if not each.get_closest_marker("embedded")]


def pytest_configure(config: pytest.Config) -> None:
    """A connection that a test leaves open is closed with it; psycopg says so, and SQLite's from Python 3.13 on."""
    for said in (".*was deleted while still open", "unclosed database"):
        config.addinivalue_line("filterwarnings", f"ignore:{said}:ResourceWarning")


@pytest.fixture(scope="session", autouse=True)
def _kept() -> None:
    """No test pays for what another has compiled or stretched, nor for a fast machine: Argon2id costs its floor."""
    kept.keep()
    crypto.stretch = cache(crypto.stretch)
    deriving.local_cost = lambda: crypto.FLOOR


def furnish(server: Server) -> tuple[str, Keyring]:
    """Ada moves into an empty house; her recovery code and her keys."""
    set_up.set_up(server, handle="ada", name="Ada", passphrase=PASSPHRASE, notice=None, first=True)
    keyring = unlock.with_passphrase(server, "", PASSPHRASE, address="set-up")
    vault = sessions.for_command(server, keyring)
    code = vault.settings["recovery"]
    choices.keep(vault, {"recovery": None})
    with server.main.transaction() as session:
        notice_address.keep(session, vault, "ada@home.test", "en")
    return code, keyring


if ON_A_SERVER:

    @pytest.fixture(autouse=True)
    def _left(tmp_path: Path) -> Iterator[None]:
        """The databases of a test go when it is over."""
        yield
        leave(tmp_path)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Keyring]:
    """A directory with Ada's vault in it, its recovery code and its keys, made once; tests work on copies."""
    directory = tmp_path_factory.mktemp("furnished") / "house"
    server = house_in(directory, Clock())
    code, keyring = furnish(server)
    server.stop()
    return directory, code, keyring


@pytest.fixture
def clock() -> Clock:
    """The server's time, in the test's hands."""
    return Clock()


@pytest.fixture
def house(furnished: tuple[Path, str, Keyring], tmp_path: Path, clock: Clock) -> Iterator[Server]:
    """A running server on a copy of Ada's vault."""
    copy_house(furnished[0], tmp_path / "house")
    server = house_in(tmp_path / "house", clock)
    yield server
    server.stop()


@pytest.fixture
def recovery_code(furnished: tuple[Path, str, Keyring]) -> str:
    """What Ada printed."""
    return furnished[1]


@pytest.fixture
def ada(house: Server, furnished: tuple[Path, str, Keyring]) -> Ada:
    """Ada, with her vault unlocked; that takes no passphrase here, because Argon2id would take half of every test."""
    return Ada(house, PASSPHRASE, furnished[2])


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    """Where her mails arrive."""
    mailbox = Mailbox()
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture(scope="session")
def shopfront() -> Iterator[Bookshop]:
    """The Bookshop's own web server, for its metadata document and keys."""
    shop = Bookshop("Bookshop", "shop")
    shop.open()
    yield shop
    shop.close()


@pytest.fixture
def bookshop(shopfront: Bookshop, ada: Ada) -> Bookshop:
    """The Bookshop as a client of Ada's vault."""
    shopfront.visits(ada)
    return shopfront


@pytest.fixture(scope="session")
def other_shopfront() -> Iterator[Bookshop]:
    """Another vendor's web server."""
    shop = Bookshop("Kettle Lane Coffee", "coffee")
    shop.open()
    yield shop
    shop.close()


@pytest.fixture
def coffee(other_shopfront: Bookshop, ada: Ada) -> Bookshop:
    """Another vendor as a client of Ada's vault."""
    other_shopfront.visits(ada)
    return other_shopfront
