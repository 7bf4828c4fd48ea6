"""The recovery kit after set-up: does it still work, and a new one."""

from __future__ import annotations

import io
import re
import sqlite3

import pytest

from tests.houses import embedded_only
from tests.people import Ada, Clock
from vault import backup, locks, sessions, unlock
from vault.errors import WrongSecret


def everything(ada: Ada) -> list[bytes]:
    """Every row of main and keystore."""
    databases = {"main": ada.house.main, "keys": ada.house.keystore.database}
    return list(backup.lines_of_all(databases, {}))


def test_she_tries_her_kit_and_nothing_is_changed_by_it(ada: Ada, recovery_code: str):
    ada.looks_at("/security/recovery")
    before = everything(ada)
    works = ada.presses("/security/recovery", 200, code=recovery_code.lower().replace("-", " ")).text
    assert "Your kit works" in works
    assert recovery_code not in works
    slip = ada.presses("/security/recovery", 422, code=recovery_code[:-1] + "0").text
    assert "That is not a whole code." in slip
    other = locks.write_recovery_code(locks.new_recovery_code())
    assert "does not open this vault" in ada.presses("/security/recovery", 422, code=other).text
    assert everything(ada) == before


def test_the_saved_file_can_be_tried_too(ada: Ada, recovery_code: str):
    file = (io.BytesIO(f"Recovery code:\n\n    {recovery_code}\n".encode()), "recovery-kit.txt")
    answer = ada.browser.post(
        "/security/recovery", data={"code": "", "file": file}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert "Your kit works" in answer.text


def test_a_new_kit_is_shown_until_she_has_it_and_the_old_code_is_dead_at_once(ada: Ada, recovery_code: str):
    _other, _vault = sessions.begin(ada.house, ada.vault.keyring)
    assert ada.presses("/security/recovery/new").headers["Location"] == "/setup/kit"
    with pytest.raises(WrongSecret):
        unlock.with_recovery_code(ada.house, "", recovery_code)
    assert [row.lock_id for row in sessions.living(ada.open)] == [ada.vault.session_id], "no other session lives on"
    assert ada.presses("/purchases/new", 303).headers["Location"] == "/setup/kit", "everything else waits"
    page = ada.looks_at("/setup/kit")
    groups = re.findall(r"<code>([0-9A-Z]{5})</code>", page)
    assert unlock.with_recovery_code(ada.house, "", "-".join(groups)).root == ada.vault.keyring.root
    saved = ada.looks_at("/setup/kit/recovery-kit.txt")
    assert "-".join(groups) in saved
    asked = [int(each) for each in re.findall(r'name="group-(\d)"', page)]
    ada.presses("/setup/kit", 422, **{f"group-{at}": "AAAAA" for at in asked})
    shown = ada.presses("/setup/kit", **{f"group-{at}": groups[at - 1] for at in asked})
    assert shown.headers["Location"] == "/security?notice=kit"
    assert ada.looks_at("/setup/kit", 303) is not None
    ada.looks_at("/setup/kit/recovery-kit.txt", 404)
    assert "recovery" not in ada.open.settings
    assert "renewed" not in ada.open.settings


def test_an_unlock_by_the_old_code_that_was_under_way_opens_no_session(ada: Ada, recovery_code: str):
    under_way = unlock.with_recovery_code(ada.house, "", recovery_code)
    ada.presses("/security/recovery/new")
    with pytest.raises(WrongSecret):
        sessions.begin(ada.house, under_way, "recovery")
    assert [row.lock_id for row in sessions.living(ada.open)] == [ada.vault.session_id]


@embedded_only
def test_of_the_old_kit_nothing_is_left_in_the_files(ada: Ada, clock: Clock):
    file = ada.house.main.file
    ada.house.main.checkpoint()
    (box,) = sqlite3.connect(file).execute("SELECT box FROM locks WHERE kind = 'recovery'").fetchone()
    assert box in file.read_bytes()
    ada.presses("/security/recovery/new")
    assert not [each for each in file.parent.glob("vault.db*") if box in each.read_bytes()]
