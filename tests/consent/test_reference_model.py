"""Whatever Ada does, in whatever order: what each vendor reads is what a plain description of the house says it may.

A few short lives in every run; VRM_MODEL_LIVES and VRM_MODEL_STEPS tell more and longer ones, drawn at random.
"""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from consent import revocation, views
from tests.consent.living import Home, days, some_vendor
from tests.consent.reference import ACCESS, BOOKS, DAY, PROFILE, TASTE, Grant, allowed, said
from tests.people import ISSUER, Bookshop, details, query
from vault.keyring import Keyring

LIVES, STEPS = (int(os.environ.get(f"VRM_MODEL_{name}", usual)) for name, usual in (("LIVES", 4), ("STEPS", 20)))
ASKED: dict[str, Any] = {"why": "Because.", "purpose": "ServiceProvision", "duration": "P90D", "optional": True}
narrowings = st.fixed_dictionaries(
    {},
    optional={
        "vendor": st.just("this"),
        "since": st.sampled_from(["2026-01-01", "2026-11-01"]),
        "up_to": st.just("2026-11-20"),
        "category": st.just(["books"]),
        "delay": st.sampled_from(["P1D", "P3D", "P30D"]),
    },
)
limits = st.sampled_from([{}, {}, {"looks": 2}, {"looks_per_day": 1}])
often = st.sampled_from(["asked", "asked", "daily", "once"])
parts = st.sets(st.sampled_from(["books", "gifts", "topic", "birthday", "email", "deposit"]), min_size=1)


def any_lives(house: House) -> bool:
    """Does anybody hold a permission at all?"""
    return any(house.lives(who) for who in house.present)


class House(Home):
    """What she gives, and takes away; what vendors leave; and what they get for it."""

    def teardown(self) -> None:
        """Every life ends with a copy that lacks one purchase, so that none goes by without an old one."""
        try:
            self.copy_is_kept()
            self.buys("Tides", "2026-10-22", "bookshop", {})
            self.copy_comes_back()
            self.each_reads_exactly_what_it_may()
            self.nothing_that_ended_ever_answers_again()
        finally:
            super().teardown()

    # Giving, and less of it.
    @rule(
        who=some_vendor,
        picked=parts,
        unticked=parts,
        extra=st.booleans(),
        narrowing=narrowings,
        limit=limits,
        how=often,
        gifts=st.booleans(),
        length=st.sampled_from([30, 90]),
    )
    def gives(
        self,
        who: str,
        picked: set[str],
        unticked: set[str],
        *,
        extra: bool,
        narrowing: dict[str, Any],
        limit: dict[str, int],
        how: str,
        gifts: bool,
        length: int,
    ) -> None:
        self.at_home()
        shop, vendor = self.shops[who], self.numbers[who]
        asked, items, takes, ticks = [], {}, None, []
        for number, part in enumerate(sorted(picked | unticked)):
            asked.append(asked_for(part, narrowing, limit))
            if part not in picked:
                continue
            ticks.append(f"item-{number}")
            if part == "deposit":
                takes = number
                continue
            optional = tuple(asked[-1].get("optional_fields", ())) if extra else ()
            ticks += [f"field-{number}-{path}" for path in optional] + ([f"gifts-{number}"] if gifts else [])
            items[number] = allowed(asked[-1], optional, vendor, gifts=gifts)
        page = self.ada.sees_consent(shop.consent_address(authorization_details=details(*asked)))
        answer = shop.redeems(query(page.allows(*ticks, days=str(length), often=how))["code"]).json()
        looks, per_day = limit.get("looks"), limit.get("looks_per_day")
        if not any(each["type"] == "vault_data" for each in asked):
            looks = per_day = None
        looks, per_day = (1 if how == "once" else looks), (1 if how == "daily" else per_day)
        row = Grant(
            vendor,
            items,
            takes,
            self.reference.now + length * DAY,
            looks,
            per_day,
            {answer["access_token"]: self.reference.now + ACCESS},
        )
        self.reference.gives(answer["grant_id"], row)
        if who in self.present:
            self.former.append((who, self.tokens[who]))
        self.present[who] = answer["grant_id"]
        self.tokens[who], self.refreshing[who] = answer["access_token"], answer["refresh_token"]

    @initialize(
        born=st.sampled_from(["2008-11-23", "2008-11-25", "1986-12-10"]),
        who=some_vendor,
        picked=parts,
        limit=limits,
        how=often,
    )
    def has_given_something(self, born: str, who: str, picked: set[str], limit: dict[str, int], how: str) -> None:
        self.has_a_profile(born)
        self.gives(who, picked, {"books"}, extra=True, narrowing={}, limit=limit, how=how, gifts=False, length=90)
        self.copy_is_kept()

    @precondition(any_lives)
    @rule(who=some_vendor, data=st.data())
    def narrows(self, who: str, data: st.DataObject) -> None:
        row = self.reference.main.grants.get(self.lives(who) or "")
        if row is None:
            return
        number = data.draw(st.sampled_from([*row.items, *([] if row.takes is None else [row.takes])]))
        if grant := self.presses(who, "less", item=str(number)):
            self.reference.takes_away(grant, number)

    @precondition(any_lives)
    @rule(who=some_vendor, length=st.sampled_from([1, 7, 30]))
    def shortens(self, who: str, length: int) -> None:
        until, grant = self.reference.now + length * DAY, self.lives(who)
        sooner = grant is not None and until < self.reference.main.grants[grant].until
        if (grant := self.presses(who, "sooner", 303 if sooner else 404, days=str(length))) and sooner:
            self.reference.shortens(grant, until)

    @precondition(any_lives)
    @rule(who=some_vendor)
    def pauses(self, who: str) -> None:
        if grant := self.presses(who, "pause"):
            self.reference.pauses(grant)

    @precondition(any_lives)
    @rule(who=some_vendor)
    def resumes(self, who: str) -> None:
        """After an old copy a click is not enough: she looks at what would be seen, and agrees to that."""
        self.at_home()
        grant = self.lives(who)
        if grant is None:
            return
        digest = re.search(r'name="digest" value="([0-9a-f]+)"', unescape(self.ada.looks_at(f"/sharing/{grant}")))
        held = self.reference.held.get(grant)
        assert (digest is not None) == (held == "old copy")
        self.presses(who, "resume", **({"digest": digest[1]} if digest else {}))
        if held == "old copy":
            self.reference.agrees_again(grant)
        self.reference.held.pop(grant, None)

    @precondition(any_lives)
    @rule(who=some_vendor, by_link=st.booleans())
    def stops(self, who: str, *, by_link: bool) -> None:
        self.at_home()
        grant = self.lives(who)
        if grant is None:
            return
        if by_link:
            with self.ada.house.main.reading() as session:
                link = revocation.fresh_link(self.ada.open, views.read(session, self.ada.open, bytes.fromhex(grant)))
            assert (
                self.ada.app.test_client().post(link.removeprefix(ISSUER), data={"answer": "stop"}).status_code == 200
            )
        else:
            self.presses(who, "stop")
        self.reference.dead.add(grant)

    # What vendors leave.
    @precondition(any_lives)
    @rule(who=some_vendor, item=st.sampled_from(["Left", "Brought"]), on=days)
    def leaves(self, who: str, item: str, on: str) -> None:
        token, grant = self.token_of(who), self.present.get(who)
        if token is None or grant is None:
            return
        said, row = {"item": item, "bought_on": on}, self.reference.main.grants[grant]
        self.counted += 1
        answer = self.shops[who].leaves(token, said, under=str(self.counted))
        refused = "paused" if grant in self.reference.held else "not_granted" if row.takes is None else ""
        assert answer.json().get("code", "") == refused, answer.text
        if not refused:
            self.reference.main.waiting[answer.json()["deposit"]] = (grant, row.vendor, said)

    @precondition(lambda house: house.reference.main.waiting)
    @rule(data=st.data(), kept=st.booleans())
    def decides(self, data: st.DataObject, *, kept: bool) -> None:
        self.at_home()
        waiting = self.reference.main.waiting
        if not waiting:
            return
        deposit = data.draw(st.sampled_from(sorted(waiting)))
        _grant, vendor, said = waiting.pop(deposit)
        self.ada.presses(f"/inbox/{deposit}/{'keep' if kept else 'drop'}")
        if kept:
            (number,) = self.row("SELECT last_record FROM owners")
            self.writes(number, {"in": BOOKS, "for_whom": "me", **said, "vendor": vendor})

    @precondition(any_lives)
    @rule(who=some_vendor)
    def takes_no_more(self, who: str) -> None:
        self.at_home()
        grant, waiting = self.lives(who), self.reference.main.waiting
        if grant is None:
            return
        self.ada.presses(f"/inbox/from/{grant}/block")
        takes = self.reference.main.grants[grant].takes
        if takes is not None:
            self.reference.takes_away(grant, takes)
        for deposit in [each for each, (by, *_) in waiting.items() if by == grant]:
            del waiting[deposit]

    @invariant()
    def each_reads_exactly_what_it_may(self) -> None:
        for who, grant in list(self.present.items()):
            token = self.token_of(who)
            for collection in (BOOKS, TASTE, PROFILE) if token else ():
                refused = self.reference.looks_at(grant, collection)
                code, rows = self.everything(who, str(token), collection)
                assert code == refused, (who, collection)
                if not refused:
                    assert said(rows) == said(self.reference.reads(grant, collection)), (who, collection)

    @invariant()
    def nothing_that_ended_ever_answers_again(self) -> None:
        for who, token in self.former[-4:]:
            assert self.shops[who].looks(f"/vendor/v1/{BOOKS}", token).json()["code"] == "invalid_token"


