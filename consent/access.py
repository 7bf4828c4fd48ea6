"""The access log: one entry for every call whose token opened, committed before the answer leaves; of those that come
too fast only the first is told (`pace`).

Number, proof tag and entry are one transaction of the log's own database. The number stands in the entry's identity and
in the answer, so the vendor holds a witness that no entry was taken out.
"""

from __future__ import annotations

import threading
from collections import Counter as Counted
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import func, select

from consent.models import Access, Counter, Refusal
from vault import crypto
from vault.days import DAY, moment_of
from vault.db import Line, Statement
from vault.errors import Busy, DiskFull
from vault.paces import MINUTE

if TYPE_CHECKING:
    from vault.server import Server

LOOK = 600  # seconds
UNLIMITED = 1 << 40
REFUSED = "refusals"
GRANTED = ("allowed", "left", "left again")  # outcomes of a call that got what it asked for
_counting = threading.Lock()

_NEXT = Statement(
    "INSERT INTO counters (owner_id, grant_id, number, minute, calls) VALUES (:owner, :grant, 1, :minute, :proved) "
    "ON CONFLICT (owner_id, grant_id) DO UPDATE SET number = counters.number + 1, minute = :minute, "
    "calls = :proved + CASE WHEN counters.minute = :minute THEN counters.calls ELSE 0 END RETURNING number, calls"
)
# A look lasts ten minutes from its first call: pages, retries and other collections within them are the same look. One
# that begins in more than a minute was begun by a clock that has been set back since, and is over.
_LOOK = Statement(
    "UPDATE counters SET looks = looks + CASE WHEN began_at BETWEEN :since AND :latest THEN 0 ELSE 1 END, "
    "looks_of_day = CASE WHEN began_at BETWEEN :since AND :latest THEN looks_of_day "
    "WHEN day = :day THEN looks_of_day + 1 ELSE 1 END, "
    "day = CASE WHEN began_at BETWEEN :since AND :latest THEN day ELSE :day END, "
    "began_at = CASE WHEN began_at BETWEEN :since AND :latest THEN began_at ELSE :now END "
    "WHERE owner_id = :owner AND grant_id = :grant AND (began_at BETWEEN :since AND :latest OR ("
    "looks < :most AND (day <> :day OR looks_of_day < :per_day))) "
    "RETURNING looks, began_at, CASE WHEN day = :day THEN looks_of_day ELSE 0 END"
)
_WRITE = Statement(
    "INSERT INTO accesses (owner_id, grant_id, number, proof_tag, day, box) "
    "VALUES (:owner, :grant, :number, :proof, :day, :box)"
)
_REFUSED = Statement(
    "INSERT INTO refusals (owner_id, grant_id, day, count) VALUES (:owner, :grant, :day, :count) "
    "ON CONFLICT (owner_id, grant_id, day) DO UPDATE SET count = refusals.count + :count"
)


class Replayed(Exception):
    """This proof has been used before."""


class OverLimit(Exception):
    """The grant allows no further look: for good, or until the next day (UTC)."""


class NoLog(Exception):
    """The log cannot be written, so nobody may look: a full disk, no turn in time, or a counter that was spoilt."""


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

    @property
    def is_look(self) -> bool:
        """Was it let look at something? To ask about the permission itself is no look."""
        return self.outcome == "allowed" and bool(self.what)

    @property
    def place(self) -> tuple[datetime, bytes, int]:
        """Where it stands among all entries: by time, then grant and number."""
        return self.at, self.grant_id, self.number


class Limit(NamedTuple):
    """How many looks a grant allows in all, and on one day (UTC); None for as many as there may be.

    A look `lasts` so many seconds from its first call; with 0 every call is a look.
    """

    most: int | None
    per_day: int | None
    lasts: int = LOOK


