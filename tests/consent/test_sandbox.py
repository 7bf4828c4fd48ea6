"""The sandbox for developers: a made-up person whom anybody may be, and who can never be somebody real."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

import consent.sandbox
from connectors.vendor_client import NoLongerShared
from consent import sweeping
from consent.models import Grant
from tests.conftest import PASSPHRASE
from tests.people import PURCHASES, Ada, Bookshop, household
from vault import attempts, handles, locks, sandbox, sessions, set_up, unlock
from vault.app import create_app
from vault.doctor import advice
from vault.errors import NotFound, WrongSecret
from vault.keyring import Keyring
from vault.kit import vault_number
from vault.models import Handle, Key, Lock, Owner
from vault.server import Server
from vault.settings import from_environment
from vault.worker import tick

HERE = "/developers/sandbox"
SITE = {"Sec-Fetch-Site": "same-origin"}


class Developer(Ada):
    """Somebody who has pressed the button, and her browser."""

    def __init__(self, house: Server) -> None:
        self.house, self.app = house, create_app(house)
        self.browser = self.app.test_client()
        answer = self.browser.post(HERE, headers=SITE)
        assert answer.status_code == 303, answer.text
        self.session = re.findall(r"vault=([^;]+)", answer.headers["Set-Cookie"])[0]
        self.vault = sessions.open_session(house, self.session)


@pytest.fixture
def shop(furnished: tuple[Path, str, Keyring], tmp_path: Path) -> Iterator[Bookshop]:
    """The Bookshop at a server with a sandbox; `shop.ada` is the real owner there."""
    with household(furnished[0], tmp_path / "open", PASSPHRASE, sandbox=True) as shop:
        yield shop


def given_by(person: Ada, shop: Bookshop) -> str:
    """She lets the shop see something; returns the grant's id."""
    shop.visits(person)
    return person.lets(shop).grant_id


def test_a_developer_is_her_and_lets_the_program_see_made_up_things(shop: Bookshop) -> None:
    tester = Developer(shop.ada.house)
    assert "Nobody sees anything yet" in tester.looks_at(HERE)
    shop.visits(tester)
    pending = shop.asks(PURCHASES)
    page = tester.sees_consent(pending.authorize_url)
    vendor = re.findall(r'<option value="(\d+)"[^>]*>Your shop', page.html)
    assert vendor
    tester.is_asked(f"{pending.authorize_url}&vendor={vendor[0]}")
    shop.connection = shop.finishes(pending, page.allows())
    assert "1 client sees something" in tester.looks_at(HERE)
    assert "Bookshop" in tester.looks_at("/sharing")


@pytest.mark.parametrize(("act", "cause"), [("expire", "expired"), ("revoke", "revoked")])
def test_it_ends_at_a_press_as_by_time_or_by_her(shop: Bookshop, act: str, cause: str) -> None:
    tester = Developer(shop.ada.house)
    grant = given_by(tester, shop)
    shop.connection.read("purchases")
    tester.presses(f"{HERE}/{grant}/{act}")
    with pytest.raises(NoLongerShared):
        shop.connection.read("purchases")
    with tester.house.main.reading() as session:
        assert session.scalar(select(Grant.cause)) == cause
    assert "Nobody sees anything yet" in tester.looks_at(HERE)
    tester.presses(f"{HERE}/{grant}/{act}")  # once more does nothing
    tester.presses(f"{HERE}/{'00' * 16}/{act}", status=404)


def test_the_buttons_reach_nobody_real(shop: Bookshop) -> None:
    """Not by her id, not with a real owner's session, and there is no argument through which they could."""
    ada, tester = shop.ada, Developer(shop.ada.house)
    grant = given_by(ada, shop)
    for act in ("expire", "revoke"):
        tester.presses(f"{HERE}/{grant}/{act}", status=404)
        ada.presses(f"{HERE}/{grant}/{act}", status=404)
        assert ada.app.test_client().post(f"{HERE}/{grant}/{act}", headers=SITE).status_code == 404
    consent.sandbox.end_now(ada.house, bytes.fromhex(grant), "revoked")
    assert shop.connection.grant().status == "live"
    for module in (sandbox, consent.sandbox):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__:
                assert "owner" not in inspect.signature(function).parameters, name


def test_her_session_opens_only_the_pages_that_are_marked_for_it(shop: Bookshop) -> None:
    tester = Developer(shop.ada.house)
    opened = set()
    for rule in tester.app.url_map.iter_rules():
        if not rule.arguments and "GET" in (rule.methods or ()):
            answer = tester.browser.get(rule.rule)
            stranger = tester.app.test_client().get(rule.rule)
            if (answer.status_code, answer.headers.get("Location")) != (
                stranger.status_code,
                stranger.headers.get("Location"),
            ):
                opened.add(rule.rule)
    assert opened == {"/sharing", "/activity", "/authorize"}
    for path in ("/purchases/new", "/security/passphrase", "/imports", "/sharing/links/make", "/export"):
        assert tester.browser.post(path, data={}, headers=SITE).status_code in {303, 404, 405, 400}, path
    for path in ("/security", "/purchases", "/profile", "/"):
        assert tester.browser.get(path).headers["Location"].startswith("/unlock"), path


def test_nothing_on_her_pages_leads_to_the_locked_door(shop: Bookshop) -> None:
    tester = Developer(shop.ada.house)
    ended = given_by(tester, shop)
    shop.connection.read("purchases")
    tester.presses(f"{HERE}/{ended}/revoke")
    grant = given_by(tester, shop)
    for path in ("/sharing", "/sharing?as=list", f"/sharing/{grant}", f"/sharing/{ended}", "/activity"):
        page = tester.looks_at(path).split("<main", 1)[1]
        for there in re.findall(r'<a[^>]+href="(/[^"]*)"', page):
            assert "/unlock" not in tester.browser.get(unescape(there)).headers.get("Location", ""), there
        assert "/link" not in page


