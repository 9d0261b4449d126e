"""Tokens for application credentials by OAuth 2: the grant of client credentials.

Source: RFC 6749, sections 4.4 and 5; Identity API reference, "OS-OAUTH2".
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from urllib.parse import parse_qs

from events.refusals import Forbidden, Invalid, NotFound, Unauthenticated
from gateway import bodies
from gateway.identity.methods import application_credential
from gateway.identity.tokens import Target, Tokens
from gateway.serving import Answer, Call


def _refused(call: Call, status: int, error: str, words: str) -> Answer:
    headers = {"WWW-Authenticate": f'Keystone uri="{call.root}/v3"'} if status == 401 else {}
    return Answer(status=status, body={"error": error, "error_description": words}, headers=headers)


async def issue(call: Call) -> Answer:
    """An access token: one of the Identity service's own."""
    data = await bodies.read(call.request, call.cloud.settings.gateway.max_body)
    form = {name: values[0] for name, values in parse_qs(data.decode("utf-8", "replace")).items()}
    grant = form.get("grant_type")
    if grant is None:
        return _refused(call, 400, "invalid_request", "The parameter grant_type is required.")
    if grant != "client_credentials":
        words = f"The parameter grant_type {grant[:64]} is not supported."
        return _refused(call, 400, "unsupported_grant_type", words)
    id, secret = _basic(call) or (form.get("client_id"), form.get("client_secret"))
    if not id or not secret:
        return _refused(call, 401, "invalid_client", "Client authentication failed.")
    try:
        proven = await application_credential.prove(call, application_credential.Body(id=id, secret=secret))
        assert proven.credential is not None, "it was proved by one"
        tokens = call.cloud.part(Tokens)
        text, claims = tokens.issue(proven, Target(scope="project", id=proven.credential.project_id))
        tokens.valid(claims)  # it has to give something
    except Invalid as fault:
        return _refused(call, 400, "invalid_request", fault.message)
    except (Unauthenticated, NotFound, Forbidden):
        return _refused(call, 401, "invalid_client", Unauthenticated().message)
    lifetime = int((claims.expires_at - claims.issued_at).total_seconds())
    return Answer(body={"access_token": text, "token_type": "Bearer", "expires_in": lifetime})


def _basic(call: Call) -> tuple[str, str] | None:
    """Id and secret of the header by which clients should say them."""
    kind, _, value = call.request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        id, _, secret = b64decode(value, validate=True).decode().partition(":")
    except (Error, ValueError):
        return None
    return id, secret


async def refuse(call: Call) -> Answer:
    """By another method than POST there is nothing."""
    return _refused(call, 405, "other_error", "The method is not allowed for the requested URL.")
