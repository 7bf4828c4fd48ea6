"""Every ninety days while a grant lives, one mail: somebody can still see something. One for all her grants of a day.

Job and mail of a day are written and removed in single transactions, under an id that follows from owner and day, so
there is one of each however often anything is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from consent import grant_boxes, mails
from consent.models import Grant
from consent.terms import DAY
from vault import crypto
from vault.jobs import enqueue, finish
from vault.models import Job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

EVERY = 90  # days


def plan(session: Session, server: Server, owner: bytes, *, given_at: int, until: int) -> None:
    """Remind her of what she gives now, if it lives longer than that day. Within her turn."""
    first = given_at // DAY + EVERY
    if until // DAY > first:
        _enqueue(session, server, owner, first)


def remind(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job of one day."""
    day, today = int(payload["day"]), server.now // DAY
    alive = server.keystore.alive(owner, "grant")
    following = day + EVERY * max(1, -(-(today - day) // EVERY))  # what fell due while nothing ran is not made up for
    with server.main.transaction() as session:
        if not finish(session, owner, _job_id(server, owner, day)):
            return
        living = {grant: label for grant, label in _labels(session, server, owner).items() if grant in alive}
        of_day = {grant: label for grant, label in living.items() if (day - label["given_at"] // DAY) % EVERY == 0}
        if any(label["until"] > server.now and alive[grant].held is None for grant, label in of_day.items()):
            mails.reminder(session, server, owner)
        if any(label["until"] // DAY > following for label in of_day.values()):
            _enqueue(session, server, owner, following)


def _labels(session: Session, server: Server, owner: bytes) -> dict[bytes, dict[str, Any]]:
    rows = session.execute(
        select(Grant.grant_id, Grant.version, Grant.label_box).where(Grant.owner_id == owner, Grant.state == "live")
    )
    return {grant: grant_boxes.label_or_nothing(server, owner, grant, version, box) for grant, version, box in rows}


def _enqueue(session: Session, server: Server, owner: bytes, day: int) -> None:
    job = _job_id(server, owner, day)
    if session.scalar(select(Job.job_id).where(Job.owner_id == owner, Job.job_id == job)) is None:
        enqueue(session, server, owner, "remind", {"day": day}, due_at=day * DAY, job_id=job)


def _job_id(server: Server, owner: bytes, day: int) -> bytes:
    return crypto.tag(server.keys.tag, "reminder", owner, day)[:16]
