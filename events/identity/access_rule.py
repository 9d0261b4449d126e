"""An access rule: one method on one path of one service, to which an application credential may be restricted.

    MADE -> DELETED

A user's rules are alike for all their credentials: the id of a rule follows from what it says. A credential keeps what
its rules said, so that this is for showing only. Source: Identity API reference, "Application credentials".
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from events.envelope import Event, State
from events.identity import record
from events.identity.record import Commands

INDEXES = ("user",)


class AccessRule(State, frozen=True, gc=False, kw_only=True):
    id: str
    user: str
    service: str  # its type
    method: str
    path: str  # a pattern: `*` and `{name}` stand for one part, `**` for any number

    @property
    def owner(self) -> str | None:
        """A user's own affair: no commit of it shows in a project's feed."""
        return None


class AccessRuleMade(Event, frozen=True, gc=False, kw_only=True):
    id: str
    user: str
    service: str
    method: str
    path: str


class AccessRuleDeleted(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = AccessRuleMade | AccessRuleDeleted


def id_of(user: str, service: str, method: str, path: str) -> str:
    """The id of a user's rule: 32 hexadecimal digits."""
    return sha256("\0".join((user, service, method, path)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def decide(rule: AccessRule | None, command: Commands) -> list[Events]:
    """What `command` brings about. Raises NotFound, Conflict."""
    return record.decide("Access Rule", rule, command, AccessRuleDeleted())


def evolve(rule: AccessRule | None, event: Events, at: datetime) -> AccessRule:
    """The access rule after `event`."""
    return record.evolve(AccessRule, rule, event, AccessRuleMade, AccessRuleDeleted)
