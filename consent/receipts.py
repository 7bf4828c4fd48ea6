"""What she agreed to, as evidence: a consent record in the fields of ISO/IEC TS 27560:2023, and what follows from it.

Collections, names of fields, purposes, dates, and the vendor's name and address; never a value, nor whether gifts are
among what is shown, because the vendor holds a copy. Purposes and states are terms of the Data Privacy Vocabulary.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Any

from consent.terms import Terms, VaultData, by_link
from vault import crypto

TYPE = "consent-receipt+jwt"
SCHEMA, KANTARA = "ISO/IEC TS 27560:2023", "KI-CR-v1.1.0"
DPV = "https://w3id.org/dpv#"
NOT_STATED = "not stated"  # for what the standard wants and no vendor has said

# What can happen to a grant, and the state of consent that it leaves. "Revoked" is, in DPV, by another party than her.
STATES = {
    "given": "ConsentGiven",
    "narrowed": "ConsentGiven",
    "shortened": "ConsentGiven",
    "renewed": "RenewedConsentGiven",
    "revoked": "ConsentWithdrawn",
    "link": "ConsentWithdrawn",
    "replaced": "ConsentWithdrawn",
    "expired": "ConsentExpired",
    "used": "ConsentExpired",
    "replay": "ConsentRevoked",
    "vendor": "ConsentRevoked",
    "unused": "ConsentRevoked",
    "ended": "ConsentRevoked",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """The consent screen as it was rendered for her, with the values in it, and its language (BCP 47)."""

    html: bytes = field(repr=False)
    language: str

    @property
    def digest(self) -> bytes:
        """What the form is bound to."""
        return crypto.digest(self.html, self.language)

    def document(self, random: bytes) -> bytes:
        """A file to keep, whose plain SHA-256 stands in the receipt.

        The random number keeps the hash from telling anything: who knows most of a screen could otherwise find by
        trying what was on it and was not given, such as a gift.
        """
        head = (
            f'<!doctype html>\n<html lang="{escape(self.language)}">\n<meta charset="utf-8">\n<!-- {random.hex()} -->\n'
        )
        return head.encode() + self.html


@dataclass(frozen=True, slots=True)
class Notice:
    """The screen as a receipt names it: the hash of its document as a URI (RFC 6920), and its language."""

    uri: str
    language: str

    @classmethod
    def of(cls, document: bytes, language: str) -> Notice:
        """The notice that a document is."""
        hashed = urlsafe_b64encode(hashlib.sha256(document).digest()).rstrip(b"=").decode()
        return cls(f"ni:///sha-256;{hashed}", language)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What happened to which grant and when (seconds since 1970), under which receipt, in the vault of which issuer."""

    receipt_id: bytes
    grant_id: bytes
    issuer: str
    at: int
    event: str


def consent_receipt(occasion: Occasion, terms: Terms, notice: Notice, previous: str | None) -> dict[str, Any]:
    """The receipt for what is agreed from now on. `previous` is the id of the receipt that it takes the place of."""
    receipt = {
        **_metadata(occasion),
        "pii_processing": {
            "privacy_notice": notice.uri,
            "language": notice.language,
            "purposes": [_purpose(occasion, terms, item) for item in terms.items],
            **_limits(terms),
        },
        "party_identification": [_vendor(terms.client_id, terms.client_name)],
        "event": [_event(occasion, occasion.grant_id.hex(), terms.until)],
    }
    return {**receipt, "previous_receipt": previous} if previous else receipt


def withdrawal_receipt(occasion: Occasion, label: Mapping[str, Any], receipts: Sequence[bytes]) -> dict[str, Any]:
    """The receipt for an end, made from what the server may know of a grant. `receipts` are those of the consent."""
    hers, theirs = STATES[occasion.event] == "ConsentWithdrawn", occasion.event == "vendor"
    by = occasion.grant_id.hex() if hers else label["client_id"] if theirs else occasion.issuer
    return {
        **_metadata(occasion),
        "pii_processing": {"pii_information": [{"pii_type": collection} for collection in label["collections"]]},
        "party_identification": [_vendor(label["client_id"], label["name"])],
        "event": [_event(occasion, by, occasion.at)],
        "consent_given": _moment(label["given_at"]),
        "consent_receipts": sorted(each.hex() for each in receipts),
    }


