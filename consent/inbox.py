"""Her inbox: what vendors left while she was away. Nothing of it is hers before she says so.

A decision is one conditional UPDATE; what she accepts becomes a record in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
from sqlalchemy import func, select, update

from consent import asking, narrowing, notices, views
from consent.deposits import about_deposit
from consent.models import Deposit
from vault import crypto, inbox, store
from vault.errors import Invalid, NotFound
from vault.record import CLASSES, Record
from vault.stored import Stored
from vault.turn import her_turn

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault


@dataclass(frozen=True)
class Waiting:
    """A deposit she has not decided about. `record` is None when its box does not open, or nobody can read it.

    Then it can only be rejected.
    """

    deposit_id: bytes
    grant_id: bytes
    name: str = ""
    client: str = ""
    at: int = 0
    vendor: int = 0
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    record: Record | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Where the client that left it is at home."""
        return urlsplit(self.client).netloc or self.client


def count(vault: OpenVault) -> int:
    """How many wait."""
    mine = (Deposit.owner_id == vault.owner_id, Deposit.state == "waiting")
    with vault.server.main.reading() as session:
        return session.scalar(select(func.count()).select_from(Deposit).where(*mine)) or 0


def waiting(session: Session, vault: OpenVault, *, limit: int | None = None) -> list[Waiting]:
    """What waits, the oldest first: the database knows the day, the box the second."""
    columns = (Deposit.deposit_id, Deposit.grant_id, Deposit.box)
    rows = session.execute(
        select(*columns)
        .where(Deposit.owner_id == vault.owner_id, Deposit.state == "waiting")
        .order_by(Deposit.day, Deposit.deposit_id)
        .limit(limit)
    )
    return sorted((_opened(vault, *row) for row in rows), key=lambda each: (each.at, each.deposit_id))


def read(session: Session, vault: OpenVault, deposit: bytes) -> Waiting:
    """One that waits. Raises NotFound."""
    mine = (Deposit.owner_id == vault.owner_id, Deposit.deposit_id == deposit, Deposit.state == "waiting")
    row = session.execute(select(Deposit.deposit_id, Deposit.grant_id, Deposit.box).where(*mine)).first()
    if row is None:
        raise NotFound
    return _opened(vault, *row)


def _opened(vault: OpenVault, deposit: bytes, grant: bytes, box: bytes | None) -> Waiting:
    try:
        content = orjson.loads(inbox.unseal(vault, about_deposit(vault.owner_id, grant, deposit), box))
    except crypto.Damaged:
        return Waiting(deposit, grant)
    about = content["name"], content["client"], content["at"], content["vendor"]
    try:
        data, record = _read(content)
    except (Invalid, KeyError):
        return Waiting(deposit, grant, *about)
    return Waiting(deposit, grant, *about, data, record)


def _read(content: Mapping[str, Any]) -> tuple[Mapping[str, Any], Record]:
    """What was left, as its class reads it today. Raises Invalid, and KeyError when there is no such class any more."""
    kind, data, version = CLASSES[content["collection"], ""], content["data"], content.get("version", 1)
    if version != kind.version:
        data = kind.upgrade(data, version)
    return data, kind.load(data)


def accept(vault: OpenVault, deposit: bytes, edits: Mapping[str, Any]) -> Stored:
    """Take it in, with what she changed of it. Raises NotFound when it waits no longer, Invalid."""
    with vault.server.main.reading() as session:
        left = read(session, vault, deposit)
    vendor = asking.vendor_now(vault, left.vendor, left.client, left.name)
    with store.writing(vault, numbers=1) as turn:
        left = read(turn.session, vault, deposit)
        if left.record is None:
            raise NotFound
        _decide(turn.session, vault, "accepted", Deposit.deposit_id == deposit)
        notices.tell_by_label(turn.session, vault.server, vault.owner_id, left.grant_id, "deposit.accepted")
        kind, source = type(left.record), dict(left.data)
        if kind.vendor_field and vendor:
            source[kind.vendor_field] = vendor.number
        at = datetime.fromtimestamp(left.at, UTC).isoformat()
        return store.take_in(turn, vault, kind, source, edits, {"deposit": left.name, "client": left.client, "at": at})


def reject(vault: OpenVault, deposit: bytes) -> None:
    """Drop it; its content is gone. Raises NotFound when it waits no longer."""
    with her_turn(vault.server, vault.owner_id) as turn:
        left = read(turn.session, vault, deposit)
        _decide(turn.session, vault, "rejected", Deposit.deposit_id == deposit)
        notices.tell_by_label(turn.session, vault.server, vault.owner_id, left.grant_id, "deposit.rejected")


def block(vault: OpenVault, grant: bytes) -> None:
    """Take nothing more from a permission: it may leave nothing any more, and what waits of it is dropped."""
    with vault.server.main.reading() as session:
        view = views.read(session, vault, grant)
    if view.live and view.terms.deposits:
        narrowing.take_no_more(vault, grant)
    with her_turn(vault.server, vault.owner_id) as turn:
        if _decide(turn.session, vault, "rejected", Deposit.grant_id == grant):
            notices.tell_by_label(turn.session, vault.server, vault.owner_id, grant, "deposit.rejected")


def _decide(session: Session, vault: OpenVault, state: str, which: Any) -> int:
    """Settle what waits; returns how many that were."""
    decided = session.execute(
        update(Deposit)
        .where(Deposit.owner_id == vault.owner_id, Deposit.state == "waiting", which)
        .values(state=state, box=None)
    )
    return int(decided.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has a row count
