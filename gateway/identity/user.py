"""Users over HTTP. Source: Identity API reference, "Users"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from events.identity import domain as domains
from events.identity import group as groups
from events.identity import membership as memberships
from events.identity import missing
from events.identity import user as users
from events.identity.record import Make
from events.identity.user import (
    ChangeUser,
    ReplacePassword,
    User,
    UserChanged,
    UserCreated,
    UserPasswordChanged,
    VoidTokens,
)
from events.ids import new_hex
from events.refusals import Invalid
from gateway.identity import cleaning, compliance, grants, group, naming, project, shapes, targets
from gateway.identity.federation import known
from gateway.identity.listing import OFF, candidates, collection, filtered, guard_filters
from gateway.identity.targets import domain_of, target
from gateway.identity.tokens import Tokens
from gateway.serving import Call

_RULE = shapes.Shape(types=("array",), least=1, most=16, unique=True, items=shapes.STRING)
_OPTIONS = {
    "ignore_change_password_upon_first_use": shapes.OPTIONAL_BOOLEAN,
    "ignore_password_expiry": shapes.OPTIONAL_BOOLEAN,
    "ignore_lockout_failure_attempts": shapes.OPTIONAL_BOOLEAN,
    "ignore_user_inactivity": shapes.OPTIONAL_BOOLEAN,
    "lock_password": shapes.OPTIONAL_BOOLEAN,
    "multi_factor_auth_enabled": shapes.OPTIONAL_BOOLEAN,
    "multi_factor_auth_rules": shapes.Shape(types=("array", "null"), most=64, unique=True, items=_RULE),
}
SHAPES = {
    "name": shapes.NAME,
    "domain_id": shapes.ID,
    "enabled": shapes.SWITCH,
    "default_project_id": shapes.OPTIONAL_ID,
    "password": shapes.OPTIONAL_PASSWORD,
    "options": shapes.Shape(types=("object",), members=_OPTIONS),
}
RESERVED = ("id", "links", "password_expires_at")


def taken(name: str, domain: str) -> str:
    return f"Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain ID {domain}."


def view(call: Call, user: User) -> dict[str, Any]:
    shown: dict[str, Any] = {
        **user.extra,
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain,
        "enabled": compliance.is_active(call, user),
    }
    if user.default_project is not None:
        shown["default_project_id"] = user.default_project
    shown["password_expires_at"] = compliance.moment(user.password_expires_at)
    shown["options"] = user.options
    shown["links"] = {"self": f"{call.root}/v3/users/{user.id}"}
    return shown


def _extra(given: dict[str, Any], *, least: int = 0, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """What else is said of a user. Raises Invalid."""
    extra = shapes.check("user", given, SHAPES, required=required, least=least)
    shapes.check("user", extra, {"description": shapes.DESCRIPTION})
    if isinstance(given.get("enabled"), str):
        given["enabled"] = given["enabled"].lower() not in OFF
    return {name: value for name, value in extra.items() if name not in RESERVED}


async def create(call: Call, body: Any) -> dict[str, Any]:
    """A new user. Raises Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "user")
    extra = _extra(given, required=("name",))
    links = known.take(call, extra)
    domain = given.get("domain_id") or project.home(call)
    call.enforce(target(domain))
    if call.fold.get(domains, domain) is None:
        raise missing("domain", domain)
    _guard_default_project(call, given)
    options = shapes.merged({}, given.get("options", {}))
    password = await _password(call, given, options)
    made = UserCreated(
        id=new_hex(),
        name=given["name"].strip(),
        domain=domain,
        enabled=given.get("enabled", True),
        default_project=given.get("default_project_id"),
        options=options,
        extra=extra,
        password=password.password if password else None,
        password_expires_at=password.expires_at if password else None,
    )
    wish, key = Make(id=made.id, made=made), ("user", domain, made.name)
    state = await naming.create(call, users, wish, key, taken(made.name, domain))
    await known.link(call, state.id, links)
    return {"user": {**view(call, state), **known.view(call, state.id)}}


def _guard_default_project(call: Call, given: dict[str, Any]) -> None:
    id = given.get("default_project_id")
    if id is not None and call.fold.get(domains, id) is not None:
        raise Invalid(f"User's default project ID cannot be a domain ID: {id}")


async def _password(call: Call, given: dict[str, Any], options: dict[str, Any]) -> UserPasswordChanged | None:
    """The password that a body sets for somebody, if it does. Raises Invalid."""
    if "password" not in given:
        return None
    settings, password = call.cloud.settings.identity, given["password"]
    compliance.guard(password, settings)
    kept = settings.unique_last_password_count
    if password is None:
        return UserPasswordChanged(password=None, kept=kept)
    hash = await call.cloud.part(Tokens).passwords.hash(password)
    ends = compliance.ends(options, settings, call.cloud.clock.now(), own=False)
    return UserPasswordChanged(password=hash, expires_at=ends, kept=kept)


async def listed(call: Call) -> dict[str, Any]:
    """The users that the caller may see and the query asks for. Raises Invalid."""
    guard_filters(call, SHAPES, ("name", "domain_id"))
    return _answer(call, candidates(call, users, {"name": "name", "domain_id": "domain"}))


