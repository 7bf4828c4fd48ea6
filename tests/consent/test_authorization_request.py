"""What may be pushed and opened, and what may not: N1-N26 and N77-N79 of the research note.

The refusals leave nothing behind, so one house serves the whole file.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from connectors.vendor_client import WrongCallback
from tests.conftest import PASSPHRASE
from tests.people import ISSUER, PURCHASES, TASTE, Bookshop, details, household, query
from vault.collections.vendors import Vendor

EVIL = "https://evil.example/take"


@pytest.fixture(scope="module")
def shop(furnished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bookshop]:
    """The Bookshop at Ada's door."""
    with household(furnished[0], tmp_path_factory.mktemp("request") / "house", PASSPHRASE) as found:
        found.ada.buys("The Salt Almanac")
        yield found


@pytest.fixture(scope="module")
def other(shop: Bookshop) -> Iterator[Bookshop]:
    """Another client of the same vault, which sends people back to a loopback address."""
    other = Bookshop("Kettle Lane Coffee", "coffee")
    other.open()
    other.redirect_uri = "http://127.0.0.1:4711/callback"
    other.visits(shop.ada)
    yield other
    other.close()


def plain(page: str) -> str:
    """A page without what differs from one showing to the next."""
    return re.sub(r'[0-9a-f]{16,}|name="request_uri" value="[^"]*"', "…", page)


def test_without_a_pushed_request_there_is_a_page_and_no_redirect(shop: Bookshop) -> None:
    """N1 (FAPI 2.0 §5.3.2.2)"""
    unpushed = urlencode({**shop.form(), "client_id": shop.client_id})
    for path in ("/authorize", f"/authorize?{unpushed}", "/authorize?request_uri=&client_id="):
        answer = shop.ada.browser.get(path)
        assert answer.status_code == 410
        assert "Location" not in answer.headers


def test_parameters_beside_the_request_uri_change_nothing(shop: Bookshop) -> None:
    """N2 (RFC 9126 §4): above all she is not tied to another vendor of hers by an address the client made."""
    secret_vendor = shop.ada.keeps(Vendor(called="Kettle Lane Coffee")).number
    address = shop.consent_address()
    more = {"redirect_uri": EVIL, "state": "x", "scope": "all", "authorization_details": details(TASTE)}
    as_pushed = plain(shop.ada.looks_at(address))
    assert plain(shop.ada.looks_at(f"{address}&{urlencode({**more, 'vendor': str(secret_vendor)})}")) == as_pushed
    assert query(shop.ada.sees_consent(f"{address}&{urlencode(more)}").refuses())["state"] == "a-state"


def test_a_request_uri_of_another_client_opens_nothing(shop: Bookshop, other: Bookshop) -> None:
    """N3 (RFC 9126 §2.2)"""
    pushed = shop.pushes().json()["request_uri"]
    theirs = urlencode({"client_id": other.client_id, "request_uri": pushed})
    assert shop.ada.browser.get(f"/authorize?{theirs}").status_code == 410
    assert shop.ada.browser.get(f"/authorize?{urlencode({'request_uri': pushed})}").status_code == 410


def test_an_unopened_request_runs_out_within_ten_minutes(shop: Bookshop) -> None:
    """N4 (RFC 9126 §4)"""
    address, clock = shop.consent_address(), shop.ada.house.clock
    clock.passes(seconds=591)  # type: ignore[attr-defined]  # it is the Clock
    shop.ada.looks_at(address, 410)


def test_an_opened_request_lives_an_hour_and_no_longer(shop: Bookshop) -> None:
    """N4, N6: opening spends nothing, not even a hundred times, and does not make it live for ever."""
    address, clock = shop.consent_address(), shop.ada.house.clock
    for _ in range(5):
        shop.ada.looks_at(address)
        clock.passes(minutes=11)  # type: ignore[attr-defined]
    page = shop.ada.sees_consent(address)
    clock.passes(minutes=6)  # type: ignore[attr-defined]
    shop.ada.looks_at(address, 410)
    page.answers("yes", status=410)


def test_a_decided_request_is_spent(shop: Bookshop) -> None:
    """N5 (RFC 9126 §7.3)"""
    for decide in ("allows", "refuses"):
        address = shop.consent_address()
        page = shop.ada.sees_consent(address)
        getattr(page, decide)()
        shop.ada.looks_at(address, 410)
        page.answers("yes", status=410)
        page.answers("no", status=410)


