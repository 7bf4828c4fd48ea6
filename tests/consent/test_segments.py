"""The access log in the long run: folded into segments, each of which is a witness of the ones before."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.vendor_client import Refused
from consent import access, chain, segments, views
from consent.chain import BEGINNING, Head
from tests.houses import raw
from tests.people import Ada, Bookshop
from tests.terminal import Done, vrm
from vault.export import export
from vault.server import Server

OWNER = bytes(range(16))


def says(previous: bytes, *entries: dict[str, Any]) -> bytes:
    return orjson.dumps({"previous": previous.hex(), "upto": {}, "lost": {}, "entries": entries})


def chain_of(length: int) -> tuple[list[tuple[int, bytes | None]], list[Head]]:
    made: list[tuple[int, bytes | None]] = []
    heads = [chain.NOTHING]
    for number in range(1, length + 1):
        content = says(heads[-1].digest, {"number": number})
        made.append((number, content))
        heads.append(chain.head_of(OWNER, number, content))
    return made, heads


def test_a_chain_that_nobody_touched_is_whole() -> None:
    made, heads = chain_of(4)
    for known in ([], heads[1:2], heads):
        verdict = chain.follow(OWNER, made, known)
        assert verdict.whole
        assert verdict.end == heads[4]
    assert chain.follow(OWNER, [], []).end == chain.NOTHING


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_segment_written_anew_is_noticed_by_the_next_one_or_by_its_head(at: int) -> None:
    made, heads = chain_of(4)
    made[at - 1] = (at, says(heads[at - 1].digest, {"number": 99}))
    assert chain.follow(OWNER, made, heads[4:]).changed == (at,)
    assert chain.follow(OWNER, made, []).whole == (at == 4), "the last one has no witness but a head"


def test_a_whole_chain_written_anew_is_noticed_by_any_head() -> None:
    _, heads = chain_of(4)
    forged, last = list[tuple[int, bytes | None]](), BEGINNING
    for number in range(1, 5):
        content = says(last, {"number": -number})
        forged.append((number, content))
        last = chain.head_of(OWNER, number, content).digest
    assert chain.follow(OWNER, forged, []).whole
    for head in heads[1:]:
        assert head.number in chain.follow(OWNER, forged, [head]).changed


@pytest.mark.parametrize(("gone", "gap"), [({1}, range(1, 2)), ({2, 3}, range(2, 4)), ({4}, range(4, 5))])
def test_segments_taken_out_are_a_gap(gone: set[int], gap: range) -> None:
    made, heads = chain_of(4)
    verdict = chain.follow(OWNER, [each for each in made if each[0] not in gone], heads[4:])
    assert verdict.gaps == (gap,)
    assert verdict.missing == len(gap)
    assert not verdict.changed


def test_one_that_does_not_open_counts_as_changed() -> None:
    made, heads = chain_of(3)
    made[1] = (2, None)
    assert chain.follow(OWNER, made, heads[3:]).changed == (2,)


@pytest.mark.parametrize(
    "line", ["", "1", "1:", "0:" + "0" * 64, "1:" + "0" * 62, "x:" + "0" * 64, f"{1 << 60}:" + "0" * 64]
)
def test_what_is_no_head_is_refused(line: str) -> None:
    with pytest.raises(ValueError):  # whichever part of it is wrong
        Head.read(line)


def test_a_head_is_written_and_read() -> None:
    head = Head(12, bytes(range(32)))
    assert Head.read(f" {head}\n") == head


# In her vault.


def later(ada: Ada, **how_long: float) -> None:
    """Time passes and she unlocks again, whereupon the log is folded."""
    ada.house.clock.passes(**how_long)  # type: ignore[attr-defined]
    ada.unlocks()


def numbers(ada: Ada) -> list[int]:
    return [entry.number for entry in segments.entries(ada.vault, views.log_keys(ada.vault))]


def writes(house: Server, statement: str, *values: Any) -> int:
    with raw(house.log) as say:
        return len(say(f"{statement} RETURNING owner_id", *values))


def rows(house: Server, table: str) -> int:
    with raw(house.log) as say:
        return int(say(f"SELECT count(*) FROM {table}")[0][0])


@pytest.fixture
def folded(ada: Ada, bookshop: Bookshop) -> Ada:
    """Two segments, and one entry that is in none yet."""
    ada.lets(bookshop)
    for _ in range(2):
        bookshop.reads()
        bookshop.reads()
        later(ada, minutes=11)
    bookshop.reads()
    assert rows(ada.house, "segments") == 2
    return ada


def test_folded_or_not_she_reads_the_same(folded: Ada) -> None:
    before = numbers(folded)
    assert before == sorted(before, reverse=True)
    assert len(before) == access.counts(folded.house, folded.owner_id)[bytes.fromhex(folded.grant())]
    shown = re.findall(r"<time datetime=\"([^\"]+)\"", folded.looks_at("/activity"))
    later(folded, days=9)
    assert numbers(folded) == before
    assert re.findall(r"<time datetime=\"([^\"]+)\"", folded.looks_at("/activity")) == shown
    assert "The log is whole" in folded.looks_at("/activity")
    assert rows(folded.house, "accesses") == 0, "all of them are in segments, for more than a week"


def test_entries_stay_for_a_week_after_they_were_folded(folded: Ada) -> None:
    there = rows(folded.house, "accesses")
    later(folded, days=6)
    assert rows(folded.house, "accesses") == there
    later(folded, days=2)
    assert rows(folded.house, "accesses") == 0


def test_what_is_fresh_is_not_folded(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    bookshop.reads()
    later(ada, minutes=9)
    assert rows(ada.house, "segments") == 0
    later(ada, minutes=2)
    assert rows(ada.house, "segments") == 1
    later(ada, days=1)
    assert rows(ada.house, "segments") == 1, "where nothing was added there is no segment either"


def test_many_entries_make_several_segments(ada: Ada, bookshop: Bookshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MOST", 2)
    monkeypatch.setattr(segments, "AT_ONCE", 2)
    ada.lets(bookshop)
    for _ in range(4):
        bookshop.reads()
    before = numbers(ada)
    later(ada, minutes=11)
    assert rows(ada.house, "segments") == 2
    later(ada, minutes=1)
    assert numbers(ada) == before
    assert not segments.missing(ada.vault)
    assert segments.verdict(ada.vault).whole


def test_entries_taken_out_before_they_were_folded_stay_missed(ada: Ada, bookshop: Bookshop) -> None:
    ada.lets(bookshop)
    for _ in range(3):
        bookshop.reads()
    writes(ada.house, "DELETE FROM accesses WHERE number = 2")
    later(ada, minutes=11)
    later(ada, days=9)
    assert list(segments.missing(ada.vault).values()) == [1]
    assert "1 entry is missing" in ada.looks_at("/activity")


def test_a_crash_between_the_log_and_the_keystore_is_made_good(folded: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    keystore = folded.house.keystore
    before = numbers(folded)
    with monkeypatch.context() as crash:
        crash.setattr(type(keystore), "raise_log_head", lambda *_: False)
        later(folded, minutes=11)
    assert keystore.log_head(folded.owner_id)[0] == 2
    assert rows(folded.house, "segments") == 3
    assert numbers(folded) == before
    later(folded, minutes=1)
    assert keystore.log_head(folded.owner_id)[0] == 3
    assert segments.verdict(folded.vault).whole
    assert rows(folded.house, "segments") == 3


def test_two_processes_fold_one_segment(folded: Ada) -> None:
    folded.house.clock.passes(minutes=11)  # type: ignore[attr-defined]
    keys = views.log_keys(folded.vault)
    end = segments._end(folded.vault, Head(*folded.house.keystore.log_head(folded.owner_id)))
    assert end is not None
    content = segments._next(folded.vault, end, keys)
    assert content is not None
    assert segments._append(folded.vault, 3, content)
    assert not segments._append(folded.vault, 3, content), "the second one finds that it has been done"
    segments.fold(folded.vault, keys)
    assert rows(folded.house, "segments") == 3
    assert segments.verdict(folded.vault).whole


def test_a_segment_that_was_taken_out_or_spoilt_is_named(folded: Ada) -> None:
    with raw(folded.house.log) as say:
        ((box,),) = say("SELECT box FROM segments WHERE number = 1")
    writes(folded.house, "UPDATE segments SET box = ? WHERE number = 1", box[:-1] + bytes([box[-1] ^ 1]))
    page = folded.looks_at("/activity")
    assert "The log was changed." in page
    assert "The log is whole" not in page
    writes(folded.house, "DELETE FROM segments WHERE number = 1")
    assert "A part of the log is missing." in folded.looks_at("/activity")
    writes(folded.house, "DELETE FROM segments")
    assert segments.verdict(folded.vault).missing == 2
    assert segments.verdict(folded.vault).end.number == 2, "the keystore remembers how far it had come"


@pytest.mark.parametrize("day", [10**12, 25_000])
def test_an_entry_of_an_impossible_day_neither_keeps_her_out_nor_the_log_from_being_folded(
    ada: Ada, bookshop: Bookshop, day: int
) -> None:
    ada.lets(bookshop)
    bookshop.reads()
    bookshop.reads()
    writes(ada.house, "UPDATE accesses SET day = ?, box = ? WHERE number = 1", day, bytes(1))
    later(ada, minutes=11)
    ada.looks_at("/activity")
    assert [entry.outcome for entry in segments.entries(ada.vault, views.log_keys(ada.vault))].count("damaged") == 1
    assert rows(ada.house, "segments") == 1


@pytest.mark.parametrize("number", [2**63 - 1, 2**53, 4, -1, -(2**63)])
def test_a_row_that_no_vault_wrote_neither_keeps_her_out_nor_leads_the_log_astray(folded: Ada, number: int) -> None:
    before = numbers(folded)
    writes(folded.house, "INSERT INTO segments VALUES (?, ?, ?)", folded.owner_id, number, bytes(1))
    later(folded, minutes=11)
    assert numbers(folded) == before
    assert segments.verdict(folded.vault).whole == (number < 0)
    folded.looks_at("/activity")
    writes(folded.house, "DELETE FROM segments WHERE number = ?", number)
    later(folded, minutes=11)
    assert segments.verdict(folded.vault).whole
    assert folded.house.keystore.log_head(folded.owner_id)[0] == 3


def test_a_log_from_an_old_copy_shows_a_gap_for_ever(folded: Ada, bookshop: Bookshop) -> None:
    writes(folded.house, "DELETE FROM segments WHERE number = 2")
    bookshop.reads()
    later(folded, minutes=11)
    assert folded.house.keystore.log_head(folded.owner_id)[0] == 3
    verdict = segments.verdict(folded.vault)
    assert verdict.gaps == (range(2, 3),)
    assert not verdict.changed


def test_a_line_from_a_mail_shows_what_the_keystore_no_longer_knows(folded: Ada) -> None:
    """Somebody with her keys and the whole server writes the log anew, and the keystore's head with it."""
    head = Head(*folded.house.keystore.log_head(folded.owner_id))
    assert "still is what it was when that mail was written" in folded.looks_at(f"/activity?line={head}")
    other = Head(head.number, bytes(32))
    assert "The log was changed." in folded.looks_at(f"/activity?line={other}")
    assert "This is not such a line." in folded.looks_at("/activity?line=nonsense")
    assert "A part of the log is missing." in folded.looks_at(f"/activity?line=9{head}")


