"""The offline page of an archive: everything in it, in one file that opens from a disk, without network or script.

Whatever it shows is escaped, and its content policy allows nothing but its own style.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from vault.errors import N_
from vault.record import Field, Record

Say = Callable[[str], str]

STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#1d2430,#e8eaf0);--quiet:light-dark(#566070,#a5afc0);
--line:light-dark(#d9dde4,#3a4250);--paper:light-dark(#fbfbf9,#161a21);--accent:light-dark(#1f4e8c,#9cc2ff)}
body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.6 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.9rem;line-height:1.2}h2{margin-top:3rem;font-size:1.4rem}a{color:var(--accent)}
nav ul,section ul{padding-left:1.2rem}.quiet,dt{color:var(--quiet)}
details{border-top:1px solid var(--line);padding:.5rem 0}summary{cursor:pointer;min-height:1.75rem}
dl{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.25rem 1rem;margin:.5rem 0 1rem}
dd{margin:0;white-space:pre-wrap}
@media (max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}}
@media print{details{break-inside:avoid}}
"""
STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'"
YES, NO = N_("yes"), N_("no")


def head(title: str, lead: str, parts: Iterable[tuple[str, str, int]], language: str) -> bytes:
    """The beginning: what this is, and a list of its parts as (id, title, how many)."""
    listed = Markup("").join(
        Markup('<li><a href="#{}">{}</a> ({})</li>\n').format(place, words, count) for place, words, count in parts
    )
    return _bytes(
        Markup(
            '<!doctype html>\n<html lang="{}">\n<head>\n<meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" content="{}">\n<meta name="referrer" content="no-referrer">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{}</title>\n'
            "<style>{}</style>\n</head>\n<body>\n<header>\n<h1>{}</h1>\n<p>{}</p>\n</header>\n"
            "<nav>\n<ul>\n{}</ul>\n</nav>\n<main>\n"
        ).format(language, POLICY, title, Markup(STYLE), title, lead, listed)  # noqa: S704 - a constant, see POLICY
    )


def section(place: str, title: str) -> bytes:
    """The heading of a part; `ended` closes it."""
    return _bytes(Markup('<section id="{}">\n<h2>{}</h2>\n').format(place, title))


ENDED = b"</section>\n"
FOOT = b"</main>\n</body>\n</html>\n"


def record(kind: type[Record], number: int, values: Mapping[str, Any], names: Mapping[int, str], say: Say) -> bytes:
    """One record: its name and day, and every value below."""
    shown = [
        Markup("<dt>{}</dt><dd>{}</dd>\n").format(say(field.label), in_words(field, values[field.name], names, say))
        for field in kind.fields
        if values.get(field.name) not in (None, [])
    ]
    title, day = names.get(number) or f"{say(kind.title)} {number}", _day(kind, values)
    summary = Markup("{} <span class=quiet>{}</span>").format(title, day) if day else escape(title)
    whole = Markup("<details>\n<summary>{}</summary>\n<dl>\n{}</dl>\n</details>\n")
    return _bytes(whole.format(summary, Markup("").join(shown)))


def files(paths: Iterable[str]) -> Iterator[bytes]:
    """Links to the other files of the archive, which lie beside this one once it is unpacked."""
    yield b"<ul>\n"
    for path in paths:
        yield _bytes(Markup('<li><a href="{}">{}</a></li>\n').format(f"./{quote(path)}", path))
    yield b"</ul>\n"


def in_words(field: Field, value: Any, names: Mapping[int, str], say: Say) -> str:
    """A value as it is read. Days and amounts stand as they were written: nothing is rounded or put into a zone."""
    match field.kind:
        case "money":
            return f"{value['amount']} {value['currency']}"
        case "choice":
            return say(field.choices.get(value, value))
        case "flag":
            return say(YES if value else NO)
        case "words":
            return "\n".join(value)
        case "reference":
            return names.get(value, str(value))
    return str(value)


def _day(kind: type[Record], values: Mapping[str, Any]) -> str:
    return next(
        (str(values[field.name]) for field in kind.fields if field.kind == "when" and values.get(field.name)), ""
    )


def _bytes(markup: Markup) -> bytes:
    return str(markup).encode()
