"""What comes out of a vault, as a plain listing: the same before and after, whatever the format was."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from joserfc.jwk import ECKey

from consent import inbox, receipts, verifying
from consent.signing import key_set
from tests.people import Ada, Bookshop
from vault import attachments
from vault.app import create_app
from vault.archive import archive
from vault.server import Server

GOLDEN = Path(__file__).parent
DATABASES = ("vault/vault.db", "vault/log.db", "keystore/keystore.db")


class Returning(Ada):
    """Ada, coming home to a vault that another release has left: nothing is added to it."""

    def __init__(self, house: Server, passphrase: str) -> None:
        self.house, self.passphrase, self.app = house, passphrase, create_app(house)
        self.app.testing = True
        self.unlocks()


def listing(ada: Ada) -> dict[str, Any]:
    """Everything she has, and everything that was said about it."""
    with zipfile.ZipFile(io.BytesIO(b"".join(archive(ada.open)))) as packed:
        said = orjson.loads(packed.read("vault.json"))
        permissions = orjson.loads(packed.read("sharing/permissions.json"))
    keys, log = key_set(ada.house), said["consent"]["log"]
    folded = [orjson.loads(each["content"])["entries"] for each in log["segments"]]
    return {
        "records": said["records"],
        "fingerprint": said["fingerprint"],
        "files": files(ada),
        "waiting": waiting(ada),
        "looks": [dict(entry) for entries in (*folded, log["entries"]) for entry in entries],
        "head": log["head"],
        "receipts": [receipts.in_words(verifying.verify(each, keys)) for each in said["consent"]["receipts"]],
        "permissions": permissions,
    }


def files(ada: Ada) -> dict[str, str]:
    """What she attached: name and hash, by the number of the record."""
    with ada.house.main.reading() as session:
        known = [attachments.of_record(session, ada.open, number) for number in attachments.counts(session, ada.open)]
        return {
            f"{each.number}/{each.name}": hashlib.sha256(attachments.content(session, ada.open, each)).hexdigest()
            for some in known
            for each in some
        }


def waiting(ada: Ada) -> list[dict[str, Any]]:
    """What vendors left."""
    with ada.house.main.reading() as session:
        return [{"by": each.name, **(each.data or {})} for each in inbox.waiting(session, ada.open, limit=10)]


def shown(shop: Bookshop, token: str) -> list[Any]:
    """What a vendor's token shows."""
    answer = shop.looks("/vendor/v1/purchases", token)
    assert answer.status_code == 200, answer.text
    return [each["data"] for each in answer.json()["items"]]


def known(release: str) -> dict[str, Any]:
    """What is written beside the files of a release."""
    said: dict[str, Any] = orjson.loads((GOLDEN / release / "expected.json").read_bytes())
    return said | {"made_at": datetime.fromisoformat(said["made_at"])}


class ShopOfThen(Bookshop):
    """The vendor of then: its name and key. It has no web server any more; for a day nobody asks it for anything."""

    def __init__(self, said: Mapping[str, Any], ada: Ada) -> None:
        self.key, self.client_id, self.redirect_uri = ECKey.import_key(said["shop_key"]), said["client_id"], ""
        self.visits(ada)
