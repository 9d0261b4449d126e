"""A security group: what may come to the ports that are in it, and go from them. It holds its rules.

    ACTIVE -> DELETED

A project has one that is called `default`, whose id follows from the project's, so that two gateways make one.
Source: Networking API reference, "Security groups", "Security group rules".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, assert_never

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event
from events.ids import derived
from events.network.standard import (
    AddTag,
    RemoveTag,
    SetTags,
    Standard,
    Sweep,
    Swept,
    TagsSet,
    at_revision,
    changed,
    differences,
    listen,
    sweep,
    swept,
    tagging,
)
from events.refusals import Conflict, NotFound

INDEXES = ("project", "name", "rule_ids", "remote_groups")

DEFAULT = "default"


class Rule(Struct, frozen=True, gc=False, kw_only=True):
    """What is let through; of a field that is None, anything."""

    id: str
    project: str
    claim: str  # the attempt that made it: its share of the quota is held by `rule_holder(...)`
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str | None = None
    revision: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None


class SecurityGroup(Standard, frozen=True, gc=False, kw_only=True):
    stateful: bool = True
    rules: dict[str, Rule] = {}

    @property
    def rule_ids(self) -> tuple[str, ...]:
        return tuple(self.rules)

    @property
    def remote_groups(self) -> tuple[str, ...]:
        """The groups that its rules speak of, each once."""
        return tuple(dict.fromkeys(rule.remote_group_id for rule in self.rules.values() if rule.remote_group_id))

    @property
    def is_default(self) -> bool:
        return self.name == DEFAULT


class SecurityGroupCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    name: str
    description: str = ""
    stateful: bool = True
    tags: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()


class SecurityGroupChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


class RuleAdded(Event, frozen=True, gc=False, kw_only=True):
    rule: Rule


class RuleDescribed(Event, frozen=True, gc=False, kw_only=True):
    rule: str
    description: str


class RuleRemoved(Event, frozen=True, gc=False, kw_only=True):
    rule: str


class SecurityGroupDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = (
    SecurityGroupCreated
    | SecurityGroupChanged
    | RuleAdded
    | RuleDescribed
    | RuleRemoved
    | SecurityGroupDeleted
    | TagsSet
    | Swept
)


class CreateSecurityGroup(Command, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    claim: str
    name: str
    description: str = ""
    stateful: bool = True
    tags: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()


class ChangeSecurityGroup(Command, frozen=True, gc=False, kw_only=True):
    id: str
    expected: int | None = None
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


class AddRules(Command, frozen=True, gc=False, kw_only=True):
    """All or none; `claim` is the attempt that claimed the quota for them."""

    claim: str
    rules: tuple[Rule, ...]


class DescribeRule(Command, frozen=True, gc=False, kw_only=True):
    rule: str
    description: str
    expected: int | None = None


class RemoveRule(Command, frozen=True, gc=False, kw_only=True):
    rule: str


class DeleteSecurityGroup(Command, frozen=True, gc=False, kw_only=True):
    expected: int | None = None


Commands = (
    CreateSecurityGroup
    | ChangeSecurityGroup
    | AddRules
    | DescribeRule
    | RemoveRule
    | DeleteSecurityGroup
    | AddTag
    | RemoveTag
    | SetTags
    | Sweep
)


def not_found(id: Any) -> NotFound:
    return NotFound(f"Security group {id} does not exist", kind="SecurityGroupNotFound")


def rule_not_found(id: Any) -> NotFound:
    return NotFound(f"Security group rule {id} does not exist", kind="SecurityGroupRuleNotFound")


def default_id(project: str) -> str:
    """The id of a project's default group."""
    return derived("network", "security_group", project, DEFAULT)


def first_rules(group: str, project: str, claim: str, *, default: bool) -> tuple[Rule, ...]:
    """The rules that a new group begins with: all may go out; of a default group, its own may come in."""
    rules = []
    for direction in ("egress", "ingress") if default else ("egress",):
        for ethertype in ("IPv4", "IPv6"):
            rules.append(
                Rule(
                    id=derived(group, claim, direction, ethertype),
                    project=project,
                    claim=claim,
                    direction=direction,
                    ethertype=ethertype,
                    remote_group_id=group if direction == "ingress" else None,
                )
            )
    return tuple(rules)


def rule_holder(group: str, rule: Rule) -> str:
    """The name under which a rule's share of the quota is held."""
    return f"security_group_rule:{group}.{rule.claim}:{rule.id}"


