"""Share links: a grant to whoever holds a string, over records she chose, for those who have no program to connect.

It is a grant like any other: the same terms, disclosures, receipts and ways to end it. Only its lock is another one,
and there is no client. What she is shown before is, here too, made by `disclose`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import orjson

from consent import grant_locks, grants, mails, receipt_rows
from consent.asking import ChangedMeanwhile, NothingAllowed, new_pepper
from consent.disclosing import Row, Shown, digest_of, sealed_set, shown_by
from consent.disclosure import is_gift
from consent.receipts import Screen
from consent.terms import LINK, Terms, VaultData
from vault import bearer, crypto, deriving, locks, store
from vault.days import DAY
from vault.db import line_of
from vault.record import Field, collection_paths
from vault.stored import Stored
from vault.turn import Position, her_turn, position

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault

DAYS = (1, 7, 30, 90)
VIEWS = (1, 3, 10)
MOST_RECORDS = 100
PURPOSE = "Purpose"  # in the Data Privacy Vocabulary, the term above all purposes: she states hers in her own words
BEHIND = "share passphrase"  # the kind of the second lock, which lies inside the first


@dataclass(frozen=True, slots=True)
class Choice:
    """What she picked: records and gifts among them by number, fields as `collection/path`, for whom, how long.

    `views` is how often it can be shown, None for no limit; `named` puts her name on it; `asks` wants a passphrase.
    """

    numbers: tuple[int, ...]
    fields: frozenset[str]
    gifts: frozenset[int]
    label: str
    named: bool = False
    days: int = 7
    views: int | None = None
    asks: bool = False

    @property
    def sensitive(self) -> bool:
        """Would it let somebody reach her, or see what she keeps to herself?"""
        places = (each.split("/", 1) for each in self.fields if "/" in each)
        known = (collection_paths(collection).get(path) for collection, path in places)
        return bool(self.gifts) or any(each is not None and each.sensitive for each in known)


class Made(NamedTuple):
    """A new grant, and the string that shows what it gives: known here and then to whoever has it."""

    grant_id: bytes
    string: str

    def __repr__(self) -> str:
        return f"Made({self.grant_id.hex()})"


@dataclass(frozen=True, slots=True)
class Secret:
    """What a second lock is made of: cost and salt, and what Argon2id made of the passphrase."""

    params: bytes
    stretched: bytes = field(repr=False)


@dataclass(frozen=True)
class Preview:
    """Terms that are not given yet, and every record as each item would show it."""

    terms: Terms
    windows: list[tuple[VaultData, list[Shown]]]

    @property
    def shown(self) -> Iterator[Shown]:
        """All of them, one after the other."""
        return (each for _item, some in self.windows for each in some)

    def digest(self, screen: Screen) -> bytes:
        """What the form carries: the records and fields, every byte that would be shown, and the screen."""
        return crypto.digest(digest_of(self.terms, self.shown), screen.digest)


def records(session: Session, vault: OpenVault, numbers: Sequence[int]) -> list[Stored]:
    """Records of hers by number, those that can be shown to somebody; the newest first."""
    few = list(numbers)[:MOST_RECORDS]
    where = f"NOT damaged AND number IN ({', '.join('?' * len(few))})"
    known = [entry.number for entry in vault.catalogue.entries(where, *few)]
    return [stored for stored in store.read_many(session, vault, known) if stored.kind.shareable]


def offered(vault: OpenVault, chosen: Iterable[Stored]) -> dict[str, dict[str, Field]]:
    """By collection the fields that say something in a chosen record. Only these can be picked."""
    today = vault.server.clock().date()
    found: dict[str, set[str]] = {}
    for stored in chosen:
        known = type(stored.record).paths()
        says = {path for path, each in known.items() if stored.record.value(each, today) is not None}
        found.setdefault(stored.kind.collection, set()).update(says)
    return {
        collection: {path: each for path, each in collection_paths(collection).items() if path in says}
        for collection, says in found.items()
        if says
    }


def preview(session: Session, vault: OpenVault, choice: Choice) -> Preview:
    """What a link over these records would show, as things stand in the session's snapshot."""
    chosen = records(session, vault, choice.numbers)
    terms = Terms(
        client_id=LINK,
        client_name=choice.label,
        vendor=0,
        alias=None,
        given_at=0,
        until=0,
        log_key=b"",
        items=tuple(_items(vault, choice, chosen)),
        looks=choice.views,
    )
    return Preview(terms, [(item, list(shown_by(session, vault, terms, item))) for item in terms.items])


