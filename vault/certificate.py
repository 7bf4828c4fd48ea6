"""The certificate of a deleted vault. It names nobody; who holds the vault's number knows whose it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

TYPE = "vault-deletion+jwt"
STATEMENT = (
    "All keys of this vault were destroyed first, then every row and file of it on this server. "
    "Backups of the database from before hold only sealed boxes, which nobody opens without the printed recovery code."
)


def claims(issuer: str, number: str, at: int) -> dict[str, Any]:
    """What is signed; `at` is the second when it was done."""
    return {"iss": issuer, "iat": at, "vault_number": number, "deleted_on": _day(at), "statement": STATEMENT}


def in_words(said: Mapping[str, Any]) -> list[str]:
    """For a terminal."""
    return [
        f"Deleted   {said['deleted_on']}, the vault with the number {said['vault_number']}",
        f"By        {said['iss']}",
        str(said["statement"]),
    ]


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
