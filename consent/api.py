"""The vendors' API, `/vendor/v1`: reads a call, hands it on, answers in JSON or RFC 9457 problems.

It stands before Flask as a WSGI application of its own, for programs, without cookies: Flask's way to a read and back
cost more processor time than opening the grant and writing the log together (decision 16).
"""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qs

import orjson

from consent import deposits, looking, openapi, own_calls
from consent.calls import Call, Denied, Limited
from consent.details import DEPOSITABLE
from consent.looking import MOST, NUMBER, Page
from consent.oauth.metadata import API
from consent.problems import PROBLEMS, Code
from consent.quota import Headers, headers
from vault import crypto, errors, evenly
from vault.bodies import taken
from vault.logs import answered, log
from vault.record import CLASSES
from vault.server import Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

T = TypeVar("T")
# The interpreter runs one thread at a time anyway, and a look hands its lock over and takes it back at every statement:
# with eight threads that made a look a third dearer.
_ONE_AT_A_TIME = Lock()
ACCESS = b',"access":'  # how every answer in JSON ends: with the number of its entry in her log
COLLECTIONS = frozenset(name for name, _ in CLASSES)


class Answer(NamedTuple):
    """What leaves: status, body, content type and further headers."""

    status: int
    body: bytes
    kind: str = "application/json"
    more: Headers = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `name` is the last part of its path, for views that are about one of many."""

    server: Server
    environ: WSGIEnvironment = field(repr=False)
    path: str
    name: str
    request_id: str

    def header(self, name: str) -> str:
        """A header by its name in CGI (RFC 3875 §4.1.18); empty when it was not sent."""
        return str(self.environ.get(f"HTTP_{name}", ""))


class Route(NamedTuple):
    """What answers one method at one address; the log says the `rule`, never the path."""

    rule: str
    view: Callable[[Request], Answer]


def grant(request: Request) -> Answer:
    """The permission itself: what it gives and until when."""
    return _answer(request, _alone(lambda call: looking.grant(request.server, call)))


def calls(request: Request) -> Answer:
    """Your own calls under this permission, also the refused ones, as they stand in her log."""
    asked = _query(request)
    after, limit = asked.get("after", "0"), asked.get("limit", str(MOST))
    if not _is_limit(limit) or not NUMBER.fullmatch(after):
        return problem(request, "invalid", f"limit is 1 to {MOST}; after is the number of a call")

    def work(call: Call) -> bytes | Denied:
        return own_calls.read(request.server, call, after=int(after), limit=int(limit))

    return _answer(request, _alone(work))


def query(request: Request) -> Answer:
    """The same by its id (Grant Management for OAuth 2.0 §7.3): a token knows its own grant and no other."""
    return _answer(request, _alone(lambda call: looking.grant(request.server, call, request.name)))


def give_back(request: Request) -> Answer:
    """Give the permission back: it ends, for good."""
    return _answer(request, lambda call: looking.give_back(request.server, call, request.name), status=204)


def receipt(request: Request) -> Answer:
    """Your copy of the signed receipt of the permission as it stands."""
    return _answer(request, lambda call: looking.receipt(request.server, call), kind="application/jwt")


def description(request: Request) -> Answer:
    """This API, the OAuth endpoints and the well-known documents as OpenAPI 3.1. No token is needed."""
    return Answer(200, orjson.dumps(described(request.server.settings.issuer)))


def described(issuer: str) -> dict[str, Any]:
    """That document for a vault at this address."""
    return openapi.document(issuer, openapi.Limits(rows=MOST, content=deposits.MOST_BYTES))


def read(request: Request) -> Answer:
    """What the owner lets you see of one collection, in order of change."""
    if request.name not in COLLECTIONS:
        return problem(request, "not_found")
    asked = _query(request)
    limit, after = asked.get("limit", str(MOST)), asked.get("after")
    if not _is_limit(limit) or (after is not None and len(after) > 40):
        return problem(request, "invalid", f"limit is 1 to {MOST}; after is what `next` said")
    page = Page(after, int(limit))
    return _answer(request, _alone(lambda call: looking.look(request.server, call, page)), request.name)


def leave(request: Request) -> Answer:
    """Leave a record for the owner, who decides whether she takes it."""
    key, content = request.header("IDEMPOTENCY_KEY"), taken(request.environ, deposits.MOST_BYTES)
    if isinstance(content, str):
        return problem(request, content)
    return _answer(request, lambda call: deposits.leave(request.server, call, key, content), request.name, status=202)


def left(request: Request) -> Answer:
    """What became of something that was left: waiting, accepted or rejected."""
    return _answer(request, lambda call: deposits.ask(request.server, call, request.name))


def nothing(request: Request) -> Answer:
    """There is nothing here."""
    return problem(request, "not_found")


# By path, or by all of it but the name at its end.
ROUTES: dict[str, dict[str, Route]] = {
    f"{API}/grant": {"GET": Route(f"{API}/grant", grant)},
    f"{API}/grant/calls": {"GET": Route(f"{API}/grant/calls", calls)},
    f"{API}/receipt": {"GET": Route(f"{API}/receipt", receipt)},
    f"{API}/openapi.json": {"GET": Route(f"{API}/openapi.json", description)},
    f"{API}/grants/": {
        "GET": Route(f"{API}/grants/<grant_id>", query),
        "DELETE": Route(f"{API}/grants/<grant_id>", give_back),
    },
    **{f"{API}/deposits/{name}": {"POST": Route(f"{API}/deposits/<collection>", leave)} for name in DEPOSITABLE},
    f"{API}/deposits/": {"GET": Route(f"{API}/deposits/<deposit>", left)},
    f"{API}/": {"GET": Route(f"{API}/<collection>", read)},
}
NOWHERE = Route("-", nothing)
ID = re.compile(r"[0-9a-f]{32}")
OF_IDS = {f"{API}/grants/", f"{API}/deposits/"}


def before(server: Server, inner: WSGIApplication) -> WSGIApplication:
    """Answer what is asked of the vendors' API; whatever else is for `inner`."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        if not path.startswith(f"{API}/"):
            return inner(environ, start_response)
        place, name = path[: path.rfind("/") + 1], path[path.rfind("/") + 1 :]
        method = environ["REQUEST_METHOD"]
        request = Request(server, environ, path, name, crypto.random_bytes(8).hex())
        routes = _routes(path, place, name)
        route = routes.get("GET" if method == "HEAD" else method) if routes else NOWHERE
        began, error = time.perf_counter(), None
        try:
            answer = route.view(request) if route else _wrong_method(request, routes)
        except Exception as failed:  # noqa: BLE001 - the last resort: told by its id, and logged without its words
            answer, error = problem(request, "failed"), failed
        answered(method, route.rule if route else "-", answer.status, began, request.request_id, error)
        status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
        kind = (("Content-Type", answer.kind), ("Content-Length", str(len(answer.body))))
        start_response(status, [*(kind if answer.status != HTTPStatus.NOT_MODIFIED else ()), *answer.more])
        return [answer.body] if method != "HEAD" else []

    return application


