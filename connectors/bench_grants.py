"""Grants for the measurement, made as consent makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consent import grant_locks, grants
from consent.details import read_details
from consent.terms import Terms
from vault import crypto, store
from vault.days import DAY
from vault.db import line_of

if TYPE_CHECKING:
    from vault.opened import OpenVault

CLIENT = "bench"
DETAILS = (
    '[{"type":"vault_data","collection":"purchases","fields":["item","bought_on","price"],'
    '"filter":{"vendor":"this"},"purpose":"ServiceProvision","why":"To be measured.","duration":"P30D"}]'
)


def give_many(vault: OpenVault, many: int) -> None:
    """So many grants to clients of their own, as consent makes them; each shows nothing and has a token."""
    server, owner, until = vault.server, vault.owner_id, vault.server.now + 3600
    for at in range(0, many, 200):
        ids = [crypto.random_bytes(16) for _grant in range(min(200, many - at))]
        peppers = [server.keystore.make(owner, grant, "grant", version=grants.FIRST_VERSION) for grant in ids]
        with store.writing(vault) as turn:
            for grant, pepper in zip(ids, peppers, strict=True):
                new = grants.NewGrant(grant, crypto.random_bytes(), pepper)
                grants.begin(turn, vault, new, nothing(grant.hex(), server.now), [])
                line, more = line_of(turn.session), {"client": CLIENT, "jkt": ""}
                grant_locks.mint(
                    line, server, "access", owner, grant, pepper=pepper, key=new.key, expires_at=until, **more
                )


def nothing(name: str, now: int) -> Terms:
    """Terms for a client from which nothing was ever bought."""
    return Terms(
        client_id=name,
        client_name="Bench",
        vendor=1 << 40,
        alias=None,
        given_at=now,
        until=now + DAY,
        log_key=crypto.random_bytes(),
        items=read_details(DETAILS).items,
    )
