"""Passkeys open the vault for whoever has them and is there, and for nobody else, whatever is sent instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PASSPHRASE
from tests.houses import home_of
from tests.people import ISSUER, Ada, Clock, hidden_in
from tests.vault.authenticator import PRESENT, Device, text
from vault import challenges, locks, passkeys, sessions
from vault.errors import WrongSecret
from vault.models import Lock
from vault.server import Server

FORM = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def phone(ada: Ada) -> Device:
    """A device with a passkey of hers that can unlock."""
    return with_passkey(ada, "My phone")


def with_passkey(ada: Ada, name: str, *, prf: bool = True) -> Device:
    device = Device(ISSUER, prf=prf)
    answer, secret = device.makes(json.loads(ada.looks_at("/security/passkeys/new")))
    ada.presses("/security/passkeys", passkey=answer, secret=secret, **{"passkey-name": name})
    return device


def tries(ada: Ada, answer: str, secret: str) -> int:
    """What a stranger's browser is answered."""
    stranger = ada.app.test_client()
    return stranger.post("/unlock/passkey", data={"passkey": answer, "secret": secret}, headers=FORM).status_code


def asked(ada: Ada) -> dict[str, Any]:
    return ada.app.test_client().get("/unlock/passkey").get_json()  # type: ignore[no-any-return]


def test_a_passkey_unlocks_and_says_so_on_the_security_page(ada: Ada, phone: Device, clock: Clock):
    clock.passes(hours=1)
    answer, secret = phone.answers(asked(ada))
    tablet = ada.app.test_client()
    opened = tablet.post("/unlock/passkey", data={"passkey": answer, "secret": secret, "next": "/notes"}, headers=FORM)
    assert (opened.status_code, opened.headers["Location"]) == (303, "/notes")
    page = tablet.get("/security").text
    assert "with a passkey" in page
    assert "3 ways open this vault." in page
    assert "Can unlock" in page


def test_what_is_asked_is_the_same_for_everybody_and_names_nobody(ada: Ada):
    before = asked(ada)
    with_passkey(ada, "My phone")
    after = asked(ada)
    assert before.pop("challenge") != after.pop("challenge")
    assert before == after
    assert after["allowCredentials"] == []
    assert after["userVerification"] == "required"


