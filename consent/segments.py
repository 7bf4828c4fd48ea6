"""The access log in the long run: at each unlock what is older than ten minutes is folded into a segment.

A segment is one piece of JSON that only she can open, and holds the head of the one before; its own head goes to the
keystore. The entries are written again there before any is removed: nothing is taken out before its segment's head is
known, and a vendor can read its own calls for some days yet.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import delete, func, insert, select

from consent import access, chain
from consent.access import Entry
from consent.chain import Head, Verdict
from consent.models import Access, Segment
from vault import crypto
from vault.days import DAY
from vault.keyring import hold

if TYPE_CHECKING:
    from vault.opened import OpenVault

FRESH = 600  # seconds: proofs are long too old by then, so no tag of theirs is needed any more
KEPT = 7  # days: how long a vendor can read its own calls after they were folded
MOST = 5000  # entries in one segment
PLACE = attrgetter("place")
AT_ONCE = 4  # segments folded at one unlock: the rest at the next

Folded = dict[bytes, int]  # by grant


@dataclass(frozen=True, slots=True)
class Reach:
    """Up to which number each grant's entries are in segments, and how many of those were not there to be folded."""

    upto: Folded
    lost: Folded


def fold(vault: OpenVault, log_keys: Mapping[bytes, bytes]) -> None:
    """Fold what is old enough, of the grants whose log opens. What another process folds meanwhile is left to it."""
    keystore, owner = vault.server.keystore, vault.owner_id
    for _segment in range(AT_ONCE):
        seen = Head(*keystore.log_head(owner))
        end = _end(vault, seen)
        if end is None:
            return
        content = _next(vault, end, log_keys)
        if content is not None and not _append(vault, end.number + 1, content):
            return
        head = end if content is None else chain.head_of(owner, end.number + 1, content)
        if head != seen:
            keystore.raise_log_head(owner, seen.number, *head)
        if content is None:
            break
    _forget(vault)


def entries(vault: OpenVault, log_keys: Mapping[bytes, bytes]) -> Iterator[Entry]:
    """Her looks, newest first, for as long as somebody asks for more. `log_keys` by grant."""
    known = reach(vault)
    fresh = [_fresh(vault, *each) for each in _readable(vault, known, log_keys)]
    yield from merge(*fresh, key=PLACE, reverse=True)
    folded = sum(known.upto.get(grant, 0) - known.lost.get(grant, 0) for grant in log_keys)
    for _number, content in _contents(vault, newest_first=True) if folded else ():
        for each in reversed(_entries_of(content)):
            if (grant := bytes.fromhex(each["grant"])) in log_keys:
                yield _entry(grant, each)
                folded -= 1
        if folded <= 0:
            return


def verdict(vault: OpenVault, *known: Head) -> Verdict:
    """Walk along all her segments, up to what the keystore knows, and compare with heads that she knows."""
    last = Head(*vault.server.keystore.log_head(vault.owner_id))
    return chain.follow(vault.owner_id, _contents(vault, newest_first=False), [last, *known])


def missing(vault: OpenVault) -> Folded:
    """Grants of which entries are neither in the log nor in a segment, and how many."""
    known, found = reach(vault), {}
    with vault.server.log.reading() as session:
        rows = session.execute(select(Access.grant_id, Access.number).where(Access.owner_id == vault.owner_id))
        present = Counter(grant for grant, number in rows if number > known.upto.get(grant, 0))
    for grant, number in access.counts(vault.server, vault.owner_id).items():
        there = known.upto.get(grant, 0) - known.lost.get(grant, 0) + present[grant]
        if number != there:
            found[grant] = number - there
    return found


