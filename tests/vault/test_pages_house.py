"""Home, errors, health, and what holds for every page."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import update

from tests.people import START, Ada, Clock
from vault.collections.notes import Note
from vault.models import Owner
from vault.pages import guard
from vault.rooms import Nav

COLLECTIONS = ("/purchases", "/vendors", "/profile", "/preferences", "/notes")
PAGES = (
    "/",
    "/more",
    "/search",
    *COLLECTIONS,
    "/purchases/due",
    "/trash",
    "/help",
    "/settings",
    "/security",
    "/damaged",
    "/export",
    "/delete",
)


def test_an_empty_vault_offers_ways_to_begin(ada: Ada):
    ada.presses(f"/vendors/{ada.bookshop_number}/remove")
    page = ada.looks_at("/")
    assert "Welcome, Ada. It’s all yours, and still empty." in page
    assert "Add a purchase" in page
    ada.keeps(Note(heading="Parcel arrived wet", text="Two photographs."))
    page = ada.looks_at("/")
    assert "still empty" not in page
    assert "Add a purchase" in page


def test_home_greets_her_by_name_and_time_of_day(ada: Ada, clock: Clock):
    ada.buys("Field Notes on Moss")
    words = {9: "Good morning, Ada.", 15: "Good afternoon, Ada.", 21: "Good evening, Ada."}
    for hour, greeting in words.items():
        clock.now = START.astimezone().replace(hour=hour)
        ada.unlocks()
        assert greeting in ada.looks_at("/")
    page = ada.looks_at("/")
    assert "Nothing needs you." in page
    assert "Field Notes on Moss" in page
    assert "Two ways to unlock" in page


def test_changes_lost_to_an_old_copy_are_told_until_she_has_seen_it(ada: Ada):
    with ada.house.main.transaction() as session:
        session.execute(update(Owner).where(Owner.owner_id == ada.owner_id).values(lost=3))
    assert "3 changes of yours are lost." in ada.looks_at("/")
    ada.presses("/old-copy/seen")
    assert "are lost." not in ada.looks_at("/")


def test_every_page_obeys_the_strict_policy_and_is_kept_nowhere(ada: Ada):
    for path in PAGES:
        answer = ada.browser.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["Cache-Control"] == "no-store", path
        assert answer.text.count("<h1>") == 1, path
        assert "Ada’s vault</title>" in answer.text, path
        assert '<html lang="en">' in answer.text, path


def test_headers_are_neither_doubled_nor_lost_whatever_case_a_page_writes_them_in() -> None:
    app = Flask("pages")
    app.add_url_rule("/", view_func=lambda: ("hello", 200, {"cache-control": "public"}))
    guard.install(app, secure=True)
    answer = app.test_client().get("/")
    assert answer.headers.getlist("Cache-Control") == ["public"]
    assert answer.headers.getlist("Content-Security-Policy") == [guard.POLICY]
    assert answer.headers["Strict-Transport-Security"]
    assert app.test_client().get("/nothing").headers["X-Frame-Options"] == "DENY"


def test_the_menu_marks_where_she_is(ada: Ada):
    stored = ada.buys("Atlas")
    for path in ("/purchases", f"/purchases/{stored.number}", f"/purchases/{stored.number}/edit", "/purchases/new"):
        assert '<a href="/purchases" aria-current="page">' in ada.looks_at(path), path
    assert '<a href="/more" aria-current="page">' in ada.looks_at("/more")


def test_every_entry_of_the_menu_leads_somewhere(ada: Ada):
    entries: list[Nav] = [entry for room in ada.house.rooms for entry in room.nav]
    page = ada.looks_at("/more")
    with ada.app.test_request_context("/"):
        paths = [ada.app.url_for(entry.endpoint) for entry in entries]
    for path in paths:
        assert f'href="{path}"' in page
        assert ada.looks_at(path)


def test_what_is_not_there_is_said_in_plain_words_with_a_number_for_the_log(ada: Ada):
    page = ada.looks_at("/nothing-here", 404)
    assert "There is nothing here." in page
    assert "Answer 404, request" in page


def test_the_wrong_method_and_too_much_at_once_have_pages_too(ada: Ada):
    answer = ada.browser.get("/lock")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert "That is too much at once." in ada.presses("/notes/new", 413, text="x" * (2 << 20)).text


def test_an_unexpected_failure_shows_no_trace(ada: Ada):
    def stumbles() -> str:
        raise RuntimeError("a secret value")

    ada.app.testing = False
    ada.app.view_functions["home.more"] = stumbles
    page = ada.looks_at("/more", 500)
    assert "The vault stumbled." in page
    assert "secret value" not in page
