"""Logs by allow-list: a line holds an event and a few named facts, never a path, a query, a body or a value."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

ALLOWED = frozenset(
    {"event", "level", "timestamp", "method", "route", "status", "ms", "request_id", "code", "reason", "issuer"}
)

log = structlog.get_logger("vrm")


def only_allowed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop whatever is not on the list."""
    return {name: value for name, value in event.items() if name in ALLOWED}


def configure() -> None:
    """JSON lines on stderr; other libraries speak only from warnings up, and without their arguments."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s", stream=sys.stderr, force=True)
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


def answered(method: str, route: str, began: float, request_id: str, error: BaseException | None = None) -> None:
    """One line per request: the route's pattern, never its path. `began` is what time.perf_counter() said."""
    taken = round((time.perf_counter() - began) * 1000, 1)
    log.info("request", method=method, route=route, ms=taken, request_id=request_id)
    if error is not None:
        log.error("request_failed", reason=type(error).__name__, request_id=request_id)
