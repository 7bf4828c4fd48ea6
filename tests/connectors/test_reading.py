"""The child process and the archives: what a hostile file, a hostile child or a hostile zip can do, and cannot."""

from __future__ import annotations

import inspect
import io
import itertools
import json
import os
import resource
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.child import SAID_MOST
from connectors.connector import Found, LeftOut, Refused
from connectors.reading import (
    CHUNK,
    PATHS,
    End,
    Event,
    FileRefused,
    NotOpened,
    Progress,
    Recognised,
    open_files,
    read_file,
    read_upload,
)
from tests.sampled import thinned

SAMPLES = Path(__file__).parent / "samples"
GOOD = (SAMPLES / "amazon-28-serial-minimal.csv").read_bytes()
HEADER = b"Website,Order ID,Order Date,Product Name\n"
ROW = b"Amazon.com,111-%07d-0000000,2024-03-01T10:11:12Z,Atlas\n"
CELL = b'Amazon.com,111-0000001-0000000,2024-03-01T10:11:12Z,"'


@dataclass(frozen=True)
class InMemory:
    """An upload that lies in memory."""

    name: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


def picture(width: int, height: int) -> bytes:
    """A PNG file, all black, of a bit for each point: a hundred million of them are 55 kB (ISO/IEC 15948)."""
    import struct
    import zlib

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packing, row = zlib.compressobj(1), bytes(1 + width // 8)
    black = b"".join(packing.compress(row) for _ in range(height)) + packing.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", black) + part(b"IEND", b"")


def a_zip(files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def a_child(program: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", program)


def probe(program: str) -> subprocess.CompletedProcess[bytes]:
    """Run `program` behind the same closing of doors as every connector."""
    start = "import sys, os, socket; sys.path += sys.argv[1:]; from connectors.child import give_up; give_up(1)\n"
    command = (*a_child(start + program), *PATHS)
    return subprocess.run(command, capture_output=True, timeout=20, check=False, env={"SECRET": "1"})


def pieces(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@dataclass(frozen=True)
class Measured:
    """What one reading took: KiB that the child and the parent held at most, seconds, and the kinds of events."""

    child: int
    parent: int
    seconds: float
    kinds: list[str]


def measured(chunks: str) -> Measured:
    """Read in a fresh parent, because a child counts what its parent held when it was started."""
    program = f"""
import json, resource, sys, time
sys.path += sys.argv[1:]
from connectors.reading import read_file
{inspect.getsource(picture)}
HEADER, ROW, CELL, CHUNK, MIME = {HEADER!r}, {ROW!r}, {CELL!r}, {CHUNK}, {MIME!r}
started, last = time.monotonic(), []
for event in read_file({chunks}, "x"):
    last = [*last[-4:], type(event).__name__] if type(event).__name__ != "Progress" else last
seconds = time.monotonic() - started
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
parent = int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
print(json.dumps([child, parent, seconds, last]))
"""
    done = subprocess.run((*a_child(program), *PATHS), capture_output=True, timeout=60, check=True)
    return Measured(*json.loads(done.stdout))


@pytest.fixture(scope="module")
def usual() -> Measured:
    """A file of one row."""
    return measured("[HEADER + ROW % 1]")


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def own_peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def without_progress(events: Iterator[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Progress)]


def test_a_file_is_recognised_read_and_ended() -> None:
    first, *between, last = without_progress(read_file([GOOD], "anything.bin"))
    assert isinstance(first, Recognised)
    assert (first.source, first.reads) == ("amazon", "purchases")
    assert last == End(7, len(GOOD))
    assert sum(event.units if isinstance(event, Found) else 1 for event in between) == 7


def test_the_size_of_the_chunks_changes_nothing() -> None:
    whole = without_progress(read_file([GOOD], "x"))
    assert without_progress(read_file(pieces(GOOD), "x")) == whole
    assert without_progress(read_file([b"", *pieces(GOOD, 1000), b""], "x")) == whole


def test_progress_counts_up_to_the_whole_file() -> None:
    data = HEADER + b"".join(ROW % at for at in range(20_000))
    told = [event.bytes_read for event in read_file(pieces(data, CHUNK), "x") if isinstance(event, Progress)]
    assert len(told) >= 3
    assert told == sorted(told)
    assert told[-1] <= len(data)


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"Hello, Ada\n" * 10_000, os.urandom(100_000)])
def test_a_file_nobody_knows_is_refused_with_a_sentence(data: bytes) -> None:
    [refused] = read_file([data], "Retail.OrderHistory.1.csv")
    assert refused == FileRefused("Nothing here knows how to read this file.", known=False)


def test_an_unknown_file_is_not_read_to_its_end() -> None:
    given = itertools.count()
    [refused] = read_file((b"x" * CHUNK for _ in given), "endless")
    assert isinstance(refused, FileRefused)
    assert next(given) < 20


@pytest.mark.parametrize(
    "attempt", ["open('/etc/passwd')", "os.pipe()", "os.dup(0)", "socket.socket()", "os.memfd_create('x')"]
)
def test_the_child_can_open_nothing(attempt: str) -> None:
    program = f"try:\n    {attempt}\nexcept OSError as why:\n    print(why.errno)\nelse:\n    print('opened')"
    assert probe(program).stdout in (b"24\n", b"22\n", b"9\n")  # EMFILE; EINVAL and EBADF for a number over the limit


def test_the_child_cannot_make_room_by_closing_what_it_has() -> None:
    program = "os.close(0)\ntry:\n    open('/etc/passwd')\nexcept OSError as why:\n    print(why.errno)"
    assert probe(program).stdout == b"24\n"


def test_the_child_has_no_environment_and_a_ceiling_of_memory() -> None:
    assert probe("print(dict(os.environ))").stdout == b"{}\n"
    assert probe("try:\n    bytearray(2 * 1024**3)\nexcept MemoryError:\n    print('no')").stdout == b"no\n"
    assert probe("while True: pass").returncode < 0


def test_a_child_that_breaks_is_silent_about_the_file() -> None:
    start = "import sys; sys.path += sys.argv[2:]; from connectors import child, sources\n"
    broken = "def fall(known, source, out): raise ValueError(source.head())\nchild.speak = fall; child.main()"
    command = (*a_child(start + broken), "5", *PATHS)
    done = subprocess.run(command, input=b"label\nprivate words", capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


GARBAGE = {
    "nothing": "pass",
    "no JSON": "print('hello')",
    "bytes": r"sys.stdout.buffer.write(bytes(range(256)) * 1000 + b'\n')",
    "a list": "print('[]')",
    "a word nobody knows": """print('{"open": "/etc/passwd"}')""",
    "two words": """print('{"progress": 1, "end": [0, 0]}')""",
    "an outcome before anything": """print('{"refused": ["a", "b"]}')""",
    "a refusal that is a number": """print('{"refused_file": [5, true]}')""",
    "deep": "print('[' * 100000)",
    "an endless line": "sys.stdout.write('[' * 10**7)",
}
AFTER = {
    "twice recognised": "say({'recognised': ['a', 'b', 'purchases', 1]})",
    "another collection": "say({'found': ['profile', '', ['a'], {}, 'x', None, {}, 1]})",
    "many units": "say({'found': ['purchases', '', ['a'], {}, 'x', None, {}, 9]})",
    "no natural key": "say({'found': ['purchases', '', [], {}, 'x', None, {}, 1]})",
    "a key of numbers": "say({'found': ['purchases', '', [1], {}, 'x', None, {}, 1]})",
    "data that is a list": "say({'found': ['purchases', '', ['a'], [], 'x', None, {}, 1]})",
    "too few fields": "say({'found': ['purchases', '', ['a']]})",
    "a vendor in three parts": "say({'found': ['purchases', '', ['a'], {}, 'x', ['a', 'b', 'c'], {}, 1]})",
    "a vendor in no parts": "say({'found': ['purchases', '', ['a'], {}, 'x', [], {}, 1]})",
    "a vendor of lists": "say({'found': ['purchases', '', ['a'], {}, 'x', [['a'], []], {}, 1]})",
    "a long natural key": "say({'found': ['purchases', '', ['a' * 5000], {}, 'x', None, {}, 1]})",
    "a natural key of many parts": "say({'found': ['purchases', '', ['a'] * 50, {}, 'x', None, {}, 1]})",
    "a long place": "say({'found': ['purchases', '', ['a'], {}, 'x' * 300, None, {}, 1]})",
    "a long line": "say({'found': ['purchases', '', ['a'], {'item': 'x' * 300000}, 'x', None, {}, 1]})",
    "progress backwards": "say({'progress': -1})",
    "a wrong count": "say({'end': [5, 0]})",
    "no end": "pass",
}
SAY = "import sys, json\ndef say(what): print(json.dumps(what))\nsay({'recognised': ['a', 'b', 'purchases', 1]})\n"


@pytest.mark.parametrize("program", GARBAGE.values(), ids=GARBAGE)
def test_a_child_that_talks_nonsense_is_not_believed(program: str) -> None:
    [event] = read_file([GOOD], "x", child=a_child("import sys\n" + program))
    assert isinstance(event, FileRefused)


@pytest.mark.parametrize("program", AFTER.values(), ids=AFTER)
def test_a_child_that_starts_well_is_not_believed_any_longer_than_it_goes_on_so(program: str) -> None:
    first, *others = read_file([GOOD], "x", child=a_child(SAY + program))
    assert isinstance(first, Recognised)
    assert [type(event) for event in others] == [FileRefused]


def test_a_child_that_never_stops_talking_is_stopped() -> None:
    talk = SAY + "while True: say({'refused': ['a', 'b']})"
    *_, last = read_file([GOOD], "x", child=a_child(talk))
    assert isinstance(last, FileRefused)


@pytest.mark.parametrize(
    "program", ["import time; time.sleep(60)", "import sys; sys.stdin.read(); input()\nwhile 1: pass"]
)
def test_a_child_that_hangs_is_stopped_in_time(program: str) -> None:
    started = time.monotonic()
    events = list(read_file(itertools.repeat(b"x" * 1000, 5), "x", seconds=1, child=a_child(program)))
    assert [type(event) for event in events] == [FileRefused]
    assert time.monotonic() - started < 5


def test_who_stops_listening_leaves_no_child_behind() -> None:
    before = children()
    events = read_file(itertools.chain([HEADER], endless()), "x")
    assert isinstance(next(events), Recognised)
    assert isinstance(next(events), Found)
    assert len(children()) == len(before) + 1
    events.close()  # type: ignore[attr-defined]
    assert children() == before


def endless() -> Iterator[bytes]:
    return (ROW % at for at in itertools.count())


def test_what_goes_wrong_with_the_source_is_not_hidden() -> None:
    def torn() -> Iterator[bytes]:
        yield HEADER + ROW % 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(read_file(torn(), "x"))


BOMBS = {
    "a cell of ten megabytes": """[HEADER, CELL, *[b"x" * CHUNK] * 40, b'"\\n', ROW % 2]""",
    "a cell of a million lines": """[HEADER, CELL, *[b"x\\n" * 100_000] * 10, b'"\\n', ROW % 2]""",
    "an endless line": """[HEADER, *[b"x" * CHUNK] * 400, b"\\n", ROW % 2]""",
    "a row of a million cells": """[HEADER, *[b"x," * 100_000] * 10, b"\\n", ROW % 2]""",
    "quotation marks without end": """[HEADER, *[b'x","\\n' * 20_000] * 10, ROW % 2]""",
}


@pytest.mark.parametrize("chunks", BOMBS.values(), ids=BOMBS)
def test_a_bomb_of_a_line_is_refused_quickly_and_cheaply(chunks: str, usual: Measured) -> None:
    bomb = measured(chunks)
    assert bomb.kinds == ["Recognised", "Refused", "Found", "End"]
    assert bomb.seconds < 1
    assert bomb.child - usual.child < 10_000
    assert bomb.parent - usual.parent < 10_000


MIME = b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n"
OTHERS = {
    "gzip that grows a thousandfold": """[__import__("gzip").compress(bytes(4 << 20))]""",
    "a header of a million columns": """[b"Website," + b"x," * 1_000_000 + b"\\n", ROW % 1]""",
    "a zip in a zip in a zip": """[b"PK\\x03\\x04" + bytes(26) + b"PK\\x03\\x04" * 100_000]""",
    "a billion laughs": """[b'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY a%d "%s">' % (at, b"&a%d;" % (at - 1) * 10) for at in range(1, 10)) + b"]><z>&a9;</z>"]""",
    "JSON a hundred thousand deep": """[b"[" * 100_000 + b"]" * 100_000]""",
    "MIME of ten thousand parts": """[MIME % (0, 0), *[b"--0\\n\\nx\\n"] * 10_000]""",
    "MIME ten thousand deep": """[MIME % (at, at) for at in range(10_000)]""",
    "a picture of a hundred million points": """[picture(10_000, 10_000)]""",
    "a calendar that repeats for ever": """[b"BEGIN:VCALENDAR\\nBEGIN:VEVENT\\nRRULE:FREQ=SECONDLY\\n" * 1000]""",
    "a card that is folded for ever": """[b"BEGIN:VCARD\\nNOTE:x" + b"\\n x" * 1_000_000]""",
}


@pytest.mark.parametrize("chunks", thinned(list(OTHERS.values()), first=0, then_every=5))
def test_a_bomb_of_another_kind_is_refused_quickly_and_cheaply(chunks: str, usual: Measured) -> None:
    """Formats that nobody reads here yet: what they hold is never looked into."""
    bomb = measured(chunks)
    assert bomb.kinds == ["FileRefused"]
    assert bomb.seconds < 1
    assert bomb.child - usual.child < 64_000


def test_a_hundred_thousand_lines_grow_the_child_by_less_than_sixty_megabytes(usual: Measured) -> None:
    long = measured("(HEADER * (at == 0) + ROW % at for at in range(100_000))")
    assert long.kinds[-2:] == ["Found", "End"]
    assert 10_000 < long.child - usual.child < 60_000
    assert long.parent - usual.parent < 10_000


def test_a_record_too_long_to_be_said_is_refused_and_the_count_holds() -> None:
    wide = HEADER.replace(b"\n", b",Gift Message,Gift Recipient Contact Details\n")
    cell = "\u20ac" * 40_000
    row = f'Amazon.com,111-0000001-0000000,2024-03-01T10:11:12Z,"{cell}","{cell}","{cell}"\n'.encode()
    assert len(row) > SAID_MOST
    events = without_progress(read_file(pieces(wide + row, CHUNK), "x"))
    assert [type(event) for event in events if not (isinstance(event, Found) and event.part)] == [
        Recognised,
        Refused,
        End,
    ]


def test_each_file_of_an_archive_is_read_and_what_nobody_knows_is_left_out_by_name() -> None:
    returned = (SAMPLES / "amazon-orders-returned.csv").read_bytes()
    archive = a_zip({
        "Retail.OrderHistory.1/": b"",
        "Retail.OrderHistory.1/Retail.OrderHistory.1.csv": GOOD,
        "photo.jpg": b"\xff\xd8" * 1000,
        "Retail.OrdersReturned.1.csv": returned,
        "inner.zip": a_zip({"Retail.OrderHistory.2.csv": GOOD}),
        "Retail.OrderHistory.2/Retail.OrderHistory.2.csv": HEADER + ROW % 1,
    })  # fmt: skip
    events = list(read_upload(InMemory("data.zip", archive)))
    ends = [(label, event) for label, event in events if isinstance(event, End | FileRefused | LeftOut)]
    assert [(label.rpartition("/")[2], type(event)) for label, event in ends] == [
        ("Retail.OrderHistory.1.csv", End),
        ("photo.jpg", LeftOut),
        ("Retail.OrdersReturned.1.csv", FileRefused),
        ("inner.zip", LeftOut),
        ("Retail.OrderHistory.2.csv", End),
    ]
    assert all(event.place == label for label, event in ends if isinstance(event, LeftOut))


def test_a_plain_upload_is_one_file() -> None:
    [(label, size, chunks)] = open_files(InMemory("a.csv", GOOD))
    assert (label, size, b"".join(chunks)) == ("a.csv", len(GOOD), GOOD)


def test_an_archive_cut_off_anywhere_is_refused_with_a_sentence() -> None:
    archive = a_zip({"a.csv": GOOD, "b.csv": GOOD})
    for cut in range(4, len(archive) - 1, max(1, len(archive) // 50)):
        with pytest.raises(NotOpened, match=r"damaged|too long"):
            list(open_files(InMemory("a.zip", archive[:cut])))


def test_an_archive_with_a_changed_byte_is_never_read_as_if_it_were_whole() -> None:
    archive = bytearray(a_zip({"a.csv": HEADER + b"".join(ROW % at for at in range(2000))}))
    archive[len(archive) // 2] ^= 1
    *_, (_, last) = read_upload(InMemory("a.zip", bytes(archive)))
    assert last == FileRefused("This file in the archive is damaged.", known=True)


def test_an_archive_that_lies_about_sizes_is_refused() -> None:
    archive = bytearray(a_zip({"a.csv": GOOD}))
    listing = archive.rindex(b"PK\x01\x02")
    struct.pack_into("<I", archive, listing + 24, 100)
    *_, (_, last) = read_upload(InMemory("a.zip", bytes(archive)))
    assert isinstance(last, FileRefused)
    struct.pack_into("<I", archive, listing + 24, 3 * 1024**3)
    [(_, last)] = read_upload(InMemory("a.zip", bytes(archive)))
    assert last == FileRefused("This file is larger than 2 GiB.", known=True)


def test_a_bomb_is_not_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb.csv", "w") as entry:
        for _ in range(300):
            entry.write(b"\0" * 1_000_000)
    before, started = own_peak(), time.monotonic()
    [(label, refused)] = read_upload(InMemory("bomb.zip", out.getvalue()))
    assert time.monotonic() - started < 1
    assert label == "bomb.csv"
    assert refused == FileRefused("This file grows out of all proportion when it is unpacked.", known=True)
    assert own_peak() - before < 8_000


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_know_no_bounds_are_not_opened(how: int) -> None:
    [(_, refused)] = read_upload(InMemory("a.zip", a_zip({"a.csv": GOOD}, how)))
    assert refused == FileRefused("This file is packed in a way that is not opened here.", known=True)


def test_too_many_files_and_too_long_a_listing_are_refused() -> None:
    many = a_zip({str(at): b"" for at in range(10_001)}, zipfile.ZIP_STORED)
    long = a_zip({f"{at}{'x' * 60_000}": b"" for at in range(50)}, zipfile.ZIP_STORED)
    for archive, sentence in ((many, "more than 10,000"), (long, "too long")):
        [(_, refused)] = read_upload(InMemory("a.zip", archive))
        assert isinstance(refused, FileRefused)
        assert sentence in refused.sentence


def test_a_name_from_an_archive_is_only_a_label() -> None:
    [(label, event)] = read_upload(InMemory("a.zip", a_zip({"../../etc/pass\x1b[2Jwd\n": b"?"})))
    assert label == "../../etc/pass?[2Jwd?"
    assert isinstance(event, LeftOut)


def test_a_file_without_a_name_is_read_like_any_other() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        nameless = zipfile.ZipInfo("x")
        nameless.filename = ""
        archive.writestr(nameless, GOOD)
        archive.writestr("last.csv", GOOD)
    events = read_upload(InMemory("a.zip", out.getvalue()))
    assert [label for label, event in events if isinstance(event, End)] == ["?", "last.csv"]


def test_a_file_over_two_gib_is_refused_before_it_is_read() -> None:
    class Huge(InMemory):
        size = 2 * 1024**3 + 1

    [(_, refused)] = read_upload(Huge("a.csv", GOOD))
    assert refused == FileRefused("This file is larger than 2 GiB.", known=True)
