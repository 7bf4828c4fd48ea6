"""What a watcher counts, in the text format of Prometheus (0.0.4): requests, durations, queues, room on disks.

Served on a loopback port of its own, and only where `VRM_METRICS_PORT` names one. Labels are routes as the code writes
them, methods and statuses, kinds of jobs and databases: no path, id, name or address. Each process writes its counts
into a file of its own every few seconds, and whichever has the port adds up all files, also of those that have ended.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import func, select

from vault.logs import apart
from vault.models import Job
from vault.settings import is_loopback
from vault.tally import BUCKETS, TALLY

if TYPE_CHECKING:
    from pathlib import Path

    from vault.server import Server

EVERY = 5.0  # seconds
FOLDER = "metrics"


def begin(server: Server) -> None:
    """Write this process's counts from now on, and serve all of them if no other process does."""
    if server.settings.metrics_port:
        folder = server.settings.cache_dir / FOLDER
        threading.Thread(target=_keep_on, args=(server, folder), name="metrics", daemon=True).start()


def begin_anew(cache: Path) -> None:
    """Forget the counts of processes of before. `vrm serve` does this once, before there is any."""
    shutil.rmtree(cache / FOLDER, ignore_errors=True)


def _keep_on(server: Server, folder: Path) -> None:
    serving = False
    while True:
        with apart("metrics_failed"):
            write(folder)
            serving = serving or _serve(server, folder)
        time.sleep(EVERY)


def write(folder: Path) -> None:
    """This process's file, whole or as it was, also where the cache was deleted. Several may ask at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{os.getpid()}.json"
    part = file.with_suffix(f".{threading.get_ident()}.part")
    part.write_bytes(orjson.dumps(TALLY.rows()))
    part.replace(file)


def _serve(server: Server, folder: Path) -> bool:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A site may let its own name lead to this machine, and its pages could then read what is here.
            found = self.path == "/metrics" and is_loopback(f"http://{self.headers.get('Host', '')}")
            body = text(server, folder).encode() if found else b""
            self.send_response_only(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing is said about who looks."""

    try:
        listening = ThreadingHTTPServer(("127.0.0.1", server.settings.metrics_port), Answer)
    except OSError:
        return False  # another process of this server has it
    threading.Thread(target=listening.serve_forever, name="metrics port", daemon=True).start()
    return True


def text(server: Server, folder: Path) -> str:
    """Everything, for one look."""
    write(folder)
    counts: Counter[tuple[str, ...]] = Counter()
    for file in sorted(folder.glob("*.json")):
        for key, count in orjson.loads(file.read_bytes()):
            counts[tuple(key)] += count
    return "\n".join([*_requests(counts), *_durations(counts), *_gauges(server)]) + "\n"


def _requests(counts: Counter[tuple[str, ...]]) -> Iterator[str]:
    yield "# TYPE vrm_requests_total counter"
    for name, *labels in sorted(counts):
        if name == "requests":
            yield _line(
                "vrm_requests_total", zip(("method", "route", "status"), labels, strict=True), counts[name, *labels]
            )


def _durations(counts: Counter[tuple[str, ...]]) -> Iterator[str]:
    yield "# TYPE vrm_request_seconds histogram"
    for name, *rest in sorted(counts):
        if name == "seconds":
            (route,) = rest
            so_far = 0.0
            for below in (*map(str, BUCKETS), "+Inf"):
                so_far += counts["below", route, below]
                yield _line("vrm_request_seconds_bucket", [("route", route), ("le", below)], so_far)
            yield _line("vrm_request_seconds_sum", [("route", route)], counts["seconds", route])
            yield _line("vrm_request_seconds_count", [("route", route)], so_far)


def _gauges(server: Server) -> Iterator[str]:
    with server.main.reading() as session:
        waiting = session.execute(select(Job.kind, func.count()).group_by(Job.kind).order_by(Job.kind)).all()
        due = session.scalar(select(func.count()).select_from(Job).where(Job.due_at <= server.now)) or 0
    yield "# TYPE vrm_jobs gauge"
    yield from (_line("vrm_jobs", [("kind", kind)], count) for kind, count in waiting)
    yield "# TYPE vrm_jobs_due gauge"
    yield _line("vrm_jobs_due", [], due)
    databases = {"main": server.main, "keystore": server.keystore.database, "log": server.log}
    files = {name: each.file for name, each in databases.items() if each.engine.dialect.name == "sqlite"}
    for name, of in (("vrm_disk_free_bytes", _free), ("vrm_database_bytes", _size)):
        yield f"# TYPE {name} gauge"
        yield from (_line(name, [("database", each)], of(file)) for each, file in files.items())


def _free(file: Path) -> int:
    return shutil.disk_usage(file.parent).free


def _size(file: Path) -> int:
    """With its write-ahead log."""
    return sum(each.stat().st_size for each in (file, file.with_name(f"{file.name}-wal")) if each.exists())


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    said = ",".join(f'{label}="{text}"' for label, text in labels)
    return f"{name}{{{said}}} {value:g}" if said else f"{name} {value:g}"