def test_she_finds_looks_by_vendor_kind_outcome_and_day(folded: Ada, coffee: Bookshop) -> None:
    folded.lets(coffee)
    coffee.reads()
    coffee.connection.read("purchases")
    with pytest.raises(Refused):
        coffee.connection.read("notes")

    def found(query: str) -> int:
        return folded.looks_at(f"/activity?{query}").count("nowrap meta")

    everything = found("")
    assert found(f"vendor={coffee.client_id}") == 3
    assert found("outcome=refused") == 1
    assert found("outcome=allowed") == everything - 1
    assert found("kind=notes") == 1
    assert found("since=2026-11-22&until=2026-11-22") == everything
    assert found("since=2026-11-23") == found("until=2026-11-21") == 0
    assert found("since=nonsense&until=&vendor=") == everything
    assert "Nobody has looked at anything like this." in folded.looks_at("/activity?vendor=nobody")


def test_earlier_looks_are_on_further_pages(folded: Ada, monkeypatch: pytest.MonkeyPatch) -> None:
    from consent.pages import activity

    monkeypatch.setattr(activity, "PAGE", 2)
    whole = [str(each.number) for each in segments.entries(folded.vault, views.log_keys(folded.vault))]
    seen, at = list[int](), "/activity?outcome=allowed"
    for _ in range(10):
        page = folded.looks_at(at)
        seen.append(page.count("nowrap meta"))
        following = re.search(r'href="(/activity\?[^"]*before=[^"]+)"', page)
        if not following:
            break
        at = following[1].replace("&amp;", "&")
        assert "outcome=allowed" in at
    assert sum(seen) == len(whole)
    for hostile in ("x", "1.2", "99999999999999999.00.1", "1.zz.1", "-1.00.1"):
        folded.looks_at(f"/activity?before={hostile}")


