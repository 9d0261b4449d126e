"""Deleting what others refer to: the thing, its name, and the assignments, memberships and credentials of it.

If it ends half-way nothing is granted by what is left: whoever asks for roles looks up whether both ends are there.
"""

from __future__ import annotations

from contextlib import suppress

from events.identity import application_credential as application_credentials
from events.identity import assignment as assignments
from events.identity import credential as credentials
from events.identity import group as groups
from events.identity import limit as limits
from events.identity import membership as memberships
from events.identity import passcode as passcodes
from events.identity import project as projects
from events.identity import role as roles
from events.identity import trust as trusts
from events.identity import user as users
from events.identity.application_credential import ApplicationCredential, DeleteApplicationCredential
from events.identity.assignment import Assignment, RevokeRole
from events.identity.credential import Credential, DeleteCredential
from events.identity.group import DeleteGroup, Group
from events.identity.limit import CreateLimit, DeleteLimit, Limit
from events.identity.membership import Leave, Membership
from events.identity.passcode import ForgetPasscodes
from events.identity.project import DeleteProject, Project
from events.identity.role import DeleteRole, Role, StopImplyingRole
from events.identity.trust import DeleteTrust, Trust
from events.identity.user import DeleteUser, User
from events.refusals import NotFound
from gateway.identity import naming
from gateway.serving import Call


async def delete_user(call: Call, user: User) -> None:
    await call.do(users, DeleteUser(id=user.id))
    await naming.release(call, ("user", user.domain, user.name), user.id)
    for credential in call.fold.by(application_credentials, "user", user.id):
        await delete_credential(call, credential)
    for secret in call.fold.by(credentials, "user", user.id):
        await delete_secret(call, secret)
    for trust in (*call.fold.by(trusts, "trustor", user.id), *call.fold.by(trusts, "trustee", user.id)):
        await delete_trust(call, trust)
    await _leave(call, call.fold.by(memberships, "user", user.id))
    await revoke(call, call.fold.by(assignments, "actor", f"user:{user.id}"))


async def delete_group(call: Call, group: Group) -> None:
    await call.do(groups, DeleteGroup(id=group.id))
    await naming.release(call, ("group", group.domain, group.name), group.id)
    await _leave(call, call.fold.by(memberships, "group", group.id))
    await revoke(call, call.fold.by(assignments, "actor", f"group:{group.id}"))


async def delete_project(call: Call, project: Project) -> None:
    await call.do(projects, DeleteProject(id=project.id))
    await naming.release(call, ("project", project.domain, project.name), project.id)
    for credential in call.fold.by(application_credentials, "project_id", project.id):
        await delete_credential(call, credential)
    for secret in call.fold.by(credentials, "project_id", project.id):
        await delete_secret(call, secret)
    for trust in call.fold.by(trusts, "project_id", project.id):
        await delete_trust(call, trust)
    for limit in call.fold.by(limits, "of", project.id):
        await delete_limit(call, limit)
    await revoke_on(call, f"project:{project.id}")


async def delete_role(call: Call, role: Role) -> None:
    await call.do(roles, DeleteRole(id=role.id))
    await naming.release(call, ("role", role.domain or "", role.name), role.id)
    for prior in call.fold.by(roles, "implies", role.id):
        await call.do(roles, StopImplyingRole(id=prior.id, role=role.id))
    await revoke(call, call.fold.by(assignments, "role", role.id))


async def delete_credential(call: Call, credential: ApplicationCredential) -> None:
    await call.do(application_credentials, DeleteApplicationCredential(id=credential.id))
    await naming.release(call, ("application_credential", credential.user, credential.name), credential.id)


def blob(name: str) -> tuple[str, ...]:
    """The name in the vault of what a credential holds."""
    return ("identity", "credential", name)


async def delete_secret(call: Call, credential: Credential) -> None:
    await call.do(credentials, DeleteCredential(id=credential.id))
    await call.cloud.vault.delete(blob(credential.blob))
    await call.cloud.execute(passcodes, ForgetPasscodes(id=credential.id), call.origin)


async def delete_trust(call: Call, trust: Trust) -> None:
    """Delete a trust and all that hang on it."""
    for below in call.fold.by(trusts, "redelegated_trust", trust.id):
        await delete_trust(call, below)
    with suppress(NotFound):  # somebody else was quicker
        await call.do(trusts, DeleteTrust(id=trust.id))


async def delete_limit(call: Call, limit: Limit) -> None:
    await call.do(limits, DeleteLimit(id=limit.id))
    await naming.release(call, limit_name(limit), limit.id)


def limit_name(limit: Limit | CreateLimit) -> tuple[str, ...]:
    """What is unique of a limit."""
    whose = limit.project_id or limit.domain_id or ""
    return ("limit", whose, limit.service, limit.region or "", limit.resource_name)


async def revoke_on(call: Call, target: str) -> None:
    """Take back every role that was granted on a target."""
    await revoke(call, call.fold.by(assignments, "target", target))


async def revoke(call: Call, found: list[Assignment]) -> None:
    for assignment in found:
        try:
            await call.do(assignments, RevokeRole(id=assignment.key))
        except NotFound:
            continue  # somebody else was quicker


async def _leave(call: Call, found: list[Membership]) -> None:
    for membership in found:
        try:
            await call.do(memberships, Leave(id=(membership.group, membership.user)))
        except NotFound:
            continue
