"""Every table and column of the three databases, spoilt in every way there is, under a server that goes on.

Made from the models, so a new table or column is part of it by itself. Whoever meets what was spoilt is refused in
plain words, nobody else is, nobody is shown more, and everything can still be stopped. What nobody notices stands in
`harmless.py` with the reason why that is no harm.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.houses import embedded_only
from tests.people import Bookshop
from tests.sampled import EVERYTHING, thinned
from tests.vault.blows import Blow, Rows, blows, strike
from tests.vault.harmless import HARMLESS
from tests.vault.lived import Street, live
from vault.errors import Unsafe
from vault.keyring import Keyring

pytestmark = embedded_only
OF_THE_SERVER = {"database.instance", "log.instance", "keystore.instance", "keystore.server_keys"}  # read at its start
LOOKS = ("asks purchases", "asks profile")
CREDENTIALS = ("refreshes", "link", "share link", "exchanges")
WHO = {  # comes by, of each table whoever reads it
    "database.grants": ("/sharing", "grant", "ended", "asks grant", *LOOKS, "writes", *CREDENTIALS, "sweeps"),
    "database.owners": ("/", "/settings", "/sharing", *LOOKS, "leaves", "writes", "takes_all_along", "sweeps"),
    "database.instance": ("/", "/setup/nobody", "comes_in"),
    "database.handles": ("comes_in", "bram comes in", "/unlock"),
    "database.attempts": ("guesses",),
    "database.locks": ("/", "/security", "comes_in", "comes_in_by_code", "sweeps"),
    "database.keys": ("/", "/inbox", "comes_in", "writes", "takes_all_along"),
    "database.records": ("/purchases/2", "/trash", "/purchases", "writes", *LOOKS, "takes_all_along", "works"),
    "database.versions": ("/purchases/2", "/trash", "writes", "takes_all_along"),
    "database.attachments": ("/purchases/2", "files", "works"),
    "database.jobs": ("works",),
    "database.certificates": ("certificate",),
    "database.clients": ("pushes", "refreshes"),
    "database.requests": ("request", "denied"),
    "database.seen": ("pushes_again", "asks purchases"),
    "database.grant_locks": ("/sharing", *LOOKS, *CREDENTIALS, "sweeps"),
    "database.denials": ("denied",),
    "database.erasures": ("erasure",),
    "database.disclosures": (*LOOKS, "grant", "writes", "share link", "exchanges"),
    "database.deposits": ("/inbox", "leaves", "/inbox?"),
    "database.receipts": ("grant", "receipt", "screen", "asks receipt", "ended", "receipt of the end"),
    "database.imports": ("/imports", "imports", "goes_on_reading"),
    "database.import_chunks": ("goes_on_reading",),
    "database.import_reports": ("imports", "goes_on_reading"),
    "log.instance": ("/activity",),
    "log.accesses": ("/activity", "/sharing", "grant", "asks_again", "asks purchases"),
    "log.counters": ("/activity", "grant", "share link", "asks purchases", "asks grant"),
    "keystore.floors": ("/", "/sharing", "/activity", *LOOKS, "writes", "comes_in", "sweeps"),
    "log.segments": ("/activity", "comes_in"),
    "log.refusals": ("/sharing", "grant"),
    "keystore.instance": ("/",),
    "keystore.peppers": ("/", "/sharing", "comes_in", *LOOKS, *CREDENTIALS, "sweeps"),
    "keystore.server_keys": ("/", "comes_in", "asks purchases", "refreshes", "link", "receipt"),
}
EVERY = list(blows())
SAID = {f"{place} {way}" for _why, places in HARMLESS for place, ways in places.items() for way in ways.split()}


@dataclass(frozen=True)
class Spoiler:
    """Where it is done, to whose rows, and what everybody meets there where nothing is spoilt, by table."""

    street: Street
    rows: Rows
    usual: dict[str, dict[str, str]] = field(default_factory=dict)

    def noticed(self, blow: Blow) -> bool | None:
        """Did anybody notice? None where it could not be done."""
        self.street.made_new()
        if blow.of not in self.usual:
            self.usual[blow.of] = self._met(blow)
            self.street.made_new()
        if not strike(blow, self.rows, self.street.there):
            return None
        if blow.of not in OF_THE_SERVER:
            met = self._met(blow)
            assert blow.way == "another's" or met["bram"] == self.usual[blow.of]["bram"], (
                "it is none of Bram's business"
            )
            return met != self.usual[blow.of]
        try:
            self.street.starts()
            return self._met(blow) != self.usual[blow.of]
        except Unsafe:
            return True
        finally:
            self.street.made_new()
            self.street.starts()

    def _met(self, blow: Blow) -> dict[str, str]:
        met = self.street.met(*WHO[blow.of])
        self.street.still_stops()
        return met


@pytest.fixture(scope="module")
def spoiler(
    furnished: tuple[Path, str, Keyring],
    shopfront: Bookshop,
    other_shopfront: Bookshop,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Spoiler]:
    directory = tmp_path_factory.mktemp("spoilt")
    lived = live(furnished, shopfront, other_shopfront, directory / "house")
    street = Street(lived, directory / "there")
    gc.freeze()  # or every round of the worker would walk through all of it
    yield Spoiler(street, Rows(lived.keyring.owner_id, lived.bram.owner_id, lived.before, lived.looked_at))
    gc.unfreeze()
    street.house.stop()


@pytest.mark.parametrize("table", thinned(list(WHO), first=0, then_every=18))
def test_whatever_is_spoilt_nobody_is_shown_more_and_everything_can_be_stopped(spoiler: Spoiler, table: str) -> None:
    struck = {
        blow: spoiler.noticed(blow)
        for blow in thinned([each for each in EVERY if each.of == table], first=0, then_every=80)
    }
    assert "Geese" in spoiler.usual[table]["bram"], "or nothing would show that she is shown nothing of his"
    unnoticed = {str(blow) for blow, anybody in struck.items() if anybody is False}
    assert not unnoticed - SAID, "nobody noticed, and nothing says that it is no harm"
    if EVERYTHING:
        assert unnoticed == SAID & set(map(str, struck)), "somebody notices by now"
        assert {blow.place for blow in struck} == {blow.place for blow in struck if struck[blow] is not None}


def test_every_table_is_read_by_somebody_and_the_list_names_nothing_that_is_gone() -> None:
    assert WHO.keys() == {each.of for each in EVERY}
    assert not SAID - {str(each) for each in EVERY}