def test_a_guessed_request_uri_gets_one_answer_whatever_is_wrong_with_it(shop: Bookshop, other: Bookshop) -> None:
    """N7 (RFC 9126 §7.1): made up, cut, another client's, decided, or out of time."""
    late = shop.pushes().json()["request_uri"]
    shop.ada.house.clock.passes(seconds=591)  # type: ignore[attr-defined]
    good, theirs = (each.pushes().json()["request_uri"] for each in (shop, other))
    decided = shop.consent_address()
    shop.ada.sees_consent(decided).refuses()
    prefix = good[: -len(good.rpartition(":")[2])]
    turned = good[:-2] + ("A" if good[-2] != "A" else "B") + good[-1]
    guesses = [prefix + secrets.token_urlsafe(32) for _ in range(60)]
    odd = [
        late,
        theirs,
        query(decided)["request_uri"],
        "",
        prefix,
        good[:-1],
        good + "A",
        good.upper(),
        turned,
        "https://evil.example/r",
        "x" * 9000,
        "\0",
        "ü" * 43,
    ]
    answers = {
        (answer.status_code, plain(answer.text))
        for guess in guesses + odd
        for answer in [
            shop.ada.browser.get("/authorize?" + urlencode({"client_id": shop.client_id, "request_uri": guess}))
        ]
    }
    assert len(answers) == 1
    assert next(iter(answers))[0] == 410


def test_a_request_may_only_be_pushed_by_post(shop: Bookshop) -> None:
    """N10 (RFC 9126 §2.3)"""
    for method in ("GET", "PUT", "DELETE"):
        assert shop.http.request(method, "/oauth/par").status_code == 405


def test_request_uri_and_request_objects_cannot_be_pushed(shop: Bookshop) -> None:
    """N9 (RFC 9126 §2.1), N26 (RFC 9101): no request object, signed by whomever or by nobody."""
    unsigned = "eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmkiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9."
    for member in ({"request_uri": "urn:x"}, {"request": unsigned}):
        answer = shop.pushes(**member)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_only_the_registered_redirect_uri_will_do(shop: Bookshop) -> None:
    """N11, N15, N17 (RFC 9700 §4.1.3): exact match; no redirect tells the person that it failed."""
    known = shop.redirect_uri
    host = f"{shop.host}.localhost:{shop.web.port}"
    wrong = [
        None,
        known + "/",
        known + "?more=1",
        known + "#part",
        known.replace("/callback", "/Callback"),
        known.replace("/callback", "/x/../callback"),
        known.replace("/callback", "/%2e%2e/callback"),
        known.replace("/callback", "/%63allback"),
        known.replace("http://", "HTTP://"),
        known.replace("http://", "https://"),
        known.replace("http://", "http://good@"),
        f"http://{host}@evil.example/callback",
        f"http://evil.example\\@{host}/callback",
        f"http://evil.example%5c@{host}/callback",
        known.replace(f":{shop.web.port}", ":1"),
        known.replace("shop.localhost", "SHOP.localhost"),
        known.replace("shop.localhost", "a.shop.localhost"),
        known.replace("shop.localhost", "shop.localhost.evil.example"),
        known.replace("shop.localhost", "sh\u043ep.localhost"),
        known.replace("/callback", "/callback\t"),
        known + " ",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "urn:ietf:wg:oauth:2.0:oob",
        '"><script>',
        EVIL,
    ]
    for uri in wrong:
        answer = shop.pushes(redirect_uri=uri)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), uri
        assert "Location" not in answer.headers


def test_of_a_loopback_address_only_the_port_is_free(other: Bookshop) -> None:
    """N16 (RFC 8252 §7.3): and what a browser would read as another host does not pass for a port."""
    assert other.pushes(redirect_uri="http://127.0.0.1:50123/callback").status_code == 201
    wrong = [
        "http://127.0.0.1:50123/other",
        "http://127.0.0.1:50123/callback?x=1",
        "http://localhost:4711/callback",
        "http://localhost.evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.2:4711/callback",
        "http://[::1]:4711/callback",
        "https://127.0.0.1:4711/callback",
        "http://evil.example\\@127.0.0.1/callback",
        "http://evil.example\\@127.0.0.1:4711/callback",
        "http://evil.example@127.0.0.1/callback",
        "http://evil.example%5C@127.0.0.1/callback",
        "http://127.0.0.1\t/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:x/callback",
        "http://2130706433/callback",
    ]
    for uri in wrong:
        assert other.pushes(redirect_uri=uri).status_code == 400, uri


