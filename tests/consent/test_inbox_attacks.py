"""The inbox against a vendor in a hurry: what is on its way when she takes nothing more does not arrive after that."""

from __future__ import annotations

from sqlalchemy import event

from consent import inbox
from tests.people import PURCHASES, RECEIPTS, Ada, Bookshop, details

LEFT = {"item": "The Weathervane", "bought_on": "2026-11-20"}


def test_what_is_on_its_way_when_she_takes_nothing_more_does_not_arrive_after_it(ada: Ada, bookshop: Bookshop) -> None:
    tokens = bookshop.tokens("item-1", authorization_details=details(PURCHASES, RECEIPTS))
    pressed: list[str] = []

    def just_before_it_is_counted(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "count(*)" in statement and "deposits" in statement and not pressed:
            pressed.append(statement)
            ada.presses(f"/inbox/from/{tokens['grant_id']}/block")

    event.listen(ada.house.main.engine, "before_cursor_execute", just_before_it_is_counted)
    late = bookshop.leaves(tokens["access_token"], LEFT)
    event.remove(ada.house.main.engine, "before_cursor_execute", just_before_it_is_counted)
    assert pressed
    assert late.json()["code"] == "busy"
    assert bookshop.leaves(tokens["access_token"], LEFT).json()["code"] == "not_granted"
    with ada.house.main.reading() as session:
        assert inbox.waiting(session, ada.open, limit=1) == []


def test_nothing_is_left_that_would_make_her_read_something_else(ada: Ada, bookshop: Bookshop) -> None:
    """A price that stands after a letter that turns the order round is read backwards, on her pages and on others'."""
    token = bookshop.tokens("item-1", authorization_details=details(PURCHASES, RECEIPTS))["access_token"]
    for number, unseen in enumerate("\0\x1b\x7f\x9f\u202e\u202a\u2066\u2069"):
        answer = bookshop.leaves(token, {**LEFT, "item": f"A Lamp{unseen}"}, under=f"turned {number}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert answer.json()["detail"] == "holds characters that deceive the eye: item"
    told = [{**LEFT, "item": each} for each in ("چراغ\u200cها", "\U0001f469\u200d\U0001f680", "מנורה")]
    assert [bookshop.leaves(token, each, under=each["item"].encode().hex()).status_code for each in told] == [202] * 3