def asked_for(part: str, narrowing: dict[str, Any], limit: dict[str, int]) -> dict[str, Any]:
    """One item of a request."""
    if part == "deposit":
        return {**ASKED, "type": "vault_deposit", "collection": BOOKS, "fields": ["item", "bought_on"]}
    more: dict[str, dict[str, Any]] = {
        "books": {
            "collection": BOOKS,
            "fields": ["item"],
            "optional_fields": ["rating", "for_whom"],
            "filter": narrowing,
        },
        "gifts": {"collection": BOOKS, "fields": ["bought_on", "category"], "filter": {"vendor": "this"}},
        "topic": {"collection": TASTE, "fields": ["topic", "stance"]},
        "birthday": {"collection": PROFILE, "fields": ["birthday.day_month"], "optional_fields": ["birthday.over_18"]},
        "email": {"collection": PROFILE, "fields": ["email.address"]},
    }
    return {**ASKED, **limit, "type": "vault_data", **more[part]}


@pytest.fixture
def lived_in(
    furnished: tuple[Path, str, Keyring], shopfront: Bookshop, other_shopfront: Bookshop, tmp_path: Path
) -> type[House]:
    """A house for each life."""

    class Lived(House):
        count = 0

        @classmethod
        def place(cls) -> Path:
            cls.count += 1
            return tmp_path / str(cls.count)

    Lived.furnished, Lived.shops = furnished, {"bookshop": shopfront, "coffee": other_shopfront}
    return Lived


def test_whatever_she_does_each_vendor_reads_exactly_what_it_may(lived_in: type[House]) -> None:
    told = "VRM_MODEL_LIVES" in os.environ
    run_state_machine_as_test(
        lived_in,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not told,
            database=None,
            phases=(Phase.generate, Phase.shrink) if told else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
