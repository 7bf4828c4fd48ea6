"""What was damaged, or is no longer understood, costs her that one thing: everything else still opens and answers."""

from __future__ import annotations

import sqlite3

from tests.people import BIRTHDAY, Ada, Bookshop, details
from vault.collections.profile import Birthday
from vault.values import When


def damages(ada: Ada, table: str, column: str) -> None:
    """Overwrite every box of a column, as a failing disk or whoever can write to the file would."""
    with sqlite3.connect(ada.house.main.file) as connection:
        assert connection.execute(f"UPDATE {table} SET {column} = zeroblob(200)").rowcount


def test_a_damaged_answer_does_not_keep_her_out_and_is_given_anew_when_she_unlocks(
    ada: Ada, bookshop: Bookshop
) -> None:
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    token = bookshop.tokens("item-0", authorization_details=details(BIRTHDAY))["access_token"]
    damages(ada, "disclosures", "box")
    assert bookshop.looks("/vendor/v1/profile", token).json()["code"] == "damaged"
    ada.unlocks()
    (shown,) = bookshop.looks("/vendor/v1/profile", token).json()["items"]
    assert shown["data"] == {"birthday.day_month": "--12-10", "birthday.over_18": True}
