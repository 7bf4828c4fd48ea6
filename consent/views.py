"""A grant as her pages show it, read from main and the keystore together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from consent import grant_boxes
from consent.models import Grant
from consent.standing import version_now
from consent.terms import Terms
from vault import crypto
from vault.days import day_of
from vault.errors import NotFound
from vault.keystore import Held, Standing

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

COLUMNS = (
    Grant.grant_id,
    Grant.state,
    Grant.cause,
    Grant.version,
    Grant.ended_day,
    Grant.label_box,
    Grant.copy_box,
    Grant.memory_box,
)


@dataclass(frozen=True)
class GrantView:
    """A grant as her pages show it. `memory` is what stays readable after the end; `key` only lives with the grant."""

    owner_id: bytes
    grant_id: bytes
    state: str
    cause: str | None
    version: int
    ended_day: int | None
    terms: Terms
    key: bytes | None = field(repr=False)
    standing: Standing | None

    @property
    def held(self) -> Held | None:
        """Paused, or held as an old copy."""
        return self.standing.held if self.standing else None

    @property
    def live(self) -> bool:
        """Can it still show anything, now or after resuming?"""
        return self.state == "live" and self.standing is not None

    @property
    def old(self) -> bool:
        """Does its row lie below the keystore's floor? Then it is an old copy, and nothing may follow from it."""
        return self.standing is not None and self.version < self.standing.version

    @property
    def until(self) -> datetime:
        """When it ends by itself."""
        return datetime.fromtimestamp(self.terms.until, UTC)


def read(session: Session, vault: OpenVault, grant: bytes) -> GrantView:
    """One of her grants. Raises NotFound."""
    for view in _views(session, vault, Grant.grant_id == grant):
        return view
    raise NotFound


def live(session: Session, vault: OpenVault) -> list[GrantView]:
    """Her grants that have not ended, by id."""
    return list(_views(session, vault, Grant.state == "live"))


def every(session: Session, vault: OpenVault) -> list[GrantView]:
    """All her grants, also the ended ones."""
    return list(_views(session, vault, True))


def log_keys(vault: OpenVault, grants: Collection[bytes] | None = None) -> dict[bytes, bytes]:
    """The keys of the logs of these grants, or of all, ended ones too. One whose memory is damaged has none."""
    which = True if grants is None else Grant.grant_id.in_(grants)
    with vault.server.main.reading() as session:
        return {view.grant_id: view.terms.log_key for view in _views(session, vault, which) if any(view.terms.log_key)}


def _views(session: Session, vault: OpenVault, where: Any) -> Iterable[GrantView]:
    alive = vault.server.keystore.alive(vault.owner_id, "grant")
    rows = session.execute(
        select(*COLUMNS).where(Grant.owner_id == vault.owner_id, where).order_by(Grant.grant_id)
    ).all()
    for grant, state, cause, version, ended_day, label_box, copy_box, memory_box in rows:
        terms, key = _opened(vault, grant, version, copy_box, memory_box, label_box)
        yield GrantView(vault.owner_id, grant, state, cause, version, ended_day, terms, key, alive.get(grant))


def _opened(
    vault: OpenVault, grant: bytes, version: int, copy_box: bytes | None, memory_box: bytes, label_box: bytes
) -> tuple[Terms, bytes | None]:
    """Terms and key. A grant whose boxes are damaged is shown by its label, with nothing in it, so she can stop it."""
    try:
        terms = grant_boxes.open_memory(vault, grant, version, memory_box)
        return terms, grant_boxes.open_copy(vault, grant, copy_box) if copy_box else None
    except crypto.Damaged:
        return grant_boxes.terms_by_label(vault.server, vault.owner_id, grant, version, label_box), None


def settle_versions(vault: OpenVault, views: Iterable[GrantView]) -> None:
    """She is never shown terms that the keystore's floor does not cover yet; a row below its floor is held."""
    server, owner = vault.server, vault.owner_id
    for view in views:
        if view.standing is not None and view.version > view.standing.version:
            server.keystore.raise_version(owner, view.grant_id, view.version)
        elif view.standing is not None and view.old and version_now(server, owner, view.grant_id) == view.version:
            server.keystore.hold_old_copy(owner, {view.grant_id: view.standing.version})


def ended_on(view: GrantView) -> date | None:
    """The day it ended."""
    return day_of(view.ended_day) if view.ended_day is not None else None
