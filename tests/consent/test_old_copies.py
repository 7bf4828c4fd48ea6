"""An old copy of the database is put back: what had ended stays dead, what lives is held until she allows it again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.vendor_client import Connection, NoLongerShared, NotGranted, Paused
from consent import grants, narrowing, revocation, views
from consent.models import Disclosure, Grant, GrantLock
from tests.conftest import PASSPHRASE
from tests.consent.racing import Returning, Stage, back, client_of, visits_again
from tests.houses import Part, copy_house, home_of, keep_copy, put_copy_back
from tests.people import BIRTHDAY, PURCHASES, TASTE, Ada, Bookshop, Clock, hidden_in, house_in
from vault import sessions, store, unlock
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday
from vault.collections.purchases import Purchase
from vault.departure import NOBODY
from vault.errors import WrongSecret
from vault.keystore import Keystore
from vault.models import Lock, Owner
from vault.stored import Stored
from vault.turn import her_turn, recover_old_copy, revision_of
from vault.values import When
from vault.worker import tick

MAIN, LOG = ("database",), ("log",)


@dataclass
class Past:
    """A copy of databases as they once were. The keystore is never among them."""

    ada: Ada
    shops: tuple[Bookshop, ...]
    kept: Path
    files: tuple[Part, ...]

    def is_kept(self) -> None:
        """Take the copy, as a backup does."""
        for part in self.files:
            keep_copy(self.ada.house, part, self.kept)

    def comes_back(self, *, again: bool = True) -> Returning:
        """Stop the server, put the copy back, start it again. The browser and the vendors keep what they have."""
        self.ada.house.stop()
        home = home_of(self.ada.house)
        for part in self.files if again else ():
            put_copy_back(home, part, self.kept)
        self.ada = back(self.ada, house_in(home, self.ada.house.clock))
        for shop in self.shops:
            visits_again(shop, self.ada)
        return self.ada


@pytest.fixture(params=["main", "main and log"])
def files(request: pytest.FixtureRequest) -> tuple[Part, ...]:
    """Which databases the old copy holds."""
    return MAIN if request.param == "main" else MAIN + LOG


@pytest.fixture(scope="module")
def ready(
    furnished: tuple[Path, str], shopfront: Bookshop, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Ada, str]:
    """The Bookshop may read two things of hers. Made once; tests work on copies."""
    directory = tmp_path_factory.mktemp("ready") / "house"
    copy_house(furnished[0], directory)
    ada = Ada(house_in(directory, Clock()), PASSPHRASE)
    shopfront.visits(ada)
    ada.buys("The Salt Almanac")
    ada.buys("Field Notes on Moss")
    ada.keeps(Preference(topic="maps", stance="like"))
    tokens = ada.lets(shopfront, PURCHASES, TASTE, ticks=("item-1",)).to_json()
    ada.house.stop()
    return directory, ada, tokens


@pytest.fixture
def bookshop(shopfront: Bookshop) -> Bookshop:
    """The Bookshop, with its tokens."""
    return shopfront


@pytest.fixture
def coffee(other_shopfront: Bookshop) -> Bookshop:
    """The coffee roaster, which has nothing yet."""
    return other_shopfront


@pytest.fixture
def past(
    ready: tuple[Path, Ada, str], bookshop: Bookshop, coffee: Bookshop, tmp_path: Path, files: tuple[Part, ...]
) -> Iterator[Past]:
    """Ada at home, both vendors, and a copy of this moment."""
    copy_house(ready[0], tmp_path / "house")
    ada = back(ready[1], house_in(tmp_path / "house", Clock()))
    vars(coffee).pop("connection", None)
    for shop in (bookshop, coffee):
        shop.visits(ada)
    bookshop.connection = Connection.from_json(bookshop.client, ready[2])
    past = Past(ada, (bookshop, coffee), tmp_path / "kept", files)
    past.is_kept()
    yield past
    past.ada.house.stop()


@pytest.fixture
def plain(past: Past) -> Past:
    """The same, where which files come back makes no difference."""
    return past


only_main = pytest.mark.parametrize("files", [MAIN], ids=["main"])


def held(ada: Ada, shop: Bookshop) -> str | None:
    """How the keystore holds a vendor's grant; 'dead' without a pepper."""
    standing = ada.house.keystore.standing(ada.owner_id, bytes.fromhex(shop.connection.grant_id))
    return standing.held if standing else "dead"


