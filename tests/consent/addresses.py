"""Every address there is and who may pass: a new one that does not stand in these tables fails `test_addresses`.

Her pages by kind of door. The vendors' API as a table: each line a call, each column somebody who makes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vault.kinds import Field
from vault.record import CLASSES, Record

# "hers" is closed to everybody but her: nobody, an old session and one that was made up are led to the unlock page,
# another owner is told that there is nothing. "everybody" shows the same to all and holds nothing of anybody.
# "string" opens to whoever holds the right string. "program" wants a client that proves who it is.
DOORS = {
    "everybody": """
        departure.deleted departure.certificate_file developers.developers developers.ask developers.preview
        developers.all_calls developers.problems developers.problem health.livez health.readyz home.explained
        language.choose oauth.authorization_server oauth.protected_resource oauth.keys revocation.stop sandbox.show
        sandbox.begin sandbox.expire sandbox.revoke security.left setup.another setup.first setup.meter static
        unlock.unlock_page unlock.open_up unlock.ask_passkey unlock.open_by_passkey unlock.lock
    """,
    "string": "revocation.show revocation.act visiting.door visiting.show",
    "program": "oauth.push oauth.token oauth.revoke",
    "hers": """
        activity.activity authorize.ask authorize.decide collection.detail collection.edit collection.remove
        collection.new collection.notes collection.preferences collection.profile collection.purchases
        collection.vendors departure.delete departure.ask departure.keep due.due erasure.show erasure.heeded
        erasure.sent files.file files.back files.remove files.bring guide.go home.home home.damaged home.more
        home.old_copy_seen imports.imports imports.upload imports.detail imports.act imports.decide_gifts
        imports.progress imports.report_file imports.undo imports.undo_it imports.bring_back inbox.waiting inbox.change
        inbox.drop inbox.keep inbox.block insights.insights leaving.export leaving.download leaving.bring merging.choose
        merging.merge purchases.decide purchases.gift purchases.note purchases.taste purchases.until receipts.show
        receipts.with_link receipts.kantara receipts.signed receipts.screen renewing.longer search.search_page
        security.confirm security.confirm_passkey security.security security.keys security.change_keys
        security.keys_progress security.add_passkey security.rename_passkey security.remove_passkey security.new_passkey
        security.passphrase security.quiet security.recovery_kit security.new_kit security.end_sessions security.stay
        settings.settings settings.save settings.notice settings.code setup.kit setup.kit_file share_links.choose
        share_links.make share_links.new share_links.preview sharing.sharing sharing.detail sharing.less sharing.link
        sharing.pause sharing.resume sharing.sooner sharing.stop sharing.pause_all sharing.stop_all trash.trash
        trash.forget trash.restore trash.empty trash.undo
    """,
}
DOOR = {endpoint: kind for kind, endpoints in DOORS.items() for endpoint in endpoints.split()}
# Whoever calls the vendors' API, and what is answered: a status, and the code of the problem where there is one. `own`
# may see `purchases`, `profile`, `notes`, `preferences`; `narrowed` has lost the last, `other_client` has that alone.
REFUSED = {
    "nobody": "401 invalid_token",
    "bearer": "401 invalid_token",
    "wrong_key": "401 invalid_dpop_proof",
    "expired": "401 invalid_token",
    "ended": "401 invalid_token",
    "revoked": "401 invalid_token",
    "dropped": "401 invalid_token",
}
CALLS = """
  call                        | own             | narrowed        | other_client    | other_owner     | paused old_copy
  GET /grant                  | 200             | 200             | 200             | 200             | 403 paused
  GET /grant/calls            | 200             | 200             | 200             | 200             | 403 paused
  GET /receipt                | 200             | 200             | 200             | 200             | 403 paused
  GET /grants/<grant_id>      | 200             | 200             | 404 not_found   | 404 not_found   | 403 paused
  GET /purchases              | 200             | 200             | 403 not_granted | 200             | 403 paused
  GET /profile                | 200             | 200             | 403 not_granted | 200             | 403 paused
  GET /notes                  | 200             | 200             | 403 not_granted | 200             | 403 paused
  GET /preferences            | 200             | 403 not_granted | 200             | 200             | 403 paused
  GET /vendors                | 403 not_granted | 403 not_granted | 403 not_granted | 403 not_granted | 403 paused
  POST /deposits/<collection> | 403 not_granted | 403 not_granted | 403 not_granted | 403 not_granted | 403 paused
  GET /deposits/<deposit>     | 404 not_found   | 404 not_found   | 404 not_found   | 404 not_found   | 403 paused
  DELETE /grants/<grant_id>   | 204             | 204             | 404 not_found   | 404 not_found   | 204
"""
OPEN_TO_ALL = {"GET /openapi.json": "200"}


def table() -> dict[str, dict[str, str]]:
    """What is answered, by who calls and by call."""
    head, *lines = ([cell.strip() for cell in line.split("|")] for line in CALLS.strip().splitlines())
    said = {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in lines}
    found = {who: dict.fromkeys(said, answer) for who, answer in REFUSED.items()}
    for column in head[1:]:
        found |= {who: {call: said[call][column] for call in said} for who in column.split()}
    return {who: {**OPEN_TO_ALL, **answers} for who, answers in found.items()}


WRITTEN = {"text", "prose", "words"}  # the kinds of fields that can hold a canary
KEPT_BACK = {
    "text",
    "address.street",
    "serial_number",
    "product_code",
}  # from `own`, besides what is private


def given(collection: str) -> list[str]:
    """The field paths that `own` was given."""
    paths = {
        path: field for cls in CLASSES.values() if cls.collection == collection for path, field in cls.paths().items()
    }
    return [path for path, field in paths.items() if not field.private and path not in KEPT_BACK and not field.answers]


def a_record(cls: type[Record], whose: str, **values: Any) -> Record:
    """A record with a canary in every field that can hold one."""
    data = {field.name: a_value(cls, field, whose) for field in cls.fields}
    return cls.load({name: value for name, value in data.items() if value is not None} | values)


def a_value(cls: type[Record], field: Field, whose: str) -> Any:
    """What is planted in a field; None where nothing can be."""
    text = canary(cls, field.name, whose)
    match field.kind:
        case "text" | "prose":
            return text
        case "words":
            return [text]
        case "when":
            return "2026-10-22"
        case "money":
            return {"amount": f"{sum(text.encode()) + 40_000}.37", "currency": "EUR"}
    return next(iter(field.choices)) if field.required and field.choices else None


def canary(cls: type[Record], name: str, whose: str) -> str:
    """What stands in a field of a class, and nowhere else."""
    return f"{whose}~{cls.collection}~{cls.part}~{name}~canary"


def canaries(text: str, whose: str = r"\w+") -> set[str]:
    """Which of them are in a text."""
    return set(re.findall(rf"{whose}~[a-z]+~[a-z]*~[a-z_]+~canary", text))


def allowed(whose: str, *collections: str) -> Iterator[str]:
    """The canaries in what was given of some collections."""
    for cls in CLASSES.values():
        if cls.collection in collections:
            for path, field in cls.paths().items():
                if path in given(cls.collection) and field.kind in WRITTEN:
                    yield canary(cls, field.name, whose)