def decide(group: SecurityGroup | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict, Busy."""
    match command:
        case Sweep():
            return list(sweep(group, command))
        case CreateSecurityGroup():
            listen(group, command.claim)
            return [SecurityGroupCreated(**asdict(command))] if group is None or group.deleted else []
    if group is None or group.deleted:
        raise not_found(command.id)
    match command:
        case ChangeSecurityGroup():
            return _change(group, command)
        case AddRules():
            return _add(group, command)
        case DescribeRule(rule=id, description=description):
            if id not in group.rules:
                raise rule_not_found(id)
            same = group.rules[id].description == description
            return [] if same else [RuleDescribed(rule=id, description=description)]
        case RemoveRule(rule=id):
            if id not in group.rules:
                raise rule_not_found(id)
            return [RuleRemoved(rule=id)]
        case DeleteSecurityGroup(expected=expected):
            at_revision(group, expected)
            return [SecurityGroupDeleted()]
        case AddTag() | RemoveTag() | SetTags():
            return list(tagging(group, command, "security-groups"))
    assert_never(command)


def _change(group: SecurityGroup, command: ChangeSecurityGroup) -> list[Events]:
    at_revision(group, command.expected)
    if command.name is not UNSET and command.name.lower() == DEFAULT:
        raise default_exists()
    if group.is_default and command.name is not UNSET:
        raise Conflict("Updating default security group not allowed.", kind="SecurityGroupCannotUpdateDefault")
    values = differences(group, command)
    return [SecurityGroupChanged(**values)] if values else []


def default_exists() -> Conflict:
    return Conflict("Default security group already exists.", kind="SecurityGroupDefaultAlreadyExists")


_ICMP6 = {"ipv6-icmp", "icmpv6", "icmp", "58"}
_EVERYWHERE = {"0.0.0.0/0", "::/0", None}


def meaning(rule: Rule) -> tuple[Any, ...]:
    """What two rules have in common if they are the same rule."""
    protocol = rule.protocol
    if rule.ethertype == "IPv6" and protocol in _ICMP6:
        protocol = "ipv6-icmp"
    prefix = None if rule.remote_ip_prefix in _EVERYWHERE else rule.remote_ip_prefix
    ports = (rule.port_range_min, rule.port_range_max)
    return rule.direction, rule.ethertype, protocol, ports, prefix, rule.remote_group_id


def _add(group: SecurityGroup, command: AddRules) -> list[Events]:
    listen(group, command.claim)
    if all(rule.id in group.rules for rule in command.rules):
        return []
    known = {meaning(rule): rule.id for rule in group.rules.values()}
    for rule in command.rules:
        if meaning(rule) in known:
            id = known[meaning(rule)]
            raise Conflict(f"Security group rule already exists. Rule id is {id}.", kind="SecurityGroupRuleExists")
    return [RuleAdded(rule=rule) for rule in command.rules]


def evolve(group: SecurityGroup | None, event: Events, at: datetime) -> SecurityGroup:
    """The group after `event`."""
    if isinstance(event, SecurityGroupCreated):
        old = group.swept if group else ()
        values = {**asdict(event), "rules": {rule.id: _dated(rule, at) for rule in event.rules}}
        return SecurityGroup(**values, revision=1, created_at=at, updated_at=at, swept=old)
    if isinstance(event, Swept):
        nothing = SecurityGroup(id=event.id, project="", created_at=at, updated_at=at, deleted=True)
        return swept(group or nothing, event)
    assert group is not None, f"{event!r} before SecurityGroupCreated"
    match event:
        case SecurityGroupChanged() | TagsSet():
            return changed(group, event, at)
        case RuleAdded(rule=rule):
            return _with(group, {**group.rules, rule.id: _dated(rule, at)}, at)
        case RuleDescribed(rule=id, description=description):
            old_rule = group.rules[id]
            rule = replace(old_rule, description=description, revision=old_rule.revision + 1, updated_at=at)
            return _with(group, {**group.rules, id: rule}, at)
        case RuleRemoved(rule=id):
            return _with(group, {key: rule for key, rule in group.rules.items() if key != id}, at)
        case SecurityGroupDeleted():
            return replace(group, deleted=True)
    assert_never(event)


def _dated(rule: Rule, at: datetime) -> Rule:
    return replace(rule, created_at=at, updated_at=at)


def _with(group: SecurityGroup, rules: dict[str, Rule], at: datetime) -> SecurityGroup:
    return replace(group, rules=rules, revision=group.revision + 1, updated_at=at)
