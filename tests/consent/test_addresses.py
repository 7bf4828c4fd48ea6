"""Every address, asked by everybody who should not be there: the tables of addresses.py. Nothing leaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select
from werkzeug.routing import Rule

from connectors.vendor_client import new_key
from consent import api, grants, narrowing
from consent.disclosure import disclose
from consent.models import Receipt
from consent.terms import Terms, VaultData
from tests.conftest import PASSPHRASE
from tests.consent.addresses import DOOR, WRITTEN, a_record, allowed, canaries, canary, given, table
from tests.houses import copy_house
from tests.people import ISSUER, Ada, Bookshop, Clock, details, house_in, query
from tests.sampled import EVERYTHING, some, thinned
from tests.vault.test_tampering import brings_a_file
from vault import bearer, choices, sessions, set_up
from vault.export import fingerprint
from vault.keyring import Keyring
from vault.record import CLASSES
from vault.stored import Stored

WORDS = "a bridge, a heron, a bell"
HERS = ["purchases", "profile", "notes", "preferences"]
NAMED = {"grant", "deposit", "receipt", "file", "number"}
FORM = {"item": "0", "days": "7", "digest": "00", "answer": "yes", "gift": "yes", "note": "x", "change": "1"}


@dataclass
class Street:
    """Two owners on one server, canaries in every field of both, and what was handed out. Tests work on copies."""

    directory: Path
    keyrings: dict[str, Keyring]
    tokens: dict[str, dict[str, Any]]
    key: ECKey
    named: dict[str, list[str]]
    strings: list[str]

    @contextmanager
    def copied(self, there: Path, shop: Bookshop) -> Iterator[tuple[Ada, Ada]]:
        """Ada and Bram, each in an open vault."""
        house = house_in(copy_house(self.directory, there), Clock())
        ada, bram = Ada(house, PASSPHRASE, self.keyrings["ada"]), Ada(house, WORDS, self.keyrings["bram"])
        shop.visits(ada)
        yield ada, bram
        house.stop()

    def calls(self, shop: Bookshop, who: str, call: str) -> httpx.Response:
        """One call of the vendors' API, as one of them."""
        method, _, path = call.partition(" ")
        path = "/vendor/v1" + re.sub(r"<(\w+)>", lambda name: self.named[name[1]][0], path)
        token = self.tokens.get(who, self.tokens["own"])["access_token"]
        proof = shop.proves(method, ISSUER + path, token=token, key=new_key() if who == "wrong_key" else self.key)
        scheme = "Bearer" if who == "bearer" else "DPoP"
        headers = {"Authorization": f"{scheme} {token}", "DPoP": proof, "Idempotency-Key": "1"}
        content = b'{"item":"x","bought_on":"2026"}' if method == "POST" else None
        return shop.http.request(method, path, headers={} if who == "nobody" else headers, content=content)


