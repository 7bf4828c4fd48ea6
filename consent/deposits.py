"""What a vendor may leave for her: checked, counted, logged, and sealed to her inbox, where it waits for her decision.

It is part of nothing until she accepts it, and the vendor learns of it only whether it waits, was accepted or rejected.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from consent import access
from consent.calls import (
    Call,
    Denied,
    Limited,
    Opening,
    Subject,
    about_grant,
    answer,
    entry,
    log,
    prove,
    refuse,
    replayed,
    subject,
)
from consent.details import PLAIN
from consent.models import Deposit, Grant
from consent.quota import Quota
from consent.terms import VaultDeposit
from vault import crypto, inbox
from vault.days import DAY
from vault.db import Line
from vault.errors import Invalid
from vault.record import CLASSES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.server import Server

MOST_BYTES = 16 * 1024
MOST_WAITING = 200  # of one grant; she should never open a page to thousands


class _Left(NamedTuple):
    """A deposit's row, as far as the vendor may know it."""

    deposit_id: bytes
    content_tag: bytes
    state: str


def leave(server: Server, call: Call, key: str, content: bytes) -> Limited | Denied:
    """Take one record, as JSON by field path, under an Idempotency-Key; the same again is answered the same."""

    def work(_line: Line, opening: Opening) -> Limited | Denied:
        item = next((each for each in opening.terms.deposits if each.collection == call.what), None)
        about = subject(call.what, [item] if item else [])
        tag = prove(server, call, opening, about)
        if isinstance(tag, Denied):
            return tag
        if opening.held or item is None:
            denied = Denied("paused") if opening.held else Denied("not_granted")
            return refuse(server, call, opening, about, denied.code, denied, tag)
        read = _read(item, key, content)
        if isinstance(read, Denied):
            return refuse(server, call, opening, about, "invalid", read, tag)
        return _leave(server, call, opening, about, tag, _New(item, key, read))

    return answer(server, call, work)


class _New(NamedTuple):
    item: VaultDeposit
    key: str
    data: dict[str, Any]


def _leave(server: Server, call: Call, opening: Opening, about: Subject, tag: bytes, new: _New) -> Limited | Denied:
    try:
        deposit, row = _row(server, opening, new)
    except crypto.Damaged:  # whoever wrote her public key there cannot read what is left
        return refuse(server, call, opening, about, "damaged inbox", Denied("damaged"), tag)
    with server.main.reading() as session:
        known = _known(session, opening, row["key_tag"])
        denied = _refused(session, server, opening, new.item, known, row["content_tag"])
    if denied is not None:
        return refuse(server, call, opening, about, denied.code, denied, tag)
    outcome = "left again" if known else "left"
    try:
        number = log(server, entry(call, opening, about, outcome, count=1, tag=tag)).number
    except access.Replayed:
        return replayed(server, call, opening, about)
    if known is None and not (row["box"] and _insert(server, opening, new.item, row)):
        return Denied("busy", "something else was left at the same moment; send it again under the same key")
    answered = _answer(known.deposit_id if known else deposit, known.state if known else "waiting", number)
    with server.main.reading() as session:
        return Limited(answered, (_quota(opening, _count(session, opening, _today(server))),))


def ask(server: Server, call: Call, deposit: str) -> bytes | Denied:
    """What became of a deposit of this grant; never what is in it."""

    def find(opening: Opening) -> Callable[[int], bytes] | Denied:
        with server.main.reading() as session:
            known = _known_by_id(session, opening, deposit)
        return partial(_answer, known.deposit_id, known.state) if known else Denied("not_found")

    return about_grant(server, call, find)


def _read(item: VaultDeposit, key: str, content: bytes) -> dict[str, Any] | Denied:
    """The record a deposit holds, strictly: what the grant names, and nothing that the collection would refuse."""
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        return Denied("invalid", "Idempotency-Key: 1 to 255 printable characters")
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        return Denied("invalid", "the body is not JSON")
    if not isinstance(data, dict):
        return Denied("invalid", "the body is not an object")
    if beyond := sorted(data.keys() - set(item.fields)):
        return Denied("invalid", f"not among the fields of this permission: {', '.join(beyond)[:200]}")
    if wrong := sorted(name for name, said in data.items() if isinstance(said, str) and not PLAIN.fullmatch(said)):
        return Denied("invalid", f"holds characters that deceive the eye: {', '.join(wrong)}")
    try:
        CLASSES[item.collection, ""].load(data)
    except Invalid as error:
        return Denied("invalid", f"not acceptable: {', '.join(sorted(error.fields))[:200]}")
    return data


