"""Receipts: what she agreed to, what became less and what ended, signed, and with no value of hers in them."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from sqlalchemy import delete, text, update

from consent import clients, grants, receipts, verifying
from consent.models import Grant, Receipt
from consent.purposes import PURPOSES
from tests.houses import embedded_only, home_of
from tests.people import BIRTHDAY, ISSUER, PURCHASES, TASTE, Ada, Bookshop, house_in, query
from vault import worker
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday
from vault.models import Keys, ServerKey
from vault.server import Server
from vault.values import When

LINK = re.compile(r'href="/receipts/([0-9a-f]{32})"')
# joserfc would rather hear Ed25519, the newer name of the algorithm; it verifies it under the one everybody knows.
RFC9864 = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


def receipts_of(ada: Ada, grant: str) -> list[str]:
    """Ids of the receipts on the page of a grant, the oldest first."""
    return LINK.findall(ada.looks_at(f"/sharing/{grant}"))[::-1]


def signed(ada: Ada, receipt: str) -> str:
    """The file she downloads."""
    return ada.looks_at(f"/receipts/{receipt}/receipt.jwt")


def verified(ada: Ada, receipt: str) -> dict[str, Any]:
    """What it says, checked with a library of others against the published key."""
    keys = KeySet.import_key_set(ada.app.test_client().get("/oauth/keys").get_json())
    token = jws.deserialize_compact(signed(ada, receipt), keys, registry=JWSRegistry(algorithms=["EdDSA"]))
    assert token.headers()["typ"] == "consent-receipt+jwt"
    return dict(json.loads(token.payload or b""))


def lets_three(ada: Ada, bookshop: Bookshop) -> str:
    """Three things are given; returns the grant's id."""
    ada.buys("The Salt Almanac")
    ada.keeps(Preference(topic="maps", stance="like"))
    ada.keeps(Birthday(born_on=When("1986-12-10")))
    ada.lets(bookshop, PURCHASES, TASTE, BIRTHDAY, ticks=("item-1", "item-2", "field-0-price"))
    return ada.grant()


@RFC9864
def test_a_consent_leaves_a_receipt_that_says_what_was_agreed(ada: Ada, bookshop: Bookshop) -> None:
    grant = lets_three(ada, bookshop)
    (only,) = receipts_of(ada, grant)
    said = verified(ada, only)
    assert (said["schema_version"], said["receipt_id"], said["record_id"]) == (receipts.SCHEMA, only, grant)
    assert (said["iss"], said["iat"], said["pii_principal_id"]) == (ISSUER, ada.house.now, grant)
    first, second, third = said["pii_processing"]["purposes"]
    assert first["purpose"] == PURCHASES["why"]
    assert first["purpose_type"] == "https://w3id.org/dpv#ProvideProductRecommendations"
    assert first["lawful_basis"] == "https://w3id.org/dpv#Consent"
    assert [each["pii_attribute_id"] for each in first["pii_information"]] == ["item", "bought_on", "price"]
    assert first["filter"] == PURCHASES["filter"]
    assert {each["pii_type"] for each in second["pii_information"]} == {"preferences"}
    assert [each["pii_attribute_id"] for each in third["pii_information"]] == BIRTHDAY["fields"]
    (vendor,) = said["party_identification"]
    assert (vendor["party_name"], vendor["party_id"]) == ("Bookshop", bookshop.client_id)
    (event,) = said["event"]
    assert event["event_state"] == "https://w3id.org/dpv#ConsentGiven"
    assert (event["event_time"], event["valid_until"]) == ("2026-11-22T12:00:00Z", "2026-12-22T12:00:00Z")
    assert event["validity_duration"] == f"PT{30 * 86400}S"


