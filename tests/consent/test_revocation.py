"""The link that only takes away, without a page around it: which grant it finds, and when it finds none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from consent import grants, revocation, views
from consent.grants import rounded
from consent.models import Grant
from tests.conftest import PASSPHRASE
from tests.consent.racing import Rising
from tests.people import ISSUER, Bookshop, household
from vault import attempts, bearer, crypto, kit, worker
from vault.errors import TooManyTries
from vault.models import Job


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door, in a house that could send mails."""
    directory = tmp_path_factory.mktemp("revocation") / "house"
    with household(furnished[0], directory, PASSPHRASE, smtp_url="smtp://localhost:1") as found:
        found.ada.buys("The Salt Almanac")
        yield found


@pytest.fixture
def grant(shop: Bookshop) -> Iterator[bytes]:
    """A living grant; afterwards it is the hour it was, and nothing is shared."""
    clock: Any = shop.ada.house.clock
    began = clock.now
    yield bytes.fromhex(shop.tokens()["grant_id"])
    clock.now = began
    shop.ada.presses("/sharing/stop-all")


def drawn(shop: Bookshop, grant: bytes) -> str:
    """A fresh link's string."""
    with shop.ada.house.main.reading() as session:
        view = views.read(session, shop.ada.vault, grant)
    address = revocation.fresh_link(shop.ada.vault, view)
    assert address.startswith(f"{ISSUER}/r/vrm_rv_")
    return address.rpartition("/")[2]


def changed(shop: Bookshop, grant: bytes, **values: Any) -> None:
    """Somebody has written to the row of a grant."""
    with shop.ada.house.main.transaction() as session:
        session.execute(update(Grant).where(Grant.grant_id == grant).values(**values))


def waiting(shop: Bookshop) -> dict[bytes, dict[str, str]]:
    """The mails that are on their way to her."""
    house, owner = shop.ada.house, shop.ada.owner_id
    with house.main.reading() as session:
        rows = session.execute(select(Job.job_id, Job.box).where(Job.owner_id == owner, Job.kind == "mail")).all()
    about = {job: crypto.identity("vrm/1/job", owner, job, "mail") for job, _box in rows}
    return {job: orjson.loads(crypto.open_box(house.keys.seal, about[job], box)) for job, box in rows}


def mailed(shop: Bookshop, address: str) -> list[dict[str, str]]:
    """What is mailed to her when somebody at an address asks for links."""
    before = waiting(shop)
    revocation.ask_for_links(shop.ada.house, "ada", address=address)
    attempts.forget(shop.ada.house, links="ada")
    worker.tick(shop.ada.house, sweep=False)
    return [mail for job, mail in waiting(shop).items() if job not in before]


def test_a_link_finds_its_grant_and_what_the_server_may_know_of_it(shop: Bookshop, grant: bytes) -> None:
    found = revocation.find(shop.ada.house, drawn(shop, grant))
    assert found is not None
    assert (found.owner_id, found.grant_id, found.held, found.by_link) == (shop.ada.owner_id, grant, None, False)
    assert (found.label["name"], found.label["collections"]) == ("Bookshop", ["purchases"])
    grants.pause(shop.ada.house, shop.ada.owner_id, grant)
    paused = revocation.find(shop.ada.house, drawn(shop, grant))
    assert paused is not None
    assert paused.held == "paused"


def test_a_link_knows_when_nobody_can_ask_again(shop: Bookshop, grant: bytes) -> None:
    shop.ada.shares(shop.ada.buys("A Kettle"))
    [shared] = shop.ada.house.keystore.alive(shop.ada.owner_id, "grant").keys() - {grant}
    found = revocation.find(shop.ada.house, drawn(shop, shared))
    assert found is not None
    assert found.by_link is True


def test_a_link_stops_something_until_that_ends_by_itself(shop: Bookshop, grant: bytes) -> None:
    house, link = shop.ada.house, drawn(shop, grant)
    end = rounded(house.now + 30 * 86400)
    house.clock.passes(seconds=end - house.now - 1)  # type: ignore[attr-defined]
    assert revocation.find(house, link)
    house.clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert revocation.find(house, link) is None


def test_a_link_finds_nothing_that_has_ended_in_either_database(shop: Bookshop, grant: bytes) -> None:
    """A crash falls between the two, and an old copy of either may come back."""
    house, link = shop.ada.house, drawn(shop, grant)
    changed(shop, grant, state="ended")
    assert revocation.find(house, link) is None
    changed(shop, grant, state="live")
    assert revocation.find(house, link)
    house.keystore.take(shop.ada.owner_id, grant)
    assert revocation.find(house, link) is None


