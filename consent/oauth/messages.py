"""OAuth messages in and out of Authlib: strict forms in, JSON and 303 out. No framework below this line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

MOST_BYTES = 32 * 1024
UNQUOTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


class Answer:
    """Status, body and headers of an answer; `location` is what the issuer parameter is added to."""

    def __init__(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> None:
        self.status = 303 if status in {302, 307} else status
        self.body = orjson.dumps(body) if isinstance(body, (dict, list)) else (body or "").encode()
        self.headers = dict(headers)

    @property
    def location(self) -> str | None:
        """Where the browser is sent."""
        return self.headers.get("Location")

    @location.setter
    def location(self, value: str) -> None:
        self.headers["Location"] = value


class Message(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """An OAuth request made of strictly read parameters. `uri` is under our issuer, never what a proxy says."""

    def __init__(
        self, method: str, uri: str, parameters: Mapping[str, str], *, dpop: str | None = None, address: str = ""
    ) -> None:
        super().__init__(method, uri)
        self.address = address
        self.calls = 0  # of its client at its endpoint in this minute, once that is known
        self.payload = BasicOAuth2Payload(dict(parameters))
        self.dpop = dpop

    @property
    def endpoint(self) -> str:
        """The last part of its address."""
        return str(self.uri).rpartition("/")[2]

    @property
    def form(self) -> dict[str, str]:
        """The parameters; a query string never counts."""
        return dict(self.payload.data)

    @property
    def args(self) -> dict[str, str]:
        """Nothing: parameters come from the body."""
        return {}


def read_form(pairs: Sequence[tuple[str, str]], *, query: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """Parameters of a form POST (OAuth 2.1 §3.2): none repeated, empty ones absent, none in the query, one way to sign.

    Raises InvalidRequestError.
    """
    if query:
        raise InvalidRequestError("Parameters belong in the body of the request.")
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise InvalidRequestError("The content type must be application/x-www-form-urlencoded.")
    if "Authorization" in headers:
        raise InvalidRequestError("Use private_key_jwt and no other way to authenticate.")
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise InvalidRequestError("A parameter is repeated.")
    return {name: value for name, value in pairs if value}


def quoted(text: str) -> str:
    """A text as it may stand in an error_description (RFC 6749 §5.2)."""
    return UNQUOTABLE.sub("?", text)


def error_answer(error: OAuth2Error) -> Answer:
    """An error in the shape of RFC 6749 §5.2."""
    status, body, headers = error()
    if error.error == "invalid_client":
        status = 401
    content = dict(body) if not isinstance(body, str) else body
    content = content if isinstance(content, str) else {k: v for k, v in content.items() if k != "error_uri"}
    return Answer(status, content, [(n, v) for n, v in headers if n != "WWW-Authenticate"])
