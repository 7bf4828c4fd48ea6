"""Doors that guard a secret, cost much or send a mail: who tries too often waits, at whichever process he tries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.houses import home_of
from tests.people import Ada, Bookshop, Clock, house_in
from vault import attempts, bearer
from vault.app import create_app
from vault.attempts import FREE
from vault.crypto import random_bytes
from vault.errors import TooManyTries
from vault.jobs import Job
from vault.models import Attempt
from vault.paces import MINUTE
from vault.worker import tick


def post(ada: Ada, path: str, address: str = "192.0.2.1", **form: Any) -> Any:
    """A form from somebody's address."""
    stranger = ada.app.test_client()
    return stranger.post(path, data=form, environ_base={"REMOTE_ADDR": address})


def test_a_recovery_code_is_tried_ten_times_and_then_slowly(ada: Ada, clock: Clock, recovery_code: str) -> None:
    wrong = [post(ada, "/unlock", code="AAAAA").status_code for _ in range(FREE["recovery"] + 2)]
    assert wrong == [403] * (FREE["recovery"] + 1) + [429]
    waits = post(ada, "/unlock", code=recovery_code)
    assert (waits.status_code, waits.headers["Retry-After"]) == (429, "2")
    assert post(ada, "/unlock", "192.0.2.2", code=recovery_code).status_code == 303, "no stranger keeps her out"
    clock.passes(seconds=2)
    assert post(ada, "/unlock", code=recovery_code).status_code == 303
    assert post(ada, "/unlock", code="AAAAA").status_code == 403, "and it is counted anew"


def test_setting_up_is_slowed_down_before_it_costs_anything(ada: Ada) -> None:
    house = ada.house
    app = create_app(house_in(home_of(house), Clock(), sign_up="open"))
    browser = app.test_client()
    form = {"name": "Bo", "handle": "!", "passphrase": "short"}
    answers = [browser.post("/setup", data=form).status_code for _ in range(FREE["setting_up"] + 2)]
    assert answers == [422] * (FREE["setting_up"] + 1) + [429]
    app.extensions["vrm"].stop()


def test_many_addresses_fill_nobodys_mailbox(ada: Ada, bookshop: Bookshop, clock: Clock) -> None:
    house = house_in(home_of(ada.house), clock, smtp_url="smtp://127.0.0.1:9")
    ada.lets(bookshop)
    ada.house, ada.app = house, create_app(house)

    def mails() -> int:
        with house.main.reading() as session:
            return session.scalar(select(func.count()).select_from(Job).where(Job.kind == "mail")) or 0

    before = mails()
    answers = [post(ada, "/stop", f"192.0.2.{at}", handle="ada").status_code for at in range(8)]
    assert answers == [200] * (FREE["links"] + 1) + [429] * 2
    tick(house, sweep=False)
    assert mails() == before + FREE["links"] + 1
    nobody = [post(ada, "/stop", f"198.51.100.{at}", handle="nobody").status_code for at in range(8)]
    assert nobody == answers, "a name that nobody has is answered alike"
    house.stop()


def test_a_share_link_is_shown_so_often_in_a_minute_and_no_more(
    ada: Ada, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent import showing

    monkeypatch.setattr(showing, "MOST", 3)
    path = ada.shares(ada.buys("The Salt Almanac"))
    answers = [post(ada, path, f"192.0.2.{at}", answer="show").status_code for at in range(5)]
    assert answers == [200] * 3 + [429] * 2
    other = ada.shares(ada.buys("Tides and Tables"))
    assert [post(ada, other, "192.0.2.0", answer="show").status_code for _ in range(3)] == [200, 200, 429]
    clock.passes(seconds=MINUTE)
    assert post(ada, path, answer="show").status_code == 200


def test_the_door_of_a_share_link_may_be_stood_before_as_often_as_one_likes(ada: Ada) -> None:
    path = ada.shares(ada.buys("The Salt Almanac"))
    stranger = ada.app.test_client()
    assert {stranger.get(path).status_code for _ in range(70)} == {200}


@pytest.mark.parametrize(("path", "kind"), [("/r/", "link"), ("/s/", "share")])
def test_a_made_up_string_costs_a_look_and_no_write(
    ada: Ada, path: str, kind: bearer.Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """256 bits are not guessed, so nobody who tries is counted, and nobody else can be kept from a link of hers."""
    strings = [bearer.mint(kind, random_bytes(16), random_bytes(16)).text(random_bytes(32)) for _ in range(3)]

    def never(*_args: Any, **_more: Any) -> Any:
        raise AssertionError("nothing is written for this")

    for database in ada.house.databases:
        for name in ("transaction", "writing", "written_line"):
            monkeypatch.setattr(database, name, never)
    stranger = ada.app.test_client()
    assert {stranger.get(path + each).status_code for each in strings} == {404}
    assert {stranger.post(path + each, data={"answer": "show"}).status_code for each in strings} == {404}


def test_tries_at_several_processes_count_together(ada: Ada, clock: Clock) -> None:
    """Of many at once no more are let through than one after the other."""
    directory = home_of(ada.house)
    houses = [house_in(directory, clock) for _ in range(3)]

    def tries(at: int) -> bool:
        try:
            attempts.admit(houses[at % 3], handle="ada", address=f"192.0.2.{at}")
        except TooManyTries:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(tries, range(48))) == FREE["handle"] + 1
    with houses[0].main.reading() as session:
        assert session.scalar(select(func.max(Attempt.count))) == FREE["handle"] + 1
    for house in houses:
        house.stop()
