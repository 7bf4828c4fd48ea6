"""The access log as she reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import dropwhile, islice, takewhile, tee

from flask import Blueprint, render_template, request

from consent import access, segments, views
from consent.access import Entry
from consent.chain import Head
from consent.pages.looks import keys_of, looks_map
from consent.purposes import PURPOSES
from vault.errors import N_
from vault.pages.session import for_sandbox, server, unlocked, vault
from vault.record import classes_of, collection_paths

pages = Blueprint("activity", __name__, template_folder="../templates")
PAGE = 50
OUTCOMES = {
    "allowed": N_("Allowed"),
    "paused": N_("Refused: paused"),
    "not_granted": N_("Refused: not given"),
    "start_again": N_("Told to start again"),
    "over_limit": N_("Refused: no more today"),
    "too many calls": N_("Refused: too many calls in a minute"),
    "used_up": N_("Refused: as often as you allowed"),
    "left": N_("Left in your inbox"),
    "left again": N_("Left already"),
    "not_found": N_("Refused: nothing there"),
    "invalid": N_("Refused: not acceptable"),
    "key_reused": N_("Refused: one key for two things"),
    "wrong proof": N_("Refused: could not prove itself"),
    "replayed proof": N_("Refused: a proof used twice"),
    "damaged rows": N_("Refused: what it may see is damaged"),
    "damaged inbox": N_("Refused: your inbox is damaged"),
    "damaged": N_("This entry is damaged"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What she wants to see of the log; as it stands in the address, so that it can be kept."""

    vendor: str = ""
    outcome: str = ""
    kind: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Choice:
        """What a form says; what cannot be read chooses nothing."""
        vendor, outcome, kind = (form.get(name, "") for name in ("vendor", "outcome", "kind"))
        return cls(vendor, outcome, kind, _day(form.get("since", "")), _day(form.get("until", "")))

    def takes(self, entry: Entry) -> bool:
        """Is this one of them?"""
        day = entry.at.date()
        return (
            (not self.outcome or (entry.outcome in access.GRANTED) == (self.outcome == "allowed"))
            and (not self.kind or self.kind in entry.what)
            and (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
        )

    @property
    def query(self) -> dict[str, str]:
        """The same in an address."""
        return {name: str(value) for name, value in asdict(self).items() if value}


@pages.get("/activity")
@unlocked
@for_sandbox
def activity() -> str:
    """Every look, newest first, with the refused ones."""
    her, choice = vault(), Choice.of(request.args)
    with server().main.reading() as session:
        known = {view.grant_id: view for view in views.every(session, her)}
    chosen = {grant: view for grant, view in known.items() if choice.vendor in ("", view.terms.client_id)}
    said, again = tee(segments.entries(her, keys_of(chosen.values())))
    if (since := choice.since) is not None:
        said = takewhile(lambda entry: entry.at.date() >= since, said)
    earlier = _place(request.args.get("before", ""))
    rest = dropwhile(lambda entry: entry.place >= earlier, said) if earlier else said
    shown = list(islice(filter(choice.takes, rest), PAGE + 1))
    takes = choice.takes if choice.query.keys() - {"vendor"} else None
    line = request.args.get("line", "")[:100]
    witness, unreadable = _witness(line)
    return render_template(
        "activity.html",
        entries=shown[:PAGE],
        map=looks_map(chosen.values(), again, takes) if known and not earlier else None,
        older=_written(shown[PAGE - 1]) if len(shown) > PAGE else None,
        views=known,
        vendors={view.terms.client_id: view.terms.client_name for view in known.values()},
        collections=sorted({item.collection for view in known.values() for item in view.terms.items}),
        choice=choice,
        outcomes=OUTCOMES,
        purposes=PURPOSES,
        paths=collection_paths,
        kinds=classes_of,
        missing=sum(segments.missing(her).values()),
        total=sum(access.counts(server(), her.owner_id).values()),
        verdict=segments.verdict(her, *witness),
        line=line,
        witness=witness,
        unreadable=unreadable,
    )


def _written(entry: Entry) -> str:
    return f"{int(entry.at.timestamp())}.{entry.grant_id.hex()}.{entry.number}"


def _place(text: str) -> tuple[datetime, bytes, int] | None:
    """Where a page ends, as its address says; None where it says nothing that can be read."""
    try:
        at, grant, number = text.split(".")
        return datetime.fromtimestamp(int(at), UTC), bytes.fromhex(grant), int(number)
    except (ValueError, OverflowError, OSError):
        return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _witness(line: str) -> tuple[list[Head], bool]:
    """The head that a mail named, and whether what she typed is none."""
    try:
        return ([Head.read(line)] if line.strip() else []), False
    except ValueError:
        return [], True
