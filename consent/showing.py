"""What a share link shows to whoever holds it. To stand before the door is nothing; to be shown is a look, and counted.

The string is opened -> a passphrase, if one is asked for -> all of it once more in one snapshot -> the rows -> an entry
in the log -> the values. Whatever is wrong with a string, there is one answer for every reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from consent import access, grant_boxes, grant_locks, grants
from consent.calls import log, unless_moved
from consent.disclosure import about_disclosure, about_terms
from consent.grant_locks import Found
from consent.share_links import BEHIND
from consent.standing import Moved, standing_of
from consent.terms import Terms, VaultData
from vault import attempts, crypto, deriving, evenly, locks, paces
from vault.db import Line, Statement
from vault.errors import N_, Busy, DiskFull, VaultError

if TYPE_CHECKING:
    from vault.server import Server

MOST = 60  # times a minute that a link is shown, and that one address is shown anything; each is an entry in her log
_ROWS = Statement(
    "SELECT change, item, ref, box FROM disclosures "
    "WHERE owner_id = :owner AND grant_id = :grant AND box IS NOT NULL ORDER BY item, change"
)


class WrongPassphrase(VaultError):
    """The link is right, what was typed is not."""

    code, status = "wrong_passphrase", 403
    sentence = N_("That is not the passphrase. Ask whoever sent you the link.")


@dataclass(frozen=True)
class Door:
    """A share link's string that opened: what may be said before anything is shown."""

    found: Found
    pepper: bytes = field(repr=False)
    label: dict[str, Any]
    inside: dict[str, Any] = field(repr=False)
    held: str | None

    @property
    def by(self) -> str | None:
        """Her name, if she put it on the link."""
        return str(self.inside["by"]) if self.inside["by"] else None

    @property
    def asks(self) -> bool:
        """Is there a passphrase too?"""
        return "box" in self.inside


@dataclass(frozen=True)
class Seen:
    """What a link shows: every item with the JSON of its records, and how many looks remain (None: no limit)."""

    door: Door
    until: int
    windows: list[tuple[VaultData, list[dict[str, Any]]]] = field(repr=False)
    left: int | None


@dataclass(frozen=True)
class _Look:
    """The outcome of one look: what is seen, if anything, and whether nothing will be from here on."""

    seen: Seen | None
    over: bool = False


@evenly.refused
def find(server: Server, string: str) -> Door | None:
    """The door that a string opens; None for unknown, wrong, ended, used-up and expired ones alike. Changes nothing."""
    for _attempt in range(5):
        with server.main.line() as line:
            try:
                return _door(server, line, string)
            except Moved:
                continue
    return None


def show(server: Server, string: str, passphrase: str, *, address: str, request_id: str) -> Seen | None:
    """One look, logged and counted before this returns; None when there is nothing to see.

    The last look ends the grant before it is answered. Raises WrongPassphrase, TooManyTries, Busy.
    """
    door = find(server, string)
    if door is None:
        return None
    owner, grant = door.found.string.owner_id, door.found.grant_id
    paces.admit(server, MOST, shown=door.found.string.lock_id.hex(), viewer=address)
    if door.held and door.asks:
        access.count_refusal(server, owner, grant)
        return None
    key = _key(server, door, passphrase, address)
    for _attempt in range(5):
        with server.main.line(snapshot=True) as line:
            try:
                look = _look(server, line, string, key, request_id)
            except Moved:
                continue
            except (DiskFull, access.NoLog):
                break  # no log, and so no look
        if look.over:
            grants.end(server, owner, grant, "used")
        return look.seen
    raise Busy


def _door(server: Server, line: Line, string: str) -> Door | None:
    found = grant_locks.find(line, server, string, "share")
    if found is None or found.state != "live" or found.expires_at <= server.now:
        return None
    standing = standing_of(server, found)
    if standing is None:
        return None
    owner, grant = found.string.owner_id, found.grant_id
    try:
        payload = grant_locks.payload_of(found, standing.pepper)
    except crypto.Damaged:
        return None
    label = grant_boxes.label_or_nothing(server, owner, grant, found.version, found.label_box)
    if label["until"] <= server.now:
        return None
    return Door(found, standing.pepper, label, orjson.loads(payload), standing.held)


