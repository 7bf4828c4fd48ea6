"""The consent screen under attack: N92-N100. Whatever a form or a site says, she gives what she saw and ticked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connectors.vendor_client import new_key
from consent import asking
from consent.pages import authorize
from tests.conftest import PASSPHRASE
from tests.people import ISSUER, PURCHASES, TASTE, Ada, Bookshop, details, household, query
from vault.collections.preferences import Preference
from vault.collections.vendors import Vendor

ASKED = details(PURCHASES, TASTE)


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door; she has bought two things there, one of them a gift, and one somewhere else."""
    with household(furnished[0], tmp_path_factory.mktemp("screen") / "house", PASSPHRASE) as found:
        ada = found.ada
        ada.buys("The Salt Almanac")
        ada.buys("The Lantern Year", for_whom="gift")
        elsewhere = ada.keeps(Vendor(called="Halden Optics", domains=("halden.example",)))
        ada.buys("Reading glasses", vendor=elsewhere.number)
        ada.keeps(Preference(topic="maps", stance="like"))
        yield found


@pytest.fixture(autouse=True)
def nothing_shared(shop: Bookshop) -> None:
    """Each begins with no grant."""
    shop.ada.presses("/sharing/stop-all")


def grants(shop: Bookshop) -> int:
    """How many grants live, by the keystore and by the rows, which must agree."""
    alive = len(shop.ada.house.keystore.alive(shop.ada.owner_id, "grant"))
    with shop.ada.house.main.reading() as session:
        rows = session.execute(text("SELECT count(*) FROM grants WHERE state = 'live'")).scalar_one()
    assert alive == rows
    return alive