def lost(ada: Ada) -> int:
    """How many changes her row says were lost."""
    with ada.house.main.reading() as session:
        return session.scalar(select(Owner.lost).where(Owner.owner_id == ada.owner_id)) or 0


def behind(ada: Ada) -> int:
    """How many changes the files that were just put back lack."""
    return ada.house.keystore.floor(ada.owner_id) - (revision_of(ada.house, ada.owner_id) or 0)


def page_of(ada: Ada, shop: Bookshop) -> str:
    """What she sees about one grant."""
    return unescape(ada.looks_at(f"/sharing/{shop.connection.grant_id}"))


def allows_again(ada: Ada, shop: Bookshop) -> None:
    """Look at the preview and press its button."""
    found = re.search(r'name="digest" value="([0-9a-f]+)"', page_of(ada, shop))
    assert found, "there is no preview"
    ada.presses(f"/sharing/{shop.connection.grant_id}/resume", digest=found[1])


def test_a_revoked_grant_stays_dead_on_every_route(past: Past, bookshop: Bookshop, coffee: Bookshop) -> None:
    ada = past.ada
    pending = coffee.asks(TASTE)
    location = ada.sees_consent(pending.authorize_url).allows("item-0")
    both = [bytes.fromhex(bookshop.connection.grant_id)]
    both += [each for each in ada.house.keystore.alive(ada.owner_id, "grant") if each not in both]
    with ada.house.main.transaction() as session:
        links = [
            grants.make_link(
                session, ada.house, ada.owner_id, each, ada.house.keystore.pepper(ada.owner_id, each) or b"", 1 << 32
            )
            for each in both
        ]
    past.is_kept()
    for each in both:
        ada.presses(f"/sharing/{each.hex()}/stop")
    ada = past.comes_back()
    with pytest.raises(NoLongerShared):
        bookshop.reads()
    with pytest.raises(NoLongerShared):
        coffee.finishes(pending, location)
    for link in links:
        assert revocation.find(ada.house, link) is None
        assert ada.app.test_client().get(f"/r/{link}").status_code == 404
        assert ada.app.test_client().post(f"/r/{link}", data={"answer": "stop"}).status_code == 404
    ada.house.clock.passes(minutes=11)
    with pytest.raises(NoLongerShared):
        bookshop.reads()
    assert "It can see nothing any more" in page_of(ada, bookshop)
    tick(ada.house, sweep=True)
    with ada.house.main.reading() as session:
        assert set(session.scalars(select(Grant.state))) == {"ended"}
        assert not session.scalars(select(GrantLock.lock_id)).all() + session.scalars(select(Disclosure.ref)).all()


def test_a_living_grant_is_held_until_she_allows_it_again(past: Past, bookshop: Bookshop) -> None:
    past.ada.buys("Atlas of Quiet Places")
    past.ada.buys("The Lantern Year")
    ada = past.comes_back()
    gone = behind(ada)
    for _ in range(2):
        with pytest.raises(Paused):
            bookshop.reads()
    assert (held(ada, bookshop), lost(ada)) == ("old copy", gone)
    ada.house.clock.passes(minutes=11)
    with pytest.raises(Paused):
        bookshop.reads()
    assert f"{gone} changes were lost" in page_of(ada, bookshop)
    assert f"{gone} changes of yours are lost" in unescape(ada.looks_at("/"))
    ada.presses(f"/sharing/{bookshop.connection.grant_id}/resume")
    ada.presses(f"/sharing/{bookshop.connection.grant_id}/resume", digest="00" * 32)
    ada.tries(f"/sharing/{bookshop.connection.grant_id}/resume", digest="no digest")
    with pytest.raises(Paused):
        bookshop.reads()
    allows_again(ada, bookshop)
    assert held(ada, bookshop) is None
    assert sorted(row["item"] for row in bookshop.reads()) == ["Field Notes on Moss", "The Salt Almanac"]
    assert bookshop.reads("preferences")


