"""Authlib's authorization server, bent to one strict profile. Its storage mixins are not used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749.errors import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter

from consent import clients, dpop, pushed, tokens
from consent.asking import AlreadyDecided
from consent.client_documents import BadClient
from consent.details import BadDetails, read_details
from consent.oauth.assertion import Assertion
from consent.oauth.messages import Answer, Message, error_answer, quoted
from consent.oauth.metadata import AUTHORIZE, PAR, REVOKE, TOKEN
from consent.oauth.pace import Pace
from consent.oauth.refusals import InvalidDetails, InvalidProof, TooFast
from consent.oauth.registered import RegisteredClient
from vault.server import Server


class Engine(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """One per process. Methods take a Message and return an Answer."""

    def __init__(self, server: Server) -> None:
        super().__init__(scopes_supported=["vault"])
        self.vault_server, self.pace = server, Pace()
        issuer = server.settings.issuer
        audiences = [issuer, *(issuer + path for path in (TOKEN, PAR, REVOKE))]
        self.register_client_auth_method("private_key_jwt", Assertion(server, audiences))
        self.register_grant(CodeGrant, [StrictChallenge(required=True), _details])
        self.register_grant(RefreshGrant)
        self.register_extension(lambda engine: _Issuer(issuer)(engine))

    def query_client(self, client_id: str) -> RegisteredClient | None:
        """A client by its id; None for one whose document cannot be had."""
        try:
            return RegisteredClient(clients.find(self.vault_server, client_id))
        except BadClient:
            return None

    def authenticate_client(self, request: Message, methods: Sequence[str], endpoint: str = "token") -> Any:
        """Who calls; and whether it calls too often, which only itself can bring about."""
        client: RegisteredClient = super().authenticate_client(request, methods, endpoint)
        if wait := self.pace.admit(endpoint, client.client_id, now=self.vault_server.now):
            raise TooFast(wait)
        return client

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

    def message(self, path: str, parameters: Mapping[str, str], proof: str | None = None, address: str = "") -> Message:
        """An OAuth request to one of our endpoints, and the network address it came from."""
        return Message("POST", self.vault_server.settings.issuer + path, parameters, dpop=proof, address=address)

    def push(self, parameters: Mapping[str, str], proof: str | None, address: str) -> Answer:
        """The pushed authorization request endpoint (RFC 9126 §2)."""
        request = self.message(PAR, parameters, proof, address)
        try:
            client = self.authenticate_client(request, ["private_key_jwt"], "par")
            if {"request_uri", "request"} & set(parameters):
                raise InvalidRequestError("request and request_uri cannot be pushed.")
            if parameters.get("response_mode", "query") != "query":
                raise InvalidRequestError("response_mode must be query.")
            wanted = {**parameters, "client_id": client.client_id}
            self._validated(wanted)
            jkt = self._pushed_key(parameters, proof)
        except OAuth2Error as error:
            error.redirect_uri = None
            return error_answer(error)
        kept = {name: value for name, value in wanted.items() if not name.startswith("client_assertion")}
        uri = pushed.keep(self.vault_server, kept, jkt)
        return Answer(201, {"request_uri": uri, "expires_in": pushed.UNOPENED}, [])

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
        request = self.message(AUTHORIZE, parameters)
        if not parameters.get("redirect_uri"):
            raise InvalidRequestError("redirect_uri is missing.")
        for name in ("response_type", "redirect_uri"):  # Authlib quotes these two when it refuses them
            if quoted(parameters.get(name, "")) != parameters.get(name, ""):
                raise InvalidRequestError(f"{name} holds a character that it cannot.")
        grant = self.get_authorization_grant(request)
        grant.validate_consent_request()
        return grant  # type: ignore[no-any-return]  # Authlib has no types

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
        try:
            client = self.authenticate_client(
                self.message(REVOKE, parameters, address=address), ["private_key_jwt"], "revoke"
            )
            if "token" not in parameters:
                raise InvalidRequestError("token is missing.")
        except OAuth2Error as error:
            return error_answer(error)
        tokens.drop(self.vault_server, parameters["token"], client.client_id)
        return Answer(200, {}, [])

    def token(self, parameters: Mapping[str, str], proof: str | None, address: str) -> Answer:
        """The token endpoint."""
        try:
            return self.create_token_response(self.message(TOKEN, parameters, proof, address))  # type: ignore[no-any-return]
        except OAuth2Error as error:
            return error_answer(error)


class _Issuer(IssuerParameter):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def get_issuer(self) -> str:
        return self.issuer


class StrictChallenge(CodeChallenge):  # type: ignore[misc]  # Authlib has no types
    """PKCE with S256, always, for confidential clients too (RFC 7636; FAPI 2.0 §5.3.2.2)."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Both parameters are needed."""
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE with S256 is needed.")
        super().validate_code_challenge(grant, redirect_uri)


