"""The keys a client signs with: which kinds, where from, how long they are believed, and when they are not any more."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from flask import Response, jsonify
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from connectors.vendor_client import new_key
from consent import clients
from consent.clients import BadClient, read_document
from tests.people import Ada, Bookshop, query

# FAPI 2.0 names the algorithm EdDSA; joserfc would rather hear its newer name, Ed25519, and says so each time.
RFC9864 = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


class KeyedShop(Bookshop):
    """A vendor whose key set stands where a test says, holds what a test says, and counts who came for it."""

    def __init__(self) -> None:
        super().__init__("Keyed", "keyed")
        self.app.add_url_rule("/keys.json", view_func=self._serve_keys)

    def begins(self, ada: Ada) -> None:
        """Deal with Ada's vault, with a key it has never seen."""
        self.key, self.alg, self.proving, self.fetched = new_key(), "ES256", new_key(), 0
        self.keys: list[dict[str, Any]] = [public(self.key)]
        self.told: dict[str, Any] = {}
        self.client_id = f"{self.address}/client.json"
        self.visits(ada)

    def _serve_keys(self) -> Response:
        self.fetched += 1
        return jsonify(keys=self.keys)

    @property
    def jwks_uri(self) -> str:
        """On another host than the document."""
        return f"http://keys.localhost:{self.web.port}/keys.json"

    def document(self) -> dict[str, Any]:
        names = {"client_id": self.client_id, "client_name": self.name, "redirect_uris": [self.redirect_uri]}
        return {**names, **(self.told or {"jwks_uri": self.jwks_uri})}

    def asserts(self, *, key: Any = None, alg: str | None = None, **claims: Any) -> dict[str, str]:
        return super().asserts(key=key, alg=alg or self.alg, **claims)

    def proves(self, method: str, url: str, *, token: str | None = None, key: ECKey | None = None, **more: Any) -> str:
        return super().proves(method, url, token=token, key=key or self.proving, **more)

    def turns_over(self, key: Any, *, keeps: bool = False) -> Any:
        """Sign with another key from now on; returns the old one."""
        old, self.key = self.key, key
        self.keys = [public(key), *(self.keys if keeps else [])]
        return old


@pytest.fixture(scope="module")
def front() -> Iterator[KeyedShop]:
    """Its web server."""
    front = KeyedShop()
    front.open()
    yield front
    front.close()


@pytest.fixture
def shop(front: KeyedShop, ada: Ada) -> KeyedShop:
    """That vendor, at Ada's door."""
    front.begins(ada)
    return front


def public(key: Any, **more: Any) -> dict[str, Any]:
    """A key as it stands in a key set."""
    return {**key.as_dict(private=False), "kid": key.thumbprint(), **more}


@cache
def a_key(kind: str) -> Any:
    """Made when a test needs it, and once: an RSA key takes its time."""
    made_as, _, size = kind.partition(" ")
    makes = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey, "oct": OctKey}[made_as]
    return makes.generate_key(int(size) if size.isdigit() else size)


def pushes(shop: Bookshop, key: Any) -> httpx.Response:
    """A good request, signed with a chosen key under its own kid."""
    kept, shop.key = shop.key, key
    try:
        return shop.pushes()
    finally:
        shop.key = kept


