"""What follows from the code alone is compiled once per process: templates, statements, addresses.

Each test has a server, databases and an application of its own, all new. Without this, each would compile templates,
SQL statements and routes anew, which a process does only once. Nothing that a test could write is kept.
"""

from __future__ import annotations

from typing import Any

import flask
from flask.templating import Environment
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from werkzeug.routing import Rule


def keep() -> None:
    """Let every application and every engine made from now on share what is compiled."""
    flask.Flask.jinja_environment = Templates
    flask.Flask.url_rule_class = Route
    registry.register("sqlite", __name__, "SQLite")
    registry.register("postgresql.psycopg", __name__, "PostgreSQL")
    registry.register("postgresql.psycopg", __name__, "PostgreSQL")
    event.listen(Engine, "engine_connect", _shares_statements)


class _Codes(BytecodeCache):
    """Jinja looks here before it compiles. The key is a template's file and the checksum its text."""

    def __init__(self) -> None:
        self.codes: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.codes:
            bucket.bytecode_from_string(self.codes[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.codes[bucket.key] = bucket.bytecode_to_string()


_codes = _Codes()
_statements: dict[Any, Any] = {}
_builders: dict[Any, Any] = {}


class Templates(Environment):
    """Flask's, with the codes that other applications have made."""

    def __init__(self, app: flask.Flask, **options: Any) -> None:
        super().__init__(app, bytecode_cache=_codes, **options)


class Route(Rule):
    """Werkzeug's, which writes two functions of Python per route to build addresses with."""

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        key = self.rule, repr(self.defaults), self.subdomain, self.host, self.merge_slashes, append_unknown
        if key not in _builders:
            _builders[key] = super()._compile_builder(append_unknown)
        return _builders[key]


class _Alike:
    """All dialects of an engine are equal, because a statement is kept under its dialect."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


class _Equal:
    """Dialects that are all equal, because a statement is kept under its dialect."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


class SQLite(_Equal, SQLiteDialect_pysqlite):
    """SQLAlchemy's, with that."""

    supports_statement_cache = True


class PostgreSQL(_Equal, PGDialect_psycopg):
    """Likewise."""

    supports_statement_cache = True


def _shares_statements(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_statements)
