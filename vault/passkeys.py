"""Passkeys: a lock that a device opens with what it alone can compute (WebAuthn Level 3, PRF extension).

A passkey shows two things at once: a signature that it is there and she with it, and 32 secret bytes that are always
the same. The secret opens the lock, with the lock's pepper; the signature keeps a copied secret from being enough. A
passkey without PRF has no secret: it can confirm that it is she, in a vault that is open, and opens nothing.

This module alone imports `webauthn`, which verifies and knows nothing of PRF.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import update

from vault import bearer, challenges, choices, crypto, lock_rows, locks, mail, sessions
from vault.challenges import NOT_THIS, to_bytes, to_text
from vault.errors import N_, Invalid, Locked, NotFound, WrongSecret
from vault.models import Lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from vault.keyring import Keyring
    from vault.opened import OpenVault
    from vault.server import Server

UNLOCKS, CONFIRMS = "passkey", "sign-in"  # kinds of lock: with PRF, and without
MOST = 20  # passkeys of one owner
LONGEST_NAME = 60


class Passkey(NamedTuple):
    """One of hers, as listed. `used_at` is seconds since 1970, None before its first use."""

    lock_id: bytes
    name: str
    unlocks: bool
    used_at: int | None


def possible(server: Server) -> bool:
    """Passkeys belong to a name; browsers make none for a bare address."""
    try:
        ipaddress.ip_address(_host(server))
    except ValueError:
        return True
    return False


def listed(vault: OpenVault) -> list[Passkey]:
    """Her living passkeys, by name."""
    names = vault.settings.get("passkeys", {})
    rows = _rows(vault.server, vault.owner_id)
    found = [Passkey(row.lock_id, names.get(row.lock_id.hex(), ""), row.kind == UNLOCKS, row.used_at) for row in rows]
    return sorted(found, key=lambda each: each.name.casefold())


def asking(server: Server, vault: OpenVault | None = None) -> dict[str, Any]:
    """What a page hands to the browser to ask for a passkey: to unlock, or of an open vault to confirm that it is she.

    Before it is open nobody says whose vault is meant: the device offers what it has.
    """
    chosen = [locks.read_passkey_params(row.params)[0] for row in _rows(server, vault.owner_id)] if vault else []
    return {
        "challenge": to_text(challenges.make(server, _for(vault), crypto.random_bytes(16))),
        "rpId": _host(server),
        "userVerification": "required",
        "timeout": challenges.GOOD * 1000,
        "allowCredentials": [{"type": "public-key", "id": to_text(each)} for each in chosen],
        "extensions": _prf(server),
    }


def unlock(server: Server, answer: str, secret: str) -> Keyring:
    """Open a vault by passkey. `secret` is what PRF gave, in base64url. Raises WrongSecret, whatever is wrong."""
    said = challenges.read(answer)
    owner, lock = bearer.placed(_handle(said), server.keys.route)
    row = _row(server, owner, lock)
    if row.kind != UNLOCKS:
        raise WrongSecret(N_("This passkey can confirm that it is you, but not unlock. Use your passphrase."))
    _check(server, row, said, _for(None))
    keyring = lock_rows.open_with(server, row, _secret(secret))
    if keyring is None:
        raise WrongSecret(NOT_THIS)
    _used(server, owner, lock)
    return keyring


def confirm(vault: OpenVault, answer: str, secret: str) -> None:
    """She shows that it is she, by one of her passkeys. Raises WrongSecret."""
    server, said = vault.server, challenges.read(answer)
    owner, lock = bearer.placed(_handle(said), server.keys.route)
    if owner != vault.owner_id:
        raise WrongSecret(NOT_THIS)
    row = _row(server, owner, lock)
    _check(server, row, said, _for(vault))
    if _opened(vault, row, secret) is None:
        raise WrongSecret(NOT_THIS)
    _used(server, owner, lock)


def adding(vault: OpenVault) -> dict[str, Any]:
    """What a page hands to the browser to make a passkey. The new lock's id travels in the challenge."""
    from webauthn import generate_registration_options
    from webauthn.helpers import options_to_json_dict
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    server, lock = vault.server, crypto.random_bytes(16)
    known = [locks.read_passkey_params(row.params)[0] for row in _rows(server, vault.owner_id)]
    options = generate_registration_options(
        rp_id=_host(server),
        rp_name="Vault",
        user_name=str(vault.settings.get("handle") or "vault"),
        user_id=bearer.place(vault.owner_id, lock, server.keys.route),
        challenge=challenges.make(server, _for(vault, "add"), lock),
        timeout=challenges.GOOD * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return {**options_to_json_dict(options), "extensions": _prf(server)}


def add(vault: OpenVault, answer: str, secret: str, name: str) -> Passkey:
    """A new passkey; it unlocks if the device gave a secret, else it confirms. Raises WrongSecret, Invalid."""
    from webauthn import verify_registration_response

    server, owner, label = vault.server, vault.owner_id, checked_name(name)
    if len(_rows(server, owner)) >= MOST:
        raise Invalid({"passkey-name": [N_("Twenty passkeys are the most. Remove one first.")]})
    said = challenges.read(answer)
    lock = challenges.spend(server, said, _for(vault, "add"))
    made = _verified(
        lambda: verify_registration_response(credential=said, require_user_verification=True, **_expected(server, said))
    )
    params = locks.passkey_params(made.credential_id, made.credential_public_key)
    root = vault.keyring.root
    kind, held, payload = (UNLOCKS, _secret(secret), root) if secret else (CONFIRMS, root, b"")
    pepper = server.keystore.make(owner, lock, "lock")
    with server.main.transaction() as session:
        choices.change(session, vault, lambda settings: settings.setdefault("passkeys", {}).update({lock.hex(): label}))
        lock_rows.add(session, kind, owner, lock, held, pepper, params, payload)
        mail.queue_ways_changed(session, server, owner)
    if server.keystore.pepper(owner, vault.session_id) is None:  # this session was ended meanwhile, and leaves nothing
        lock_rows.unmake_lock(server, owner, {"lock": lock.hex()})
        raise Locked
    return Passkey(lock, label, kind == UNLOCKS, None)


def rename(vault: OpenVault, lock: bytes, name: str) -> None:
    """Call it something else. Raises Invalid, NotFound."""
    label = checked_name(name)
    if lock not in {each.lock_id for each in listed(vault)}:
        raise NotFound
    with vault.server.main.transaction() as session:
        choices.change(session, vault, lambda settings: settings.setdefault("passkeys", {}).update({lock.hex(): label}))


def remove(vault: OpenVault, lock: bytes) -> None:
    """From the answer on it opens nothing; nor does any other session, which it may have opened. Raises NotFound."""
    server, owner = vault.server, vault.owner_id
    if lock not in {each.lock_id for each in listed(vault)}:
        raise NotFound
    lock_rows.unmake_lock(server, owner, {"lock": lock.hex()})
    sessions.end_others(vault)
    with server.main.transaction() as session:
        choices.change(session, vault, lambda settings: settings.get("passkeys", {}).pop(lock.hex(), None))
        mail.queue_ways_changed(session, server, owner)


def checked_name(name: str) -> str:
    """What she calls it. Raises Invalid."""
    label = " ".join(name.split())
    if not 1 <= len(label) <= LONGEST_NAME or not label.isprintable():
        raise Invalid({"passkey-name": [N_("Say what it is called, in up to 60 letters, such as “My phone”.")]})
    return label


def _opened(vault: OpenVault, row: Any, secret: str) -> bytes | None:
    """The payload of a passkey's lock; opening it is what verifies its public key, which lies in a column in clear."""
    held = _secret(secret) if row.kind == UNLOCKS else vault.keyring.root
    pepper = vault.server.keystore.pepper(row.owner_id, row.lock_id)
    try:
        return locks.open_lock(row.kind, row.owner_id, row.lock_id, held, pepper, row.params, row.box)
    except crypto.Damaged:
        return None


def _rows(server: Server, owner: bytes) -> list[Any]:
    return lock_rows.all_living(server, lock_rows.of_kind(server, owner, UNLOCKS, CONFIRMS))


def _row(server: Server, owner: bytes, lock: bytes) -> Any:
    for row in _rows(server, owner):
        if row.lock_id == lock:
            return row
    raise WrongSecret(NOT_THIS)


def _used(server: Server, owner: bytes, lock: bytes) -> None:
    with server.main.transaction() as session:
        mine = (Lock.owner_id == owner, Lock.lock_id == lock)
        session.execute(update(Lock).where(*mine).values(used_at=server.now))


def _check(server: Server, row: Any, said: dict[str, Any], purpose: challenges.Purpose) -> None:
    """Did she, and this passkey, sign this answer here, now, for this purpose, and once? Raises WrongSecret."""
    from webauthn import verify_authentication_response

    credential, public_key = locks.read_passkey_params(row.params)
    verified = _verified(
        lambda: verify_authentication_response(
            credential=said,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # synced passkeys do not count; a challenge is good once
            require_user_verification=True,
            **_expected(server, said),
        )
    )
    if not crypto.same(verified.credential_id, credential):
        raise WrongSecret(NOT_THIS)
    challenges.spend(server, said, purpose)


def _verified(verify: Callable[[], Any]) -> Any:
    """What the library says, with one refusal for every reason; hostile bytes reach parsers below it."""
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        return verify()
    except (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, OverflowError):
        raise WrongSecret(NOT_THIS) from None


def _expected(server: Server, said: dict[str, Any]) -> dict[str, Any]:
    return {
        "expected_challenge": challenges.in_answer(said),
        "expected_rp_id": _host(server),
        "expected_origin": server.settings.issuer,
    }


def _handle(said: dict[str, Any]) -> bytes:
    try:
        handle = to_bytes(said["response"]["userHandle"])
    except (LookupError, TypeError):
        raise WrongSecret(NOT_THIS) from None
    if len(handle) != 32:
        raise WrongSecret(NOT_THIS)
    return handle


def _for(vault: OpenVault | None, what: str = "confirm") -> challenges.Purpose:
    """What a challenge is good for: unlocking, or one act of one open session."""
    return (what, vault.session_id) if vault else ("unlock", b"")


def _secret(text: str) -> bytes:
    raw = to_bytes(text)
    if len(raw) != crypto.KEY_LENGTH:
        raise WrongSecret(NOT_THIS)
    return raw


def _prf(server: Server) -> dict[str, Any]:
    """One salt for the whole server, so that nobody has to say whose vault is meant before a passkey is asked."""
    return {"prf": {"eval": {"first": to_text(crypto.tag(server.keys.tag, "prf"))}}}


def _host(server: Server) -> str:
    return urlsplit(server.settings.issuer).hostname or ""
