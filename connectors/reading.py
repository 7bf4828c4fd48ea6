"""Reading a file without trusting it: the parent's side of the child process, and the opening of archives.

Everything the child says is checked as if the file had written it. The events about one file always end with exactly
one `End` (the whole file was read) or one `FileRefused` (nothing, or nothing more, can be read from it).
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import orjson

from connectors.child import SAID_MOST, UNKNOWN, End, Event, FileRefused, Progress, Recognised, Untrusted, heard
from connectors.connector import Found, LeftOut, Refused
from vault.errors import N_

__all__ = [
    "End", "Event", "FileRefused", "Found", "LeftOut", "NotOpened", "Progress", "Recognised", "Refused", "Upload",
    "open_files", "read_file", "read_upload",
]  # fmt: skip

SECONDS = 600
REPLY_RATIO = 64  # a row of fifty bytes may become a record of a kilobyte, a file cannot become endless talk
START = "import sys; sys.path += sys.argv[2:]; from connectors.child import main; main()"
PATHS = tuple(dict.fromkeys(str(Path(file).parents[1]) for file in (__file__, orjson.__file__)))

LAST = (FileRefused, End)
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
CHUNK = 256 * 1024
FILE_MOST = 2 * 1024**3
ENTRIES_MOST = 10_000
LISTING_MOST = 2 * 1024**2  # bytes of an archive's table of contents, which zipfile holds in memory
RATIO_MOST, RATIO_FREE = 200, 10 * 1024**2
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, NotImplementedError, RuntimeError)

NOT_READ = N_("This file could not be read to its end. What was read before is listed.")
TOO_SLOW = N_("Reading this file took too long, so it was stopped. What was read before is listed.")


class NotOpened(Exception):
    """A file or an archive, or the rest of it, cannot be opened. Its text is a sentence for the owner."""


def read_file(
    chunks: Iterable[bytes], name: str, *, seconds: int = SECONDS, child: Sequence[str] | None = None
) -> Iterator[Event]:
    """Read one file in a child process of its own, which closing the iterator kills.

    `seconds` bounds the child's processor time, and the time spent waiting for it (not the consumer's own time).
    `chunks` is iterated in the consumer's thread. What it raises is raised here, but NotOpened becomes an event.
    """
    command = child or (sys.executable, "-I", "-S", "-B", "-c", START, str(seconds), *PATHS)
    with subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/",
        bufsize=0, pipesize=CHUNK, start_new_session=True,
    ) as process:  # fmt: skip
        talk = Talk(process, name, chunks)
        try:
            for event in map(Check(talk).event, talk.lines(seconds)):
                if isinstance(event, LAST):
                    break
                yield event
        except (TimeoutError, Untrusted) as why:
            event = FileRefused(TOO_SLOW if isinstance(why, TimeoutError) else NOT_READ, known=True)
        finally:
            process.kill()  # and reaped at the end of `with`, whatever happens
    yield FileRefused(talk.broke_off, known=True) if talk.broke_off else event


class Talk:
    """Both pipes of the child in one thread: a second one would wait for the interpreter's lock and starve the child.

    `fed` counts the bytes of the file handed over. `broke_off` is the sentence with which the chunks ended too early;
    the child is then heard to its end all the same, for the rows that came before.
    """

    def __init__(self, process: subprocess.Popen[bytes], name: str, chunks: Iterable[bytes]) -> None:
        assert process.stdin and process.stdout  # noqa: S101, PT018 - asked for in read_file
        self._stdin, self._stdout = process.stdin, process.stdout
        self._chunks = iter(chunks)
        self._left = memoryview(name.replace("\n", " ").encode(errors="replace")[:512] + b"\n")
        self._poll = select.poll()
        self._poll.register(self._stdin, select.POLLOUT)
        self._poll.register(self._stdout, select.POLLIN)
        os.set_blocking(self._stdin.fileno(), False)
        self.fed = 0
        self.broke_off = ""

    def lines(self, seconds: float) -> Iterator[bytes]:
        """What the child says. Raises TimeoutError after `seconds` of waiting, Untrusted when it merely stops."""
        out, rest = self._stdout.fileno(), b""
        while True:
            since = time.monotonic()
            ready = self._poll.poll(seconds * 1000)
            seconds -= time.monotonic() - since
            if seconds <= 0 or not ready:
                raise TimeoutError
            for pipe, _ in ready:
                if pipe != out:
                    self._feed()
                elif data := os.read(out, SAID_MOST):
                    *lines, rest = (rest + data).split(b"\n")
                    yield from lines
                else:
                    raise Untrusted  # it ended without a last word
            if len(rest) > SAID_MOST:
                raise Untrusted

    def _feed(self) -> None:
        try:
            while not self._left:
                self._left = memoryview(next(self._chunks))
                self.fed += len(self._left)
            self._left = self._left[os.write(self._stdin.fileno(), self._left) :]
        except BlockingIOError:
            pass
        except (StopIteration, BrokenPipeError):  # a child that is gone said why in its last line
            self._hang_up()
        except NotOpened as why:
            self.broke_off = str(why)
            self._hang_up()

    def _hang_up(self) -> None:
        self._poll.unregister(self._stdin)
        self._stdin.close()


class Check:
    """Keeps the order of the conversation (recognised, outcomes, end), its length, and its count of units."""

    def __init__(self, talk: Talk) -> None:
        self._talk, self._units, self._said = talk, 0, 0
        self.recognised: Recognised | None = None

    def event(self, line: bytes) -> Event:
        """The event in one line; raises Untrusted."""
        self._said += len(line)
        if self._said > REPLY_RATIO * self._talk.fed + SAID_MOST:
            raise Untrusted
        event = heard(line)
        if isinstance(event, Found) and self.recognised and event.collection == self.recognised.reads:
            self._units += event.units
            return event
        if isinstance(event, Found) or isinstance(event, Recognised | FileRefused) is not (self.recognised is None):
            raise Untrusted
        if isinstance(event, Recognised):
            self.recognised = event
        elif isinstance(event, Refused | LeftOut):
            self._units += 1
        elif isinstance(event, End) and event.units != self._units:
            raise Untrusted
        return event


class Upload(Protocol):
    """What was sent in. `read` gives up to `length` bytes from `offset`, fewer only at the end."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    def read(self, offset: int, length: int) -> bytes: ...


