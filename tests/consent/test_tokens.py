"""Codes into tokens and tokens into tokens, without a request around them: who wins, what is bound, what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from sqlalchemy import select, update

from connectors.vendor_client import new_key
from connectors.vendor_client.proofs import s256
from consent import grants, tokens
from consent.details import read_details
from consent.grant_locks import ACCESS_LIFE
from consent.models import Grant, GrantLock
from consent.oauth.endpoints import engine
from consent.oauth.metadata import TOKEN
from consent.terms import Terms
from consent.tokens import Credential
from tests.conftest import PASSPHRASE
from tests.consent.racing import Rising
from tests.people import ISSUER, PURCHASES, VERIFIER, Bookshop, details, household
from vault import crypto, store
from vault.days import DAY
from vault.keyring import Keyring

Rows = list[tuple[str, int, int | None]]


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str, Keyring], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    home, _, keyring = furnished
    with household(home, tmp_path_factory.mktemp("tokens") / "house", PASSPHRASE, keyring) as found:
        yield found


@pytest.fixture(scope="module")
def other(shop: Bookshop) -> Iterator[Bookshop]:
    """Another client of hers."""
    other = Bookshop("Kettle Lane Coffee", "coffee")
    other.open()
    other.visits(shop.ada)
    yield other
    other.close()


@pytest.fixture(scope="module")
def bystander(other: Bookshop) -> Iterator[bytes]:
    """The other one's grant, which nothing here may touch; it was given first."""
    held = opened(other, given(other), "code")
    exchanged(other, held)
    before = locks(other, held.found.grant_id)
    yield held.found.grant_id
    assert locks(other, held.found.grant_id) == before


@pytest.fixture(autouse=True)
def at_the_same_hour(shop: Bookshop) -> Iterator[None]:
    """However much time passes in a test, the next one begins when this one did."""
    clock: Any = shop.ada.house.clock
    began = clock.now
    yield
    clock.now = began


@pytest.fixture
def code(shop: Bookshop, bystander: bytes) -> Credential:
    """A fresh code, opened."""
    return opened(shop, given(shop), "code")


def given(shop: Bookshop, jkt: str = "") -> str:
    """A code as her consent makes it; how she gives that is not tried here."""
    house, vault, now = shop.ada.house, shop.ada.vault, shop.ada.house.now
    items = tuple(item.whole() for item in read_details(details(PURCHASES)).items)
    log_key = crypto.random_bytes()
    terms = Terms(shop.client_id, shop.name, shop.ada.bookshop_number, None, now, now + 30 * DAY, log_key, items)
    bound = {"client": shop.client_id, "redirect": shop.redirect_uri, "challenge": s256(VERIFIER), "jkt": jkt}
    grant, key = crypto.random_bytes(16), crypto.random_bytes()
    pepper = house.keystore.make(vault.owner_id, grant, "grant", version=grants.FIRST_VERSION)
    with store.writing(vault, numbers=1) as turn:
        return grants.give(turn, vault, grants.NewGrant(grant, key, pepper), terms, [], bound).code


def locks(shop: Bookshop, grant: bytes) -> Rows:
    """The locks of a grant: kind, end, and when it was used."""
    with shop.ada.house.main.reading() as session:
        chosen = select(GrantLock.kind, GrantLock.expires_at, GrantLock.used_at).where(GrantLock.grant_id == grant)
        return sorted((row[0], row[1], row[2]) for row in session.execute(chosen))


def kinds(shop: Bookshop, grant: bytes) -> list[str]:
    return [kind for kind, *_ in locks(shop, grant)]


def exchanged(shop: Bookshop, code: Credential) -> dict[str, Any]:
    answer = tokens.exchange(shop.ada.house, code, jkt="thumbprint")
    assert answer is not None
    return answer


def opened(shop: Bookshop, string: str, kind: Any = "refresh") -> Credential:
    found = tokens.open_credential(shop.ada.house, string, kind)
    assert found is not None
    return found


def state(shop: Bookshop, grant: bytes) -> tuple[str, str | None]:
    with shop.ada.house.main.reading() as session:
        row = session.execute(select(Grant.state, Grant.cause).where(Grant.grant_id == grant)).one()
        return row[0], row[1]


