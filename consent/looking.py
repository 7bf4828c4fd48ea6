"""One look by a vendor, from the call to the bytes it gets. The hot path, in the order of defence.

The call is opened -> one range of disclosure boxes, joined as bytes and never parsed -> one entry in the log -> answer.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import orjson

from consent import access, grants, quota, receipt_rows
from consent.calls import (
    Call,
    Denied,
    Limited,
    Opening,
    about_grant,
    answer,
    entry,
    log,
    prove,
    refuse,
    replayed,
    subject,
    unless_moved,
)
from consent.disclosure import about_disclosure
from consent.terms import VaultData
from vault import crypto
from vault.days import DAY, day_of
from vault.db import Line, Statement

if TYPE_CHECKING:
    from vault.server import Server

MOST = 200
NUMBER = re.compile(r"[0-9]{1,18}")  # of a change or a call, as a vendor names it

_RANGE = Statement(
    "SELECT change, item, ref, box FROM disclosures "
    "WHERE owner_id = :owner AND grant_id = :grant AND change > :after AND item IN (:a, :b, :c, :d, :e, :f) "
    "ORDER BY change LIMIT :limit"
)


class Page(NamedTuple):
    """Which rows a call asks for: those after what an earlier answer called `next`, and how many."""

    after: str | None = None
    limit: int = MOST


class _Row(NamedTuple):
    change: int
    name: bytes
    data: bytes | None


def look(server: Server, call: Call, page: Page) -> Limited | Denied:
    """Answer one call for a collection: JSON bytes, or why not."""

    def work(line: Line, opening: Opening) -> Limited | Denied:
        items = opening.terms.of(call.what)
        about = subject(call.what, items)
        tag = prove(server, call, opening, about)
        if isinstance(tag, Denied):
            return tag
        denied = _denied(opening, items, page)
        if denied is not None:
            return refuse(server, call, opening, about, denied.code, denied, tag)
        try:
            rows = _rows(line, opening, items, page)
        except crypto.Damaged:
            unless_moved(server, opening.found)
            return refuse(server, call, opening, about, "damaged rows", Denied("damaged"), tag)
        limit = _limit(opening)
        try:
            written = log(server, entry(call, opening, about, "allowed", count=len(rows), tag=tag, limit=limit))
        except access.Replayed:
            return replayed(server, call, opening, about)
        except access.OverLimit:
            denied = _over(server, opening)
            return refuse(server, call, opening, about, denied.code, denied, tag)
        if written.last_look:
            grants.end_when_used(server, opening.owner_id, opening.found.grant_id, server.now + access.LOOK)
        left = _left(opening, written.looks, written.looks_today) if limit else ()
        return Limited(_page(opening, page, rows, written.number), left)

    return answer(server, call, work)


def grant(server: Server, call: Call, grant_id: str | None = None) -> bytes | Denied:
    """Answer one call about the grant itself: what it gives and until when. One that is named must be the token's."""

    def find(opening: Opening) -> Callable[[int], bytes] | Denied:
        return partial(_grant, opening) if grant_id is None or _is(opening, grant_id) else Denied("not_found")

    return about_grant(server, call, find)


def receipt(server: Server, call: Call) -> Limited | Denied:
    """The vendor's copy of the latest receipt, a signed text."""

    def find(opening: Opening) -> Callable[[int], Limited] | Denied:
        with server.main.reading() as session:
            text = receipt_rows.vendors_copy(session, opening.owner_id, opening.found.grant_id, opening.key)
        if text is None:
            return Denied("not_found", "this permission has no receipt")
        return lambda number: Limited(text.encode(), number=number)

    return about_grant(server, call, find)


def give_back(server: Server, call: Call, grant_id: str) -> bytes | Denied:
    """Revoke by the vendor (Grant Management for OAuth 2.0 §7.4): it ends its own grant, also a paused one."""
    ended: list[tuple[bytes, bytes]] = []

    def find(opening: Opening) -> Callable[[int], bytes] | Denied:
        if not _is(opening, grant_id):
            return Denied("not_found")
        ended.append((opening.owner_id, opening.found.grant_id))
        return lambda _number: b""

    made = about_grant(server, call, find, paused_too=True)
    if not isinstance(made, Denied):
        for owner, grant_of_theirs in ended:
            grants.end(server, owner, grant_of_theirs, "vendor")
    return made