@only_main
def test_allowing_again_what_lets_somebody_reach_her_asks_whether_it_is_she(plain: Past, coffee: Bookshop) -> None:
    plain.ada.keeps(Birthday(born_on=When("1986-12-10")))
    plain.ada.lets(coffee, {**BIRTHDAY, "fields": ["birthday.born_on"], "optional": False})
    plain.is_kept()
    plain.ada.buys("The Lantern Year")
    ada = plain.comes_back()
    ada.house.clock.passes(minutes=6)
    digest = hidden_in(page_of(ada, coffee))["digest"]
    assert held(ada, coffee) == "old copy"
    resume = f"/sharing/{coffee.connection.grant_id}/resume"
    asked = ada.presses(resume, 403, digest=digest).text
    assert "Show once more that it is you." in asked
    assert held(ada, coffee) == "old copy"
    ada.presses(resume, **hidden_in(asked), **{"confirm-passphrase": PASSPHRASE})
    assert held(ada, coffee) is None


@only_main
def test_what_she_had_narrowed_is_not_readable_before_she_allows_it_again(plain: Past, bookshop: Bookshop) -> None:
    plain.ada.presses(f"/sharing/{bookshop.connection.grant_id}/less", item="1")
    ada = plain.comes_back()
    for _ in range(2):
        with pytest.raises(Paused):
            bookshop.reads("preferences")
    assert "maps" in page_of(ada, bookshop)
    tick(ada.house, sweep=True)
    with pytest.raises(Paused):
        bookshop.reads("preferences")
    allows_again(ada, bookshop)
    assert len(bookshop.reads()) == 2


@only_main
def test_narrowing_what_an_old_copy_widened_shows_less_and_stays_held(plain: Past, bookshop: Bookshop) -> None:
    plain.ada.presses(f"/sharing/{bookshop.connection.grant_id}/less", item="1")
    ada = plain.comes_back()
    ada.presses(f"/sharing/{bookshop.connection.grant_id}/less", item="1")
    with pytest.raises(Paused):
        bookshop.reads()
    allows_again(ada, bookshop)
    assert len(bookshop.reads()) == 2
    with pytest.raises(NotGranted):
        bookshop.reads("preferences")


@only_main
def test_a_gift_mark_that_an_old_copy_lost_does_not_give_the_gift_away(plain: Past, bookshop: Bookshop) -> None:
    first = plain.ada.vault.catalogue.entries("title LIKE '%Salt%'")[0].number
    with store.writing(plain.ada.vault) as turn:
        store.change(turn, plain.ada.vault, first, {"for_whom": "gift"})
    assert [row["item"] for row in bookshop.reads()] == ["Field Notes on Moss"]
    ada = plain.comes_back()
    for _ in range(2):
        with pytest.raises(Paused):
            bookshop.reads()
    shown = page_of(ada, bookshop)
    assert "The Salt Almanac" in shown, "the preview shows what would be seen, so that she can mark it again"
    with store.writing(ada.vault) as turn:
        store.change(turn, ada.vault, first, {"for_whom": "gift"})
    stale = re.search(r'name="digest" value="([0-9a-f]+)"', shown)
    ada.presses(f"/sharing/{bookshop.connection.grant_id}/resume", digest=stale[1] if stale else "")
    assert held(ada, bookshop) == "old copy", "the page she had open showed more than she would now allow"
    allows_again(ada, bookshop)
    assert [row["item"] for row in bookshop.reads()] == ["Field Notes on Moss"]


@only_main
def test_an_old_passphrase_stays_dead(plain: Past, recovery_code: str) -> None:
    ada, old = plain.ada, plain.ada.passphrase
    unlock.change_passphrase(ada.open, old, "another lamp, another map", address="test")
    ada = plain.comes_back()
    for tried in (old, "another lamp, another map"):
        with pytest.raises(WrongSecret):
            unlock.with_passphrase(ada.house, "", tried, address="test")
    tick(ada.house, sweep=True)
    keyring = unlock.with_recovery_code(ada.house, "", recovery_code)
    _string, vault = sessions.begin(ada.house, keyring, "recovery")
    unlock.change_passphrase(vault, None, "a third lamp, a third map", address="test")
    assert unlock.with_passphrase(ada.house, "", "a third lamp, a third map", address="test")
    with pytest.raises(WrongSecret):
        unlock.with_passphrase(ada.house, "", old, address="test")