def called(shop: Bookshop, key: Any = None, **form: str | None) -> Any:
    """A call of the token endpoint, and the engine that is to answer it; members given as None are left out."""
    with shop.ada.app.app_context():
        made = engine()
    sent = {name: value for name, value in form.items() if value is not None}
    return made, {**shop.asserts(), **sent}, shop.proves("POST", ISSUER + TOKEN, key=key)


def told(shop: Bookshop, key: Any = None, **form: str | None) -> tuple[int, dict[str, Any]]:
    """Its status and its content."""
    made, sent, proof = called(shop, key, **form)
    answer = made.token(sent, proof, "")
    return answer.status, orjson.loads(answer.body)


def found_good(shop: Bookshop, **form: str) -> Any:
    """A call that has been checked, and has nothing left to do but what it was made for."""
    made, sent, proof = called(shop, **form)
    call = made.get_token_grant(made.message(TOKEN, sent, dpop=proof))
    call.validate_token_request()
    return call


def redeeming(shop: Bookshop, code: Credential) -> dict[str, str]:
    """The form that exchanges a code."""
    string = code.found.string.text(shop.ada.house.keys.route)
    same = {"redirect_uri": shop.redirect_uri, "code_verifier": VERIFIER}
    return {"grant_type": "authorization_code", "code": string, **same}


def test_of_two_that_were_both_found_good_one_exchanges_the_code_and_the_other_ends_the_grant(
    shop: Bookshop, code: Credential
) -> None:
    """N32, without a race."""
    one, other = (found_good(shop, **redeeming(shop, code)) for _ in range(2))
    status, answer, headers = one.create_token_response()
    assert (status, ("Cache-Control", "no-store") in headers) == (200, True)
    assert opened(shop, answer["access_token"], "access")
    with pytest.raises(InvalidGrantError):
        other.create_token_response()
    assert tokens.open_credential(shop.ada.house, answer["access_token"], "access") is None


def test_a_refresh_that_was_found_good_brings_nothing_once_its_token_was_dropped(
    shop: Bookshop, code: Credential
) -> None:
    string = exchanged(shop, code)["refresh_token"]
    one, other = (found_good(shop, grant_type="refresh_token", refresh_token=string) for _ in range(2))
    assert one.create_token_response()[0] == 200
    tokens.drop(shop.ada.house, string, shop.client_id)
    with pytest.raises(InvalidGrantError):
        other.create_token_response()


def test_a_code_goes_with_its_client_its_verifier_and_its_redirect_and_a_wrong_try_burns_nothing(
    shop: Bookshop, other: Bookshop, code: Credential
) -> None:
    """N29, N30, N33, N35"""
    form = redeeming(shop, code)
    for changed, error in (
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": f"{shop.redirect_uri}/"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"code": form["code"][:-1]}, "invalid_grant"),
    ):
        status, answer = told(shop, **{**form, **changed})
        assert (status, answer["error"]) == (400, error), changed
    assert told(other, **form)[1]["error"] == "invalid_grant"
    status, answer = told(shop, **form)
    assert (status, answer["token_type"]) == (200, "DPoP")


def test_a_code_goes_with_the_key_that_was_named_when_it_was_asked_for(shop: Bookshop, bystander: bytes) -> None:
    """N62; where none was named, the first proof names it."""
    key = new_key()
    code = opened(shop, given(shop, key.thumbprint()), "code")
    refused = told(shop, **redeeming(shop, code))
    assert (refused[0], refused[1]["error"]) == (400, "invalid_dpop_proof")
    for bound_to in (code, opened(shop, given(shop), "code")):
        status, answer = told(shop, key, **redeeming(shop, bound_to))
        assert status == 200
        assert opened(shop, answer["access_token"], "access").opened.bound["jkt"] == key.thumbprint()


def test_whoever_comes_with_a_spent_code_ends_the_grant(shop: Bookshop, other: Bookshop, code: Credential) -> None:
    """N31"""
    access = told(shop, **redeeming(shop, code))[1]["access_token"]
    assert opened(shop, access, "access")
    assert told(other, **redeeming(shop, code))[1]["error"] == "invalid_grant"
    assert tokens.open_credential(shop.ada.house, access, "access") is None
    assert state(shop, code.found.grant_id) == ("ended", "replay")