LIES: dict[str, dict[str, Any]] = {
    "another site's address": {"origin": "http://shop.localhost:8401"},
    "another site's name": {"host": "shop.localhost"},
    "nobody was verified": {"flags": PRESENT},
    "nobody was there": {"flags": 0},
    "another key signed it": {"key": generate_private_key(SECP256R1())},
    "somebody else's handle": {"handle": bytes(32)},
    "a short handle": {"handle": b"ada"},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_with_one_lie_opens_nothing(ada: Ada, phone: Device, lie: str):
    answer, secret = phone.answers(asked(ada), **LIES[lie])
    assert tries(ada, answer, secret) == 403


def test_neither_half_is_enough(ada: Ada, phone: Device):
    answer, secret = phone.answers(asked(ada))
    assert tries(ada, answer, "") == 403
    answer, _ = phone.answers(asked(ada))
    assert tries(ada, answer, text(bytes(32))) == 403
    stolen, _ = Device.answers(_other_key(phone), asked(ada))
    assert tries(ada, stolen, secret) == 403
    assert tries(ada, *phone.answers(asked(ada))) == 303


def _other_key(phone: Device) -> Device:
    """A device of somebody who knows the secret, and the credential's id, and has another key."""
    other = Device(ISSUER)
    other.held = [type(phone.held[0])(phone.held[0].handle, phone.held[0].credential)]
    return other


def test_an_answer_is_good_once_for_five_minutes_and_for_what_was_asked(ada: Ada, phone: Device, clock: Clock):
    answer, secret = phone.answers(asked(ada))
    assert tries(ada, answer, secret) == 303
    assert tries(ada, answer, secret) == 403, "a second time"
    answer, secret = phone.answers(asked(ada))
    clock.passes(minutes=5)
    assert tries(ada, answer, secret) == 403, "too late"
    confirming = json.loads(ada.looks_at("/confirm/passkey"))
    assert tries(ada, *phone.answers(confirming)) == 403, "asked for another purpose"
    own = {**confirming, "challenge": text(bytes(24) + (1 << 40).to_bytes(8, "big") + bytes(8))}
    assert tries(ada, *phone.answers(own)) == 403, "a challenge that nobody made"


def test_one_that_gives_no_secret_confirms_and_does_not_unlock(ada: Ada, clock: Clock):
    key = with_passkey(ada, "Old key", prf=False)
    assert tries(ada, *key.answers(asked(ada))) == 403
    assert "Sign-in only" in ada.looks_at("/security")
    assert "2 ways open this vault." in ada.looks_at("/security")
    clock.passes(minutes=6)
    answer, secret = key.answers(json.loads(ada.looks_at("/confirm/passkey")))
    ada.presses("/security/recovery/new", **{"confirm-passkey": answer, "confirm-secret": secret})


def test_whoever_puts_another_public_key_into_its_row_confirms_nothing(ada: Ada, clock: Clock):
    for prf in (True, False):
        device = with_passkey(ada, f"prf {prf}", prf=prf)
        forged = _other_key(device)
        forged.prf = prf
        forged.held[0].seed = device.held[0].seed
        with ada.house.main.transaction() as session:
            lock = passkeys.listed(ada.open)[-1].lock_id
            row = session.get_one(Lock, (ada.owner_id, lock))
            row.params = locks.passkey_params(device.held[0].credential, forged.held[0].public())
        with pytest.raises(WrongSecret):
            passkeys.confirm(ada.open, *forged.answers(passkeys.asking(ada.house, ada.open)))


def test_a_removed_one_is_dead_whatever_is_put_back_and_every_other_session_ends(ada: Ada, phone: Device):
    assert tries(ada, *phone.answers(asked(ada))) == 303
    assert len(sessions.living(ada.open)) == 2
    lock = passkeys.listed(ada.open)[0].lock_id
    with ada.house.main.reading() as session:
        row = {column.key: getattr(session.get_one(Lock, (ada.owner_id, lock)), column.key) for column in columns()}
    ada.presses(f"/security/passkeys/{lock.hex()}/remove")
    assert len(sessions.living(ada.open)) == 1
    assert tries(ada, *phone.answers(asked(ada))) == 403
    with ada.house.main.transaction() as session:
        session.add(Lock(**row))
    assert tries(ada, *phone.answers(asked(ada))) == 403
    assert not passkeys.listed(ada.open)


def columns() -> Any:
    return Lock.__table__.columns


def test_she_names_them_and_finds_them_by_name(ada: Ada, phone: Device):
    with_passkey(ada, "  The  tablet ")
    assert [each.name for each in passkeys.listed(ada.open)] == ["My phone", "The tablet"]
    lock = passkeys.listed(ada.open)[0].lock_id.hex()
    ada.presses(f"/security/passkeys/{lock}", **{"passkey-name": "Zoë’s phone"})
    assert "Zoë’s phone" in ada.looks_at("/security")
    refused = ada.presses(f"/security/passkeys/{lock}", 422, **{"passkey-name": " "})
    assert "Say what it is called" in refused.text
    ada.presses(f"/security/passkeys/{'0' * 32}/remove", 404)
    ada.presses("/security/passkeys/nothing/remove", 404)


def test_its_name_and_its_secret_stand_nowhere_in_clear(ada: Ada, capfd: pytest.CaptureFixture[str]):
    phone = with_passkey(ada, "Telefon z biblioteki")
    answer, secret = phone.answers(asked(ada))
    assert tries(ada, answer, secret) == 303
    ada.house.main.checkpoint()
    kept = b"".join(each.read_bytes() for each in home_of(ada.house).rglob("*") if each.is_file())
    logged = "".join(capfd.readouterr())
    for planted in ("Telefon z biblioteki", secret, text(phone.held[0].handle)):
        assert planted.encode() not in kept
        assert planted not in logged


def test_on_a_bare_address_there_are_none(ada: Ada, clock: Clock):
    object.__setattr__(ada.house.settings, "issuer", "http://127.0.0.1:8400")
    assert not passkeys.possible(ada.house)
    stranger = ada.app.test_client()
    assert stranger.get("/unlock/passkey").status_code == 404
    assert "passkey" not in stranger.get("/unlock").text
    assert "Add a passkey" not in ada.looks_at("/security")


def test_without_a_script_only_the_passphrase_is_asked_for(ada: Ada):
    page = ada.app.test_client().get("/unlock").text
    form = page[page.index('action="/unlock/passkey"') :]
    assert "hidden" in form[: form.index(">")]
    assert "Passphrase" in page


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(text(bytes(40))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "rawId", "type", "response", "clientDataJSON", "userHandle", "challenge", "signature"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(answer=hostile, secret=st.text(max_size=50))
@settings(max_examples=60, deadline=None)
def test_whatever_is_sent_instead_is_refused_and_nothing_else(nobody: Server, answer: Any, secret: str):
    for sent in (json.dumps(answer), json.dumps({"response": answer}), str(answer)):
        with pytest.raises(WrongSecret):
            passkeys.unlock(nobody, sent, secret)
        with pytest.raises(WrongSecret):
            challenges.spend(nobody, {"response": answer}, ("unlock", b""))


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server on which there is nobody yet."""
    from tests.people import house_in

    return house_in(tmp_path_factory.mktemp("nobody"))


def test_a_passkey_that_came_too_late_is_made_anew_and_its_secret_never_stands_in_a_page(ada: Ada, clock: Clock):
    device = Device(ISSUER)
    answer, secret = device.makes(json.loads(ada.looks_at("/security/passkeys/new")))
    clock.passes(minutes=4)
    ada.looks_at("/")
    clock.passes(minutes=2)
    made = {"passkey": answer, "secret": secret, "passkey-name": "My phone"}
    page = ada.presses("/security/passkeys", 403, **made).text
    assert secret not in page
    assert hidden_in(page)["passkey-name"] == ["My phone"]
    again = ada.presses("/security/passkeys", 422, **hidden_in(page), **{"confirm-passphrase": PASSPHRASE}).text
    assert "Press the button once more" in again
    assert passkeys.listed(ada.open) == []
