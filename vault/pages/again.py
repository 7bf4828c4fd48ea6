"""A request whose transaction gave way to another is done again.

Of two transactions that wait for each other PostgreSQL ends one (SQLSTATE class 40), and nothing of it is left. What
went before it in the same request is made to be repeated (design §3): keystore calls, tries that are counted.
"""

from __future__ import annotations

import time
from random import uniform
from typing import Any

from flask import Flask, Response, request

from vault.errors import Contended, VaultError

PAUSES = (0.02, 0.1, 0.5)  # seconds, each of them shortened by chance so that two don't meet again


class Application(Flask):
    """Flask, with that."""

    def handle_exception(self, e: Exception) -> Response:
        """What can be told is told as on a page, also where it comes after the page, before she is answered."""
        if not isinstance(e, VaultError):
            return super().handle_exception(e)
        return self.finalize_request(self.handle_user_exception(e), from_error_handler=True)

    def dispatch_request(self) -> Any:
        """Answer; after all pauses Contended is raised, which is a 503."""
        for pause in PAUSES:
            try:
                return super().dispatch_request()
            except Contended:
                if not _can_be_read_again():
                    raise
                time.sleep(uniform(0, pause))  # noqa: S311 - no secret
        return super().dispatch_request()


def _can_be_read_again() -> bool:
    """Is there no body, or has it been kept? A file that streams in has not."""
    return not request.content_length or bool({"form", "_cached_data"} & vars(request).keys())