def test_a_refresh_is_for_its_client_and_widens_nothing(shop: Bookshop, other: Bookshop, code: Credential) -> None:
    """N63-N65"""
    form = {"grant_type": "refresh_token", "refresh_token": str(exchanged(shop, code)["refresh_token"])}
    assert told(other, **form)[1]["error"] == "invalid_grant"
    assert told(shop, **form, authorization_details=details(PURCHASES))[1]["error"] == "invalid_authorization_details"
    assert told(shop, **form, scope="openid")[1]["error"] == "invalid_scope"
    key = new_key()
    for more in ({}, {"scope": "vault"}):
        status, answer = told(shop, key, **form, **more)
        assert (status, "refresh_token" in answer) == (200, False)
        assert opened(shop, answer["access_token"], "access").opened.bound["jkt"] == key.thumbprint()


def test_a_code_becomes_tokens_bound_to_client_and_key(shop: Bookshop, code: Credential) -> None:
    now, grant = shop.ada.house.now, code.found.grant_id
    until = now + 30 * DAY
    answer = exchanged(shop, code)
    assert {name: value for name, value in answer.items() if "token" not in name} == {
        "expires_in": ACCESS_LIFE,
        "authorization_details": answer["authorization_details"],
        "grant_id": grant.hex(),
    }
    assert answer["token_type"] == "DPoP"
    assert [each["collection"] for each in answer["authorization_details"]] == ["purchases"]
    assert [row for row in locks(shop, grant) if row[0] != "link"] == [
        ("access", now + ACCESS_LIFE, None),
        ("code", now + ACCESS_LIFE, now),
        ("refresh", until, None),
    ]
    access = opened(shop, answer["access_token"], "access")
    assert access.opened.bound == {"client": shop.client_id, "jkt": "thumbprint"}
    refresh = opened(shop, answer["refresh_token"])
    assert refresh.opened.bound == {"client": shop.client_id}
    assert access.opened.key == refresh.opened.key == code.opened.key
    assert access.client_id == refresh.client_id == code.client_id == shop.client_id
    assert (code.spent, access.spent) == (False, False)
    assert repr(code.pepper) not in repr(code)


def test_a_code_is_spent_once_and_twice_is_a_theft(shop: Bookshop, code: Credential) -> None:
    string = code.found.string.text(shop.ada.house.keys.route)
    exchanged(shop, code)
    again = opened(shop, string, "code")
    assert (again.spent, again.client_id) == (True, "")
    assert tokens.exchange(shop.ada.house, code, jkt="thumbprint") is None
    assert state(shop, code.found.grant_id) == ("ended", "replay")
    assert kinds(shop, code.found.grant_id) == []
    assert tokens.open_credential(shop.ada.house, string, "code") is None


def test_of_a_grant_that_ended_meanwhile_no_code_and_no_token_is_exchanged(shop: Bookshop, code: Credential) -> None:
    answer = exchanged(shop, code)
    refresh = opened(shop, answer["refresh_token"])
    with shop.ada.house.main.transaction() as session:
        session.execute(update(Grant).where(Grant.grant_id == code.found.grant_id).values(state="ended"))
        session.execute(update(GrantLock).where(GrantLock.grant_id == code.found.grant_id).values(used_at=None))
    assert tokens.refresh(shop.ada.house, refresh, jkt="another") is None
    assert tokens.open_credential(shop.ada.house, answer["refresh_token"], "refresh") is None
    assert tokens.exchange(shop.ada.house, code, jkt="thumbprint") is None


def test_a_refresh_brings_one_access_token_for_the_key_that_asks(shop: Bookshop, code: Credential) -> None:
    first = exchanged(shop, code)
    shop.ada.house.clock.passes(seconds=ACCESS_LIFE - 1)  # type: ignore[attr-defined]
    second = tokens.refresh(shop.ada.house, opened(shop, first["refresh_token"]), jkt="another")
    assert second is not None
    assert second.keys() == first.keys() - {"refresh_token"}
    assert opened(shop, second["access_token"], "access").opened.bound["jkt"] == "another"
    assert kinds(shop, code.found.grant_id).count("access") == 2, "the first one has a second left"
    shop.ada.house.clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert tokens.open_credential(shop.ada.house, first["access_token"], "access") is None
    tokens.refresh(shop.ada.house, opened(shop, first["refresh_token"]), jkt="another")
    assert kinds(shop, code.found.grant_id).count("access") == 2, "the first one is swept away"


