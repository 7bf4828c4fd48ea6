"""The recovery kit: what is printed, besides the code itself."""

from __future__ import annotations

from base64 import b32encode


def vault_number(owner: bytes) -> str:
    """An owner's id in base32, in groups of four, to be read off paper."""
    letters = b32encode(owner).rstrip(b"=").decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))