def _routes(path: str, place: str, name: str) -> dict[str, Route]:
    if not name or (place in OF_IDS and path not in ROUTES and not ID.fullmatch(name)):
        return {}
    return ROUTES.get(path) or ROUTES.get(place) or {}


def _wrong_method(request: Request, routes: Iterable[str]) -> Answer:
    methods = [each for method in routes for each in ((method, "HEAD") if method == "GET" else (method,))]
    return problem(request, "wrong_method")._replace(more=(("Allow", ", ".join(methods)),))


def _query(request: Request) -> dict[str, str]:
    """What stands behind the question mark; of what is said twice, the first."""
    said = parse_qs(request.environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return {name: values[0] for name, values in said.items()}


def _is_limit(text: str) -> bool:
    return bool(NUMBER.fullmatch(text)) and len(text) <= 3 and 1 <= int(text) <= MOST


def _alone(work: Callable[[Call], T]) -> Callable[[Call], T]:
    """Reading is done one at a time; what writes to her database waits for its turn there, and for nothing here."""

    def held(call: Call) -> T:
        with _ONE_AT_A_TIME:
            return work(call)

    return held


def _answer(
    request: Request,
    work: Callable[[Call], bytes | Limited | Denied],
    what: str = "",
    *,
    status: int = 200,
    kind: str = "application/json",
) -> Answer:
    began = time.monotonic()
    scheme, _, token = request.header("AUTHORIZATION").partition(" ")
    if scheme.lower() != "dpop" or not token:
        return problem(request, "invalid_token", challenge=False)
    call = Call(
        token=token.strip(),
        proof=request.header("DPOP") or None,
        method=request.environ["REQUEST_METHOD"],
        url=request.server.settings.issuer + request.path,
        what=what,
        request_id=request.request_id,
    )
    try:
        made = work(call)
    except crypto.Damaged:
        log.error("damaged", request_id=request.request_id)
        made = Denied("damaged")
    except errors.Busy:
        made = Denied("busy")
    if isinstance(made, Denied):
        if made.code == "invalid_token":
            evenly.wait(began)
        refused = problem(request, made.code, made.detail, wait=made.wait)
        return refused._replace(more=(*refused.more, *headers(made.quotas, request.server.now)))
    body, quotas, number = made if isinstance(made, Limited) else Limited(made)
    witness = (("Vault-Access", str(number)),) if number else ()
    answer = Answer(status, body, kind, (*headers(quotas, request.server.now), *witness))
    return _unless_held(request, answer) if status == 200 else answer


def _unless_held(request: Request, answer: Answer) -> Answer:
    """The answer with its ETag, or 304 where the vendor holds it already (RFC 9110 §13.1.2).

    By now the call is logged and counted like any other, so all that this saves is the bytes. The tag is over all but
    the number of the entry, which goes into a header, and keyed: it tells nothing to whoever has not had the answer.
    """
    told, _, number = answer.body.rpartition(ACCESS)
    tag = crypto.tag(request.server.keys.tag, "etag", request.path, told or answer.body)[:16]
    etag = f'W/"{urlsafe_b64encode(tag).rstrip(b"=").decode()}"'
    more = (*answer.more, ("ETag", etag))
    held = {each.strip() for each in request.header("IF_NONE_MATCH").split(",")}
    if not held & {etag, etag.removeprefix("W/"), "*"}:
        return answer._replace(more=more)
    witness = (("Vault-Access", number.rstrip(b"}").decode()),) if told else ()
    return answer._replace(status=304, body=b"", more=(*more, *witness))


def problem(request: Request, code: Code, detail: str = "", *, challenge: bool = True, wait: int = 0) -> Answer:
    """An answer in the shape of RFC 9457. 401 carries the challenge of RFC 9449 §7.1 and RFC 9728 §5.1."""
    status, title, _remedy = PROBLEMS[code]
    issuer = request.server.settings.issuer
    content: dict[str, Any] = {
        "type": f"{issuer}/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "request_id": request.request_id,
    }
    if detail:
        content["detail"] = detail
    more: list[tuple[str, str]] = []
    if status == 401:
        error = f'error="{code}", ' if challenge else ""
        metadata = f"{issuer}/.well-known/oauth-protected-resource"
        more.append(("WWW-Authenticate", f'DPoP {error}algs="ES256 EdDSA", resource_metadata="{metadata}"'))
    if status in {429, 503}:
        more.append(("Retry-After", str(wait or 2)))
    return Answer(status, orjson.dumps(content), "application/problem+json", tuple(more))
