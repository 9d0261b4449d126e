"""What may happen to a security group and its rules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.network.security_group import (
    AddRules,
    ChangeSecurityGroup,
    Commands,
    CreateSecurityGroup,
    DeleteSecurityGroup,
    DescribeRule,
    Events,
    RemoveRule,
    Rule,
    RuleAdded,
    RuleDescribed,
    RuleRemoved,
    SecurityGroup,
    SecurityGroupChanged,
    SecurityGroupCreated,
    SecurityGroupDeleted,
    decide,
    default_id,
    evolve,
    first_rules,
)
from events.network.standard import Swept
from events.refusals import Busy, Conflict, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CREATED = SecurityGroupCreated(
    id="g", project="p", claim="a", name="web", rules=first_rules("g", "p", "a", default=False)
)
SSH = Rule(id="r", project="p", claim="b", direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)


def given(*events: Events) -> SecurityGroup | None:
    group = None
    for event in events:
        group = evolve(group, event, NOW)
    return group


def when(group: SecurityGroup | None, command: Commands) -> list[Events]:
    return decide(group, command)


def again(**changed: object) -> Rule:
    values = {name: getattr(SSH, name) for name in SSH.__struct_fields__}
    return Rule(**values | {"id": "other"} | changed)


def test_a_group_is_created_once_with_its_rules() -> None:
    wish = CreateSecurityGroup(id="g", project="p", claim="a", name="web", rules=CREATED.rules)
    assert when(None, wish) == [CREATED]
    assert when(given(CREATED), wish) == []
    group = given(CREATED)
    assert group is not None
    assert [(rule.direction, rule.ethertype) for rule in group.rules.values()] == [
        ("egress", "IPv4"),
        ("egress", "IPv6"),
    ]


def test_two_gateways_make_one_default_group() -> None:
    assert default_id("p") == default_id("p") != default_id("q")
    rules = first_rules(default_id("p"), "p", "a", default=True)
    assert [rule.remote_group_id for rule in rules] == [None, None, default_id("p"), default_id("p")]


def test_rules_are_added_all_or_none() -> None:
    assert when(given(CREATED), AddRules(id="g", claim="b", rules=(SSH,))) == [RuleAdded(rule=SSH)]
    group = given(CREATED, RuleAdded(rule=SSH))
    assert when(group, AddRules(id="g", claim="b", rules=(SSH,))) == []
    with pytest.raises(Conflict, match="Rule id is r"):
        when(group, AddRules(id="g", claim="c", rules=(again(id="new", port_range_min=80, port_range_max=80), again())))


@pytest.mark.parametrize(
    "same",
    [
        {"description": "another"},
        {"remote_ip_prefix": "0.0.0.0/0"},
        {"project": "q"},
    ],
)
def test_a_rule_is_the_same_whatever_it_is_called(same: dict[str, str]) -> None:
    with pytest.raises(Conflict):
        when(given(CREATED, RuleAdded(rule=SSH)), AddRules(id="g", claim="c", rules=(again(**same),)))


def test_the_protocols_of_ping_of_version_6_are_one() -> None:
    ping = again(id="ping", ethertype="IPv6", protocol="ipv6-icmp", port_range_min=None, port_range_max=None)
    group = given(CREATED, RuleAdded(rule=ping))
    for protocol in ("icmp", "58"):
        same = again(ethertype="IPv6", protocol=protocol, port_range_min=None, port_range_max=None)
        with pytest.raises(Conflict, match="Rule id is ping"):
            when(group, AddRules(id="g", claim="c", rules=(same,)))


def test_rules_are_described_and_removed() -> None:
    group = given(CREATED, RuleAdded(rule=SSH))
    assert when(group, DescribeRule(id="g", rule="r", description="x")) == [RuleDescribed(rule="r", description="x")]
    assert when(group, RemoveRule(id="g", rule="r")) == [RuleRemoved(rule="r")]
    with pytest.raises(NotFound, match="Security group rule none does not exist"):
        when(group, RemoveRule(id="g", rule="none"))
    after = given(CREATED, RuleAdded(rule=SSH), RuleDescribed(rule="r", description="x"))
    assert after is not None
    assert (after.rules["r"].description, after.rules["r"].revision) == ("x", 1)


def test_the_default_group_keeps_its_name() -> None:
    default = given(SecurityGroupCreated(id="d", project="p", claim="a", name="default"))
    with pytest.raises(Conflict, match="Updating default security group not allowed"):
        when(default, ChangeSecurityGroup(id="d", name="x"))
    assert when(default, ChangeSecurityGroup(id="d", description="x")) == [SecurityGroupChanged(description="x")]
    with pytest.raises(Conflict, match="Default security group already exists"):
        when(given(CREATED), ChangeSecurityGroup(id="g", name="Default"))


def test_a_deleted_group_can_be_made_again_but_not_by_a_swept_attempt() -> None:
    gone = given(CREATED, SecurityGroupDeleted())
    with pytest.raises(NotFound, match="Security group g does not exist"):
        when(gone, DeleteSecurityGroup(id="g"))
    assert len(when(gone, CreateSecurityGroup(id="g", project="p", claim="new", name="web"))) == 1
    with pytest.raises(Busy):
        when(given(Swept(id="g", claim="a")), CreateSecurityGroup(id="g", project="p", claim="a", name="web"))
