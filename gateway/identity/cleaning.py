"""Deleting what others refer to: the thing, its name, and the assignments, memberships and credentials of it.

If it ends half-way nothing is granted by what is left: whoever asks for roles looks up whether both ends are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from events.identity import access_rule as access_rules
from events.identity import application_credential as application_credentials
from events.identity import assignment as assignments
from events.identity import association as associations
from events.identity import credential as credentials
from events.identity import domain_config as configs
from events.identity import endpoint as endpoints
from events.identity import expiring_membership as expiring_memberships
from events.identity import federated_user as federated_users
from events.identity import group as groups
from events.identity import limit as limits
from events.identity import membership as memberships
from events.identity import oauth_access_token as access_tokens
from events.identity import oauth_consumer as consumers
from events.identity import oauth_request_token as request_tokens
from events.identity import passcode as passcodes
from events.identity import project as projects
from events.identity import role as roles
from events.identity import trust as trusts
from events.identity import user as users
from events.identity.application_credential import ApplicationCredential
from events.identity.assignment import Assignment, RevokeRole
from events.identity.association import Association, Dissociate
from events.identity.credential import Credential
from events.identity.domain_config import DomainConfig
from events.identity.endpoint import Endpoint
from events.identity.expiring_membership import EndMembership, ExpiringMembership
from events.identity.federated_user import UnlinkUser
from events.identity.group import Group
from events.identity.limit import Limit, LimitCreated
from events.identity.membership import Leave, Membership
from events.identity.oauth_access_token import AccessToken
from events.identity.oauth_consumer import Consumer
from events.identity.oauth_request_token import RequestToken
from events.identity.passcode import ForgetPasscodes
from events.identity.project import Project
from events.identity.record import Delete
from events.identity.role import Role, StopImplyingRole
from events.identity.trust import Trust
from events.identity.user import User, VoidTokens
from events.refusals import NotFound
from gateway.identity import naming
from gateway.serving import Call


async def delete_user(call: Call, user: User) -> None:
    await call.do(users, Delete(id=user.id))
    await naming.release(call, ("user", user.domain, user.name), user.id)
    await _delete_keys(call, "user", user.id)
    for trust in (*call.fold.by(trusts, "trustor", user.id), *call.fold.by(trusts, "trustee", user.id)):
        await delete_trust(call, trust)
    for rule in call.fold.by(access_rules, "user", user.id):
        await call.do(access_rules, Delete(id=rule.id))
    for link in call.fold.by(federated_users, "user", user.id):
        await call.do(federated_users, UnlinkUser(id=link.key))
    await _leave(call, call.fold.by(memberships, "user", user.id))
    await end(call, call.fold.by(expiring_memberships, "user", user.id))
    await revoke(call, call.fold.by(assignments, "actor", f"user:{user.id}"))


async def _delete_keys(call: Call, index: str, id: str) -> None:
    """Delete what gives tokens of a user, or for a project, to who holds it."""
    for credential in call.fold.by(application_credentials, index, id):
        await delete_credential(call, credential)
    for secret in call.fold.by(credentials, index, id):
        await delete_secret(call, secret)
    for lent in call.fold.by(access_tokens, index, id):
        await delete_access_token(call, lent)


async def delete_group(call: Call, group: Group) -> None:
    await call.do(groups, Delete(id=group.id))
    await naming.release(call, ("group", group.domain, group.name), group.id)
    members = call.fold.by(memberships, "group", group.id)
    for membership in members:
        await void_tokens(call, membership.user)
    await _leave(call, members)
    await end(call, call.fold.by(expiring_memberships, "group", group.id))
    await revoke(call, call.fold.by(assignments, "actor", f"group:{group.id}"))


async def delete_project(call: Call, project: Project) -> None:
    await call.do(projects, Delete(id=project.id))
    await naming.release(call, ("project", project.domain, project.name), project.id)
    await _delete_keys(call, "project_id", project.id)
    for trust in call.fold.by(trusts, "project_id", project.id):
        await delete_trust(call, trust)
    for limit in call.fold.by(limits, "of", project.id):
        await delete_limit(call, limit)
    for requested in call.fold.by(request_tokens, "project_id", project.id):
        await delete_request_token(call, requested)
    for kind in ("endpoint", "endpoint_group"):
        await dissociate(call, call.fold.by(associations, "out", f"{kind}:{project.id}"))
    await revoke_on(call, f"project:{project.id}")


async def delete_role(call: Call, role: Role) -> None:
    await call.do(roles, Delete(id=role.id))
    await naming.release(call, ("role", role.domain or "", role.name), role.id)
    for prior in call.fold.by(roles, "implies", role.id):
        await call.do(roles, StopImplyingRole(id=prior.id, role=role.id))
    await revoke(call, call.fold.by(assignments, "role", role.id))


async def delete_credential(call: Call, credential: ApplicationCredential) -> None:
    await call.do(application_credentials, Delete(id=credential.id))
    await naming.release(call, ("application_credential", credential.user, credential.name), credential.id)


def blob(name: str) -> tuple[str, ...]:
    """The name in the vault of what a credential holds."""
    return ("identity", "credential", name)


async def delete_secret(call: Call, credential: Credential) -> None:
    await call.do(credentials, Delete(id=credential.id))
    await call.cloud.vault.delete(blob(credential.blob))
    await call.cloud.execute(passcodes, ForgetPasscodes(id=credential.id), call.origin)


async def delete_trust(call: Call, trust: Trust) -> None:
    """Delete a trust and all that hang on it."""
    for below in call.fold.by(trusts, "redelegated_trust", trust.id):
        await delete_trust(call, below)
    with suppress(NotFound):  # somebody else was quicker
        await call.do(trusts, Delete(id=trust.id))


def config_secret(domain: str, name: str) -> tuple[str, ...]:
    """The name in the vault of what is secret in a domain's configuration."""
    return ("identity", "domain_config", domain, name)


