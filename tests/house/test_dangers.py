"""What would run, build or believe whatever somebody else has sent is nowhere in the code."""

from __future__ import annotations

import ast
import re
import time
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from tests.house.tree import ROOMS, files, modules, name, nodes

# Deserialisers that build anything, parsers of XML and templates' own evaluators, and languages we do not speak.
NEVER = {
    "pickle",
    "marshal",
    "shelve",
    "dill",
    "yaml",
    "xml",
    "lxml",
    "xmlrpc",
    "ldap",
    "ldap3",
    "memcache",
    "telnetlib",
}
RUNS = {"eval", "exec", "compile", "__import__", "render_template_string", "os.system", "os.popen", "jinja2.Template"}
STARTS = {"connectors/reading.py", "connectors/demo.py", "connectors/bench.py"}  # a reader's child; our own servers
UNCHECKED = re.compile(r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified_context")
OURS = [path for path in files(*ROOMS, suffix=".js") if ".min." not in path.name]
# A page may be written to with text, never with markup; nothing stays in the browser when she has locked.
IN_SCRIPTS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|sessionStorage"
    r"|indexedDB|postMessage|document\.domain|\.cookie\b|__proto__|\bvar\b"
)


@cache
def everything(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a module."""
    return tuple(nodes(path))


def imported(path: Path) -> set[str]:
    """First names of everything a module imports."""
    found = set()
    for node in everything(path):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def called(path: Path) -> set[str]:
    """Names of everything a module calls."""
    return {ast.unparse(node.func) for node in everything(path) if isinstance(node, ast.Call)}


def test_nothing_is_imported_that_builds_what_it_is_told_to():
    assert not {name(path): imported(path) & NEVER for path in modules() if imported(path) & NEVER}


def test_nothing_runs_a_text_as_a_program_or_as_a_template():
    found = {name(path): found for path in modules() if (found := called(path) & RUNS)}
    assert found == {"connectors/demo_mail.py": {"render_template_string"}}, (
        "the demo mailbox, whose page is a constant"
    )


def test_other_programs_are_started_in_three_places_and_never_by_a_shell():
    starting = {name(path): path for path in modules() if "subprocess" in imported(path)}
    assert starting.keys() == STARTS
    for path in modules():
        for node in everything(path):
            assert not (isinstance(node, ast.keyword) and node.arg == "shell"), name(path)


def test_certificates_are_checked_wherever_somebody_is_called():
    assert not [name(path) for path in modules() if UNCHECKED.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", OURS, ids=name)
def test_our_scripts_write_text_and_keep_nothing(path: Path):
    text = path.read_text(encoding="utf-8")
    assert not IN_SCRIPTS.findall(text)
    assert '"use strict"' in text


def test_fields_for_secrets_hide_what_is_typed_and_let_it_be_pasted_and_filled_in():
    fields = [
        (name(path), field)
        for path in files(*ROOMS, suffix=".html")
        for field in re.findall(r"m\.input\([^}]*\}", path.read_text(encoding="utf-8"))
        if "assphrase')" in field and "name='handle'" not in field
    ]
    assert len(fields) >= 4
    for where, field in fields:
        assert "type='password'" in field, (where, field)
        # The passphrase of a share link is somebody else's, and told by another way.
        assert "autocomplete='off'" not in field or where.endswith("/visit_door.html"), field
    assert not [name(path) for path in OURS if re.search(r"paste|contextmenu", path.read_text(encoding="utf-8"))]


HARD = [
    "a" * 3000 + "!",
    " " * 3000 + "x",
    "1" * 3000 + ".",
    "-" * 3000,
    "ab" * 1500 + "\0",
    '"' * 3000,
    "1." * 1500 + ";",
    "\t\n" * 1500,
]


def test_no_pattern_takes_long_over_anything():
    known = {
        each.pattern: each
        for path in modules()
        if "demo_shop/__main__" not in name(path) and path.stem != "__main__"
        for each in vars(
            import_module(name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        ).values()
        if isinstance(each, re.Pattern) and isinstance(each.pattern, str)
    }
    assert len(known) > 30
    for pattern in known.values():
        for text in HARD:
            began = time.process_time()
            pattern.search(text)
            pattern.fullmatch(text)
            assert time.process_time() - began < 0.5, (pattern.pattern, text[:4])
