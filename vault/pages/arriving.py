"""Files in a form, on their way in: each byte goes where the page says, and never onto a disk in clear."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from flask import abort, request
from werkzeug.formparser import FormDataParser

if TYPE_CHECKING:
    from werkzeug.datastructures import FileStorage, MultiDict

    Texts = MultiDict[str, str]
    Files = MultiDict[str, FileStorage]

AROUND = 1 << 20  # bytes of a form besides the files in it, and those that are in memory at once
T = TypeVar("T")


def arrived(begin: Callable[[str], T], *, most: int) -> list[T]:
    """The files called `file` of this form that came to their end. `begin` takes a name and gives what to write into.

    Say how large the form may be, in `request.max_content_length`, before.
    """
    names: list[str] = []

    def next_one(name: str) -> T:
        names.append(name)
        if len(names) > most:
            abort(413)
        return begin(name)

    try:
        _form, files = form_and_files(next_one, parts=most * 2)
    except ValueError:
        abort(400)
    return [cast(T, cast(Any, each.stream)) for each in files.getlist("file")]


def form_and_files(begin: Callable[[str], object], *, parts: int) -> tuple[Texts, Files]:
    """The texts and files of this form; `begin` as above. Raises ValueError where it is not whole or has more parts."""

    def sink(  # named as the parser calls it
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        return cast("IO[bytes]", begin(filename or ""))

    parser = FormDataParser(sink, max_form_memory_size=AROUND, max_form_parts=parts, silent=False)
    _, form, files = parser.parse(request.stream, request.mimetype, request.content_length, request.mimetype_params)
    return form, files