def exported(vault: OpenVault, log_keys: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The log for an export: segments as they are, what stands by itself, and the head the keystore knows."""
    owner = vault.owner_id
    number, digest = vault.server.keystore.log_head(owner)
    lately = [list(_fresh(vault, *each)) for each in _readable(vault, reach(vault), log_keys)]
    return {
        "owner": owner.hex(),
        "head": {"number": number, "digest": digest.hex()},
        "segments": [
            {"number": at, "content": content.decode()}
            for at, content in _contents(vault, newest_first=False)
            if content is not None
        ],
        "entries": [_plain(entry) for some in lately for entry in reversed(some)],
    }


def reach(vault: OpenVault) -> Reach:
    """How far the last segment that opens has come."""
    for _number, content in _contents(vault, newest_first=True):
        if content is not None:
            said = orjson.loads(content)
            return Reach(*({bytes.fromhex(grant): n for grant, n in said[each].items()} for each in ("upto", "lost")))
    return Reach({}, {})


def about(owner: bytes, number: int) -> bytes:
    """The identity of a segment's box."""
    return crypto.identity("vrm/1/segment", owner, number)


def _end(vault: OpenVault, seen: Head) -> Head | None:
    """Where the chain goes on: after what the keystore knows, or after what a crash kept from it.

    None where a row lies further on that does not open: nothing is folded onto what this chain has not reached.
    """
    for number, content in _contents(vault, newest_first=True):
        if number <= seen.number:
            break
        if content is not None:
            return chain.head_of(vault.owner_id, number, content)
        return Head(number, seen.digest) if number == seen.number + 1 else None
    return seen


def _next(vault: OpenVault, end: Head, log_keys: Mapping[bytes, bytes]) -> bytes | None:
    """The content of the next segment; None when nothing is old enough."""
    before, until = reach(vault), vault.server.now - FRESH
    upto, lost, taken = dict(before.upto), dict(before.lost), list[Entry]()
    waiting = [
        access.of_grant(vault.server, vault.owner_id, grant, key, after=at, limit=MOST)
        for grant, key, at in _readable(vault, before, log_keys)
    ]
    for entry in islice(merge(*waiting, key=PLACE), MOST):
        if entry.at.timestamp() > until:
            break
        taken.append(entry)
        gap = entry.number - upto.get(entry.grant_id, 0) - 1
        upto[entry.grant_id] = entry.number
        if gap:
            lost[entry.grant_id] = lost.get(entry.grant_id, 0) + gap
    if not taken:
        return None
    said = {
        "previous": end.digest.hex(),
        "upto": {grant.hex(): number for grant, number in upto.items()},
        "lost": {grant.hex(): number for grant, number in lost.items()},
        "entries": [_plain(entry) for entry in taken],
    }
    return orjson.dumps(said)


def _append(vault: OpenVault, number: int, content: bytes) -> bool:
    """Write a segment after the last one; False when another process has written one meanwhile."""
    box = vault.keyring.seal("files", about(vault.owner_id, number), crypto.pad(zlib.compress(content)))
    newest = select(func.max(Segment.number)).where(Segment.owner_id == vault.owner_id)
    with vault.server.main.transaction() as main:
        hold(main, vault.keyring)  # or this segment might end under a key that is just being changed
        with vault.server.log.transaction() as session:
            if (session.scalar(newest) or 0) >= number:
                return False
            session.execute(insert(Segment).values(owner_id=vault.owner_id, number=number, box=box))
    return True


def _forget(vault: OpenVault) -> None:
    """Remove entries that have been in a segment for some days."""
    day = vault.server.now // DAY - KEPT
    mine = (Access.owner_id == vault.owner_id, Access.day < day)
    with vault.server.log.reading() as session:
        grants = session.scalars(select(Access.grant_id).where(*mine).distinct()).all()
    upto = reach(vault).upto
    for grant in grants:
        its = (*mine, Access.grant_id == grant, Access.number <= upto.get(grant, 0))
        with vault.server.log.transaction() as session:
            session.execute(delete(Access).where(*its))


def _contents(vault: OpenVault, *, newest_first: bool) -> Iterator[tuple[int, bytes | None]]:
    order = Segment.number.desc() if newest_first else Segment.number
    mine = select(Segment.number, Segment.box).where(Segment.owner_id == vault.owner_id, Segment.number > 0)
    mine = mine.order_by(order)
    with vault.server.log.reading() as session:
        for number, box in session.execute(mine.execution_options(yield_per=20)):
            yield number, _opened(vault, number, box)


def _opened(vault: OpenVault, number: int, box: bytes) -> bytes | None:
    try:
        return zlib.decompress(vault.keyring.open("files", about(vault.owner_id, number), box))
    except crypto.Damaged:
        return None


def behind(vault: OpenVault, known: Reach) -> Folded:
    """Grants of which something stands by itself and in no segment, and up to where the segments go."""
    newest = access.newest(vault.server, vault.owner_id)
    return {grant: at for grant, number in newest.items() if number > (at := known.upto.get(grant, 0))}


def _readable(vault: OpenVault, known: Reach, log_keys: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes, int]]:
    """Those of them that one of these keys opens, with the key."""
    return [(grant, log_keys[grant], at) for grant, at in behind(vault, known).items() if grant in log_keys]


def _fresh(vault: OpenVault, grant: bytes, log_key: bytes, after: int) -> Iterator[Entry]:
    """What stands by itself of one grant, newest first."""
    return reversed(access.of_grant(vault.server, vault.owner_id, grant, log_key, after=after))


def _entries_of(content: bytes | None) -> Sequence[Mapping[str, Any]]:
    return orjson.loads(content)["entries"] if content is not None else ()


def _plain(entry: Entry) -> dict[str, Any]:
    return {
        "grant": entry.grant_id.hex(),
        "number": entry.number,
        "at": int(entry.at.timestamp()),
        "what": entry.what,
        "count": entry.count,
        "purposes": entry.purposes,
        "outcome": entry.outcome,
        "request_id": entry.request_id,
    }


def _entry(grant: bytes, plain: Mapping[str, Any]) -> Entry:
    said = {name: value for name, value in plain.items() if name not in ("grant", "at")}
    return Entry(grant_id=grant, at=datetime.fromtimestamp(plain["at"], UTC), **said)
