"""Mutants: a source with one thing changed that a test ought to notice. Pure: text in, texts out.

What is changed: comparisons, `and` and `or`, `not`, conditions, numbers, texts without a space, conditions of queries
and of SQL, operands, what a function returns, statements that are left out, arguments swapped, arguments given by name
left out, kinds of errors that are caught. Types, asserts, decorators and sentences (texts with a space) are left.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import pairwise

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
TYPES_ONLY = {"cast", "TypeVar", "Literal"}  # calls and subscripts that are there for types
WITHOUT_VALUE = {"None", "False"}  # to return None instead of these says the same, or is another change already
# Calls that say the same whichever way round their arguments stand.
EITHER_WAY = {"where", "or_", "and_", "min", "max", "same", "compare_digest", "_xor"}
BOUND = {"<=": "<", ">=": ">"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: where, the lines as they were and as they are now, and the whole source with it.

    `number` tells those apart that read the same, such as two equal lines of one function.
    """

    place: str
    line: int
    last_line: int
    was: str
    now: str
    number: int
    source: str

    def __str__(self) -> str:
        again = f" [{self.number}]" if self.number > 1 else ""
        return f"{self.place}, line {self.line}{again}\n      {self.was}\n   -> {self.now}"


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    seen, found, counted = {source}, [], Counter[tuple[str, str, str]]()
    changes = sorted(_in(ast.parse(source), "module"), key=lambda each: (each[0].lineno, each[0].col_offset))
    for node, text, place in changes:
        changed = _replaced(source, node, text)
        if changed in seen:
            continue
        seen.add(changed)
        first, last = node.lineno, node.end_lineno or node.lineno
        grown = changed.count("\n") - source.count("\n")
        was, now = _lines(source, first, last), _lines(changed, first, last + grown)
        counted[place, was, now] += 1
        found.append(Mutant(place, first, last, was, now, counted[place, was, now], changed))
    return found


Change = tuple[ast.expr | ast.stmt, str, str]  # what is replaced, by which text, and where that is


def _in(node: ast.AST, place: str) -> Iterator[Change]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        place = node.name if place == "module" else f"{place}.{node.name}"
    if isinstance(node, ast.expr | ast.stmt):
        for replaced, by in _changes(node):
            yield replaced, by, place
    for child in _children(node):
        yield from _in(child, place)


def _children(node: ast.AST) -> list[ast.AST]:
    """What is looked at below a node: no annotations, decorators, asserts, imports or docstrings."""
    match node:
        case ast.FunctionDef():
            defaults = [each for each in (*node.args.defaults, *node.args.kw_defaults) if each is not None]
            return [*defaults, *node.body]
        case ast.ClassDef():
            return list(node.body)
        case ast.AnnAssign():
            return [node.value] if node.value else []
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return list(node.orelse)
        case ast.Call(func=ast.Name(id="cast")):
            return [node.args[1]]
        case ast.Call(func=ast.Name(id=name)) | ast.Subscript(value=ast.Name(id=name)) if name in TYPES_ONLY:
            return []
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.JoinedStr() | ast.Expr(value=ast.Constant()):
            return []
        case ast.Raise():
            return [] if isinstance(node.exc, ast.Call) and _sentence(node.exc) else list(ast.iter_child_nodes(node))
    return list(ast.iter_child_nodes(node))


def _sentence(call: ast.Call) -> bool:
    """Does it do nothing but say what is wrong?"""
    return all(isinstance(each, ast.JoinedStr | ast.Constant) for each in call.args) and not call.keywords


def _changes(node: ast.expr | ast.stmt) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """What can be put in the place of this very node, or of the condition that it has."""
    if isinstance(node, ast.stmt):
        yield from _of_statement(node)
    elif not isinstance(node, ast.Constant):
        yield from ((node, f"({ast.unparse(each)})") for each in _of_expression(node))
    else:
        yield from ((node, repr(value)) for value in _of_constant(node.value))
    if isinstance(node, ast.If | ast.IfExp | ast.While) and not _has_its_own(node.test):
        yield node.test, f"(not {ast.unparse(node.test)})"
    if isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp):
        for loop in node.generators:
            yield from ((test, "True") for test in loop.ifs)


