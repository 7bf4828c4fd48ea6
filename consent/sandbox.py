"""What the made-up owner of a sandbox has, and time in the developer's hands: her permissions end at a press.

Whose permissions they are is no argument: nothing here reaches anybody but her (see `vault.sandbox`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal

from consent import grants, stopping
from vault import sandbox, store
from vault.collections.notes import Note
from vault.collections.preferences import Preference
from vault.collections.profile import Address, Birthday, Email, Name
from vault.collections.purchases import Purchase
from vault.collections.vendors import Vendor
from vault.record import Record
from vault.values import Money, When

if TYPE_CHECKING:
    from vault.opened import OpenVault
    from vault.server import Server

SHOP = Vendor(called="Your shop", tier="trusted")
BOUGHT = (
    ("A teapot, blue", "29.00", 4, "me"),
    ("Oolong, 100 g", "12.50", 18, "me"),
    ("Two cups", "18.00", 18, "gift"),
    ("A kettle, 1 l", "45.00", 200, "household"),
    ("Green tea, 50 g", "6.90", 410, "me"),
)


def furnish(vault: OpenVault) -> None:
    """Put her things in, if there are none yet. They are counted back from today."""
    today = vault.server.clock().date()
    with store.writing(vault, numbers=1 + len(BOUGHT) + len(_rest())) as turn:
        if turn.before.last_record:
            return
        shop = store.add(turn, vault, SHOP).number
        for record in (*_bought(shop, today), *_rest()):
            store.add(turn, vault, record)


def end_now(server: Server, grant: bytes, cause: Literal["revoked", "expired"]) -> None:
    """End one of her permissions at once: as if she had stopped it, or as if its time had run out."""
    grants.end(server, sandbox.OWNER, grant, cause)


def close(server: Server) -> None:
    """Where there is no sandbox any more, nothing of what was given in it goes on."""
    if not server.settings.sandbox and server.keystore.alive(sandbox.OWNER, "grant"):
        stopping.stop_all(server, sandbox.OWNER)


def _bought(shop: int, today: date) -> Iterable[Record]:
    for item, price, ago, whom in BOUGHT:
        day = When((today - timedelta(days=ago)).isoformat())
        yield Purchase(item=item, bought_on=day, vendor=shop, price=Money(price, "EUR"), for_whom=whom)


def _rest() -> tuple[Record, ...]:
    return (
        Name(given="Sandbox", family="Tester"),
        Email(address="sandbox@vault.example", use="everything"),
        Address(street="1 Sample Street", postal_code="1000", city="Sampleton", country="Portugal", use="home"),
        Birthday(born_on=When("1990-05-17")),
        Preference(topic="oolong", stance="like", strength=3),
        Preference(topic="smoked tea", stance="dislike"),
        Note(heading="A lid is missing", text="The blue teapot came without its lid."),
    )
