"""What would break a promise on this machine, as rules over facts. Pure: `vault/facts.py` finds the facts.

A finding is `fatal` (`vrm serve` does not start), to `mend` (the doctor's exit code is 1) or could be `better`. Its
sentence says what is wrong and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from vault.days import moment_of
from vault.settings import MEBIBYTE, Settings, is_loopback

Weight = Literal["fatal", "mend", "better"]
Standing = Literal["new", "current", "behind", "ahead"]
NAMES = {"main": "database", "keystore": "keystore", "log": "access log"}
RELEASED = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())  # no clock that is right says less
SLACK = 300  # seconds that clocks may differ
ROOM = 32 * MEBIBYTE  # what the disk of a database should have left
# What an acknowledged write rests on in PostgreSQL, and what asks the primary itself.
NEEDED = {"fsync": "on", "full_page_writes": "on", "data_sync_retry": "off", "default_transaction_read_only": "off"}


class Finding(NamedTuple):
    """Something that is wrong: a stable code, how bad it is, and a sentence."""

    code: str
    weight: Weight
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A database that is a file. `exposed` are the paths that others on the machine can open; sizes are bytes."""

    path: Path
    inode: tuple[int, int] | None = None
    exposed: tuple[Path, ...] = ()
    free: int = 1 << 40
    ballast: int
    durable: bool = True
    sound: bool = True
    backups: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A database on a PostgreSQL server. `standbys` holds the sync_state of each; `failover` what seems to switch."""

    values: Mapping[str, str]
    standby: bool = False
    standbys: tuple[str, ...] = ()
    failover: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One of the three databases: which keystore it names, and how its tables stand to this program."""

    instance: bytes | None
    standing: Standing
    kept: File | Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The process and what it runs on. `swap` names the devices that are not encrypted; times are seconds."""

    now: int
    newest: int = 0
    core_limit: int = 0
    debug: tuple[str, ...] = ()
    swap: tuple[str, ...] = ()
    exposed: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All there is to judge by. `stores` are main, keystore and log."""

    settings: Settings
    stores: Mapping[str, Store]
    machine: Machine


def judged(facts: Facts) -> Iterator[Finding]:
    """Everything that is wrong, the worst of each subject first."""
    yield from _apart(facts)
    yield from _married(facts)
    for name, store in facts.stores.items():
        yield from _current(name, store)
        yield from (_of_file(store.kept) if isinstance(store.kept, File) else _of_server(name, store.kept))
    yield from _of_machine(facts.machine)
    yield from _of_mail(facts.settings)
    yield from _of_settings(facts.settings)


def _apart(facts: Facts) -> Iterator[Finding]:
    """One copy of a directory, or one file, must never hold both the keystore and what it guards."""
    files = {name: store.kept for name, store in facts.stores.items() if isinstance(store.kept, File)}
    seen: dict[tuple[int, int], str] = {}
    for name, file in files.items():
        if file.inode is not None and (other := seen.setdefault(file.inode, name)) != name:
            yield Finding(
                "same_file",
                "fatal",
                f"{file.path} is the {NAMES[other]} and the {NAMES[name]}: give each its own file.",
            )
    keystore = files.get("keystore")
    for name in ("main", "log"):
        if keystore is None or name not in files:
            continue
        here, there = keystore.path.parent, files[name].path.parent
        if here == there or here in there.parents or there in here.parents:
            words = f"The keystore ({here}) and the {NAMES[name]} ({there}) would be in one copy of a directory"
            yield Finding("together", "fatal", f"{words}: move the keystore and set VRM_KEYSTORE_URL.")


def _married(facts: Facts) -> Iterator[Finding]:
    known = {name: store.instance for name, store in facts.stores.items() if store.instance is not None}
    if len(set(known.values())) > 1:
        yield Finding(
            "instances",
            "fatal",
            "The three databases do not belong together: put back the keystore and the log of this database.",
        )
    elif "main" in known and "keystore" not in known:
        yield Finding(
            "no_keystore",
            "fatal",
            "The keystore is empty or missing: put its backup back, or `vrm recover` if there is none.",
        )


def _current(name: str, store: Store) -> Iterator[Finding]:
    if store.standing == "ahead":
        yield Finding("newer", "fatal", f"The {NAMES[name]} was made by a newer release: install that one.")
    if store.standing == "behind":
        yield Finding("older", "better", f"The {NAMES[name]} is of an older release: back up; `vrm serve` updates it.")