def test_a_wrong_request_with_an_evil_redirect_is_answered_to_the_client_and_sends_nobody_anywhere(
    shop: Bookshop,
) -> None:
    """N12 (CVE-2026-41479), N13 (CVE-2026-44681), N14, N18, N25, N79"""
    cases: list[tuple[dict[str, str | None], str]] = [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_type": 'code"\\\n'}, "invalid_request"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "vault everything"}, "invalid_scope"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
    ]
    for changes, error in cases:
        good, evil = shop.pushes(**changes), shop.pushes(**changes, redirect_uri=EVIL)
        assert (good.status_code, good.json()["error"]) == (400, error), changes
        assert evil.json()["error"] in {error, "invalid_request"}
        assert "Location" not in good.headers
        assert "Location" not in evil.headers
    pushed = shop.pushes().json()["request_uri"]
    for stranger in ("https://nobody.example/c", "https://evil.example/client.json", "x", ""):
        asked = {"client_id": stranger, "request_uri": pushed, "redirect_uri": EVIL, "response_type": "code"}
        answer = shop.ada.browser.get(f"/authorize?{urlencode(asked)}")
        assert answer.status_code == 410, stranger
        assert "Location" not in answer.headers
        assert "evil.example" not in answer.text


def test_a_repeated_parameter_is_refused(shop: Bookshop) -> None:
    """N19 (OAuth 2.1 §3.1)"""
    for name in ("redirect_uri", "state", "code_challenge", "client_assertion", "authorization_details", "unheard_of"):
        pairs = [*shop.asserts().items(), *shop.form(unheard_of="x").items()]
        body = urlencode([*pairs, (name, "again")])
        answer = shop.http.post(
            "/oauth/par", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), name


def test_an_empty_parameter_is_as_good_as_none(shop: Bookshop) -> None:
    """N20, N21 (OAuth 2.1 §3.1): and an unknown one is ignored."""
    assert shop.pushes(scope="", dpop_jkt="", response_mode="", unheard_of="x", nonce="n").status_code == 201
    assert shop.pushes(code_challenge="").status_code == 400
    assert shop.pushes(redirect_uri="").status_code == 400


def test_no_other_site_is_invited_to_call_the_consent_page(shop: Bookshop) -> None:
    """N22 (OAuth 2.1 §3.1)"""
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/authorize", "/oauth/par", "/oauth/token", "/vendor/v1/purchases"):
        for method in ("OPTIONS", "GET"):
            answer = shop.ada.browser.open(path, method=method, headers=asking)
            assert not [name for name in dict(answer.headers) if name.lower().startswith("access-control")]


def test_every_answer_says_which_vault_it_comes_from(shop: Bookshop) -> None:
    """N23 (RFC 9207 §2)"""
    for decide, said in (("allows", "code"), ("refuses", "error")):
        page = shop.ada.sees_consent(shop.consent_address())
        sent = query(getattr(page, decide)())
        assert set(sent) - {"error_description"} == {"iss", "state", said}
        assert (sent["iss"], sent["state"]) == (ISSUER, "a-state")
        assert sent.get("error") == (None if said == "code" else "access_denied")


def test_an_answer_from_another_vault_is_not_believed_by_our_client(shop: Bookshop) -> None:
    """N24 (RFC 9700 §4.4.2.1)"""
    pending = shop.asks()
    location = shop.ada.sees_consent(pending.authorize_url).allows()
    swapped = location.replace(f"iss={quote(ISSUER, safe='')}", f"iss={quote('http://localhost:9999', safe='')}")
    assert swapped != location
    for wrong in (swapped, location.replace("iss=", "was=")):
        with pytest.raises(WrongCallback):
            shop.finishes(pending, wrong)
    assert shop.finishes(pending, location)


