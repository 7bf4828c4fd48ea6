"""What there is and what there is not cost the same: names, sessions, tokens, requests. N7 and N71 by the clock.

The same steps first: statements and cryptography, as they are called. Then the clock, interleaved, judged by rank.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from math import erfc, sqrt
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from consent import pushed, revocation, showing
from tests.people import ISSUER, Ada, Bookshop
from tests.sampled import EVERYTHING, thinned
from vault import bearer, crypto, db, deriving, kit, locks, sessions, unlock
from vault.errors import VaultError

SAMPLES = int(os.environ.get("VRM_TEST_SAMPLES", "250" if EVERYTHING else "30"))  # of each; 5000 take thirteen minutes
Steps = list[str]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """What is asked of the databases and of cryptography, as it happens; all of it is done as ever."""
    said: Steps = []

    def tells(where: Any, name: str, what: Callable[..., str]) -> None:
        real = getattr(where, name)

        def told(*args: Any, **kwargs: Any) -> Any:
            said.append(what(*args, **kwargs))
            return real(*args, **kwargs)

        monkeypatch.setattr(where, name, told)

    tells(db.Statement, "on", lambda statement, *_args, **_kwargs: f"line {vars_of(statement)}")
    for name in ("open_box", "derive", "stretch"):
        tells(crypto, name, lambda *args, name=name, **_kwargs: f"{name} {args[2] if name == 'stretch' else ''}")

    def before(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        said.append(re.sub(r"\s+", " ", statement))

    event.listen(Engine, "before_cursor_execute", before)
    yield said
    event.remove(Engine, "before_cursor_execute", before)


def vars_of(statement: Any) -> str:
    return str(getattr(statement, "text", statement.__class__))[:200]


Pair = tuple[Callable[[], Any], Callable[[], Any]]


def wrong(text: str, kind: bearer.Kind, ada: Ada) -> str:
    """The same lock with another secret."""
    known = bearer.parse(text, kind, ada.house.keys.route)
    assert known
    return replace(known, secret=crypto.random_bytes()).text(ada.house.keys.route)


def unknown(kind: bearer.Kind, ada: Ada) -> str:
    """No lock at all, of an owner that there is."""
    return bearer.mint(kind, ada.owner_id, crypto.random_bytes(16)).text(ada.house.keys.route)


def tries(work: Callable[[], Any]) -> Any:
    with suppress(VaultError):
        return work()
    return None


@pytest.fixture
def pairs(ada: Ada, bookshop: Bookshop) -> dict[str, Pair]:
    """Something there is, with a wrong secret, and something there is not."""
    house, kept = ada.house, ada.buys("The Salt Almanac")
    token = bookshop.tokens()["access_token"]
    link = re.findall(r"/r/(vrm_rv_[\w-]{91})", ada.presses(f"/sharing/{ada.grant()}/link", status=200).text)[0]
    share = ada.shares(kept)[3:]
    over = bookshop.pushes().json()["request_uri"]
    code = locks.write_recovery_code(locks.new_recovery_code())

    def look(string: str) -> Any:
        proof = bookshop.proves("GET", f"{ISSUER}/vendor/v1/purchases", token=string)
        headers = {"Authorization": f"DPoP {string}", "DPoP": proof}
        return lambda: bookshop.http.get("/vendor/v1/purchases", headers=headers)

    def opens(string: str) -> Any:
        return lambda: tries(lambda: sessions.open_session(house, string))

    def names(handle: str) -> Any:
        addresses = iter(range(1 << 40))
        return lambda: tries(
            lambda: unlock.with_passphrase(house, f"{handle}", "not hers", address=f"here {handle} {next(addresses)}")
        )

    def writes(handle: str) -> Any:
        return lambda: tries(lambda: unlock.with_recovery_code(house, handle, code))

    return {
        "name, passphrase": (names("ada"), names("eve")),
        "name, recovery code": (writes("ada"), writes("eve")),
        "session": (opens(wrong(ada.session, "session", ada)), opens(unknown("session", ada))),
        "token": (look(wrong(token, "access", ada)), look(unknown("access", ada))),
        "link": tuple(
            (lambda string=string: revocation.find(house, string))
            for string in (wrong(link, "link", ada), unknown("link", ada))
        ),
        "share": tuple(
            (lambda string=string: showing.find(house, string))
            for string in (wrong(share, "share", ada), unknown("share", ada))
        ),
        "request": tuple(
            (lambda uri=uri: pushed.find(house, uri, bookshop.client_id))
            for uri in (pushed.URN + "A" * 43, pushed.URN + over[-43:][::-1])
        ),
    }


KINDS = ("name, passphrase", "name, recovery code", "session", "token", "link", "share", "request")


@pytest.mark.parametrize("kind", KINDS)
def test_n71_what_there_is_and_what_there_is_not_go_the_same_way(
    pairs: dict[str, Pair], steps: Steps, kind: str
) -> None:
    """N71 (OAuth 2.1 §7.7), N7 (RFC 9126 §7.1), and that no door tells which names there are."""
    taken = []
    for one in pairs[kind]:
        one()  # what is read once per process has been read
        steps.clear()
        one()
        taken.append(list(steps))
    assert taken[0] == taken[1]
    assert any("open_box" in step for step in taken[0]), "a box was opened, or tried"


def test_asking_for_mailed_links_goes_the_same_way_for_every_name(ada: Ada, bookshop: Bookshop, steps: Steps) -> None:
    """What is done for somebody who is here and shares something is done by the worker, after the answer."""
    ada.buys("The Salt Almanac")
    ada.lets(bookshop)
    taken = []
    for at, name in enumerate(("warm", "ada", "eve", kit.vault_number(ada.owner_id), "")):
        steps.clear()
        assert (
            ada.app.test_client()
            .post("/stop", data={"handle": name}, environ_base={"REMOTE_ADDR": f"192.0.2.{at}"})
            .status_code
            == 200
        )
        taken.append(list(steps))
    assert [each == taken[1] for each in taken[1:]] == [True] * 4


@pytest.mark.parametrize("kind", thinned(KINDS, first=0, then_every=3))
def test_n71_no_clock_tells_them_apart(
    pairs: dict[str, Pair], ada: Ada, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By rank (Mann and Whitney), interleaved in random order. Argon2id is left out: the steps show that it is asked
    at one cost for both, and a tenth of a second of it would hide what is looked for."""
    monkeypatch.setattr(deriving, "stretch", lambda _passphrase, _params: bytes(32))
    monkeypatch.setattr("vault.attempts.admit", lambda *_args, **_kwargs: None)
    drawn = random.Random(7)
    for _attempt in range(3):  # a machine that is busy with others may look like a difference once, not three times
        times: tuple[list[int], list[int]] = ([], [])
        for _ in range(SAMPLES):
            for side in drawn.sample((0, 1), 2):
                began = time.perf_counter_ns()
                pairs[kind][side]()
                times[side].append(time.perf_counter_ns() - began)
        chance = mann_whitney(*times)
        if chance > 0.01:
            return
    pytest.fail(f"told apart with p = {chance:.4f}")


def mann_whitney(one: list[int], other: list[int]) -> float:
    """How likely such ranks are where nothing tells the two apart; two-sided, by the normal approximation."""
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(place for place, (_value, side) in enumerate(ranked, start=1) if side == 0)
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    return erfc(abs(u - n * m / 2) / sqrt(n * m * (n + m + 1) / 12) / sqrt(2))


def test_the_rank_test_itself_tells_what_is_different() -> None:
    drawn = random.Random(7)
    one = [int(drawn.gauss(1000, 100)) for _ in range(300)]
    assert mann_whitney(one, [int(drawn.gauss(1000, 100)) for _ in one]) > 0.01
    assert mann_whitney(one, [int(drawn.gauss(1040, 100)) for _ in one]) < 0.01
