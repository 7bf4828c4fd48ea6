"""The power fails between any two steps of anything. Nothing is stuck afterwards, and nothing that had ended is back.

Every commit of every database and every file of the catalogue is a step. Each flow is run again and again on a copy of
the same files, cut after each step in turn (which is before the next), until it gets through; after each cut the server
is started anew, and everybody goes on with what they have in hand.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection as Line
from sqlalchemy import select
from sqlalchemy.orm import Session

from connectors.vendor_client import Connection, NoLongerShared, Paused, Pending
from consent import grants, views
from consent.models import Grant
from tests import sampled
from tests.conftest import PASSPHRASE
from tests.consent.racing import REFUSED, Returning, shown_now, sorted_rows, visits_again
from tests.houses import copy_house, home_of, keep_copy, put_copy_back
from tests.people import PURCHASES, TASTE, Ada, Bookshop, Clock, calls_out, house_in
from tests.torture.examining import all_is_well, nothing_was_held
from vault import locks, sessions, set_up, store, unlock
from vault.catalogues import Catalogues
from vault.collections.preferences import Preference
from vault.collections.vendors import Vendor
from vault.crypto import Damaged
from vault.db import Database
from vault.db import Line as BareLine
from vault.keystore import Keystore
from vault.models import Job, Lock
from vault.server import Server
from vault.turn import revision_of
from vault.worker import tick

NEW = "another lamp, another map"


class PowerCut(BaseException):
    """Nothing runs after this. Not an Exception, so that nothing which tidies up after errors notices."""


@dataclass
class Power:
    """It fails at one step, and from then on nothing can be written."""

    fails_at: int
    steps: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        """One more step. Raises PowerCut when it is the one, and ever after."""
        self.steps.append(name)
        if len(self.steps) >= self.fails_at:
            raise PowerCut(name)

    def still_on(self) -> None:
        """Raises PowerCut in the dark."""
        if self.failed:
            raise PowerCut

    @property
    def failed(self) -> bool:
        """Is it dark?"""
        return len(self.steps) >= self.fails_at


class FragileDatabase(Database):
    """A database of a running server, whose commits are steps."""

    def __init__(self, whole: Database, name: str, power: Power) -> None:
        self.__dict__.update(whole.__dict__)
        self.name, self.power = name, power

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """As it is, with the power."""
        with super().transaction() as session:
            yield session
            self.power.still_on()
        self.power.step(f"{self.name}, committed")

    @contextmanager
    def writing(self) -> Iterator[Line]:
        """As it is, with the power."""
        with super().writing() as connection:
            yield connection
            self.power.still_on()
        self.power.step(f"{self.name}, committed")

    @contextmanager
    def written_line(self) -> Iterator[BareLine]:
        """As it is, with the power."""
        with super().written_line() as line:
            yield line
            self.power.still_on()
        self.power.step(f"{self.name}, committed")


class FragileCatalogues(Catalogues):
    """Catalogues whose files come and go step by step."""

    power: Power

    def rebuild(self, server: Server, owner: bytes) -> None:
        """As it is, with the power."""
        self.power.still_on()
        super().rebuild(server, owner)
        self.power.step("catalogue, forgotten")

    def put_away(self, server: Server, owner: bytes | None = None) -> None:
        """As it is, with the power."""
        self.power.still_on()
        super().put_away(server, owner)
        self.power.step("catalogue, put away")


def fragile(server: Server, power: Power) -> Server:
    """The same server, whose power may fail."""
    catalogues = FragileCatalogues()
    catalogues.power = power
    return replace(
        server,
        main=FragileDatabase(server.main, "main", power),
        log=FragileDatabase(server.log, "log", power),
        keystore=Keystore(FragileDatabase(server.keystore.database, "keystore", power)),
        catalogues=catalogues,
    )


@dataclass
class Scene:
    """Ada, her vendors and what they hold, at some moment; the files of that moment lie in `directory`."""

    directory: Path
    shops: tuple[Bookshop, Bookshop]
    recovery_code: str
    session: str = ""
    owner: bytes = b""
    number: int = 0
    gift: int = 0
    time: Any = None
    tokens: list[str | None] = field(default_factory=lambda: [None, None])
    asked: tuple[Pending, str] | None = None
    digest: str = ""
    link: str = ""
    old: Path | None = None
    lost: int = 0

    def copied(self, to: Path) -> Scene:
        """The same scene on a copy of its files."""
        shutil.rmtree(to, ignore_errors=True)
        copy_house(self.directory, to)
        return replace(self, directory=to, tokens=list(self.tokens))

    def begins(self, power: Power | None = None, clock: Clock | None = None) -> Stage:
        """The server is started, and everybody deals with it."""
        house = house_in(self.directory, clock or Clock(self.time))
        house = fragile(house, power) if power else house
        ada = Returning(house, self.session, self.owner, self.number, PASSPHRASE)
        for shop, tokens in zip(self.shops, self.tokens, strict=True):
            shop.visits(ada)
            if tokens is not None:
                shop.connection = Connection.from_json(shop.client, tokens)
        return Stage(self, house, ada, *self.shops)


@dataclass
class Stage:
    """A scene while the server runs. `told` is what somebody has been answered."""

    scene: Scene
    house: Server
    ada: Returning
    bookshop: Bookshop
    coffee: Bookshop
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def grant(self) -> bytes:
        """The Bookshop's."""
        return bytes.fromhex(self.bookshop.connection.grant_id)

    def presses(self, what: str, **form: str) -> None:
        """A button on the page of the Bookshop's grant."""
        self.ada.presses(f"/sharing/{self.grant.hex()}/{what}", **form)

    def goes_dark(self) -> None:
        """The process is gone: nothing is put away, only the files stay."""
        for database in self.house.databases:
            database.dispose()


