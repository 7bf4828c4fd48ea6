"""The link that can only take away: it names one grant, opens nothing, and works from any mail or paper."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from consent import grant_boxes, grant_locks, grants
from consent.models import Grant
from consent.standing import found_living
from consent.terms import by_link
from vault import attempts, crypto, evenly, handles, mail
from vault.departure import NOBODY
from vault.jobs import enqueue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consent.views import GrantView
    from vault.opened import OpenVault
    from vault.server import Server


@dataclass(frozen=True)
class Linked:
    """The grant behind a link, as far as the server may know it: name, kinds of things, dates."""

    owner_id: bytes
    grant_id: bytes
    label: dict[str, Any]
    held: str | None

    @property
    def by_link(self) -> bool:
        """Is it seen by whoever holds a share link?"""
        return by_link(self.label["client_id"])


@evenly.refused
def find(server: Server, string: str) -> Linked | None:
    """The living grant behind a link; None for unknown, ended, expired or forged ones alike."""
    living = found_living(server, string, "link")
    if living is None:
        return None
    found, standing = living
    try:
        grant_locks.open_found(found, standing.pepper)
    except crypto.Damaged:
        return None
    owner, grant = found.string.owner_id, found.grant_id
    label = grant_boxes.label_or_nothing(server, owner, grant, found.version, found.label_box)
    return Linked(owner, grant, label, standing.held)


def fresh_link(vault: OpenVault, view: GrantView) -> str:
    """The address of a new link for a living grant of hers."""
    assert view.standing is not None  # noqa: S101 - a living grant has its pepper
    server, owner, pepper = vault.server, vault.owner_id, view.standing.pepper
    with server.main.transaction() as session:
        made = grants.make_link(session, server, owner, view.grant_id, pepper, view.terms.until)
    return grants.link_address(server, made)


def ask_for_links(server: Server, named: str, *, address: str) -> None:
    """Have a fresh link mailed for everything that is being shared, without unlocking.

    Slowed down per address and per vault, so that many addresses do not fill her mailbox. Raises TooManyTries. Whose
    vault is meant is looked up by a job, after the answer: neither that nor a clock says whether there is anybody.
    """
    attempts.admit(server, address=f"links {address}", links=handles.meant(named))
    with server.main.transaction() as session:
        enqueue(session, server, NOBODY, "fresh_links", {"named": named[: handles.LONGEST]})


def mail_fresh_links(server: Server, _owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job: mail her those links, if there is somebody who is meant and anything is being shared."""
    owner = handles.find_owner(server, payload["named"])
    if owner is None:
        return
    alive = server.keystore.alive(owner, "grant")
    with server.main.transaction() as session:
        rows = session.execute(
            select(Grant.grant_id, Grant.version, Grant.label_box)
            .where(Grant.owner_id == owner, Grant.state == "live")
            .order_by(Grant.grant_id)
        ).all()
        lines = []
        for grant, version, box in rows:
            if grant not in alive:
                continue
            with suppress(crypto.Damaged):  # nobody can say until when; on her pages she can still stop it
                label = grant_boxes.open_label(server, owner, grant, version, box)
                link = grants.make_link(session, server, owner, grant, alive[grant].pepper, label["until"])
                lines.append(grants.link_address(server, link))
        if lines:
            say = mail.speaker(session, server, owner)
            text = "\n\n".join([say("Each of these pauses or stops one of the permissions you gave:"), *lines]) + "\n"
            mail.queue(session, server, owner, say("Links that stop sharing"), text)
