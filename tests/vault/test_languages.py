"""In which language pages and mails speak, and who decides it."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.people import ISSUER, Ada, Bookshop
from vault import languages, mail
from vault.models import Owner
from vault.set_up import write_settings


@pytest.fixture
def stranger(ada: Ada) -> FlaskClient:
    """Somebody with a browser, at the closed vault."""
    return ada.app.test_client()


def speaks(browser: FlaskClient, path: str = "/unlock", accept: str = "") -> str:
    """The language of a page."""
    page = browser.get(path, headers={"Accept-Language": accept}).text
    return page.partition('<html lang="')[2].partition('"')[0]


def chooses(browser: FlaskClient, language: str, back: str = "/unlock", site: str = "same-origin") -> tuple[int, str]:
    """Press a button of the switch: the status, and where it leads."""
    answer = browser.post("/language", data={"language": language, "next": back}, headers={"Sec-Fetch-Site": site})
    return answer.status_code, answer.headers.get("Location", "")


def test_a_closed_vault_speaks_the_first_language_of_the_browser_that_it_knows(stranger: FlaskClient):
    assert speaks(stranger) == "en"
    assert speaks(stranger, accept="de, pl-PL;q=0.8, en;q=0.5") == "pl"
    assert speaks(stranger, accept="cs;q=0, ro;q=0.1") == "ro"
    assert speaks(stranger, accept="de, fr") == "en"
    assert speaks(stranger, accept="*, ../../etc, i-default") == "en"


def test_the_switch_is_kept_in_this_browser_and_leads_back(stranger: FlaskClient):
    page = stranger.get("/unlock?next=/purchases").text
    assert 'value="/unlock?next=/purchases"' in page
    assert '<button class="btn plain" name="language" value="pl" lang="pl">Polski</button>' in page
    assert chooses(stranger, "pl", "/unlock?next=/purchases") == (303, "/unlock?next=/purchases")
    assert speaks(stranger, accept="cs") == "pl"
    assert chooses(stranger, "id", "https://elsewhere.test/") == (303, "/")
    assert speaks(stranger, accept="cs") == "id"
    assert chooses(stranger, "tlh")[0] == 404
    assert speaks(stranger) == "id"


def test_nobody_else_chooses_the_language_in_which_she_is_asked(ada: Ada, bookshop: Bookshop):
    address = bookshop.asks().authorize_url.removeprefix(ISSUER)
    page = ada.looks_at(f"{address}&language=id&ui_locales=id")
    assert '<html lang="en">' in page
    assert chooses(ada.browser, "id", site="cross-site")[0] == 403
    assert speaks(ada.browser, "/purchases") == "en"


def test_her_own_setting_decides_while_her_vault_is_open_and_is_remembered_when_it_is_not(ada: Ada):
    chooses(ada.browser, "cs")
    assert speaks(ada.browser, "/purchases") == "cs"
    write_settings(ada.open, {**ada.open.settings, "language": "ro"})
    assert speaks(ada.browser, "/purchases", accept="pl") == "ro"
    ada.locks()
    assert speaks(ada.browser, accept="pl") == "ro"


def test_a_setting_that_is_no_language_here_changes_nothing(ada: Ada):
    write_settings(ada.open, {**ada.open.settings, "language": "xx"})
    assert speaks(ada.browser, "/purchases", accept="pl") == "pl"


def test_mails_speak_the_language_in_which_she_set_up_the_vault(ada: Ada):
    box = mail.seal_notice(ada.house, ada.owner_id, "ada@home.test", "pl")
    assert mail.open_notice(ada.house, ada.owner_id, box) == "ada@home.test"
    with ada.house.main.transaction() as session:
        before = mail.speaker(session, ada.house, ada.owner_id)("Somebody has looked into your vault")
        session.get_one(Owner, ada.owner_id).notice_box = box
        after = mail.speaker(session, ada.house, ada.owner_id)("Somebody has looked into your vault")
    assert before == "Somebody has looked into your vault"
    assert after == languages.words("pl").gettext("Somebody has looked into your vault")


def test_nothing_to_say_is_nothing_in_every_language():
    for language in languages.LANGUAGES:
        assert languages.words(language).gettext("") == ""
        assert languages.words(language).ngettext("", "", 2) == ""
