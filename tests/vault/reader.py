"""A second reader of the format, written from docs/format.md alone. It imports nothing of the product.

Primitives come from `cryptography.hazmat`, everything above them is spelled out here: if the product and this file ever
disagree about a byte, one of them does not keep to the page.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sqlite3
import unicodedata
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32, decompress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK = 16_384
RECIPE = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
STRINGS = {"se": "session", "ac": "code", "at": "access", "rt": "refresh", "rv": "link", "sl": "share"}


class Refused(Exception):
    """It does not open."""


def identity(*parts: bytes | str | int) -> bytes:
    out = b""
    for part in parts:
        raw = part.to_bytes(8, "big") if isinstance(part, int) else part.encode() if isinstance(part, str) else part
        out += len(raw).to_bytes(4, "big") + raw
    return out


def hkdf(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    """RFC 5869 for one block of SHA-256, by hand."""
    prk = hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def tag(key: bytes, *parts: bytes | str | int) -> bytes:
    return hmac.new(key, identity("vrm/1/tag", *parts), hashlib.sha256).digest()


def padded(length: int) -> int:
    """The bucket of a text."""
    length = max(length, 64)
    exponent = 0
    while 2 ** (exponent + 1) <= length:
        exponent += 1
    bits = 0
    while 2 ** (bits + 1) <= exponent:
        bits += 1
    step = 2 ** (exponent - (bits + 1))
    return (length + step - 1) // step * step


def open_precious(key: bytes, about: bytes, box: bytes) -> bytes:
    """Suite 0x01."""
    if box[:1] != b"\x01" or len(box) < 5 + 24 + 32 + 16:
        raise Refused
    salt, commitment, body = box[5:29], box[29:61], box[61:]
    info = RECIPE + salt + box[:5] + about
    okm = HKDFExpand(algorithm=SHA512(), length=76, info=info).derive(key)
    if okm[44:] != commitment:
        raise Refused
    cipher, base = AESGCM(okm[:32]), int.from_bytes(okm[32:44], "big")
    out, number = b"", 0
    while True:
        chunk = body[number * (CHUNK + 16) : (number + 1) * (CHUNK + 16)]
        try:
            out += cipher.decrypt((base ^ number).to_bytes(12, "big"), chunk, None)
        except (InvalidTag, ValueError):
            raise Refused from None
        if len(chunk) < CHUNK + 16:
            return out
        number += 1


def open_row(key: bytes, about: bytes, box: bytes) -> bytes:
    """Suite 0x02."""
    if box[:1] != b"\x02" or len(box) < 5 + 12 + 16:
        raise Refused
    try:
        return AESGCM(hkdf(key, None, b"rows")).decrypt(box[5:17], box[17:], box[:5] + about)
    except InvalidTag:
        raise Refused from None


def open_left(private: bytes, about: bytes, box: bytes) -> bytes:
    if box[:1] != b"\x03":
        raise Refused
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    try:
        return suite.decrypt(box[5:], X25519PrivateKey.from_private_bytes(private), box[:5] + about)
    except (InvalidTag, ValueError):
        raise Refused from None


def read_json(plaintext: bytes) -> Any:
    """JSON that was padded, and to the right length."""
    text = plaintext.rstrip(b" ")
    if len(plaintext) != padded(len(text)):
        raise Refused
    return json.loads(text)


def kek(kind: str, owner: bytes, lock: bytes, secret: bytes, pepper: bytes | None) -> bytes:
    return hkdf(secret, pepper, identity("vrm/1/kek", kind, owner, lock))


def open_lock(
    kind: str, owner: bytes, lock: bytes, secret: bytes, pepper: bytes | None, params: bytes, box: bytes
) -> bytes:
    about = identity("vrm/1/lock", kind, owner, lock, params)
    return open_precious(kek(kind, owner, lock, secret, pepper), about, box)


def stretch(passphrase: str, params: bytes) -> bytes:
    memory, passes, lanes = (int.from_bytes(params[at : at + 4], "big") for at in (0, 4, 8))
    if len(params) != 28 or not 65_536 <= memory <= 1_048_576 or not 1 <= passes <= 32 or not 1 <= lanes <= 16:
        raise Refused
    if memory * passes < 3 * 65_536:
        raise Refused
    made = Argon2id(salt=params[12:], length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    return made.derive(unicodedata.normalize("NFKC", passphrase).encode())


def open_archive(raw: bytes, passphrase: str) -> bytes:
    """The ZIP file inside an encrypted archive."""
    magic = b"vrm/1/archive\n"
    archive, params, lock, rest = raw[14:30], raw[30:58], raw[58:167], raw[167:]
    if not raw.startswith(magic):
        raise Refused
    key = open_lock("archive", archive, archive, stretch(passphrase, params), None, params, lock)
    boxes = [rest[at : at + 1_049_677] for at in range(0, len(rest), 1_049_677)]
    return b"".join(
        open_precious(key, identity("vrm/1/piece", archive, n, int(n == len(boxes) - 1)), box)
        for n, box in enumerate(boxes)
    )


def fingerprint(export: dict[str, Any]) -> str:
    """Of everything in an export."""
    lines = (json.dumps(each, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for each in export["records"])
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


def recovery_secret(written: str) -> bytes:
    letters = re.sub(r"[\s.\-–—]", "", written).upper().replace("O", "0").replace("I", "1").replace("L", "1")
    if len(letters) != 40:
        raise Refused
    number = 0
    for letter in letters:
        number = number * 32 + LETTERS.index(letter)
    raw = number.to_bytes(25, "big")
    if hashlib.sha256(identity("vrm/1/recovery check", raw[:20])).digest()[:5] != raw[20:]:
        raise Refused
    return raw[:20]


@dataclass(frozen=True)
class Text:
    """A bearer string, taken apart."""

    kind: str
    owner: bytes
    lock: bytes
    secret: bytes


def take_apart(text: str, route_key: bytes) -> Text:
    front, short, rest = text.split("_", 2)
    raw = urlsafe_b64decode(rest + "=")
    if front != "vrm" or len(raw) != 68 or crc32(raw[:64]).to_bytes(4, "big") != raw[64:]:
        raise Refused
    turned = Cipher(algorithms.AES(route_key), modes.ECB()).decryptor()  # noqa: S305 - one block, as the page says
    block = turned.update(raw[:16]) + turned.finalize()
    owner = bytes(a ^ b for a, b in zip(block, raw[16:32], strict=True))
    return Text(STRINGS[short], owner, raw[16:32], raw[32:64])


def rows(place: Path | str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Raw rows of one of the three databases: a file, or one of a server by its URL."""
    if isinstance(place, str):
        import psycopg

        with psycopg.connect(place) as served:
            return served.execute(statement.replace("?", "%s"), values).fetchall()
    connection = sqlite3.connect(f"file:{place}?mode=ro", uri=True)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