def _details(grant: Any) -> None:
    """`authorization_details` are needed and must be ours in every member (RFC 9396)."""

    def check(grant: Any, _redirect_uri: Any) -> None:
        try:
            read_details(grant.request.payload.data.get("authorization_details"))
        except BadDetails as error:
            raise InvalidDetails(quoted(f"authorization_details: {error.detail}")) from None

    grant.register_hook("after_validate_authorization_request_payload", check)


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """The authorization code grant. What is stored and minted is ours."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt",)
    give: Callable[[], str] | None = None

    def generate_authorization_code(self) -> str:
        """Her consent makes the code."""
        assert self.give is not None  # noqa: S101 - decide() has set it
        return self.give()

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Consent has stored it."""

    def query_authorization_code(self, code: str, client: RegisteredClient) -> _Code | None:
        """Open the code. A spent one that opens is a replay, and ends the grant."""
        found = tokens.open_credential(self.server.vault_server, code, "code")
        if found is not None and found.spent:
            tokens.replayed(self.server.vault_server, found)
            return None
        return _Code(found) if found is not None and found.client_id == client.client_id else None

    def validate_token_request(self) -> None:
        """Client, code, redirect_uri, PKCE, then the proof: failing one burns nothing."""
        super().validate_token_request()
        jkt = self.server.check_proof(TOKEN, self.request.dpop)
        if self.request.authorization_code.jkt not in {"", jkt}:
            raise InvalidProof("The proof is by another key than the pushed request named.")
        self.request.jkt = jkt

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Spend the code; exactly one request wins."""
        answer = tokens.exchange(
            self.server.vault_server, self.request.authorization_code.credential, jkt=self.request.jkt
        )
        if answer is None:
            raise InvalidGrantError("The code has been used before; the permission has ended.")
        return 200, answer, self.TOKEN_RESPONSE_HEADER

    def authenticate_user(self, authorization_code: Any) -> Any:
        """Not asked: consent happened in her own session."""
        raise NotImplementedError

    def delete_authorization_code(self, authorization_code: Any) -> None:
        """Spending it has done that."""


class _Code:
    """A code in the words that Authlib asks in."""

    code_challenge_method = "S256"

    def __init__(self, credential: tokens.Credential) -> None:
        self.credential = credential
        self.code_challenge = credential.opened.bound.get("challenge")
        self.jkt = credential.opened.bound.get("jkt", "")

    def get_redirect_uri(self) -> str:
        return str(self.credential.opened.bound.get("redirect", ""))


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no types
    """Refreshing: the token stays, the proof names the next key (RFC 9449 §5 for confidential clients)."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt",)

    def validate_token_request(self) -> None:
        """Client, token, proof; nothing may be widened (RFC 9396 §6)."""
        self.request.client = self._validate_request_client()
        if "authorization_details" in self.request.form:
            raise InvalidDetails("A refresh cannot change authorization_details.")
        if self.request.payload.scope not in {None, "vault"}:
            raise InvalidScopeError
        string = self.request.form.get("refresh_token")
        if not string:
            raise InvalidRequestError("refresh_token is missing.")
        found = tokens.open_credential(self.server.vault_server, string, "refresh")
        if found is None or found.client_id != self.request.client.client_id:
            raise InvalidGrantError
        self.request.credential = found
        self.request.jkt = self.server.check_proof(TOKEN, self.request.dpop)

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """One new access token."""
        answer = tokens.refresh(self.server.vault_server, self.request.credential, jkt=self.request.jkt)
        if answer is None:
            raise InvalidGrantError
        return 200, answer, self.TOKEN_RESPONSE_HEADER
