"""The pages and the command about imports, as Ada uses them."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from connectors.course import standings
from tests.connectors.test_engine import GIFTS, HEADER, SAMPLES, a_history, a_row, chunks, purchases, until
from tests.people import Ada
from vault.cli import main
from vault.settings import to_environment

SAME = {"Sec-Fetch-Site": "same-origin"}


def a_form(data: bytes, name: str) -> dict[str, Any]:
    """What a browser sends for a form with one file (RFC 7578)."""
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body = io.BytesIO(head + data + b"\r\n--x--\r\n")
    return {"input_stream": body, "content_type": "multipart/form-data; boundary=x", "headers": SAME}


def brings_in(ada: Ada, data: bytes, name: str = "Retail.OrderHistory.1.csv", status: int = 303) -> str:
    """Choose a file and press Import; returns the address of the import, when it has ended."""
    answer = ada.browser.post("/imports", **a_form(data, name))
    assert answer.status_code == status, answer.text
    if status != 303:
        return answer.text
    until(lambda: all(each.state in {"done", "refused"} for each in standings(ada.vault)))
    return str(answer.headers["Location"])


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("<main")[2]))


def test_an_empty_page_says_what_can_be_read_and_how_to_get_it(ada: Ada) -> None:
    page = ada.looks_at("/imports")
    assert re.search(r'<label for="file">\s*Choose a file\s*</label>', page)
    assert "Amazon order history" in page
    assert "Nothing brought in yet" in page
    assert 'href="/imports" aria-current="page"' in page


def test_a_file_is_brought_in_and_the_page_adds_it_up(ada: Ada) -> None:
    there = brings_in(ada, (SAMPLES / "amazon-broken-rows.csv").read_bytes())
    page, course = words(ada.looks_at(there)), standings(ada.vault)[0].course
    assert f"{course.units} entries in the file" in page
    assert f"New {course.new} Already here 0 Changed in the file 0" in page
    assert course.refused
    assert len(set(re.findall(r"line \d+ ", page))) == course.refused
    assert "The file itself was not kept" in page
    assert "Retail.OrderHistory.1.csv" in ada.looks_at("/imports").replace("<wbr>", "")
    assert chunks(ada.house) == 0
    report = ada.looks_at(f"{there}/report.csv")
    assert report.count("\r\n") == 1 + course.refused + course.left_out


def test_a_file_of_another_kind_shows_why_it_is_not_read(ada: Ada) -> None:
    there = brings_in(ada, (SAMPLES / "amazon-refunds.csv").read_bytes())
    page = words(ada.looks_at(there))
    assert "list of refunds" in page
    assert "Nothing was taken from this file." in page
    assert "Choose another file" in page


def test_no_file_chosen_is_said_beside_the_control(ada: Ada) -> None:
    page = brings_in(ada, b"", name="", status=422)
    assert "Choose a file first." in page
    assert 'aria-invalid="true"' in page
    assert standings(ada.vault) == []


def test_ticked_gifts_are_marked_and_the_rest_is_declined(ada: Ada) -> None:
    rows = [a_row(n, more=",For you,Ada,Bea") for n in range(3)]
    there = brings_in(ada, "\n".join([HEADER + GIFTS, *rows, ""]).encode())
    page = ada.looks_at(there)
    numbers = re.findall(r'name="gift" value="(\d+)"', page)
    assert len(numbers) == 3
    ada.presses(f"{there}/gifts", gift=numbers[0], decide="ticked")
    page = ada.looks_at(there)
    assert sorted(re.findall(r'name="gift" value="(\d+)"', page)) == sorted(numbers[1:])
    form: dict[str, Any] = {"shown": [*numbers, "1", "x"], "decide": "none"}
    assert ada.browser.post(f"{there}/gifts", data=form, headers=SAME).status_code == 303
    assert "Looks like gifts" not in ada.looks_at(there)
    assert sorted(each.record.facet() for each in purchases(ada.vault)) == ["gift", "me", "me"]


def test_what_she_decided_of_many_is_undone_by_one_button(ada: Ada) -> None:
    rows = [a_row(n, more=",For you,Ada,Bea") for n in range(3)]
    there = brings_in(ada, "\n".join([HEADER + GIFTS, *rows, ""]).encode())
    numbers = re.findall(r'name="gift" value="(\d+)"', ada.looks_at(there))
    decided = ada.presses(f"{there}/gifts", gift=numbers, decide="ticked").headers["Location"]
    change = re.findall(r'name="change" value="(\d+)"', ada.looks_at(decided))
    assert len(change) == 1, decided
    ada.presses("/undo", change=change, next=there)
    assert sorted(re.findall(r'name="gift" value="(\d+)"', ada.looks_at(there))) == sorted(numbers)
    nothing = ada.presses(f"{there}/gifts", decide="ticked").headers["Location"]
    assert "unchanged" in nothing


def test_while_it_runs_the_page_asks_again_with_and_without_a_script(ada: Ada) -> None:
    brings_in(ada, a_history(5))
    there = ada.browser.post("/imports", **a_form(a_history(20_000), "long.csv")).headers["Location"]
    page = ada.looks_at(there)
    assert "<progress" in page
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page
    part = ada.browser.get(f"{there}/progress")
    assert f'hx-get="{there}/progress"' in part.text
    assert "HX-Refresh" not in part.headers
    ada.presses(f"{there}/stop")
    page = ada.looks_at(there)
    assert "Go on" in page
    assert "refresh" not in page
    assert ada.browser.get(f"{there}/progress").headers["HX-Refresh"] == "true"
    ada.presses(f"{there}/go_on")
    until(lambda: all(each.state == "done" for each in standings(ada.vault)))
    assert len(purchases(ada.vault)) == 20_000
    ada.presses(f"{there}/end")
    assert "Finished" in ada.looks_at(there)


def test_what_was_left_waiting_by_an_ended_server_goes_on_when_she_looks(ada: Ada) -> None:
    from connectors.uploads import Arriving

    with Arriving(ada.vault, "left.csv") as arriving:
        arriving.write(a_history(50))
        arriving.finish()
    ada.looks_at("/imports")
    until(lambda: standings(ada.vault)[0].state == "done")


class Watched(io.BytesIO):
    """A request's body that looks, while it is being read, whether any file holds some of it."""

    def __init__(self, data: bytes, directory: Path, canary: bytes) -> None:
        super().__init__(data)
        self.directory, self.canary, self.reads, self.looks = directory, canary, 0, 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        if self.reads % 20 == 0:
            self.looks += 1
            for path in self.directory.rglob("*"):
                assert not path.is_file() or self.canary not in path.read_bytes(), path
        return super().read(size)


