"""Deleting a vault: asked for, taken back within a week, and done.

The keystore decides: an old copy of the database neither brings a deletion about nor prevents it. Asked: the day is
written into the keystore, then everything that others can see ends. Done: all peppers, then locks and keys, so that
from there nothing of hers opens; then every row, and last a certificate. Each step may be repeated, and a crash between
any two of them is finished by the worker.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, delete, insert, select, tuple_

from vault import certificate, crypto, jobs, kit, mail, signing
from vault.days import DAY, day_of
from vault.db import taking_away
from vault.errors import DiskFull
from vault.logs import apart
from vault.models import Certificate, Handle, Key, Lock, Log, Main, Owner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from vault.db import Database
    from vault.opened import OpenVault
    from vault.server import Server

COOLING_OFF = 7  # days, all of them whole
AT_ONCE = 500  # rows deleted in one transaction
UNDER_WAY = 600  # seconds, longer than any call
NOBODY = bytes(16)  # the owner of what has to be told after she is gone


def ask(vault: OpenVault) -> date:
    """She wants it deleted: everything that others can see ends at once. Returns the day; until then it is kept.

    Asked for once more, it stays the day that was told first.
    """
    server, owner = vault.server, vault.owner_id
    latest = server.now // DAY + 1 + COOLING_OFF
    taking_away((server.keystore.database,), lambda: server.keystore.leave(owner, latest))
    day = planned(server, owner) or day_of(latest)
    _end_what_others_see(server, owner)
    with suppress(DiskFull), server.main.transaction() as session:
        _tell(session, server, owner, day)
    return day


def keep(vault: OpenVault) -> bool:
    """She takes it back. False when there is nothing to take back any more. What has ended stays ended."""
    return vault.server.keystore.stay(vault.owner_id, today=vault.server.now // DAY)


def planned(server: Server, owner: bytes) -> date | None:
    """The day on which a vault will be deleted, today once that has begun; None if nobody has asked for that."""
    day = server.keystore.leaves_on(owner)
    return day_of(day or server.now // DAY) if day is not None else None


def sweep(server: Server) -> None:
    """The worker's part: delete what is due, also if an old copy has brought it back; end what was given meanwhile."""
    today = server.now // DAY
    for owner, _day in server.keystore.leavers():
        with apart("sweep_failed"):
            day = server.keystore.leaves_on(owner)
            if day is None:
                continue  # she has taken it back since
            if day > today:
                _end_what_others_see(server, owner)
            elif _left(server, owner):
                taking_away(server.databases, partial(erase, server, owner))


