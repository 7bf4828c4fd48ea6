"""A client library that nobody here wrote, unmodified, over real sockets: from discovery to the dropped token."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask, jsonify
from jwskate import Jwk
from requests_oauth2client import (
    AuthorizationResponseError,
    DPoPKey,
    DPoPToken,
    InvalidGrant,
    MismatchingIssuer,
    MissingDPoPNonce,
    OAuth2Client,
    PrivateKeyJwt,
)

from connectors.demo_shop.serving import LoopbackServer
from tests.conftest import PASSPHRASE
from tests.houses import copy_house, settings_in
from tests.people import PURCHASES, Ada
from vault.app import create_app, load_rooms
from vault.server import start


@dataclass(frozen=True)
class World:
    """A vault on a port of its own, a client on another, and Ada's browser."""

    ada: Ada
    vault: str
    client: OAuth2Client
    browser: requests.Session

    def decides(self, address: str, answer: str) -> str:
        """Ada looks at the consent screen and presses a button; returns where she is sent."""
        page = self.browser.get(f"{address}&look=again", timeout=10)
        assert page.status_code == 200, page.text
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        form = {**{name: unescape(value) for name, value in found}, "answer": answer, "days": "30"}
        sent = self.browser.post(
            f"{self.vault}/authorize",
            data=form,
            headers={"Origin": self.vault, "Sec-Fetch-Site": "same-origin"},
            allow_redirects=False,
            timeout=10,
        )
        assert sent.status_code == 303, sent.text
        return str(sent.headers["Location"])


@pytest.fixture(scope="module")
def world(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything up and running."""
    directory = tmp_path_factory.mktemp("third") / "house"
    copy_house(furnished[0], directory)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    issuer = f"http://localhost:{port}"
    house = start(settings_in(directory, issuer), load_rooms())
    ada = Ada(house, PASSPHRASE)
    ada.buys("The Salt Almanac")
    vault = LoopbackServer(create_app(house), port)
    vault.start()
    key = Jwk.generate(alg="ES256").with_kid_thumbprint()
    site, document = Flask("third-party"), {}
    site.add_url_rule("/client.json", view_func=lambda: jsonify(document))
    served = LoopbackServer(site, 0)
    served.start()
    home = f"http://third.localhost:{served.port}"
    document |= {
        "client_id": f"{home}/client.json",
        "client_name": "Third party",
        "redirect_uris": [f"{home}/callback"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [dict(key.public_jwk())]},
    }
    # `testing` lets it speak plain http, which is right on this machine only; nothing else is told to it.
    client = OAuth2Client.from_discovery_endpoint(
        f"{issuer}/.well-known/oauth-authorization-server",
        issuer=issuer,
        auth=PrivateKeyJwt(f"{home}/client.json", key),
        redirect_uri=f"{home}/callback",
        dpop_bound_access_tokens=True,
        testing=True,
    )
    browser = requests.Session()
    browser.headers["Cookie"] = f"vault={ada.session}"
    try:
        yield World(ada, issuer, client, browser)
    finally:
        browser.close()
        client.session.close()
        vault.stop()
        served.stop()
        house.stop()


def looks(address: str, token: Any) -> int:
    """The status of a look. The library takes every 401 for a wish for a nonce, and says that it found none."""
    try:
        return requests.get(address, auth=token, timeout=10).status_code
    except MissingDPoPNonce as refused:
        return int(refused.response.status_code)


def allowed(world: World) -> Any:
    """A token, because she has allowed such a request."""
    request = asks(world)
    pushed = world.client.pushed_authorization_request(request)
    answer = request.validate_callback(world.decides(str(pushed.uri), "yes"))
    return world.client.authorization_code(answer)


def asks(world: World) -> Any:
    """An authorization request in the library's own words."""
    details = json.dumps([{**PURCHASES, "filter": {"since": "2025-01-01"}}])
    return world.client.authorization_request(scope=None, authorization_details=details)


def test_the_whole_way_with_somebody_elses_client(world: World) -> None:
    """PAR, RAR, PKCE, DPoP, `private_key_jwt`, `iss`, refresh and RFC 7009, none of them spelt out by us."""
    client, token = world.client, allowed(world)
    assert isinstance(token, DPoPToken)
    assert token.authorization_details[0]["fields"] == ["item", "bought_on"]
    seen = requests.get(f"{world.vault}/vendor/v1/purchases", auth=token, timeout=10)
    assert [each["data"]["item"] for each in seen.json()["items"]] == ["The Salt Almanac"]
    fresh = client.refresh_token(token)
    assert fresh.access_token != token.access_token
    assert requests.get(f"{world.vault}/vendor/v1/grant", auth=fresh, timeout=10).json()["status"] == "live"
    assert client.revoke_access_token(fresh.access_token)
    assert looks(f"{world.vault}/vendor/v1/grant", fresh) == 401
    assert looks(f"{world.vault}/vendor/v1/grant", token) == 200
    assert client.revoke_refresh_token(token.refresh_token)
    assert looks(f"{world.vault}/vendor/v1/grant", token) == 401
    with pytest.raises(InvalidGrant):
        client.refresh_token(token)


def test_it_understands_her_no(world: World) -> None:
    """And believes no other vault's answer (N24)."""
    request = asks(world)
    location = world.decides(str(world.client.pushed_authorization_request(request).uri), "no")
    with pytest.raises(AuthorizationResponseError) as refused:
        request.validate_callback(location)
    assert refused.value.error == "access_denied"
    request = asks(world)
    location = world.decides(str(world.client.pushed_authorization_request(request).uri), "yes")
    with pytest.raises(MismatchingIssuer):
        request.validate_callback(location.replace("iss=http%3A%2F%2Flocalhost", "iss=http%3A%2F%2Felsewhere"))


def test_it_understands_that_she_stopped_it(world: World) -> None:
    """A pause and an end, as it sees them."""
    token = allowed(world)
    for what, status in (("pause", 403), ("resume", 200), ("stop", 401)):
        world.ada.presses(f"/sharing/{world.ada.grant()}/{what}")
        assert looks(f"{world.vault}/vendor/v1/purchases", token) == status
    with pytest.raises(InvalidGrant):
        world.client.refresh_token(token)


def test_a_token_it_lost_is_of_no_use_to_whoever_found_it(world: World) -> None:
    """The library's own bearer mode, and its own proof by another key (N56, N57)."""
    token = allowed(world)
    address = f"{world.vault}/vendor/v1/purchases"
    bearer = {"Authorization": f"Bearer {token.access_token}"}
    assert requests.get(address, headers=bearer, timeout=10).status_code == 401
    thief = DPoPToken(access_token=token.access_token, token_type="DPoP", _dpop_key=DPoPKey.generate())  # type: ignore[call-arg]
    assert looks(address, thief) == 401
    assert looks(address, token) == 200
