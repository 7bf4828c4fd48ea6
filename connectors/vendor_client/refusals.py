"""From a vault's refusal to our error (RFC 6749 section 5.2 and RFC 9457 answers alike)."""

from __future__ import annotations

from typing import Any

from connectors.vendor_client.client import Answer
from connectors.vendor_client.errors import (
    NoLongerShared,
    NotGranted,
    NotUnderstood,
    Paused,
    Refused,
    SharingError,
    TryLater,
)

_OVER = "This is no longer shared with us."


def refusal(answer: Answer) -> SharingError:
    """The error that stands for an answer which is not a success."""
    try:
        members = answer.members()
    except NotUnderstood:
        members = {}
    code = _short(members.get("code"), 64) or _short(members.get("error"), 64) or f"http_{answer.status}"
    said = _short(members.get("detail"), 300) or _short(members.get("error_description"), 300)
    if answer.status in (429, 503):
        wait = _seconds(answer.headers.get("Retry-After", ""))
        return TryLater(code, said or "The vault asks us to wait.", seconds=wait, answer=answer.text)
    if code in ("invalid_grant", "invalid_token"):
        return NoLongerShared(code, _OVER, answer=answer.text)
    if code == "paused":
        return Paused(code, said or "The owner has paused this.", answer=answer.text)
    if code == "not_granted":
        return NotGranted(code, said or "The owner does not show us this.", answer=answer.text)
    return Refused(code, said or "The vault refused.", answer=answer.text)


def names_a_dead_token(answer: Answer) -> bool:
    """Whether a refresh may help: the challenge says `invalid_token` (RFC 6750 section 3.1), and not a wrong proof."""
    challenge = answer.headers.get("WWW-Authenticate", "")
    return answer.status == 401 and 'error="invalid_token"' in challenge


def _short(value: Any, most: int) -> str:
    return value[:most] if isinstance(value, str) else ""


def _seconds(text: str) -> int:
    return min(int(text), 86_400) if text.isascii() and text.isdigit() and len(text) < 10 else 60
