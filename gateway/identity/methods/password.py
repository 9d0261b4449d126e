"""By password: of a user named by id, or by name and domain."""

from __future__ import annotations

from msgspec import Struct

from events.refusals import Invalid, Unauthenticated
from gateway.identity import compliance
from gateway.identity.proof import (
    Proven,
    Reference,
    Secret,
    expecting,
    find_user,
    guard_named,
    is_enabled,
)
from gateway.identity.tokens import Tokens
from gateway.serving import Call

NAME = "password"


class UserPassword(Reference):
    password: Secret | None = None


class Body(Struct):
    user: UserPassword | None = None


async def prove(call: Call, body: Body) -> Proven:
    """Whose password it is. Raises Unauthenticated, Invalid."""
    given = body.user
    if given is None:
        raise expecting("user", "password")
    if given.id is None and given.name is None:
        raise Invalid("Invalid input for field identity/password/user: id or name must be present.")
    if given.domain is not None:
        guard_named("identity/password/user/domain", given.domain)
    if given.password is None:
        raise Unauthenticated()
    user = find_user(call.fold, given)
    if user is not None and not (is_enabled(call.fold, user) and compliance.is_active(call, user)):
        await call.cloud.part(Tokens).passwords.match(given.password, None)
        raise Unauthenticated()
    return Proven(user=await compliance.prove(call, user, given.password), methods=[NAME])