def exported(ada: Ada) -> dict[str, Any]:
    return dict(orjson.loads(b"".join(export(ada.vault)))["consent"])


def verifies(tmp_path: Path, ada: Ada, document: Any, *more: str) -> Done:
    from consent.signing import key_set

    (tmp_path / "export.json").write_bytes(orjson.dumps({"format": "vrm/1/export", "consent": document}))
    (tmp_path / "keys.json").write_bytes(orjson.dumps(dict(key_set(ada.house))))
    return vrm(None, "verify", "export.json", "--keys", "keys.json", *more, at=tmp_path)


def test_an_export_is_verified_and_one_that_was_changed_is_not(folded: Ada, tmp_path: Path) -> None:
    document = exported(folded)
    head = document["log"]["head"]
    line = f"{head['number']}:{head['digest']}"
    good = verifies(tmp_path, folded, document, "--head", line)
    assert good.returncode == 0, good.stderr
    assert "1 receipts" in good.stdout
    assert line in good.stdout
    changed = exported(folded)
    changed["log"]["segments"][0]["content"] = changed["log"]["segments"][0]["content"].replace("allowed", "refused")
    bad = verifies(tmp_path, folded, changed)
    assert bad.returncode == 1
    assert "changed: 1" in bad.stderr


def test_exports_changed_by_hand_are_refused_each_with_a_sentence(folded: Ada) -> None:
    """Without a process for each: the same function."""
    log = exported(folded)["log"]
    assert chain.read_export(log, []).whole
    shorter = {**log, "segments": log["segments"][:1]}
    assert chain.read_export(shorter, []).gaps == (range(2, 3),)
    for spoilt in (
        None,
        {},
        {**log, "owner": 1},
        {**log, "head": {"number": 1 << 60, "digest": ""}},
        {**log, "segments": log["segments"] * 2},
        {**log, "segments": [{"number": 0, "content": ""}]},
        {**log, "segments": [{"number": "x", "content": ""}]},
        {**log, "segments": 7},
    ):
        with pytest.raises(ValueError, match="no log"):
            chain.read_export(spoilt, [])  # type: ignore[arg-type]


def test_everything_she_reads_of_the_log_is_in_her_export(folded: Ada) -> None:
    log = exported(folded)["log"]
    inside = [each for segment in log["segments"] for each in orjson.loads(segment["content"])["entries"]]
    assert [each["number"] for each in (*inside, *log["entries"])] == sorted(numbers(folded))
