"""Forms of records: every control, and what is read back, follows from the class statement."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from flask_babel import gettext

from vault.errors import Invalid
from vault.record import Field, Record, plain

FEW = 6  # up to so many choices stand side by side
LONG_FORM, FIRST = 9, 4  # a form of more controls than that folds all but the first away
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
GROUPED = re.compile(r"(?<=\d)[\s’'](?=\d{3}(\D|$))")
COMMA = re.compile(r"(-?\d+),(\d+)")

Form = Mapping[str, str]
Options = Sequence[tuple[Any, str]]


@dataclass(frozen=True, slots=True)
class Slot:
    """One control: its field, shape, text, and what was wrong with it."""

    field: Field
    shape: str
    text: str = ""
    currency: str = ""
    options: Options = ()
    errors: Sequence[str] = ()

    @property
    def id(self) -> str:
        """The control's id and name."""
        return self.field.name


@dataclass(frozen=True)
class Draft:
    """What a form shows: texts by control name, as stored or as typed, and the refusals by field."""

    kind: type[Record]
    texts: Mapping[str, str]
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    vendors: Options = ()
    loose: bool = False
    things: Options = ()

    @property
    def slots(self) -> list[Slot]:
        """The controls in their order."""
        return [self._slot(each) for each in self.kind.fields]

    @property
    def front(self) -> list[Slot]:
        """What a form shows at once: everything, or of a long one the needed, the first and the choices."""
        slots = self.slots
        if len(slots) <= LONG_FORM:
            return slots
        return [each for at, each in enumerate(slots) if at < FIRST or each.field.required or each.field.choices]

    @property
    def rest(self) -> list[Slot]:
        """What a long form folds away."""
        shown = {each.id for each in self.front}
        return [each for each in self.slots if each.id not in shown]

    @property
    def unfolded(self) -> bool:
        """Does the folded part say something or need another look?"""
        return self.loose or any(each.text or each.errors for each in self.rest)

    @property
    def needed(self) -> str:
        """The labels of what must be filled in."""
        return ", ".join(str(gettext(each.label)) for each in self.kind.fields if each.required)

    @property
    def wrong(self) -> list[tuple[str, str, str]]:
        """Control, label and sentence of every refusal, for the summary."""
        return [
            (each.field.name, gettext(each.field.label), sentence) for each in self.slots for sentence in each.errors
        ]

    def _slot(self, each: Field) -> Slot:
        text = self.texts.get(each.name, "")
        return Slot(
            field=each,
            shape=self._shape(each, text),
            text=self.texts.get(f"{each.name}-amount", "") if each.kind == "money" else text,
            currency=self.texts.get(f"{each.name}-currency", ""),
            options=self._options(each, text),
            errors=[gettext(sentence) for sentence in self.errors.get(each.name, ())],
        )

    def _shape(self, each: Field, text: str) -> str:
        if each.kind == "when":
            return "date" if not self.loose and (not text or DAY.fullmatch(text)) else "when"
        if each.kind == "choice" or (each.kind == "whole" and each.between):
            return "seg" if len(_choices(each)) < FEW else "select"
        return {"reference": "select", "whole": "number"}.get(each.kind, each.kind)

    def _options(self, each: Field, text: str) -> Options:
        if each.kind == "reference":
            to_vendor = each.refers == "vendors"
            offered = self.vendors if to_vendor else self.things
            known = any(str(number) == text for number, _ in offered)
            gone = gettext("a vendor you removed") if to_vendor else gettext("something you removed")
            kept: Options = [] if known or not text else [(text, gone)]
            none_of_them = gettext("nowhere in particular") if to_vendor else gettext("nothing in particular")
            return [("", none_of_them), *kept, *offered]
        none: Options = [] if each.required or default(self.kind, each) else [("", gettext("not said"))]
        return [*none, *((value, gettext(words)) for value, words in _choices(each))]