def _has_its_own(test: ast.expr) -> bool:
    """Is there a change that turns this condition round? Type checks need none."""
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    return negated or isinstance(test, ast.Compare | ast.BoolOp) or ast.unparse(test) == "TYPE_CHECKING"


def _of_statement(node: ast.stmt) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) not in WITHOUT_VALUE:
            yield node, "return None"
        case ast.Expr() | ast.Raise() | ast.Continue() | ast.Break() | ast.AugAssign() | ast.Delete():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass"
        case ast.Try():
            for handler in node.handlers:
                if isinstance(handler.type, ast.Tuple):
                    yield from ((handler.type, f"({ast.unparse(each)})") for each in _without_one(handler.type))


def _of_expression(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare():
            yield from _of_comparison(node)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            yield from _without_one(node)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.BinOp(op=ast.Add()):
            yield from (node.left, node.right)
        case ast.BinOp() if type(node.op) in COMPUTED:
            yield ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right)
        case ast.Tuple(ctx=ast.Load()) if any(isinstance(each, ast.Compare) for each in node.elts):
            yield from _without_one(node)
        case ast.JoinedStr():
            yield from _without_one(node)
        case ast.Call():
            yield from _of_call(node)


def _of_comparison(node: ast.Compare) -> Iterator[ast.expr]:
    for at, op in enumerate(node.ops):
        ops = [*node.ops[:at], COMPARED[type(op)](), *node.ops[at + 1 :]]
        yield ast.Compare(node.left, ops, node.comparators)


def _of_call(node: ast.Call) -> Iterator[ast.expr]:
    name = ast.unparse(node.func).rpartition(".")[2]
    if name in {*TYPES_ONLY, "isinstance"}:
        return
    for at, (one, other) in enumerate(() if name in EITHER_WAY else pairwise(node.args)):
        if ast.dump(one) != ast.dump(other) and not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred):
            yield _with(node, args=[*node.args[:at], other, one, *node.args[at + 2 :]])
    for at, given in enumerate(node.args):
        if isinstance(given, ast.Compare | ast.Starred):  # a condition of a query, or several
            yield _with(node, args=[*node.args[:at], *node.args[at + 1 :]])
    for at, _ in enumerate(node.keywords):
        yield _with(node, keywords=[*node.keywords[:at], *node.keywords[at + 1 :]])


def _without_one(node: ast.BoolOp | ast.Tuple | ast.JoinedStr) -> Iterator[ast.expr]:
    """The same without one of its parts; a text keeps its letters."""
    name = "elts" if isinstance(node, ast.Tuple) else "values"
    parts: list[ast.expr] = getattr(node, name)
    for at, part in enumerate(parts):
        if isinstance(node, ast.JoinedStr) and not isinstance(part, ast.FormattedValue):
            continue
        rest = [*parts[:at], *parts[at + 1 :]]
        yield rest[0] if isinstance(node, ast.BoolOp) and len(rest) == 1 else _with(node, **{name: rest})


def _with(node: ast.expr, **parts: object) -> ast.expr:
    changed = copy(node)
    for name, value in parts.items():
        setattr(changed, name, value)
    return changed


def _of_constant(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, bytes):
        yield value + b"x"
    elif isinstance(value, str) and " WHERE " in value:
        yield from _of_sql(value)
    elif isinstance(value, str) and " " not in value:
        yield value + "x"


def _of_sql(statement: str) -> Iterator[str]:
    """One condition left out, or a bound that has moved."""
    head, where, rest = statement.partition(" WHERE ")
    conditions = rest.split(" AND ")
    for at in range(len(conditions)):
        left = [*conditions[:at], *conditions[at + 1 :]]
        yield head + (where + " AND ".join(left) if left else "")
    for bound, other in BOUND.items():
        if bound in rest:
            yield head + where + rest.replace(bound, other)


def _replaced(source: str, node: ast.expr | ast.stmt, text: str) -> str:
    lines = source.encode().splitlines(keepends=True)  # columns are counted in bytes
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    raw = b"".join(lines)
    end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
    return (raw[: starts[node.lineno - 1] + node.col_offset] + text.encode() + raw[end:]).decode()


def _lines(source: str, first: int, last: int) -> str:
    """Lines of a source as one, so that a list can name them however they are broken."""
    return " ".join(" ".join(source.splitlines()[first - 1 : last]).split())
