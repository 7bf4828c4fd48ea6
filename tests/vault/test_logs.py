"""A line of the log says what happened and where in the code; never what was typed, sent or stored."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hearing import Heard, listening
from tests.people import Ada, Bookshop
from vault import app as composition
from vault.logs import ALLOWED, log
from vault.pages import session
from vault.tally import Tally

SECRET = "a lantern for Bartholomew"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    with listening(monkeypatch) as heard:
        yield heard


def lines(said: Heard) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.text.splitlines()]


def stumbles(*_args: Any) -> None:
    try:
        int(SECRET)
    except ValueError as error:
        raise KeyError(SECRET) from error


def test_a_page_that_fails_is_logged_by_kind_and_place(ada: Ada, said: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "settle", stumbles)
    app = composition.create_app(ada.house)
    browser = app.test_client()
    browser.set_cookie("vault", ada.session, domain="localhost")
    answer = browser.get("/purchases?words=" + SECRET)
    assert answer.status_code == 500
    assert SECRET not in answer.text
    failed = [line for line in lines(said) if line["event"] == "request_failed"]
    assert failed
    assert "ValueError" in failed[0]["reason"]
    assert any("test_logs.py" in place for place in failed[0]["places"])
    assert SECRET not in said.text
    assert "/purchases?" not in said.text


def test_each_request_is_one_line_with_route_and_status_so_that_every_try_is_told(
    ada: Ada, bookshop: Bookshop, said: Heard
) -> None:
    stranger = ada.app.test_client()
    for typed in ("not this one", ada.passphrase):
        stranger.post("/unlock", data={"passphrase": typed})
    ada.lets(bookshop)
    bookshop.posts("/oauth/token", {"client_assertion": "x", "grant_type": "refresh_token"})
    bookshop.http.get("/vendor/v1/grant")
    told = [(line["route"], line["status"]) for line in lines(said) if line["event"] == "request"]
    tries = ("/unlock", "/oauth/token", "/authorize", "/vendor/v1/grant")
    assert [each for each in told if each[0] in tries] == [
        ("/unlock", 403),
        ("/unlock", 303),
        ("/authorize", 200),
        ("/authorize", 303),
        ("/oauth/token", 200),
        ("/oauth/token", 401),
        ("/vendor/v1/grant", 401),
    ]


def test_methods_that_strangers_make_up_are_all_one(ada: Ada, said: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would be counted for ever, in every process, and stand in the log."""
    monkeypatch.setattr("vault.logs.TALLY", tally := Tally())
    for path in ("/unlock", "/vendor/v1/grant"):
        ada.app.test_client().get(path)
        for number in range(3):
            ada.app.test_client().open(path, method=f"BREW{number}")
    counted = [(*key[1:], count) for key, count in tally.rows() if key[0] == "requests"]
    assert sorted(counted) == [
        ("-", "-", "405", 6),
        ("GET", "/unlock", "200", 1),
        ("GET", "/vendor/v1/grant", "401", 1),
    ]
    assert {line["method"] for line in lines(said) if line["event"] == "request"} == {"GET", "-"}


def test_what_nobody_catches_in_a_thread_loses_its_words(said: Heard) -> None:
    thread = threading.Thread(target=stumbles)
    thread.start()
    thread.join()
    (line,) = lines(said)
    assert (line["event"], line["reason"]) == ("uncaught", "KeyError < ValueError")
    assert SECRET not in said.text


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL])
def test_another_librarys_words_are_left_out_at_every_level(said: Heard, level: int) -> None:
    logging.getLogger("somebody.else").log(level, "sent %s to %r", SECRET, {"password": SECRET})
    (line,) = lines(said)
    assert line == {"event": "library", "level": logging.getLevelName(level).lower(), "logger": "somebody.else"}


def test_a_field_that_is_not_on_the_list_is_dropped(said: Heard) -> None:
    log.warning("request", route="/purchases", path=f"/purchases?{SECRET}", handle=SECRET)
    (line,) = lines(said)
    assert line.keys() <= ALLOWED
    assert SECRET not in said.text