class Named(dict[int, bytes]):
    """Keys by id; `of` is the one that a box names."""

    def of(self, box: bytes) -> bytes:
        found = self.get(int.from_bytes(box[1:5], "big"))
        if found is None:
            raise Refused
        return found


class Vault:
    """A vault's directory, and what can be opened of it. Without `keystore` it makes do with what main holds."""

    def __init__(self, main: Path, keystore: Path | None = None, log: Path | None = None) -> None:
        self.main, self.keystore, self.log = main, keystore, log

    def server_key(self, purpose: str) -> bytes:
        if self.keystore is None:
            raise Refused
        return bytes(rows(self.keystore, "SELECT secret FROM server_keys WHERE purpose = ?", purpose)[0][0])

    def pepper(self, owner: bytes, subject: bytes) -> bytes:
        if self.keystore is None:
            raise Refused
        found = rows(self.keystore, "SELECT secret FROM peppers WHERE owner_id = ? AND subject_id = ?", owner, subject)
        if not found:
            raise Refused
        return bytes(found[0][0])

    def owner(self) -> bytes:
        return bytes(rows(self.main, "SELECT owner_id FROM owners")[0][0])

    def root_by_passphrase(self, passphrase: str) -> bytes:
        owner = self.owner()
        for lock, params, box in rows(self.main, "SELECT lock_id, params, box FROM locks WHERE kind = 'passphrase'"):
            secret = stretch(passphrase, params)
            return open_lock("passphrase", owner, lock, secret, self.pepper(owner, lock), params, box)
        raise Refused

    def root_by_code(self, written: str) -> bytes:
        owner = self.owner()
        for lock, box in rows(self.main, "SELECT lock_id, box FROM locks WHERE kind = 'recovery'"):
            return open_lock("recovery", owner, lock, recovery_secret(written), None, b"", box)
        raise Refused

    def keys(self, root: bytes) -> dict[str, bytes]:
        owner = self.owner()
        found = rows(self.main, "SELECT key_id, purpose, box FROM keys ORDER BY key_id")
        return {
            purpose: open_precious(root, identity("vrm/1/key", owner, key_id, purpose), box)
            for key_id, purpose, box in found
        }

    def named(self, root: bytes) -> Named:
        """Her keys by id: there are more of one purpose while they are being changed, and a box names its own."""
        owner = self.owner()
        found = rows(self.main, "SELECT key_id, purpose, box FROM keys")
        return Named(
            {
                key_id: open_precious(root, identity("vrm/1/key", owner, key_id, what), box)
                for key_id, what, box in found
            }
        )

    def records(self, root: bytes) -> dict[int, dict[str, Any]]:
        """Every record by number."""
        named, owner = self.named(root), self.owner()
        found = rows(self.main, "SELECT number, revision, box FROM records WHERE box IS NOT NULL ORDER BY number")
        return {
            number: read_json(open_row(named.of(box), identity("vrm/1/record", owner, number, revision), box))
            for number, revision, box in found
        }

    def versions(self, root: bytes) -> dict[tuple[int, int], dict[str, Any]]:
        named, owner = self.named(root), self.owner()
        return {
            (number, revision): read_json(
                open_row(named.of(box), identity("vrm/1/record", owner, number, revision), box)
            )
            for number, revision, box in rows(self.main, "SELECT number, revision, box FROM versions")
        }

    def attachments(self, root: bytes) -> dict[tuple[int, str], bytes]:
        """Every attached file that was not taken away, by record number and name."""
        key, owner, found = self.keys(root)["files"], self.owner(), {}
        columns = "attachment_id, number, revision, box, content"
        for one, number, at, box, content in rows(self.main, f"SELECT {columns} FROM attachments WHERE NOT removed"):
            said = read_json(open_precious(key, identity("vrm/1/attachment", owner, one, number, at, 0), box))
            file = open_precious(key, identity("vrm/1/attached file", owner, one, number), content)
            found[number, said["name"]] = file[: said["size"]]
        return found

    def settings(self, root: bytes) -> dict[str, Any]:
        owner = self.owner()
        (box,) = rows(self.main, "SELECT settings_box FROM owners")[0]
        return dict(read_json(open_precious(self.named(root).of(box), identity("vrm/1/settings", owner), box)))

    def seat(self, root: bytes, lock: bytes, params: bytes) -> dict[str, Any]:
        """Where a session runs."""
        return dict(
            read_json(open_precious(self.named(root).of(params), identity("vrm/1/seat", self.owner(), lock), params))
        )

    def notice(self) -> str:
        owner = self.owner()
        (box,) = rows(self.main, "SELECT notice_box FROM owners")[0]
        plaintext = open_precious(self.server_key("seal"), identity("vrm/1/notice", owner), box)
        return plaintext.decode().rstrip(" ")

    def jobs(self) -> list[tuple[str, Any]]:
        found = rows(self.main, "SELECT owner_id, job_id, kind, box FROM jobs ORDER BY job_id")
        seal = self.server_key("seal")
        return [
            (kind, read_json(open_precious(seal, identity("vrm/1/job", owner, job, kind), box)))
            for owner, job, kind, box in found
        ]

    def labels(self) -> list[Any]:
        found = rows(self.main, "SELECT owner_id, grant_id, version, label_box FROM grants ORDER BY grant_id")
        seal = self.server_key("seal")
        return [
            read_json(open_precious(seal, identity("vrm/1/grant label", owner, grant, version), box))
            for owner, grant, version, box in found
        ]

    def clients(self) -> list[Any]:
        seal = self.server_key("seal")
        return [
            read_json(open_precious(seal, identity("vrm/1/client", known, fresh_until), box))
            for known, fresh_until, box in rows(self.main, "SELECT tag, fresh_until, box FROM clients")
        ]

    def memories(self, root: bytes) -> dict[bytes, Any]:
        """Terms of every grant, also of ended ones."""
        owner = self.owner()
        return {
            grant: read_json(open_precious(root, identity("vrm/1/grant memory", owner, grant, version), box))
            for grant, version, box in rows(self.main, "SELECT grant_id, version, memory_box FROM grants")
        }

    def receipts(self, root: bytes) -> list[dict[str, Any]]:
        """What every receipt says, in order, its signature checked by hand."""
        owner, named, seal = self.owner(), self.named(root), self.server_key("seal")
        public = Ed25519PrivateKey.from_private_bytes(self.server_key("receipt")).public_key()
        found = rows(self.main, "SELECT grant_id, receipt_id, kind, revision, day, box FROM receipts ORDER BY revision")
        said = []
        for grant, receipt, kind, revision, day, box in found:
            about = identity("vrm/1/receipt", owner, grant, receipt, kind, revision, day)
            padded_text = open_precious(named.of(box) if kind == "consent" else seal, about, box)
            text = padded_text.rstrip(b" ")
            if len(padded_text) != padded(len(text)):
                raise Refused
            signed, _, signature = text.rpartition(b".")
            public.verify(urlsafe_b64decode(signature + b"=="), signed)
            said.append(json.loads(urlsafe_b64decode(signed.partition(b".")[2] + b"==")))
        return said

    def screens(self, root: bytes) -> dict[str, bytes]:
        """The documents of the screens she agreed to, by receipt."""
        owner, named = self.owner(), self.named(root)
        found = rows(self.main, "SELECT grant_id, receipt_id, screen_box FROM receipts WHERE screen_box IS NOT NULL")
        screens = {}
        for grant, receipt, box in found:
            about = identity("vrm/1/receipt screen", owner, grant, receipt)
            screens[receipt.hex()] = decompress(open_precious(named.of(box), about, box))
        return screens

    def vendors_receipt(self, text: str) -> bytes:
        """The copy of the latest receipt that a vendor's string opens."""
        owner, grant, key, _bound = self.grant_key(text)
        ((receipt, box),) = rows(
            self.main,
            "SELECT receipt_id, copy_box FROM receipts WHERE owner_id = ? AND grant_id = ? AND copy_box IS NOT NULL",
            owner,
            grant,
        )
        return open_precious(key, identity("vrm/1/receipt copy", owner, grant, receipt), box).rstrip(b" ")

    def imports(self, root: bytes) -> list[Any]:
        named, owner = self.named(root), self.owner()
        return [
            read_json(open_precious(named.of(box), identity("vrm/1/import", owner, import_id), box))
            for import_id, box in rows(self.main, "SELECT import_id, box FROM imports ORDER BY import_id")
        ]

    def uploads(self, root: bytes) -> dict[bytes, bytes]:
        """The files that are still there, whole."""
        named, owner = self.named(root), self.owner()
        together: dict[bytes, bytes] = {}
        for import_id, n, box in rows(self.main, "SELECT import_id, n, box FROM import_chunks ORDER BY import_id, n"):
            piece = open_precious(named.of(box), identity("vrm/1/upload", owner, import_id, n), box)
            together[import_id] = together.get(import_id, b"") + piece
        return together

    def reports(self, root: bytes) -> list[Any]:
        named, owner = self.named(root), self.owner()
        found = rows(self.main, "SELECT import_id, n, box FROM import_reports ORDER BY import_id, n")
        return [
            read_json(open_precious(named.of(box), identity("vrm/1/import-report", owner, import_id, n), box))
            for import_id, n, box in found
        ]

    def deposits(self, root: bytes) -> list[Any]:
        """What waits in her inbox."""
        owner, named = self.owner(), self.named(root)
        found = rows(self.main, "SELECT grant_id, deposit_id, box FROM deposits WHERE box IS NOT NULL")
        return [
            read_json(open_left(named.of(box), identity("vrm/1/deposit", owner, grant, deposit), box))
            for grant, deposit, box in found
        ]

    def catalogue(self, root: bytes, folder: Path) -> list[tuple[int, str]]:
        """Number and title of every line of the sealed catalogue."""
        owner = self.owner()
        name = tag(self.server_key("tag"), "catalogue", owner)[:16].hex()
        box = (folder / f"{name}.catalogue").read_bytes()
        image = open_precious(self.named(root).of(box), identity("vrm/1/catalogue", owner), box)
        connection = sqlite3.connect(":memory:")
        try:
            connection.deserialize(image)
            return connection.execute("SELECT number, title FROM entries ORDER BY number").fetchall()
        finally:
            connection.close()

    def grant_key(self, text: str) -> tuple[bytes, bytes, bytes, dict[str, str]]:
        """Owner, grant, grant key and bindings that a vendor's string opens."""
        string = take_apart(text, self.server_key("route"))
        found = rows(
            self.main,
            "SELECT grant_id, box FROM grant_locks WHERE owner_id = ? AND lock_id = ? AND kind = ?",
            string.owner,
            string.lock,
            string.kind,
        )
        if not found:
            raise Refused
        grant, box = found[0]
        pepper = self.pepper(string.owner, grant)
        payload = open_lock(string.kind, string.owner, string.lock, string.secret, pepper, grant, box)
        if string.kind == "share":
            content = read_json(payload)
            return string.owner, grant, bytes.fromhex(content["key"]), {"by": content["by"]}
        return string.owner, grant, payload[:32], json.loads(payload[32:])

    def grant_key_behind(self, text: str, passphrase: str) -> bytes:
        """The grant key that a share link's string and its passphrase open together."""
        string = take_apart(text, self.server_key("route"))
        ((grant, box),) = rows(self.main, "SELECT grant_id, box FROM grant_locks WHERE lock_id = ?", string.lock)
        pepper = self.pepper(string.owner, grant)
        outer = read_json(open_lock("share", string.owner, string.lock, string.secret, pepper, grant, box))
        params, inner = bytes.fromhex(outer["params"]), bytes.fromhex(outer["box"])
        secret = stretch(passphrase, params)
        return open_lock("share passphrase", string.owner, string.lock, secret, pepper, params, inner)

    def terms(self, text: str) -> dict[str, Any]:
        owner, grant, key, _bound = self.grant_key(text)
        ((version, box),) = rows(
            self.main, "SELECT version, terms_box FROM grants WHERE owner_id = ? AND grant_id = ?", owner, grant
        )
        return dict(read_json(open_precious(key, identity("vrm/1/terms", owner, grant, version), box)))

    def disclosures(self, text: str) -> list[tuple[int, int, bytes, dict[str, Any]]]:
        """Everything of its grant that a vendor's string opens: change, item, ref, JSON."""
        owner, grant, key, _bound = self.grant_key(text)
        ((version,),) = rows(self.main, "SELECT version FROM grants WHERE owner_id = ? AND grant_id = ?", owner, grant)
        found = rows(
            self.main,
            "SELECT change, item, ref, box FROM disclosures WHERE owner_id = ? AND grant_id = ? AND box IS NOT NULL "
            "ORDER BY change",
            owner,
            grant,
        )
        return [
            (
                change,
                item,
                ref,
                read_json(open_row(key, identity("vrm/1/disclosure", owner, grant, item, ref, version, change), box)),
            )
            for change, item, ref, box in found
        ]

    def entries(self, text: str) -> list[Any]:
        """The access log of a string's grant."""
        if self.log is None:
            raise Refused
        owner, grant, _key, _bound = self.grant_key(text)
        key = bytes.fromhex(self.terms(text)["log_key"])
        found = rows(
            self.log,
            "SELECT number, box FROM accesses WHERE owner_id = ? AND grant_id = ? ORDER BY number",
            owner,
            grant,
        )
        return [read_json(open_row(key, identity("vrm/1/access", owner, grant, number), box)) for number, box in found]


