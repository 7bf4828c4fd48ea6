"""The change feed's shapes: a page of it, and the sum of many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.vendor_client.client import Answer, a_string
from connectors.vendor_client.errors import NotUnderstood

PAGE_LIMIT = 200
MOST_PAGES = 5_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One record as the owner shows it. `ref` names it for us alone; `change` is its place in the feed."""

    ref: str
    change: int
    data: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. `access` is the number of this look in the owner's log; `text` is the answer, exactly."""

    records: tuple[Shown, ...]
    gone: tuple[str, ...]
    next: str
    as_of: str | None
    access: int | None
    start_again: bool
    text: str = field(repr=False)

    @property
    def empty(self) -> bool:
        return not self.records and not self.gone


@dataclass(frozen=True, slots=True)
class Sync:
    """The feed read to its end.

    Drop everything kept from earlier if `start_again`; then drop `gone`, then store `records` by `ref`, then keep
    `next` for the following time. `answers` are the vault's answers, exactly and in order.
    """

    records: tuple[Shown, ...]
    gone: frozenset[str]
    next: str
    as_of: str | None
    start_again: bool
    answers: tuple[str, ...] = field(repr=False)

    @staticmethod
    def of(pages: Iterable[Page]) -> Sync:
        """Fold pages in the order in which they came; the last word on a record holds."""
        shown: dict[str, Shown] = {}
        gone: set[str] = set()
        answers: list[str] = []
        start_again = False
        page: Page | None = None
        for page in pages:
            if page.start_again:
                shown, gone, start_again = {}, set(), True
            for record in page.records:
                shown[record.ref] = record
                gone.discard(record.ref)
            for ref in page.gone:
                shown.pop(ref, None)
                gone.add(ref)
            answers.append(page.text)
        if page is None:
            raise ValueError("a feed has at least one page")
        return Sync(tuple(shown.values()), frozenset(gone), page.next, page.as_of, start_again, tuple(answers))


def read_page(answer: Answer, *, start_again: bool) -> Page:
    """NotUnderstood unless every part has its shape: half a page is no page."""
    members = answer.members()
    items, gone = members.get("items"), members.get("gone")
    access, as_of = members.get("access"), members.get("as_of")
    if not isinstance(items, list) or not isinstance(gone, list) or len(items) + len(gone) > 2 * PAGE_LIMIT:
        raise NotUnderstood("feed", "The vault’s list has not the shape of one.")
    return Page(
        records=tuple(_shown(item) for item in items),
        gone=tuple(a_string(_members(item), "ref") for item in gone),
        next=a_string(members, "next"),
        as_of=as_of if isinstance(as_of, str) else None,
        access=access if isinstance(access, int) else None,
        start_again=start_again,
        text=answer.text,
    )


def _shown(item: Any) -> Shown:
    members = _members(item)
    change = members.get("change")
    if not isinstance(change, int):
        raise NotUnderstood("feed", "The vault’s list has not the shape of one.")
    return Shown(a_string(members, "ref"), change, _members(members.get("data")))


def _members(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotUnderstood("feed", "The vault’s list has not the shape of one.")
    return value