def _answer(call: Call, found: list[User]) -> dict[str, Any]:
    reach = domain_of(call)
    if reach is not None:
        found = [user for user in found if user.domain == reach]
    found = known.asked_for(call, found)
    getters = {
        "name": lambda u: u.name,
        "enabled": lambda u: compliance.is_active(call, u),
        "domain_id": lambda u: u.domain,
    }
    found = compliance.ending_as_asked(call, filtered(call, found, getters))
    return collection(call, "users", found, lambda user: view(call, user))


async def list_of_group(call: Call) -> dict[str, Any]:
    """The users in a group. Raises NotFound, Forbidden."""
    id = call.path["id"]
    targets.seen(call, "group", id, call.fold.get(groups, id))
    members = (call.fold.get(users, membership.user) for membership in call.fold.by(memberships, "group", id))
    return _answer(call, [user for user in members if user is not None])


def find(call: Call) -> User:
    """The user of the path, if it is the caller or they may see them. Raises NotFound, Forbidden."""
    id = call.path["id"]
    return targets.seen(call, "user", id, call.fold.get(users, id), user=id)


async def show(call: Call) -> dict[str, Any]:
    """One user. Raises NotFound, Forbidden."""
    user = find(call)
    return {"user": {**view(call, user), **known.view(call, user.id)}}


def _managed(call: Call) -> User:
    """The user of the path, if the caller may change them. Raises NotFound, Forbidden."""
    id = call.path["id"]
    return targets.seen(call, "user", id, call.fold.get(users, id))


async def change(call: Call, body: Any) -> dict[str, Any]:
    """Raises NotFound, Invalid, Conflict, Forbidden."""
    given = shapes.inner(body, "user")
    extra = _extra(given, least=1)
    user = _managed(call)
    if given.get("id", user.id) != user.id:
        raise Invalid("Cannot change ID")
    if given.get("domain_id", user.domain) != user.domain:
        raise Invalid("Cannot change Domain ID")
    links = known.take(call, extra, user.id)
    _guard_default_project(call, given)
    options = shapes.merged(user.options, given.get("options", {}))
    name, settings = given.get("name", user.name).strip(), call.cloud.settings.identity
    event = UserChanged(
        name=name,
        enabled=given.get("enabled", UNSET),
        default_project=given.get("default_project_id", UNSET),
        options=options if "options" in given else UNSET,
        extra={**user.extra, **extra} if extra else UNSET,
    )
    active = bool(settings.disable_user_account_days_inactive) and given.get(
        "enabled", compliance.is_active(call, user)
    )
    wish = ChangeUser(id=user.id, to=event, password=await _password(call, given, options), active=active)
    old, new = ("user", user.domain, user.name), ("user", user.domain, name)
    state = await naming.change(call, users, wish, old, new, taken(name, user.domain))
    await known.link(call, user.id, links)
    return {"user": {**view(call, state), **known.view(call, user.id), "extra": state.extra}}


async def delete(call: Call) -> None:
    """Delete a user and all that is theirs alone. Raises NotFound, Forbidden."""
    await cleaning.delete_user(call, _managed(call))


async def void_tokens(call: Call) -> None:
    """No token of theirs is good any more. Raises NotFound, Forbidden."""
    await call.do(users, VoidTokens(id=find(call).id))


async def change_password(call: Call, body: Any) -> None:
    """Who knows the old password sets a new one; no token is needed. Raises Invalid, Unauthenticated."""
    given = shapes.inner(body, "user")
    members = {"password": shapes.PASSWORD, "original_password": shapes.PASSWORD}
    shapes.check("user", given, members, required=("password", "original_password"))
    settings, passwords, now = call.cloud.settings.identity, call.cloud.part(Tokens).passwords, call.cloud.clock.now()
    user = await compliance.prove(
        call, call.fold.get(users, call.path["id"]), given["original_password"], to_change=True
    )
    await compliance.guard_own(user, given["password"], passwords, settings, now)
    event = UserPasswordChanged(
        password=await passwords.hash(given["password"]),
        expires_at=compliance.ends(user.options, settings, now, own=True),
        own=True,
        kept=settings.unique_last_password_count,
    )
    await call.do(users, ReplacePassword(id=user.id, by=event, instead_of=user.password or ""))


async def list_projects(call: Call) -> dict[str, Any]:
    """The projects in which a user has a role. Raises NotFound, Forbidden."""
    user = find(call)
    getters = {"name": lambda p: p.name, "enabled": lambda p: p.enabled, "domain_id": lambda p: p.domain}
    found = filtered(call, grants.projects_of(call.fold, user.id), getters)
    return collection(call, "projects", found, lambda p: project.view(call, p))


async def list_groups(call: Call) -> dict[str, Any]:
    """The groups in which a user is. Raises NotFound, Forbidden."""
    user = find(call)
    mine = (call.fold.get(groups, membership.group) for membership in call.fold.by(memberships, "user", user.id))
    found = filtered(call, [g for g in mine if g is not None], {"name": lambda g: g.name})
    found += filtered(call, known.groups_of(call, user.id, found), {"name": lambda g: g.name})
    return collection(call, "groups", found, lambda g: {**group.view(call, g), **known.until(call, user.id, g.id)})
