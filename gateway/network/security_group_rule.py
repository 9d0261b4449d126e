"""Security group rules over HTTP. Source: Networking API reference, "Security group rules"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from events.ids import new_hex, new_id
from events.network import quota
from events.network import security_group as groups
from events.network.security_group import DescribeRule, RemoveRule, Rule, SecurityGroup, meaning, rule_not_found
from events.refusals import Conflict, Invalid, NotFound
from gateway.network.attributes import Attribute, as_text, boolean, choice, constant, integer, moment, nothing, text
from gateway.network.bulk import told
from gateway.network.documents import (
    Document,
    Resource,
    ask,
    document,
    item,
    items,
    listing,
    no_body,
    to_change,
    to_create,
)
from gateway.network.documents import show_state as show
from gateway.network.rules import Shown, check, ethertype, normalized, port_number, prefix, protocol
from gateway.network.security_group import ensure_default, target
from gateway.serving import Call
from projections.network.security_group import steps_to_add


def of_rule(name: str, **more: Any) -> Attribute:
    return Attribute(get=lambda call, shown: getattr(shown.rule, name), **more)


def address_group(id: str) -> NotFound:
    return NotFound(f"Address group {id} could not be found.", kind="AddressGroupNotFound")


def lower(name: str, value: Any) -> Any:
    return str(value).lower()


def all_rules(call: Call) -> Iterable[Shown]:
    owned = call.fold.all(groups) if call.is_admin else call.fold.by(groups, "project", call.project)
    return (Shown(group, rule) for group in owned for rule in group.rules.values())


def by_attribute(call: Call, name: str, value: str) -> Iterable[Shown]:
    """The rules of a group, or one rule."""
    if name == "id":
        found = [Shown(group, group.rules[value]) for group in call.fold.by(groups, "rule_ids", value)]
    else:
        group = call.fold.get(groups, value)
        found = [Shown(group, rule) for rule in group.rules.values()] if group else []
    return [shown for shown in found if may_see(call, shown)]


def may_see(call: Call, shown: Shown) -> bool:
    return call.is_admin or shown.rule.project == call.project or shown.group.project == call.project


RULE = Resource(
    name="security_group_rule",
    plural="security_group_rules",
    module=groups,
    not_found=rule_not_found,
    may_see=may_see,
    target=lambda call, shown: target(shown.group),
    visible=all_rules,
    find_by=by_attribute,
    indexed={"id": "rule_ids", "security_group_id": "id"},
    tagged=False,
    attributes={
        "id": of_rule("id", match=as_text, sort=True),
        "tenant_id": of_rule("project", convert=text(), post=True, match=as_text, sort=True),
        "project_id": of_rule("project", convert=text(), post=True, match=as_text, sort=True),
        "security_group_id": Attribute(
            get=lambda call, shown: shown.group.id,
            convert=text(),
            post=True,
            required=True,
            match=as_text,
            sort=True,
        ),
        "direction": of_rule(
            "direction",
            convert=choice(("ingress", "egress")),
            post=True,
            required=True,
            match=as_text,
            sort=True,
        ),
        "ethertype": of_rule("ethertype", convert=ethertype, post=True, default="IPv4", match=ethertype, sort=True),
        "protocol": of_rule("protocol", convert=protocol, post=True, default=None, match=lower, sort=True),
        "port_range_min": of_rule(
            "port_range_min", convert=port_number, post=True, default=None, match=integer, sort=True
        ),
        "port_range_max": of_rule(
            "port_range_max", convert=port_number, post=True, default=None, match=integer, sort=True
        ),
        "remote_ip_prefix": of_rule(
            "remote_ip_prefix",
            convert=prefix,
            post=True,
            default=None,
            match=as_text,
            sort=True,
        ),
        "remote_group_id": of_rule("remote_group_id", post=True, default=None, match=as_text),
        "remote_address_group_id": constant(
            None, convert=nothing(address_group), post=True, default=None, match=as_text
        ),
        "normalized_cidr": Attribute(get=lambda call, shown: normalized(shown.rule), match=as_text),
        "belongs_to_default_sg": Attribute(get=lambda call, shown: shown.group.is_default, match=boolean),
        "description": of_rule("description", convert=text(), post=True, put=True, default="", match=as_text),
        "created_at": Attribute(get=lambda call, shown: moment(shown.rule.created_at)),
        "updated_at": Attribute(get=lambda call, shown: moment(shown.rule.updated_at)),
        "revision_number": of_rule("revision", match=as_text),
    },
)


async def create(call: Call) -> Document:
    """One new rule, or several of one group, all or none. Raises NotFound, Forbidden, Invalid, Conflict, OverQuota."""
    given, many = await items(call, RULE)
    values = [to_create(call, RULE, one) for one in given]
    claim = new_hex()[:12]
    await ensure_default(call)
    rules = [_rule(call, one, claim) for one in values]
    ids = {one["security_group_id"] for one in values}
    if len(ids) > 1:
        text = "Only allowed to update rules for one security profile at a time"
        raise Invalid(text, kind="SecurityGroupNotSingleGroupRules")
    if len({meaning(rule) for rule in rules}) < len(rules):
        raise Conflict("Duplicate Security Group Rule in POST.", kind="DuplicateSecurityGroupRuleInPost")
    group = _group(call, ids.pop())
    call.enforce(target(group))
    steps = steps_to_add(group, tuple(rules), claim=claim, now=call.cloud.clock.now())
    after: SecurityGroup = (await call.do_all(list(steps)))[-1]
    views = [document(call, RULE, Shown(after, after.rules[rule.id])) for rule in rules]
    return told(RULE, views, many)


def _group(call: Call, id: Any) -> SecurityGroup:
    group = call.fold.get(groups, id)
    if group is None:
        raise groups.not_found(id)
    return group


def _rule(call: Call, values: Document, claim: str) -> Rule:
    """The rule that the body describes. Raises Invalid, NotFound."""
    remote = values["remote_group_id"]
    rule = Rule(
        id=new_id(),
        project=values["project_id"],
        claim=claim,
        direction=values["direction"],
        ethertype=values["ethertype"],
        protocol=values["protocol"],
        port_range_min=values["port_range_min"],
        port_range_max=values["port_range_max"],
        remote_ip_prefix=values["remote_ip_prefix"],
        remote_group_id=None if remote is None else str(remote),
        description=values["description"],
    )
    check(rule)
    if rule.remote_group_id is not None:
        call.find(groups, rule.remote_group_id, groups.not_found(remote))
    _group(call, values["security_group_id"])
    return rule


def _shown(call: Call) -> Shown:
    id = call.path["id"]
    for shown in by_attribute(call, "id", id):
        ask(call, RULE, shown, id)
        return shown
    raise rule_not_found(id)


async def show_one(call: Call) -> Document:
    """One rule. Raises NotFound."""
    return show(call, RULE, lambda: _shown(call))


async def show_all(call: Call) -> Document:
    """The rules of the groups that the caller may see."""
    await ensure_default(call)
    return listing(call, RULE)


async def update(call: Call) -> Document:
    """Describe it anew. Raises NotFound, Invalid."""
    given = await item(call, RULE)
    values = to_change(call, RULE, given)
    shown = _shown(call)
    after = shown.group
    if "description" in values:
        wish = DescribeRule(id=shown.group.id, rule=shown.rule.id, description=values["description"])
        after = await call.do(groups, wish)
    return {"security_group_rule": document(call, RULE, Shown(after, after.rules[shown.rule.id]))}


async def delete(call: Call) -> None:
    """Take it out of its group. Raises NotFound."""
    await no_body(call)
    shown = _shown(call)
    group, rule = shown.group, shown.rule
    await call.do(groups, RemoveRule(id=group.id, rule=rule.id))
    back = quota.ReturnShares(id=group.project, holders=(groups.rule_holder(group.id, rule),))
    await call.cloud.execute(quota, back, call.origin)
