"""The OpenAPI document is true: Schemathesis tries every call it names, as a stranger and as a vendor with a grant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from consent import api
from consent.api import described
from consent.details import DEPOSITABLE, depositable, read_details
from consent.oauth import endpoints
from consent.problems import PROBLEMS, Code
from tests.conftest import PASSPHRASE
from tests.people import ISSUER, PURCHASES, RECEIPTS, TASTE, Bookshop, details, household

BRIEFLY = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
EVERYTHING = {**RECEIPTS, "fields": list(depositable("purchases")), "per_day": 200}
NOTES = {**RECEIPTS, "collection": "notes", "fields": list(depositable("notes")), "per_day": 200}
# Well-formed calls are refused too, when her inbox is full, a key has stood for another deposit, or a note is long; and
# an `after` that fits no schema is one of another version: 410. Unknown parameters are passed over, as OAuth does.
CONFIG: dict[str, Any] = {
    "generation": {"allow-extra-parameters": False},
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", 304, 401, 403, 404, 410, 413, 422, 429]},
        "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 410, 413, 422]},
    },
}


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("openapi") / "house", PASSPHRASE) as bookshop:
        HOUSES.append(bookshop.ada.app)
        yield bookshop


@pytest.fixture(scope="module")
def token(shop: Bookshop) -> str:
    """An access token to what can be read and left."""
    for item in ("The Salt Almanac", "The Weathervane", "An Atlas"):
        shop.ada.buys(item, rating=4)
    asked = details(PURCHASES, {**TASTE, "optional": False}, EVERYTHING, NOTES)
    return str(shop.tokens("item-2", "item-3", authorization_details=asked)["access_token"])


def doorway(environ: Any, start_response: Any) -> Any:
    """Cases are made when tests are collected, before there is a vault: whatever comes goes to the one there is now."""
    return HOUSES[-1](environ, start_response)


HOUSES: list[Any] = []


def _tried(**including: str) -> Any:
    found = schemathesis.openapi.from_dict(described(ISSUER), config=SchemathesisConfig.from_dict(CONFIG))
    found.app = doorway
    return found.include(**including)


# /authorize is documented for completeness: it is a page of hers, with tests of its own.
STRANGER, VENDOR = _tried(path_regex="^/(vendor|oauth|[.]well-known)/"), _tried(path_regex="^/vendor/v1/")


@STRANGER.parametrize()
@BRIEFLY
def test_a_stranger_is_answered_as_documented(case: Any, shop: Bookshop) -> None:
    case.call_and_validate()


@VENDOR.parametrize()
@BRIEFLY
def test_a_vendor_is_answered_as_documented(case: Any, shop: Bookshop, token: str) -> None:
    proof = shop.proves(case.method, ISSUER + case.formatted_path, token=token)
    case.call_and_validate(headers={"Authorization": f"DPoP {token}", "DPoP": proof})


def test_a_vendor_is_shown_what_it_was_given(shop: Bookshop, token: str) -> None:
    """So that the answers above were not all refusals."""
    assert shop.looks("/vendor/v1/purchases", token).json()["items"]
    assert shop.looks("/vendor/v1/receipt", token).status_code == 200


def test_every_route_for_programs_is_in_the_document(shop: Bookshop) -> None:
    paths, found = described(ISSUER)["paths"], dict[str, set[str]]()
    for rule in shop.ada.app.url_map.iter_rules():
        if rule.endpoint.split(".")[0] == endpoints.pages.name:
            found[rule.rule] = set(rule.methods or ()) - {"HEAD", "OPTIONS"}
    for routes in api.ROUTES.values():
        for method, route in routes.items():
            for name in DEPOSITABLE if "/deposits/<collection>" in route.rule else api.COLLECTIONS:
                address = re.sub(r"<(\w+)>", r"{\1}", route.rule.replace("<collection>", name))
                found.setdefault(address, set()).add(method)
    assert {address: {method.upper() for method in paths[address]} for address in found} == found


def test_every_problem_is_documented_somewhere() -> None:
    text = repr(described(ISSUER)["paths"])
    assert set(PROBLEMS) == set(get_args(Code))
    assert not [code for code in PROBLEMS if f"'{code}'" not in text]


def test_it_is_found_from_the_well_known_documents(shop: Bookshop) -> None:
    found = shop.http.get("/.well-known/oauth-protected-resource").json()
    assert shop.http.get(found["vault_openapi"]).json() == described(ISSUER)
    assert found["authorization_details_types_supported"] == ["vault_data", "vault_deposit"]


def test_what_the_document_says_can_be_asked_can_be_asked() -> None:
    """The schema of a request is made from the one that reads it."""
    known = described(ISSUER)["components"]["schemas"]["vault_data"]
    assert set(PURCHASES) <= set(known["properties"])
    assert set(known["required"]) <= set(PURCHASES)
    assert read_details(details(PURCHASES)).items