DEEP = "[" * 900 + "]" * 900


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        "null",
        "{}",
        "[]",
        "[[]]",
        "[1]",
        "not json",
        "[" * 5000,
        DEEP,
        f"[{DEEP}]",
        f'[{{"type":"vault_data","fields":{DEEP}}}]',
        '[{"a":' * 400 + "1" + "}]" * 400,
        '["\\ud800"]',
        details(*[PURCHASES] * 13),
        details(*[TASTE] * 7),
        details({**PURCHASES, "type": "payment"}),
        details({**PURCHASES, "type": ["vault_data"]}),
        details({**PURCHASES, "wünsche": 1}),
        details({**PURCHASES, 'a"b\\c': 1}),
        details({**PURCHASES, "gifts": True}),
        details({**PURCHASES, "number": 0}),
        details({**PURCHASES, "collection": "locks"}),
        details({**PURCHASES, "collection": {"$ne": ""}}),
        details({**PURCHASES, "fields": "item"}),
        details({**PURCHASES, "fields": []}),
        details({**PURCHASES, "fields": ["item", "item"]}),
        details({**PURCHASES, "fields": ["item", "gift_note"]}),
        details({**PURCHASES, "fields": ["__class__"]}),
        details({**PURCHASES, "actions": ["read", "write"]}),
        details({**PURCHASES, "purpose": "Whatever"}),
        details({**PURCHASES, "duration": "P2Y"}),
        details({**PURCHASES, "duration": "P0D"}),
        details({**PURCHASES, "duration": 90}),
        details({**PURCHASES, "optional": "false"}),
        details({**PURCHASES, "why": ""}),
        details({**PURCHASES, "why": "x" * 301}),
        details({**PURCHASES, "filter": {"vendor": "all"}}),
        details({**PURCHASES, "filter": {"vendor": "this", "owner": "x"}}),
        details({**TASTE, "filter": {"vendor": "this"}}),
        details({name: value for name, value in PURCHASES.items() if name != "why"}),
        details(PURCHASES).replace('"collection":"purchases"', '"collection":"notes","collection":"purchases"'),
    ],
    ids=lambda asked: (asked or "none")[-40:],
)
def test_details_that_are_not_ours_in_every_member_are_refused(shop: Bookshop, asked: str | None) -> None:
    """N77 (RFC 9396 §5)"""
    answer = shop.pushes(authorization_details=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


def test_details_that_lack_a_member_or_hold_something_else_in_it_are_refused(shop: Bookshop) -> None:
    """N77 (RFC 9396 §5): each necessary member in turn; and ten thousand items are too long to be read."""
    for name in ("type", "collection", "fields", "purpose", "why", "duration", "actions"):
        without = {each: value for each, value in PURCHASES.items() if each != name}
        wrong = [{**without, name: value} for value in (None, 7, True, "", [], {}, [[]], ["x", 7])]
        for asked in wrong if name == "actions" else [without, *wrong]:
            answer = shop.pushes(authorization_details=details(asked))
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details"), asked
    assert shop.pushes(authorization_details="[" + "{}," * 9_999 + "{}]").status_code == 413
    for depth in (250, 1000, 1020, 5000):
        assert shop.pushes(authorization_details="[" * depth + "]" * depth).status_code == 400, depth


@pytest.mark.parametrize(
    "unseen", ["\u202e", "\u2066", "\u200b", "\u061c", "\u00ad", "\u180e", "\ufeff", "\U000e0041", "\x00"]
)
def test_what_cannot_be_seen_may_not_stand_in_the_reasons(shop: Bookshop, unseen: str) -> None:
    """N78 (RFC 9396 §12)"""
    for member in ("why", "without", "why_duration"):
        answer = shop.pushes(authorization_details=details({**PURCHASES, member: f"So {unseen}that"}))
        assert answer.json()["error"] == "invalid_authorization_details"


def test_strange_values_are_refused_in_the_protocols_own_words(shop: Bookshop) -> None:
    """N37 and beyond: nothing that can be sent makes the vault stumble."""
    strange = [
        '"',
        "\\",
        "\u202e",
        "ü",
        "\x00",
        "\n",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "%",
        "x" * 5000,
    ]
    names = ("response_type", "redirect_uri", "scope", "code_challenge", "code_challenge_method", "response_mode")
    for value in strange:
        for name in names:
            assert shop.pushes(**{name: value}).status_code == 400, (name, value)
        for name in ("grant_type", "code", "redirect_uri", "code_verifier", "client_id", "scope"):
            answer = shop.redeems("vrm_ac_nothing", **{name: value})
            assert answer.status_code in {400, 401}, (name, value)
            assert answer.json()["error"]
        for name in ("grant_type", "refresh_token", "scope"):
            assert shop.refreshes("x", **{name: value}).status_code == 400
        assert shop.posts("/oauth/revoke", {"token": value, "token_type_hint": value}).status_code == 200
