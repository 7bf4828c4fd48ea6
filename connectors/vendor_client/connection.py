"""A living connection to one owner's vault: read what she shows, ask what it is, put it down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import httpx
from joserfc.jwk import ECKey

from connectors.vendor_client.client import Answer, Client, Line, a_string
from connectors.vendor_client.details import Granted, a_day
from connectors.vendor_client.discovery import Endpoints
from connectors.vendor_client.errors import NoLongerShared, NotUnderstood, Refused
from connectors.vendor_client.feed import MOST_PAGES, PAGE_LIMIT, Page, Sync, read_page
from connectors.vendor_client.own_calls import LIMIT, LoggedCall, read_calls
from connectors.vendor_client.proofs import key_from_json, key_to_json
from connectors.vendor_client.refusals import names_a_dead_token, refusal


@dataclass(frozen=True, slots=True)
class Tokens:
    """What opens the vault for us, together with the DPoP key. All of it secret."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """The vault's own word on what we hold; `text` is that answer, exactly."""

    grant_id: str
    status: str
    items: tuple[Granted, ...]
    until: date | None
    text: str


@dataclass(frozen=True, slots=True)
class Left:
    """Something we left for her: its id, and whether it is `waiting`, `accepted` or `rejected`."""

    deposit: str
    status: str

    @staticmethod
    def of(answer: Answer) -> Left:
        """Read the vault's answer."""
        members = answer.members()
        return Left(a_string(members, "deposit"), a_string(members, "status"))