@only_main
def test_a_session_that_was_ended_stays_dead(plain: Past) -> None:
    plain.ada.locks()
    ada = plain.comes_back()
    assert ada.browser.get("/sharing").status_code == 303
    tick(ada.house, sweep=True)
    with ada.house.main.reading() as session:
        assert not session.scalars(select(Lock.lock_id).where(Lock.kind == "session")).all()


def _edit(ada: Returning, _shops: dict[str, Bookshop]) -> None:
    ada.keeps(Preference(topic="tea", stance="like"))


def _bare_turn(ada: Returning, _shops: dict[str, Bookshop]) -> None:
    with her_turn(ada.house, ada.owner_id):
        pass


def _batch(ada: Returning, _shops: dict[str, Bookshop]) -> None:
    vault = ada.vault
    with store.writing(vault, numbers=2) as turn:
        new = [
            Stored(turn.number(), turn.revision, Purchase, {"item": f"Box {at}", "bought_on": "2026-01-02"}, {})
            for at in range(2)
        ]
        marked = [(each, vault.keyring.mark(str(each.number))) for each in new]
        store.insert_rows(turn, store.sealed_rows(vault, marked), new)


def _refresh(ada: Returning, shops: dict[str, Bookshop]) -> None:
    ada.house.clock.passes(minutes=11)
    with pytest.raises(Paused):
        shops["bookshop"].reads()


def _revoke_another(ada: Returning, shops: dict[str, Bookshop]) -> None:
    grants.end(ada.house, ada.owner_id, bytes.fromhex(shops["coffee"].connection.grant_id), "revoked")


def _pause(ada: Returning, shops: dict[str, Bookshop]) -> None:
    ada.presses(f"/sharing/{shops['bookshop'].connection.grant_id}/pause")


def _link(ada: Returning, shops: dict[str, Bookshop]) -> None:
    ada.app.test_client().post(f"/r/{vars(shops['bookshop'])['link']}", data={"answer": "pause"})


FIRST: dict[str, Callable[[Returning, dict[str, Bookshop]], Any]] = {
    "an edit": _edit,
    "a turn begun without looking": _bare_turn,
    "an import": _batch,
    "a refresh": _refresh,
    "stopping another vendor": _revoke_another,
    "a pause": _pause,
    "a pause by link": _link,
    "the worker": lambda ada, _shops: tick(ada.house, sweep=True),
    "mailing links": lambda ada, _shops: revocation.mail_fresh_links(ada.house, NOBODY, {"named": ""}),
    "her home page": lambda ada, _shops: ada.looks_at("/"),
    "unlocking": lambda ada, _shops: sessions.begin(ada.house, ada.vault.keyring),
}


@pytest.mark.parametrize("first", FIRST)
@only_main
def test_whatever_happens_first_a_living_grant_is_held(
    plain: Past, bookshop: Bookshop, coffee: Bookshop, first: str
) -> None:
    ada = plain.ada
    ada.lets(coffee, TASTE, ticks=("item-0",))
    mine = bytes.fromhex(bookshop.connection.grant_id)
    with ada.house.main.transaction() as session:
        pepper = ada.house.keystore.pepper(ada.owner_id, mine) or b""
        vars(bookshop)["link"] = grants.make_link(session, ada.house, ada.owner_id, mine, pepper, 1 << 32)
    plain.is_kept()
    ada.presses(f"/sharing/{mine.hex()}/less", item="1")
    ada = plain.comes_back()
    gone = behind(ada)
    FIRST[first](ada, {"bookshop": bookshop, "coffee": coffee})
    with pytest.raises(Paused):
        bookshop.reads("preferences")
    assert held(ada, bookshop) == "old copy"
    assert held(ada, coffee) == ("dead" if first == "stopping another vendor" else "old copy")
    assert lost(ada) == gone
    assert behind(ada) == 0
    allows_again(ada, bookshop)
    assert bookshop.reads("preferences")


