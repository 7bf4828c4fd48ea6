"""Jobs: rows written in the same transaction as what they announce, done by whichever worker leases them first.

A payload carries ids or is secret; either way it is sealed with the server key. Work is idempotent, a lease is fenced
by its id, and correctness never depends on a job: the job only repeats what a crash may have left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import ColumnElement, case, delete, select, update

from vault import crypto
from vault.db import Statement, line_of
from vault.logs import apart, log
from vault.models import Job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.rooms import Room
    from vault.server import Server

LEASE = 120  # seconds
LINES = 8  # calls to many other servers at once, in one process
GIVE_UP = 12  # attempts; with doubling pauses about three days
# A number that no worker writes counts as none: below zero it would be tried in every round, and without an end.
_ONE_MORE = case((Job.attempts.between(0, GIVE_UP), Job.attempts + 1), else_=1)
_WRITE = Statement(
    "INSERT INTO jobs (owner_id, job_id, kind, due_at, lease_until, attempts, box) "
    "VALUES (:owner, :job, :kind, :due_at, 0, 0, :box) ON CONFLICT (owner_id, job_id) DO NOTHING"
)


def enqueue(
    session: Session,
    server: Server,
    owner: bytes,
    kind: str,
    payload: Mapping[str, Any],
    *,
    due_at: int | None = None,
    job_id: bytes | None = None,
) -> bytes:
    """Write a job. `due_at` is seconds since 1970, at once when None.

    `job_id` is 16 random bytes unless it is given; one that is there already stays as it is.
    """
    job = job_id or crypto.random_bytes(16)
    box = crypto.seal(server.keys.seal, _about(owner, job, kind), crypto.pad(orjson.dumps(payload)))
    _WRITE.on(line_of(session), owner=owner, job=job, kind=kind, due_at=due_at or server.now, box=box)
    return job


def finish(session: Session, owner: bytes, job: bytes) -> bool:
    """The work is done; nothing is left to repeat. False when somebody has finished it already."""
    gone = session.execute(delete(Job).where(Job.owner_id == owner, Job.job_id == job))
    return bool(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has a row count


def hand_over(session: Session, server: Server, owner: bytes, to: bytes, kinds: Sequence[str]) -> None:
    """Some kinds of an owner's jobs become somebody else's, due when they were; what is damaged is left behind."""
    mine = (Job.owner_id == owner, Job.kind.in_(kinds))
    for row in session.execute(select(Job.job_id, Job.kind, Job.due_at, Job.box).where(*mine)).all():
        with suppress(crypto.Damaged):
            payload = orjson.loads(crypto.open_box(server.keys.seal, _about(owner, row.job_id, row.kind), row.box))
            enqueue(session, server, to, row.kind, payload, due_at=row.due_at)
    session.execute(delete(Job).where(*mine))


def run_due(server: Server, *, limit: int = 50, stopped: Callable[[], bool] = lambda: False) -> int:
    """Do what is due here, one after the other, until stopped. Returns how many jobs were done. A job that fails comes
    back later."""
    here = Job.kind.not_in(server.calls)
    return sum(_try(server, owner, job) for owner, job in _due(server, here, Job.due_at, limit) if not stopped())


def call_out(server: Server, room: Room, lines: Executor, *, limit: int = LINES) -> int:
    """Do what is due of a room's calls to somebody else's server, on its lines; what never failed goes first.

    So a thousand dead addresses hold up no other job, and a fresh call waits for no repeated one.
    """
    there = Job.kind.in_(room.calls or ())
    return sum(lines.map(lambda due: _try(server, *due), _due(server, there, Job.attempts, limit)))


def give_back(server: Server) -> None:
    """This process ends: what it has leased and not finished is free for another one at once, not after the lease."""
    leases = list(server.leases)
    with server.main.transaction() as session:
        session.execute(update(Job).where(Job.lease_id.in_(leases)).values(lease_until=0))


def _due(server: Server, kinds: ColumnElement[bool], first: Any, limit: int) -> list[tuple[bytes, bytes]]:
    with server.main.reading() as session:
        rows = session.execute(
            select(Job.owner_id, Job.job_id)
            .where(Job.due_at <= server.now, Job.lease_until <= server.now, kinds)
            .order_by(first, Job.due_at, Job.owner_id, Job.job_id)
            .limit(limit)
        )
        return [(owner, job) for owner, job in rows]


def _try(server: Server, owner: bytes, job: bytes) -> bool:
    """What fails in a way that nobody foresaw keeps its lease, is never given up, and stops no other job."""
    with apart("job_failed"):
        return _run(server, owner, job)
    return False


def _run(server: Server, owner: bytes, job: bytes) -> bool:
    lease = crypto.random_bytes(16)
    mine = (Job.owner_id == owner, Job.job_id == job)
    with server.main.transaction() as session:
        taken = session.execute(
            update(Job)
            .where(*mine, Job.lease_until <= server.now)
            .values(lease_id=lease, lease_until=server.now + LEASE, attempts=_ONE_MORE)
        )
        if taken.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has a row count
            return False
        row = session.execute(select(Job.kind, Job.attempts, Job.box).where(*mine)).one()
    server.leases.add(lease)
    try:
        done = _work(server, owner, job, row.kind, row.box)
    finally:
        server.leases.discard(lease)
    with server.main.transaction() as session:
        still_mine = (*mine, Job.lease_id == lease)
        if done is not False or row.attempts >= GIVE_UP:
            session.execute(delete(Job).where(*still_mine))
        else:
            pause = server.now + 60 * 2**row.attempts
            session.execute(update(Job).where(*still_mine).values(due_at=pause, lease_until=0))
    return done is not False


def _work(server: Server, owner: bytes, job: bytes, kind: str, box: bytes) -> bool | None:
    try:
        payload = orjson.loads(crypto.open_box(server.keys.seal, _about(owner, job, kind), box))
        return server.jobs[kind](server, owner, payload)
    except crypto.Damaged:
        log.error("job_damaged")
        return False  # one row that was tampered with must not keep the other jobs from their turn


def _about(owner: bytes, job: bytes, kind: str) -> bytes:
    return crypto.identity("vrm/1/job", owner, job, kind)
