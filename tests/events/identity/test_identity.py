"""Rules of identity's resources: given what happened, when somebody asks, then this."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events.envelope import Command, Event
from events.identity import (
    application_credential,
    assignment,
    credential,
    domain,
    endpoint,
    endpoint_group,
    group,
    limit,
    membership,
    oauth_consumer,
    policy,
    project,
    record,
    region,
    registered_limit,
    revocation,
    role,
    service,
    user,
)
from events.refusals import Conflict, Forbidden, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DELETE = record.Delete(id="1")


def making(event: Any) -> record.Make:
    return record.Make(id=event.id, made=event)


def changing(event: Event) -> record.Change:
    return record.Change(id="1", to=event)


CREATIONS: list[tuple[Any, Command, Command]] = [
    (
        domain,
        making(domain.DomainCreated(id="1", name="d", enabled=False)),
        changing(domain.DomainChanged(description="x")),
    ),
    (
        project,
        making(project.ProjectCreated(id="1", name="p", domain="d")),
        changing(project.ProjectChanged(name="q")),
    ),
    (
        user,
        making(user.UserCreated(id="1", name="u", domain="d")),
        user.ChangeUser(id="1", to=user.UserChanged(extra={"email": "x"})),
    ),
    (
        group,
        making(group.GroupCreated(id="1", name="g", domain="d")),
        changing(group.GroupChanged(name="h")),
    ),
    (role, making(role.RoleCreated(id="1", name="r")), changing(role.RoleChanged(name="s"))),
    (
        region,
        making(region.RegionCreated(id="1")),
        changing(region.RegionChanged(description="x")),
    ),
    (
        service,
        making(service.ServiceCreated(id="1", kind="compute")),
        changing(service.ServiceChanged(enabled=False)),
    ),
    (
        endpoint,
        making(endpoint.EndpointCreated(id="1", service="s", interface="public", url="/x")),
        changing(endpoint.EndpointChanged(url="http://x")),
    ),
    (
        policy,
        making(policy.PolicyMade(id="1", kind="text/x", blob="a")),
        changing(policy.PolicyChanged(blob="b")),
    ),
    (
        endpoint_group,
        making(endpoint_group.EndpointGroupMade(id="1", name="g", filters={"interface": "public"})),
        changing(endpoint_group.EndpointGroupChanged(name="h")),
    ),
    (
        oauth_consumer,
        making(oauth_consumer.ConsumerMade(id="1")),
        changing(oauth_consumer.ConsumerChanged(description="x")),
    ),
    (
        credential,
        making(credential.CredentialCreated(id="1", user="u", kind="ec2", blob="b")),
        changing(credential.CredentialChanged(blob="c")),
    ),
    (
        registered_limit,
        making(registered_limit.LimitRegistered(id="1", service="s", resource_name="things", default_limit=1)),
        changing(registered_limit.RegisteredLimitChanged(default_limit=2)),
    ),
    (
        limit,
        making(limit.LimitCreated(id="1", service="s", resource_name="things", resource_limit=1, project_id="p")),
        changing(limit.LimitChanged(resource_limit=2)),
    ),
]
EACH = pytest.mark.parametrize(("module", "create", "change"), CREATIONS, ids=lambda it: "")


def folded(module: Any, events: list[Event], state: Any = None) -> Any:
    for event in events:
        state = module.evolve(state, event, NOW)
    return state


def after(module: Any, *commands: Command) -> Any:
    """The state after commands that are all taken."""
    state = None
    for command in commands:
        state = folded(module, module.decide(state, command), state)
    return state


@EACH
def test_what_exists_is_not_created_twice(module: Any, create: Command, change: Command) -> None:
    with pytest.raises(Conflict):
        module.decide(after(module, create), create)


@EACH
def test_a_change_is_told_once(module: Any, create: Command, change: Command) -> None:
    made = after(module, create)
    assert len(module.decide(made, change)) == 1
    changed = after(module, create, change)
    assert changed != made
    assert module.decide(changed, change) == []


@EACH
def test_what_is_gone_or_never_was_is_not_found(module: Any, create: Command, change: Command) -> None:
    gone = after(module, create, DELETE)
    assert gone.deleted
    for state in (None, gone):
        for command in (change, DELETE):
            with pytest.raises(NotFound, match="Could not find"):
                module.decide(state, command)


@EACH
def test_an_id_can_be_used_again(module: Any, create: Command, change: Command) -> None:
    assert not after(module, create, DELETE, create).deleted


@pytest.mark.parametrize(
    ("module", "create", "changed"),
    [
        (
            project,
            making(project.ProjectCreated(id="1", name="p", domain="d", options={"immutable": True})),
            project.ProjectChanged,
        ),
        (role, making(role.RoleCreated(id="1", name="r", options={"immutable": True})), role.RoleChanged),
        (
            domain,
            making(domain.DomainCreated(id="1", name="d", enabled=False, options={"immutable": True})),
            domain.DomainChanged,
        ),
    ],
)
def test_what_is_immutable_stays_until_the_mark_is_taken_away(module: Any, create: Command, changed: Any) -> None:
    state = after(module, create)
    for command in (changing(changed(name="other")), DELETE, changing(changed(options={"immutable": None}))):
        with pytest.raises(Forbidden, match="immutable"):
            module.decide(state, command)
    assert module.decide(state, changing(changed(options={"immutable": False})))


def test_an_enabled_domain_is_not_deleted_nor_is_the_default_one() -> None:
    with pytest.raises(Forbidden, match="disable it first"):
        domain.decide(after(domain, making(domain.DomainCreated(id="1", name="d"))), DELETE)
    default = after(domain, making(domain.DomainCreated(id="default", name="d", enabled=False)))
    with pytest.raises(Forbidden, match="default domain"):
        domain.decide(default, record.Delete(id="default"))


def test_disabling_and_a_new_password_void_tokens_and_enabling_does_not() -> None:
    made = after(user, making(user.UserCreated(id="1", name="u", domain="d", password="hash")))
    assert made.tokens_from is None
    assert made.password_at == NOW
    later = NOW + timedelta(hours=1)
    for wish in (
        user.ChangeUser(id="1", to=user.UserChanged(enabled=False)),
        user.ChangeUser(id="1", password=user.UserPasswordChanged(password="other")),
    ):
        state = made
        for event in user.decide(made, wish):
            state = user.evolve(state, event, later)
        assert state.tokens_from == later
    off = after(
        user,
        making(user.UserCreated(id="1", name="u", domain="d", enabled=False)),
        user.ChangeUser(id="1", to=user.UserChanged(enabled=True)),
    )
    assert off.tokens_from is None


def test_tags_are_put_on_once_and_taken_off_once() -> None:
    state = after(
        project, making(project.ProjectCreated(id="1", name="p", domain="d")), project.TagProject(id="1", tag="a")
    )
    assert state.tags == ("a",)
    assert project.decide(state, project.TagProject(id="1", tag="a")) == []
    with pytest.raises(NotFound, match="Could not find project tag: b"):
        project.decide(state, project.UntagProject(id="1", tag="b"))


def test_a_role_is_implied_once_and_no_longer_once() -> None:
    state = after(role, making(role.RoleCreated(id="1", name="r")), role.ImplyRole(id="1", role="2"))
    assert state.implies == ("2",)
    assert role.decide(state, role.ImplyRole(id="1", role="2")) == []
    with pytest.raises(NotFound, match="1 does not imply 3"):
        role.decide(state, role.StopImplyingRole(id="1", role="3"))


def test_a_role_is_granted_once_and_taken_back_once() -> None:
    wish = assignment.grant(("user", "u"), ("project", "p"), "r")
    state = after(assignment, wish)
    assert (state.pair, state.key) == ("user:u project:p", wish.id)
    assert assignment.decide(state, wish) == []
    back = assignment.RevokeRole(id=wish.id)
    with pytest.raises(NotFound, match="Could not find role assignment with role: r, user or group: u"):
        assignment.decide(after(assignment, wish, back), back)


def test_an_inherited_assignment_is_another_than_a_direct_one() -> None:
    direct = assignment.grant(("user", "u"), ("domain", "d"), "r")
    inherited = assignment.grant(("user", "u"), ("domain", "d"), "r", inherited=True)
    assert direct.id != inherited.id
    assert after(assignment, inherited).key == inherited.id


def test_a_member_joins_once_and_leaves_once() -> None:
    state = after(membership, membership.Join(id=("g", "u")))
    assert membership.decide(state, membership.Join(id=("g", "u"))) == []
    with pytest.raises(NotFound):
        membership.decide(None, membership.Leave(id=("g", "u")))


def test_a_revocation_is_forgotten_when_the_token_would_have_expired() -> None:
    state = after(revocation, revocation.RevokeToken(id="a", until=NOW))
    assert revocation.decide(state, revocation.RevokeToken(id="a", until=NOW)) == []
    assert revocation.decide(state, revocation.ForgetToken(id="a", now=NOW - timedelta(seconds=1))) == []
    assert len(revocation.decide(state, revocation.ForgetToken(id="a", now=NOW))) == 1


def test_an_application_credential_keeps_a_hash_and_is_deleted_once() -> None:
    wish = making(
        application_credential.ApplicationCredentialCreated(
            id="1", name="a", user="u", project_id="p", secret="hash", roles=("r",)
        )
    )
    state = after(application_credential, wish)
    assert state.owner is None
    gone = after(application_credential, wish, DELETE)
    with pytest.raises(NotFound, match="Could not find Application Credential: 1"):
        application_credential.decide(gone, DELETE)
