"""By an identity provider's word: by the token that it gave once, or by what comes with the request itself.

Said in OpenID Connect or in SAML 2, it may bear the protocol's own name.
"""

from __future__ import annotations

from msgspec import Struct

from events.identity import user as users
from events.refusals import NotFound, Unauthenticated
from gateway.identity.proof import Proven, Secret, Text, expecting
from gateway.identity.tokens import Tokens
from gateway.serving import Call


class Said(Struct):
    id: Secret | None = None  # of a token
    identity_provider: Text | None = None
    protocol: Text | None = None


class Mapped:
    """The method, under one of its names."""

    Body = Said

    def __init__(self, name: str) -> None:
        self.NAME = name

    async def prove(self, call: Call, body: Said) -> Proven:
        """For whom is vouched. Raises Unauthenticated, Invalid, NotFound, Forbidden."""
        from gateway.identity.federation import signon  # it issues tokens, of which this is one way

        if body.id is None:
            if body.identity_provider is None:
                raise expecting("identity_provider", self.NAME)
            if body.protocol is None:
                raise expecting("protocol", self.NAME)
            return await signon.prove(call, body.identity_provider, body.protocol)
        tokens = call.cloud.part(Tokens)
        try:
            claims = tokens.read(body.id)
            tokens.valid(claims)
        except NotFound as fault:
            raise Unauthenticated() from fault
        if claims.federated is None:
            raise Unauthenticated()
        signon.still(call, claims.federated)
        user = call.fold.get(users, claims.user)
        assert user is not None, "a valid token has a user"
        return Proven(
            user=user,
            methods=[self.NAME, *claims.methods],
            parent=claims,
            federated=claims.federated,
            expires_at=claims.expires_at,
        )


NAMES = ("mapped", "openid", "saml2")
