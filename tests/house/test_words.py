"""One word, one thing. What is unfinished is not left in the code, and no file sends anybody elsewhere for packages."""

from __future__ import annotations

import ast
import re

from tests.house.tree import ROOMS, files, modules, name, nodes, texts

UNFINISHED = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b")

# Put together here, so that this file does not name them either.
HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "com"),
            ("npmjs", "org"),
            ("unpkg", "com"),
            ("jsdelivr", "net"),
            ("cdnjs", "cloudflare", "com"),
            ("googleapis", "com"),
            ("esm", "sh"),
        )
    ),
    re.IGNORECASE,
)
INDEX_OPTION = re.compile(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", re.MULTILINE)

# The left column of the glossary has another word for each of these.
NEVER = {"user", "account", "merchant", "company", "blob", "login", "logout", "plugin", "helper", "utils", "manager"}
# Authlib calls these files back under names of its own.
NAMED_BY_OTHERS = "consent/oauth/"


def test_nothing_unfinished_is_left_in_the_files():
    written = [path for path in files(*ROOMS, "tests", "docs") if path.suffix in {".py", ".html", ".css", ".md", ".js"}]
    lines = ((path, line) for path in written for line in path.read_text(encoding="utf-8").splitlines())
    assert not [f"{name(path)}: {line.strip()[:80]}" for path, line in lines if UNFINISHED.search(line)]


def test_no_file_names_a_package_host():
    assert not [name(path) for path in texts() if HOSTS.search(path.read_text(encoding="utf-8", errors="replace"))]


def test_the_locks_name_no_index():
    locks = [path for path in texts() if path.suffix == ".lock"]
    assert len(locks) == 2
    assert not [name(path) for path in locks if INDEX_OPTION.search(path.read_text(encoding="utf-8"))]


def words(identifier: str) -> set[str]:
    """`vendorLogin` and `vendor_login` are both vendor and login."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}


def test_what_is_defined_is_called_by_the_words_of_the_glossary():
    wrong = []
    for path in modules():
        defined = [path.stem] + [
            node.name for node in nodes(path) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        if not name(path).startswith(NAMED_BY_OTHERS):
            wrong += [f"{name(path)}: {identifier}" for identifier in defined if words(identifier) & NEVER]
    assert not wrong
