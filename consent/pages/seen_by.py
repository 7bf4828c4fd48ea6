"""What a vendor sees of a list, and at most would see if she allowed all of it: by the `disclose` that fills grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from flask_babel import gettext

from consent.disclosure import disclose
from consent.terms import Terms, VaultData
from consent.views import GrantView
from vault.opened import OpenVault
from vault.record import Record, collection_paths
from vault.stored import Stored


def seen_by(
    vault: OpenVault,
    views: Sequence[GrantView],
    *,
    kind: type[Record],
    found: Sequence[Stored],
    vendors: Sequence[tuple[int, str]],
    chosen: str,
) -> dict[str, Any]:
    """For the panel of a list: the vendor chosen, its windows on these records, and the widest one there could be."""
    name = next((title for number, title in vendors if str(number) == chosen), "")
    mine = [view for view in views if name and str(view.terms.vendor) == chosen and view.terms.of(kind.collection)]
    return {
        "kind": kind,
        "vendors": vendors,
        "chosen": chosen if name else "",
        "name": name,
        "windows": [
            (view, item, _rows(vault, view.terms, item, found)) for view, item in _items(mine, kind.collection)
        ],
        "paused": [view for view in mine if view.held],
        "widest": _widest(vault, kind, found) if name else None,
        "private": [gettext(each.label) for each in collection_paths(kind.collection).values() if each.private],
        "total": len(found),
    }


def _items(views: Sequence[GrantView], collection: str) -> list[tuple[GrantView, VaultData]]:
    return [(view, item) for view in views if not view.held for item in view.terms.of(collection)]


def _rows(vault: OpenVault, terms: Terms, item: VaultData, found: Sequence[Stored]) -> list[Any]:
    today = vault.server.clock().date()
    shown = (disclose(terms, item, each, today) for each in found)
    return [orjson.loads(data) for data in shown if data is not None]


def _widest(vault: OpenVault, kind: type[Record], found: Sequence[Stored]) -> tuple[VaultData, list[Any]]:
    paths = tuple(path for path, each in collection_paths(kind.collection).items() if not each.private)
    item = VaultData(0, kind.collection, paths, purpose="", why="", duration=0)
    terms = Terms("", "", vendor=0, alias=None, given_at=0, until=0, log_key=b"", items=(item,))
    return item, _rows(vault, terms, item, found)
