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
