"""`vrm bench`: what the server costs, against the bare answer of the same stack in the same run.

H is a Flask view that returns a constant JSON answer, served by the same granian with as many workers and threads.
Every vendor read carries a fresh proof and is logged durably, as shipped. Operations are interleaved; what counts is
the server's CPU per request (from /proc) and requests per second, each as a ratio to H.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from vault.serving import THREADS

if TYPE_CHECKING:
    from connectors.bench_house import House

PASSPHRASE = "a lamp, a kettle, a map"  # noqa: S105 - of a vault made for the measurement
CONNECTIONS = 4
FEW, MANY = 10, 10_000


@click.command("bench")
@click.option("--records", default=100_000, show_default=True, help="Purchases in the vault for the list page.")
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds; the median counts.")
@click.option("--requests", "wanted", default=400, show_default=True, help="Requests per operation and round.")
@click.option("--workers", default=1, show_default=True, help="Server processes.")
@click.option("--threads", default=THREADS, show_default=True, help="Threads in each.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
def command(records: int, rounds: int, wanted: int, workers: int, threads: int, as_json: bool) -> None:
    """Measure reads, exchange, revocation, import and the list page against a bare Flask answer; and her own pages."""
    from connectors.bench_house import House
    from connectors.bench_pages import pages, upkeep

    with tempfile.TemporaryDirectory(prefix="vrm-bench-") as directory:
        house = House(Path(directory), _free_port(), PASSPHRASE)
        click.echo(f"making a vault with {records} purchases ...", err=True)
        house.furnish(records)
        hers: dict[str, Any] = {"upkeep": upkeep(house.vault), "image": house.vault.catalogue.size}
        with house.locked(), _serving("vault.app:create", house.port, workers, threads, house.environment) as vault:
            hers["pages"] = pages(house, vault.cpu)
        imported = house.import_rate()
        house.give_access()
        with (
            _serving("connectors.bench_house:bare", _free_port(), workers, threads, {}) as bare,
            _serving("vault.app:create", house.port, workers, threads, house.environment) as vault,
        ):
            results = _measure(bare, vault, house, rounds, wanted)
            stopping = _stopping(vault, house)
        if as_json:
            answer = {**results, "import": imported, "stopping everything": stopping, **hers}
            click.echo(orjson.dumps(answer).decode())
        else:
            _print(results, imported)
            click.echo(
                f"stopping everything: {FEW} grants {stopping['few_ms']:.0f} ms, {MANY} {stopping['many_ms']:.0f} ms, "
                f"{stopping['x_few']:.2f} times as long"
            )
            _print_hers(**hers)


@dataclass
class Served:
    """A server under measurement: where it listens and its processes."""

    port: int
    process: subprocess.Popen[bytes]
    workers: list[int] = field(default_factory=list)

    def cpu(self) -> float:
        """Seconds of processor time its workers have used."""
        return sum(_cpu(pid) for pid in self.workers)


@contextmanager
def _serving(target: str, port: int, workers: int, threads: int, environment: dict[str, str]) -> Iterator[Served]:
    program = (
        "import sys; from vault.serving import serve; "
        "serve('127.0.0.1', int(sys.argv[1]), workers=int(sys.argv[2]), threads=int(sys.argv[3]), target=sys.argv[4])"
    )
    arguments = [sys.executable, "-c", program, str(port), str(workers), str(threads), target]
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(  # noqa: S603 - our own program
        arguments, env=environment or None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=root
    )
    try:
        _wait_for(port)
        yield Served(port, process, _children(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=30)


def _measure(bare: Served, vault: Served, house: House, rounds: int, wanted: int) -> dict[str, dict[str, float]]:
    """Medians over the rounds: CPU µs per request, requests per second, and both against H in the same round.

    Each round signs its own requests just before it sends them: proofs and codes live a minute.
    """
    hello = [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] * wanted
    seen: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    _drive(bare, hello)
    for number in range(rounds):
        floor = _drive(bare, hello)
        seen["H"].append((*floor, 1.0, 1.0))
        for name, make in house.operations(wanted).items():
            cpu, rate = _drive(vault, make())
            seen[name].append((cpu, rate, cpu / floor[0], rate / floor[1]))
        house.clear()
        click.echo(f"round {number + 1} of {rounds}", err=True)
    names = ("cpu_us", "per_second", "cpu_x_h", "rate_x_h")
    medians = {
        operation: [statistics.median(column) for column in zip(*rows, strict=True)] for operation, rows in seen.items()
    }
    return {operation: dict(zip(names, columns, strict=True)) for operation, columns in medians.items()}


def _stopping(vault: Served, house: House) -> dict[str, float]:
    """The whole time of stopping everything, as she waits for it: the median of five with few grants, and with many."""
    click.echo(f"making {MANY} grants ...", err=True)
    few = [1000 / _drive(vault, house.stop_all(FEW))[1] for _time in range(5)]
    many = 1000 / _drive(vault, house.stop_all(MANY))[1]
    return {"few_ms": statistics.median(few), "many_ms": many, "x_few": many / statistics.median(few)}


def _drive(server: Served, requests: Sequence[bytes]) -> tuple[float, float]:
    """Send requests over a few connections; CPU µs per request and requests per second. Any refusal stops the bench."""
    before, began = server.cpu(), time.perf_counter()
    failures: list[str] = []
    shares = [requests[at::CONNECTIONS] for at in range(CONNECTIONS)]
    threads = [threading.Thread(target=_send, args=(server.port, share, failures)) for share in shares if share]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    if failures:
        raise click.ClickException(f"a request was refused: {failures[0]}")
    return (server.cpu() - before) / len(requests) * 1e6, len(requests) / taken


def _send(port: int, requests: Sequence[bytes], failures: list[str]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        reader = line.makefile("rb")
        for request in requests:
            line.sendall(request)
            status = reader.readline()
            length = 0
            while (header := reader.readline()) not in {b"\r\n", b""}:
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            body = reader.read(length)
            if status.split()[1:2] not in ([b"200"], [b"303"]):
                failures.append(f"{status.decode().strip()} {body[:200].decode(errors='replace')}")
                return


def _cpu(pid: int) -> float:
    """Processor seconds of a process's threads so far, to the nanosecond."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found] or [pid]


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            time.sleep(0.5)
            return
    raise click.ClickException("the server under measurement did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _print(results: dict[str, dict[str, float]], imported: dict[str, Any]) -> None:
    click.echo(f"{'operation':28}{'CPU µs':>10}{'× H':>8}{'req/s':>10}{'× H':>8}")
    for name, row in results.items():
        click.echo(
            f"{name:28}{row['cpu_us']:>10.0f}{row['cpu_x_h']:>8.2f}{row['per_second']:>10.0f}{row['rate_x_h']:>8.2f}"
        )
    click.echo(
        f"import of {imported['rows']} lines: {imported['per_second']:.0f} rows/s, "
        f"{imported['x_csv_reader']:.3f} of csv.reader's {imported['csv_reader']:.0f}"
    )


def _print_hers(pages: dict[str, dict[str, float]], upkeep: dict[str, dict[str, float]], image: int) -> None:
    click.echo(f"\n{'her page':34}{'ms':>10}{'CPU ms':>10}{'kB':>8}")
    for name, row in pages.items():
        click.echo(f"{name:34}{row['ms']:>10.1f}{row['cpu_ms']:>10.1f}{row['kB'] or '':>8}")
    click.echo(f"\n{'records written':34}{'ms':>10}{'upkeep':>10}{'×':>8}")
    for name, row in upkeep.items():
        click.echo(f"{name:34}{row['write_ms']:>10.2f}{row['upkeep_ms']:>10.2f}{row['ratio']:>8.2f}")
    click.echo(f"the catalogue takes {image / 1e6:.1f} MB of memory")
