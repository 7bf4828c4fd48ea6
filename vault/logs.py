"""Logs by allow-list: a line holds an event and a few named facts, never a path, a query, a body or a value.

What other libraries say, and what nobody caught, loses its words too: an exception quotes what was typed, and a line at
DEBUG what was sent. Kinds and places in the code remain, and they are enough to find the fault.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator, MutableMapping
from http import HTTPMethod
from typing import Any

import orjson
import structlog

from vault.tally import TALLY

ALLOWED = frozenset(
    {
        *("event", "level", "timestamp", "method", "route", "status", "ms", "request_id", "code", "reason", "issuer"),
        *("logger", "places"),
    }
)
DEEP = 12  # the innermost places of a failure
METHODS = frozenset(HTTPMethod)

log = structlog.get_logger("vrm")


def only_allowed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop whatever is not on the list."""
    return {name: value for name, value in event.items() if name in ALLOWED}


def configure(level: int = logging.WARNING) -> None:
    """JSON lines on stderr. `level` is from where other libraries are heard; their words never are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Wordless())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    sys.excepthook = lambda _kind, error, _trace: _uncaught(error)
    threading.excepthook = lambda told: _uncaught(told.exc_value)
    sys.unraisablehook = lambda told: _uncaught(told.exc_value)


class Wordless(logging.Formatter):
    """A line of another library without its message and arguments: who spoke, how loudly, and what failed where."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        said = {"event": "library", "level": record.levelname.lower(), "logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        return orjson.dumps(said | (told(error) if error is not None else {})).decode()


def told(error: BaseException) -> dict[str, Any]:
    """A failure without its words: the kinds of it and of what led to it, and where in the code it was."""
    kinds = [type(each).__name__ for each in _chain(error)]
    places = [f"{at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(error.__traceback__)[-DEEP:]]
    return {"reason": " < ".join(kinds), "places": places}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _uncaught(error: BaseException | None) -> None:
    """What nobody caught, in any thread."""
    log.error("uncaught", **told(error) if error is not None else {})


class apart:  # noqa: N801 - reads as a word where it is used
    """One part of the worker's round, kept apart from the others: what nobody foresaw in it is logged by its kind and
    place, so that one owner's damaged row stops nothing for anybody else. The next round tries it again."""

    def __init__(self, event: str) -> None:
        self.event = event

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        log.error(self.event, **told(error))
        return True


def answered(
    method: str, route: str, status: int, began: float, request_id: str, error: BaseException | None = None
) -> None:
    """One line per request: the route's pattern, never its path. `began` is what time.perf_counter() said.

    By route and status it tells every try to unlock, to authenticate as a client or to look, and what came of it. A
    method may be any word that a stranger makes up, and each would be counted for ever: those are all one.
    """
    seconds, named = time.perf_counter() - began, method if method in METHODS else "-"
    TALLY.add(named, route, status, seconds)
    log.info("request", method=named, route=route, status=status, ms=round(seconds * 1000, 1), request_id=request_id)
    if error is not None:
        log.error("request_failed", request_id=request_id, **told(error))
