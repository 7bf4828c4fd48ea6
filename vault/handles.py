"""Whose vault is meant: its short name, which stands here only as a tag, or the number on its kit."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from sqlalchemy import select

from vault import crypto, sandbox
from vault.kit import owner_of, vault_number
from vault.models import Handle, Owner

if TYPE_CHECKING:
    from vault.server import Server

LONGEST = 100  # letters of what was typed that are kept until it is looked up; no name is as long


def anybody(server: Server) -> bool:
    """Has anybody a vault here?"""
    with server.main.reading() as session:
        return session.scalar(select(Handle.owner_id).order_by(Handle.tag).limit(1)) is not None


def only_owner(server: Server) -> bool:
    """Is there just one vault here, so that nobody has to say its name?"""
    with server.main.reading() as session:
        return len(session.scalars(select(Handle.owner_id).order_by(Handle.tag).limit(2)).all()) == 1


def find_owner(server: Server, handle: str) -> bytes | None:
    """Whose vault is meant: by name, by the number on her kit, or the only one there is."""
    number = owner_of(handle)
    with server.main.reading() as session:
        owners = session.scalars(select(Handle.owner_id).order_by(Handle.tag).limit(2)).all()
        if len(owners) == 1 and not handle:
            return owners[0]
        by_name = session.scalar(select(Handle.owner_id).where(Handle.tag == handle_tag(server, handle)))
        by_number = session.scalar(select(Owner.owner_id).where(Owner.owner_id == number)) if number else None
    return by_name or (None if by_number == sandbox.OWNER else by_number)


def meant(handle: str) -> str:
    """What was typed, the same for every way to write it: so tries are counted, also where there is no such vault."""
    number = owner_of(handle)
    return vault_number(number) if number else _one_spelling(handle)


def beside(server: Server, handle: str) -> bytes | None:
    """The owner of the name that comes after this one in the order of tags, and always the same, whether or not there
    is this name."""
    following = select(Handle.owner_id).order_by(Handle.tag).limit(1)
    with server.main.reading() as session:
        first = session.scalar(following)  # asked for where it is not needed too: the steps are the same for every name
        return session.scalar(following.where(Handle.tag > handle_tag(server, handle))) or first


def handle_tag(server: Server, handle: str) -> bytes:
    """As which a short name is kept, however its letters are written."""
    return crypto.tag(server.keys.tag, "handle", _one_spelling(handle))


def _one_spelling(handle: str) -> str:
    """Small letters, each in one piece (NFC). Cut, because a letter with very many marks takes very long."""
    return unicodedata.normalize("NFC", handle.strip()[: 4 * LONGEST]).casefold()
