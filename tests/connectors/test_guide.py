"""The first minute: a demo that leads round in five steps, and an empty vault that offers to bring something in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.demo_life import live
from tests.houses import embedded_only
from tests.people import Ada, house_in
from vault import choices


@pytest.fixture
def guided(ada: Ada) -> Ada:
    """Ada in the demo."""
    ada.buys("Atlas")
    choices.keep(ada.open, {"guide": {"step": 1, "shop": "http://shop.localhost:1"}})
    return ada


def step(page: str) -> str:
    found = re.search(r"step (\d) of 5", page)
    return found[1] if found else ""


def test_five_steps_lead_round_and_it_remembers_where_she_is(guided: Ada):
    assert step(guided.looks_at("/")) == "1"
    for number, path in (("2", "/purchases"), ("4", "/activity"), ("5", "/sharing"), ("1", "/")):
        assert guided.presses("/guide", step=number).headers["Location"] == path
        assert step(guided.looks_at(path)) == number
    guided.presses("/guide", step="4")
    guided.locks()
    guided.unlocks()
    assert step(guided.looks_at("/notes")) == "4"


def test_it_is_closed_for_good_and_leaves_her_where_she_was(guided: Ada):
    assert guided.presses("/guide", step="close", next="/purchases").headers["Location"] == "/purchases"
    assert step(guided.looks_at("/")) == ""
    assert guided.presses("/guide", step="2").headers["Location"] == "/"
    assert step(guided.looks_at("/")) == ""


def test_there_is_no_other_step(guided: Ada):
    for wanted in ("0", "6", "-1", "x", ""):
        guided.presses("/guide", 404, step=wanted)
    assert step(guided.looks_at("/")) == "1"


def test_a_vault_of_her_own_has_no_strip(ada: Ada):
    assert step(ada.looks_at("/")) == ""


@embedded_only
def test_the_demo_is_lived_in(tmp_path: Path):
    code = live(tmp_path / "demo", "http://localhost:8400", "", "a lamp, a kettle, a map")
    assert len(code.split("-")) == 8
    house = house_in(tmp_path / "demo")
    her = Ada(house, "a lamp, a kettle, a map")
    catalogue = her.open.catalogue
    days = [entry.day for entry in catalogue.entries("collection = 'purchases' AND part = ''")]
    assert catalogue.count("collection = 'purchases' AND facet = 'gift'") == 9
    assert catalogue.count("collection = 'vendors'") == 7  # six of the demo's, and the one that tests begin with
    assert 17 <= (int(days[0][:4]) - int(days[-1][:4])) * 12 + int(days[0][5:7]) - int(days[-1][5:7]) <= 19
    assert catalogue.count("collection = 'notes'") >= 1
    assert her.open.settings["guide"] == {"step": 1}
    house.stop()


def test_an_empty_vault_offers_to_bring_a_file_in_at_once(ada: Ada):
    ada.presses(f"/vendors/{ada.bookshop_number}/remove")
    page = ada.looks_at("/?welcome")
    assert 'action="/imports"' in page
    assert 'type="file"' in page
