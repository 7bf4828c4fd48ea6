"""An archive of everything: one ZIP file, given out piece by piece, so that memory does not grow with it.

`vault.json` is the whole truth (vault/export.py); the tables and the page are made from the same records, so that
nobody needs a program of ours. `manifest.json` comes last, with the size and hash of every other file.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from vault import store, tables, viewer
from vault.errors import N_
from vault.export import Tell, Walk, document
from vault.record import CLASSES, Record
from vault.stored import Stored

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from vault.opened import OpenVault
    from vault.rooms import File

FORMAT = "vrm/1/archive"
AT_LEAST = 1 << 16  # bytes handed out together
README = N_(
    "This is everything that was in your vault, in forms that need no program of ours.\n\n"
    "view.html      Open it in any browser: all records, to read and to print. It works without a network.\n"
    "csv/           The same as tables, one for each kind of thing, for a spreadsheet. A text that it would take for\n"
    "               a formula has a ' in front of it.\n"
    "vault.json     All of it, with its history and where it came from, for programs. A vault takes it back from\n"
    "               here.\n"
    "attachments/   The files you attached, each under the number of its record.\n"
    "sharing/       What you allowed to whom, with signed receipts, every look that was taken, and your inbox.\n"
    "imports/       What came of the files you brought in.\n"
    "manifest.json  A list of the files with their sizes and SHA-256 hashes, and the fingerprint of your records.\n\n"
    "Nothing in here opens anything for anybody: permissions are told of, and never come back to life from here.\n"
    "These files are not encrypted. Keep them where nobody else reads, or take the encrypted form instead.\n\n"
    "What each file holds, byte for byte, is described in docs/format.md of the program, under Archive."
)
TITLE, LEAD = (
    N_("Everything in this vault"),
    N_("A copy to read without the vault. Nothing in it is loaded from elsewhere."),
)
FILES = N_("Files")


class Words(NamedTuple):
    """How an archive speaks to people: a translation, and the language it is into."""

    say: viewer.Say = str
    language: str = "en"


def archive(vault: OpenVault, words: Words = Words(), tell: Tell | None = None) -> Iterator[bytes]:  # noqa: B008 - a value
    """The bytes of the ZIP file, in pieces. `tell` hears how many records have gone into vault.json."""
    out, listed = _Outgoing(), list[dict[str, Any]]()
    made_at = vault.server.clock().astimezone(UTC)
    with vault.server.main.reading() as session, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        walk = Walk(session, vault, tell)
        for path, pieces in _contents(session, vault, walk, words, listed):
            running, size = hashlib.sha256(), 0
            with packed.open(_entry(path, made_at), "w", force_zip64=True) as entry:
                for piece in pieces:
                    entry.write(piece)
                    running.update(piece)
                    size += len(piece)
                    yield from out.taken()
            listed.append({"path": path, "bytes": size, "sha256": running.hexdigest()})
        packed.writestr(_entry("manifest.json", made_at), _manifest(vault, walk, made_at, listed))
    yield from out.taken(at_least=1)


def _contents(
    session: Session, vault: OpenVault, walk: Walk, words: Words, listed: list[dict[str, Any]]
) -> Iterator[File]:
    """Every file but the last, in order. `listed` grows with what has been written."""
    readme = words.say(README) + "\n"
    yield "README.txt", [readme.encode()]
    yield "vault.json", document(session, vault, walk)
    names = vault.catalogue.all_titles()
    for kind in CLASSES.values():
        rows = ((each.number, _values(each)) for each in _records(session, vault, kind))
        yield f"csv/{tables.file_name(kind)}", tables.table(kind, rows, names)
    for room in vault.server.rooms:
        yield from room.files(vault)
    yield "view.html", _page(session, vault, names, words, [each["path"] for each in listed])


def _page(
    session: Session, vault: OpenVault, names: dict[int, str], words: Words, paths: Sequence[str]
) -> Iterator[bytes]:
    say = words.say
    counts = {kind: len(_numbers(vault, kind)) for kind in CLASSES.values()}
    parts = [(f"{kind.collection}-{kind.part}", say(kind.title), count) for kind, count in counts.items() if count]
    yield viewer.head(say(TITLE), say(LEAD), [*parts, ("files", say(FILES), len(paths))], words.language)
    for kind, count in counts.items():
        if count:
            yield viewer.section(f"{kind.collection}-{kind.part}", say(kind.title))
            for each in _records(session, vault, kind):
                yield viewer.record(kind, each.number, _values(each), names, say)
            yield viewer.ENDED
    yield viewer.section("files", say(FILES))
    yield from viewer.files(paths)
    yield viewer.ENDED + viewer.FOOT


def _numbers(vault: OpenVault, kind: type[Record]) -> list[int]:
    where = "collection = ? AND part = ? AND NOT damaged"
    return [entry.number for entry in vault.catalogue.entries(where, kind.collection, kind.part)]


def _records(session: Session, vault: OpenVault, kind: type[Record]) -> Iterator[Stored]:
    """The records of one class, the latest first; what does not open is named in the manifest."""
    numbers = _numbers(vault, kind)
    for at in range(0, len(numbers), 500):
        yield from store.readable(session, vault, numbers[at : at + 500])


def _values(stored: Stored) -> dict[str, Any]:
    return {**stored.source, **stored.edits}


def _manifest(vault: OpenVault, walk: Walk, made_at: datetime, listed: list[dict[str, Any]]) -> bytes:
    told = {
        "format": FORMAT,
        "made_at": made_at.isoformat(timespec="seconds"),
        "vault": vault.server.settings.issuer,
        "records": walk.count,
        "damaged": sorted(walk.damaged),
        "fingerprint": walk.fingerprint,
        "files": listed,
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _entry(path: str, made_at: datetime) -> zipfile.ZipInfo:
    """The same bytes for the same content at the same time, on every machine."""
    entry = zipfile.ZipInfo(path, made_at.timetuple()[:6])
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o600 << 16
    return entry


class _Outgoing:
    """What zipfile writes into, and a download is taken from. It cannot be rewound, so nothing has to be kept."""

    def __init__(self) -> None:
        self._ahead = io.BytesIO()

    def write(self, data: bytes) -> int:
        return self._ahead.write(data)

    def flush(self) -> None:
        """There is nothing below to flush."""

    def close(self) -> None:
        """Nor to close."""

    def taken(self, *, at_least: int = AT_LEAST) -> Iterable[bytes]:
        """What has come together so far, if it is enough."""
        if self._ahead.tell() < at_least:
            return ()
        together = self._ahead.getvalue()
        self._ahead = io.BytesIO()
        return (together,)
