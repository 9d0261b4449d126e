"""Passwords that end, that are not used again, that lock a user; and what a user's options exempt them from."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.clock import ManualClock
from events.identity import user as users
from events.journal import MemoryJournal
from gateway.identity.bootstrap import bootstrap
from gateway.identity.proof import Proven
from gateway.identity.tokens import Target
from tests.gateway.identity.people import PASSWORD, People, demanding, gone, people

LOCKS = demanding(lockout_failure_attempts=2, lockout_duration=5)
DAY = 86_400  # seconds


def words(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


async def change(them: People, user: str, old: str, new: str) -> httpx.Response:
    body = {"user": {"original_password": old, "password": new}}
    return await them.call("POST", f"/users/{user}/password", body, token="")


async def fail(them: People, user: str, times: int = 1) -> None:
    for _ in range(times):
        answer = await them.ask(user, "wrong")
        assert (answer.status_code, words(answer)) == (401, "The request you have made requires authentication.")


def renew(them: People) -> None:
    """The admin has another token, however long it was."""
    admin = them.fold.by(users, "name", "admin")[0]
    them.admin, _ = them.tokens.issue(Proven(user=admin, methods=["password"]), Target(scope="system"))


async def test_too_many_wrong_passwords_lock_a_user_for_a_while(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=LOCKS) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD))["id"]
        await fail(them, ann, 2)
        locked = await them.ask(ann, PASSWORD)
        assert (locked.status_code, words(locked)) == (401, f"The account is locked for user: {ann}.")
        assert (await change(them, ann, PASSWORD, "new")).status_code == 401
        clock.advance(6)
        await fail(them, ann)  # a new count begins
        assert (await them.ask(ann, PASSWORD)).status_code == 201


async def test_a_right_password_ends_the_count(tmp_path: Path) -> None:
    async with people(tmp_path, settings=LOCKS) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD))["id"]
        for _ in range(3):
            await fail(them, ann)
            assert (await them.ask(ann, PASSWORD)).status_code == 201


async def test_an_administrator_unlocks_who_is_enabled(tmp_path: Path) -> None:
    async with people(tmp_path, settings=demanding(lockout_failure_attempts=1, lockout_duration=0)) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD))["id"]
        await fail(them, ann)
        assert words(await them.ask(ann, PASSWORD)) == f"The account is locked for user: {ann}."
        await them.call("PATCH", f"/users/{ann}", {"user": {"enabled": True}})
        assert (await them.ask(ann, PASSWORD)).status_code == 201


async def test_an_operator_mends_a_cloud_whose_admin_is_locked(tmp_path: Path) -> None:
    clock = ManualClock()
    demands = demanding(lockout_failure_attempts=1, lockout_duration=0, disable_user_account_days_inactive=5)
    async with people(tmp_path, clock, settings=demands) as them:
        admin = them.fold.by(users, "name", "admin")[0].id
        await fail(them, admin)
        clock.advance(9 * DAY)
        assert (await them.ask(admin, PASSWORD)).status_code == 401
        await bootstrap(them.world.execute, demands, "mended", mend=True)
        assert (await them.ask(admin, "mended")).status_code == 201


async def test_who_is_exempt_is_never_locked(tmp_path: Path) -> None:
    async with people(tmp_path, settings=LOCKS) as them:
        options = {"ignore_lockout_failure_attempts": True}
        ann = (await them.make("user", name="ann", password=PASSWORD, options=options))["id"]
        before = them.fold.position
        await fail(them, ann, 5)
        assert (await them.ask(ann, PASSWORD)).status_code == 201
        assert them.fold.position == before


async def test_good_logins_and_guesses_at_who_is_locked_leave_the_log_alone(tmp_path: Path) -> None:
    async with people(tmp_path, settings=LOCKS) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD))["id"]
        before = them.fold.position
        for _ in range(5):
            assert (await them.ask(ann, PASSWORD)).status_code == 201
        assert them.fold.position == before
        await asyncio.gather(*(them.ask(ann, f"guess {number}") for number in range(20)))
        assert them.fold.position == before + 1 or them.fold.position == before + 2  # two failures, at most
        assert words(await them.ask(ann, PASSWORD)) == f"The account is locked for user: {ann}."
        for nobody in range(5):
            await them.ask(f"{nobody}" * 32, "guess")
        assert them.fold.position <= before + 2


async def test_a_lock_outlives_the_gateway_and_counts_for_another(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with people(tmp_path, journal=journal, settings=LOCKS) as one:
        ann = (await one.make("user", name="ann", password=PASSWORD))["id"]
        async with people(tmp_path / "other", journal=journal, settings=LOCKS) as other:
            await fail(one, ann)
            await other.fold.reach(await journal.last())
            await fail(other, ann)
            await one.fold.reach(await journal.last())
            assert words(await one.ask(ann, PASSWORD)) == f"The account is locked for user: {ann}."
    async with people(tmp_path / "later", journal=journal, settings=LOCKS) as later:
        assert words(await later.ask(ann, PASSWORD)) == f"The account is locked for user: {ann}."


async def test_a_password_that_has_ended_is_good_for_changing_it_only(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=demanding(password_expires_days=30)) as them:
        user = await them.make("user", name="ann", password=PASSWORD)
        ann, ends = user["id"], user["password_expires_at"]
        assert ends == (clock.now() + timedelta(days=30)).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%S.000000")
        issued = await them.ask(ann, PASSWORD)
        assert issued.json()["token"]["user"]["password_expires_at"] == ends
        clock.advance(31 * DAY)
        expired = await them.ask(ann, PASSWORD)
        assert (expired.status_code, words(expired)) == (
            401,
            f"The password is expired and needs to be changed for user: {ann}.",
        )
        assert words(await them.ask(ann, "wrong")) == "The request you have made requires authentication."
        assert (await change(them, ann, PASSWORD, "another")).status_code == 204
        assert (await them.ask(ann, "another")).status_code == 201


async def test_who_is_exempt_keeps_their_password(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=demanding(password_expires_days=30)) as them:
        options = {"ignore_password_expiry": True}
        ann = await them.make("user", name="ann", password=PASSWORD, options=options)
        assert ann["password_expires_at"] is None
        bob = await them.make("user", name="bob", password=PASSWORD)
        clock.advance(31 * DAY)
        assert (await them.ask(ann["id"], PASSWORD)).status_code == 201
        assert (await them.ask(bob["id"], PASSWORD)).status_code == 401
        renew(them)
        await them.call("PATCH", f"/users/{bob['id']}", {"user": {"options": options}})
        assert (await them.ask(bob["id"], PASSWORD)).status_code == 201


async def test_a_password_of_the_last_ones_is_refused_to_its_user_and_not_to_an_administrator(tmp_path: Path) -> None:
    async with people(tmp_path, settings=demanding(unique_last_password_count=2)) as them:
        ann = (await them.make("user", name="ann", password="first"))["id"]
        same = await change(them, ann, "first", "first")
        assert (same.status_code, words(same)) == (
            400,
            "The new password cannot be identical to a previous password. The total number which includes the new "
            "password must be unique is 2.",
        )
        assert (await change(them, ann, "first", "second")).status_code == 204
        assert (await change(them, ann, "second", "first")).status_code == 400
        assert (await change(them, ann, "second", "third")).status_code == 204
        assert (await change(them, ann, "third", "first")).status_code == 204
        assert (await them.call("PATCH", f"/users/{ann}", {"user": {"password": "first"}})).status_code == 200
        state = them.fold.get(users, ann)
        assert state is not None
        assert len(state.former) == 2


async def test_what_a_user_chose_must_be_used_for_a_while(tmp_path: Path) -> None:
    clock = ManualClock()
    async with people(tmp_path, clock, settings=demanding(minimum_password_age=2)) as them:
        ann = (await them.make("user", name="ann", password="first"))["id"]
        assert (await change(them, ann, "first", "second")).status_code == 204  # an administrator set the first one
        clock.advance(60)
        early = await change(them, ann, "second", "third")
        assert early.status_code == 400
        assert "it must be used for 2 day(s) before it can be changed. Please try again in 1 day(s)" in words(early)
        clock.advance(2 * DAY)
        assert (await change(them, ann, "second", "third")).status_code == 204


async def test_a_password_must_match(tmp_path: Path) -> None:
    demands = demanding(password_regex=r"^(?=.*\d)(?=.*[a-z]).{7,}$", password_regex_description="a digit, a letter")
    async with people(tmp_path, settings=demands) as them:
        weak = await them.call("POST", "/users", {"user": {"name": "ann", "password": "weak"}})
        told = "The password does not match the requirements: a digit, a letter."
        assert (weak.status_code, words(weak)) == (400, told)
        none = await them.call("POST", "/users", {"user": {"name": "ann", "password": None}})
        assert words(none) == "Password validation error: Password must be a string type."
        ann = (await them.make("user", name="ann", password="strong77"))["id"]
        assert words(await them.call("PATCH", f"/users/{ann}", {"user": {"password": "weak"}})) == told
        assert words(await change(them, ann, "strong77", "weak")) == told
        assert (await change(them, ann, "wrong", "weak")).status_code == 401  # who knows nothing learns nothing


async def test_a_password_that_was_set_for_a_user_is_changed_before_anything_else(tmp_path: Path) -> None:
    async with people(tmp_path, settings=demanding(change_password_upon_first_use=True)) as them:
        ann = (await them.make("user", name="ann", password="given"))["id"]
        assert words(await them.ask(ann, "given")).startswith("The password is expired and needs to be changed")
        assert (await change(them, ann, "given", "own")).status_code == 204
        assert (await them.ask(ann, "own")).status_code == 201
        await them.call("PATCH", f"/users/{ann}", {"user": {"password": "reset"}})
        assert (await them.ask(ann, "reset")).status_code == 401
        options = {"ignore_change_password_upon_first_use": True}
        bob = (await them.make("user", name="bob", password="given", options=options))["id"]
        assert (await them.ask(bob, "given")).status_code == 201


async def test_who_stays_away_for_too_long_is_disabled(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
    async with people(tmp_path, clock, settings=demanding(disable_user_account_days_inactive=10)) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD))["id"]
        options = {"ignore_user_inactivity": True}
        bob = (await them.make("user", name="bob", password=PASSWORD, options=options))["id"]
        before = them.fold.position
        for _ in range(3):
            assert (await them.ask(ann, PASSWORD)).status_code == 201
        assert them.fold.position == before + 1  # once a day
        project = (await them.make("project", name="p"))["id"]
        await them.grant(f"projects/{project}/users/{ann}", "member")
        token = await them.login(ann, PASSWORD, {"project": {"id": project}})
        body = {"application_credential": {"name": "c"}}
        made = await them.call("POST", f"/users/{ann}/application_credentials", body, token=token)
        credential = made.json()["application_credential"]
        clock.advance(9 * DAY)
        assert (await them.ask(ann, PASSWORD)).status_code == 201
        clock.advance(10 * DAY)
        renew(them)
        away = await them.ask(ann, PASSWORD)
        assert (away.status_code, words(away)) == (401, "The request you have made requires authentication.")
        assert (await them.call("GET", f"/users/{ann}")).json()["user"]["enabled"] is False
        listed = (await them.call("GET", "/users?enabled=false")).json()["users"]
        assert {user["name"] for user in listed} == {"admin", "ann"}
        assert (await them.ask(bob, PASSWORD)).status_code == 201
        secret = {"application_credential": {"id": credential["id"], "secret": credential["secret"]}}
        auth = {"auth": {"identity": {"methods": ["application_credential"], **secret}}}
        assert (await them.call("POST", "/auth/tokens", auth, token="")).status_code == 401
        await them.call("PATCH", f"/users/{ann}", {"user": {"enabled": True}})
        assert (await them.call("POST", "/auth/tokens", auth, token="")).status_code == 201
        assert (await them.ask(ann, PASSWORD)).status_code == 201


async def test_a_user_whose_password_is_locked_cannot_change_it(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD, options={"lock_password": True}))["id"]
        answer = await change(them, ann, PASSWORD, "new")
        assert answer.status_code == 400
        assert "due to password policy disallowing password changes" in words(answer)
        assert (await change(them, ann, "wrong", "new")).status_code == 401
        await them.call("PATCH", f"/users/{ann}", {"user": {"options": {"lock_password": None}}})
        assert (await them.call("GET", f"/users/{ann}")).json()["user"]["options"] == {}
        assert (await change(them, ann, PASSWORD, "new")).status_code == 204


async def test_of_two_changes_at_once_the_second_no_longer_knows_the_password(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        ann = (await them.make("user", name="ann", password=PASSWORD))["id"]
        answers = await asyncio.gather(*(change(them, ann, PASSWORD, f"new {number}") for number in range(4)))
        assert sorted(answer.status_code for answer in answers) == [204, 401, 401, 401]


async def test_a_new_password_ends_the_tokens_and_none_at_all_lets_nobody_in(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        ann, _, token = await them.member()
        assert (await change(them, ann["id"], PASSWORD, "new")).status_code == 204
        await gone(them, token)
        await them.call("PATCH", f"/users/{ann['id']}", {"user": {"password": None}})
        assert (await them.ask(ann["id"], "new")).status_code == 401


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"nope": True}, "Additional properties are not allowed ('nope' was unexpected)"),
        ({"lock_password": "yes"}, "'yes' is not of type 'boolean', 'null'"),
        ({"multi_factor_auth_rules": ["a"]}, "field/attribute 0. Value: a. 'a' is not of type 'array'"),
        ({"multi_factor_auth_rules": [[]]}, "field/attribute 0. Value: []. [] should be non-empty"),
        ({"multi_factor_auth_rules": [["a", "a"]]}, "['a', 'a'] has non-unique elements"),
        ({"multi_factor_auth_rules": [["a"], ["a"]]}, "[['a'], ['a']] has non-unique elements"),
        ([], "[] is not of type 'object'"),
    ],
)
async def test_options_are_those_that_there_are(tmp_path: Path, options: Any, told: str) -> None:
    async with people(tmp_path) as them:
        answer = await them.call("POST", "/users", {"user": {"name": "ann", "options": options}})
        assert answer.status_code == 400
        assert told in words(answer)


async def test_users_are_found_by_the_end_of_their_passwords(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with people(tmp_path, clock, settings=demanding(password_expires_days=30)) as them:
        for name in ("ann", "bob"):
            await them.make("user", name=name, password=PASSWORD)
            clock.advance(600)

        async def found(asked: str) -> Any:
            answer = await them.call("GET", f"/users?password_expires_at={asked}")
            if answer.status_code != 200:
                return answer.status_code, words(answer)
            return {user["name"] for user in answer.json()["users"]}

        assert await found("lt:2026-01-31T00:05:00Z") == {"ann"}
        assert await found("gte:2026-01-31T00:05:00Z") == {"bob"}
        assert await found("2026-01-31T00:10:00Z") == {"bob"}
        assert await found("neq:2026-01-31T00:10:00") == {"ann"}
        assert (await found("xx:2026-01-31T00:10:00Z"))[1].startswith("The given operator xx is not valid.")
        assert (await found("lt:soon"))[1].startswith("Timestamp not in expected format.")
