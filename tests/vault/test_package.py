"""The package that is given out: the same bytes wherever and whenever it is built, whole, and able to start alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
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


@pytest.mark.skipif(not EVERYTHING, reason="sampled: an environment is made and a server started, in the full run")
def test_it_starts_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "own"], check=True)
    python = tmp_path / "own/bin/python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True)
    (packages,) = (tmp_path / "own/lib").glob("python*/site-packages")
    # What it needs, without our editable install: a path in such a file is not searched for others.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    issuer = f"http://localhost:{port}"
    environment = {"PATH": os.environ["PATH"], **to_environment(in_directory(tmp_path / "house", issuer))}
    where = subprocess.run(
        [python, "-c", "import vault; print(vault.__file__)"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    assert str(packages) in where.stdout.decode()
    serving = subprocess.Popen(
        [tmp_path / "own/bin/vrm", "serve"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Host": f"localhost:{port}"}) as browser:
            answers(browser)
            assert browser.get("/readyz").status_code == 200
            page = browser.get("/unlock", headers={"Accept-Language": "pl"})
            assert 'lang="pl"' in page.text
            assert browser.get("/static/vault.css").headers["Content-Type"].startswith("text/css")
            assert browser.get("/.well-known/oauth-authorization-server").json()["issuer"] == issuer
    finally:
        serving.terminate()
        assert serving.wait(20) is not None


def answers(browser: httpx.Client) -> None:
    for _ in range(100):
        try:
            if browser.get("/livez").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("it never answered")
