"""What is left of attempts and deletions that ended half-way goes; what stands stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from events.envelope import CLOUD
from events.identity import assignment as assignments
from events.identity import expiring_membership as expiring_memberships
from events.identity import group as groups
from events.identity import identity_provider as identity_providers
from events.identity import membership as memberships
from events.identity import name as names
from events.identity import project as projects
from events.identity import revocation as revocations
from events.identity import trust as trusts
from events.identity import user as users
from events.identity.assignment import grant
from events.identity.expiring_membership import ConfirmMembership
from events.identity.group import GroupCreated
from events.identity.identity_provider import IdentityProviderCreated
from events.identity.membership import Join
from events.identity.name import Release, Take
from events.identity.project import ProjectChanged, ProjectCreated
from events.identity.record import Change, Delete, Make
from events.identity.revocation import ForgetToken, RevokeToken
from events.identity.trust import KEPT, ForgetTrust, TrustGiven, UseTrust
from events.identity.user import UserCreated
from events.nats.vault import MemoryVault
from events.settings import Settings
from handlers.identity import assignment, expiring_membership, name, revocation, trust
from handlers.runner import Sight
from tests.worlds import World, world

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ("project", "default", "p")


def making(event: Any) -> Make:
    return Make(id=event.id, made=event)


def sight(w: World, turn: int = 1) -> Sight:
    return Sight(fold=w.fold, settings=Settings(), vault=MemoryVault(), turn=turn)


async def test_a_name_without_its_holder_is_given_back_after_its_deadline() -> None:
    async with world() as w:
        await w.execute(names, Take(id=KEY, holder="1", until=NOW), CLOUD)
        assert list(name.plan(sight(w), NOW - timedelta(seconds=1))) == []
        wishes = list(name.plan(sight(w), NOW + timedelta(seconds=1)))
        assert [wish.command for wish in wishes] == [Release(id=KEY, holder="1")]
        assert list(name.plan(sight(w), NOW + timedelta(days=1))) == []  # old ones are looked at now and then
        assert len(list(name.plan(sight(w, turn=0), NOW + timedelta(days=1)))) == 1


async def test_a_name_stays_with_who_bears_it_and_goes_after_a_renaming() -> None:
    async with world() as w:
        await w.execute(names, Take(id=KEY, holder="1", until=NOW), CLOUD)
        await w.execute(projects, making(ProjectCreated(id="1", name="p", domain="default")), CLOUD)
        later = NOW + timedelta(minutes=2)
        assert list(name.plan(sight(w), later)) == []
        await w.execute(projects, Change(id="1", to=ProjectChanged(name="q")), CLOUD)
        assert len(list(name.plan(sight(w), later))) == 1


async def test_a_remote_id_stays_with_its_provider_and_what_is_used_once_is_forgotten() -> None:
    async with world() as w:
        for value in ("https://a", "https://b"):
            await w.execute(names, Take(id=("remote_id", value), holder="acme", until=NOW), CLOUD)
        await w.execute(names, Take(id=("used", "assertion", "1"), holder="2", until=NOW), CLOUD)
        made = making(IdentityProviderCreated(id="acme", domain="default", remote_ids=("https://a",)))
        await w.execute(identity_providers, made, CLOUD)
        spare = [wish.command.id for wish in name.plan(sight(w), NOW + timedelta(minutes=2))]
        assert sorted(spare) == [("remote_id", "https://b"), ("used", "assertion", "1")]


async def test_a_membership_that_nobody_confirmed_ends() -> None:
    async with world() as w:
        await w.execute(groups, making(GroupCreated(id="g", name="g", domain="default")), CLOUD)
        await w.execute(users, making(UserCreated(id="u", name="u", domain="default", provider="acme")), CLOUD)
        confirmed = ConfirmMembership(id=("g", "u"), provider="acme", until=NOW + timedelta(hours=1))
        await w.execute(expiring_memberships, confirmed, CLOUD)
        assert list(expiring_membership.plan(sight(w, turn=0), NOW)) == []
        assert len(list(expiring_membership.plan(sight(w, turn=0), NOW + timedelta(hours=1)))) == 1
        await w.execute(groups, Delete(id="g"), CLOUD)
        assert len(list(expiring_membership.plan(sight(w, turn=0), NOW))) == 1


async def test_a_revocation_is_forgotten_when_nobody_can_ask_any_more() -> None:
    async with world() as w:
        await w.execute(revocations, RevokeToken(id="a", until=NOW), CLOUD)
        assert list(revocation.plan(sight(w), NOW + timedelta(days=1))) == []
        later = NOW + timedelta(days=2, minutes=2)
        assert [wish.command for wish in revocation.plan(sight(w), later)] == [ForgetToken(id="a", now=later)]


async def test_a_trust_goes_with_its_users_its_project_and_its_last_use() -> None:
    async with world() as w:
        for user in ("ann", "bob"):
            await w.execute(users, making(UserCreated(id=user, name=user, domain="default")), CLOUD)
        await w.execute(projects, making(ProjectCreated(id="p", name="p", domain="default")), CLOUD)

        async def give(id: str, trustee: str = "bob", project: str = "p", uses: int | None = None) -> None:
            given = TrustGiven(
                id=id,
                trustor="ann",
                trustee=trustee,
                project_id=project,
                impersonation=True,
                roles=("member",),
                remaining_uses=uses,
            )
            await w.execute(trusts, making(given), CLOUD)

        await give("stands")
        await give("used", uses=1)
        await w.execute(trusts, UseTrust(id="used"), CLOUD)
        await give("of nobody", trustee="eve")
        await give("nowhere", project="q")
        now = w.cloud.clock.now()
        assert list(trust.plan(sight(w), now)) == []  # they are looked at now and then
        assert [wish.command.id for wish in trust.plan(sight(w, turn=0), now)] == ["of nobody", "nowhere"]
        later = now + KEPT + timedelta(minutes=1)
        assert ForgetTrust(id="used", now=later) in [wish.command for wish in trust.plan(sight(w, turn=0), later)]


async def test_what_was_granted_to_or_on_what_is_gone_is_taken_back() -> None:
    async with world() as w:
        await w.execute(assignments, grant(("user", "gone"), ("project", "gone"), "gone"), CLOUD)
        await w.execute(memberships, Join(id=("gone", "gone")), CLOUD)
        assert len(list(assignment.plan(sight(w, turn=0), NOW))) == 2
        assert list(assignment.plan(sight(w, turn=1), NOW)) == []
