"""By an identity provider's word in OpenID Connect: what `mapped` is, under the protocol's own name."""

from __future__ import annotations

from gateway.identity.methods import mapped
from gateway.identity.methods.mapped import Body
from gateway.identity.proof import Proven
from gateway.serving import Call

NAME = "openid"

__all__ = ["NAME", "Body", "prove"]


async def prove(call: Call, body: Body) -> Proven:
    """For whom is vouched. Raises Unauthenticated, Invalid, NotFound, Forbidden."""
    return await mapped.prove(call, body, NAME)
