"""A user: who authenticates. The hashes of the password and of former ones stand here, the passwords nowhere.

    ENABLED <-> DISABLED -> DELETED

Wrong passwords are counted here too, so that they count over all gateways and whatever dies: one event for each until
the user is locked, none as long as that lasts.
Source: Identity API reference, "Users"; Keystone's administrator guide, "Security compliance and PCI-DSS".
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, assert_never

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from events.envelope import Command, Event, State
from events.identity import changed, named, record
from events.identity.record import Delete, Make
from events.refusals import Unauthenticated

INDEXES = ("domain", "name", "place")
UNTOLD = ("password", "former")  # to consumers of the feed


class Lock(Struct, frozen=True, gc=False, kw_only=True):
    """When wrong passwords lock a user, as it is asked now."""

    attempts: int  # 0: never
    lasts: timedelta | None  # None: until somebody enables them
    now: datetime


class User(State, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    enabled: bool = True
    default_project: str | None = None
    password: str | None = None  # its hash; None: no password opens
    password_at: datetime | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}  # a description, an email address and whatever else was given
    tokens_from: datetime | None = None  # tokens of the user that were issued before are void
    provider: str | None = None  # the identity provider that made them known; their name may be others' too
    password_expires_at: datetime | None = None
    password_is_own: bool = False  # they chose it themselves
    former: tuple[str, ...] = ()  # the hashes of passwords before this one, the newest first
    failures: int = 0  # wrong passwords since the last right one
    failed_at: datetime | None = None
    active_at: datetime | None = None  # the first login of the newest day with one, if that is asked for

    @property
    def place(self) -> str | None:
        """By which they are found by name."""
        return f"{self.domain}:{self.name}" if self.provider is None else None

    def is_locked(self, lock: Lock) -> bool:
        """Whether too many passwords were wrong, too short a time ago."""
        if not lock.attempts or self.failed_at is None or self.failures < lock.attempts:
            return False
        return lock.lasts is None or self.failed_at + lock.lasts > lock.now


class UserCreated(Event, frozen=True, gc=False, kw_only=True):
    id: str
    name: str
    domain: str
    enabled: bool = True
    default_project: str | None = None
    password: str | None = None
    options: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    provider: str | None = None
    password_expires_at: datetime | None = None


class UserChanged(Event, frozen=True, gc=False, kw_only=True):
    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    default_project: str | UnsetType | None = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    extra: dict[str, Any] | UnsetType = UNSET


class UserPasswordChanged(Event, frozen=True, gc=False, kw_only=True):
    password: str | None
    expires_at: datetime | None = None
    own: bool = False  # they chose it themselves
    kept: int = 0  # how many former hashes are remembered


class UserLoginFailed(Event, frozen=True, gc=False, kw_only=True):
    failures: int  # with this one


class UserLoggedIn(Event, frozen=True, gc=False, kw_only=True):
    """Told only after failures, and once a day if it is asked for who is inactive."""


class UserForgiven(Event, frozen=True, gc=False, kw_only=True):
    """An administrator has looked at them: failures count no more."""

    active: bool = False  # and they count as active from now on


class UserTokensVoided(Event, frozen=True, gc=False, kw_only=True):
    """Whoever shows one issued before has to log in again: they are in fewer groups now."""


class UserDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = (
    UserCreated
    | UserChanged
    | UserPasswordChanged
    | UserLoginFailed
    | UserLoggedIn
    | UserForgiven
    | UserTokensVoided
    | UserDeleted
)


class ChangeUser(Command, frozen=True, gc=False, kw_only=True):
    to: UserChanged = UserChanged()  # of what is not to change it says nothing
    password: UserPasswordChanged | None = None
    active: bool = False  # they count as active from now on


class ReplacePassword(Command, frozen=True, gc=False, kw_only=True):
    """What a user does who knows the password that `instead_of` is the hash of."""

    by: UserPasswordChanged
    instead_of: str


class FailLogin(Command, frozen=True, gc=False, kw_only=True):
    lock: Lock


class PassLogin(Command, frozen=True, gc=False, kw_only=True):
    """Raises Unauthenticated if they are locked by now."""

    lock: Lock


class VoidTokens(Command, frozen=True, gc=False, kw_only=True):
    pass


Commands = Make | ChangeUser | ReplacePassword | FailLogin | PassLogin | VoidTokens | Delete


def locked(id: str) -> Unauthenticated:
    return Unauthenticated(f"The account is locked for user: {id}.")


def decide(user: User | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, Make | Delete):
        return record.decide("user", user, command, UserDeleted())
    user = record.living("user", user, command)
    match command:
        case ChangeUser():
            return _changes(user, command)
        case ReplacePassword(instead_of=old) if old != user.password:
            raise Unauthenticated()
        case ReplacePassword(by=event):
            return [event]
        case FailLogin(lock=lock):
            if not lock.attempts or user.is_locked(lock):
                return []  # else whoever goes on guessing would fill the log
            return [UserLoginFailed(failures=1 if user.failures >= lock.attempts else user.failures + 1)]
        case PassLogin(lock=lock):
            if user.is_locked(lock):
                raise locked(user.id)
            return [UserLoggedIn()]
        case VoidTokens():
            return [UserTokensVoided()]
    assert_never(command)


def _changes(user: User, command: ChangeUser) -> list[Events]:
    events: list[Events] = [command.password] if command.password is not None else []
    changes = changed(user, command.to)
    if changes:
        events.append(UserChanged(**changes))
    if (user.failures and changes.get("enabled", user.enabled)) or command.active:
        events.append(UserForgiven(active=command.active))
    return events


def evolve(user: User | None, event: Events, at: datetime) -> User:
    """The user after `event`."""
    if isinstance(event, UserCreated):
        since = None if event.provider is None else at  # an id that comes again must not make former tokens valid
        return User(**asdict(event), password_at=at if event.password else None, tokens_from=since)
    assert user is not None, f"{event!r} before UserCreated"
    match event:
        case UserChanged():
            after = replace(user, **named(event))
            return replace(after, tokens_from=at) if event.enabled is False else after
        case UserPasswordChanged():
            return _with_password(user, event, at)
        case UserLoginFailed(failures=failures):
            return replace(user, failures=failures, failed_at=at)
        case UserLoggedIn():
            return replace(user, failures=0, failed_at=None, active_at=at)
        case UserForgiven(active=active):
            return replace(user, failures=0, failed_at=None, active_at=at if active else user.active_at)
        case UserTokensVoided():
            return replace(user, tokens_from=at)
        case UserDeleted():
            return replace(user, deleted=True)
    assert_never(event)


def _with_password(user: User, event: UserPasswordChanged, at: datetime) -> User:
    known = (user.password, *user.former) if user.password else user.former
    return replace(
        user,
        password=event.password,
        password_at=at,
        password_expires_at=event.expires_at,
        password_is_own=event.own,
        former=known[: event.kept],
        tokens_from=at,
    )
