"""`vrm verify`: a receipt that was saved is as it was signed, or it is refused with a sentence."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consent import signing, verifying
from consent.receipts import TYPE
from tests.houses import home_of
from tests.people import PURCHASES, Ada, Bookshop
from tests.terminal import started_anew, vrm
from vault import crypto

SEED = bytes(range(32))
KEYS = {"keys": [signing.public_key(SEED)]}
SAID = {
    "receipt_id": "5e" * 16,
    "iss": "https://vault.example",
    "iat": 1795348800,
    "party_identification": [{"party_name": "Bookshop", "party_id": "https://shop.example/c"}],
    "event": [{"event": "given", "event_time": "2026-11-22T12:00:00Z", "valid_until": "2026-12-22T12:00:00Z"}],
    "pii_processing": {
        "privacy_notice": "ni:///sha-256;x",
        "language": "en",
        "purposes": [
            {
                "purpose": "So that we know.",
                "purpose_type": "https://w3id.org/dpv#CustomerCare",
                "retention_period": "P14D",
                "pii_information": [{"pii_type": "purchases", "pii_attribute_id": "item"}],
            }
        ],
    },
}
GOOD = signing.compact(SEED, TYPE, SAID).decode()


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> Any:
    return json.loads(urlsafe_b64decode(text + "=="))


def with_header(**changes: Any) -> str:
    """Another header over the same payload, signed again with the true key: only the header is wrong."""
    head, payload, _signature = GOOD.split(".")
    header = {name: value for name, value in {**decoded(head), **changes}.items() if value is not None}
    signed = f"{encoded(json.dumps(header).encode())}.{payload}"
    return f"{signed}.{encoded(crypto.sign(SEED, signed.encode()))}"


def test_what_was_signed_is_read() -> None:
    assert verifying.verify(GOOD, KEYS) == SAID


def test_every_letter_of_it_counts() -> None:
    """Also the last one of each part, of which base64 uses some bits only."""
    for at, letter in enumerate(GOOD):
        for other in {"A", "B", "_", "-", ".", "=", " "} - {letter}:
            with pytest.raises(verifying.NotSigned):
                verifying.verify(GOOD[:at] + other + GOOD[at + 1 :], KEYS)


def test_every_bit_of_the_signature_counts() -> None:
    signed, _, signature = GOOD.rpartition(".")
    raw = urlsafe_b64decode(signature + "==")
    for bit in range(8 * len(raw)):
        turned = bytearray(raw)
        turned[bit // 8] ^= 1 << bit % 8
        with pytest.raises(verifying.NotSigned):
            verifying.verify(f"{signed}.{encoded(bytes(turned))}", KEYS)


def test_a_signature_over_something_else_does_not_count() -> None:
    head, payload, signature = GOOD.split(".")
    other = signing.compact(SEED, TYPE, {**SAID, "iat": 0}).decode().split(".")
    for wrong in (
        f"{head}.{other[1]}.{signature}",
        f"{head}.{payload}.{other[2]}",
        f"{head}..{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}",
        f"{GOOD}.{signature}",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "\n.",
        "",
        "{}",
    ):
        with pytest.raises(verifying.NotSigned):
            verifying.verify(wrong, KEYS)


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "Ed25519"},
        {"alg": None},
        {"typ": "JWT"},
        {"typ": None},
        {"kid": None},
        {"kid": "somebody-else"},
        {"crit": ["exp"]},
        {"jwk": signing.public_key(b"\7" * 32)},
        {"b64": False},
    ],
    ids=str,
)
def test_a_header_of_another_kind_is_refused_though_it_is_signed(change: dict[str, Any]) -> None:
    with pytest.raises(verifying.NotSigned):
        verifying.verify(with_header(**change), KEYS)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"keys": []},
        {"keys": "x"},
        {"keys": [None, 1, "x"]},
        {"keys": [signing.public_key(b"\7" * 32)]},
        {"keys": [{**signing.public_key(SEED), "x": signing.public_key(b"\7" * 32)["x"]}]},
        {"keys": [{**signing.public_key(SEED), "x": "AA"}]},
        {"keys": [{**signing.public_key(SEED), "x": None}]},
        {"keys": [{**signing.public_key(SEED), "kty": "oct"}]},
    ],
    ids=lambda keys: str(keys)[:40],
)
def test_other_keys_verify_nothing(keys: dict[str, Any]) -> None:
    with pytest.raises(verifying.NotSigned):
        verifying.verify(GOOD, keys)


def test_the_key_is_named_by_its_thumbprint() -> None:
    """RFC 8037, appendix A.3: a known answer."""
    seed = urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    key = signing.public_key(seed)
    assert key["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_signature_is_the_one_of_the_standard() -> None:
    """RFC 8037, appendix A.4: a known answer."""
    seed = urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    assert encoded(crypto.sign(seed, signed)) == expected


# The command.


@pytest.fixture
def saved(ada: Ada, bookshop: Bookshop, tmp_path: Path) -> Callable[[str], Path]:
    """Her receipt and the server's keys as files; `saved("receipt")` is where one of them is."""
    ada.buys("The Salt Almanac")
    ada.lets(bookshop, PURCHASES)
    grant = ada.grant()
    page = ada.looks_at(f"/sharing/{grant}")
    receipt = page.split('href="/receipts/', 1)[1][:32]
    (tmp_path / "receipt").write_text(ada.looks_at(f"/receipts/{receipt}/receipt.jwt") + "\n", encoding="ascii")
    (tmp_path / "keys").write_bytes(ada.app.test_client().get("/oauth/keys").data)
    return lambda name: tmp_path / name