def _row(server: Server, opening: Opening, new: _New) -> tuple[bytes, dict[str, Any]]:
    owner, grant, deposit = opening.owner_id, opening.found.grant_id, crypto.random_bytes(16)
    terms = opening.terms
    content = {
        "collection": new.item.collection,
        "version": CLASSES[new.item.collection, ""].version,
        "data": new.data,
        "at": server.now,
        "client": terms.client_id,
        "name": terms.client_name,
        "vendor": terms.vendor,
    }
    with server.main.reading() as session:
        box = inbox.seal(
            session, server, owner, about_deposit(owner, grant, deposit), crypto.pad(orjson.dumps(content))
        )
    plain = orjson.dumps(new.data, option=orjson.OPT_SORT_KEYS)
    return deposit, {
        "owner_id": owner,
        "deposit_id": deposit,
        "grant_id": grant,
        "key_tag": crypto.tag(server.keys.tag, "deposit key", owner, grant, new.key),
        "content_tag": crypto.tag(server.keys.tag, "deposit", owner, grant, new.item.collection, plain),
        "day": server.now // DAY,
        "state": "waiting",
        "box": box,
    }


def about_deposit(owner: bytes, grant: bytes, deposit: bytes) -> bytes:
    """The identity of a deposit's box."""
    return crypto.identity("vrm/1/deposit", owner, grant, deposit)


def _of(opening: Opening) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Deposit.owner_id == opening.owner_id, Deposit.grant_id == opening.found.grant_id


def _known(session: Session, opening: Opening, key_tag: bytes) -> _Left | None:
    columns = (Deposit.deposit_id, Deposit.content_tag, Deposit.state)
    row = session.execute(select(*columns).where(*_of(opening), Deposit.key_tag == key_tag)).first()
    return _Left(*row) if row else None


def _known_by_id(session: Session, opening: Opening, text: str) -> _Left | None:
    try:
        deposit = bytes.fromhex(text)
    except ValueError:
        return None
    columns = (Deposit.deposit_id, Deposit.content_tag, Deposit.state)
    row = session.execute(select(*columns).where(*_of(opening), Deposit.deposit_id == deposit)).first()
    return _Left(*row) if row else None


def _refused(
    session: Session, server: Server, opening: Opening, item: VaultDeposit, known: _Left | None, content_tag: bytes
) -> Denied | None:
    if known is not None:
        return None if crypto.same(known.content_tag, content_tag) else Denied("key_reused")
    return _over_quota(session, server, opening, item)


def _over_quota(session: Session, server: Server, opening: Opening, item: VaultDeposit) -> Denied | None:
    left = _quota(opening, _count(session, opening, _today(server)))
    if left.left <= 0:
        return Denied("over_limit", "no more deposits today (UTC)", wait=DAY - server.now % DAY, quotas=(left,))
    if _count(session, opening, Deposit.state == "waiting") >= MOST_WAITING:
        return Denied("over_limit", "the owner has not decided about earlier ones yet", wait=DAY, quotas=(left,))
    return None


def _count(session: Session, opening: Opening, where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Deposit).where(*_of(opening), where)) or 0


def _today(server: Server) -> ColumnElement[bool]:
    return Deposit.day == server.now // DAY


def _quota(opening: Opening, today: int) -> Quota:
    """How many she lets this client leave in a day, whatever they are, given how many it has left today."""
    most = min(each.per_day for each in opening.terms.deposits)
    return Quota("deposit", most, most - today, DAY)


def _insert(server: Server, opening: Opening, item: VaultDeposit, row: dict[str, Any]) -> bool:
    """Write it, if the grant still lives under the same terms. The grant's row is taken first, as by tokens."""
    found = opening.found
    live = (Grant.owner_id == opening.owner_id, Grant.grant_id == found.grant_id, Grant.state == "live")
    try:
        with server.main.transaction() as session:
            taken = session.execute(update(Grant).where(*live, Grant.version == found.version).values(state="live"))
            if taken.rowcount != 1 or _over_quota(session, server, opening, item):  # type: ignore[attr-defined]
                return False
            if (inbox.public_half(session, server, opening.owner_id) or (0,))[0] != crypto.key_id_of(row["box"]):
                return False  # her keys were changed meanwhile; sealed once more, it opens
            session.execute(insert(Deposit).values(**row))
    except IntegrityError:
        return False
    return True


def _answer(deposit: bytes, state: str, number: int) -> bytes:
    return orjson.dumps({"deposit": deposit.hex(), "status": state, "access": number})
