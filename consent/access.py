"""The access log: one entry for every call whose token opened, committed before the answer leaves.

Number, proof tag and entry are one transaction of the log's own database. The number stands in the entry's identity and
in the answer, so the vendor holds a witness that no entry was taken out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import func, select

from consent.models import Access, Counter, Refusal
from vault import crypto
from vault.db import Line, Statement

if TYPE_CHECKING:
    from vault.server import Server

LOOK = 600  # seconds
UNLIMITED = 1 << 40

_NEXT = Statement(
    "INSERT INTO counters (owner_id, grant_id, number) VALUES (:owner, :grant, 1) "
    "ON CONFLICT (owner_id, grant_id) DO UPDATE SET number = counters.number + 1 RETURNING number"
)
# A look lasts ten minutes from its first call: pages, retries and other collections within them are the same look.
_LOOK = Statement(
    "UPDATE counters SET looks = looks + CASE WHEN began_at > :recent THEN 0 ELSE 1 END, "
    "looks_of_day = CASE WHEN began_at > :recent THEN looks_of_day WHEN day = :day THEN looks_of_day + 1 ELSE 1 END, "
    "day = CASE WHEN began_at > :recent THEN day ELSE :day END, "
    "began_at = CASE WHEN began_at > :recent THEN began_at ELSE :now END "
    "WHERE owner_id = :owner AND grant_id = :grant AND (began_at > :recent OR ("
    "looks < :most AND (day <> :day OR looks_of_day < :per_day))) RETURNING looks, began_at"
)
_WRITE = Statement(
    "INSERT INTO accesses (owner_id, grant_id, number, proof_tag, day, box) "
    "VALUES (:owner, :grant, :number, :proof, :day, :box)"
)
_REFUSED = Statement(
    "INSERT INTO refusals (owner_id, grant_id, day, count) VALUES (:owner, :grant, :day, 1) "
    "ON CONFLICT (owner_id, grant_id, day) DO UPDATE SET count = refusals.count + 1"
)


class Replayed(Exception):
    """This proof has been used before."""


class OverLimit(Exception):
    """The grant allows no further look: for good, or until the next day (UTC)."""


class NoLog(Exception):
    """The log cannot be written, so nobody may look: a full disk, or no turn in time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One look as she reads it. `what` is field names by collection; never values."""

    grant_id: bytes
    number: int
    at: datetime
    what: Mapping[str, list[str]]
    count: int
    purposes: list[str]
    outcome: str
    request_id: str


class Limit(NamedTuple):
    """How many looks a grant allows in all, and on one day (UTC); None for as many as there may be.

    A look `lasts` so many seconds from its first call; with 0 every call is a look.
    """

    most: int | None
    per_day: int | None
    lasts: int = LOOK


class Written(NamedTuple):
    """The number of an entry, and whether it began the last look that its grant allows."""

    number: int
    last_look: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a call when it is logged. `what` is field names by collection."""

    owner_id: bytes
    grant_id: bytes
    log_key: bytes = field(repr=False)
    outcome: str
    what: Mapping[str, list[str]] = field(default_factory=dict)
    purposes: tuple[str, ...] = ()
    count: int = 0
    proof_tag: bytes | None = None
    request_id: str = ""
    limit: Limit | None = None


