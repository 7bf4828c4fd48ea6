"""The project's own files, as the house rules read them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("vault", "consent", "connectors")
FOLDERS = (*ROOMS, "tests", "tools", "docs", ".ci", ".github")
TEXT = {"", ".cfg", ".css", ".csv", ".html", ".ini", ".js", ".json", ".lock", ".mako", ".md", ".po", ".pot", ".py"}
TEXT |= {".c", ".sh", ".svg", ".toml", ".txt", ".yaml", ".yml"}
NOT_OURS = {"__pycache__", "node_modules"}


def files(*folders: str, suffix: str = "") -> list[Path]:
    """Every file below these folders whose name ends so, without what Python, npm and the tests leave behind."""
    found = (path for folder in folders for path in (ROOT / folder).rglob(f"*{suffix}"))
    return sorted(path for path in found if path.is_file() and not NOT_OURS & set(path.parts))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules() -> list[Path]:
    """Every module of the three rooms. Migrations are history and follow rules of their own."""
    return [path for path in files(*ROOMS, suffix=".py") if "migrations" not in path.parts]


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))


def texts() -> list[Path]:
    """Every text file that people write or read here: the folders of the project and what stands beside them."""
    beside = [path for path in ROOT.iterdir() if path.is_file()]
    return sorted(path for path in (*beside, *files(*FOLDERS)) if path.suffix in TEXT)