@only_main
def test_a_consent_form_from_before_does_not_give_what_it_did_not_show(plain: Past, coffee: Bookshop) -> None:
    ada = plain.ada
    gift = ada.buys("The Lantern Year")
    asked = {**PURCHASES, "filter": {"since": "2025-01-01"}}
    pending = coffee.asks(asked)
    ada.sees_consent(pending.authorize_url)
    plain.is_kept()
    ada.marks_as_gift(gift)
    before = ada.sees_consent(pending.authorize_url)
    ada = plain.comes_back()
    before.ada = ada
    shown = unescape(before.answers("yes", status=409).text)
    assert "Something changed since you opened this page" in shown
    assert "1 change of yours is lost" in shown
    after = ada.sees_consent(pending.authorize_url)
    assert "1 change of yours is lost" in unescape(after.html)
    coffee.connection = coffee.finishes(pending, after.allows())
    assert held(ada, coffee) is None


@only_main
def test_a_consent_form_whose_request_was_lost_says_so(plain: Past, coffee: Bookshop) -> None:
    pending = coffee.asks(TASTE)
    before = plain.ada.sees_consent(pending.authorize_url)
    before.ada = plain.comes_back()
    assert "begin again" in before.answers("yes", "item-0", status=410).text


@only_main
def test_what_was_given_after_the_copy_is_gone_and_can_be_given_again(plain: Past, coffee: Bookshop) -> None:
    plain.ada.lets(coffee, TASTE, ticks=("item-0",))
    ada = plain.comes_back()
    with pytest.raises(NoLongerShared):
        coffee.reads("preferences")
    ada.lets(coffee, TASTE, ticks=("item-0",))
    assert coffee.reads("preferences") == [{"topic": "maps", "stance": "like"}]


@only_main
def test_an_old_copy_replaces_a_pause_and_never_the_reverse(plain: Past, bookshop: Bookshop) -> None:
    pause = f"/sharing/{bookshop.connection.grant_id}/pause"
    plain.ada.presses(pause)
    plain.ada.buys("The Lantern Year")
    ada = plain.comes_back()
    with pytest.raises(Paused):
        bookshop.reads()
    assert held(ada, bookshop) == "old copy"
    ada.presses(pause)
    assert held(ada, bookshop) == "old copy"
    assert not grants.resume(ada.open, bytes.fromhex(bookshop.connection.grant_id))
    allows_again(ada, bookshop)
    assert held(ada, bookshop) is None


@only_main
def test_a_pause_outlives_a_copy_from_before_it(plain: Past, bookshop: Bookshop) -> None:
    plain.ada.presses(f"/sharing/{bookshop.connection.grant_id}/pause")
    ada = plain.comes_back()
    with pytest.raises(Paused):
        bookshop.reads()
    assert held(ada, bookshop) == "paused", "no change of hers was lost, so the pause is what it was"
    assert lost(ada) == 0


@only_main
def test_the_catalogue_tells_what_the_old_copy_holds(plain: Past) -> None:
    plain.ada.buys("Atlas of Quiet Places")
    assert "Atlas of Quiet Places" in plain.ada.looks_at("/purchases")
    ada = plain.comes_back()
    shown = ada.looks_at("/purchases")
    assert "The Salt Almanac" in shown
    assert "Atlas of Quiet Places" not in shown
    assert ada.open.catalogue.count("damaged") == 0
    ada.buys("Tides and Tables")
    assert "Tides and Tables" in ada.looks_at("/purchases")


@only_main
def test_the_same_copy_comes_back_twice(plain: Past, bookshop: Bookshop) -> None:
    for _ in range(2):
        plain.ada.presses(f"/sharing/{bookshop.connection.grant_id}/less", item="1")
        ada = plain.comes_back()
        with pytest.raises(Paused):
            bookshop.reads("preferences")
        allows_again(ada, bookshop)
        assert bookshop.reads("preferences")
    plain.comes_back(again=False)
    assert bookshop.reads("preferences"), "a restart alone holds nothing"


class _Slow(Keystore):
    """Everything else happens between reading what stands and holding it."""

    between: Callable[[], Any]

    def hold_old_copy(self, owner: bytes, versions: dict[bytes, int]) -> None:
        self.between()
        super().hold_old_copy(owner, versions)