def test_no_value_of_hers_is_in_any_receipt(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Lantern Year", for_whom="gift", recipient="Bram")
    grant = lets_three(ada, bookshop)
    ada.presses(f"/sharing/{grant}/less", item="1")
    ada.presses(f"/sharing/{grant}/stop")
    kept = receipts_of(ada, grant)
    assert len(kept) == 3
    for receipt in kept:
        said = json.dumps(verifying.payload_of(signed(ada, receipt)))
        for value in ("Almanac", "Lantern", "Bram", "18.50", "maps", "1986", "12-10", "gift", "Ada", "ada@"):
            assert value not in said


def test_the_receipt_of_somebody_who_adds_gifts_does_not_tell_the_vendor_so(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Lantern Year", for_whom="gift")
    ada.lets(bookshop, PURCHASES, ticks=("gifts-0",))
    (with_gifts,) = receipts_of(ada, ada.grant())
    ada.lets(bookshop, PURCHASES)
    (without,) = receipts_of(ada, ada.grant())
    said = [verifying.payload_of(signed(ada, each))["pii_processing"]["purposes"] for each in (with_gifts, without)]
    assert said[0] == said[1]


@RFC9864
def test_what_becomes_less_has_a_receipt_that_names_the_one_before(ada: Ada, bookshop: Bookshop) -> None:
    grant = lets_three(ada, bookshop)
    ada.presses(f"/sharing/{grant}/less", item="1")
    ada.presses(f"/sharing/{grant}/sooner", days="7")
    given, narrowed, shortened = (verified(ada, each) for each in receipts_of(ada, grant))
    assert [each["event"][0]["event"] for each in (given, narrowed, shortened)] == ["given", "narrowed", "shortened"]
    assert narrowed["previous_receipt"] == given["receipt_id"]
    assert shortened["previous_receipt"] == narrowed["receipt_id"]
    assert len(narrowed["pii_processing"]["purposes"]) == 2
    assert shortened["event"][0]["valid_until"] == "2026-11-29T12:00:00Z"
    assert shortened["pii_processing"]["privacy_notice"] == given["pii_processing"]["privacy_notice"]


@RFC9864
def test_an_end_has_a_receipt_though_the_vault_is_locked(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    grant = lets_three(ada, bookshop)
    (given,) = receipts_of(ada, grant)
    link = re.search(r"/r/vrm_rv_[\w-]{91}", ada.presses(f"/sharing/{grant}/link", status=200).text)
    assert link
    ada.locks()
    assert ada.app.test_client().post(link[0], data={"answer": "stop"}).status_code == 200
    ada.unlocks()
    first, last = receipts_of(ada, grant)
    said = verified(ada, last)
    assert first == given
    assert said["consent_receipts"] == [given]
    assert said["event"][0]["event_state"] == "https://w3id.org/dpv#ConsentWithdrawn"
    assert {each["pii_type"] for each in said["pii_processing"]["pii_information"]} == {
        "purchases",
        "preferences",
        "profile",
    }
    assert said["party_identification"][0]["party_name"] == "Bookshop"
    assert "It was stopped by its link" in ada.looks_at(f"/receipts/{last}")


def test_time_running_out_has_a_receipt_and_it_is_the_vault_that_says_so(
    ada: Ada, bookshop: Bookshop, house: Server
) -> None:
    grant = lets_three(ada, bookshop)
    house.clock.passes(days=31)  # type: ignore[attr-defined]
    worker.tick(house, sweep=True)
    ada.unlocks()
    said = verifying.payload_of(signed(ada, receipts_of(ada, grant)[-1]))
    assert said["event"][0]["event_state"] == "https://w3id.org/dpv#ConsentExpired"
    assert said["event"][0]["entity_id"] == ISSUER


def test_of_what_the_vendor_gave_back_it_is_said_to_have_brought_it_about(ada: Ada, bookshop: Bookshop) -> None:
    grant = lets_three(ada, bookshop)
    grants.end(ada.house, ada.owner_id, bytes.fromhex(grant), "vendor")
    said = verifying.payload_of(signed(ada, receipts_of(ada, grant)[-1]))
    assert said["event"][0]["event"] == "vendor"
    assert said["event"][0]["entity_id"] == bookshop.client_id


def test_what_is_ended_twice_has_one_receipt(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    grant = lets_three(ada, bookshop)
    for cause in ("revoked", "link", "expired"):
        grants.end(house, ada.owner_id, bytes.fromhex(grant), cause)
    worker.tick(house, sweep=True)
    events = [verifying.payload_of(signed(ada, each))["event"][0]["event"] for each in receipts_of(ada, grant)]
    assert events == ["given", "revoked"]


@pytest.mark.parametrize(("cause", "state"), [("revoked", "ConsentWithdrawn"), ("whatever", "ConsentRevoked")])
def test_an_end_that_left_no_receipt_gets_one_from_the_worker(
    ada: Ada, bookshop: Bookshop, house: Server, cause: str, state: str
) -> None:
    """As after an end on a full disk, or one from before there were receipts; the cause stands in clear."""
    grant = lets_three(ada, bookshop)
    grants.end(house, ada.owner_id, bytes.fromhex(grant), "revoked")
    with house.main.transaction() as session:
        session.execute(delete(Receipt))
        session.execute(update(Grant).values(cause=cause))
    house.clock.passes(days=2)  # type: ignore[attr-defined]
    for _ in range(2):
        worker.tick(house, sweep=True)
    ada.unlocks()
    (only,) = receipts_of(ada, grant)
    (event,) = verifying.payload_of(signed(ada, only))["event"]
    assert (event["event_time"], event["event_state"]) == ("2026-11-22T00:00:00Z", receipts.DPV + state)


def test_a_consent_that_replaces_another_leaves_a_receipt_for_each(ada: Ada, bookshop: Bookshop) -> None:
    first = lets_three(ada, bookshop)
    ada.lets(bookshop, PURCHASES)
    events = [verifying.payload_of(signed(ada, each))["event"][0] for each in receipts_of(ada, first)]
    assert [each["event"] for each in events] == ["given", "replaced"]
    assert len(receipts_of(ada, ada.grant())) == 1


def test_the_screen_she_kept_has_the_hash_that_the_receipt_states(ada: Ada, bookshop: Bookshop) -> None:
    """RFC 6920; anybody can compute it of the file, and nobody without the file can guess what was on it."""
    grant = lets_three(ada, bookshop)
    (only,) = receipts_of(ada, grant)
    notice = verifying.payload_of(signed(ada, only))["pii_processing"]
    answer = ada.browser.get(f"/receipts/{only}/screen.html")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    hashed = urlsafe_b64encode(hashlib.sha256(answer.data).digest()).rstrip(b"=").decode()
    assert notice["privacy_notice"] == f"ni:///sha-256;{hashed}"
    assert notice["language"] == "en"
    for shown in ("The Salt Almanac", PURCHASES["why"], "Bookshop", "maps"):
        assert shown in answer.text


def test_the_screen_kept_is_the_one_that_stood_in_the_form(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    page = ada.sees_consent(bookshop.consent_address())
    page.allows()
    (only,) = receipts_of(ada, ada.grant())
    screen = ada.looks_at(f"/receipts/{only}/screen.html").split("-->\n", 1)[1]
    assert screen in page.html


def test_the_same_screen_has_another_hash_each_time(ada: Ada, bookshop: Bookshop) -> None:
    """Otherwise a vendor could find by trying what stood on it and was not given, such as a gift."""
    ada.buys("The Salt Almanac")
    hashes = set()
    for _ in range(2):
        ada.lets(bookshop, PURCHASES)
        (only,) = receipts_of(ada, ada.grant())
        hashes.add(verifying.payload_of(signed(ada, only))["pii_processing"]["privacy_notice"])
        ada.presses("/sharing/stop-all")
    assert len(hashes) == 2


def test_a_screen_that_would_look_different_now_is_not_agreed_to(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    """The vendor has another name meanwhile: what she saw is not what would be kept as evidence, so she looks again."""
    ada.buys("The Salt Almanac")
    page = ada.sees_consent(bookshop.consent_address())
    bookshop.name = "Bookshop, renamed"
    clients.forget(house, bookshop.client_id)
    try:
        answer = page.answers("yes", status=409)
    finally:
        bookshop.name = "Bookshop"
    assert "Look again" in answer.text
    assert "Bookshop, renamed asks" in answer.text
    assert not house.keystore.alive(ada.owner_id, "grant")


@pytest.mark.parametrize("forged", ["screen", "screen_digest", "notice", "privacy_notice", "language", "html"])
def test_the_form_cannot_say_what_the_screen_was(ada: Ada, bookshop: Bookshop, forged: str) -> None:
    ada.buys("The Salt Almanac")
    page = ada.sees_consent(bookshop.consent_address())
    page.hidden[forged] = "00" * 32
    page.allows()
    (only,) = receipts_of(ada, ada.grant())
    assert "00" * 32 not in signed(ada, only) + ada.looks_at(f"/receipts/{only}/screen.html")


def test_the_older_form_has_the_members_that_kantara_wants(ada: Ada, bookshop: Bookshop) -> None:
    """Consent Receipt Specification 1.1, §4 and its JSON schema."""
    grant = lets_three(ada, bookshop)
    (only,) = receipts_of(ada, grant)
    shown = json.loads(ada.looks_at(f"/receipts/{only}/kantara.json"))
    wanted = {"version", "jurisdiction", "consentTimestamp", "collectionMethod", "consentReceiptID", "piiPrincipalId"}
    assert wanted | {"piiControllers", "policyUrl", "services", "sensitive", "spiCat"} <= set(shown)
    assert (shown["version"], shown["consentReceiptID"]) == ("KI-CR-v1.1.0", only)
    assert shown["consentTimestamp"] == ada.house.now
    (controller,) = shown["piiControllers"]
    assert {"piiController", "contact", "address", "email", "phone"} <= set(controller)
    (service,) = shown["services"]
    for purpose in service["purposes"]:
        assert purpose["consentType"] == "EXPLICIT"
        assert {"purpose", "purposeCategory", "piiCategory", "primaryPurpose", "termination"} <= set(purpose)
        assert purpose["thirdPartyDisclosure"] is False
    ada.presses(f"/sharing/{grant}/stop")
    ada.looks_at(f"/receipts/{receipts_of(ada, grant)[-1]}/kantara.json", status=404)


def test_every_purpose_and_state_is_a_term_of_the_vocabulary() -> None:
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", term) for term in (*PURPOSES, *receipts.STATES.values()))
    assert set(receipts.STATES) >= {"revoked", "link", "expired", "replaced", "replay", "unused", "ended"}


def test_every_event_is_on_the_page_of_formats() -> None:
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    events = page.split("- `event`: one, with `event` (")[1].split(")")[0]
    assert set(re.findall(r"`(\w+)`", events)) == set(receipts.STATES)


def test_the_vendor_takes_its_copy_with_its_token(ada: Ada, bookshop: Bookshop) -> None:
    ada.buys("The Salt Almanac")
    held = bookshop.tokens()
    got = bookshop.looks("/vendor/v1/receipt", held["access_token"])
    assert (got.status_code, got.headers["Content-Type"]) == (200, "application/jwt")
    assert got.headers["Vault-Access"] == "1"
    (only,) = receipts_of(ada, held["grant_id"])
    assert got.text == signed(ada, only)
    ada.presses(f"/sharing/{held['grant_id']}/sooner", days="7")
    later = bookshop.looks("/vendor/v1/receipt", held["access_token"]).text
    assert verifying.payload_of(later)["event"][0]["event"] == "shortened"
    looked = ada.looks_at("/activity")
    assert looked.count("The permission itself") == 2


def test_the_python_client_takes_it_too(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    (only,) = receipts_of(ada, ada.grant())
    assert bookshop.connection.receipt() == signed(ada, only)


def test_the_vendor_gets_no_receipt_without_a_proof_or_while_paused_or_ended(ada: Ada, bookshop: Bookshop) -> None:
    held = bookshop.tokens()
    token, grant = held["access_token"], held["grant_id"]
    bare = bookshop.http.get("/vendor/v1/receipt", headers={"Authorization": f"DPoP {token}"})
    assert bare.status_code == 401
    ada.presses(f"/sharing/{grant}/pause")
    assert bookshop.looks("/vendor/v1/receipt", token).json()["code"] == "paused"
    ada.presses(f"/sharing/{grant}/stop")
    assert bookshop.looks("/vendor/v1/receipt", token).status_code == 401


def test_the_metadata_leads_to_the_key(ada: Ada) -> None:
    """RFC 8414 §2, RFC 7517 §5: only the public half."""
    browser = ada.app.test_client()
    address = browser.get("/.well-known/oauth-authorization-server").get_json()["jwks_uri"]
    assert address == f"{ISSUER}/oauth/keys"
    answer = browser.get("/oauth/keys")
    assert answer.content_type == "application/jwk-set+json"
    for key in answer.get_json()["keys"]:
        assert (key["kty"], key["crv"], key["use"]) == ("OKP", "Ed25519", "sig")
        assert "d" not in key
    assert ada.house.keystore.signing("receipt")[0].hex() not in answer.text


def test_a_keystore_from_before_receipts_gets_its_key_at_the_next_start(house: Server) -> None:
    before = {name: getattr(house.keys, name) for name in ("seal", "tag", "route")}
    directory = home_of(house)
    with house.keystore.database.writing() as connection:
        connection.execute(delete(ServerKey).where(ServerKey.purpose == "receipt"))
    house.stop()
    again = house_in(directory)
    assert {name: getattr(again.keys, name) for name in before} == before
    kept = again.keystore.signing("receipt")[0]
    assert len(kept) == 32
    again.stop()
    third = house_in(directory)
    assert third.keystore.signing("receipt")[0] == kept
    assert len(Keys.metadata.tables["server_keys"].primary_key) == 1
    third.stop()


def test_a_damaged_receipt_is_told_and_the_others_are_read(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    grant = lets_three(ada, bookshop)
    ada.presses(f"/sharing/{grant}/less", item="1")
    first, second = receipts_of(ada, grant)
    with house.main.transaction() as session:
        session.execute(update(Receipt).where(Receipt.receipt_id == bytes.fromhex(first)).values(box=b"\1" * 99))
    assert "A receipt that is damaged" in ada.looks_at(f"/sharing/{grant}")
    assert "is damaged and cannot be read" in ada.looks_at(f"/receipts/{first}")
    ada.looks_at(f"/receipts/{first}/receipt.jwt", status=404)
    assert "You took something away" in ada.looks_at(f"/receipts/{second}")


def test_a_grant_whose_label_is_damaged_still_ends_with_a_receipt(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    grant = lets_three(ada, bookshop)
    with house.main.transaction() as session:
        session.execute(update(Grant).where(Grant.grant_id == bytes.fromhex(grant)).values(label_box=b"\1" * 99))
    ada.presses(f"/sharing/{grant}/stop")
    assert not house.keystore.alive(ada.owner_id, "grant")
    assert "You stopped it" in ada.looks_at(f"/receipts/{receipts_of(ada, grant)[-1]}")


@embedded_only
def test_what_is_given_and_its_receipt_are_one(ada: Ada, bookshop: Bookshop, house: Server) -> None:
    """A trigger stands for a crash between the two: then neither is there."""
    address = bookshop.consent_address()
    page = ada.sees_consent(address)
    with house.main.transaction() as session:
        session.execute(
            text("CREATE TRIGGER no_receipt BEFORE INSERT ON receipts BEGIN SELECT RAISE(ABORT, 'no'); END")
        )
    ada.app.testing = False
    ada.app.config["PROPAGATE_EXCEPTIONS"] = False
    page.answers("yes", status=500)
    with house.main.transaction() as session:
        session.execute(text("DROP TRIGGER no_receipt"))
        assert session.execute(text("SELECT count(*) FROM grants")).scalar_one() == 0
    assert query(page.allows())["code"]


def test_receipts_are_hers_alone_and_behind_the_lock(ada: Ada, bookshop: Bookshop) -> None:
    grant = lets_three(ada, bookshop)
    (only,) = receipts_of(ada, grant)
    for path in ("", "/receipt.jwt", "/kantara.json", "/screen.html"):
        assert "/unlock" in ada.app.test_client().get(f"/receipts/{only}{path}").headers["Location"]
        ada.looks_at(f"/receipts/{'0' * 32}{path}", status=404)
    ada.looks_at("/receipts/nonsense", status=404)


def test_the_export_holds_every_receipt(ada: Ada, bookshop: Bookshop) -> None:
    from vault.export import export

    grant = lets_three(ada, bookshop)
    ada.presses(f"/sharing/{grant}/stop")
    held = json.loads(b"".join(export(ada.open)))["consent"]["receipts"]
    assert held == [signed(ada, each) for each in receipts_of(ada, grant)]
