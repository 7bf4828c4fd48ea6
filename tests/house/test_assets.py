"""What the browser is given, and what is installed, is exactly what was looked at."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tests.house.tree import ROOMS, ROOT, files, name

ROW = re.compile(
    r"^\| `(?P<file>[^`]+)` \| (?P<source>[^|]+) \| (?P<version>[^|]+) \| (?P<licence>[^|]+) \| `(?P<sum>\w{64})` \|$"
)
BY_OTHERS = re.compile(r"\.min\.|licen[cs]e|\.(woff2?|ttf|otf)$", re.IGNORECASE)
PINNED = re.compile(
    r"^(?P<what>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+)(?P<hashes>.*(\\\n[ ]+--hash=sha256:\w{64})+)", re.MULTILINE
)


def vendored() -> dict[Path, str]:
    """Each file that a VENDORED.md lists, with the sum it states."""
    return {
        listing.parent / row["file"]: row["sum"]
        for listing in files(*ROOMS, suffix="VENDORED.md")
        for line in listing.read_text(encoding="utf-8").splitlines()
        if (row := ROW.match(line))
    }


def test_every_vendored_file_is_the_one_that_was_listed():
    listed = vendored()
    assert listed
    for path, stated in listed.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == stated, name(path)


def test_nothing_of_others_stands_there_unlisted():
    static = [path for path in files(*ROOMS) if "static" in path.parts]
    assert not {name(path) for path in static if BY_OTHERS.search(path.name)} - {name(path) for path in vendored()}


def test_every_vendored_script_has_its_licence_beside_it():
    for path in vendored():
        assert (path.parent / f"{path.name.split('.')[0]}.LICENSE.txt").is_file(), name(path)


def test_our_styles_and_pictures_load_nothing_from_elsewhere():
    elsewhere = re.compile(r"""(url\(\s*|@import\s+|href=)["']?\s*(https?:)?//""", re.IGNORECASE)
    ours = [path for path in files(*ROOMS) if path.suffix in {".css", ".svg"}]
    assert not [name(path) for path in ours if elsewhere.search(path.read_text(encoding="utf-8"))]


def pinned(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    rows = {row["what"]: row["version"] for row in PINNED.finditer(text)}
    assert len(rows) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)), f"a line of {lock} has no version or no hash"
    return rows


def test_tests_run_on_exactly_what_the_demo_runs_on():
    run, develop = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert "hatchling" in run
    assert run.items() <= develop.items()