def kantara(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """A consent receipt in the shape of the Kantara Initiative's Consent Receipt 1.1."""
    processing, vendor = receipt["pii_processing"], receipt["party_identification"][0]
    purposes = [
        {
            "purpose": each["purpose"],
            "purposeCategory": [each["purpose_type"]],
            "consentType": "EXPLICIT",
            "piiCategory": [f"{one['pii_type']}: {one['pii_attribute_id']}" for one in each["pii_information"]],
            "primaryPurpose": True,
            "termination": receipt["event"][0]["valid_until"],
            "thirdPartyDisclosure": False,  # she has agreed to none
        }
        for each in processing["purposes"]
    ]
    unstated = {"contact": NOT_STATED, "address": {}, "email": NOT_STATED, "phone": NOT_STATED}
    return {
        "version": KANTARA,
        "jurisdiction": NOT_STATED,
        "consentTimestamp": receipt["iat"],
        "collectionMethod": "the consent screen of her own vault",
        "consentReceiptID": receipt["receipt_id"],
        "language": processing["language"],
        "piiPrincipalId": receipt["pii_principal_id"],
        "piiControllers": [{"piiController": vendor["party_name"], **unstated}],
        "policyUrl": processing["privacy_notice"],
        "services": [{"service": vendor["party_name"], "purposes": purposes}],
        "sensitive": False,
        "spiCat": [],
    }


def in_words(receipt: Mapping[str, Any]) -> list[str]:
    """What a receipt says, line by line. Raises KeyError, TypeError, IndexError,
    ValueError or AttributeError for another document.
    """
    event, vendor, processing = receipt["event"][0], receipt["party_identification"][0], receipt["pii_processing"]
    lines = [
        f"What happened   {event['event']}, {event['event_time']}",
        f"Vendor          {vendor['party_name']} ({vendor['party_id']})",
    ]
    if "purposes" in processing:
        lines.append(f"Until           {event['valid_until']}")
    else:
        could = ", ".join(each["pii_type"] for each in processing["pii_information"])
        lines += [f"Agreed          {receipt['consent_given']}", f"Could see       {could}"]
    for each in processing.get("purposes", ()):
        fields = ", ".join(one["pii_attribute_id"] for one in each["pii_information"])
        only = "".join(f", {name} {value}" for name, value in each.get("filter", {}).items())
        lines += [
            f"May see         {each['pii_information'][0]['pii_type']}: {fields}{only}",
            f"  what for      {each['purpose_type'].removeprefix(DPV)}: {each['purpose']}",
            f"  kept for      {each['retention_period']}",
        ]
    for each in processing.get("deposits", ()):
        lines.append(f"May leave       {each['collection']}: {', '.join(each['fields'])}, {each['per_day']} a day")
    if "looks" in processing:
        lines.append(f"May look        {processing['looks']} times in all")
    if "looks_per_day" in processing:
        lines.append(f"May look        {processing['looks_per_day']} times a day")
    if "privacy_notice" in processing:
        lines.append(f"Screen          {processing['privacy_notice']} ({processing['language']})")
    return [*lines, f"Receipt         {receipt['receipt_id']}", f"Issued by       {receipt['iss']}"]


def _metadata(occasion: Occasion) -> dict[str, Any]:
    """A grant stands for her: its id is the only name of hers that this vendor knows, and no other vendor does."""
    return {
        "schema_version": SCHEMA,
        "receipt_id": occasion.receipt_id.hex(),
        "record_id": occasion.grant_id.hex(),
        "pii_principal_id": occasion.grant_id.hex(),
        "iss": occasion.issuer,
        "iat": occasion.at,
    }


def _purpose(occasion: Occasion, terms: Terms, item: VaultData) -> dict[str, Any]:
    granted = item.to_json()
    purpose = {
        "purpose": item.why,
        "purpose_type": DPV + item.purpose,
        "lawful_basis": DPV + "Consent",
        "pii_information": [{"pii_type": item.collection, "pii_attribute_id": path} for path in item.fields],
        "pii_controllers": [terms.client_id],
        "storage_locations": [NOT_STATED],
        "retention_period": item.retention or NOT_STATED,
        "jurisdiction": NOT_STATED,
        "recipient_third_parties": [NOT_STATED],
        "withdrawal_method": f"{occasion.issuer}/stop",
    }
    return {**purpose, "filter": granted["filter"]} if "filter" in granted else purpose


def _limits(terms: Terms) -> dict[str, Any]:
    """How often it may look, and what it may leave: of the vault's own, beside what the standard names."""
    looks = {"looks": terms.looks, "looks_per_day": terms.looks_per_day}
    deposits = [
        {
            "purpose": item.why,
            "purpose_type": DPV + item.purpose,
            "collection": item.collection,
            "fields": list(item.fields),
            "per_day": item.per_day,
        }
        for item in terms.deposits
    ]
    said = {name: limit for name, limit in looks.items() if limit is not None}
    return {**said, "deposits": deposits} if deposits else said


def _vendor(client_id: str, name: str) -> dict[str, str]:
    return {
        "party_id": client_id,
        "party_name": name,
        "party_address": NOT_STATED,
        "party_contact": NOT_STATED,
        "party_type": DPV + ("Recipient" if by_link(client_id) else "DataController"),
    }


def _event(occasion: Occasion, by: str, until: int) -> dict[str, str]:
    return {
        "event": occasion.event,
        "event_time": _moment(occasion.at),
        "valid_until": _moment(until),
        "validity_duration": f"PT{max(0, until - occasion.at)}S",
        "entity_id": by,
        "event_type": DPV + "ExplicitlyExpressedConsent",
        "event_state": DPV + STATES[occasion.event],
    }


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
