"""When the keystore is lost: a new one for the same database. Everything that lived in the old one is over.

No grant, session or passphrase opens any more. What still opens a vault is its owner's printed recovery code, which
needs no keystore; at her unlock she gets back what stood under the server's lost keys, as far as her boxes hold it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from vault import handles, inbox, migrations
from vault.errors import Unsafe
from vault.instances import instance_of
from vault.models import AttachmentRow, Attempt, Handle, Job, Owner

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.server import Server


def recover(server: Server) -> int:
    """Make a keystore where there is none, for the main database that is there. Returns how many vaults there are.

    May be repeated: until the last step the keystore has no instance, and the server does not start on it.
    Raises Unsafe.
    """
    migrations.upgrade(server.main, server.log, server.keystore.database)
    instance = instance_of(server.main)
    with server.main.reading() as session:
        owners = session.execute(select(Owner.owner_id, Owner.revision).order_by(Owner.owner_id)).all()
    if instance is None:
        raise Unsafe("There is no vault in this database.")
    if instance_of(server.keystore.database) is not None:
        raise Unsafe("There is a keystore already. Nothing was changed.")
    known = server.keystore.owners()
    for owner, revision in owners:
        if owner not in known:
            server.keystore.welcome(owner, revision)
    with server.main.transaction() as session:  # what stands under the server's lost keys
        session.execute(delete(Job))
        session.execute(delete(Attempt))
        session.execute(delete(AttachmentRow).where(AttachmentRow.removed.is_(True)))  # no job is left to end them
        session.execute(update(Owner).values(notice_box=None, inbox_box=None))
    server.keystore.set_up(instance)
    return len(owners)


def mend(vault: OpenVault) -> None:
    """At an unlock: her short name and the public half of her inbox, where the server has other keys than it had."""
    server, owner = vault.server, vault.owner_id
    if handle := str(vault.settings.get("handle", "")):
        _name(server, owner, handles.handle_tag(server, handle))
    with server.main.reading() as session:
        box = session.scalar(select(Owner.inbox_box).where(Owner.owner_id == owner))
    if box is None and "inbox" in vault.keyring.keys:
        made = inbox.seal_public_half(server, owner, *vault.keyring.keys["inbox"])
        with server.main.transaction() as session:
            mine = (Owner.owner_id == owner, Owner.inbox_box.is_(None))
            session.execute(update(Owner).where(*mine).values(inbox_box=made))


def _name(server: Server, owner: bytes, tag: bytes) -> None:
    with server.main.reading() as session:
        if session.get(Handle, tag) is not None:
            return
    with server.main.transaction() as session:
        if session.get(Handle, tag) is None:
            session.execute(delete(Handle).where(Handle.owner_id == owner))
            session.execute(insert(Handle).values(tag=tag, owner_id=owner))