def test_a_receipt_is_verified_by_its_server_and_told_in_words(
    ada: Ada, saved: Callable[[str], Path], bookshop: Bookshop
) -> None:
    done = vrm(home_of(ada.house), "verify", str(saved("receipt")))
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "Verified",
        "given, 2026-11-22T12:00:00Z",
        f"Bookshop ({bookshop.client_id})",
        "purchases: item, bought_on, vendor this, since 2025-01-01",
        "ProvideProductRecommendations: So that we never recommend a book you already have.",
        "2026-12-22",
        "ni:///sha-256;",
    ):
        assert words in done.stdout


def test_a_receipt_is_verified_by_saved_keys_without_any_server(saved: Callable[[str], Path]) -> None:
    done = started_anew(None, "verify", "--keys", str(saved("keys")), str(saved("receipt")))
    assert done.returncode == 0, done.stderr
    assert "Verified" in done.stdout


def test_an_end_is_told_in_words_too(ada: Ada, saved: Callable[[str], Path]) -> None:
    grant = ada.grant()
    ada.presses(f"/sharing/{grant}/stop")
    receipt = ada.looks_at(f"/sharing/{grant}").split('href="/receipts/', 1)[1][:32]
    saved("receipt").write_text(ada.looks_at(f"/receipts/{receipt}/receipt.jwt"), encoding="ascii")
    done = vrm(None, "verify", "--keys", str(saved("keys")), str(saved("receipt")))
    assert done.returncode == 0, done.stderr
    assert "revoked, 2026-11-22" in done.stdout
    assert "Could see       purchases" in done.stdout


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a signed receipt"),
        (b"{}", "no export with receipts"),
        (b"\xff\xfe", "not a signed receipt"),
        (GOOD.encode(), "a key that is not among those"),
    ],
    ids=str,
)
def test_what_does_not_verify_ends_with_a_sentence(saved: Callable[[str], Path], content: bytes, sentence: str) -> None:
    saved("receipt").write_bytes(content)
    done = vrm(None, "verify", "--keys", str(saved("keys")), str(saved("receipt")))
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_one_changed_letter_ends_with_a_sentence(saved: Callable[[str], Path]) -> None:
    text = saved("receipt").read_text(encoding="ascii")
    head, payload, signature = text.split(".")
    told = urlsafe_b64decode(payload + "==").replace(b"P90D", b"P91D").replace(b"Bookshop", b"Bookshoq")
    saved("receipt").write_text(f"{head}.{encoded(told)}.{signature}", encoding="ascii")
    done = vrm(None, "verify", "--keys", str(saved("keys")), str(saved("receipt")))
    assert (done.returncode, done.stdout) == (1, "")
    assert "was changed after it was signed" in done.stderr


def test_keys_that_cannot_be_read_end_with_a_sentence(saved: Callable[[str], Path]) -> None:
    for content in (b"not json", b"[]", b'{"keys": 7}'):
        saved("keys").write_bytes(content)
        done = vrm(None, "verify", "--keys", str(saved("keys")), str(saved("receipt")))
        assert (done.returncode, done.stdout) == (1, ""), content
        assert "Traceback" not in done.stderr


def test_what_is_signed_and_no_receipt_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(json.dumps(KEYS), encoding="ascii")
    for said in ({"sub": "ada"}, {**SAID, "event": []}, {**SAID, "pii_processing": None}):
        (tmp_path / "other").write_text(signing.compact(SEED, TYPE, said).decode(), encoding="ascii")
        done = vrm(None, "verify", "--keys", str(tmp_path / "keys"), str(tmp_path / "other"))
        assert (done.returncode, done.stdout) == (1, "")
        assert "no receipt that this program can read" in done.stderr


def test_a_signed_text_cannot_write_over_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(json.dumps(KEYS), encoding="ascii")
    hostile = {**SAID, "party_identification": [{"party_name": "\x1b[2J\r\nVerified: Bank", "party_id": "x"}]}
    (tmp_path / "receipt").write_text(signing.compact(SEED, TYPE, hostile).decode(), encoding="ascii")
    done = vrm(None, "verify", "--keys", str(tmp_path / "keys"), str(tmp_path / "receipt"))
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert len([line for line in done.stdout.splitlines() if line.startswith("Verified")]) == 1
