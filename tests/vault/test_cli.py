"""The command, as somebody at a terminal meets it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click import ClickException

from tests.conftest import PASSPHRASE
from tests.houses import copy_house, embedded_only
from tests.terminal import started_anew, vrm


@pytest.fixture
def furnished_copy(furnished: tuple[Path, str, Any], tmp_path: Path) -> Path:

    copy_house(furnished[0], tmp_path / "house")
    return tmp_path / "house"


def test_init_makes_a_vault_and_prints_its_recovery_code(tmp_path: Path) -> None:
    said = ("--name", "Ada", "--handle", "ada", "--passphrase-stdin")
    done = started_anew(tmp_path, "init", *said, said=PASSPHRASE + "\n")
    assert done.returncode == 0, done.stderr
    assert "Recovery code" in done.stdout
    exported = vrm(tmp_path, "export", "--passphrase-stdin", said=PASSPHRASE + "\n")
    assert json.loads(exported.stdout)["owner"] == "Ada"


def test_a_weak_passphrase_is_refused_with_a_sentence(tmp_path: Path) -> None:
    done = vrm(tmp_path, "init", "--name", "Ada", "--handle", "ada", "--passphrase-stdin", said="password12\n")
    assert done.returncode == 1
    assert "Error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_export_needs_the_passphrase(furnished_copy: Path) -> None:
    done = vrm(furnished_copy, "export", "--passphrase-stdin", said="not the passphrase\n")
    assert done.returncode == 1
    assert "did not open" in done.stderr
    assert not done.stdout


def test_grants_and_revoke_answer_without_a_passphrase(furnished_copy: Path) -> None:
    assert vrm(furnished_copy, "grants").returncode == 0
    unknown = vrm(furnished_copy, "revoke", "00" * 16)
    assert unknown.returncode == 1
    assert "no such grant" in unknown.stderr
    assert vrm(furnished_copy, "revoke", "nonsense").returncode == 2


def test_a_client_without_an_address_is_registered_listed_and_forgotten(furnished_copy: Path, tmp_path: Path) -> None:
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "1"}
    document = {
        "client_id": "corner-shop",
        "client_name": "Corner shop",
        "redirect_uris": ["https://corner.example/back"],
        "jwks": {"keys": [key]},
    }
    file = tmp_path / "client.json"
    for wrong, sentence in (
        ("{", "is not JSON"),
        ("[]", "holds no object"),
        (json.dumps({**document, "client_id": "https://corner.example/client.json"}), "not an address"),
        (json.dumps({**document, "jwks": {"keys": [{**key, "d": "secret"}]}}), "no public key"),
        (json.dumps({**document, "client_secret": "x"}), "holds no secret"),
    ):
        file.write_text(wrong)
        done = vrm(furnished_copy, "clients", "add", str(file))
        assert (done.returncode, sentence in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr
    file.write_text(json.dumps(document))
    assert "corner-shop  Corner shop  registered" in vrm(furnished_copy, "clients", "add", str(file)).stdout
    assert vrm(furnished_copy, "clients", "list").stdout == "corner-shop  Corner shop  by hand\n"
    assert vrm(furnished_copy, "clients", "remove", "corner-shop").returncode == 0
    assert vrm(furnished_copy, "clients", "list").stdout == ""
    again = vrm(furnished_copy, "clients", "remove", "corner-shop")
    assert (again.returncode, "no such client" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("VRM_ISSUER", "http://vault.example", "https"),
        ("VRM_ISSUER", "https://vault.example/path", "without a path"),
        ("VRM_SIGN_UP", "perhaps", "closed or open"),
        ("VRM_DATABASE_URL", "mysql://x", "sqlite:///"),
        ("VRM_PROXIES", "many", "VRM_PROXIES"),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_sentence(
    furnished_copy: Path, name: str, value: str, sentence: str
) -> None:
    done = vrm(furnished_copy, "doctor", **{name: value})
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("setting", ["VRM_DATABASE_URL", "VRM_LOG_URL", "VRM_KEYSTORE_URL"])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///{file}", "file is not a database"),
        ("sqlite:///{file}/vault.db", "File exists"),
        ("postgresql://vrm:secret@127.0.0.1:1/vrm", "Connection refused"),
    ],
)
def test_a_database_that_cannot_be_opened_stops_the_start_with_a_sentence(
    furnished_copy: Path, tmp_path: Path, setting: str, url: str, reason: str
) -> None:
    (tmp_path / "letter.txt").write_text("Dear Ada, " * 100)
    done = vrm(furnished_copy, "doctor", **{setting: url.format(file=tmp_path / "letter.txt")})
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {setting}: ")
    assert reason in done.stderr
    assert not re.search("Traceback|secret", done.stderr)
    assert (tmp_path / "letter.txt").read_text() == "Dear Ada, " * 100


def test_a_folder_that_cannot_be_made_stops_the_start_with_a_sentence(furnished_copy: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    done = vrm(furnished_copy, "doctor", VRM_CACHE_DIR=str(tmp_path / "letter.txt" / "cache"))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.startswith("Error: VRM_CACHE_DIR: ")


@pytest.mark.parametrize("named", ["--port", "VRM_METRICS_PORT"])
def test_a_port_that_is_taken_stops_the_start_with_a_sentence(furnished_copy: Path, named: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody, socket.create_server(("127.0.0.1", 0)) as free:
        taken, other = (str(each.getsockname()[1]) for each in (somebody, free))
        free.close()
        told = {"--port": other, "VRM_METRICS_PORT": "0", named: taken}
        done = vrm(furnished_copy, "serve", "--port", told.pop("--port"), **told)
    assert done.returncode == 1
    assert done.stderr == f"Error: Port {taken} of 127.0.0.1 ({named}): Address already in use.\n"


@embedded_only
@pytest.mark.parametrize(
    ("command", "setting", "closed"),
    [
        ("serve", "VRM_DATABASE_URL", "vault"),
        ("doctor", "VRM_KEYSTORE_URL", "keystore/keystore.db"),
        ("worker", "VRM_CACHE_DIR", "cache"),
        ("doctor", "VRM_DATABASE_URL", "vault/migrate.turn"),
    ],
)
def test_what_belongs_to_another_user_stops_the_start_with_a_sentence(
    command: str, setting: str, closed: str, furnished_copy: Path
) -> None:
    """The root of these tests may write anything, so it is taken that right for once."""
    (furnished_copy / closed).chmod(0o400)
    as_others = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = started_anew(furnished_copy, command, before=as_others)
    assert (done.returncode, done.stdout) == (1, "")
    words = f"{furnished_copy / closed} cannot be read and written by the user of number "
    assert done.stderr.startswith(f"Error: {setting}: {words}")
    assert len(done.stderr.splitlines()) == 1


@embedded_only
def test_a_file_beside_the_database_that_cannot_be_read_stops_nothing(furnished_copy: Path) -> None:
    copy = furnished_copy / "vault" / "vault.db.before-the-update"
    copy.write_bytes(b"a copy made by root")
    copy.chmod(0)
    as_others = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = started_anew(furnished_copy, "doctor", before=as_others)
    assert (done.stderr, "ballast" in done.stdout) == ("", True), "it has looked, and found what there was before"


@embedded_only
def test_a_strangers_keystore_stops_the_start(furnished_copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    vrm(other, "grants")
    keystore = (other / "keystore" / "keystore.db").read_bytes()
    for file in (furnished_copy / "keystore").glob("keystore.db*"):
        file.unlink()
    (furnished_copy / "keystore" / "keystore.db").write_bytes(keystore)
    done = vrm(furnished_copy, "grants")
    assert done.returncode == 1
    assert "belongs to another" in done.stderr
    found = vrm(furnished_copy, "doctor")
    assert (found.returncode, "do not belong together" in found.stdout) == (1, True)


@embedded_only
def test_an_empty_keystore_stops_the_start_and_stays_empty(furnished_copy: Path) -> None:
    for file in (furnished_copy / "keystore").glob("keystore.db*"):
        file.unlink()
    for _time in range(2):
        done = vrm(furnished_copy, "grants")
        assert done.returncode == 1
        assert "keystore is empty" in done.stderr


def test_the_demo_refuses_to_listen_to_the_open_net(tmp_path: Path) -> None:
    done = vrm(tmp_path, "demo", "--host", "0.0.0.0", "--no-browser")  # noqa: S104 - to be refused
    assert done.returncode == 2
    assert "loopback" in done.stderr


def test_a_demo_whose_vault_does_not_start_says_why(tmp_path: Path) -> None:
    from connectors.demo import _wait_for

    log = tmp_path / "vault.log"
    with log.open("wb") as out:
        vault = subprocess.Popen([sys.executable, "-c", "print('The shelf is gone.')"], stdout=out)
        with pytest.raises(ClickException, match="did not start: The shelf is gone"):
            _wait_for(vault, "http://127.0.0.1:9/readyz", log, 9)


def test_a_slow_start_is_told_of_and_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    from connectors import demo

    monkeypatch.setattr(demo, "TOLD_EVERY", 0.2)
    monkeypatch.setattr(demo, "SECONDS", 0.5)
    vault = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(ClickException, match="not ready after"):
        demo._wait_for(vault, "http://127.0.0.1:9/readyz", tmp_path / "vault.log", 9)
    assert "still starting" in capsys.readouterr().err
    assert vault.poll() is not None


def test_the_key_that_signs_notices_is_renewed_and_the_one_before_goes_on_beside_it(furnished_copy: Path) -> None:
    from tests.people import house_in

    house = house_in(furnished_copy)
    (first,) = house.keystore.signing("notice")
    for _time in range(2):
        done = vrm(furnished_copy, "renew-key")
        assert done.returncode == 0, done.stderr
    signing = house.keystore.signing("notice")
    house.stop()
    assert len(set(signing)) == 2
    assert first not in signing
