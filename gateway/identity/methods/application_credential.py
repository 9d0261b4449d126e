"""By the secret of an application credential, named by id, or by name and user."""

from __future__ import annotations

from msgspec import Struct

from events.identity import application_credential as application_credentials
from events.identity import missing
from events.identity import user as users
from events.refusals import Unauthenticated
from gateway.identity.proof import Proven, Reference, Secret, Text, expecting, find_user, is_enabled
from gateway.identity.tokens import Tokens
from gateway.serving import Call

NAME = "application_credential"


class Body(Struct):
    id: Text | None = None
    name: Text | None = None
    secret: Secret | None = None
    user: Reference | None = None


async def prove(call: Call, body: Body) -> Proven:
    """Whose application credential it is. Raises Unauthenticated, Invalid, NotFound."""
    fold = call.fold
    credential = None
    if body.id is not None:
        credential = fold.get(application_credentials, body.id)
        if credential is None:
            raise missing("Application Credential", body.id)
    elif body.name is not None and body.user is not None:
        owner = find_user(fold, body.user)
        candidates = fold.by(application_credentials, "user", owner.id) if owner else []
        credential = next((c for c in candidates if c.name == body.name), None)
    else:
        raise expecting("id, or name and user", NAME)
    if body.secret is None:
        raise Unauthenticated()
    tokens = call.cloud.part(Tokens)
    right = await tokens.passwords.match(body.secret, credential.secret if credential else None)
    user = fold.get(users, credential.user) if credential else None
    if not right or credential is None or user is None or not is_enabled(fold, user):
        raise Unauthenticated()
    if credential.expires_at is not None and credential.expires_at <= tokens.clock.now():
        raise Unauthenticated()
    return Proven(user=user, methods=[NAME], credential=credential, expires_at=credential.expires_at)
