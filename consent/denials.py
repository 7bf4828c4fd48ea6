"""Requests she said no to: remembered, so that the same one does not nag, and with what she would allow instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson
from sqlalchemy import delete, insert, select, update

from consent import grants, offer
from consent.details import Details
from consent.models import Denial
from consent.pushed import Asked
from vault import crypto
from vault.days import DAY
from vault.keyring import hold

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

COOL_DOWN = 7  # days at least, because whole ones are counted: that long a request is answered by what she said before


class Said(NamedTuple):
    """When she said no to this very request (days since 1970), and whether she does not want to be asked again."""

    day: int
    never: bool


def remember(session: Session, vault: OpenVault, asked: Asked, *, never: bool, instead: Details | None) -> None:
    """Keep her no, in the transaction that spends the request. `instead` is what she would allow."""
    server, owner, tag = vault.server, vault.owner_id, _tag(vault, asked)
    hold(session, vault.keyring)  # of two at once, to the same thing, the later one stays
    box = None
    if instead is not None:
        box = vault.keyring.seal("files", about_denial(owner, tag), crypto.pad(offer.said(instead)))
    vendor = grants.vendor_tag(server, owner, asked.client_id)
    if box is not None:  # of what she offered this client the latest counts
        of_vendor = (Denial.owner_id == owner, Denial.vendor_tag == vendor)
        session.execute(update(Denial).where(*of_vendor).values(offer_box=None))
    session.execute(delete(Denial).where(Denial.owner_id == owner, Denial.request_tag == tag))
    row = {"owner_id": owner, "request_tag": tag, "vendor_tag": vendor, "day": server.now // DAY, "never": never}
    session.execute(insert(Denial).values(**row, offer_box=box))


def forget(session: Session, vault: OpenVault, client_id: str) -> None:
    """She allows this client something: what she said no to before is no answer any more."""
    vendor = grants.vendor_tag(vault.server, vault.owner_id, client_id)
    session.execute(delete(Denial).where(Denial.owner_id == vault.owner_id, Denial.vendor_tag == vendor))


def answered(vault: OpenVault, asked: Asked) -> Said | None:
    """What she said to the same request, if that still stands."""
    mine = (Denial.owner_id == vault.owner_id, Denial.request_tag == _tag(vault, asked))
    with vault.server.main.reading() as session:
        row = session.execute(select(Denial.day, Denial.never).where(*mine)).first()
    stands = row is not None and (row.never or vault.server.now // DAY - row.day <= COOL_DOWN)
    return Said(*row) if row is not None and stands else None


def offered(session: Session, vault: OpenVault, asked: Asked) -> bool:
    """Does it ask for no more than she offered this client? Its latest offer counts; a damaged one is none."""
    vendor = grants.vendor_tag(vault.server, vault.owner_id, asked.client_id)
    mine = (Denial.owner_id == vault.owner_id, Denial.vendor_tag == vendor, Denial.offer_box.is_not(None))
    row = session.execute(select(Denial.request_tag, Denial.offer_box).where(*mine)).first()
    if row is None:
        return False
    try:
        said = vault.keyring.open("files", about_denial(vault.owner_id, row.request_tag), row.offer_box)
    except crypto.Damaged:
        return False
    return offer.within(asked.details, said)


def about_denial(owner: bytes, tag: bytes) -> bytes:
    """The identity of the box with what she would allow instead."""
    return crypto.identity("vrm/1/denial", owner, tag)


def _tag(vault: OpenVault, asked: Asked) -> bytes:
    """A request under her own tag: the same details by the same client, however they are spaced."""
    details = orjson.loads(asked.parameters["authorization_details"])
    plain = orjson.dumps(details, option=orjson.OPT_SORT_KEYS)
    return crypto.tag(vault.server.keys.tag, "denied", vault.owner_id, asked.client_id, plain)
