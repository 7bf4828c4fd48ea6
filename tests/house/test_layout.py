"""Who may do what in which file. The arrows between the rooms are import contracts, in pyproject.toml."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.tree import ROOT, files, modules, name, nodes

LONGEST_FILE = 300
LONGEST_FUNCTION = 60
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"}
CATCHES_ALL = {"Exception", "BaseException"}


def found(test, among: list[Path] | None = None, but: tuple[str, ...] = ()) -> list[str]:
    """`file:line` of every node that the test is true of, in every module but these."""
    return [
        f"{name(path)}:{getattr(node, 'lineno', 0)}"
        for path in (modules() if among is None else among)
        if name(path) not in but
        for node in nodes(path)
        if test(node)
    ]


def test_only_the_transaction_commits():
    def commits(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"

    assert not found(commits, but=("vault/db.py",)), "work is committed by transaction() in vault/db.py"


def test_only_the_settings_read_the_environment():
    def empties(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and ast.unparse(node) == "os.environ.clear()"

    def reads(node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            return node.attr in {"environ", "environb", "getenv", "getenvb", "putenv"}
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            return any(alias.name.startswith(("environ", "getenv")) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            return node.module == "environs"
        return isinstance(node, ast.Import) and any(alias.name == "environs" for alias in node.names)

    emptied = found(empties)  # a child that gives everything up drops it unread
    read = [place for place in found(reads, but=("vault/settings.py",)) if place not in emptied]
    assert not read, "settings are values, read once in vault/settings.py"


def test_every_module_and_folder_is_named_for_what_it_holds():
    named = {part for path in modules() for part in (*path.relative_to(ROOT).parts[:-1], path.stem)}
    assert not named & NAMES_THAT_SAY_NOTHING


def names_in(node: ast.expr | None) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if node else set()


def ends_the_process(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "os._exit"


def test_nothing_catches_everything_and_goes_on():
    def goes_on(node: ast.AST) -> bool:
        if isinstance(node, ast.ExceptHandler) and (node.type is None or names_in(node.type) & CATCHES_ALL):
            return not any(isinstance(inner, ast.Raise) or ends_the_process(inner) for inner in ast.walk(node))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            return any(names_in(argument) & CATCHES_ALL for argument in node.args)
        return False

    last_resort = ("consent/api.py",)  # it stands before Flask, which is that for the pages
    assert not found(goes_on, but=last_resort), "name the errors this can meet, or raise again"


def test_no_function_outgrows_a_screen():
    def long(node: ast.AST) -> bool:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
        return (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST_FUNCTION

    assert not found(long), f"over {LONGEST_FUNCTION} lines: split it by subject"


def test_no_file_outgrows_its_subject():
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert not {file: count for file, count in lines.items() if count > LONGEST_FILE}


def test_every_room_says_what_it_is_for():
    for room in ("vault", "consent", "connectors"):
        assert ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")))


def test_the_description_of_a_room_needs_no_web_to_be_loaded():
    loaded = [
        node
        for node in ast.parse((ROOT / "vault/rooms.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "flask" in ast.unparse(node)
    ]
    assert not loaded, "flask belongs under `if TYPE_CHECKING:` there: the shell imports this file"


def test_no_test_has_a_mock_of_our_own_code():
    def mocks(node: ast.AST) -> bool:
        modules_named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            modules_named = [alias.name for alias in node.names]
        return any(re.match(r"(unittest\.)?mock\b", module) for module in modules_named)

    assert not found(mocks, among=files("tests", suffix=".py")), "use the real thing: it runs on this machine"
