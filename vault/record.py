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

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from vault.errors import Invalid, N_
from vault.values import Money, When, read_quantity

T = TypeVar("T")
SHORT, LONG = 500, 20_000


@dataclass(frozen=True, slots=True)
class Field:
    """What is known of one field: its words, its kind, and who may ask for it."""

    name: str
    kind: str  # text, prose, when, money, number, whole, flag, choice, words, reference
    label: str
    help: str = ""
    required: bool = False
    private: bool = False
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)
    refers: str = ""
    between: tuple[int, int] | None = None
    answers: Callable[[Any, date], Any] | None = None  # a derived answer instead of a stored value
    daily: bool = False

    @property
    def grantable(self) -> bool:
        """May a vendor ask for it? References are numbers of hers and never leave."""
        return self.kind != "reference"


def labelled(
    label: str,
    *,
    help: str = "",  # noqa: A002 - the word for it
    default: Any = dataclasses.MISSING,
    private: bool = False,
    one_of: Mapping[str, str] | None = None,
    refers: str = "",
    between: tuple[int, int] | None = None,
    long: bool = False,
) -> Any:
    """A stored field. `private` keeps it out of every grant unless it is ticked by name."""
    words = {
        "label": label,
        "help": help,
        "private": private,
        "choices": one_of or {},
        "refers": refers,
        "between": between,
        "long": long,
    }
    return dataclasses.field(default=default, metadata=words)


def derived(label: str, *, daily: bool = False) -> Callable[[Callable[[Any, date], T]], Callable[[Any, date], T]]:
    """Mark a method as an answer a vendor may ask for instead of the value. `daily` answers depend on the day."""

    def mark(method: Callable[[Any, date], T]) -> Callable[[Any, date], T]:
        method.derived = (label, daily)  # type: ignore[attr-defined] - a mark on a function, read once below
        return method

    return mark


class _Checked(fields.Field[Any]):
    """A value with its own strict reader."""

    def __init__(self, read: Callable[[Any], Any], refusal: str, **options: Any) -> None:
        super().__init__(**options)
        self.read, self.refusal = read, refusal

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self.read(value)
        except (ValueError, TypeError):
            raise ValidationError(self.refusal) from None


class _StrictBoolean(fields.Boolean):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


NOT_A_DATE = N_("Write a day like 2026-11-22, a month like 2026-11, or a year.")
NOT_MONEY = N_("Write an amount like 18.50 and a currency like EUR.")
NOT_A_NUMBER = N_("Write a number like 2 or 0.5.")
MISSING_VALUE = N_("This is needed.")


def _schema_field(field: Field) -> fields.Field[Any]:
    options: dict[str, Any] = {
        "required": field.required,
        "allow_none": not field.required,
        "error_messages": {"required": MISSING_VALUE, "null": MISSING_VALUE},
    }
    long_enough = [validate.Length(min=1, max=LONG if field.kind == "prose" else SHORT)]
    match field.kind:
        case "text" | "prose":
            return fields.String(validate=long_enough, **options)
        case "choice":
            return fields.String(validate=validate.OneOf(list(field.choices)), **options)
        case "words":
            return fields.List(fields.String(validate=long_enough), validate=validate.Length(max=100), **options)
        case "flag":
            return _StrictBoolean(**options)
        case "whole" | "reference":
            low, high = field.between or (1, 2**53)
            return fields.Integer(strict=True, validate=validate.Range(low, high), **options)
        case "when":
            return _Checked(lambda raw: When(raw), NOT_A_DATE, **options)
        case "money":
            return _Checked(Money.read, NOT_MONEY, **options)
    return _Checked(read_quantity, NOT_A_NUMBER, **options)


KINDS: dict[Any, str] = {
    str: "text",
    bool: "flag",
    int: "whole",
    Decimal: "number",
    When: "when",
    Money: "money",
    tuple[str, ...]: "words",
}

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
        made = Schema.from_dict({each.name: _schema_field(each) for each in cls.fields}, name=cls.__name__)
        cls.schema = made(unknown=RAISE)
        if CLASSES.setdefault((collection, part), cls) is not cls:
            raise TypeError(f"two classes for {collection} {part}")

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Self:
        """From stored or received JSON, strictly. Raises Invalid with the sentences by field."""
        try:
            values = cls.schema.load(data)
        except ValidationError as error:
            raise Invalid(cast(dict[str, list[str]], error.normalized_messages())) from None
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})

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
        choices=words["choices"],
        refers=words["refers"],
        between=words["between"],
    )


def _answer(name: str, method: Any) -> Field:
    label, daily = method.derived
    return Field(name=name, kind="answer", label=label, answers=method, daily=daily)


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
