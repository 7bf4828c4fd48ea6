"""Charts: percent across, pixels down, escaped words, and no style of their own."""

from __future__ import annotations

import re
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import charts
from vault.charts import Bar, Point
from vault.rhythm import rhythm

NASTY = "<script>\"&'</script>"
TODAY = date(2026, 11, 22)
ALL = {
    "columns": charts.columns([Bar(3, "J", NASTY, rest=NASTY), Bar(9, "F", NASTY, front=NASTY, now=True)], NASTY),
    "ranks": charts.ranks([Bar(9, NASTY, NASTY), Bar(0, NASTY, NASTY), Bar(-5, NASTY, NASTY)], NASTY),
    "dots": charts.dots([(NASTY, [0, 0.5, 1])], NASTY, NASTY, NASTY),
    "stairs": charts.stairs([Point(0, 2.5, NASTY, NASTY), Point(0.4, 2, "", ""), Point(1, 3, NASTY, NASTY)], NASTY),
    "heat": charts.heat([("M", NASTY), ("T", "")], [[0, 1, 9], [2, -1, -1]], [NASTY, "", ""], NASTY),
    "nothing": charts.columns([], ""),
    "one price": charts.stairs([Point(0, 2.5, "€2.50", "today")], ""),
}


@pytest.mark.parametrize("chart", ALL.values(), ids=ALL.keys())
def test_a_chart_is_well_formed_fits_any_width_and_keeps_to_the_style_sheet(chart: str):
    root = ElementTree.fromstring(chart)  # noqa: S314 - made here
    assert root.get("role") == "img"
    assert "script" not in {each.tag for each in root.iter()}
    for each in root.iter():
        assert not {"style", "fill", "stroke", "onload"} & set(each.keys())
        for across in ("x", "x1", "x2", "cx", "width"):
            if across in each.attrib:
                assert 0 <= float(each.attrib[across].removesuffix("%")) <= 100.01, ElementTree.tostring(each)
                assert each.attrib[across].endswith("%")


def test_words_of_others_are_only_words():
    assert NASTY not in "".join(ALL.values())
    assert ElementTree.fromstring(ALL["dots"]).get("aria-label") == NASTY  # noqa: S314 - made here


def test_the_largest_value_reaches_furthest():
    wide = [float(each) for each in re.findall(r'"mark" [^>]*width="([\d.]+)%"', ALL["ranks"])]
    assert wide == [100, 0, 0]


def test_a_field_is_the_stronger_the_more_there_is_and_days_to_come_have_none():
    assert [charts.level(value, 9) for value in (0, 1, 3, 5, 7, 9)] == [0, 1, 2, 3, 4, 4]
    assert len(re.findall("<rect", ALL["heat"])) == 4


@given(st.floats(0, 1e15))
def test_lines_across_a_chart_are_few_round_and_high_enough(most: float):
    found = charts.steps(most)
    assert found[0] == 0
    assert found[-1] >= most
    assert len(found) <= 6


def days(*gaps: int, until: date = TODAY) -> list[date]:
    """Days so far apart, the last one first said."""
    found = [until]
    for gap in reversed(gaps):
        found.append(found[-1] - timedelta(days=gap))
    return found


@pytest.mark.parametrize(
    ("bought", "every"),
    [
        (days(28, 28, 28, 28), 28),
        (days(28, 28, 28), None),  # four days are chance
        (days(22, 24, 23, 90, 23, 22), 23),  # a long holiday changes nothing
        (days(23, 23, 1, 23, 23), 23),  # nor does one in advance
        (days(1, 40, 3, 70, 12, 2), None),  # no rhythm at all
        (days(1, 1, 1, 1), 1),
        (days(7, 7, 7, 7, until=TODAY - timedelta(days=60)), None),  # the habit has ended
        ([*days(7, 7, 7, 7), TODAY, TODAY + timedelta(days=400)], 7),  # the same day twice, and one to come
        ([], None),
    ],
)
def test_a_rhythm_is_said_only_where_there_is_one(bought: list[date], every: int | None):
    found = rhythm(bought, TODAY)
    assert (found and found.every) == every


def test_the_next_one_is_due_one_gap_after_the_last():
    found = rhythm(days(28, 28, 28, 28), TODAY)
    assert found
    assert found.due == TODAY + timedelta(days=28)
