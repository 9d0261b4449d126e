"""The users for whom somebody vouches, as they are kept here: made when they come first, renewed when they come again.

Source: Identity service, "Mapping Combinations", "Auto-Provisioning"; Identity API reference, "Users", `federated`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote

from events.identity import assignment as assignments
from events.identity import expiring_membership as expiring_memberships
from events.identity import federated_user as federated_users
from events.identity import group as groups
from events.identity import missing
from events.identity import project as projects
from events.identity import role as roles
from events.identity import user as users
from events.identity.assignment import grant
from events.identity.expiring_membership import ConfirmMembership
from events.identity.federated_user import LinkUser
from events.identity.federation_protocol import FederationProtocol
from events.identity.identity_provider import IdentityProvider
from events.identity.project import ProjectCreated
from events.identity.record import Make
from events.identity.user import ChangeUser, User, UserChanged, UserCreated
from events.ids import new_hex
from events.refusals import Conflict, Forbidden
from gateway.identity import cleaning, naming
from gateway.identity import project as project_routes
from gateway.identity.federation import rules
from gateway.identity.federation.rules import Mapped, Unmapped
from gateway.identity.proof import DomainReference, find_domain
from gateway.serving import Call

LONGEST_NAME = 255


def domain_of(call: Call, domain: rules.Domain | None, default: str) -> str:
    """The id of a domain that a mapping names. Raises Unmapped."""
    if domain is None or (domain.id is None and domain.name is None):
        return default
    found = find_domain(call.fold, DomainReference(id=domain.id, name=domain.name))
    if found is None:
        raise Unmapped(f"there is no domain {domain.id or domain.name}")
    return found.id


def groups_of(call: Call, mapped: Mapped) -> tuple[str, ...]:
    """The ids of the groups; those that are not there are left out if they are named. Raises Unmapped."""
    found = dict.fromkeys(mapped.group_ids)
    for id in mapped.group_ids:
        if call.fold.get(groups, id) is None:
            raise Unmapped(f"there is no group {id}")
    for group in mapped.groups:
        place = f"{domain_of(call, group.domain, '')}:{group.name}"
        found.update(dict.fromkeys(one.id for one in call.fold.by(groups, "place", place)))
    return tuple(found)


def local(call: Call, mapped: Mapped) -> User:
    """The user whom a mapping means. Raises Unmapped."""
    wanted = mapped.user
    if wanted.id is not None:
        user = call.fold.get(users, wanted.id)
    else:
        place = f"{domain_of(call, wanted.domain, '')}:{wanted.name}"
        user = next(iter(call.fold.by(users, "place", place)), None)
    if user is None:
        raise Unmapped(f"there is no user {wanted.id or wanted.name}")
    return user


async def shadow(call: Call, provider: IdentityProvider, protocol: FederationProtocol, mapped: Mapped) -> User:
    """The user of whom a provider tells, made if they come first. Raises Unmapped, Conflict."""
    wanted = mapped.user
    name = wanted.name or wanted.id
    if not name or len(name) > LONGEST_NAME or len(wanted.id or "") > LONGEST_NAME:
        raise Unmapped("the mapping names no user")
    key = (provider.id, protocol.id, quote(wanted.id or name))
    extra = {"email": wanted.email} if wanted.email else {}
    link = call.fold.get(federated_users, key)
    known = call.fold.get(users, link.user) if link is not None else None
    if known is not None:
        if name == known.name and {**known.extra, **extra} == known.extra:
            return known
        event = UserChanged(name=name, extra={**known.extra, **extra})
        return await call.do(users, ChangeUser(id=known.id, to=event))
    domain = domain_of(call, wanted.domain, provider.domain)
    id = sha256(f"{domain}user{key[2]}".encode()).hexdigest()
    other = call.fold.get(users, id)
    if other is None:
        first = UserCreated(id=id, name=name, domain=domain, extra=extra, provider=provider.id)
        await call.do(users, Make(id=id, made=first))
    elif other.provider != provider.id or call.fold.by(federated_users, "user", id):
        raise Conflict("Conflict occurred attempting to store federated_user - Duplicate entry.")
    await call.do(federated_users, LinkUser(id=key, user=id))
    made = call.fold.get(users, id)
    assert made is not None, "a user who was just made"
    return made


async def confirm(call: Call, provider: IdentityProvider, user: User, told: Iterable[str]) -> None:
    """Have the memberships that the provider tells of last, if its operator wants that; end the others it told of."""
    ttl = provider.authorization_ttl
    minutes = call.cloud.settings.federation.default_authorization_ttl if ttl is None else ttl
    wanted = set(told) if minutes else set()
    until = call.cloud.clock.now() + timedelta(minutes=minutes)
    for group in sorted(wanted):
        await call.do(expiring_memberships, ConfirmMembership(id=(group, user.id), provider=provider.id, until=until))
    mine = call.fold.by(expiring_memberships, "user", user.id)
    await cleaning.end(call, [one for one in mine if one.provider == provider.id and one.group not in wanted])


async def provision(call: Call, provider: IdentityProvider, user: User, mapped: Mapped, *, sync: bool) -> None:
    """Give a user roles in projects, made if need be; if `sync`, take back every other role in a project.

    Raises Unmapped, NotFound for a role that is not there, Forbidden for one of another domain.
    """
    wanted: set[tuple[str, str]] = set()
    named = [
        (project, [_role(call, provider, user, role.name) for role in project.roles]) for project in mapped.projects
    ]
    for project, ids in named:
        home = await _project(call, project.name, domain_of(call, project.domain, provider.domain))
        for role in ids:
            wanted.add((home, role))
            await call.do(assignments, grant(("user", user.id), ("project", home), role))
    if sync:
        mine = call.fold.by(assignments, "actor", f"user:{user.id}")
        spare = [a for a in mine if a.target_kind == "project" and (a.target_id, a.role) not in wanted]
        await cleaning.revoke(call, spare)


def _role(call: Call, provider: IdentityProvider, user: User, name: str) -> str:
    found = [role for role in call.fold.by(roles, "name", name) if role.domain in (None, user.domain)]
    if found:
        return found[0].id
    if call.fold.by(roles, "name", name):
        raise Forbidden(f"role: {name} must be within the same domain as the identity provider: {provider.id}.")
    raise missing("role", name)


async def _project(call: Call, name: str, domain: str) -> str:
    known = next(iter(call.fold.by(projects, "place", f"{domain}:{name}")), None)
    if known is not None:
        return known.id
    if not name.strip() or len(name) > 64:
        raise Unmapped(f"no project can have the name {name!r}")
    id = new_hex()
    wish = Make(id=id, made=ProjectCreated(id=id, name=name, domain=domain))
    made = await naming.create(call, projects, wish, ("project", domain, name), project_routes.taken(name, id))
    return str(made.id)
