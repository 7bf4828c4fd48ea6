"""A personal record is one class statement; schema, form, consent words, API document and columns derive from it.

    class Purchase(Record, collection="purchases", title=N_("Purchases"), one=N_("a purchase")):
        item: str = labelled(N_("What you bought"))
        bought_on: When = labelled(N_("When"))

Stored shapes evolve by law: append fields with defaults; for anything else raise `version` and write `upgrade` beside.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from marshmallow import RAISE, Schema, ValidationError

from vault.errors import Invalid
from vault.kinds import Field as Field
from vault.kinds import schema_field
from vault.values import Bought, Money, When

T = TypeVar("T")


def labelled(
    label: str,
    *,
    help: str = "",  # noqa: A002 - the word for it
    default: Any = dataclasses.MISSING,
    private: bool = False,
    sensitive: bool = False,
    one_of: Mapping[str, str] | None = None,
    refers: str = "",
    between: tuple[int, int] | None = None,
    long: bool = False,
) -> Any:
    """A stored field. `private` keeps it out of every grant unless it is ticked by name.

    Before anybody is let see what is `sensitive` or `private`, she shows once more that it is she.
    """
    words = {
        "label": label,
        "help": help,
        "private": private,
        "sensitive": sensitive or private,
        "choices": one_of or {},
        "refers": refers,
        "between": between,
        "long": long,
    }
    return dataclasses.field(default=default, metadata=words)


def derived(
    label: str, *, about: str, daily: bool = False
) -> Callable[[Callable[[Any, date], T]], Callable[[Any, date], T]]:
    """Mark a method as an answer a vendor may ask for instead of the value of the field `about`.

    `daily` answers depend on the day.
    """

    def mark(method: Callable[[Any, date], T]) -> Callable[[Any, date], T]:
        method.derived = (label, about, daily)  # type: ignore[attr-defined]  # a mark on a function, read once below
        return method

    return mark


KINDS: dict[Any, str] = {
    str: "text",
    bool: "flag",
    int: "whole",
    Decimal: "number",
    When: "when",
    Money: "money",
    tuple[str, ...]: "words",
}

SEARCHED = {"text", "prose", "words", "money"}

CLASSES: dict[tuple[str, str], type[Record]] = {}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(labelled,))
class Record:
    """Base of every personal record. Subclasses name their collection, and their part if it has several classes."""

    collection: ClassVar[str]
    part: ClassVar[str]
    title: ClassVar[str]
    one: ClassVar[str]
    icon: ClassVar[str]
    version: ClassVar[int]
    single: ClassVar[bool]
    shareable: ClassVar[bool]
    fields: ClassVar[tuple[Field, ...]]
    answers: ClassVar[tuple[Field, ...]]
    schema: ClassVar[Schema]
    readers: ClassVar[Mapping[str, Callable[[Any], Any]]]
    required: ClassVar[frozenset[str]]
    references: ClassVar[frozenset[str]]
    vendor_field: ClassVar[str]

    def __init_subclass__(
        cls,
        *,
        collection: str,
        title: str,
        one: str = "",
        part: str = "",
        icon: str = "note",
        version: int = 1,
        single: bool = False,
        shareable: bool = True,
    ) -> None:
        """Read the class statement. A second class for one collection and part is refused."""
        super().__init_subclass__()
        dataclass(frozen=True, kw_only=True, repr=False)(cls)
        cls.collection, cls.part, cls.title, cls.one, cls.icon = collection, part, title, one or title, icon
        cls.version, cls.single, cls.shareable = version, single, shareable
        hints = typing.get_type_hints(cls)
        cls.fields = tuple(_field(each, hints[each.name]) for each in dataclasses.fields(cast(Any, cls)))
        cls.answers = tuple(_answer(name, method) for name, method in vars(cls).items() if hasattr(method, "derived"))
        made = Schema.from_dict({each.name: schema_field(each) for each in cls.fields}, name=cls.__name__)
        cls.schema = made(unknown=RAISE)
        cls.readers = {name: each.deserialize for name, each in cls.schema.fields.items()}
        cls.required = frozenset(each.name for each in cls.fields if each.required)
        cls.references = frozenset(each.name for each in cls.fields if each.refers)
        cls.vendor_field = next((each.name for each in cls.fields if each.refers == "vendors"), "")
        if CLASSES.setdefault((collection, part), cls) is not cls:
            raise TypeError(f"two classes for {collection} {part}")

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """From stored or received JSON, strictly. Raises Invalid with the sentences by field."""
        values = cls.check(data)
        return cls(**{name: tuple(value) if type(value) is list else value for name, value in values.items()})

    @classmethod
    def check(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The values in JSON, by field, strictly. Raises Invalid with the sentences by field.

        The fields of the schema say what holds; the schema itself is asked only for what is wrong, because walking
        through it takes three times as long, and an import asks once per row.
        """
        readers = cls.readers
        try:
            values = {name: readers[name](raw) for name, raw in data.items()}
        except (KeyError, ValidationError):
            raise cls._refusal(data) from None
        if not cls.required <= values.keys():
            raise cls._refusal(data)
        return values

    @classmethod
    def _refusal(cls, data: Mapping[str, Any]) -> Invalid:
        return Invalid(cls.schema.validate(data))

    def dump(self) -> dict[str, Any]:
        """JSON of what is set."""
        shown = {field.name: plain(getattr(self, field.name)) for field in self.fields}
        return {name: value for name, value in shown.items() if value is not None}

    @classmethod
    def upgrade(cls, data: dict[str, Any], version: int) -> dict[str, Any]:
        """Bring data stored under an earlier `version` up to date."""
        if version != cls.version:
            raise Invalid({"version": ["unknown"]})
        return data

    @classmethod
    def paths(cls) -> dict[str, Field]:
        """Field paths a vendor may ask for: `item`, or with the part in front: `address.city`, `birthday.over_18`."""
        front = f"{cls.part}." if cls.part else ""
        return {front + each.name: each for each in (*cls.fields, *cls.answers) if each.grantable and cls.shareable}

    def value(self, field: Field, today: date) -> Any:
        """JSON of a field or of a derived answer; None when there is nothing to say."""
        return plain(field.answers(self, today) if field.answers else getattr(self, field.name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    # What the catalogue knows of a record. Classes say more where they can.
    def name(self) -> str:
        """The words by which she knows it."""
        return ""

    def day(self) -> str:
        """The date it is sorted by, ISO 8601, or empty."""
        return ""

    def facet(self) -> str:
        """The value its page filters by."""
        return ""

    def bundle(self) -> str:
        """What it is shown together with, such as an order number."""
        return ""

    def of_vendor(self) -> int:
        """The number of the vendor record it belongs to, or 0."""
        return 0

    def bought(self) -> Bought | None:
        """What purchases are narrowed by, added up by, and become due by; None for what is no expense."""
        return None

    def words(self) -> dict[str, str]:
        """What it can be found by, by field: whatever is written in it, and amounts."""
        found = ((each.name, getattr(self, each.name)) for each in self.fields if each.kind in SEARCHED)
        return {name: _written(value) for name, value in found if value}


def plain(value: Any) -> Any:
    """JSON for a field's value."""
    if isinstance(value, When):
        return value.text
    if isinstance(value, Money):
        return {"amount": value.amount, "currency": value.currency}
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):
        return list(value) or None
    return value


def _written(value: Any) -> str:
    if isinstance(value, Money):
        return value.amount
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _field(each: dataclasses.Field[Any], hint: Any) -> Field:
    words = each.metadata
    bare = _without_none(hint)
    kind = KINDS[bare]
    if words["choices"]:
        kind = "choice"
    elif words["refers"]:
        kind = "reference"
    elif words["long"]:
        kind = "prose"
    required = each.default is dataclasses.MISSING
    return Field(
        name=each.name,
        kind=kind,
        label=words["label"],
        help=words["help"],
        required=required,
        private=words["private"],
        sensitive=words["sensitive"],
        choices=words["choices"],
        refers=words["refers"],
        between=words["between"],
    )


def _answer(name: str, method: Any) -> Field:
    label, about, daily = method.derived
    return Field(name=name, kind="answer", label=label, answers=method, about=about, daily=daily)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return next(each for each in typing.get_args(hint) if each is not type(None))
    return hint


def classes_of(collection: str) -> list[type[Record]]:
    """The classes of a collection, in the order they were stated."""
    return [cls for (name, _), cls in CLASSES.items() if name == collection]


def collection_paths(collection: str) -> dict[str, Field]:
    """Every field path a vendor may ask of a collection."""
    return {path: field for cls in classes_of(collection) for path, field in cls.paths().items()}