class Written(NamedTuple):
    """The number of an entry, and of a limited grant how many looks there have been, in all and on this day (UTC).

    `last_look`: it began the last one that the grant allows.
    """

    number: int
    last_look: bool = False
    looks: int = 0
    looks_today: int = 0
    calls: int = 0  # that proved themselves, in this minute


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
            minute, proved = now // MINUTE, int(look.proof_tag is not None)
            number, calls = _NEXT.on(line, **keys, minute=minute, proved=proved).fetchone()
            looked = _begin_look(line, look.limit, now, **keys) if look.limit is not None else (False, 0, 0)
            box = sealing.seal(about_access(look.owner_id, look.grant_id, number), plaintext)
            values = {"number": number, "proof": look.proof_tag, "day": now // DAY, "box": box}
            _WRITE.on(line, **keys, **values)
    except server.log.driver.IntegrityError as error:
        if look.proof_tag is None:  # then it is its number that stands there already: the counter was turned back
            raise NoLog from error
        raise Replayed from None
    except (Busy, server.log.driver.OperationalError, server.log.driver.DataError, crypto.Damaged) as error:
        raise NoLog from error
    return Written(int(number), *looked, int(calls))


def _begin_look(line: Line, limit: Limit, now: int, **keys: bytes) -> tuple[bool, int, int]:
    """Begin a look or go on with the one under way.

    Returns whether it is the last one, and how many there have been, in all and today. Raises OverLimit.
    """
    values = {
        "now": now,
        "since": now - limit.lasts + 1 if limit.lasts else UNLIMITED,
        "latest": now + 60,
        "day": now // DAY,
    }
    most, per_day = limit.most or UNLIMITED, limit.per_day or UNLIMITED
    row = _LOOK.on(line, **keys, **values, most=most, per_day=per_day).fetchone()
    if row is None:
        raise OverLimit
    return row[0] == limit.most and row[1] == now, row[0], row[2]


def looks(server: Server, owner: bytes, grant: bytes) -> int:
    """How many looks a limited grant has had."""
    with server.log.reading() as session:
        mine = (Counter.owner_id == owner, Counter.grant_id == grant)
        return session.scalar(select(Counter.looks).where(*mine)) or 0


def count_refusal(server: Server, owner: bytes, grant: bytes) -> None:
    """A call named a lock of this grant and did not open it: counted per day, nothing else is known of it.

    In memory, and written within a minute or when the process stops: a write that only a lock which there is would cost
    tells that there is one.
    """
    with _counting:
        server.memory.setdefault(REFUSED, Counted())[owner, grant, server.now // DAY] += 1


def write_refusals(server: Server) -> None:
    """Write what was counted since the last time; where there is no room to write, it is kept until there is."""
    with _counting:
        counted: Counted[tuple[bytes, bytes, int]] = server.memory.pop(REFUSED, Counted())
    if not counted:
        return
    try:
        with server.log.written_line() as line:
            for (owner, grant, day), count in sorted(counted.items()):  # all in one order: none waits for another
                _REFUSED.on(line, owner=owner, grant=grant, day=day, count=count)
    except (DiskFull, Busy, server.log.driver.OperationalError):
        with _counting:
            server.memory.setdefault(REFUSED, Counted()).update(counted)


def proof_tag(server: Server, owner: bytes, thumbprint: str, jti: str) -> bytes:
    """The tag under which a proof is remembered."""
    return crypto.tag(server.keys.tag, "proof", owner, thumbprint, jti)[:16]


def about_access(owner: bytes, grant: bytes, number: int) -> bytes:
    """The identity of an entry's box."""
    return crypto.identity("vrm/1/access", owner, grant, number)


def of_grant(
    server: Server,
    owner: bytes,
    grant: bytes,
    log_key: bytes,
    *,
    after: int = 0,
    since: int = 0,
    limit: int | None = None,
) -> list[Entry]:
    """Entries of one grant that stand by themselves, above a number and not before a day, in their order.

    One that does not open is 'damaged', never left out.
    """
    with server.log.reading() as session:
        rows = session.execute(
            select(Access.number, Access.day, Access.box)
            .where(Access.owner_id == owner, Access.grant_id == grant, Access.number > after, Access.day >= since)
            .order_by(Access.number)
            .limit(limit)
        ).all()
    sealing, today = crypto.RowKey(log_key), server.now // DAY
    return [_read(sealing, owner, grant, number, min(day, today), box) for number, day, box in rows]


def _read(sealing: crypto.RowKey, owner: bytes, grant: bytes, number: int, day: int, box: bytes) -> Entry:
    try:
        content: dict[str, Any] = orjson.loads(sealing.open(about_access(owner, grant, number), box))
    except crypto.Damaged:
        return Entry(grant, number, moment_of(day * DAY), {}, 0, [], "damaged", "")
    at = datetime.fromtimestamp(content.pop("at"), UTC)
    return Entry(grant, number, at, **content)


def newest(server: Server, owner: bytes) -> dict[bytes, int]:
    """The highest number that stands by itself, of each grant that has any."""
    with server.log.reading() as session:
        rows = session.execute(
            select(Access.grant_id, func.max(Access.number)).where(Access.owner_id == owner).group_by(Access.grant_id)
        )
        return {grant: number for grant, number in rows}


def counts(server: Server, owner: bytes) -> dict[bytes, int]:
    """How many looks each grant has had."""
    with server.log.reading() as session:
        rows = session.execute(select(Counter.grant_id, Counter.number).where(Counter.owner_id == owner))
        return {grant: number for grant, number in rows}


def last_days(server: Server, owner: bytes) -> dict[bytes, int]:
    """The day, counted since 1970, of the newest entry that stands by itself, of each grant that has any."""
    with server.log.reading() as session:
        rows = session.execute(
            select(Access.grant_id, func.max(Access.day)).where(Access.owner_id == owner).group_by(Access.grant_id)
        )
        return {grant: day for grant, day in rows}


def refusals(server: Server, owner: bytes) -> dict[bytes, int]:
    """How often strings that opened nothing were tried, by grant."""
    write_refusals(server)
    with server.log.reading() as session:
        rows = session.execute(
            select(Refusal.grant_id, func.sum(Refusal.count))
            .where(Refusal.owner_id == owner)
            .group_by(Refusal.grant_id)
        )
        return {grant: int(number) for grant, number in rows}
