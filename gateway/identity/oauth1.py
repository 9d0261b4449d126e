"""How a consumer of OAuth 1 comes to an access token: it asks for one, a user authorizes that, it comes again.

Signatures are verified by oauthlib. Source: RFC 5849; Identity API reference, "OS-OAUTH1".
"""

from __future__ import annotations

import secrets
import string
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from oauthlib.oauth1 import RequestValidator, ResourceEndpoint, SignatureOnlyEndpoint
from oauthlib.oauth1.rfc5849.utils import parse_authorization_header

from events.identity import missing
from events.identity import oauth_access_token as access_tokens
from events.identity import oauth_consumer as consumers
from events.identity import oauth_request_token as request_tokens
from events.identity import project as projects
from events.identity.oauth_access_token import AccessTokenMade
from events.identity.oauth_request_token import RequestToken, RequestTokenAuthorized, RequestTokenMade
from events.identity.record import Change, Delete, Make
from events.ids import new_hex
from events.refusals import Forbidden, Invalid, NotFound, Unauthenticated
from gateway.identity import cleaning, grants, shapes
from gateway.identity.claims import moment
from gateway.identity.delegation import guard
from gateway.identity.listing import self_link
from gateway.identity.proof import expecting
from gateway.serving import Answer, Call

REQUESTED = timedelta(hours=8)  # how long a user has to authorize it
LENT = timedelta(days=1)  # how long an access token is good for
METHODS = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512")
VERIFIERS = "".join(sorted(set(string.ascii_letters + string.digits) - set("1lI0oO")))  # none is taken for another


class Kept(Struct, frozen=True):
    """What the vault holds of a token."""

    secret: str
    verifier: str | None = None


class _Validator(RequestValidator):  # type: ignore[misc]
    """What oauthlib asks about one request, of which it is known who may have signed it."""

    enforce_ssl = False
    allowed_signature_methods = METHODS

    def __init__(self, consumer: str, token: str | None) -> None:
        super().__init__()
        self._consumer, self._token = consumer, token

    def check_client_key(self, client_key: str) -> bool:
        return True

    def check_access_token(self, request_token: str) -> bool:
        return True

    def check_nonce(self, nonce: str) -> bool:
        return len(nonce) <= 255

    def validate_timestamp_and_nonce(self, *arguments: Any, **named: Any) -> bool:
        return True

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return True

    def validate_access_token(self, client_key: str, token: str, request: Any) -> bool:
        return True

    def validate_realms(self, *arguments: Any, **named: Any) -> bool:
        return True

    def get_client_secret(self, client_key: str, request: Any) -> str:
        return self._consumer

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        return self._token or ""


def said(call: Call) -> dict[str, str]:
    """The parameters of OAuth in the header of a request. Raises Invalid."""
    try:
        return dict(parse_authorization_header(call.request.headers.get("authorization", "")))
    except (ValueError, IndexError) as fault:
        raise expecting("oauth_consumer_key", "request") from fault


def _need(parameters: dict[str, str], *names: str) -> tuple[str, ...]:
    for name in names:
        if not parameters.get(name):
            raise expecting(name, "request")
    return tuple(parameters[name] for name in names)


async def verify(call: Call, consumer: str, token: str | None = None) -> Kept | None:
    """What is kept of the token by which a request was signed. Raises Unauthenticated unless the signature is right."""
    vault = call.cloud.vault
    secret = await vault.get(cleaning.oauth_secret(consumer))
    data = await vault.get(cleaning.oauth_secret(token)) if token is not None else None
    if secret is None or (token is not None and data is None):
        raise Unauthenticated()
    kept = msgspec.json.decode(data, type=Kept) if data is not None else None
    validator = _Validator(secret.decode(), kept.secret if kept else None)
    request = (self_link(call), call.request.method, None, {"Authorization": call.request.headers["authorization"]})
    try:
        if kept is None:
            right, _ = SignatureOnlyEndpoint(validator).validate_request(*request)
        else:
            right, _ = ResourceEndpoint(validator).validate_protected_resource_request(*request)
    except ValueError as fault:  # a query that cannot be read
        raise Unauthenticated() from fault
    if not right:
        raise Unauthenticated()
    return kept


def _form(id: str, secret: str, expires_at: datetime) -> Answer:
    values = {"oauth_token": id, "oauth_token_secret": secret, "oauth_expires_at": moment(expires_at)}
    return Answer(status=201, body=urlencode(values, safe=":").encode(), media_type="application/x-www-form-urlencoded")


