"""The package that is given out: the same bytes wherever and whenever it is built, whole, and able to start alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.house.tree import ROOMS, ROOT, files, name
from tests.sampled import EVERYTHING
from vault.settings import in_directory, to_environment

MOMENT = "1795000000"


def built(directory: Path, touched: float) -> Path:
    """The wheel, built offline by the pinned builder from a copy of the sources with other times of its files."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, directory / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / file, directory / file)
    for path in directory.rglob("*"):
        os.utime(path, (touched, touched))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    subprocess.run(
        build, cwd=directory, env={**os.environ, "SOURCE_DATE_EPOCH": MOMENT}, check=True, capture_output=True
    )
    (wheel,) = (directory / "out").iterdir()
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of them."""
    return built(tmp_path_factory.mktemp("here"), 1_700_000_000)


def test_two_builds_in_other_places_and_times_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = built(tmp_path / "elsewhere" / "deeper", time.time())
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_package_holds_every_file_of_the_rooms_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        inside = {path for path in packed.namelist() if ".dist-info/" not in path}
        about = {path.partition(".dist-info/")[2] for path in packed.namelist() if ".dist-info/" in path}
    ours = {name(path) for path in files(*ROOMS)}
    assert inside == ours
    for suffix in (".html", ".txt", ".css", ".js", ".svg", ".po", ".py"):
        assert any(path.endswith(suffix) for path in inside), suffix
    assert any("/migrations/" in path for path in inside)
    assert {"METADATA", "RECORD", "entry_points.txt", "licenses/LICENSE"} <= about
    assert "licenses/vault/pages/static/htmx.LICENSE.txt" in about


in_the_full_run = pytest.mark.skipif(not EVERYTHING, reason="sampled: an environment and a server, in the full run")


@dataclass(frozen=True)
class Served:
    """The package in an environment of its own, serving."""

    port: int
    packages: Path
    where: str
    said: Path

    @property
    def browser(self) -> httpx.Client:
        """Somebody who calls it."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers={"Host": f"localhost:{self.port}"})

    def says_to(self, raw: bytes) -> bytes:
        """All that comes back over one connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.fixture(scope="module")
def served(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Installed by pip, without our editable install: a path in a .pth file is not searched for others."""
    here = tmp_path_factory.mktemp("own")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", here / "own"], check=True)
    python = here / "own/bin/python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True)
    (packages,) = (here / "own/lib").glob("python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = to_environment(in_directory(here / "house", f"http://localhost:{port}"))
    environment = {"PATH": os.environ["PATH"], **settings}
    ask = [python, "-c", "import vault; print(vault.__file__)"]
    where = subprocess.run(ask, cwd=here, env=environment, check=True, capture_output=True).stdout.decode()
    with (here / "said").open("wb") as said:
        serving = subprocess.Popen(
            [here / "own/bin/vrm", "serve"], cwd=here, env=environment, stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            found = Served(port, packages, where, here / "said")
            with found.browser as browser:
                answers(browser)
            yield found
        finally:
            serving.terminate()
            assert serving.wait(20) is not None


@in_the_full_run
def test_it_starts_in_an_environment_of_its_own(served: Served) -> None:
    assert str(served.packages) in served.where
    with served.browser as browser:
        assert browser.get("/readyz").status_code == 200
        page = browser.get("/unlock", headers={"Accept-Language": "pl"})
        assert 'lang="pl"' in page.text
        assert not re.search(r"\d", page.headers.get("Server", "")), "no version"
        assert browser.get("/static/vault.css").headers["Content-Type"].startswith("text/css")
        discovered = browser.get("/.well-known/oauth-authorization-server").json()
        assert discovered["issuer"] == f"http://localhost:{served.port}"


@in_the_full_run
def test_where_a_request_ends_is_never_in_doubt(served: Served) -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    start = f"POST /stop HTTP/1.1\r\nHost: localhost:{served.port}\r\n".encode()
    for lengths in (
        b"Content-Length: 0\r\nContent-Length: 40\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ):
        said = served.says_to(start + lengths + b"\r\n" + hidden)
        assert said.startswith(b"HTTP/1.1 400"), (lengths, said[:80])
        assert said.count(b"HTTP/1.1") == 1, lengths
    both = served.says_to(start + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
    assert b"/hidden" not in both
    assert both.count(b"HTTP/1.1") <= 2, "the chunks count, and what follows them is the next request"


@in_the_full_run
def test_its_log_is_lines_of_json_in_universal_time(served: Served) -> None:
    with served.browser as browser:
        browser.post("/unlock", data={"passphrase": "x\r\n{}", "next": "/\u2028"}, headers={"User-Agent": "x"})
    lines = [json.loads(line) for line in served.said.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    assert {"request", "serving"} <= {line["event"] for line in lines}
    for line in lines:
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)
    (tried,) = [line for line in lines if line.get("route") == "/unlock" and line["method"] == "POST"]
    assert tried.keys() == {"event", "level", "timestamp", "method", "route", "status", "ms", "request_id"}


def answers(browser: httpx.Client) -> None:
    for _ in range(100):
        try:
            if browser.get("/livez").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("it never answered")
