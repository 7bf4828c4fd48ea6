"""In which language pages and mails speak, and who decides it."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from tests.people import ISSUER, PURCHASES, RECEIPTS, TASTE, Ada, Bookshop
from vault import choices, languages, mail
from vault.cli import main
from vault.models import Owner
from vault.pages import shown


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


@pytest.mark.parametrize("language", sorted(languages.LANGUAGES))
def test_she_is_asked_in_every_language(ada: Ada, bookshop: Bookshop, language: str):
    ada.buys("Atlas")
    asked = bookshop.asks(PURCHASES, TASTE, RECEIPTS).authorize_url.removeprefix(ISSUER)
    page = ada.browser.get(asked, headers={"Accept-Language": language})
    assert page.status_code == 200
    assert f'<html lang="{language}"' in page.text


def test_the_vendors_words_are_marked_with_their_own_language(ada: Ada, bookshop: Bookshop):
    item = {**PURCHASES, "why": "Żeby nie polecać ci książek, które już masz.", "language": "pl"}
    page = ada.looks_at(bookshop.asks(item).authorize_url.removeprefix(ISSUER))
    assert '<q lang="pl">Żeby nie polecać' in page
    assert "<q>" in ada.looks_at(bookshop.asks().authorize_url.removeprefix(ISSUER))
    refused = bookshop.pushes(authorization_details=json.dumps([{**item, "language": 'pl" class="x'}]))
    assert refused.json()["error"] == "invalid_authorization_details"


def test_counts_sizes_moments_and_amounts_are_written_as_the_language_does(ada: Ada):
    with ada.app.test_request_context("/", headers={"Accept-Language": "pl"}):
        assert shown.counted(12480) == "12\xa0480"
        assert shown.size(1_468_006) == "1,4 MB"
        assert shown.size(0) == "0 bajtów"
        assert shown.size(521) == "521 bajtów"
        assert shown.size(512 << 20) == "512 MB"
        assert shown.money({"amount": "18.50", "currency": "EUR"}) == "18,50\xa0€"
        assert shown.day("2026-11-18") == "18 listopada 2026"
        assert shown.ago("2026-11-19") == "3 dni temu"
        assert shown.ago("2026-11-21") == "wczoraj"
        assert shown.moment(ada.house.now).startswith("dzisiaj, ")
    with ada.app.test_request_context("/", headers={"Accept-Language": "id"}):
        assert shown.day("2026-11-18T09:05") == "18 November 2026, 09.05"


def test_every_language_has_the_right_word_for_one_a_few_and_many():
    def days(language: str) -> list[str]:
        say = languages.words(language).ngettext
        return [say("%(num)d day", "%(num)d days", n) % {"num": n} for n in (1, 2, 5, 12, 22, 101)]

    assert days("en") == ["1 day", "2 days", "5 days", "12 days", "22 days", "101 days"]
    assert days("cs") == ["1 den", "2 dny", "5 dnů", "12 dnů", "22 dnů", "101 dnů"]
    assert days("id") == ["1 hari", "2 hari", "5 hari", "12 hari", "22 hari", "101 hari"]
    assert days("pl") == ["1 dzień", "2 dni", "5 dni", "12 dni", "22 dni", "101 dni"]
    assert days("ro") == ["1 zi", "2 zile", "5 zile", "12 zile", "22 de zile", "101 zile"]


def test_her_own_setting_decides_while_her_vault_is_open_and_is_remembered_when_it_is_not(ada: Ada):
    chooses(ada.browser, "cs")
    assert speaks(ada.browser, "/purchases") == "cs"
    choices.keep(ada.open, {"language": "ro"})
    assert speaks(ada.browser, "/purchases", accept="pl") == "ro"
    ada.locks()
    assert speaks(ada.browser, accept="pl") == "ro"


def test_a_setting_that_is_no_language_here_changes_nothing(ada: Ada):
    choices.keep(ada.open, {"language": "xx"})
    assert speaks(ada.browser, "/purchases", accept="pl") == "pl"


def test_mails_speak_her_language_while_she_is_away(ada: Ada):
    with ada.house.main.transaction() as session:
        before = mail.speaker(session, ada.house, ada.owner_id)("Somebody has looked into your vault")
        mail.change_language(session, ada.house, ada.owner_id, "pl")
        after = mail.speaker(session, ada.house, ada.owner_id)("Somebody has looked into your vault")
        box = session.get_one(Owner, ada.owner_id).notice_box
    assert (before, after) == ("Somebody has looked into your vault", "Ktoś zajrzał do twojego sejfu")
    assert mail.open_notice(ada.house, ada.owner_id, box) == "ada@home.test"


def test_what_a_form_refuses_is_said_in_her_language_too(ada: Ada):
    chooses(ada.browser, "pl")
    page = ada.presses("/purchases/new", status=422, item="x" * 501, bought_on="2026-11-18").text
    assert "Mieści się tu najwyżej 500 znaków." in page


def test_the_terminal_offers_the_languages_there_are():
    offered = next(each for each in main.commands["init"].params if each.name == "language")
    assert set(offered.type.choices) == languages.LANGUAGES.keys()


def test_nothing_to_say_is_nothing_in_every_language():
    for language in languages.LANGUAGES:
        assert languages.words(language).gettext("") == ""
        assert languages.words(language).ngettext("", "", 2) == ""
