"""Ada's days in whatever order chance gives them: her records, her clock, old copies of her database."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.consent.racing import Returning, back
from tests.consent.reference import ACCESS, BOOKS, PROFILE, TASTE, Reference
from tests.houses import copy_house, keep_copy, put_copy_back, raw
from tests.people import Ada, Bookshop, Clock, house_in
from vault import sessions, store, trash
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday, Email
from vault.collections.purchases import Purchase
from vault.collections.vendors import Vendor
from vault.keyring import Keyring
from vault.record import Record
from vault.values import When
from vault.worker import tick

MAIN = ("vault.db", "vault.db-wal")

some_vendor = st.sampled_from(["bookshop", "coffee"])
days = st.sampled_from(["2025-03-01", "2026-03", "2026", "2026-10-22", "2026-11-18", "2026-11-22"])
changes = st.one_of(
    st.fixed_dictionaries({"rating": st.integers(1, 5)}),
    st.fixed_dictionaries({"category": st.sampled_from(["books", "coffee"])}),
    st.fixed_dictionaries({"bought_on": days}),
    st.fixed_dictionaries({"vendor": some_vendor}),
    st.fixed_dictionaries({"item": st.sampled_from(["Salt", "Moss", "Tides"])}),
)


class Home(RuleBasedStateMachine):
    """Ada's house and two vendors at its door, beside the reference that says what they may see."""

    furnished: tuple[Path, str, Keyring]
    shops: dict[str, Bookshop]
    place: Callable[[], Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.place()
        copy_house(self.furnished[0], self.folder / "house")
        self.clock = Clock()
        self.reference = Reference(self.clock.now)
        house = house_in(self.folder / "house", self.clock)
        string, vault = sessions.begin(house, self.furnished[2])
        self.ada = Returning(house, string, vault.owner_id, 0)
        self.home = self.clock.now
        self.numbers = {
            name: self.keeps(Vendor(called=name, domains=(f"{shop.host}.localhost",)))
            for name, shop in self.shops.items()
        }
        self.present: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.refreshing: dict[str, str] = {}
        self.former: list[tuple[str, str]] = []
        self.counted, self.revision, self.written = 0, 0, 0
        for shop in self.shops.values():
            shop.visits(self.ada)
        self.copy_is_kept()

    def teardown(self) -> None:
        self.ada.house.stop()
        shutil.rmtree(self.folder)

    # Ada at home.
    def at_home(self) -> None:
        """Her session lasts a quarter of an hour; after that she unlocks first."""
        if (self.clock.now - self.home).total_seconds() >= 600:
            self.unlocks()

    @precondition(lambda home: home.clock.now > home.home)
    @rule()
    def unlocks(self) -> None:
        self.ada.comes_with(sessions.begin(self.ada.house, self.furnished[2])[0])
        self.home = self.clock.now
        self.reference.unlocks()

    def keeps(self, record: Record) -> int:
        return Ada.keeps(self.ada, record).number

    def writes(self, number: int, after: dict[str, Any] | None) -> None:
        self.reference.writes(number, after)

    @rule(item=st.sampled_from(["Salt", "Moss"]), on=days, where=some_vendor, more=changes)
    def buys(self, item: str, on: str, where: str, more: dict[str, Any]) -> None:
        self.at_home()
        said = {"item": item, "bought_on": on, "for_whom": "me", "vendor": where, **more}
        said["vendor"] = self.numbers[said["vendor"]]
        number = self.keeps(Purchase(**{**said, "bought_on": When(said["bought_on"])}))
        self.writes(number, {"in": BOOKS, **said})

    @rule(topic=st.sampled_from(["maps", "tea"]), stance=st.sampled_from(["like", "never"]))
    def prefers(self, topic: str, stance: str) -> None:
        self.at_home()
        number = self.keeps(Preference(topic=topic, stance=stance))
        self.writes(number, {"in": TASTE, "topic": topic, "stance": stance})

    def has_a_profile(self, born: str) -> None:
        self.writes(self.keeps(Birthday(born_on=When(born))), {"in": PROFILE, "born_on": born})
        self.writes(self.keeps(Email(address="ada@home.test")), {"in": PROFILE, "email.address": "ada@home.test"})
        self.buys("Salt", "2026-10-22", "bookshop", {"category": "books"})
        self.buys("Moss", "2026-11-20", "bookshop", {"for_whom": "gift"})
        self.prefers("maps", "like")

    def some(self, data: st.DataObject, collection: str) -> int | None:
        found = [number for number, each in self.reference.main.records.items() if each["in"] == collection]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(data=st.data(), change=changes)
    def edits(self, data: st.DataObject, change: dict[str, Any]) -> None:
        said = {**change, "vendor": self.numbers[change["vendor"]]} if "vendor" in change else change
        self.changes(self.some(data, BOOKS), said)

    @rule(data=st.data(), whom=st.sampled_from(["gift", "gift", "me"]))
    def marks(self, data: st.DataObject, whom: str) -> None:
        self.changes(self.some(data, BOOKS), {"for_whom": whom})

    def changes(self, number: int | None, said: dict[str, Any]) -> None:
        self.at_home()
        if number is not None:
            with store.writing(self.ada.open) as turn:
                store.change(turn, self.ada.open, number, said)
            self.writes(number, {**self.reference.main.records[number], **said})

    @rule(data=st.data(), collection=st.sampled_from([BOOKS, BOOKS, TASTE, PROFILE]))
    def removes(self, data: st.DataObject, collection: str) -> None:
        self.at_home()
        number = self.some(data, collection)
        if number is not None:
            with store.writing(self.ada.open) as turn:
                store.remove(turn, self.ada.open, number)
            self.writes(number, None)

    @precondition(lambda home: home.reference.main.trash)
    @rule(data=st.data())
    def puts_back(self, data: st.DataObject) -> None:
        self.at_home()
        number = data.draw(st.sampled_from(sorted(self.reference.main.trash)))
        with store.writing(self.ada.open) as turn:
            trash.restore(turn, self.ada.open, number)
        self.writes(number, self.reference.main.trash.pop(number)[0])

    @rule(who=some_vendor, alias=st.sampled_from(["a1@alias.test", "a2@alias.test"]))
    def keeps_an_address_for(self, who: str, alias: str) -> None:
        self.at_home()
        with store.writing(self.ada.open) as turn:
            store.change(turn, self.ada.open, self.numbers[who], {"alias": alias})
        self.reference.keeps_address(self.numbers[who], alias)

    @rule(
        how_long=st.sampled_from(
            [{"minutes": 5}, {"minutes": 11}, {"minutes": 11}, {"hours": 3}, {"days": 1}, {"days": 3}, {"days": 31}]
        )
    )
    def time_passes(self, how_long: dict[str, int]) -> None:
        self.clock.passes(**how_long)
        self.reference.passes(**how_long)
        tick(self.ada.house, sweep=True)

    def lives(self, who: str) -> str | None:
        grant = self.present.get(who)
        known = grant is not None and grant in self.reference.main.grants and grant not in self.reference.dead
        return grant if known else None

    def presses(self, who: str, what: str, status: int = 303, **form: str) -> str | None:
        """Press a button on the page of a vendor's present grant; its id, if there was one."""
        self.at_home()
        grant = self.lives(who)
        if grant is not None:
            self.ada.presses(f"/sharing/{grant}/{what}", status, **form)
        return grant

    # Old copies.
    @precondition(lambda home: home.written > 3)
    @rule()
    def copy_is_kept(self) -> None:
        keep_copy(self.ada.house, "database", self.folder / "kept")
        self.revision, self.written = self.row("SELECT revision FROM owners")[0], 0
        self.reference.copy_is_kept()

    @precondition(lambda home: home.written > 2)
    @rule()
    def copy_comes_back(self) -> None:
        floor = self.ada.house.keystore.floor(self.ada.owner_id)
        self.ada.house.stop()
        put_copy_back(self.folder / "house", "database", self.folder / "kept")
        self.ada = back(self.ada, house_in(self.folder / "house", self.clock))
        for shop in self.shops.values():
            shop.visits(self.ada)
        self.reference.copy_comes_back(old=self.revision < floor)
        self.written = 0
        self.unlocks()

    def row(self, statement: str) -> Any:
        with raw(self.ada.house.main) as say:
            return say(statement)[0]

    def token_of(self, who: str) -> str | None:
        """A token that works, by its refresh token if need be; None, and refused as it should be, if nothing does."""
        grant, shop = self.present.get(who), self.shops[who]
        if grant is None:
            return None
        if not self.reference.refuses_token(grant, self.tokens[who]):
            return self.tokens[who]
        assert shop.looks(f"/vendor/v1/{BOOKS}", self.tokens[who]).json()["code"] == "invalid_token"
        row = self.reference.main.grants.get(grant)
        answer = shop.refreshes(self.refreshing[who])
        if not self.reference.lives(grant) or row is None:
            assert answer.json()["error"] == "invalid_grant", answer.text
            return None
        self.tokens[who] = answer.json()["access_token"]
        row.access[self.tokens[who]] = min(self.reference.now + ACCESS, row.until)
        return self.tokens[who]

    @invariant()
    def a_step_is_over(self) -> None:
        self.written += 1

    def everything(self, who: str, token: str, collection: str) -> tuple[str, list[dict[str, Any]]]:
        """All pages of a collection, or the code of the refusal."""
        rows: list[dict[str, Any]] = []
        after = ""
        while True:
            answer = self.shops[who].looks(f"/vendor/v1/{collection}?limit=3{after}", token).json()
            if "code" in answer:
                return answer["code"], []
            rows += [each["data"] for each in answer["items"]]
            if len(answer["items"]) + len(answer["gone"]) < 3:
                return "", rows
            after = f"&after={answer['next']}"