def test_the_last_tokens_end_with_the_grant(shop: Bookshop, code: Credential) -> None:
    refresh = opened(shop, exchanged(shop, code)["refresh_token"])
    shop.ada.house.clock.passes(seconds=refresh.found.expires_at - shop.ada.house.now - 7)  # type: ignore[attr-defined]
    last = tokens.refresh(shop.ada.house, refresh, jkt="another")
    assert last is not None
    assert last["expires_in"] == 7
    assert opened(shop, last["access_token"], "access").found.expires_at == refresh.found.expires_at
    shop.ada.house.clock.passes(seconds=7)  # type: ignore[attr-defined]
    assert tokens.refresh(shop.ada.house, refresh, jkt="another") is None


def test_a_token_that_was_dropped_brings_nothing_while_the_grant_goes_on(shop: Bookshop, code: Credential) -> None:
    grant, answer = code.found.grant_id, exchanged(shop, code)
    refresh = opened(shop, answer["refresh_token"])
    other = tokens.refresh(shop.ada.house, refresh, jkt="another")
    assert other is not None
    tokens.drop(shop.ada.house, answer["access_token"], "https://other.example/client")
    tokens.drop(shop.ada.house, answer["refresh_token"], "https://other.example/client")
    tokens.drop(shop.ada.house, "no token at all", shop.client_id)
    assert kinds(shop, grant) == ["access", "access", "code", "link", "refresh"]
    tokens.drop(shop.ada.house, answer["access_token"], shop.client_id)
    assert kinds(shop, grant) == ["access", "code", "link", "refresh"]
    assert opened(shop, other["access_token"], "access")
    tokens.drop(shop.ada.house, answer["refresh_token"], shop.client_id)
    assert kinds(shop, grant) == ["code", "link"]
    assert state(shop, grant) == ("live", None)
    assert tokens.refresh(shop.ada.house, refresh, jkt="another") is None


def test_a_code_is_good_for_a_minute_and_for_nothing_else(shop: Bookshop, bystander: bytes) -> None:
    string = given(shop)
    for kind in ("access", "refresh", "link"):
        assert tokens.open_credential(shop.ada.house, string, kind) is None  # type: ignore[arg-type]
    shop.ada.house.clock.passes(seconds=59)  # type: ignore[attr-defined]
    assert opened(shop, string, "code")
    shop.ada.house.clock.passes(seconds=1)  # type: ignore[attr-defined]
    assert tokens.open_credential(shop.ada.house, string, "code") is None


def test_a_code_opens_by_its_own_secret_and_as_long_as_the_keystore_knows_its_grant(
    shop: Bookshop, code: Credential
) -> None:
    house, mine = shop.ada.house, code.found.string
    guess = replace(mine, secret=crypto.random_bytes()).text(house.keys.route)
    assert tokens.open_credential(house, guess, "code") is None
    assert opened(shop, mine.text(house.keys.route), "code")
    house.keystore.take(mine.owner_id, code.found.grant_id)
    assert tokens.open_credential(house, mine.text(house.keys.route), "code") is None


def test_a_token_is_looked_at_again_when_an_old_copy_was_found_meanwhile(shop: Bookshop, code: Credential) -> None:
    """Her floor stands above what main holds: an old copy was put back. It is lifted, and the token read anew."""
    house, string = shop.ada.house, code.found.string.text(shop.ada.house.keys.route)
    house.keystore.raise_floor(shop.ada.owner_id, house.keystore.floor(shop.ada.owner_id) + 1000)
    again = opened(shop, string, "code")
    assert again.found.revision == house.keystore.floor(shop.ada.owner_id) > code.found.revision
    assert again.found.grant_id == code.found.grant_id


def test_a_token_that_moves_each_time_it_is_looked_at_opens_nothing(shop: Bookshop, code: Credential) -> None:
    house, string = shop.ada.house, code.found.string.text(shop.ada.house.keys.route)
    rising = Rising(house.keystore.database)
    assert tokens.open_credential(replace(house, keystore=rising), string, "code") is None
    assert rising.looks == 5
    assert opened(shop, string, "code")
