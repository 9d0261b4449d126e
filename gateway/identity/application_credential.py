"""Application credentials over HTTP. Source: Identity API reference, "Application credentials"."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from events.identity import application_credential as application_credentials
from events.identity import missing
from events.identity import role as roles
from events.identity import user as users
from events.identity.application_credential import ApplicationCredential, ApplicationCredentialCreated
from events.identity.record import Make
from events.ids import new_hex
from events.refusals import Invalid, NotFound
from gateway.identity import access_rule, cleaning, compliance, grants, naming, shapes
from gateway.identity.claims import timed
from gateway.identity.listing import collection, filtered
from gateway.identity.proof import malformed
from gateway.identity.role import plain
from gateway.identity.targets import forbidden
from gateway.identity.tokens import Tokens
from gateway.serving import Call

SHAPES = {
    "name": shapes.NAME,
    "description": shapes.DESCRIPTION,
    "secret": shapes.OPTIONAL_PASSWORD,
    "expires_at": shapes.Shape(types=("string", "null"), most=64),
    "roles": shapes.Shape(types=("array",), most=100, items=shapes.OBJECT),
    "unrestricted": shapes.OPTIONAL_BOOLEAN,
    "access_rules": shapes.Shape(types=("array",), most=100, items=shapes.OBJECT),
    "project_id": shapes.OPTIONAL_ID,
}


def taken(name: str) -> str:
    return f"Conflict occurred attempting to store application_credential - Duplicate entry found with name {name}."


def view(call: Call, credential: ApplicationCredential) -> dict[str, Any]:
    found = [role for id in credential.roles if (role := call.fold.get(roles, id)) is not None]
    rules = credential.access_rules
    return {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description,
        "user_id": credential.user,
        "project_id": credential.project_id,
        "system": None,
        "expires_at": compliance.moment(credential.expires_at),
        "unrestricted": credential.unrestricted or None,
        "roles": [plain(role) for role in found],
        **({"access_rules": [access_rule.plain(credential.user, rule) for rule in rules]} if rules else {}),
        "links": {"self": f"{call.root}/v3/application_credentials/{credential.id}"},
    }


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new application credential with its secret, shown this once. Raises Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "application_credential")
    shapes.check("application_credential", given, SHAPES, required=("name",), extra=False)
    user = call.path["id"]
    _guard_making(call, user)
    project = call.who.project
    if project is None:
        raise Invalid("An application credential is made with a token of the project that it is for.")
    secret = given.get("secret") or secrets.token_urlsafe(64)
    made = ApplicationCredentialCreated(
        id=new_hex(),
        name=given["name"],
        user=user,
        project_id=project,
        secret=await call.cloud.part(Tokens).passwords.hash(secret),
        roles=_roles(call, given),
        description=given.get("description"),
        expires_at=expiry(call, given.get("expires_at")),
        unrestricted=bool(given.get("unrestricted")),
        access_rules=await access_rule.make(call, user, given.get("access_rules")),
    )
    wish, key = Make(id=made.id, made=made), ("application_credential", user, made.name)
    state = await naming.create(call, application_credentials, wish, key, taken(made.name))
    shown = view(call, state)
    links = shown.pop("links")
    return {"application_credential": {**shown, "secret": secret, "links": links}}


def _guard_making(call: Call, user: str) -> None:
    """Only the user themselves, and not by a credential that may not. Raises Forbidden."""
    call.enforce({"user_id": user})
    if call.who.trust is not None:
        raise forbidden()
    _guard_credential(call)


def _guard_credential(call: Call) -> None:
    id = call.who.application_credential
    if id is None:
        return
    mine = call.fold.get(application_credentials, id)
    if mine is None or not mine.unrestricted:
        raise forbidden(
            "Using method 'application_credential' is not allowed for managing additional application credentials."
        )


def _roles(call: Call, given: dict[str, Any]) -> tuple[str, ...]:
    """The roles that are asked for, of those that the token gives; all if none is named. Raises Invalid, NotFound."""
    held = {role.id: role for role in call.who.roles}
    if not given.get("roles"):
        return tuple(held)
    wanted = []
    for reference in given["roles"]:
        id = reference.get("id")
        if id is None:
            named = grants.named(call.fold, str(reference.get("name")))
            if named is None:
                raise NotFound(f"Role {str(reference.get('name'))[:64]} is not defined")
            id = named.id
        wanted.append(str(id))
    found = grants.expand(call.fold, wanted).keys()
    if not found >= set(wanted) or not held.keys() >= found:
        raise Invalid("Invalid application credential: Cannot create an application credential with unassigned role")
    return tuple(found)


def expiry(call: Call, text: str | None) -> datetime | None:
    """The end that a body names. Raises Invalid."""
    if text is None:
        return None
    try:
        time = timed(text).astimezone(UTC)
    except (ValueError, OverflowError) as fault:
        raise malformed("Timestamp not in expected format.") from fault
    if time <= call.cloud.clock.now():
        raise malformed("The 'expires_at' must not be before now.")
    return time


def _guard_reading(call: Call) -> str:
    id = call.path["id"]
    call.enforce({"user_id": id})
    if call.fold.get(users, id) is None:
        raise missing("user", id)
    return id


async def listed(call: Call) -> dict[str, Any]:
    """A user's application credentials. Raises NotFound, Forbidden."""
    user = _guard_reading(call)
    found = filtered(call, call.fold.by(application_credentials, "user", user), {"name": lambda c: c.name})
    return collection(call, "application_credentials", found, lambda one: view(call, one))


def _find(call: Call) -> ApplicationCredential:
    user, id = _guard_reading(call), call.path["credential_id"]
    credential = call.fold.get(application_credentials, id)
    if credential is None or credential.user != user:
        raise missing("Application Credential", id)
    return credential


async def show(call: Call) -> dict[str, Any]:
    """One application credential. Raises NotFound, Forbidden."""
    return {"application_credential": view(call, _find(call))}


async def delete(call: Call) -> None:
    """Raises NotFound, Forbidden."""
    call.enforce({"user_id": call.path["id"]})
    _guard_credential(call)
    await cleaning.delete_credential(call, _find(call))
