"""From a pushed request to her decision: what would be shown, and giving exactly that.

Consent is to bytes, not to promises: the page carries a digest of the request and of everything previewed; her turn
computes it again, and if it differs she is shown the page once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from sqlalchemy import select

from consent import grants, notices, pushed, receipt_rows, views
from consent.clients import Client
from consent.disclosing import Row, Shown, all_shown, digest_of, sealed_set, shown_by
from consent.models import Grant
from consent.pushed import Asked
from consent.receipts import Screen
from consent.terms import DAY, Terms, VaultData, durations
from vault import crypto, store
from vault.collections.vendors import Vendor
from vault.errors import N_, NotFound, VaultError
from vault.record import Field
from vault.stored import Stored
from vault.turn import Position, position

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.server import Server


class AlreadyDecided(VaultError):
    """The request has been answered, or has run out."""

    code, status = "already_decided", 410
    sentence = N_("This request has been answered already, or it has run out. Go back to the vendor and begin again.")


class ChangedMeanwhile(VaultError):
    """What she looked at is no longer what would be given."""

    code, status = "changed_meanwhile", 409
    sentence = N_("Something changed since you opened this page. Look again: this is what would be seen now.")


@dataclass(frozen=True)
class Preview:
    """One item with every record it could show, as the very JSON; gifts and undecided ones only if she adds them."""

    item: VaultData
    shown: list[Shown]

    @cached_property
    def plain(self) -> list[Shown]:
        """What is shown unless she adds gifts."""
        return [each for each in self.shown if not each.gift]

    @cached_property
    def gifts(self) -> list[Shown]:
        """What is or looks like a gift."""
        return [each for each in self.shown if each.gift]

    @property
    def known(self) -> Mapping[str, Field]:
        """Fields by path."""
        return self.item.known


@dataclass(frozen=True)
class Decision:
    """What she ticked: items by number, optional fields and gifts by item, for how many days."""

    items: frozenset[int]
    fields: Mapping[int, frozenset[str]]
    gifts: frozenset[int]
    days: int


def match_vendor(vault: OpenVault, client: Client) -> Stored | None:
    """Which of her vendors this client speaks for: by web address, else by name. She can choose another.

    Anybody may call himself anything: a name says nothing about a vendor whose addresses she knows.
    """
    host = (urlsplit(client.client_id).hostname or "").lower()
    found = vendors(vault)
    for stored in found:
        record = stored.record
        domains = [domain.lower() for domain in record.domains] if isinstance(record, Vendor) else []
        if any(host == domain or host.endswith(f".{domain}") for domain in domains):
            return stored
    name = client.name.casefold()
    for stored in found:
        record = stored.record
        if (
            isinstance(record, Vendor)
            and not record.domains
            and name in {each.casefold() for each in (record.called, *record.also_called)}
        ):
            return stored
    return None


def vendors(vault: OpenVault) -> list[Stored]:
    """Her vendors by name."""
    found = vault.catalogue.entries("collection = 'vendors' AND NOT damaged", order="title")
    numbers = [entry.number for entry in found]
    with vault.server.main.reading() as session:
        return store.read_many(session, vault, numbers)


def widest(vault: OpenVault, asked: Asked, client: Client, vendor: Stored | None) -> Terms:
    """The terms if she allowed everything: what the preview is made of."""
    alias = getattr(vendor.record, "alias", None) if vendor else None
    return Terms(
        client_id=client.client_id,
        client_name=client.name,
        vendor=vendor.number if vendor else 0,
        alias=alias,
        given_at=0,
        until=0,
        log_key=b"",
        items=tuple(item.whole() for item in asked.items),
    )


def previews(session: Session, vault: OpenVault, asked: Asked, terms: Terms) -> list[Preview]:
    """Every item as asked, with all it could show."""
    whole = {item.number: item for item in terms.items}
    return [Preview(item, list(shown_by(session, vault, terms, whole[item.number]))) for item in asked.items]


def digest(asked: Asked, terms: Terms, shown: Iterable[Shown], screen: Screen) -> bytes:
    """What the form carries: the request, the vendor it is tied to, every byte that could be shown, and the screen."""
    return crypto.digest(asked.tag, digest_of(terms, shown), screen.digest)


def read_decision(asked: Asked, form: Mapping[str, Any], ticked: Iterable[str]) -> Decision:
    """Her choices. Nothing in the form can add what was not asked: only ticks and days are read from it."""
    chosen, items = set(ticked), asked.items
    allowed = durations(items[0].duration)
    days = [each for each in allowed if str(each) == form.get("days")] or allowed
    return Decision(
        items=frozenset(item.number for item in items if not item.optional or f"item-{item.number}" in chosen),
        fields={
            item.number: frozenset(path for path in item.optional_fields if f"field-{item.number}-{path}" in chosen)
            for item in items
        },
        gifts=frozenset(item.number for item in items if f"gifts-{item.number}" in chosen),
        days=days[0],
    )


def decided_items(asked: Asked, decision: Decision) -> tuple[VaultData, ...]:
    """The items as she allows them."""
    return tuple(
        item.chosen(tuple(decision.fields[item.number]), gifts=item.number in decision.gifts)
        for item in asked.items
        if item.number in decision.items
    )


class Prepared(NamedTuple):
    """What a consent would give, made ready in a snapshot of hers.

    `digest` is of all that could be shown, `terms` and `rows` are what she decided. The vendor may be 0: not hers yet.
    """

    at: Position
    digest: bytes
    terms: Terms
    rows: list[Row]


def allow(
    vault: OpenVault,
    asked: Asked,
    client: Client,
    vendor_number: int,
    decision: Decision,
    shown: bytes,
    screen: Screen,
) -> grants.Given:
    """Give what she allowed: made ready before her turn, which spends the request, compares the digest and writes.

    `shown` is the digest her form carried, `screen` is rendered anew: they fit only if she saw this very screen. The
    pepper comes before the turn. Raises AlreadyDecided, ChangedMeanwhile, NotFound.
    """
    server, owner = vault.server, vault.owner_id
    grant, key = crypto.random_bytes(16), crypto.random_bytes()

    def prepare(session: Session) -> Prepared:
        at = position(session, owner)  # first: what is read after it may be newer, and then she stands elsewhere
        vendor = store.read(session, vault, vendor_number) if vendor_number else None
        whole = widest(vault, asked, client, vendor)
        terms = _decided(server, asked, whole, decision)
        rows = sealed_set(session, vault, grant, key, terms, grants.FIRST_VERSION)
        return Prepared(at, digest(asked, whole, all_shown(session, vault, whole), screen), terms, rows)

    with server.main.reading() as session:
        ready = prepare(session)
    with _pepper(server, owner, grant) as pepper, store.writing(vault, numbers=1) as turn:
        if not pushed.spend(turn.session, server, asked):
            raise AlreadyDecided
        if turn.before != ready.at:  # something of hers was written in between
            ready = prepare(turn.session)
        if not crypto.same(ready.digest, shown):
            raise ChangedMeanwhile
        terms = ready.terms
        if not terms.vendor:
            host = urlsplit(client.client_id).hostname or client.client_id
            made = store.add(turn, vault, Vendor(called=client.name, domains=(host,)))
            terms = replace(terms, vendor=made.number)
        given = grants.give(turn, vault, grants.NewGrant(grant, key, pepper), terms, ready.rows, _bound(asked, client))
        receipt_rows.given(turn, vault, grant, key, terms, screen)
        notices.given(turn.session, server, owner, grants.link_address(server, given.link))
    for replaced in turn.memory["replaced"]:
        grants.end(server, owner, replaced, "replaced")
    return given


def _decided(server: Server, asked: Asked, whole: Terms, decision: Decision) -> Terms:
    """The terms as she decided, from now on."""
    return replace(
        whole,
        given_at=server.now,
        until=server.now + decision.days * DAY,
        log_key=crypto.random_bytes(),
        items=decided_items(asked, decision),
    )


def _bound(asked: Asked, client: Client) -> dict[str, str]:
    """What the code is bound to."""
    return {
        "client": client.client_id,
        "redirect": asked.parameters["redirect_uri"],
        "challenge": asked.parameters["code_challenge"],
        "jkt": asked.jkt or "",
    }


@contextmanager
def _pepper(server: Server, owner: bytes, grant: bytes) -> Iterator[bytes]:
    """A new grant's pepper; taken back when her turn finds that nothing is to be given, and so has written nothing."""
    pepper = server.keystore.make(owner, grant, "grant", version=grants.FIRST_VERSION)
    try:
        yield pepper
    except (AlreadyDecided, ChangedMeanwhile, NotFound):
        server.keystore.take(owner, grant)
        raise


def refuse(vault: OpenVault, asked: Asked) -> None:
    """She does not allow it: the request is spent. Raises AlreadyDecided."""
    with vault.server.main.transaction() as session:
        if not pushed.spend(session, vault.server, asked):
            raise AlreadyDecided


def present_grant(vault: OpenVault, client: Client) -> views.GrantView | None:
    """What this client can see already, and what a new consent would replace."""
    tag = grants.vendor_tag(vault.server, vault.owner_id, client.client_id)
    with vault.server.main.reading() as session:
        found = session.scalars(
            select(Grant.grant_id).where(
                Grant.owner_id == vault.owner_id, Grant.vendor_tag == tag, Grant.state == "live"
            )
        ).first()
        return views.read(session, vault, found) if found else None


def data_of(shown: Shown) -> dict[str, Any]:
    """The very JSON, for rendering."""
    return dict(orjson.loads(shown.data))