async def request(call: Call) -> Answer:
    """A request token for a consumer that wants to work in a project. Raises Invalid, NotFound, Unauthenticated."""
    (consumer,) = _need(said(call), "oauth_consumer_key")
    wanted = call.request.headers.get("requested-project-id")
    if not wanted:
        raise expecting("Requested-Project-Id", "request")
    if call.fold.get(projects, wanted) is None:
        raise missing("project", wanted)
    if call.fold.get(consumers, consumer) is None:
        raise NotFound("Consumer not found")
    await verify(call, consumer)
    expires_at = call.cloud.clock.now() + REQUESTED
    made = RequestTokenMade(id=new_hex(), consumer=consumer, project_id=wanted, expires_at=expires_at)
    kept = Kept(new_hex())
    await call.cloud.vault.put(cleaning.oauth_secret(made.id), msgspec.json.encode(kept))
    await call.do(request_tokens, Make(id=made.id, made=made))
    return _form(made.id, kept.secret, expires_at)


def _requested(call: Call, id: str) -> RequestToken:
    """Raises NotFound, and Unauthenticated if it has expired."""
    token = call.fold.get(request_tokens, id)
    if token is None:
        raise NotFound("Request token not found")
    if token.expires_at <= call.cloud.clock.now():
        raise Unauthenticated()
    return token


async def authorize(call: Call, body: Any) -> dict[str, Any]:
    """Lend a consumer roles in the project that it asked for. Raises Invalid, NotFound, Forbidden, Unauthenticated."""
    wanted = body.get("roles", []) if isinstance(body, dict) else []
    fault = shapes.Shape(types=("array",), most=100, items=shapes.OBJECT).fault(wanted)
    if fault is not None:
        raise shapes.wrong("roles", wanted, fault)
    guard(call.who, Forbidden("Cannot authorize a request token with a token issued via delegation."))
    token = _requested(call, call.path["token_id"])
    lent = tuple(dict.fromkeys(_role(call, one) for one in wanted))
    if not grants.effective(call.fold, call.who.user, "project", token.project_id).keys() >= set(lent):
        raise Unauthenticated()
    name = cleaning.oauth_secret(token.id)
    kept = msgspec.json.decode(await call.cloud.vault.get(name) or b"null", type=Kept | None)
    if kept is None:
        raise NotFound("Request token not found")
    verifier = "".join(secrets.choice(VERIFIERS) for _ in range(8))
    await call.do(request_tokens, Change(id=token.id, to=RequestTokenAuthorized(user=call.who.user, roles=lent)))
    await call.cloud.vault.put(name, msgspec.json.encode(Kept(kept.secret, verifier)))
    return {"token": {"oauth_verifier": verifier}}


def _role(call: Call, reference: dict[str, Any]) -> str:
    if len(reference) != 1 or not isinstance(value := reference.get("id", reference.get("name")), str):
        raise Invalid(f"{shapes.shown(reference)} names no role.")
    if "id" in reference:
        return value
    found = grants.named(call.fold, value)
    if found is None:
        raise NotFound(f"Role {value[:64]} is not defined")
    return found.id


async def access(call: Call) -> Answer:
    """An access token for a request token that was authorized. Raises Invalid, NotFound, Unauthenticated."""
    consumer, id, verifier = _need(said(call), "oauth_consumer_key", "oauth_token", "oauth_verifier")
    token = _requested(call, id)
    if token.consumer != consumer or token.user is None:
        raise Unauthenticated()
    kept = await verify(call, consumer, id)
    if kept is None or kept.verifier is None or not secrets.compare_digest(kept.verifier.encode(), verifier.encode()):
        raise Unauthenticated()
    await call.do(request_tokens, Delete(id=id))  # whoever comes second is refused
    await call.cloud.vault.delete(cleaning.oauth_secret(id))
    made = AccessTokenMade(
        id=new_hex(),
        consumer=consumer,
        user=token.user,
        project_id=token.project_id,
        roles=token.roles,
        expires_at=call.cloud.clock.now() + LENT,
    )
    kept = Kept(new_hex())
    await call.cloud.vault.put(cleaning.oauth_secret(made.id), msgspec.json.encode(kept))
    await call.do(access_tokens, Make(id=made.id, made=made))
    return _form(made.id, kept.secret, made.expires_at)