def test_the_form_is_never_written_to_a_disk_in_clear(
    ada: Ada, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a temporary file was asked for")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse)
    row = "canary-canary-canary," * 500
    file = (HEADER + "\n" + (row + "\n") * 700).encode()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = head + file + b"\r\n--x--\r\n"
    watched = Watched(body, tmp_path, b"canary-canary")
    answer = ada.browser.post(
        "/imports",
        input_stream=watched,
        content_type="multipart/form-data; boundary=x",
        headers=SAME,
    )
    assert answer.status_code == 303
    assert watched.looks > 2
    until(lambda: standings(ada.vault)[0].state in {"done", "refused"})


def test_a_form_that_breaks_off_leaves_nothing(ada: Ada) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    half = head + a_history(60_000)
    answer = ada.browser.post(
        "/imports",
        input_stream=io.BytesIO(half),
        environ_overrides={"CONTENT_LENGTH": str(len(half) + 1_000_000)},
        content_type="multipart/form-data; boundary=x",
        headers=SAME,
    )
    assert answer.status_code == 400
    assert (standings(ada.vault), chunks(ada.house)) == ([], 0)


def test_a_file_over_the_limit_is_refused_before_it_is_read(ada: Ada) -> None:
    answer = ada.browser.post(
        "/imports",
        input_stream=io.BytesIO(b""),
        environ_overrides={"CONTENT_LENGTH": str(ada.house.settings.upload_limit + (1 << 21))},
        content_type="multipart/form-data; boundary=x",
        headers=SAME,
    )
    assert answer.status_code == 413


def test_locked_it_takes_nothing_and_nobody_elses_import_is_there(ada: Ada) -> None:
    there = brings_in(ada, a_history(1))
    ada.looks_at("/imports/" + "0" * 32, status=404)
    ada.looks_at("/imports/" + "z" * 32, status=404)
    ada.locks()
    for path in ("/imports", there, f"{there}/progress", f"{there}/report.csv"):
        assert ada.browser.get(path).status_code == 303
    for path in (f"{there}/stop", f"{there}/gifts", "/imports"):
        assert "/unlock" in ada.browser.post(path, headers=SAME).headers["Location"]


@pytest.fixture
def terminal(ada: Ada) -> Any:
    def types(*arguments: str, passphrase: str = ada.passphrase) -> Result:
        environment = to_environment(ada.house.settings)
        command = ["import", *arguments, "--passphrase-stdin"]
        return CliRunner().invoke(main, command, input=passphrase + "\n", env=environment)

    return types


def test_the_command_says_what_came_of_each_file(terminal: Any, ada: Ada) -> None:
    broken, refunds = str(SAMPLES / "amazon-broken-rows.csv"), str(SAMPLES / "amazon-refunds.csv")
    done = terminal(broken)
    assert done.exit_code == 0, done.output
    assert re.search(r"amazon-broken-rows.csv: \d+ units: \d+ new, 0 already here, 0 changed", done.stdout)
    assert re.search(r"  refused  line \d+: .+\.", done.stdout)
    again = terminal(broken)
    assert ": 0 new" not in done.stdout
    assert re.search(r"units: 0 new, \d+ already here", again.stdout)
    refused = terminal(refunds, broken)
    assert refused.exit_code == 1
    assert "list of refunds" in refused.stderr
    assert "already here" in refused.stdout


def test_the_command_refuses_with_the_right_code(terminal: Any) -> None:
    assert terminal("/nowhere.csv").exit_code == 2
    assert terminal().exit_code == 2
    wrong = terminal(str(SAMPLES / "amazon-refunds.csv"), passphrase="not the passphrase")
    assert wrong.exit_code == 1
    assert "did not open" in wrong.stderr
