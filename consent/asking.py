"""From a pushed request to her decision: what would be shown, and giving exactly that.

Consent is to bytes, not to promises: the page carries a digest of the request and of everything previewed; her turn
computes it again, and if it differs she is shown the page once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from sqlalchemy import select

from consent import denials, grants, mails, pushed, receipt_rows, views
from consent.budget import within_budget
from consent.client_documents import Client
from consent.decision import Decision, decided
from consent.details import Details
from consent.disclosing import Row, Shown, all_shown, digest_of, sealed_set, shown_by
from consent.models import Grant
from consent.pushed import Asked
from consent.receipts import Screen
from consent.terms import Terms, VaultData
from vault import crypto, store
from vault.collections.vendors import Vendor
from vault.errors import N_, NotFound, VaultError
from vault.record import Field
from vault.stored import Stored
from vault.turn import Position, Turn, position

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


class NothingAllowed(VaultError):
    """She allows it, but nothing of it."""

    code, status = "nothing_allowed", 422
    sentence = N_("Nothing is ticked, so there is nothing to allow.")


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


def match_vendor(vault: OpenVault, client_id: str, name: str) -> Stored | None:
    """Which of her vendors a client speaks for: by web address, else by name. She can choose another.

    Anybody may call himself anything: a name says nothing about a vendor whose addresses she knows.
    """
    host, name = (urlsplit(client_id).hostname or "").lower(), name.casefold()
    found = vendors(vault)
    for stored in found:
        record = stored.record
        domains = [domain.lower() for domain in record.domains] if isinstance(record, Vendor) else []
        if any(host == domain or host.endswith(f".{domain}") for domain in domains):
            return stored
    for stored in found:
        record = stored.record
        if (
            isinstance(record, Vendor)
            and not record.domains
            and name in {each.casefold() for each in (record.called, *record.also_called)}
        ):
            return stored
    return None


def vendor_now(vault: OpenVault, number: int, client_id: str, name: str) -> Stored | None:
    """The vendor that was meant, if it is not damaged; where it is gone, the one for whom the client speaks now."""
    try:
        with vault.server.main.reading() as session:
            found = store.read_many(session, vault, [number])
    except crypto.Damaged:
        return None
    return found[0] if found else match_vendor(vault, client_id, name)


def vendors(vault: OpenVault) -> list[Stored]:
    """Her vendors by name."""
    found = vault.catalogue.entries("collection = 'vendors' AND NOT damaged", order="title, number")
    numbers = [entry.number for entry in found]
    with vault.server.main.reading() as session:
        return store.read_many(session, vault, numbers)


@dataclass(frozen=True)
class Offer:
    """What can be given on a request: `whole` if she allowed everything, `refused` paths that would tell too much.

    `met`: she has allowed this client or vendor something before.
    """

    asked: Asked
    details: Details
    refused: frozenset[str]
    whole: Terms
    met: bool

    @property
    def refused_fields(self) -> dict[str, Field]:
        """The fields of what cannot be offered, by path."""
        return {path: item.known[path] for item in self.asked.details.items for path in self.refused & set(item.known)}

    def previews(self, session: Session, vault: OpenVault) -> list[Preview]:
        """Every item with all it could show."""
        whole = {item.number: item for item in self.whole.items}
        return [
            Preview(item, list(shown_by(session, vault, self.whole, whole[item.number]))) for item in self.details.items
        ]

    def digest(self, shown: Iterable[Shown], screen: Screen) -> bytes:
        """What the form carries: the request, her vendor, every byte that could be shown, and the screen."""
        return crypto.digest(self.asked.tag, digest_of(self.whole, shown), screen.digest)


def offer(session: Session, vault: OpenVault, asked: Asked, client: Client, vendor: Stored | None) -> Offer:
    """What can be given to this client as one of her vendors, as things stand in the session's snapshot."""
    number = vendor.number if vendor else 0
    given = [view.terms for view in views.every(session, vault)]
    there = {0, *(entry.number for entry in vault.catalogue.entries("collection = 'vendors'"))}
    earlier = [each for each in given if each.client_id == client.client_id or (number and each.vendor == number)]
    return offer_after(asked, client, vendor, earlier, [each for each in given if each.vendor not in there])


