"""What is demanded of passwords and of who uses them: settings, and what a user's own options exempt them from.

Whether a password is right is said here and nowhere else, so that every wrong one counts. A user is locked by the log:
what one gateway counts, all know. Of guesses that are looked at when the lock comes, as many as there are threads for
passwords are looked at to their end; none of them gets in.
Source: Keystone's administrator guide, "Security compliance and PCI-DSS"; Identity API reference, "Users".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from events.fold import Fold
from events.identity import user as users
from events.identity.user import FailLogin, Lock, PassLogin, User, locked
from events.refusals import Invalid, Unauthenticated
from events.settings import Identity
from gateway.identity.claims import timed
from gateway.identity.passwords import Passwords
from gateway.identity.proof import Proven, malformed
from gateway.identity.tokens import Tokens
from gateway.serving import Call


def moment(at: datetime | None) -> str | None:
    """A password's end as users and tokens show it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") if at is not None else None


def password_end(fold: Fold, user: str) -> str | None:
    """When a user's password ends, as their tokens show it."""
    found = fold.get(users, user)
    return moment(found.password_expires_at) if found else None


# What a user is today


def is_active(call: Call, user: User) -> bool:
    """Whether they are enabled, and were not away for too long."""
    days = call.cloud.settings.identity.disable_user_account_days_inactive
    if not user.enabled or not days or user.options.get("ignore_user_inactivity"):
        return user.enabled
    known, now = call.fold.known(users, user.id), call.cloud.clock.now()
    seen = user.active_at or (known.created_at if known else now)
    return (now.date() - seen.date()).days < days


def has_expired(user: User, now: datetime) -> bool:
    """Whether their password must be changed before it is good for anything else."""
    ends = user.password_expires_at
    return ends is not None and ends <= now and not user.options.get("ignore_password_expiry")


def lock(user: User, settings: Identity, now: datetime) -> Lock:
    """What locks this user."""
    exempt = user.options.get("ignore_lockout_failure_attempts")
    seconds = settings.lockout_duration
    return Lock(
        attempts=0 if exempt else settings.lockout_failure_attempts,
        lasts=timedelta(seconds=seconds) if seconds else None,
        now=now,
    )


_COMPARE: Mapping[str, Callable[[datetime, datetime], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}


def ending_as_asked(call: Call, found: list[User]) -> list[User]:
    """Whose passwords end as the query says: `password_expires_at=lt:2030-01-01T00:00:00Z`. Raises Invalid."""
    for name, value in call.request.query_params.multi_items():
        if name == "password_expires_at":
            test = _end_test(value)
            found = [user for user in found if user.password_expires_at and test(user.password_expires_at)]
    return found


def _end_test(value: str) -> Callable[[datetime], bool]:
    how, _, text = value.partition(":") if ":" in value[2:4] else ("eq", "", value)
    try:
        wanted = timed(text)
    except ValueError as fault:
        raise malformed("Timestamp not in expected format.") from fault
    if how not in _COMPARE:
        raise Invalid(
            f"The given operator {how} is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte', 'gt', "
            "or 'gte'."
        )
    compare = _COMPARE[how]
    return lambda ends: compare(ends, wanted)


# What a new password must be


def guard(password: Any, settings: Identity) -> None:
    """Raises Invalid for a password that is too easily guessed."""
    if not settings.password_regex:
        return
    if not isinstance(password, str):
        raise Invalid("Password validation error: Password must be a string type.")
    if not re.match(settings.password_regex, password):
        raise Invalid(f"The password does not match the requirements: {settings.password_regex_description}.")


def ends(options: Mapping[str, Any], settings: Identity, now: datetime, *, own: bool) -> datetime | None:
    """Until when a password is good that is set now, by the user themselves (`own`) or for them."""
    first_use = settings.change_password_upon_first_use
    if not own and first_use and not options.get("ignore_change_password_upon_first_use"):
        return now
    if settings.password_expires_days and not options.get("ignore_password_expiry"):
        return (now + timedelta(days=settings.password_expires_days)).replace(microsecond=0)
    return None


async def guard_own(user: User, password: str, passwords: Passwords, settings: Identity, now: datetime) -> None:
    """Whether a user may now set this password themselves. Raises Invalid."""
    guard(password, settings)
    if user.options.get("lock_password"):
        raise Invalid(
            "You cannot change your password at this time due to password policy disallowing password changes. Please "
            "contact your administrator to reset your password."
        )
    age = settings.minimum_password_age
    since = user.password_at or now
    if user.password_is_own and now < since + timedelta(days=age):
        left = (since + timedelta(days=age) - now).days
        raise Invalid(
            "You cannot change your password at this time due to the minimum password age. Once you change your "
            f"password, it must be used for {age} day(s) before it can be changed. Please try again in {left} day(s) "
            "or contact your administrator to reset your password."
        )
    count = settings.unique_last_password_count
    for hash in (user.password, *user.former)[:count]:
        if await passwords.match(password, hash):
            raise Invalid(
                "The new password cannot be identical to a previous password. The total number which includes the new "
                f"password must be unique is {count}."
            )


# Whether a password is right


async def prove(call: Call, user: User | None, password: str, *, to_change: bool = False) -> User:
    """The user whose password it is, good for everything or at least to be changed. Raises Unauthenticated, Busy."""
    settings, fold, clock = call.cloud.settings.identity, call.fold, call.cloud.clock
    if user is not None and user.is_locked(lock(user, settings, clock.now())):
        raise locked(user.id)
    right = await call.cloud.part(Tokens).passwords.match(password, user.password if user else None)
    if user is None:
        raise Unauthenticated()
    if not right:
        if settings.lockout_failure_attempts:
            await call.cloud.execute(users, FailLogin(id=user.id, lock=lock(user, settings, clock.now())), call.origin)
        raise Unauthenticated()
    if call.cloud.fence is not None and settings.lockout_failure_attempts:
        await call.cloud.fence.wait(reads=False)  # others may have locked them since
    known, now = fold.get(users, user.id), clock.now()
    if known is None or known.password != user.password:
        raise Unauthenticated()  # changed while it was looked at
    if known.is_locked(lock(known, settings, now)):
        raise locked(user.id)
    if not is_active(call, known):
        raise Unauthenticated(f"The account is disabled for user: {user.id}.")
    if has_expired(known, now) and not to_change:
        raise Unauthenticated(f"The password is expired and needs to be changed for user: {user.id}.")
    if known.failures or _is_first_of_day(known, settings, now):
        await call.cloud.execute(users, PassLogin(id=user.id, lock=lock(known, settings, now)), call.origin)
    return known


async def admit(call: Call, proven: Proven) -> None:
    """Let in whoever it is, by whatever method, unless they were away for too long. Raises Unauthenticated, Busy.

    Whom an identity provider vouches for comes in by no other way, so that this counts for them as a login.
    """
    settings, now = call.cloud.settings.identity, call.cloud.clock.now()
    if proven.federated is not None and _is_first_of_day(proven.user, settings, now):
        await call.cloud.execute(
            users, PassLogin(id=proven.user.id, lock=lock(proven.user, settings, now)), call.origin
        )
    elif not is_active(call, proven.user):
        raise Unauthenticated()


def _is_first_of_day(user: User, settings: Identity, now: datetime) -> bool:
    if not settings.disable_user_account_days_inactive:
        return False
    return user.active_at is None or user.active_at.date() != now.date()
