"""The unit files and the container file: what they name exists, and what they promise stands in them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from configparser import ConfigParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from vault.cli import main
from vault.settings import in_directory, to_environment

UNITS = sorted((ROOT / "deploy").glob("*.service"))
CONTAINER = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "MemoryDenyWriteExecute": "yes",
    "CapabilityBoundingSet": "",
    "LimitCORE": "0",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
    "User": "vrm",
}


def section(unit: Path) -> dict[str, list[str]]:
    """`[Service]`, with every value of a name that stands there more than once."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").partition("[Service]")[2].partition("[Install]")[0].splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def known_settings() -> set[str]:
    given = in_directory(
        Path("/srv"), "https://vault.example", smtp_url="smtps://mail.example", sandbox=True, proxies=1
    )
    return set(to_environment(given))


def test_there_is_one_for_the_vault_and_one_for_a_worker() -> None:
    assert [unit.name for unit in UNITS] == ["vrm-worker.service", "vrm.service"]
    parser = ConfigParser(strict=False, interpolation=None)
    assert parser.read(UNITS, encoding="utf-8")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_may_write_its_own_directories_and_nothing_else(unit: Path) -> None:
    said = section(unit)
    assert {name: said[name][0] for name in HARDENED} == HARDENED
    assert said["StateDirectory"] == ["vrm vrm-keystore"], "the keystore is kept apart"
    assert "ReadWritePaths" not in said


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_commands_and_settings_of_a_unit_exist(unit: Path) -> None:
    said = section(unit)
    _program, command, *options = said["ExecStart"][0].split()
    named = {option for parameter in main.commands[command].params for option in parameter.opts}
    assert {each for each in options if each.startswith("--")} <= named
    settings = dict(each.split("=", 1) for each in said["Environment"])
    assert settings.keys() <= known_settings()
    for value in settings.values():
        path = Path(value.removeprefix("sqlite:///"))
        assert {"/var/lib/vrm", "/var/lib/vrm-keystore", "/var/cache/vrm"} & {str(each) for each in (path, path.parent)}


def test_the_container_is_nobody_and_keeps_its_volumes_apart() -> None:
    assert set(re.findall(r"\b1\d{4}\b", CONTAINER)) == {"10001"}, "one number for who it is and for its group"
    assert re.search(r"^USER 10001:10001$", CONTAINER, re.MULTILINE)
    (volumes,) = re.findall(r"^VOLUME (.*)$", CONTAINER, re.MULTILINE)
    data, keystore, cache = json.loads(volumes)
    places = {each["name"]: each["place"] for each in re.finditer(r"(?P<name>VRM_\w+)=(?P<place>\S+)", CONTAINER)}
    assert places == {
        "VRM_DATABASE_URL": f"sqlite:///{data}/vault.db",
        "VRM_LOG_URL": f"sqlite:///{data}/log.db",
        "VRM_KEYSTORE_URL": f"sqlite:///{keystore}/keystore.db",
        "VRM_CACHE_DIR": cache,
    }
    assert places.keys() <= known_settings()


def test_what_the_container_runs_is_there() -> None:
    assert "--require-hashes" in CONTAINER
    assert not re.search(r"(RUN|&&) (python|pip) ", CONTAINER), "Debian has python3, and no python"
    (program,) = re.findall(r"^ENTRYPOINT (.*)$", CONTAINER, re.MULTILINE)
    (said,) = re.findall(r"^CMD (.*)$", CONTAINER, re.MULTILINE)
    command, *options = json.loads(said)
    assert json.loads(program) == ["vrm"]
    assert set(options[::2]) <= {option for parameter in main.commands[command].params for option in parameter.opts}
    (port,) = re.findall(r"^EXPOSE (\d+)$", CONTAINER, re.MULTILINE)
    assert dict(zip(options[::2], options[1::2], strict=True))["--port"] == port
    assert f"'127.0.0.1', {port}," in health_check()[-1]


def test_the_page_tells_to_run_it_with_the_limits_it_is_meant_for() -> None:
    meant = re.findall(r"^# +(--read-only .*)$", CONTAINER, re.MULTILINE)
    told = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert len(meant) == 1
    assert meant[0] in told
    assert [volume for volume in re.findall(r'"(/var/[\w/-]+)"', CONTAINER) if f":{volume}" not in told] == []


def health_check() -> list[str]:
    """The program by which a container engine asks how the vault is, and its arguments."""
    (said,) = re.findall(r"^HEALTHCHECK .* CMD (.*)$", CONTAINER, re.MULTILINE)
    return list(json.loads(said))


@pytest.mark.parametrize(("status", "answer"), [(200, 0), (503, 1)])
def test_the_health_check_asks_the_vault_itself(status: int, answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Vault(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Nothing."""

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # engines hand on what the machine has
    _program, flag, asking = health_check()
    with ThreadingHTTPServer(("127.0.0.1", 0), Vault) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        asking = asking.replace("8400", str(server.server_port))
        done = subprocess.run([sys.executable, flag, asking], timeout=30, check=False)
        server.shutdown()
    assert done.returncode == answer
    assert f'@pages.get("{asked[0]}")' in (ROOT / "vault" / "pages" / "health.py").read_text(encoding="utf-8")


def test_what_is_copied_into_the_container_exists_and_its_base_names_no_host() -> None:
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINER, re.MULTILINE):
        assert [name for name in line.split() if not (ROOT / name).exists()] == []
    (base,) = re.findall(r"^ARG BASE=(\S+)$", CONTAINER, re.MULTILINE)
    assert "/" not in base


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is part of systemd")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: Path, tmp_path: Path) -> None:
    here = tmp_path / unit.name
    here.write_text(unit.read_text(encoding="utf-8").replace("/opt/vrm/.venv/bin/vrm", "/bin/true"), encoding="utf-8")
    for question in (["verify"], ["security", "--offline=true", "--threshold=15"]):
        asked = ["systemd-analyze", *question, str(here)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(here) not in done.stderr, "a line it does not know"


def test_the_proxy_takes_bodies_in_and_says_who_calls() -> None:
    """What the web server inside cannot do, and what `VRM_PROXIES=1` believes."""
    said = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    lines = {" ".join(line.split()) for line in said.splitlines()}
    assert lines >= {
        "client_header_timeout 15s;",
        "client_body_timeout 15s;",
        "proxy_request_buffering on;",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "access_log off;",
    }
    for believed in ("$proxy_add_x_forwarded_for", "underscores_in_headers", "ignore_invalid_headers"):
        assert believed not in said, "whoever calls could say who they are"