@only_main
def test_a_job_left_over_from_a_narrowing_does_not_hide_an_old_copy(plain: Past, bookshop: Bookshop) -> None:
    """The job raises a version floor just as another process, seeing the old copy, is about to hold what stands."""
    ada, mine = plain.ada, bytes.fromhex(bookshop.connection.grant_id)
    vault = ada.open
    with her_turn(ada.house, ada.owner_id) as turn:
        view = views.read(turn.session, vault, mine)
        narrowing.reseal(turn, vault, view, view.terms.without(1))
        turn.versions.clear()  # the power failed before the floor was raised
    plain.is_kept()
    gift = ada.vault.catalogue.entries("title LIKE '%Salt%'")[0].number
    with store.writing(vault) as turn:
        turn.versions.clear()
        store.change(turn, vault, gift, {"for_whom": "gift"})
    ada = plain.comes_back()
    ada.house.clock.passes(minutes=2)
    slow = house_in(home_of(ada.house), ada.house.clock)
    vars(slow.keystore)["between"] = lambda: tick(ada.house, sweep=True)
    slow.keystore.__class__ = _Slow
    recover_old_copy(slow, ada.owner_id)
    slow.stop()
    assert held(ada, bookshop) == "old copy"
    with pytest.raises(Paused):
        bookshop.reads()


STARTS = ("look", "page", "edit", "worker")


@pytest.fixture
def today(furnished: tuple[Path, str], shopfront: Bookshop, tmp_path: Path) -> Iterator[Past]:
    """Ada and the Bookshop in real time, for processes with clocks of their own."""
    copy_house(furnished[0], tmp_path / "today")
    ada = Ada(house_in(tmp_path / "today"), PASSPHRASE)
    shopfront.visits(ada)
    ada.buys("The Salt Almanac")
    ada.lets(shopfront, PURCHASES, TASTE, ticks=("item-1",))
    past = Past(ada, (shopfront,), tmp_path / "kept", MAIN)
    past.is_kept()
    yield past
    past.ada.house.stop()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Where other processes come from."""
    with Stage() as stage:
        yield stage


def starts_four(stage: Stage, ada: Ada, shop: Bookshop, *, meanwhile: Callable[[], Any] = lambda: None) -> None:
    """Four processes start the server on the same files at the same moment, and each does something else."""
    told = {
        **client_of(shop),
        "role": "faces",
        "at": time.monotonic() + 0.1,
        "directory": str(home_of(ada.house)),
        "session": ada.session,
        "owner": ada.owner_id.hex(),
        "connection": shop.connection.to_json(),
    }
    stage.plays(*({**told, "first": first} for first in STARTS))
    meanwhile()
    assert stage.ends() == [0, 0, 0, 0]


def test_four_processes_that_start_together_hold_nothing(today: Past, shopfront: Bookshop, stage: Stage) -> None:
    starts_four(stage, today.ada, shopfront)
    assert held(today.ada, shopfront) is None
    assert lost(today.ada) == 0
    assert shopfront.reads()


def test_four_processes_that_start_together_on_an_old_copy_hold_once(
    today: Past, shopfront: Bookshop, stage: Stage
) -> None:
    today.ada.presses(f"/sharing/{shopfront.connection.grant_id}/less", item="1")
    today.ada.buys("The Lantern Year")
    ada = today.comes_back()
    gone = behind(ada)
    starts_four(stage, ada, shopfront)
    assert (held(ada, shopfront), lost(ada)) == ("old copy", gone)
    with pytest.raises(Paused):
        shopfront.reads("preferences")
    allows_again(ada, shopfront)
    starts_four(stage, ada, shopfront)
    assert held(ada, shopfront) is None
    assert shopfront.reads()


def test_nobody_holds_again_what_she_has_just_allowed(today: Past, shopfront: Bookshop, stage: Stage) -> None:
    today.ada.buys("The Lantern Year")
    ada = today.comes_back()

    def allows_at_once() -> None:
        ada.looks_at("/")
        while held(ada, shopfront) is not None:
            allows_again(ada, shopfront)

    starts_four(stage, ada, shopfront, meanwhile=allows_at_once)
    assert held(ada, shopfront) is None
    assert shopfront.reads()
