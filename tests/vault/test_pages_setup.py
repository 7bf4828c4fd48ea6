"""First run: a one-time address, a passphrase that is strong enough, and a recovery kit in her hands."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.conftest import PASSPHRASE
from tests.people import Ada, Clock, house_in
from vault import deriving, handles, kit, set_up
from vault.app import create_app
from vault.errors import Invalid
from vault.models import Owner
from vault.server import Server

GOOD = {"name": "Ada", "handle": "ada", "passphrase": "violet kettle under the stairs", "notice": ""}


@pytest.fixture
def empty_house(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    """A server where nobody has a vault yet."""
    server = house_in(tmp_path / "house", clock)
    yield server
    server.stop()


@pytest.fixture
def browser(empty_house: Server) -> FlaskClient:
    return create_app(empty_house).test_client()


def address(house: Server) -> str:
    found = set_up.set_up_address(house)
    assert found is not None
    return found


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    return browser.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})


def groups_and_asked(kit: str) -> tuple[list[str], list[int]]:
    groups = re.findall(r"<code>([0-9A-Z]{5})</code>", kit)
    asked = [int(number) for number in re.findall(r'name="group-(\d)"', kit)]
    assert (len(groups), len(asked)) == (8, 2)
    return groups, asked


def test_before_anybody_has_a_vault_the_page_says_where_the_address_is_but_not_the_address(empty_house, browser):
    page = browser.get("/unlock").text
    assert "one-time address in its terminal" in page
    assert address(empty_house).split("/")[-1] not in page


def test_nobody_sets_up_a_vault_without_the_one_time_address(empty_house, browser):
    assert browser.get("/setup").status_code == 404
    assert browser.get("/setup/0000000000000000000000000000000000000000").status_code == 404
    assert post(browser, "/setup/wrong", **GOOD).status_code == 404
    assert set_up.set_up_address(empty_house) is not None


def test_the_one_time_address_works_once(empty_house, browser):
    path = address(empty_house)
    assert browser.get(path).status_code == 200
    assert post(browser, path, **GOOD).headers["Location"] == "/setup/kit"
    assert browser.get(path).status_code == 404
    assert post(browser, path, **GOOD | {"handle": "bea"}).status_code == 404


@pytest.mark.parametrize("weak", ["mnbvcxz", "password1234", "aaaaaaaaaaaaaaaa", "ada ada ada", "qwertyuiop"])
def test_a_passphrase_that_is_easily_guessed_is_refused_and_nothing_else_typed_is_lost(empty_house, browser, weak):
    answer = post(browser, address(empty_house), **GOOD | {"passphrase": weak, "name": "Ada <Marsh>"})
    assert answer.status_code == 422
    assert 'value="Ada &lt;Marsh&gt;"' in answer.text
    assert 'href="#passphrase"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<meter" in answer.text
    assert weak not in answer.text


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("handle", "a"), ("handle", "two words"), ("name", ""), ("notice", "nobody"), ("notice", "a@b c")],
)
def test_what_cannot_be_taken_is_said_beside_its_field(empty_house, browser, field, wrong):
    answer = post(browser, address(empty_house), **GOOD | {field: wrong})
    assert answer.status_code == 422
    assert f'href="#{field}"' in answer.text


def test_very_long_passphrases_are_welcome(empty_house, browser):
    long = "river lamp " * 40
    assert post(browser, address(empty_house), **GOOD | {"passphrase": long}).status_code == 303


def test_the_live_meter_answers_only_where_a_passphrase_may_be_chosen(empty_house, browser):
    assert post(browser, "/setup/strength", passphrase="x" * 12).status_code == 204
    token = address(empty_house).removeprefix("/setup/")
    fragment = post(browser, "/setup/strength", passphrase="correct horse", token=token)
    assert fragment.text.count("<meter") == 1
    assert "correct horse" not in fragment.text


def test_the_meter_is_silent_where_the_form_was_quicker(empty_house, browser):
    token = address(empty_house).removeprefix("/setup/")
    late = browser.application.test_client()
    post(browser, address(empty_house), **GOOD)
    answer = post(late, "/setup/strength", passphrase="correct horse", token=token)
    assert (answer.status_code, answer.text) == (204, "")


def test_everything_waits_until_she_has_shown_that_she_holds_the_code(empty_house, browser):
    post(browser, address(empty_house), **GOOD)
    for path in ("/", "/purchases", "/security", "/profile"):
        assert browser.get(path).headers["Location"] == "/setup/kit", path
    assert post(browser, "/setup/kit", **{"group-1": "AAAAA"}).status_code == 422
    groups, asked = groups_and_asked(browser.get("/setup/kit").text)
    right = {f"group-{number}": f" {groups[number - 1].lower()} " for number in asked}
    assert post(browser, "/setup/kit", **right).headers["Location"] == "/?welcome"
    assert browser.get("/").status_code == 200
    assert "Welcome, Ada" in browser.get("/?welcome").text


def test_the_same_two_groups_are_asked_for_each_time(empty_house, browser):
    post(browser, address(empty_house), **GOOD)
    first = groups_and_asked(browser.get("/setup/kit").text)[1]
    assert groups_and_asked(browser.get("/setup/kit").text)[1] == first


def test_the_saved_file_can_be_given_back_instead(empty_house, browser):
    post(browser, address(empty_house), **GOOD)
    saved = browser.get("/setup/kit/recovery-kit.txt")
    assert saved.headers["Content-Disposition"] == 'attachment; filename="recovery-kit.txt"'
    assert "http://localhost:8400" in saved.text
    answer = browser.post(
        "/setup/kit",
        data={"file": (io.BytesIO(saved.data), "anything.txt")},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert answer.headers["Location"] == "/?welcome"


def test_the_code_is_shown_nowhere_once_she_has_it(empty_house, browser):
    post(browser, address(empty_house), **GOOD)
    groups, asked = groups_and_asked(browser.get("/setup/kit").text)
    post(browser, "/setup/kit", **{f"group-{number}": groups[number - 1] for number in asked})
    assert browser.get("/setup/kit").headers["Location"] == "/"
    assert browser.get("/setup/kit/recovery-kit.txt").status_code == 404
    assert groups[0] not in browser.get("/security").text


def number_with(between: str, *, every: int = 4) -> Callable[[bytes], str]:
    """A way to write the number of a vault."""

    def written(owner: bytes) -> str:
        letters = kit.vault_number(owner).replace("-", "")
        return between.join(letters[at : at + every] for at in range(0, len(letters), every)).lower()

    return written


WRITTEN = [kit.vault_number, number_with(""), number_with(" ", every=5), number_with("\u2011"), number_with(". ")]


def test_the_number_of_a_vault_is_written_one_way_wherever_it_stands(empty_house, browser):
    post(browser, address(empty_house), **GOOD)
    with empty_house.main.reading() as session:
        number = kit.vault_number(session.scalars(select(Owner.owner_id)).one())
    groups, asked = groups_and_asked(browser.get("/setup/kit").text)
    for page in ("/setup/kit", "/setup/kit/recovery-kit.txt"):
        assert number in browser.get(page).text
    post(browser, "/setup/kit", **{f"group-{at}": groups[at - 1] for at in asked})
    assert number in browser.get("/security").text
    assert len(number.split("-")[0]) == 4


@pytest.mark.parametrize("written", WRITTEN)
def test_nobody_takes_the_number_of_a_vault_for_a_name(ada: Ada, written: Callable[[bytes], str]):
    """Or who unlocks with what her kit says would come to a stranger's door, and her code would open nothing."""
    number = written(ada.owner_id)
    with pytest.raises(Invalid):
        set_up.set_up(ada.house, handle=number, name="Eve", passphrase=PASSPHRASE, notice=None, first=False)
    assert handles.find_owner(ada.house, number) == ada.owner_id


def test_of_many_who_take_one_name_at_the_same_moment_one_gets_it(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deriving, "stretch", lambda _passphrase, _params: bytes(32))  # which takes turns
    together, outcomes = threading.Barrier(6), list[str]()

    def takes() -> None:
        together.wait()
        try:
            set_up.set_up(ada.house, handle="bea", name="Bea", passphrase=PASSPHRASE, notice=None, first=False)
            outcomes.append("hers")
        except Invalid as refused:
            outcomes.extend(refused.fields)

    threads = [threading.Thread(target=takes) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [*["handle"] * 5, "hers"]


def test_where_sign_up_is_open_another_vault_can_be_set_up(tmp_path, clock):
    house = house_in(tmp_path / "open", clock, sign_up="open")
    browser = create_app(house).test_client()
    assert post(browser, "/setup", **GOOD).status_code == 303
    again = post(browser, "/setup", **GOOD)
    assert again.status_code == 422
    assert "There is a vault of this name already." in again.text
    assert post(browser, "/setup", **GOOD | {"handle": "bea", "name": "Bea"}).status_code == 303
    assert "Short name of your vault" in create_app(house).test_client().get("/unlock").text
    house.stop()