def erase(server: Server, owner: bytes) -> None:
    """Delete a vault whose day has come. Nothing happens before that day, or if she has taken it back."""
    if not server.keystore.begin_leaving(owner, today=server.now // DAY):
        return
    _take_everything(server, owner)
    _certify(server, owner)
    for database in server.databases:
        database.checkpoint()


def throw_away(server: Server, owner: bytes) -> None:
    """Delete the vault of somebody made up: as above, but at once and without a certificate. Never of anybody real."""
    _end_what_others_see(server, owner)
    _take_everything(server, owner)
    with server.main.transaction() as session:
        session.execute(delete(Owner).where(Owner.owner_id == owner))


def _take_everything(server: Server, owner: bytes) -> None:
    """From the peppers to the last row, but for her own: while it is there, it is known that this is not finished."""
    server.keystore.take_all(owner)
    _shred(server, owner)
    for room in server.rooms:
        if room.on_erase is not None:
            room.on_erase(server, owner)
    with server.main.transaction() as session:
        jobs.hand_over(session, server, owner, NOBODY, tuple(server.calls.keys() - {"mail"}))  # those go with her
    _empty_all(server, owner)
    server.catalogues.rebuild(server, owner)


def leftovers(server: Server, _owner: bytes, payload: Mapping[str, Any]) -> None:
    """The job that looks once more, when no call of before can be under way: one may have written into her log."""
    _empty_all(server, bytes.fromhex(payload["owner"]))


def _empty_all(server: Server, owner: bytes) -> None:
    for database, base in ((server.main, Main), (server.log, Log)):
        for table in reversed(base.metadata.sorted_tables):
            if "owner_id" in table.columns and table not in (Owner.__table__, Certificate.__table__):
                _empty(database, table, owner)


def certificate_of(server: Server, owner: bytes) -> str | None:
    """The signed certificate of a vault that was deleted here."""
    with server.main.reading() as session:
        box = session.scalar(select(Certificate.box).where(Certificate.owner_id == owner))
    return crypto.open_box(server.keys.seal, _about(owner), box).decode() if box else None


def address_of(server: Server, owner: bytes) -> str:
    """Where the certificate can be fetched once it is done."""
    return f"{server.settings.issuer}/deleted/{kit.vault_number(owner)}"


def _end_what_others_see(server: Server, owner: bytes) -> None:
    for room in server.rooms:
        if room.on_leave is not None:
            room.on_leave(server, owner)


def _left(server: Server, owner: bytes) -> bool:
    """Is there anything to do for somebody whose day has come?"""
    with server.main.reading() as session:
        here = session.scalar(select(Owner.owner_id).where(Owner.owner_id == owner))
        certified = session.scalar(select(Certificate.owner_id).where(Certificate.owner_id == owner))
    return here is not None or certified is None


def _shred(server: Server, owner: bytes) -> None:
    """Locks and keys first: from here not even her recovery code opens what is left of it."""
    with server.main.transaction() as session:
        for table in (Lock, Key):
            session.execute(delete(table).where(table.owner_id == owner))
    server.main.checkpoint()


def _empty(database: Database, table: Table, owner: bytes) -> None:
    """Delete her rows of one table, some at a time, so that nobody else waits long."""
    keys = [column for column in table.primary_key if column.name != "owner_id"] or [table.c.owner_id]
    mine = table.c.owner_id == owner
    while True:
        with database.reading() as session:
            some = session.execute(select(*keys).where(mine).order_by(*keys).limit(AT_ONCE)).all()
        if not some:
            return
        with database.transaction() as session:
            session.execute(delete(table).where(mine, tuple_(*keys).in_([tuple(row) for row in some])))


def _certify(server: Server, owner: bytes) -> None:
    """The last rows of hers, and the certificate that they are gone, in one transaction."""
    said = certificate.claims(server.settings.issuer, kit.vault_number(owner), server.now)
    text = signing.compact(server.keystore.signing("receipt")[0], certificate.TYPE, said).decode()
    box = crypto.seal(server.keys.seal, _about(owner), text.encode())
    with server.main.transaction() as session:
        later = server.now + UNDER_WAY
        jobs.enqueue(session, server, NOBODY, "leftovers", {"owner": owner.hex()}, due_at=later)
        _farewell(session, server, owner, text)
        session.execute(delete(Handle).where(Handle.owner_id == owner))
        session.execute(delete(Owner).where(Owner.owner_id == owner))
        session.execute(delete(Certificate).where(Certificate.owner_id == owner))
        session.execute(insert(Certificate).values(owner_id=owner, box=box))


def _farewell(session: Session, server: Server, owner: bytes, text: str) -> None:
    """Mail her the certificate: the job keeps her address, which is kept nowhere else any more."""
    found = session.get(Owner, owner)
    to, _ = mail.notice_or_nothing(server, owner, found.notice_box if found else None)
    if to is None or not server.settings.smtp_url:
        return
    say = mail.speaker(session, server, owner)
    words = (
        say("Your vault has been deleted, as you asked. Below is the signed certificate; keep it if you like.")
        + "\n\n"
        + say("It can also be fetched here:")
        + f" {address_of(server, owner)}\n\n{text}\n"
    )
    payload = {"to": to, "subject": say("Your vault has been deleted"), "text": words}
    jobs.enqueue(session, server, NOBODY, "farewell", payload)


def _tell(session: Session, server: Server, owner: bytes, day: date) -> None:
    say = mail.speaker(session, server, owner)
    text = (
        say(
            "Somebody who knows your passphrase has asked to delete your vault. Nobody else can see anything in it now."
        )
        + "\n\n"
        + say("It will be deleted for good on: %(day)s") % {"day": day.isoformat()}
        + "\n\n"
        + say("Until then you can take that back: unlock it, and keep your vault.")
        + f"\n{server.settings.issuer}/delete\n"
    )
    mail.queue(session, server, owner, say("Your vault will be deleted"), text)


def _about(owner: bytes) -> bytes:
    return crypto.identity("vrm/1/certificate", owner)
