"""What a file is, from its content alone: neither its name nor what a browser says of it decides how it is shown."""

from __future__ import annotations

HEAD = 4096  # bytes that are looked at
UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
KINDS = IMAGES | {"application/pdf", TEXT, UNKNOWN}
_CONTROLS = frozenset(range(32)) - set(b"\t\n\r\f") | {127}


def kind_of(head: bytes) -> str:
    """The media type of what begins so, one of `KINDS`. SVG, HTML and whatever else is marked up are UNKNOWN."""
    for beginning, kind in BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return TEXT if _is_text(head[:HEAD]) else UNKNOWN


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters that does not begin like markup; the last character may be cut."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or len(head) < HEAD:
            return False
        text = head[: error.start].decode("utf-8-sig")
    return bool(text) and _CONTROLS.isdisjoint(map(ord, text)) and not text.lstrip().startswith("<")