def form_of(shop: Bookshop, **changes: str) -> dict[str, str]:
    """The form of a fresh consent screen, ready to be sent."""
    page = shop.ada.sees_consent(shop.consent_address(authorization_details=ASKED))
    return {**page.hidden, "answer": "yes", "days": "30", **changes}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": ISSUER},
        {"Sec-Fetch-Site": "anything"},
        {"Sec-Fetch-Site": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:8401"},
        {"Origin": "http://shop.localhost:8400"},
        {"Origin": "https://localhost:8400"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
    ids=str,
)
def test_another_site_cannot_press_her_buttons(shop: Bookshop, headers: dict[str, str]) -> None:
    """N93 (OAuth 2.1 §7.10): not even with the right form."""
    form = form_of(shop)
    for path, data in (("/authorize", form), ("/sharing/stop-all", {}), ("/lock", {})):
        assert shop.ada.browser.post(path, data=data, headers=headers).status_code == 403
    assert grants(shop) == 0
    shop.ada.looks_at("/sharing")


def test_without_what_stood_in_the_form_nothing_is_given(shop: Bookshop) -> None:
    """N93: a browser that says nothing of where a form comes from still has to have seen the page."""
    good, other = form_of(shop), form_of(shop)
    for wrong in ("", "x", "00" * 32, other["digest"], good["digest"][:-2], good["digest"].upper() + "0"):
        answer = shop.ada.browser.post("/authorize", data={**good, "digest": wrong})
        assert answer.status_code == 409
        assert "Something changed" in answer.text
        assert "Location" not in answer.headers
    del good["digest"]
    assert shop.ada.browser.post("/authorize", data=good).status_code == 409
    assert grants(shop) == 0


def test_a_request_is_worth_nothing_in_another_clients_form(shop: Bookshop) -> None:
    """N93, N94"""
    form = form_of(shop)
    for change in (
        {"client_id": "https://evil.example/c"},
        {"client_id": ""},
        {"request_uri": ""},
        {"request_uri": "urn:x"},
    ):
        assert shop.ada.browser.post("/authorize", data={**form, **change}).status_code == 410
    assert grants(shop) == 0


def test_what_is_added_to_the_form_adds_nothing_to_what_is_given(shop: Bookshop) -> None:
    """N94: OAuth parameters come from the pushed request, and ticks count only where a box stood."""
    form = form_of(shop)
    added = {
        "redirect_uri": "https://evil.example/take",
        "scope": "everything",
        "state": "theirs",
        "response_type": "token",
        "code_challenge": "x" * 43,
        "dpop_jkt": new_key().thumbprint(),
        "authorization_details": details({**PURCHASES, "fields": ["item", "price", "note"]}),
        "item-0": "no",
        "item-2": "yes",
        "item-7": "yes",
        "field-0-gift_note": "yes",
        "field-0-note": "yes",
        "field-1-price": "yes",
        "field-7-item": "yes",
        "fields": "price",
        "gifts-1": "yes",
        "gifts-7": "yes",
        "gifts": "yes",
        "until": "2099-01-01",
        "grant_id": "00" * 16,
    }
    sent = shop.ada.browser.post("/authorize", data={**form, **added}, headers={"Sec-Fetch-Site": "same-origin"})
    assert sent.status_code == 303
    assert sent.headers["Location"].startswith(shop.redirect_uri + "?")
    assert query(sent.headers["Location"])["state"] == "a-state"
    held = shop.redeems(query(sent.headers["Location"])["code"]).json()
    until = held["authorization_details"][0].pop("until")
    assert until == "2026-12-22"
    assert held["authorization_details"] == [
        {
            "type": "vault_data",
            "collection": "purchases",
            "fields": ["item", "bought_on"],
            "actions": ["read"],
            "purpose": PURCHASES["purpose"],
            "filter": PURCHASES["filter"],
        }
    ]
    seen = shop.looks("/vendor/v1/purchases", held["access_token"]).json()["items"]
    assert [each["data"] for each in seen] == [{"item": "The Salt Almanac", "bought_on": "2026-10-22"}]
    assert shop.looks("/vendor/v1/preferences", held["access_token"]).status_code == 403


@pytest.mark.parametrize("days", ["9999", "0", "-1", "31", "90.0", "", "x", "9" * 5000, "٣٠", "²"])
def test_only_days_that_were_offered_are_given(shop: Bookshop, days: str) -> None:
    """N94: anything else means the shortest."""
    answer = shop.ada.presses("/authorize", **form_of(shop, days=days))
    held = shop.redeems(query(answer.headers["Location"])["code"]).json()
    assert {each["until"] for each in held["authorization_details"]} == {"2026-12-22"}


def test_gifts_are_given_only_where_she_ticked_them(shop: Bookshop) -> None:
    """N94: by the box that stood there, in the item it stood in."""
    held = shop.redeems(
        query(shop.ada.presses("/authorize", **form_of(shop, **{"gifts-0": "yes"})).headers["Location"])["code"]
    ).json()
    assert len(shop.looks("/vendor/v1/purchases", held["access_token"]).json()["items"]) == 2


def test_the_vendor_she_chooses_is_the_one_she_is_shown_and_gives(shop: Bookshop) -> None:
    """N2, N94: the list counts, and choosing without looking shows the page again."""
    other = next(number for number, name in _vendors(shop) if name == "Halden Optics")
    form = form_of(shop)
    both = [*form.items(), ("vendor", other)]
    unseen = shop.ada.browser.post("/authorize", data=_multi(both), headers={"Sec-Fetch-Site": "same-origin"})
    assert unseen.status_code == 409
    assert "Reading glasses" in unseen.text
    assert "The Salt Almanac" not in unseen.text
    shown = shop.ada.browser.post("/authorize", data=_multi([(n, v) for n, v in both if n != "answer"]))
    assert shown.status_code == 200
    assert "Reading glasses" in shown.text
    assert grants(shop) == 0
    for wrong in ("999999", "-1", "x", "1e3"):
        answer = shop.ada.browser.post("/authorize", data={**form, "answer": "show", "vendor": wrong})
        assert answer.status_code == 404


def _vendors(shop: Bookshop) -> list[tuple[str, str]]:
    page = shop.ada.looks_at(shop.consent_address(authorization_details=ASKED))
    return re.findall(r'<option value="(\d+)">([^<]*)</option>', page)


def _multi(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def test_the_page_can_be_framed_by_nobody_and_is_kept_by_nobody(shop: Bookshop) -> None:
    """N95 (OAuth 2.1 §7.11)"""
    answer = shop.ada.browser.get(shop.consent_address())
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert f"form-action 'self' http://shop.localhost:{shop.web.port}" in policy.split("; ")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("known", [True, False], ids=["other vendors to choose from", "none"])
def test_a_key_pressed_by_accident_allows_nothing(shop: Bookshop, known: bool) -> None:
    """N95: Enter sends a form by its first button, which never allows; and no button has the focus to begin with."""
    page = shop.ada.sees_consent(shop.consent_address(authorization_details=ASKED)).html
    if not known:
        page = re.sub(
            r"<details>\s*<summary>(?:(?!</details>).)*name=\"vendor\".*?</details>", "", page, flags=re.DOTALL
        )
    form = page.partition('<form class="consent')[2].partition("</form>")[0]
    buttons = re.findall(r'<button[^>]*name="answer" value="(\w+)"', form)
    assert buttons == (["show", "no", "less", "yes"] if known else ["no", "less", "yes"])
    assert len(re.findall(r"<button|type=\"(?:submit|image)\"", form)) == len(buttons)
    assert "autofocus" not in form
    assert not re.findall(r'type="checkbox"[^>]*checked', form)


def test_a_form_without_a_choice_decides_nothing(shop: Bookshop) -> None:
    """N95: sent at once by whatever sends forms, it shows the page again, and the request is as open as it was."""
    form = form_of(shop)
    for said in ({"answer": ""}, {"answer": "YES"}, {"answer": "true"}, {"answer": "show"}, {"allow": "yes"}):
        answer = shop.ada.presses("/authorize", status=200, **{**form, "answer": "", **said})
        assert "Location" not in answer.headers
    del form["answer"]
    shop.ada.presses("/authorize", status=200, **form)
    assert grants(shop) == 0
    assert shop.ada.presses("/authorize", **form, answer="yes").status_code == 303


def test_a_session_that_was_put_into_her_browser_is_not_the_one_she_opens(shop: Bookshop) -> None:
    """N96 (RFC 9700 §4.7): what was in the cookie before, whoever put it there, opens nothing of hers afterwards."""
    planted = shop.ada.app.test_client()
    opened = planted.post("/unlock", data={"passphrase": PASSPHRASE}).headers["Set-Cookie"]
    stranger = shop.ada.app.test_client()
    string = opened.partition("vault=")[2].partition(";")[0]
    for known in (string, "vrm_se_" + "A" * 91, "x"):
        stranger.set_cookie("vault", known, domain="localhost")
        answer = stranger.post("/unlock", data={"passphrase": PASSPHRASE})
        assert answer.status_code == 303
        fresh = answer.headers["Set-Cookie"].partition("vault=")[2].partition(";")[0]
        assert fresh
        assert fresh != known
        thief = shop.ada.app.test_client()
        thief.set_cookie("vault", known, domain="localhost")
        assert thief.get("/sharing").headers["Location"].startswith("/unlock")


def test_nobody_is_made_to_open_another_vault_unseen(shop: Bookshop) -> None:
    """N96 (RFC 9700 §4.7)"""
    stranger = shop.ada.app.test_client()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = stranger.post("/unlock", data={"passphrase": PASSPHRASE}, headers=headers)
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers


def test_pressing_twice_gives_once(shop: Bookshop) -> None:
    """N97: one after the other, and all at once."""
    form = form_of(shop)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: _presses_in_a_window_of_its_own(shop.ada, form), range(8)))
    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 7
    assert _presses_in_a_window_of_its_own(shop.ada, form).status_code == 410
    assert grants(shop) == 1