def _is(opening: Opening, grant_id: str) -> bool:
    return opening.found.grant_id.hex() == grant_id


def _denied(opening: Opening, items: tuple[VaultData, ...], page: Page) -> Denied | None:
    """What the terms and her hold say."""
    if opening.held:
        return Denied("paused")
    if not items:
        return Denied("not_granted")
    if page.after is not None and _after(page, opening) is None:
        return Denied("start_again")
    return None


def _limit(opening: Opening) -> access.Limit | None:
    terms = opening.terms
    limited = terms.looks is not None or terms.looks_per_day is not None
    return access.Limit(terms.looks, terms.looks_per_day) if limited else None


def _left(opening: Opening, in_all: int, today: int) -> tuple[quota.Quota, ...]:
    return quota.of_looks(opening.terms.looks, opening.terms.looks_per_day, in_all=in_all, today=today)


def _over(server: Server, opening: Opening) -> Denied:
    """Over for today, or for good: only the log knows, and it has been read by now."""
    had = access.looks(server, opening.owner_id, opening.found.grant_id)
    if opening.terms.looks is not None and had >= opening.terms.looks:
        left = quota.of_looks(opening.terms.looks, None, in_all=had, today=0)
        return Denied("used_up", "every look that was allowed has been taken", quotas=left)
    left = _left(opening, had, opening.terms.looks_per_day or 0)
    return Denied("over_limit", "no more looks today (UTC)", wait=DAY - server.now % DAY, quotas=left)


def _after(page: Page, opening: Opening) -> int | None:
    """The change to go on after; None when `after` belongs to another version of the grant."""
    if page.after is None:
        return 0
    version, _, change = page.after.partition(".")
    if version != str(opening.found.version) or not NUMBER.fullmatch(change):
        return None
    return int(change)


def _rows(line: Line, opening: Opening, items: tuple[VaultData, ...], page: Page) -> list[_Row]:
    """The next rows in order of change. Raises crypto.Damaged when one does not open."""
    owner, grant_id = opening.owner_id, opening.found.grant_id
    numbers = [item.number for item in items]
    names = dict(zip("abcdef", (numbers + [-1] * 6)[:6], strict=True))
    values = {"owner": owner, "grant": grant_id, "after": _after(page, opening) or 0, "limit": page.limit}
    sealing, rows = crypto.RowKey(opening.key), []
    for change, item, name, box in _RANGE.on(line, **values, **names):
        about = about_disclosure(owner, grant_id, item, name, opening.found.version, change)
        rows.append(_Row(change, name, sealing.open(about, box) if box is not None else None))
    return rows


def _page(opening: Opening, page: Page, rows: list[_Row], number: int) -> bytes:
    """The answer, its rows spliced in as the bytes they were sealed as."""
    shown = b",".join(
        b'{"ref":"%s","change":%d,"data":%s}' % (_name(name), change, data.rstrip(b" "))
        for change, name, data in rows
        if data is not None
    )
    gone = b",".join(b'{"ref":"%s","change":%d}' % (_name(name), change) for change, name, data in rows if data is None)
    last = rows[-1].change if rows else _after(page, opening) or 0
    day = day_of(opening.found.changed_day).isoformat().encode()
    return b'{"items":[%s],"gone":[%s],"next":"%d.%d","as_of":"%s","access":%d}' % (
        shown,
        gone,
        opening.found.version,
        last,
        day,
        number,
    )


def _name(name: bytes) -> bytes:
    return urlsafe_b64encode(name).rstrip(b"=")


def _grant(opening: Opening, number: int) -> bytes:
    until = datetime.fromtimestamp(opening.terms.until, UTC).date().isoformat()
    content = {
        "grant_id": opening.found.grant_id.hex(),
        "status": "live",
        "authorization_details": opening.terms.granted(),
        "until": until,
        "access": number,
    }
    return orjson.dumps(content)
