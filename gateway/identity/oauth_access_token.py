"""What users have lent by OAuth 1, over HTTP. Source: Identity API reference, "OS-OAUTH1"."""

from __future__ import annotations

from typing import Any

from events.identity import missing
from events.identity import oauth_access_token as access_tokens
from events.identity import role as roles
from events.identity.oauth_access_token import AccessToken
from events.identity.role import Role
from events.refusals import Forbidden, NotFound, Unauthenticated
from gateway.identity import cleaning
from gateway.identity.claims import moment
from gateway.identity.delegation import guard
from gateway.identity.listing import collection
from gateway.identity.role import view as role_view
from gateway.serving import Call


def view(call: Call, token: AccessToken) -> dict[str, Any]:
    path = f"{call.root}/v3/users/{token.user}/OS-OAUTH1/access_tokens/{token.id}"
    return {
        "id": token.id,
        "consumer_id": token.consumer,
        "authorizing_user_id": token.user,
        "project_id": token.project_id,
        "expires_at": moment(token.expires_at),
        "links": {"roles": f"{path}/roles", "self": path},
    }


def _guard(call: Call) -> None:
    guard(call.who, Forbidden("Cannot manage OAuth access tokens with a token issued via delegation."))


def _find(call: Call) -> AccessToken:
    """The access token of the path. Raises NotFound."""
    token = call.fold.get(access_tokens, call.path["token_id"])
    if token is None:
        raise NotFound("Access token not found")
    if token.user != call.path["id"]:
        raise NotFound("Could not find the requested resource.")
    return token


async def listed(call: Call) -> dict[str, Any]:
    """What a user has lent. Raises Forbidden."""
    _guard(call)
    found = call.fold.by(access_tokens, "user", call.path["id"])
    return collection(call, "access_tokens", found, lambda token: view(call, token))


async def show(call: Call) -> dict[str, Any]:
    """One access token. Raises NotFound, Forbidden."""
    _guard(call)
    return {"access_token": view(call, _find(call))}


async def delete(call: Call) -> None:
    """Take back what was lent; its tokens are void. Raises NotFound, Forbidden."""
    call.enforce({"target.credential.user_id": call.path["id"]})
    _guard(call)
    await cleaning.delete_access_token(call, _find(call))


def _role(call: Call, role: Role) -> dict[str, Any]:
    return {name: value for name, value in role_view(call, role).items() if name != "description"}


async def list_roles(call: Call) -> dict[str, Any]:
    """The roles that were lent. Raises NotFound."""
    found = [role for id in _find(call).roles if (role := call.fold.get(roles, id)) is not None]
    return collection(call, "roles", found, lambda role: _role(call, role))


async def show_role(call: Call) -> dict[str, Any]:
    """One of the roles that were lent. Raises NotFound, Unauthenticated."""
    token, id = call.fold.get(access_tokens, call.path["token_id"]), call.path["role_id"]
    if token is not None and token.user != call.path["id"]:
        raise Unauthenticated()
    if id not in _find(call).roles:
        raise missing("role", id)
    return {"role": _role(call, call.find(roles, id, missing("role", id)))}
