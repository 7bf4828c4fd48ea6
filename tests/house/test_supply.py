"""What is built in of others is known by name, version and hash, and is under a licence that asks for nothing odd."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib

import pytest

from tests.house.tree import ROOT
from tools import supply


def bill() -> str:
    made = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tools/supply.py", "bill"], capture_output=True, check=True
    )
    return made.stdout.decode()


def test_the_bill_of_materials_names_everything_that_runs_by_hash_and_licence():
    listed = {each["name"]: each for each in json.loads(bill())["components"]}
    parts = [*supply.locked(supply.RUN), *supply.vendored()]
    assert listed.keys() == {part.name for part in parts}
    assert "htmx.org" in listed
    for part in parts:
        assert listed[part.name]["version"] == part.version
        assert {each["content"] for each in listed[part.name]["hashes"]} == set(part.hashes) != set()
        assert listed[part.name]["licenses"]


def test_the_bill_says_what_needs_what():
    said = json.loads(bill())
    needs = {each["ref"]: set(each.get("dependsOn", ())) for each in said["dependencies"]}
    of_ours = {ref.partition("@")[0] for ref in needs["vrm"]}
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {f"pkg:pypi/{each.partition('>')[0]}" for each in stated} <= of_ours
    reached, todo = set[str](), ["vrm"]
    while todo:
        found = needs[todo.pop()] - reached
        reached |= found
        todo += found
    alone = needs.keys() - reached - {"vrm"}
    assert {ref.partition("@")[0] for ref in alone} <= {"pkg:pypi/colorama", "pkg:pypi/tzdata"}, (
        "only Windows needs these"
    )


def test_the_same_lock_gives_the_same_bill():
    assert bill() == bill()


def test_every_licence_is_of_an_allowed_kind_and_the_page_of_them_is_fresh():
    assert supply.wrong() == []


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "SSPL-1.0", ""])
def test_another_kind_of_licence_is_refused(licence: str):
    assert not supply.Part("thing", "1", licence, (), "").allowed


def test_what_nobody_has_said_the_licence_of_is_refused():
    with pytest.raises(supply.Unknown):
        supply.licence("no-such-thing")
