"""The disk of the tortures itself: what it keeps for certain, and what it may lose."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.torture.disk import SECTOR, Disk, Step

OLD, NEW = b"o" * 3 * SECTOR, b"n" * 3 * SECTOR


def write(path: str, data: bytes = NEW) -> Step:
    return Step("W", path, 0, data)


def sync(path: str) -> Step:
    return Step("S", path, 0, b"")


def left(directory: Path, *steps: Step) -> list[dict[str, bytes]]:
    """What may be left after these steps, cut again and again."""
    (directory / "a.db").write_bytes(OLD)
    disk = Disk(directory, list(steps))
    disk.goes_on(len(steps))
    return [disk.cut(Random(at))[1] for at in range(200)]


def test_what_was_synced_is_kept_whatever_comes_after(tmp_path: Path) -> None:
    for files in left(tmp_path, write("a.db"), sync("a.db"), write("b.db"), Step("T", "b.db", 7, b"")):
        assert files["a.db"] == NEW


def test_what_a_failed_sync_was_for_is_lost_unless_it_is_written_again(tmp_path: Path) -> None:
    failed = Step("F", "a.db", 0, b"")
    assert {files["a.db"] for files in left(tmp_path, write("a.db"), failed, sync("a.db"))} == {OLD}
    assert {files["a.db"] for files in left(tmp_path, write("a.db"), failed, write("a.db"), sync("a.db"))} == {NEW}


def test_what_was_not_synced_is_there_or_not_or_in_part(tmp_path: Path) -> None:
    found = {files["a.db"] for files in left(tmp_path, write("a.db"))}
    assert {OLD, NEW} <= found
    assert all(set(content[at : at + SECTOR]) in ({b"o"[0]}, {b"n"[0]}) for content in found for at in (0, 512, 1024))
    assert len(found) > 2


def test_a_file_that_was_unlinked_may_come_back_until_any_file_was_synced(tmp_path: Path) -> None:
    gone = Step("U", "a.db", 0, b"")
    assert {("a.db" in files) for files in left(tmp_path, gone)} == {True, False}
    assert not any("a.db" in files for files in left(tmp_path, gone, write("b.db"), sync("b.db")))


def test_a_renamed_file_is_found_under_one_name(tmp_path: Path) -> None:
    renamed = Step("R", "a.db", 0, b"c.db")
    for files in left(tmp_path, renamed):
        assert [files[name] for name in files] == [OLD]