def write(server: Server, look: Look) -> Written:
    """Write one entry durably. Raises Replayed when the proof is known, OverLimit, and NoLog when it cannot."""
    now = server.now
    content = {
        "at": now,
        "what": look.what,
        "count": look.count,
        "purposes": list(look.purposes),
        "outcome": look.outcome,
        "request_id": look.request_id,
    }
    sealing, plaintext = crypto.RowKey(look.log_key), crypto.pad(orjson.dumps(content))
    keys = {"owner": look.owner_id, "grant": look.grant_id}
    try:
        with server.log.written_line() as line:
            number = _NEXT.on(line, **keys).fetchone()[0]
            last = look.limit is not None and _begin_look(line, look.limit, now, **keys)
            box = sealing.seal(about_access(look.owner_id, look.grant_id, number), plaintext)
            values = {"number": number, "proof": look.proof_tag, "day": now // 86400, "box": box}
            _WRITE.on(line, **keys, **values)
    except server.log.driver.IntegrityError:
        raise Replayed from None
    except server.log.driver.OperationalError as error:
        raise NoLog from error
    return Written(int(number), last)


def _begin_look(line: Line, limit: Limit, now: int, **keys: bytes) -> bool:
    """Begin a look or go on with the one under way; returns whether it is the last one. Raises OverLimit."""
    values = {"now": now, "recent": now - limit.lasts if limit.lasts else UNLIMITED, "day": now // 86400}
    most, per_day = limit.most or UNLIMITED, limit.per_day or UNLIMITED
    row = _LOOK.on(line, **keys, **values, most=most, per_day=per_day).fetchone()
    if row is None:
        raise OverLimit
    return bool(row[0] == limit.most and row[1] == now)


def looks(server: Server, owner: bytes, grant: bytes) -> int:
    """How many looks a limited grant has had."""
    with server.log.reading() as session:
        mine = (Counter.owner_id == owner, Counter.grant_id == grant)
        return session.scalar(select(Counter.looks).where(*mine)) or 0


def count_refusal(server: Server, owner: bytes, grant: bytes) -> None:
    """A call named a lock of this grant and did not open it: counted per day, nothing else is known of it."""
    with server.log.written_line() as line:
        _REFUSED.on(line, owner=owner, grant=grant, day=server.now // 86400)


def proof_tag(server: Server, owner: bytes, thumbprint: str, jti: str) -> bytes:
    """The tag under which a proof is remembered."""
    return crypto.tag(server.keys.tag, "proof", owner, thumbprint, jti)[:16]


def about_access(owner: bytes, grant: bytes, number: int) -> bytes:
    """The identity of an entry's box."""
    return crypto.identity("vrm/1/access", owner, grant, number)


def entries(
    server: Server,
    owner: bytes,
    log_keys: Mapping[bytes, bytes],
    *,
    before: tuple[int, int] | None = None,
    limit: int = 50,
) -> list[Entry]:
    """Her looks, newest first. `log_keys` by grant; an entry that does not open is 'damaged', never left out."""
    page: list[Entry] = []
    with server.log.reading() as session:
        for grant, key in log_keys.items():
            rows = session.execute(
                select(Access.number, Access.day, Access.box)
                .where(Access.owner_id == owner, Access.grant_id == grant)
                .order_by(Access.number.desc())
                .limit(limit if before is None else -1)
            )
            sealing = crypto.RowKey(key)
            page += [_read(sealing, owner, grant, *row) for row in rows]
    page.sort(key=lambda entry: (entry.at, entry.grant_id, entry.number), reverse=True)
    if before is not None:
        page = [entry for entry in page if (int(entry.at.timestamp()), entry.number) < before]
    return page[:limit]


def _read(sealing: crypto.RowKey, owner: bytes, grant: bytes, number: int, day: int, box: bytes) -> Entry:
    try:
        content: dict[str, Any] = orjson.loads(sealing.open(about_access(owner, grant, number), box))
    except crypto.Damaged:
        return Entry(grant, number, datetime.fromtimestamp(day * 86400, UTC), {}, 0, [], "damaged", "")
    at = datetime.fromtimestamp(content.pop("at"), UTC)
    return Entry(grant, number, at, **content)


def counts(server: Server, owner: bytes) -> dict[bytes, int]:
    """How many looks each grant has had."""
    with server.log.reading() as session:
        rows = session.execute(select(Counter.grant_id, Counter.number).where(Counter.owner_id == owner))
        return {grant: number for grant, number in rows}


def last_days(server: Server, owner: bytes) -> dict[bytes, int]:
    """The day of each grant's last look, counted since 1970; a grant that nobody used is not in it."""
    with server.log.reading() as session:
        rows = session.execute(
            select(Access.grant_id, func.max(Access.day)).where(Access.owner_id == owner).group_by(Access.grant_id)
        )
        return {grant: day for grant, day in rows}


def missing(server: Server, owner: bytes) -> dict[bytes, int]:
    """Grants whose log has fewer entries than its counter says: how many are missing."""
    with server.log.reading() as session:
        rows = session.execute(
            select(Access.grant_id, func.count()).where(Access.owner_id == owner).group_by(Access.grant_id)
        )
        present = {grant: number for grant, number in rows}
    return {
        grant: number - present.get(grant, 0)
        for grant, number in counts(server, owner).items()
        if number != present.get(grant, 0)
    }


def refusals(server: Server, owner: bytes) -> dict[bytes, int]:
    """How often strings that opened nothing were tried, by grant."""
    with server.log.reading() as session:
        rows = session.execute(
            select(Refusal.grant_id, func.sum(Refusal.count))
            .where(Refusal.owner_id == owner)
            .group_by(Refusal.grant_id)
        )
        return {grant: int(number) for grant, number in rows}