Act = Callable[[Stage], Any]
MADE: dict[str, tuple[Act, Act, Act]] = {}


def flow(prepare: Act = lambda stage: None, *, then: Act) -> Callable[[Act], Act]:
    """Name a flow by its function: what comes before it, the flow, and what must hold however it was cut."""

    def named(act: Act) -> Act:
        MADE[act.__name__] = (prepare, act, then)
        return act

    return named


@pytest.fixture(scope="module")
def scene(
    furnished: tuple[Path, str],
    shopfront: Bookshop,
    other_shopfront: Bookshop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Scene:
    """Ada shares her books and her taste with the Bookshop; one book is a gift."""
    directory = tmp_path_factory.mktemp("scene") / "house"
    copy_house(furnished[0], directory)
    clock = Clock()
    ada = Ada(house_in(directory, clock), PASSPHRASE)
    ada.keeps(Vendor(called="Kettle Lane Coffee", domains=("coffee.localhost",)))
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    gift = ada.buys("The Lantern Year", for_whom="gift")
    shopfront.visits(ada)
    tokens = ada.lets(shopfront, PURCHASES, TASTE, ticks=("item-1",)).to_json()
    other_shopfront.visits(ada)
    other_shopfront.asks(TASTE)  # so that its metadata is known
    ada.house.stop()
    return Scene(
        directory,
        (shopfront, other_shopfront),
        furnished[1],
        ada.session,
        ada.owner_id,
        ada.bookshop_number,
        gift.number,
        clock.now,
        [tokens, None],
    )


# What must hold after every cut, whatever was under way.


def what_she_is_shown_is_covered(stage: Stage, ada: Ada) -> None:
    """Her pages, before the worker has done anything."""
    for path in ("/", "/sharing", "/purchases"):
        ada.looks_at(path)
        assert stage.house.keystore.floor(ada.owner_id) == revision_of(stage.house, ada.owner_id)
    alive = stage.house.keystore.alive(ada.owner_id, "grant")
    with stage.house.main.reading() as session:
        known = views.every(session, ada.open)
    for view in known:
        assert view.grant_id not in alive or view.version <= alive[view.grant_id].version
        assert view.live or "It can see nothing any more" in ada.looks_at(f"/sharing/{view.grant_id.hex()}")
    assert ada.open.catalogue.count("damaged") == 0


def reads_what_it_may(stage: Stage, shop: Bookshop) -> None:
    """A vendor that is answered sees exactly what the terms make of her records, no more, no less."""
    mine = bytes.fromhex(shop.connection.grant_id)
    for collection in ("purchases", "preferences"):
        try:
            seen = shop.reads(collection)
        except REFUSED:
            continue
        assert sorted_rows(seen) == sorted_rows(shown_now(stage.ada, mine, collection))


def life_goes_on(stage: Stage) -> None:
    """She unlocks, edits, gives, sees it read, and stops it."""
    ada, coffee = stage.ada, stage.coffee
    ada.buys("Tides and Tables")
    coffee.connection = ada.lets(coffee, TASTE, ticks=("item-0",))
    assert coffee.reads("preferences") == [{"topic": "maps", "stance": "like"}]
    ada.presses(f"/sharing/{coffee.connection.grant_id}/stop")
    with pytest.raises(NoLongerShared):
        coffee.reads("preferences")


def unlocks_anew(stage: Stage) -> None:
    """By the printed code, which costs no time."""
    keyring = unlock.with_recovery_code(stage.house, "", stage.scene.recovery_code)
    stage.ada.comes_with(sessions.begin(stage.house, keyring)[0])


def recovers(stage: Stage, then: Act) -> None:
    """Start after the cut, look before the worker does, let it work, look again, go on."""
    unlocks_anew(stage)
    what_she_is_shown_is_covered(stage, stage.ada)
    if hasattr(stage.bookshop, "connection"):
        reads_what_it_may(stage, stage.bookshop)
    then(stage)
    for _ in range(2):
        tick(stage.house, sweep=True)
        stage.house.clock.passes(minutes=3)
    tick(stage.house, sweep=True)
    all_is_well(stage.house)
    if stage.scene.old is None and not stage.scene.lost:
        nothing_was_held(stage.house, stage.scene.owner)
    then(stage)
    if hasattr(stage.bookshop, "connection"):
        reads_what_it_may(stage, stage.bookshop)
    while calls_out(stage.house):
        pass
    with stage.house.main.reading() as session:
        kinds = set(session.scalars(select(Job.kind).where(Job.due_at <= stage.house.now)))
    assert not kinds, "work that nobody will finish"
    life_goes_on(stage)


def cut_everywhere(scene: Scene, tmp_path: Path, prepare: Act, act: Act, then: Act) -> list[str]:
    """Run a flow until it gets through, cutting one step later each time; returns the names of its steps."""
    ready = scene.copied(tmp_path / "ready")
    _forget(ready)
    stage = ready.begins()
    prepare(stage)
    ready = replace(
        stage.scene,
        session=stage.ada.session,
        time=stage.house.clock.now,
        tokens=[shop.connection.to_json() if hasattr(shop, "connection") else None for shop in ready.shops],
    )
    stage.house.stop()
    if ready.old is not None:
        put_copy_back(home_of(stage.house), "database", ready.old)
    at, power = 0, Power(0)
    while power.failed:
        at += 1 if sampled.EVERYTHING or at < 2 else 7  # later steps are much alike: a seventh of them in every run
        power = Power(at)
        _forget(ready)
        stage = ready.copied(tmp_path / "cut").begins(power)
        try:
            act(stage)
            stage.told["answered"] = True
        except PowerCut:
            stage.told["step"] = power.steps[-1]
        stage.goes_dark()
        after = stage.scene.begins(clock=stage.house.clock)
        for shop in ready.shops:
            if hasattr(shop, "connection"):
                visits_again(shop, after.ada)
        after.told = stage.told
        recovers(after, then)
        after.house.stop()
    return power.steps


def _forget(scene: Scene) -> None:
    for shop in scene.shops:
        vars(shop).pop("connection", None)


def is_over(stage: Stage) -> None:
    """What was stopped sees nothing. What was not yet answered may go either way, once."""
    if stage.told.get("answered") or stage.told.get("over"):
        with pytest.raises(NoLongerShared):
            stage.bookshop.reads()
    try:
        stage.bookshop.reads()
    except NoLongerShared:
        stage.told["over"] = True


@flow(then=is_over)
def stopping(stage: Stage) -> None:
    """She presses Stop sharing."""
    stage.presses("stop")


@flow(then=is_over)
def stopping_everything(stage: Stage) -> None:
    """She presses Stop all."""
    stage.ada.presses("/sharing/stop-all")


def _with_link(stage: Stage) -> None:
    with stage.house.main.transaction() as session:
        pepper = stage.house.keystore.pepper(stage.scene.owner, stage.grant) or b""
        stage.scene.link = grants.make_link(session, stage.house, stage.scene.owner, stage.grant, pepper, 1 << 32)


@flow(_with_link, then=is_over)
def stopping_by_link(stage: Stage) -> None:
    """The same from a mail, without unlocking."""
    answer = stage.ada.app.test_client().post(f"/r/{stage.scene.link}", data={"answer": "stop"})
    assert answer.status_code == 200


def is_narrowed(stage: Stage) -> None:
    """The item is gone once it was answered, and for good once it was seen to be gone."""
    try:
        seen = stage.bookshop.reads("preferences")
    except REFUSED:
        stage.told["narrowed"] = True
    else:
        assert not stage.told.get("answered")
        assert not stage.told.get("narrowed")
        assert seen
    assert len(stage.bookshop.reads()) == 1


@flow(then=is_narrowed)
def narrowing(stage: Stage) -> None:
    """She takes one item away."""
    stage.presses("less", item="1")


def ends_sooner(stage: Stage) -> None:
    """It still goes, and once it was answered it goes no longer than she said."""
    assert stage.bookshop.reads()
    if stage.told.get("answered"):
        with stage.house.main.reading() as session:
            view = views.read(session, stage.ada.open, bytes.fromhex(stage.bookshop.connection.grant_id))
        assert view.terms.until <= stage.house.now + 7 * 86400


@flow(then=ends_sooner)
def shortening(stage: Stage) -> None:
    """She lets it end in a week."""
    stage.presses("sooner", days="7")


@flow(lambda stage: stage.presses("less", item="1"), then=is_over)
def narrowing_to_nothing(stage: Stage) -> None:
    """She takes the last item away."""
    stage.presses("less", item="0")


def is_paused(stage: Stage) -> None:
    """Paused once it was answered."""
    if stage.told.get("answered"):
        with pytest.raises(Paused):
            stage.bookshop.reads()


@flow(then=is_paused)
def pausing(stage: Stage) -> None:
    """She presses Pause."""
    stage.presses("pause")


def goes_on(stage: Stage) -> None:
    """Read again once it was answered; she can press the button again if it was not."""
    if not stage.told.get("answered"):
        stage.presses("resume")
    assert stage.bookshop.reads()


@flow(lambda stage: stage.presses("pause"), then=goes_on)
def resuming(stage: Stage) -> None:
    """She presses Resume."""
    stage.presses("resume")


def is_marked(stage: Stage) -> None:
    """A book of hers that became a gift is seen no more, and what she added is there."""
    titles = [entry.title for entry in stage.ada.open.catalogue.entries("collection = 'purchases'")]
    if stage.told.get("bought"):
        assert "Atlas of Quiet Places" in titles
    if stage.told.get("answered"):
        assert [row["item"] for row in stage.bookshop.reads()] == ["Atlas of Quiet Places"]


@flow(then=is_marked)
def editing(stage: Stage) -> None:
    """She buys a book, and marks another as a gift, while the Bookshop may see her books."""
    stage.ada.buys("Atlas of Quiet Places")
    stage.told["bought"] = True
    salt = stage.ada.vault.catalogue.entries("title LIKE '%Salt%'")[0].number
    stage.ada.presses(f"/purchases/{salt}/gift")


def _asked(stage: Stage) -> None:
    pending = stage.bookshop.asks(PURCHASES)
    stage.scene.asked = (pending, "")


def given_and_replaced(stage: Stage) -> None:
    """Whatever was answered is there; the worker leaves the second of two grants, until nobody fetches it."""
    if stage.told.get("answered"):
        with pytest.raises(NoLongerShared):
            stage.bookshop.reads()
    living = [each for each in stage.house.keystore.alive(stage.scene.owner, "grant") if _row(stage, each) == "live"]
    with stage.house.main.reading() as session:
        causes = list(session.scalars(select(Grant.cause)))
    if stage.told.get("seen before"):
        assert (len(living), sorted(map(str, causes))) in ((1, ["None"]), (0, ["replaced", "unused"]))
    stage.told["seen before"] = True


def _row(stage: Stage, grant: bytes) -> str | None:
    with stage.house.main.reading() as session:
        return session.scalar(select(Grant.state).where(Grant.grant_id == grant))


@flow(_asked, then=given_and_replaced)
def giving_again(stage: Stage) -> None:
    """A second consent to the Bookshop takes the place of the first."""
    assert stage.scene.asked is not None
    stage.told["location"] = stage.ada.sees_consent(stage.scene.asked[0].authorize_url).allows()


def _allowed(stage: Stage) -> None:
    pending = stage.coffee.asks(TASTE)
    stage.scene.asked = (pending, stage.ada.sees_consent(pending.authorize_url).allows("item-0"))


def tokens_work(stage: Stage) -> None:
    """Tokens that were handed out work. A code whose answer was lost is used again, which may end the grant instead."""
    if not hasattr(stage.coffee, "connection"):
        assert stage.scene.asked is not None
        try:
            stage.coffee.connection = stage.coffee.finishes(*stage.scene.asked)
        except NoLongerShared:
            return
    assert stage.coffee.reads("preferences") == [{"topic": "maps", "stance": "like"}]


@flow(_allowed, then=tokens_work)
def exchanging(stage: Stage) -> None:
    """The coffee roaster exchanges its code."""
    assert stage.scene.asked is not None
    stage.coffee.connection = stage.coffee.finishes(*stage.scene.asked)


def _spent(stage: Stage) -> None:
    _allowed(stage)
    assert stage.scene.asked is not None
    stage.coffee.connection = stage.coffee.finishes(*stage.scene.asked)


def replay_ended_it(stage: Stage) -> None:
    """A code used twice ends its grant, and no other."""
    if stage.told.get("answered"):
        with pytest.raises(NoLongerShared):
            stage.coffee.reads("preferences")
    assert stage.bookshop.reads()


@flow(_spent, then=replay_ended_it)
def replaying(stage: Stage) -> None:
    """Somebody uses the coffee roaster's code again."""
    assert stage.scene.asked is not None
    with pytest.raises(NoLongerShared):
        stage.coffee.finishes(*stage.scene.asked)


def still_reads(stage: Stage) -> None:
    """A refresh token stays good, however often its use was cut short."""
    assert len(stage.bookshop.reads()) == 1


@flow(lambda stage: stage.house.clock.passes(minutes=11), then=still_reads)
def refreshing(stage: Stage) -> None:
    """The access token has run out."""
    assert stage.bookshop.reads()


def has_expired(stage: Stage) -> None:
    """Time has ended it, whoever noticed."""
    with pytest.raises(NoLongerShared):
        stage.bookshop.reads()


@flow(lambda stage: stage.house.clock.passes(days=31), then=has_expired)
def expiring(stage: Stage) -> None:
    """The worker finds a grant whose time is over."""
    tick(stage.house, sweep=True)


def one_passphrase_opens(stage: Stage) -> None:
    """One of the two from the first moment; the new one once it was answered; once the worker has passed, only one."""
    opened = [each for each in (PASSPHRASE, NEW) if _opens(stage, each)]
    assert opened
    if stage.told.get("answered"):
        assert opened == [NEW]
    if stage.told.get("seen before"):
        assert len(opened) == 1
    stage.told["seen before"] = True


def _opens(stage: Stage, passphrase: str) -> bool:
    """By each of her locks, as the vault would try it, but without deriving the same secret again and again."""
    with stage.house.main.reading() as session:
        rows = session.execute(select(Lock.lock_id, Lock.params, Lock.box).where(Lock.kind == "passphrase")).all()
    for lock, params, box in rows:
        pepper = stage.house.keystore.pepper(stage.scene.owner, lock)
        with suppress(Damaged):
            secret = _derived(passphrase, params)
            locks.open_lock("passphrase", stage.scene.owner, lock, secret, pepper or b"", params, box)
            return pepper is not None
    return False


_derived = cache(locks.passphrase_secret)


@flow(then=one_passphrase_opens)
def changing_the_passphrase(stage: Stage) -> None:
    """On the security page."""
    stage.ada.presses("/security/passphrase", old=PASSPHRASE, new=NEW)


def cookie_is_dead(stage: Stage) -> None:
    """What was locked stays locked."""
    browser = Returning(stage.house, stage.scene.session, stage.scene.owner, 0).browser
    opened = browser.get("/sharing").status_code == 200
    assert not (opened and stage.told.get("answered"))


@flow(then=cookie_is_dead)
def locking(stage: Stage) -> None:
    """She presses Lock."""
    stage.ada.looks_at("/purchases")
    stage.ada.presses("/lock")


@flow(then=lambda stage: None)
def unlocking(stage: Stage) -> None:
    """With the passphrase, on the page."""
    stage.ada.browser.delete_cookie("vault", domain="localhost")
    stage.ada.presses("/unlock", passphrase=PASSPHRASE)


def _an_old_copy_is_put_back(stage: Stage) -> None:
    house, salt = stage.house, stage.ada.vault.catalogue.entries("title LIKE '%Salt%'")[0].number
    stage.scene.old = stage.scene.directory.parent / "old"
    keep_copy(house, "database", stage.scene.old)
    before = revision_of(house, stage.scene.owner) or 0
    stage.presses("less", item="1")
    stage.ada.presses(f"/purchases/{salt}/gift")
    stage.ada.buys("Field Notes on Moss")
    stage.ada.looks_at("/purchases")
    stage.scene.lost = (revision_of(house, stage.scene.owner) or 0) - before


def is_held_and_counted(stage: Stage) -> None:
    """Neither the gift nor what was narrowed is seen; her page counts what was lost, once."""
    for collection in ("purchases", "preferences"):
        with pytest.raises(Paused):
            stage.bookshop.reads(collection)
    assert stage.ada.open.lost == stage.scene.lost
    assert "Field Notes on Moss" not in stage.ada.looks_at("/purchases")


@flow(_an_old_copy_is_put_back, then=is_held_and_counted)
def facing_an_old_copy(stage: Stage) -> None:
    """A vendor's read is the first to find it."""
    with pytest.raises(Paused):
        stage.bookshop.reads()


def _looks_at_what_is_held(stage: Stage) -> None:
    alive = stage.house.keystore.alive(stage.scene.owner, "grant")
    stage.house.keystore.hold_old_copy(stage.scene.owner, {stage.grant: alive[stage.grant].version})
    stage.scene.lost = 1
    stage.scene.digest = _digest(stage)


def _digest(stage: Stage) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]+)"', stage.ada.looks_at(f"/sharing/{stage.grant.hex()}"))
    return found[1] if found else ""