def _key(server: Server, door: Door, passphrase: str, address: str) -> bytes:
    """The grant key. A passphrase is tried only after the try has been counted, and outside every transaction."""
    if not door.asks:
        return bytes.fromhex(door.inside["key"])
    owner, lock = door.found.string.owner_id, door.found.string.lock_id
    attempts.admit(server, visitor=address, link=lock.hex())
    params, box = bytes.fromhex(door.inside["params"]), bytes.fromhex(door.inside["box"])
    secret = deriving.stretch(passphrase, params)
    try:
        key = locks.open_lock(BEHIND, owner, lock, secret, door.pepper, params, box)
    except crypto.Damaged:
        access.count_refusal(server, owner, door.found.grant_id)
        raise WrongPassphrase from None
    attempts.forget(server, visitor=address, link=lock.hex())
    return key


def _look(server: Server, line: Line, string: str, key: bytes, request_id: str) -> _Look:
    """Everything once more, in one snapshot: what was stopped while a passphrase was tried is not shown."""
    door = _door(server, line, string)
    if door is None or door.found.terms_box is None:
        return _Look(None)
    found = door.found
    owner, grant = found.string.owner_id, found.grant_id
    try:
        raw = crypto.open_box(key, about_terms(owner, grant, found.version), found.terms_box)
    except crypto.Damaged:
        unless_moved(server, found)
        return _Look(None)
    terms = Terms.from_bytes(raw)
    if terms.until <= server.now:
        return _Look(None)
    if door.held:
        return _refused(server, found, terms, "paused", request_id)
    try:
        windows = _windows(line, found, terms, key)
    except crypto.Damaged:
        unless_moved(server, found)
        return _refused(server, found, terms, "damaged rows", request_id)
    count = sum(len(rows) for _item, rows in windows)
    limit = access.Limit(terms.looks, None, lasts=0) if terms.looks and count else None
    try:
        written = log(server, _entry(found, terms, "allowed", request_id, count, limit))
    except access.OverLimit:
        return _Look(_refused(server, found, terms, "used_up", request_id).seen, over=True)
    left = terms.looks - access.looks(server, owner, grant) if terms.looks else None
    return _Look(Seen(door, terms.until, windows, left), over=written.last_look)


def _windows(line: Line, found: Found, terms: Terms, key: bytes) -> list[tuple[VaultData, list[dict[str, Any]]]]:
    """Every item with its records, as they were sealed for this link. Raises crypto.Damaged."""
    owner, grant = found.string.owner_id, found.grant_id
    sealing = crypto.RowKey(key)
    rows: dict[int, list[dict[str, Any]]] = {item.number: [] for item in terms.items}
    for change, item, name, box in _ROWS.on(line, owner=owner, grant=grant):
        about = about_disclosure(owner, grant, item, name, found.version, change)
        rows[item].append(orjson.loads(sealing.open(about, box)))
    return [(item, rows[item.number]) for item in terms.items]


def _refused(server: Server, found: Found, terms: Terms, outcome: str, request_id: str) -> _Look:
    log(server, _entry(found, terms, outcome, request_id))
    return _Look(None)


def _entry(
    found: Found, terms: Terms, outcome: str, request_id: str, count: int = 0, limit: access.Limit | None = None
) -> access.Look:
    fields: dict[str, list[str]] = {}
    for item in terms.items:
        known = fields.setdefault(item.collection, [])
        known += [path for path in item.fields if path not in known]
    return access.Look(
        owner_id=found.string.owner_id,
        grant_id=found.grant_id,
        log_key=terms.log_key,
        outcome=outcome,
        what=fields,
        count=count,
        request_id=request_id,
        limit=limit,
    )
