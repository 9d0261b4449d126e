"""Making a project's default security group, and giving back what a group's rules have of the quota."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from events.decider import Step
from events.fold import Fold
from events.network import quota, security_group
from events.network.security_group import CreateSecurityGroup, Rule, SecurityGroup, default_id, first_rules, rule_holder
from events.network.standard import holder

PATIENCE = timedelta(seconds=60)  # how long an attempt may take before what it claimed is given back


def default_of(fold: Fold, project: str) -> SecurityGroup | None:
    """The project's default group, if it has been made."""
    return fold.get(security_group, default_id(project))


def steps_to_default(fold: Fold, project: str, *, claim: str, now: datetime) -> Iterator[Step]:
    """What makes the project's default group; nothing if there is one. It is made whatever the quota holds.

    It stays, whatever becomes of the steps after it.
    """
    if default_of(fold, project) is None:
        wish = CreateSecurityGroup(
            id=default_id(project),
            project=project,
            claim=claim,
            name=security_group.DEFAULT,
            description="Default security group",
            rules=first_rules(default_id(project), project, claim, default=True),
        )
        for step in steps_to_create(wish, now=now, force=True):
            yield Step(step.resource, step.command)


def steps_to_create(wish: CreateSecurityGroup, *, now: datetime, force: bool = False) -> Iterator[Step]:
    """What makes a group with its first rules."""
    holders = ((_holder(wish.id, wish.claim), "security_group"), *_rule_holders(wish.id, wish.rules))
    yield Step(
        quota,
        quota.ClaimShares(id=wish.project, holders=holders, until=now + PATIENCE, force=force),
        quota.ReturnShares(id=wish.project, holders=tuple(one for one, _ in holders)),
    )
    yield Step(security_group, wish)


def steps_to_add(group: SecurityGroup, rules: tuple[Rule, ...], *, claim: str, now: datetime) -> Iterator[Step]:
    """What adds rules: all or none."""
    holders = tuple(_rule_holders(group.id, rules))
    yield Step(
        quota,
        quota.ClaimShares(id=group.project, holders=holders, until=now + PATIENCE),
        quota.ReturnShares(id=group.project, holders=tuple(one for one, _ in holders)),
    )
    yield Step(security_group, security_group.AddRules(id=group.id, claim=claim, rules=rules))


def shares_of(group: SecurityGroup) -> tuple[str, ...]:
    """What a group and its rules hold of their project's quota."""
    return (_holder(group.id, group.claim), *(rule_holder(group.id, rule) for rule in group.rules.values()))


def _holder(id: str, claim: str) -> str:
    return f"security_group:{holder(id, claim)}"


def _rule_holders(group: str, rules: tuple[Rule, ...]) -> Iterator[tuple[str, str]]:
    for rule in rules:
        yield rule_holder(group, rule), "security_group_rule"
