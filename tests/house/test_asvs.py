"""docs/asvs.csv names every requirement of OWASP's ASVS 5.0, and each that applies leads to what shows it."""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from functools import cache

from tests.house.tree import ROOT

ROWS = list(csv.DictReader((ROOT / "docs/asvs.csv").read_text(encoding="utf-8").splitlines()))
LEVELS = {"1": 70, "2": 183, "3": 92}
SECTIONS = 17
BEGINS = ("not used", "not met", "not aimed at")


@cache
def names_in(file: str) -> frozenset[str]:
    """The tests of a file; those of a class as Class::name."""
    found = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        of = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {
            of + each.name for each in inside if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
        }
    return frozenset(found)


@cache
def anchors_of(file: str) -> frozenset[str]:
    """What a heading is linked by."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def leads_somewhere(place: str) -> bool:
    """Is it a test, or a heading of a document?"""
    file, _, test = place.partition("::")
    page, _, anchor = place.partition("#")
    if test:
        return (ROOT / file).is_file() and test in names_in(file)
    return (ROOT / page).is_file() and anchor in anchors_of(page)


def test_every_requirement_is_there_once_with_its_level():
    ids = [row["id"] for row in ROWS]
    assert len(set(ids)) == len(ids) == sum(LEVELS.values())
    assert Counter(row["level"] for row in ROWS) == LEVELS
    numbers = [tuple(map(int, each.split("."))) for each in ids]
    assert numbers == sorted(numbers), "in the standard's order"
    for chapter, section, number in numbers:
        assert number == 1 or (chapter, section, number - 1) in numbers, "a gap"
        assert section == 1 or (chapter, section - 1, 1) in numbers, "a gap"
    assert {chapter for chapter, _, _ in numbers} == set(range(1, SECTIONS + 1))


def test_each_that_applies_leads_to_a_test_or_a_chapter():
    applying = [row for row in ROWS if row["applies"] == "yes"]
    assert not [row["id"] for row in applying if not row["shown_by"]]
    nowhere = {
        (row["id"], place) for row in applying for place in row["shown_by"].split() if not leads_somewhere(place)
    }
    assert not nowhere


def test_each_that_does_not_apply_says_why():
    others = [row for row in ROWS if row["applies"] != "yes"]
    assert {row["applies"] for row in others} == {"no"}
    assert not [row["id"] for row in others if not row["reason"].startswith(BEGINS) or row["shown_by"]]
    assert not [row["id"] for row in others if row["level"] != "3" and row["reason"].startswith("not aimed at")]
    assert all(row["subject"] for row in ROWS)


def test_what_is_not_met_is_told_on_its_page():
    page = (ROOT / "docs/asvs.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| (\d+\.\d+\.\d+) \|", page, re.MULTILINE))
    assert told == {row["id"] for row in ROWS if row["reason"].startswith("not met")}
    counted = Counter((row["level"], row["applies"] == "yes") for row in ROWS)
    for level in LEVELS:
        assert f"| {level} | {LEVELS[level]} | {counted[level, True]} |" in page
