"""Records as tables for a spreadsheet: one CSV file for each class, with the columns of its class statement."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vault.record import Field, Record

RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")  # what makes a spreadsheet calculate (OWASP: CSV injection)
# Where a semicolon separates cells, as it does in half of Europe, a quoted one ends at the first of these.
AGAIN = re.compile(r"([;\t\r\n] *)(?=[=+\-@])")
PLAIN_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,6})?")
Row = tuple[int, Mapping[str, Any]]  # a record's number and its values
ABOUT_ONCE = 1 << 16  # bytes given out together


def file_name(kind: type[Record]) -> str:
    """`purchases.csv`, `profile-address.csv`."""
    return f"{kind.collection}-{kind.part}.csv" if kind.part else f"{kind.collection}.csv"


def columns(kind: type[Record]) -> list[str]:
    """The names in the first row: a money field has its currency beside it, a reference the name it stands for."""
    return ["number", *(column for field in kind.fields for column in _columns(field))]


def table(
    kind: type[Record], rows: Iterable[tuple[int, Mapping[str, Any]]], names: Mapping[int, str]
) -> Iterator[bytes]:
    """CSV (RFC 4180) in UTF-8 with its mark; `rows` are numbers and values, `names` what references stand for."""
    out = io.StringIO(newline="")
    written = csv.writer(out)
    out.write("\ufeff")
    written.writerow(columns(kind))
    for number, values in rows:
        cells = [cell for field in kind.fields for cell in _cells(field, values.get(field.name), names)]
        written.writerow([number, *(inert(cell) for cell in cells)])
        if out.tell() >= ABOUT_ONCE:
            yield taken(out)
    yield taken(out)


def inert(cell: str) -> str:
    """A cell that no spreadsheet runs. A plain number stays one, also below zero."""
    inside = AGAIN.sub(r"\1'", cell)
    return f"'{inside}" if cell.startswith(RUNS) and not PLAIN_NUMBER.fullmatch(cell) else inside


def _columns(field: Field) -> tuple[str, ...]:
    match field.kind:
        case "money":
            return field.name, f"{field.name}_currency"
        case "reference":
            return field.name, f"{field.name}_name"
    return (field.name,)


def _cells(field: Field, value: Any, names: Mapping[int, str]) -> tuple[str, ...]:
    if value is None:
        return ("",) * len(_columns(field))
    match field.kind:
        case "money":
            return value["amount"], value["currency"]
        case "reference":
            return str(value), names.get(value, "")
        case "words":
            return ("; ".join(value),)
        case "flag":
            return ("yes" if value else "no",)
    return (str(value),)


def taken(out: io.StringIO) -> bytes:
    """What has been written so far, which is then forgotten."""
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text.encode()
