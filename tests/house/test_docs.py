"""The documents keep up with the code: every setting, command, code, purpose, collection and link is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consent.problems import PROBLEMS
from consent.purposes import PURPOSES
from tests.house.tree import modules
from vault.app import load_rooms
from vault.cli import main
from vault.record import CLASSES

ROOT = Path(__file__).resolve().parents[2]


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    used = set(re.findall(r'"(VRM_[A-Z_]+)"', _text("vault/settings.py")))
    assert used == set(re.findall(r"^\| `(VRM_[A-Z_]+)`", _text("docs/settings.md"), re.MULTILINE))


def test_every_finding_of_the_doctor_is_documented() -> None:
    rules = _text("vault/dangers.py")
    found = {*re.findall(r'Finding\(\s*"(\w+)"', rules), *re.findall(r'^ {4}"(\w+)": "o', rules, re.MULTILINE)}
    told = _text("docs/operating.md")
    assert len(found) > 20
    assert {code for code in found if f"`{code}`" not in told} == set()


def test_every_event_of_the_log_is_documented() -> None:
    said = {
        event
        for path in modules()
        for event in re.findall(r'\blog\.(?:info|warning|error)\(\s*"(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert len(said) > 10
    assert {event for event in said if f"`{event}`" not in _text("docs/measures.md")} == set()


def test_every_problem_and_purpose_is_documented_for_vendors() -> None:
    told = _text("docs/vendor-api.md")
    assert {code for code in PROBLEMS if f"`{code}`" not in told} == set()
    assert {purpose for purpose in PURPOSES if f"`{purpose}`" not in told} == set()
    assert {name for name, _ in CLASSES if f"`{name}`" not in told} == set()


def test_every_command_is_in_the_changelog() -> None:
    commands = {*main.commands, *(command.name for room in load_rooms() for command in room.commands())}
    assert {name for name in commands if f"`{name}`" not in _text("CHANGELOG.md").replace("vrm ", "")} == set()


@pytest.mark.parametrize("document", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")))
def test_links_between_documents_lead_somewhere(document: str) -> None:
    _links_lead_somewhere(document)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_of_the_front_pages_lead_somewhere(document: str) -> None:
    _links_lead_somewhere(document)


def _links_lead_somewhere(document: str) -> None:
    for link in re.findall(r"\]\(([^)#][^)]*)\)", _text(document)):
        if "://" not in link:
            assert ((ROOT / document).parent / link.partition("#")[0]).exists(), link


def test_the_two_commands_of_the_readme_are_targets_of_make() -> None:
    promised = re.findall(r"^make (\w+)", _text("README.md"), re.MULTILINE)
    targets = re.findall(r"^(\w+):", _text("Makefile"), re.MULTILINE)
    assert promised == ["demo", "test"]
    assert set(promised) <= set(targets)