def _presses_in_a_window_of_its_own(ada: Ada, form: dict[str, str]) -> Any:
    window = ada.app.test_client()
    window.set_cookie("vault", ada.session, domain="localhost")
    return window.post("/authorize", data=form, headers={"Sec-Fetch-Site": "same-origin"})


def test_what_changed_meanwhile_is_shown_again(shop: Bookshop) -> None:
    """N99: she agrees to bytes. A purchase more or less, or a gift mark: each makes her look again."""
    ada = shop.ada
    form = form_of(shop)
    bought = ada.buys("Field Notes on Moss")
    answer = ada.presses("/authorize", status=409, **form)
    assert "Field Notes on Moss" in answer.text
    assert grants(shop) == 0
    form = form_of(shop)
    ada.marks_as_gift(bought)
    ada.presses("/authorize", status=409, **form)
    form = form_of(shop)
    ada.edits(bought, for_whom="me")
    ada.presses("/authorize", status=409, **form)
    form = form_of(shop)
    ada.removes(bought)
    ada.presses("/authorize", status=409, **form)
    assert grants(shop) == 0
    assert ada.presses("/authorize", **form_of(shop)).status_code == 303


@pytest.mark.parametrize("gift", [True, False], ids=["a gift mark", "something else"])
def test_what_is_written_between_making_ready_and_giving_is_not_missed(
    shop: Bookshop, monkeypatch: pytest.MonkeyPatch, gift: bool
) -> None:
    """N99: the set is sealed before her turn begins. What she writes before it does begin counts all the same."""
    ada, make_pepper = shop.ada, asking.new_pepper
    bought = ada.buys("Field Notes on Moss")
    pending = shop.asks(PURCHASES)
    page = ada.sees_consent(pending.authorize_url)

    def she_writes_first(*args: Any) -> Any:
        if gift:
            ada.marks_as_gift(bought)
        else:
            ada.keeps(Preference(topic="tea", stance="like"))
        return make_pepper(*args)

    monkeypatch.setattr(asking, "new_pepper", she_writes_first)
    answer = ada.presses("/authorize", status=409 if gift else 303, **page.hidden, answer="yes", days="30")
    assert grants(shop) == (0 if gift else 1)
    if not gift:
        shop.connection = shop.finishes(pending, answer.headers["Location"])
        assert "Field Notes on Moss" in {each["item"] for each in shop.reads()}
    ada.removes(bought)


def test_a_second_permission_is_asked_for_like_the_first(shop: Bookshop) -> None:
    """N99 (ASVS 10.7.1): nothing is allowed by itself because something was allowed before."""
    shop.tokens()
    page = shop.ada.looks_at(shop.consent_address())
    assert "What you allow now takes its place" in page
    assert grants(shop) == 1


