"""By an identity provider's word: by the token that it gave once, or by what comes with the request itself."""

from __future__ import annotations

from msgspec import Struct

from events.identity import user as users
from events.refusals import NotFound
from gateway.identity.proof import Proven, Secret, Text, expecting, unauthenticated
from gateway.identity.tokens import Tokens
from gateway.serving import Call

NAME = "mapped"


class Body(Struct):
    id: Secret | None = None  # of a token
    identity_provider: Text | None = None
    protocol: Text | None = None


async def prove(call: Call, body: Body, name: str = NAME) -> Proven:
    """For whom is vouched. Raises Unauthenticated, Invalid, NotFound, Forbidden."""
    from gateway.identity.federation import signon  # it issues tokens, of which this is one way

    if body.id is None:
        if body.identity_provider is None:
            raise expecting("identity_provider", name)
        if body.protocol is None:
            raise expecting("protocol", name)
        return await signon.prove(call, body.identity_provider, body.protocol)
    tokens = call.cloud.part(Tokens)
    try:
        claims = tokens.read(body.id)
        tokens.valid(claims)
    except NotFound as fault:
        raise unauthenticated() from fault
    if claims.federated is None:
        raise unauthenticated()
    signon.still(call, claims.federated)
    user = call.fold.get(users, claims.user)
    assert user is not None, "a valid token has a user"
    return Proven(
        user=user,
        methods=[name, *claims.methods],
        parent=claims,
        federated=claims.federated,
        expires_at=claims.expires_at,
    )
