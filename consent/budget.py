"""How much answers may tell of the value they stand for. Enough comparisons (over 18? over 21?) give the value away.

Each value has a budget of different answers that a vendor is ever given, in all its grants together, ended ones too.
Of a vendor that is gone nobody can say whether it is this one: she may have merged the two, or met it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from consent.terms import Terms, VaultData
from vault.record import Field

MOST_ANSWERS = 2


def within_budget(
    items: Iterable[VaultData], earlier: Iterable[Terms], of_the_gone: Iterable[Terms] = ()
) -> tuple[list[VaultData], frozenset[str]]:
    """The items as they may still be offered after what `earlier` terms have told, and the paths that no longer may.

    What terms with vendors that are gone have told this one may know: answers count against it, but that they told the
    value itself does not make it one that knows.

    An item that cannot do without such a path falls away whole. A vendor who knows the value itself can learn nothing
    more by asking about it.
    """
    told = _told(earlier)
    perhaps = told | _told(of_the_gone)
    answers: dict[str, set[str]] = {}
    refused: set[str] = set()
    offered = []
    for item in items:
        known = item.known
        for path in (*item.fields, *item.optional_fields):
            value = _stands_for(path, known)
            if value is None or value in told:
                continue
            given = answers.setdefault(value, {each for each in perhaps if _stands_for(each, known) == value})
            if path not in given and len(given) >= MOST_ANSWERS:
                refused.add(path)
            else:
                given.add(path)
        if not refused & set(item.fields):
            optional = tuple(path for path in item.optional_fields if path not in refused)
            offered.append(replace(item, optional_fields=optional))
    return offered, frozenset(refused)


def _told(given: Iterable[Terms]) -> set[str]:
    return {
        path for terms in given for fields in (terms.told, *(item.fields for item in terms.items)) for path in fields
    }


def _stands_for(path: str, known: Mapping[str, Field]) -> str | None:
    """The path of the value an answer is about; None for what is no answer."""
    field = known.get(path)
    if field is None or not field.about:
        return None
    return path.removesuffix(field.name) + field.about