@dataclass(frozen=True)
class Box:
    """A box as it lies in a row: table, column, where in the table, its identity, and the bytes."""

    table: str
    column: str
    row: str
    about: bytes
    box: bytes


PLACES: dict[tuple[str, str], tuple[str, Any]] = {
    ("owners", "notice_box"): ("owner_id", lambda o: identity("vrm/1/notice", o)),
    ("owners", "settings_box"): ("owner_id", lambda o: identity("vrm/1/settings", o)),
    ("owners", "inbox_box"): ("owner_id", lambda o: identity("vrm/1/inbox", o)),
    ("certificates", "box"): ("owner_id", lambda o: identity("vrm/1/certificate", o)),
    ("denials", "offer_box"): ("owner_id, request_tag", lambda o, tag: identity("vrm/1/denial", o, tag)),
    ("deposits", "box"): ("owner_id, grant_id, deposit_id", lambda o, g, d: identity("vrm/1/deposit", o, g, d)),
    ("locks", "box"): (
        "kind, owner_id, lock_id, params",
        lambda kind, o, lock, params: identity("vrm/1/lock", kind, o, lock, params),
    ),
    ("keys", "box"): ("owner_id, key_id, purpose", lambda o, n, purpose: identity("vrm/1/key", o, n, purpose)),
    ("records", "box"): ("owner_id, number, revision", lambda o, n, at: identity("vrm/1/record", o, n, at)),
    ("versions", "box"): ("owner_id, number, revision", lambda o, n, at: identity("vrm/1/record", o, n, at)),
    ("attachments", "box"): (
        "owner_id, attachment_id, number, revision, removed",
        lambda o, a, n, at, removed: identity("vrm/1/attachment", o, a, n, at, removed),
    ),
    ("attachments", "content"): (
        "owner_id, attachment_id, number",
        lambda o, a, n: identity("vrm/1/attached file", o, a, n),
    ),
    ("jobs", "box"): ("owner_id, job_id, kind", lambda o, job, kind: identity("vrm/1/job", o, job, kind)),
    ("clients", "box"): ("tag, fresh_until", lambda known, until: identity("vrm/1/client", known, until)),
    ("requests", "box"): ("tag", lambda known: identity("vrm/1/request", known)),
    ("grants", "label_box"): ("owner_id, grant_id, version", lambda o, g, v: identity("vrm/1/grant label", o, g, v)),
    ("grants", "terms_box"): ("owner_id, grant_id, version", lambda o, g, v: identity("vrm/1/terms", o, g, v)),
    ("grants", "copy_box"): ("owner_id, grant_id", lambda o, g: identity("vrm/1/grant copy", o, g)),
    ("grants", "memory_box"): ("owner_id, grant_id, version", lambda o, g, v: identity("vrm/1/grant memory", o, g, v)),
    ("grant_locks", "box"): (
        "kind, owner_id, lock_id, grant_id",
        lambda kind, o, lock, g: identity("vrm/1/lock", kind, o, lock, g),
    ),
    ("disclosures", "box"): (
        "d.owner_id, d.grant_id, d.item, d.ref, g.version, d.change",
        lambda o, g, item, ref, v, change: identity("vrm/1/disclosure", o, g, item, ref, v, change),
    ),
    ("receipts", "box"): (
        "owner_id, grant_id, receipt_id, kind, revision, day",
        lambda o, g, receipt, kind, at, day: identity("vrm/1/receipt", o, g, receipt, kind, at, day),
    ),
    ("receipts", "copy_box"): (
        "owner_id, grant_id, receipt_id",
        lambda o, g, receipt: identity("vrm/1/receipt copy", o, g, receipt),
    ),
    ("receipts", "screen_box"): (
        "owner_id, grant_id, receipt_id",
        lambda o, g, receipt: identity("vrm/1/receipt screen", o, g, receipt),
    ),
    ("accesses", "box"): ("owner_id, grant_id, number", lambda o, g, n: identity("vrm/1/access", o, g, n)),
    ("segments", "box"): ("owner_id, number", lambda o, n: identity("vrm/1/segment", o, n)),
    ("imports", "box"): ("owner_id, import_id", lambda o, i: identity("vrm/1/import", o, i)),
    ("import_chunks", "box"): ("owner_id, import_id, n", lambda o, i, n: identity("vrm/1/upload", o, i, n)),
    ("import_reports", "box"): ("owner_id, import_id, n", lambda o, i, n: identity("vrm/1/import-report", o, i, n)),
}
JOINED = "disclosures d JOIN grants g ON g.owner_id = d.owner_id AND g.grant_id = d.grant_id"


def boxes(main: Path, log: Path) -> list[Box]:
    """Every box there is, with the identity that the page gives it."""
    found = []
    for (table, column), (parts, about) in PLACES.items():
        source, name = (JOINED, f"d.{column}") if table == "disclosures" else (table, column)
        statement = f"SELECT {parts}, {name} FROM {source} WHERE {name} IS NOT NULL ORDER BY {parts}"
        for row in rows(log if table in ("accesses", "segments") else main, statement):
            where = " ".join(part.hex() if isinstance(part, bytes) else str(part) for part in row[:-1])
            found.append(Box(table, column, where, about(*row[:-1]), row[-1]))
    return found


def opens(box: Box, key: bytes) -> bool:
    """Does a key open it, as either suite?"""
    for way in (open_precious, open_row):
        try:
            way(key, box.about, box.box)
        except Refused:
            continue
        return True
    return False
