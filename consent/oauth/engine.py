"""Authlib's authorization server, bent to one strict profile. Its storage mixins are not used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc9207 import IssuerParameter

from consent import clients, dpop, pushed, tokens
from consent.asking import AlreadyDecided
from consent.client_documents import BadClient
from consent.oauth.assertion import Assertion
from consent.oauth.grant_types import CodeGrant, RefreshGrant, StrictChallenge, needs_details
from consent.oauth.messages import Answer, Message, error_answer, quoted
from consent.oauth.metadata import AUTHORIZE, PAR, REVOKE, TOKEN
from consent.oauth.pace import Pace
from consent.oauth.refusals import InvalidGrantId, InvalidProof, TooFast
from consent.oauth.registered import RegisteredClient
from vault.server import Server

SIGNED = "private_key_jwt"


class Engine(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """One per process. Methods take a Message and return an Answer."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.vault_server, self.pace = server, Pace()
        issuer = server.settings.issuer
        audiences = [issuer, *(issuer + path for path in (TOKEN, PAR, REVOKE))]
        self.register_client_auth_method(SIGNED, Assertion(server, audiences))
        self.register_grant(CodeGrant, [StrictChallenge(), needs_details])
        self.register_grant(RefreshGrant)
        self.register_extension(lambda engine: _Issuer(issuer)(engine))

    def query_client(self, client_id: str) -> RegisteredClient | None:
        """A client by its id; None for one whose document cannot be had."""
        try:
            return RegisteredClient(clients.find(self.vault_server, client_id))
        except BadClient:
            return None

    def authenticate_client(self, request: Message, _methods: Any = None) -> RegisteredClient:
        """Who calls, by the one method there is; and whether it calls too often, which only itself can bring about."""
        client: RegisteredClient = super().authenticate_client(request, [SIGNED])
        if wait := self.pace.late(request.endpoint, request.calls, now=self.vault_server.now):
            raise TooFast(wait)
        return client

    def paced(self, request: Message, answer: Answer) -> Answer:
        """The answer, with what is left of the client's calls."""
        answer.headers.update(self.pace.headers(request.endpoint, request.calls, now=self.vault_server.now))
        return answer

    def create_oauth2_request(self, request: Message) -> Message:
        """It is one already."""
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Answer:
        """Answers leave as values."""
        return Answer(status, body, headers)

    def handle_error_response(self, request: Message, error: OAuth2Error) -> Answer:
        """Errors too."""
        return error_answer(error)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def save_token(self, token: Any, request: Any) -> None:
        """Minting has stored it."""

    def message(self, path: str, parameters: Mapping[str, str], **more: Any) -> Message:
        """An OAuth request to one of our endpoints."""
        return Message("POST", self.vault_server.settings.issuer + path, parameters, **more)

    def push(self, parameters: Mapping[str, str], proof: str | None, address: str) -> Answer:
        """The pushed authorization request endpoint (RFC 9126 §2)."""
        request = self.message(PAR, parameters, address=address)
        try:
            client = self.authenticate_client(request)
            if {"request_uri", "request"} & set(parameters):
                raise InvalidRequestError("request and request_uri cannot be pushed.")
            if parameters.get("response_mode") not in {None, "query"}:
                raise InvalidRequestError("response_mode must be query.")
            _managed(parameters)
            wanted = {**parameters, "client_id": client.client_id}
            self._validated(wanted)
            jkt = self._pushed_key(parameters, proof)
        except OAuth2Error as error:
            error.redirect_uri = None  # told to the client alone: it sends nobody anywhere
            error.state = None
            return self.paced(request, error_answer(error))
        kept = {name: value for name, value in wanted.items() if not name.startswith("client_assertion")}
        uri = pushed.keep(self.vault_server, kept, jkt)
        return self.paced(request, Answer(201, {"request_uri": uri, "expires_in": pushed.UNOPENED}, []))

    def _pushed_key(self, parameters: Mapping[str, str], proof: str | None) -> str | None:
        """The key a pushed request names, by proof or thumbprint; both must agree (RFC 9449 §10.1)."""
        named = parameters.get("dpop_jkt")
        if proof is None:
            return named
        shown = self.check_proof(PAR, proof)
        if named not in {None, shown}:
            raise InvalidProof("dpop_jkt names another key than the proof.")
        return shown

    def check_proof(self, path: str, proof: str | None) -> str:
        """A DPoP proof at one of our endpoints, once. Returns the key's thumbprint."""
        server = self.vault_server
        try:
            checked = dpop.verify(proof, method="POST", url=server.settings.issuer + path, now=server.now)
        except dpop.BadProof as error:
            raise InvalidProof(f"The DPoP proof is not acceptable: {error.reason}.") from None
        if not pushed.once(server, f"proof {checked.thumbprint}", checked.jti, until=server.now + 3 * dpop.WINDOW):
            raise InvalidProof("The DPoP proof has been used before.")
        return checked.thumbprint

    def _validated(self, parameters: Mapping[str, str]) -> CodeGrant:
        for name in parameters.keys() & {"response_type", "redirect_uri"}:  # Authlib quotes these two in its refusals
            if quoted(parameters[name]) != parameters[name]:
                raise InvalidRequestError(f"{name} holds a character that it cannot.")
        grant = self.get_authorization_grant(self.message(AUTHORIZE, parameters))
        grant.validate_consent_request()
        return grant  # type: ignore[no-any-return]  # Authlib has no types

    def no_such_grant(self, asked: pushed.Asked) -> Answer:
        """Sent back because the grant that it names is not one of this client's in her vault. Raises AlreadyDecided."""
        try:
            self._validated(asked.parameters)
        except OAuth2Error:
            raise AlreadyDecided from None
        shown = {name: asked.parameters[name] for name in ("state",) if name in asked.parameters}
        said = {"error": InvalidGrantId.error, **shown, "iss": self.vault_server.settings.issuer}
        return Answer(303, "", [("Location", add_params_to_uri(asked.parameters["redirect_uri"], list(said.items())))])

    def decide(self, asked: pushed.Asked, give: Callable[[], str] | None) -> Answer:
        """The answer to the client after her decision: a code from `give`, or access_denied when it is None.

        Raises AlreadyDecided when the client has meanwhile changed so that the request would no longer be accepted:
        above all nobody is sent to an address that it has withdrawn.
        """
        try:
            grant = self._validated(asked.parameters)
        except OAuth2Error:
            raise AlreadyDecided from None
        grant.give = give
        owner = object() if give is not None else None
        return self.create_authorization_response(  # type: ignore[no-any-return]  # Authlib has no types
            grant.request, grant_user=owner, grant=grant
        )

    def drop(self, parameters: Mapping[str, str], address: str) -> Answer:
        """Token revocation (RFC 7009): 200 whatever became of it; a hint changes nothing."""
        request = self.message(REVOKE, parameters, address=address)
        try:
            client = self.authenticate_client(request)
            if "token" not in parameters:
                raise InvalidRequestError("token is missing.")
        except OAuth2Error as error:
            return self.paced(request, error_answer(error))
        tokens.drop(self.vault_server, parameters["token"], client.client_id)
        return self.paced(request, Answer(200, {}, []))

    def token(self, parameters: Mapping[str, str], proof: str | None, address: str) -> Answer:
        """The token endpoint."""
        request = self.message(TOKEN, parameters, dpop=proof, address=address)
        return self.paced(request, self.create_token_response(request))


def _managed(parameters: Mapping[str, str]) -> None:
    """Grant Management: `create`, which says nothing new here, or `replace` with the id of the client's own grant."""
    action, grant_id = parameters.get("grant_management_action"), parameters.get("grant_id")
    if action not in {None, "create", "replace"}:
        raise InvalidRequestError("grant_management_action must be create or replace.")
    if (action == "replace") != (grant_id is not None):
        raise InvalidRequestError("grant_id belongs to grant_management_action=replace, and to nothing else.")


class _Issuer(IssuerParameter):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def get_issuer(self) -> str:
        return self.issuer
