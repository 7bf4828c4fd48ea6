"""A house in which Ada has done a little of everything, and everybody who comes by there: what each of them meets."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlalchemy import delete, func, select, update

from connectors import course, lease, resuming
from connectors.uploads import SealedUpload
from connectors.vendor_client import Pending, SharingError
from connectors.vendor_client.proofs import key_from_json
from consent import access, grants
from consent.models import Erasure, Grant, PushedRequest, Seen
from tests.conftest import PASSPHRASE
from tests.houses import copy_house
from tests.people import ISSUER, TASTE, Ada, Bookshop, Clock, calls_out, house_in
from tests.vault.test_format import tokens
from tests.vault.test_tampering import ASKED_LATER, SECOND, bram_moves_in, calls, leaves, life_of
from vault import attempts, choices, departure, jobs, sessions, unlock, worker
from vault.app import create_app
from vault.crypto import Damaged, seal
from vault.errors import NotFound, VaultError
from vault.export import export
from vault.keyring import Keyring
from vault.kit import vault_number
from vault.models import Attempt, Certificate, Job, Main, Owner

CHANGING = re.compile(r"[0-9a-f]{16,}|vrm_\w+|[A-Za-z0-9_-]{40,}")
NOT_HERS, HERS = re.compile("[Gg]eese"), re.compile("Almanac|Moss|Lantern")
NOT_GIVEN = re.compile("Lantern|Moss|12-10|over_18")  # a gift, what is in the trash, and what was taken out again
VENDORS = ("asks", "exchanges", "leaves", "share link")
GUESSER = "192.0.2.7"  # an address from which others have guessed


@dataclass
class Lived:
    """A house that stands still, a copy from before, and what was handed out."""

    now: Path
    before: Path
    clock: Clock
    keyring: Keyring
    bram: Keyring
    code: str
    shop: Bookshop
    coffee: Bookshop
    looked_at: tuple[bytes, ...]  # permissions: a living one, and one that has ended
    session: str
    brams: str
    places: dict[str, str]
    unspent: tuple[Pending, str]
    form: dict[str, str]
    proof: str


def live(furnished: tuple[Path, str, Keyring], shop: Bookshop, coffee: Bookshop, directory: Path) -> Lived:
    """Ada has done a little of everything, and then some of it once more; Bram lives beside her."""
    clock = Clock()
    house = house_in(copy_house(furnished[0], directory), clock, smtp_url="smtp://127.0.0.1:9")
    ada = _at_home(house, furnished[2], shop, coffee)
    life_of(ada, shop, coffee)
    bram, _secrets = bram_moves_in(house)
    choices.keep(bram, {"recovery": None})
    link = ada.shares(ada.buys("The Weathervane"), views="3")
    ada.browser.post(link, data={"answer": "show"})
    for each in course.standings(ada.vault):
        resuming.stop(ada.vault, each.import_id)
    house.stop()
    before = Path(shutil.copytree(directory, directory.with_name("before")))
    house = house_in(directory, clock, smtp_url="smtp://127.0.0.1:9")
    ada = _at_home(house, furnished[2], shop, coffee)
    ada.presses("/purchases/3/note", note="for the shelf by the door")
    ada.presses("/security/quiet", quiet="30")
    grant = shop.connection.grant_id
    ada.presses(f"/sharing/{grant}/less", item="2")
    calls(shop, "purchases")
    pending = coffee.asks(TASTE)
    unspent = pending, ada.sees_consent(pending.authorize_url).allows("item-0")
    ada.sees_consent(coffee.asks(ASKED_LATER).authorize_url).answers("offer", "field-0-item")
    with house.main.transaction() as writing:
        writing.execute(delete(PushedRequest))
    places = _places(ada, grant) | {"share link": link}
    places["denied"] = coffee.asks(ASKED_LATER).authorize_url.removeprefix(ISSUER)
    with house.main.transaction() as writing:
        writing.execute(delete(Seen))
    form, proof = shop.form() | shop.asserts(), _proof(shop)
    pushed = shop.http.post("/oauth/par", data=form).json()["request_uri"]
    places["request"] = "/authorize?" + urlencode({"client_id": shop.client_id, "request_uri": pushed})
    shop.looks("/vendor/v1/purchases", tokens(shop)[0], proof=proof)
    ended = bytes.fromhex(places["ended"].rpartition("/")[2])
    _fills_the_rest(ada, bytes.fromhex(grant), ended)
    session, vault = sessions.begin(house, furnished[2])
    sessions.end_others(vault)
    brams, _vault = sessions.begin(house, bram.keyring)
    house.stop()
    people = furnished[2], bram.keyring, furnished[1], shop, coffee
    handed_out = session, brams, places, unspent, form, proof
    return Lived(directory, before, clock, *people, (bytes.fromhex(grant), ended), *handed_out)


def _at_home(house: Any, keyring: Keyring, *shops: Bookshop) -> Ada:
    ada = Ada(house, PASSPHRASE, keyring)
    for shop in shops:
        shop.visits(ada)
    return ada


def _proof(shop: Bookshop) -> str:
    key = key_from_json(json.loads(shop.connection.to_json())["dpop_key"])
    return shop.proves("GET", f"{ISSUER}/vendor/v1/purchases", token=tokens(shop)[0], key=key)


def _places(ada: Ada, grant: str) -> dict[str, str]:
    """Where her permissions, their receipts, her files and imports are, and the link that stops one."""
    pages = "".join(ada.looks_at(path) for path in ("/imports", "/purchases/2", f"/sharing/{grant}"))
    found = dict(re.findall(r'href="(?=/(files|imports)/)(/\w+/[0-9a-f]{32})', pages))
    receipts = re.findall(r'href="(/receipts/[0-9a-f]{32})"', pages)
    screens = [each for each in receipts if ada.browser.get(f"{each}/screen.html").status_code == 200]
    hers = ada.owner_id, bytes.fromhex(grant)
    pepper = ada.house.keystore.pepper(*hers) or b""
    with ada.house.main.transaction() as session:
        link = grants.make_link(session, ada.house, *hers, pepper, ada.house.now + 3600)
        ended = session.scalars(select(Grant.grant_id).where(Grant.cause == "revoked")).one().hex()
    (end, *_agreed) = re.findall(r'href="(/receipts/[0-9a-f]{32})"', ada.looks_at(f"/sharing/{ended}"))
    found |= {"receipt": screens[-1], "screen": f"{screens[-1]}/screen.html", "receipt of the end": end}
    return found | {
        "grant": f"/sharing/{grant}",
        "ended": f"/sharing/{ended}",
        "erasure": f"/sharing/{ended}/erasure",
        "link": f"/r/{link}",
    }


def _fills_the_rest(ada: Ada, grant: bytes, ended: bytes) -> None:
    """What an ordinary life leaves empty: guesses, a refusal, a message about what was read, an old copy, a parting."""
    house, owner = ada.house, ada.owner_id
    with house.main.transaction() as session:
        session.execute(delete(Attempt))
    for _try in range(6):
        attempts.admit(house, address=GUESSER)
    access.count_refusal(house, owner, grant)
    access.write_refusals(house)
    box = seal(house.keys.seal, departure._about(owner), b"a signed text")
    with house.main.transaction() as session:
        session.add(Erasure(owner_id=owner, grant_id=ended, asked_day=20000))
        session.add(Attempt(tag=bytes(32), count=99, until=house.now))
        session.add(Certificate(owner_id=owner, box=box))
        session.execute(update(Owner).where(Owner.owner_id == owner).values(lost=2))


class Street:
    """A copy of that house with a server in it, and everybody who comes by. Each of `met` says what one meets."""

    def __init__(self, lived: Lived, there: Path) -> None:
        self.lived, self.there, self.owner = lived, copy_house(lived.now, there), lived.keyring.owner_id
        self.starts()

    def starts(self) -> None:
        """A server starts. It may refuse to: then the one before is still there."""
        self.house = house_in(self.there, self.lived.clock)
        self.app = create_app(self.house)
        self.app.testing = True  # an exception that is none of ours ends the test
        for shop in (self.lived.shop, self.lived.coffee):
            shop.visits(SimpleNamespace(app=self.app, house=self.house))  # type: ignore[arg-type]

    def made_new(self) -> None:
        """The house is as it was, and nobody remembers anything but the server's keys."""
        self.house.stop()
        shutil.rmtree(self.there)
        copy_house(self.lived.now, self.there)
        self.house.memory.clear()

    def looks(self, path: str, session: str = "", **form: str) -> str:
        """What a page says: its status, and its words without what is new every time."""
        browser = self.app.test_client()
        browser.set_cookie("vault", session or self.lived.session, domain="localhost")
        options: dict[str, Any] = {"data": form, "headers": {"Sec-Fetch-Site": "same-origin"}} if form else {}
        answer = browser.open(path, method="POST" if form else "GET", **options)
        assert "The vault stumbled" not in answer.text, path
        return f"{answer.status_code} {answer.headers.get('Location', '')} {CHANGING.sub('', answer.text)}"

    def page(self, where: str) -> str:
        """One of her pages; of what has no address yet there is none."""
        return self.looks(self.lived.places.get(where, where))

    def asks(self, collection: str) -> str:
        """What the Bookshop is answered."""
        return _said(calls(self.lived.shop, collection))

    def asks_again(self) -> str:
        """With a proof that it has used already."""
        shop = self.lived.shop
        return _said(shop.looks("/vendor/v1/purchases", tokens(shop)[0], proof=self.lived.proof))

    def pushes(self) -> str:
        """The Bookshop asks for something else."""
        return str(self.lived.shop.pushes().status_code)

    def pushes_again(self) -> str:
        """With a signature that it has used already."""
        return str(self.lived.shop.http.post("/oauth/par", data=self.lived.form).status_code)

    def refreshes(self) -> str:
        """The Bookshop wants another token."""
        return str(self.lived.shop.refreshes(tokens(self.lived.shop)[1]).status_code)

    def exchanges(self) -> str:
        """The coffee shop exchanges the code that it was given."""
        try:
            return f"open {self.lived.coffee.finishes(*self.lived.unspent).read('preferences').records}"
        except SharingError as refused:
            return f"{refused!r}"

    def leaves(self) -> str:
        """The Bookshop leaves what it has left before, and a second later something new, which so stands below it."""
        shop, mug = self.lived.shop, {"item": "The Weathervane", "bought_on": "2026-11-20"}
        new = {**mug, "item": "A mug"}
        key = key_from_json(json.loads(shop.connection.to_json())["dpop_key"])
        before = _said(leaves(shop, mug))
        self.lived.clock.passes(seconds=1)
        after = _said(shop.leaves(tokens(shop)[0], new, under="2", key=key))
        self.lived.clock.passes(seconds=-1)
        return before + after

    def comes_in(self, handle: str = "ada", passphrase: str = PASSPHRASE, address: str = "198.51.100.1") -> str:
        """Somebody types a passphrase."""
        return self._opens(lambda: unlock.with_passphrase(self.house, handle, passphrase, address=address))

    def comes_in_by_code(self) -> str:
        """She types her printed code."""
        return self._opens(lambda: unlock.with_recovery_code(self.house, "ada", self.lived.code))

    def _opens(self, door: Any) -> str:
        try:
            string, _vault = sessions.begin(self.house, door())
        except (VaultError, Damaged) as refused:
            return type(refused).__name__
        return self.looks("/", string)

    def writes(self) -> str:
        """She adds something, and makes a gift of what the Bookshop is shown."""
        new = self.looks("/notes/new", heading="Kettle", text="Descale it in spring.")
        there = re.search(r"/notes/\d+", new)
        changed = self.looks("/purchases/2/gift", gift="yes")
        return new + (self.looks(there[0]) if there else "") + changed + self.asks("purchases")

    def takes_all_along(self) -> str:
        """Her export."""
        try:
            vault = sessions.open_session(self.house, self.lived.session)
            return CHANGING.sub("", b"".join(export(vault)).decode())
        except (VaultError, Damaged) as refused:
            return type(refused).__name__

    def goes_on_reading(self) -> str:
        """The file that she has brought, its report, and the lease of its import."""
        try:
            vault = sessions.open_session(self.house, self.lived.session)
            number = bytes.fromhex(self.lived.places["imports"].rpartition("/")[2])
            at = course.standing(vault, number)
            read = SealedUpload(vault, number, at.course).read(0, at.course.size)
            taken = lease.take(vault, number, resuming.UNDER_WAY)
            return f"{at.state} {at.course} {len(read)} {course.report(vault, number)} {taken is not None}"
        except (VaultError, Damaged) as refused:
            return type(refused).__name__

    def sweeps(self) -> str:
        """What the worker leaves now."""
        self._goes_round()
        return self._left()

    def _goes_round(self) -> None:
        worker.tick(self.house, sweep=True)
        calls_out(self.house)

    def works(self) -> str:
        """What it leaves now, and in forty days."""
        now = self.sweeps()
        self.lived.clock.passes(days=40)
        self._goes_round()
        later = self._left()
        self.lived.clock.passes(days=-40)
        return f"{now} {later}"

    def _left(self) -> str:
        with self.house.main.reading() as session:
            tables = Main.metadata.sorted_tables
            rows = {each.name: session.scalar(select(func.count()).select_from(each)) for each in tables}
            waiting = Counter(map(tuple, session.execute(select(Job.kind, Job.attempts))))
            states = Counter(map(tuple, session.execute(select(Grant.state, Grant.cause))))
        return f"{rows} {sorted(waiting.items())} {sorted(states.items(), key=str)} {self._alive()}"

    def _alive(self) -> list[int]:
        return [len(self.house.keystore.alive(self.owner, kind)) for kind in ("lock", "session", "grant")]

    def met(self, *who: str) -> dict[str, str]:
        """What Bram meets, who has nothing to do with any of it, and then each of them, one after the other.

        Whatever is spoilt, nobody is shown what is another's, and no vendor what it was not given.
        """
        met = {each: self._meets(each) for each in ("bram", *who)}
        for each, said in met.items():
            assert not NOT_HERS.search(said) or each.startswith("bram"), f"{each} is shown what is Bram's"
            assert not HERS.search(said) or not each.startswith("bram"), f"{each} is shown what is Ada's"
            assert not NOT_GIVEN.search(said) or not each.startswith(VENDORS), f"{each}: {said}"
        return met

    def _meets(self, who: str) -> str:
        if who == "bram":
            return self.looks("/notes", self.lived.brams)
        if who == "certificate":
            return self.looks(f"/deleted/{vault_number(self.owner)}")
        if who == "share link":
            return self.looks(self.lived.places[who], answer="show")
        if who == "guesses":
            return self.comes_in(address=GUESSER)
        if who == "bram comes in":
            return self.comes_in("bram", SECOND)
        if who.startswith("asks "):
            return self.asks(who.removeprefix("asks "))
        return str(getattr(self, who)()) if hasattr(self, who) else self.page(who)

    def still_stops(self) -> None:
        """Whatever is spoilt, she ends it all, by whichever way is left, and the worker goes on with what is new."""
        if "stopped-all" not in self.looks("/sharing/stop-all", answer="stop"):
            self._stops_anew()
        said = self.asks("purchases")
        assert said.startswith("401"), f"what she has stopped is still shown: {said}"
        with self.house.main.transaction() as session:
            payload = {"grant": "00", "version": 1}
            job = jobs.enqueue(session, self.house, self.lived.bram.owner_id, "raise_version", payload)
        worker.tick(self.house, sweep=False)
        with self.house.main.reading() as session:
            assert session.scalar(select(Job.job_id).where(Job.job_id == job)) is None, "the worker stands still"

    def _stops_anew(self) -> None:
        """Her session is spoilt: a new one does it; where her keys are, a link from a mail or the command does."""
        with suppress(VaultError, Damaged):
            session, _vault = sessions.begin(self.house, self.lived.keyring)
            if "stopped-all" in self.looks("/sharing/stop-all", session, answer="stop"):
                return
        for grant in self.house.keystore.alive(self.owner, "grant"):
            with suppress(NotFound):
                grants.end(self.house, self.owner, grant, "revoked")


def _said(answer: httpx.Response) -> str:
    if "json" not in answer.headers["Content-Type"]:
        return f"{answer.status_code} {len(answer.text)}"
    shown = {name: value for name, value in answer.json().items() if name not in ("request_id", "access", "deposit_id")}
    assert shown.get("code") != "failed", answer.text
    return f"{answer.status_code} {CHANGING.sub('', json.dumps(shown))}"
