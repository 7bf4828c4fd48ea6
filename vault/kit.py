"""The recovery kit: what is printed, besides the code itself."""

from __future__ import annotations

from base64 import b32decode, b32encode


def vault_number(owner: bytes) -> str:
    """An owner's id in base32 (RFC 4648 §6) without padding, in groups of four, to be read off paper."""
    letters = b32encode(owner).rstrip(b"=").decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def owner_of(number: str) -> bytes | None:
    """The other way, however it is grouped and whatever stands between; None where it is no vault's number."""
    letters = "".join(letter for letter in number if letter.isalnum())
    try:
        owner = b32decode(letters + "=" * (-len(letters) % 8), casefold=True)
    except ValueError:
        return None
    return owner if len(owner) == 16 else None
