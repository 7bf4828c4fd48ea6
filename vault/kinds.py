"""The kinds of values a field can hold, each with one marshmallow field that decides what is valid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from marshmallow import ValidationError, fields, missing, validate

from vault.errors import N_
from vault.values import Money, When, read_quantity

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
    sensitive: bool = False
    choices: Mapping[str, str] = dataclasses.field(default_factory=dict)
    refers: str = ""
    between: tuple[int, int] | None = None
    answers: Callable[[Any, date], Any] | None = None  # a derived answer instead of a stored value
    about: str = ""  # the field whose value it stands for
    daily: bool = False

    @property
    def grantable(self) -> bool:
        """May a vendor ask for it? References are numbers of hers and never leave."""
        return self.kind != "reference"


class _Text(fields.String):
    """Text of 1 to `most` characters."""

    def __init__(self, most: int, **options: Any) -> None:
        too_long = TOO_LONG if most > SHORT else TOO_LONG_FOR_A_LINE
        super().__init__(validate=validate.Length(min=1, max=most, error=too_long), **options)
        self.most = most

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """As marshmallow does it, in a tenth of the time for what is plainly right: an import asks a million times."""
        if type(value) is str and 0 < len(value) <= self.most:
            return value
        return super().deserialize(value, attr, data, **kwargs)


class _Checked(fields.Field[Any]):
    """A value with its own strict reader."""

    def __init__(self, read: Callable[[Any], Any], refusal: str, **options: Any) -> None:
        super().__init__(**options)
        self.read, self.refusal = read, refusal

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """As marshmallow does it, without its steps for what this field does not have."""
        if value is None or value is missing:
            return super().deserialize(value, attr, data, **kwargs)
        try:
            return self.read(value)
        except (ValueError, TypeError):
            raise ValidationError(self.refusal) from None


class _Whole(fields.Integer):
    """A whole number. JSON has one kind of number, so 5.0 is one too (JSON Schema 2020-12 §6.1.1)."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        plain = int(value) if isinstance(value, float) and value.is_integer() else value
        return super()._deserialize(plain, attr, data, **kwargs)


class _StrictBoolean(fields.Boolean):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


NOT_A_DATE = N_("Write a day like 2026-11-22, a month like 2026-11, or a year.")
NOT_MONEY = N_("Write an amount like 18.50 and a currency like EUR.")
NOT_A_NUMBER = N_("Write a number like 2 or 0.5.")
NOT_WHOLE = N_("Write a whole number, or choose one of those that are offered.")
NOT_OFFERED = N_("Choose one of these.")
TOO_LONG_FOR_A_LINE = N_("At most 500 letters fit here.")
TOO_LONG = N_("At most 20,000 letters fit here.")
TOO_MANY = N_("At most a hundred lines fit here.")
MISSING_VALUE = N_("This is needed.")


def schema_field(field: Field) -> fields.Field[Any]:
    """The one definition of what is valid in a field; forms, imports and the vendors' API all ask it."""
    options: dict[str, Any] = {
        "required": field.required,
        "allow_none": not field.required,
        "error_messages": {"required": MISSING_VALUE, "null": MISSING_VALUE},
    }
    most = LONG if field.kind == "prose" else SHORT
    match field.kind:
        case "text" | "prose":
            return _Text(most, **options)
        case "choice":
            return fields.String(validate=validate.OneOf(list(field.choices), error=NOT_OFFERED), **options)
        case "words":
            return fields.List(_Text(most), validate=validate.Length(max=100, error=TOO_MANY), **options)
        case "flag":
            return _StrictBoolean(**options)
        case "whole" | "reference":
            low, high = field.between or (1, 2**53)
            options["error_messages"]["invalid"] = NOT_WHOLE
            return _Whole(strict=True, validate=validate.Range(low, high, error=NOT_WHOLE), **options)
        case "when":
            return _Checked(When, NOT_A_DATE, **options)
        case "money":
            return _Checked(Money.read, NOT_MONEY, **options)
    return _Checked(read_quantity, NOT_A_NUMBER, **options)
