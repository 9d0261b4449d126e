"""By a token, from which another one is made: of another scope, and no longer valid."""

from __future__ import annotations

from msgspec import Struct

from events.identity import application_credential as application_credentials
from events.identity import user as users
from gateway.identity.proof import Proven, Secret
from gateway.identity.tokens import Tokens
from gateway.serving import Call

NAME = "token"


class Body(Struct):
    id: Secret


async def prove(call: Call, body: Body) -> Proven:
    """Whose token it is. Raises NotFound if it is none or holds no more, Forbidden."""
    tokens = call.cloud.part(Tokens)
    claims = tokens.read(body.id)
    tokens.tell(body.id)
    if claims.federated is not None:
        from gateway.identity.federation import signon  # it issues tokens, of which this is one way

        signon.still(call, claims.federated)
    user = call.fold.get(users, claims.user)
    assert user is not None, "a valid token has a user"
    credential = None
    if claims.application_credential is not None:
        credential = call.fold.get(application_credentials, claims.application_credential)
    return Proven(
        user=user,
        methods=[NAME, *claims.methods],
        parent=claims,
        credential=credential,
        federated=claims.federated,
        access_token=claims.access_token,
        expires_at=claims.expires_at,
    )
