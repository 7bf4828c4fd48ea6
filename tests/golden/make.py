"""Write what this release writes, once: python -m tests.golden.make 0.1

It makes a folder of that name here, and refuses if there is one. Everything in it is made up.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from pathlib import Path

import orjson

from consent.signing import key_set
from tests.conftest import PASSPHRASE
from tests.golden.listing import DATABASES, GOLDEN, listing, shown
from tests.people import PURCHASES, RECEIPTS, TASTE, Ada, Bookshop, Clock, details, house_in
from vault import backup, choices, notice_address, sealed_file, sessions, set_up, unlock
from vault.archive import archive
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Birthday
from vault.export import export
from vault.leaving import exported
from vault.server import Server
from vault.values import When

FOR_BACKUPS, FOR_ARCHIVES = "walnut harbour trombone lattice", "tangerine velocipede armadillo"
LEFT = {"item": "The Weathervane", "bought_on": "2026-11-20", "price": {"amount": "21.00", "currency": "EUR"}}


def furnish(ada: Ada) -> None:
    """A little of every kind: changed, given away, thrown away, attached."""
    ada.keeps(Birthday(born_on=When("1988-03-03")))
    kettle = ada.buys("A Kettle", note="=HYPERLINK(evil)", rating=3)
    ada.edits(kettle, rating=5)
    ada.attaches(kettle, b"paid by card\n" * 9, "receipt.txt")
    ada.marks_as_gift(ada.buys("Atlas"))
    ada.buys("The Salt Almanac", on="2026-10")
    ada.removes(ada.buys("A mistake"))
    ada.keeps(Note(heading="Lamp", text="Zażółć gęślą jaźń"))
    ada.keeps(Preference(topic="maps", stance="like"))


def deal(ada: Ada, shop: Bookshop, clock: Clock) -> dict[str, str]:
    """One permission narrowed and stopped; one that lives, was looked at and left something; and a link."""
    shop.tokens("item-1", authorization_details=details(PURCHASES, TASTE))
    ended = ada.grant()
    ada.presses(f"/sharing/{ended}/less", item="1")
    ada.presses(f"/sharing/{ended}/stop")
    tokens = shop.tokens("item-1", authorization_details=details(PURCHASES, RECEIPTS))
    shown(shop, tokens["access_token"])
    assert shop.leaves(tokens["access_token"], LEFT).status_code == 202
    link = ada.shares(ada.buys("A Globe"))
    clock.passes(minutes=15)
    ada.unlocks()
    return {"access_token": shop.refreshes(tokens["refresh_token"]).json()["access_token"], "link": link}


def write(house: Server, directory: Path, clock: Clock, code: str) -> None:
    """Every file but the databases."""
    ada, shop = Ada(house, PASSPHRASE), Bookshop("Bookshop", "shop")
    furnish(ada)
    shop.open()
    try:
        shop.visits(ada)
        strings = deal(ada, shop, clock)
        seen = shown(shop, strings["access_token"])
    finally:
        shop.close()
    plain, sealed = b"".join(archive(ada.open)), b"".join(exported(ada.open, "sealed", FOR_ARCHIVES))
    export_text = b"".join(export(ada.open))
    (directory / "archive.zip").write_bytes(plain)
    (directory / "archive.vrm").write_bytes(sealed)
    (directory / "export.json").write_bytes(export_text)
    (directory / "receipt.jwt").write_text(orjson.loads(export_text)["consent"]["receipts"][-1], encoding="ascii")
    (directory / "keys.json").write_bytes(orjson.dumps(key_set(house)))
    expected = {
        "made_at": clock().isoformat(),
        "passphrase": PASSPHRASE,
        "recovery_code": code,
        "for_backups": FOR_BACKUPS,
        "for_archives": FOR_ARCHIVES,
        "client_id": shop.client_id,
        "shop_key": shop.key.as_dict(private=True),
        **strings,
        "shown": seen,
        "listing": listing(ada),
    }
    (directory / "expected.json").write_bytes(orjson.dumps(expected, option=orjson.OPT_INDENT_2) + b"\n")
    kinds: tuple[backup.Kind, ...] = ("backup", "keystore")
    for kind in kinds:
        parts = sealed_file.seal(kind, backup.parts(house, kind), FOR_BACKUPS)
        (directory / f"{kind}.vrm").write_bytes(b"".join(parts))


def databases(directory: Path) -> bytes:
    """The three files, packed: they are mostly air."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name in DATABASES:
            assert not (directory / f"{name}-wal").exists(), "it was not stopped"
            out.write(directory / name, name)
    return packed.getvalue()


def main(release: str) -> None:
    """Make the folder of a release."""
    (GOLDEN / release).mkdir()
    clock = Clock()
    with tempfile.TemporaryDirectory() as temporary:
        house = house_in(Path(temporary) / "house", clock)
        set_up.set_up(house, handle="ada", name="Ada", passphrase=PASSPHRASE, notice=None, first=True)
        vault = sessions.for_command(house, unlock.with_passphrase(house, "", PASSPHRASE, address="set-up"))
        code = vault.settings["recovery"]
        choices.keep(vault, {"recovery": None})
        with house.main.transaction() as session:
            notice_address.keep(session, vault, "ada@home.test", "en")
        write(house, GOLDEN / release, clock, code)
        house.stop()
        (GOLDEN / release / "databases.zip").write_bytes(databases(Path(temporary) / "house"))


if __name__ == "__main__":
    main(*sys.argv[1:])