class Seekable:
    """An upload as zipfile wants it. Until `listed` is set, it gives no more than a table of contents may need."""

    def __init__(self, upload: Upload) -> None:
        self._upload, self._at, self._spent = upload, 0, 0
        self.listed = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._upload.size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def read(self, length: int = -1) -> bytes:
        left = max(0, self._upload.size - self._at)
        length = left if length < 0 else min(length, left)
        self._spent += length
        if not self.listed and self._spent > LISTING_MOST:
            raise NotOpened(N_("This archive's table of contents is too long."))
        data = self._upload.read(self._at, length)
        self._at += len(data)
        return data


def open_files(upload: Upload) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """`(label, size, chunks)` of each file in a zip, or of the one file. An archive inside an archive is not opened.

    Raises NotOpened when nothing can be opened; what ails one file is raised by its chunks.
    """
    if upload.read(0, 4) not in ZIP:
        if upload.size > FILE_MOST:
            raise NotOpened(N_("This file is larger than 2 GiB."))
        yield upload.name, upload.size, (upload.read(at, CHUNK) for at in range(0, upload.size, CHUNK))
        return
    file = Seekable(upload)
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGED_ZIP:
        raise NotOpened(N_("This archive is damaged or was not sent to its end.")) from None
    file.listed = True
    if len(archive.infolist()) > ENTRIES_MOST:
        raise NotOpened(N_("This archive holds more than 10,000 files."))
    for entry in archive.infolist():
        label = "".join(letter if letter.isprintable() else "?" for letter in entry.filename[-200:])
        if not entry.filename.endswith("/"):  # `is_dir` stumbles over no name at all
            yield label or "?", entry.file_size, _unpacked(archive, entry)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of one entry, given out only while they stay in proportion to what they were packed into."""
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotOpened(
            N_("This file is packed in a way that is not opened here.")
        )  # bzip2 and LZMA unpack without bounds
    if entry.file_size > FILE_MOST:
        raise NotOpened(N_("This file is larger than 2 GiB."))
    if entry.file_size > max(RATIO_FREE, RATIO_MOST * entry.compress_size):
        raise NotOpened(N_("This file grows out of all proportion when it is unpacked."))
    try:
        with archive.open(entry) as packed:
            while chunk := packed.read(CHUNK):  # never more than `file_size`, which zipfile holds it to
                yield chunk
    except DAMAGED_ZIP:
        raise NotOpened(N_("This file in the archive is damaged.")) from None


def read_upload(upload: Upload) -> Iterator[tuple[str, Event]]:
    """`(label, event)` for every file of an upload; a file in a zip that nothing recognises is left out by its name."""
    packed = upload.read(0, 4) in ZIP
    try:
        for label, size, chunks in open_files(upload):
            for event in read_file(chunks, label, seconds=60 + size // 1_000_000):
                unknown = packed and isinstance(event, FileRefused) and not event.known
                yield label, LeftOut(UNKNOWN, label) if unknown else event
    except NotOpened as why:
        yield upload.name, FileRefused(str(why), known=True)
