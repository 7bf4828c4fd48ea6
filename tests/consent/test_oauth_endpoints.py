"""The OAuth endpoints as addresses: what comes in over HTTP, what goes out, and what is said in trouble."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from consent.oauth import endpoints, metadata
from consent.oauth.messages import MOST_BYTES, Answer
from consent.signing import key_set
from tests.consent.test_oauth_engine import ASKED, proof, registered, signed
from tests.houses import embedded_only
from tests.people import ISSUER, Clock, house_in
from vault.app import create_app
from vault.server import Server

ENDPOINTS = (metadata.PAR, metadata.TOKEN, metadata.REVOKE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows one client."""
    made = house_in(tmp_path_factory.mktemp("endpoints") / "house", Clock())
    yield made
    made.stop()


@pytest.fixture(scope="module")
def door(server: Server) -> FlaskClient:
    """Whoever calls, a program without a cookie."""
    app = create_app(server)
    with app.app_context():
        registered(endpoints.engine())
        assert endpoints.engine() is endpoints.engine(), "what it keeps in mind is kept"
    return app.test_client()


def asking(door: FlaskClient) -> dict[str, str]:
    """A good request, signed anew."""
    with door.application.app_context():
        return {**signed(endpoints.engine()), **ASKED}


def proves(door: FlaskClient, path: str) -> str:
    with door.application.app_context():
        return proof(endpoints.engine(), path)


def told(answer: Any) -> tuple[int, dict[str, Any]]:
    """Status and content; JSON, and kept by nobody."""
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.json


def test_a_program_pushes_proves_and_drops_by_plain_forms(door: FlaskClient) -> None:
    shown = {"DPoP": proves(door, metadata.PAR)}
    status, pushed = told(door.post(metadata.PAR, data=asking(door), headers=shown))
    assert (status, pushed.keys()) == (201, {"request_uri", "expires_in"})
    again = told(door.post(metadata.PAR, data=asking(door), headers=shown))
    assert (again[0], again[1]["error"]) == (400, "invalid_dpop_proof")
    assert told(door.post(metadata.PAR, data=asking(door)))[0] == 201, "a proof may come later"
    assert told(door.post(metadata.REVOKE, data={**asking(door), "token": "x"})) == (200, {})
    for grant_type in ("refresh_token", "password"):
        assert told(door.post(metadata.TOKEN, data={**asking(door), "grant_type": grant_type}))[0] == 400


@pytest.mark.parametrize("path", ENDPOINTS)
def test_wherever_a_program_runs_its_signature_counts_and_not_what_a_browser_would_say(
    door: FlaskClient, path: str
) -> None:
    """There is no cookie here that another site could use; a runtime made for browsers says where it stands."""
    for said in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://shop.example"}):
        there = door.post(path, data={**asking(door), "token": "x", "grant_type": "refresh_token"}, headers=said)
        assert told(there)[0] != 403


def test_an_answer_that_leads_on_holds_nothing(door: FlaskClient) -> None:
    with door.application.test_request_context():
        sent = endpoints.answer(Answer(302, "", [("Location", "https://shop.example/back")]))
    assert (sent.status_code, sent.get_data(), sent.headers["Location"]) == (303, b"", "https://shop.example/back")
    assert sent.content_type != "application/json"


def test_two_proofs_are_as_bad_as_none(door: FlaskClient) -> None:
    """RFC 9449 §4.3-1"""
    two = [("DPoP", proves(door, metadata.PAR)) for _ in range(2)]
    status, refused = told(door.post(metadata.PAR, data=asking(door), headers=two))
    assert (status, refused["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_what_is_no_form_is_refused_before_anybody_asks_who_calls(door: FlaskClient, path: str) -> None:
    for options in (
        {"data": {"state": "x"}, "query_string": {"state": "x"}},
        {"data": {"state": "x"}, "headers": {"Authorization": "Basic eDp5"}},
        {"data": {"state": ["x", "again"]}},
        {"json": {"state": "x"}},
    ):
        status, refused = told(door.post(path, **options))
        assert (status, refused["error"]) == (400, "invalid_request"), options


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_form_that_is_too_large_is_not_read(door: FlaskClient, path: str) -> None:
    status, refused = told(door.post(path, data={"state": "x" * MOST_BYTES}))
    assert (status, refused["error"]) == (413, "invalid_request")
    assert "too large" in refused["error_description"]
    assert told(door.post(path, data={"state": "x" * (MOST_BYTES - 100)}))[0] < 413


def test_a_failure_that_nobody_foresaw_says_no_more_than_that(
    door: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles() -> str:
        raise RuntimeError("a secret value")

    for view in ("oauth.push", "oauth.token", "oauth.revoke"):
        monkeypatch.setitem(door.application.view_functions, view, stumbles)
    for path in ENDPOINTS:
        assert told(door.post(path, data=asking(door))) == (500, {"error": "server_error"})


@embedded_only
def test_on_a_full_disk_a_program_is_asked_to_come_back(server: Server, door: FlaskClient) -> None:
    def stays_small(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # never below what is there

    server.main.dispose()
    event.listen(server.main.engine, "connect", stays_small)
    for _ in range(100):
        full = door.post(metadata.PAR, data=asking(door))
        if full.status_code != 201:
            break
    assert told(full) == (503, {"error": "temporarily_unavailable"})
    assert full.headers["Retry-After"] == "60"
    event.remove(server.main.engine, "connect", stays_small)
    server.main.dispose()


def test_what_a_program_has_to_know_is_served_to_everybody(server: Server, door: FlaskClient) -> None:
    assert door.get(metadata.SERVER).json == metadata.authorization_server(ISSUER)
    assert door.get(metadata.RESOURCE).json == metadata.protected_resource(ISSUER)
    keys = door.get(metadata.KEYS)
    assert keys.content_type == "application/jwk-set+json"
    assert keys.json == key_set(server)
