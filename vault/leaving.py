"""Taking everything along: the three forms of an export, and what must be so before one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vault.archive import Words, archive
from vault.errors import N_, VaultError
from vault.export import export
from vault.sealed_archive import sealed_archive
from vault.strength import strength

if TYPE_CHECKING:
    from vault.opened import OpenVault


class TooWeak(VaultError):
    """A passphrase for an archive that is easily guessed. Nothing was written."""

    code, status = "weak_passphrase", 422
    sentence = N_("Too easily guessed. One more word would help.")


def exported(
    vault: OpenVault,
    form: str,
    passphrase: str = "",
    tell: Callable[[int], None] | None = None,
    words: Words = Words(),  # noqa: B008 - a value
) -> Iterator[bytes]:
    """`json`, `zip`, or `sealed` with a passphrase of its own. Raises TooWeak for one that is easily guessed."""
    if form == "json":
        return export(vault, tell)
    if form == "zip":
        return archive(vault, words, tell)
    judged = strength(passphrase, [vault.name, str(vault.settings.get("handle", ""))])
    if not judged.good:
        raise TooWeak(judged.sentence)
    return sealed_archive(archive(vault, words, tell), passphrase)
