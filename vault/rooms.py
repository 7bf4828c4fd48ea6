"""What a room gives to the house. `vault/app.py` loads the three rooms by name; there is no other registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import click
    from _typeshed.wsgi import WSGIApplication
    from flask import Blueprint
    from markupsafe import Markup
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import InstrumentedAttribute

    from vault.dangers import Finding
    from vault.opened import OpenVault
    from vault.server import Server
    from vault.turn import Change, Turn

# A file of an archive: its path there, and its bytes in pieces.
File = tuple[str, Iterable[bytes]]
# Called with the server, the owner's id and the payload; False means try again later.
Job = Callable[["Server", bytes, Mapping[str, Any]], "bool | None"]


@dataclass(frozen=True, slots=True)
class Nav:
    """An entry of the menu: endpoint, words, icon; `short` ones also stand in the bar of a phone."""

    endpoint: str
    label: str
    icon: str
    place: int
    short: bool = False


Under = Literal["root", "records", "files", "inbox"]  # which of her keys


@dataclass(frozen=True, slots=True)
class Boxes:
    """A column of boxes under one of her keys, stated so that they can be sealed anew when her keys are changed.

    `about` makes a box's identity of the columns `of`; `only` narrows the rows to those under her key; `at_once` is how
    many are sealed anew in one transaction. `database` is where it lies, if that is not main.
    """

    column: InstrumentedAttribute[Any]
    under: Under
    about: Callable[..., bytes]
    of: Sequence[str]
    only: ColumnElement[bool] | None = None
    at_once: int = 200
    database: Literal["main", "log"] = "main"


class Moment(NamedTuple):
    """Something that happened with a vendor: ISO 8601 as precisely as it is known, icon, words, and where more is.

    `hot` is what she should look at.
    """

    at: str
    icon: str
    words: str
    more: str = ""
    href: str = ""
    hot: bool = False


def _nothing(*_args: Any) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True)
class Room:
    """One package's offers, all empty by default.

    `pages` makes its blueprints; `before` stands before all pages and answers programs; `panel(place, vault, subject)`
    a fragment for somebody else's page, where `vault` is None while it is locked; `on_change` runs inside her turn,
    before it is committed; `on_unlock` after an unlock; `on_leave` when she has asked to delete her vault, and again
    until that is done; `on_erase` before her rows are deleted, when her keys are gone already; `jobs` by kind; `calls`
    are jobs that wait for somebody else's server, and so are done apart, on so many `lines`; `sweep` is the worker's
    look for unfinished things; `on_stop` writes down what a process that ends has in memory; `checks` are its part of
    the doctor. `export` is its part of vault.json; `files` are those it adds to an archive, and `bring(vault, path,
    pieces)` takes one of them back, True if it is the room's own. `boxes` are the columns that lie under her keys;
    `past` knows what happened with one of her vendors, by its number, up to so many moments.
    """

    name: str
    pages: Callable[[Server], Iterable[Blueprint]] = _nothing
    before: Callable[[Server, WSGIApplication], WSGIApplication] | None = None
    nav: Sequence[Nav] = ()
    panel: Callable[[str, OpenVault | None, Any], Markup | None] | None = None
    on_change: Callable[[Turn, OpenVault, Sequence[Change]], None] | None = None
    on_unlock: Callable[[OpenVault], None] | None = None
    on_leave: Callable[[Server, bytes], None] | None = None
    on_erase: Callable[[Server, bytes], None] | None = None
    jobs: Mapping[str, Job] | None = None
    calls: Mapping[str, Job] | None = None
    lines: int = 1
    sweep: Callable[[Server], None] | None = None
    on_stop: Callable[[Server], None] | None = None
    commands: Callable[[], Iterable[click.Command]] = _nothing
    checks: Callable[[Server], Iterable[Finding]] = _nothing
    export: Callable[[OpenVault], Mapping[str, Any]] | None = None
    files: Callable[[OpenVault], Iterable[File]] = _nothing
    bring: Callable[[OpenVault, str, Iterable[bytes]], bool] | None = None
    boxes: Sequence[Boxes] = ()
    past: Callable[[OpenVault, int, int], Iterable[Moment]] = _nothing