def refused(answer: httpx.Response) -> bool:
    """401 and the one error of a client that did not prove who it is."""
    return (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@RFC9864
@pytest.mark.parametrize(
    ("key", "alg"),
    [
        ("EC P-256", "ES256"),
        ("OKP Ed25519", "EdDSA"),
        ("OKP Ed25519", "Ed25519"),
        ("RSA 2048", "PS256"),
        ("RSA 4096", "PS256"),
    ],
    ids=["P-256", "EdDSA", "Ed25519", "RSA", "a long RSA"],
)
def test_every_accepted_kind_of_key_goes_the_whole_way(ada: Ada, shop: KeyedShop, key: str, alg: str) -> None:
    """FAPI 2.0 §5.4.1: pushed, exchanged, read, refreshed and dropped, with keys from another host."""
    shop.turns_over(a_key(key))
    shop.alg = alg
    code = query(ada.sees_consent(shop.consent_address()).allows())["code"]
    held = shop.redeems(code).json()
    assert shop.looks("/vendor/v1/purchases", held["access_token"]).status_code == 200
    fresh = shop.refreshes(held["refresh_token"]).json()["access_token"]
    assert shop.posts("/oauth/revoke", {"token": fresh}).status_code == 200
    assert shop.looks("/vendor/v1/purchases", fresh).status_code == 401
    assert shop.fetched == 1


@pytest.mark.parametrize(
    ("key", "alg", "more"),
    [
        ("EC P-256", "ES256", {"use": "enc"}),
        ("EC P-256", "ES256", {"use": "enc", "key_ops": ["deriveKey"]}),
        ("EC P-256", "ES256", {"key_ops": ["sign"]}),
        ("EC P-256", "ES256", {"key_ops": []}),
        ("EC P-256", "ES256", {"alg": "ES384"}),
        ("EC P-256", "ES256", {"alg": "ECDH-ES"}),
        ("EC P-256", "ES256", {"alg": "HS256"}),
        ("RSA 2048", "PS256", {"alg": "RS256"}),
        ("RSA 2048", "PS256", {"use": "enc"}),
        ("RSA 2048", "RS256", {}),
        ("RSA 2048", "RS256", {"alg": "RS256"}),
        ("EC P-384", "ES384", {}),
        ("oct 256", "HS256", {}),
    ],
)
def test_a_key_that_is_for_something_else_verifies_nothing(
    shop: KeyedShop, key: str, alg: str, more: dict[str, Any]
) -> None:
    """RFC 7517 §4.2-4.4; RFC 8725 §3.1: beside a good one, so that the set is taken."""
    good, other = shop.key, a_key(key)
    shop.keys = [public(other, **more), public(good)]
    shop.key, shop.alg = other, alg
    assert refused(shop.pushes())
    shop.key, shop.alg = good, "ES256"
    assert shop.pushes().status_code == 201


def number(value: int) -> str:
    """A number in base64url (RFC 7518 §2)."""
    return urlsafe_b64encode(value.to_bytes(max(1, (value.bit_length() + 7) // 8))).rstrip(b"=").decode()


MODULUS = 2**2047 + 2**1024 + 1


@pytest.mark.parametrize(
    "odd",
    [
        {"n": number(2**2046 + 1)},
        {"n": number(2**2040 + 1)},
        {"n": number(2**1023 + 1)},
        {"n": "A" * 300 + number(2**1023 + 1)},
        {"n": "!" * 300 + number(2**1023 + 1)},
        {"n": number(2**8192 + 1)},
        {"n": "é" * 400},
        {"n": [number(MODULUS)]},
        {"n": None},
        {"e": number(0)},
        {"e": number(1)},
        {"e": number(3)},
        {"e": number(2**16 - 1)},
        {"e": number(2**16)},
        {"e": number(2**17)},
        {"e": number(2**256 + 1)},
        {"e": number(MODULUS - 2)},
        {"e": number(MODULUS + 2)},
        {"e": ""},
        {"e": 65537},
        {"e": None},
    ],
    ids=lambda odd: f"{next(iter(odd))} {str(next(iter(odd.values())))[:12]}",
)
def test_an_rsa_key_is_of_a_usual_size_with_a_usual_exponent(shop: KeyedShop, odd: dict[str, Any]) -> None:
    """FAPI 2.0 §5.4.1: 2048 bits, counted and not guessed from the text; FIPS 186-5 §A.1.1: 2^16 < e < 2^256."""
    plain = {"kty": "RSA", "n": number(MODULUS), "e": "AQAB"}
    document = {**shop.document(), "jwks_uri": None}
    assert read_document(shop.ada.house, shop.client_id, {**document, "jwks": {"keys": [plain]}})
    with pytest.raises(BadClient):
        read_document(shop.ada.house, shop.client_id, {**document, "jwks": {"keys": [{**plain, **odd}]}})


def test_keys_are_kept_a_day_and_then_looked_for_again(ada: Ada, shop: KeyedShop) -> None:
    """Design §6: a key that was withdrawn is good for a day at most, without anybody having to say so."""
    assert shop.pushes().status_code == 201
    old = shop.turns_over(new_key())
    ada.house.clock.passes(hours=23, minutes=59, seconds=59)  # type: ignore[attr-defined]
    assert pushes(shop, old).status_code == 201
    assert shop.fetched == 1
    ada.house.clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert refused(pushes(shop, old))
    assert shop.pushes().status_code == 201
    assert shop.fetched == 2, "the old key had it looked for once, and the new one found it"


def test_a_withdrawn_key_is_nothing_as_soon_as_the_new_one_is_used(ada: Ada, shop: KeyedShop) -> None:
    """Design §6: an unknown kid has the keys looked for, once a minute; what is not there any more is forgotten."""
    assert shop.pushes().status_code == 201
    old = shop.turns_over(new_key())
    ada.house.clock.passes(seconds=59)  # type: ignore[attr-defined]
    assert refused(shop.pushes())
    assert pushes(shop, old).status_code == 201
    ada.house.clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert shop.pushes().status_code == 201
    assert refused(pushes(shop, old))
    assert shop.fetched == 2


def test_while_both_keys_stand_there_both_are_good(ada: Ada, shop: KeyedShop) -> None:
    """So that a vendor turns its key over without a gap."""
    assert shop.pushes().status_code == 201
    old = shop.turns_over(new_key(), keeps=True)
    ada.house.clock.passes(minutes=1)  # type: ignore[attr-defined]
    assert shop.pushes().status_code == 201
    assert pushes(shop, old).status_code == 201


def test_a_stranger_who_names_unknown_keys_neither_hammers_the_vendor_nor_shuts_it_out(
    ada: Ada, shop: KeyedShop
) -> None:
    """N48, N112: also while the vendor cannot be reached, what is known of it stays known for its day."""
    assert shop.pushes().status_code == 201
    ada.house.clock.passes(minutes=1)  # type: ignore[attr-defined]
    assert {pushes(shop, new_key()).status_code for _ in range(20)} == {401}
    assert shop.fetched == 2
    good, shop.keys = shop.keys, []
    ada.house.clock.passes(minutes=1)  # type: ignore[attr-defined]
    assert {pushes(shop, new_key()).status_code for _ in range(5)} == {401}
    assert shop.pushes().status_code == 201
    shop.keys = good


def test_a_failure_to_get_the_keys_is_not_kept(shop: KeyedShop) -> None:
    """Draft §4 (caching): as soon as they can be had, the vendor is known."""
    good = shop.keys
    for bad in ([], [{"kty": "RSA"}], [public(OctKey.generate_key(256))]):
        shop.keys = bad
        assert refused(shop.pushes())
    shop.keys = good
    assert shop.pushes().status_code == 201


def test_a_vendor_that_has_gone_can_do_nothing_new_after_a_day(ada: Ada) -> None:
    """Draft §4: what cannot be had any more is believed no longer than it was fresh. She still sees and stops it."""
    shop = KeyedShop()
    shop.open()
    shop.begins(ada)
    held = shop.tokens()
    grant = held["grant_id"]
    shop.close()
    ada.house.clock.passes(hours=23, minutes=59)  # type: ignore[attr-defined]
    fresh = shop.refreshes(held["refresh_token"]).json()["access_token"]
    ada.house.clock.passes(minutes=1)  # type: ignore[attr-defined]
    assert refused(shop.refreshes(held["refresh_token"]))
    assert refused(shop.pushes())
    assert shop.looks("/vendor/v1/purchases", fresh).status_code == 200, "until its ten minutes are over"
    ada.unlocks()
    assert grant in ada.looks_at("/sharing")
    ada.presses(f"/sharing/{grant}/stop")
    assert shop.looks("/vendor/v1/purchases", fresh).status_code == 401


def test_a_key_set_stands_in_one_place_and_each_kid_for_one_key(shop: KeyedShop) -> None:
    """RFC 7591 §2: `jwks` and `jwks_uri` exclude each other; RFC 7517 §4.5: which key is meant must be plain."""
    keys = {"keys": [public(shop.key)]}
    shop.told = {"jwks": keys, "jwks_uri": shop.jwks_uri}
    assert "cannot both" in shop.pushes().json()["error_description"]
    twice = {**public(new_key()), "kid": shop.key.thumbprint()}
    shop.told = {"jwks": {"keys": [public(shop.key), twice]}}
    assert "same kid" in shop.pushes().json()["error_description"]
    shop.told = {"jwks": keys}
    assert shop.pushes().status_code == 201
    assert shop.fetched == 0


@pytest.mark.parametrize("kid", [["x"], {"a": 1}, 7, None, True])
def test_a_kid_is_a_text(shop: KeyedShop, kid: Any) -> None:
    """RFC 7517 §4.5: and anything else makes nothing stumble."""
    shop.keys = [{**public(shop.key), "kid": kid}]
    assert refused(shop.pushes())


def test_keys_without_a_kid_are_found_by_their_thumbprint(ada: Ada, shop: KeyedShop) -> None:
    """RFC 7638: among others, and without looking for them each minute."""
    shop.keys = [{name: value for name, value in public(key).items() if name != "kid"} for key in (new_key(), shop.key)]
    assert shop.pushes().status_code == 201
    ada.house.clock.passes(minutes=2)  # type: ignore[attr-defined]
    assert shop.pushes().status_code == 201
    assert shop.fetched == 1


def test_a_client_entered_by_hand_brings_its_keys_along(ada: Ada, shop: KeyedShop) -> None:
    """A set fetched once and never again would keep a withdrawn key good for ever."""
    by_hand = {**shop.document(), "client_id": "corner-shop"}
    with pytest.raises(BadClient, match="entered with it"):
        clients.register(ada.house, by_hand)
    del by_hand["jwks_uri"]
    shop.client_id = "corner-shop"
    clients.register(ada.house, {**by_hand, "jwks": {"keys": shop.keys}})
    assert shop.pushes().status_code == 201
    assert shop.fetched == 0


def test_what_is_kept_of_a_client_cannot_be_kept_longer(ada: Ada, shop: KeyedShop) -> None:
    """A thief with the database who moves the day back keeps no withdrawn key alive: the day is in the box."""
    from sqlalchemy import text

    assert shop.pushes().status_code == 201
    old = shop.turns_over(new_key())
    with ada.house.main.transaction() as session:
        session.execute(text("UPDATE clients SET fresh_until = fresh_until + 86400"))
    ada.house.clock.passes(hours=24)  # type: ignore[attr-defined]
    assert refused(pushes(shop, old))
    assert shop.pushes().status_code == 201
