"""What consent gives to an archive, and what it does when she leaves. Nothing here ever becomes a permission again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import select

from consent import erasure, grants, inbox, receipt_rows, segments, stopping, views
from consent.access import Entry
from consent.models import Grant
from consent.views import GrantView
from vault import crypto, tables
from vault.errors import NotFound

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.rooms import File
    from vault.server import Server

FOLDER = "sharing"
COLUMNS = ("at", "vendor", "grant", "number", "outcome", "what", "records", "purposes")


def files(vault: OpenVault) -> Iterator[File]:
    """Permissions, the looks that were taken, signed receipts, and the screens that they are about."""
    with vault.server.main.reading() as session:
        known = views.every(session, vault)
        kept = receipt_rows.every(session, vault)
    asked = erasure.asked(vault)
    agreed = [_permission(view, asked.get(view.grant_id)) for view in known]
    yield f"{FOLDER}/permissions.json", [orjson.dumps(agreed, option=orjson.OPT_INDENT_2)]
    yield f"{FOLDER}/access-log.csv", _table(vault, known)
    yield f"{FOLDER}/inbox.json", [orjson.dumps(_inbox(vault), option=orjson.OPT_INDENT_2)]
    for each in kept:
        name = f"{FOLDER}/receipts/{each.receipt_id.hex()}"
        if each.text:
            yield f"{name}.jwt", [each.text.encode()]
        if each.has_screen:
            screen = _screen(vault, each.receipt_id)
            if screen is not None:
                yield f"{name}.html", [screen]


def _permission(view: GrantView, asked: erasure.Asked | None) -> dict[str, Any]:
    """What was agreed and what became of it. Never a key: a grant cannot be made from this."""
    said = orjson.loads(view.terms.to_bytes())
    del said["log_key"]
    state = {"state": "live" if view.live else "ended", "held": view.held}
    end = {"cause": view.cause, "ended_on": views.ended_on(view)}
    after = {"erasure": {"asked_on": asked.on, "done_on": asked.done}} if asked else {}
    return {"grant": view.grant_id.hex(), **state, **end, **after, **said}


def _inbox(vault: OpenVault) -> list[dict[str, Any]]:
    """What vendors have left and she has not decided about."""
    with vault.server.main.reading() as session:
        waiting = inbox.waiting(session, vault)
    return [
        {
            "from": each.name,
            "client_id": each.client,
            "at": each.at,
            "grant": each.grant_id.hex(),
            "data": dict(each.data),
        }
        for each in waiting
    ]


def _screen(vault: OpenVault, receipt: bytes) -> bytes | None:
    try:
        with vault.server.main.reading() as session:
            return receipt_rows.screen(session, vault, receipt)
    except (crypto.Damaged, NotFound):
        return None


def _table(vault: OpenVault, known: list[GrantView]) -> Iterator[bytes]:
    """Every look of every grant, the latest first, as a table; its times are UTC."""
    out = io.StringIO(newline="")
    written = csv.writer(out)
    out.write("\ufeff")
    written.writerow(COLUMNS)
    by_grant = {view.grant_id: view for view in known}
    for entry in segments.entries(vault, {grant: view.terms.log_key for grant, view in by_grant.items()}):
        written.writerow([tables.inert(cell) for cell in _cells(by_grant[entry.grant_id], entry)])
        if out.tell() >= tables.ABOUT_ONCE:
            yield tables.taken(out)
    yield tables.taken(out)


def _cells(view: GrantView, entry: Entry) -> tuple[str, ...]:
    what = "; ".join(f"{collection}: {', '.join(paths)}" for collection, paths in entry.what.items())
    return (
        entry.at.isoformat(),
        view.terms.client_name,
        view.grant_id.hex(),
        str(entry.number),
        entry.outcome,
        what,
        str(entry.count),
        "; ".join(entry.purposes),
    )


def stop(server: Server, owner: bytes) -> None:
    """She leaves: everything that anybody can see ends in one step; then everybody is told."""
    if server.keystore.alive(owner, "grant"):
        stopping.stop_all(server, owner)


def end(server: Server, owner: bytes) -> None:
    """Her peppers are gone: what she has not stopped before ends in the rows too, and everybody is told."""
    mine = select(Grant.grant_id).where(Grant.owner_id == owner, Grant.state == "live").order_by(Grant.grant_id)
    while True:
        with server.main.reading() as session:
            some = session.scalars(mine.limit(stopping.AT_ONCE)).all()
        if not some:
            return
        try:
            grants.end_some(server, owner, some, "revoked", tell_her=False)
        except NotFound:
            return  # the owner is not in this database any more
