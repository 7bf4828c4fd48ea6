"""What she does with her vault itself: unlocking, keys and other ways in, settings, leaving, and coming back."""

from __future__ import annotations

import orjson

from connectors.vendor_client import Connection
from tests.consent.racing import Returning
from tests.houses import home_of
from tests.people import ISSUER
from tests.torture.consenting import Consenting
from tests.torture.things import Tells, derived, home, opened_by
from tests.vault.authenticator import Device
from vault import backup, bearer, choices, lock_rows, notice_address, recovery, rekeying, sessions, unlock
from vault.worker import tick

WEEK = 8  # days after which a vault that was to be deleted is
LANGUAGES = ("en", "pl", "cs", "ro", "id")


def new_keys(ada: Returning, tells: Tells) -> str:
    """Every box of hers sealed anew, to the end; her new code, which she holds by then. Raises UnderWay."""
    house, owner, vault = ada.house, ada.owner_id, ada.vault
    if vault.keyring.earlier:
        raise rekeying.UnderWay
    row = lock_rows.living_of(house, owner, "passphrase")
    known = unlock.Stretched(row.params, derived(ada.passphrase, row.params), frozenset({row.lock_id}))
    tells({"new keys": True})
    string, opened = rekeying.replace_root(vault, known, sessions.Seat(house.now, "passphrase"))
    code = str(opened.settings["recovery"])
    tells({"code": code})
    choices.keep(opened, {"recovery": None})
    ada.comes_with(string)
    assert rekeying.run(opened)
    return code


class Housekeeping(Consenting):
    """Her vault."""

    def locks(self) -> None:
        """The cookie opens nothing any more; she unlocks again."""
        self.told("lock", {f"cookie {self.ada.session}": "dead"}, lambda: self.ada.presses("/lock"))
        self.unlocks()

    def wakes(self) -> None:
        """Some time has passed, and she unlocks: what is old in her log is folded into a segment."""
        self.ada.house.clock.passes(minutes=11)
        self.told("unlock", {}, self.unlocks)

    def unlocks(self) -> None:
        """By her passphrase."""
        keyring = opened_by(self.ada.house, self.ada.owner_id, self.ada.passphrase)
        assert keyring is not None
        self.ada.comes_with(sessions.begin(self.ada.house, keyring)[0])

    def changes_passphrase(self) -> None:
        """On the security page."""
        before, new = self.ada.passphrase, self.name("another lamp, another map")
        so = {"passphrase": new}
        self.told("passphrase", so, lambda: self.ada.presses("/security/passphrase", old=before, new=new))
        self.ada.passphrase = new

    def changes_keys(self) -> None:
        """A new root key, and every box sealed anew."""
        ended = {f"cookie {self.ada.session}": "dead"}
        code = self.told("keys", ended, lambda: new_keys(self.ada, self.tells))
        self.tells({"code": code})

    def changes_code(self) -> None:
        """A new recovery kit; the printed one opens nothing any more, nor does any other browser."""
        vault = self.ada.vault
        self.tells({"new keys": True})
        self.told("kit", {}, lambda: recovery.renew(vault))
        self.tells({"code": str(vault.settings["recovery"])})
        choices.keep(vault, {"recovery": None})

    def changes_passkeys(self) -> None:
        """Two devices can unlock from now on, and then the first of them no longer."""
        first, _ = self._adds_passkey(), self._adds_passkey()
        _, lock = bearer.placed(Device.read(ISSUER, first).held[-1].handle, self.ada.house.keys.route)
        gone = {f"passkey {first}": None}
        self.told("no passkey", gone, lambda: self.ada.presses(f"/security/passkeys/{lock.hex()}/remove"))

    def _adds_passkey(self) -> str:
        device = Device(ISSUER)
        answer, secret = device.makes(orjson.loads(self.ada.looks_at("/security/passkeys/new")))
        form = {"passkey": answer, "secret": secret, "passkey-name": self.name("Phone")}
        passkey = device.written()
        self.told("passkey", {f"passkey {passkey}": "opens"}, lambda: self.ada.presses("/security/passkeys", **form))
        return passkey

    def changes_settings(self) -> None:
        """What she is called, how pages speak to her, and where her notices go."""
        name, language, address = self.name("Ada"), self.chance.choice(LANGUAGES), f"{self.name('ada')}@home.test"
        so = {"name": name, "language": language}
        form = {**so, "zone": "", "amounts": "", "theme": "", "currency": ""}
        self.told("settings", so, lambda: self.ada.presses("/settings", **form))
        self.told("notice", {"notice": address}, lambda: self._moves_mail(address))

    def _moves_mail(self, address: str) -> None:
        """She has read the code there."""
        vault = self.ada.vault
        notice_address.ask(vault, address, "en")
        assert notice_address.confirm(vault, vault.settings[notice_address.WAITING]["code"])

    def backs_up(self) -> None:
        """Everything is written to a backup, which is whole."""
        self.told("backup", {}, lambda: backup.look_through(list(backup.parts(self.ada.house, "backup"))))

    def begins_again(self) -> None:
        """The server is stopped and started."""
        self.ada.house.stop()
        house = home(home_of(self.ada.house), self.ada.house.clock)
        self.ada = Returning(house, self.ada.session, self.ada.owner_id, self.ada.bookshop_number, self.ada.passphrase)
        kept = self.shop.connection.to_json()
        self.shop.visits(self.ada)
        self.shop.connection = Connection.from_json(self.shop.client, kept)

    def stays(self) -> None:
        """She has her vault deleted, and thinks better of it within the week."""
        self._is_leaving()
        self.ada.house.clock.passes(days=3)
        self.unlocks()
        self.told("keep vault", {"vault": "here"}, lambda: self.ada.presses("/delete/keep"))

    def leaves(self) -> None:
        """She has her vault deleted; a week later it is."""
        self._is_leaving()
        self.ada.house.clock.passes(days=WEEK)
        self.told("erasure", {"vault": "gone"}, lambda: tick(self.ada.house, sweep=True))

    def _is_leaving(self) -> None:
        so = {"vault": "leaving"} | ({f"ended {self.grant}": True} if self.grant else {})
        self.told("deletion", so, lambda: self.ada.presses("/delete", name="ada"))
