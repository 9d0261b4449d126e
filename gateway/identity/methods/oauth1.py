"""By an access token of OAuth 1: the request itself is signed."""

from __future__ import annotations

from msgspec import Struct

from events.identity import oauth_access_token as access_tokens
from events.identity import user as users
from events.refusals import Unauthenticated
from gateway.identity import oauth1
from gateway.identity.proof import Proven, expecting, is_enabled
from gateway.serving import Call

NAME = "oauth1"


class Body(Struct):
    pass


async def prove(call: Call, body: Body) -> Proven:
    """Who lent the access token. Raises Unauthenticated, Invalid."""
    parameters = oauth1.said(call)
    id = parameters.get("oauth_token")
    if not id:
        raise expecting("oauth_token", "request")
    token = call.fold.get(access_tokens, id)
    user = call.fold.get(users, token.user) if token else None
    if token is None or user is None or not is_enabled(call.fold, user):
        raise Unauthenticated()
    if token.expires_at <= call.cloud.clock.now() or parameters.get("oauth_consumer_key") != token.consumer:
        raise Unauthenticated()
    await oauth1.verify(call, token.consumer, id)
    return Proven(user=user, methods=[NAME], access_token=id, expires_at=token.expires_at)