def goes_on_as_allowed(stage: Stage) -> None:
    """It goes on once it was answered; otherwise she may have to allow it once more."""
    if not stage.told.get("answered") and (digest := _digest(stage)):
        with pytest.raises(Paused):
            stage.bookshop.reads()
        stage.presses("resume", digest=digest)
    assert len(stage.bookshop.reads()) == len(stage.bookshop.reads("preferences")) == 1


@flow(_looks_at_what_is_held, then=goes_on_as_allowed)
def allowing_again(stage: Stage) -> None:
    """A new consent to what an old copy has held."""
    stage.presses("resume", digest=stage.scene.digest)


@pytest.mark.parametrize("name", MADE)
def test_the_power_fails_anywhere_while(name: str, scene: Scene, tmp_path: Path) -> None:
    assert cut_everywhere(scene, tmp_path, *MADE[name])


def test_the_power_fails_anywhere_while_setting_up(tmp_path: Path) -> None:
    power, at = Power(0), 0
    while power.failed:
        at, power = at + 1, Power(at + 1)
        house = fragile(house_in(tmp_path / str(at), Clock()), power)
        with suppress(PowerCut):
            keyring = set_up.set_up(house, handle="ada", name="Ada", passphrase=PASSPHRASE, notice=None, first=True)
            sessions.begin(house, keyring)
        after = house_in(tmp_path / str(at), Clock())
        tick(after, sweep=True)
        if set_up.set_up_address(after) is not None:
            set_up.set_up(after, handle="ada", name="Ada", passphrase=PASSPHRASE, notice=None, first=True)
        keyring = unlock.with_passphrase(after, "", PASSPHRASE, address="test")
        _string, vault = sessions.begin(after, keyring)
        assert vault.settings["recovery"]
        with store.writing(vault, numbers=1) as turn:
            store.add(turn, vault, Preference(topic="maps", stance="like"))
        after.stop()
        for database in house.databases:
            database.dispose()
    assert len(power.steps) >= 4
