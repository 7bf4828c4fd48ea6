"""Insights: what her own records say, from the catalogue's sums."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from html import unescape

import pytest
from sqlalchemy import update

from tests.people import Ada
from vault import figures
from vault.catalogue import SHAPE, Catalogue
from vault.collections.purchases import Order, Purchase
from vault.figures import Span
from vault.models import RecordRow
from vault.values import Money, When

YEAR = "You spent %s in the last twelve months"


def said(ada: Ada, path: str = "/insights") -> dict[str, str]:
    """What stands beside each name in the tables of the page."""
    rows = re.findall(
        r'<th role="rowheader" scope="row"[^>]*>(?:<a [^>]*>)?([^<]+)(?:</a>)?</th>(.*?)</tr>', ada.looks_at(path)
    )
    cells = {name: " ".join(re.findall(r"<td[^>]*>([^<]*)", rest)).split() for name, rest in rows}
    return {unescape(name): unescape(" ".join(words)) for name, words in cells.items()}


def findings(ada: Ada, path: str = "/insights") -> list[str]:
    """Its headings."""
    return [unescape(each) for each in re.findall(r"<h2[^>]*>\s*([^<]+?)\s*</h2>", ada.looks_at(path))]


def drinks_coffee(ada: Ada, *prices: str, every: int = 23, **more) -> None:
    """One bag after the other, the last one eight days ago."""
    for place, price in enumerate(reversed(prices)):
        day = date(2026, 11, 14) - timedelta(days=every * place)
        ada.buys("House roast, 1 kg", day.isoformat(), price, category="Coffee", **more)


def test_an_empty_vault_is_told_what_will_stand_here(ada: Ada):
    page = ada.looks_at("/insights")
    assert "Nothing to add up yet" in page
    assert "/purchases/new" in page
    assert '<svg class="chart"' not in page


def test_it_says_what_was_spent_by_month_vendor_and_kind(ada: Ada):
    ada.buys("Atlas", "2026-11-18", "24.90", category="books")
    ada.buys("Moss", "2026-10-02", "18.50", category=" Books ")
    ada.buys("Kettle", "2026-10-09", "30.00", vendor=None)
    ada.buys("Lamp", "2024-10-09", "149.00")
    ada.keeps(Order(order="X", placed_on=When("2026-10-09"), total=Money("999.00", "EUR")))
    assert findings(ada)[:2] == [YEAR % "€73.40", "Most went to Bookshop"]
    rows = said(ada)
    assert (rows["October"], rows["November"], rows["September"]) == (
        "2 purchases €48.50",
        "1 purchase €24.90",
        "0 purchases €0.00",
    )
    assert (rows["Bookshop"], rows["Somewhere"]) == ("2 purchases €43.40", "1 purchase €30.00")
    assert (rows["Books"], rows["No kind given"]) == ("2 purchases €43.40", "1 purchase €30.00")
    assert rows["Together"] == "3 purchases €73.40"


def test_the_sums_follow_what_is_changed_removed_and_marked_as_a_gift(ada: Ada):
    atlas, moss = ada.buys("Atlas", "2026-11-18", "24.90"), ada.buys("Moss", "2026-11-18", "18.50")
    ada.edits(atlas, price={"amount": "20.00", "currency": "EUR"}, bought_on="2026-10-01")
    assert said(ada)["October"] == "1 purchase €20.00"
    ada.removes(moss)
    assert findings(ada)[0] == YEAR % "€20.00"
    ada.marks_as_gift(atlas)
    assert "Nothing with a price in this time" in findings(ada)


def test_gifts_are_left_out_until_she_includes_them(ada: Ada):
    ada.buys("Moss", "2026-11-18", "18.50")
    ada.buys("Atlas", "2026-11-18", "24.90", for_whom="gift")
    page = ada.looks_at("/insights")
    assert "Include gifts: 1, €24.90" in page
    assert 'name="gifts" value="yes" checked' not in page
    assert findings(ada)[0] == YEAR % "€18.50"
    assert findings(ada, "/insights?gifts=yes")[0] == YEAR % "€43.40"
    assert 'name="gifts" value="yes" checked' in ada.looks_at("/insights?gifts=yes")


def test_two_currencies_are_never_added(ada: Ada):
    ada.buys("Moss", "2026-11-18", "18.50")
    ada.buys("Ink", "2026-11-18", "2.50")
    ada.keeps(Purchase(item="Ticket", bought_on=When("2026-11-01"), price=Money("39.00", "CHF")))
    assert findings(ada)[0] == YEAR % "€21.00"
    assert "Besides that CHF39.00 in one purchase, which is another currency" in ada.looks_at("/insights")
    assert findings(ada, "/insights?currency=CHF")[0] == YEAR % "CHF39.00"
    assert "€60" not in ada.looks_at("/insights")


def test_a_time_is_chosen_by_a_plain_form(ada: Ada):
    ada.buys("Moss", "2026-11-18", "18.50")
    ada.buys("Atlas", "2025-12-03", "24.90")
    ada.buys("Ink", "2025-11-03", "5.00")
    ada.buys("Lamp", "2019-10-09", "149.00")
    ada.buys("Kettle", "2019", "30.00")
    assert findings(ada)[0] == YEAR % "€43.40"
    assert findings(ada, "/insights?when=2026")[0] == "You have spent €18.50 this year"
    assert findings(ada, "/insights?when=all")[0] == "You spent €227.40 since 2019"
    assert findings(ada, "/insights?when=2019")[0] == "You spent €179.00 in 2019"
    rows = said(ada, "/insights?when=2019")
    assert (rows["October 2019"], rows["2019, month not known"]) == ("1 purchase €149.00", "1 purchase €30.00")
    rows = said(ada, "/insights?when=all")
    assert (rows["2019"], rows["2020"], rows["2025"]) == (
        "2 purchases €179.00",
        "0 purchases €0.00",
        "2 purchases €29.90",
    )
    assert "Nothing with a price in this time" in findings(ada, "/insights?when=1999")
    assert '<option value="2019">2019</option>' in ada.looks_at("/insights")


def test_a_purchase_dated_wrongly_by_centuries_spoils_no_chart(ada: Ada):
    ada.buys("Moss", "2026-11-18", "18.50")
    ada.buys("Tapestry", "1066-10-14", "5.00")
    ada.buys("Rocket", "9999-01-01", "6.00")
    rows = said(ada, "/insights?when=all")
    assert (rows["1066"], rows["2026"], rows["9999"]) == ("1 purchase €5.00", "1 purchase €18.50", "1 purchase €6.00")
    assert len(rows) < 30
    assert findings(ada, "/insights?when=9999")[0] == "You spent €6.00 in 9999"
    assert findings(ada)[0] == YEAR % "€18.50"


@pytest.mark.parametrize("odd", ["when=%27", "when=0000", "currency=%27--", "product=%27", "product=99999", "gifts=1"])
def test_what_cannot_be_read_narrows_nothing(ada: Ada, odd: str):
    ada.buys("Moss", "2026-11-18", "18.50")
    assert findings(ada, f"/insights?{odd}")[0] == YEAR % "€18.50"


def test_what_has_no_price_is_said_and_not_counted(ada: Ada):
    ada.buys("Moss", "2026-11-18", "18.50")
    ada.keeps(Purchase(item="Found on the pavement", bought_on=When("2026-11-01")))
    assert "1 purchase has no price and is not counted." in ada.looks_at("/insights")
    assert findings(ada)[0] == YEAR % "€18.50"


def test_amounts_nobody_can_have_paid_break_nothing(ada: Ada):
    for _ in range(3):
        ada.buys("Star", "2026-11-18", "999999999999999.999999")
    for _ in range(12):
        ada.buys("Moon", "2026-11-18", "99999999999.99")
    ada.buys("Refund", "2026-11-18", "-5.25")
    assert "3 purchases have no price" in ada.looks_at("/insights")
    assert figures.currencies(ada.open.catalogue, Span())[0].amount == Decimal("1199999999994.63")


def test_the_figures_are_read_without_opening_a_record(ada: Ada):
    ada.buys("Moss", "2026-11-18", "18.50")
    assert ada.open.catalogue.checked
    with ada.house.main.transaction() as session:
        session.execute(update(RecordRow).where(RecordRow.owner_id == ada.owner_id).values(box=b"\1 not a box"))
    assert findings(ada)[0] == YEAR % "€18.50"


def test_a_record_that_went_back_is_not_added_up(ada: Ada):
    moss = ada.buys("Moss", "2026-11-18", "18.50")
    ada.buys("Ink", "2026-11-18", "2.50")
    assert ada.open.catalogue.count("1")
    ada.house.catalogues.put_away(ada.house)
    with ada.house.main.transaction() as session:
        mine = (RecordRow.owner_id == ada.owner_id, RecordRow.number == moss.number)
        session.execute(update(RecordRow).where(*mine).values(revision=1))
    assert findings(ada)[0] == YEAR % "€2.50"


def test_a_catalogue_of_an_earlier_shape_is_built_anew(ada: Ada):
    ada.buys("Moss", "2026-11-18", "18.50")
    image = bytearray(ada.open.catalogue.image())
    assert Catalogue(bytes(image)).revision
    image[60:64] = (SHAPE - 1).to_bytes(4)
    with pytest.raises(Exception, match="another shape"):
        Catalogue(bytes(image))


def test_it_says_how_often_she_buys_the_same(ada: Ada):
    drinks_coffee(ada, "9.00", "9.00", "9.00", "9.00", "9.00", "9.50")
    page = ada.looks_at("/insights")
    assert "You buy coffee every 23 days" in page
    assert "The next one is due about 7 Dec." in page
    assert "every 23 days 14 Nov" in said(ada)["Coffee"]
    assert 'House roast, 1 kg</th><td role="cell" class="meta">every' not in page, (
        "the kind stands for its only product"
    )


def test_without_a_rhythm_nothing_is_claimed(ada: Ada):
    drinks_coffee(ada, "9.00", "9.00", "9.00", "9.00")
    assert "Nothing you buy regularly" in findings(ada)


def test_gifts_make_no_habit(ada: Ada):
    drinks_coffee(ada, *["9.00"] * 6, for_whom="gift")
    assert "Nothing you buy regularly" in findings(ada)
    assert "You buy coffee every 23 days" in findings(ada, "/insights?gifts=yes")


def test_the_price_of_one_is_followed_over_time(ada: Ada):
    drinks_coffee(ada, "20.00", "20.00", "22.00", every=60)
    ada.buys("House roast,  1 KG", "2026-11-20", "44.00", quantity=Decimal(2))
    rows = said(ada)
    assert "House roast,  1 KG costs 10% more than in July 2026" in findings(ada)
    assert rows["20 Nov"] == "Bookshop €22.00"
    assert rows["17 Jul"] == "Bookshop €20.00"


@pytest.mark.parametrize(("price", "quantity", "shown"), [("3.90", "1000", "€0.0039"), ("1.00", "3", "€0.3333")])
def test_what_costs_less_than_a_cent_has_a_price_too(ada: Ada, price: str, quantity: str, shown: str):
    drinks_coffee(ada, price, price, price, every=60, quantity=Decimal(quantity))
    assert said(ada)["17 Jul"] == f"Bookshop {shown}"


def test_a_price_of_one_that_nobody_can_have_paid_is_not_shown(ada: Ada):
    drinks_coffee(ada, *["2000000000"] * 3, quantity=Decimal("0.000001"))
    assert "costs as much" not in ada.looks_at("/insights")


def test_another_product_is_chosen_by_one_of_its_purchases(ada: Ada):
    drinks_coffee(ada, "20.00", "20.00", "22.00", "22.00")
    for day in ("2026-03-01", "2026-05-01", "2026-10-01"):
        lamp = ada.buys("Lamp oil", day, "4.00", product_code="LO-1")
    assert "House roast, 1 kg costs 10% more than in September 2026" in findings(ada)
    assert "Lamp oil costs as much as in March 2026" in findings(ada, f"/insights?product={lamp.number}")
    assert "Lamp oil" not in ada.looks_at("/insights").split('<form class="row low', 1)[0]


def test_a_vendors_own_code_is_no_code_of_another(ada: Ada):
    for number, code in ((1, "10-1"), (2, "10-1"), (1, "9783161484100"), (2, "9783161484100")):
        ada.buys("Thing", vendor=number, product_code=code)
    ada.buys("Thing", vendor=1, product_code="10-1")
    bought = figures.products(ada.open.catalogue, gifts=False)
    assert bought == []
    ada.buys("Thing", vendor=3, product_code="9783161484100")
    assert len(figures.products(ada.open.catalogue, gifts=False)) == 1


def test_guarantees_that_end_soon_are_listed(ada: Ada):
    ada.buys("Lamp", warranty_until=When("2027-01"))
    ada.buys("Kettle", warranty_until=When("2026-11-21"))
    ada.buys("Bicycle", warranty_until=When("2029-01-01"))
    page = ada.looks_at("/insights")
    assert "1 guarantee ends within six months" in findings(ada)
    assert re.findall(r"<li><a href=\"/purchases/\d+\">([^<]+)", page) == ["Lamp"]


def test_many_vendors_are_eight_and_the_others(ada: Ada):
    for number in range(100, 120):
        ada.buys("Thing", "2026-11-01", "5.00", vendor=number)
    catalogue = ada.open.catalogue
    found = figures.spent(catalogue, "vendor", Span("2026", "2026"), "EUR")
    assert len(found) == 20
    assert figures.bought_at(catalogue, Span(), {101}) == {101: [("EUR", found[1])]}
    assert said(ada)["12 others"] == "12 purchases €60.00"


def test_the_table_of_habits_has_the_days_of_its_chart(ada: Ada):
    drinks_coffee(ada, *["9.00"] * 30)
    page = ada.looks_at("/insights")
    assert page.split('id="habits"')[1].split("</svg>")[0].count("<circle") == 16
    assert '14 Nov,</span> <span class="nowrap">22 Oct,</span> <span class="nowrap">29 Sept,' in page
