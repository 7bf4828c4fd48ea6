"""What the pages are dressed in: style, icons, script. Compressed once, and kept by the browser until they change.

Their addresses carry the sum of their content, so that no browser has to ask whether it has the newest. The pages
themselves are never compressed: their size would tell whoever sees the wire something about what is in them (BREACH).
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, abort, request

FOLDER = Path(__file__).parent / "static"
FOREVER, ASK = "public, max-age=31536000, immutable", "no-cache"


class Asset(NamedTuple):
    """A file as it is sent: plainly, and compressed where that is smaller."""

    plain: bytes
    packed: bytes
    kind: str
    sum: str


@cache
def assets() -> dict[str, Asset]:
    """Every file of the folder by its name."""
    return {path.relative_to(FOLDER).as_posix(): _asset(path) for path in FOLDER.rglob("*") if path.is_file()}


def _asset(path: Path) -> Asset:
    plain = path.read_bytes()
    packed = gzip.compress(plain, mtime=0)
    kind = guess_type(path.name)[0] or "application/octet-stream"
    return Asset(plain, packed if len(packed) < len(plain) else b"", kind, hashlib.sha256(plain).hexdigest()[:8])


def install(app: Flask) -> None:
    """Serve them as Flask's own `static` would, and put the sum into every address that is made."""
    app.add_url_rule("/static/<path:filename>", "static", _serve)
    app.url_defaults(_sum_in_address)


def _sum_in_address(endpoint: str, values: dict[str, Any]) -> None:
    known = assets().get(values.get("filename", "")) if endpoint == "static" else None
    if known is not None:
        values["v"] = known.sum


def _serve(filename: str) -> Response:
    asset = assets().get(filename) or abort(404)
    packed = bool(asset.packed) and request.accept_encodings["gzip"] > 0
    response = Response(asset.packed if packed else asset.plain, mimetype=asset.kind)
    response.headers["Cache-Control"] = FOREVER if request.args.get("v") == asset.sum else ASK
    response.headers["Vary"] = "Accept-Encoding"
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(f"{asset.sum}-gzip" if packed else asset.sum)
    response.make_conditional(request)
    return response
