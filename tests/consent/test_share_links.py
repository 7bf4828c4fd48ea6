"""Share links: whoever holds one sees the chosen records, exactly as previewed, as often and as long as she said."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import inspect, select, text

from consent import share_links
from consent.models import Grant, GrantLock
from tests.people import ISSUER, PURCHASES, Ada, Bookshop, Clock, details, hidden_in
from vault import bearer, deriving, worker
from vault.collections.notes import Note
from vault.collections.profile import Address, Birthday
from vault.values import When

WORDS = "obsidian marmalade trombone"


class Visitor:
    """Somebody with a link, in a browser that has never seen the vault."""

    def __init__(self, ada: Ada, path: str, address: str = "192.0.2.1") -> None:
        self.browser, self.path, self.here = ada.app.test_client(), path, {"REMOTE_ADDR": address}

    def stands_before_it(self) -> Any:
        return self.browser.get(self.path, environ_base=self.here)

    def looks(self, passphrase: str = "", **more: str) -> Any:
        form = {"answer": "show", "passphrase": passphrase, **more}
        return self.browser.post(self.path, data=form, environ_base=self.here)


def window(page: str) -> list[str]:
    """The words in the windows of a page, in order."""
    found = re.findall(r'<dl class="facts part">(.*?)</dl>', page, re.DOTALL)
    return [unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", each)).strip()) for each in found]


def entries(ada: Ada) -> list[str]:
    """Outcomes on her page of the access log, newest first."""
    page = ada.looks_at("/activity")
    return re.findall(r'class="end-cell">.*?</svg>([^<]+)</span>', page, re.DOTALL)


def test_whoever_holds_the_link_sees_the_chosen_records_exactly_as_previewed(ada: Ada) -> None:
    almanac, _moss = ada.buys("The Salt Almanac", note="from the second shelf"), ada.buys("Field Notes on Moss")
    page = ada.looks_at(f"/sharing/links/new?record={almanac.number}")
    usual = re.findall(r'name="field" value="([^"]+)" checked', page)
    form = {"record": str(almanac.number), "field": usual, "label": "Kettle repair", "days": "7", "views": "3"}
    seen = ada.presses("/sharing/links/new", status=200, **form).text
    made = ada.presses("/sharing/links/make", status=200, **hidden_in(seen), answer="make").text
    visitor = Visitor(ada, unescape(made).partition(ISSUER)[2].partition("</textarea>")[0])
    shown = visitor.looks().text
    assert window(shown) == window(seen) == ["What you bought The Salt Almanac When 22 October 2026 Price €18.50"]
    for hidden in ("Moss", "second shelf", "Ada", "Bookshop"):
        assert hidden not in shown
    assert "Kettle repair" in shown


def test_standing_before_the_door_shows_nothing_and_counts_as_nothing(ada: Ada) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac"), views="1"))
    ada.locks()
    before = everything(ada)
    for method, headers in (("GET", {}), ("HEAD", {}), ("OPTIONS", {}), ("GET", {"Sec-Purpose": "prefetch;prerender"})):
        for query in ("", "?answer=show"):
            answer = visitor.browser.open(visitor.path + query, method=method, headers=headers)
            assert answer.status_code == 200
            assert "Almanac" not in answer.text
    for form in ({}, {"answer": ""}, {"answer": "yes"}, {"List-Unsubscribe": "One-Click"}):
        assert "Almanac" not in visitor.browser.post(visitor.path, data=form).text
    page = visitor.stands_before_it()
    assert "Somebody shows you something" in page.text
    assert "Purchases" in page.text
    assert "Kettle repair" in page.text
    assert everything(ada) == before
    assert "Almanac" in visitor.looks().text


def test_the_page_has_no_cookie_and_no_script_and_goes_into_no_index(ada: Ada) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac")))
    for answer in (visitor.stands_before_it(), visitor.looks(), visitor.browser.get("/s/nothing")):
        assert "Set-Cookie" not in answer.headers
        assert "script" not in answer.text
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert 'href="/"' not in answer.text
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert visitor.browser.post(visitor.path, data={"answer": "show"}, headers=headers).status_code == 403


@pytest.mark.parametrize("views", [1, 3])
def test_it_can_be_seen_as_often_as_she_said_and_then_it_has_ended(ada: Ada, views: int) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac"), views=str(views)))
    assert [visitor.looks().status_code for _ in range(views + 1)] == [200] * views + [404]
    assert visitor.stands_before_it().status_code == 404
    with ada.house.main.reading() as session:
        assert session.scalar(select(Grant.cause)) == "used"
    assert "It was viewed as often as you allowed" in ada.looks_at("/sharing")


def test_many_at_once_see_it_no_more_often_than_she_said(ada: Ada) -> None:
    path = ada.shares(ada.buys("The Salt Almanac"), views="3")
    with ThreadPoolExecutor(8) as crowd:
        seen = list(crowd.map(lambda _: Visitor(ada, path).looks().status_code, range(12)))
    assert sorted(seen) == [200] * 3 + [404] * 9


def test_her_changes_show_and_what_she_removes_or_makes_a_gift_is_gone(ada: Ada) -> None:
    almanac, moss, atlas = ada.buys("The Salt Almanac"), ada.buys("Field Notes on Moss"), ada.buys("Atlas")
    visitor = Visitor(ada, ada.shares(almanac, moss, atlas))
    ada.edits(almanac, item="The Salt Almanac, second edition")
    ada.removes(moss)
    ada.marks_as_gift(atlas)
    ada.buys("Bought later")
    (shown,) = window(visitor.looks().text)
    assert "second edition" in shown


def test_a_gift_and_what_is_private_are_shown_only_when_ticked_by_name(ada: Ada) -> None:
    gift = ada.buys("The Lantern Year", for_whom="gift", recipient="Bram", gift_note="for his fortieth")
    plain = ada.buys("A Kettle", serial_number="ZX81-4471")
    page = ada.looks_at(f"/sharing/links/new?record={gift.number}&record={plain.number}")
    assert not re.search(r'name="(gift|named|asks)"[^>]*checked', page)
    assert not re.search(r'value="purchases/(serial_number|gift_note|recipient|for_whom|note)" checked', page)
    assert ["A Kettle" in each for each in window(Visitor(ada, ada.shares(gift, plain)).looks().text)] == [True]
    fields = ["purchases/item", "purchases/serial_number"]
    both = window(Visitor(ada, ada.shares(gift, plain, gift=str(gift.number), field=fields)).looks().text)
    assert both == ["What you bought A Kettle Serial number ZX81-4471", "What you bought The Lantern Year"]


def test_what_becomes_a_gift_hides_itself_also_beside_a_gift_that_she_ticked(ada: Ada) -> None:
    gift, plain = ada.buys("The Lantern Year", for_whom="gift"), ada.buys("A Kettle")
    visitor = Visitor(ada, ada.shares(gift, plain, gift=str(gift.number)))
    assert len(window(visitor.looks().text)) == 2
    ada.marks_as_gift(plain)
    assert ["Lantern" in each for each in window(visitor.looks().text)] == [True]


def test_records_of_several_collections_go_into_one_link(ada: Ada) -> None:
    chosen = (
        ada.buys("A Kettle"),
        ada.keeps(Note(heading="How it broke", text="It hums.")),
        ada.keeps(Address(city="Utrecht", street="Oudegracht 1")),
    )
    visitor = Visitor(ada, ada.shares(*chosen, field=["purchases/item", "notes/text", "profile/address.city"]))
    assert len(window(visitor.looks().text)) == 3
    assert "Oudegracht" not in visitor.looks().text
    page = ada.looks_at("/activity")
    assert "Purchases" in page
    assert "Notes" in page


def test_one_kind_of_thing_can_be_taken_out_of_it(ada: Ada) -> None:
    kettle, note = ada.buys("A Kettle"), ada.keeps(Note(heading="How it broke", text="It hums."))
    visitor = Visitor(ada, ada.shares(kettle, note))
    assert len(window(visitor.looks().text)) == 2
    page = ada.looks_at(f"/sharing/{ada.grant()}")
    items = re.findall(r'name="item" value="(\d)"', page)
    assert len(items) == 2
    ada.presses(f"/sharing/{ada.grant()}/less", item=items[-1])
    assert len(window(visitor.looks().text)) == 1
    ada.presses(f"/sharing/{ada.grant()}/less", item=items[0])
    assert visitor.looks().status_code == 404


def test_her_name_is_on_it_only_if_she_ticks_it(ada: Ada) -> None:
    named = Visitor(ada, ada.shares(ada.buys("A Kettle"), named="yes"))
    assert "Ada shows you something" in named.stands_before_it().text
    assert "Ada shows you this" in named.looks().text


def test_pausing_hides_it_and_resuming_shows_it_again(ada: Ada) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac"), views="3"))
    ada.presses(f"/sharing/{ada.grant()}/pause")
    assert visitor.stands_before_it().status_code == visitor.looks().status_code == 404
    ada.presses(f"/sharing/{ada.grant()}/resume")
    assert visitor.looks().status_code == 200
    assert entries(ada) == ["Allowed", "Refused: paused"]


def test_what_shows_nothing_looks_the_same_for_every_reason(ada: Ada, clock: Clock) -> None:
    kettle = ada.buys("A Kettle")
    stopped, used, paused = (ada.shares(kettle, views="1", days="90") for _ in range(3))
    expired = ada.shares(kettle, days="1")
    route = ada.house.keys.route
    known = bearer.parse(paused[3:], "share", route)
    assert known is not None
    ada.presses(f"/sharing/{grant_of(ada, stopped)}/stop")
    Visitor(ada, used).looks()
    ada.presses(f"/sharing/{grant_of(ada, paused)}/pause")
    clock.passes(days=2)
    forged = bearer.Bearer("share", known.owner_id, known.lock_id, b"\1" * 32).text(route)
    nobody = bearer.mint("share", b"\3" * 16, b"\4" * 16).text(route)
    link = bearer.Bearer("link", known.owner_id, known.lock_id, known.secret).text(route)
    odd = [forged, nobody, link, paused[3:-1], paused[3:] + "A", "x", "vrm_sl_", "%00"]
    seen = set()
    for path in [stopped, used, paused, expired, *(f"/s/{each}" for each in odd)]:
        visitor = Visitor(ada, path)
        seen |= {(answer.status_code, answer.text) for answer in (visitor.stands_before_it(), visitor.looks())}
    assert len(seen) == 1
    ((status, page),) = seen
    assert status == 404
    assert "This link shows nothing" in page


def test_stopping_it_takes_effect_before_the_page_answers_and_erases_what_it_showed(ada: Ada) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac")))
    ada.presses("/sharing/stop-all")
    assert visitor.looks().status_code == 404
    with ada.house.main.reading() as session:
        assert not session.scalars(select(GrantLock.kind)).all()
        assert session.scalar(text("SELECT count(*) FROM disclosures")) == 0


def test_a_passphrase_is_asked_for_and_only_the_right_one_shows_anything(ada: Ada) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac"), passphrase=WORDS, views="1"))
    grant = ada.grant()
    assert 'type="password"' in visitor.stands_before_it().text
    wrong = visitor.looks("not these words")
    assert wrong.status_code == 403
    assert "That is not the passphrase" in wrong.text
    assert "Almanac" not in wrong.text
    assert "Almanac" in visitor.looks(WORDS).text
    assert "wrong passphrase" in ada.looks_at(f"/sharing/{grant}")


def test_guessing_is_slowed_down_by_link_and_by_address_and_never_keeps_her_out(ada: Ada, clock: Clock) -> None:
    kettle = ada.buys("A Kettle")
    first, second = (ada.shares(kettle, passphrase=WORDS) for _ in range(2))
    said = [Visitor(ada, first, f"192.0.2.{n}").looks("a guess").status_code for n in range(8)]
    assert said[:5] == [403] * 5
    assert said[-1] == 429, "by link, from however many addresses"
    here = [Visitor(ada, second, "192.0.2.0").looks("a guess").status_code for _ in range(8)]
    assert here[-1] == 429, "by address, at however many links"
    waiting = Visitor(ada, first, "192.0.2.9").looks(WORDS)
    assert waiting.status_code == 429
    assert int(waiting.headers["Retry-After"]) <= 900
    ada.locks()
    answer = ada.app.test_client().post(
        "/unlock", data={"passphrase": ada.passphrase}, environ_base={"REMOTE_ADDR": "192.0.2.0"}
    )
    assert answer.status_code == 303, "her own way in is counted by itself"
    clock.passes(minutes=16)
    assert Visitor(ada, first, "192.0.2.9").looks(WORDS).status_code == 200


def test_an_easy_passphrase_is_refused_and_an_asked_one_cannot_be_forgotten(ada: Ada) -> None:
    form = {"record": str(ada.buys("A Kettle").number), "field": "purchases/item", "label": "Repair", "asks": "yes"}
    seen = ada.presses("/sharing/links/new", status=200, **form).text
    for easy in ("", "kettle", "password123"):
        ada.presses("/sharing/links/make", status=422, **hidden_in(seen), answer="make", passphrase=easy)
    assert not ada.house.keystore.alive(ada.owner_id, "grant")


def test_she_gives_only_what_she_has_seen(ada: Ada) -> None:
    kettle = ada.buys("A Kettle")
    form = {"record": str(kettle.number), "field": "purchases/item", "label": "Repair"}
    seen = hidden_in(ada.presses("/sharing/links/new", status=200, **form).text)
    for more in ({"field": ["purchases/item", "purchases/price"]}, {"days": "90"}, {"views": "any"}, {"label": "X"}):
        ada.presses("/sharing/links/make", status=409, **{**seen, **more}, answer="make")
    ada.edits(kettle, item="A Samovar")
    again = ada.presses("/sharing/links/make", status=409, **seen, answer="make").text
    assert "A Samovar" in again
    assert not ada.house.keystore.alive(ada.owner_id, "grant")
    ada.presses("/sharing/links/make", status=200, **hidden_in(again), answer="make")


def test_what_she_writes_while_the_link_is_being_made_is_not_missed(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    kettle, make_pepper = ada.buys("A Kettle"), share_links.new_pepper
    form = {"record": str(kettle.number), "field": "purchases/item", "label": "Repair"}
    seen = hidden_in(ada.presses("/sharing/links/new", status=200, **form).text)

    def she_writes_first(*args: Any) -> Any:
        ada.marks_as_gift(kettle)
        return make_pepper(*args)

    monkeypatch.setattr(share_links, "new_pepper", she_writes_first)
    ada.presses("/sharing/links/make", status=422, **seen, answer="make")
    assert not ada.house.keystore.alive(ada.owner_id, "grant")


def test_what_is_stopped_while_a_passphrase_is_tried_is_not_shown(ada: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, stretch = Visitor(ada, ada.shares(ada.buys("A Kettle"), passphrase=WORDS)), deriving.stretch

    def she_stops_it(*args: Any) -> bytes:
        ada.presses("/sharing/stop-all")
        return stretch(*args)

    monkeypatch.setattr(deriving, "stretch", she_stops_it)
    answer = visitor.looks(WORDS)
    assert answer.status_code == 404
    assert "A Kettle" not in answer.text


def test_it_stands_among_all_others_with_its_receipt_and_ends_on_its_day(ada: Ada, clock: Clock) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac"), days="7"))
    grant = grant_of(ada, visitor.path)
    assert "Kettle repair" in ada.looks_at("/sharing")
    page = ada.looks_at(f"/sharing/{grant}")
    assert "The Salt Almanac" in page
    (receipt,) = re.findall(r'href="/receipts/([0-9a-f]{32})"', page)
    assert "only the one you chose" in ada.looks_at(f"/receipts/{receipt}")
    clock.passes(days=7, minutes=6)
    while worker.tick(ada.house, sweep=True):
        pass
    ada.unlocks()
    assert visitor.looks().status_code == 404
    assert "Time ran out" in ada.looks_at("/sharing")


def test_it_can_be_made_to_end_sooner(ada: Ada, clock: Clock) -> None:
    visitor = Visitor(ada, ada.shares(ada.buys("The Salt Almanac"), days="90"))
    ada.presses(f"/sharing/{grant_of(ada, visitor.path)}/sooner", days="1")
    assert visitor.looks().status_code == 200
    clock.passes(days=1, minutes=1)
    assert visitor.stands_before_it().status_code == visitor.looks().status_code == 404


def test_several_links_live_beside_each_other_and_beside_vendors(ada: Ada, bookshop: Bookshop) -> None:
    kettle = ada.buys("A Kettle")
    one, other = ada.shares(kettle), ada.shares(kettle)
    ada.lets(bookshop)
    assert len(bookshop.reads()) == 1
    assert [Visitor(ada, path).looks().status_code for path in (one, other)] == [200, 200]
    assert "1 vendor can see something" in ada.looks_at("/sharing")
    assert "2 links show something" in ada.looks_at("/sharing")


def test_nobody_is_told_about_a_link_because_nobody_is_known(ada: Ada) -> None:
    ada.shares(ada.buys("A Kettle"))
    ada.presses(f"/sharing/{ada.grant()}/pause")
    ada.presses(f"/sharing/{ada.grant()}/stop")
    with ada.house.main.reading() as session:
        assert "notice" not in session.scalars(text("SELECT kind FROM jobs WHERE owner_id IS NOT NULL")).all()


def test_no_request_of_a_vendor_can_ask_for_records_by_number(bookshop: Bookshop) -> None:
    for more in ({"numbers": [1]}, {"records": [1]}, {"filter": {"records": [1]}}, {"filter": {"numbers": [1]}}):
        answer = bookshop.pushes(authorization_details=details({**PURCHASES, **more}))
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_authorization_details"


def test_the_string_of_a_link_opens_nothing_else(ada: Ada, bookshop: Bookshop) -> None:
    path = ada.shares(ada.buys("The Salt Almanac"))
    string = path[3:]
    assert bookshop.looks("/vendor/v1/purchases", string).status_code == 401
    assert bookshop.refreshes(string).status_code == 400
    stranger = ada.app.test_client()
    assert stranger.get(f"/r/{string}").status_code == 404
    assert stranger.post(f"/r/{string}", data={"answer": "stop"}).status_code == 404
    stranger.set_cookie("vault", string, domain="localhost")
    assert stranger.get("/purchases").status_code == 303


def test_records_are_chosen_from_a_list_by_ticks(ada: Ada) -> None:
    kettle = ada.buys("A Kettle")
    ada.buys("Field Notes on Moss")
    assert f'name="record" value="{kettle.number}"' in ada.looks_at("/sharing/links/choose?words=kett")
    assert "Moss" not in ada.looks_at("/sharing/links/choose?words=kett")
    assert f"/sharing/links/new?record={kettle.number}" in ada.looks_at(f"/purchases/{kettle.number}")
    assert "/sharing/links/choose?collection=purchases" in ada.looks_at("/purchases")
    ada.looks_at("/sharing/links/choose?collection=nothing", status=404)
    ada.looks_at("/sharing/links/new?" + urlencode({"record": "999999"}), status=404)


def test_words_of_a_name_are_found_in_whatever_case_and_with_or_without_accents(ada: Ada) -> None:
    kettle = ada.buys("ŻÓŁTY czajnik")
    ada.buys("Field Notes on Moss")
    for typed in ("żółty", "ZOLTY", "ty Czaj"):
        assert numbers_listed(ada, typed) == [kettle.number]
    assert numbers_listed(ada, "teapot") == []
    assert len(numbers_listed(ada, "")) == 2


def numbers_listed(ada: Ada, typed: str) -> list[int]:
    """The records that can be ticked, by number."""
    page = ada.looks_at("/sharing/links/choose?" + urlencode({"words": typed}))
    return [int(number) for number in re.findall(r'name="record" value="(\d+)"', page)]


def test_an_answer_that_is_no_can_be_shown(ada: Ada) -> None:
    birthday = ada.keeps(Birthday(born_on=When("2010-01-01")))
    visitor = Visitor(ada, ada.shares(birthday, field=["profile/birthday.over_18"]))
    assert window(visitor.looks().text) == ["Whether you are 18 or older No"]
    assert "2010" not in visitor.looks().text


def grant_of(ada: Ada, path: str) -> str:
    """The grant behind a link."""
    known = bearer.parse(path[3:], "share", ada.house.keys.route)
    assert known is not None
    with ada.house.main.reading() as session:
        return str(session.scalar(select(GrantLock.grant_id).where(GrantLock.lock_id == known.lock_id)).hex())  # type: ignore[union-attr]


def everything(ada: Ada) -> dict[str, Any]:
    """Every row of the three databases."""
    rows: dict[str, Any] = {}
    for database in ada.house.databases:
        with database.reading() as session:
            for table in inspect(database.engine).get_table_names():
                rows[f"{database.engine.url.database}/{table}"] = session.execute(
                    text(f'SELECT * FROM "{table}"')
                ).all()
    return rows
