"""Taking everything along: the three forms of an export, and what must be so before one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vault.archive import Words, archive
from vault.errors import N_, VaultError
from vault.export import export
from vault.pieces import Pieces, Readable
from vault.sealed_file import NotSuchAFile, is_one, open_file, seal
from vault.strength import strength
from vault.unpacking import NotAnArchive

if TYPE_CHECKING:
    from vault.opened import OpenVault


SEALED = "archive"  # the kind of the sealed file


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
    return seal(SEALED, archive(vault, words, tell), passphrase)


def is_sealed(file: Readable) -> bool:
    """Is it an encrypted archive?"""
    return is_one(SEALED, file)


def open_archive(file: Readable, passphrase: str) -> Pieces:
    """The ZIP file in an encrypted archive; all of it has verified. Raises NotAnArchive, WrongSecret, Busy."""
    try:
        return open_file(SEALED, file, passphrase)
    except NotSuchAFile:
        raise NotAnArchive from None
