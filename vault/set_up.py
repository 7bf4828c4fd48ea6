"""Setting up a vault: a name, a passphrase, and a recovery code that she has to show she holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from vault import choices, crypto, deriving, handles, inbox, languages, lock_rows, locks, notice_address, sandbox
from vault.errors import N_, Closed, Invalid, NotFound
from vault.keyring import Keyring, new_keys, opened_keys
from vault.kit import owner_of
from vault.models import Handle, Instance, Owner
from vault.opened import OpenVault, seal_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from vault.server import Server


def set_up_address(server: Server) -> str | None:
    """The path of the one-time page where the first vault is set up; None once it has been."""
    with server.main.reading() as session:
        instance = session.execute(select(Instance.id, Instance.claimed)).first()
    if instance is None or instance.claimed:
        return None
    return f"/setup/{crypto.tag(server.keys.tag, 'set-up', instance.id)[:20].hex()}"


def set_up(
    server: Server,
    *,
    handle: str,
    name: str,
    passphrase: str,
    notice: str | None,
    first: bool,
    language: str = languages.SOURCE,
) -> Keyring:
    """A new vault with two ways to unlock: passphrase and recovery code. `first` claims the one-time address.

    The code stays in her sealed settings until she has shown that she has it. So does an address for notices until she
    types what was mailed to it, in `language`; a server that sends no mails keeps none. Raises Invalid, Closed.
    """
    owner, root = crypto.random_bytes(16), crypto.random_bytes()
    if owner == sandbox.OWNER:
        raise NotFound
    passphrase_lock, code = crypto.random_bytes(16), locks.new_recovery_code()
    params = locks.passphrase_params(deriving.local_cost())
    secret = deriving.stretch(passphrase, params)
    pepper = server.keystore.make(owner, passphrase_lock, "lock")
    server.keystore.welcome(owner)
    keys = new_keys(owner, root)
    keyring = Keyring(owner, root, opened_keys(owner, root, keys))
    asked = notice_address.asked_for(notice, language, server.now) if notice and server.settings.smtp_url else None
    settings: dict[str, Any] = {"name": name, "handle": handle, "recovery": locks.write_recovery_code(code)}
    settings |= {notice_address.WAITING: asked} if asked else {}
    with server.main.transaction() as session:
        _claim(session, server, handle, owner, first=first)
        session.execute(
            insert(Owner).values(
                owner_id=owner,
                notice_box=None,
                settings_box=seal_settings(keyring, settings),
                inbox_box=inbox.seal_public_half(server, owner, *keyring.keys["inbox"]),
            )
        )
        session.add_all(keys)
        if asked:
            notice_address.send_code(session, server, owner, asked)
        lock_rows.add(session, "passphrase", owner, passphrase_lock, secret, pepper, params, root)
        lock_rows.add(session, "recovery", owner, crypto.random_bytes(16), code, None, b"", root)
    return keyring


def _claim(session: Session, server: Server, handle: str, owner: bytes, *, first: bool) -> None:
    tag = handles.handle_tag(server, handle)
    taken = Invalid({"handle": [N_("There is a vault of this name already.")]})
    if session.get(Handle, tag) is not None or owner_of(handle) is not None:  # a number may be some vault's
        raise taken
    try:
        session.execute(insert(Handle).values(tag=tag, owner_id=owner))
    except IntegrityError:  # by somebody else, at this very moment
        raise taken from None
    claimed = session.execute(update(Instance).where(Instance.claimed.is_(False)).values(claimed=True))
    if first and claimed.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has a row count
        raise Closed


def confirm_recovery_code(vault: OpenVault, groups: Mapping[int, str]) -> bool:
    """She has shown that she holds the code: two of its groups, or all. Then the copy in her settings is removed."""
    code = str(vault.settings.get("recovery", ""))
    expected = code.split("-")
    given = {at: written_group(text) for at, text in groups.items()}
    if not code or len(given) < 2 or any(expected[at] != text for at, text in given.items()):
        return False
    with vault.server.main.transaction() as session:
        choices.change(session, vault, _shown)
    return True


def _shown(settings: dict[str, Any]) -> None:
    for name in ("recovery", "renewed"):
        settings.pop(name, None)


def written_group(typed: str) -> str:
    """One group of the code as it is printed, however it was typed."""
    return "".join(typed.split()).upper().translate(locks.LOOKALIKES)
