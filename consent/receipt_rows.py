"""Receipts as they are kept: written with the change they are evidence of, and read again by her or by the vendor.

What stems from her consent is sealed under her files key. An end needs no key of hers, so its receipt is sealed by the
server and holds no more than the grant's label does. The vendor's copy is sealed under the grant key.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select, update

from consent import grant_boxes, receipts, signing, verifying
from consent.models import Grant, Receipt
from consent.receipts import NOT_STATED, Notice, Occasion, Screen
from consent.terms import Terms
from vault import crypto
from vault.days import DAY
from vault.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server
    from vault.turn import Turn

Kind = Literal["consent", "end"]


@dataclass(frozen=True)
class Kept:
    """A receipt of hers: the signed text and what it says; both None when its box is damaged."""

    receipt_id: bytes
    grant_id: bytes
    kind: Kind
    day: int
    text: str | None
    said: dict[str, Any] | None
    has_screen: bool

    @property
    def event(self) -> str:
        """What it is evidence of; empty when it is damaged."""
        return str(self.said["event"][0]["event"]) if self.said else ""


def given(turn: Turn, vault: OpenVault, grant: bytes, key: bytes, terms: Terms, screen: Screen) -> None:
    """The receipt for a consent, with the screen that she agreed to, in the turn that gives the grant."""
    document = screen.document(crypto.random_bytes())
    occasion = _occasion(vault.server, grant, "given")
    receipt = receipts.consent_receipt(occasion, terms, Notice.of(document, screen.language), None)
    _write_consent(turn, vault, occasion, key, receipt, document)


def changed(
    turn: Turn, vault: OpenVault, grant: bytes, key: bytes, terms: Terms, event: str, screen: Screen | None
) -> None:
    """The receipt for what is agreed from now on: the same once more, on a screen of its own, or less than before, by
    the screen that there was."""
    before = [each for each in of_grant(turn.session, vault, grant) if each.kind == "consent" and each.said]
    said = before[-1].said if before else None
    processing = said["pii_processing"] if said else {"privacy_notice": NOT_STATED, "language": NOT_STATED}
    notice, document = Notice(processing["privacy_notice"], processing["language"]), None
    if screen is not None:
        document = screen.document(crypto.random_bytes())
        notice = Notice.of(document, screen.language)
    occasion = _occasion(vault.server, grant, event)
    receipt = receipts.consent_receipt(occasion, terms, notice, said["receipt_id"] if said else None)
    _write_consent(turn, vault, occasion, key, receipt, document)


def ended(turn: Turn, grant: bytes, at: int) -> None:
    """The receipt for a grant that has ended at `at`, if it has none yet. Needs no key of hers.

    The vendor has its copy no longer.
    """
    session, server, owner = turn.session, turn.server, turn.owner_id
    mine = (Receipt.owner_id == owner, Receipt.grant_id == grant)
    known = session.execute(select(Receipt.receipt_id, Receipt.kind).where(*mine)).all()
    if any(kind == "end" for _receipt, kind in known):
        return
    session.execute(update(Receipt).where(*mine).values(copy_box=None))
    this = (Grant.owner_id == owner, Grant.grant_id == grant)
    row = session.execute(select(Grant.version, Grant.label_box, Grant.cause).where(*this)).one()
    label = grant_boxes.label_or_nothing(server, owner, grant, row.version, row.label_box)
    cause = row.cause if row.cause in receipts.STATES else "ended"  # it stands in clear, where others may write
    occasion = replace(_occasion(server, grant, cause), at=at)
    receipt = receipts.withdrawal_receipt(occasion, label, [each for each, _kind in known])
    _insert(turn, occasion, "end", server.keys.seal, 0, receipt)


def of_grant(session: Session, vault: OpenVault, grant: bytes) -> list[Kept]:
    """The receipts of one grant, the oldest first."""
    return _kept(session, vault, Receipt.grant_id == grant)


def every(session: Session, vault: OpenVault) -> list[Kept]:
    """All her receipts, the oldest first."""
    return _kept(session, vault, True)


def read(session: Session, vault: OpenVault, receipt: bytes) -> Kept:
    """One receipt of hers. Raises NotFound."""
    for kept in _kept(session, vault, Receipt.receipt_id == receipt):
        return kept
    raise NotFound


def screen(session: Session, vault: OpenVault, receipt: bytes) -> bytes:
    """The document of the screen that a receipt is about. Raises NotFound, crypto.Damaged."""
    mine = (Receipt.owner_id == vault.owner_id, Receipt.receipt_id == receipt)
    row = session.execute(select(Receipt.grant_id, Receipt.screen_box).where(*mine)).first()
    if row is None or row.screen_box is None:
        raise NotFound
    place = about("screen", vault.owner_id, row.grant_id, receipt)
    return zlib.decompress(vault.keyring.open("files", place, row.screen_box))


def vendors_copy(session: Session, owner: bytes, grant: bytes, key: bytes) -> str | None:
    """The latest receipt of a grant, opened with the key that its tokens open. Raises crypto.Damaged."""
    rows = session.execute(
        select(Receipt.receipt_id, Receipt.copy_box).where(
            Receipt.owner_id == owner, Receipt.grant_id == grant, Receipt.copy_box.is_not(None)
        )
    )
    for receipt, box in rows:
        return crypto.open_box(key, about("copy", owner, grant, receipt), box).decode().rstrip()
    return None


def _occasion(server: Server, grant: bytes, event: str) -> Occasion:
    return Occasion(crypto.random_bytes(16), grant, server.settings.issuer, server.now, event)


def _write_consent(
    turn: Turn, vault: OpenVault, occasion: Occasion, key: bytes, receipt: dict[str, Any], document: bytes | None
) -> None:
    """The vendor holds one copy, the latest: earlier ones were sealed for it to fetch, and are hers to keep."""
    session, owner, grant = turn.session, turn.owner_id, occasion.grant_id
    key_id, files = vault.keyring.keys["files"]
    session.execute(update(Receipt).where(Receipt.owner_id == owner, Receipt.grant_id == grant).values(copy_box=None))
    text = _insert(turn, occasion, "consent", files, key_id, receipt)
    boxes = {"copy_box": crypto.seal(key, about("copy", owner, grant, occasion.receipt_id), _padded(text))}
    if document is not None:
        place = about("screen", owner, grant, occasion.receipt_id)
        boxes["screen_box"] = crypto.seal(files, place, crypto.pad(zlib.compress(document)), key_id=key_id)
    mine = (Receipt.owner_id == owner, Receipt.receipt_id == occasion.receipt_id)
    session.execute(update(Receipt).where(*mine).values(**boxes))


def _insert(turn: Turn, occasion: Occasion, kind: Kind, key: bytes, key_id: int, receipt: dict[str, Any]) -> str:
    text = signing.compact(turn.server.keystore.signing("receipt")[0], receipts.TYPE, receipt).decode()
    row = Receipt(
        owner_id=turn.owner_id,
        receipt_id=occasion.receipt_id,
        grant_id=occasion.grant_id,
        kind=kind,
        revision=turn.revision,
        day=occasion.at // DAY,
    )
    row.box = crypto.seal(key, about_row(row), _padded(text), key_id=key_id)
    turn.session.add(row)
    turn.session.flush()
    return text


def _kept(session: Session, vault: OpenVault, where: Any) -> list[Kept]:
    rows = session.scalars(select(Receipt).where(Receipt.owner_id == vault.owner_id, where).order_by(Receipt.revision))
    return [_open(vault, row) for row in rows]


def _open(vault: OpenVault, row: Receipt) -> Kept:
    kind: Kind = "end" if row.kind == "end" else "consent"
    kept = Kept(row.receipt_id, row.grant_id, kind, row.day, None, None, row.screen_box is not None)
    try:
        text = _opened(vault, row).decode().rstrip()
    except crypto.Damaged:
        return kept
    return replace(kept, text=text, said=verifying.payload_of(text))


def _opened(vault: OpenVault, row: Receipt) -> bytes:
    if row.kind == "end":
        return crypto.open_box(vault.server.keys.seal, about_row(row), row.box)
    return vault.keyring.open("files", about_row(row), row.box)


def _padded(text: str) -> bytes:
    return crypto.pad(text.encode())


def about_row(row: Receipt) -> bytes:
    """The identity of a receipt's box."""
    return about_receipt(row.owner_id, row.grant_id, row.receipt_id, row.kind, row.revision, row.day)


def about_receipt(owner: bytes, grant: bytes, receipt: bytes, kind: str, revision: int, day: int) -> bytes:
    """The same of its columns."""
    return crypto.identity("vrm/1/receipt", owner, grant, receipt, kind, revision, day)


def about_screen(owner: bytes, grant: bytes, receipt: bytes) -> bytes:
    """The identity of her copy of the screen."""
    return about("screen", owner, grant, receipt)


def about(what: Literal["copy", "screen"], owner: bytes, grant: bytes, receipt: bytes) -> bytes:
    """The identity of the boxes beside it: the vendor's copy, and the screen."""
    kinds = {"copy": "vrm/1/receipt copy", "screen": "vrm/1/receipt screen"}
    return crypto.identity(kinds[what], owner, grant, receipt)
