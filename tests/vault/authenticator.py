"""A device with passkeys, in software: what a browser would send back, honest or not (WebAuthn Level 3)."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(told: str) -> bytes:
    return urlsafe_b64decode(told + "=" * (-len(told) % 4))


@dataclass
class Held:
    """One passkey on the device."""

    handle: bytes
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(20))
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    seed: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def public(self) -> bytes:
        """COSE_Key, ES256."""
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})


class Device:
    """Makes passkeys and answers with them. `prf` says whether it computes secrets."""

    def __init__(self, origin: str, *, prf: bool = True) -> None:
        self.origin, self.prf, self.held = origin, prf, list[Held]()

    def written(self) -> str:
        """Its newest passkey, to be read elsewhere."""
        held = self.held[-1]
        number = held.key.private_numbers().private_value.to_bytes(32, "big")
        return ".".join(each.hex() for each in (held.handle, held.credential, number, held.seed))

    @classmethod
    def read(cls, origin: str, written: str) -> Device:
        """A device with that passkey."""
        handle, credential, number, seed = map(bytes.fromhex, written.split("."))
        device = cls(origin)
        device.held = [Held(handle, credential, derive_private_key(int.from_bytes(number), SECP256R1()), seed)]
        return device

    def makes(self, options: dict[str, Any], **lies: Any) -> tuple[str, str]:
        """Answer and secret for `navigator.credentials.create()`."""
        held = Held(raw(options["user"]["id"]))
        self.held.append(held)
        named = bytes(16) + len(held.credential).to_bytes(2, "big") + held.credential + held.public()
        about = self._about(options["rp"]["id"], ATTESTED, lies) + named
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": about})
        client = self._client("webauthn.create", options["challenge"], lies)
        response = {"clientDataJSON": text(client), "attestationObject": text(attested)}
        return self._answer(held, response), self._secret(held, options)

    def answers(self, options: dict[str, Any], **lies: Any) -> tuple[str, str]:
        """Answer and secret for `navigator.credentials.get()`, by its newest passkey."""
        held = self.held[-1]
        about, client = (
            self._about(options["rpId"], 0, lies),
            self._client("webauthn.get", options["challenge"], lies),
        )
        signed = lies.get("key", held.key).sign(about + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        response = {"clientDataJSON": text(client), "authenticatorData": text(about), "signature": text(signed)}
        response["userHandle"] = text(lies.get("handle", held.handle))
        return self._answer(held, response), self._secret(held, options)

    def _about(self, host: str, flags: int, lies: dict[str, Any]) -> bytes:
        flags |= lies.get("flags", PRESENT | VERIFIED)
        return hashlib.sha256(lies.get("host", host).encode()).digest() + bytes([flags]) + bytes(4)

    def _client(self, kind: str, challenge: str, lies: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": lies.get("origin", self.origin), "crossOrigin": False}
        return json.dumps(said).encode()

    def _secret(self, held: Held, options: dict[str, Any]) -> str:
        salt = raw(options["extensions"]["prf"]["eval"]["first"])
        return text(hmac.digest(held.seed, salt, "sha256")) if self.prf else ""

    def _answer(self, held: Held, response: dict[str, str]) -> str:
        credential = text(held.credential)
        whole = {"id": credential, "rawId": credential, "type": "public-key", "response": response}
        return json.dumps(whole | {"clientExtensionResults": {}})
