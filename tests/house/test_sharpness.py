"""The tools that say how sharp the tests are: what they change, and that their lists say nothing that is over."""

from __future__ import annotations

import pytest

from tests.house.tree import ROOT, files, name
from tools.mutants import mutants
from tools.sharpness import named, table

CORE = {
    *(f"vault/{part}.py" for part in ("crypto", "locks", "lock_rows", "keystore", "bearer", "keyring")),
    *(
        f"consent/{part}.py"
        for part in ("disclosure", "terms", "grants", "grant_locks", "revocation", "standing", "tokens")
    ),
    "consent/dpop.py",
}


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("a <= 5", ["(a < 5)", "a <= 6"]),
        ("a == b", ["(a != b)"]),
        ("a and not b", ["(a or not b)", "(not b)", "(a)", "a and (b)"]),
        ("a if b else c", ["a if (not b) else c"]),
        ("f(a, b, c=True)", ["(f(b, a, c=True))", "(f(a, b))", "f(a, b, c=False)"]),
        ("isinstance(a, b)", []),
        ("where(*mine, a == b)", ["(where(a == b))", "(where(*mine))", "where(*mine, (a != b))"]),
        ("header + about", ["(header)", "(about)"]),
        ("a // 2", ["(a * 2)", "a // 3"]),
        ("'text', 'a sentence', b'bytes'", ["'textx', 'a sentence', b'bytes'", "'text', 'a sentence', b'bytesx'"]),
        ("f'{a}-{b}'", ["(f'-{b}')", "(f'{a}-')"]),
        ("[a for a in b if a]", ["[a for a in b if True]"]),
        (
            "'SELECT a WHERE b = c AND d >= e'",
            ["'SELECT a WHERE d >= e'", "'SELECT a WHERE b = c'", "'SELECT a WHERE b = c AND d > e'"],
        ),
    ],
)
def test_one_thing_is_changed_at_a_time(was: str, now: list[str]) -> None:
    assert sorted(mutant.now for mutant in mutants(f"x = {was}\n")) == sorted(f"x = {each}" for each in now)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("f()", ["pass"]),
        ("raise Refused('A sentence.')", ["pass"]),
        ("raise Refused(code)", ["pass"]),
        ("return a", ["return None"]),
        ("return False", ["return True"]),
        ("return", []),
        ("self.a = b", ["pass"]),
        ("a = b", []),
        ("assert a == 1", []),
        ("a: Literal['x', 'y'] = b", []),
        ("a = cast('x', b)", []),
        ("if a: return", ["if (not a): return"]),
    ],
)
def test_statements_are_left_out_and_types_are_left_alone(was: str, now: list[str]) -> None:
    found = mutants(f"def f(a: 'x', b: int) -> 'y':\n    'A docstring.'\n    {was}\n")
    assert [mutant.now for mutant in found] == now
    assert {mutant.place for mutant in found} <= {"f"}


def test_each_kind_of_error_that_is_caught_is_left_out() -> None:
    found = mutants("try:\n    f()\nexcept (KeyError, TypeError):\n    pass\n")
    assert [mutant.now for mutant in found] == ["pass", "except ((TypeError,)):", "except ((KeyError,)):"]


def test_mutants_that_read_the_same_are_numbered_and_each_is_a_whole_source() -> None:
    found = mutants(
        "class Ring:\n    def open(self):\n        f()\n        g(\n            1,\n        )\n        f()\n"
    )
    assert [(mutant.place, mutant.line, mutant.was, mutant.number) for mutant in found] == [
        ("Ring.open", 3, "f()", 1),
        ("Ring.open", 4, "g( 1, )", 1),
        ("Ring.open", 5, "1,", 1),
        ("Ring.open", 7, "f()", 2),
    ]
    assert (
        found[3].source
        == "class Ring:\n    def open(self):\n        f()\n        g(\n            1,\n        )\n        pass\n"
    )


def test_the_whole_core_is_tried_and_by_files_that_are_there() -> None:
    tests = table()["tests"]
    oauth = [name(path) for path in files("consent/oauth", suffix=".py") if path.stem != "__init__"]
    assert tests.keys() >= {*CORE, *oauth}
    assert not [file for chosen in tests.values() for file in chosen if not (ROOT / file.partition("::")[0]).is_file()]


def test_whatever_is_explained_is_there_once_and_has_a_reason() -> None:
    said = table().get("equal", [])
    found = {
        module: mutants((ROOT / module).read_text(encoding="utf-8")) for module in {each["module"] for each in said}
    }
    for each in said:
        explained = {mutant.now for mutant in found[each["module"]] if named(each, each["module"], mutant)}
        assert explained == set(each["now"]), f"no such mutants any more: {each}"
        assert each["reason"].endswith(".")


def test_what_is_not_reached_is_a_line_that_is_there_and_has_a_reason() -> None:
    for each in table().get("unreached", []):
        lines = (ROOT / each["module"]).read_text(encoding="utf-8").splitlines()
        assert each["line"] in {line.strip() for line in lines}, f"no such line any more: {each}"
        assert each["reason"].endswith(".")
