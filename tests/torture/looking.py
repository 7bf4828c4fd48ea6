"""Everything she has and everything that others can see, and whether that is what was told."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from connectors.course import standings
from connectors.vendor_client import Connection, NoLongerShared, NotGranted, Paused, Pending
from connectors.vendor_client.proofs import key_from_json
from consent import denials, inbox, pushed, segments, views
from tests.consent.racing import Returning, shown_now, sorted_rows
from tests.people import ISSUER, TASTE, Bookshop, query
from tests.torture.ledger import Ledger, Lost
from tests.torture.things import visited
from tests.vault.authenticator import Device
from vault import attachments, notice_address, passkeys, store, trash
from vault.days import DAY
from vault.errors import WrongSecret
from vault.opened import OpenVault
from vault.turn import revision_of


def holds(so: bool, what: str) -> None:
    """Raises Lost unless it does."""
    if not so:
        raise Lost(f"not so: {what}")


def looks(ada: Returning, ledger: Ledger, shop: Bookshop) -> None:
    """Everything she has, and everything the Bookshop can see."""
    house = ada.house
    ada.looks_at("/sharing")
    holds(house.keystore.floor(ledger.owner) == revision_of(house, ledger.owner), "she is shown nothing below a floor")
    vault = ada.open
    _her_settings(vault, ledger)
    _her_records(vault, ledger)
    if ledger.asked is not None:
        _finishes(ledger, shop)
    alive = {each.hex() for each in house.keystore.alive(ledger.owner, "grant")}
    holds(not alive & ledger.dead, "what was found dead a moment ago is dead still")
    for key in [each for each in ledger.may if each.startswith("link ") and each not in ledger.dead]:
        if visited(ada.app, key.removeprefix("link ")) == "open":
            ledger.is_so(key, "open")
        else:  # she may have stopped everything
            ledger.dead.add(key)
    for grant in [each for each in ledger.tokens if each not in ledger.dead]:
        _one_grant(ada, shop, Connection.from_json(shop.client, ledger.tokens[grant]), ledger)
    for grant, kept in ledger.made_up.items():
        if not isinstance(_seen(Connection.from_json(shop.client, kept), "purchases"), NoLongerShared):
            ledger.is_so(f"ended {grant}", None)
    for key in [each for each in ledger.may if each.startswith("denied ") and ledger.may[each] != {None}]:
        ledger.has_become(key, _denied(vault, shop, key.removeprefix("denied ")))
    _her_log(vault, ledger)


def _her_settings(vault: OpenVault, ledger: Ledger) -> None:
    ledger.has_become("name", vault.settings["name"])
    ledger.has_become("language", vault.settings.get("language"))
    ledger.has_become("notice", notice_address.present(vault))
    for key in [each for each in ledger.may if each.startswith("passkey ")]:
        ledger.has_become(key, "opens" if _unlocks(vault, key.removeprefix("passkey ")) else None)


def _unlocks(vault: OpenVault, passkey: str) -> bool:
    device, server = Device.read(ISSUER, passkey), vault.server
    try:
        return passkeys.unlock(server, *device.answers(passkeys.asking(server))).root == vault.keyring.root
    except WrongSecret:
        return False


def _her_records(vault: OpenVault, ledger: Ledger) -> None:
    holds(vault.catalogue.count("damaged") == 0, "no record is damaged")
    holds(all(each.state in {"done", "undone"} for each in standings(vault)), "no import is stuck")
    numbers, shops = _numbers(vault, "purchases"), _numbers(vault, "vendors")
    with vault.server.main.reading() as session:
        there, vendors = store.read_many(session, vault, numbers), store.read_many(session, vault, shops)
        thrown = trash.removed(session, vault, most=1000)
        left = inbox.waiting(session, vault)
    named = Counter(each.record.name() for each in there)
    holds(set(named.values()) <= {1}, "nothing is there twice")
    found = {f"item {each.record.name()}": "gift" if each.record.for_whom == "gift" else "here" for each in there}  # type: ignore[attr-defined]
    found |= {f"item {each.stored.record.name()}": "gone" for each in thrown if each.stored}
    found |= {f"item {each.data['item']}": "left" for each in left}
    found |= {f"file {name}": "here" for name, _number, content in attachments.each(vault) if content == name.encode()}
    found |= {f"vendor {each.record.name()}": "here" for each in vendors}
    found |= {f"vendor {name}": "merged" for each in vendors for name in each.raw("also_called") or []}
    holds({each.raw("vendor") for each in there} <= {*shops, None}, "every purchase has a vendor that is there")
    ledger.lets_go((trash.KEPT - 1) * DAY)
    for key in [each for each in ledger.may if each.startswith(("item ", "file ", "vendor "))]:
        ledger.has_become(key, found.get(key))


def _numbers(vault: OpenVault, collection: str) -> list[int]:
    return [entry.number for entry in vault.catalogue.entries("collection = ?", collection)]


def _finishes(ledger: Ledger, shop: Bookshop) -> None:
    """A consent that was answered can be used, once."""
    assert ledger.asked is not None
    pending, location = ledger.asked
    try:
        connection = shop.finishes(Pending.from_json(pending), location)
    except NoLongerShared:
        holds(ledger.exchanging, "the code of a consent is good")
    else:
        ledger.tokens[connection.grant_id] = connection.to_json()
    ledger.asked = None


def _denied(vault: OpenVault, shop: Bookshop, why: str) -> str | None:
    """What the Bookshop is answered that asks for the same once more."""
    address = shop.asks({**TASTE, "why": why}).authorize_url
    asked = pushed.find(vault.server, query(address)["request_uri"], shop.client_id)
    assert asked is not None
    said = denials.answered(vault, asked)
    return None if said is None else "never" if said.never else "no"


def _one_grant(ada: Returning, shop: Bookshop, connection: Connection, ledger: Ledger) -> None:
    """What the Bookshop is answered, and that it is what the terms make of her records."""
    grant = connection.grant_id
    ended, paused, narrowed = (f"{what} {grant}" for what in ("ended", "paused", "narrowed"))
    for key in (ended, paused, narrowed):
        ledger.may.setdefault(key, {None})
    books = _seen(connection, "purchases")
    if isinstance(books, NoLongerShared):
        ledger.has_become(ended, True)
        ledger.dead.add(grant)
        return
    ledger.is_so(ended, None)
    taste = _seen(connection, "preferences")
    if isinstance(books, Paused):
        holds(isinstance(taste, Paused), "a grant is paused for everything or nothing")
        ledger.has_become(paused, True)
        return
    ledger.is_so(paused, False if False in ledger.may[paused] else None)
    ledger.has_become(narrowed, True if isinstance(taste, NotGranted) else None)
    if f"blocked {grant}" in ledger.may:
        ledger.has_become(f"blocked {grant}", True if _is_blocked(shop, connection) else None)
    for collection, seen in {"purchases": books, "preferences": taste}.items():
        if isinstance(seen, list):
            now = shown_now(ada, bytes.fromhex(grant), collection)
            holds(sorted_rows(seen) == sorted_rows(now), "a vendor sees what its terms make of her records")


def _is_blocked(shop: Bookshop, connection: Connection) -> bool:
    """May it leave nothing? It tries with nothing, which is never taken, but then for another reason."""
    kept = json.loads(connection.to_json())
    return shop.leaves(kept["tokens"]["access"], {}, key=key_from_json(kept["dpop_key"])).status_code == 403


def _seen(connection: Connection, collection: str) -> Any:
    try:
        return [dict(shown.data) for shown in connection.read(collection).records]
    except (NoLongerShared, NotGranted, Paused) as refusal:
        return refusal


def _her_log(vault: OpenVault, ledger: Ledger) -> None:
    """No entry that was answered is missing; the chain holds."""
    holds(segments.missing(vault) == {}, "no entry of the log is missing")
    holds(segments.verdict(vault).whole, "the chain of the log holds")
    newest = Counter[str]()
    for entry in segments.entries(vault, views.log_keys(vault)):
        holds(entry.outcome != "damaged", "every entry of the log opens")
        newest[entry.grant_id.hex()] = max(newest[entry.grant_id.hex()], entry.number)
    for grant, number in ledger.log.items():
        holds(newest[grant] >= number, "the vendor's witness is in the log")
