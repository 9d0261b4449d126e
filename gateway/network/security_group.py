"""Security groups over HTTP. Source: Networking API reference, "Security groups"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from events.decider import Executor
from events.ids import new_hex, new_id
from events.network import port as ports
from events.network import quota
from events.network import security_group as groups
from events.network.security_group import (
    ChangeSecurityGroup,
    CreateSecurityGroup,
    DeleteSecurityGroup,
    RemoveRule,
    SecurityGroup,
    default_exists,
    default_id,
    first_rules,
)
from events.refusals import Conflict
from gateway.network.attributes import Attribute, boolean, constant, field, standard
from gateway.network.bulk import all_or_none, told
from gateway.network.documents import (
    Document,
    Resource,
    document,
    expected,
    find,
    item,
    items,
    listing,
    no_body,
    show,
    to_change,
    to_create,
)
from gateway.network.rules import nested
from gateway.serving import Call
from projections.network.security_group import default_of, shares_of, steps_to_create, steps_to_default


def visible(call: Call) -> Iterable[SecurityGroup]:
    return call.fold.by(groups, "project", call.project)


def show_rules(call: Call, group: SecurityGroup) -> list[Document]:
    return [nested(group, rule) for rule in group.rules.values()]


def target(group: SecurityGroup) -> dict[str, Any]:
    """What rules are told of a group, and of the rules in it."""
    owner = group.project
    return {"project_id": owner, "tenant_id": owner, "security_group:project_id": owner, "shared": False}


GROUP = Resource(
    name="security_group",
    plural="security_groups",
    module=groups,
    not_found=groups.not_found,
    may_see=lambda call, group: call.may_see(group),
    target=lambda call, group: target(group),
    visible=visible,
    indexed={"project_id": "project", "tenant_id": "project", "name": "name"},
    attributes={
        **standard(),
        "stateful": field("stateful", convert=boolean, post=True, put=True, default=True, match=boolean),
        "shared": constant(False, match=boolean),
        "security_group_rules": Attribute(get=show_rules),
    },
)


async def ensure_default(call: Call, project: str | None = None) -> None:
    """Make the default group of a project, the caller's if none is named, if it is not made yet."""
    owner = project or call.project
    if default_of(call.fold, owner) is None and call.cloud.as_of is None:
        await make_default(call.cloud.execute, call, owner)


async def make_default(execute: Executor, call: Call, project: str) -> None:
    steps = steps_to_default(execute.fold, project, claim=new_hex()[:12], now=execute.clock.now())
    await execute.all(list(steps), call.origin)


async def create(call: Call) -> Document:
    """One new group, or several, all or none. Raises Conflict, Invalid, OverQuota."""
    given, many = await items(call, GROUP)
    wishes = [_wish(call, one) for one in given]
    for wish in wishes:
        await ensure_default(call, wish.project)
    made = await all_or_none(wishes, lambda wish: _make(call, wish), lambda group: _delete(call, group, None))
    return told(GROUP, [document(call, GROUP, group) for group in made], many)


async def _make(call: Call, wish: CreateSecurityGroup) -> SecurityGroup:
    made: SecurityGroup = (await call.do_all(list(steps_to_create(wish, now=call.cloud.clock.now()))))[-1]
    return made


def _wish(call: Call, given: Document) -> CreateSecurityGroup:
    values = to_create(call, GROUP, given)
    call.enforce({"project_id": values["project_id"], "tenant_id": values["project_id"]})
    if values["name"].lower() == groups.DEFAULT:
        raise default_exists()
    id, claim, project = new_id(), new_hex()[:12], values["project_id"]
    return CreateSecurityGroup(
        id=id,
        project=project,
        claim=claim,
        name=values["name"],
        description=values["description"],
        stateful=values["stateful"],
        rules=first_rules(id, project, claim, default=False),
    )


async def show_one(call: Call) -> Document:
    """One group. Raises NotFound."""
    return show(call, GROUP)


async def show_all(call: Call) -> Document:
    """The groups that the caller may see."""
    await ensure_default(call)
    return listing(call, GROUP)


async def update(call: Call) -> Document:
    """Change it. Raises NotFound, Conflict, PreconditionFailed."""
    given = await item(call, GROUP)
    group: SecurityGroup = find(call, GROUP, call.path["id"])
    values = to_change(call, GROUP, given)
    if "stateful" in values and values["stateful"] != group.stateful:
        _unless_used(call, group)
    after = await call.do(groups, ChangeSecurityGroup(id=group.id, expected=expected(call), **values))
    return {"security_group": document(call, GROUP, after)}


async def delete(call: Call) -> None:
    """Delete it, and the rules of other groups that speak of it. Raises NotFound, Conflict, PreconditionFailed."""
    await no_body(call)
    group: SecurityGroup = find(call, GROUP, call.path["id"])
    _unless_used(call, group)
    if group.id == default_id(group.project) and not call.is_admin:
        raise Conflict(
            "Insufficient rights for removing default security group.",
            kind="SecurityGroupCannotRemoveDefault",
        )
    await _delete(call, group, expected(call))


def _unless_used(call: Call, group: SecurityGroup) -> None:
    if call.fold.count(ports, "groups", group.id):
        raise Conflict(f"Security Group {group.id} in use.", kind="SecurityGroupInUse")


async def _delete(call: Call, group: SecurityGroup, revision: int | None) -> None:
    after = await call.do(groups, DeleteSecurityGroup(id=group.id, expected=revision))
    await call.cloud.execute(quota, quota.ReturnShares(id=group.project, holders=shares_of(after)), call.origin)
    for other in call.fold.by(groups, "remote_groups", group.id):
        for rule in other.rules.values():
            if rule.remote_group_id == group.id:
                await call.cloud.execute(groups, RemoveRule(id=other.id, rule=rule.id), call.origin)
                back = quota.ReturnShares(id=other.project, holders=(groups.rule_holder(other.id, rule),))
                await call.cloud.execute(quota, back, call.origin)
