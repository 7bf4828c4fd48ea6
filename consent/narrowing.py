"""Less of what was given: an item fewer, a nearer end, another alias. Rows under the next version, then the floor.

The set is sealed anew before her turn, in a snapshot, and once more within it if something was written in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import update

from consent import mails, notices, receipt_rows, views
from consent.disclosing import Row, Shown, digest_of, replace_set, sealed_anew, shown_again
from consent.grants import boxes_of, end, expire_later, resume
from consent.models import Grant
from consent.receipts import Screen
from consent.terms import Terms
from consent.views import GrantView
from vault import crypto, store
from vault.errors import NotFound
from vault.jobs import enqueue
from vault.turn import Turn, her_turn, position

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault


def narrow(vault: OpenVault, grant: bytes, number: int) -> None:
    """Take one item away; the last one ends the grant."""
    if _lessen(vault, grant, "narrowed", lambda terms: terms.without(number)).empty:
        end(vault.server, vault.owner_id, grant, "revoked")


def take_no_more(vault: OpenVault, grant: bytes) -> None:
    """It may leave nothing any more; one that could do nothing else ends."""
    if _lessen(vault, grant, "narrowed", lambda terms: replace(terms, deposits=())).empty:
        end(vault.server, vault.owner_id, grant, "revoked")


def shorten(vault: OpenVault, grant: bytes, until: int) -> None:
    """Let it end earlier, at `until` (seconds since 1970). A later day is no change, and so refused."""
    _lessen(vault, grant, "shortened", lambda terms: terms.ending(until))


def _lessen(vault: OpenVault, grant: bytes, event: str, less: Callable[[Terms], Terms]) -> Terms:
    """Rows under the next version, then the floor, then the answer. Raises NotFound where nothing becomes less.

    They are sealed before her turn, in a snapshot, and once more within it if something was written in between.
    """
    with vault.server.main.reading() as session:
        views.settle_versions(vault, [views.read(session, vault, grant)])
    with vault.server.main.reading() as session:
        at = position(session, vault.owner_id)  # first: what is read after it may be newer
        ready = _lessened(session, vault, grant, less)
    with her_turn(vault.server, vault.owner_id, keyring=vault.keyring) as turn:
        if turn.before != at or views.read(turn.session, vault, grant) != ready.view:
            ready = _lessened(turn.session, vault, grant, less)
        if not ready.terms.empty:
            _agree(turn, vault, ready, event)
            mails.lessened(turn.session, vault.server, vault.owner_id)
            client_id = ready.terms.client_id
            notices.tell(turn.session, vault.server, vault.owner_id, grant, client_id, "grant.narrowed")
        if ready.terms.until < ready.view.terms.until:
            expire_later(turn.session, vault.server, vault.owner_id, grant, ready.terms.until)
    return ready.terms


class Resealed(NamedTuple):
    """A living grant under other terms and the next version, with its set sealed anew."""

    view: GrantView
    terms: Terms
    version: int
    rows: list[Row]


def agree(turn: Turn, vault: OpenVault, view: GrantView, terms: Terms, event: str, screen: Screen) -> None:
    """What she has agreed to once more, on this screen: sealed within her turn, with its receipt."""
    _agree(turn, vault, _resealed(turn.session, vault, view, terms), event, screen)


def _agree(turn: Turn, vault: OpenVault, ready: Resealed, event: str, screen: Screen | None = None) -> None:
    _write_resealed(turn, vault, ready)
    assert ready.view.key is not None  # noqa: S101 - a live grant has its key
    receipt_rows.changed(turn, vault, ready.view.grant_id, ready.view.key, ready.terms, event, screen)


def _lessened(session: Session, vault: OpenVault, grant: bytes, less: Callable[[Terms], Terms]) -> Resealed:
    view = views.read(session, vault, grant)
    terms = less(view.terms)
    if (view.old and view.held != "old copy") or not view.live or terms == view.terms:
        raise NotFound
    return _resealed(session, vault, view, terms)


def _resealed(session: Session, vault: OpenVault, view: GrantView, terms: Terms) -> Resealed:
    assert view.standing is not None  # noqa: S101 - a live grant has one
    version = max(view.version, view.standing.version) + 1
    return Resealed(view, terms, version, sealed_anew(session, vault, view, terms, version))


def reseal(turn: Turn, vault: OpenVault, view: GrantView, terms: Terms) -> None:
    """Seal terms and the whole set anew under the next version; whatever was sealed before no longer opens."""
    _write_resealed(turn, vault, _resealed(turn.session, vault, view, terms))


def _write_resealed(turn: Turn, vault: OpenVault, ready: Resealed) -> None:
    view, terms, version, rows = ready
    assert view.key is not None  # noqa: S101 - a live grant has its key
    owner, grant = vault.owner_id, view.grant_id
    mine = (Grant.owner_id == owner, Grant.grant_id == grant)
    turn.session.execute(
        update(Grant)
        .where(*mine, Grant.state == "live")
        .values(version=version, **boxes_of(vault, grant, view.key, version, terms))
    )
    replace_set(turn, view, rows)
    turn.versions[grant] = version
    payload = {"grant": grant.hex(), "version": version}
    enqueue(turn.session, vault.server, owner, "raise_version", payload, due_at=vault.server.now + 60)


def terms_again(session: Session, vault: OpenVault, view: GrantView) -> Terms:
    """What she would agree to once more: the same terms, with the address she keeps for this vendor by now.

    A grant that is held does not follow her, so its own may be an older one.
    """
    try:
        vendor = store.read(session, vault, view.terms.vendor).record
    except NotFound:
        return view.terms
    return replace(view.terms, alias=getattr(vendor, "alias", None))


def bound_to(terms: Terms, shown: Iterable[Shown], screen: Screen) -> bytes:
    """What a form carries that agrees once more: every byte that is shown, and the screen that showed it."""
    return crypto.digest(digest_of(terms, shown), screen.digest)


def consent_again(vault: OpenVault, grant: bytes, *, shown: bytes, screen: Screen) -> bool:
    """Resume a grant held because an old copy was put back: a new consent to the set she was just shown.

    `shown` is the digest her form carried, `screen` is rendered anew; False when that has changed since, and she must
    look again.
    """
    with her_turn(vault.server, vault.owner_id, keyring=vault.keyring) as turn:
        view = views.read(turn.session, vault, grant)
        if not view.live or view.held != "old copy":
            raise NotFound
        terms = terms_again(turn.session, vault, view)
        if not crypto.same(bound_to(terms, shown_again(turn.session, vault, view, terms), screen), shown):
            return False
        agree(turn, vault, view, terms, "renewed", screen)
        mails.renewed(turn.session, vault.server, vault.owner_id)
    return resume(vault, grant, "old copy")