def _items(vault: OpenVault, choice: Choice, chosen: list[Stored]) -> Iterator[VaultData]:
    """One item for each collection, and one for the gifts she ticked: what becomes a gift later hides itself."""
    number = 0
    for collection, fields in offered(vault, chosen).items():
        picked = tuple(path for path in fields if f"{collection}/{path}" in choice.fields)
        mine = [each for each in chosen if each.kind.collection == collection]
        plain = tuple(each.number for each in mine if not is_gift(each))
        gifts = tuple(each.number for each in mine if is_gift(each) and each.number in choice.gifts)
        for numbers, gift in ((plain, False), (gifts, True)):
            if numbers and picked:
                yield VaultData(
                    number=number,
                    collection=collection,
                    fields=picked,
                    purpose=PURPOSE,
                    why=choice.label,
                    duration=choice.days,
                    gifts=gift,
                    numbers=numbers,
                )
                number += 1


class _Ready(NamedTuple):
    at: Position
    digest: bytes
    terms: Terms
    rows: list[Row]


def make(vault: OpenVault, choice: Choice, passphrase: str, *, shown: bytes, screen: Screen) -> Made:
    """Give it, as she saw it: `shown` is the digest her form carried, `screen` is rendered anew.

    Argon2id and the pepper come before her turn. Raises ChangedMeanwhile, NothingAllowed, Busy.
    """
    server, owner = vault.server, vault.owner_id
    grant, key = crypto.random_bytes(16), crypto.random_bytes()
    secret = _stretched(passphrase) if choice.asks else None

    def prepare(session: Session) -> _Ready:
        at = position(session, owner)  # first: what is read after it may be newer
        ready = preview(session, vault, choice)
        if not any(ready.shown):
            raise NothingAllowed
        terms = replace(
            ready.terms,
            client_id=LINK + grant.hex(),
            given_at=server.now,
            until=server.now + choice.days * DAY,
            log_key=crypto.random_bytes(),
        )
        rows = sealed_set(session, vault, grant, key, terms, grants.FIRST_VERSION)
        return _Ready(at, ready.digest(screen), terms, rows)

    with server.main.reading() as session:
        ready = prepare(session)
    with new_pepper(server, owner, grant) as pepper, her_turn(server, owner, keyring=vault.keyring) as turn:
        if turn.before != ready.at:  # something of hers was written in between
            ready = prepare(turn.session)
        if not crypto.same(ready.digest, shown):
            raise ChangedMeanwhile
        terms = ready.terms
        grants.begin(turn, vault, grants.NewGrant(grant, key, pepper), terms, ready.rows)
        string = bearer.mint("share", owner, crypto.random_bytes(16))
        payload = _payload(string, key, pepper, secret, vault.name if choice.named else None)
        made = grant_locks.add(
            line_of(turn.session), server, string, grant, pepper=pepper, expires_at=terms.until, payload=payload
        )
        receipt_rows.given(turn, vault, grant, key, terms, screen)
        stops = grants.make_link(turn.session, server, owner, grant, pepper, terms.until)
        mails.given(turn.session, server, owner, grants.link_address(server, stops))
    return Made(grant, made)


def _stretched(passphrase: str) -> Secret:
    params = locks.passphrase_params(deriving.local_cost())
    return Secret(params, deriving.stretch(passphrase, params))


def _payload(string: bearer.Bearer, key: bytes, pepper: bytes, secret: Secret | None, by: str | None) -> bytes:
    """What the string opens: her name if it is to be said, and the grant key, or a second lock that holds it."""
    if secret is None:
        return crypto.pad(orjson.dumps({"by": by, "key": key.hex()}))
    box = locks.make(BEHIND, string.owner_id, string.lock_id, secret.stretched, pepper, secret.params, key)
    return crypto.pad(orjson.dumps({"by": by, "params": secret.params.hex(), "box": box.hex()}))