def default(kind: type[Record], each: Field) -> str:
    """What a field begins with: its choice by default, or empty."""
    found = {one.name: one.default for one in dataclasses.fields(cast(Any, kind))}[each.name]
    return found if isinstance(found, str) else ""


def blank(kind: type[Record], *, currency: str = "EUR", today: date | None = None) -> dict[str, str]:
    """The texts of an empty form."""
    texts: dict[str, str] = {}
    for each in kind.fields:
        texts[each.name] = default(kind, each)
        if each.kind == "money":
            texts[f"{each.name}-currency"] = currency
        if each.kind == "when" and each.required and today and kind.collection == "purchases":
            texts[each.name] = today.isoformat()
    return texts


def filled(record: Record, *, currency: str = "EUR") -> dict[str, str]:
    """The texts of a form for a record as it stands."""
    texts = blank(type(record), currency=currency)
    for name, value in record.dump().items():
        if isinstance(value, dict):
            texts[f"{name}-amount"], texts[f"{name}-currency"] = value["amount"], value["currency"]
        elif isinstance(value, list):
            texts[name] = "\n".join(value)
        elif isinstance(value, bool):
            texts[name] = "yes" if value else ""
        else:
            texts[name] = str(value)
    return texts


def read_form(kind: type[Record], form: Form, *, only: Sequence[str] = ()) -> dict[str, Any]:
    """JSON by field name, None where nothing was given. Raises Invalid with the sentences by field.

    `only` names the fields of a form that shows a few of them; those are read and the rest left out.
    """
    edits = {each.name: _read(each, form) for each in kind.fields if not only or each.name in only}
    given = {name: value for name, value in edits.items() if value is not None}
    if only:
        _check_some(kind, given, only)
        return edits
    try:
        kind.load(given)
    except Invalid as error:
        raise Invalid({name: _flat(sentences) for name, sentences in error.fields.items()}) from None
    return edits


def changed(record: Record, edits: Mapping[str, Any]) -> dict[str, Any]:
    """Only those edits that differ from the record as it stands."""
    begun = {each.name: plain(getattr(record, each.name)) for each in record.fields}
    whole = {each.name: default(type(record), each) for each in record.fields if default(type(record), each)}
    meant = {name: whole.get(name) if value is None else value for name, value in edits.items()}
    return {name: value for name, value in edits.items() if meant[name] != begun[name]}


def _check_some(kind: type[Record], given: Mapping[str, Any], only: Sequence[str]) -> None:
    try:
        kind.load(given)
    except Invalid as error:
        wrong = {name: _flat(sentences) for name, sentences in error.fields.items() if name in only}
        if wrong:
            raise Invalid(wrong) from None


def _read(each: Field, form: Form) -> Any:
    if each.kind == "money":
        amount = number_of(form.get(f"{each.name}-amount", ""))
        currency = form.get(f"{each.name}-currency", "").strip().upper()
        return {"amount": amount, "currency": currency} if amount else None
    text = form.get(each.name, "").replace("\r\n", "\n").strip()
    if each.kind == "flag":
        return text == "yes"
    if not text:
        return None
    if each.kind == "words":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if each.kind == "number":
        return number_of(text)
    if each.kind in ("whole", "reference"):
        return int(text) if re.fullmatch(r"\d{1,15}", text) else text
    return text


def number_of(text: str) -> str:
    """An amount as people type it, 1 912,40 or 18.5, as the stored form has it."""
    bare = GROUPED.sub("", text.strip())
    return COMMA.sub(r"\1.\2", bare) if COMMA.fullmatch(bare) else bare


def _choices(each: Field) -> list[tuple[Any, str]]:
    if each.choices:
        return list(each.choices.items())
    low, high = each.between or (1, 1)
    return [(number, str(number)) for number in range(low, high + 1)] if high - low < 12 else []


def _flat(sentences: Any) -> list[str]:
    """marshmallow nests what is wrong inside a list by position; a form has one place for it."""
    if isinstance(sentences, dict):
        return [one for inner in sentences.values() for one in _flat(inner)]
    return [str(one) for one in sentences]