def offer_after(
    asked: Asked, client: Client, vendor: Stored | None, earlier: Sequence[Terms], of_the_gone: Iterable[Terms] = ()
) -> Offer:
    """What can be given, after what `earlier` terms have told, and those with vendors that are gone."""
    items, refused = within_budget(asked.details.items, earlier, of_the_gone)
    details = Details(tuple(items), asked.details.deposits)
    whole = replace(
        details.whole(),
        client_id=client.client_id,
        client_name=client.name,
        vendor=vendor.number if vendor else 0,
        alias=getattr(vendor.record, "alias", None) if vendor else None,
    )
    return Offer(asked, details, refused, whole, met=bool(earlier))


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
    pepper comes before the turn. Raises AlreadyDecided, ChangedMeanwhile, NothingAllowed, NotFound.
    """
    server, owner = vault.server, vault.owner_id
    grant, key = crypto.random_bytes(16), crypto.random_bytes()

    def prepare(session: Session) -> Prepared:
        at = position(session, owner)  # first: what is read after it may be newer, and then she stands elsewhere
        vendor = store.read(session, vault, vendor_number) if vendor_number else None
        offered = offer(session, vault, asked, client, vendor)
        whole = offered.whole
        terms = decided(whole, offered.details, decision, now=server.now, log_key=crypto.random_bytes())
        if terms.empty:
            raise NothingAllowed
        rows = sealed_set(session, vault, grant, key, terms, grants.FIRST_VERSION)
        return Prepared(at, offered.digest(all_shown(session, vault, whole), screen), terms, rows)

    with server.main.reading() as session:
        ready = prepare(session)
    with new_pepper(server, owner, grant) as pepper, store.writing(vault, numbers=1) as turn:
        if not pushed.spend(turn.session, server, asked):
            raise AlreadyDecided
        if turn.before != ready.at:  # something of hers was written in between
            ready = prepare(turn.session)
        if not crypto.same(ready.digest, shown):
            raise ChangedMeanwhile
        terms = _with_vendor(turn, vault, client, ready.terms)
        given = grants.give(turn, vault, grants.NewGrant(grant, key, pepper), terms, ready.rows, _bound(asked, client))
        receipt_rows.given(turn, vault, grant, key, terms, screen)
        denials.forget(turn.session, vault, client.client_id)
        mails.given(turn.session, server, owner, grants.link_address(server, given.link))
    for replaced in turn.memory["replaced"]:
        grants.end(server, owner, replaced, "replaced")
    return given


def _with_vendor(turn: Turn, vault: OpenVault, client: Client, terms: Terms) -> Terms:
    """The terms with the vendor they are about; one that is not in her vault yet is added."""
    if terms.vendor:
        return terms
    host = urlsplit(client.client_id).hostname or client.client_id
    made = store.add(turn, vault, Vendor(called=client.name, domains=(host,)))
    return replace(terms, vendor=made.number)


def _bound(asked: Asked, client: Client) -> dict[str, str]:
    """What the code is bound to."""
    return {
        "client": client.client_id,
        "redirect": asked.parameters["redirect_uri"],
        "challenge": asked.parameters["code_challenge"],
        "jkt": asked.jkt or "",
    }


@contextmanager
def new_pepper(server: Server, owner: bytes, grant: bytes) -> Iterator[bytes]:
    """A new grant's pepper; taken back when her turn finds that nothing is to be given, and so has written nothing."""
    pepper = server.keystore.make(owner, grant, "grant", version=grants.FIRST_VERSION)
    try:
        yield pepper
    except (AlreadyDecided, ChangedMeanwhile, NothingAllowed, NotFound):
        server.keystore.take(owner, grant)
        raise


def refuse(vault: OpenVault, asked: Asked, *, never: bool = False, instead: Details | None = None) -> None:
    """She does not allow it: the request is spent and her no remembered. Raises AlreadyDecided."""
    with vault.server.main.transaction() as session:
        if not pushed.spend(session, vault.server, asked):
            raise AlreadyDecided
        denials.remember(session, vault, asked, never=never, instead=instead)


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
