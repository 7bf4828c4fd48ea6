"""Mails by the calendar: every ninety days that somebody can still see something, every week that somebody came.

Job and mail of a day are written and removed in single transactions, under an id that follows from owner and day, so
there is one of each however often anything is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from consent import access, grant_boxes, mails
from consent.models import Grant
from vault import crypto
from vault.days import DAY
from vault.jobs import enqueue, finish

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

EVERY = 90  # days
WEEK = 7  # days


def plan(session: Session, server: Server, owner: bytes, *, given_at: int, until: int) -> None:
    """Remind her of what she gives or lets go on, if it lives until its next ninetieth day, and tell her of its looks.

    In her turn.
    """
    ninetieth = _following(server, given_at // DAY, EVERY)
    if until // DAY > ninetieth:
        _enqueue(session, server, owner, "remind", {"day": ninetieth})
    week = server.now // DAY // WEEK + 1  # the same for all her grants, so that there is one mail
    _enqueue(session, server, owner, "digest", {"day": week * WEEK, "seen": _entries(server, owner)})


def remind(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job of one ninetieth day: one mail for all her grants of it."""
    day = int(payload["day"])
    alive = server.keystore.alive(owner, "grant")
    following = _following(server, day, EVERY)
    with server.main.transaction() as session:
        if not finish(session, owner, _job_id(server, owner, "remind", day)):
            return
        living = {grant: label for grant, label in _labels(session, server, owner).items() if grant in alive}
        of_day = {grant: label for grant, label in living.items() if (day - label["given_at"] // DAY) % EVERY == 0}
        if any(label["until"] > server.now and alive[grant].held is None for grant, label in of_day.items()):
            mails.reminder(session, server, owner)
        if any(label["until"] // DAY > following for label in of_day.values()):
            _enqueue(session, server, owner, "remind", {"day": following})


def digest(server: Server, owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job of a week: a mail if there was any call since the last one. It goes on while a grant lives."""
    day, entries = int(payload["day"]), _entries(server, owner)
    head = server.keystore.log_head(owner)
    alive = server.keystore.alive(owner, "grant")
    with server.main.transaction() as session:
        if not finish(session, owner, _job_id(server, owner, "digest", day)):
            return
        if entries > int(payload["seen"]):
            mails.digest(session, server, owner, *head)
        if alive:
            following = _following(server, day, WEEK)
            _enqueue(session, server, owner, "digest", {"day": following, "seen": entries})


def _following(server: Server, day: int, every: int) -> int:
    """The next day after today; what fell due while nothing ran is not made up for."""
    return day + every * max(1, (server.now // DAY - day) // every + 1)


def _entries(server: Server, owner: bytes) -> int:
    return sum(access.counts(server, owner).values())


def _labels(session: Session, server: Server, owner: bytes) -> dict[bytes, dict[str, Any]]:
    rows = session.execute(
        select(Grant.grant_id, Grant.version, Grant.label_box).where(Grant.owner_id == owner, Grant.state == "live")
    )
    return {grant: grant_boxes.label_or_nothing(server, owner, grant, version, box) for grant, version, box in rows}


def _enqueue(session: Session, server: Server, owner: bytes, kind: str, payload: Mapping[str, int]) -> None:
    job, due_at = _job_id(server, owner, kind, payload["day"]), payload["day"] * DAY
    enqueue(session, server, owner, kind, payload, due_at=due_at, job_id=job)


def _job_id(server: Server, owner: bytes, kind: str, day: int) -> bytes:
    return crypto.tag(server.keys.tag, kind, owner, day)[:16]