def test_a_locked_vault_allows_nothing(shop: Bookshop) -> None:
    """N98 (ASVS 10.7.1): locked by her or never opened; and the request stays whole."""
    ada = shop.ada
    form = form_of(shop)
    for window in (ada.app.test_client(), _locked(ada)):
        for path in ("/authorize", "/sharing/stop-all"):
            answer = window.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"})
            assert answer.status_code == 303
            assert answer.headers["Location"].startswith("/unlock")
    assert ada.app.test_client().get(shop.consent_address()).headers["Location"].startswith("/unlock")
    assert grants(shop) == 0
    assert ada.presses("/authorize", **form).status_code == 303


def _locked(ada: Ada) -> Any:
    """A window in which she has been, and has locked."""
    from vault import sessions

    session, vault = sessions.begin(ada.house, ada.vault.keyring)
    sessions.end(ada.house, ada.owner_id, [vault.session_id])
    window = ada.app.test_client()
    window.set_cookie("vault", session, domain="localhost")
    return window


def test_nobody_is_sent_to_an_address_that_the_client_has_withdrawn(shop: Bookshop) -> None:
    """N99, N11: its document is read again when she decides."""
    moving = Bookshop("Moving", "moving")
    moving.open()
    moving.visits(shop.ada)
    try:
        for answer in ("yes", "no"):
            page = shop.ada.sees_consent(moving.consent_address())
            kept, moving.redirect_uri = moving.redirect_uri, f"{moving.address}/elsewhere"
            moving.key = new_key()
            shop.ada.house.clock.passes(seconds=61)  # type: ignore[attr-defined]
            assert moving.pushes().status_code == 201, "which has its document fetched anew"
            refused = page.answers(answer, status=410)
            assert "Location" not in refused.headers
            moving.redirect_uri = kept
            shop.ada.house.clock.passes(seconds=61)  # type: ignore[attr-defined]
            moving.key = new_key()
            assert moving.pushes().status_code == 201
    finally:
        moving.close()
    assert grants(shop) == 0


def test_a_client_that_cannot_be_read_any_more_is_given_nothing(shop: Bookshop) -> None:
    """N51, N99: what was kept of it is a day old when she decides, and it does not answer."""
    leaving, clock = Bookshop("Leaving", "leaving"), shop.ada.house.clock
    leaving.open()
    leaving.visits(shop.ada)
    assert leaving.pushes().status_code == 201
    clock.passes(hours=23, minutes=55)  # type: ignore[attr-defined]
    shop.ada.unlocks()
    pages = [shop.ada.sees_consent(leaving.consent_address()) for _ in range(2)]
    leaving.close()
    clock.passes(minutes=6)  # type: ignore[attr-defined]
    for page, answer in zip(pages, ("yes", "no"), strict=True):
        assert "Location" not in page.answers(answer, status=410).headers
    assert grants(shop) == 0


def test_after_her_answer_the_browser_forgets_the_form(shop: Bookshop) -> None:
    """N100 (RFC 9700 §4.12): 303, so that no form of hers is sent on to the vendor."""
    for answer in ("yes", "no"):
        sent = shop.ada.presses("/authorize", **form_of(shop, answer=answer))
        assert sent.status_code == 303
        assert sent.data == b""


def test_words_of_the_vendor_are_words_and_no_markup(shop: Bookshop) -> None:
    """N78 (RFC 9396 §12)"""
    evil = '</q></blockquote><script src="//evil.example"></script><input name="digest" value="0"><style>*{}</style>'
    evil += "{{ 7*7 }}"
    page = shop.ada.looks_at(
        shop.consent_address(authorization_details=details({**PURCHASES, "why": evil, "without": evil}))
    )
    assert '<script src="//evil' not in page
    assert "<style>*" not in page
    assert page.count('name="digest"') == 1
    assert "{{ 7*7 }}" in page
    assert "&lt;script" in page


def test_nothing_ticked_is_nothing_allowed(shop: Bookshop) -> None:
    """Design §8: and not a grant of nothing."""
    page = shop.ada.sees_consent(shop.consent_address(authorization_details=details(TASTE)))
    answer = page.answers("yes", status=422)
    assert "Nothing is ticked" in answer.text
    for said in ("", "maybe", "YES"):
        assert page.answers(said, "item-0", status=200)
    assert grants(shop) == 0


def test_where_allowing_takes_seconds_the_page_says_so(shop: Bookshop, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, address = shop.ada, shop.consent_address(authorization_details=ASKED)
    assert "takes some seconds" not in ada.sees_consent(address).html
    monkeypatch.setattr(authorize, "MANY", 2)
    assert re.search(r"These are \d things: allowing them takes some seconds\.", ada.sees_consent(address).html)