async def delete_config(call: Call, config: DomainConfig) -> None:
    await call.do(configs, Delete(id=config.id))
    await forget(call, config)


async def forget(call: Call, config: DomainConfig, but: DomainConfig | None = None) -> None:
    """Let go of the secrets of a former configuration that another does not have too."""
    kept = {name for names in but.secrets.values() for name in names.values()} if but else set()
    for names in config.secrets.values():
        for name in set(names.values()) - kept:
            await call.cloud.vault.delete(config_secret(config.id, name))


def oauth_secret(id: str) -> tuple[str, ...]:
    """The name in the vault of the secret of a consumer or a token of OAuth 1."""
    return ("identity", "oauth1", id)


async def delete_consumer(call: Call, consumer: Consumer) -> None:
    await call.do(consumers, Delete(id=consumer.id))
    await call.cloud.vault.delete(oauth_secret(consumer.id))
    for requested in call.fold.by(request_tokens, "consumer", consumer.id):
        await delete_request_token(call, requested)
    for lent in call.fold.by(access_tokens, "consumer", consumer.id):
        await delete_access_token(call, lent)


async def delete_request_token(call: Call, token: RequestToken) -> None:
    await call.do(request_tokens, Delete(id=token.id))
    await call.cloud.vault.delete(oauth_secret(token.id))


async def delete_access_token(call: Call, token: AccessToken) -> None:
    await call.do(access_tokens, Delete(id=token.id))
    await call.cloud.vault.delete(oauth_secret(token.id))


async def delete_endpoint(call: Call, endpoint: Endpoint) -> None:
    await call.do(endpoints, Delete(id=endpoint.id))
    await dissociate(call, call.fold.by(associations, "into", f"endpoint:{endpoint.id}"))
    await dissociate(call, call.fold.by(associations, "out", f"policy:endpoint:{endpoint.id}"))


async def delete_policies_of(call: Call, services: Sequence[str], regions: Sequence[str | None]) -> None:
    """End what gives services a policy, everywhere (None) or in regions."""
    for service in services:
        for region in regions:
            of = f"service:{service}" if region is None else f"service:{service}:{region}"
            await dissociate(call, call.fold.by(associations, "out", f"policy:{of}"))


async def dissociate(call: Call, found: list[Association]) -> None:
    """End associations with what is gone."""
    for one in found:
        key = (one.kind, one.of) if one.kind == "policy" else (one.kind, one.of, one.to)
        await call.do(associations, Dissociate(id=key, to=one.to))


async def delete_limit(call: Call, limit: Limit) -> None:
    await call.do(limits, Delete(id=limit.id))
    await naming.release(call, limit_name(limit), limit.id)


def limit_name(limit: Limit | LimitCreated) -> tuple[str, ...]:
    """What is unique of a limit."""
    whose = limit.project_id or limit.domain_id or ""
    return ("limit", whose, limit.service, limit.region or "", limit.resource_name)


async def revoke_on(call: Call, target: str) -> None:
    """Take back every role that was granted on a target."""
    await revoke(call, call.fold.by(assignments, "target", target))


async def revoke(call: Call, found: list[Assignment]) -> None:
    for assignment in found:
        with suppress(NotFound):  # somebody else was quicker
            await call.do(assignments, RevokeRole(id=assignment.key))


async def void_tokens(call: Call, user: str) -> None:
    """Have a user log in again, who has lost what their tokens may rest on."""
    with suppress(NotFound):  # they are gone
        await call.do(users, VoidTokens(id=user))


async def _leave(call: Call, found: list[Membership]) -> None:
    for membership in found:
        with suppress(NotFound):
            await call.do(memberships, Leave(id=(membership.group, membership.user)))


async def end(call: Call, found: list[ExpiringMembership]) -> None:
    """End memberships that an identity provider told of."""
    for membership in found:
        await call.do(expiring_memberships, EndMembership(id=membership.key))
