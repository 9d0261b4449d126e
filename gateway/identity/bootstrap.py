"""What a cloud begins with: a domain, an admin, the roles, the catalog. Running it again changes what is missing only.

Ids are derived from what the things are, so that two gateways that begin at once make one cloud.
Source: the Identity service's own bootstrap command.
"""

from __future__ import annotations

from typing import Any

from events.decider import Decider, Executor
from events.envelope import CLOUD, Command
from events.fold import Fold
from events.identity import assignment as assignments
from events.identity import domain as domains
from events.identity import endpoint as endpoints
from events.identity import name as names
from events.identity import project as projects
from events.identity import region as regions
from events.identity import role as roles
from events.identity import service as services
from events.identity import user as users
from events.identity.assignment import grant
from events.identity.domain import DomainChanged, DomainCreated
from events.identity.endpoint import EndpointCreated, Interface
from events.identity.name import Take
from events.identity.project import ProjectChanged, ProjectCreated
from events.identity.record import Change, Make
from events.identity.region import RegionCreated
from events.identity.role import ImplyRole, RoleCreated
from events.identity.service import ServiceCreated
from events.identity.user import ChangeUser, UserChanged, UserCreated, UserPasswordChanged
from events.ids import derived
from events.refusals import Conflict
from events.services import SERVICES
from events.settings import Settings
from gateway.identity import grants
from gateway.identity.passwords import Passwords

ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
ATTEMPTS = 50  # more than there are things to begin with
INTERFACES: tuple[Interface, ...] = ("public", "internal", "admin")


async def bootstrap(execute: Executor, settings: Settings, password: str, *, mend: bool = False) -> bool:
    """Bring about what a cloud begins with; whether anything was missing.

    `password` is the admin's if there is no admin yet. To `mend` a locked-out cloud is to give the admin this password
    and their roles again, and to enable them, their project and their domain.
    """
    changed = False
    for _ in range(ATTEMPTS):
        cloud = _Bootstrap(execute, settings)
        try:
            await cloud.all(password, mend)
            return changed or cloud.changed
        except Conflict as conflict:  # most likely another gateway does the same: what it did needs not be done
            last = conflict
            changed = changed or cloud.changed
            await execute.fold.fence(execute.journal)
    raise last


class _Bootstrap:
    """One run. Each step looks into the fold first: a second run asks nothing of the journal."""

    def __init__(self, execute: Executor, settings: Settings) -> None:
        self.execute = execute
        self.fold: Fold = execute.fold
        self.settings = settings
        self.changed = False

    async def all(self, password: str, mend: bool) -> None:
        await self.domain(mend)
        await self.roles()
        project = await self.project("admin", "Bootstrap project for initializing the cloud.", mend)
        await self.project("service", "Project of the cloud's own services.", mend)
        user = await self.admin(password, mend)
        admin = self.role_id("admin")
        for target in (("project", project), ("system", "all")):
            wish = grant(("user", user), target, admin)
            if self.fold.get(assignments, wish.id) is None:
                await self.do(assignments, wish)
        await self.catalog()

    async def do(self, resource: Decider[Any, Any, Any], command: Command) -> None:
        try:
            outcome = await self.execute(resource, command, CLOUD)
        except Conflict:
            if self.fold.get(resource, command.id) is None:  # else another gateway that begins now was faster
                raise
        else:
            self.changed = self.changed or outcome.changed

    async def make(self, resource: Decider[Any, Any, Any], made: Any, name: tuple[str, ...] | None = None) -> None:
        """What has a name claims it first."""
        if name is not None:
            await self.do(names, Take(id=name, holder=made.id))
        await self.do(resource, Make(id=made.id, made=made))

    async def domain(self, mend: bool) -> None:
        domain = self.fold.get(domains, "default")
        if domain is None:
            made = DomainCreated(id="default", name="Default", description="The default domain")
            await self.make(domains, made, ("domain", "Default"))
        elif mend and not domain.enabled:
            await self.do(domains, Change(id="default", to=DomainChanged(enabled=True)))

    async def project(self, name: str, description: str, mend: bool) -> str:
        """The id of a project of the default domain."""
        for project in self.fold.by(projects, "place", f"default:{name}"):
            if mend and not project.enabled:
                await self.do(projects, Change(id=project.id, to=ProjectChanged(enabled=True)))
            return project.id
        id = _id("project", name)
        made = ProjectCreated(id=id, name=name, domain="default", description=description)
        await self.make(projects, made, ("project", "default", name))
        return id

    async def admin(self, password: str, mend: bool) -> str:
        """The id of the admin."""
        passwords = Passwords(self.settings.identity.bcrypt_cost)
        for user in self.fold.by(users, "place", "default:admin"):
            if mend:
                known = UserPasswordChanged(password=await passwords.hash(password))
                wish = ChangeUser(id=user.id, to=UserChanged(enabled=True), password=known, active=True)
                await self.do(users, wish)
            return user.id
        id = _id("user", "admin")
        made = UserCreated(id=id, name="admin", domain="default", password=await passwords.hash(password))
        await self.make(users, made, ("user", "default", "admin"))
        return id

    def role_id(self, name: str) -> str:
        role = grants.named(self.fold, name)
        assert role is not None, "it was made before"
        return role.id

    async def roles(self) -> None:
        for name in ROLES:
            if grants.named(self.fold, name) is None:
                made = RoleCreated(id=_id("role", name), name=name, options={"immutable": True})
                await self.make(roles, made, ("role", "", name))
        for prior, implied in IMPLIED:
            role = self.fold.get(roles, self.role_id(prior))
            if role is not None and self.role_id(implied) not in role.implies:
                await self.do(roles, ImplyRole(id=role.id, role=self.role_id(implied)))

    async def catalog(self) -> None:
        region = self.settings.identity.region
        if self.fold.get(regions, region) is None:
            await self.make(regions, RegionCreated(id=region))
        for service in SERVICES:
            found = next(iter(self.fold.by(services, "kind", service.type)), None)
            id = found.id if found else _id("service", service.type)
            if found is None:
                await self.make(services, ServiceCreated(id=id, kind=service.type, name=service.catalog_name))
            there = {e.interface for e in self.fold.by(endpoints, "service", id) if e.region == region}
            for interface in INTERFACES:
                if interface not in there:
                    end = EndpointCreated(
                        id=_id("endpoint", service.type, region, interface),
                        service=id,
                        interface=interface,
                        url=service.path + service.version_path,
                        region=region,
                    )
                    await self.make(endpoints, end)


def _id(*parts: str) -> str:
    return derived("bootstrap", *parts).replace("-", "")