class Connection:
    """What a finished question gives. Safe to use from several threads.

    The access token lives minutes and is renewed when the vault calls it invalid; the refresh token stays the same
    for as long as the grant lives, so a state stored once with `to_json` stays good.
    """

    def __init__(
        self,
        client: Client,
        endpoints: Endpoints,
        *,
        dpop_key: ECKey,
        tokens: Tokens,
        grant_id: str,
        granted: tuple[Granted, ...],
    ) -> None:
        self.client = client
        self.endpoints = endpoints
        self.grant_id = grant_id
        self.granted = granted
        self._dpop_key = dpop_key
        self._tokens = tokens

    def __repr__(self) -> str:
        return f"Connection({self.endpoints.issuer!r}, grant {self.grant_id!r})"

    @classmethod
    def begin(cls, client: Client, endpoints: Endpoints, dpop_key: ECKey, answer: Answer) -> Connection:
        """From the token endpoint's first answer."""
        members = _token_members(answer)
        return cls(
            client,
            endpoints,
            dpop_key=dpop_key,
            tokens=Tokens(a_string(members, "access_token"), a_string(members, "refresh_token")),
            grant_id=a_string(members, "grant_id"),
            granted=Granted.all(members.get("authorization_details")),
        )

    def grant(self) -> Grant:
        """Ask what is granted now: the owner may have narrowed it since."""
        with self.client.open() as line:
            answer = self._get(line, f"{self.endpoints.api}/grant")
        members = answer.members()
        return Grant(
            grant_id=a_string(members, "grant_id"),
            status=a_string(members, "status"),
            items=Granted.all(members.get("authorization_details")),
            until=a_day(members.get("until")),
            text=answer.text,
        )

    def receipt(self) -> str:
        """The signed receipt of what is granted now, to keep: it cannot be had any more once the grant has ended."""
        with self.client.open() as line:
            return self._get(line, f"{self.endpoints.api}/receipt").text

    def calls(self, after: int = 0) -> Iterator[LoggedCall]:
        """Our own calls after the one of that number, the refused ones too, as her log has them for a week.

        Each page is asked for as it is needed, and is a call itself: those of this very reading are left out.
        """
        asked: set[int] = set()
        with self.client.open() as line:
            for _ in range(MOST_PAGES):
                page = read_calls(self._get(line, f"{self.endpoints.api}/grant/calls?after={int(after)}&limit={LIMIT}"))
                yield from (each for each in page.calls if each.number not in asked)
                if len(page.calls) < LIMIT:
                    return
                if page.next <= after:
                    break
                asked.add(page.access)
                after = page.next
        raise NotUnderstood("calls", "The vault’s list of calls does not end.")

    def read(self, collection: str, after: str | None = None) -> Sync:
        """Everything that changed since `after`, or everything, folded into one result (see `Sync`)."""
        return Sync.of(self.pages(collection, after))

    def pages(self, collection: str, after: str | None = None) -> Iterator[Page]:
        """The change feed page by page, up to the first empty one: then we are in sync.

        A page with `start_again` says: what was read before it, in this call or in an earlier one, no longer holds.
        """
        name = _a_name(collection)
        started_again = False
        with self.client.open() as line:
            for _ in range(MOST_PAGES):
                url = httpx.URL(f"{self.endpoints.api}/{name}", params={"limit": PAGE_LIMIT})
                answer = self._get(line, str(url.copy_merge_params({"after": after}) if after is not None else url))
                if answer.status == 410:
                    if after is None:
                        raise refusal(answer)
                    after, started_again = None, True
                    continue
                page = read_page(answer, start_again=started_again)
                yield page
                if page.empty:
                    return
                if page.next == after:
                    raise NotUnderstood("feed", "The vault’s list does not move on.")
                after, started_again = page.next, False
        raise NotUnderstood("feed", "The vault’s list does not end.")

    def leave(self, collection: str, record: Mapping[str, Any], *, key: str) -> Left:
        """Leave a record in her inbox. The same `key` again is the same deposit: repeat it until it is answered."""
        with self.client.open() as line:
            url = f"{self.endpoints.api}/deposits/{_a_name(collection)}"
            answer = self._call(line, lambda token: line.post_as(self._dpop_key, token, url, record, key))
        if answer.status != 202:
            raise refusal(answer)
        return Left.of(answer)

    def became(self, deposit: str) -> Left:
        """What she decided about a deposit."""
        with self.client.open() as line:
            return Left.of(self._get(line, f"{self.endpoints.api}/deposits/{_a_name(deposit)}"))

    def drop(self) -> None:
        """Throw our tokens away at the vault too (RFC 7009). The owner's page keeps the grant until she ends it."""
        form = {"token": self._tokens.refresh, "token_type_hint": "refresh_token"}
        with self.client.open() as line:
            answer = line.post(self.endpoints.issuer, self.endpoints.revocation, form)
        if answer.status != 200:
            raise refusal(answer)

    def to_json(self) -> str:
        """Everything needed to go on later. Holds secrets: store it encrypted."""
        return json.dumps(
            {
                "endpoints": asdict(self.endpoints),
                "dpop_key": key_to_json(self._dpop_key),
                "tokens": asdict(self._tokens),
                "grant_id": self.grant_id,
                "granted": [asdict(item) for item in self.granted],
            },
            default=date.isoformat,
        )

    @classmethod
    def from_json(cls, client: Client, text: str) -> Connection:
        """The reverse of `to_json`, for text that this program itself has stored."""
        kept = json.loads(text)
        return cls(
            client,
            Endpoints(**kept["endpoints"]),
            dpop_key=key_from_json(kept["dpop_key"]),
            tokens=Tokens(**kept["tokens"]),
            grant_id=kept["grant_id"],
            granted=tuple(
                Granted(**{**item, "fields": tuple(item["fields"]), "until": a_day(item["until"])})
                for item in kept["granted"]
            ),
        )

    def _get(self, line: Line, url: str) -> Answer:
        """GET with a proof; on a dead access token, once more with a new one. 410 is the caller's to handle."""
        answer = self._call(line, lambda token: line.get_as(self._dpop_key, token, url))
        if answer.status in (200, 410):
            return answer
        raise refusal(answer)

    def _call(self, line: Line, send: Callable[[str], Answer]) -> Answer:
        """Send with the access token, and once more with a new one if that is dead."""
        answer = send(self._tokens.access)
        if names_a_dead_token(answer):
            self._refresh(line, answer)
            answer = send(self._tokens.access)
        return answer

    def _refresh(self, line: Line, refused: Answer) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self._tokens.refresh}
        answer = line.post(self.endpoints.issuer, self.endpoints.token, form, dpop=self._dpop_key)
        if answer.status == 200:
            members = _token_members(answer)
            kept = a_string(members, "refresh_token") if "refresh_token" in members else self._tokens.refresh
            self._tokens = Tokens(a_string(members, "access_token"), kept)
            return
        error = refusal(answer)
        if isinstance(error, NoLongerShared):
            raise NoLongerShared(error.code, error.sentence, answer=refused.text) from None
        raise error


def _a_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]{1,64}", text):
        raise ValueError("a collection’s name or a deposit’s id is small letters and digits")
    return text


def _token_members(answer: Answer) -> Mapping[str, Any]:
    """A bearer token would work for whoever steals it: refused, as if nothing had been given."""
    members = answer.members()
    if str(members.get("token_type", "")).lower() != "dpop":
        raise Refused("token_type", "The vault offered a token that is not bound to us.")
    return members