def test_a_link_with_another_secret_finds_nothing(shop: Bookshop, grant: bytes) -> None:
    route, link = shop.ada.house.keys.route, drawn(shop, grant)
    known = bearer.parse(link, "link", route)
    assert known is not None
    assert revocation.find(shop.ada.house, replace(known, secret=b"\1" * 32).text(route)) is None
    assert revocation.find(shop.ada.house, replace(known, lock_id=b"\1" * 16).text(route)) is None


def test_a_link_of_an_old_copy_finds_what_is_held(shop: Bookshop, grant: bytes) -> None:
    house, link = shop.ada.house, drawn(shop, grant)
    house.keystore.raise_floor(shop.ada.owner_id, house.keystore.floor(shop.ada.owner_id) + 1000)
    found = revocation.find(house, link)
    assert found is not None
    assert found.held == "old copy"


def test_a_link_that_moves_each_time_it_is_looked_at_finds_nothing(shop: Bookshop, grant: bytes) -> None:
    house, link = shop.ada.house, drawn(shop, grant)
    rising = Rising(house.keystore.database)
    assert revocation.find(replace(house, keystore=rising), link) is None
    assert rising.looks == 5
    assert revocation.find(house, link)


def test_the_mail_holds_one_link_for_everything_that_is_shared_and_nothing_else(shop: Bookshop, grant: bytes) -> None:
    shop.ada.shares(shop.ada.buys("A Kettle"))
    alive = set(shop.ada.house.keystore.alive(shop.ada.owner_id, "grant"))
    [mail] = mailed(shop, "a")
    assert mail["subject"] == "Links that stop sharing"
    links = re.findall(r"\S+/r/\S+", mail["text"])
    said = "Each of these pauses or stops one of the permissions you gave:"
    assert mail["text"] == "\n\n".join([said, *links]) + "\n"
    found = [revocation.find(shop.ada.house, link.removeprefix(f"{ISSUER}/r/")) for link in links]
    assert sorted(each.grant_id for each in found if each) == sorted(alive)
    assert len(links) == 2


def test_no_link_is_mailed_for_what_is_over_or_cannot_be_read(shop: Bookshop, grant: bytes) -> None:
    shop.ada.shares(shop.ada.buys("A Kettle"))
    keystore, owner = shop.ada.house.keystore, shop.ada.owner_id
    [shared] = keystore.alive(owner, "grant").keys() - {grant}
    changed(shop, shared, label_box=b"damaged")
    [mail] = mailed(shop, "b")
    [link] = re.findall(r"/r/(\S+)", mail["text"])
    assert getattr(revocation.find(shop.ada.house, link), "grant_id", None) == grant
    changed(shop, grant, state="ended")
    assert mailed(shop, "c") == [], "an old copy of the keystore brings nothing back"
    changed(shop, grant, state="live")
    keystore.take(owner, grant)
    assert mailed(shop, "d") == [], "nor does one of main"


def test_who_asks_for_links_is_slowed_down_by_address_and_by_vault(shop: Bookshop, grant: bytes) -> None:
    house, owner = shop.ada.house, shop.ada.owner_id

    def asked(name: str, address: str) -> bool:
        try:
            revocation.ask_for_links(house, name, address=address)
        except TooManyTries:
            return False
        return True

    six = range(6)
    assert [asked(f"nobody {number}", "one place") for number in six] == [True] * 6
    assert asked("nobody at all", "one place") is False
    assert [asked(("Eve ", "eve")[number % 2], f"place {number}") for number in six] == [True] * 6
    assert asked(" EVE", "another place") is False
    number = kit.vault_number(owner)
    written = [number, number.lower(), number.replace("-", " "), number.replace("-", ""), f"({number})", f"{number}."]
    assert [asked(each, f"her place {at}") for at, each in enumerate(written)] == [True] * 6
    assert asked(number.replace("-", "/"), "her last place") is False
    attempts.admit(house, address="one place")  # where links were asked for too often she may still unlock


def test_asking_for_links_under_no_name_tells_nobody_what_her_name_is(shop: Bookshop, grant: bytes) -> None:
    """Where one vault is all there is, it may be left out; who then guesses the name sees the same for every guess."""
    house = shop.ada.house
    attempts.forget(house, links="")
    for number in range(6):
        revocation.ask_for_links(house, "", address=f"203.0.113.{number}")
    with pytest.raises(TooManyTries):
        revocation.ask_for_links(house, "", address="203.0.113.7")
    for name in ("bram", "ada"):
        revocation.ask_for_links(house, name, address="203.0.113.8")