@pytest.fixture(scope="module")
def street(
    furnished: tuple[Path, str, Keyring], shopfront: Bookshop, other_shopfront: Bookshop, tmp_path_factory: Any
) -> Street:
    """Made once."""
    directory = tmp_path_factory.mktemp("street") / "house"
    house, key, tokens = house_in(copy_house(furnished[0], directory), Clock()), new_key(), {}
    his = set_up.set_up(house, handle="bram", name="Bram", passphrase=WORDS, notice=None, first=False)
    choices.keep(sessions.for_command(house, his), {"recovery": None})
    ada, bram = Ada(house, PASSPHRASE, furnished[2]), Ada(house, WORDS, his)
    for whose, owner in (("ada", ada), ("bram", bram)):
        for cls in CLASSES.values():
            owner.keeps(a_record(cls, whose))
    for who, owner, shop, collections in (
        ("other_owner", bram, shopfront, HERS),
        ("other_client", ada, other_shopfront, ["preferences"]),
        ("own", ada, shopfront, HERS),
    ):
        shop.visits(owner)
        page = owner.sees_consent(shop.consent_address(authorization_details=details(*asked(*collections))))
        tokens[who] = dict(shop.redeems(query(page.allows())["code"], key=key).json())
    grant = tokens["own"]["grant_id"]
    file = ada.attaches(ada.buys("A kettle"), b"ada~purchases~~content~canary").rpartition("/")[2]
    with house.main.reading() as session:
        receipt = session.scalars(select(Receipt.receipt_id).where(Receipt.owner_id == ada.owner_id)).first() or b""
    named = {"file": [file], "receipt": [receipt.hex()], "grant": [grant], "grant_id": [grant], "deposit": ["00" * 16]}
    share = ada.shares(ada.buys("ada~purchases~~item~canary"))
    numbers = [str(each.number) for each in ada.vault.catalogue.entries("1", order="number")]
    named |= {"number": numbers if EVERYTHING else numbers[-2:], "import": [brings_a_file(ada.vault, 2000).hex()]}
    link = re.findall(r"/r/(vrm_rv_[\w-]{91})", ada.presses(f"/sharing/{grant}/link", status=200).text)[0]
    house.stop()
    named["collection"] = ["purchases"]
    return Street(directory, {"ada": furnished[2], "bram": his}, tokens, key, named, [share[3:], link])


def asked(*collections: str) -> list[dict[str, Any]]:
    """Everything of some collections but what is kept back."""
    usual = {"type": "vault_data", "purpose": "ProvideProductRecommendations", "why": "To know.", "duration": "P90D"}
    return [{**usual, "collection": each, "fields": given(each)} for each in collections]


# The vendors' API.


def becomes(street: Street, who: str, ada: Ada, shop: Bookshop) -> None:
    """What happened to the grant before it calls."""
    own, house = street.tokens["own"], ada.house
    grant = bytes.fromhex(own["grant_id"])
    match who:
        case "paused":
            grants.pause(house, ada.owner_id, grant)
        case "narrowed":
            narrowing.narrow(ada.vault, grant, HERS.index("preferences"))
        case "old_copy":
            house.keystore.raise_floor(ada.owner_id, house.keystore.floor(ada.owner_id) + 5)
        case "expired":
            house.clock.passes(minutes=10)  # type: ignore[attr-defined]
        case "ended":
            house.clock.passes(days=31)  # type: ignore[attr-defined]
        case "revoked":
            grants.end(house, ada.owner_id, grant, "revoked")
        case "dropped":
            assert shop.posts("/oauth/revoke", {"token": own["access_token"]}).status_code == 200


@pytest.mark.parametrize("who", thinned(list(table()), first=0, then_every=3))
def test_every_call_of_the_vendors_is_answered_as_the_table_says(
    street: Street, shopfront: Bookshop, tmp_path: Path, who: str
) -> None:
    """And an answer that shows anything shows what its own grant was given, and nothing else of anybody's."""
    mine = {"own": set(allowed("ada", *HERS)), "other_owner": set(allowed("bram", *HERS))}
    mine |= {"other_client": set(allowed("ada", "preferences")), "narrowed": set(allowed("ada", *HERS[:3]))}
    told, seen = {}, set()
    with street.copied(tmp_path / "copy", shopfront) as (ada, _bram):
        becomes(street, who, ada, shopfront)
        for call in table()[who]:
            answer = street.calls(shopfront, who, call)
            told[call] = f"{answer.status_code} {answer.json()['code']}" if answer.is_error else str(answer.status_code)
            seen |= canaries(answer.text + str(answer.headers))
    assert told == table()[who]
    assert seen == mine.get(who, set())


def test_every_route_of_the_vendors_stands_in_the_table() -> None:
    rules = {f"{method} {route.rule}" for routes in api.ROUTES.values() for method, route in routes.items()}
    rules |= {f"GET {api.API}/{collection}" for collection in api.COLLECTIONS}
    rules.remove(f"GET {api.API}/<collection>")
    assert {each.replace(api.API, "") for each in rules} == set(table()["own"])


