"""Users over HTTP. Source: Identity API reference, "Users"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import domain as domains
from events.identity import group as groups
from events.identity import membership as memberships
from events.identity import user as users
from events.identity.user import ChangeUser, CreateUser, User
from events.ids import new_hex
from events.refusals import Invalid, NotFound, Unauthenticated
from gateway.identity import cleaning, grants, group, naming, project, shapes
from gateway.identity.federation import known
from gateway.identity.listing import asked, collection, filtered
from gateway.identity.personas import allow, domain_of, may_manage, may_read
from gateway.identity.tokens import Tokens
from gateway.serving import Call

SHAPES = {
    "name": shapes.NAME,
    "domain_id": shapes.OPTIONAL_ID,
    "enabled": shapes.BOOLEAN,
    "default_project_id": shapes.OPTIONAL_ID,
    "password": shapes.OPTIONAL_PASSWORD,
    "options": shapes.OBJECT,
}
RESERVED = ("id", "links", "password_expires_at")


def not_found(id: str) -> NotFound:
    return NotFound(f"Could not find user: {id}.")


def taken(name: str, domain: str) -> str:
    return f"Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain ID {domain}."


def view(call: Call, user: User) -> dict[str, Any]:
    shown: dict[str, Any] = {
        **user.extra,
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain,
        "enabled": user.enabled,
    }
    if user.default_project is not None:
        shown["default_project_id"] = user.default_project
    shown["password_expires_at"] = None
    shown["options"] = user.options
    shown.update(known.view(call, user.id))
    shown["links"] = {"self": f"{call.root}/v3/users/{user.id}"}
    return shown


def _extra(given: dict[str, Any], *, least: int = 0, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """What else is said of a user. Raises Invalid."""
    extra = shapes.check("user", given, SHAPES, required=required, least=least)
    shapes.check("user", extra, {"description": shapes.DESCRIPTION, "email": shapes.DESCRIPTION})
    return {name: value for name, value in extra.items() if name not in RESERVED}


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new user. Raises Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "user")
    extra = _extra(given, required=("name",))
    domain = given.get("domain_id") or project.home(call)
    allow(may_manage(call, domain), "create_user")
    if call.fold.get(domains, domain) is None:
        raise NotFound(f"Could not find domain: {domain}.")
    password = given.get("password")
    wish = CreateUser(
        id=new_hex(),
        name=given["name"],
        domain=domain,
        enabled=given.get("enabled", True),
        default_project=given.get("default_project_id"),
        password=await call.cloud.part(Tokens).passwords.hash(password) if password is not None else None,
        options=given.get("options", {}),
        extra=extra,
    )
    key = ("user", domain, wish.name)
    return {"user": view(call, await naming.create(call, users, wish, key, taken(wish.name, domain)))}


async def listed(call: Call) -> dict[str, Any]:
    """The users that the caller may see and the query asks for."""
    name, domain = asked(call, "name"), asked(call, "domain_id")
    if name is not None:
        found = call.fold.by(users, "name", name)
    else:
        found = call.fold.by(users, "domain", domain) if domain is not None else call.fold.all(users)
    return _answer(call, found)


def _answer(call: Call, found: list[User]) -> dict[str, Any]:
    reach = domain_of(call)
    if reach is not None:
        found = [user for user in found if user.domain == reach]
    found = known.asked_for(call, found)
    getters = {"name": lambda u: u.name, "enabled": lambda u: u.enabled, "domain_id": lambda u: u.domain}
    return collection(call, "users", filtered(call, found, getters), lambda user: view(call, user))


async def list_of_group(call: Call) -> dict[str, Any]:
    """The users in a group. Raises NotFound, Forbidden."""
    id = call.path["id"]
    found = call.fold.get(groups, id)
    allow(may_read(call, found.domain if found else None), "list_users_in_group")
    if found is None:
        raise group.not_found(id)
    members = (call.fold.get(users, membership.user) for membership in call.fold.by(memberships, "group", id))
    return _answer(call, [user for user in members if user is not None])


def find(call: Call, operation: str) -> User:
    """The user of the path, if it is the caller or they may see them. Raises NotFound, Forbidden."""
    id = call.path["id"]
    user = call.fold.get(users, id)
    allow(may_read(call, user.domain if user else None, user=id), operation)
    if user is None:
        raise not_found(id)
    return user


async def show(call: Call) -> dict[str, Any]:
    """One user. Raises NotFound, Forbidden."""
    return {"user": view(call, find(call, "get_user"))}


def _managed(call: Call, operation: str) -> User:
    """The user of the path, if the caller may change them. Raises NotFound, Forbidden."""
    id = call.path["id"]
    user = call.fold.get(users, id)
    allow(may_manage(call, user.domain if user else None), operation)
    if user is None:
        raise not_found(id)
    return user


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "user")
    extra = _extra(given, least=1)
    user = _managed(call, "update_user")
    if given.get("domain_id", user.domain) != user.domain:
        raise Invalid("Update of `domain_id` is not allowed.")
    name, password = given.get("name", user.name), given.get("password")
    wish = ChangeUser(
        id=user.id,
        name=name,
        enabled=given.get("enabled", UNSET),
        default_project=given.get("default_project_id", UNSET),
        password=await call.cloud.part(Tokens).passwords.hash(password) if password is not None else UNSET,
        options={**user.options, **given["options"]} if "options" in given else UNSET,
        extra={**user.extra, **extra} if extra else UNSET,
    )
    old, new = ("user", user.domain, user.name), ("user", user.domain, name)
    state = await naming.change(call, users, wish, old, new, taken(name, user.domain))
    return {"user": {**view(call, state), "extra": state.extra}}


async def delete(call: Call) -> None:
    """Delete a user and all that is theirs alone. Raises NotFound, Forbidden."""
    await cleaning.delete_user(call, _managed(call, "delete_user"))


async def change_password(call: Call, body: Any) -> None:
    """Who knows the old password sets a new one; no token is needed. Raises Invalid, Unauthenticated."""
    given = shapes.inner(body, "user")
    members = {"password": shapes.PASSWORD, "original_password": shapes.PASSWORD}
    shapes.check("user", given, members, required=("password", "original_password"))
    passwords = call.cloud.part(Tokens).passwords
    user = call.fold.get(users, call.path["id"])
    right = await passwords.match(given["original_password"], user.password if user else None)
    if user is None or not right or not user.enabled:
        raise Unauthenticated("The request you have made requires authentication.")
    await call.do(users, ChangeUser(id=user.id, password=await passwords.hash(given["password"])))


async def list_projects(call: Call) -> dict[str, Any]:
    """The projects in which a user has a role. Raises NotFound, Forbidden."""
    user = find(call, "list_user_projects")
    getters = {"name": lambda p: p.name, "enabled": lambda p: p.enabled, "domain_id": lambda p: p.domain}
    found = filtered(call, grants.projects_of(call.fold, user.id), getters)
    return collection(call, "projects", found, lambda p: project.view(call, p))


async def list_groups(call: Call) -> dict[str, Any]:
    """The groups in which a user is. Raises NotFound, Forbidden."""
    user = find(call, "list_groups_for_user")
    mine = (call.fold.get(groups, membership.group) for membership in call.fold.by(memberships, "user", user.id))
    found = filtered(call, [g for g in mine if g is not None], {"name": lambda g: g.name})
    found += filtered(call, known.groups_of(call, user.id, found), {"name": lambda g: g.name})
    return collection(call, "groups", found, lambda g: {**group.view(call, g), **known.until(call, user.id, g.id)})
