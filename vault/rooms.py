"""What a room gives to the house. `vault/app.py` loads the three rooms by name; there is no other registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import click
    from _typeshed.wsgi import WSGIApplication
    from flask import Blueprint
    from markupsafe import Markup

    from vault.opened import OpenVault
    from vault.server import Server
    from vault.turn import Change, Turn

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
    before it is committed; `on_unlock` after an unlock; `on_erase` before an owner is erased; `jobs` by kind; `calls`
    are jobs that wait for somebody else's server, and so are done apart; `sweep` is the worker's look for unfinished
    things; `checks` are doctor's sentences; `past` knows what happened with one of her vendors, by its number, up to so
    many moments.
    """

    name: str
    pages: Callable[[Server], Iterable[Blueprint]] = _nothing
    before: Callable[[Server, WSGIApplication], WSGIApplication] | None = None
    nav: Sequence[Nav] = ()
    panel: Callable[[str, OpenVault | None, Any], Markup | None] | None = None
    on_change: Callable[[Turn, OpenVault, Sequence[Change]], None] | None = None
    on_unlock: Callable[[OpenVault], None] | None = None
    on_erase: Callable[[Server, bytes], None] | None = None
    jobs: Mapping[str, Job] | None = None
    calls: Mapping[str, Job] | None = None
    sweep: Callable[[Server], None] | None = None
    commands: Callable[[], Iterable[click.Command]] = _nothing
    checks: Callable[[Server], Iterable[str]] = _nothing
    export: Callable[[OpenVault], Mapping[str, Any]] | None = None
    past: Callable[[OpenVault, int, int], Iterable[Moment]] = _nothing