def test_of_every_field_a_grant_shows_that_one_and_no_other() -> None:
    """Each field of each class, granted alone, against a record of every class that holds something in all fields."""
    today, tried = date(2026, 11, 22), 0
    usual = {"number": 0, "purpose": "ProvideProductRecommendations", "why": "", "duration": 90, "gifts": True}
    terms = Terms("https://shop.example/c", "Shop", 0, None, 0, 1 << 40, bytes(32), ())
    records = {cls: Stored(7, 1, cls, a_record(cls, "ada").dump(), {}) for cls in CLASSES.values()}
    for cls in CLASSES.values():
        for path, field in cls.paths().items():
            item = VaultData(collection=cls.collection, fields=(path,), **usual)  # type: ignore[arg-type]
            for other, stored in records.items():
                shown = (disclose(terms, item, stored, today) or b"").decode()
                own = other is cls and field.kind in WRITTEN
                assert canaries(shown) == ({canary(cls, field.name, "ada")} if own else set()), (path, other)
                tried += 1
    assert tried > 300


# Her pages.


def test_every_address_stands_in_the_table(ada: Ada) -> None:
    assert {rule.endpoint for rule in ada.app.url_map.iter_rules()} == set(DOOR)


def addresses(ada: Ada, street: Street) -> Iterator[tuple[Rule, str, str]]:
    """Every way to ask for every address, with something of hers in every place."""
    for rule in ada.app.url_map.iter_rules():
        for address in places(rule, street):
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                yield rule, method, address


def places(rule: Rule, street: Street) -> list[str]:
    """One address for each record, where it is about a record."""
    found = [rule.rule]
    for whole, any_of, name in re.findall(r"(<(?:any\(([^)]*)\):|\w+(?:\(length=32\))?:)?(\w+)>)", rule.rule):
        of = "import" if rule.endpoint.startswith("imports.") and name == "number" else name
        values = any_of.split(", ") if any_of else street.named.get(of, ["0" * 32])
        found = [each.replace(whole, value) for each in found for value in values]
    return found


def knocks(browser: Any, method: str, address: str, **headers: str) -> Any:
    """Ask, with a form that most pages could do something with."""
    sent = {"Sec-Fetch-Site": "same-origin", **headers}
    return browser.open(address, method=method, data=FORM if method == "POST" else None, headers=sent)


def as_it_is(ada: Ada) -> Any:
    """All that a stranger could have changed."""
    alive = ada.house.keystore.alive
    grants_now = {grant: standing.held for grant, standing in alive(ada.owner_id, "grant").items()}
    return fingerprint(ada.vault), grants_now, set(alive(ada.owner_id, "lock")), ada.open.settings


def over(ada: Ada) -> str:
    """A session that she has ended."""
    string, vault = sessions.begin(ada.house, ada.vault.keyring)
    sessions.end(ada.house, ada.owner_id, [vault.session_id])
    return string


def made_up(ada: Ada, lock: bytes) -> str:
    return bearer.mint("session", ada.owner_id, lock).text(ada.house.keys.route)


COOKIES: dict[str, Callable[[Street, Ada], str]] = {
    "nobody": lambda street, ada: "",
    "an old session": lambda street, ada: over(ada),
    "a wrong secret": lambda street, ada: made_up(ada, ada.vault.session_id),
    "a session that never was": lambda street, ada: made_up(ada, bytes(16)),
    "a token": lambda street, ada: street.tokens["own"]["access_token"],
    "a link": lambda street, ada: street.strings[1],
}