def test_no_form_and_no_command_leads_to_her(shop: Bookshop) -> None:
    """She has no name, no passphrase and no printed code, and beside her a single owner still is the only one."""
    house = shop.ada.house
    Developer(house)
    assert handles.only_owner(house)
    with house.main.reading() as session:
        assert session.scalar(select(func.count()).select_from(Owner)) == 2
        assert set(session.scalars(select(Handle.owner_id))) == {shop.ada.owner_id}
    for name in ("Sandbox", "sandbox", sandbox.OWNER.decode()):
        with pytest.raises(WrongSecret):
            unlock.with_passphrase(house, name, "", address=name)
    with pytest.raises(WrongSecret):
        unlock.with_recovery_code(house, vault_number(sandbox.OWNER), locks.write_recovery_code(sandbox.CODE))


def test_a_real_owner_is_never_her(shop: Bookshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Her id cannot be taken by setting up a vault, not even if chance said so; and once she is there it is hers."""
    house = shop.ada.house
    monkeypatch.setattr("vault.set_up.crypto.random_bytes", lambda size=32: sandbox.OWNER[:size].ljust(size, b"."))
    with pytest.raises(NotFound):
        set_up.set_up(house, handle="eve", name="Eve", passphrase="x" * 20, notice=None, first=False)
    with house.main.reading() as session:
        assert session.scalar(select(func.count()).select_from(Handle)) == 1


def test_without_the_setting_there_is_none(ada: Ada) -> None:
    stranger = ada.app.test_client()
    assert stranger.get(HERE).status_code == 404
    assert stranger.post(HERE, headers=SITE).status_code == 404
    assert "Sandbox" not in stranger.get("/developers").text
    with pytest.raises(NotFound):
        sandbox.unlock(ada.house)
    with ada.house.main.reading() as session:
        assert session.get(Owner, sandbox.OWNER) is None


def test_the_setting_is_off_unless_said_and_doctor_warns_where_it_is_on(
    shop: Bookshop, ada: Ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VRM_SANDBOX", raising=False)
    assert not from_environment().sandbox
    monkeypatch.setenv("VRM_SANDBOX", "on")
    assert from_environment().sandbox
    assert any("VRM_SANDBOX" in each for each in advice(shop.ada.house))
    assert not any("VRM_SANDBOX" in each for each in advice(ada.house))


def test_switched_off_again_she_is_closed_and_what_she_gave_has_ended(shop: Bookshop) -> None:
    tester = Developer(shop.ada.house)
    given_by(tester, shop)
    shut = replace(shop.ada.house, settings=replace(shop.ada.house.settings, sandbox=False))
    browser = create_app(shut).test_client()
    browser.set_cookie("vault", tester.session, domain="localhost")
    assert browser.get("/sharing").headers["Location"].startswith("/unlock")
    sweeping.sweep(shut)
    with pytest.raises(NoLongerShared):
        shop.connection.read("purchases")


def test_being_her_locks_whoever_was_unlocked_here(shop: Bookshop) -> None:
    ada = shop.ada
    assert "It is locked when you go on." in ada.looks_at(HERE)
    ada.presses(HERE)
    assert not ada.house.keystore.alive(ada.owner_id, "session")
    with ada.house.main.reading() as session:
        assert session.get(Owner, sandbox.OWNER) is not None


def test_a_throwing_away_that_broke_off_is_finished(shop: Bookshop) -> None:
    """Her locks go before the rest of her. Until the worker comes by nobody can be her; then anybody can again."""
    house, stranger = shop.ada.house, shop.ada.app.test_client()
    given_by(Developer(house), shop)
    house.keystore.take_all(sandbox.OWNER)
    with house.main.transaction() as session:
        for table in (Lock, Key):
            session.execute(delete(table).where(table.owner_id == sandbox.OWNER))
    assert stranger.post(HERE, headers=SITE).status_code == 503
    tick(house, sweep=True)
    assert "Nobody sees anything yet" in Developer(house).looks_at(HERE)
    with pytest.raises(NoLongerShared):
        shop.connection.read("purchases")


def test_she_is_furnished_once_and_shown_as_made_up(shop: Bookshop) -> None:
    first, second = Developer(shop.ada.house), Developer(shop.ada.house)
    assert first.owner_id == second.owner_id == sandbox.OWNER
    assert second.open.catalogue.count("1") == first.open.catalogue.count("1")
    assert "You are the made-up person of the sandbox." in second.looks_at("/sharing")
    second.presses("/lock")
    assert second.browser.get("/sharing").status_code == 303


def test_nobody_answers_as_her_without_end(shop: Bookshop) -> None:
    """Every answer leaves something behind, and anybody may give it: from one address sixty, then ever fewer."""
    ada, tester = shop.ada, Developer(shop.ada.house)
    shop.visits(tester)
    for _answer in range(60):
        attempts.admit(tester.house, fetch="sandbox answers 127.0.0.1")
    page = tester.sees_consent(shop.asks(PURCHASES).authorize_url)
    page.answers("yes")
    later = tester.sees_consent(shop.asks(PURCHASES).authorize_url)
    assert later.answers("yes", status=429).headers["Retry-After"]
    assert later.answers("no", status=429)
    assert len(tester.house.keystore.alive(sandbox.OWNER, "grant")) == 1
    assert given_by(ada, shop)
