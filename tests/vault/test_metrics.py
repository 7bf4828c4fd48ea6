"""Metrics: off unless asked for, on loopback, added up over processes, and without a word of hers."""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.houses import copy_house, embedded_only
from tests.people import Ada
from tests.served import served
from vault import metrics
from vault.errors import Unsafe
from vault.keyring import Keyring
from vault.metrics import begin_anew, text
from vault.settings import from_environment
from vault.tally import Tally

LINE = re.compile(r'(# TYPE \w+ (counter|gauge|histogram)|\w+(\{(\w+="[^"\\\n]*",?)*\})? [0-9.e+]+)')


def test_two_processes_are_added_up_by_whichever_is_asked(furnished: tuple[Path, str, Keyring], tmp_path: Path) -> None:
    copy_house(furnished[0], tmp_path / "house")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    canaries = ("a lantern for Bartholomew", "vrm_rv_secret", "thistle-handle")
    with served(tmp_path / "house", workers=2, VRM_METRICS_PORT=str(port)) as serving:
        for _ in range(10):
            httpx.get(f"{serving.address}/unlock?next=/search?q={canaries[0]}", timeout=30)
            httpx.get(f"{serving.address}/r/{canaries[1]}", timeout=30)
        httpx.post(f"{serving.address}/unlock", data={"handle": canaries[2], "passphrase": canaries[0]}, timeout=30)
        until = time.monotonic() + 60
        while True:
            time.sleep(0.5)
            try:
                said = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
            except httpx.TransportError:
                said = ""
            if 'vrm_requests_total{method="GET",route="/unlock",status="200"} 10\n' in said:
                break
            assert time.monotonic() < until, said
        assert httpx.get(f"{serving.address}/metrics", timeout=30).status_code == 404, "not where everybody comes"
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 404
        for name in ("elsewhere.example", "["):
            led_here = httpx.get(f"http://127.0.0.1:{port}/metrics", headers={"Host": f"{name}:{port}"}, timeout=30)
            assert (led_here.status_code, led_here.text) == (404, ""), "a site's name that leads to this machine"
    assert 'vrm_requests_total{method="GET",route="/r/<string>",status="404"} 10' in said
    assert not [each for each in (*canaries, "ada") if each in said]
    assert [line for line in said.splitlines() if not LINE.fullmatch(line)] == []


@embedded_only
def test_a_histogram_adds_up_and_gauges_say_what_waits(
    ada: Ada, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metrics, "TALLY", Tally())
    for seconds in (0.001, 0.02, 3.0, 60.0):
        metrics.TALLY.add("GET", "/purchases", 200, seconds)
    said = text(ada.house, tmp_path)
    below = re.findall(r'vrm_request_seconds_bucket\{route="/purchases",le="([^"]+)"\} (\S+)', said)
    assert below == [
        *(("0.005", "1"), ("0.025", "2"), ("0.1", "2"), ("0.5", "2"), ("2.5", "2"), ("10.0", "3"), ("+Inf", "4"))
    ]
    assert 'vrm_request_seconds_count{route="/purchases"} 4' in said
    assert 'vrm_disk_free_bytes{database="keystore"}' in said
    assert "vrm_jobs_due 0" in said
    (file,) = tmp_path.glob("*.json")
    file.rename(tmp_path / "0.json")
    assert 'vrm_request_seconds_count{route="/purchases"} 8' in text(ada.house, tmp_path), "one that has ended counts"
    (tmp_path / "cache" / "metrics").mkdir(parents=True)
    begin_anew(tmp_path / "cache")
    assert not (tmp_path / "cache" / "metrics").exists()


@embedded_only
def test_each_of_several_who_ask_at_once_is_answered(ada: Ada, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: text(ada.house, tmp_path), range(200)))
    assert all("vrm_jobs_due 0" in each for each in answers)


def test_they_go_on_where_the_cache_was_deleted(ada: Ada, tmp_path: Path) -> None:
    assert "vrm_jobs_due 0" in text(ada.house, tmp_path / "cache" / "metrics")


def test_they_are_off_and_a_port_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VRM_METRICS_PORT", raising=False)
    assert from_environment().metrics_port == 0
    monkeypatch.setenv("VRM_METRICS_PORT", "70000")
    with pytest.raises(Unsafe, match="VRM_METRICS_PORT"):
        from_environment()