@pytest.mark.parametrize("who", thinned(list(COOKIES), first=0, then_every=5))
def test_whoever_has_no_open_session_sees_and_changes_nothing(
    street: Street, shopfront: Bookshop, tmp_path: Path, who: str
) -> None:
    with street.copied(tmp_path / "copy", shopfront) as (ada, _bram):
        before, cookie, browser = as_it_is(ada), COOKIES[who](street, ada), ada.app.test_client()
        for rule, method, address in addresses(ada, street):
            browser.set_cookie("vault", cookie, domain="localhost")
            answer = knocks(browser, method, address)
            said = method, address, answer.status_code
            assert not canaries(answer.text + str(answer.headers)), said
            assert answer.status_code < 500, said
            if DOOR[rule.endpoint] == "hers" and rule.endpoint != "setup.kit_file":
                assert answer.headers["Location"].startswith("/unlock"), said
            elif DOOR[rule.endpoint] in ("string", "program"):
                assert answer.status_code in (400, 401, 404, 405), said
        assert as_it_is(ada) == before


def test_another_owner_finds_nothing_of_hers_at_any_address(
    street: Street, shopfront: Bookshop, tmp_path: Path
) -> None:
    with street.copied(tmp_path / "copy", shopfront) as (ada, bram):
        before, his = as_it_is(ada), {str(each.number) for each in bram.vault.catalogue.entries("1")}
        of_hers, of_his = [], []
        for rule, method, address in addresses(ada, street):
            if not his & set(address.split("/")):  # or one of his own has that number
                (of_hers if rule.arguments & NAMED else of_his).append((rule, method, address))
        for rule, method, address in of_hers:
            answer = knocks(bram.browser, method, address)
            said = method, address, answer.status_code
            assert not canaries(answer.text + str(answer.headers), "ada"), said
            if DOOR[rule.endpoint] == "hers":
                assert answer.status_code == 404, said
        for _rule, method, address in of_his:  # some of these end his session, or his vault
            if method == "GET" or EVERYTHING:
                bram = bram if method == "GET" else Ada(ada.house, WORDS, bram.vault.keyring)
                assert not canaries(knocks(bram.browser, method, address).text, "ada"), (method, address)
        assert as_it_is(ada) == before


def test_no_other_site_presses_any_button_of_hers(street: Street, shopfront: Bookshop, tmp_path: Path) -> None:
    with street.copied(tmp_path / "copy", shopfront) as (ada, _bram):
        before = as_it_is(ada)
        for rule, method, address in addresses(ada, street):
            if method == "POST" and DOOR[rule.endpoint] != "program":
                for site in ("cross-site", "same-site"):
                    answer = knocks(ada.browser, method, address, **{"Sec-Fetch-Site": site})
                    assert answer.status_code == 403, (address, answer.status_code)
        assert as_it_is(ada) == before


@pytest.mark.parametrize("kind", some(["revoked", "made up", "ended", "of the other kind"]))
def test_a_string_opens_its_own_door_and_only_while_it_lives(
    street: Street, shopfront: Bookshop, tmp_path: Path, kind: str
) -> None:
    with street.copied(tmp_path / "copy", shopfront) as (ada, _bram):
        (share, link), stranger = street.strings, ada.app.test_client()
        assert stranger.get(f"/s/{share}").status_code == stranger.get(f"/r/{link}").status_code == 200
        if kind == "revoked":
            for grant in ada.house.keystore.alive(ada.owner_id, "grant"):
                grants.end(ada.house, ada.owner_id, grant, "revoked")
        elif kind == "ended":
            ada.house.clock.passes(days=31, minutes=5)  # type: ignore[attr-defined]
        elif kind == "made up":
            letters = {"A": "B"}
            share, link = (each[:60] + letters.get(each[60], "A") + each[61:] for each in (share, link))
        else:
            share, link = link, share
        before = as_it_is(ada) if kind != "ended" else None
        for address in (f"/s/{share}", f"/r/{link}"):
            for method in ("GET", "POST"):
                answer = stranger.open(address, method=method, data={"answer": "stop"} if method == "POST" else None)
                assert (answer.status_code, canaries(answer.text)) == (404, set()), (method, address[:20])
        assert kind == "ended" or as_it_is(ada) == before
