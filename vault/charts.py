"""Charts as SVG, made on the server: across in percent and down in pixels, so that they fit any width and text stays
readable. Colours come from the style sheet by class; every chart stands beside a table with the same numbers.

Words are given, already translated; `title` is what a screen reader says instead of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

LEVELS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its label: `label` is what a narrow screen has room for, `front` and `rest` the words around it."""

    value: float
    label: str
    words: str
    front: str = ""
    rest: str = ""
    now: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a place between 0 and 1 across, in words and with the words of the place."""

    at: float
    value: float
    words: str
    place: str


def columns(bars: Sequence[Bar], title: str, scale: Callable[[float], str] = str) -> Markup:
    """One upright bar each, side by side; the one that is `now` is named. `scale` writes the numbers at the lines."""
    height, foot = 185.0, 205.0
    marks = steps(max((bar.value for bar in bars), default=0))
    top = marks[-1]
    parts = [grid for mark in marks[1:] for grid in _grid(foot - height * mark / top, scale(mark))]
    across = 94 / max(len(bars), 1)
    for place, bar in enumerate(bars):
        middle, tall = 6 + across * (place + 0.5), height * max(bar.value, 0) / top
        parts.append(
            _rect("mark now" if bar.now else "mark", middle - across * 0.3, foot - tall, across * 0.6, tall, 4)
        )
        if bar.now:
            parts.append(_text(middle, foot - tall - 6, bar.words, "mine", _anchor(middle)))
        label = Markup("{}{}{}").format(_thin(bar.front), bar.label, _thin(bar.rest))
        parts.append(_text(middle, 225, label, "mine" if bar.now else "", "middle"))
    parts.append(_line("axis", 0, foot, 100, foot))
    return _svg(232, title, parts)


def ranks(bars: Sequence[Bar], title: str) -> Markup:
    """One lying bar each, below its name and amount."""
    most = max([bar.value for bar in bars if bar.value > 0], default=1)
    parts: list[str] = []
    for place, bar in enumerate(bars):
        top = 46 * place
        label = short(bar.label, max(30 - len(bar.words), 8))
        parts += [_text(0, top + 14, label, "mine"), _text(100, top + 14, bar.words, "", "end")]
        parts.append(_rect("well", 0, top + 22, 100, 10, 5))
        parts.append(_rect("mark", 0, top + 22, 100 * max(bar.value, 0) / most, 10, 5))
    return _svg(46 * len(bars), title, parts)


def dots(rows: Iterable[tuple[str, Sequence[float]]], begin: str, end: str, title: str) -> Markup:
    """For each name a line with dots between 0 and 1."""
    parts: list[str] = []
    top = 0
    for name, places in rows:
        parts += [_text(0, top + 20, short(name, 30), "mine"), _line("grid", 0, top + 40, 100, top + 40)]
        parts += [_circle(2 + 96 * place, top + 40, 6) for place in places]
        top += 60
    parts += [_text(0, top + 20, begin), _text(100, top + 20, end, "", "end")]
    return _svg(top + 26, title, parts)


def stairs(points: Sequence[Point], title: str) -> Markup:
    """A value that holds until the next one, from left to right; the first and the last are named below."""
    height, foot = 120.0, 140.0
    low, high = min(point.value for point in points), max(point.value for point in points)
    floor = low - (high - low) * 0.25 if high > low else low - 1
    span = high - floor if high > low else 2
    placed = [(3 + 94 * point.at, foot - height * (point.value - floor) / span) for point in points]
    parts = [_line("axis", 0, foot, 100, foot)]
    for (left, up), (right, next_up) in pairwise(placed):
        parts += [_line("trace", left, up, right, up), _line("trace", right, up, right, next_up)]
    parts += [_circle(across, down, 5) for across, down in placed]
    for across, point, anchor in ((0, points[0], ""), (100, points[-1], "end")):
        parts.append(_text(across, foot + 22, point.words, "mine", anchor))
        parts.append(_text(across, foot + 42, point.place, "", anchor))
    return _svg(foot + 48, title, parts)


def heat(rows: Sequence[tuple[str, str]], values: Sequence[Sequence[int]], foot: Sequence[str], title: str) -> Markup:
    """A field for each value, the stronger the larger. `rows` are names: one letter and the rest; `foot` by column.

    A value below zero stands for a field that is not there, such as a day to come.
    """
    most = max((value for row in values for value in row), default=0)
    across = 92 / max((len(row) for row in values), default=1)
    parts: list[str] = []
    for down, ((letter, rest), row) in enumerate(zip(rows, values, strict=True)):
        parts.append(_text(0, 18 * down + 12, Markup("{}{}").format(letter, _thin(rest))))
        for place, value in enumerate(row):
            if value >= 0:
                kind = f"heat heat-{level(value, most)}"
                parts.append(_rect(kind, 8 + across * place, 18 * down, across * 0.86, 15, 3))
    below = 18 * len(rows)
    parts += [_text(8 + across * place, below + 16, words) for place, words in enumerate(foot) if words]
    return _svg(below + 22, title, parts)


def strip(values: Sequence[int], begin: str, end: str, title: str) -> Markup:
    """A field for each value in one row, the stronger the larger; what it begins and ends with stands below."""
    most, across = max(values, default=0), 100 / max(len(values), 1)
    parts = [
        _rect(f"heat heat-{level(value, most)}", across * place, 0, across * 0.8, 18, 3)
        for place, value in enumerate(values)
    ]
    return _svg(40, title, [*parts, _text(0, 36, begin), _text(100, 36, end, anchor="end")])


def short(words: str, most: int) -> str:
    """Words that fit the narrowest screen; the table has the whole."""
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def level(value: int, most: int) -> int:
    """How strong a field is: 0 for nothing, then 1 to 4 in equal parts of the most there is."""
    return 0 if value <= 0 else max(1, -(-LEVELS * value // max(most, 1)))


def steps(most: float) -> list[float]:
    """Round numbers from 0 up to at least the most there is: three to five of them, for lines across a chart."""
    if most <= 0:
        return [0, 1]
    size = 10.0 ** (len(str(int(most))) - 1) if most >= 1 else 0.1
    each = next(part * size for part in (0.25, 0.5, 1, 2, 2.5, 5) if most <= 4 * part * size)
    return [each * number for number in range(int(-(-most // each)) + 1)]


def _svg(height: float, title: str, parts: Iterable[str]) -> Markup:
    inside = Markup("\n".join(parts))  # noqa: S704 - shapes of this file: numbers, class names, and escaped words
    return Markup('<svg class="chart" height="{:g}" role="img" aria-label="{}">\n{}\n</svg>').format(
        height, title, inside
    )


def _grid(down: float, words: str) -> tuple[str, str]:
    return _line("grid", 0, down, 100, down), _text(0, down - 5, words, "thin")


def _rect(kind: str, left: float, top: float, wide: float, tall: float, round_: float) -> str:
    return (
        f'<rect class="{kind}" x="{left:.2f}%" y="{top:.1f}" width="{wide:.2f}%" height="{tall:.1f}" rx="{round_:g}"/>'
    )


def _line(kind: str, left: float, top: float, right: float, bottom: float) -> str:
    return f'<line class="{kind}" x1="{left:.2f}%" y1="{top:.1f}" x2="{right:.2f}%" y2="{bottom:.1f}"/>'


def _circle(across: float, down: float, size: float) -> str:
    return f'<circle class="mark" cx="{across:.2f}%" cy="{down:.1f}" r="{size:g}"/>'


def _text(across: float, down: float, words: str, kind: str = "", anchor: str = "") -> str:
    """The only shape that holds words of others: they are escaped, but for Markup made here."""
    more = f' class="{kind}"' if kind else ""
    more += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{across:.2f}%" y="{down:.1f}"{more}>{escape(words)}</text>'


def _thin(words: str) -> Markup:
    """Words that a narrow screen leaves out."""
    return Markup('<tspan class="thin">{}</tspan>').format(words) if words else Markup("")


def _anchor(across: float) -> str:
    """Words near an edge stay inside it."""
    return "start" if across < 12 else "end" if across > 88 else "middle"
