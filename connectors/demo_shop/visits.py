"""Who is in the shop: one visit per browser, in memory, gone when the shop closes."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from connectors.vendor_client import Connection, Granted, Pending

MOST_VISITS = 500

Standing = Literal["new", "connected", "denied", "paused", "ended", "forgotten"]


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer of the vault, exactly as it came."""

    question: str
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """All that one look brought, replaced as a whole by the next: nothing withdrawn can stay behind."""

    at: datetime
    granted: tuple[Granted, ...] = ()
    shown: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict, repr=False)
    heard: tuple[Heard, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Visit:
    standing: Standing = "new"
    pending: Pending | None = None
    connection: Connection | None = None
    look: Look | None = None
    vault: str = ""
    trouble: str = ""
    bought: str = ""
    told: datetime | None = None  # when the vault itself last told us that something had changed


class Visits:
    """All visits by the secret id in the browser's signed cookie; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._ahead: dict[str, Pending] = {}
        self._turn = threading.Lock()

    def expect(self, pending: Pending) -> None:
        """Something the demo asked before there was any browser: whoever brings its state back first is the visitor."""
        with self._turn:
            self._ahead[pending.state] = pending

    def expected(self, state: str) -> Pending | None:
        """It, once."""
        with self._turn:
            return self._ahead.pop(state, None)

    def of(self, visitor: str) -> Visit:
        with self._turn:
            return self._visits.get(visitor, Visit())

    def holding(self, issuer: str, grant_id: str) -> tuple[str, Connection] | None:
        """Whose visit it is that holds this grant of this vault."""
        with self._turn:
            for visitor, visit in self._visits.items():
                held = visit.connection
                if held is not None and (held.endpoints.issuer, held.grant_id) == (issuer, grant_id):
                    return visitor, held
        return None

    def change(self, visitor: str, **changes: Any) -> Visit:
        with self._turn:
            visit = replace(self._visits.pop(visitor, Visit()), **changes)
            self._visits[visitor] = visit
            while len(self._visits) > MOST_VISITS:
                self._visits.popitem(last=False)
            return visit


def new_visitor() -> str:
    return secrets.token_urlsafe(24)
