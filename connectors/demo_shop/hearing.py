"""What a vault tells the shop. A notice is only a reason to look: what holds is what the vault then answers."""

from __future__ import annotations

from flask import Blueprint, request

from connectors.demo_shop.looking import look
from connectors.demo_shop.pages import counter
from connectors.vendor_client import SharingError, Vault, WrongNotice, claimed_by, read_notice

ear = Blueprint("ear", __name__)


@ear.post("/notices")
def hear() -> tuple[str, int]:
    """202 for what is understood, also when it is about nobody here; 400 for what no vault of a visitor's has signed.

    The keys are asked of the vault that the visitor's connection names, never of an address in the notice.
    """
    shop, body, headers = counter(), request.get_data(), dict(request.headers)
    try:
        issuer, grant_id = claimed_by(headers, body)
        found = shop.visits.holding(issuer, grant_id)
        if found is None:
            return "", 202
        visitor, connection = found
        keys = Vault(shop.client, connection.endpoints).keys()
        now = shop.client.clock()
        notice = read_notice(headers, body, keys, issuer=issuer, client_id=shop.client.client_id, now=now)
    except WrongNotice:
        return "", 400
    except SharingError:
        return "", 503
    if notice.what != "grant.given":  # we were there
        shop.visits.change(visitor, **{"told": now, **look(connection, now)})
    return "", 202
