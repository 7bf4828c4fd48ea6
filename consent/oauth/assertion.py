"""Client authentication by a signed assertion, `private_key_jwt` (RFC 7523; FAPI 2.0 §5.3.2.1)."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidClientError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, extract_compact

from consent import clients, pushed
from consent.client_documents import BadClient, Client
from consent.oauth.registered import RegisteredClient
from vault import paces
from vault.server import Server

ALGORITHMS = ("ES256", "EdDSA", "Ed25519", "PS256")
KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FUTURE, LONGEST = 60, 300  # seconds: clock skew we bear with, and how long an assertion may live


class Assertion:
    """What Authlib asks who calls: by keys, algorithms, audiences, times and a memory of what was used, all ours."""

    def __init__(self, server: Server, audiences: list[str]) -> None:
        self.server, self.audiences = server, audiences

    def __call__(self, query_client: Any, request: Any) -> Any:
        """Authenticate, or refuse; `client_id` beside the assertion must agree with it."""
        form = request.form
        if "client_secret" in form or form.get("client_assertion_type") != KIND:
            raise refuse()
        header, claims = self.extract_assertion(form.get("client_assertion", ""))
        client_id = claims.get("sub")
        if not isinstance(client_id, str) or form.get("client_id", client_id) != client_id:
            raise refuse()
        client = _client(self.server, client_id, header.get("kid"), request.address)
        request.calls = self._verify(form["client_assertion"], claims, client, request.endpoint)
        request.client = RegisteredClient(client)
        return request.client

    def extract_assertion(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims, before anything is verified: only to learn whose keys to use."""
        import orjson

        try:
            token = extract_compact(assertion.encode(), registry=_registry())
            claims = orjson.loads(token.payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise refuse() from None
        if not isinstance(claims, dict) or token.headers().get("alg") not in ALGORITHMS:
            raise refuse()
        return dict(token.headers()), claims

    def _verify(self, assertion: str, claims: dict[str, Any], client: Client, endpoint: str) -> int:
        """Raise InvalidClientError, or return how many calls of this client that makes in this minute.

        What was signed is read by another program than found the keys: what the two read differently is refused.
        """
        try:
            token = jwt.decode(assertion, client.keys(), registry=_registry())
            if token.claims != claims:
                raise refuse()
            self.verify_claims(token.claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError, InvalidClientError):
            raise refuse() from None
        return self._used(token.claims, endpoint)

    def verify_claims(self, claims: dict[str, Any]) -> None:
        """Who, for whom and when, by the server's own clock."""
        expected = jwt.JWTClaimsRegistry(
            now=lambda: self.server.now,
            leeway=FUTURE,
            iss={"essential": True, "value": str(claims.get("sub"))},
            exp={"essential": True},
        )
        expected.validate(claims)
        if not _for_us_alone(claims["aud"], self.audiences) or not self.validate_jti(claims, claims.get("jti")):
            raise refuse()

    def validate_jti(self, claims: dict[str, Any], jti: Any) -> bool:
        """Is there a name by which it is known again, and are its times within reason?"""
        now, issued, expires = self.server.now, claims.get("iat", self.server.now), claims["exp"]
        if not isinstance(jti, str) or not 1 <= len(jti) <= 256:
            return False
        if type(issued) is not int or type(expires) is not int:  # a bool is an int, and a float has its own edges
            return False
        return issued <= now + FUTURE and expires <= issued + LONGEST + FUTURE

    def _used(self, claims: dict[str, Any], endpoint: str) -> int:
        """Each assertion once, remembered longer than it could be valid; and only then a call is counted."""
        client, until = str(claims["sub"]), claims["exp"] + 2 * FUTURE
        with self.server.main.written_line() as line:
            if pushed.first(line, self.server, f"assertion {client}", claims["jti"], until=until):
                return paces.counted(line, self.server, endpoint, client)
        raise refuse()


def refuse() -> InvalidClientError:
    """One answer for every reason."""
    return InvalidClientError(description="The client could not be authenticated by private_key_jwt.", status_code=401)


def _for_us_alone(said: Any, audiences: list[str]) -> bool:
    """An assertion that is also for somebody else could be that somebody's, passed on to us."""
    named = [said] if isinstance(said, str) else said
    return bool(named) and all(each in audiences for each in named)


def _client(server: Server, client_id: str, key_id: Any, asker: str) -> Client:
    try:
        return clients.find(server, client_id, key_id=key_id if isinstance(key_id, str) else None, asker=asker)
    except BadClient as error:
        raise InvalidClientError(description=f"The client is not known: {error.reason}.", status_code=401) from None


def _registry() -> JWSRegistry:
    registry = JWSRegistry(algorithms=list(ALGORITHMS))
    registry.max_header_length = 2048
    return registry