def _of_file(file: File) -> Iterator[Finding]:
    for path in file.exposed:
        yield _open_to_others(path)
    if not file.durable:
        yield Finding("not_durable", "fatal", f"{file.path} does not survive a power cut: synchronous must be FULL.")
    if not file.sound:
        yield Finding("damaged", "fatal", f"{file.path} is damaged: put a backup back.")
    for path in file.backups:
        yield Finding("backup_inside", "mend", f"{path} is a backup beside what it is of: move it to another disk.")
    if file.free < ROOM:
        yield Finding("disk", "mend", f"The disk of {file.path.parent} is nearly full: make room, or nothing is kept.")
    if file.ballast < 8 * MEBIBYTE:
        words = f"The ballast in {file.path.parent} is missing or too small, so ending a grant may fail on a full disk"
        yield Finding("ballast", "mend", f"{words}: make room and `vrm serve` puts it back.")


def _open_to_others(path: Path) -> Finding:
    remedy = "give it a folder of its own, of mode 700." if path.is_dir() else "set its mode to 600."
    return Finding("exposed", "fatal", f"Others on this machine can open {path}: {remedy}")


def _of_server(name: str, served: Served) -> Iterator[Finding]:
    """PostgreSQL: what it acknowledges must be there after a power cut and after a failover."""
    of = f"The server of the {NAMES[name]}"
    if served.standby:
        yield Finding("standby", "fatal", f"{of} is a standby, which still shows what was revoked: name the primary.")
    for setting, needed in NEEDED.items():
        if served.values.get(setting, needed) != needed:
            words = f"{of} has {setting} = {served.values[setting]}: set it to {needed}."
            yield Finding(setting, "fatal", words)
    said = served.values.get("synchronous_commit", "on")
    if said == "off" or (said == "local" and served.standbys):
        yield Finding("synchronous_commit", "fatal", f"{of} has synchronous_commit = {said}: set it to on.")
    if served.standbys and not {"sync", "quorum"} & set(served.standbys):
        words = f"{of} has asynchronous standbys only, so a failover would bring back what was revoked"
        if served.failover is not None:
            rest = f", and {served.failover} fails over by itself: make a standby synchronous."
            yield Finding("asynchronous", "fatal", words + rest)
        else:
            yield Finding(
                "asynchronous", "better", f"{words}: make one synchronous, or never promote them by a program."
            )


def _of_machine(machine: Machine) -> Iterator[Finding]:
    for path in machine.exposed:
        yield _open_to_others(path)
    if machine.now < RELEASED:
        yield Finding("clock", "fatal", "The clock of this machine is years slow, so nothing would end: set it.")
    elif machine.newest > machine.now + SLACK:
        there = moment_of(machine.newest).isoformat(" ", "minutes")
        words = f"The clock has been set back: something here is from {there} UTC. What has ended by time counts again"
        yield Finding("clock_back", "mend", f"{words}: set the clock by a time server.")
    if machine.core_limit:
        words = "Core dumps are allowed, and one would hold keys: set LimitCORE=0 or `ulimit -Hc 0`."
        yield Finding("core_dumps", "fatal", words)
    for name in machine.debug:
        yield Finding("debug", "fatal", f"{name} is set, which is for programming: take it out of the environment.")
    for device in machine.swap:
        words = f"Swap on {device} is not encrypted, and keys may be written to it: encrypt it or `swapoff` it."
        yield Finding("swap", "better", words)


def _of_mail(settings: Settings) -> Iterator[Finding]:
    url = settings.smtp_url
    if url is None:
        yield Finding("no_mail", "better", "VRM_SMTP_URL is not set: nobody is mailed the links that stop sharing.")
    elif url.startswith("smtp:") and not is_loopback(url):
        words = "VRM_SMTP_URL may send mails in clear, with links in them: write smtps:// or smtp+starttls://."
        yield Finding("mail_in_clear", "better", words)


def _of_settings(settings: Settings) -> Iterator[Finding]:
    if settings.sign_up == "open":
        words = "VRM_SIGN_UP is open: anybody who reaches this server can set up a vault on it."
        yield Finding("sign_up", "better", words)
    if settings.sandbox:
        words = (
            "VRM_SANDBOX is on: anybody who reaches this server can be its made-up person and see what she is asked."
        )
        yield Finding("sandbox", "better", words)
    if settings.secure and settings.proxies == 0:
        words = "VRM_ISSUER is https; if a proxy ends TLS in front of this server, VRM_PROXIES must count it."
        yield Finding("proxies", "better", words)
